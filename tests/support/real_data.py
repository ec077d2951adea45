"""Real logs of case work as casestore events: lines that `casestore import` reads.

They are read by mappings, as anybody's tables are. Nothing is corrected: rows may repeat, have the
same time, or go back in time. The events say only what a row says. An update for which the
vocabulary has no event becomes a NoteAdded that names the change. So does an update whose meaning
we would have to guess: was "Awaiting User Info" a question to the customer, and which one? A row
that shows no change at all, or only counters of the log itself, becomes no event, and is told of.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from casestore.intake import Options, read
from casestore.intake.csv import Mapping, load, read_mapping, text_of
from casestore.transfer.lines import LeftOut
from casestore.transfer.lines import Line as Made

Line = dict[str, Any]
"""One line to import: stream, type, data, key, source."""
Row = dict[str, str]

INCIDENTS = "uci_incidents_2000.csv.gz"
TICKETS = "helpdesk_tickets.csv.gz"
PERMITS = "permit_receipts_half.csv.gz"


def incidents(data_dir: Path) -> Iterator[Line]:
    """The 2,000 incidents of UCI's log. Its times name no zone; they are taken as UTC."""
    return lines(data_dir / INCIDENTS, _of_incidents())


@cache
def _of_incidents() -> Mapping:
    # Here "?" is a team like the others: the log's own counter counts each change to and from it.
    a_team = "[file.missing_in]\nassignment_group = []\n\n[case]"
    return read_mapping(text_of("servicenow-incidents").replace("[case]", a_team))


def incident_answers(data_dir: Path) -> dict[str, tuple[int, int]]:
    """Each incident's largest (reopen_count, reassignment_count): the counts of the log itself."""
    return {
        number: (
            max(int(row["reopen_count"]) for row in rows),
            max(int(row["reassignment_count"]) for row in rows),
        )
        for number, rows in histories(data_dir / INCIDENTS, "number")
    }


def tickets(data_dir: Path) -> Iterator[Line]:
    """The 4,580 tickets of an Italian help desk."""
    return lines(data_dir / TICKETS, mapping("helpdesk_tickets"))


def tickets_resolved_more_than_once(data_dir: Path) -> set[str]:
    """The tickets that the log says were resolved again."""
    return {
        ticket
        for ticket, rows in histories(data_dir / TICKETS, "case:concept:name")
        if sum(row["concept:name"] == "Resolve ticket" for row in rows) > 1
    }


def permits(data_dir: Path) -> Iterator[Line]:
    """The 726 permit applications of a municipality; see `tests.support.permits`."""
    return lines(data_dir / PERMITS, mapping("permits"))


# --- all ------------------------------------------------------------------------------------


def mapping(name: str) -> Mapping:
    """A mapping of the tests' own."""
    return load(Path(__file__).with_name(f"{name}.toml"))


def lines(path: Path, by: Mapping) -> Iterator[Line]:
    """The events of a file as lines to import."""
    for each in read("csv", [path], Options(mapping=by)):
        if isinstance(each, Made):
            yield {
                "stream": each.stream,
                "type": each.type,
                "data": each.fields,
                "key": each.key,
                "source": each.source,
            }


def rows_told_of(path: Path, by: Mapping) -> int:
    """How many rows of a file became events, or were told of."""
    told = read("csv", [path], Options(mapping=by))
    return len({each.where for each in told if isinstance(each, Made | LeftOut)})


def histories(path: Path, column: str) -> Iterator[tuple[str, list[Row]]]:
    """Each case and its rows, which stand together in all of the files."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for case_id, rows in groupby(csv.DictReader(file), itemgetter(column)):
            yield case_id, list(rows)
