"""Freshdesk's tickets: the author decides, the end state closes, activities tell when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake import LeftOut, Options, read
from casestore.intake.freshdesk import events
from tests.support.helpdesks import imported, story, told, written

TICKET = {
    "id": 7,
    "requester_id": 100,
    "status": 2,
    "source": 1,
    "subject": "Kettle",
    "description": "<p>It leaks</p>",
    "description_text": "It leaks",
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-05T09:00:00Z",
    "custom_fields": {"cf_product": "kettle-3"},
    "type": "Problem",
}


def ticket(**more: Any) -> dict[str, Any]:
    return TICKET | more


def said(number: int, user: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "ticket_id": 7,
        "user_id": user,
        "body_text": f"said {number}",
        "incoming": False,
        "private": False,
        "source": 0,
        "created_at": f"2026-03-03T09:{number:02}:00Z",
        "updated_at": "2026-03-03T12:00:00Z",
    } | more


def done(at: str, by: int | None = 9, **activity: Any) -> dict[str, Any]:
    return {
        "performed_at": at,
        "ticket_id": 7,
        "performer_type": "system" if by is None else "user",
        "performer_id": by,
        "activity": activity,
    }


OPENED = done("02-03-2026 10:00:01 +0100", 100, status="Open", priority=1, source=1)
CLOSED = done("03-03-2026 10:00:00 +0100", status="Resolved")
REOPENED = done("04-03-2026 10:00:00 +0100", 100, status="Open")
CLOSED_AGAIN = done("05-03-2026 10:00:00 +0100", None, status="Closed")


def activities(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"activities_count": len(rows)}, "activities_data": list(rows)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


@pytest.fixture
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "freshdesk"


# --- the recording ------------------------------------------------------------------------------


def test_the_recording_is_told_as_it_was_counted(data_dir: Path, exports: Path) -> None:
    expected = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())["freshdesk"]
    then, later = expected["recording 2021-08"], expected["later (2023-11)"]
    given = story("freshdesk", *(path for path in exports.iterdir() if path.is_file()))
    assert given.count() == {
        "CaseOpened": then["tickets"],
        "CaseClosed": then["status 2 open, 3 pending, 4 resolved, 5 closed"]["5"],
        "MessageReceived": then["tickets"] + then["public by requester (user_id)"],
        "ReplySent": then["public by someone else (user_id)"],
        "NoteAdded": then["private note"],
        "CustomerRegistered": expected["contacts"],
    }
    assert given.reasons() == set()
    more = story("freshdesk", exports)
    assert len(more.lines) - len(given.lines) == later["conversations"] - 1  # one is in both
    (trap,) = then["incoming flag disagrees with the author (conversation ids)"]
    messages = [each["message_id"] for each in given.fields("MessageReceived")]
    assert str(trap) in messages


def test_the_recording_imports_twice_and_is_extended(store: CaseStore, exports: Path) -> None:
    first = imported(store, "freshdesk", *(path for path in exports.iterdir() if path.is_file()))
    assert first.imported.appended == 39
    again = imported(store, "freshdesk", exports)
    assert (again.imported.appended, again.kept_count) == (2, 0)
    assert imported(store, "freshdesk", exports).imported.appended == 0


# --- tickets ------------------------------------------------------------------------------------


def test_a_ticket_opens_a_case_with_its_description_as_the_first_message(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, ticket(), fields={"cf_product": "product"})
    assert given.types("case:freshdesk-a-7") == ["CaseOpened", "MessageReceived"]
    opened = given.one("CaseOpened")
    assert (opened["customer_id"], opened["channel"]) == ("freshdesk-a-100", "email")
    assert (opened["subject"], opened["product"]) == ("Kettle", "kettle-3")
    assert given.one("MessageReceived")["text"] == "It leaks"


def test_two_instances_share_neither_case_nor_customer(tmp_path: Path) -> None:
    here = told("freshdesk", tmp_path / "a", ticket(), instance="a")
    there = told("freshdesk", tmp_path / "b", ticket(), instance="b")
    for given in (here, there):
        given.lines[:] = given.lines[:1]
    assert here.lines[0].stream != there.lines[0].stream
    assert here.lines[0].key != there.lines[0].key
    assert here.one("CaseOpened")["customer_id"] != there.one("CaseOpened")["customer_id"]


def test_a_mail_of_ours_opens_a_ticket_with_a_reply(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, ticket(source=10))
    assert given.types() == ["CaseOpened", "ReplySent"]


def test_a_list_does_not_tell_the_description_and_its_later_telling_is_added(
    store: CaseStore, tmp_path: Path
) -> None:
    listed = {k: v for k, v in TICKET.items() if not k.startswith("description")}
    assert told("freshdesk", tmp_path / "a", [listed]).types() == ["CaseOpened"]
    imported(store, "freshdesk", *written(tmp_path / "b", [listed]))
    more = imported(store, "freshdesk", *written(tmp_path / "c", [listed], ticket()))
    assert more.imported.appended == 1


def test_deleted_tickets_and_spam_are_told_in_notes(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, ticket(deleted=True, spam=True))
    assert given.texts() == ["deleted at the source", "spam at the source"]


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"status": 5, "stats": {"closed_at": "2026-03-04T09:00:00Z"}}, "2026-03-04T09:00:00Z"),
        ({"status": 4, "stats": {"resolved_at": "2026-03-03T09:00:00Z"}}, "2026-03-03T09:00:00Z"),
        ({"status": 4}, "2026-03-05T09:00:00Z"),
    ],
)
def test_the_end_state_closes_a_case_under_a_source_of_its_own(
    tmp_path: Path, more: dict[str, Any], at: str
) -> None:
    given = told("freshdesk", tmp_path, ticket(**more))
    (closed,) = (each for each in given.lines if each.type == "CaseClosed")
    assert (closed.source, closed.keep_first) == ("freshdesk-end-state:a", True)
    assert closed.fields["occurred_at"] == at


@pytest.mark.parametrize("status", [2, 3, 6, 7, None])
def test_other_states_close_nothing_unless_they_are_named(
    tmp_path: Path, status: int | None
) -> None:
    given = told("freshdesk", tmp_path / "a", ticket(status=status))
    assert "CaseClosed" not in given.types()
    named = told("freshdesk", tmp_path / "b", ticket(status=status), states={"closed": ["6"]})
    assert ("CaseClosed" in named.types()) == (status == 6)


# --- conversations ------------------------------------------------------------------------------


def test_the_author_decides_and_a_private_one_is_a_note(tmp_path: Path) -> None:
    given = told(
        "freshdesk",
        tmp_path,
        ticket(),
        [
            said(1, 9, to_emails=["kim@example.com"], auto_response=True),
            said(2, 100),
            said(3, 100, private=True),
            said(4, 200, incoming=True),
            said(5, 100, body_text="", body="<div></div>"),
        ],
    )
    kinds = ["ReplySent", "MessageReceived", "NoteAdded", "MessageReceived", "MessageReceived"]
    assert given.types()[2:] == kinds
    reply = given.one("ReplySent")
    assert (reply["to"], reply["automated"]) == ("kim@example.com", True)
    assert [each["actor"]["kind"] for each in given.fields("MessageReceived")][2] == "third_party"
    assert "text" not in given.fields("MessageReceived")[3]


def test_a_failed_mail_is_told(store: CaseStore, tmp_path: Path) -> None:
    failed = said(1, 9, email_failure_count=1, outgoing_failures="550 no such user")
    given = told("freshdesk", tmp_path / "a", ticket(), [failed])
    assert given.one("DeliveryFailed") == {
        "occurred_at": "2026-03-03T12:00:00Z",
        "actor": {"kind": "system", "id": "freshdesk"},
        "reply_id": "1",
        "kind": "permanent",
        "diagnostic": "550 no such user",
    }
    imported(store, "freshdesk", *written(tmp_path / "b", ticket(), [failed]))
    touched = failed | {"updated_at": "2026-03-04T12:00:00Z"}
    again = imported(store, "freshdesk", *written(tmp_path / "c", ticket(), [touched]))
    assert (again.imported.appended, again.kept_count) == (0, 1)


def test_an_edited_message_is_remarked_and_does_not_stop_a_later_import(
    store: CaseStore, tmp_path: Path
) -> None:
    imported(store, "freshdesk", *written(tmp_path / "b", ticket(), [said(1, 9)]))
    edited = said(1, 9, body_text="other words", last_edited_at="2026-03-04T12:00:00Z")
    again = imported(store, "freshdesk", *written(tmp_path / "c", ticket(), [edited]))
    assert (again.imported.appended, again.kept_count) == (0, 1)
    assert any("edited" in what for what in again.told.remarks)


def test_without_its_ticket_a_conversation_is_left_out(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, [said(1, 9)], activities(CLOSED))
    assert given.lines == []
    assert given.reasons() == {
        "a record whose ticket, which names the customer, was not read; export that too"
    }


def test_a_conversation_of_a_ticket_in_the_store_is_told_by_its_author(
    store: CaseStore, tmp_path: Path
) -> None:
    imported(store, "freshdesk", *written(tmp_path / "a", ticket()))
    rows = [said(1, 9), said(2, 100), said(3, 9, private=True)]
    imported(store, "freshdesk", *written(tmp_path / "b", rows))
    kinds = [type(each.event).__name__ for each in store.history("case:freshdesk-a-7").effective]
    assert kinds[2:] == ["ReplySent", "MessageReceived", "NoteAdded"]
    whole = imported(store, "freshdesk", *written(tmp_path / "c", ticket(), rows))
    assert (whole.imported.appended, whole.kept_count) == (0, 0)


def test_newer_conversations_alone_extend_the_recording(store: CaseStore, exports: Path) -> None:
    imported(store, "freshdesk", *(path for path in exports.iterdir() if path.is_file()))
    assert imported(store, "freshdesk", exports / "later").imported.appended == 2
    assert imported(store, "freshdesk", exports).imported.appended == 0


def test_conversations_inside_a_ticket_are_read(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, ticket(conversations=[said(1, 9)]))
    assert given.types() == ["CaseOpened", "MessageReceived", "ReplySent"]


def test_a_contact_is_a_customer_since_it_was_made(tmp_path: Path) -> None:
    contact = {"id": 100, "name": "Kim", "email": None, "mobile": "+49 30 1234567"}
    given = told("freshdesk", tmp_path, [contact | {"created_at": "2026-03-01T09:00:00Z"}])
    registered = given.one("CustomerRegistered")
    assert (registered["name"], registered["contact"]) == ("Kim", "+49 30 1234567")
    assert registered["since"] == "2026-03-01T09:00:00Z"


# --- activities ---------------------------------------------------------------------------------


def test_activities_tell_when_a_status_changed(tmp_path: Path) -> None:
    rows = activities(CLOSED_AGAIN, OPENED, CLOSED, REOPENED)
    given = told("freshdesk", tmp_path, ticket(status=5), rows)
    turns = [each for each in given.types() if each in ("CaseClosed", "CaseReopened")]
    assert turns == ["CaseClosed", "CaseReopened", "CaseClosed"]
    assert {each.source for each in given.lines} == {"freshdesk:a"}
    assert given.fields("CaseClosed")[0]["occurred_at"] == "2026-03-03T09:00:00Z"
    assert given.one("CaseReopened")["actor"]["kind"] == "customer"


def test_a_history_that_comes_after_the_end_state_doubles_nothing(
    store: CaseStore, tmp_path: Path
) -> None:
    imported(store, "freshdesk", *written(tmp_path / "a", ticket(status=5)))
    rows = activities(OPENED, CLOSED, REOPENED, CLOSED_AGAIN)
    paths = written(tmp_path / "b", ticket(status=5), rows)
    imported(store, "freshdesk", *paths)
    assert store.case("freshdesk-a-7").status == "closed"
    assert imported(store, "freshdesk", *paths).imported.appended == 0


def test_a_longer_history_extends(store: CaseStore, tmp_path: Path) -> None:
    short = written(tmp_path / "a", ticket(), activities(OPENED, CLOSED))
    assert imported(store, "freshdesk", *short).imported.appended == 6
    longer = activities(OPENED, CLOSED, REOPENED, CLOSED_AGAIN)
    paths = written(tmp_path / "b", ticket(status=5), longer)
    assert imported(store, "freshdesk", *paths).imported.appended == 2
    assert imported(store, "freshdesk", *paths).imported.appended == 0


def test_a_history_that_begins_in_the_middle_turns_nothing(tmp_path: Path) -> None:
    given = told("freshdesk", tmp_path, ticket(status=5), activities(REOPENED, CLOSED_AGAIN))
    turns = [each for each in given.types() if each in ("CaseClosed", "CaseReopened")]
    assert turns == ["CaseClosed"]
    assert given.texts() == ["status: Open", "status: Open → Closed"]


def test_activities_assign_and_other_changes_are_notes(tmp_path: Path) -> None:
    moved = done(
        "03-03-2026 10:00:00 +0100", agent_id=9, group="Billing", priority=4, note={"id": 1}
    )
    given = told("freshdesk", tmp_path, ticket(), activities(OPENED, moved))
    assigned = given.one("CaseAssigned")
    assert (assigned["agent"], assigned["team"]) == ("freshdesk-a-9", "freshdesk-a-Billing")
    assert "priority: 1 → 4" in given.texts()
    rows = activities(OPENED, moved)
    left = told("freshdesk", tmp_path / "b", ticket(), rows, changes="leave-out")
    assert left.texts() == []
    assert "a change that has no event" in left.reasons(unreadable=False)


def test_the_same_activity_in_two_files_is_one(tmp_path: Path) -> None:
    one = told("freshdesk", tmp_path / "a", ticket(), activities(OPENED, CLOSED))
    turned = {name: CLOSED[name] for name in reversed(CLOSED)}
    two = told(
        "freshdesk", tmp_path / "b", ticket(), activities(OPENED, CLOSED), activities(turned)
    )
    assert [each.key for each in one.lines] == [each.key for each in two.lines]


def test_a_service_feeds_one_ticket() -> None:
    given = events(json.dumps(ticket()).encode(), Options(instance="a"))
    assert [getattr(each, "type", "") for each in given] == ["CaseOpened", "MessageReceived"]


def test_a_ticket_of_another_helpdesk_is_none_of_freshdesks(tmp_path: Path) -> None:
    zendesk = {"id": 7, "requester_id": 8, "status": "open", "created_at": "2026-03-02T08:00:00Z"}
    (tmp_path / "tickets.json").write_text(json.dumps([zendesk]))
    found = list(read("freshdesk", [tmp_path], Options(instance="a")))
    assert [type(each) for each in found] == [LeftOut]
