"""Lists: the rows that a number counts, by urgency, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore import Actor
from projections.pages.links import Rows
from projections.pages.lists import chosen, list_page
from projections.pages.page import Pages
from projections.query.report import CannotAsk
from tests.support.desk import Desk, desk_in
from tests.support.pages import Read, pages_at
from tests.support.sites import links, rows_of, site
from tests.support.stories import (
    bounced,
    found,
    gave,
    issue,
    moment,
    opened,
    promised,
    replied,
    wrote,
)

EVIL = '<img src="http://example.com/x">\u202e'
ANNA = Actor(kind="agent", id="anna", team="north")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


@pytest.fixture
def pages(desk: Desk) -> Iterator[Pages]:
    desk.case("c1", opened(category=EVIL[:-1]), wrote("m1", "+2h"), promised("p1", "+3h"))
    desk.case("c2", opened(customer_id="k2"), wrote("m1", "+1h"), promised("p1", "+3h"))
    desk.case("c3", opened(customer_id="k2"), replied("r1", "+1h"), bounced("r1", "+2h"))
    with pages_at(desk.store, moment("+1h")) as early:
        assert early.ask.position > 0
    with pages_at(desk.store, moment("+400d")) as pages:
        yield pages


def ids(pages: Pages, name: str, **asked: Any) -> list[str]:
    return [row.case_id for row in chosen(pages, Rows(name, **asked)).rows]


def test_who_has_waited_longest_stands_first(pages: Pages) -> None:
    assert ids(pages, "waiting") == ["c3", "c2", "c1"]
    assert ids(pages, "cases") == ["c3", "c2", "c1"]


def test_what_nothing_made_good_stands_first(desk: Desk) -> None:
    desk.case("c1", opened(), replied("r1"), bounced("r1", "+1h"))
    desk.case("c1", replied("r2", "+2h", resend_of="r1"))
    desk.case("c2", opened(), replied("r1"), bounced("r1", "+3h"))
    # It was sent again, but that did not arrive either.
    desk.case("c2", replied("r2", "+4h", resend_of="r1"), bounced("r2", "+5h"))
    with pages_at(desk.store, moment("+1d")) as pages:
        assert ids(pages, "undelivered") == ["c2", "c2", "c1"]
        assert ids(pages, "undelivered", only=(("made_good_at", (None,)),)) == ["c2", "c2"]


def test_a_customer_is_found_by_their_id(desk: Desk) -> None:
    desk.case("c1", opened(customer_id="k2"))
    desk.case("c2", opened("+1h", customer_id="k1"))
    desk.case("c3", opened("+2h", customer_id="k2"))
    with pages_at(desk.store, moment("+1d")) as pages:
        assert ids(pages, "customers") == ["c2", "c1", "c3"]


def test_what_a_cause_cost_stands_in_each_currency(desk: Desk) -> None:
    for number, currency in enumerate(("EUR", "USD")):
        case_id, loss = f"c{number}", {"amount": "9.50", "currency": currency}
        desk.case(case_id, opened(category="late"), issue("i1", loss=loss))
        desk.case(case_id, found("+1h", issue_ids=["i1"], root_cause="snow"))
    with pages_at(desk.store, moment("+1d")) as pages:
        shown = Read(list_page(pages, Rows("causes")))
    assert "snow late 2 2 9.50 EUR; 9.50 USD – –" in shown.text


def test_a_list_keeps_the_rows_that_are_wanted(pages: Pages) -> None:
    assert ids(pages, "promises", only=(("case_id", ("c1",)),)) == ["c1"]
    assert ids(pages, "promises", but=(("case_id", ("c1",)),)) == ["c2"]
    assert ids(pages, "cases", only=(("category", (None,)),)) == ["c3", "c2"]
    with pytest.raises(CannotAsk):
        chosen(pages, Rows("waiting", options=(("by", "team"),)))


def test_more_rows_than_are_shown_are_counted(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chosen(pages, Rows("cases"), 2).total == 3
    monkeypatch.setattr("projections.pages.lists.MOST", 2)
    monkeypatch.setattr(chosen, "__defaults__", (2,))
    shown = Read(list_page(pages, Rows("cases")))
    assert "3 rows; the first 2 are shown, 1 more are not." in shown.text
    assert shown.html.count("<tr>") == 3


def test_each_row_leads_to_its_case_and_its_customer(pages: Pages) -> None:
    shown = Read(list_page(pages, Rows("undelivered")))
    assert "c3" in shown.text
    assert [each for each in shown.hrefs if "case/" in each or "customer/" in each] == [
        *pages_hrefs(pages, "c3", "k2")
    ]


def pages_hrefs(pages: Pages, case_id: str, customer_id: str) -> list[str | None]:
    return [pages.links.case(case_id), pages.links.customer(customer_id)]


def test_what_others_wrote_stays_text(pages: Pages) -> None:
    shown = list_page(pages, Rows("cases", EVIL))
    assert "<img" not in shown
    assert "\u202e" not in shown
    assert "&lt;U+202E&gt;" in shown


def test_a_group_leads_to_the_gestures_that_it_compares(desk: Desk, tmp_path: Path) -> None:
    for number in range(12):
        north = number % 2
        about = {"category": "delay", "product": "box", "region": "north" if north else "south"}
        case_id = f"c{number}"
        desk.case(case_id, opened(**about), found())
        value = {"amount": "90" if north else "10", "currency": "EUR"}
        desk.case(case_id, gave(value=value, actor=ANNA))
    site(desk.store, tmp_path / "site", as_of=moment("+1d"))
    page = tmp_path / "site/list/consistency.html"
    assert rows_of(page) == 2
    compared = [each for each in links(tmp_path / "site") if each.page == page]
    compared = [each for each in compared if each.to.name.startswith("goodwill-")]
    assert [rows_of(each.to) for each in compared] == [6, 6]
