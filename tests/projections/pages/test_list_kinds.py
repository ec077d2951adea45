"""Kinds of lists: every list has columns of its report, and words for all of them."""

from __future__ import annotations

from projections.pages.list_kinds import LISTS, MAIN, columns, every_column


def test_what_a_list_does_not_show_has_words_too() -> None:
    """What has changed shows it."""
    headings = {each.heading for name in LISTS for each in every_column(name).values()}
    assert not [each for each in headings if each.endswith(" s") or "_" in each]


def test_every_list_has_columns_that_its_report_has() -> None:
    for name, kind in LISTS.items():
        fields = kind.report.line.__struct_fields__
        assert {column.name for column in columns(name)} <= set(fields), name
    assert set(MAIN) <= set(LISTS)
