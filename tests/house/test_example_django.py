"""docs/examples/django under gunicorn: what was committed is told once, wherever it was killed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from casestore import CaseStore
from tests.support import stories
from tests.support.busy import busy
from tests.support.processes import wait_until
from tests.support.running import PATIENCE, ROOT, Running, python

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gunicorn is for Unix")

FOLDER = ROOT / "docs" / "examples" / "django"
GUNICORN = ("-m", "gunicorn", "--workers", "2", "--threads", "4", "--log-level", "warning")


class Shop:
    """The project, with databases of its own."""

    def __init__(self, store_url: str, folder: Path) -> None:
        self.store_url = store_url
        self.file = folder / "shop.db"
        self.env = {"CASESTORE_URL": store_url, "SHOP_DB": str(self.file)}
        bind = ("--bind", "127.0.0.1:{port}", "shop.wsgi")
        self._pool = ThreadPoolExecutor(1)
        self._asked: Future[int] = Future()
        self.running = Running(FOLDER, folder / "said", *GUNICORN, *bind, env=self.env)

    def manage(self, *command: str, code: int = 0) -> str:
        done = python(FOLDER, "manage.py", *command, env=self.env, codes=(code,))
        return done.stdout + done.stderr

    def refund(self, name: str, to: str = "/refunds", case: str = "4711", **more: str) -> int:
        """Ask for a refund; the status."""
        asked = {"id": name, "case_id": case, "amount": "12.50", "agent": "anna"}
        when = {"at": "2026-03-02T10:00:00Z", "due_at": "2026-03-09T10:00:00Z"}
        answer = httpx.post(f"{self.running.url}{to}", json=asked | when | more, timeout=PATIENCE)
        return answer.status_code

    def rows(self, table: str) -> int:
        with closing(sqlite3.connect(self.file)) as db:
            (count,) = db.execute(f"SELECT count(*) FROM shop_{table}").fetchone()
        return int(count)

    def told(self) -> list[str]:
        """The refunds that the case knows of, in the order in which it was told."""
        with CaseStore.open(self.store_url) as store:
            return [
                getattr(each.event, "promise_id", "")
                for each in store.read()
                if each.type == "PromiseMade"
            ]

    @contextmanager
    def kept_waiting(self, name: str, to: str) -> Iterator[None]:
        """Ask for a refund, which is committed, but cannot be told until the end of the block."""
        with CaseStore.open(self.store_url) as other, busy(other):
            self._asked = self._pool.submit(self.refund, name, to)
            wait_until(lambda: self.rows("refund") == 1)
            yield

    def kill(self) -> None:
        """Kill -9, while a client waits."""
        self.running.kill()
        assert isinstance(self._asked.exception(PATIENCE), httpx.TransportError)


@contextmanager
def running_shop(store_url: str, tmp_path: Path) -> Iterator[Shop]:
    with CaseStore.create(store_url) as store:
        store.append("case:4711", stories.opened())
    shop = Shop(store_url, tmp_path)
    shop.manage("migrate")
    with shop.running:
        yield shop


@pytest.fixture
def shop(store_url: str, tmp_path: Path) -> Iterator[Shop]:
    with running_shop(store_url, tmp_path) as shop:
        yield shop


def a_name() -> str:
    return str(uuid4())


@pytest.mark.parametrize("to", ["/refunds", "/refunds-on-commit"])
def test_what_was_committed_is_told_and_once_where_the_client_asks_again(
    to: str, shop: Shop
) -> None:
    name = a_name()
    assert [shop.refund(name, to) for _ in range(2)] == [201, 200]
    assert shop.told() == [name]
    assert shop.rows("outbox") == 0


ROLLED_BACK = """
from django.db import transaction
from casestore import PromiseMade
from shop.models import Refund
from shop.telling import tell, tell_on_commit
from shop.views import made, promise

