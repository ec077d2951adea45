"""The bar of each page: the sliders of its moment, and what came on record since it was made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from math import ceil
from typing import NamedTuple

from markupsafe import Markup

from casestore.streams.wording import clock, in_zone
from projections.serve.asked import (
    EPOCH,
    PRESENT,
    SLIDERS,
    Asked,
    address_of,
    moment_parts,
    parts,
)
from projections.serve.library import Head
from projections.serve.looks import environment

_DAYS = 60
"""A history of more days than this is gone through by days, a shorter one by hours."""
_LABELS = {"as_of": "As of", "known_at": "As known at"}
_HOUR = timedelta(hours=1)


class Slider(NamedTuple):
    """A slider: its values are hours since 1970, the greatest stands for now."""

    name: str
    label: str
    least: int
    most: int
    step: int
    value: int
    told: str


def bar(
    asked: Asked,
    head: Head,
    position: int,
    *,
    begin: datetime,
    now: datetime,
    zone: tzinfo,
    quick: bool,
) -> Markup:
    """The bar.

    Args:
        asked: the page that it is on.
        head: the newest that the store has.
        position: of the last event that the page takes into account.
        begin: where the sliders begin.
        now: where they end.
        zone: in which times are told and read.
        quick: whether the page is made so fast that it moves with the slider.
    """
    moment, address = asked

    def local(at: datetime | None) -> str:
        if at is None:
            return ""
        return in_zone(at, zone).replace(tzinfo=None).isoformat(timespec="seconds")

    return Markup(  # noqa: S704  (made by a template that escapes)
        environment()
        .get_template("bar.html")
        .render(
            path=address_of(Asked(PRESENT, address)).partition("?")[0],
            parts=list(parts(address)),
            moment_parts=list(moment_parts(moment)),
            moment=moment,
            head=head,
            position=position,
            sliders=[slider(name, getattr(moment, name), begin, now, zone) for name in SLIDERS],
            news=_news(asked, head, position),
            now=address_of(Asked(PRESENT, address)),
            hidden=[each for each in parts(address.changed(EPOCH)) if each[0] != "since"],
            named=_NAMED[address.changed(EPOCH).about.kind],
            compare=list(compare(asked, now)),
            since=address.since,
            local=local,
            zone=zone,
            quick=quick,
        )
    )


_NAMED = {
    "store": "",
    "case": "in this case ",
    "customer": "of this customer ",
    "list": "in this list ",
}
_BACK = (("a day", 1), ("a week", 7), ("30 days", 30), ("a year", 365))


def compare(asked: Asked, now: datetime) -> Iterator[tuple[str, str]]:
    """The moments that a page can be compared with at once: in words, and the address.

    They are full hours, so that the tables that take long are made for few moments.
    """
    moment, address = asked
    at = moment.as_of or moment.known_at
    if at is not None:
        yield "the present", address_of(Asked(PRESENT, address.changed(at)))
    for name, days in _BACK:
        with suppress(OverflowError):
            since = (at or now.replace(minute=0, second=0, microsecond=0)) - timedelta(days=days)
            yield f"{name} before", address_of(Asked(moment, address.changed(since)))


def slider(name: str, at: datetime | None, begin: datetime, now: datetime, zone: tzinfo) -> Slider:
    """The slider of a time; None stands for now."""
    begin = min(begin, now)
    by_days = now - begin > timedelta(days=_DAYS)
    step = 24 if by_days else 1
    local = in_zone(begin, zone).replace(minute=0, second=0, microsecond=0)
    first = local.replace(hour=0) if by_days else local
    least = (first - EPOCH) // _HOUR
    most = least + step * max(1, ceil((now - EPOCH - least * _HOUR) / (_HOUR * step)))
    value = most
    if at is not None:
        value = least + step * ((at - EPOCH - least * _HOUR) // (_HOUR * step))
        value = min(max(value, least), most)
    told = "now" if at is None else clock(at, zone)
    return Slider(SLIDERS[name], _LABELS[name], least, most, step, value, told)


def _news(asked: Asked, head: Head, position: int) -> str:
    """What came on record since the page was made; "" if it takes everything into account."""
    if asked.moment.known_at is not None or head.position <= position:
        return ""
    more = head.position - position
    which = "it" if asked.moment.present else "these tables"
    return (
        f"{more:,} {'position' if more == 1 else 'positions'} behind what is on record: "
        f"{which} will be made anew."
    )
