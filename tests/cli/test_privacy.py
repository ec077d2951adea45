"""`casestore privacy`, and `doctor --fix`, at the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from casestore import CaseStore, CustomerMerged, PersonalDataErased
from cli.main import COMMANDS
from projections.reports import REPORTS
from tests.support.command_line import Casestore, demo_store, in_terminal
from tests.support.holds import held
from tests.support.notes import ANNA, T, note, opened


@pytest.fixture
def casestore(store_url: str) -> Casestore:
    """The command line, on two customers of whom one is merged into the other, on each database."""
    with CaseStore.create(store_url) as store:
        store.append("case:1", opened(subject="one"), note("two"), note("three"))
        store.append("case:2", opened("c2", subject="four"))
        store.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    key_file = os.environ["CASESTORE_KEY_FILE"]
    return Casestore(store_url, CASESTORE_ACTOR="agent:anna", CASESTORE_KEY_FILE=key_file)


ERASE = ("privacy", "erase", "c1", "--basis", "gdpr-17", "--yes")


def rows(casestore: Casestore, *args: str) -> list[dict[str, object]]:
    found = casestore(*args, "--format", "json").fine().json
    assert isinstance(found, list)
    return found


def test_a_dry_run_lists_and_erases_nothing(casestore: Casestore) -> None:
    assert casestore("privacy", "erase", "c1", "--dry-run").fine().out == (
        "customer  stream  type        field    events\n"
        "c1        case:1  CaseOpened  subject       1\n"
        "c1        case:1  NoteAdded   text          2\n"
        "the same person is also c2: not erased without --merged\n"
    )
    listed = rows(casestore, "privacy", "erase", "c1", "--merged", "--dry-run")
    assert [row["customer_id"] for row in listed] == ["c1", "c1", "c2"]
    assert "one" in casestore("case", "timeline", "1", "--reveal").fine().out
    assert casestore("privacy", "status").fine().out == "nobody was erased\n"


def test_erase(casestore: Casestore) -> None:
    told = casestore(*ERASE).fine().out.splitlines()
    assert told[0].split() == ["customer", "outcome", "when", "basis", "texts"]
    assert told[1].split()[:2] == ["c1", "erased"]
    assert told[1].split()[-2:] == ["gdpr-17", "3"]
    assert told[2] == "the same person is also c2: not erased without --merged"
    timeline = casestore("case", "timeline", "1", "--reveal").fine().out
    assert timeline.count("[erased]") == 3
    (again,) = rows(casestore, *ERASE)
    assert (again["outcome"], again["texts"], again["same_person"]) == ("erased already", 0, ["c2"])
    both = rows(casestore, *ERASE, "--merged")
    assert [row["outcome"] for row in both] == ["erased already", "erased"]
    assert [row["left"] for row in both] == [[], []]
    assert "the same person" not in casestore(*ERASE).fine().out
    assert casestore("doctor").fine().out.endswith("the store is whole\n")
    assert casestore(*ERASE, "--quiet").fine().out == ""


@pytest.mark.parametrize("answer", ["", "n", "y"])
def test_an_erasure_asks_a_person_first(
    casestore: Casestore, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    asked = ERASE[:-1]
    refused = casestore(*asked).failed(2)
    assert refused.startswith("3 texts of c1 would be unreadable for ever; give --yes")
    ran = in_terminal(casestore, *asked, answer=answer)
    assert "Make 3 texts of c1 unreadable for ever? [y/N]" in ran
    timeline = casestore("case", "timeline", "1", "--reveal").fine().out
    assert timeline.count("[erased]") == (3 if answer == "y" else 0)


def test_what_cannot_be_erased(casestore: Casestore, store_url: str, tmp_path: Path) -> None:
    assert "Give --basis" in casestore("privacy", "erase", "c1").failed(2)
    assert "no customer nobody" in casestore("privacy", "erase", "nobody", "--dry-run").failed(2)
    assert "no customer x" in casestore("privacy", "erase", "x", "--basis", "b").failed(2)
    failed = casestore("privacy", "erase", "c1", "--basis", "x" * 201).failed(1)
    assert failed.startswith("PersonalDataErased.basis ")
    assert "PersonalDataErased.actor.kind" in casestore(*ERASE, "--actor", "nobody:x").failed(1)
    nobody = Casestore(store_url, CASESTORE_KEY_FILE=os.environ["CASESTORE_KEY_FILE"])
    assert "who did it?" in nobody(*ERASE).failed(2)
    with CaseStore.open(store_url) as store:
        store.append("customer:c2", held("h-1"))
    assert "(h-1) on customer 'c2'" in casestore(*ERASE).failed(1)
    ran = casestore("privacy", "erase", "c1", "--dry-run")
    assert (ran.code, ran.out.count("\n")) == (1, 3)
    assert "would be refused: a legal hold stands: h-1 on customer c2" in ran.err
    plain = Casestore(f"sqlite:///{tmp_path}/plain.db", CASESTORE_ACTOR="agent:anna")
    plain("init", "--unsealed").fine()
    plain("record", "case:1", "CaseOpened", "customer_id=c1", "channel=email").fine()
    for args in (ERASE, ("privacy", "erase", "c1", "--dry-run")):
        assert "made with --unsealed" in plain(*args).failed(1)
    assert "no key to rotate" in plain("privacy", "rotate").failed(3)


def test_status(casestore: Casestore) -> None:
    casestore("record", "customer:c2", "ErasureRequested", "basis=gdpr-17").fine()
    (asked,) = rows(casestore, "privacy", "status", "--requested")
    assert (asked["customer_id"], asked["basis"]) == ("c2", "gdpr-17")
    casestore(*ERASE).fine()
    (erased,) = rows(casestore, "privacy", "status")
    assert set(erased) == {"customer_id", "erased_at", "basis", "event_id", "store_id", "proof"}
    one = casestore("privacy", "status", "c1", "--format", "json").fine().json
    assert (one["erased"], one["texts"], one["same_person"]) == (True, 0, ["c2"])
    assert len(one["erasures"]) == 1
    told = casestore("privacy", "status", "c2").fine().out
    assert told == (
        "customer c2: not erased\nthe same person as c1\ntexts that can be read: 1, in 1 streams\n"
    )
    assert "no customer x" in casestore("privacy", "status", "x").failed(2)


def test_rotate(casestore: Casestore) -> None:
    key_file = Path(os.environ["CASESTORE_KEY_FILE"])
    before = key_file.read_bytes()
    assert "2 keys of customers would be" in casestore("privacy", "rotate", "--dry-run").fine().out
    assert key_file.read_bytes() == before
    told = casestore("privacy", "rotate").fine().out
    assert f"2 keys of customers wrapped by a new key in {key_file}\n" in told
    assert "destroy every copy of the old one" in told
    assert "one" in casestore("case", "timeline", "1", "--reveal").fine().out
    assert casestore("privacy", "rotate", "--format", "json").fine().json == {
        "key_file": str(key_file),
        "wrapped": 2,
        "resumed": False,
        "dry_run": False,
    }
    key_file.write_bytes(before)
    assert "does not open every key" in casestore("privacy", "rotate").failed(3)


def test_an_erasure_that_a_service_recorded_is_finished_by_the_doctor(
    casestore: Casestore, store_url: str
) -> None:
    with CaseStore.open(store_url) as store:
        store.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="x"))
    ran = casestore("doctor").fine()  # a warning
    assert "`casestore doctor --fix` finishes it" in " ".join(ran.out.split())
    assert casestore("doctor", "--fix").fine().out.endswith("the store is whole\n")


def test_a_restored_file_and_reapply(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    casestore.env["CASESTORE_ACTOR"] = "agent:anna"
    assert "there is no list" in casestore("privacy", "reapply").failed(2)
    shutil.copy(tmp_path / "demo.db", tmp_path / "backup")
    customer_id = casestore("case", "show", "roadshow", "--format", "json").json["customer_id"]
    before = casestore("case", "timeline", "roadshow", "--reveal").fine().out
    casestore("privacy", "erase", customer_id, "--basis", "gdpr-17", "--yes").fine()
    (tmp_path / "list").write_text(casestore("privacy", "status", "--format", "ndjson").fine().out)
    shutil.copy(tmp_path / "backup", tmp_path / "demo.db")
    assert casestore("case", "timeline", "roadshow", "--reveal").fine().out == before
    ran = casestore("doctor")
    assert ran.code == 1
    assert "an older one was put back" in " ".join(ran.out.split())
    (done,) = rows(casestore, "privacy", "reapply")
    assert (done["customer_id"], done["outcome"]) == (customer_id, "erased again")
    (done,) = rows(casestore, "privacy", "reapply", str(tmp_path / "list"))
    assert done["outcome"] == "on record"
    assert casestore("case", "timeline", "roadshow", "--reveal").fine().out != before
    assert casestore("doctor").fine()
    ran = casestore("privacy", "reapply", "-", stdin="no list\n")
    assert (ran.code, "line 1 is not an erasure on record" in ran.out) == (1, True)


def test_everything_goes_on_without_the_words(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    casestore.env["CASESTORE_ACTOR"] = "agent:anna"
    commands = [
        ["case", "timeline", "roadshow"],
        ["case", "show", "roadshow"],
        ["case", "replay", "roadshow"],
        ["projections", "rebuild"],
        *([each.name] for each in REPORTS if each.name in COMMANDS and each.name != "goodwill"),
    ]
    words = len(casestore("export", "--reveal").fine().out.splitlines())
    at = ["--as-of", "2026-09-01"]
    told = [c if c[0] == "projections" else [*c, *at] for c in commands]
    by = {"breakdown": "agent", "causes": "month"}
    told = [[*c, "--by", by[c[0]]] if c[0] in by else c for c in told]
    before = [casestore(*command).fine().out for command in told]
    lines = casestore("cases", "--format", "ndjson").fine().out.splitlines()
    customers = {json.loads(line)["customer_id"] for line in lines}
    for customer_id in customers:
        casestore("privacy", "erase", customer_id, "--basis", "x", "--yes").fine()
    after = [casestore(*command).fine().out for command in told]
    for command, one, other in zip(told, before, after, strict=True):
        same_place = re.sub(r"position \d+", "position 0", one)
        assert re.sub(r"position \d+", "position 0", other) == same_place, command
    exported = casestore("export", "--reveal").fine().out.splitlines()
    assert len(exported) == words + len(customers)
    assert not any("text" in json.loads(line)["data"] for line in exported)
    copy = Casestore(f"sqlite:///{tmp_path}/copy.db")
    copy("init").fine()
    for appended in (len(exported), 0):
        given = "".join(f"{line}\n" for line in exported)
        ran = copy("import", "-", "--format", "json", stdin=given).fine()
        assert ran.json["appended"] == appended