when = {"at": "2026-03-02T10:00:00Z", "due_at": "2026-03-09T10:00:00Z"}
said = {"id": "9b2c3c5e-6b0e-4d2a-8a38-0d5a4a5d9a01", "case_id": "4711", "amount": "1", **when}
said["agent"] = "anna"
try:
    with transaction.atomic():
        assert made(said)
        tell("4711", "PromiseMade", **promise(said))
        tell_on_commit("4711", PromiseMade(**promise(said)), key=said["id"])
        raise LookupError
except LookupError:
    print("refunds:", Refund.objects.count())
try:
    tell("4711", "PromiseMade", **promise(said))
except RuntimeError as error:
    print(error)
"""


def test_what_was_rolled_back_is_not_told(shop: Shop) -> None:
    assert "refunds: 0\ntell within transaction.atomic()" in shop.manage("shell", "-c", ROLLED_BACK)
    assert shop.refund(a_name(), agent="") == 500  # no id of an agent: it is no event
    assert (shop.rows("refund"), shop.rows("outbox"), shop.told()) == (0, 0, [])
    assert "told: 0" in shop.manage("drain")


def test_on_commit_loses_what_a_killed_process_had_committed(tmp_path: Path) -> None:
    """On SQLite, whose appends end with their process: PostgreSQL may still take what was sent."""
    name = a_name()
    with running_shop(f"sqlite:///{tmp_path}/store.db", tmp_path) as shop:
        with shop.kept_waiting(name, "/refunds-on-commit"):
            shop.kill()
        shop.running.start()
        assert "told: 0" in shop.manage("drain")
        assert shop.refund(name, "/refunds-on-commit") == 200
        assert shop.told() == []


def test_the_outbox_has_what_a_killed_process_had_committed(shop: Shop) -> None:
    name = a_name()
    with shop.kept_waiting(name, "/refunds"):
        shop.kill()
    assert shop.rows("outbox") == 1
    if shop.store_url.startswith("sqlite"):
        assert shop.told() == []
    assert "told: 1" in shop.manage("drain")
    assert "told: 0" in shop.manage("drain")
    assert shop.told() == [name]


def test_what_was_told_and_is_still_in_the_outbox_is_not_told_again(shop: Shop) -> None:
    name = a_name()
    with closing(sqlite3.connect(shop.file, isolation_level=None)) as other:
        with shop.kept_waiting(name, "/refunds"):
            other.execute("BEGIN IMMEDIATE")  # nobody can delete the row now
        wait_until(lambda: shop.told() == [name])
        shop.kill()
        other.execute("ROLLBACK")
    assert shop.rows("outbox") == 1
    assert "told: 1" in shop.manage("drain")
    assert shop.rows("outbox") == 0
    assert shop.told() == [name]


def test_many_requests_and_the_command_at_once_tell_each_once(shop: Shop) -> None:
    names = [a_name() for _ in range(12)]
    with ThreadPoolExecutor(8) as pool:
        draining = [pool.submit(shop.manage, "drain") for _ in range(2)]
        found = list(pool.map(shop.refund, [*names, *names]))
        for each in draining:
            assert "told: " in each.result()
    assert sorted(found) == [200] * 12 + [201] * 12
    shop.manage("drain")
    assert sorted(shop.told()) == sorted(names)
    assert shop.rows("outbox") == 0
    assert "Traceback" not in shop.running.said


def test_what_the_store_refuses_is_shown_and_holds_up_nothing_else(shop: Shop) -> None:
    lost, name = a_name(), a_name()
    assert shop.refund(lost, case="nowhere") == 201
    assert shop.refund(name) == 201
    assert shop.told() == [name]
    said = shop.manage("drain", code=1)
    assert "1: case:nowhere: PromiseMade is refused: " in said
    assert "the store refuses these" in said


def test_a_store_that_is_not_there_is_told_later(store_url: str, tmp_path: Path) -> None:
    shop, name = Shop(store_url, tmp_path), a_name()
    shop.manage("migrate")
    with shop.running:
        assert shop.refund(name) == 201
        assert "StoreNotFound" in shop.running.said
        with CaseStore.create(store_url) as store:
            store.append("case:4711", stories.opened())
        assert "told: 1" in shop.manage("drain")
        assert shop.told() == [name]
