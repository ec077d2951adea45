"""Made histories: all of them go in, all that reports read is there, and twice is the same."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.events import (
    VOCABULARY,
    CaseClosed,
    CaseEscalated,
    CaseOpened,
    DeliveryFailed,
    EscalationReturned,
    Event,
    EventCorrected,
    FindingMade,
    GestureGiven,
    MessageReceived,
    PromiseKept,
    PromiseRenegotiated,
    RemedyGiven,
    ReplySent,
    StatementMade,
)
from casestore.streams.history import Recorded
from casestore.transfer.ndjson import import_lines
from tests import bench, generate

COUNT = 6000
NOT_MADE = {"PolicyAdopted", "ErasureRequested", "PersonalDataErased"}
"""A policy is the benchmark's to adopt; an erasure destroys a key, which no import can do."""


@cache
def given() -> tuple[bytes, ...]:
    return tuple(generate.lines(COUNT))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    """Give a store that all the lines were imported into."""
    folder = tmp_path_factory.mktemp("made")
    with CaseStore.create(f"sqlite:///{folder}/a.db", key_file=folder / "key") as store:
        found = import_lines(store, given(), trust_recorded_at=True)
        assert found[:4] == (COUNT, COUNT, 0, ())
        yield store


@pytest.fixture(scope="module")
def recorded(store: CaseStore) -> list[Recorded]:
    """Give all that the store holds then."""
    return list(store.read(reveal=True))


def of(recorded: list[Recorded], cls: type[Event]) -> list[Any]:
    return [each.event for each in recorded if type(each.event) is cls]


def values(recorded: list[Recorded], cls: type[Event], field: str) -> set[Any]:
    return {getattr(each, field) for each in of(recorded, cls)}


def test_every_type_of_event_is_there(recorded: list[Recorded]) -> None:
    assert len(recorded) == COUNT  # no customer had to be registered besides
    found = {each.type for each in recorded}
    assert {cls.__name__ for cls in VOCABULARY} - found == NOT_MADE


