"""docs/events.md, made from the code: every event, its fields, and what each says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from casestore.events import VOCABULARY
from casestore.events.meanings import values_in
from cli.commands.events import fields_in_words
from tests.support import feeds
from tests.support.command_line import Casestore

REPORTS_PAGE = Path(__file__).parents[2] / "docs" / "reports.md"
HEAD = """# Every event, and what an append refuses

Made from the code (`CASESTORE_GOLDEN=1 pytest tests/house/test_docs.py`); `casestore events TYPE`
shows the same with JSON Schema. Every event has `occurred_at` (when it happened, an aware datetime,
kept in UTC) and `actor` (who did it, as they were at that moment): see
[what fields are made of](#what-fields-are-made-of). Fields are optional unless marked *required*. A
field or list left out is *not recorded*; an empty list says that there were none. Each event shows
in `casestore case timeline`, and in the reports that are named with it, as
[reports.md](reports.md#which-events-feed-which-report) tells. **Personal** fields are words about
or from a person: they are sealed apart from the rest of the event; nothing else ever holds prose.
Ids are the caller's own, 1 to 200 characters without control characters, unique within their stream
and kind. A new id or code is in the normal form NFC, and has no character that cannot be seen:
zero-width, bidi, tag.

Streams: `case:<case_id>` · `customer:<customer_id>` · `policy`.

## What an append refuses

The log is of facts: bad practice is recorded, never refused. Only structure is refused, with a
message that names the stream, the event and what to do:

- ids that are used already, or that are referred to and unknown. What belongs to another case of
  the same family (cases that are merged with one another at present) is named `case_id/id`;
- new ids and codes with characters that people cannot see or tell apart (what is on record under
  such an id goes on); so with an append's key, source, correlation and causation ids, but for those
  that an import brings along;
- an event of more than 4 MiB as stored JSON, its text included, and an append of more than 16;
- a first event that is not `CaseOpened` (`CustomerRegistered` on a customer's stream), or a second
  one; a customer may be registered again after erasure, and once after the store did it by itself;
- closing a closed case, reopening an open one;
- keeping, renegotiating, releasing or withdrawing a promise that was kept, released or withdrawn
  already (past its due time it can still be kept, late; kept by a reply that then proved
  undelivered, it can be kept again);
- a `due_at` that is not after `occurred_at`; a `received_at` that is after it; an event more than
  five minutes ahead of the store's clock; a time without a zone;
- a time in the first or the last two days of the calendar, like 9999-12-31: where there is no such
  time, the field is left out; a currency that is none of ISO 4217;
- merging in a circle, into itself, or into what is itself merged;
- a correction whose `from` is not the present value; of an event that was voided, of a correction,
  of an id or a Personal field; or after which the stream would not hold when replayed;
- erasure under a legal hold; a policy that takes effect before its adoption; and, only where the
  policy in force says so ([policy.md](policy.md)), a live gesture beyond a limit.

What an append refuses is decided in the order of recording. What it accepts is read in the order in
which things happened, whenever it was told ([reports.md](reports.md)).

Facts may arrive late and after closure: a bounce, a kept promise, a message, a correction are all
accepted on a closed case.
"""
MADE_OF = """
## What fields are made of

| type | what it takes |
|---|---|
| id | text that you choose. Without more, a code of your own: of a product, a reason, an agent |
| id (new reply) | an id that nothing of that kind has yet in the stream; others name it by that |
| id (known reply) | what an earlier event brought; of another case of the family, `case_id/id` |
| time | ISO 8601 with an offset, like 2026-03-02T17:00:00Z |
| amount | up to 8 digits after the point, as text: "25.00" |
| object | in `changes`: by field, `from` and `to` |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """docs/events.md as the code would have it."""
    told = [HEAD, *_made_of()]
    run = Casestore()
    listed = run("events", "--format", "json").json
    reports_of = _reports_of()
    for kind in ("case", "customer", "policy"):
        told.append(f"\n## On {kind} streams\n")
        for each in listed:
            if each["streams"][0] != kind:
                continue
            about = run("events", each["type"], "--format", "json").json
            also = f" (also on {each['streams'][1]} streams)" if len(each["streams"]) > 1 else ""
            shown = reports_of.get(each["type"], "those that the corrected event feeds")
            told.append(f"\n### {each['type']}\n\n{each['doc']}{also} Reports: {shown}.\n")
            fields = [f for f in about["fields"] if f["field"] not in ("occurred_at", "actor")]
            told += _fields(fields)
    return "".join(told)


def _fields(fields: list[dict[str, Any]]) -> Iterator[str]:
    if fields:
        yield "\n| field | | type | what it says |\n|---|---|---|---|\n"
    for field in fields:
        marks = [name for name in ("required", "personal") if field[name]]
        shown = ", ".join(marks).replace("personal", "**personal**")
        yield f"| {field['field']} | {shown} | {_cell(field['type'])} | {field['meaning']} |\n"


def _made_of() -> Iterator[str]:
    yield MADE_OF
    values = {value: None for cls in VOCABULARY for value in values_in(cls)}
    for cls in values:
        yield f"\n### {cls.__name__.lower()}\n\n{cleandoc(cls.__doc__ or '')}\n"
        yield from _fields(list(fields_in_words(cls)))


def _reports_of() -> dict[str, str]:
    """What the table in docs/reports.md says, which a test compares with the code."""
    section = REPORTS_PAGE.read_text("utf-8").partition(feeds.HEADING)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w[\w, ]*) \| ([\w, ]+) \|$", section, re.MULTILINE)
    return {event: shown for events, shown in rows for event in events.split(", ")}
