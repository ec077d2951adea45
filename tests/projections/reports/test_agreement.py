"""Over random histories, different reports give the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore import CaseStore
from casestore.events import Money
from projections import reports
from projections.query.measures import Step, period, sums
from projections.query.report import Result
from projections.reports.declared.breakdown import BY as BREAKDOWN_BY
from projections.reports.declared.causes import BY as CAUSES_BY
from projections.reports.declared.goodwill import BY as SPEND_BY
from projections.reports.declared.responses import BY as RESPONSES_BY
from tests.support.histories import Histories
from tests.support.stories import START

BERLIN = ZoneInfo("Europe/Berlin")
SEEDS = range(3)


@pytest.fixture(scope="module", params=SEEDS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Give a store with a random history."""
    folder = tmp_path_factory.mktemp("agreement")
    histories = Histories(f"sqlite:///{folder}/a.db", folder / "a.key", request.param)
    histories.go_on(500)
    with histories.store as store:
        yield store


def times() -> Iterator[datetime]:
    for hours in (9, 20, 60, 24 * 90):
        yield START + timedelta(hours=hours)


def summary(told: Result[Any]) -> dict[str, Any]:
    return dict(told.summary)


def complaints(store: CaseStore, as_of: datetime, **asked: Any) -> int:
    count: int = summary(reports.cases(store, as_of=as_of, **asked))["cases"]
    return count


@pytest.mark.parametrize("by", ["day", "week", "month"])
@pytest.mark.parametrize("zone", [UTC, BERLIN], ids=str)
def test_each_period_begins_with_what_the_one_before_left(
    store: CaseStore, by: Step, zone: Any
) -> None:
    for as_of in times():
        told = reports.period(store, by=by, as_of=as_of, tz=zone)
        left = 0
        for line in told.rows:
            assert line.outstanding_at_start == left
            left += line.opened + line.reopened - line.closed
            assert line.outstanding_at_end == left
        assert left == complaints(store, as_of, status=("open",)) == summary(told)["outstanding"]
        assert [line.period for line in told.rows][-1:] in ([], [period(as_of, by, zone)])
        assert summary(told)["received"] == summary(told)["opened"] == complaints(store, as_of)
        given = reports.goodwill_spend(store, by="month", as_of=as_of).summary
        for name in ("goodwill", "remedies"):
            whole = [money for line in told.rows for money in getattr(line, name)]
            spent = given["gestures_sum" if name == "goodwill" else "remedies_sum"]
            assert sums(whole) == spent


@pytest.mark.parametrize("by", ["day", "month"])
def test_every_number_of_a_period_can_be_listed(store: CaseStore, by: Step) -> None:
    as_of = START + timedelta(days=3)
    for line in reports.period(store, by=by, as_of=as_of).rows:
        begin = datetime.fromisoformat(f"{line.period}-01"[:10]).replace(tzinfo=UTC)
        end = begin + timedelta(days=1)
        if by == "month":
            end = (begin + timedelta(days=32)).replace(day=1)
        for what, count in (
            ("received", line.received),
            ("opened", line.opened),
            ("closed", line.closed),
            ("reopened", line.reopened),
        ):
            listed = complaints(store, as_of, **{f"{what}_from": begin, f"{what}_to": end})
            if what in ("received", "opened"):
                assert listed == count, what
            else:  # a case may be closed twice in one period
                assert (listed > 0) == (count > 0), what
                assert listed <= count, what


@pytest.mark.parametrize("by", BREAKDOWN_BY)
def test_groups_of_a_breakdown_come_to_the_whole(store: CaseStore, by: str) -> None:
    for as_of in times():
        told = reports.breakdown(store, by=by, as_of=as_of)
        for name in ("opened", "closed", "outstanding"):
            assert sum(getattr(line, name) for line in told.rows) == summary(told)[name], name
        reopened = sum(line.reopened for line in told.rows)
        if by in ("agent", "team"):  # what several had closed, one after the other, is with each
            assert reopened >= summary(told)["reopened"]
            assert all(line.reopened <= summary(told)["reopened"] for line in told.rows)
        else:
            assert reopened == summary(told)["reopened"]
        assert summary(told)["opened"] == complaints(store, as_of)
        assert summary(told)["outstanding"] == complaints(store, as_of, status=("open",))
        assert summary(told)["reopened"] == reports.cases(store, as_of=as_of).summary["reopened"]


