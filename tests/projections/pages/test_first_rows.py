"""The first rows of a list, found by the database, are those that the report has."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.append.request import Append
from projections import reports
from projections.models.lapses import OUTCOMES
from projections.pages import lists
from projections.pages.first_rows import FINDS
from projections.pages.links import Rows, StaticLinks
from projections.pages.lists import chosen
from projections.pages.overview import overview
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.selection import Selection
from projections.reports.declared.lapses import ACROSS_CASES
from tests import generate
from tests.generate.story import START
from tests.support.stories import adopted

ROLES = {
    "first_line": {
        "limits": {"EUR": {"per_gesture": "20"}, "USD": {"per_case": "50", "per_year": "60"}},
        "gestures_per_year": 1,
    },
    "supervisor": {"limits": {"EUR": {"per_gesture": "200"}, "GBP": {"per_gesture": "90"}}},
}
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"roles": ROLES, "goodwill": {"gestures_per_year": 1}},
    {"goodwill": {"gestures_per_year": 1, "per_year": {"EUR": "9"}}},
)


def adopt(store: CaseStore, policy: dict[str, Any]) -> None:
    """Import a policy as one that was in force before the first case."""
    event = replace(adopted(policy=policy), occurred_at=START, effective_from=START)
    append = Append(batches=(("policy", (event,)),), key="policy", imported=True)
    assert list(store.write([append], stop=True)) == [1]


@pytest.mark.parametrize("part", ["", "team", "category"])
def test_they_are_the_same(store_url: str, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with CaseStore.create(store_url) as store:
        generate.fill(store, 3_000)
        adopt(store, POLICIES[len(part) % 3])
        rows = reports.cases(store).rows
        # At the present the tables are the database's own; at another moment SQLite's, in memory.
        later = timedelta(days=-20 if part == "category" else 20)
        asked: Any = {"as_of": max(row.last_event_at for row in rows) + later}
        if part:
            asked[part] = sorted({getattr(row, part) for row in rows} - {None})[:2]
        with asking(store, Selection(**asked)) as ask:
            links = StaticLinks()
            pages = Pages(store, ask, links)
            overview(pages, "week")
            several = [rows for rows in links.lists if rows.report in FINDS]
            several += [Rows(name) for name in FINDS]
            several += [Rows("lapses", options=(("outcome", each),)) for each in (*OUTCOMES, "all")]
            several += [Rows("lapses", options=(("rule", rule),)) for rule in ACROSS_CASES]
            upheld = ("outcome", ("upheld", None))
            several += [Rows("goodwill", but=(("within_authority", ("yes",)), upheld))]
            several += [Rows("overdue", only=(("kind", ("return", "reply")),))]
            assert len(several) > 24
            found = [[chosen(pages, each, most) for most in (0, 5, 1000)] for each in several]
            monkeypatch.setattr(lists, "first_rows", lambda *_: None)
            for each, three in zip(several, found, strict=True):
                assert three == [chosen(pages, each, most) for most in (0, 5, 1000)], each


@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_violated_across_cases_is_the_same_alone_and_among_all(
    tmp_path: Path, policy: dict[str, Any]
) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        generate.fill(store, 3_000)
        adopt(store, policy)
        for rule in ACROSS_CASES:
            every = reports.lapses(store, rule=rule, outcome="all")
            violated = [row for row in every.rows if row.outcome == "violated"]
            assert reports.lapses(store, rule=rule).rows == violated
            assert every.summary["violated"] == len(violated)


def test_a_list_chosen_by_another_field_is_left_to_the_report(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        generate.fill(store, 500)
        with asking(store, Selection()) as ask:
            pages = Pages(store, ask, StaticLinks())
            channel = Rows("cases", only=(("channel", ("email",)),))
            emails = [row for row in chosen(pages, Rows("cases")).rows if row.channel == "email"]
            assert chosen(pages, channel).total == len(emails)
