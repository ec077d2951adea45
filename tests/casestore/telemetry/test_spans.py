"""What is told of all but appends, of services and of the command line; and what is never told."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from tests.support.alter import alter
from tests.support.canaries import CANARY
from tests.support.collector import Collector, Point, collecting
from tests.support.notes import note, opened
from tests.support.processes import wait_until
from tests.support.sealed import audit_folder


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    with collecting(tmp_path) as running:
        yield running


@pytest.fixture
def url(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the URL of a store with a case, and with an audit folder."""
    audit_folder(tmp_path, monkeypatch)
    with CaseStore.create(store_url) as store:
        Folder.of(store.url).make_key(origin(store))
        store.append("case:1", opened(), note())
    return store_url


def test_the_work_on_a_store_is_told(collector: Collector, url: str) -> None:
    collector.story(
        """
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from projections import Runner, reports
seal(store), seal(store), verify(store)
with Runner(store) as runner:
    runner.catch_up()
    store.append("case:1", note())
    runner.catch_up()
    runner.rebuild()
with tracer.start_as_current_span("GET /cases"):
    reports.cases(store)
""",
        url,
    )
    spans = [each for each in collector.spans if each.name != "append"]
    assert [(each.name, each.outcome, each.status) for each in spans if each.said] == [
        ("seal", "done", "UNSET"),
        ("seal", "repeated", "UNSET"),
        ("verify", "fine", "UNSET"),
        ("rebuild", "done", "UNSET"),
        ("project", "done", "UNSET"),
        ("rebuild", "done", "UNSET"),
        ("report cases", "done", "UNSET"),
    ]
    (request,) = collector.named("GET /cases")
    assert [each.parent for each in collector.named("report cases")] == [request.id]
    lags = collector.points("casestore.projection.lag")
    assert {each.said["casestore.projection"] for each in lags} >= {"cases", "lapses"}
    assert {(each.unit, each.value) for each in lags} == {("{event}", 0)}
    assert collector.points("casestore.seal.age") == [Point("s", {}, 0, 1)]


def test_an_alarm_can_tell_a_failure_from_a_refusal(collector: Collector, url: str) -> None:
    """What was sealed is not there any more; and a store that is closed."""
    with CaseStore.open(url) as store:
        seal(store)
        alter(store, "UPDATE {t} SET topic = 'ReplySent' WHERE position = 3")
    collector.story(
        """
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from projections import reports
verify(store)
with suppress(SealRefused):
    seal(store)
store.close()
for work in (seal, reports.cases):
    with suppress(CaseStoreError):
        work(store)
""",
        url,
    )
    told = [(each.name, each.outcome, each.status) for each in collector.spans]
    assert told == [
        ("verify", "tampered", "ERROR"),
        ("seal", "SealRefused", "ERROR"),
        ("seal", "StoreUnavailable", "ERROR"),
        ("report cases", "StoreUnavailable", "ERROR"),
    ]


def test_a_relay_tells_what_was_taken_and_how_far_it_is(
    collector: Collector, url: str, tmp_path: Path
) -> None:
    collector.story(
        f"""
from pathlib import Path
from casestore.errors import NotRelayed
from casestore.relay import LinesFile, Relay
Relay(store, "lake", LinesFile(Path({str(tmp_path / "lake.ndjson")!r}))).run(once=True)
with suppress(NotRelayed):
    Relay(store, "none", LinesFile(Path({str(tmp_path / "no" / "folder")!r}))).run(once=True)
""",
        url,
    )
    told = {(each.name, each.kind, each.outcome, each.status) for each in collector.spans}
    assert told == {
        ("relay", "PRODUCER", "taken", "UNSET"),
        ("relay", "PRODUCER", "not taken", "ERROR"),
    }
    (lag,) = collector.points("casestore.relay.lag")
    assert lag == Point("{event}", {"casestore.relay": "lake"}, 0, 1)


