"""The object-centric log: what it says of events and objects, and what it never says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from casestore import CaseStore, StreamNotFound
from casestore.events import Actor, EventCorrected
from casestore.transfer.ocel import write_ocel
from casestore.transfer.ocel_sqlite import write_ocel_sqlite
from tests.generate import fill
from tests.support import stories
from tests.support.canaries import CANARY, plant
from tests.support.histories import Histories
from tests.support.hostile import NAMES, cases_named
from tests.support.ocel import broken_rules, loaded, related, values_of
from tests.support.samples import changed

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def log_of(store: CaseStore, path: Path, **asked: Any) -> dict[str, Any]:
    """The log, whose JSON holds as much as the SQLite variant."""
    count = write_ocel(store, path / "log.json", **asked)
    tables = path / "log.sqlite"
    tables.unlink(missing_ok=True)
    assert write_ocel_sqlite(store, tables, **asked) == count
    log = loaded(path / "log.json")
    assert len(log["events"]) == count
    assert_valid(log)
    assert broken_rules(tables) == []
    assert_same(log, tables)
    return log


def assert_valid(log: dict[str, Any]) -> None:
    schema = json.loads((SCHEMAS / "ocel20-schema-json.json").read_bytes())
    checker = jsonschema.FormatChecker()
    jsonschema.Draft7Validator(schema, format_checker=checker).validate(log)
    types = {
        what: {each["name"]: {a["name"] for a in each["attributes"]} for each in log[what]}
        for what in ("eventTypes", "objectTypes")
    }
    for what in ("event", "object"):
        things = log[f"{what}s"]
        ids = [thing["id"] for thing in things]
        assert len(set(ids)) == len(ids)
        for thing in things:
            named = {each["name"] for each in thing["attributes"]}
            assert named <= types[f"{what}Types"][thing["type"]]
    objects = {each["id"] for each in log["objects"]}
    for thing in (*log["events"], *log["objects"]):
        assert {each for _, each in related(thing)} <= objects
        assert len(related(thing)) == len(thing["relationships"]), "told twice"


def assert_same(log: dict[str, Any], path: Path) -> None:
    """What the tables hold is what the JSON holds."""
    with closing(sqlite3.connect(path)) as tables:
        for what in ("event", "object"):
            rows = set(tables.execute(f"SELECT ocel_id, ocel_type FROM {what}"))
            assert rows == {(each["id"], each["type"]) for each in log[f"{what}s"]}
        e2o = set(tables.execute("SELECT * FROM event_object"))
        assert e2o == {(e["id"], to, by) for e in log["events"] for by, to in related(e)}
        o2o = set(tables.execute("SELECT * FROM object_object"))
        assert o2o == {(o["id"], to, by) for o in log["objects"] for by, to in related(o)}
        for type_ in (each["name"] for each in log["objectTypes"]):
            mine = [each for each in log["objects"] if each["type"] == type_]
            told = [a for each in mine for a in each["attributes"]]
            columns = [row[1] for row in tables.execute(f'PRAGMA table_info("object_{type_}")')][3:]
            counts = ", ".join(["0", *(f'count("{column}")' for column in columns)])
            held = tables.execute(f'SELECT {counts} FROM "object_{type_}"').fetchone()
            assert sum(held) == len(told)


def event_of(log: dict[str, Any], type_: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (each for each in log["events"] if each["type"] == type_)
    return found


def attribute(thing: dict[str, Any], name: str) -> str | None:
    return next((each["value"] for each in thing["attributes"] if each["name"] == name), None)


def test_events_name_their_objects_by_the_fields_that_do(store: CaseStore, tmp_path: Path) -> None:
    store.append(
        "case:1",
        stories.opened(),
        stories.replied("r1", "+1h"),
        stories.promised("p1", at="+1h", due="+9h", reply_id="r1"),
        stories.kept("p1", "+3h", by=stories.ref("reply", "r1")),
        stories.assigned(agent="ben", team="south", at="+4h"),
    )
    log = log_of(store, tmp_path)
    acting = {("case", "case:1"), ("actor", "agent:anna"), ("actor_team", "team:north")}
    assert related(event_of(log, "CaseOpened")) == acting | {("customer", "customer:k1")}
    promise = {("promise", "promise:1/p1"), ("reply", "reply:1/r1")}
    assert related(event_of(log, "PromiseMade")) == acting | promise
    kept = {("promise", "promise:1/p1"), ("by", "reply:1/r1")}
    assert related(event_of(log, "PromiseKept")) == acting | kept
    given = {("agent", "agent:ben"), ("team", "team:south")}
    assert related(event_of(log, "CaseAssigned")) == acting | given
    objects = {each["id"]: related(each) for each in log["objects"]}
    assert objects["promise:1/p1"] == objects["reply:1/r1"] == {("case", "case:1")}
    assert objects["case:1"] == {("customer", "customer:k1")}
    assert set(objects) == {
        *("case:1", "customer:k1", "promise:1/p1", "reply:1/r1"),
        *("agent:anna", "agent:ben", "team:north", "team:south"),
    }


def test_objects_change_with_the_events(store: CaseStore, tmp_path: Path) -> None:
    store.append(
        "case:1",
        stories.opened(product="kettle"),
        stories.replied("r1", "+1h"),
        stories.promised("p1", at="+1h", due="+9h"),
        stories.moved("p1", at="+2h", due="+20h"),
        stories.moved("p1", at="+3h", due="+30h", agreed_by_customer=False),
        stories.bounced("r1", "+3h"),
        stories.withdrew("p1", "+4h"),
        stories.assigned(agent="ben", team="south", at="+4h"),
        stories.closed(at="+5h"),
        stories.reopened(at="+6h"),
    )
    log = log_of(store, tmp_path)
    case = values_of(log, "case:1")
    assert case["status"] == ["open", "closed", "open"]
    assert case["close_reason"] == ["resolved", ""]
    assert (case["product"], case["agent"], case["team"]) == (["kettle"], ["ben"], ["south"])
    assert values_of(log, "promise:1/p1") == {
        "kind": ["callback"],
        "due_at": ["2026-03-02T18:00:00.000000Z", "2026-03-03T05:00:00.000000Z"],
        "status": ["open", "withdrawn"],
    }
    assert values_of(log, "reply:1/r1")["delivery"] == ["sent", "permanent"]
    with closing(sqlite3.connect(tmp_path / "log.sqlite")) as tables:
        rows = tables.execute(
            "SELECT ocel_time, ocel_changed_field, status, due_at FROM object_promise "
            "ORDER BY ocel_time"
        ).fetchall()
    assert rows == [
        ("2026-03-02T10:00:00.000000Z", None, "open", "2026-03-02T18:00:00.000000Z"),
        ("2026-03-02T11:00:00.000000Z", "due_at", None, "2026-03-03T05:00:00.000000Z"),
        ("2026-03-02T13:00:00.000000Z", "status", "withdrawn", None),
    ]


def test_corrections_are_applied_and_do_not_show(store: CaseStore, tmp_path: Path) -> None:
    """In the order of happening, whatever was recorded first."""
    store.append("case:1", stories.opened(product="toaster"), key="open")
    store.append("case:1", stories.noted(at="+1h"), key="note")
    store.append("case:1", stories.promised("p1", at="+3h", due="+9h"), key="promise")
    store.append("case:1", stories.replied("r1", "+2h"), key="late")
    ids = {each.metadata.key: each.event_id for each in store.history("case:1").originals}
    correct(store, ids["open"], stories.amended(2, at="+5h", product=("toaster", "kettle")))
    correct(store, ids["note"], stories.voided(2, at="+5h"))
    correct(store, ids["promise"], stories.voided(2, at="+5h"))
    log = log_of(store, tmp_path)
    types = [each["type"] for each in log["events"]]
    assert types == ["CustomerRegistered", "CaseOpened", "ReplySent"]
    assert values_of(log, "case:1")["product"] == ["kettle"]
    assert not [each for each in log["objects"] if each["type"] == "promise"]
    assert attribute(event_of(log, "CaseOpened"), "product") == "kettle"


def correct(store: CaseStore, event_id: Any, correction: EventCorrected) -> None:
    store.append("case:1", changed(correction, event_id=event_id))


def test_merged_cases_name_each_others_objects(store: CaseStore, tmp_path: Path) -> None:
    """Ids may hold slashes: a/b/p1 is the p1 of the case a/b."""
    store.append("case:a/b", stories.opened(), stories.promised("p1", at="+1h", due="+9h"))
    store.append("case:2", stories.opened(), stories.merged("a/b", at="+2h"))
    store.append("case:2", stories.kept("a/b/p1", "+3h"))
    log = log_of(store, tmp_path)
    assert ("promise", "promise:a%2Fb/p1") in related(event_of(log, "PromiseKept"))
    assert values_of(log, "promise:a%2Fb/p1")["status"] == ["open", "kept"]
    objects = {each["id"]: related(each) for each in log["objects"]}
    assert objects["case:2"] == {("customer", "customer:k1"), ("merged_into", "case:a/b")}
    assert related(event_of(log, "CaseMerged")) >= {("into", "case:a/b")}
    alone = log_of(store, tmp_path, stream="case:2")
    assert {each["id"] for each in alone["objects"] if each["type"] in ("case", "promise")} == {
        "case:2"
    }


def test_whoever_acts_for_a_customer_is_no_customer(store: CaseStore, tmp_path: Path) -> None:
    mother = Actor(kind="customer", id="mother")
    store.append("case:1", stories.opened(), stories.wrote("m1", "+1h", actor=mother))
    log = log_of(store, tmp_path)
    assert related(event_of(log, "MessageReceived")) == {("case", "case:1")}
    assert attribute(event_of(log, "MessageReceived"), "actor_id") == "mother"
    with pytest.raises(StreamNotFound):
        write_ocel(store, tmp_path / "none.json", stream="case:none")


def test_no_word_of_a_person_is_in_it(store: CaseStore, tmp_path: Path) -> None:
    assert plant(store) > 20
    log_of(store, tmp_path)
    for name in ("log.json", "log.sqlite"):
        assert CANARY.encode() not in (tmp_path / name).read_bytes()


def test_hostile_names_stay_as_they_are(store: CaseStore, tmp_path: Path) -> None:
    cases_named(store)
    log = log_of(store, tmp_path)
    cases = {each["id"] for each in log["objects"] if each["type"] == "case"}
    assert cases == {f"case:{name}" for name in NAMES}
    assert {values_of(log, f"case:{name}")["product"][0] for name in NAMES} == set(NAMES)


@pytest.mark.parametrize("seed", range(3))
def test_the_log_of_any_history_holds_together(tmp_path: Path, seed: int) -> None:
    made = Histories(f"sqlite:///{tmp_path}/random.db", tmp_path / "key", seed)
    with made.store as store:
        made.go_on(300)
        log = log_of(store, tmp_path)
        again = tmp_path / "again.json"
        write_ocel(store, again)
    assert again.read_bytes() == (tmp_path / "log.json").read_bytes()
    times = [each["time"] for each in log["events"]]
    assert times == sorted(times)


def test_what_is_appended_meanwhile_is_not_in_it(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 300)
    streams = store.streams

    def and_append(kind: str) -> Iterator[str]:
        for number, name in enumerate(streams(kind)):
            if kind == "case" and number < 3:
                store.append(name, stories.noted(at="+1h"))
                store.append(f"case:new-{number}", stories.opened())
            yield name

    monkeypatch.setattr(store, "streams", and_append)
    before = store._recorder.last_position()
    count = write_ocel(store, tmp_path / "log.json")
    monkeypatch.undo()
    log = loaded(tmp_path / "log.json")
    known = {each.uid for each in store.read(until=before)}
    assert {each["id"] for each in log["events"]} <= known
    assert count == len(log["events"]) > 250
    assert all("new-" not in each["id"] for each in log["objects"])
