"""docs/examples/fastapi under uvicorn: a client that never knows asks again, and harms nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from casestore import CaseStore
from tests.support.busy import busy
from tests.support.postgres_server import Server
from tests.support.processes import wait_until
from tests.support.running import PATIENCE, ROOT, Running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are of Unix")

SECRET = "my neighbour hears it too"
WHO = {"occurred_at": "2026-03-02T10:00:00Z", "actor": {"kind": "customer", "id": "c-7"}}
OPENED = {**WHO, "customer_id": "c-7", "channel": "web"}


def message(name: str) -> dict[str, Any]:
    return {**WHO, "message_id": name, "channel": "web", "text": f"{name}: {SECRET}"}


UVICORN = ("-m", "uvicorn", "service:app", "--port", "{port}", "--no-access-log")


@contextmanager
def served(store_url: str, tmp_path: Path) -> Iterator[Running]:
    CaseStore.create(store_url).close()
    folder = ROOT / "docs" / "examples" / "fastapi"
    env = {"CASESTORE_URL": store_url}
    with Running(folder, tmp_path / "said", *UVICORN, env=env) as running:
        assert post(running, "", OPENED, '"open"').status_code == 201
        yield running
        assert SECRET not in running.said


@pytest.fixture
def service(store_url: str, tmp_path: Path) -> Iterator[Running]:
    with served(store_url, tmp_path) as running:
        yield running


def post(
    service: Running, to: str, body: dict[str, Any], key: str | None, **more: str
) -> httpx.Response:
    headers = more if key is None else {"Idempotency-Key": key, **more}
    url = f"{service.url}/cases/4711{to}"
    return httpx.post(url, json=body, headers=headers, timeout=PATIENCE)


def events(store_url: str) -> list[str]:
    """The types on record of the case."""
    with CaseStore.open(store_url) as store:
        return [each.type for each in store.history("case:4711")]


def test_the_same_again_gives_the_same_answer(service: Running, store_url: str) -> None:
    first = post(service, "/messages", message("m1"), '"k-1"')
    assert (first.status_code, first.json()["versions"]) == (201, [2])
    for key in ('"k-1"', "k-1"):
        again = post(service, "/messages", message("m1"), key)
        assert (again.status_code, again.json()) == (201, first.json())
    assert events(store_url) == ["CaseOpened", "MessageReceived"]


def test_of_many_at_once_one_is_appended(service: Running, store_url: str) -> None:
    names = [f"m{n % 4}" for n in range(32)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda n: post(service, "/messages", message(n), n), names))
    assert {each.status_code for each in found} == {201}
    receipts = {(name, each.text) for name, each in zip(names, found, strict=True)}
    assert len(receipts) == 4
    assert len(events(store_url)) == 1 + 4


def test_what_a_client_did_wrong_is_told_without_its_words(service: Running) -> None:
    sent = message("m1")
    assert post(service, "/messages", sent, "k-1", **{"If-Match": '"1"'}).status_code == 201
    for status, kind, answer in (
        (400, "Malformed", post(service, "/messages", sent, None)),
        (400, "Malformed", post(service, "/messages", sent, "k 2")),
        (422, "Malformed", post(service, "/messages", {**sent, "channel": SECRET}, "k-2")),
        (422, "Malformed", post(service, "/messages", {"text": SECRET}, "k-2")),
        (422, "IdempotencyConflict", post(service, "/messages", message("m2"), "k-1")),
        (422, "EventRefused", post(service, "/messages", sent, "k-2")),
        (
            412,
            "ConcurrencyConflict",
            post(service, "/messages", message("m2"), "k-2", **{"If-Match": '"1"'}),
        ),
        (404, "StreamNotFound", httpx.get(f"{service.url}/cases/4712")),
    ):
        assert (answer.status_code, answer.json()["type"]) == (status, kind), answer.text
        assert SECRET not in answer.text
    refused = post(service, "/messages", sent, "k-2").json()["detail"]
    assert refused.startswith("case:4711: MessageReceived is refused: ")


def test_a_version_that_was_read_is_expected(service: Running) -> None:
    read = httpx.get(f"{service.url}/cases/4711")
    sent = {"If-Match": read.headers["ETag"]}
    first = post(service, "/messages", message("m1"), "k-1", **sent)
    assert first.status_code == 201
    assert post(service, "/messages", message("m1"), "k-1", **sent).json() == first.json()
    assert post(service, "/messages", message("m2"), "k-2", **sent).status_code == 412
    read = httpx.get(f"{service.url}/cases/4711")
    assert read.headers["ETag"] == '"2"'
    assert [line[1] for line in read.json()["history"]] == ["CaseOpened", "MessageReceived"]
    assert SECRET not in read.text


def test_a_client_that_hangs_up_before_the_answer_asks_again(
    service: Running, store_url: str
) -> None:
    with CaseStore.open(store_url) as other, busy(other), pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{service.url}/cases/4711/messages",
            json=message("m1"),
            headers={"Idempotency-Key": "k-1"},
            timeout=0.5,
        )
    wait_until(lambda: len(events(store_url)) == 2)  # it was taken all the same
    assert post(service, "/messages", message("m1"), "k-1").json()["versions"] == [2]
    assert len(events(store_url)) == 2


def test_a_stop_waits_for_the_answers_under_way(service: Running, store_url: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        with CaseStore.open(store_url) as other, busy(other):
            waiting = pool.submit(post, service, "/messages", message("m1"), "k-1")
            with pytest.raises(TimeoutError):
                waiting.result(1.5)  # so that it has surely come
            service.ask_to_end()
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
        assert waiting.result(PATIENCE).json()["versions"] == [2]
    assert service.ended() in (0, -signal.SIGTERM), service.said
    service.start()
    assert post(service, "/messages", message("m1"), "k-1").json()["versions"] == [2]


@pytest.mark.parametrize("when", ["before it was taken", "after it was taken"])
def test_a_client_of_a_service_that_was_killed_asks_again(
    when: str, service: Running, store_url: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with CaseStore.open(store_url) as other, busy(other):
            waiting = pool.submit(post, service, "/messages", message("m1"), "k-1")
            with pytest.raises(TimeoutError):
                waiting.result(0.5)
            if when.startswith("before"):
                service.kill()
        wait_until(waiting.done)
        service.kill()
        if when.startswith("before"):
            assert isinstance(waiting.exception(), httpx.TransportError)
    # A PostgreSQL may still take what a killed client sent: nobody knows without asking again.
    assert len(events(store_url)) in ({1, 2} if when.startswith("before") else {2})
    service.start()
    assert post(service, "/messages", message("m1"), "k-1").json()["versions"] == [2]
    assert len(events(store_url)) == 2


def test_while_the_database_is_away_the_answer_is_to_come_back(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    with served(f"{postgres_server.url}&schema=desk", tmp_path) as service:
        postgres_server.kill()
        away = post(service, "/messages", message("m1"), "k-1")
        assert (away.status_code, away.headers["Retry-After"]) == (503, "1")
        assert str(postgres_server.folder) not in away.text
        postgres_server.start()
        assert post(service, "/messages", message("m1"), "k-1").json()["versions"] == [2]
