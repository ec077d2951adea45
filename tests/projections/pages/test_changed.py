"""What has changed between two moments: of the store, a case, a customer, and each list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from casestore import CaseStore, StreamNotFound
from projections.pages import changed as module
from projections.pages.changed import About, changed_page
from projections.pages.links import Rows
from projections.pages.list_kinds import LISTS, MAIN
from projections.query.row_changes import PASSING, identity
from tests.generate import fill
from tests.generate.story import TEAMS
from tests.support.desk import Desk, desk_in
from tests.support.pages import Read, pages_at
from tests.support.stories import (
    amended,
    bounced,
    customer_merged,
    gave,
    kept,
    learnt,
    moment,
    opened,
    prefers,
    promised,
    replied,
    wrote,
)

PAST, LATER = (datetime(2024, month, 1, tzinfo=UTC) for month in (5, 7))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def changed(store: CaseStore, since: datetime, until: datetime, about: About, **part: Any) -> Read:
    def address(other: About) -> str:
        return f"changed:{other.kind}:{other.id or (other.rows and other.rows.report) or ''}"

    with pages_at(store, until, **part) as pages:
        return Read(changed_page(pages, since, about, address))


def of_list(name: str, **asked: Any) -> About:
    return About("list", rows=Rows(name, **asked))


# --- lists -----------------------------------------------------------------------------------


def test_which_promises_came_went_and_changed(desk: Desk) -> None:
    desk.case("c1", opened(), promised("p1", due="+1d"), promised("p2", due="+3d"))
    desk.case("c1", kept("p2", "+2d"), promised("p3", "+2d", "+9d"))
    shown = changed(desk.store, moment("+1h"), moment("+4d"), of_list("promises"))
    assert "1 came, 0 went, 2 changed; 0 stand as they stood." in shown.text
    assert "c1 p1 State open broken" in shown.text
    assert "c1 p2 State open kept" in shown.text
    assert "Late by" not in shown.text.partition("What changed")[2].partition("What came")[0]
    assert shown.text.partition("What came")[2].count("p3") == 1
    open_ones = of_list("promises", title="open", only=(("state", ("open",)),))
    shown = changed(desk.store, moment("+1h"), moment("+4d"), open_ones)
    assert "What has changed: Promises: open" in shown.text
    assert "1 came, 2 went, 0 changed; 0 stand as they stood." in shown.text


def test_what_stands_as_it_stood_is_counted_and_not_shown(desk: Desk) -> None:
    desk.case("c1", opened(category="late"))
    shown = changed(desk.store, moment("+1h"), moment("+1d"), of_list("cases"))
    assert "0 came, 0 went, 0 changed; 1 stands as it stood." in shown.text
    assert "<table" not in shown.html


def test_a_correction_that_was_recorded_since_changes_a_row(desk: Desk) -> None:
    desk.case("c1", opened(product="parcel"))
    opening = desk.store.history("case:c1").originals[0]
    wrong = amended(opening.version, "+2d", product=("parcel", "letter"))
    desk.case("c1", replace(wrong, event_id=opening.event_id))
    shown = changed(desk.store, moment("+1d"), moment("+3d"), of_list("cases"))
    assert "c1 Product parcel letter" in shown.text
    of_case = changed(desk.store, moment("+1d"), moment("+3d"), About("case", "c1"))
    assert "c1 Product parcel letter" in of_case.section("stands")
    assert "it said parcel, it says letter" in of_case.section("new")


def test_what_was_learnt_late_came_though_it_happened_before(desk: Desk) -> None:
    desk.case("c1", opened(), replied("r1", "+1h"), learnt("+3d", bounced("r1", "+2h")))
    shown = changed(desk.store, moment("+1d"), moment("+4d"), of_list("undelivered"))
    assert "1 came, 0 went, 0 changed" in shown.text


def test_an_earlier_moment_after_the_later_one_is_told(desk: Desk) -> None:
    desk.case("c1", opened())
    for about in (of_list("cases"), About("case", "c1"), About()):
        shown = changed(desk.store, moment("+3d"), moment("+1d"), about)
        assert "there is nothing to compare" in shown.text


def rows_of(
    store: CaseStore, at: datetime, name: str, part: dict[str, Any]
) -> dict[tuple[str, ...], dict[str, Any]]:
    """The rows of a list's report, each by what tells it from others."""
    kind = LISTS[name]
    rows = kind.report(store, as_of=at, known_at=at, **part, **kind.asked).rows
    key = identity(kind.report.line.__struct_fields__)
    return {tuple(str(getattr(row, each)) for each in key): asdict(row) for row in rows}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path_factory.mktemp('filled')}/s.db") as store:
        fill(store, 3_000)
        yield store


