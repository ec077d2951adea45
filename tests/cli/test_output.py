"""The renderer: the same rows as a table, JSON, NDJSON and CSV, safe wherever they are opened."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from casestore.events import Money, Ref
from cli.terminal.options import shared
from cli.terminal.output import Cells, Column, print_long_object, print_object, print_rows
from cli.terminal.text import visible

NASTY = "a\x1b[2Jb\x9bc\u202ed\u2066e\x7ff\ng\th\r\ni"


@pytest.fixture
def printed() -> Callable[..., str]:
    """Print something in a format."""

    def run(form: str, show: Callable[[], None]) -> str:
        @click.command
        @shared
        def command() -> None:
            show()

        result = CliRunner(env={"COLUMNS": "80"}).invoke(command, ["--format", form])
        assert result.exit_code == 0, result.exception
        return result.stdout

    return run


Printed = Callable[..., str]
COLUMNS = (
    Column("case_id"),
    Column("age", right=True),
    Column("words", people=False),
    Column("told", "in words", programs=False),
)
ROWS: list[Cells] = [
    {"case_id": "c1", "age": 7, "words": ["a", "b"], "told": "seven days"},
    {"case_id": "漢字", "age": 1234, "told": "[bold]long[/bold]"},
]


def test_a_table_in_a_pipe_is_plain_text(printed: Printed) -> None:
    assert printed("table", lambda: print_rows(COLUMNS, ROWS)) == (
        "case_id   age  in words\nc1          7  seven days\n漢字     1234  [bold]long[/bold]\n"
    )


def test_a_table_is_never_cut_in_a_pipe(printed: Printed) -> None:
    long = "word " * 100
    rows = [{"case_id": long}]
    assert long.strip() in printed("table", lambda: print_rows([Column("case_id")], rows))


def test_nothing_is_said_in_words(printed: Printed) -> None:
    assert printed("table", lambda: print_rows(COLUMNS, [], empty="no cases")) == "no cases\n"
    assert printed("json", lambda: print_rows(COLUMNS, [])) == "[]\n"
    assert printed("ndjson", lambda: print_rows(COLUMNS, [])) == ""
    assert printed("csv", lambda: print_rows(COLUMNS, [])) == "case_id,age,words\n"


def test_the_same_rows_for_programs(printed: Printed) -> None:
    expected = [
        {"case_id": "c1", "age": 7, "words": ["a", "b"]},
        {"case_id": "漢字", "age": 1234, "words": None},
    ]
    as_json = printed("json", lambda: print_rows(COLUMNS, ROWS))
    assert json.loads(as_json) == expected
    assert "漢字" in as_json
    lines = printed("ndjson", lambda: print_rows(COLUMNS, ROWS)).splitlines()
    assert list(map(json.loads, lines)) == expected
    as_csv = printed("csv", lambda: print_rows(COLUMNS, ROWS))
    assert as_csv == 'case_id,age,words\nc1,7,"[""a"", ""b""]"\n漢字,1234,\n'


def test_values_for_programs(printed: Printed) -> None:
    value = {
        "at": datetime(2026, 3, 2, 17, tzinfo=UTC),
        "exact": datetime(2026, 3, 2, 17, 0, 0, 5, tzinfo=UTC),
        "money": Money(amount=Decimal("25.00"), currency="USD"),
        "large": Money(amount=Decimal("1E+3"), currency="JPY"),
        "by": Ref(kind="reply", id="r1"),
        "id": UUID(int=1),
        "flag": True,
        "nothing": None,
    }
    assert json.loads(printed("json", lambda: print_object(value))) == {
        "at": "2026-03-02T17:00:00Z",
        "exact": "2026-03-02T17:00:00.000005Z",
        "money": {"amount": "25.00", "currency": "USD"},
        "large": {"amount": "1000", "currency": "JPY"},
        "by": {"kind": "reply", "id": "r1"},
        "id": "00000000-0000-0000-0000-000000000001",
        "flag": True,
        "nothing": None,
    }
    columns = [Column(name) for name in value]
    line = printed("csv", lambda: print_rows(columns, [value])).splitlines()[1]
    assert line.startswith("2026-03-02T17:00:00Z,2026-03-02T17:00:00.000005Z,25.00 USD,1000 JPY,")
    assert line.endswith(",true,")


@pytest.mark.parametrize(
    ("given", "harmless"),
    [
        ("=1+1", "'=1+1"),
        ("+49 30 1234", "'+49 30 1234"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'␉=1"),
        ("\r=1", "'␍=1"),
        ("-5", "-5"),
        ("-5.25", "-5.25"),
        (-5, "-5"),
        ("plain = text", "plain = text"),
    ],
)
def test_a_csv_cell_is_no_formula(printed: Printed, given: Any, harmless: str) -> None:
    text = printed("csv", lambda: print_rows([Column("cell")], [{"cell": given}]))
    (_, row) = csv.reader(io.StringIO(text, newline=""))
    assert row == [harmless]


def test_text_cannot_steer_the_terminal(printed: Printed) -> None:
    assert visible(NASTY) == "a␛[2Jb<U+009B>c<U+202E>d<U+2066>e<U+007F>f⏎g␉h⏎i"
    rows = [{"cell": NASTY}]
    for form in ("table", "json", "ndjson"):
        shown = printed(form, lambda: print_rows([Column("cell")], rows))
        assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\x7f"} & set(shown)
        if form != "table":
            assert NASTY in json.dumps(json.loads(shown)).encode().decode("unicode_escape")


@pytest.mark.parametrize("form", ["csv", "tsv", "markdown", "html"])
def test_no_format_holds_control_or_bidi_characters(printed: Printed, form: str) -> None:
    row = {"cell": NASTY, "listed": [NASTY], "inner": {"a": NASTY}}
    shown = printed(form, lambda: print_rows([Column(name) for name in row], [row]))
    assert not {"\x1b", "\x9b", "\u202e", "\u2066", "\x7f", "\r"} & set(shown)
    lines = shown.splitlines()
    assert [line.count("\t") for line in lines] == (
        [2] * len(lines) if form == "tsv" else [0] * len(lines)
    )
    assert len(lines) == {"csv": 2, "tsv": 2, "markdown": 3, "html": 8}[form]


def test_money_takes_two_columns_of_a_sheet(printed: Printed) -> None:
    columns = [Column("id"), Column("value", money=True), Column("n", right=True)]
    rows: list[Cells] = [
        {"id": "a", "value": Money(amount=Decimal("25.00"), currency="USD"), "n": 1},
        {"id": "b", "value": None, "n": 2},
        {"id": "c", "value": 3, "n": None},  # a limit of so many gestures
    ]
    expected = "id,value,value_currency,n\na,25.00,USD,1\nb,,,2\nc,3,,\n"
    assert printed("csv", lambda: print_rows(columns, rows)) == expected
    assert printed("tsv", lambda: print_rows(columns, rows)) == expected.replace(",", "\t")


def test_documents_show_text_as_it_stands(printed: Printed) -> None:
    rows = [{"case_id": "a|b *c* <i>&amp; `d` [e](f) g_h _i_", "age": 7, "told": "x"}]
    assert printed("markdown", lambda: print_rows(COLUMNS, rows)).splitlines() == [
        "| case_id | age | in words |",
        "| --- | --: | --- |",
        r"| a\|b \*c\* \<i\>\&amp; \`d\` \[e\](f) g_h \_i\_ | 7 | x |",
    ]
    page = printed("html", lambda: print_rows(COLUMNS, rows))
    assert "a|b *c* &lt;i&gt;&amp;amp; `d` [e](f) g_h _i_</td>" in page
    assert "<style" not in page
    assert "class=" not in page


def test_an_object_in_documents_and_sheets_has_a_line_for_each_leaf(printed: Printed) -> None:
    value = {"id": "a", "inner": {"list": [1, "=2"]}}
    shown = printed("tsv", lambda: print_object(value))
    assert shown == "field\tvalue\nid\ta\ninner.list.0\t1\ninner.list.1\t'=2\n"
    assert "| inner.list.1 | =2 |" in printed("markdown", lambda: print_object(value))


LONG: list[dict[str, Any]] = [
    {},
    {"rows": []},
    {"report": "cases", "rows": [{"id": NASTY, "of": []}, {"id": "c", "of": [1, {"d": None}]}]},
    {
        "rows": ROWS,
        "summary": {"by": {"month": 1}, "sums": [Money(amount=Decimal("1.50"), currency="EUR")]},
    },
]


@pytest.mark.parametrize("value", LONG)
def test_a_long_object_is_printed_as_a_short_one_is(
    printed: Printed, value: dict[str, Any]
) -> None:
    read = {name: iter(each) if name == "rows" else each for name, each in value.items()}
    assert printed("json", lambda: print_long_object(read)) == printed(
        "json", lambda: print_object(value)
    )
