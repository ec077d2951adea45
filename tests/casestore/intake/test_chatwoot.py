"""Chatwoot's conversations: three shapes of the same, that do not double."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.errors import CaseStoreError
from casestore.intake import Line, Options, append_lines
from casestore.intake.chatwoot import events
from casestore.transfer.known import StoreKnows
from tests.support.helpdesks import imported, story, told, written

SHAPES = ("_messages.json", ".json", "_webhooks.ndjson")
BEGUN = 1_772_442_000  # 2026-03-02T09:00:00Z


def message(number: int, kind: int | str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "content": f"said {number}",
        "account_id": 1,
        "conversation_id": 7,
        "message_type": kind,
        "created_at": BEGUN + number,
        "updated_at": BEGUN + number,
        "private": False,
        "status": "sent",
        "content_type": "text",
        "content_attributes": {},
        "sender": {"id": 31, "type": "contact"}
        if kind in (0, "incoming")
        else {"id": 1, "type": "user"},
    } | more


def page(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"meta": {"contact": {"id": 31}, "assignee": None}, "payload": list(messages)}


def conversation(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "account_id": 1,
        "status": "open",
        "meta": {"sender": {"id": 31}, "channel": "Channel::Email"},
        "messages": list(messages),
        "created_at": BEGUN,
        "timestamp": BEGUN + 100,
    } | more


def changed(at: int, **attributes: tuple[Any, Any]) -> dict[str, Any]:
    told = [
        {name: {"previous_value": before, "current_value": after}}
        for name, (before, after) in attributes.items()
    ]
    is_status = "status" in attributes
    return conversation(
        event="conversation_status_changed" if is_status else "conversation_updated",
        status=attributes["status"][1] if is_status else "open",
        timestamp=BEGUN + at,
        changed_attributes=told,
    )


RESOLVED = changed(50, status=("open", "resolved"))
REOPENED = changed(60, status=("resolved", "open"))
RESOLVED_AGAIN = changed(70, status=("open", "resolved"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


@pytest.fixture
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "chatwoot"


def shapes(exports: Path) -> list[Path]:
    return [exports / f"synthetic_conversation_4711{shape}" for shape in SHAPES]


# --- the samples --------------------------------------------------------------------------------


def test_the_sample_is_told_as_it_was_counted(data_dir: Path, exports: Path) -> None:
    expected = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())["chatwoot"]
    kinds, status = (
        expected["message_type (0 incoming, 1 outgoing, 2 activity, 3 template)"],
        (expected["status"]),
    )
    given = story("chatwoot", shapes(exports)[2])
    assert given.count() == {
        "CaseOpened": 1,
        "MessageReceived": kinds["0"],
        "ReplySent": kinds["1"] + kinds["3"] - expected["private"],
        "NoteAdded": kinds["2"] + expected["private"],
        "DeliveryConfirmed": status["delivered"] + status["read"],
        "DeliveryFailed": status["failed"],
        "CaseClosed": expected["to resolved"],
        "CaseReopened": expected["back to open"],
    }
    automated = [each["automated"] for each in given.fields("ReplySent")]
    assert automated.count(True) == kinds["3"] + expected["outgoing public by sender"]["AgentBot"]
    assert "re-engagement" in given.one("DeliveryFailed")["diagnostic"]
    assert given.reasons() == set()


def test_each_shape_gives_the_same_lines(exports: Path) -> None:
    of = [
        {each.key: (each.type, each.data) for each in story("chatwoot", path).lines}
        for path in shapes(exports)
    ]
    together = {
        each.key: (each.type, each.data) for each in story("chatwoot", *shapes(exports)).lines
    }
    for one in of:
        assert one.items() <= together.items()
    assert together == of[0] | of[1] | of[2]
    assert of[0].items() <= of[2].items()


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_shapes_do_not_double_one_after_another(
    store: CaseStore, exports: Path, order: tuple[int, ...]
) -> None:
    paths = shapes(exports)
    whole = len(story("chatwoot", *paths).lines)
    done = [imported(store, "chatwoot", paths[number]) for number in order]
    assert sum(each.imported.appended for each in done) == whole
    assert sum(each.kept_count for each in done) == 0
    assert imported(store, "chatwoot", *paths).imported.appended == 0


def test_all_samples_import_twice(store: CaseStore, exports: Path) -> None:
    assert imported(store, "chatwoot", exports).told.unreadable == {}
    assert imported(store, "chatwoot", exports).imported.appended == 0


def test_a_service_feeds_each_body_as_it_comes(store: CaseStore, exports: Path) -> None:
    path = shapes(exports)[2]
    for body in path.read_bytes().splitlines():
        read = events(body, Options(instance="a", known=StoreKnows(store)))
        done = append_lines(store, read)
        assert done.imported.refused == ()
        assert done.told.unreadable == {}
    assert imported(store, "chatwoot", path).imported.appended == 0


# --- messages -----------------------------------------------------------------------------------


def test_types_senders_and_privacy(tmp_path: Path) -> None:
    given = told(
        "chatwoot",
        tmp_path,
        page(
            message(1, 0),
            message(2, 1),
            message(3, 1, private=True),
            message(4, 1, sender={"id": 2, "type": "agent_bot"}),
            message(5, 2, sender=None),
            message(6, 3, sender=None),
            message(7, "outgoing", sender=None, sender_type="AgentBot", sender_id=2),
        ),
    )
    assert given.types()[1:] == [
        "MessageReceived",
        "ReplySent",
        "NoteAdded",
        "ReplySent",
        "NoteAdded",
        "ReplySent",
        "ReplySent",
    ]
    assert [each["automated"] for each in given.fields("ReplySent")] == [False, True, True, True]
    assert given.one("CaseOpened")["customer_id"] == "chatwoot-a-31"


def test_an_unknown_type_is_left_out(tmp_path: Path) -> None:
    given = told("chatwoot", tmp_path, page(message(1, 0), message(2, 9)))
    assert given.reasons() == {"a message of another type"}


def test_times_are_seconds_or_texts_of_every_kind(tmp_path: Path) -> None:
    texts = ["2026-03-02T09:00:01.739Z", "2026-03-02 09:00:01 UTC", BEGUN + 1, BEGUN + 1.739]
    for number, at in enumerate(texts):
        given = told("chatwoot", tmp_path / str(number), page(message(1, 0, created_at=at)))
        assert given.one("MessageReceived")["occurred_at"] == "2026-03-02T09:00:01Z"


def test_each_status_is_an_event_of_its_own(store: CaseStore, tmp_path: Path) -> None:
    for number, status in enumerate(["sent", "delivered", "read", "read"]):
        paths = written(tmp_path / str(number), page(message(1, 0), message(2, 1, status=status)))
        appended = imported(store, "chatwoot", *paths).imported.appended
        assert appended == [3, 1, 1, 0][number]


def test_a_deleted_message_keeps_what_was_read_first(store: CaseStore, tmp_path: Path) -> None:
    imported(store, "chatwoot", *written(tmp_path / "a", page(message(1, 0))))
    gone = message(1, 0, content="This message was deleted", content_attributes={"deleted": True})
    again = imported(store, "chatwoot", *written(tmp_path / "b", page(gone)))
    assert (again.imported.appended, again.kept_count) == (0, 1)
    assert any("deleted" in what for what in again.told.remarks)


def test_the_channel_is_that_of_the_inbox(tmp_path: Path) -> None:
    mail = told("chatwoot", tmp_path / "a", page(message(1, 0)), conversation())
    assert mail.one("CaseOpened")["channel"] == mail.one("MessageReceived")["channel"] == "email"
    unknown = told("chatwoot", tmp_path / "b", page(message(1, 0)))
    assert unknown.one("MessageReceived")["channel"] == "chat"
    incoming = told("chatwoot", tmp_path / "c", page(message(1, 0, content_type="incoming_email")))
    assert incoming.one("MessageReceived")["channel"] == "email"


def test_a_file_that_is_left_out_takes_nothing_along(tmp_path: Path) -> None:
    whole = json.dumps(conversation(message(1, 0))).encode()
    given = told("chatwoot", tmp_path, whole + b'\n{"half', whole)
    assert given.one("CaseOpened")["channel"] == "email"
    assert given.reasons() == {"it ends in the middle"}


# --- conversations ------------------------------------------------------------------------------


def test_webhooks_close_and_reopen(tmp_path: Path) -> None:
    given = told(
        "chatwoot", tmp_path, page(message(1, 0)), RESOLVED_AGAIN, REOPENED, RESOLVED, RESOLVED
    )
    assert given.types()[2:] == ["CaseClosed", "CaseReopened", "CaseClosed"]


def test_a_resolution_told_by_two_webhooks_is_one(tmp_path: Path) -> None:
    other = RESOLVED | {"event": "conversation_resolved", "changed_attributes": None}
    given = told("chatwoot", tmp_path, page(message(1, 0)), RESOLVED, other)
    assert given.types()[2:] == ["CaseClosed"]


def test_a_conversation_tells_that_it_is_resolved_but_not_when(tmp_path: Path) -> None:
    given = told("chatwoot", tmp_path, conversation(message(1, 0), status="resolved"))
    assert "CaseClosed" not in given.types()
    assert len(given.remarks) == 1


def test_assignments_and_other_changes(tmp_path: Path) -> None:
    given = told(
        "chatwoot",
        tmp_path,
        page(message(1, 0)),
        changed(20, assignee_id=(None, 1), team_id=(None, 5), waiting_since=(0, 1)),
        changed(30, assignee_id=(1, None)),
        changed(40, status=("open", "snoozed")),
        changed(45, label_list=([], ["billing"])),
    )
    assigned = given.one("CaseAssigned")
    assert (assigned["agent"], assigned["team"]) == ("chatwoot-a-1", "chatwoot-a-5")
    assert given.texts() == [
        "assignee_id: 1 → none",
        "status: open → snoozed",
        "label_list: none → billing",
    ]


def test_a_webhook_of_a_case_that_nobody_opened_is_left_out(tmp_path: Path) -> None:
    status = RESOLVED | {"created_at": None}
    assert told("chatwoot", tmp_path, status).lines == []


def test_lists_of_conversations_and_contacts_are_read(tmp_path: Path) -> None:
    listed = {"data": {"meta": {"all_count": 1}, "payload": [conversation(message(1, 0))]}}
    contact = {"id": 31, "name": "Kim", "email": None, "phone_number": "+4930123456"}
    contacts = {"meta": {"count": 1}, "payload": [contact | {"created_at": BEGUN}]}
    given = told("chatwoot", tmp_path, listed, contacts)
    assert given.types() == ["CustomerRegistered", "CaseOpened", "MessageReceived"]
    assert given.one("CustomerRegistered")["contact"] == "+4930123456"


def test_two_accounts_are_refused(tmp_path: Path) -> None:
    other = message(1, 0, account_id=2)
    with pytest.raises(CaseStoreError, match="accounts 1, 2"):
        told("chatwoot", tmp_path, page(message(1, 0)), page(other))


def test_webhooks_of_other_kinds_are_counted(tmp_path: Path) -> None:
    given = told("chatwoot", tmp_path, {"event": "webwidget_triggered", "id": 12})
    assert given.reasons(unreadable=False) == {"a webhook of another kind"}


def test_a_service_gets_lines() -> None:
    given = events(json.dumps(page(message(1, 0))).encode(), Options(instance="a"))
    assert [each.type for each in given if isinstance(each, Line)] == [
        "CaseOpened",
        "MessageReceived",
    ]
