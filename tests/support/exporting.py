"""What an operator sets up in a process to be told: the SDK, with an exporter to a collector.

As opentelemetry-instrument does, a sitecustomize module calls it before anything else runs. Each
export waits until the collector has it, so what a process told is there when the process says so.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

PORT = "TEST_COLLECTOR_PORT"


def _send(lines: Sequence[str]) -> None:
    with socket.create_connection(("127.0.0.1", int(os.environ[PORT])), 30) as connection:
        connection.sendall("".join(f"{line}\n" for line in lines).encode())
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # it has closed: it has all


class Spans(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        _send([span.to_json(indent=None) for span in spans])
        return SpanExportResult.SUCCESS


class Metrics(MetricExporter):
    def export(self, metrics_data: MetricsData, *_: Any, **__: Any) -> MetricExportResult:
        _send([metrics_data.to_json(indent=None)])
        return MetricExportResult.SUCCESS

    def shutdown(self, *_: Any, **__: Any) -> None:
        pass

    def force_flush(self, *_: Any, **__: Any) -> bool:
        return True


def set_up() -> None:
    """Spans are exported as they end; metrics when the process ends, or is asked to flush."""
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(Spans()))
    trace.set_tracer_provider(tracing)
    reader = PeriodicExportingMetricReader(Metrics(), export_interval_millis=3_600_000)
    metrics.set_meter_provider(MeterProvider([reader]))
