"""What rows become: states, changes, events and cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore.errors import InvalidMapping
from casestore.intake.csv import events, read_mapping
from casestore.intake.ids import plain_pseudonym
from casestore.intake.values import AHEAD
from casestore.transfer.lines import LeftOut, Read
from tests.support.tables import (
    Known,
    imported,
    left_out,
    lines,
    mapped,
    read_tables,
    remarks,
    told,
)

STATES = """
version = 1
name = "crm"
[file]
missing = ["?"]
timezone = "Europe/Rome"
time_formats = ["%d/%m/%Y %H:%M"]
[case]
id = "{number}"
customer = "{caller}"
customer_missing = "caller of {number}"
rows = "states"
at = "{updated}"
actor = "agent:{by}"
[values.channel]
Phone = "phone"
"*" = "other"
[open]
channel = { column = "via", values = "channel" }
subject = "{symptom}"
[[on]]
change = "state"
from = "Closed"
event = "CaseReopened"
[[on]]
change = "group"
event = "CaseAssigned"
team = "{group}"
[[on]]
change = "*"
event = "NoteAdded"
text = "{column}: {before} → {after}"
[[on]]
change = "state"
to = "Closed"
event = "CaseClosed"
reason = "resolved"
"""
HEADER = "number,caller,updated,by,via,symptom,state,group,priority,urgency\n"
FIRST = "7,ann,01/02/2026 10:00,ben,Phone,no tone,New,south,3,2\n"


def test_each_change_of_a_state_becomes_what_its_rule_says(tmp_path: Path) -> None:
    read = mapped(
        STATES,
        tmp_path,
        HEADER
        + FIRST
        + "7,ann,01/02/2026 11:00,ben,Phone,no tone,Work,north,1,1\n"
        + "7,ann,01/02/2026 12:00,eve,Phone,no tone,Closed,?,1,1\n"
        + "7,ann,01/02/2026 13:00,eve,Phone,no tone,Work,north,1,1\n",
    )
    assert told(read) == [
        ("CaseOpened", {"customer_id": "ann", "channel": "phone", "subject": "no tone"}),
        ("CaseAssigned", {"team": "south"}),
        ("CaseAssigned", {"team": "north"}),
        ("NoteAdded", {"text": "priority: 3 → 1; urgency: 2 → 1"}),
        ("CaseClosed", {"reason": "resolved"}),
        ("CaseReopened", {}),
        ("CaseAssigned", {"team": "north"}),
    ]
    assert [each.key for each in lines(read)][:3] == [
        "csv:crm:7:0:CaseOpened",
        "csv:crm:7:1:CaseAssigned",
        "csv:crm:7:2:CaseAssigned",
    ]
    assert lines(read)[0].fields["occurred_at"] == "2026-02-01T09:00:00Z"
    assert lines(read)[4].fields["actor"] == {"kind": "agent", "id": "eve"}
    assert left_out(read) == [("an event of which every mapped field is missing", "row 4")]


def test_a_value_that_was_missing_is_named_as_none(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST + FIRST.replace("3,2", "?,4"))
    assert told(read)[-1] == ("NoteAdded", {"text": "priority: 3 → (none); urgency: 2 → 4"})


def test_a_row_that_says_nothing_new_is_told_of(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST + FIRST)
    assert left_out(read) == [("a row that no rule is about", "row 3")]


def test_rows_of_a_case_need_not_stand_together_nor_in_one_file(tmp_path: Path) -> None:
    one = FIRST + FIRST.replace("New", "Work")
    other = one.replace("7,ann", "8,eve")
    mixed = HEADER + FIRST + FIRST.replace("7,ann", "8,eve")
    rest = HEADER + "".join((one + other).splitlines(True)[1::2])
    apart = mapped(STATES, tmp_path, mixed, rest)
    together = mapped(STATES, tmp_path, HEADER + one + other)
    assert [line[:6] for line in lines(apart)] == [line[:6] for line in lines(together)]


def test_the_columns_of_another_file_may_stand_otherwise(tmp_path: Path) -> None:
    second = FIRST.replace("New", "Work").strip().split(",")
    turned = ",".join(reversed(HEADER.strip().split(","))) + "\n" + ",".join(reversed(second))
    read = mapped(STATES, tmp_path, HEADER + FIRST, turned)
    assert [kind for kind, _ in told(read)] == ["CaseOpened", "CaseAssigned"]
    assert left_out(read) == [("a row that no rule is about", "row 2")]


def test_what_fell_to_the_rest_is_told_with_its_value(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST.replace("Phone", "Fax"))
    assert remarks(read) == ["""values.channel: 'Fax' fell to "*\""""]
    assert told(read)[0][1]["channel"] == "other"