@pytest.mark.parametrize("part", [{}, {"team": TEAMS[::2]}])
@pytest.mark.parametrize("name", MAIN)
def test_all_that_differs_in_a_list_is_told(
    filled: CaseStore, name: str, part: dict[str, Any]
) -> None:
    """The numbers are those that the rows of its report give, asked at both moments."""
    if any(each not in LISTS[name].report.selects for each in part):
        part = {}
    then, now = (rows_of(filled, at, name, part) for at in (PAST, LATER))
    leaves_out = {*PASSING, "last_event_at", "events"}
    differing = [
        key
        for key in then.keys() & now.keys()
        if any(then[key][n] != now[key][n] for n in now[key].keys() - leaves_out)
    ]
    shown = changed(filled, PAST, LATER, of_list(name), known_at=LATER, **part)
    came, went = len(now.keys() - then.keys()), len(then.keys() - now.keys())
    same = len(now) - came - len(differing)
    assert now or name in ("consistency", "undelivered"), "there is nothing to compare"
    assert f"{came} came, {went} went, {len(differing)} changed; {same} stand" in shown.text


# --- a case, a customer, the store -----------------------------------------------------------


def test_a_customer_is_told_over_all_cases(desk: Desk) -> None:
    desk.customer("k1")
    desk.case("c1", opened(), promised("p1", due="+1d"), replied("r1", "+2h"))
    desk.case("c2", opened("+2d"), wrote("m1", "+2d"), gave("g1", "+2d"))
    desk.customer("k1", prefers(at="+3d"))
    desk.case("c3", opened("+2d", customer_id="k2"))
    shown = changed(desk.store, moment("+1h"), moment("+4d"), About("customer", "k1"))
    assert "What has changed: customer k1" in shown.text
    stands = shown.section("stands")
    assert "Promises 0 came, 0 went, 1 changed" in stands
    assert "c1 p1 State open broken" in stands
    assert "Cases 1 came, 0 went" in stands
    assert "Goodwill and remedies 1 came" in stands
    new = shown.section("new")
    assert "Of the cases" in new
    assert "Of the customer" in new
    assert "case c2" in new
    assert "customer k1" in new
    assert "c3" not in shown.text


def test_whoever_was_merged_since_is_the_same_customer(desk: Desk) -> None:
    desk.customer("k1")
    desk.customer("k2")
    desk.case("c1", opened(customer_id="k2"))
    desk.customer("k2", customer_merged("k1", "+2d"))
    shown = changed(desk.store, moment("+1d"), moment("+3d"), About("customer", "k1"))
    assert "c1" in shown.section("stands")


def test_what_was_not_on_record_is_all_new(desk: Desk) -> None:
    desk.customer("k1")
    desk.case("c1", opened("+2d", customer_id="k1"))
    for about in (About("case", "c1"), About("customer", "k1")):
        shown = changed(desk.store, moment("-1d"), moment("+3d"), about)
        assert f"All of it: this {about.kind} was not on record then." in shown.text
    with pytest.raises(StreamNotFound):
        changed(desk.store, moment("+1d"), moment("+3d"), About("customer", "nobody"))


def test_the_store_leads_to_each_list_case_and_customer(desk: Desk) -> None:
    desk.customer("k1")
    desk.case("c1", opened("+2d"))
    shown = changed(desk.store, moment("-1d"), moment("+3d"), About())
    assert {*shown.hrefs} >= {
        *("changed:case:c1", "changed:customer:k1"),
        *(f"changed:list:{name}" for name in MAIN),
    }


def test_of_a_past_moment_what_came_on_record_by_then_is_counted_and_listed(
    filled: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 50)
    by_then = [
        each.stream
        for each in filled.read()
        if each.recorded_at is not None and PAST < each.recorded_at <= LATER
    ]
    shown = changed(filled, PAST, LATER, About())
    assert f"{len(by_then):,} events came on record; the newest 50 are looked at." in shown.text
    assert "recorded later is listed too, if it is among the next 50." in shown.text
    streams = {each.removeprefix("changed:") for each in shown.hrefs if ":list:" not in each}
    assert {*by_then[-50:]} <= streams


def test_what_happened_by_then_and_was_recorded_later_is_listed(desk: Desk) -> None:
    desk.case("c1", opened("+1d"))
    desk.case("c2", opened("+2d"))
    shown = changed(desk.store, moment("-1d"), moment("+3d"), About(), known_at=moment("+9d"))
    assert {"changed:case:c1", "changed:case:c2"} <= {*shown.hrefs}
