"""Which events feed which report: found out, not written down.

For each type of event, histories are read without it (and without what is nothing without it, like
the news of a reply): a report that then says something else is fed by it. Where no history shows a
difference, none is claimed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import asdict

from casestore import CaseStore
from casestore.events import VOCABULARY, Actor, Event, EventCorrected, Money
from casestore.events.markers import IdKey, brings, links
from casestore.privacy.erasure import erase
from casestore.streams.history import History
from projections import PROJECTIONS
from projections.engine import fold
from projections.engine.live import LiveTables
from projections.query.open_view import open_view
from projections.query.report import Report
from projections.query.selection import Selection
from projections.query.view import View
from projections.reports import REPORTS
from tests import generate
from tests.generate.story import START as GENERATED_FROM
from tests.support.stories import (
    START,
    adopted,
    assessed,
    assigned,
    bounced,
    closed,
    content,
    customer_merged,
    customer_unmerged,
    declined,
    delivered,
    found,
    gave,
    inquired,
    issue,
    kept,
    kept_by_reply,
    knew,
    merged,
    moment,
    moved,
    no_longer_prefers,
    not_content,
    noted,
    opened,
    prefers,
    promised,
    rated,
    reclaimed,
    reclassified,
    registered,
    released,
    remedied,
    reopened,
    replied,
    retracted,
    said_no,
    stated,
    took_back,
    unmerged,
    wished,
    withdrew,
    wrote,
)

HEADING = "## Which events feed which report"
Feeds = dict[type[Event], set[str]]
"""The names of the reports that each type of event feeds."""

ABOUT_THE_TABLE = """\
Made from the code (`CASESTORE_GOLDEN=1 pytest tests/house/test_docs.py`): histories are read with
and without each type of event, and what the reports then say is compared. Every event of a case
counts in `events` and `last_event_at` of `cases`; the table leaves these two out. A correction
(EventCorrected) feeds what the corrected event feeds. `policy backtest` is fed by what `lapses` and
`goodwill history` are fed by. Which issues an event means that names none depends on what had
settled them by then; that is left out as well. What feeds nothing is there for `case timeline` and
for auditors.
"""
OF_EVERY_EVENT = ("events", "last_event_at")
"""Fields of `cases` that every event of a case feeds."""
ROLES = ("first_line", "supervisor")
EVENTS = 2500
CUSTOMERS = 6
"""So many are asked about, where a report is about one."""


def feeds(folder: Path) -> Feeds:
    """Find out which events feed which reports."""
    found: Feeds = {cls: set() for cls in VOCABULARY if cls is not EventCorrected}
    for store in _stores(folder):
        with store:
            _compare(store, found)
    return found


def table(folder: Path) -> str:
    """The section of docs/reports.md, as the code would have it."""
    told = [f"{HEADING}\n\n{ABOUT_THE_TABLE}\n| event | reports |\n|---|---|\n"]
    names = [report.name for report in REPORTS]
    rows: dict[str, list[str]] = {}
    for cls, fed in feeds(folder).items():
        if fed == set(names):
            shown = "all"
        else:
            shown = ", ".join(name for name in names if name in fed) or "none"
        rows.setdefault(shown, []).append(cls.__name__)
    told += [f"| {', '.join(events)} | {shown} |\n" for shown, events in rows.items()]
    return "".join(told)


def _stores(folder: Path) -> Iterator[CaseStore]:
    """A history in which each event matters to what it can matter to; and one as real ones are."""
    yield _filled(folder / "told.db", START, _told_by_hand)
    yield _filled(
        folder / "made.db", GENERATED_FROM, lambda store: generate.fill(store, EVENTS, merged=0.3)
    )


def _filled(path: Path, begun: datetime, fill: Callable[[CaseStore], Any]) -> CaseStore:
    now = begun - timedelta(days=30)
    store = CaseStore.create(
        f"sqlite:///{path}", key_file=path.with_suffix(".key"), clock=lambda: now
    )
    policy = replace(adopted("house", at=now, effective=now), policy=POLICY)
    store.append("policy", policy)
    now += timedelta(days=1000)
    fill(store)
    return store


POLICY: dict[str, Any] = {
    "calendar": {"hours": {"mon": ["09:00-10:00"], "sun": ["09:00-10:00"]}},
    "conduct": {
        "reply_within": "30 minutes",
        "resend_within": "30 minutes",
        "return_within": "30 minutes",
        "resolve_within": "1 hour",
        "clock": "net",
        "needs_operations": ["late"],
        "min_group": 2,
    },
    "roles": {
        "first_line": {"limits": {"EUR": {"per_gesture": 25, "per_case": 50}}},
        "supervisor": {},
    },
    "goodwill": {"gestures_per_year": 1},
}
BO = Actor(kind="agent", id="bo", role="first_line")
"""Their team is that of the case."""
ABOUT = {"product": "parcel", "region": "west", "category": "late"}
LATER = "+10d"
TOGETHER = (("root", "merged"), ("alike0", "alike4"))
APART = (("other", "apart"), ("alike1", "alike5"))
"""What was merged into what, to stay so, and for a while."""
"""After everything else."""


def _told_by_hand(store: CaseStore) -> None:
    for stream, event in _told_in_order():
        store.append(stream, event)
    erase(store, "k4", basis="gdpr-17", actor=BO, at=moment("+30m"))


def _told_in_order() -> Iterator[tuple[str, Event]]:
    for customer in ("k1", "k2", "k3", "k4"):
        yield f"customer:{customer}", registered("-9d")
    yield "customer:k4", knew("birthday", "-8d")
    told: tuple[Event, ...] = (
        *(knew("birthday", "-8d"), prefers("channel", "letter", "-8d")),
        *(prefers("language", "de", "-8d"), no_longer_prefers("language", "-7d")),
    )
    yield from (("customer:k1", event) for event in told)
    for case_id, events in _cases().items():
        yield from ((f"case:{case_id}", event) for event in events)
    for into, case_id in (*TOGETHER, *APART):
        yield f"case:{case_id}", merged(into, "+9d")
    for out_of, case_id in APART:
        yield f"case:{case_id}", unmerged(out_of, "+9d")
    for customer in ("k2", "k3"):
        yield f"customer:{customer}", customer_merged("k1", "+9d")
    yield "customer:k3", customer_unmerged("k1", "+9d")
    yield "case:root", noted(LATER)


def _cases() -> dict[str, list[Event]]:
    """By case, what happened in it."""

    def many(value: str, at: str = "+0h", product: str = "kettle", **more: Any) -> list[Event]:
        """A case in which there is something of most kinds."""
        return [
            opened(at, received_at=moment("-1d"), product=product, **more),
            assigned("bo", "south", "+1h"),
            wrote("m1", "+1h"),
            replied("r1", "+2h"),
            bounced("r1", "+3h"),
            promised("p1", "+2h", due="+3h"),
            stated("s1", "+2h", value=value, actor=BO),
            gave("g1", "+4h", value=eur(20), actor=BO),
            remedied("e1", "+4h", value=eur(5), actor=BO),
            found("f1", "+5h", root_cause="courier"),
        ]

    told: dict[str, list[Event]] = {
        "confirmed": [
            *(opened(), wrote("m1"), replied("r1", "+10m"), promised("p1", due="+1h")),
            *(kept_by_reply("r1", "p1", "+10m"), bounced("r1", "+20m"), delivered("r1", "+40m")),
        ],
        "missing": [
            *(opened(), promised("p1", due="+1h"), replied("r1", "+10m")),
            *(kept_by_reply("r1", "p1", "+10m"), wrote("m1", "+3h", says_not_received=["r1"])),
        ],
        "promises": [
            *(opened(), assigned("bo", "south", "+30m")),
            *(promised("p1", due="+1h"), moved("p1", "+30m", due="+20d")),
            *(promised("p2", due="+9d"), released("p2", "+2h")),
            *(promised("p3", due="+19d"), withdrew("p3", "+2h")),
            *(promised("p4", due="+5h"), closed("+4h"), reopened("+6h")),
            *(promised("p5", due="+7h"), kept("p5", "+8h")),
        ],
        "amends": [
            *(opened(**ABOUT), issue("i1", loss=eur(30)), found("f1", "+1h", root_cause="courier")),
            *(remedied("e1", "+2h", value=eur(20)), reclaimed("e1", "+3h")),
            *(remedied("e2", "+4h", value=eur(20)), gave("g1", "+5h", value=eur(20))),
            *(gave("g2", "+5h", value=eur(20)), declined("g2", "+6h")),
            *(gave("g3", "+5h", value=eur(20)), took_back("g3", "+6h")),
            *(closed("+7h"), rated(4, "+8h")),
        ],
        "retaken": [
            *(opened(), issue(), found("f1", "+1h"), remedied("e1", "+2h")),
            *(reclaimed("e1", "+3h"), closed("+4h")),
        ],
        "forgotten": [
            opened(customer_id="k4"),
            wrote("m1", provides=[]),
            inquired("q1", "+1h", field="birthday"),
        ],
        "asked": [
            *(opened(), wrote("m1", provides=[]), inquired("q1", "+1h", field="birthday")),
            *(replied("r1", "+1h", channel="email", language="fr"), replied("r2", "+2h")),
            *(
                gave("g1", "+2h", reply_id="r2"),
                assessed("+3h", reply_id="r2", attribute="reluctance"),
            ),
        ],
        "settled": [
            *(opened(), wished("+1h"), said_no(at="+2h"), issue("i1"), issue("i2"), issue("i3")),
            found("f1", "+1h", outcome="not_upheld", fault="none", issue_ids=["i1"]),
            *(content("+2h", issue_ids=["i2"]), not_content("+3h", issue_ids=["i2"])),
            *(issue("i4"), content("+2h", issue_ids=["i4"]), reclassified(category="fees")),
            *(remedied("e1", "+2h", issue_ids=["i3"]), reclaimed("e1", "+3h")),
            *(stated("s1", "+1h", topic="time", value="1"), retracted("s1", "+2h")),
            stated("s2", "+3h", topic="time", value="2"),
        ],
        "root": many("1"),
        "merged": many("2", "-2h", "cup"),
        "other": many("3"),
        "apart": many("4", "-2h", "cup"),
        "second": many("5", customer_id="k2"),
        "third": many("6", customer_id="k3"),
    }
    for n, (team, region, amount) in enumerate(
        [("north", "west", 5), ("north", "west", 5), *[("south", "east", 20)] * 4]
    ):
        told[f"alike{n}"] = [
            *(opened(), reclassified(**(ABOUT | {"region": region})), assigned(None, team)),
            *(found("f1", "+1h"), gave("g1", "+2h", value=eur(amount), actor=BO)),
        ]
    return told


def eur(amount: int) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def _compare(store: CaseStore, found: Feeds) -> None:
    recorded = list(store.read())
    events = [each.event for each in recorded]
    as_of = max(event.occurred_at for event in events) - timedelta(microseconds=1)
    customers = sorted({each.customer_id for each in recorded if each.customer_id})[:CUSTOMERS]
    with LiveTables(store, PROJECTIONS) as live:

        def told(known: set[str]) -> dict[tuple[str, ...], Any]:
            with open_view(live, PROJECTIONS, Selection(as_of=as_of), None, 1) as (view, _):
                return dict(_told(view, customers, known))

        whole = told(set())
        for cls in found.keys() & set(map(type, events)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(fold, "history_of", _without(cls))
                now = told(found[cls])
            found[cls] |= {key[0] for key, each in now.items() if each != whole[key]}


def _without(cls: type[Event]) -> Callable[..., History]:
    """What reads a stream as if an event of that type had never been told."""
    read = fold.history_of

    def without(stream: str, rows: Any, how: fold.How) -> History:
        originals, gone = [], set[IdKey]()
        for recorded in read(stream, rows, how).originals:
            event = recorded.event
            if isinstance(event, cls) or not gone.isdisjoint(_rests_on(event)):
                gone.update(brings(event))
            else:
                originals.append(recorded)
        if not originals and stream.startswith("customer:"):
            originals = list(read(stream, rows, how).originals)  # they are known all the same
        return History(stream, originals, as_of=how.as_of)

    return without


def _rests_on(event: Event) -> Iterator[IdKey]:
    """What an event must name to say anything."""
    required = {each.name for each in dataclasses.fields(event) if _is_required(each)}
    for link in links(type(event)):
        if not link.new and link.field in required:
            yield from link.ids(getattr(event, link.field))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _told(
    view: View, customers: Sequence[str], known: set[str]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What each report says, less those that are known, in each way in which it can be asked."""
    whole = view.selection
    for report in REPORTS:
        if report.name in known:
            continue
        for number, asked in enumerate(_ways(report)):
            for about in _about(report, customers):
                view.selection = replace(whole, **about)
                answer = asked(view)
                rows = [asdict(row) for row in answer.rows]
                if report.name == "cases":
                    rows = [{k: v for k, v in r.items() if k not in OF_EVERY_EVENT} for r in rows]
                yield (report.name, str(number), *about.values()), (rows, answer.summary)
    view.selection = whole


def _about(report: Report[Any], customers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of whom or what it can be asked."""
    if report.argument is None:
        yield {}
    else:
        yield from ({"customer": customer} for customer in customers)
    if report.name == "goodwill allowance":
        yield from ({"customer": "k1", "case": case_id} for case_id in ("root", "other"))


def _ways(report: Report[Any]) -> Iterator[Callable[[View], Any]]:
    required = [
        option
        for option in report.options
        if option.required or (option.name == "by" and option.instead is None)
    ]
    if not required:
        yield report._answer
    for option in required:
        codes = option.kind if isinstance(option.kind, tuple) else ROLES
        for code in codes:
            yield partial(report._answer, **{option.name: code})
    for option in report.options:
        if option.instead is not None:
            yield from _ways(option.instead)