def test_values_that_no_list_has_are_an_error_that_lists_them(tmp_path: Path) -> None:
    text = STATES.replace('"*" = "other"', "")
    table = HEADER + FIRST.replace("Phone", "Fax") + FIRST.replace("7,", "8,").replace("Phone", "X")
    with pytest.raises(InvalidMapping) as invalid:
        mapped(text, tmp_path, table)
    (mistake,) = invalid.value.mistakes
    assert (mistake.line, mistake.where) == (15, "values.channel")
    assert "the file has 'Fax', 'X', and it has no entry" in mistake.what
    with pytest.raises(InvalidMapping, match=r"line 19: open\.channel: the file has 'Fax', 'X'"):
        mapped(text.replace(', values = "channel"', ""), tmp_path, table)


def test_columns_that_the_file_does_not_have_are_all_told_at_once(tmp_path: Path) -> None:
    header = HEADER.replace("caller", "calller").replace("state", "stat")
    with pytest.raises(InvalidMapping) as invalid:
        mapped(STATES, tmp_path, header + FIRST)
    assert [(each.line, each.where, each.meant) for each in invalid.value.mistakes] == [
        (10, "case.customer", "calller"),
        (22, "on 1.change", "stat"),
    ]


def test_a_file_of_another_kind_is_left_out(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST, "name,age\nann,7\n", "", b"\0\1\2\0")
    assert [reason for reason, _ in left_out(read)] == [
        "its first row names none of the mapping's columns",
        "the file is empty",
        "it is no text",
    ]
    assert len(lines(read)) == 2


def test_columns_that_nothing_reads_are_told(tmp_path: Path) -> None:
    named = STATES.replace('change = "*"', 'change = "priority"')
    assert remarks(mapped(named, tmp_path, HEADER + FIRST)) == [
        "nothing reads the columns 'urgency'",
    ]


def test_a_spreadsheets_empty_rows_and_columns_are_no_mistakes(tmp_path: Path) -> None:
    named = STATES.replace('change = "*"', 'change = ["priority", "urgency"]')
    header, first = HEADER.rstrip() + ",,\n", FIRST.rstrip() + ",,\n"
    read = mapped(named, tmp_path, header + first + "," * header.count(",") + "\n")
    assert remarks(read) == []
    assert left_out(read) == [("an empty row", "row 3")]
    assert not [each for each in read if isinstance(each, LeftOut) and each.unreadable]


def test_a_time_that_the_clock_showed_twice_is_told(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST.replace("01/02/2026 10:00", "25/10/2026 02:30"))
    assert remarks(read) == ["a time that the clock showed twice or never: the first is meant"]
    assert lines(read)[0].fields["occurred_at"] == "2026-10-25T00:30:00Z"


def test_the_zone_of_the_options_is_meant(tmp_path: Path) -> None:
    read = mapped(STATES, tmp_path, HEADER + FIRST, timezone=ZoneInfo("Asia/Tokyo"))
    assert lines(read)[0].fields["occurred_at"] == "2026-02-01T01:00:00Z"


