"""What casestore tells OpenTelemetry, and whether there is anybody to tell it.

It tells only where the process has configured it: where OpenTelemetry is imported already, and a
provider is set that is not the API's own. So a service that sets up the SDK is told, a command
under opentelemetry-instrument too, and nothing here imports OpenTelemetry for anybody else.

Attributes are what the house itself is made of: databases, kinds of streams, types of events, names
of reports, read models and relays, classes of errors. No id, no text and no message of an error.

The name db.system.name and the bounds of seconds are those of OpenTelemetry's semantic conventions
("Database metrics", db.client.operation.duration, stable). What begins with "casestore." is ours.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any, Literal

DATABASE = "db.system.name"
OUTCOME = "casestore.outcome"
PROJECTION = "casestore.projection"
RELAY = "casestore.relay"

INSTRUMENTS: dict[str, tuple[Literal["histogram", "counter", "gauge"], str, str]] = {
    "casestore.append.duration": ("histogram", "s", "How long an append took"),
    "casestore.lock.wait": ("histogram", "s", "How long a writer waited for its turn"),
    "casestore.events.appended": ("counter", "{event}", "Events that were appended"),
    "casestore.appends.refused": ("counter", "{append}", "Appends that were not taken"),
    "casestore.projection.lag": ("gauge", "{event}", "Events that are not in the rows yet"),
    "casestore.seal.age": ("gauge", "s", "How long the first event without a seal has waited"),
    "casestore.relay.lag": ("gauge", "{event}", "Events that the receiver has not taken yet"),
}
"""By name: its kind, its unit in UCUM, and what it says."""
_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0)
"""Seconds, and the longest that a writer waits. Else an SDK takes bounds made for milliseconds."""
_OWN = ("opentelemetry.trace", "opentelemetry.metrics")
"""The modules of the API. The providers that stand in them tell nobody."""
_log = logging.getLogger("casestore")


def database(url: str) -> str:
    """The database of a store's URL, as the conventions name it."""
    return "postgresql" if url.startswith("postgres") else "sqlite"


def measure(name: str, value: float, url: str, said: Mapping[str, str] | None = None) -> None:
    """Give a metric a value.

    Args:
        name: one of INSTRUMENTS.
        value: in its unit.
        url: the store's.
        said: further attributes.
    """
    if (telling := found()) is not None:
        telling.measure(name, value, {DATABASE: database(url), **(said or {})})


class Telling:
    """OpenTelemetry's API, a tracer, and our instruments."""

    def __init__(self) -> None:
        from opentelemetry import context, metrics, trace  # noqa: PLC0415  (only where it is used)

        self.context, self.trace = context, trace
        self.tracer = trace.get_tracer("casestore")
        meter = metrics.get_meter("casestore")
        self._give: dict[str, Any] = {}
        for name, (kind, unit, text) in INSTRUMENTS.items():
            more = {"explicit_bucket_boundaries_advisory": _BOUNDS} if kind == "histogram" else {}
            instrument: Any = getattr(meter, f"create_{kind}")(
                name, unit=unit, description=text, **more
            )
            give = {"histogram": "record", "counter": "add", "gauge": "set"}[kind]
            self._give[name] = getattr(instrument, give)

    def measure(self, name: str, value: float, said: Mapping[str, str]) -> None:
        """Give a metric a value with exactly these attributes."""
        try:
            self._give[name](value, said)
        except Exception as error:
            not_told(error)

    def traceparent(self) -> str | None:
        """The current span; None if there is none. Source: W3C Trace Context, 3.2.2, version 00."""
        now = self.trace.get_current_span().get_span_context()
        if not now.is_valid:
            return None
        return f"00-{now.trace_id:032x}-{now.span_id:016x}-{now.trace_flags:02x}"


_LOOK_AGAIN = 0.1
"""Seconds. To look costs a twentieth of an append, and often the API is there without an SDK."""
_next_look = [0.0]
_known: list[Telling | None] = []
"""What is told with, once it was found; None where it cannot be used."""


def is_told() -> bool:
    """Whether there is anybody to tell."""
    return found() is not None


def begun() -> Telling | None:
    """What is told with, where it was found before."""
    return _known[0] if _known else None


def found() -> Telling | None:
    """What is told with; None where this process has no OpenTelemetry, or did not configure it."""
    if _known:
        return _known[0]
    if "opentelemetry" not in sys.modules or time.monotonic() < _next_look[0]:
        return None
    _next_look[0] = time.monotonic() + _LOOK_AGAIN
    return _begin() if _is_configured() else None


def _begin() -> Telling | None:
    try:
        _known.append(Telling())
    except Exception as error:  # it is a version that has not what we need
        _log.warning("OpenTelemetry is told nothing: %s", error)
        _known.append(None)
    return _known[0]


def _is_configured() -> bool:
    for name, provider in zip(_OWN, ("get_tracer_provider", "get_meter_provider"), strict=True):
        get = getattr(sys.modules.get(name), provider, None)  # None: it is just being imported
        if get is None:
            continue
        try:
            if not type(get()).__module__.startswith(_OWN):
                return True
        except Exception:  # noqa: S112  (one that the environment names and is not there: the API says it)
            continue
    return False


def not_told(error: Exception) -> None:
    """Say that something could not be told: a processor or an exporter failed, and no append."""
    _log.warning("OpenTelemetry was not told: %s", type(error).__name__)
