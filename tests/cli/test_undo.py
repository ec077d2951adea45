"""Undoing an import at the command line: what it shows, asks and says."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import click
import pytest

from casestore import CaseStore, DeliveryFailed, ReplySent
from casestore.append.request import Append
from casestore.privacy.erasure import erase
from cli.commands import undo as commands
from cli.main import COMMANDS
from cli.terminal.options import shared
from tests.support.command_line import Casestore
from tests.support.notes import ANNA, T, note, opened

UNDO = ("undo-import", "zendesk:acme", "misreported")


@pytest.fixture
def casestore(store_url: str, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    """The command line on two imported cases, with `undo-import SOURCE [REASON]`, on each database.

    `casestore import --undo` calls the same function.
    """

    @click.command()
    @click.argument("source")
    @click.argument("reason", required=False)
    @click.option("--authorised-by")
    @click.option("--dry-run", is_flag=True)
    @click.option("--yes", is_flag=True)
    @shared
    def command(source: str, reason: str | None, **given: Any) -> None:
        commands.undo(source, reason, **given)

    monkeypatch.setattr(commands, "command", command, raising=False)
    monkeypatch.setitem(COMMANDS, "undo-import", ("undo:command", "For tests."))
    with CaseStore.create(store_url) as store:
        for n in (1, 2):
            for part, event in enumerate((opened(f"z{n}", subject="x"), note("said"))):
                append = Append(
                    batches=((f"case:z{n}", (event,)),),
                    key=f"zendesk:acme:{n}:{part}",
                    source="zendesk:acme",
                    imported=True,
                )
                assert store.write([append]) == [True]
    key_file = os.environ["CASESTORE_KEY_FILE"]
    return Casestore(store_url, CASESTORE_ACTOR="agent:anna", CASESTORE_KEY_FILE=key_file)


def cases(casestore: Casestore) -> list[str]:
    return [row["case_id"] for row in casestore("cases", "--format", "json").fine().json["rows"]]


def at(casestore: Casestore) -> CaseStore:
    url, key_file = casestore.env["CASESTORE_URL"], casestore.env["CASESTORE_KEY_FILE"]
    return CaseStore.open(url, key_file=key_file)


def test_a_dry_run_shows_it_alone(casestore: Casestore) -> None:
    told = casestore("undo-import", "zendesk:acme", "--dry-run").fine().out.splitlines()
    assert told[0].startswith("6 events of zendesk:acme would be voided, recorded from 20")
    assert told[1:] == [
        "CaseOpened 2; CustomerRegistered 2; NoteAdded 2",
        "nothing is left of 2 cases and 2 customers, which count nowhere then",
        "2 registrations among them the store had made by itself, for these cases",
    ]
    assert cases(casestore) == ["z1", "z2"]


def test_undo_says_how_to_import_anew(casestore: Casestore) -> None:
    told = casestore(*UNDO, "--yes").fine().out.splitlines()
    assert told[0].startswith("6 events of zendesk:acme were voided")
    assert told[-1] == (
        "to import the same files again, give another --instance (csv: another name in the "
        "mapping): under this one nothing would be appended, as its keys are used up"
    )
    assert cases(casestore) == []
    again = casestore(*UNDO, "--yes").fine().out
    assert again == ("nothing is left to undo of zendesk:acme\n4 events of it were voided before\n")


def test_the_correction_says_who_did_and_who_allowed_it(casestore: Casestore) -> None:
    casestore(*UNDO, "--yes", "--authorised-by", "agent:boss:manager").fine()
    timeline = casestore("case", "timeline", "z1", "--format", "json").fine().json
    assert [row["voided_by"] for row in timeline] == [4, 3, None, None]
    data = timeline[-1]["data"]
    assert (data["kind"], data["reason"], data["actor"]["id"]) == ("voided", "misreported", "anna")
    assert data["authorised_by"] == {"kind": "agent", "id": "boss", "role": "manager"}


def test_a_case_of_which_all_was_voided_says_so(casestore: Casestore) -> None:
    casestore(*UNDO, "--yes").fine()
    shown = casestore("case", "show", "z1").fine().out.splitlines()
    assert shown[0].endswith("after 0 of 4 events")
    assert shown[1:] == ["all that was recorded was voided"]
    earlier = casestore("case", "show", "z1", "--as-of", "2020-01-01").fine().out
    assert earlier.splitlines()[1:] == ["nothing had happened yet"]
    assert casestore("case", "replay", "z1").fine().out.count("version ") == 6
    assert "voided by version 4" in casestore("case", "timeline", "z1").fine().out


def test_nothing_is_undone_while_something_hangs_on_it(casestore: Casestore) -> None:
    with at(casestore) as store:
        reply = ReplySent(occurred_at=T, actor=ANNA, reply_id="r1", channel="email")
        store.append("case:z2", reply, source="desk")
        store.append(
            "case:z2",
            DeliveryFailed(occurred_at=T, actor=ANNA, reply_id="r1", kind="permanent"),
        )
    for args in ((*UNDO, "--yes"), ("undo-import", "zendesk:acme", "--dry-run")):
        ran = casestore(*args)
        assert ran.failed(1) == (
            "nothing of zendesk:acme is undone, as something hangs on it: ReplySent in case:z2 "
            "(version 3): the case is not open yet, and 1 more; void these first, or undo the "
            "import that they are from"
        )
        lines = ran.out.splitlines()
        place = lines.index("2 events in the way:")
        assert lines[place + 1].split("  ")[0] == "stream"
        assert lines[place + 2].split()[:4] == ["case:z2", "3", "ReplySent", "desk"]
    assert cases(casestore) == ["z1", "z2"]


def test_programs_get_one_object(casestore: Casestore) -> None:
    with at(casestore) as store:
        erase(store, "z1", basis="gdpr-17", actor=ANNA)
    told = casestore("undo-import", "zendesk:acme", "--dry-run", "--format", "json").fine().json
    assert (told["events"], told["voided"], told["hanging"]) == (5, 0, [])
    assert told["sources"] == ["zendesk:acme", "zendesk-end-state:acme"]
    done = casestore(*UNDO, "--yes", "--format", "json").fine().json
    assert (done["events"], done["voided"], done["later"]) == (5, 5, 0)


def test_who_cannot_be_asked_gives_yes(casestore: Casestore) -> None:
    assert casestore(*UNDO).failed(2) == (
        "6 events of zendesk:acme would be voided; give --yes, or --dry-run to see what that is"
    )
    assert cases(casestore) == ["z1", "z2"]


@pytest.mark.parametrize(("answer", "left"), [("n", 2), ("y", 0)])
def test_it_asks_after_showing(
    casestore: Casestore, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr(commands, "sys", SimpleNamespace(stdin=terminal, stderr=terminal))
    ran = casestore(*UNDO, stdin=f"{answer}\n")
    assert "6 events of zendesk:acme are to be voided" in ran.out
    assert "Void 6 events of zendesk:acme? [y/N]" in ran.err
    assert ran.code == (1 if left else 0)
    assert len(cases(casestore)) == left


def test_what_is_missing_or_mistyped_is_said(casestore: Casestore) -> None:
    assert "Give --reason" in casestore("undo-import", "zendesk:acme").failed(2)
    assert casestore("undo-import", "zendesk:acm", "--dry-run").failed(2) == (
        "nothing in this store came from zendesk:acm; write NAME:INSTANCE as they were imported, "
        "like zendesk:acme, and mail or csv:NAME where there was no instance"
    )
    assert "reason" in casestore("undo-import", "zendesk:acme", "spite", "--yes").failed(1)
    casestore.env["CASESTORE_ACTOR"] = None
    assert "who did it?" in casestore(*UNDO, "--yes").failed(2)
