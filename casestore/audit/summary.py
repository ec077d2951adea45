"""The summary of a case on its page of evidence: parties, period, outcome, words.

It is made of the events that the page shows, with corrections applied, and claims nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from casestore.audit.leaf import Leaf
from casestore.audit.paper import safe
from casestore.events import (
    CaseOpened,
    Event,
    EventCorrected,
    FinalDecisionGiven,
    GestureGiven,
    GestureReversed,
    RemedyGiven,
    RemedyReversed,
    RequestRefused,
    ResolutionAccepted,
    ResolutionRejected,
)
from casestore.streams.history import History, Recorded, from_microseconds
from casestore.streams.standing import STANDING, Standing, stand
from casestore.streams.wording import clock, counted, words

Words = Literal["proven", "unproven", "withheld", "erased"]


class Shown(NamedTuple):
    """An event as the page shows it."""

    recorded: Recorded
    leaf: Leaf
    rank: int
    """Its place in the sealed history, from 0."""
    words_are_proven: bool
    """Whether its words, if they are revealed, are proven to be what was recorded."""

    @property
    def words(self) -> Words | None:
        """What the page shows of its words; None where it has none."""
        if self.recorded.privacy == "revealed":
            return "proven" if self.words_are_proven else "unproven"
        return self.recorded.privacy


_MEANS: dict[Words, str] = {
    "proven": "shown, and proven by what the seal holds of them: a commitment that they open, or "
    "their hash",
    "unproven": "shown, and not proven: they are what the maker of this page says was recorded",
    "withheld": "withheld from this page: they are recorded, and what they say is not shown",
    "erased": "erased, as the maker of this page says: the store cannot read them any more",
}
_OUTCOMES: tuple[tuple[str, tuple[type[Event], ...]], ...] = (
    ("the customer accepted a resolution", (ResolutionAccepted,)),
    ("the customer rejected a resolution", (ResolutionRejected,)),
    ("a final decision", (FinalDecisionGiven,)),
    ("a request refused", (RequestRefused,)),
    ("a remedy given", (RemedyGiven,)),
    ("a gesture of goodwill given", (GestureGiven,)),
    ("a remedy or gesture taken back", (RemedyReversed, GestureReversed)),
)
_MOST = 12
"""The most actors, or numbers of events, in a line."""


def summary(events: Sequence[Shown], history: History) -> str:
    """The summary, as an HTML list of names and values."""
    standing = Standing()
    for recorded in history.in_order:
        if isinstance(recorded.event, STANDING):
            standing = stand(standing, recorded.event)
    facts = (
        ("Customer", safe(_customers(standing, history))),
        ("Acted or spoke", safe(_actors(history.originals))),
        ("Period", _period(events)),
        ("Events", _events(events, history)),
        ("Outcome", safe(_outcome(standing, history))),
        ("Words", _words(events)),
    )
    return listed(facts)


def listed(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values as an HTML list. The values are HTML."""
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>\n" for name, value in facts)
    return f"<dl>\n{rows}</dl>\n"


def _customers(standing: Standing, history: History) -> str:
    opened = (r.event for r in history.originals)
    named = dict.fromkeys(e.customer_id for e in opened if isinstance(e, CaseOpened))
    others = [each for each in named if each != standing.customer_id]
    now = standing.customer_id or "none, as the opening of the case was taken back"
    return f"{now} (before a correction: {', '.join(others)})" if others else now


def _actors(originals: Sequence[Recorded]) -> str:
    acted = Counter(words(recorded.event.actor) for recorded in originals)
    told = [f"{who} ({counted(times, 'event')})" for who, times in acted.most_common(_MOST)]
    more = len(acted) - len(told)
    return ", ".join(told) + (f", and {more:,} more, whom the table names" if more else "")


def _period(events: Sequence[Shown]) -> str:
    happened = [clock(event.recorded.occurred_at) for event in events]
    recorded = [clock(from_microseconds(event.leaf.recorded_at)) for event in events]
    return f"happened {_from_to(happened)}; recorded {_from_to(recorded)}"


def _from_to(times: Sequence[str]) -> str:
    first, last = min(times), max(times)
    return f"on {first} UTC" if first == last else f"from {first} to {last} UTC"


def _events(events: Sequence[Shown], history: History) -> str:
    back = len(history.voided)
    corrected = {
        str(recorded.event.event_id)
        for recorded in history.originals
        if isinstance(recorded.event, EventCorrected)
    }
    amended = len(corrected.intersection(r.uid for r in history.originals) - set(history.voided))
    if not back and not amended:
        return f"{len(events):,}; none of them was taken back or corrected"
    return (
        f"{len(events):,}; {back:,} {_were(back)} taken back and {amended:,} {_were(amended)} "
        "corrected by later ones"
    )


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def _outcome(standing: Standing, history: History) -> str:
    said = []
    if standing.status == "closed" and standing.closed_at is not None:
        reason = (standing.close_reason or "").replace("_", " ")
        said.append(f"closed on {clock(standing.closed_at)} UTC, reason: {reason}")
    else:
        said.append("not closed by the last of these events")
    if standing.merged_into is not None:
        said.append(f"counts under case {standing.merged_into}")
    for what, types in _OUTCOMES:
        numbers = [r.version for r in history.effective if isinstance(r.event, types)]
        if numbers:
            said.append(f"{what}: {_numbers(numbers)}")
    return "; ".join(said)


def _numbers(numbers: Sequence[int]) -> str:
    shown = "no. " + ", ".join(map(str, numbers[:_MOST]))
    more = len(numbers) - _MOST
    return f"{shown} and {more:,} more" if more > 0 else shown


def _words(events: Sequence[Shown]) -> str:
    counts = Counter(event.words for event in events)
    having = len(events) - counts[None]
    if not having:
        return "no event here has words by or about persons"
    rows = "".join(f"<li>{line}</li>" for line in _lines(counts))
    verb = "has" if having == 1 else "have"
    return f"{counted(having, 'event')} {verb} words by or about persons. Of these:<ul>{rows}</ul>"


def _lines(counts: Counter[Words | None]) -> Iterator[str]:
    for kind, means in _MEANS.items():
        if counts[kind]:
            yield f"{counts[kind]:,}: {means}"
