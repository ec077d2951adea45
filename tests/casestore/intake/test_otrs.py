"""OTRS's and Znuny's tickets: articles, rows of the history, states, merges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore import CaseStore
from casestore.errors import CaseStoreError
from casestore.intake import Options, read
from casestore.intake.otrs import events
from tests.support.helpdesks import OPTIONS, imported, story, told, written


def row(number: int, kind: str, name: str, ticket: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "HistoryID": str(number),
        "TicketID": str(ticket),
        "HistoryType": kind,
        "Name": name,
        "ArticleID": 0,
        "CreateBy": "3",
        "CreateTime": f"2026-03-{number:02} 10:00:00",
    } | more


def article(number: int, sender: str, kind: str, ticket: int = 7, **more: Any) -> dict[str, Any]:
    return {
        "ArticleID": str(number),
        "TicketID": str(ticket),
        "SenderType": sender,
        "ArticleType": kind,
        "Body": f"said {number}",
        "To": "kim@example.com",
        "CreatedBy": "3",
        "Created": f"2026-03-{number:02} 09:00:00",
    } | more


def ticket(
    *rows: dict[str, Any], articles: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "TicketID": "7",
        "Title": "Kettle",
        "State": "open",
        "Created": "2026-03-01 10:00:00",
        "Changed": "2026-03-20 10:00:00",
        "CustomerID": "4711",
        "Queue": "Raw",
        "History": list(rows),
        "Articles": articles or [],
    } | more


NEW = row(1, "NewTicket", "%%2026030110000012%%Raw%%3 normal%%new%%7")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


@pytest.fixture
def exports(data_dir: Path) -> Path:
    return data_dir / "exports" / "otrs"


# --- the recording ------------------------------------------------------------------------------


def test_the_recording_is_told_as_it_was_counted(data_dir: Path, exports: Path) -> None:
    expected = json.loads((data_dir / "exports" / "EXPECTED.json").read_text())["otrs"]
    whole = expected["ticket/default.json"]
    kinds, rows = whole["articles by SenderType / ArticleType"], whole["by type"]
    given = story("otrs", exports)
    noted = ("Lock", "Unlock", "TicketDynamicFieldUpdate")
    assert given.count() == {
        "CaseOpened": rows["NewTicket"],
        "MessageReceived": kinds["customer / phone"],
        "ReplySent": kinds["system / email-external"],
        "NoteAdded": kinds["agent / note-internal"] + sum(rows[kind] for kind in noted),
        "CaseAssigned": rows["OwnerUpdate"],
        "CaseClosed": whole["to closed"],
    }
    assert given.one("CaseOpened")["occurred_at"] == "2014-11-20T23:17:41Z"
    assert given.one("CaseOpened")["customer_id"] == "otrs-a-3333333333"
    assert given.one("ReplySent")["automated"] is True
    assert given.reasons() == set()


def test_the_recording_imports_twice(store: CaseStore, exports: Path) -> None:
    assert imported(store, "otrs", exports).imported.appended == 11
    assert imported(store, "otrs", exports).imported.appended == 0
    alone = imported(store, "otrs", exports / "ticket")
    assert (alone.imported.appended, alone.kept_count) == (0, 0)


def test_articles_and_rows_by_themselves_open_nothing(exports: Path) -> None:
    given = story("otrs", exports / "article", exports / "history")
    assert given.lines == []
    assert given.reasons() == {
        "a record whose ticket, which names the customer, was not read; export that too"
    }


def test_a_zone_must_be_given(exports: Path) -> None:
    with pytest.raises(CaseStoreError, match="--timezone"):
        list(read("otrs", [exports], Options(instance="a")))


# --- tickets ------------------------------------------------------------------------------------


def test_the_zone_given_is_that_of_the_times(tmp_path: Path) -> None:
    given = told("otrs", tmp_path, ticket(NEW), timezone=ZoneInfo("America/New_York"))
    assert given.one("CaseOpened")["occurred_at"] == "2026-03-01T15:00:00Z"


def test_the_customer_is_the_first_one(tmp_path: Path) -> None:
    given = told(
        "otrs",
        tmp_path,
        ticket(
            NEW,
            row(2, "CustomerUpdate", "%%CustomerID=4711;CustomerUser=kim;"),
            row(3, "CustomerUpdate", "%%CustomerID=4712;CustomerUser=sam;"),
            CustomerID="4712",
        ),
    )
    assert given.one("CaseOpened")["customer_id"] == "otrs-a-4711"
    assert given.texts() == ["CustomerUpdate: CustomerID=4712;CustomerUser=sam;"]


@pytest.mark.parametrize(
    ("more", "customer"),
    [
        ({"CustomerID": "", "CustomerUserID": "kim"}, "otrs-a-kim"),
        ({"CustomerID": None}, "otrs-a-customer of 7"),
    ],
)
def test_a_ticket_without_a_customer_has_one_of_its_own(
    tmp_path: Path, more: dict[str, Any], customer: str
) -> None:
    assert told("otrs", tmp_path, ticket(**more)).one("CaseOpened")["customer_id"] == customer


def test_an_address_is_in_no_id(tmp_path: Path) -> None:
    given = told(
        "otrs",
        tmp_path,
        ticket(row(2, "OwnerUpdate", "%%anna@example.com"), CustomerID="kim@example.com"),
    )
    assert "@" not in given.one("CaseOpened")["customer_id"]
    assert "@" not in given.one("CaseAssigned")["agent"]


@pytest.mark.parametrize(
    ("sender", "kind", "event"),
    [
        ("customer", "email-external", "MessageReceived"),
        ("customer", "webrequest", "MessageReceived"),
        ("customer", "note-external", "MessageReceived"),
        ("customer", "note-internal", "NoteAdded"),
        ("agent", "email-external", "ReplySent"),
        ("agent", "phone", "ReplySent"),
        ("agent", "sms", "ReplySent"),
        ("agent", "fax", "ReplySent"),
        ("agent", "email-internal", "NoteAdded"),
        ("agent", "note-external", "NoteAdded"),
        ("system", "email-external", "ReplySent"),
        ("system", "note-report", "NoteAdded"),
        ("system", "email-notification-ext", None),
        ("agent", "email-notification-int", None),
    ],
)
def test_an_article_is_told_by_its_sender_and_type(
    tmp_path: Path, sender: str, kind: str, event: str | None
) -> None:
    given = told("otrs", tmp_path, ticket(NEW, articles=[article(2, sender, kind)]))
    assert given.types()[1:] == ([] if event is None else [event])
    assert bool(given.reasons(unreadable=False)) == (event is None)
    if event == "ReplySent":
        assert given.one("ReplySent")["automated"] == (sender == "system")


@pytest.mark.parametrize(
    ("channel", "visible", "event"),
    [(1, 1, "ReplySent"), (1, 0, "NoteAdded"), (2, "1", "ReplySent"), (3, 1, "NoteAdded")],
)
def test_later_versions_tell_channel_and_visibility(
    tmp_path: Path, channel: int, visible: int, event: str
) -> None:
    new = {"CommunicationChannelID": channel, "IsVisibleForCustomer": visible}
    said = article(2, "agent", "", ArticleType=None, CreateTime="2026-03-02 09:00:00", **new)
    del said["Created"]
    answer = {"Ticket": [ticket(NEW, Articles=[], Article=[said])]}
    assert told("otrs", tmp_path, answer).types()[1:] == [event]


# --- histories ----------------------------------------------------------------------------------

CLOSED = row(4, "StateUpdate", "%%open%%closed successful%%")
REOPENED = row(5, "StateUpdate", "%%closed successful%%open%%")
CLOSED_AGAIN = row(6, "StateUpdate", "%%open%%closed unsuccessful%%")


def test_states_close_and_reopen(store: CaseStore, tmp_path: Path) -> None:
    begin = [NEW, row(2, "StateUpdate", "%%new%%open%%"), CLOSED]
    given = told("otrs", tmp_path / "a", ticket(*begin, REOPENED, CLOSED_AGAIN))
    assert given.types()[1:] == ["NoteAdded", "CaseClosed", "CaseReopened", "CaseClosed"]
    assert imported(store, "otrs", *written(tmp_path / "b", ticket(*begin))).imported.appended == 3
    longer = written(tmp_path / "c", ticket(*begin, REOPENED, CLOSED_AGAIN))
    assert imported(store, "otrs", *longer).imported.appended == 2
    assert imported(store, "otrs", *longer).imported.appended == 0


def test_a_ticket_that_was_created_as_closed_is(tmp_path: Path) -> None:
    new = row(1, "NewTicket", "%%2026030110000012%%Raw%%3 normal%%closed successful%%7")
    assert told("otrs", tmp_path, ticket(new)).types() == ["CaseOpened", "CaseClosed"]


def test_states_are_told_by_the_list_by_the_option_and_by_their_names(tmp_path: Path) -> None:
    moved = ticket(NEW, row(2, "StateUpdate", "%%new%%erledigt%%"))
    states = [{"ID": "2", "Name": "erledigt", "TypeName": "closed"}]
    assert "CaseClosed" not in told("otrs", tmp_path / "a", moved).types()
    assert "CaseClosed" in told("otrs", tmp_path / "b", moved, states).types()
    named = told("otrs", tmp_path / "c", moved, states={"closed": ["Erledigt"]})
    assert "CaseClosed" in named.types()
    open_now = [{"ID": "2", "Name": "closed successful", "TypeName": "open"}]
    listed = told("otrs", tmp_path / "d", ticket(NEW, CLOSED), open_now)
    assert "CaseClosed" not in listed.types()


def test_without_a_history_the_end_state_closes(store: CaseStore, tmp_path: Path) -> None:
    end: dict[str, Any] = {"State": "closed successful", "Closed": "2026-03-06 10:00:00"}
    alone = told("otrs", tmp_path / "a", ticket(**end))
    assert alone.one("CaseClosed")["occurred_at"] == "2026-03-06T09:00:00Z"
    assert alone.lines[-1].source == "otrs-end-state:a"
    imported(store, "otrs", *written(tmp_path / "b", ticket(**end)))
    whole = ticket(NEW, CLOSED, REOPENED, CLOSED_AGAIN, **end)
    more = imported(store, "otrs", *written(tmp_path / "c", whole))
    assert (more.imported.appended, more.kept_count) == (2, 1)


def test_moves_and_owners_assign(tmp_path: Path) -> None:
    given = told(
        "otrs",
        tmp_path,
        ticket(
            NEW,
            row(2, "Move", "%%Billing%%2%%Raw%%1"),
            row(3, "OwnerUpdate", "%%anna%%9"),
            row(4, "OwnerUpdate", "%%root@localhost%%1"),
        ),
    )
    assigned = given.fields("CaseAssigned")
    assert assigned[0]["team"] == "otrs-a-Billing"
    assert assigned[1]["agent"] == "otrs-a-9"
    assert given.texts() == ["OwnerUpdate: root@localhost, 1"]


def test_other_changes_are_notes_or_counted(tmp_path: Path) -> None:
    rows = [
        NEW,
        row(2, "PriorityUpdate", "%%3 normal%%3%%4 high%%4"),
        row(3, "ServiceUpdate", "%%NULL%%%%NULL%%"),
        row(4, "SendAgentNotification", "%%TEST%%anna@example.com"),
    ]
    given = told("otrs", tmp_path / "a", ticket(*rows))
    assert given.texts() == ["PriorityUpdate: 3 normal, 3, 4 high, 4"]
    assert given.reasons(unreadable=False) == {"a notification, or the like"}
    left = told("otrs", tmp_path / "b", ticket(*rows), changes="leave-out")
    assert left.types() == ["CaseOpened"]


def test_a_row_of_an_article_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    given = told("otrs", tmp_path, ticket(NEW, row(2, "EmailCustomer", "%%", ArticleID="9")))
    assert given.reasons() == {"a change whose article was not read"}


@pytest.mark.parametrize(
    "name", ["%%2026030110000012%%7%%2026030110000013%%8", "Merged Ticket (201/7) to (202/8)"]
)
def test_a_merge_is_told_once_by_the_ticket_that_was_merged(
    store: CaseStore, tmp_path: Path, name: str
) -> None:
    loser = ticket(
        NEW, row(3, "StateUpdate", "%%new%%merged%%"), row(3, "Merged", name, HistoryID="30")
    )
    other = row(1, "NewTicket", "%%2026030110000013%%Raw%%3 normal%%new%%8", ticket=8)
    winner = ticket(other, row(3, "Merged", name, ticket=8, HistoryID="31"), TicketID="8")
    given = told("otrs", tmp_path / "a", loser, winner)
    assert given.one("CaseMerged")["into"] == "otrs-a-8"
    assert given.one("CaseClosed")["reason"] == "duplicate"
    imported(store, "otrs", *written(tmp_path / "b", winner, loser))


def test_a_merge_into_a_ticket_that_was_not_read_is_left_out(tmp_path: Path) -> None:
    loser = ticket(NEW, row(3, "Merged", "Merged Ticket (201/7) to (202/8)"))
    given = told("otrs", tmp_path, loser)
    assert given.types() == ["CaseOpened"]
    assert len(given.reasons()) == 1


def test_a_service_feeds_one_ticket() -> None:
    given = events(json.dumps(ticket(NEW)).encode(), OPTIONS)
    assert [getattr(each, "type", "") for each in given] == ["CaseOpened"]
