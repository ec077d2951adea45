"""Spans around work, and the time that a writer waits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from casestore.errors import (
    CaseStoreError,
    HistoryChanged,
    KeyFileError,
    SealRefused,
    StoreDamaged,
    StoreUnavailable,
)
from casestore.telemetry.telling import (
    DATABASE,
    OUTCOME,
    Telling,
    begun,
    database,
    found,
    not_told,
)


class Span:
    """A span in a `with`. This one is told to nobody."""

    traceparent: str | None = None
    """The caller's span, which this one is in, as W3C Trace Context writes it; None if there is
    none."""

    def __enter__(self) -> Span:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        pass

    def came_to(self, outcome: str, *, failed: bool = False) -> None:
        """Tell what came of it. Else it is "done", or the class of an error.

        Args:
            outcome: one of a few words.
            failed: whether an operator has to look at it.
        """

    def wrote(self, outcomes: Sequence[bool | CaseStoreError]) -> None:
        """Tell what came of each append, as `CaseStore.write` returns it."""


SILENT = Span()
_FAILURES = (StoreUnavailable, StoreDamaged, HistoryChanged, KeyFileError, SealRefused)


def span(name: str, url: str, *, producer: bool = False) -> Span:
    """A span around some work: `with span("seal", store.url): …`.

    Args:
        name: one of a few.
        url: the store's.
        producer: whether the work gives messages to others (OpenTelemetry's kind PRODUCER).
    """
    telling = found()
    return SILENT if telling is None else OpenSpan(telling, name, url, producer=producer)


def waiting(url: str) -> Span:
    """In a `with` around taking the lock to write: tells how long that took.

    Only where telling has begun, as any append begins it.
    """
    telling = begun()
    return SILENT if telling is None else _Waiting(telling, url)


class OpenSpan(Span):
    """A span that OpenTelemetry is told of: a child of the caller's. What is in it is its child."""

    def __init__(self, telling: Telling, name: str, url: str, *, producer: bool = False) -> None:
        self.telling = telling
        self.said: dict[str, Any] = {DATABASE: database(url)}
        """Its attributes."""
        self.outcome: str | None = None
        self._name = name
        self._producer = producer
        self._failed = False
        self._span: Any = None
        self._token: Any = None

    def __enter__(self) -> Span:
        telling, kinds = self.telling, self.telling.trace.SpanKind
        kind = kinds.PRODUCER if self._producer else kinds.INTERNAL
        try:
            self.traceparent = telling.traceparent()
            self._span = telling.tracer.start_span(self._name, kind=kind, attributes=self.said)
            inside = telling.trace.set_span_in_context(self._span)
            self._token = telling.context.attach(inside)
        except Exception as error:
            not_told(error)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if self._token is not None:
                self.telling.context.detach(self._token)
            self.end(error)
        except Exception as unable:
            not_told(unable)

    def end(self, error: BaseException | None) -> None:
        """Tell its attributes and how it ended. The text of an error is not told: it has ids."""
        if self.outcome is None:
            self.came_to("done" if error is None else type(error).__name__)
        if self._span is None:
            return
        self._span.set_attributes({**self.said, OUTCOME: self.outcome})
        if self._failed or is_failure(error):
            self._span.set_status(self.telling.trace.StatusCode.ERROR)
        self._span.end()

    def came_to(self, outcome: str, *, failed: bool = False) -> None:  # noqa: D102
        self.outcome, self._failed = outcome, failed


class _Waiting(Span):
    def __init__(self, telling: Telling, url: str) -> None:
        self._telling = telling
        self._url = url

    def __enter__(self) -> Span:
        self._begun = time.perf_counter()
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        took = time.perf_counter() - self._begun
        self._telling.measure("casestore.lock.wait", took, {DATABASE: database(self._url)})


def is_failure(error: object) -> bool:
    """Whether an operator has to look at it. A refusal is an answer like any other."""
    if isinstance(error, _FAILURES):
        return True
    return isinstance(error, Exception) and not isinstance(error, CaseStoreError | ValueError)
