"""The page of a customer: what it says, and that its numbers are those of the reports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, StreamNotFound
from casestore.events import Actor
from casestore.privacy.erasure import erase
from projections import reports
from projections.pages.customer_file import CustomerFile, customer_page, read_customer
from tests.support.desk import Desk, desk_in
from tests.support.pages import Read, demo_in, pages_at
from tests.support.stories import (
    adopted,
    asked_to_be_forgotten,
    customer_merged,
    gave,
    held,
    knew,
    let_go,
    moment,
    opened,
    prefers,
    promised,
    registered,
)

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
CUSTOMERS = ("C-1042", "C-2207", "C-3318", "C-5120", "C-6071", "C-6140")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    with demo_in(tmp_path_factory.mktemp("demo")) as store:
        yield store


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def read(store: CaseStore, customer_id: str = "k1", as_of: str = "+99d") -> CustomerFile:
    with pages_at(store, moment(as_of)) as pages:
        file = read_customer(pages, customer_id)
    assert file is not None
    return file


def page(
    store: CaseStore, customer_id: str = "k1", as_of: str | datetime = "+99d", **asked: Any
) -> Read:
    with pages_at(store, moment(as_of), **asked) as pages:
        return Read(customer_page(pages, customer_id))


@pytest.mark.parametrize("customer_id", CUSTOMERS)
def test_the_numbers_are_those_of_the_reports(demo: CaseStore, customer_id: str) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        file = read_customer(pages, customer_id)
        told = Read(customer_page(pages, customer_id))
    assert file is not None
    asked: Any = {"as_of": SEPTEMBER, "customer": customer_id}
    assert file.cases == reports.cases(demo, **asked).rows
    promises, given = reports.promises(demo, **asked), reports.goodwill_history(demo, **asked)
    assert (file.promises, file.kept) == (promises.rows, promises.summary)
    assert len(file.gestures) + len(file.remedies) == given.total
    assert file.given == [(customer_id, given.summary)]
    assert sum(file.within.values()) == given.summary["gestures"]
    assert told.dangling == []
    assert len(set(told.ids)) == len(told.ids)


def test_words_are_shown_only_where_they_are_revealed(demo: CaseStore) -> None:
    assert "Maeve" not in page(demo, "C-3318", SEPTEMBER).text
    assert "Maeve Tiernan" in page(demo, "C-3318", SEPTEMBER, reveal=True).text


def test_preferences_and_facts_with_what_is_stale(desk: Desk) -> None:
    desk.customer(
        "k1",
        knew("birthday", "+1h", value="7 May"),
        knew("address", "+1h", stale_after=moment("+2h"), value="x" * 10_000),
        prefers("channel", "letter", "+2h"),
    )
    told = page(desk.store, reveal=True)
    assert "letter since 2026-03-02 11:00" in told.section("preferences")
    assert "7 May recorded 2026-03-02 10:00, never stale" in told.section("facts")
    assert "stale since 2026-03-02 11:00" in told.section("facts")
    early = page(desk.store, as_of="+90m")
    assert "None was stated" in early.section("preferences")
    assert "to be relied on until" in early.section("facts")


def test_what_was_given_is_summed_by_currency_with_what_was_within_authority(desk: Desk) -> None:
    roles: Any = {"first_line": {"limits": {"EUR": {"per_gesture": "10"}}}}
    desk.tell("policy", adopted(effective="+1h", policy={"roles": roles}))
    for number, (amount, currency) in enumerate((("5", "EUR"), ("15", "EUR"), ("3", "USD"))):
        value = {"amount": amount, "currency": currency}
        desk.case(f"c{number}", opened("+2h"), gave("g", "+3h", value=value))
    file = read(desk.store)
    assert file.within == {"yes": 1, "no": 2, "unknown": 0}
    told = page(desk.store)
    assert "3 gestures, 20 EUR; 3 USD: 1 within authority, 2 beyond, 0 unknown" in told.text
    assert told.section("goodwill").count("no, beyond") == 2


def test_promises_broken_and_kept(desk: Desk) -> None:
    desk.case("c1", opened(), promised("p1", due="+2h"), promised("p2", due="+90d"))
    told = page(desk.store, as_of="+1d")
    assert "0 kept, 0 late, 1 broken, 0 withdrawn, 1 open" in told.text
    assert "broken" in told.section("promises")


def test_holds_and_erasure(desk: Desk) -> None:
    desk.customer("k1", knew("birthday", "+1h", value="7 May"), held("h1", "+2h"))
    desk.customer("k1", asked_to_be_forgotten("+3h"))
    told = page(desk.store).section("privacy")
    assert "Not erased; legal holds stand: h1 (court)" in told
    assert "asked for erasure, on the basis of gdpr-17" in told
    desk.customer("k1", let_go("h1", "+4h"))
    boss = Actor(kind="agent", id="boss")
    erase(desk.store, "k1", basis="gdpr-17", actor=boss, at=moment("+4h"))
    told_then = page(desk.store, reveal=True)
    assert "Erased: words by and about the customer" in told_then.section("privacy")
    assert "no legal hold stands" in told_then.section("privacy")
    assert "7 May" not in told_then.text
    assert "[erased]" in told_then.text
    assert "legal holds stand" in page(desk.store, as_of="+3h").section("privacy")


def test_whoever_is_merged_is_one_customer(desk: Desk) -> None:
    desk.tell("customer:k2", registered(), prefers(at="+1h"))
    desk.customer("k1", customer_merged("k2", "+2h"))
    desk.case("c1", opened("+3h", customer_id="k1"))
    desk.case("c2", opened("+3h", customer_id="k2"))
    for customer_id in ("k1", "k2"):
        file = read(desk.store, customer_id)
        assert [row.case_id for row in file.cases] == ["c1", "c2"]
        assert file.customers == ["k1", "k2"]
        assert [each["preference"] for each in file.preferences] == ["channel"]
        assert "k1 was merged into k2" in page(desk.store, customer_id).section("merges")
    assert read(desk.store, "k1", "+90m").customers == ["k1"]


def test_a_customer_who_is_not_there(desk: Desk) -> None:
    desk.tell("customer:k1", registered("+1d"))
    assert "was not known" in page(desk.store, as_of="+1h").text
    with pages_at(desk.store, moment("+1d")) as pages, pytest.raises(StreamNotFound):
        customer_page(pages, "k9")


def test_what_others_wrote_is_text(desk: Desk) -> None:
    evil = "<script>alert(1)</script>\u202e"
    customer = '"><script>x</script>'
    desk.customer(customer, knew("<b>", value=evil), prefers("form_of_address", None, words=evil))
    desk.case("<i>", opened(customer_id=customer, category="<u>"))
    told = page(desk.store, customer, reveal=True)
    assert not {"script", "u"} & set(told.tags)
    assert "\u202e" not in told.html
    assert "<script>alert(1)</script><U+202E>" in told.text