def test_rows_that_cannot_be_read_are_left_out_by_their_numbers(tmp_path: Path) -> None:
    table = (
        HEADER.encode()
        + FIRST.encode()
        + b"8,ann\n"
        + FIRST.replace("7,", "9,").replace("01/02/2026 10:00", "1 Feb").encode()
        + FIRST.replace("7,", "?,").encode()
        + FIRST.replace("7,", "10,").replace("no tone", "caf\xe9").encode("latin-1")
        + FIRST.replace("7,", "11,").replace("01/02/2026 10:00", "").encode()
    )
    read = mapped(STATES, tmp_path, table)
    assert sorted(left_out(read), key=lambda each: each[1]) == [
        ("a row with another number of cells than the first", "row 3"),
        ("a time fits none of the mapping's time_formats", "row 4"),
        ("a row without the id of its case", "row 5"),
        ("bytes that are no utf-8", "row 6"),
        ("a row without a time", "row 7"),
    ]
    assert len(lines(read)) == 2


def test_an_address_or_a_telephone_number_is_in_no_id(tmp_path: Path) -> None:
    for contact in ("Ann@Example.com", "+39 055 1234567"):
        read = mapped(STATES, tmp_path, HEADER + FIRST.replace("ann", contact))
        assert told(read)[0][1]["customer_id"] == plain_pseudonym(contact)
    read = mapped(STATES, tmp_path, HEADER + FIRST.replace("ben", "ben@example.com"))
    assert lines(read)[0].fields["actor"]["id"] == plain_pseudonym("ben@example.com")
    read = mapped(STATES, tmp_path, HEADER + FIRST.replace("7,", "ann@example.com,"))
    assert "@" not in lines(read)[0].stream
    prefixed = STATES.replace('id = "{number}"', 'id = "crm-{number}"')
    for number in ("+39 055 1234567", "055 1234567", "ann@example.com"):
        read = mapped(prefixed, tmp_path, HEADER + FIRST.replace("7,", f"{number},"))
        assert lines(read)[0].stream == f"case:crm-{plain_pseudonym(number)}"
    for number in ("00001026", "2026/000123", "2026-000123"):
        read = mapped(prefixed, tmp_path, HEADER + FIRST.replace("7,", f"{number},"))
        assert lines(read)[0].stream == f"case:crm-{number}"


def test_a_time_that_is_ahead_of_the_clock_is_left_out(tmp_path: Path) -> None:
    ahead = FIRST.replace("2026", "2999").replace("New", "Closed")
    read = mapped(STATES, tmp_path, HEADER + FIRST + ahead)
    assert set(left_out(read)) == {(AHEAD, "row 3")}
    read = mapped(STATES, tmp_path, HEADER + ahead)
    assert lines(read) == []


CHANGES = """
version = 1
name = "history"
system = "crm"
[file]
timezone = "UTC"
order = "when"
[case]
id = "{case}"
customer = "{requester}"
customer_missing = "requester of {case}"
rows = "changes"
row_id = "{id}"
field = "field"
old = "{old}"
new = "{new}"
fields = ["requester", "subject"]
at = "{when}"
actor = "agent:{who}"
[open]
channel = "email"
subject = "{subject}"
[[on]]
change = "status"
from = ["solved", "closed"]
unless_to = ["solved", "closed"]
event = "CaseReopened"
[[on]]
change = "owner"
event = "CaseAssigned"
agent = "{after}"
[[on]]
change = "*"
event = "NoteAdded"
text = "{column}: {before} → {after}"
[[on]]
change = "status"
to = ["solved", "closed"]
unless_from = ["solved", "closed"]
event = "CaseClosed"
reason = "resolved"
"""
HISTORY = """id,case,field,old,new,when,who
2,7,priority,,high,2026-02-01 09:00,
1,7,status,,new,2026-02-01 09:00,
5,7,status,new,solved,2026-02-03 09:00,ben
3,7,owner,,ben,2026-02-02 09:00,ben
6,7,status,solved,closed,2026-02-04 09:00,ben
7,7,status,closed,open,2026-02-05 09:00,ben
4,7,priority,high,low,2026-02-02 10:00,ben
8,7,requester,,ann,2026-02-06 09:00,
6,7,status,solved,closed,2026-02-04 09:00,ben
"""


