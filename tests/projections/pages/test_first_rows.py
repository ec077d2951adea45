"""The first rows of a list, found by the database, are those that the report has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from projections import reports
from projections.pages import lists
from projections.pages.first_rows import FINDS
from projections.pages.links import Rows, StaticLinks
from projections.pages.lists import chosen
from projections.pages.overview import overview
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.selection import Selection
from tests import generate


@pytest.mark.parametrize("part", ["", "team", "category"])
def test_they_are_the_same(store_url: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with CaseStore.create(store_url) as store:
        generate.fill(store, 3_000)
        rows = reports.cases(store).rows
        asked: Any = {"as_of": max(row.last_event_at for row in rows) - timedelta(days=20)}
        if part:
            asked[part] = sorted({getattr(row, part) for row in rows} - {None})[:2]
        with asking(store, Selection(**asked)) as ask:
            links = StaticLinks()
            pages = Pages(store, ask, links)
            overview(pages, "week")
            several = [rows for rows in links.lists if rows.report in FINDS]
            several += [Rows(name) for name in FINDS]
            assert len(several) > 12
            found = [[chosen(pages, each, most) for most in (0, 5, 1000)] for each in several]
            monkeypatch.setattr(lists, "first_rows", lambda *_: None)
            for each, three in zip(several, found, strict=True):
                assert three == [chosen(pages, each, most) for most in (0, 5, 1000)], each


def test_a_list_chosen_by_another_field_is_left_to_the_report(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        generate.fill(store, 500)
        with asking(store, Selection()) as ask:
            pages = Pages(store, ask, StaticLinks())
            channel = Rows("cases", only=(("channel", ("email",)),))
            emails = [row for row in chosen(pages, Rows("cases")).rows if row.channel == "email"]
            assert chosen(pages, channel).total == len(emails)
