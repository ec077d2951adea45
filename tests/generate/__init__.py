"""Made complaint histories, shaped like real ones: many short cases, few long ones, all mixed.

    python -m tests.bench generate [--events 1000000] [--seed 1] [--out FILE|-] [--db URL]

The same count and seed give the same bytes on any machine and in any Python that we run on.
The log is cut off after so many events, so that some cases are still going on.
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
from typing import Any, cast

import msgspec

from casestore.append.request import Append
from casestore.errors import CaseStoreError, StoreNotFound
from casestore.events import CaseMerged, CaseUnmerged, CustomerMerged, CustomerUnmerged
from casestore.store import CaseStore
from casestore.streams.history import from_microseconds, to_microseconds
from casestore.system.garbage import fewer_collections
from tests.generate.contact import answer
from tests.generate.course import closing, course, opening
from tests.generate.customers import register
from tests.generate.story import DAY, HOUR, START, Dice, Story, Told, case_id, customer_id

SPAN = 730 * DAY
PER_CASE = 11.4
"""Events a case, those on its customer's stream included, as it comes out."""
_BEGUN = to_microseconds(START)
_COMMIT = 10_000
"""Events that share a commit. Each commit writes the index pages that it touched, and event ids
touch them all over: a tenth faster at a million events than a thousand to a commit."""


class _Line(msgspec.Struct):
    stream: str
    type: str
    data: msgspec.Raw
    key: str
    recorded_at: Any


def lines(events: int, seed: int = 1) -> Iterator[bytes]:
    """So many NDJSON lines with their ends, as `casestore import` takes them, in log order."""
    for each in told(events, seed):
        cls = type(each.event)
        serializer = cast(Any, cls).__pydantic_serializer__
        data = msgspec.Raw(serializer.to_json(each.event, exclude_none=True))
        at = from_microseconds(_recorded_us(each))
        line = _Line(each.stream, cls.__name__, data, each.key, at)
        yield b"%s\n" % msgspec.json.encode(line)


def fill(store: CaseStore, events: int, seed: int = 1) -> int:
    """Write the same events into a store, with the times of recording; how many were new.

    Raises CaseStoreError where the store holds something else already.
    """
    new = 0
    made = told(events, seed)
    with fewer_collections():
        while some := list(islice(made, _COMMIT)):
            for outcome in store.write([_append(each) for each in some], stop=True):
                if isinstance(outcome, CaseStoreError):
                    raise outcome
                new += outcome
    return new


def _append(each: Told) -> Append:
    return Append(
        batches=((each.stream, (each.event,)),),
        key=each.key,
        imported=True,
        recorded_us=_recorded_us(each),
    )


def _recorded_us(each: Told) -> int:
    return _BEGUN + each.at * 1_000_000


# --- the log ---------------------------------------------------------------------------------


def told(events: int, seed: int = 1) -> Iterator[Told]:
    """So many events in the order of their recording, of all cases mixed.

    Only the cases that are going on are held, and a few bytes for each one that was.
    """
    cases = _Cases(Dice(seed), pace=SPAN * PER_CASE / max(events, 1))
    going: list[tuple[int, int, Told, Iterator[Told]]] = []
    for _ in range(events):
        while not going or cases.next_at <= going[0][0]:
            story = iter(cases.next())
            first = next(story)
            heappush(going, (first.at, cases.count, first, story))
        _, number, each, story = going[0]
        if (following := next(story, None)) is None:
            heappop(going)
        else:
            heapreplace(going, (following.at, number, following, story))
        yield each


class _Cases:
    """Case after case, each told whole when it opens."""

    def __init__(self, dice: Dice, pace: float) -> None:
        self.count = 0
        self.next_at = 0
        self._dice = dice
        self._pace = pace
        self._customers = 0
        self._owners = array("L")
        """Each case's customer, by number."""
        self._merged_cases: set[int] = set()
        self._merged_customers: set[int] = set()

    def next(self) -> list[Told]:
        dice, number = self._dice, self.count
        # Who complained before complains again: few customers have many cases.
        earlier = number - 1 - dice.between(0, number) if number and dice.chance(0.35) else None
        customer = self._customers if earlier is None else self._owners[earlier]
        story = Story(dice, number, self.next_at, customer)
        if earlier is None:
            self._customers += 1
            register(story)
        opening(story)
        if earlier is not None and earlier not in self._merged_cases and dice.chance(0.1):
            self._merged_cases.add(number)
            self._merge(story, earlier)
        else:
            course(story)
        if earlier is None and number and dice.chance(0.03):
            self._merge_customer(story, customer)
        self._owners.append(customer)  # not before: nobody is merged into themselves
        self.count += 1
        self.next_at = int((self.count + dice.between(0, 100) / 100) * self._pace)
        return story.told

    def _merge(self, story: Story, earlier: int) -> None:
        """The customer wrote twice about one thing; now and then we were wrong about that."""
        into = case_id(earlier)
        story.work(HOUR, 4 * DAY)
        story.tell(CaseMerged, story.agent, into=into)
        if self._dice.chance(0.7):
            closing(story, "duplicate")
        elif self._dice.chance(0.6):
            story.work(DAY, 9 * DAY)
            story.tell(CaseUnmerged, story.agent, out_of=into)
            answer(story)
            closing(story)

    def _merge_customer(self, story: Story, customer: int) -> None:
        """They were known under another number already, or so it seemed."""
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
    """What can be asked for."""
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", metavar="FILE", default="-", help="NDJSON; - is standard output")
    parser.add_argument("--db", metavar="URL", help="a store instead, made if it is not there")


def run(asked: argparse.Namespace) -> None:
    """Write the file, or fill the store; the rate goes to standard error."""
    begun = time.perf_counter()
    if asked.db is not None:
        with _store(asked.db) as store:
            done = fill(store, asked.events, asked.seed)
    else:
        with contextlib.ExitStack() as stack:
            out = sys.stdout.buffer
            if asked.out != "-":
                out = stack.enter_context(Path(asked.out).open("wb"))
            out.writelines(lines(asked.events, asked.seed))
        done = asked.events
    taken = time.perf_counter() - begun
    print(f"{done} events in {taken:.1f} s, {done / taken:,.0f} a second", file=sys.stderr)


def _store(url: str) -> CaseStore:
    try:
        return CaseStore.open(url)
    except StoreNotFound:
        return CaseStore.create(url)
