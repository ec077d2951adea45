"""Export as XES, the XML of event logs for process mining: one trace a case.

Format: IEEE 1849-2016, with the standard extensions Concept, Time, Organizational, Lifecycle and
Identity. The schema that is published with it names no namespace, so that the log has none.

The log tells what happened: corrections are applied, and the events come in the order of happening.
It never holds personal text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.sax.saxutils import quoteattr

from casestore.errors import InvalidStream, quoted
from casestore.store import CaseStore
from casestore.streams.history import History, Recorded
from casestore.streams.standing import STANDING, Standing, stand
from casestore.transfer.mining import Type, columns, histories, moment, values

_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1849.2016" xes.features="">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Identity" prefix="identity" uri="http://www.xes-standard.org/identity.xesext"/>
<global scope="trace">
<string key="concept:name" value="unknown"/>
</global>
<global scope="event">
<string key="concept:name" value="unknown"/>
<date key="time:timestamp" value="1970-01-01T00:00:00.000000Z"/>
<string key="org:resource" value="unknown"/>
<string key="lifecycle:transition" value="complete"/>
<id key="identity:id" value="00000000-0000-0000-0000-000000000000"/>
</global>
<classifier name="Activity" scope="event" keys="concept:name"/>
<classifier name="Resource" scope="event" keys="org:resource"/>
"""
_TAGS: dict[Type, str] = {
    "string": "string",
    "time": "date",
    "integer": "int",
    "float": "float",
    "boolean": "boolean",
}
_STANDING = (
    *("status", "close_reason", "channel", "product", "region", "category"),
    *("agent", "team", "merged_into"),
)
"""What a trace says of its case, as it stands at the end."""
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped."""
_ESCAPES = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
"""A reader would make spaces of them in an attribute."""


def write_xes(store: CaseStore, path: Path, *, stream: str | None = None) -> int:
    """Write all cases, or one, into a file. Gives the number of events.

    Args:
        store: the store to read.
        path: the file.
        stream: only this case, like case:4711.

    Raises:
        InvalidStream: `stream` is not the name of a case's stream.
        StreamNotFound: there is no such stream.
        StoreUnavailable: the database does not answer.
        StoreDamaged: a stored event cannot be read.
        OSError: the file cannot be written.
    """
    if stream is not None and not stream.startswith("case:"):
        raise InvalidStream(
            f"{quoted(stream)} is no case, like case:4711: in XES each trace is one"
        )
    with path.open("w", encoding="utf-8", newline="\n") as file:
        return _write(store, file, stream)


def _write(store: CaseStore, file: IO[str], stream: str | None) -> int:
    file.write(_HEAD)
    file.write(_attribute("string", "concept:name", f"casestore {store.meta['store_id']}"))
    file.write(_attribute("string", "lifecycle:model", "standard"))
    count = 0
    for history, happened in histories(store, stream, ("case",)):
        file.writelines(_trace(history, happened))
        count += len(happened)
    file.write("</log>\n")
    return count


def _trace(history: History, happened: list[Recorded]) -> Iterator[str]:
    standing, events = Standing(), []
    for recorded in happened:
        if isinstance(recorded.event, STANDING):
            standing = stand(standing, recorded.event)
        events.append(_event(recorded, standing.team))
    yield "<trace>\n"
    yield _attribute("string", "concept:name", history.stream.removeprefix("case:"))
    if standing.customer_id is not None:
        yield _attribute("string", "customer", standing.customer_id)
    for name in _STANDING:
        if (value := getattr(standing, name)) is not None:
            yield _attribute("string", name, value)
    yield from events
    yield "</trace>\n"


def _event(recorded: Recorded, team: str | None) -> str:
    event = recorded.event
    actor = event.actor
    parts = [
        "<event>\n",
        _attribute("string", "concept:name", recorded.type),
        _attribute("date", "time:timestamp", moment(recorded.occurred_at)),
        _attribute("string", "org:resource", actor.id),
    ]
    if actor.role is not None:
        parts.append(_attribute("string", "org:role", actor.role))
    # An actor without a team acted for the one that had the case.
    if (group := actor.team or (team if actor.kind == "agent" else None)) is not None:
        parts.append(_attribute("string", "org:group", group))
    parts.append(_attribute("string", "lifecycle:transition", "complete"))
    parts.append(_attribute("id", "identity:id", recorded.uid))
    for column, text in values(event, columns(type(event))):
        if column.path[0] != "actor" or column.name == "actor_kind":
            parts.append(_attribute(_TAGS[column.type], column.name, text))
    parts.append("</event>\n")
    return "".join(parts)


def _attribute(tag: str, key: str, value: str) -> str:
    if not value.isascii() or not value.isprintable():
        value = _ILLEGAL.sub("\ufffd", value)
    return f'<{tag} key="{key}" value={quoteattr(value, _ESCAPES)}/>\n'