def test_the_command_line_is_told_of_as_it_is_instrumented(
    collector: Collector, url: str, tmp_path: Path
) -> None:
    line = tmp_path / "line.ndjson"
    line.write_text(
        '{"stream":"case:1","type":"NoteAdded","data":{"occurred_at":"2026-03-02T10:00:00Z",'
        '"actor":{"kind":"agent","id":"anna"},"text":"Called."},"key":"crm-17"}\n'
    )
    for command in (["import", str(line)], ["audit", "seal"], ["cases"]):
        collector.run("-m", "casestore", *command, CASESTORE_URL=url)
    names = [each.name for each in collector.spans]
    assert names == ["append", "import", "seal", "rebuild", "report cases"]
    (counted,) = collector.points("casestore.events.appended")
    assert (counted.said["casestore.event.type"], counted.value) == ("NoteAdded", 1)


def test_a_runner_tells_how_far_behind_the_rows_and_the_seals_are(
    collector: Collector, url: str
) -> None:
    """The first event that no seal covers was recorded a while ago, and goes on waiting."""
    with CaseStore.open(url) as store:
        recorded = store.history("case:1").originals[0].recorded_at
        assert recorded is not None
        process = collector.start("-m", "casestore", "projections", "run", CASESTORE_URL=url)
        wait_until(lambda: bool(collector.named("rebuild")))
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        (age,) = collector.points("casestore.seal.age")
        assert 0 < age.value <= (store.now() - recorded).total_seconds()
        assert (age.unit, age.said) == ("s", {})
    assert {each.value for each in collector.points("casestore.projection.lag")} == {0}


IDS = ("quagga-88", "zebra-77", "okapi-99", "reply-kudu", "key-gnu", "source-eland")
"""A case, a customer, an agent, a reply, a key and a source, by names that stand nowhere else."""


def test_nobody_is_named_whatever_happens(collector: Collector, url: str) -> None:
    """Words of customers, and ids of customers, cases, agents: in no span and in no metric."""
    collector.story(
        f"""
from tests.support.canaries import CANARY, plant
from projections import reports
from projections.reports import REPORTS
from projections import Runner
store.close()
import os
os.environ["CASESTORE_KEY_FILE"] += "2"
where = os.environ["CASESTORE_URL"]
other = where.replace("schema=", "schema=o") if "schema=" in where else where + "2"
store = CaseStore.create(other)
plant(store)
case, customer, agent, reply, key, source = {IDS!r}
actor = Actor(kind="agent", id=agent, team="north")
def happened(cls, **more):
    return cls(occurred_at=T, actor=actor, **more)
first = happened(CaseOpened, customer_id=customer, channel="email", subject=CANARY)
sent = happened(ReplySent, reply_id=reply, channel="email", text=CANARY)
store.append(f"case:{{case}}", first, sent, key=key, source=source)
store.append(f"case:{{case}}", first, sent, key=key, source=source)
for wrong in (
    lambda: store.append(f"case:{{case}}", first),
    lambda: store.append(f"case:{{case}}", sent, key=key),
    lambda: store.append(f"case:{{case}}", sent, expected_version=9),
    lambda: store.append(f"{{customer}} {{CANARY}}", sent),
    lambda: store.append(f"{{customer}}:{{CANARY}}", sent),
    lambda: store.append_all([(f"case:{{case}}", [CANARY])]),
    lambda: store.append_all([[customer, sent, CANARY]]),
    lambda: store.append(f"case:{{case}}", happened(PromiseKept, promise_id=CANARY)),
):
    with suppress(CaseStoreError):
        wrong()
        raise AssertionError
with Runner(store) as runner:
    runner.catch_up()
for report in REPORTS:
    asked = {{report.argument: {{"customer": customer, "case": case}}[report.argument]}} if (
        report.argument) else {{}}
    with suppress(ValueError, TypeError):
        report(store, **asked)
        report(store, case=CANARY)
from casestore.privacy.erasure import erase
erase(store, customer, basis=CANARY, actor=actor)
""",
        url,
    )
    assert len(collector.named("append")) > 40
    assert len({each.name for each in collector.spans}) > 15
    text = "\n".join(collector.lines)
    assert [each for each in (CANARY, *IDS) if each in text] == []
    values = {
        (name, str(value))
        for span in collector.spans
        for name, value in span.said.items()
        if name != "casestore.event.types"
    }
    assert len(values) < 20, values