@pytest.mark.parametrize("by", RESPONSES_BY)
def test_groups_of_responses_come_to_the_whole(store: CaseStore, by: str) -> None:
    for as_of in times():
        told = reports.response_counts(store, by=by, as_of=as_of)
        listed = reports.responses(store, as_of=as_of)
        for name in ("n", "unanswered"):
            assert sum(getattr(line, name) for line in told.rows) == summary(told)[name]
            assert summary(told)[name] == listed.summary[name]
        waiting = [row for row in listed.rows if row.answered_at is None]
        waits = reports.waiting(store, as_of=as_of).rows
        unanswered = {row.case_id for row in waiting}
        assert unanswered <= {row.case_id for row in waits}
        for row in waits:
            own = [each.at for each in waiting if each.case_id == row.case_id]
            assert not own or (min(own), len(own)) == (row.waiting_since, row.unanswered)
        since = {row.case_id: row.waiting_since for row in waits}
        shown = reports.cases(store, as_of=as_of).rows
        assert {r.case_id: r.waiting_since for r in shown if r.waiting_since is not None} == since


@pytest.mark.parametrize("by", SPEND_BY)
def test_groups_of_goodwill_come_to_the_whole(store: CaseStore, by: str) -> None:
    for as_of in times():
        told = reports.goodwill_spend(store, by=by, as_of=as_of)
        assert sum(line.gestures for line in told.rows) == summary(told)["gestures"]
        assert sum(line.remedies for line in told.rows) == summary(told)["remedies"]
        assert sums(line.sum for line in told.rows) == summary(told)["gestures_sum"]
        assert sums(line.remedies_sum for line in told.rows) == summary(told)["remedies_sum"]


@pytest.mark.parametrize("by", CAUSES_BY)
def test_causes_of_groups_come_to_all_findings(store: CaseStore, by: str) -> None:
    for as_of in times():
        told = reports.causes(store, by=by, as_of=as_of)
        assert sum(line.findings for line in told.rows) == summary(told)["findings"]
        assert sum(line.cases for line in told.rows) >= summary(told)["cases"]
        not_recorded = [line.findings for line in told.rows if line.root_cause is None]
        assert sum(not_recorded) == summary(told)["not_recorded"]


def test_the_columns_of_cases_sum_up_once(store: CaseStore) -> None:
    for as_of in times():
        rows = reports.cases(store, as_of=as_of).rows
        merged = [row for row in rows if row.status == "merged"]
        for name in (
            *("messages", "replies", "agents", "handovers", "escalations", "reopens"),
            *("undelivered", "issues", "issues_open", "promises_open", "promises_broken"),
            *("gestures", "events"),
        ):
            assert not any(getattr(row, name) for row in merged), name
        for name in (
            *("first_response_at", "first_response_s", "first_response_working_s"),
            *("resolution_s", "resolution_working_s", "resolution_net_s"),
            *("resolve_due_at", "waiting_since", "next_due_at"),
        ):
            assert all(getattr(row, name) is None for row in merged), name
        promises = summary(reports.promises(store, as_of=as_of))
        assert sum(row.promises_open for row in rows) == promises["open"] + promises["undated"]
        broken = promises["late"] + promises["broken"] + promises["withdrawn"]
        assert sum(row.promises_broken for row in rows) == broken
        undelivered = reports.undelivered(store, as_of=as_of).rows
        assert sum(row.undelivered for row in rows) == len(undelivered)
        ageing = reports.ageing(store, as_of=as_of)
        assert ageing.summary["open"] == sum(row.status == "open" for row in rows)


def test_nothing_is_measured_below_nothing(store: CaseStore) -> None:
    for as_of in times():
        for row in reports.cases(store, as_of=as_of).rows:
            for name in ("first_response", "resolution"):
                plain, working = getattr(row, f"{name}_s"), getattr(row, f"{name}_working_s")
                assert (plain is None) == (working is None)
                assert plain is None or 0 <= working <= plain
            net = row.resolution_net_s
            assert (net is None) == (row.resolution_s is None)
            assert net is None or 0 <= net <= (row.resolution_s or 0)
        for answer in reports.responses(store, as_of=as_of).rows:
            plain, working = answer.seconds, answer.working_seconds
            assert plain is None or (working is not None and 0 <= working <= plain)


def test_money_is_never_added_up_across_currencies(store: CaseStore) -> None:
    for line in reports.period(store).rows:
        for each in (line.goodwill, line.remedies):
            currencies = [money.currency for money in each]
            assert len(set(currencies)) == len(currencies)
            assert all(isinstance(money, Money) for money in each)