def test_a_history_of_changes_is_read_in_the_order_of_a_column(tmp_path: Path) -> None:
    read = mapped(CHANGES, tmp_path, HISTORY)
    assert told(read) == [
        ("CaseOpened", {"customer_id": "ann", "channel": "email"}),
        ("CaseAssigned", {"agent": "ben"}),
        ("NoteAdded", {"text": "priority: high → low"}),
        ("CaseClosed", {"reason": "resolved"}),
        ("CaseReopened", {}),
        ("NoteAdded", {"text": "requester: (none) → ann"}),
    ]
    assert [each.key for each in lines(read)] == [
        "csv:crm:7:0:CaseOpened",
        "csv:history:7:3:CaseAssigned",
        "csv:history:7:4:NoteAdded",
        "csv:history:7:5:CaseClosed",
        "csv:history:7:7:CaseReopened",
        "csv:history:7:8:NoteAdded",
    ]
    assert ("a row that stands there twice", "row 10") in left_out(read)
    assert lines(read)[0].fields["actor"] == {"kind": "system", "id": "history"}


def test_without_an_old_value_the_one_before_is_remembered(tmp_path: Path) -> None:
    text = CHANGES.replace('old = "{old}"\n', "")
    rows = [line.split(",") for line in HISTORY.splitlines()]
    table = "\n".join(",".join([*row[:3], *row[4:]]) for row in rows)
    assert told(mapped(text, tmp_path, table)) == told(mapped(CHANGES, tmp_path, HISTORY))


def test_a_row_whose_id_came_with_other_content_is_told(tmp_path: Path) -> None:
    read = mapped(CHANGES, tmp_path, HISTORY + "6,7,status,solved,open,2026-02-04 09:00,ben\n")
    assert ("a row whose id another row of its case has", "row 11") in left_out(read)


def test_changes_without_an_event_of_their_own_may_be_left_out(tmp_path: Path) -> None:
    read = mapped(CHANGES, tmp_path, HISTORY, changes="leave-out")
    assert "NoteAdded" not in dict(told(read))
    assert ("a change that has no event", "row 8") in left_out(read)


EVENTS = """
version = 1
name = "talk"
[file]
delimiter = ";"
order = "file"
[case]
id = "{case}"
customer = "{customer}"
rows = "events"
row_id = "{id}"
at = "{at}"
actor = { kind = "agent", id = "{by}", team = "{team}" }
actor_missing = "system:bot"
[values.yes]
ja = true
nein = false
[open]
channel = "chat"
[[on]]
when = { kind = "in" }
event = "MessageReceived"
actor = "customer:{customer}"
message_id = "{id}"
channel = "chat"
asks = [{ ask_id = "{id}", kind = "compensation" }]
issue_ids = ["{issue}"]
automated = { column = "auto", values = "yes" }
text = "{text}"
[[on]]
when = { kind = "issue" }
event = "IssueRaised"
issue_id = "{issue}"
loss = { column = "amount", currency = "{currency}", decimal = "," }
[[on]]
when = { kind = "out" }
unless = { auto = "ja" }
event = "ReplySent"
reply_id = "{id}"
channel = "chat"
to = "{customer}"
text = "{text}"
[[on]]
when = { kind = "stars" }
event = "SatisfactionRated"
rating = "{amount}"
scale = 5
[[on]]
when = { kind = "merge" }
event = "CaseMerged"
into = "{text}"
[[on]]
when = { kind = "promise" }
event = "PromiseMade"
promise_id = "{id}"
kind = "refund"
due_at = "{text}"
[[on]]
when = { customer = "{by}" }
event = "NoteAdded"
text = "helped themselves"
[[on]]
once = true
event = "CustomerRegistered"
name = "{name}"
since = { column = "at" }
[[on]]
case = "closed"
when = { kind = "work" }
event = "CaseReopened"
[[on]]
when = { kind = ["work", "done"] }
case = "open"
event = "NoteAdded"
rule = "work"
text = "{kind}"
[[on]]
when = { kind = "done" }
event = "CaseClosed"
reason = "resolved"
"""
COLUMNS = "id;case;customer;name;at;by;team;kind;issue;amount;currency;auto;text"


