"""What is told of appends, as a collector gets it from other processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import Append, CaseStore
from tests.support.collector import Collector, collecting
from tests.support.notes import note, opened


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with collecting(tmp_path) as running:
        yield running


@pytest.fixture
def url(store_url: str) -> str:
    """Give the URL of a store that has no events."""
    CaseStore.create(store_url).close()
    return store_url


def test_an_append_is_a_child_of_its_callers_span(collector: Collector, url: str) -> None:
    collector.story(
        """
with tracer.start_as_current_span("POST /mails"):
    store.append("case:1", opened(), note(), key="a")
store.append("case:1", opened(), note(), key="a")
store.append_all([("case:1", [note()]), ("customer:c2", [CustomerRegistered(
    occurred_at=T, actor=ANNA)])])
""",
        url,
    )
    first, request, again, both = collector.spans
    assert (first.parent, first.trace) == (request.id, request.trace)
    assert again.parent is None
    assert {each.database for each in (first, again, both)} == {
        "sqlite" if "sqlite" in url else "postgresql"
    }
    assert [each.kind for each in (first, again)] == ["INTERNAL", "INTERNAL"]
    assert first.said == {
        "casestore.stream.kind": "case",
        "casestore.event.types": ["CaseOpened", "NoteAdded"],
        "casestore.outcome": "appended",
    }
    assert again.said == {**first.said, "casestore.outcome": "repeated"}
    assert both.said["casestore.stream.kind"] == "several"
    counted = {
        (point.said["casestore.stream.kind"], point.said["casestore.event.type"]): point.value
        for point in collector.points("casestore.events.appended")
    }
    assert counted == {  # one customer was registered by the store, and one by us
        ("case", "CaseOpened"): 1,
        ("case", "NoteAdded"): 2,
        ("customer", "CustomerRegistered"): 2,
    }
    took = collector.points("casestore.append.duration")
    assert {(each.unit, each.said["casestore.outcome"], each.times) for each in took} == {
        ("s", "appended", 1),
        ("s", "repeated", 1),
    }
    assert all(0 < each.value < 60 for each in took)
    assert collector.points("casestore.appends.refused") == []


REFUSED = """
from casestore.append.request import Retry
store.append("case:1", opened(), key="a")
for again in (
    lambda: store.append("case:1", opened()),
    lambda: store.append("case:1", note(), key="a"),
    lambda: store.append("case:1", note(), expected_version=7),
    lambda: store.append("gerda@example.org", note()),
    lambda: store.append_all([("case:1", ["gerda"])]),
    lambda: store.append_all(iter([("case:1", iter([note()]))]), key="x" * 201),
    lambda: store.append_all(7),
):
    with suppress(CaseStoreError):
        again()
        raise AssertionError
outcomes = store.write([
    Append(batches=[("case:1", [note()])]),
    Append(batches=[("case:9", [note()])]),
])
assert outcomes[0] is True
assert len(store.write([
    Append(batches=[("case:1", [note()])]),
    Append(batches=[("case:9", [note()])]),
], whole=True)) == 2
store.close()
with suppress(StoreUnavailable):
    store.append("case:1", note())
"""


def test_a_refusal_is_told_by_its_class_and_is_no_failure(collector: Collector, url: str) -> None:
    collector.story(REFUSED, url)
    assert [(each.outcome, each.status) for each in collector.named("append")] == [
        ("appended", "UNSET"),
        ("EventRefused", "UNSET"),
        ("IdempotencyConflict", "UNSET"),
        ("ConcurrencyConflict", "UNSET"),
        ("InvalidStream", "UNSET"),
        ("InvalidEvent", "UNSET"),
        ("EventRefused", "UNSET"),
        ("InvalidEvent", "UNSET"),
        ("several", "UNSET"),
        ("EventRefused", "UNSET"),
        ("StoreUnavailable", "ERROR"),
    ]
    refused: dict[str, float] = {}
    for point in collector.points("casestore.appends.refused"):
        name = point.said["casestore.outcome"]
        refused[name] = refused.get(name, 0) + point.value
    assert refused == {
        "EventRefused": 4,
        "IdempotencyConflict": 1,
        "ConcurrencyConflict": 1,
        "InvalidStream": 1,
        "InvalidEvent": 2,
        "StoreUnavailable": 1,
    }
    with CaseStore.open(url) as store:
        told = sum(each.value for each in collector.points("casestore.events.appended"))
        assert told == len(list(store.read()))
    assert not any("gerda" in line for line in collector.lines)


def test_the_callers_trace_is_the_correlation_where_none_is_given(
    collector: Collector, url: str
) -> None:
    """A retry in another trace is the same append: only events are compared."""
    collector.story(
        """
with tracer.start_as_current_span("first"):
    receipt = store.append("case:1", opened(), key="a")
    store.append("case:1", note(), correlation_id="call-7")
    store.write([Append(batches=[("case:1", [note()])])])
with tracer.start_as_current_span("second"):
    assert store.append("case:1", opened(), key="a") == receipt
