"""Where the words of customers are, and where they are not: every file and every output, searched.

Unmistakable words stand in every Personal field of every event type, and data keys are searched
for by their bytes.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from pprint import pformat

import psycopg
import pytest
from pydantic import ValidationError

from casestore import Append, CaseStore, HoldReleased, InvalidEvent
from casestore.events import VOCABULARY
from casestore.events.markers import personal_fields
from casestore.journal.rows import KeyRow, Row, StoredRow
from casestore.keys.key_file import load_key_file
from casestore.privacy import erasure_list
from casestore.privacy.erasure import erase, holds
from casestore.privacy.rotation import rotate
from casestore.streams.codec import Codec
from casestore.streams.history import stored_data
from cli.main import COMMANDS
from projections.reports import REPORTS
from tests.support.canaries import CANARY, plant, with_canary
from tests.support.command_line import Casestore
from tests.support.commands import ALL
from tests.support.notes import ANNA, T
from tests.support.postgres_server import Server
from tests.support.samples import changed

CUSTOMERS = ("c1", "c2")
CODEC = Codec()


def key_rows(store: CaseStore) -> list[KeyRow]:
    rows = store._recorder.fetch(f"SELECT * FROM {store._recorder.keys_table}")
    return [KeyRow(row[0], bytes(row[1]), bytes(row[2])) for row in rows]


def forget(store: CaseStore) -> None:
    for customer_id in CUSTOMERS:
        for hold_id in holds(store, customer_id).get(customer_id, []):
            free = HoldReleased(occurred_at=T, actor=ANNA, hold_id=hold_id, reason="settled")
            store.append(f"customer:{customer_id}", free)
        assert erase(store, customer_id, basis="x", actor=ANNA).left == ()


def secrets_of(store: CaseStore) -> list[bytes]:
    """The data keys as they are, in the encodings that a file might have them in."""
    keys = [store._vault.unwrap(row) for row in key_rows(store)]
    assert len(keys) == len(CUSTOMERS)
    encoded = [(base64.b64encode(key), key.hex().encode()) for key in keys]
    return [*keys, *(each for pair in encoded for each in pair)]


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def found_in(folder: Path, needles: list[bytes]) -> set[str]:
    return {path.name for path, held in files(folder) if any(each in held for each in needles)}


READ = [
    ["case", "timeline", "1"],
    ["case", "timeline", "customer:c1"],
    ["case", "replay", "1"],
    ["case", "show", "1"],
    ["case", "diff", "1", "0"],
    ["customer", "show", "c1"],
    ["find", "a"],
    ["doctor"],
    ["export"],
    ["privacy", "status", "c1"],
    ["privacy", "erase", "c1", "--dry-run"],
    ["privacy", "due", "--after", "1d"],
    ["privacy", "erase", "nobody", "--basis", "x", "--actor", "agent:a"],
    ["projections", "rebuild"],
    ["projections", "status"],
    ["record", "case:1", "NoteAdded", f"text={CANARY}", "--expected-version", "1"],
    ["record", "case:no", "NoteAdded", f"text={CANARY}", "--actor", "agent:a"],
    ["record", "case:1", "ReplySent", f"text={CANARY}", "reply_id=x", "--actor", "agent:a"],
    *([report.name] for report in REPORTS if report.name in COMMANDS),
    ["goodwill", "history"],
    ["goodwill", "spend"],
]


def outputs(casestore: Casestore) -> Iterator[tuple[str, str]]:
    for command in READ:
        for form in ("table", "json", "csv"):
            if command[0] == "export" and form != "table":
                continue
            ran = casestore(*command, "--format", form)
            yield " ".join([*command, form]), ran.out + ran.err
    lines = casestore("export", "--reveal").out.replace('"type":"', '"type":"No')
    ran = casestore("import", "-", "--on-error", "skip", stdin=lines)
    assert ran.code == 1
    yield "import", ran.out + ran.err


def test_words_are_nowhere_but_where_they_are_asked_for(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    casestore = Casestore(url, CASESTORE_ACTOR="agent:anna")
    canary = CANARY.encode()
    with CaseStore.create(url) as store:
        plant(store)
        data_keys = secrets_of(store)
        for what, text in outputs(casestore):
            assert CANARY not in text, what
        for path in ALL:
            assert CANARY not in casestore(*path, "--help").out
        assert CANARY in casestore("export", "--reveal").out
        assert CANARY in casestore("case", "timeline", "1", "--reveal").out
        told = casestore("privacy", "export", "c1", str(tmp_path / "for-c1")).fine().out
        assert CANARY not in told
        assert found_in(tmp_path, [canary, *data_keys]) == {"data.json", "page.html"}
        own = sum(len(each.personal) for each in store.read() if each.customer_id == "c1")
        assert (tmp_path / "for-c1" / "data.json").read_bytes().count(canary) == own
        shutil.rmtree(tmp_path / "for-c1")
        names = {path.name for path, _ in files(tmp_path)}
        expected = {"store.db", "store.db-wal", "store.db-shm", "store.db.key"}
        expected |= {"store.db.views.ndjson"}
        assert names >= expected | {"store.db.projections"}
        assert found_in(tmp_path, [canary, *data_keys]) == set()


def test_nor_are_they_in_what_python_shows_of_an_object(tmp_path: Path) -> None:
    """`repr`, `str` and what a log record or a traceback makes of them; sealed or not."""
    for sealed in (True, False):
        url = f"sqlite:///{tmp_path}/{sealed}.db"
        with CaseStore.create(url, sealed=sealed, key_file=tmp_path / "key") as store:
            fields = plant(store)
            read = list(store.read(reveal=True))
            assert sum(len(each.words) for each in read) == fields
            rows = list(map(Row._make, store._recorder.rows(0, 1000)))
            held: list[object] = [
                *read,
                *(each.event for each in read),
                *rows,
                *map(StoredRow.of, rows),
                *(store.history(name, reveal=True) for name in ("case:1", "customer:c1")),
                store.case("1"),
                store.customer("c1"),
                [Append(batches=[(each.stream, [each.event])], key="k") for each in read],
            ]
            for each in held:
                for text in (repr(each), str(each), f"{each}", pformat(each)):
                    assert CANARY not in text, text
            assert "Personal(…)" in repr(read)


def test_nor_in_what_is_said_of_an_event_that_is_refused() -> None:
    for cls in VOCABULARY:
        event = with_canary(cls)
        data = stored_data(event)
        for wrong in ({"actor": CANARY}, {"occurred_at": 5}, {"unknown": CANARY}):
            with pytest.raises((ValidationError, TypeError)) as made:
                changed(event, **wrong)
            with pytest.raises(InvalidEvent) as read:
                CODEC.validate_json(cls.__name__, json.dumps(data | wrong))
            for error in (str(made.value), repr(made.value), str(read.value)):
                assert CANARY not in error
        for name in personal_fields(cls):
            for value in ([CANARY], {CANARY: CANARY}, f"{CANARY} \ud800"):
                with pytest.raises(ValidationError) as made:
                    changed(event, **{name: value})
                assert CANARY not in str(made.value)


def test_after_an_erasure_no_file_holds_the_key(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    casestore = Casestore(url, CASESTORE_ACTOR="agent:anna")
    with CaseStore.create(url) as store:
        plant(store)
        data_keys, wrapped = secrets_of(store), [row.wrapped for row in key_rows(store)]
        assert found_in(tmp_path, wrapped) == {"store.db-wal"}  # so it would be found
        forget(store)
        # Not a part of one either, as a page that was written anew might have kept it.
        parts = [key[n : n + 16] for key in wrapped for n in range(32, len(key) - 15, 8)]
        assert found_in(tmp_path, [*data_keys, *parts]) == set()
        for command in (["export", "--reveal"], ["case", "timeline", "1", "--reveal"]):
            assert CANARY not in casestore(*command).fine().out
        for what, text in outputs(casestore):
            assert CANARY not in text, what
        casestore("audit", "key")
        casestore("audit", "seal").fine()
        casestore("privacy", "certificate", "c1", str(tmp_path / "certificate")).fine()
        casestore("privacy", "export", "c1", str(tmp_path / "for-c1")).fine()
        assert found_in(tmp_path, [CANARY.encode(), *data_keys, *parts]) == set()


def test_nor_on_postgres_as_far_as_its_files_can_be_seen(
    postgres_server: Server, tmp_path: Path
) -> None:
    url = f"{postgres_server.url}&schema=s"
    with (
        CaseStore.create(url, key_file=tmp_path / "key") as store,
        psycopg.connect(postgres_server.url, autocommit=True) as admin,
    ):
        plant(store)
        data_keys, wrapped = secrets_of(store), [row.wrapped for row in key_rows(store)]
        data = postgres_server.folder / "data"
        admin.execute("CHECKPOINT")
        assert found_in(postgres_server.folder, [CANARY.encode(), *data_keys]) == set()
        assert found_in(data / "base", wrapped)
        forget(store)
        admin.execute("CHECKPOINT")
        assert found_in(data / "base", wrapped) == set()
        # The WAL keeps them for a while. Without the key that wraps them they are of no use.
        assert found_in(data / "pg_wal", wrapped)
        (old,) = load_key_file(tmp_path / "key")
        rotate(store)
        assert found_in(tmp_path, [base64.b64encode(old)]) == set()
        path = erasure_list.list_file(store)
        assert path is not None
        # Each erasure is there twice: proven by the old key, and by the new one.
        assert path.read_text().count("\n") == 2 * len(CUSTOMERS)
        assert len(erasure_list.listed(store)) == len(CUSTOMERS)


def test_the_words_that_are_searched_for_are_found_where_they_are(tmp_path: Path) -> None:
    """The search itself: an unsealed store has them in its file."""
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db", sealed=False) as store:
        plant(store)
        assert found_in(tmp_path, [CANARY.encode()]) == {"store.db-wal"}
