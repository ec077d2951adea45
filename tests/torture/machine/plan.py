"""What will be done, by the seed: each worker's operations, and the faults from outside.

Operation n of a worker is a pure function of seed, worker and n. So a worker that was killed goes
on where it was, and the same seed gives the same plan. When each of it happens, no seed can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from casestore import (
    Actor,
    CaseOpened,
    Event,
    GestureGiven,
    NoteAdded,
    PolicyAdopted,
    StatementMade,
)
from casestore.events import Money

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
"""When the first thing happened. No clock of ours jumps back so far."""
ACTOR = Actor(kind="agent", id="anna", role="manager")
LIMIT = 100
"""What a customer may be given in a year, in EUR. The policy refuses more."""
POLICY = PolicyAdopted(
    occurred_at=BEGIN,
    actor=ACTOR,
    name="house",
    effective_from=BEGIN,
    policy={
        "roles": {"manager": {"limits": {"EUR": {}}}},
        "goodwill": {"enforcement": "refuse", "per_year": {"EUR": str(LIMIT)}},
    },
)
KINDS = {
    "note": 24,
    "nokey": 8,
    "all": 14,
    "expected": 20,
    "gift": 18,
    "claim": 18,
    "repeat": 10,
    "other": 5,
    "fork": 3,
}
"""What a writer does, and how often."""
AGAIN = ("note", "all", "gift", "claim")
"""Those that can be repeated: they have a key of their own."""
JUMPS = (-3 * 86400, -7200, -240, 200, 7200, 2 * 86400)
"""Seconds by which a clock is wrong."""
ROOM = (0, 4096, 65536, 262144)
"""Bytes that a file may have while the disk is full."""
SHARED = 3
"""Cases that all writers append to at a time."""

Batches = list[tuple[str, list[Event]]]


class Step(NamedTuple):
    """One operation of a writer."""

    op: str
    """Its name, which is in the metadata of what it appends (correlation_id)."""
    kind: str
    batches: Batches
    """Empty for "repeat" and "other"; those are about `of`."""
    openings: tuple[tuple[str, CaseOpened], ...] = ()
    """The cases that it needs, each to be opened by whoever comes first."""
    of: int = 0
    """The number of the step that is repeated."""
    keyed: bool = True
    clock: float = 0
    """Seconds by which the clock is wrong."""
    room: int | None = None
    """Bytes that a file may have; None for no limit."""
    asks_again: bool = True
    """Whether it is asked again, with its key, if nobody knows what came of it."""


def opening(case: str, customer: str) -> tuple[str, CaseOpened]:
    event = CaseOpened(occurred_at=BEGIN, actor=ACTOR, customer_id=customer, channel="email")
    return f"case:{case}", event


def note(at: datetime, text: str | None) -> NoteAdded:
    return NoteAdded(occurred_at=at, actor=ACTOR, text=text)


class WriterPlan:
    """What a writer does.

    Args:
        seed: of the run.
        name: of the writer.
        faults: the kinds of fault in the run.
    """

    def __init__(self, seed: int, name: str, faults: Sequence[str]) -> None:
        self._seed = seed
        self._name = name
        self._faults = faults
        self._kinds = {k: w for k, w in KINDS.items() if k != "fork" or "fork" in faults}

    def step(self, number: int) -> Step:
        """Operation `number`, from 0."""
        random = Random(f"{self._seed} {self._name} {number}")
        (kind,) = random.choices([*self._kinds], [*self._kinds.values()])
        of = number - random.randint(1, 6)
        if kind in ("repeat", "other") and (of < 0 or self._kind_of(of) not in AGAIN):
            kind = "note"
        op = f"{self._name}.{number}"
        at = BEGIN + timedelta(seconds=number)
        batches, openings = self._what(kind, op, number, at, random)
        return Step(
            op,
            kind,
            batches,
            tuple(openings),
            of,
            kind != "nokey",
            self._clock(number),
            self._room(random),
            random.random() < 0.8,
        )

    def _kind_of(self, number: int) -> str:
        random = Random(f"{self._seed} {self._name} {number}")
        return random.choices([*self._kinds], [*self._kinds.values()])[0]

    def _clock(self, number: int) -> float:
        random = Random(f"{self._seed} {self._name} clock {number // 8}")
        return random.choice(JUMPS) if "clock" in self._faults and random.random() < 0.25 else 0

    def _room(self, random: Random) -> int | None:
        return (
            random.choice(ROOM) if random.random() < 0.05 and "diskfull" in self._faults else None
        )

    def _what(
        self, kind: str, op: str, number: int, at: datetime, random: Random
    ) -> tuple[Batches, list[tuple[str, CaseOpened]]]:
        epoch = number // 60
        one = random.randrange(SHARED)
        shared, opens = f"case:s{epoch}-{one}", [opening(f"s{epoch}-{one}", f"c{one}")]
        if kind in ("note", "nokey", "fork"):
            count = random.choice([1, 1, 1, 2, 3, 25])
            texts = [f"{op} said" if random.random() < 0.4 else None for _ in range(count)]
            return [(shared, [note(at, text) for text in texts])], opens
        if kind == "all":
            own = opening(f"{op}", random.choice(["c0", "c1", f"n-{op}"]))
            own_events: list[Event] = [own[1], note(at, f"{op} wrote")]
            parts: Batches = [(own[0], own_events), (shared, [note(at, None)])]
            if random.random() < 0.5:
                parts.reverse()
            return parts, opens
        if kind == "expected":
            notes: list[Event] = [note(at, None) for _ in range(random.randint(1, 2))]
            return [(shared, notes)], opens
        if kind == "gift":
            who = f"g{number // 40}"
            case = f"{who}-{random.randrange(2)}"
            value = Money(amount=Decimal(random.randint(1, 30)), currency="EUR")
            gesture = GestureGiven(
                occurred_at=at, actor=ACTOR, gesture_id=op, kind="voucher", value=value
            )
            return [(f"case:{case}", [gesture])], [opening(case, who)]
        if kind == "claim":
            topic, value_said = f"t{random.randrange(3)}", random.choice("abc")
            # Every second one is an id that others use too: one of them gets it.
            taken = f"x{epoch}-{random.randrange(40)}"
            claim = StatementMade(
                occurred_at=at,
                actor=ACTOR,
                topic=topic,
                value=value_said,
                statement_id=taken if random.random() < 0.5 else op,
            )
            return [(shared, [claim])], opens
        return [], []


class Fault(NamedTuple):
    """A fault from outside."""

    wait: float
    """Seconds after the fault before."""
    kind: str
    how: str
    """"fast", "immediate" or "kill" of a restart; "proxy" or "server" of a cut."""
    pick: float
    """Which worker, from 0 to 1."""
    long: float
    """Seconds that it lasts."""
    room: int


_OUTSIDE = {"kill": 4, "restart": 1, "cut": 4, "diskfull": 1, "pause": 3, "signal": 8}


def faults(seed: int, kinds: Sequence[str], backend: str) -> Iterator[Fault]:
    """The faults from outside, without end: a bag of all kinds, shuffled, again and again."""
    random = Random(f"{seed} faults")
    ways = {"restart": ["fast", "immediate", "immediate", "kill"], "cut": ["proxy", "server"]}
    bag = [
        kind
        for kind in kinds
        for _ in range(_OUTSIDE.get(kind, 0))
        if kind != "diskfull" or backend == "postgres"
    ]
    while bag:
        random.shuffle(bag)
        for kind in bag:
            yield Fault(
                random.uniform(0.05, 0.7),
                kind,
                random.choice(ways.get(kind, [""])),
                random.random(),
                random.choice([0.1, 0.3, 1.0, 2.5]),
                random.choice(ROOM),
            )
