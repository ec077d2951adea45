"""Zammad's answers: the examples there are against their counted answers, and what they lack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake import Line, Options
from casestore.intake.zammad import events
from casestore.transfer.known import StoreKnows
from tests.support.helpdesks import Story, imported, story, told, written

CASE = "case:zammad-a-33"
CUSTOMER, AGENT, OTHER = 7, 5, 6
STATES = {"closed": ("zu",)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/desk.db") as made:
        yield made


@pytest.fixture(scope="module")
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "zammad"


@pytest.fixture(scope="module")
def synthetic(exports: Path) -> Story:
    return story("zammad", *sorted(exports.glob("synthetic*")))


@pytest.fixture(scope="module")
def answers(data_dir: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())
    answers: dict[str, Any] = expected["zammad"]["synthetic ticket 90"]
    return answers


# --- what an API would have answered --------------------------------------------------------

TICKET = {
    "id": 33,
    "group_id": 1,
    "customer_id": CUSTOMER,
    "created_by_id": CUSTOMER,
    "title": "Kettle",
    "state": "open",
    "state_id": 2,
    "create_article_type": "email",
    "created_at": "2026-03-02T09:00:00.000Z",
    "updated_at": "2026-03-02T09:00:00.000Z",
}
ENDED = TICKET | {"state": "closed", "close_at": "2026-03-03T12:00:00.000Z"}
CREATED = {
    "id": 1,
    "object": "Ticket",
    "type": "created",
    "o_id": 33,
    "created_by_id": CUSTOMER,
    "created_at": "2026-03-02T09:00:00.000Z",
}


def article(number: int, body: str, at: str, **more: Any) -> dict[str, Any]:
    made = {"id": number, "ticket_id": 33, "sender": "Customer", "sender_id": 2, "type": "email"}
    made |= {"type_id": 1, "body": body, "internal": False, "preferences": {}, "to": "us@x.example"}
    return made | {"created_by_id": CUSTOMER, "created_at": at, "updated_at": at} | more


def entry(
    number: int, attribute: str, before: Any, after: Any, at: str, **more: Any
) -> dict[str, Any]:
    made = {"id": number, "object": "Ticket", "type": "updated", "attribute": attribute}
    made |= {"o_id": 33, "value_from": before, "value_to": after, "created_by_id": AGENT}
    return made | {"created_at": at} | more


FIRST = article(301, "It leaks", "2026-03-02T09:00:00.000Z")
ANSWER = article(
    302, "Sent", "2026-03-03T09:00:00.000Z", sender="Agent", sender_id=1, created_by_id=AGENT
)
CLOSED = entry(2, "state", "open", "closed", "2026-03-03T09:00:00.000Z")
REOPENED = entry(3, "state", "closed", "open", "2026-03-04T09:00:00.000Z")
CLOSED_AGAIN = entry(4, "state", "open", "closed", "2026-03-05T09:00:00.000Z")
CHAIN = [CREATED, CLOSED, REOPENED, CLOSED_AGAIN]


def history(*given: dict[str, Any]) -> dict[str, Any]:
    return {"history": list(given), "assets": {"User": {}}}


def of(folder: Path, *given: Any, **options: Any) -> Story:
    return told("zammad", folder, *given, **options)


def recorded(store: CaseStore, stream: str = CASE) -> list[str]:
    return [type(each.event).__name__ for each in store.history(stream)]


# --- the examples ---------------------------------------------------------------------------


def test_the_synthetic_history_is_read_as_its_answers_say(
    synthetic: Story, answers: dict[str, Any]
) -> None:
    kinds = answers["by sender / type / internal"]
    count = synthetic.count()
    assert count["MessageReceived"] == kinds["Customer / email / False"]
    assert count["ReplySent"] == kinds["Agent / email / False"] + kinds["System / email / False"]
    assert count["CaseClosed"] == answers["to closed"]
    assert count["CaseReopened"] == answers["back from closed"]
    assert count["DeliveryFailed"] == answers["delivery failures"]
    rows = answers["by object type attribute"]
    assigned = rows["Ticket updated owner"] + rows["Ticket updated group"]
    assert count["CaseAssigned"] == assigned
    no_event = [out.detail for out in synthetic.left_out if not out.unreadable]
    assert sorted(no_event) == ["email", "escalation", "notification", "reminder_reached"]
    # 91, which was merged into it, is not there.
    (merge,) = [out for out in synthetic.left_out if out.unreadable]
    assert "opened neither" in merge.reason
    assert "zammad-a-91" in merge.detail


def test_the_opening_has_the_title_of_that_time(synthetic: Story) -> None:
    opened = synthetic.one("CaseOpened")
    assert opened["subject"] == "Where is my coffee"
    assert (opened["customer_id"], opened["channel"]) == ("zammad-a-7", "email")
    assert "title: Where is my coffee → Where is my coffee? (order 787556)" in synthetic.texts()


def test_a_failed_delivery_names_its_reply(synthetic: Story) -> None:
    failed = synthetic.one("DeliveryFailed")
    assert (failed["reply_id"], failed["kind"], failed["code"]) == ("304", "permanent", "5.1.1")
    assert failed["diagnostic"] == "550 5.1.1 mailbox unavailable"
    assert failed["occurred_at"] == "2025-03-04T11:00:30Z"


def test_only_the_system_replies_by_itself(synthetic: Story) -> None:
    automated = [each.get("automated", False) for each in synthetic.fields("ReplySent")]
    assert automated == [False, False, True]


def test_all_examples_go_in_once(exports: Path, store: CaseStore) -> None:
    done = imported(store, "zammad", exports)
    assert done.imported.appended == done.imported.lines > 0
    again = imported(store, "zammad", exports)
    assert (again.imported.appended, again.kept_count) == (0, 0)
    places = [place for reason in done.told.unreadable.values() for place in reason.places]
    left = {Path(place.partition(",")[0]).name for place in places}
    assert left == {"docs_ticket_links.json", "synthetic_ticket_history_90.json"}


def test_users_are_registered_if_they_are_customers(exports: Path) -> None:
    found = story("zammad", exports / "users.json")
    assert found.count() == {"CustomerRegistered": 4}
    assert found.fields("CustomerRegistered")[0]["name"] == "Nicole Braun"


def test_a_changed_title_without_a_history_changes_nothing(exports: Path, store: CaseStore) -> None:
    imported(store, "zammad", exports / "ticket_5_created.json")
    done = imported(store, "zammad", exports / "ticket_5_updated.json")
    assert (done.imported.appended, done.kept_count) == (0, 1)


# --- what they lack -------------------------------------------------------------------------


def test_a_history_is_read_as_it_was(tmp_path: Path) -> None:
    found = of(tmp_path, [ENDED], [FIRST, ANSWER], history(*CHAIN))
    assert found.types(CASE) == [
        "CaseOpened",
        "MessageReceived",
        "ReplySent",
        "CaseClosed",
        "CaseReopened",
        "CaseClosed",
    ]
    assert found.remarks == []
    assert found.reasons() == set()


def test_the_end_state_comes_first_and_its_history_after_it(
    tmp_path: Path, store: CaseStore
) -> None:
    imported(store, "zammad", *written(tmp_path / "1", [ENDED], [FIRST]))
    assert recorded(store) == ["CaseOpened", "MessageReceived", "CaseClosed"]
    paths = written(tmp_path / "2", [ENDED], [FIRST, ANSWER], history(*CHAIN))
    done = imported(store, "zammad", *paths)
    assert done.kept_count > 0
    assert recorded(store)[3:] == ["ReplySent", "CaseReopened", "CaseClosed"]
    assert imported(store, "zammad", *paths).imported.appended == 0


def test_a_longer_history_goes_on(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zammad", *written(tmp_path / "1", [TICKET], history(*CHAIN[:2])))
    imported(store, "zammad", *written(tmp_path / "2", [ENDED], history(*CHAIN)))
    assert recorded(store) == ["CaseOpened", "CaseClosed", "CaseReopened", "CaseClosed"]


def test_a_history_alone_takes_the_customer_from_the_store(
    tmp_path: Path, store: CaseStore
) -> None:
    reopened = REOPENED | {"created_by_id": CUSTOMER}
    alone = written(tmp_path, [FIRST], history(CREATED, CLOSED, reopened))
    ticket = written(tmp_path, [TICKET])
    imported(store, "zammad", *ticket)
    imported(store, "zammad", *alone)
    by = {type(each.event).__name__: each.event.actor for each in store.history(CASE)}
    assert (by["CaseReopened"].kind, by["CaseReopened"].id) == ("customer", "zammad-a-7")
    assert imported(store, "zammad", *ticket, *alone).imported.appended == 0


def test_states_may_have_other_names(tmp_path: Path) -> None:
    renamed = [
        entry(2, "state", "offen", "zu", "2026-03-03T09:00:00.000Z"),
        entry(3, "state", "zu", "offen", "2026-03-04T09:00:00.000Z"),
    ]
    found = of(tmp_path, [TICKET], history(CREATED, *renamed), states=STATES)
    assert found.types(CASE) == ["CaseOpened", "CaseClosed", "CaseReopened"]
    assert of(tmp_path / "2", [TICKET], history(CREATED, *renamed)).texts() == [
        "state: offen → zu",
        "state: zu → offen",
    ]


def test_a_state_may_be_named_as_open(tmp_path: Path) -> None:
    parked = entry(2, "state", "open", "merged", "2026-03-03T09:00:00.000Z")
    given = TICKET, history(CREATED, parked)
    assert "CaseClosed" in of(tmp_path, *given).types()
    assert "CaseClosed" not in of(tmp_path, *given, states={"open": ("Merged",)}).types()


def test_merged_counts_as_closed_and_is_no_second_closing(tmp_path: Path) -> None:
    merged = entry(3, "state", "closed", "merged", "2026-03-04T09:00:00.000Z")
    found = of(tmp_path, [TICKET], history(CREATED, CLOSED, merged))
    assert found.types(CASE) == ["CaseOpened", "CaseClosed"]


def test_a_ticket_that_was_created_closed_can_be_reopened(tmp_path: Path, store: CaseStore) -> None:
    paths = written(tmp_path, [TICKET], history(CREATED, REOPENED))
    imported(store, "zammad", *paths)
    assert recorded(store) == ["CaseOpened", "CaseClosed", "CaseReopened"]
    assert imported(store, "zammad", *paths).imported.appended == 0


def test_a_state_without_a_name_is_told(tmp_path: Path) -> None:
    given = {name: value for name, value in ENDED.items() if name != "state"}
    found = of(tmp_path, [given | {"state_id": 4}])
    assert found.types(CASE) == ["CaseOpened"]
    assert any("name of its state" in remark for remark in found.remarks)
    named = [{"id": 4, "name": "closed", "state_type_id": 5}]
    assert of(tmp_path / "2", [given | {"state_id": 4}], named).types(CASE)[1:] == ["CaseClosed"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "MessageReceived"),
        ({"type": "phone"}, "MessageReceived"),
        ({"internal": True}, "MessageReceived"),
        ({"type": "note"}, "NoteAdded"),
        ({"sender": "Agent"}, "ReplySent"),
        ({"sender": "Agent", "type": "phone"}, "ReplySent"),
        ({"sender": "Agent", "type": "phone", "internal": True}, "NoteAdded"),
        ({"sender": "Agent", "internal": True}, "ReplySent"),
        ({"sender": "Agent", "type": "note"}, "NoteAdded"),
        ({"sender": "System"}, "ReplySent"),
        ({"sender": "System", "type": "note"}, "NoteAdded"),
    ],
)
def test_sender_and_type_decide_what_an_article_is(
    more: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    found = of(tmp_path, [TICKET], [FIRST | more])
    assert found.types(CASE)[1:] == [kind]
    sent = "an internal article that was sent all the same"
    assert (sent in found.remarks) == (more == {"sender": "Agent", "internal": True})


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        ("email", "email"),
        ("web", "web"),
        ("phone", "phone"),
        ("sms", "sms"),
        ("chat", "chat"),
        ("twitter direct-message", "social"),
        ("facebook feed post", "social"),
        ("fax", "other"),
    ],
)
def test_channels(kind: str, channel: str, tmp_path: Path) -> None:
    opened = TICKET | {"create_article_type": None}
    found = of(tmp_path, [opened], [FIRST | {"type": kind}])
    assert found.one("MessageReceived")["channel"] == channel
    assert found.one("CaseOpened")["channel"] == channel


def test_owner_and_group_of_one_moment_are_one_event(tmp_path: Path) -> None:
    at = "2026-03-03T09:00:00.000Z"
    owner = entry(2, "owner", "-", "Emma Taylor", at, id_from=1, id_to=AGENT)
    group = entry(3, "group", "Users", "2nd Level", at, id_from=1, id_to=2)
    moved = entry(4, "group", "2nd Level", "Sales", "2026-03-04T09:00:00.000Z", id_to=3)
    freed = entry(5, "owner", "Emma Taylor", "-", "2026-03-05T09:00:00.000Z", id_to=1)
    found = of(tmp_path, [TICKET], history(CREATED, owner, group, moved, freed))
    given = [(each["agent"], each["team"]) for each in found.fields("CaseAssigned")]
    assert given == [("zammad-a-5", "2nd Level"), ("zammad-a-5", "Sales")]
    assert found.texts() == ["owner: Emma Taylor → -"]


def test_the_first_customer_has_the_case_for_ever(tmp_path: Path) -> None:
    at = "2026-03-03T09:00:00.000Z"
    moved = entry(2, "customer", "Ann", "Bea", at, id_from=CUSTOMER, id_to=OTHER)
    found = of(tmp_path, [TICKET | {"customer_id": OTHER}], history(CREATED, moved))
    assert found.one("CaseOpened")["customer_id"] == "zammad-a-7"
    assert found.texts() == ["customer: Ann → Bea"]


# --- merges ---------------------------------------------------------------------------------

LOSER = TICKET | {"id": 34, "title": "Also"}
INTO = {
    "id": 20,
    "object": "Ticket",
    "type": "merged_into",
    "o_id": 34,
    "id_from": 34,
    "id_to": 33,
    "created_by_id": AGENT,
    "created_at": "2026-03-03T09:00:00.000Z",
}
RECEIVED = INTO | {"id": 21, "type": "received_merge", "o_id": 33}


@pytest.mark.parametrize("given", [[INTO], [RECEIVED], [INTO, RECEIVED]])
def test_a_merge_is_told_once(given: list[Any], tmp_path: Path, store: CaseStore) -> None:
    found = of(tmp_path, [TICKET, LOSER], history(*given))
    (line,) = [line for line in found.lines if line.type == "CaseMerged"]
    assert (line.stream, line.fields["into"]) == ("case:zammad-a-34", "zammad-a-33")
    assert line.fields["actor"] == {"kind": "agent", "id": "zammad-a-5"}
    imported(store, "zammad", tmp_path)


def test_the_history_of_either_ticket_tells_the_same_merge(
    tmp_path: Path, store: CaseStore
) -> None:
    imported(store, "zammad", *written(tmp_path / "1", [TICKET, LOSER], history(RECEIVED)))
    later = INTO | {"created_at": "2026-03-03T09:00:00.004Z"}
    done = imported(store, "zammad", *written(tmp_path / "2", [TICKET, LOSER], history(later)))
    assert (done.imported.appended, done.kept_count) == (0, 1)


def test_a_case_of_the_store_may_be_merged(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zammad", *written(tmp_path / "1", [LOSER]))
    imported(store, "zammad", *written(tmp_path / "2", [TICKET], history(RECEIVED)))
    assert store.case("zammad-a-34").merged_into == "zammad-a-33"


def test_an_article_stays_in_the_ticket_in_which_it_was_written(tmp_path: Path) -> None:
    moved = FIRST | {"updated_at": "2026-03-03T09:00:00.000Z"}
    written_in = CREATED | {"id": 9, "object": "Ticket::Article", "o_id": 301, "related_o_id": 34}
    found = of(tmp_path, [TICKET, LOSER], [moved], history(written_in, INTO))
    (line,) = [line for line in found.lines if line.type == "MessageReceived"]
    assert line.stream == "case:zammad-a-34"
    # Without that history, it is in the ticket of the latest export.
    before = FIRST | {"ticket_id": 34}
    latest = of(tmp_path / "2", [TICKET, LOSER], [before], [moved], history(RECEIVED))
    (line,) = [line for line in latest.lines if line.type == "MessageReceived"]
    assert line.stream == CASE


def test_an_article_that_only_the_history_names_is_told(tmp_path: Path) -> None:
    named = CREATED | {"id": 9, "object": "Ticket::Article", "o_id": 999, "related_o_id": 33}
    assert of(tmp_path, [TICKET], history(CREATED, named)).reasons() == {
        "an article that was not read"
    }


# --- shapes ---------------------------------------------------------------------------------


def test_ndjson_and_single_records_are_read_alike(tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in (ENDED, FIRST, ANSWER, *CHAIN))
    one = of(tmp_path / "1", lines)
    several = of(tmp_path / "2", ENDED, FIRST, [ANSWER], history(*CHAIN))
    assert [each.ndjson() for each in one.lines] == [each.ndjson() for each in several.lines]


def test_a_service_feeds_one_answer(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zammad", *written(tmp_path, [TICKET]))
    found = events(json.dumps([FIRST]).encode(), Options(instance="a", known=StoreKnows(store)))
    assert [each.type for each in found if isinstance(each, Line)] == ["MessageReceived"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"links": [], "assets": {}}, "none of Zammad's"),
        ([{"id": 1}], "none of Zammad's"),
        (b"", "the file is empty"),
        (b'[{"id": 1', "ends in the middle"),
        (b"\x89PNG", "not JSON"),
    ],
)
def test_what_is_no_export_is_refused(content: Any, reason: str, tmp_path: Path) -> None:
    found = of(tmp_path, content)
    assert found.lines == []
    assert reason in found.left_out[0].reason


@pytest.mark.parametrize("content", [[], {"history": [], "assets": {}}, {"history": []}])
def test_a_ticket_of_which_there_is_nothing_is_no_error(content: Any, tmp_path: Path) -> None:
    assert of(tmp_path, content).left_out == []


def test_what_is_strange_among_others_is_told(tmp_path: Path) -> None:
    found = of(tmp_path, [TICKET, {"id": 1}, "x", FIRST | {"sender": None}])
    assert found.types(CASE) == ["CaseOpened"]
    assert len(found.left_out) == 3


@pytest.mark.parametrize("whole", [ENDED, FIRST, ANSWER, CLOSED, INTO, {"login": "x"}])
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, True, 1e300, "\x00", ["a"], {"a": 1}])
def test_a_wrong_type_in_any_field_raises_nothing(
    whole: dict[str, Any], value: Any, tmp_path: Path, store: CaseStore
) -> None:
    if "login" in whole:
        whole = {"id": 8, "firstname": "A", "lastname": "B", "roles": ["Customer"]} | whole
        whole |= {"created_at": "2026-03-02T09:00:00Z", "email": "a@example.com"}
    given = [whole | {name: value} for name in whole]
    failed = FIRST | {"sender": "Agent", "preferences": {"delivery_status": "fail"}}
    failed["preferences"]["delivery_status_message"] = value
    imported(store, "zammad", *written(tmp_path, [TICKET, failed, *given]))
    imported(store, "zammad", tmp_path)
