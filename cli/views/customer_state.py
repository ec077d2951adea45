"""A customer over all their cases: one object, which programs get and people see as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import Any

from casestore.streams.wording import words
from cli.terminal.output import Column, cell, heading, table

CASES = "case_id status opened_at category agent team waiting_since undelivered close_reason"
PROMISES = "promise_id case_id kind due_at state late_by_s"
GOODWILL = "ledger id case_id given_at kind value given_by status"
_SECTIONS = {
    "cases": ("Cases", CASES),
    "promises": ("Promises", "promise_id case_id kind due_at state"),
    "goodwill": ("Goodwill and remedies", GOODWILL),
    "preferences": ("Preferences", "preference value since words"),
    "facts": ("Facts", "field recorded_at stale_after stale value"),
    "merges": ("Merges", "at customer_id what other"),
}
"""What is shown as a table: the heading and the columns, by the object's key."""


def rows(lines: Sequence[object], names: str) -> Iterator[dict[str, Any]]:
    """Some fields of a report's lines."""
    for line in lines:
        yield {name: getattr(line, name) for name in names.split()}


# --- for people ----------------------------------------------------------------------------


def lines(shown: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    """The object as text for people."""
    yield heading(f"Customer {shown['customer_id']} at {cell(shown['as_of'], zone)}")
    told = [(name, text) for name, text in _told(shown, zone) if text]
    width = max((len(name) for name, _ in told), default=0)
    yield from (f"{name:{width}}  {text}" for name, text in told)
    for key, (title, names) in _SECTIONS.items():
        if each := [_for_people(row) for row in shown[key]]:
            yield ""
            yield heading(title)
            columns = [Column(name) for name in names.split() if any(row[name] for row in each)]
            yield from table(columns, each, zone=zone)


def _told(shown: Mapping[str, Any], zone: tzinfo) -> Iterator[tuple[str, str]]:
    others = [each for each in shown["customers"] if each != shown["customer_id"]]
    yield "registered", cell(shown["registered_at"], zone)
    yield "since", cell(shown["since"], zone)
    yield "name", cell(shown["name"])
    yield "contact", cell(shown["contact"])
    yield "one with", cell(others)
    cases = shown["cases"]
    standing = [f"{sum(c['status'] == 'open' for c in cases)} open"] if cases else []
    yield "cases", cell([str(len(cases)), *standing])
    yield "given", cell(shown["gestures_sum"])
    yield "remedies", cell(shown["remedies_sum"])


_CODES = ("kind", "state", "status", "ledger", "preference", "close_reason")


def _for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its codes put into words."""
    return {n: words(v).replace("_", " ") if n in _CODES else v for n, v in row.items()}
