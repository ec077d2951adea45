"""The pages of the policies and of the lessons."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from projections import reports
from projections.pages.lessons import lessons_page, read_lessons
from projections.pages.policy import InForce, policy_page, read_policies
from projections.rules.lapses import RULES
from tests.support.desk import Desk, desk_in
from tests.support.pages import Read, demo_in, pages_at
from tests.support.stories import adopted, moment, opened

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    with demo_in(tmp_path_factory.mktemp("demo")) as store:
        yield store


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def policies(store: CaseStore, as_of: str = "+99d", **asked: Any) -> list[InForce]:
    with pages_at(store, moment(as_of), **asked) as pages:
        return read_policies(pages)


# --- policies --------------------------------------------------------------------------------


def test_each_policy_with_its_time_and_what_it_changes(desk: Desk) -> None:
    first: Any = {"conduct": {"max_agents": 2}, "roles": {"lead": {"final_say": True}}}
    desk.tell("policy", adopted("one", "+0h", "+1d", policy=first))
    second: Any = {"conduct": {"max_agents": 4}, "calendar": {"holidays": {"2026-12-25": "<b>"}}}
    desk.tell("policy", adopted("two", "+2d", "+10d", policy=second))
    two, one, built_in = policies(desk.store)
    assert (built_in.name, built_in.begin, built_in.end) == ("built-in", None, moment("+1d"))
    assert (one.name, one.begin, one.end) == ("one", moment("+1d"), moment("+10d"))
    assert (two.end, two.current, one.current) == (None, True, False)
    assert [(c.name, c.before, c.after) for c in one.changes] == [
        ("conduct.max_agents", "3", "2"),
        ("roles.lead.final_say", None, "yes"),
        ("roles.lead.limits", None, "none"),
        ("roles", "none", None),
    ]
    changed = {change.name: change for change in two.changes}
    assert changed["conduct.max_agents"].after == "4"
    assert "How many agents" in changed["conduct.max_agents"].meaning
    assert "final" in one.changes[1].meaning
    assert changed["calendar.holidays"].after == "1 day, 2026-12-25"
    assert changed["roles.lead.final_say"].after is None
    # as of a time between, and as known before the second one
    assert [each.name for each in policies(desk.store, "+5d") if each.current] == ["one"]
    known = policies(desk.store, known_at=moment("+1d"))
    assert [each.name for each in known] == ["one", "built-in"]


def test_a_policy_that_another_one_replaced_before_it_began(desk: Desk) -> None:
    desk.tell("policy", adopted("one", "+0h", "+1d", policy={"conduct": {"max_agents": 9}}))
    desk.tell("policy", adopted("two", "+1h", "+1d", policy={"conduct": {"max_agents": 4}}))
    two, one, _ = policies(desk.store)
    assert (one.never, two.never, two.current) == (True, False, True)
    assert [change.before for change in two.changes] == ["3"]
    with pages_at(desk.store, moment("+9d")) as pages:
        assert "Never in force: another one" in Read(policy_page(pages)).text


def test_the_page_of_the_policies(demo: CaseStore, desk: Desk) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        told = Read(policy_page(pages))
    assert "care-2026 in force From 2026-01-02 09:00 on." in told.text
    assert "roles.supervisor.limits.USD.per_case – 50" in told.text
    assert "Over all that was given in the case" in told.text
    assert told.tags.count("h1") == 1
    desk.case("c1", opened())
    with pages_at(desk.store, moment("+1d")) as pages:
        told = Read(policy_page(pages))
    assert "built-in in force Built in: it holds as long as no policy is adopted." in told.text


# --- lessons ---------------------------------------------------------------------------------


def test_each_rule_with_its_lesson_and_the_counts_of_the_report(demo: CaseStore) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        lessons = read_lessons(pages)
        told = Read(lessons_page(pages))
    assert [each.rule.name for each in lessons] == list(RULES)
    counted = {
        row.group: row for row in reports.lapse_counts(demo, by="rule", as_of=SEPTEMBER).rows
    }
    for each in lessons:
        found = counted.get(each.rule.name)
        assert each.counts.violated == (found.violated if found else 0)
        for paragraph in each.paragraphs:
            assert " ".join(paragraph.split()) in told.text
    assert told.dangling == []
    asked = sum(bool(each.counts.violated) + bool(each.counts.unknown) for each in lessons)
    assert sum("/list/" in href for href in told.hrefs) == asked


def test_a_number_leads_to_the_lapses_that_it_counts(demo: CaseStore) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        for each in read_lessons(pages):
            for rows, count in (
                (each.violations, each.counts.violated),
                (each.untold, each.counts.unknown),
            ):
                options: Any = dict(rows.options)
                assert pages.ask(reports.lapses, **options).total == count
