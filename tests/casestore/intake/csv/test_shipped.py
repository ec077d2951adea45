"""The shipped mappings, over real exports and over small tables with the vendors' columns."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.intake import Options, read
from casestore.intake.csv import load, shipped
from casestore.transfer.lines import FromElsewhere, LeftOut, Read, append_lines
from tests.support.tables import InStore, Known, left_out, lines, read_tables, told

FIVETRAN = "exports/zendesk/fivetran"


def of(name: str, path: Path, **options: Any) -> list[Read]:
    return list(read("csv", [path], Options(mapping=load(name), **options)))


def kinds(given: list[Read]) -> Counter[str]:
    return Counter(each.type for each in lines(given))


@pytest.fixture
def expected(data_dir: Path) -> dict[str, Any]:
    return dict(json.loads((data_dir / "exports" / "EXPECTED.json").read_text("utf-8")))


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        yield store


def append(store: CaseStore, name: str, path: Path) -> FromElsewhere:
    reading = read("csv", [path], Options(mapping=load(name), known=InStore(store)))
    done = append_lines(store, reading)
    assert done.imported.refused == ()
    return done


def test_each_shipped_mapping_is_tried_here() -> None:
    tried = Path(__file__).read_text("utf-8")
    assert [name for name in shipped() if f'"{name}"' not in tried] == []


@pytest.mark.parametrize(
    ("table", "rows", "events"),
    [
        (
            ("servicenow-incidents", "uci_incidents_2000.csv.gz"),
            14_041,
            {"CaseOpened": 2_000, "CaseReopened": 33, "CaseClosed": 2_033, "CaseAssigned": 4_097}
            | {"CaseReclassified": 275, "NoteAdded": 4_766},
        ),
        (
            ("cfpb", "cfpb_complaints.csv.gz"),
            2_827,
            {"CaseOpened": 2_827, "IssueRaised": 2_827, "MessageReceived": 2_827}
            | {"NoteAdded": 2_827 * 2 + 741 + 108},
        ),
        (
            ("hubspot-tickets", "exports/hubspot/ticket_data.csv"),
            25,
            {"CaseOpened": 25, "NoteAdded": 25, "CaseClosed": 23, "CaseAssigned": 6},
        ),
        (
            ("hubspot-ticket-history", "exports/hubspot/ticket_property_history_data.csv"),
            15,
            {"CaseOpened": 2, "NoteAdded": 3},
        ),
        (
            ("servicenow-table", "exports/servicenow/task_data.csv"),
            1,
            {"CaseOpened": 1, "CaseAssigned": 1},
        ),
        (("servicenow-opening", "exports/servicenow/incident_data.csv"), 1, {"CaseOpened": 1}),
        (
            ("fivetran-zendesk-tickets", f"{FIVETRAN}/ticket_data.csv"),
            10,
            {"CaseOpened": 10, "NoteAdded": 2},
        ),
        (
            ("fivetran-zendesk-field-history", f"{FIVETRAN}/ticket_field_history_data.csv"),
            38,
            {"CaseOpened": 17, "CaseClosed": 15, "CaseAssigned": 2, "NoteAdded": 13},
        ),
    ],
)
def test_a_real_export_goes_in_once(
    table: tuple[str, str], rows: int, events: dict[str, int], data_dir: Path, store: CaseStore
) -> None:
    name, file = table
    reading = read("csv", [data_dir / file], Options(mapping=load(name)))
    made = list(reading)
    assert reading.counts == {"rows": rows}
    assert kinds(made) == events
    assert [each for each in made if isinstance(each, LeftOut) and each.unreadable] == []
    first, again = (append_lines(store, iter(made)) for _ in range(2))
    assert (first.imported.appended, first.imported.refused) == (sum(events.values()), ())
    assert (again.imported.appended, again.imported.repeated) == (0, sum(events.values()))


def test_the_chain_of_ticket_11071_is_whole(data_dir: Path, expected: dict[str, Any]) -> None:
    path = data_dir / FIVETRAN / "ticket_field_history_data.csv"
    answers = expected["zendesk"]["fivetran tables"]
    made = of("fivetran-zendesk-field-history", path)
    mine = [each for each in lines(made) if each.stream == "case:zendesk-11071"]
    assert mine[0].fields["customer_id"] == "zendesk-2222"
    assert Counter(each.type for each in mine)["CaseClosed"] == answers["11071 to solved/closed"]
    assert Counter(each.type for each in mine)["CaseReopened"] == answers["11071 back"]
    notes = [each.fields["text"] for each in mine if each.type == "NoteAdded"]
    chain = answers["ticket 11071 status chain"]
    steps = [f"status: {a} → {b}" for a, b in pairwise(chain)]
    assert [each for each in notes if each.startswith("status: ")] == steps[:-2]


def test_comments_wait_for_their_tickets(data_dir: Path, store: CaseStore) -> None:
    folder = data_dir / FIVETRAN
    append(store, "fivetran-zendesk-tickets", folder / "ticket_data.csv")
    append(store, "fivetran-zendesk-field-history", folder / "ticket_field_history_data.csv")
    done = append(store, "fivetran-zendesk-comments", folder / "ticket_comment_data.csv")
    assert done.imported.lines == 0
    assert [each.count for each in done.told.unreadable.values()] == [20]


def test_comments_are_told_apart_by_the_ticket_s_requester(tmp_path: Path) -> None:
    table = """id,body,created,public,ticket_id,user_id,voice_comment,requester_id