def talk(folder: Path, *rows: str, text: str = EVENTS, **options: Any) -> list[Read]:
    """Rows: id;case;kind, and others as name=value."""
    written = []
    for number, row in enumerate(rows, 1):
        kind, _, more = row.partition(" ")
        cells = {
            "id": f"r{number}",
            "case": "7",
            "customer": "ann",
            "at": f"2026-02-01T09:{number:02}:00Z",
            "by": "ben",
            "kind": kind,
        }
        cells |= dict(each.split("=", 1) for each in more.split("|") if each)
        written.append(";".join(cells.get(name, "") for name in COLUMNS.split(";")))
    table = "\n".join([COLUMNS, *written])
    return mapped(text, folder, table, **options)


def test_each_row_is_a_fact(tmp_path: Path) -> None:
    read = talk(
        tmp_path,
        "issue issue=i1|amount=1.234,50 €|currency=EUR|name=Ann Lee|team=south",
        "in issue=i1|auto=nein|text=Where is it?",
        "out text=On its way",
        "stars amount=4",
        "other",
    )
    assert told(read) == [
        ("CaseOpened", {"customer_id": "ann", "channel": "chat"}),
        ("IssueRaised", {"issue_id": "i1", "loss": {"amount": "1234.50", "currency": "EUR"}}),
        ("CustomerRegistered", {"since": "2026-02-01T09:01:00Z", "name": "Ann Lee"}),
        (
            "MessageReceived",
            {
                "message_id": "r2",
                "channel": "chat",
                "issue_ids": ["i1"],
                "asks": [{"ask_id": "r2", "kind": "compensation"}],
                "automated": False,
                "text": "Where is it?",
            },
        ),
        ("ReplySent", {"reply_id": "r3", "channel": "chat", "to": "ann", "text": "On its way"}),
        ("SatisfactionRated", {"rating": 4, "scale": 5}),
    ]
    actors = [each.fields["actor"] for each in lines(read)]
    assert actors[0] == {"kind": "agent", "id": "ben", "team": "south"}
    assert actors[3] == {"kind": "customer", "id": "ann"}
    assert left_out(read) == [("a row that no rule is about", "row 6")]
    assert imported(tmp_path, read)[0].imported.appended == 6


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("in issue=i9", "what came before does not allow it"),
        ("done", None),
        ("stars amount=9", "a value that the vocabulary does not take"),
        ("stars amount=many", "a number that is no whole number"),
        (
            "issue issue=i2|amount=1.5|currency=EUR",
            "an amount that is no number as the mapping writes them",
        ),
        ("issue issue=i2|amount=-1|currency=EUR", "an amount that is less than nothing"),
        ("issue issue=i2|amount=1|currency=LIRA", "a value that the vocabulary does not take"),
        ("issue issue=i2|amount=1|currency=XYZ", "a value that the vocabulary does not take"),
        ("issue issue=i2|amount=1", "an amount without a currency"),
        ("issue amount=1|currency=EUR", "a field that the event needs is missing"),
        ("promise text=2026-01-01T00:00:00Z", "what came before does not allow it"),
        ("promise text=9999-12-31T23:59:59Z", "a value that the vocabulary does not take"),
        ("promise text=soon", "a time fits none of the mapping's time_formats"),
        ("promise text=2026-05-05", "a time without a zone, and the mapping names no timezone"),
        ("merge text=8", "merged into a case that is neither among what was read nor in the store"),
        ("merge text=7", "merged in a circle"),
        ("work at=0001-01-01T00:00:00Z", "a value that the vocabulary does not take"),
    ],
)
def test_what_the_store_would_refuse_is_left_out_with_its_reason(
    row: str, reason: str | None, tmp_path: Path
) -> None:
    read = talk(tmp_path, "work", row)
    assert [each for each, _ in left_out(read)] == ([reason] if reason else [])
    assert imported(tmp_path, read)[0].imported.refused == ()


def test_a_rule_may_ask_whether_the_case_is_closed(tmp_path: Path) -> None:
    read = talk(tmp_path, "work", "done", "in text=thanks", "work", "done", "done")
    assert [kind for kind, _ in told(read)] == [
        *("CaseOpened", "NoteAdded", "CustomerRegistered", "NoteAdded", "CaseClosed"),
        *("MessageReceived", "CaseReopened", "NoteAdded", "NoteAdded", "CaseClosed"),
    ]
    assert left_out(read) == [("what came before does not allow it", "row 7")]


