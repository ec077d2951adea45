"""Two real logs of case work as casestore events: lines that `casestore import` reads.

Every row becomes at least one event, in the order of the file. Nothing is corrected: rows may
repeat, have the same time, or go back in time. The events say only what a row says. An update for
which the vocabulary has no event becomes a NoteAdded that names the change. So does an update whose
meaning we would have to guess: was "Awaiting User Info" a question to the customer, and which one?

A third log, made with the same helpers, is in tests.support.permits.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from typing import Any

Line = dict[str, Any]
"""One line to import: stream, type, data, key, source."""
Row = dict[str, str]
Fact = tuple[str, dict[str, str]]
"""An event's type and its fields beyond time and actor."""

INCIDENTS = "uci_incidents_2000.csv.gz"
TICKETS = "helpdesk_tickets.csv.gz"

_MISSING = {"?", "-100"}

# The columns of a case's product, region and category. Incidents have no product: the nearest to
# one is the subcategory that the incident was filed under.
_INCIDENT_KIND = {"product": "subcategory", "region": "location", "category": "category"}
_TICKET_KIND = {"product": "product", "category": "service_type"}


# --- incidents ------------------------------------------------------------------------------

_OVER = {"Resolved", "Closed"}
# Columns whose changes need no note: the events say the same in another form.
_INCIDENT_COVERED = {
    "assignment_group",
    "active",
    "reopen_count",
    "sys_mod_count",
    "sys_updated_by",
    "sys_updated_at",
    *_INCIDENT_KIND.values(),  # in the file, none of these is known first and missing later
}


def incidents(data_dir: Path) -> Iterator[Line]:
    """The 2,000 incidents of UCI's log. Its times name no zone; they are taken as UTC."""
    for number, rows in histories(data_dir / INCIDENTS, "number"):
        first = rows[0]
        caller = first["caller_id"]
        opened = {
            # Callers that are not known are different customers, not one and the same.
            "customer_id": f"Caller of {number}" if caller in _MISSING else caller,
            "channel": "phone" if first["contact_type"] == "Phone" else "other",
            **_known(first, _INCIDENT_KIND),
            **_known(first, {"subject": "u_symptom"}),
        }
        when = _utc(first["opened_at"])
        yield line_of(INCIDENTS, number, 0, ("CaseOpened", opened), at=when, by=first["opened_by"])
        # The log starts with the first update; before it the case was new and assigned to nobody.
        new = first | {"incident_state": "New", "assignment_group": ""}
        for index, (before, row) in enumerate(pairwise([new, *rows])):
            when = _utc(row["sys_updated_at"])
            for fact in _incident_update(before, row):
                yield line_of(INCIDENTS, number, index, fact, at=when, by=row["sys_updated_by"])


def _incident_update(before: Row, row: Row) -> list[Fact]:
    was_over, over = before["incident_state"] in _OVER, row["incident_state"] in _OVER
    covered = set(_INCIDENT_COVERED)
    facts: list[Fact] = []
    if was_over and not over:
        facts.append(("CaseReopened", {}))
    facts += _reclassified(before, row, _INCIDENT_KIND)
    if row["assignment_group"] != before["assignment_group"]:
        # "?" is a team like the others: the file's own counter counts every change to and from it.
        # The agent (assigned_to) changes within a team too: a note says so, as that is no handover.
        facts.append(("CaseAssigned", {"team": row["assignment_group"]}))
        covered.add("reassignment_count")
    if was_over is not over:
        covered.add("incident_state")
    if changes := _changes(before, row, covered):
        facts.append(("NoteAdded", {"text": "; ".join(changes)}))
    if over and not was_over:
        # The closed_code is anonymised ("code 6"), so that we know no better reason.
        facts.append(("CaseClosed", {"reason": "resolved"}))
    # Without any change, somebody saved the incident, and no column shows what for.
    return facts or [("NoteAdded", {})]


def incident_answers(data_dir: Path) -> dict[str, tuple[int, int]]:
    """Each incident's largest (reopen_count, reassignment_count): the counts of the log itself."""
    return {
        number: (
            max(int(row["reopen_count"]) for row in rows),
            max(int(row["reassignment_count"]) for row in rows),
        )
        for number, rows in histories(data_dir / INCIDENTS, "number")
    }


# --- tickets --------------------------------------------------------------------------------

