"""Times, amounts and flags as people write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore.intake.csv.cells import Times, Unfit, amount, flag, whole
from casestore.intake.values import plain_id

FORMS = ["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d.%m.%Y", "%m/%d/%y", "%Y%m%d", "%d %b %Y"]


@given(st.integers(0, 3_000_000_000), st.sampled_from(FORMS))
def test_a_time_is_read_as_strptime_reads_it(seconds: int, form: str) -> None:
    text = datetime.fromtimestamp(seconds, UTC).strftime(form)
    expected = datetime.strptime(f"{text} +0000", f"{form} %z")
    assert Times([form], UTC).read(text) == expected


@pytest.mark.parametrize("text", ["31/02/2026 10:00", "1/2/26 10:00", "1/2/2026 10:60", "", "x"])
def test_what_is_no_time_is_unfit(text: str) -> None:
    with pytest.raises(Unfit, match="fits none"):
        Times([FORMS[0]], UTC).read(text)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("iso", "2026-02-01T10:00:00+01:00"),
        ("iso", "2026-02-01T09:00:00.000+0000"),
        ("iso", "2026-02-01 09:00:00 UTC"),
        ("epoch", "1769936400"),
        ("epoch_ms", "1769936400000"),
    ],
)
def test_one_moment_in_several_forms(form: str, text: str) -> None:
    assert Times([form], None).read(text) == datetime(2026, 2, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("1.234,50 €", ",", "1234.50"),
        ("$1,234.50", ".", "1234.50"),
        ("1'234.5", ".", "1234.5"),
        ("1\xa0234,5", ",", "1234.5"),
        ("7", ",", "7"),
    ],
)
def test_an_amount(text: str, decimal: str, number: str) -> None:
    assert amount(text, decimal) == number


@pytest.mark.parametrize("text", ["1,5", "1.2.3", "12,34,567", "", "EUR 5", "1e3", "NaN", "-1"])
def test_what_is_no_amount_is_never_another_one(text: str) -> None:
    with pytest.raises(Unfit):
        amount(text, ".")


def test_flags_and_whole_numbers() -> None:
    assert [flag(each) for each in ("TRUE", "no", "1", " f ")] == [True, False, True, False]
    assert [whole(each) for each in ("4", " 4.0", "-7")] == [4, 4, -7]
    for text in ("", "maybe"):
        with pytest.raises(Unfit):
            flag(text)
        with pytest.raises(Unfit):
            whole(text)


def test_an_id_holds_nothing_that_people_cannot_see() -> None:
    assert plain_id("e\u0301\u200b\tx ") == "\xe9 x"
    assert plain_id(" \u202e ") == ""
    assert plain_id("y" * 300) != plain_id("y" * 301)
    assert len(plain_id("y" * 300)) == 64
