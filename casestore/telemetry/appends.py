"""The span of a commit of appends, and what is counted of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

from casestore.errors import CaseStoreError
from casestore.events import Event
from casestore.telemetry.spans import SILENT, OpenSpan, Span, is_failure
from casestore.telemetry.telling import OUTCOME, Telling, found

KIND = "casestore.stream.kind"
TYPES = "casestore.event.types"
"""Of a span: the types of all its events, in the order of their names."""
TYPE = "casestore.event.type"
"""Of a counter: the type of the events that it counts."""
SEVERAL = "several"
"""The kind of streams of more than one kind, and the outcome of appends with more than one."""
_KINDS = frozenset({"case", "customer", "policy"})
_Outcomes = Sequence[bool | BaseException | None]
_Counts = Counter[tuple[str, str]]
"""By kind of stream and name."""


class Written(Protocol):
    """What is told of an append."""

    @property
    def batches(self) -> Sequence[tuple[str, Sequence[Event]]]:
        """Streams with their events."""

    @property
    def registered(self) -> int:
        """How many customers the store registered for it by itself."""


def appending(
    url: str, appends: Sequence[Written], *, timed: bool = False, whole: bool = False
) -> Span:
    """A span around a commit of appends, of which the metrics are told when it ends.

    Args:
        url: the store's.
        appends: the appends; their form need not be checked yet.
        timed: whether somebody waits for it, so that the time counts; nobody does for an import's.
        whole: whether nothing is written if one of them is refused.
    """
    telling = found()
    return SILENT if telling is None else _Appending(telling, url, appends, timed, whole)


class _Appending(OpenSpan):
    def __init__(
        self, telling: Telling, url: str, appends: Sequence[Written], timed: bool, whole: bool
    ) -> None:
        super().__init__(telling, "append", url)
        self._appends = appends
        self._timed = timed
        self._whole = whole
        self._outcomes: _Outcomes = ()
        self._begun = time.perf_counter()

    def wrote(self, outcomes: Sequence[bool | CaseStoreError]) -> None:
        self._outcomes = outcomes
        if self._whole and any(isinstance(each, CaseStoreError) for each in outcomes):
            self._outcomes = [
                each if isinstance(each, CaseStoreError) else None for each in outcomes
            ]

    def end(self, error: BaseException | None) -> None:
        took = time.perf_counter() - self._begun
        outcomes = self._outcomes or [error] * len(self._appends)
        tried = self._appends[: len(outcomes)]
        database = dict(self.said)
        what = {part for append in tried for part in _parts(append)}
        if kind := _one_of({kind for kind, _ in what}):
            self.said[KIND] = kind
            self.said[TYPES] = sorted({name for _, name in what})
        outcome = _one_of({_named(each) for each in outcomes if each is not None}) or "done"
        self.came_to(outcome, failed=any(map(is_failure, outcomes)))
        for (kind, name), count in _new(tried, outcomes).items():
            said = {**database, KIND: kind, TYPE: name}
            self.telling.measure("casestore.events.appended", count, said)
        for (kind, name), count in _refused(tried, outcomes).items():
            said = {**database, OUTCOME: name, **({KIND: kind} if kind else {})}
            self.telling.measure("casestore.appends.refused", count, said)
        if self._timed:
            said = {**database, OUTCOME: outcome, **({KIND: self.said[KIND]} if what else {})}
            self.telling.measure("casestore.append.duration", took, said)
        super().end(error)


def _named(outcome: bool | BaseException) -> str:
    if isinstance(outcome, BaseException):
        return type(outcome).__name__
    return "appended" if outcome else "repeated"


def _one_of(names: set[str]) -> str:
    return SEVERAL if len(names) > 1 else next(iter(names), "")


def _parts(append: Written) -> Iterator[tuple[str, str]]:
    """The kind of stream and the type of each event.

    None of what is not as it should be: what stands in the place of a stream may be anything, and
    say who it is about. An iterator is left alone, as only the append may read it.
    """
    if isinstance(append.batches, list | tuple):
        for each in append.batches:
            match each:
                case (str(stream), list() | tuple() as events):
                    kind = stream.partition(":")[0]
                    if kind in _KINDS:
                        known = [each for each in events if isinstance(each, Event)]
                        yield from ((kind, type(event).__name__) for event in known)
                case _:
                    pass


def _new(appends: Sequence[Written], outcomes: _Outcomes) -> _Counts:
    """How many events were appended, by kind and type; those that the store added, too."""
    new: _Counts = Counter()
    for append, outcome in zip(appends, outcomes, strict=True):
        if outcome is True:
            new.update(_parts(append))
            new["customer", "CustomerRegistered"] += append.registered
    return +new


def _refused(appends: Sequence[Written], outcomes: _Outcomes) -> _Counts:
    """How many appends were not taken, by kind ("" where it cannot be told) and class of error."""
    return Counter(
        (_one_of({kind for kind, _ in _parts(append)}), type(outcome).__name__)
        for append, outcome in zip(appends, outcomes, strict=True)
        if isinstance(outcome, BaseException)
    )
