"""`casestore relay`: what an operator does with it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from casestore import CaseStore
from casestore.backup.backup import backup, copy, restore
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.relay.checkpoints import checkpoints_of
from tests.support import stories
from tests.support.command_line import Casestore
from tests.support.receivers import WORD, Receiver, check, in_turn, receiving, wait_for


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as store:
        store.append("case:1", stories.opened(), key="o")
        for number in range(5):
            store.append("case:1", stories.noted(text="she wept"), key=f"{number}")
        yield store


@pytest.fixture
def casestore(store: CaseStore, tmp_path: Path) -> Casestore:
    key_file = str(tmp_path / "store.key")
    return Casestore(
        store.url, CASESTORE_RELAY_SECRET=WORD, CASESTORE_KEY_FILE=key_file, PYTHONWARNINGS="error"
    )


def to(receiver: Receiver, *more: str) -> list[str]:
    return ["relay", "--to", receiver.url, "--name", "crm", "--allow-private", *more]


def of_relays(casestore: Casestore) -> dict[str, str]:
    """What doctor finds of relays."""
    found = casestore("--format", "json", "doctor").json
    return next(each for each in found if each["check"] == "relays")


def recorded(store: CaseStore) -> list[tuple[str, str]]:
    return [(each.stream, each.uid) for each in store.read()]


def test_once_sends_what_there_is(casestore: Casestore, store: CaseStore) -> None:
    with receiving() as receiver:
        assert casestore(*to(receiver, "--once")).fine().out == (
            "crm is new: it begins at the first event\nsent 7 events\n"
        )
        assert casestore(*to(receiver, "--once"), "--format", "json").json == {
            "relay": "crm",
            "delivered": 0,
            "imported": 0,
        }
        check(receiver.taken, recorded(store))
        assert b"wept" not in json.dumps(receiver.taken).encode()
        assert casestore(*to(receiver, "--once", "--types", "NoteAdded", "-q")).fine().out == ""


def test_standard_output_and_a_file_take_a_line_for_each_event(
    casestore: Casestore, store: CaseStore, tmp_path: Path
) -> None:
    ran = casestore("relay", "--to", "-", "--name", "out", "--once", "--reveal").fine()
    lines = list(map(json.loads, ran.out.splitlines()))
    assert [line["id"] for line in lines] == [uid for _, uid in recorded(store)]
    assert "wept" in ran.out
    file = tmp_path / "notes.ndjson"
    asked = ["--types", "NoteAdded,CaseOpened", "--batch", "4", "--once"]
    casestore("relay", "--to", f"file://{file}", "--name", "file", *asked).fine()
    assert len(file.read_text().splitlines()) == 6
    status = casestore("relay", "status").fine().out
    assert "file://" in status
    assert casestore("--format", "json", "relay", "status", "out").json[0]["lag_events"] == 0


def test_from_now_on_only_what_is_recorded_later_is_sent(
    casestore: Casestore, store: CaseStore
) -> None:
    asked = ["relay", "--to", "-", "--name", "out", "--once", "--from-position", "now"]
    assert casestore(*asked).fine().out == ""
    store.append("case:1", stories.noted(), key="later")
    ran = casestore(*asked)
    assert len(ran.out.splitlines()) == 1


def test_wrong_usage_says_what_to_write(casestore: Casestore, tmp_path: Path) -> None:
    def said(*args: str) -> str:
        return casestore("relay", *args).failed(2)

    assert "give --to URL and --name NAME" in said()
    assert "is no URL of a webhook" in said("--to", "crm", "--name", "a", "--once")
    assert "is no name of a relay" in said("--to", "-", "--name", "A", "--once")
    assert "is no type of event" in said("--to", "-", "--name", "a", "--types", "X", "--once")
    assert "not a duration" in said("--to", "-", "--name", "a", "--give-up", "long")
    assert "no position" in said("--to", "-", "--name", "a", "--from-position", "soon")
    assert "there is no position 99" in said(
        *("--to", "-", "--name", "a", "--from-position", "99", "--once")
    )
    assert "give --name without status" in said("--name", "a", "status")
    assert "there is no relay 'a'" in said("status", "a")
    assert "there is no relay 'a'" in said("retry", "a")
    assert "there is no relay 'a'" in said("forget", "a")
    secret = tmp_path / "secret"
    secret.write_text(WORD)
    secret.chmod(0o644)
    given = ["--to", "https://crm.example/", "--name", "a", "--secret-file", str(secret)]
    assert "chmod 600" in said(*given)
    casestore.env["CASESTORE_RELAY_SECRET"] = None
    assert "webhooks are signed" in said("--to", "https://crm.example/", "--name", "a")


def test_what_fails_is_told_by_status_doctor_and_projections_until_it_is_mended(
    casestore: Casestore, store: CaseStore
) -> None:
    with receiving(in_turn(["", "500", "gone"])) as receiver:
        told = casestore(*to(receiver, "--once")).failed(1)
        assert "CaseOpened at position 2 was not taken: it answered 500" in told
        assert "waits until" in casestore(*to(receiver, "--once")).failed(1)
        (row,) = casestore("--format", "json", "relay", "status").json
        assert (row["state"], row["lag_events"], row["attempts"]) == ("failing", 6, 1)
        assert "it answered 500" in casestore("relay", "status").fine().out
        finding = of_relays(casestore)
        assert (finding["check"], finding["level"]) == ("relays", "warning")
        assert "is at position 1, 6 events behind, after 1 attempt" in finding["what"]
        rows = casestore("--format", "json", "projections", "status").json
        assert rows[-1]["projection"] == "relay crm"
        assert (rows[-1]["lag_events"], rows[0]["last_error"]) == (6, None)
        assert "it answered 500" in rows[-1]["last_error"]
        assert "crm" in casestore("projections", "status").fine().out
        assert casestore("relay", "retry", "crm").fine().out == "crm tries again\n"
        assert "the receiver wants no more" in casestore(*to(receiver)).failed(1)
        assert "has stopped" in casestore("doctor").out
        assert "has stopped" in casestore(*to(receiver)).failed(1)
        casestore("relay", "retry", "crm").fine()
        casestore(*to(receiver, "--once")).fine()
        check(receiver.taken, recorded(store))
    finding = of_relays(casestore)
    assert (finding["level"], finding["do"]) == ("ok", "")
    assert finding["what"] == "is at position 7, 0 events behind"
    assert casestore("relay", "forget", "crm").fine().out == "crm is forgotten\n"
    assert casestore("relay", "status").fine().out == "there is no relay\n"


def test_what_is_parked_is_listed(casestore: Casestore, store: CaseStore) -> None:
    always = in_turn([], then="400")
    with receiving(always) as receiver:
        with suppress(AssertionError):
            casestore(*to(receiver, "--once", "--park", "--give-up", "0s")).fine()
        out = casestore("relay", "status").fine().out
        assert "case:1" in out
        assert "it answered 400" in out
        assert "2 streams aside" in casestore("doctor").out
        assert casestore("--format", "json", "relay", "status").json[0]["parked"] == 2
        receiver.fault = in_turn([])
        casestore("relay", "retry", "crm").fine()
        casestore(*to(receiver, "--once", "--park")).fine()
        check(receiver.taken, recorded(store))
    assert casestore("--format", "json", "relay", "status").json[0]["parked"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_what_is_under_way_is_answered(
    casestore: Casestore, store: CaseStore, number: signal.Signals
) -> None:
    with receiving() as receiver:
        process = casestore.process(*to(receiver))
        wait_for(lambda: len(receiver.ids) == 7)
        store.append("case:1", stories.noted(), key="later")
        wait_for(lambda: len(receiver.ids) == 8)
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, b"")
        assert out.endswith(b"sent 8 events\n")
        assert casestore("--format", "json", "relay", "status").json[0]["position"] == 8


def test_a_second_one_waits_and_takes_over_when_the_first_is_killed(
    casestore: Casestore, store: CaseStore
) -> None:
    with receiving() as receiver:
        first = casestore.process(*to(receiver))
        wait_for(lambda: len(receiver.ids) == 7)
        assert "another process relays as crm" in casestore(*to(receiver, "--once")).failed(1)
        assert "stop it first" in casestore("relay", "forget", "crm").failed(1)
        second = casestore.process(*to(receiver))
        assert second.stderr is not None
        assert b"another process relays as crm: this one waits" in second.stderr.readline()
        first.kill()
        first.communicate()
        store.append("case:1", stories.noted(), key="later")
        wait_for(lambda: len(set(receiver.ids)) == 8)
        second.terminate()
        second.communicate(timeout=20)
        assert second.returncode == 0
        assert len(receiver.ids) in (8, 9)  # what was in flight may come twice


@pytest.mark.usefixtures("programs")
def test_a_checkpoint_is_in_no_backup_and_no_copy(
    casestore: Casestore, store: CaseStore, tmp_path: Path
) -> None:
    with receiving() as receiver:
        casestore(*to(receiver, "--once")).fine()
    told = casestore("--format", "json", "backup", str(tmp_path / "kept")).json
    assert "how far each relay is (crm), which only its receiver knows" in told["not_in_it"]
    for number, made in enumerate((restore, copy)):
        url = f"sqlite:///{tmp_path}/new{number}.db"
        if made is restore:
            file = tmp_path / "backup"
            backup(store.url, file)
            restore(file, url)
        else:
            copy(store.url, url)
        with CaseStore.open(url) as other, closing(checkpoints_of(other)) as checkpoints:
            assert checkpoints.all() == []
            assert len(list(other.read())) == 7


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("made", ["restored", "copied"])
def test_where_a_store_was_restored_or_copied_a_new_relay_is_told_where_to_begin(
    casestore: Casestore, store: CaseStore, tmp_path: Path, made: str
) -> None:
    """It would send all that its receiver was sent before the checkpoint was lost."""
    url = store.url
    backup(url, tmp_path / "kept")
    if made == "restored":
        _remove(store)
        restore(tmp_path / "kept", url)
    else:
        url = f"sqlite:///{tmp_path}/copy.db"
        copy(store.url, url)
    elsewhere = ["--db", url]
    with receiving() as receiver:
        told = casestore(*elsewhere, *to(receiver, "--once"))
        assert (
            "how far the relay crm was is not known, as the store was restored or copied when it "
            "had 7 events: find out which events its receiver has, and begin with --from-position "
            "(1 sends all)"
        ) in told.failed(1)
        assert told.out == ""
        assert receiver.log == []
        assert casestore(*elsewhere, "relay", "status").fine().out == "there is no relay\n"
        ran = casestore(*elsewhere, *to(receiver, "--once", "--from-position", "7")).fine()
        assert ran.out == "crm is new: it begins at position 7\nsent 1 event\n"
        casestore(*elsewhere, *to(receiver, "--once")).fine()  # now it is known
        casestore(*elsewhere, "relay", "forget", "crm").fine()
        casestore(*elsewhere, *to(receiver, "--once", "--from-position", "1")).fine()
        check(receiver.taken[1:], _recorded_at(url))


def test_the_checkpoints_have_the_mode_of_the_store(casestore: Casestore, store: CaseStore) -> None:
    where = parse_url(store.url)
    if not isinstance(where, SQLiteUrl):
        pytest.skip("they are in the same schema")
    where.path.chmod(0o660)
    casestore("relay", "--to", "-", "--name", "out", "--once").fine()
    made = sorted(where.path.parent.glob("store.db.relays*"))
    assert [path.name for path in made] == ["store.db.relays", "store.db.relays.out.lock"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o660}


@pytest.mark.usefixtures("programs")
def test_a_store_that_is_restored_under_a_relay_stops_it(
    casestore: Casestore, store: CaseStore, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    backup(store.url, old)
    store.append("case:1", stories.noted(), key="lost")
    with receiving() as receiver:
        process = casestore.process(*to(receiver))
        wait_for(lambda: len(receiver.ids) == 8)
        time.sleep(1.5)  # so that it has seen that nothing is due
        on_sqlite = _remove(store)
        restore(old, store.url)
        with CaseStore.open(store.url) as anew:
            anew.append("case:1", stories.noted(), key="otherwise")
        _, err = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"find out which events its receiver has" in err.lower()
        assert b"begin with --from-position" in err
        if on_sqlite:  # where they stand beside the store
            told = casestore(*to(receiver, "--once")).failed(1)
            assert "does not hold the event that was read at position 8" in told
            assert "it was restored" in casestore("doctor").out
            casestore("relay", "forget", "crm").fine()
        assert len(receiver.ids) == 8
        casestore(*to(receiver, "--once", "--from-position", "8")).fine()
        assert len(receiver.ids) == 9


def _recorded_at(url: str) -> list[tuple[str, str]]:
    with CaseStore.open(url) as other:
        return recorded(other)


def _remove(store: CaseStore) -> bool:
    """Remove a store, but not what stands beside it; whether it is a file."""
    where = parse_url(store.url)
    if isinstance(where, SQLiteUrl):
        for suffix in ("", "-wal", "-shm"):
            where.path.with_name(f"{where.path.name}{suffix}").unlink(missing_ok=True)
        return True
    with psycopg.connect(where.conninfo, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{where.schema}" CASCADE'.encode())
    return False
