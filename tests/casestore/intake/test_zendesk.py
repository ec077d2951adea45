"""Zendesk's exports: real audits against their counted answers, and chains that no export has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, MessageReceived, NoteAdded
from casestore.intake import Line, Options
from casestore.intake.options import NothingKnown
from casestore.intake.zendesk import events
from casestore.transfer.known import StoreKnows
from tests.support.helpdesks import Story, imported, story, told, written

CASE = "case:zendesk-a-33"
CUSTOMER, AGENT, GROUP = 900, 901, 77


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/desk.db") as made:
        yield made


@pytest.fixture(scope="module")
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "zendesk"


# --- what an API would have answered --------------------------------------------------------


def audit(number: int, *given: dict[str, Any], at: str, **more: Any) -> dict[str, Any]:
    found = [{"id": number * 10 + n, **event} for n, event in enumerate(given)]
    made = {"id": number, "ticket_id": 33, "author_id": CUSTOMER, "created_at": at}
    return made | {"via": {"channel": "email"}, "events": found} | more


def create(**fields: Any) -> list[dict[str, Any]]:
    given = {"subject": "Kettle", "requester_id": str(CUSTOMER), "status": "new"} | fields
    return [{"type": "Create", "field_name": name, "value": v} for name, v in given.items()]


def change(field: str, before: Any, after: Any) -> dict[str, Any]:
    return {"type": "Change", "field_name": field, "value": after, "previous_value": before}


def comment(body: str, author: int = CUSTOMER, **more: Any) -> dict[str, Any]:
    return {"type": "Comment", "author_id": author, "body": body, "public": True} | more


FIRST = audit(1, comment("It leaks"), *create(), at="2026-03-02T09:00:00Z")
SOLVED = audit(
    2,
    comment("Sent a new one", AGENT),
    change("status", "new", "solved"),
    at="2026-03-03T09:00:00Z",
    author_id=AGENT,
)
REOPENED = audit(
    3, comment("Leaks too"), change("status", "solved", "open"), at="2026-03-04T09:00:00Z"
)
SOLVED_AGAIN = audit(
    4, change("status", "open", "solved"), at="2026-03-05T09:00:00Z", author_id=AGENT
)
CLOSED = audit(5, change("status", "solved", "closed"), at="2026-03-09T09:00:00Z", author_id=-1)
CHAIN = [FIRST, SOLVED, REOPENED, SOLVED_AGAIN, CLOSED]
TICKET = {
    "id": 33,
    "requester_id": CUSTOMER,
    "submitter_id": CUSTOMER,
    "subject": "Kettle",
    "description": "It leaks",
    "status": "new",
    "created_at": "2026-03-02T09:00:00Z",
    "updated_at": "2026-03-02T09:00:00Z",
    "via": {"channel": "email"},
}
ENDED = TICKET | {"status": "closed", "updated_at": "2026-03-03T12:00:00Z"}
USERS = [
    {"id": CUSTOMER, "role": "end-user", "name": "Ann", "email": "ann@example.com"},
    {"id": AGENT, "role": "agent", "name": "Bo", "email": "bo@example.com"},
]
USERS = [user | {"created_at": "2026-03-01T09:00:00Z"} for user in USERS]


class Stranger(NothingKnown):
    """A store that has the case, and does not say whose it is."""

    def has(self, stream: str) -> bool:
        return True


def audits(*given: dict[str, Any]) -> dict[str, Any]:
    return {"audits": list(given), "meta": {"has_more": False}, "links": {}}


def of(folder: Path, *given: dict[str, Any], **options: Any) -> Story:
    return told("zendesk", folder, audits(*given), **options)


def course(found: Story) -> list[str]:
    return [each for each in found.types(CASE) if each in ("CaseClosed", "CaseReopened")]


def recorded(store: CaseStore, stream: str = CASE) -> list[str]:
    return [type(each.event).__name__ for each in store.history(stream)]


def said(store: CaseStore, kind: type[NoteAdded | MessageReceived]) -> list[str | None]:
    history = store.history(CASE, reveal=True)
    return [each.event.text for each in history if isinstance(each.event, kind)]


# --- real audits ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_account(exports: Path) -> Story:
    return story("zendesk", *sorted(exports.glob("*.json*")))


@pytest.fixture(scope="module")
def answers(data_dir: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())
    first: dict[str, Any] = expected["zendesk"]["first account"]
    return first


def test_the_first_account_is_read_as_its_answers_say(
    first_account: Story, answers: dict[str, Any]
) -> None:
    from_tickets = answers["tickets (distinct ids)"] - answers["tickets with audits"]
    count = first_account.count()
    assert count["CaseOpened"] == answers["tickets (distinct ids)"]
    assert count["MessageReceived"] == answers["public comment by requester"] + from_tickets
    assert count["ReplySent"] == answers["public comment by someone else"]
    assert count["CustomerRegistered"] == answers["users by role"]["end-user"]
    assert "CaseClosed" not in count
    assert first_account.reasons() == set()
    deleted = answers["latest status of these"]["deleted"]
    assert first_account.texts().count("deleted at the source") == deleted


def test_a_ticket_that_was_deleted_and_came_back_is_noted_both_times(first_account: Story) -> None:
    notes = [
        line.fields["text"]
        for line in first_account.lines
        if (line.stream, line.type) == ("case:zendesk-a-1", "NoteAdded")
    ]
    assert {"status: open → deleted", "status: deleted → open", "priority: none → normal"} < {
        *notes
    }


def test_the_messages_of_audits_have_the_ids_of_their_events(exports: Path) -> None:
    (line,) = [
        line
        for line in story("zendesk", exports / "ticket_4015_created.json").lines
        if line.type == "MessageReceived"
    ]
    assert line.fields["message_id"] == "6164068751386"
    assert line.stream == "case:zendesk-a-4015"
    assert line.source == "zendesk:a"
    assert line.fields["actor"] == {"kind": "customer", "id": "zendesk-6130907993114"}


def test_the_second_account_is_another_one(exports: Path, first_account: Story) -> None:
    second = story("zendesk", exports / "second_account", instance="b")
    assert second.count() == {"CaseOpened": 1, "MessageReceived": 1}
    assert second.reasons(unreadable=False) == {"a notification, or the like"}
    refused = {Path(out.where).name: out.reason for out in second.left_out if out.unreadable}
    assert refused.keys() == {"ticket_33_comments.json", "ticket_33_redacted_attachment.json"}
    assert "comments alone" in refused["ticket_33_comments.json"]
    streams = {line.stream for line in first_account.lines}
    assert {line.stream for line in second.lines}.isdisjoint(streams)


def test_all_of_it_goes_in_once_and_a_second_import_appends_nothing(
    exports: Path, store: CaseStore
) -> None:
    paths = sorted(exports.glob("*.json*"))
    first = imported(store, "zendesk", *paths)
    assert first.imported.appended == first.imported.lines > 1_800
    again = imported(store, "zendesk", *paths)
    assert (again.imported.appended, again.kept_count) == (0, 0)


def test_what_was_exported_later_extends_what_was_exported_before(
    exports: Path, store: CaseStore
) -> None:
    earlier = sorted(exports.glob("*2023-09*"))
    imported(store, "zendesk", *earlier)
    before = recorded(store, "case:zendesk-a-1")
    later = imported(store, "zendesk", *sorted(exports.glob("*2024-02-08*")))
    assert later.imported.appended > 0
    assert recorded(store, "case:zendesk-a-1")[: len(before)] == before
    more = Counter(recorded(store, "case:zendesk-a-1")[len(before) :])
    assert more == {"NoteAdded": 3, "ReplySent": 1}
    again = imported(store, "zendesk", *earlier)
    assert again.imported.appended == 0


def test_the_tables_of_fivetran_are_refused_by_name(exports: Path) -> None:
    found = story("zendesk", exports / "fivetran")
    assert found.lines == []
    assert len(found.left_out) == 5


# --- chains that no export has --------------------------------------------------------------


def test_a_history_is_read_as_it_was(tmp_path: Path) -> None:
    found = of(tmp_path, *CHAIN)
    assert found.types(CASE) == [
        "CaseOpened",
        "MessageReceived",
        "ReplySent",
        "CaseClosed",
        "MessageReceived",
        "CaseReopened",
        "CaseClosed",
    ]
    opened = found.one("CaseOpened")
    assert opened["customer_id"] == "zendesk-900"
    assert (opened["channel"], opened["subject"]) == ("email", "Kettle")
    assert [each["reason"] for each in found.fields("CaseClosed")] == ["resolved", "resolved"]
    assert found.reasons() == set()


def test_solved_and_then_closed_is_closed_once(tmp_path: Path) -> None:
    assert course(of(tmp_path, FIRST, SOLVED, CLOSED)) == ["CaseClosed"]


def test_a_ticket_that_was_created_solved_is_closed_at_once(tmp_path: Path) -> None:
    first = audit(1, comment("By phone"), *create(status="solved"), at="2026-03-02T09:00:00Z")
    assert of(tmp_path, first).types(CASE) == ["CaseOpened", "MessageReceived", "CaseClosed"]


def test_the_end_state_comes_first_and_its_history_after_it(
    tmp_path: Path, store: CaseStore
) -> None:
    imported(store, "zendesk", *written(tmp_path / "1", {"tickets": [ENDED]}))
    assert recorded(store) == ["CaseOpened", "MessageReceived", "CaseClosed"]
    paths = written(tmp_path / "2", audits(*CHAIN), {"tickets": [ENDED]})
    done = imported(store, "zendesk", *paths)
    assert done.kept_count > 0
    assert recorded(store)[3:] == ["ReplySent", "MessageReceived", "CaseReopened", "CaseClosed"]
    assert imported(store, "zendesk", *paths).imported.appended == 0


def test_the_end_state_after_the_whole_chain_closes_nothing_twice(
    tmp_path: Path, store: CaseStore
) -> None:
    late = TICKET | {"status": "closed", "updated_at": "2026-03-09T09:00:00Z"}
    imported(store, "zendesk", *written(tmp_path / "1", {"tickets": [late]}))
    paths = written(tmp_path / "2", audits(*CHAIN))
    imported(store, "zendesk", *paths)
    assert recorded(store).count("CaseClosed") == 1
    assert "CaseReopened" not in recorded(store)  # it was over before the end state
    assert said(store, NoteAdded) == ["case: closed → open", "case: open → closed"]
    assert store.case("zendesk-a-33").status == "closed"
    assert imported(store, "zendesk", *paths).imported.appended == 0


def test_a_daily_export_of_what_changed_goes_on(tmp_path: Path, store: CaseStore) -> None:
    for day, given in enumerate(CHAIN):
        now = TICKET | {"updated_at": given["created_at"]}
        if day in (1, 3, 4):
            now["status"] = "solved"
        content = (audits(given), {"tickets": [now]})
        imported(store, "zendesk", *written(tmp_path / str(day), *content))
    daily = [each for each in recorded(store) if each != "NoteAdded"]
    assert daily == of(tmp_path / "all", *CHAIN).types(CASE)
    for day in range(len(CHAIN)):
        again = imported(store, "zendesk", tmp_path / str(day))
        assert again.imported.appended == 0
    assert imported(store, "zendesk", tmp_path / "all").imported.appended == 0


def test_the_end_state_of_a_ticket_that_a_part_of_its_history_closed_closes_nothing(
    tmp_path: Path, store: CaseStore
) -> None:
    imported(store, "zendesk", *written(tmp_path / "1", audits(FIRST)))
    imported(store, "zendesk", *written(tmp_path / "2", audits(SOLVED, REOPENED)))
    imported(store, "zendesk", *written(tmp_path / "3", audits(SOLVED_AGAIN)))
    late = TICKET | {"status": "solved", "updated_at": "2026-03-05T09:00:00Z"}
    done = imported(store, "zendesk", *written(tmp_path / "4", {"tickets": [late]}))
    assert done.imported.appended == 0


def test_without_its_first_audit_a_ticket_is_opened_from_what_it_is(tmp_path: Path) -> None:
    found = told("zendesk", tmp_path, audits(REOPENED, SOLVED_AGAIN), {"tickets": [TICKET]})
    assert found.types(CASE)[:2] == ["CaseOpened", "MessageReceived"]
    assert found.remarks == ["a ticket without its first audit: opened from what it is now"]
    # Its closing is not there, so it cannot be reopened.
    assert course(found) == ["CaseClosed"]
    assert "case: closed → open" in found.texts()


def test_a_history_without_an_opening_is_left_out(tmp_path: Path) -> None:
    found = of(tmp_path, REOPENED)
    assert found.lines == []
    assert any("opened neither" in reason for reason in found.reasons())


def test_a_history_whose_case_the_store_has_goes_on(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zendesk", *written(tmp_path / "1", audits(FIRST, SOLVED)))
    imported(store, "zendesk", *written(tmp_path / "2", audits(REOPENED)))
    assert recorded(store)[-2:] == ["MessageReceived", "CaseReopened"]


def test_whose_a_comment_is_must_be_known(tmp_path: Path, store: CaseStore) -> None:
    found = of(tmp_path / "1", REOPENED, known=Stranger())
    assert found.types(CASE) == ["NoteAdded"]
    assert any("requester is not known" in reason for reason in found.reasons())
    asked = audit(2, change("requester_id", str(CUSTOMER), "902"), at="2026-03-05T09:00:00Z")
    assert "MessageReceived" in of(tmp_path / "2", REOPENED, asked, known=Stranger()).types(CASE)


def test_a_deleted_ticket_is_noted_once(tmp_path: Path) -> None:
    deleted = audit(6, change("status", "new", "deleted"), at="2026-03-10T09:00:00Z")
    gone = TICKET | {"status": "deleted", "updated_at": "2026-03-10T09:00:00Z"}
    found = told("zendesk", tmp_path, audits(FIRST, deleted), {"tickets": [gone]})
    assert found.texts() == ["status: new → deleted"]
    alone = told("zendesk", tmp_path / "2", {"tickets": [gone]})
    assert alone.texts() == ["deleted at the source"]
    assert "a deleted ticket, whose case stays open" in alone.remarks


def test_tickets_of_two_accounts_are_told(tmp_path: Path) -> None:
    one, other = (
        TICKET | {"id": n, "url": f"https://{name}.zendesk.com/api/v2/tickets/{n}.json"}
        for n, name in ((33, "acme"), (34, "brew"))
    )
    warning = "tickets of several accounts: give each account its own --instance"
    assert warning not in told("zendesk", tmp_path / "1", {"tickets": [one, one]}).remarks
    both = told("zendesk", tmp_path / "2", {"tickets": [one, other]})
    assert both.remarks.count(warning) == 2


# --- who, and how ---------------------------------------------------------------------------


def test_who_wrote_decides_what_a_comment_is(tmp_path: Path) -> None:
    given = audit(
        2,
        comment("to you", AGENT),
        comment("among us", AGENT, public=False),
        comment("by itself", -1),
        comment("me again"),
        at="2026-03-03T09:00:00Z",
    )
    found = told("zendesk", tmp_path, audits(FIRST, given), {"users": USERS})
    assert [each["text"] for each in found.fields("MessageReceived")] == ["It leaks", "me again"]
    assert [each["text"] for each in found.fields("ReplySent")] == ["to you", "by itself"]
    assert [each.get("automated", False) for each in found.fields("ReplySent")] == [False, True]
    assert found.texts() == ["among us"]


def test_another_end_user_is_no_agent(tmp_path: Path) -> None:
    other = USERS[0] | {"id": 902}
    given = audit(2, comment("I too", 902), at="2026-03-03T09:00:00Z")
    found = told("zendesk", tmp_path, audits(FIRST, given), {"users": [other]})
    assert found.fields("MessageReceived")[1]["actor"] == {"kind": "customer", "id": "zendesk-902"}


@pytest.mark.parametrize(
    ("via", "channel"),
    [
        ("email", "email"),
        ("web", "web"),
        ("chat", "chat"),
        ("native_messaging", "chat"),
        ("voice", "phone"),
        ("sms", "sms"),
        ("facebook", "social"),
        ("twitter_dm", "social"),
        ("instagram_dm", "social"),
        ("api", "other"),
        ("sample_ticket", "other"),
        (4, "email"),
        (None, "other"),
        ([], "other"),
    ],
)
def test_channels(via: Any, channel: str, tmp_path: Path) -> None:
    found = of(tmp_path, FIRST | {"via": {"channel": via}})
    assert found.one("CaseOpened")["channel"] == channel


def test_agent_and_team_of_one_audit_are_one_event(tmp_path: Path) -> None:
    given = audit(
        2,
        change("group_id", None, str(GROUP)),
        change("assignee_id", None, str(AGENT)),
        at="2026-03-03T09:00:00Z",
        author_id=AGENT,
    )
    moved = audit(3, change("group_id", "77", "78"), at="2026-03-04T09:00:00Z", author_id=AGENT)
    nobody = audit(
        4, change("assignee_id", str(AGENT), None), at="2026-03-05T09:00:00Z", author_id=AGENT
    )
    found = of(tmp_path, FIRST, given, moved, nobody)
    agents = [(each.get("agent"), each["team"]) for each in found.fields("CaseAssigned")]
    assert agents == [("zendesk-901", "zendesk-77"), ("zendesk-901", "zendesk-78")]
    assert found.texts() == ["assignee_id: 901 → none"]


def test_fields_that_are_named_are_the_class_of_a_case(tmp_path: Path) -> None:
    fields = {"360001": "product", "360002": "category"}
    first = audit(
        1, comment("It leaks"), *create(**{"360001": "kettle"}), at="2026-03-02T09:00:00Z"
    )
    later = audit(2, change("360002", None, "leak"), at="2026-03-03T09:00:00Z")
    found = of(tmp_path, first, later, fields=fields)
    assert found.one("CaseOpened")["product"] == "kettle"
    assert found.one("CaseReclassified")["category"] == "leak"
    assert of(tmp_path / "2", first, later).texts() == ["360002: none → leak"]
    now = TICKET | {"custom_fields": [{"id": 360001, "value": "kettle"}]}
    from_now = told("zendesk", tmp_path / "3", {"tickets": [now]}, fields=fields)
    assert from_now.one("CaseOpened")["product"] == "kettle"


def test_changes_may_be_left_out(tmp_path: Path) -> None:
    given = audit(2, change("tags", ["a"], ["a", "b"]), at="2026-03-03T09:00:00Z")
    assert of(tmp_path, FIRST, given).texts() == ["tags: a → a, b"]
    without = of(tmp_path / "2", FIRST, given, changes="leave-out")
    assert without.texts() == []
    assert without.reasons(unreadable=False) == {"a change that has no event"}


@pytest.mark.parametrize("kind", ["Notification", "Cc", "External", "SatisfactionRating"])
def test_what_is_no_event_is_counted(kind: str, tmp_path: Path) -> None:
    given = audit(2, {"type": kind}, at="2026-03-03T09:00:00Z")
    assert of(tmp_path, FIRST, given).reasons(unreadable=False) == {"a notification, or the like"}


def test_customers_are_end_users_alone(tmp_path: Path) -> None:
    found = told("zendesk", tmp_path, {"users": USERS})
    (line,) = found.lines
    assert (line.stream, line.keep_first) == ("customer:zendesk-900", True)
    assert line.fields == {
        "occurred_at": "2026-03-01T09:00:00Z",
        "actor": {"kind": "system", "id": "zendesk"},
        "since": "2026-03-01T09:00:00Z",
        "name": "Ann",
        "contact": "ann@example.com",
    }


def test_no_id_and_no_key_holds_an_address(tmp_path: Path) -> None:
    given = FIRST | {"ticket_id": "a@example.com", "author_id": "b@example.com", "id": "c@x.org"}
    found = of(tmp_path, given)
    for line in found.lines:
        assert "@" not in line.stream + line.key
        assert "@" not in json.dumps(line.fields)


def test_a_description_that_we_wrote_is_a_reply(tmp_path: Path) -> None:
    ours = told("zendesk", tmp_path, {"tickets": [TICKET | {"submitter_id": AGENT}]})
    assert ours.types(CASE) == ["CaseOpened", "ReplySent"]
    assert ours.remarks == ["a ticket without audits: what is told of it is what it is now"]
    private = told("zendesk", tmp_path / "2", {"tickets": [TICKET | {"is_public": False}]})
    assert private.types(CASE) == ["CaseOpened", "NoteAdded"]


# --- merges ---------------------------------------------------------------------------------


def merged(number: int, ticket: int, at: str, *given: dict[str, Any], **source: Any) -> Any:
    via = {"channel": "web", "source": {"rel": "merge", "from": {}, "to": {}} | source}
    return audit(number, *given, at=at, ticket_id=ticket, via=via, author_id=AGENT)


OTHER = audit(7, comment("Also"), *create(), at="2026-03-02T10:00:00Z", ticket_id=34)
CLOSES = change("status", "new", "closed")


def test_a_merge_is_told_once_by_the_one_that_was_merged(tmp_path: Path, store: CaseStore) -> None:
    into = merged(8, 34, "2026-03-03T09:00:00Z", CLOSES, to={"ticket_id": 33})
    came = merged(9, 33, "2026-03-03T09:00:01Z", **{"from": {"ticket_ids": [34]}})
    paths = written(tmp_path, audits(FIRST, OTHER, into, came))
    found = story("zendesk", *paths)
    (line,) = [line for line in found.lines if line.type == "CaseMerged"]
    assert (line.stream, line.fields["into"]) == ("case:zendesk-a-34", "zendesk-a-33")
    imported(store, "zendesk", *paths)
    assert imported(store, "zendesk", *paths).imported.appended == 0


@pytest.mark.parametrize("told_by", ["loser", "winner"])
def test_either_ticket_tells_a_merge(told_by: str, tmp_path: Path) -> None:
    by_loser = merged(8, 34, "2026-03-03T09:00:00Z", CLOSES, **{"from": {"ticket_id": 33}})
    by_winner = merged(9, 33, "2026-03-03T09:00:00Z", **{"from": {"ticket_id": 34}})
    given = by_loser if told_by == "loser" else by_winner
    assert of(tmp_path, FIRST, OTHER, given).one("CaseMerged")["into"] == "zendesk-a-33"


def test_merges_that_a_store_would_refuse_are_left_out(tmp_path: Path, store: CaseStore) -> None:
    one = merged(8, 34, "2026-03-03T09:00:00Z", CLOSES, to={"ticket_id": 33})
    back = merged(9, 33, "2026-03-04T09:00:00Z", CLOSES, to={"ticket_id": 34})
    away = merged(10, 33, "2026-03-05T09:00:00Z", to={"ticket_id": 99})
    silent = merged(11, 33, "2026-03-06T09:00:00Z")
    found = of(tmp_path, FIRST, OTHER, one, back, away, silent)
    assert found.count()["CaseMerged"] == 1
    assert found.reasons() == {
        "merged in a circle",
        "merged into a case that is neither among what was read nor in the store",
        "a merge that names no other ticket",
    }
    imported(store, "zendesk", tmp_path)


def test_a_merge_into_what_was_merged_goes_on_to_where_that_is(
    tmp_path: Path, store: CaseStore
) -> None:
    third = audit(12, comment("And"), *create(), at="2026-03-02T11:00:00Z", ticket_id=35)
    one = merged(8, 34, "2026-03-03T09:00:00Z", CLOSES, to={"ticket_id": 33})
    two = merged(13, 35, "2026-03-04T09:00:00Z", CLOSES, to={"ticket_id": 34})
    found = of(tmp_path, FIRST, OTHER, third, one, two)
    assert [each["into"] for each in found.fields("CaseMerged")] == ["zendesk-a-33"] * 2
    imported(store, "zendesk", tmp_path)


def test_what_happens_after_a_merge_does_not_delay_it(tmp_path: Path, store: CaseStore) -> None:
    third = audit(12, comment("And"), *create(), at="2026-03-02T11:00:00Z", ticket_id=35)
    one = merged(13, 35, "2026-03-03T09:00:00Z", CLOSES, to={"ticket_id": 34})
    two = merged(8, 34, "2026-03-04T09:00:00Z", CLOSES, to={"ticket_id": 33})
    late = audit(14, comment("And?"), at="2026-03-05T09:00:00Z", ticket_id=35)
    imported(store, "zendesk", *written(tmp_path, audits(FIRST, OTHER, third, one, two, late)))
    assert store.case("zendesk-a-35").merged_into == "zendesk-a-34"


def test_a_merge_into_a_case_of_the_store(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zendesk", *written(tmp_path / "1", audits(FIRST)))
    one = merged(8, 34, "2026-03-03T09:00:00Z", CLOSES, to={"ticket_id": 33})
    imported(store, "zendesk", *written(tmp_path / "2", audits(OTHER, one)))
    assert store.case("zendesk-a-34").merged_into == "zendesk-a-33"


# --- shapes ---------------------------------------------------------------------------------


def test_ticket_events_say_the_same_as_audits(tmp_path: Path) -> None:
    created = {
        "id": 16,
        "event_type": "Create",
        "subject": "Kettle",
        "requester_id": CUSTOMER,
        "status": "new",
        "custom_ticket_fields": {"360001": "kettle"},
    }
    first = {"id": 10, "event_type": "Comment", "author_id": CUSTOMER, "body": "It leaks"}
    solved = {"id": 21, "event_type": "Change", "status": "solved", "previous_value": "new"}
    silent = {"id": 22, "event_type": "Comment", "comment_public": False}
    page = {
        "ticket_events": [
            {
                "id": 1,
                "ticket_id": 33,
                "timestamp": 1772442000,
                "updater_id": CUSTOMER,
                "via": "Mail",
                "child_events": [first | {"public": True}, created],
                "event_type": "Audit",
            },
            {
                "id": 2,
                "ticket_id": 33,
                "timestamp": 1772528400,
                "updater_id": AGENT,
                "via": "Web form",
                "child_events": [solved, silent],
                "event_type": "Audit",
            },
        ],
        "end_of_stream": True,
    }
    found = told("zendesk", tmp_path, page, fields={"360001": "product"})
    assert found.types(CASE) == ["CaseOpened", "MessageReceived", "CaseClosed", "NoteAdded"]
    opened = found.one("CaseOpened")
    assert (opened["channel"], opened["product"]) == ("email", "kettle")
    assert opened["occurred_at"] == "2026-03-02T09:00:00Z"
    assert found.remarks == ["a comment without its text"]


def test_ndjson_pages_and_single_records_are_read_alike(tmp_path: Path) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in (*CHAIN, TICKET, *USERS))
    one = told("zendesk", tmp_path / "1", lines)
    page = {"ticket": TICKET, "audit": FIRST}
    several = told(
        "zendesk", tmp_path / "2", page, audits(*CHAIN[1:]), {"users": USERS}, audits(*CHAIN)
    )
    assert [each.ndjson() for each in one.lines] == [each.ndjson() for each in several.lines]
    assert several.reasons() == set()


def test_a_service_feeds_one_answer(tmp_path: Path, store: CaseStore) -> None:
    imported(store, "zendesk", *written(tmp_path, audits(FIRST)))
    options = Options(instance="a", known=StoreKnows(store))
    found = events(json.dumps(audits(SOLVED)).encode(), options)
    assert [each.type for each in found if isinstance(each, Line)] == ["ReplySent", "CaseClosed"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"comments": [comment("x")]}, "comments alone"),
        ({"attachment": {"id": 1}}, "an attachment alone"),
        ({"organizations": []}, "none of Zendesk's"),
        ({}, "none of Zendesk's"),
        (b"", "the file is empty"),
        (b"id,subject\n1,x\n", "not JSON"),
        (b'{"audits": [{"id": 1', "ends in the middle"),
        (b"\x00\x01\x02", "not JSON"),
    ],
)
def test_what_is_no_export_is_refused(content: Any, reason: str, tmp_path: Path) -> None:
    found = told("zendesk", tmp_path, content)
    assert found.lines == []
    assert [out.where.endswith("000.json") for out in found.left_out] == [True]
    assert reason in found.left_out[0].reason


@pytest.mark.parametrize(
    "content", [[], {"audits": []}, {"tickets": [], "count": 0, "next_page": None}]
)
def test_an_empty_page_is_a_page(content: Any, tmp_path: Path) -> None:
    assert told("zendesk", tmp_path, content).left_out == []


@pytest.mark.parametrize("kind", ["audits", "tickets", "users", "ticket_events", "groups"])
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, True, 1e300, "\x00", ["a"], {"a": 1}])
def test_a_wrong_type_in_any_field_raises_nothing(
    kind: str, value: Any, tmp_path: Path, store: CaseStore
) -> None:
    whole: dict[str, Any] = {
        "audits": FIRST,
        "tickets": ENDED,
        "users": USERS[0],
        "groups": {"id": 1},
        "ticket_events": {"id": 1, "ticket_id": 33, "timestamp": 1, "child_events": [FIRST]},
    }[kind]
    given = [whole | {name: value} for name in whole]
    for number, event in enumerate(FIRST["events"] if kind == "audits" else []):
        given += [
            FIRST | {"id": 100 * number + n, "events": [event | {name: value}]}
            for n, name in enumerate(event)
        ]
    imported(store, "zendesk", *written(tmp_path, {kind: [*given, value]}))


@pytest.mark.parametrize(
    "at",
    [
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "2026-13-01",
        "2026-03-02T09:00:00",
        "yesterday",
        "2999-01-01T00:00:00Z",
        None,
        10**30,
        -1,
    ],
)
def test_a_time_that_cannot_be_is_left_out(at: Any, tmp_path: Path, store: CaseStore) -> None:
    given = SOLVED | {"created_at": at}
    paths = written(tmp_path, audits(FIRST, given))
    done = imported(store, "zendesk", *paths)
    assert done.told.unreadable
    assert recorded(store) == ["CaseOpened", "MessageReceived"]


def test_bad_words_and_bad_ids_go_in_clean(tmp_path: Path, store: CaseStore) -> None:
    given = audit(2, comment("a\x00b"), at="2026-03-03T09:00:00Z")
    given["events"][0]["id"] = "x\u200b\u202e" + "y" * 300
    imported(store, "zendesk", *written(tmp_path, audits(FIRST, given)))
    assert said(store, MessageReceived)[-1] == "a\ufffdb"


def test_too_long_a_text_is_left_out(tmp_path: Path, store: CaseStore) -> None:
    given = audit(2, comment("x" * 4_200_000), at="2026-03-03T09:00:00Z")
    done = imported(store, "zendesk", *written(tmp_path, audits(FIRST, given)))
    assert list(done.told.unreadable) == ["its text is longer than an event may be"]


def test_deep_nesting_raises_nothing(tmp_path: Path, store: CaseStore) -> None:
    deep = b"[" * 5000 + b"]" * 5000
    broken = json.dumps(audits(FIRST)).encode().replace(b'"email"', deep)
    imported(store, "zendesk", *written(tmp_path, broken))


def test_every_type_of_event_counts_where_it_was(tmp_path: Path) -> None:
    found = of(tmp_path, FIRST, audit(2, {"type": "Brandnew"}, at="2026-03-03T09:00:00Z"))
    assert Counter(out.detail for out in found.left_out) == {"Brandnew": 1}
    assert found.reasons() == {"an event of another type"}