def test_they_are_shaped_like_real_cases(recorded: list[Recorded]) -> None:
    lengths = Counter(each.stream for each in recorded if each.stream.startswith("case:"))
    sizes = sorted(lengths.values())
    assert 4 <= sizes[len(sizes) // 2] <= 10 < sum(sizes) / len(sizes) + 2
    assert sizes[-1] > 40
    owners = Counter(event.customer_id for event in of(recorded, CaseOpened))
    assert min(owners.values()) == 1
    assert max(owners.values()) > 3
    begun, ended = recorded[0].recorded_at, recorded[-1].recorded_at
    assert begun is not None
    assert ended is not None
    assert timedelta(days=500) < ended - begun < timedelta(days=1000)
    scattered = sum(earlier.stream != later.stream for earlier, later in pairwise(recorded))
    assert scattered > COUNT / 3


def test_replies_arrive_or_not_and_people_say_so(recorded: list[Recorded]) -> None:
    assert values(recorded, ReplySent, "automated") == {True, False}
    assert len(values(recorded, ReplySent, "language")) >= 6
    assert any(reply.resend_of for reply in of(recorded, ReplySent))
    assert any(reply.addresses and reply.answers for reply in of(recorded, ReplySent))
    failed = values(recorded, DeliveryFailed, "kind")
    assert failed == {"permanent", "temporary", "no_answer", "reported_missing"}
    assert any(message.says_not_received for message in of(recorded, MessageReceived))
    assert any(message.says_unanswered for message in of(recorded, MessageReceived))
    kinds = {ask.kind for message in of(recorded, MessageReceived) for ask in message.asks or ()}
    assert kinds == {"question", "action", "compensation", "future_contact"}
    texts = "".join(message.text for message in of(recorded, MessageReceived))
    for letter in "aüéó荷个हаأ":
        assert letter in texts


def test_promises_have_every_fate(store: CaseStore, recorded: list[Recorded]) -> None:
    fates = set()
    for stream in dict.fromkeys(each.stream for each in recorded if each.type == "PromiseMade"):
        case = store.case(stream.removeprefix("case:"))
        for promise_id, promise in case.promises.items():
            keeping = case.keeping(promise_id)
            if promise.status == "kept" and keeping is None:
                fates.add("bounced")
            elif promise.due_at is None:
                fates.add("undated")
            elif keeping is not None:
                fates.add("kept" if keeping.at <= promise.due_at else "late")
            else:
                fates.add(promise.status)
    assert fates == {"kept", "late", "open", "bounced", "undated", "released", "withdrawn"}
    assert values(recorded, PromiseRenegotiated, "agreed_by_customer") == {True, False}
    again = Counter(
        (each.stream, each.event.promise_id)
        for each in recorded
        if isinstance(each.event, PromiseKept)
    )
    assert max(again.values()) == 2


def test_goodwill_is_told_in_part(recorded: list[Recorded]) -> None:
    for field in ("asked_for", "conditions_told"):
        assert values(recorded, GestureGiven, field) == {True, False, None}
    gifts = of(recorded, GestureGiven) + of(recorded, RemedyGiven)
    assert len({each.value.currency for each in gifts if each.value}) >= 5
    assert values(recorded, StatementMade, "supersedes") > {None}
    assert values(recorded, FindingMade, "supersedes") > {None}


def test_some_escalations_to_executives_come_back(recorded: list[Recorded]) -> None:
    passed = {
        (each.stream, each.event.escalation_id)
        for each in recorded
        if isinstance(each.event, CaseEscalated) and each.event.kind == "executive"
    }
    back = {
        (each.stream, each.event.escalation_id)
        for each in recorded
        if isinstance(each.event, EscalationReturned)
    }
    assert passed & back
    assert passed - back


def test_cases_are_closed_for_every_reason(recorded: list[Recorded]) -> None:
    reasons = Counter(event.reason for event in of(recorded, CaseClosed))
    assert len(reasons) == 6
    assert reasons.most_common(1)[0][0] == "resolved"


def test_facts_come_late_and_are_put_right(recorded: list[Recorded]) -> None:
    late: defaultdict[str, int] = defaultdict(int)
    for each in recorded:
        assert each.recorded_at is not None
        assert each.occurred_at <= each.recorded_at
        late[each.type] += each.recorded_at - each.occurred_at > timedelta(days=1)
    assert late["DeliveryFailed"]
    assert late["PromiseKept"]
    corrected = of(recorded, EventCorrected)
    assert COUNT / 200 < len(corrected) < COUNT / 50
    kinds = {event.kind for event in corrected}
    assert kinds == {"amended", "voided"}
    assert {"due_at", "value"} <= {name for event in corrected for name in event.changes or ()}


def test_the_same_again_appends_nothing(store: CaseStore) -> None:
    assert generate.fill(store, COUNT) == 0


def test_the_same_seed_gives_the_same_bytes_anywhere() -> None:
    code = (
        "import hashlib; from tests.generate import lines; "
        f"print(hashlib.sha256(b''.join(lines({COUNT}))).hexdigest())"
    )
    root = Path(__file__).parents[2]
    env = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata"}
    there = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, check=True, capture_output=True, text=True
    )
    assert there.stdout.strip() == hashlib.sha256(b"".join(given())).hexdigest()


def test_another_seed_gives_other_lines() -> None:
    other = list(generate.lines(100, seed=2))
    assert len(other) == 100
    assert other != list(generate.lines(100))


@pytest.mark.parametrize("share", [0, 0.1])
def test_so_many_cases_are_merged(share: float) -> None:
    made = [json.loads(line) for line in generate.lines(COUNT, merged=share)]
    types = Counter(each["type"] for each in made)
    assert types["CaseOpened"] > 400
    assert 0.7 * share <= types["CaseMerged"] / types["CaseOpened"] <= 1.3 * share


def test_the_bench_writes_a_file_or_fills_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(*args: str) -> None:
        monkeypatch.setattr("sys.argv", ["bench", "generate", "--events", "50", *args])
        bench.main()

    run("--out", str(tmp_path / "made.ndjson"))
    run()
    assert (tmp_path / "made.ndjson").read_text("utf-8") == capfd.readouterr().out
    first = json.loads((tmp_path / "made.ndjson").read_bytes().splitlines()[0])
    assert list(first) == ["stream", "type", "data", "key", "recorded_at"]
    url = f"sqlite:///{tmp_path}/a.db"
    run("--db", url)
    run("--db", url)
    assert [line.split()[0] for line in capfd.readouterr().err.splitlines()] == ["50", "0"]
