"""What logs for process mining share: plain values, and memory that does not grow."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from casestore import Ask, CaseStore, Money
from casestore.events import VOCABULARY, Event
from casestore.events.markers import fields_of, personal_fields
from casestore.transfer.mining import columns, text, values
from casestore.transfer.ocel import write_ocel
from casestore.transfer.ocel_sqlite import write_ocel_sqlite
from casestore.transfer.xes import write_xes
from tests.generate import fill
from tests.support.samples import AT, full

Write = Callable[[CaseStore, Path], int]


@pytest.mark.parametrize("cls", VOCABULARY)
def test_all_that_an_event_holds_is_a_plain_value_but_for_personal_text(cls: type[Event]) -> None:
    event = full(cls)
    found = columns(cls)
    assert len({column.name for column in found}) == len(found)
    fields = {column.field for column in found}
    assert fields == set(fields_of(cls)) - {"occurred_at", *personal_fields(cls)}
    assert {column.field for column, _ in values(event, found)} == fields


def test_values_are_told_as_text() -> None:
    assert text(AT) == "2026-03-02T09:30:00.000000Z"
    assert text(Decimal("25.00")) == "25.00"
    assert (text(True), text(7), text("x")) == ("true", "7", "x")
    assert text(("b", "a")) == '["b","a"]'
    assert text((Ask(ask_id="a1", kind="action"),)) == '[{"ask_id":"a1","kind":"action"}]'
    assert text((Money(amount=Decimal("1E+3"), currency="EUR"),)) == (
        '[{"amount":"1000","currency":"EUR"}]'
    )


@pytest.mark.parametrize("write", [write_ocel, write_ocel_sqlite, write_xes])
def test_little_of_a_log_is_held_in_memory(tmp_path: Path, write: Write) -> None:
    log = tmp_path / "log"
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        fill(store, 4000)
        tracemalloc.start()
        try:
            write(store, log)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 0.25 * log.stat().st_size, peak