store.append("case:1", note())
""",
        url,
    )
    (first,) = collector.named("first")
    with CaseStore.open(url) as store:
        said = [each.metadata.correlation_id for each in store.history("case:1").originals]
    traceparent, *others = said
    assert traceparent is not None
    assert traceparent[:52] == f"00-{first.trace[2:]}-{first.id[2:]}"
    assert others == ["call-7", None, None]


def test_how_long_a_writer_waits_for_another_process_is_told(
    collector: Collector, url: str
) -> None:
    """On PostgreSQL a single append waits in the statement that commits it, so two are written."""
    script = """
print("ready", flush=True)
input()
print("asks", flush=True)
store.write([Append(batches=[("case:1", [note()])]), Append(batches=[("case:1", [note()])])])
"""
    with CaseStore.open(url) as store:
        store.append("case:1", opened())
        process = collector.talk(script, url)
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        with store._recorder.writing():
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "asks\n"
            time.sleep(1)
        assert process.wait(60) == 0
        process.communicate()
    (waited,) = collector.points("casestore.lock.wait")
    assert (waited.unit, waited.said, waited.times) == ("s", {}, 1)
    assert 0.5 < waited.value < 30


def test_an_import_is_told_commit_by_commit(collector: Collector, url: str) -> None:
    collector.story(
        """
from casestore.transfer.importing import ReadLine, import_appends
def line(number, stream):
    return ReadLine(number, 100, Append(batches=[(stream, [note()])], key=f"k{number}"))
store.append("case:1", opened())
lines = [line(number, "case:1") for number in range(1500)]
import_appends(store, lines)
import_appends(store, [line(1, "case:1"), line(7000, "case:2")], on_error="skip")
""",
        url,
    )
    whole, partly = collector.named("import")
    assert (whole.outcome, partly.outcome) == ("done", "refused")
    assert {whole.status, partly.status} == {"UNSET"}
    inside = [each for each in collector.named("append") if each.parent == whole.id]
    assert [each.outcome for each in inside] == ["appended", "appended"]
    (timed,) = collector.points("casestore.append.duration")
    assert timed.times == 1  # nobody waits for a commit of an import
    notes = [
        each.value
        for each in collector.points("casestore.events.appended")
        if each.said["casestore.event.type"] == "NoteAdded"
    ]
    assert notes == [1500]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks are of Unix")
def test_forks_threads_and_tasks_tell_whose_child_an_append_is(
    collector: Collector, url: str
) -> None:
    collector.story(
        """
import asyncio, os
from threading import Thread
store.append("case:1", opened())

async def serve(number):
    with tracer.start_as_current_span(f"task {number}"):
        await asyncio.sleep(0.01)
        await asyncio.to_thread(store.append, "case:1", note())
        await asyncio.sleep(0.01)
async def main():
    await asyncio.gather(*(serve(n) for n in range(4)))
asyncio.run(main())

def work(number):
    with tracer.start_as_current_span(f"thread {number}"):
        store.append("case:1", note())
threads = [Thread(target=work, args=[n]) for n in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]

with tracer.start_as_current_span("fork"):
    if not (child := os.fork()):
        store.append("case:1", note())
        metrics.get_meter_provider().force_flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert trace.get_current_span() is trace.INVALID_SPAN
""",
        url,
    )
    callers = [each for each in collector.spans if each.name != "append"]
    assert len(callers) == 9
    parents = [each.parent for each in collector.named("append")[1:]]
    assert sorted(map(str, parents)) == sorted(each.id for each in callers)


def test_what_fails_in_telemetry_fails_no_append(collector: Collector, url: str) -> None:
    said = collector.story(
        """
import logging, sys
logging.basicConfig(stream=sys.stdout, format="%(name)s: %(message)s")
class Broken(trace.NonRecordingSpan):
    def end(self, end_time=None): raise OSError("no room for gerda")
class Tracer:
    def start_span(self, *args, **kwargs): return Broken(trace.INVALID_SPAN_CONTEXT)
from casestore.telemetry import telling
found = telling.found()
found.tracer = Tracer()
def fail(value, said): raise OSError("no room for gerda")
found._give["casestore.append.duration"] = fail
print(store.append("case:1", opened()).position)
assert trace.get_current_span() is trace.INVALID_SPAN
""",
        url,
    )
    assert said.splitlines() == [
        "casestore: OpenTelemetry was not told: OSError",
        "casestore: OpenTelemetry was not told: OSError",
        "2",
    ]


def test_what_is_appended_is_the_same_whether_it_is_told_or_not(
    collector: Collector, url: str
) -> None:
    """Outside of any trace."""
    outcomes = []
    with CaseStore.open(url) as store:
        store.append("case:1", opened(), key="a")
        outcomes = store.write([Append(batches=[("case:1", [note()])], key="b")])
        plain = [row[2:5] + row[9:] for row in store._recorder.rows(0, 10)]
    assert outcomes == [True]
    said = collector.story(
        """
print(store.append("case:1", opened(), key="a").versions)
store.append("case:2", opened(), key="a")
store.append("case:2", note(), key="b")
print([row[2:5] + row[9:] for row in store._recorder.rows(0, 10) if "case:2" in row[1]])
""",
        url,
    )
    versions, rows = said.splitlines()
    assert versions == "(1,)"
    # But for the salt, which is another one for each event.
    salt = re.compile(r'"salt":"[\w-]{24}"')
    registered = [row for row in plain if row[1] != "CustomerRegistered"]
    assert salt.sub("", rows) == salt.sub("", repr(registered))
