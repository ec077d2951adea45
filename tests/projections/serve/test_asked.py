"""Addresses of pages: what they ask for is what they were made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.pages.changed import About
from projections.pages.links import Rows
from projections.serve.asked import (
    PRESENT,
    Address,
    Addresses,
    Asked,
    Moment,
    NotAsked,
    address_of,
    read,
)

T = datetime(2026, 3, 2, 17, 0, 0, 123, tzinfo=UTC)
T0 = datetime(1970, 1, 1, tzinfo=UTC)
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
TIMES = st.none() | st.integers(0, 2**52).map(lambda us: T0 + timedelta(microseconds=us))
ROWS = (
    Rows("cases"),
    Rows(
        "cases",
        "received in 2026-08",
        (("received_from", T), ("received_to", T + timedelta(days=1)), ("status", ("open",))),
        (("status", ("open", "closed")), ("category", (None, "a=b&c"))),
        (("close_reason", ("duplicate",)), ("reopens", ("0",))),
    ),
    Rows("goodwill", "x", (("ledger", ("goodwill",)), ("since", T)), (("currency", (None,)),)),
    Rows("lapses", "é ü", (("outcome", "unknown"), ("rule", "bare-no"))),
    Rows("today", "", (), (("overdue_s", ("",)),), (("overdue_s", (None,)),)),
    Rows("consistency", "", (("by", "team"),)),
)


def again(asked: Asked) -> Asked:
    path, _, query = address_of(asked).partition("?")
    assert query.isascii()
    return read(path.strip("/") or "overview", query, ZoneInfo("Europe/Berlin"))


@given(id_=IDS, as_of=TIMES, known_at=TIMES, page=st.sampled_from(["case", "customer"]))
def test_any_id_at_any_moment_comes_back(
    id_: str, as_of: datetime | None, known_at: datetime | None, page: str
) -> None:
    asked = Asked(Moment(as_of, known_at), Address(page, id_))
    assert again(asked) == asked


@pytest.mark.parametrize("rows", ROWS)
def test_a_list_comes_back(rows: Rows) -> None:
    asked = Asked(Moment(T), Address("list", rows=rows))
    assert again(asked) == asked


@pytest.mark.parametrize(
    "address",
    [
        Address(),
        Address("overview", by="week"),
        Address("policy"),
        Address("changed", since=T),
        Address("changed", since=T, about=About("case", "a&b")),
        Address("changed", since=T, about=About("customer", "K 1")),
        Address("changed", since=T, about=About("list", rows=ROWS[1])),
    ],
)
def test_other_pages_come_back(address: Address) -> None:
    assert again(Asked(PRESENT, address)) == Asked(PRESENT, address)


def test_a_time_without_a_zone_is_in_that_of_the_pages() -> None:
    asked = read("overview", "as_of=2026-03-02", ZoneInfo("Europe/Berlin"))
    assert asked.moment.as_of == datetime(2026, 3, 1, 23, tzinfo=UTC)


def test_the_sliders_count_hours() -> None:
    hours = int(T.timestamp()) // 3600
    asked = read("overview", f"as_hour={hours}&known_hour=0", UTC)
    assert asked.moment == Moment(T.replace(microsecond=0), datetime(1970, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "query", ["as_of=x", "as_of=2026-13-01", "as_of=1&as_of=2", "as_hour=1e9", "a=%ff", "b=%00"]
)
def test_what_is_no_moment_is_refused(query: str) -> None:
    with pytest.raises(NotAsked):
        read("overview", query, UTC)


def test_links_keep_the_moment() -> None:
    links = Addresses(Moment(T, T))
    assert links.case("K 1") == (
        "/case?id=K+1&as_of=2026-03-02T17%3A00%3A00.000123Z"
        "&known_at=2026-03-02T17%3A00%3A00.000123Z"
    )
    assert links.page("overview") is not None
    assert Addresses(PRESENT).page("overview") == "/"