1,Where is it?,2020-02-11 07:49:14,TRUE,7,11,FALSE,11
2,On its way,2020-02-11 08:49:14,TRUE,7,22,FALSE,11
3,ask Eve,2020-02-11 09:49:14,FALSE,7,22,FALSE,11
"""
    mapping = load("fivetran-zendesk-comments")
    known = Known("case:zendesk-7")
    made = told(read_tables(mapping, tmp_path, table, known=known))
    assert [kind for kind, _ in made] == ["MessageReceived", "ReplySent", "NoteAdded"]
    without = table.replace(",requester_id", "").replace(",11\n", "\n")
    made = told(read_tables(mapping, tmp_path, without, known=known))
    assert [fields["text"] for _, fields in made] == [
        "public comment: Where is it?",
        "public comment: On its way",
        "ask Eve",
    ]


CASE = """Id,CaseNumber,ContactId,Origin,Subject,Type,Status,CreatedDate,CreatedById,ClosedDate
500A,1001,003A,Email,No tone,Problem,Closed,2026-02-01T09:00:00.000Z,005A,2026-02-05T09:00:00+0000
500B,1002,,Phone,Bill,,New,2026-02-02T09:00:00.000Z,005A,
"""
CASE_HISTORY = """Id,CaseId,Field,DataType,OldValue,NewValue,CreatedDate,CreatedById
017A,500A,created,Text,,,2026-02-01T09:00:00.000Z,005A
017B,500A,Owner,Text,Queue South,Ben Lee,2026-02-01T10:00:00.000Z,005A
017C,500A,Owner,EntityId,00GA,005B,2026-02-01T10:00:00.000Z,005A
017D,500A,Status,Text,New,Closed,2026-02-02T10:00:00.000Z,005B
017E,500A,Status,Text,Closed,Working,2026-02-03T10:00:00.000Z,005B
017F,500A,Priority,Text,Low,High,2026-02-03T10:00:00.000Z,005B
017G,500A,Status,Text,Working,Closed,2026-02-05T09:00:00.000Z,005B
017H,500Z,Status,Text,Working,Closed,2026-02-05T09:00:00.000Z,005B
"""
EMAILS = """Id,ParentId,MessageDate,Incoming,FromAddress,ToAddress,TextBody,Status,CreatedById
02sA,500A,2026-02-01 09:00:00,true,ann@example.com,help@example.com,There is no tone,1,005A
02sB,500A,2026-02-01 11:00:00,false,help@example.com,ann@example.com,We look,3,005B
02sC,500A,2026-02-01 12:00:00,false,help@example.com,ann@example.com,We lo,5,005B
"""


def test_salesforce_s_tables_compose(tmp_path: Path, store: CaseStore) -> None:
    tables = (CASE, CASE_HISTORY, EMAILS)
    names = ("salesforce-case", "salesforce-casehistory", "salesforce-emailmessage")
    for name, table in zip(names, tables, strict=True):
        (tmp_path / f"{name}.csv").write_text(table, "utf-8")
    done = [append(store, name, tmp_path / f"{name}.csv") for name in names]
    assert [each.events for each in done] == [
        {"CaseOpened": 2},
        {"CaseAssigned": 1, "CaseClosed": 2, "CaseReopened": 1, "NoteAdded": 2},
        {"MessageReceived": 1, "ReplySent": 1},
    ]
    assert list(done[1].told.unreadable) == [
        "its case is not in the store: first import the table that opens it"
    ]
    assert list(done[2].told.no_event) == ["a row that no rule is about"]  # the draft
    again = [append(store, name, tmp_path / f"{name}.csv") for name in names]
    assert [each.imported.appended for each in again] == [0, 0, 0]


def test_salesforce_s_cases_alone_are_closed_at_their_closed_date(tmp_path: Path) -> None:
    made = read_tables(load("salesforce-case-alone"), tmp_path, CASE)
    assert [(each.stream, each.type) for each in lines(made)] == [
        ("case:salesforce-500A", "CaseOpened"),
        ("case:salesforce-500B", "CaseOpened"),
        ("case:salesforce-500A", "CaseClosed"),
    ]
    assert lines(made)[1].fields["customer_id"] == "contact of 1002"


INCIDENTS = """sys_id,number,caller_id,contact_type,short_description,sys_created_on,opened_at
a1,INC1,ann,phone,No tone,2026-02-01 09:00:00,2026-02-01 08:59:00
"""
AUDIT = """sys_id,tablename,documentkey,fieldname,oldvalue,newvalue,user,sys_created_on
x2,incident,a1,assignment_group,,g1,ben,2026-02-01 10:00:00
x1,incident,a1,state,1,2,ben,2026-02-01 10:00:00
x3,incident,a1,incident_state,1,2,ben,2026-02-01 10:00:00
x4,incident,a1,comments,,We look,ben,2026-02-01 11:00:00
x5,incident,a1,state,2,6,ben,2026-02-02 10:00:00
x6,incident,a1,state,6,2,ann,2026-02-03 10:00:00
x7,incident,a1,urgency,3,1,ann,2026-02-03 10:00:00
x8,incident,a1,state,2,7,ben,2026-02-04 10:00:00
"""


def test_servicenow_s_audit_follows_the_openings(tmp_path: Path, store: CaseStore) -> None:
    (tmp_path / "incident.csv").write_text(INCIDENTS, "utf-8")
    (tmp_path / "sys_audit.csv").write_text(AUDIT, "utf-8")
    for times in (1, 0):
        first = append(store, "servicenow-opening", tmp_path / "incident.csv")
        second = append(store, "servicenow-audit", tmp_path / "sys_audit.csv")
        assert first.imported.appended == 1 * times
        assert second.imported.appended == 7 * times
    assert second.events == {
        "CaseAssigned": 1,
        "CaseClosed": 2,
        "CaseReopened": 1,
        "NoteAdded": 3,
    }


ISSUES = """field_id,issue_id,time,_fivetran_synced,value,is_active
created,10027,2020-11-10 19:19:41.472,2020-11-12 12:20:53.478,2020-11-10T19:19:41.472Z,true
summary,10027,2020-11-10 19:19:41.472,2020-11-12 12:20:53.500,No tone,true
reporter,10027,2020-11-10 19:19:41.472,2020-11-12 12:20:53.500,u1,true
status,10027,2020-11-10 19:19:41.472,2020-11-12 12:20:53.500,10000,false
assignee,10027,2020-11-11 19:19:41.472,2020-11-12 12:20:53.500,u2,true
status,10027,2020-11-12 19:19:41.472,2020-11-12 12:20:53.500,10001,false
status,10027,2020-11-13 19:19:41.472,2020-11-12 12:20:53.500,10000,true
"""


def test_jira_s_history_opens_an_issue_and_follows_it(tmp_path: Path) -> None:
    made = read_tables(load("jira-issue-field-history"), tmp_path, ISSUES)
    assert told(made) == [
        ("CaseOpened", {"customer_id": "jira-u1", "channel": "web", "subject": "No tone"}),
        ("CaseAssigned", {"agent": "jira-u2"}),
        ("CaseClosed", {"reason": "resolved"}),
        ("CaseReopened", {}),
    ]
    # The first two become the opening's subject and customer; the others have no event.
    assert left_out(made) == [("a row that no rule is about", f"row {row}") for row in (3, 4, 5)]
