"""Reading a mapping: it is checked whole, and each mistake is told with its line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore.errors import InvalidMapping
from casestore.intake.csv import load, read_mapping, shipped, text_of

WHOLE = """version = 1
name = "servicenow"
[file]
encoding = "utf-8"
delimiter = ","
missing = ["", "?", "-100"]
timezone = "Europe/Rome"
time_formats = ["%d/%m/%Y %H:%M", "iso", "epoch", "epoch_ms"]
order = "file"
[case]
id = "{number}"
customer = "{caller_id}"
customer_missing = "caller of {number}"
rows = "states"
at = "{sys_updated_at}"
actor = "agent:{sys_updated_by}"
[values.channel]
Phone = "phone"
"*" = "other"
[open]
at = "{opened_at}"
actor = "agent:{opened_by}"
channel = { column = "contact_type", values = "channel" }
category = "{category}"
subject = "{u_symptom}"
[[on]]
change = "assignment_group"
event = "CaseAssigned"
team = "{assignment_group}"
[[on]]
change = "incident_state"
to = ["Resolved", "Closed"]
unless_from = ["Resolved", "Closed"]
event = "CaseClosed"
reason = "resolved"
[[on]]
change = ["priority", "urgency"]
event = "NoteAdded"
text = "{column}: {before} → {after}"
[[on]]
when = { "Timely response?" = "No" }
event = "NoteAdded"
text = "The company says: not in time"
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidMapping) as invalid:
        read_mapping(text)
    return list(map(str, invalid.value.mistakes))


def instead(old: str, new: str) -> list[str]:
    assert old in WHOLE
    return mistakes(WHOLE.replace(old, new, 1))


def test_a_whole_mapping_is_read() -> None:
    mapping = read_mapping(WHOLE)
    assert mapping.name == mapping.system == "servicenow"
    assert [rule.label for rule in mapping.rules] == [
        "CaseAssigned",
        "CaseClosed",
        "NoteAdded",
        "NoteAdded-2",
    ]
    assert set(mapping.columns) == {
        *("number", "caller_id", "sys_updated_at", "sys_updated_by", "opened_at", "opened_by"),
        *("contact_type", "category", "u_symptom", "assignment_group", "incident_state"),
        *("priority", "urgency", "Timely response?"),
    }


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    text = WHOLE.replace("delimiter", "delimeter").replace('"CaseAssigned"', '"CaseAsigned"')
    text = text.replace('reason = "resolved"', 'reason = "resolve"').replace(
        'values = "channel"', 'values = "chanel"'
    )
    assert mistakes(text) == [
        "line 5: file.delimeter: is no setting; did you mean 'delimiter'?",
        "line 23: open.channel.values: there is no list [values.chanel]; did you mean 'channel'?",
        "line 28: on 1.event: is no event that a mapping can make; `casestore events` lists them; "
        "did you mean 'CaseAssigned'?",
        "line 35: on 2.reason: is not one of resolved, final_response, withdrawn, no_contact, "
        "duplicate, not_a_complaint; did you mean 'resolved'?",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version = 1", "version = 2", "line 1: version: should be 1"),
        ('name = "servicenow"', "", "name: is missing; write it first"),
        ('encoding = "utf-8"', 'encoding = "utf-7.5"', "line 4: file.encoding: is no encoding"),
        ('encoding = "utf-8"', 'encoding = "base64"', "line 4: file.encoding: is no encoding"),
        ('delimiter = ","', 'delimiter = ";;"', "line 5: file.delimiter: should be one character"),
        (
            '"Europe/Rome"',
            '"Europe/Roma"',
            "line 7: file.timezone: 'Europe/Roma' is not a time zone",
        ),
        ('timezone = "Europe/Rome"', "", "has no zone (%z): timezone is needed"),
        ('"epoch",', '"epok",', "'epok' is no format"),
        ('"%d/%m/%Y %H:%M"', '"%d/%Q"', "line 8: file.time_formats: '%d/%Q' is no format"),
        ('id = "{number}"', "", "case.id: is missing; write it like"),
        ('rows = "states"', 'rows = "state"', "did you mean 'states'?"),
        ('rows = "states"', 'order = "file"', "is no setting of [case]; it belongs to [file]"),
        ('rows = "states"', 'rows = "events"', 'change: is only for rows = "states" or "changes"'),
        ('rows = "states"', 'rows = "changes"', "case.field: is missing"),
        ('"agent:{sys_updated_by}"', '"agnt:{x}"', "did you mean 'agent'?"),
        ('"agent:{sys_updated_by}"', '"agent"', "should be a kind and an id"),
        ('Phone = "phone"', 'Phone = "fon"', "line 18: values.channel.Phone: is not one of"),
        ("category =", "categry =", "is no field of CaseOpened; did you mean 'category'?"),
        ('channel = { column = "contact_type"', 'channel = { colum = "x"', "did you mean 'column'"),
        ('column = "contact_type", ', "", "open.channel.column: is missing"),
        ('team = "{assignment_group}"', 'teem = "x"', "line 29: on 1.teem: is no field of"),
        ('text = "The company says', "text = 7 #", "line 43: on 4.text: should be text"),
        ('event = "CaseClosed"', 'event = "CaseOpened"', "is written as [open]"),
        ('event = "CaseClosed"', 'event = "DeliveryFailed"', "reply_id: is missing"),
        ('change = "incident_state"', "", "needs a change, of which it is said"),
        ('name = "servicenow"', 'name = "servicenow', "line 2: "),
    ],
)
def test_a_mistake_is_told_by_its_place(old: str, new: str, told: str) -> None:
    assert told in "\n".join(instead(old, new))


