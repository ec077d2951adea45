"""The overview: its numbers are those of the reports, asked with the same options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore import CaseStore
from projections import reports
from projections.pages.formats import lasted, percent
from projections.pages.links import StaticLinks
from projections.pages.overview import overview
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.selection import Selection
from tests.generate import fill
from tests.support.desk import desk_in
from tests.support.sites import table
from tests.support.stories import moment, opened, promised, wrote

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2023, 6, 20, 9, tzinfo=UTC)
SINCE = datetime(2022, 7, 1, tzinfo=BERLIN)
ASKED: dict[str, Any] = {"as_of": AT, "known_at": AT + timedelta(days=3), "tz": BERLIN}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("generated")
    with CaseStore.create(f"sqlite:///{folder}/s.db") as store:
        fill(store, 3_000)
        yield store


@pytest.fixture(scope="module")
def html(store: CaseStore) -> str:
    return made(store, **ASKED)


def made(store: CaseStore, by: Any = "month", **asked: Any) -> str:
    with asking(store, Selection(**asked)) as ask:
        return overview(Pages(store, ask, StaticLinks()), by)


def cells(html: str, caption: str) -> list[list[str]]:
    """The cells of the table whose caption begins so, as text."""
    body = html.partition(f"<caption>{caption}")[2].partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [re.sub(r"<.*?>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


def numbers(rows: list[list[str]], width: int) -> list[tuple[str, ...]]:
    return [tuple(each.replace(",", "") for each in row[:width]) for row in rows]


def test_the_periods_are_those_of_the_report(store: CaseStore, html: str) -> None:
    told = reports.period(store, **ASKED, since=SINCE).rows
    assert numbers(table(html, "Complaints by month"), 7) == [
        tuple(
            map(
                str,
                (
                    *(line.period, line.received, line.opened, line.closed, line.reopened),
                    *(line.outstanding_at_end, line.not_complaints),
                ),
            )
        )
        for line in reversed(told)
    ]


def test_how_soon_by_period_is_what_the_reports_say(store: CaseStore, html: str) -> None:
    told = reports.response_counts(store, **ASKED, by="month", since=SINCE).rows
    opened = reports.breakdown(store, **ASKED, by="month", since=SINCE).rows
    medians = {line.group: lasted(line.resolution_median_s) for line in opened}
    shown = cells(html, "By month, the newest first")
    assert [(row[0], row[1], row[2], row[5], row[7]) for row in shown] == [
        (
            *(line.group, str(line.n), str(line.unanswered), percent(line.within_share)),
            medians[line.group],
        )
        for line in reversed(told)
    ]
    by_week = cells(made(store, "week", **ASKED), "By week, the newest first")
    assert {len(row) for row in by_week} == {6}


def test_tiles_say_since_when_the_oldest_waits(store: CaseStore, html: str) -> None:
    waiting = reports.waiting(store, **ASKED)
    since = waiting.rows[0].waiting_since.astimezone(BERLIN)
    assert f'>{waiting.total}</a></span> <span class="name">customers wait</span>' in html
    assert f'the longest since <span class="t">{since:%Y-%m-%d}<' in html
    lost = reports.undelivered(store, **ASKED).summary["not_made_good"]
    assert f'>{lost}</a></span> <span class="name">replies bounced, not made good</span>' in html


def test_what_there_is_to_do_is_what_the_report_says(store: CaseStore, html: str) -> None:
    found = reports.today(store, **ASKED)
    shown = table(html, "To do")
    assert len(shown) == 8
    assert [row[1] for row in shown] == [line.case_id for line in found.rows[:8]]
    assert f"All {found.total:,} things to do" in html


def test_the_rules_are_those_of_the_report(store: CaseStore, html: str) -> None:
    found = reports.lapse_counts(store, **ASKED, by="rule", since=SINCE).rows
    shown = {row[0]: row[1:5] for row in numbers(table(html, "Lapses, by rule"), 5)}
    assert len(shown) > 20
    assert shown == {
        str(line.group): tuple(map(str, (line.violated, line.satisfied, line.exempt, line.unknown)))
        for line in found
    }


def test_promises_and_gestures_are_those_of_the_reports(store: CaseStore, html: str) -> None:
    rates = reports.promise_rates(store, **ASKED, since=SINCE).rows
    shown = numbers(table(html, "Promises kept, by team"), 5)
    assert [row[0] for row in shown] == [line.team or "no team" for line in rates]
    assert [row[1] for row in shown] == [str(line.kept) for line in rates]
    agents = reports.promise_rates_by_agent(store, **ASKED, since=SINCE)
    shown = numbers(table(html, "Promises kept, by agent"), 5)
    assert shown == [
        tuple(map(str, (row.agent, row.kept, row.late, row.broken, row.withdrawn)))
        for row in agents.rows[:8]
    ]
    assert f"All {agents.total} agents who made promises" in html
    spent = reports.goodwill_spend(store, **ASKED, by="month", since=SINCE).rows
    given = numbers(table(html, "Goodwill and remedies, by month and currency"), 3)
    assert sorted(given) == sorted(
        (str(line.group), line.currency or "no value", str(line.gestures)) for line in spent
    )


def test_at_midnight_the_last_period_is_the_one_that_has_ended(store: CaseStore) -> None:
    midnight = datetime(2023, 6, 1, tzinfo=BERLIN)
    assert table(made(store, as_of=midnight, tz=BERLIN), "Complaints by month")[0][0] == "2023-05"
    by_day = table(made(store, "day", as_of=midnight, tz=BERLIN), "Complaints by day")
    assert by_day[0][0] == "2023-05-31"
    assert len(by_day) == 14


def test_a_change_says_what_it_is_measured_by(html: str) -> None:
    assert "than in 2023-05: " in html or "as many as in 2023-05: " in html


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Kiritimati"])
def test_it_can_be_as_of_any_time_in_the_calendar(tmp_path: Path, zone: str) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store:
        for as_of in (datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
            asked: Any = {"as_of": as_of, "tz": ZoneInfo(zone)}
            assert "There is nothing to do." in made(store, "week", **asked)


def test_a_list_is_named_by_the_day_in_the_zone_that_is_asked_for(store: CaseStore) -> None:
    with asking(store, Selection(as_of=AT, tz=BERLIN)) as ask:
        links = StaticLinks()
        overview(Pages(store, ask, links), "month")
    assert "opened since 2022-07-01" in {rows.title for rows in links.lists}


def test_one_is_not_told_as_many(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.case("c1", opened(), wrote("m1", "+1h"), promised("p1", due="+2d"))
        page = made(desk.store, as_of=moment("+1d"))
    words = " ".join(re.sub(r"<.*?>", "", page).split())
    assert "1 customer waits" in words
    assert "1 promise due in 7 days, or past" in words
    assert "Of the 1 complaint opened" in words