def test_a_condition_may_name_another_column(tmp_path: Path) -> None:
    read = talk(tmp_path, "other by=ann")
    assert ("NoteAdded", {"text": "helped themselves"}) in told(read)


def test_a_customer_is_registered_once_by_the_earliest_row(tmp_path: Path) -> None:
    read = talk(
        tmp_path,
        "work case=7|name=Ann|at=2026-02-03T09:00:00Z",
        "work case=8|name=Ann Lee|at=2026-02-02T09:00:00Z",
    )
    (registered,) = [each for each in lines(read) if each.type == "CustomerRegistered"]
    assert registered.fields["name"] == "Ann Lee"
    assert (registered.key, registered.keep_first) == (
        "csv:talk:customer:ann:CustomerRegistered",
        True,
    )


def test_merges_are_taken_once_and_never_in_a_circle(tmp_path: Path) -> None:
    read = talk(tmp_path, "merge case=7|text=8", "merge case=8|text=9", "merge case=9|text=7")
    assert [kind for kind, _ in told(read)].count("CaseMerged") == 2
    assert left_out(read) == [("merged in a circle", "row 4")]
    known = talk(tmp_path, "merge text=70", known=Known("case:70"))
    assert ("CaseMerged", {"into": "70"}) in told(known)


CASES = """
version = 1
name = "tickets"
system = "desk"
[file]
timezone = "UTC"
[case]
id = "{id}"
customer = ["{contact}", "{account}"]
customer_missing = "customer of {id}"
rows = "cases"
at = "{created}"
actor = "system:desk"
[open]
channel = "web"
[[on]]
at = "{closed}"
event = "CaseClosed"
reason = "resolved"
[[on]]
event = "NoteAdded"
text = "{note}"
"""
TICKETS = """id,contact,account,created,closed,note
1,ann,acme,2026-02-01,2026-02-03,first
2,,acme,2026-02-01,,
3,,,2026-02-05,2026-02-04,last
"""


def test_a_row_may_be_a_whole_case(tmp_path: Path) -> None:
    read = mapped(CASES, tmp_path, TICKETS)
    by_case = {
        number: [each.type for each in lines(read) if each.stream == f"case:{number}"]
        for number in "123"
    }
    assert by_case == {
        "1": ["CaseOpened", "NoteAdded", "CaseClosed"],
        "2": ["CaseOpened"],
        "3": ["CaseOpened", "CaseClosed", "NoteAdded"],
    }
    customers = [fields.get("customer_id") for kind, fields in told(read) if kind == "CaseOpened"]
    assert customers == ["ann", "acme", "customer of 3"]
    assert all(each.keep_first for each in lines(read))


def test_a_later_export_extends_the_first(tmp_path: Path) -> None:
    later = TICKETS.replace("2,,acme,2026-02-01,,", "2,,acme,2026-02-01,2026-02-06,").replace(
        "last", "edited"
    )
    first = mapped(CASES, tmp_path, TICKETS)
    again = mapped(CASES, tmp_path, TICKETS)
    more = mapped(CASES, tmp_path, later)
    done = imported(tmp_path, first, again, more)
    assert [each.imported.appended for each in done] == [7, 0, 1]
    assert [each.kept_count for each in done] == [0, 0, 1]


def test_rows_before_the_one_that_opens_are_left_out_every_time(tmp_path: Path) -> None:
    opening = STATES.replace("[open]", '[open]\nat = "{opened}"')
    header = HEADER.replace("via", "via,opened")
    row = FIRST.replace("Phone", "Phone,{}")
    first = row.format("soon").replace("New", "Closed")
    table = header + first + row.format("01/01/2026 10:00").replace("10:00", "11:00")
    read = mapped(opening, tmp_path, table)
    again = mapped(opening, tmp_path, table, known=Known("case:7"))
    assert [each.type for each in lines(read)] == ["CaseOpened", "NoteAdded"]
    assert lines(again) == lines(read)
    assert left_out(again) == left_out(read)


