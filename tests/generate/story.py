"""One generated case while it is made: its clock, its people, its ids and its events so far.

Episodes decide what happens. They are functions that take a story, record a few events, and leave
the story ready for the next episode. There is a module of them for each theme of the vocabulary;
`course` decides how often each happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from casestore.append.request import event_id
from casestore.events import (
    Actor,
    Ask,
    Event,
    EventCorrected,
    MessageReceived,
    Money,
    ReplySent,
)
from casestore.streams.history import stored_data
from tests.generate.words import LANGUAGES

START = datetime(2023, 1, 2, tzinfo=UTC)
"""A Monday, long enough ago that two years after it are past on any machine."""
MINUTE, HOUR, DAY = 60, 3600, 86400

T = TypeVar("T")


def weighed(*choices: tuple[T, int]) -> tuple[T, ...]:
    """A tuple to pick from, in which each choice stands as often as its weight says."""
    return tuple(choice for choice, weight in choices for _ in range(weight))


TEAMS = tuple(
    f"{work}-{side}"
    for work in ("letters", "phone", "billing", "delivery", "repairs", "care")
    for side in ("north", "south", "east", "west")
)
PER_TEAM = 12
AGENTS = tuple(
    Actor(
        kind="agent",
        id=f"agent-{n:03}",
        role="supervisor" if n < len(TEAMS) else "first_line",
        team=TEAMS[n % len(TEAMS)],
    )
    for n in range(len(TEAMS) * PER_TEAM)
)
MACHINE = Actor(kind="system", id="mailer")
PRODUCTS = weighed(("parcel", 3), ("broadband", 2), ("ticket", 1), ("card", 1), ("kettle", 1))
CATEGORIES = weighed(
    ("late", 3), ("billing", 2), ("damaged", 1), ("staff", 1), ("website", 1), ("other", 1)
)
CHANNELS = weighed(
    ("email", 5), ("phone", 3), ("web", 2), ("chat", 1), ("letter", 1), ("social", 1), ("sms", 1)
)


class Dice:
    """Random choices that are the same on every machine.

    They use nothing but `random()` and exact arithmetic. Python does not promise that the other
    methods of Random give the same in every version, and libm differs between machines.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def chance(self, share: float) -> bool:
        """True with this probability."""
        return self._random() < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, all equally likely."""
        return choices[int(self._random() * len(choices))]

    def maybe(self, share: float, value: T) -> T | None:
        """The value with this probability; else None, which is: not recorded."""
        return value if self._random() < share else None

    def between(self, low: int, high: int) -> int:
        """A number from low to below high, more often near low."""
        fraction = self._random()
        return low + int(fraction * fraction * (high - low))


class Entry(NamedTuple):
    """An event and when it was recorded."""

    at: int
    """Seconds since START."""
    stream: str
    event: Event
    key: str

    @property
    def uid(self) -> str:
        """The event id that the store will make from the key."""
        return event_id(self.stream, self.key, 0)


class Story:
    """A case as far as it is made. `at` is the time of recording, which only goes forward.

    Args:
        dice: for all random choices.
        number: the case's number, from 0.
        at: when the case begins, in seconds since START.
        customer: the customer's number. It decides their name, language and place.
    """

    def __init__(self, dice: Dice, number: int, at: int, customer: int) -> None:
        self.dice, self.at = dice, at
        self.case_id = case_id(number)
        self.stream = f"case:{self.case_id}"
        self.customer_id = customer_id(customer)
        self.customer = Actor(kind="customer", id=self.customer_id)
        who = customer * 2654435761 % 2**32  # Knuth's multiplicative hash: no state to keep
        self.words = LANGUAGES[who % 10 if who % 3 else who % 2]
        self.name = self.words.names[who // 100 % len(self.words.names)]
        self.address = f"{self.customer_id.lower()}@example.org"
        self.channel = dice.pick(CHANNELS)
        self.category = dice.pick(CATEGORIES)
        self.agent = dice.pick(AGENTS)
        self.issues: list[str] = []
        self.asks: list[str] = []
        """Ids of the asks that are not answered yet."""
        self.replies: list[str] = []
        """Ids of the replies that people sent; the latest one is last."""
        self.entries: list[Entry] = []
        self._ids = 0

    def new(self, letter: str) -> str:
        """An id that the case does not have yet."""
        self._ids += 1
        return f"{letter}{self._ids}"

    # --- the clock -------------------------------------------------------------------------

    def when(self, later: int = 0) -> datetime:
        """The present time of the story, or the time `later` seconds after it."""
        return START + timedelta(seconds=self.at + later)

    def wait(self, low: int, high: int) -> None:
        """Let time pass before a customer or a machine acts, which they do at all hours."""
        self.at += self.dice.between(low, high)

    def work(self, low: int, high: int) -> None:
        """Let time pass before one of us acts, which is from 8 to 18 UTC on weekdays."""
        day, second = divmod(self.at + self.dice.between(low, high), DAY)
        if second >= 18 * HOUR:
            day, second = day + 1, second - 18 * HOUR
        if day % 7 >= 5:
            day += 7 - day % 7
        if second < 8 * HOUR:
            second = 8 * HOUR + second // 8
        self.at = max(self.at, day * DAY + second)

    # --- recording -------------------------------------------------------------------------

    def record(
        self,
        cls: type[Event],
        by: Actor,
        /,
        *,
        ago: int = 0,
        stream: str | None = None,
        **fields: Any,
    ) -> Entry:
        """Record an event now; it happened `ago` seconds before."""
        event = cast(Any, cls)(occurred_at=self.when(-ago), actor=by, **fields)
        key = f"{self.case_id}/{len(self.entries)}"
        entry = Entry(self.at, stream or self.stream, event, key)
        self.entries.append(entry)
        return entry

    def of_customer(self, cls: type[Event], by: Actor, /, **fields: Any) -> Entry:
        """Record an event on the customer's own stream."""
        return self.record(cls, by, stream=f"customer:{self.customer_id}", **fields)

    def hear(self, text: str, asks: Sequence[str] = (), **fields: Any) -> Entry:
        """The customer sends a message, with an ask of each of these kinds."""
        new_asks = tuple(Ask(ask_id=self.new("a"), kind=cast(Any, kind)) for kind in asks)
        self.asks += [ask.ask_id for ask in new_asks]
        return self.record(
            MessageReceived,
            self.customer,
            message_id=self.new("m"),
            channel=self.channel,
            asks=new_asks or None,
            sentiment=self.dice.pick((None, "calm", "upset", "upset", "angry")),
            text=text,
            **fields,
        )

    def reply(self, text: str | None = None, **fields: Any) -> str:
        """The agent replies, and mostly answers all asks. Gives the reply's id."""
        answered = len(self.asks) if self.dice.chance(0.85) else 0
        reply_id = self.new("r")
        defaults: dict[str, Any] = {
            "purpose": "substantive",
            "addresses": self.dice.maybe(0.8, tuple(self.issues)),
            "answers": tuple(self.asks[:answered]) or None,
            # Some answers are in English, although the customer speaks another language.
            "language": self.words.language if self.dice.chance(0.95) else "en-GB",
            "to": self.address if self.channel == "email" else None,
            "text": text or self.dice.pick(self.words.answers),
        }
        fields = defaults | fields
        self.record(ReplySent, self.agent, reply_id=reply_id, channel=self.channel, **fields)
        del self.asks[:answered]
        self.replies.append(reply_id)
        return reply_id

    def money(self, low: int, high: int) -> Money:
        """An amount in the customer's currency."""
        amount = self.dice.between(low, high) * self.words.scale
        text = str(amount) if self.words.currency == "JPY" else f"{amount}.{self._cents()}"
        return Money(amount=Decimal(text), currency=self.words.currency)

    def _cents(self) -> str:
        return self.dice.pick(("00", "00", "50", "99"))

    # --- correcting ------------------------------------------------------------------------

    def amend(self, wrong: Entry, field: str, to: Any) -> Entry:
        """Correct a field of an event to another JSON value."""
        change = {"from": stored_data(wrong.event).get(field), "to": to}
        return self._correct(wrong, "amended", changes={field: change}, reason="mistyped")

    def void(self, wrong: Entry, reason: str) -> Entry:
        """Void an event that never happened. No later event may refer to what it brought."""
        return self._correct(wrong, "voided", reason=reason)

    def _correct(self, wrong: Entry, kind: str, **fields: Any) -> Entry:
        return self.record(
            EventCorrected,
            self.agent,
            stream=wrong.stream,
            event_id=UUID(wrong.uid),
            kind=kind,
            authorised_by=self.supervisor(),
            **fields,
        )

    def supervisor(self) -> Actor:
        """One of the agents who may decide more than others."""
        return self.dice.pick(AGENTS[: len(TEAMS)])


def case_id(number: int) -> str:
    """The id of a case by its number."""
    return f"K-{number:07}"


def customer_id(number: int) -> str:
    """The id of a customer by their number."""
    return f"C-{number:07}"
