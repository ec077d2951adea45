"""The lines of a report: sorted and cut as its whole list is, and made while they are read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from casestore import CaseStore
from projections import reports
from projections.query.asking import Ask, asking
from projections.query.lines import PIECE, Lines
from projections.query.report import CannotAsk, Report
from projections.query.selection import Selection
from tests.generate import fill
from tests.support.stories import customer_merged, opened, promised

LISTS: list[tuple[Report[Any], dict[str, Any]]] = [
    (reports.cases, {}),
    (reports.cases, {"status": ("open", "merged")}),
    (reports.promises, {}),
    (reports.promises, {"broken": True}),
    (reports.goodwill_given, {}),
    (reports.undelivered, {}),
    (reports.responses, {}),
    (reports.responses, {"complaints": True}),
    (reports.lapses, {}),
    (reports.waiting, {}),
]
MIB = 1024 * 1024
MANY = 8_000
"""Cases: all their lines in memory are several times what a few hundred rows take."""
MOST = 5
"""MiB. PostgreSQL sends 2,000 rows at a time."""


@pytest.fixture(params=["as it stands", "as of another time"])
def ask(request: pytest.FixtureRequest, store_url: str) -> Iterator[Ask]:
    past = datetime(2024, 6, 1, tzinfo=UTC)
    with CaseStore.create(store_url) as store:
        fill(store, 4_000, merged=0.3)
        selection = Selection(as_of=past if request.param == "as of another time" else None)
        with asking(store, selection) as ask:
            yield ask


def in_order(rows: list[Any], name: str, *, largest_first: bool) -> list[Any]:
    """Rows sorted by a field, slowly: what is not known comes last, and equals stay in order."""

    def key(row: Any) -> Any:
        value = getattr(row, name)
        return (value.currency, value.amount) if hasattr(value, "currency") else value

    known = [row for row in rows if getattr(row, name) is not None]
    known.sort(key=key, reverse=largest_first)
    return known + [row for row in rows if getattr(row, name) is None]


def test_whoever_sorts_the_lines_come_in_the_same_order(ask: Ask) -> None:
    for report, options in LISTS:
        whole = ask(report, **options)
        rows = list(whole.rows)
        assert len(rows) == whole.total
        assert len(rows) > 7, f"{report.name} shows nothing"
        for most in (0, 1, 7, len(rows), len(rows) + 1):
            assert ask(report, limit=most, **options).rows == rows[:most]
        for sort in report.line.__struct_fields__:
            for largest_first in (False, True):
                expected = in_order(rows, sort, largest_first=largest_first)
                for limit in (None, 7):
                    found = ask(report, sort="-" * largest_first + sort, limit=limit, **options)
                    assert found.rows == expected[:limit], (report.name, sort, largest_first)
                    assert (found.total, found.summary) == (whole.total, whole.summary)


def test_there_is_no_number_of_rows_below_none(store_url: str) -> None:
    with CaseStore.create(store_url) as store, pytest.raises(CannotAsk, match="cannot be -1"):
        reports.cases(store, limit=-1)


@pytest.fixture
def large(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as store:
        for start in range(0, MANY, 500):
            store.append_all(
                [
                    (f"case:{n:05}", [opened(customer_id=f"k{n}"), promised(due="+1h")])
                    for n in range(start, start + 500)
                ]
            )
        store.append("customer:k5000", customer_merged(into="k1"))
        reports.ageing(store)  # from here on the tables are there
        yield store


def peak(store: CaseStore, report: Report[Any], **asked: Any) -> float:
    """The most memory, in MiB, that a report takes if each line is let go when it was read."""
    tracemalloc.start()
    try:
        with report.reading(store, **asked) as result:
            for _ in result.rows:
                pass
        return tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()


def test_a_few_rows_of_many_and_all_of_them_one_after_the_other_take_little_memory(
    large: CaseStore,
) -> None:
    asked: list[tuple[Report[Any], dict[str, Any]]] = [
        (reports.cases, {"sort": "-opened_at", "limit": 20}),
        (reports.cases, {"sort": "-promises_broken", "limit": 20}),
        (reports.cases, {"sort": "-last_event_at"}),
        (reports.promises, {"broken": True}),
    ]
    peak(large, reports.cases, limit=1)  # what is loaded once counts no more
    for report, options in asked:
        assert (used := peak(large, report, **options)) < MOST, (report.name, options, used)
    tracemalloc.start()
    held = reports.cases(large)
    assert tracemalloc.get_traced_memory()[0] > MOST * MIB, "or it shows nothing"
    tracemalloc.stop()
    assert held.total == MANY


def test_lines_are_made_of_one_snapshot_with_what_belongs_to_each(large: CaseStore) -> None:
    with reports.cases.reading(large) as result:
        rows = iter(result.rows)
        first = next(rows)
        large.append("case:new", opened())
        assert reports.cases(large).total == MANY + 1
        rest = list(rows)
    assert (first.promises_broken, len(rest)) == (1, MANY - 1)
    customers = {row.case_id: row.customer_id for row in rest}
    assert customers["05000"] == "k1"
    assert sum(row.promises_broken for row in rest) == MANY - 1


def test_who_reads_on_after_the_end_is_not_given_less_without_a_word(large: CaseStore) -> None:
    with reports.cases.reading(large) as result:
        rows = iter(result.rows)
        assert next(rows).case_id == "00000"
    with pytest.raises(ValueError, match="within the context"):
        list(rows)
    assert reports.cases(large).total == MANY


def test_lines_are_a_sequence() -> None:
    rows = list(range(3 * PIECE))
    made: list[int] = []

    def make(some: Any) -> Any:
        made.append(len(some))
        return (-row for row in some if row % 2)

    lines: Lines[int] = Lines(
        lambda *, order, limit: iter(rows if limit is None else rows[:limit]),
        make,
        total=len(rows) // 2,
        every=False,
    )
    assert len(lines) == 3 * PIECE // 2
    assert next(iter(lines)) == -1
    assert made == [PIECE]
    assert lines[1] == -3
    assert lines[:2] == [-1, -3]
    assert list(lines) == list(lines)
