"""Generated histories of complaints, shaped like real ones: many short cases, few long ones.

    python -m tests.bench generate [--events 1000000] [--seed 1] [--merged 0.04]
                                   [--out FILE|-] [--db URL]

Events of cases that go on at the same time are mixed, as in a real log. The same count and seed
give the same bytes on any machine and in any Python that we run on. The log ends after the number
of events that was asked for, so that some cases are not finished.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from array import array
from collections.abc import Iterator
from heapq import heappop, heappush, heapreplace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from casestore.append.request import Append
from casestore.errors import CaseStoreError, StoreNotFound
from casestore.events import CaseMerged, CaseUnmerged, CustomerMerged, CustomerUnmerged
from casestore.events.made import making
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds, to_microseconds
from casestore.system.garbage import fewer_collections
from tests.generate.contact import answer
from tests.generate.course import closing, course, opening
from tests.generate.customers import register
from tests.generate.story import DAY, HOUR, START, Dice, Entry, Story, case_id, customer_id

SPAN = 730 * DAY
PER_CASE = 11.6
"""Events of a case on average, as counted, with those on its customer's stream."""
AGAIN = 0.35
"""The share of cases whose customer has complained before."""
MERGED = 0.04
"""The share of cases that are merged into an earlier one of their customer's."""
_START_US = to_microseconds(START)
_COMMIT = 10_000
"""Events in one commit. A commit writes every index page that it touched, and event ids have no
order, so that they touch many pages: at a million events, a tenth faster than 1,000 in a commit."""


class _Line(msgspec.Struct):
    stream: str
    type: str
    data: msgspec.Raw
    key: str
    recorded_at: Any


def lines(events: int, seed: int = 1, merged: float = MERGED) -> Iterator[bytes]:
    """The first events as lines of NDJSON for `casestore import`, in the order of recording.

    Args:
        events: how many.
        seed: another one gives another log.
        merged: the share of cases that are merged into an earlier one, at most AGAIN.
    """
    for entry in entries(events, seed, merged):
        cls = type(entry.event)
        serializer = making(cls).serializer
        data = msgspec.Raw(serializer.to_json(entry.event, exclude_none=True))
        at = from_microseconds(_recorded_us(entry))
        line = _Line(entry.stream, cls.__name__, data, entry.key, at)
        yield b"%s\n" % msgspec.json.encode(line)


def fill(store: CaseStore, events: int, seed: int = 1, merged: float = MERGED) -> int:
    """Write the same events into a store, with their times of recording. Gives how many were new.

    Raises CaseStoreError if the store holds something else already.
    """
    new = 0
    log = entries(events, seed, merged)
    with fewer_collections():
        while batch := list(islice(log, _COMMIT)):
            for outcome in store.write([_append(entry) for entry in batch], stop=True):
                if isinstance(outcome, CaseStoreError):
                    raise outcome
                new += outcome
    return new


def _append(entry: Entry) -> Append:
    return Append(
        batches=((entry.stream, (entry.event,)),),
        key=entry.key,
        imported=True,
        recorded_us=_recorded_us(entry),
    )


def _recorded_us(entry: Entry) -> int:
    return _START_US + entry.at * 1_000_000


# --- the log ---------------------------------------------------------------------------------


def entries(events: int, seed: int = 1, merged: float = MERGED) -> Iterator[Entry]:
    """The first events of all cases, in the order of their recording.

    In memory are only the cases that go on at the time, and a few bytes for every earlier one.
    """
    cases = _Cases(Dice(seed), pace=SPAN * PER_CASE / max(events, 1), merged=merged)
    # A heap of the open cases, by the time of their next entry: (time, number, entry, later ones).
    open_cases: list[tuple[int, int, Entry, Iterator[Entry]]] = []
    for _ in range(events):
        while not open_cases or cases.next_at <= open_cases[0][0]:
            later = iter(cases.next())
            first = next(later)
            heappush(open_cases, (first.at, cases.count, first, later))
        _, number, entry, later = open_cases[0]
        if (following := next(later, None)) is None:
            heappop(open_cases)
        else:
            heapreplace(open_cases, (following.at, number, following, later))
        yield entry


