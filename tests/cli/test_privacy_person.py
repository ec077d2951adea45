"""What people may ask: `privacy export`, `due` and `certificate`, and who is noted to have seen."""

from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casestore import CaseClosed, CaseStore, CustomerMerged
from casestore.privacy.access_log import log_of
from tests.support.command_line import Casestore
from tests.support.commands import ALL
from tests.support.holds import held
from tests.support.notes import ANNA, T, note, opened

ERASE = ("--erase", "--basis", "gdpr-5", "--yes")


@pytest.fixture
def casestore(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    """Three persons whose cases were closed on 29 February 2024; c2 is c1, too."""
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    at = datetime(2024, 2, 29, 10, tzinfo=UTC)
    with CaseStore.create(store_url) as store:
        for number, customer_id in enumerate(("c1", "c2", "c3", "c4"), 1):
            store.append(f"case:{number}", opened(customer_id, subject="one"), note("two"))
            store.append(
                f"case:{number}", CaseClosed(occurred_at=at, actor=ANNA, reason="resolved")
            )
        store.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    made = Casestore(
        store_url,
        CASESTORE_ACTOR="agent:anna",
        CASESTORE_KEY_FILE=os.environ["CASESTORE_KEY_FILE"],
    )
    made.clock = lambda: datetime(2030, 3, 1, 9, tzinfo=UTC)
    return made


def log(casestore: Casestore) -> Path:
    path = log_of(casestore.env["CASESTORE_URL"])
    assert path is not None
    return path


def noted(casestore: Casestore) -> list[tuple[str, str | None, str | None, bool]]:
    path = log(casestore)
    lines = map(json.loads, path.read_text().splitlines() if path.exists() else ())
    return [(each["command"], each["case"], each["customer"], each["all"]) for each in lines]


# --- export ------------------------------------------------------------------------------------


def test_a_person_is_given_what_is_held(casestore: Casestore, tmp_path: Path) -> None:
    out = tmp_path / "for-c1"
    told = casestore("privacy", "export", "c1", str(out)).fine().out
    assert told.startswith("wrote 9 events on c1, c2 to ")
    assert json.loads((out / "data.json").read_bytes())["customer_ids"] == ["c1", "c2"]
    assert "there is something at" in casestore("privacy", "export", "c1", str(out)).failed(1)
    assert "no customer x" in casestore("privacy", "export", "x", str(tmp_path / "x")).failed(2)
    casestore("privacy", "erase", "c1", "--basis", "x", "--yes").fine()
    again = casestore("privacy", "export", "c1", str(tmp_path / "2"))
    assert "2 texts could not be read: they were erased" in again.fine().out
    made = casestore("privacy", "export", "c1", str(tmp_path / "3"), "--format", "json").fine().json
    assert (made["customer_ids"], made["events"]) == (["c1", "c2"], 10)
    assert [each["field"] for each in made["erased"]] == ["subject", "text"]


# --- due ---------------------------------------------------------------------------------------


def due(casestore: Casestore, after: str) -> list[str]:
    rows = casestore("privacy", "due", "--after", after, "--format", "json").fine().json
    return [row["customer_id"] for row in rows]


def test_six_years_are_the_same_day_six_years_before(casestore: Casestore) -> None:
    assert due(casestore, "6y") == ["c1", "c3", "c4"]  # 1 March 2024 has begun after that day
    casestore.clock = lambda: datetime(2030, 2, 28, 23, tzinfo=UTC)
    assert due(casestore, "6y") == []
    assert due(casestore, "71m") == ["c1", "c3", "c4"]
    assert due(casestore, "2190d") == ["c1", "c3", "c4"]
    assert due(casestore, "2191d") == []
    for wrong in ("6", "6x", "-6y", "y", "9999y"):
        assert "--after" in casestore("privacy", "due", "--after", wrong).failed(2)


def test_who_is_due_is_listed_with_their_other_ids(casestore: Casestore, store_url: str) -> None:
    with CaseStore.open(store_url) as store:
        store.append("customer:c3", held("h"))
        store.append("case:9", opened("c4"))
    (row,) = casestore("privacy", "due", "--after", "6y", "--format", "json").fine().json
    assert row == {
        "customer_id": "c1",
        "same_person": ["c2"],
        "cases": 2,
        "last_closed_at": "2024-02-29T10:00:00Z",
    }
    assert noted(casestore) == []


def test_who_is_due_is_erased_one_by_one_and_again_finds_nobody(
    casestore: Casestore, store_url: str
) -> None:
    asked = ("privacy", "due", "--after", "6y")
    assert "Give --basis" in casestore(*asked, "--erase").failed(2)
    assert "give --yes" in casestore(*asked, *ERASE[:-1]).failed(2)
    assert "are for --erase" in casestore(*asked, "--yes").failed(2)
    rows = casestore(*asked, *ERASE, "--format", "json").fine().json
    assert [(row["customer_id"], row["outcome"]) for row in rows] == [
        (each, "erased") for each in ("c1", "c2", "c3", "c4")
    ]
    assert [who for _, _, who, _ in noted(casestore)] == ["c1", "c2", "c3", "c4"]
    assert casestore(*asked, *ERASE).fine().out == "nobody is due\n"
    assert "[erased]" in casestore("case", "timeline", "1", "--reveal").fine().out
    with CaseStore.open(store_url) as store:
        (event,) = (e.event for e in store.history("customer:c3") if e.uid == rows[2]["event_id"])
    assert event.actor.id == "anna"


# --- certificates ------------------------------------------------------------------------------


def test_an_erasure_is_certified_and_checked_without_the_store(
    casestore: Casestore, tmp_path: Path
) -> None:
    key = casestore("audit", "key").out.splitlines()[-1]
    file = tmp_path / "c3.erased"
    asked = ("privacy", "certificate", "c3", str(file))
    assert "never erased" in casestore(*asked).failed(1)
    casestore("privacy", "erase", "c3", "--basis", "gdpr-17", "--yes").fine()
    assert "audit seal" in casestore(*asked).failed(3)
    casestore("audit", "seal").fine()
    assert "basis gdpr-17; 1 key destroyed" in casestore(*asked).fine().out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "there meanwhile" in casestore(*asked).failed(1)
    anywhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    checked = anywhere("audit", "verify-certificate", str(file), "--key", key)
    assert "the words of customer c3 were erased on" in checked.fine().out
    proven = anywhere("audit", "verify-certificate", str(file), "--key", key, "--format", "json")
    assert proven.fine().json["basis"] == "gdpr-17"
    file.write_text(file.read_text().replace("gdpr-17", "gdpr-18"))
    assert "edited" in anywhere("audit", "verify-certificate", str(file), "--key", key).failed(1)


# --- who has seen what -------------------------------------------------------------------------


def test_every_command_that_shows_words_or_destroys_keys_is_noted(
    casestore: Casestore, tmp_path: Path
) -> None:
    casestore("audit", "key")
    casestore("audit", "seal").fine()
    casestore("case", "timeline", "1").fine()
    casestore("export").fine()
    casestore("privacy", "erase", "c1", "--dry-run").fine()
    casestore("privacy", "rotate", "--dry-run").fine()
    assert not log(casestore).exists()
    ran = [
        (("case", "timeline", "1"), ("1", None, False)),
        (("case", "timeline", "customer:c1"), (None, "c1", False)),
        (("case", "replay", "case:1"), ("1", None, False)),
        (("case", "diff", "1", "1"), ("1", None, False)),
        (("customer", "show", "c1"), (None, "c1", False)),
        (("find", "one"), (None, None, True)),
        (("export",), (None, None, True)),
        (("export", "--stream", "case:2"), ("2", None, False)),
        (("report", "pages", str(tmp_path / "pages")), (None, None, True)),
        (("audit", "case", "1", str(tmp_path / "evidence")), ("1", None, False)),
    ]
    for args, _ in ran:
        assert casestore(*args, "--reveal").code == 0
    expected = [(" ".join(args[: _length(args)]), *about) for args, about in ran]
    casestore("privacy", "export", "c1", str(tmp_path / "out")).fine()
    casestore("privacy", "erase", "c1", "--merged", "--basis", "x", "--yes").fine()
    casestore("privacy", "rotate").fine()
    casestore("privacy", "reapply").fine()
    assert noted(casestore) == [
        *expected,
        ("privacy export", None, "c1", False),
        ("privacy erase", None, "c1", False),
        ("privacy erase", None, "c2", False),
        ("privacy rotate", None, None, True),
        ("privacy reapply", None, None, True),
    ]
    assert stat.S_IMODE(log(casestore).stat().st_mode) == 0o600
    last = json.loads(log(casestore).read_text().splitlines()[-1])
    assert (last["actor"], bool(last["who"])) == ("agent:anna", True)


def _length(args: tuple[str, ...]) -> int:
    return max(length for length in (1, 2) if args[:length] in ALL)


def test_a_new_command_that_reveals_is_noted_too() -> None:
    """The note is made where a store is opened, by the name of the option alone."""
    reveals = {
        path for path, command in ALL.items() for p in command.params if "--reveal" in p.opts
    }
    assert {p.name for path in reveals for p in ALL[path].params if "--reveal" in p.opts} == {
        "reveal"
    }


def test_where_it_cannot_be_noted_nothing_is_shown_or_done(
    casestore: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_ACCESS_LOG", str(tmp_path / "no" / "log"))
    key = Path(os.environ["CASESTORE_KEY_FILE"]).read_bytes()
    for args in (
        ("case", "timeline", "1", "--reveal"),
        ("export", "--reveal"),
        ("find", "one", "--reveal"),
        ("privacy", "export", "c1", str(tmp_path / "out")),
        ("privacy", "erase", "c1", "--basis", "x", "--yes"),
        ("privacy", "due", "--after", "6y", *ERASE),
        ("privacy", "rotate"),
    ):
        ran = casestore(*args)
        assert "cannot be noted in the access log" in ran.failed(3)
        assert "CASESTORE_ACCESS_LOG" in ran.err
        assert ran.out == ""
    assert not (tmp_path / "out").exists()
    assert casestore("privacy", "status").fine().out == "nobody was erased\n"
    assert Path(os.environ["CASESTORE_KEY_FILE"]).read_bytes() == key
    casestore("case", "timeline", "1").fine()


def test_on_postgres_the_log_has_to_be_named(
    postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CaseStore.create(postgres_schema_url, key_file=tmp_path / "key") as store:
        store.append("case:1", opened())
    monkeypatch.delenv("CASESTORE_ACCESS_LOG")
    casestore = Casestore(postgres_schema_url, CASESTORE_KEY_FILE=str(tmp_path / "key"))
    failed = casestore("case", "timeline", "1", "--reveal").failed(3)
    assert "name the access log in CASESTORE_ACCESS_LOG" in failed


def test_a_restore_is_noted_before_it_is_done(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(url) as store:
        store.append("case:1", opened())
    Casestore(url)("backup", str(tmp_path / "backup")).fine()
    other = Casestore(
        f"sqlite:///{tmp_path}/other.db", CASESTORE_KEY_FILE=str(tmp_path / "store.db.key")
    )
    other("restore", str(tmp_path / "backup")).fine()
    assert noted(other) == [("restore", None, None, True)]
    (tmp_path / "third.db.views.ndjson").mkdir()
    third = Casestore(f"sqlite:///{tmp_path}/third.db")
    assert "cannot be noted" in third("restore", str(tmp_path / "backup")).failed(3)
    assert not (tmp_path / "third.db").exists()
