"""`casestore find`: where ids, codes and words stand.

All events are read, some hundred at a time. What is sealed is opened in memory and forgotten: there
is no index of it, nor any file.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import click

from casestore import CaseStore
from casestore.events.markers import per_class, personal_fields
from casestore.streams.history import Recorded, stored_data
from cli.terminal.options import Usage, settings
from cli.terminal.output import Column, for_documents, for_people, print_rows, tabular
from cli.terminal.progress import progress

_AROUND = 40
"""Characters that are shown before and after what was found."""
_LONGEST = 200
"""The longest that an id may be. Longer text is shown in part."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\S+")
_EVERY = 1_000
"""Events after which the progress bar moves."""
_COLUMNS = (
    Column("stream"),
    Column("version", "v", right=True, holds=int),
    Column("occurred_at", "when", goes=1, holds=datetime),
    Column("type", goes=2),
    Column("field"),
    Column("found", wraps=True),
)


@click.command
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
@click.option(
    "--reveal",
    is_flag=True,
    help="Look into subjects, names and what else people wrote, too. Needs the key file.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    metavar="N",
    help="At most N places.",
)
@tabular
def find(words: tuple[str, ...], reveal: bool, limit: int) -> None:
    """Find ids, codes and, with --reveal, words.

    Shown are values that hold all the words, in any order, in upper or lower case: ids of cases,
    customers, promises and so on, and codes like products, teams and topics; each once for a
    stream, where it stands first; and the event whose whole id a word is. All events are read.
    With - as the only word, the words come from standard input, so that they stay out of the
    shell's history.

    \b
    Examples:
      casestore find C-2207
      casestore find --reveal refund twice
      casestore find --reveal - < words.txt
    """
    if words == ("-",):
        words = tuple(sys.stdin.read().split())
    wanted = [word.casefold() for word in words if word.strip()]
    if not wanted:
        raise Usage("there is no word to find; give one, like an id")
    with settings().open_store() as store:
        found = islice(_found(store, wanted, reveal), limit)
        if not (for_people() or for_documents()):
            print_rows(_COLUMNS, found)
            return
        rows = list(found)
    more = [f"… the first {limit}; --limit shows more"] if len(rows) == limit else []
    beyond = "" if reveal else " among ids and codes; --reveal looks into what people wrote, too"
    print_rows(_COLUMNS, rows, empty=f"none{beyond}", remarks=more)


def _found(store: CaseStore, words: list[str], reveal: bool) -> Iterator[dict[str, Any]]:
    """The values that hold all the words; each once for a stream and a field.

    What was given is remembered, so that it is not given again: as much as the caller takes.
    """
    given: set[tuple[str, str, str]] = set()
    with progress("events", store._recorder.last_position() or None) as tick:
        for number, recorded in enumerate(store.read(reveal=reveal), 1):
            if tick is not None and number % _EVERY == 0:
                tick(number)
            if recorded.uid in words:
                yield _row(recorded, "event_id", recorded.uid)
            for field, value in _values(recorded):
                folded = value.casefold()
                if not all(word in folded for word in words):
                    continue
                if (key := (recorded.stream, field, value)) not in given:
                    given.add(key)
                    yield _row(recorded, field, _excerpt(value, folded.find(words[0])))


def _row(recorded: Recorded, field: str, found: str) -> dict[str, Any]:
    return {
        "stream": recorded.stream,
        "version": recorded.version,
        "occurred_at": recorded.occurred_at,
        "type": recorded.type,
        "field": field,
        "found": found,
    }


def _values(recorded: Recorded) -> Iterator[tuple[str, str]]:
    """The ids and codes of an event by field; and its words, where they are revealed."""
    if recorded.version == 1:
        kind, _, stream_id = recorded.stream.partition(":")
        yield f"{kind}_id", stream_id
    event = recorded.event
    hidden = _personal(type(event))
    for field, value in stored_data(event).items():
        if field not in hidden:
            yield from _texts(field, value)
    if recorded.privacy == "revealed":
        yield from ((name, str(text)) for name, text in recorded.words.items())


@per_class
def _personal(cls: type[Any]) -> frozenset[str]:
    """The fields of an event class that hold words."""
    return frozenset(personal_fields(cls))


def _texts(field: str, value: Any) -> Iterator[tuple[str, str]]:
    """The texts in a value, without times: `asks.ask_id` and so on."""
    if isinstance(value, str):
        if not _TIME.fullmatch(value):
            yield field, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(f"{field}.{name}", each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(field, each)


def _excerpt(value: str, at: int) -> str:
    """The part of a long text in which something was found."""
    if len(value) <= _LONGEST:
        return value
    begin, end = max(at - _AROUND, 0), at + 2 * _AROUND
    return f"{'…' if begin else ''}{value[begin:end]}{'…' if end < len(value) else ''}"