class _Cases:
    """Makes one case after another, in the order in which they open.

    Every case is made as a whole, to its last event, when it opens.
    """

    def __init__(self, dice: Dice, pace: float, merged: float) -> None:
        self.count = 0
        self.next_at = 0
        self._dice = dice
        self._pace = pace
        self._merged = merged / AGAIN
        """The share of those whose customer has complained before."""
        self._customers = 0
        self._owners = array("L")
        """Each case's customer, by number."""
        self._merged_cases: set[int] = set()
        self._merged_customers: set[int] = set()

    def next(self) -> list[Entry]:
        dice, number = self._dice, self.count
        # Who complained often complains again: so a few customers have many cases.
        earlier = number - 1 - dice.between(0, number) if number and dice.chance(AGAIN) else None
        customer = self._customers if earlier is None else self._owners[earlier]
        story = Story(dice, number, self.next_at, customer)
        if earlier is None:
            self._customers += 1
            register(story)
        opening(story)
        if earlier is not None and earlier not in self._merged_cases and dice.chance(self._merged):
            self._merged_cases.add(number)
            self._merge(story, earlier)
        else:
            course(story)
        if earlier is None and number and dice.chance(0.03):
            self._merge_customer(story, customer)
        self._owners.append(customer)  # only now, so that nobody is merged into themselves
        self.count += 1
        self.next_at = int((self.count + dice.between(0, 100) / 100) * self._pace)
        return story.entries

    def _merge(self, story: Story, earlier: int) -> None:
        """The case is merged into an earlier one about the same thing; sometimes wrongly."""
        into = case_id(earlier)
        story.work(HOUR, 4 * DAY)
        story.record(CaseMerged, story.agent, into=into)
        if self._dice.chance(0.7):
            closing(story, "duplicate")
        elif self._dice.chance(0.6):
            story.work(DAY, 9 * DAY)
            story.record(CaseUnmerged, story.agent, out_of=into)
            answer(story)
            closing(story)

    def _merge_customer(self, story: Story, customer: int) -> None:
        """The customer is merged into one whom we knew already; sometimes wrongly."""
        known = self._owners[self._dice.between(0, len(self._owners))]
        if known in self._merged_customers:
            return
        self._merged_customers.add(customer)
        into = customer_id(known)
        story.work(HOUR, 20 * DAY)
        story.of_customer(CustomerMerged, story.agent, into=into)
        if self._dice.chance(0.4):
            story.work(DAY, 30 * DAY)
            story.of_customer(CustomerUnmerged, story.agent, out_of=into)


# --- the command -----------------------------------------------------------------------------


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--merged", type=float, default=MERGED, help="the share of cases that are merged"
    )
    parser.add_argument("--out", metavar="FILE", default="-", help="NDJSON; - is standard output")
    parser.add_argument("--db", metavar="URL", help="a store instead, made if it is not there")


def run(options: argparse.Namespace) -> None:
    """Write the file, or fill the store. Prints the rate to standard error."""
    start = time.perf_counter()
    if options.db is not None:
        with _store(options.db) as store:
            done = fill(store, options.events, options.seed, options.merged)
    else:
        with contextlib.ExitStack() as stack:
            out = sys.stdout.buffer
            if options.out != "-":
                out = stack.enter_context(Path(options.out).open("wb"))
            out.writelines(lines(options.events, options.seed, options.merged))
        done = options.events
    taken = time.perf_counter() - start
    print(f"{done} events in {taken:.1f} s, {done / taken:,.0f} a second", file=sys.stderr)


def _store(url: str) -> CaseStore:
    try:
        return CaseStore.open(url)
    except StoreNotFound:
        return CaseStore.create(url)
