"""A report on one case or customer as of another time reads only related streams.

Its result is the same as if it read all streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.events import CaseMerged, CaseUnmerged, CustomerMerged, CustomerUnmerged, Event
from casestore.streams.history import Recorded
from projections.query import open_view
from projections.query.related_streams import related_streams
from projections.reports import REPORTS, Report
from tests.generate import fill
from tests.support.alter import alter
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    customer_merged,
    customer_unmerged,
    gave,
    merged,
    moment,
    opened,
    replied,
    unmerged,
)

EVENTS = 2_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    folder = tmp_path_factory.mktemp("reach")
    with CaseStore.create(f"sqlite:///{folder}/store.db", key_file=folder / "key") as store:
        fill(store, EVENTS)
        yield store


def everything(store: CaseStore, *_: object) -> list[str]:
    return [*store.streams("case"), *store.streams("customer")]


def telling(store: CaseStore, *types: type[Event]) -> list[str]:
    """The ids of the cases or customers that have events of these types, each once."""
    found = [r.stream.partition(":")[2] for r in store.read() if isinstance(r.event, types)]
    assert found
    return list(dict.fromkeys(found))


def answers(store: CaseStore, known_at: datetime, as_of: datetime, **asked: Any) -> list[Any]:
    found = []
    for report in REPORTS:
        if report.argument is not None and report.argument not in asked:
            continue
        needed = {o.name: _some(o.kind) for o in report.options if o.required}
        result = report(store, known_at=known_at, as_of=as_of, **asked, **needed)
        found.append((report.name, result.rows, result.summary, result.position))
    return found


def _some(kind: Any) -> Any:
    return kind[0] if isinstance(kind, Sequence) else "first_line"


def _recorded_at(recorded: Recorded) -> datetime:
    assert recorded.recorded_at is not None
    return recorded.recorded_at


def test_every_report_says_the_same(store: CaseStore, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = list(store.read())
    times = [_recorded_at(recorded[len(recorded) * part // 10]) for part in (4, 9)]
    customers = telling(store, CustomerMerged, CustomerUnmerged)[:2]
    cases = telling(store, CaseMerged, CaseUnmerged)[:3]
    plain = next(r.customer_id for r in recorded if r.customer_id not in customers)
    asked: list[dict[str, Any]] = [{"customer": each} for each in (*customers, plain)]
    asked += [{"case": each} for each in cases]
    asked += [{"case": cases[0], "customer": plain}]
    some = 0
    for known_at in times:
        for as_of in (known_at, times[0]):
            for each in asked:
                least = answers(store, known_at, as_of, **each)
                with monkeypatch.context() as patched:
                    patched.setattr(open_view, "related_streams", everything)
                    assert answers(store, known_at, as_of, **each) == least
                some += sum(bool(rows) for _, rows, _, _ in least)
    assert some > 50


def test_it_reads_little(store: CaseStore) -> None:
    whole = len(everything(store))
    sizes = [
        len(related_streams(store, customers=[each])) for each in telling(store, CustomerMerged)
    ]
    assert max(sizes) < whole / 4
    assert related_streams(store) == []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def test_which_streams_are_related(desk: Desk) -> None:
    """Every merge relates two streams, in both directions, even if it was undone."""
    desk.case("a", opened(customer_id="k1"))
    desk.case("b", opened(customer_id="k2"), merged("a", "+1h"))
    desk.case("c", opened(customer_id="k2"))
    desk.case("d", opened(customer_id="k3"), merged("c", "+1h"), unmerged("c", "+2h"))
    desk.customer("k4")
    desk.case("e", opened(customer_id="k5"))
    desk.customer("k5", customer_merged("k4", "+1h"), customer_unmerged("k4", "+2h"))
    desk.case("f", opened(customer_id="k6"))
    first = [f"case:{each}" for each in "abcd"] + [f"customer:k{n}" for n in (1, 2, 3)]
    for each in "abcd":
        assert related_streams(desk.store, cases=[each]) == first
    for each in ("k1", "k2", "k3"):
        assert related_streams(desk.store, customers=[each]) == first
    for each in ("k4", "k5"):
        assert related_streams(desk.store, customers=[each]) == [
            "case:e",
            "customer:k4",
            "customer:k5",
        ]
    assert related_streams(desk.store, cases=["f"]) == ["case:f", "customer:k6"]
    both = related_streams(desk.store, cases=["a"], customers=["k6"])
    assert both == sorted([*first, "case:f", "customer:k6"])
    assert related_streams(desk.store, cases=["no such case"]) == ["case:no such case"]


def test_a_customer_with_a_thousand_cases(desk: Desk) -> None:
    for number in range(1_000):
        desk.case(f"n{number}", opened(customer_id="k1"))
    assert len(related_streams(desk.store, customers=["k1"])) == 1_001


def test_a_report_as_of_a_time_between(desk: Desk) -> None:
    desk.case("a", opened(customer_id="k1"), gave("g1", at="+1h"))
    desk.case("b", opened(customer_id="k2"), gave("g2", at="+2h"), replied("r1", "+3h"))
    desk.customer("k2", customer_merged("k1", "+4h"), customer_unmerged("k1", "+6h"))
    history: Report[Any] = next(each for each in REPORTS if each.name == "goodwill history")

    def given(at: str) -> list[str]:
        rows = history(desk.store, customer="k2", as_of=moment(at), known_at=moment("+5h")).rows
        return [row.id for row in rows]

    assert given("+3h") == ["g2"]
    assert given("+5h") == ["g1", "g2"]


def test_a_merge_that_cannot_be_read(desk: Desk) -> None:
    """The stream has no rows, so its merges make no difference. The rest works as before."""
    desk.case("a", opened(customer_id="k1"))
    desk.case("b", opened(customer_id="k1"), merged("a", "+1h"))
    desk.case("c", opened(customer_id="k1", at="+3h"))
    alter(desk.store, "UPDATE {t} SET state = '{' WHERE topic = 'CaseMerged'")
    cases: Report[Any] = next(each for each in REPORTS if each.name == "cases")
    asks: list[dict[str, Any]] = [{"case": "a"}, {"customer": "k1"}]
    for asked in asks:
        told = cases(desk.store, as_of=moment("+2h"), **asked)
        assert ([row.case_id for row in told.rows], told.parked) == (["a"], 1)
