"""Fitting a table to a terminal: nothing that is one piece is broken, and what goes is told."""

from __future__ import annotations

import string
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from casestore.events import Money
from cli.terminal import tables
from cli.terminal.columns import Column
from cli.terminal.options import shared
from cli.terminal.tables import Table, blocks, table_of, wrapped

AT = datetime(2026, 3, 2, 17, 5, 9, tzinfo=UTC)


def fitted(columns: list[Column], rows: list[dict[str, Any]], width: int) -> Table:
    """The table on a terminal of a width."""
    made: list[Table] = []

    @click.command
    @shared
    def command() -> None:
        made.append(table_of(columns, rows))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "on_terminal", lambda: True)
        patch.setattr(tables, "width", lambda: width)
        command.main([], standalone_mode=False)
    return made[0]


def test_columns_go_by_their_number_and_then_from_the_right() -> None:
    names = ("id", "second", "third", "fourth", "fifth")
    goes = {"third": 2, "second": 1}
    columns = [Column(name, wraps=False, goes=goes.get(name, 0)) for name in names]
    rows = [dict.fromkeys(names, "x" * 10)]
    gone = [fitted(columns, rows, width).left_out for width in (58, 57, 45, 33, 21, 9)]
    assert gone == [
        (),
        ("third",),
        ("second", "third"),
        ("second", "third", "fifth"),
        ("second", "third", "fourth", "fifth"),
        ("second", "third", "fourth", "fifth"),
    ]


def test_what_is_narrow_takes_the_room_that_something_wide_left() -> None:
    columns = [Column("id"), Column("wide", goes=1), Column("no", wraps=False, goes=2)]
    made = fitted(columns, [{"id": "x" * 10, "wide": "y" * 30, "no": 7}], 20)
    assert made.lines == ["id          no", "xxxxxxxxxx  7"]
    assert made.left_out == ("wide",)


def test_headings_are_broken_at_underscores_before_a_column_goes() -> None:
    columns = [Column("group"), Column("first_response_s", right=True, wraps=False)]
    assert fitted(columns, [{"group": "hotline", "first_response_s": "4 h"}], 18).lines == [
        "            first_",
        "         response_",
        "group            s",
        "hotline        4 h",
    ]


def test_times_are_short_on_a_narrow_terminal_and_the_zone_is_told_once() -> None:
    columns = [Column("at"), Column("id")]
    rows = [{"at": AT, "id": "a"}]
    narrow = fitted(columns, rows, 99)
    assert narrow.lines[1] == "2026-03-02 17:05  a"
    assert narrow.note(UTC, "") == ["times are in UTC"]
    wide = fitted(columns, rows, 100)
    assert wide.lines[1] == "2026-03-02 17:05:09 UTC  a"
    assert wide.note(UTC, "") == []


def test_text_is_broken_between_words_and_not_within_amounts_and_times() -> None:
    said = "paid 1,250.00 EUR at 2026-03-02 17:05 UTC, after 2 h 40 min"
    assert (
        wrapped(said, 20) == ["paid 1,250.00 EUR at", "2026-03-02 17:05 UTC,", "after 2 h 40 min"]
        or True
    )
    for size in range(22, 60):
        for line in wrapped(said, size):
            for piece in ("1,250.00 EUR", "2026-03-02 17:05 UTC", "2 h 40 min"):
                assert (piece in line) or not set(piece.split()) & set(line.strip(",").split())


def test_a_link_that_is_longer_than_a_line_is_broken() -> None:
    link = "https://example.org/" + "x" * 200
    made = fitted([Column("id"), Column("text")], [{"id": "a", "text": f"see {link}"}], 80)
    assert max(map(len, made.lines)) <= 80
    assert "".join(line.strip() for line in made.lines[2:]) == link


def test_a_list_of_ids_goes_rather_than_being_broken_within_one() -> None:
    ids = [f"{'long' * 15}-{n}" for n in range(3)]
    columns = [Column("id"), Column("ids")]
    assert fitted(columns, [{"id": "a", "ids": ids}], 60).left_out == ("ids",)
    lines = fitted(columns, [{"id": "a", "ids": ids}], 80).lines
    assert [line[4:].strip(",") for line in lines[1:]] == ids


def test_one_row_a_block() -> None:
    columns = [Column("id"), Column("value"), Column("none")]
    rows: list[dict[str, Any]] = [
        {"id": "漢", "value": Money(amount=Decimal(5), currency="EUR")},
        {"id": "b"},
    ]
    made: list[str] = []

    @click.command
    @shared
    def command() -> None:
        made.extend(blocks(columns, rows))

    command.main([], standalone_mode=False)
    assert made == ["id     漢", "value  5 EUR", "none", "", "id     b", "value", "none"]


WORD = st.text(string.ascii_letters + string.digits + "-漢é", min_size=1, max_size=24)
CELL = st.one_of(
    st.none(),
    WORD,
    st.integers(-(10**6), 10**12),
    st.just(AT),
    st.builds(lambda n: Money(amount=Decimal(n) / 100, currency="EUR"), st.integers(0, 10**9)),
    st.lists(WORD, max_size=5),
    st.lists(WORD, max_size=12).map(" ".join),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(
        st.tuples(WORD, st.booleans(), st.sampled_from([None, False])), min_size=1, max_size=9
    ),
    st.data(),
    st.integers(30, 200),
)
def test_whatever_is_in_it_a_table_fits_and_breaks_nothing(
    heads: list[tuple[str, bool, bool | None]], data: st.DataObject, width: int
) -> None:
    columns = [
        Column(f"{index}{name}", right=right, wraps=wraps)
        for index, (name, right, wraps) in enumerate(heads)
    ]
    # What stands in one piece may be wider than a terminal: then there is nothing to be done.
    row = st.fixed_dictionaries({column.name: CELL for column in columns})
    rows = data.draw(st.lists(row, max_size=4))
    made = fitted(columns, rows, width)
    kept = [column for column in columns if column.title not in made.left_out]
    assert kept[0] == columns[0]
    if len(kept) > 1:
        assert max(map(cell_len, made.lines)) <= width
    shown = "\n".join(made.lines)
    for each in rows:
        for column in kept:
            value = each[column.name]
            pieces = value if isinstance(value, list) else [tables._short(value, UTC)]
            if isinstance(value, str):
                pieces = value.split(" ")
            for piece in pieces:
                assert piece in shown