def test_what_is_left_out_does_not_say_what_stands_in_its_cell(tmp_path: Path) -> None:
    row = FIRST.replace("01/02/2026 10:00", "Anna 0170 1234567 rang")
    (left,) = [each for each in mapped(STATES, tmp_path, HEADER + row) if isinstance(each, LeftOut)]
    assert left.detail == "aaaa 9999 9999999 aaaa"
    row = FIRST.replace("Phone", "ann@example.com")
    assert remarks(mapped(STATES, tmp_path, HEADER + row)) == [
        "values.channel: 'aaa@aaaaaaa.aaa' fell to \"*\""
    ]


def test_a_longer_table_of_states_extends_the_first(tmp_path: Path) -> None:
    more = HEADER + FIRST + FIRST.replace("New", "Closed").replace("10:00", "11:00")
    both = mapped(STATES, tmp_path, HEADER + FIRST), mapped(STATES, tmp_path, more)
    assert [each.imported.appended for each in imported(tmp_path, *both)] == [2, 1]


def test_a_row_in_the_middle_without_ids_is_a_conflict(tmp_path: Path) -> None:
    last = FIRST.replace("3,2", "1,2")
    table = HEADER + FIRST + last
    grown = HEADER + FIRST + FIRST.replace("3,2", "2,2") + last
    first, second = imported(
        tmp_path, mapped(STATES, tmp_path, table), mapped(STATES, tmp_path, grown)
    )
    assert first.imported.refused == ()
    assert "csv:crm:7:2:NoteAdded" in second.imported.refused[0].message


def test_mappings_of_one_system_compose(tmp_path: Path) -> None:
    """One opens the cases, and the opening of the other is the same."""
    opening = CHANGES[: CHANGES.index("[open]")]
    only_changes = opening + CHANGES[CHANGES.index("[[on]]") :]
    tickets = CASES.replace('system = "desk"', 'system = "crm"').replace("{id}", "{number}")
    table = "number,contact,account,created,closed,note\n7,ann,,2026-01-31,,\n"
    first = mapped(tickets, tmp_path, table)
    without = mapped(only_changes, tmp_path, HISTORY)
    assert lines(without) == []
    assert {reason for reason, _ in left_out(without)} == {
        "its case is not in the store: first import the table that opens it"
    }
    then = mapped(only_changes, tmp_path, HISTORY, known=Known("case:7"))
    with_opening = mapped(CHANGES, tmp_path, HISTORY)
    done = imported(tmp_path, first, then, with_opening)
    assert [each.imported.appended for each in done] == [1, 6, 0]
    assert [each.imported.refused for each in done] == [(), (), ()]
    assert done[2].kept_count == 1


def test_a_service_reads_one_row() -> None:
    row = dict.fromkeys(COLUMNS.split(";"), "") | {
        "id": "m1",
        "case": "7",
        "customer": "ann",
        "kind": "out",
        "text": "Hello; «you»",
        "at": "2026-02-01T09:00:00Z",
    }
    read = events(row, read_mapping(EVENTS.replace("[file]", '[file]\nencoding = "cp1252"')))
    assert [each.key for each in lines(read)] == [
        "csv:talk:7:0:CaseOpened",
        "csv:talk:7:m1:ReplySent",
        "csv:talk:customer:ann:CustomerRegistered",
    ]
    assert told(read)[1][1]["text"] == "Hello; «you»"
    with pytest.raises(InvalidMapping, match=r"case\.row_id: is needed"):
        events(row, read_mapping(STATES))
    with pytest.raises(InvalidMapping, match="has no column"):
        events({"case": "7"}, read_mapping(EVENTS))


def test_the_instance_is_in_keys_and_source(tmp_path: Path) -> None:
    (line, *_) = lines(mapped(CASES, tmp_path, TICKETS, instance="eu"))
    assert (line.key, line.source) == ("csv:desk:eu:1:0:CaseOpened", "csv:tickets:eu")


def test_nothing_is_read_without_a_mapping(tmp_path: Path) -> None:
    with pytest.raises(InvalidMapping, match="none was given"):
        read_tables(None, tmp_path, TICKETS)  # type: ignore[arg-type]
