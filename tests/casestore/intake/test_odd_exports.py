"""Exports with anything in any place: no traceback, nothing refused, nothing twice."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore import CaseStore
from casestore.errors import UnreadableInput
from casestore.intake import append_lines
from casestore.intake.reading import events, reader_class
from casestore.transfer.known import StoreKnows
from tests.support.helpdesks import OPTIONS, story

AT = "2026-03-02T10:00:00Z"
SAMPLES: dict[str, list[Any]] = {
    "freshdesk": [
        {
            "id": 7,
            "requester_id": 100,
            "status": 5,
            "source": 1,
            "subject": "Kettle",
            "description": "It leaks",
            "description_text": "It leaks",
            "created_at": AT,
            "updated_at": "2026-03-06T10:00:00Z",
            "stats": {"closed_at": "2026-03-06T09:00:00Z"},
            "custom_fields": {"cf_product": "kettle"},
            "spam": True,
        },
        {
            "id": 1,
            "ticket_id": 7,
            "user_id": 9,
            "body_text": "Sorry",
            "private": False,
            "source": 0,
            "to_emails": ["kim@example.com"],
            "created_at": "2026-03-03T10:00:00Z",
            "updated_at": "2026-03-03T10:00:00Z",
            "last_edited_at": None,
            "email_failure_count": 1,
            "outgoing_failures": [{"email": "kim@example.com"}],
        },
        {
            "activities_data": [
                {
                    "performed_at": f"0{day}-03-2026 10:00:00 +0000",
                    "ticket_id": 7,
                    "performer_type": "user",
                    "performer_id": 9,
                    "activity": {"status": status, "agent_id": 9, "group": "Billing"},
                }
                for day, status in ((2, "Open"), (3, "Resolved"), (4, "Open"), (5, "Closed"))
            ]
        },
        {"id": 100, "name": "Kim", "email": "kim@example.com", "created_at": AT},
    ],
    "chatwoot": [
        {
            "meta": {"contact": {"id": 31}},
            "payload": [
                {
                    "id": number,
                    "content": "said",
                    "account_id": 1,
                    "conversation_id": 7,
                    "message_type": kind,
                    "created_at": 1_772_442_000 + number,
                    "updated_at": 1_772_442_000 + number,
                    "private": False,
                    "status": "failed",
                    "content_type": "text",
                    "content_attributes": {"external_error": "gone"},
                    "sender": {"id": 1, "type": "user"},
                }
                for number, kind in enumerate((0, 1, 2, "template"))
            ],
        },
        *(
            {
                "event": "conversation_status_changed",
                "id": 7,
                "status": now,
                "channel": "Channel::Api",
                "timestamp": 1_772_442_100 + number,
                "messages": [],
                "meta": {"sender": {"id": 31}, "assignee": {"id": 1}},
                "changed_attributes": [
                    {"status": {"previous_value": before, "current_value": now}},
                    {"assignee_id": {"previous_value": None, "current_value": 1}},
                ],
            }
            for number, (before, now) in enumerate((("open", "resolved"), ("resolved", "open")))
        ),
        {"payload": [{"id": 31, "name": "Kim", "phone_number": "+4930123456", "created_at": 1}]},
    ],
    "otrs": [
        {
            "TicketID": "7",
            "Title": "Kettle",
            "State": "closed successful",
            "Created": "2026-03-02 10:00:00",
            "Changed": "2026-03-06 10:00:00",
            "CustomerID": "4711",
            "History": [
                {
                    "HistoryID": str(number),
                    "TicketID": "7",
                    "HistoryType": kind,
                    "Name": name,
                    "ArticleID": 0,
                    "CreateBy": "3",
                    "CreateTime": f"2026-03-{number:02} 10:00:00",
                }
                for number, (kind, name) in enumerate(
                    [
                        ("NewTicket", "%%1%%Raw%%3 normal%%new%%7"),
                        ("CustomerUpdate", "%%CustomerID=4711;CustomerUser=kim;"),
                        ("Move", "%%Billing%%2%%Raw%%1"),
                        ("OwnerUpdate", "%%anna%%9"),
                        ("StateUpdate", "%%new%%closed successful%%"),
                        ("Merged", "%%1%%7%%2%%8"),
                    ],
                    2,
                )
            ],
            "Articles": [
                {
                    "ArticleID": "1",
                    "TicketID": "7",
                    "SenderType": "agent",
                    "ArticleType": "email-external",
                    "Body": "Sorry",
                    "CreatedBy": "3",
                    "Created": "2026-03-03 11:00:00",
                }
            ],
        },
        {"ID": "2", "Name": "closed successful", "TypeName": "closed"},
    ],
    "jira": [
        {
            "issues": [
                {
                    "id": "10001",
                    "key": "HELP-1",
                    "fields": {
                        "summary": "Kettle",
                        "description": {"type": "doc", "content": [{"type": "text", "text": "a"}]},
                        "created": AT,
                        "updated": AT,
                        "reporter": {"accountId": "kim"},
                        "status": {"name": "Done"},
                        "comment": {
                            "comments": [
                                {
                                    "id": "5",
                                    "author": {"accountId": "anna"},
                                    "body": "Sorry",
                                    "created": AT,
                                    "updated": AT,
                                }
                            ]
                        },
                    },
                    "changelog": {
                        "histories": [
                            {
                                "id": "9",
                                "author": {"accountId": "anna"},
                                "created": "2026-03-04T10:00:00.000+0000",
                                "items": [
                                    {"field": "status", "fromString": "Open", "toString": "Done"},
                                    {"field": "assignee", "to": "anna", "toString": "Anna"},
                                    {"field": "Key", "fromString": "OLD-1", "toString": "HELP-1"},
                                ],
                            }
                        ]
                    },
                }
            ]
        }
    ],
}
ODD: list[object] = [
    None, True, 0, -1, 10**30, 1e308, -62135596800, 1741000000, "", "\x00", "a\u202eb", "\u200b",
    "\ud800", "x" * 300, "kim@example.com", "+49 30 1234567", "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "0000-00-00 00:00:00", "closed successful", [], {}, [[]], {"id": 1},
]  # fmt: skip
readers = pytest.mark.parametrize("reader", SAMPLES)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, (*place, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from places(each, (*place, number))


def changed(sample: Any, place: tuple[Any, ...], odd: object) -> Any:
    made = copy.deepcopy(sample)
    inner = made
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = odd
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("odd")
    with CaseStore.create(f"sqlite:///{folder}/store.db", key_file=folder / "store.key") as made:
        yield made


@readers
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_anything_may_stand_anywhere(reader: str, store: CaseStore, data: st.DataObject) -> None:
    sample: Any = SAMPLES[reader]
    for _ in range(data.draw(st.integers(1, 2))):
        found = [place for place in places(sample) if place]
        sample = changed(sample, data.draw(st.sampled_from(found)), data.draw(st.sampled_from(ODD)))
    given = b"\n".join(json.dumps(each).encode() for each in sample)
    instance = f"i{store._recorder.last_position()}"
    for turn in range(2):
        options = replace(OPTIONS, instance=instance, known=StoreKnows(store))
        try:
            read = events(reader_class(reader), given, options)
        except UnreadableInput:  # two accounts of Chatwoot's: said in words, and nothing appended
            return
        done = append_lines(store, read)
        assert done.imported.refused == ()
        assert turn == 0 or done.imported.appended == 0


@readers
def test_a_sample_is_read_whole(reader: str, tmp_path: Path) -> None:
    """What the test before this one changes is understood as it is."""
    path = tmp_path / "sample.json"
    path.write_bytes(b"\n".join(json.dumps(each).encode() for each in SAMPLES[reader]))
    read = story(reader, path)
    assert {"CaseOpened", "ReplySent", "CaseClosed"} <= set(read.types())


@readers
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02\xff",
        b'{"id": 7, "requester_id": ',
        b'[{"id": 7}, {"id": 8}',
        b"null",
        b'"text"',
        b"[[[[]]]]",
        b"[null, 7, true]",
        b'{"issues": 7, "payload": 7, "activities_data": 7, "Ticket": 7}',
        b'{"fields": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"meta": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"activity": {"a": ' + b"[" * 900 + b"]" * 900 + b'}, "ticket_id": 7}',
        '{"id": "übermäßig"}'.encode("utf-16"),
        b'{"id": "\xff\xfe", "event": "\\ud800"}',
    ],
)
def test_files_of_another_kind_give_no_lines(reader: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    assert story(reader, path).lines == []
