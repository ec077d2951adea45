"""The doctor: a whole store is said to be whole, and each kind of damage is found by its check."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from eventsourcing.persistence import OperationalError

from casestore import CaseStore, CustomerRegistered, StoreDamaged, StoreUnavailable
from casestore.doctor import examine as doctor
from casestore.doctor.examine import DoctorFinding, examine
from casestore.journal.sqlite import SQLiteJournal
from tests.support import stories
from tests.support.alter import alter, execute
from tests.support.command_line import Casestore


@pytest.fixture
def store_url(store_url: str) -> str:
    """Give the URL of a store with two cases of one customer, one of another, on each database."""
    clock = iter(range(10_000))
    with CaseStore.create(
        store_url, clock=lambda: stories.START + timedelta(hours=next(clock))
    ) as store:
        for case_id, customer_id in (("c1", "k1"), ("c2", "k1"), ("c3", "k2")):
            store.append(
                f"case:{case_id}",
                stories.opened(customer_id=customer_id, subject="Ach"),
                stories.issue("i1"),
                stories.replied("r1", text="Oh."),
            )
    return store_url


def found(store: CaseStore) -> list[DoctorFinding]:
    return [finding for finding in examine(store) if finding.level != "ok"]


def command(store_url: str) -> Casestore:
    return Casestore(store_url, CASESTORE_KEY_FILE=os.environ["CASESTORE_KEY_FILE"])


def test_a_store_that_is_whole(store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        seen: list[int] = []
        findings = list(examine(store, progress=seen.append))
    assert {finding.level for finding in findings} == {"ok"}
    assert len({finding.check for finding in findings}) == len(findings) >= 10
    assert seen == [11]


WHERE = "WHERE originator_id = 'case:c2'"


@pytest.mark.parametrize(
    ("check", "version", "change"),
    [
        ("dense versions", 2, "DELETE"),
        ("dense versions", 3, "originator_version = 9"),
        ("times of recording", 2, "recorded_at = 5"),
        ("events can be read", 2, "state = '{}'"),
        ("events can be read", 2, "topic = 'Issue'"),
        ("events can be read", 2, "metadata = '?'"),
        ("events can be read", None, "originator_id = 'desk:c2'"),
        ("events can be read", None, "originator_id = 'policy', customer_id = NULL"),
        ("one customer per case", 2, "customer_id = 'k2'"),
        ("one customer per case", 2, "customer_id = NULL"),
        ("customers of events", None, "customer_id = 'k2'"),
        ("personal parts", 3, "personal = NULL"),
    ],
)
def test_damage_is_found(store_url: str, check: str, version: int | None, change: str) -> None:
    where = WHERE if version is None else f"{WHERE} AND originator_version = {version}"
    deletes = change == "DELETE"
    with CaseStore.open(store_url) as store:
        alter(
            store, f"DELETE FROM {{t}} {where}" if deletes else f"UPDATE {{t}} SET {change} {where}"
        )
        findings = found(store)
    assert check in {finding.check for finding in findings}
    assert {finding.level for finding in findings} == {"error"}
    assert all(finding.do for finding in findings)
    assert command(store_url)("doctor").code == 1


OTHER = "(SELECT personal FROM {t} WHERE originator_id = 'case:c1' AND originator_version = %d)"


@pytest.mark.parametrize("version", [1, 3], ids=["of another type", "of the same type"])
def test_words_of_another_event_are_found_wherever_they_were_put(
    store_url: str, version: int
) -> None:
    """Both are of one customer, so the key opens them; only the place is another one."""
    with CaseStore.open(store_url) as store:
        part = OTHER % version
        alter(store, f"UPDATE {{t}} SET personal = {part} {WHERE} AND originator_version = 3")
        (finding,) = found(store)
    assert (finding.level, finding.check) == ("error", "personal parts")
    assert finding.where == "case:c2 version 3, position 7"
    assert "does not open: it was altered, or moved here from elsewhere" in finding.what
    ran = command(store_url)("doctor")
    assert ran.code == 1
    assert "Oh." not in ran.out + ran.err


def test_words_are_looked_at_only_where_the_key_file_is_at_hand(store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        alter(store, f"UPDATE {{t}} SET personal = {OTHER % 3} {WHERE} AND originator_version = 3")
    Path(os.environ["CASESTORE_KEY_FILE"]).unlink()
    with CaseStore.open(store_url) as store:
        assert {finding.check for finding in found(store)} == {"key file"}


def count_from(store: CaseStore, position: int) -> None:
    """Have the database give the positions after one to what is appended next."""
    if isinstance(store._recorder, SQLiteJournal):
        execute(store, f"UPDATE sqlite_sequence SET seq = {position} WHERE name = 'stored_events'")
    else:
        counter = f"pg_get_serial_sequence('{store._recorder.table}', 'position')"
        execute(store, f"SELECT setval({counter}, {position})")


def test_a_counter_of_positions_that_was_set_to_the_end_is_found(store_url: str) -> None:
    """No event stands there yet; the next one would be the last that ever fits."""
    with CaseStore.open(store_url) as store:
        count_from(store, 2**63 - 2)
        (finding,) = found(store)
    assert (finding.level, finding.check) == ("error", "positions in order")
    assert f"positions up to {2**63 - 2} were given, further than any store gets" in finding.what


def test_a_counter_of_positions_that_was_set_back_is_found_where_appends_fail(
    store_url: str,
) -> None:
    with CaseStore.open(store_url) as store:
        count_from(store, 3)
        heals = isinstance(store._recorder, SQLiteJournal)  # it goes by the last row as well
        findings = found(store)
        if heals:
            assert findings == []
            return
        (finding,) = findings
        assert (finding.level, finding.check) == ("error", "positions in order")
        assert "stands at 3, and the last event at 11: appends fail" in finding.what
        count_from(store, 11)
        assert found(store) == []
        given = "ALTER TABLE {t} ALTER COLUMN position SET GENERATED"
        far = f"UPDATE {{t}} SET position = {2**63 - 1} WHERE position = 11"
        alter(store, f"{given} BY DEFAULT", far, f"{given} ALWAYS")
        (finding,) = found(store)  # no advice to set the counter to where that event was put
        assert "no append can come after it" in finding.what


@pytest.mark.parametrize("noted", ["soon", "-5", "9" * 30, "", "1.5"])
def test_a_note_of_a_clock_that_is_no_position_is_damage(store_url: str, noted: str) -> None:
    with CaseStore.open(store_url) as store:
        table = store._recorder.meta_table
        execute(store, f"INSERT INTO {table} VALUES ('clock_went_back', '{noted}')")
        (finding,) = found(store)
        assert (finding.level, finding.check) == ("error", "times of recording")
        assert "clock_went_back" in finding.what
        with pytest.raises(StoreDamaged, match="clock_went_back"):
            store.history("case:c2", known_at=store.now())
    for asked in (["cases", "--known-at", "2026-03-03"], ["audit", "verify"]):
        ran = command(store_url)(*asked)
        assert ran.code in (1, 3)  # the second has no audit folder here
        assert "does not answer" not in ran.err + ran.out


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("DELETE FROM {m} WHERE name = 'store_id'", "which store it is"),
        ("UPDATE {m} SET value = 'x' WHERE name = 'store_id'", "which store it is"),
        ("UPDATE {m} SET value = 'zz' WHERE name = 'kek_id'", "which key"),
        ("UPDATE {m} SET value = '1.5' WHERE name = 'schema_version'", "which version"),
        ("UPDATE {m} SET value = '²' WHERE name = 'schema_version'", "which version"),
        ("DELETE FROM {m} WHERE name = 'schema_version'", "which version"),
    ],
)
def test_wrong_notes_about_a_store_are_damage(store_url: str, change: str, what: str) -> None:
    with CaseStore.open(store_url) as store:
        execute(store, change.format(m=store._recorder.meta_table))
    with pytest.raises(StoreDamaged, match=what):
        CaseStore.open(store_url)
    for asked in (["doctor"], ["cases"], ["export"]):
        ran = command(store_url)(*asked)
        assert ran.code == 1
        assert what in ran.err


def test_clocks_that_jumped_are_told_of_and_are_no_damage(store_url: str) -> None:
    clock = [stories.moment("+40h")]
    with CaseStore.open(store_url, clock=lambda: clock[0]) as store:
        assert found(store) == []
        positions: list[int] = []
        for at in ("+50h", "+49h", "+36500d", "+36501d", "+51h", "+52h", "+36500d"):
            clock[0] = stories.moment(at)
            positions.append(store.append("case:c1", stories.noted(at="+1h")).position)
        clock[0] = stories.moment("+53h")
        findings = found(store)
        assert {(each.level, each.check) for each in findings} == {
            ("warning", "times of recording")
        }
        places = [f"position {positions[n]}" for n in (1, 2, 4, 6)]
        assert [each.where.partition(", ")[2] for each in findings] == places
        back, ahead, back_again, last = (each.what for each in findings)
        assert back == (
            "was recorded at 2026-03-04T10:00:00Z, before the event before it "
            f"(2026-03-04T11:00:00Z): a clock was wrong, ahead before {places[0]} or behind from it"
        )
        assert f"ahead of now, and so were all up to position {positions[3]}" in ahead
        assert "before the event before it" in back_again
        assert last.endswith("ahead of now: a clock is or was wrong")
        assert all("NTP" in each.do and "docs/operating.md" in each.do for each in findings)
        assert command(store_url)("doctor").code == 0
        # Where the store noted no jump, a time that goes back was altered.
        clock[0] = stories.moment("+36500d")
        altered_at = store.append("case:c1", stories.noted(at="+1h")).position
        alter(store, f"UPDATE {{t}} SET recorded_at = 5 WHERE position = {altered_at}")
        altered = [each for each in found(store) if each.level == "error"]
    assert [each.where.partition(", ")[2] for each in altered] == [f"position {altered_at}"]


def test_a_time_of_recording_in_no_year_is_told_of(store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        alter(store, f"UPDATE {{t}} SET recorded_at = {2**62} WHERE position = 11")
        (finding,) = found(store)
    assert finding.what.startswith(
        f"was recorded at {2**62} microseconds after 1970, which is ahead"
    )


def test_what_no_append_takes_any_more_is_told_of_until_it_is_corrected(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [
        stories.promised("p1", due_at="9999-12-31T23:59:59Z"),
        stories.gave(value={"amount": "5", "currency": "ZZZ"}),
        stories.promised("p2", due="+9d"),
    ]
    with CaseStore.open(store_url, clock=lambda: stories.moment("+9d")) as store:
        with monkeypatch.context() as as_before:
            as_before.setattr("casestore.streams.checks._wrong_fields", lambda _: iter(()))
            received = stories.opened(customer_id="k1", received_at=stories.moment("+365d"))
            uids = store.append("case:c9", received, *wrong).event_ids
            due = {"due_at": {"from": stories.stamp("+9d"), "to": "9999-12-31T00:00:00Z"}}
            later = stories.corrected(1, event_id=uids[3], kind="amended", changes=due)
            store.append("case:c9", later)
        findings = found(store)
        assert {(finding.level, finding.check) for finding in findings} == {
            ("warning", "times and currencies")
        }
        assert [finding.what for finding in findings] == [
            "CaseOpened: received_at is after occurred_at",
            "PromiseMade: due_at 9999-12-31T23:59:59+00:00 is at an end of the calendar",
            "GestureGiven: value: ZZZ is not a currency of ISO 4217",
            "PromiseMade: due_at 9999-12-31T00:00:00+00:00 is at an end of the calendar",
        ]
        assert all(finding.where.startswith("case:c9 version ") for finding in findings)
        for uid in uids[1:]:
            store.append("case:c9", stories.corrected(1, event_id=uid, kind="voided"))
        known = {"received_at": {"from": stories.stamp("+365d"), "to": None}}
        right = stories.corrected(1, event_id=uids[0], kind="amended", changes=known)
        store.append("case:c9", right)
        assert found(store) == []


def test_positions_out_of_order(tmp_path: Path) -> None:
    # Only SQLite lets even its owner write a position.
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        store.append("case:c1", stories.opened(), stories.issue("i1"), stories.issue("i2"))
        alter(store, "UPDATE {t} SET position = 99 WHERE originator_version = 2 AND position = 3")
        assert [each.check for each in found(store)] == ["positions in order"]


def test_missing_triggers(store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        sqlite = isinstance(store._recorder, SQLiteJournal)
        name = "stored_events_no_delete" if sqlite else "stored_events_no_truncate"
        drop = (
            f"DROP TRIGGER {name}" if sqlite else f"DROP TRIGGER {name} ON {store._recorder.table}"
        )
        with store._recorder.datastore.transaction(commit=True) as cursor:  # type: ignore[attr-defined]
            cursor.execute(drop)
        (finding,) = found(store)
    assert finding.check == "append-only triggers"
    assert name in finding.what


def _lose(key_file: Path) -> None:
    key_file.unlink()


def _swap(key_file: Path) -> None:
    key_file.unlink()
    CaseStore.create(f"sqlite:///{key_file.parent}/other.db", key_file=key_file).close()


def _spoil(key_file: Path) -> None:
    key_file.write_text("not a key")


@pytest.mark.parametrize("happens", [_lose, _swap, _spoil])
def test_a_key_file_that_does_not_open_the_store(
    store_url: str, happens: Callable[[Path], None]
) -> None:
    happens(Path(os.environ["CASESTORE_KEY_FILE"]))
    with CaseStore.open(store_url) as store:
        (finding,) = found(store)
    assert (finding.level, finding.check) == ("error", "key file")


def test_a_personal_part_that_does_not_open(store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        sealed = f"(SELECT personal FROM {{t}} {WHERE} AND originator_version = 3)"
        alter(store, f"UPDATE {{t}} SET personal = {sealed} WHERE originator_version = 1")
        assert "personal parts" in {finding.check for finding in found(store)}


def test_a_key_file_that_others_may_read(store_url: str) -> None:
    Path(os.environ["CASESTORE_KEY_FILE"]).chmod(0o640)
    with CaseStore.open(store_url) as store:
        (finding,) = found(store)
    assert (finding.level, finding.check) == ("error", "key file")
    assert finding.do.startswith("chmod 600")


@pytest.mark.parametrize(
    ("customer_id", "like"),
    [
        ("salina@example.org", "a mail address"),
        ("+49 30 1234567", "a telephone number"),
        ("0049301234567", "a telephone number"),
        ("(030) 1234-567", "a telephone number"),
        ("020 7946 0958", "a telephone number"),
        ("C-1042", None),
        ("4711000123", None),
        ("2026-03-02-0001", None),
        ("a@b", None),
    ],
)
def test_ids_that_tell_who_it_is(tmp_path: Path, customer_id: str, like: str | None) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        registered = CustomerRegistered(occurred_at=stories.START, actor=stories.ANNA)
        store.append(f"customer:{customer_id}", registered)
        findings = found(store)
    assert [f.level for f in findings] == (["warning"] if like else [])
    assert all(like in f.what and customer_id not in f.where for f in findings if like)


def test_an_unsealed_store_is_warned_of(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db", sealed=False) as store:
        (finding,) = found(store)
    assert (finding.level, finding.check) == ("warning", "key file")


def test_many_findings_of_a_kind_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "SHOWN", 2)
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        store.append("case:c1", stories.opened(), *(stories.issue(f"i{n}") for n in range(7)))
        alter(store, "UPDATE {t} SET state = '{}' WHERE originator_version > 2")
        findings = found(store)
    assert [finding.what for finding in findings][2:] == ["and 4 more of this kind"]


def test_a_database_that_goes_away_is_no_damage(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> list[object]:
        raise OperationalError("the server closed the connection")

    with CaseStore.open(store_url) as store:
        monkeypatch.setattr(store._recorder, "rows", gone)
        with pytest.raises(StoreUnavailable, match="stopped answering"):
            found(store)


def test_a_torn_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with CaseStore.create(f"sqlite:///{path}") as store:
        notes = (stories.noted(text="x" * 5000) for _ in range(50))
        store.append("case:c1", stories.opened(), *notes)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    ran = Casestore(f"sqlite:///{path}")("doctor")
    assert ran.code == 1
    assert "error" in ran.out


# --- the command


def test_the_command(store_url: str) -> None:
    casestore = command(store_url)
    ran = casestore("doctor").fine()
    assert ran.out.endswith("the store is whole\n")
    assert casestore("doctor", "--quiet").fine().out == "the store is whole\n"
    findings = casestore("doctor", "--format", "json").fine().json
    assert findings[0] == {
        "level": "ok",
        "check": "schema version",
        "where": "",
        "what": "",
        "do": "",
    }


def test_warnings_alone_are_fine(tmp_path: Path) -> None:
    CaseStore.create(f"sqlite:///{tmp_path}/store.db", sealed=False).close()
    ran = Casestore(f"sqlite:///{tmp_path}/store.db")("doctor").fine()
    assert ran.out.endswith("errors: 0, warnings: 1\n")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("recorded_at = 'soon'", "its recorded_us is not of the type"),
        ("recorded_at = 1.5e300", "its recorded_us is not of the type"),
        ("originator_version = 1.5", "its version is not of the type"),
        ("originator_version = 'x'", "its version is not of the type"),
        ("originator_id = X'636173653a6132'", "its stream is not of the type"),
        ("customer_id = X'00ff'", "its customer_id is not of the type"),
        ("customer_id = 7", None),  # SQLite makes text of it
        ("state = CAST(state AS TEXT)", "its state is not of the type"),
        ("metadata = '{}'", "its metadata is not of the type"),
        ("personal = 5", "its personal is not of the type"),
        ("topic = X'ff'", "its topic is not of the type"),
        ("position = 9223372036854775807", "no append can come after it"),
    ],
)
def test_values_of_other_types_in_a_file_are_told_of_by_everybody(
    tmp_path: Path, change: str, told: str | None
) -> None:
    """SQLite keeps what it is given. No command calls it a fault of its own."""
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url) as store:
        store.append("case:c2", stories.opened(customer_id="k1", subject="Ach"))
        store.append("case:c2", stories.issue("i1"), stories.replied("r1", text="Oh."))
        alter(store, f"UPDATE {{t}} SET {change} WHERE position = 4")
        whats = [each.what for each in found(store)]
    if told is not None:
        assert any(told in what for what in whats), whats
    for asked in (["doctor"], ["export", "--reveal"], ["case", "timeline", "c2"]):
        ran = Casestore(url)(*asked)
        assert ran.code in (0, 1, 2), ran
        assert "fault in casestore" not in ran.err
    assert Casestore(url)("doctor").code == 1


def test_a_counter_of_positions_that_is_no_number_is_no_fault_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url) as store:
        store.append("case:c2", stories.opened(customer_id="k1"))
        assert Casestore(url)("audit", "key").code == 0
        execute(store, "UPDATE sqlite_sequence SET seq = 'x' WHERE name = 'stored_events'")
        assert any("sqlite_sequence) is no number" in each.what for each in found(store))
    for asked in (["doctor"], ["audit", "seal"], ["audit", "verify"]):
        ran = Casestore(url)(*asked)
        assert ran.code == 1
        assert "sqlite_sequence) is no number: it was altered" in ran.out + ran.err


def test_an_append_after_the_last_position_says_that_it_is_not_the_disk(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        store.append("case:c2", stories.opened(customer_id="k1"))
        alter(store, f"UPDATE {{t}} SET position = {2**63 - 1} WHERE position = 2")
        with pytest.raises(StoreDamaged, match="no event can be appended: the last position"):
            store.append("case:c2", stories.issue("i1"))
        assert any("no append can come after it" in each.what for each in found(store))