_TICKET = "case:concept:name"
_ACTIVITY = "concept:name"
_TAKE, _RESOLVE = "Take in charge ticket", "Resolve ticket"
# What may follow on a resolved ticket without more work on it: it is filed, or the tracker of
# software faults (whose states are in capitals) says what became of a fault.
_AFTERMATH = {"Closed", "RESOLVED", "INVALID", "VERIFIED", "DUPLICATE"}
_TICKET_COVERED = {
    "seq_in_trace",
    _ACTIVITY,
    "org:resource",
    "time:timestamp",
    *_TICKET_KIND.values(),
}


def tickets(data_dir: Path) -> Iterator[Line]:
    """The 4,580 tickets of an Italian help desk."""
    for ticket, rows in histories(data_dir / TICKETS, _TICKET):
        first = rows[0]
        # A few later rows name another customer. A case keeps its first; a note names the other.
        opened = {
            "customer_id": first["customer"],
            "channel": "other",
            **_known(first, _TICKET_KIND),
        }
        when, who = first["time:timestamp"], first["org:resource"]
        yield line_of(TICKETS, ticket, 0, ("CaseOpened", opened), at=when, by=who)
        resolved = False
        for index, (before, row) in enumerate(pairwise([first, *rows])):
            when, who = row["time:timestamp"], row["org:resource"]
            for fact in _ticket_update(before, row, resolved):
                yield line_of(TICKETS, ticket, index, fact, at=when, by=who)
            activity = row[_ACTIVITY]
            resolved = activity == _RESOLVE or (resolved and activity in _AFTERMATH)


def _ticket_update(before: Row, row: Row, resolved: bool) -> list[Fact]:
    activity = row[_ACTIVITY]
    covered = set(_TICKET_COVERED)
    facts: list[Fact] = []
    if resolved and activity not in _AFTERMATH:
        # Whoever works on a resolved ticket, or resolves it again, has reopened it.
        facts.append(("CaseReopened", {}))
    facts += _reclassified(before, row, _TICKET_KIND)
    if activity == _TAKE:
        facts.append(("CaseAssigned", {"agent": row["org:resource"], "team": row["workgroup"]}))
        covered.add("workgroup")
    words = [] if activity in (_TAKE, _RESOLVE) else [activity]
    if words := words + _changes(before, row, covered):
        facts.append(("NoteAdded", {"text": "; ".join(words)}))
    if activity == _RESOLVE:
        facts.append(("CaseClosed", {"reason": "resolved"}))
    return facts


def tickets_resolved_more_than_once(data_dir: Path) -> set[str]:
    """The tickets that the log says were resolved again."""
    return {
        ticket
        for ticket, rows in histories(data_dir / TICKETS, _TICKET)
        if sum(row[_ACTIVITY] == _RESOLVE for row in rows) > 1
    }


# --- all ------------------------------------------------------------------------------------


def histories(path: Path, column: str) -> Iterator[tuple[str, list[Row]]]:
    """Each case and its rows, which stand together in all of the files."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for case_id, rows in groupby(csv.DictReader(file), itemgetter(column)):
            yield case_id, list(rows)


def line_of(
    file: str, case_id: str, index: int, fact: Fact, *, at: str, by: str, team: str | None = None
) -> Line:
    """A fact as a line to import; `index` is that of its row among the rows of the case."""
    kind, fields = fact
    # The logs do not say which accounts are machines: all are taken for agents.
    actor = {"kind": "agent", "id": by} | ({"team": team} if team else {})
    return {
        "stream": f"case:{case_id}",
        "type": kind,
        "data": {"occurred_at": at, "actor": actor, **fields},
        # Unique, because a row never gives two events of one type.
        "key": f"{case_id}/{index}/{kind}",
        "source": file,
    }


def _known(row: Row, columns: dict[str, str]) -> dict[str, str]:
    """The row's values under our names; missing values are left out."""
    return {name: row[col] for name, col in columns.items() if row[col] not in _MISSING}


def _reclassified(before: Row, row: Row, columns: dict[str, str]) -> list[Fact]:
    known = _known(row, columns).items()
    moved = {name: value for name, value in known if value != before[columns[name]]}
    return [("CaseReclassified", moved)] if moved else []


def _changes(before: Row, row: Row, covered: Collection[str]) -> list[str]:
    return [
        f"{column}: {before[column]} → {value}"
        for column, value in row.items()
        if value != before[column] and column not in covered
    ]


@cache
def _utc(text: str) -> str:
    """A time in ISO 8601. In the file, the day is first: 29/2/2016 01:16."""
    return datetime.strptime(text, "%d/%m/%Y %H:%M").replace(tzinfo=UTC).isoformat()