def test_an_amount_needs_a_currency_that_there_is() -> None:
    table = """
[[on]]
when = {{ a = "b" }}
event = "IssueRaised"
issue_id = "{{n}}"
loss = {}
"""
    assert read_mapping(WHOLE + table.format('{ column = "a", currency = "EUR" }'))
    assert read_mapping(WHOLE + table.format('{ column = "a", currency = "{b}", decimal = "," }'))
    (lower,) = mistakes(WHOLE + table.format('{ column = "a", currency = "eur" }'))
    assert lower.endswith("did you mean 'EUR'?")
    (none,) = mistakes(WHOLE + table.format('{ column = "a" }'))
    assert "loss.currency: is missing" in none
    (text,) = mistakes(WHOLE + table.format('"{a}"'))
    assert "should be a table, like { column" in text


def test_an_id_is_known_once_among_rules() -> None:
    twice = '\n[[on]]\nevent = "CaseReopened"\nrule = "x"' * 2
    (told,) = mistakes(WHOLE + twice)
    assert "on 6.rule: should be a short name that no other rule has" in told


Anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def toml(value: Any) -> str:
    match value:
        case None | bool():
            return str(bool(value)).lower()
        case int():
            return str(value)
        case str():
            return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case _:
            return f"{{{', '.join(f'{toml(k)} = {toml(v)}' for k, v in value.items())}}}"


@given(st.integers(0, WHOLE.count(" = ") - 1), Anything)
def test_no_value_of_a_wrong_shape_is_more_than_a_mistake(place: int, value: Any) -> None:
    parts = WHOLE.splitlines()
    settings = [number for number, line in enumerate(parts) if " = " in line and "{ " not in line]
    number = settings[place % len(settings)]
    name = parts[number].partition(" = ")[0]
    parts[number] = f"{name} = {toml(value)}"
    try:
        read_mapping("\n".join(parts))
    except InvalidMapping as invalid:
        assert all(each.what for each in invalid.mistakes)  # noqa: PT017  (most are refused)


def test_a_shipped_mapping_is_loaded_by_name_and_any_by_its_file(tmp_path: Any) -> None:
    for name, about in shipped().items():
        assert load(name).name == name
        assert about
        assert len(f"{name:32}{about}") <= 120
    mine = tmp_path / "mine.toml"
    mine.write_text(text_of("cfpb").replace('name = "cfpb"', 'name = "mine"'), "utf-8")
    assert load(mine).name == load(str(mine)).name == "mine"


@pytest.mark.parametrize("name", ["servicenow-incident", "", "no/such.toml", "a\0b"])
def test_a_mapping_that_is_nowhere_is_told(name: str) -> None:
    with pytest.raises(InvalidMapping, match="no shipped mapping of that name"):
        load(name)
