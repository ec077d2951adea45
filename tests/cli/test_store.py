"""`casestore init`, `demo` and `events`: the first things that a newcomer types."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from casestore.events import EVENTS, VOCABULARY
from casestore.streams.history import stored_data
from tests.support import samples
from tests.support.command_line import Casestore
from tests.support.golden import check_golden


def test_init(tmp_path: Path) -> None:
    casestore = Casestore(f"sqlite:///{tmp_path}/store.db")
    told = casestore("init").fine().out
    assert f"its key file is {tmp_path}/store.db.key" in told
    assert "back it up" in told
    assert casestore("doctor").fine()
    assert "there is a store" in casestore("init").failed(1)


def test_init_for_programs(tmp_path: Path) -> None:
    casestore = Casestore(f"sqlite:///{tmp_path}/store.db")
    assert casestore("init", "--unsealed", "--format", "json").fine().json == {
        "store": f"{tmp_path}/store.db",
        "key_file": None,
    }
    assert not (tmp_path / "store.db.key").exists()


def test_init_where_nothing_can_be(tmp_path: Path) -> None:
    assert "does not exist" in Casestore(f"sqlite:///{tmp_path}/no/store.db")("init").failed(2)
    assert "key file" in Casestore("postgresql://nobody@localhost:1/none")("init").failed(3)


def test_init_on_each_database(store_url: str, tmp_path: Path) -> None:
    casestore = Casestore(store_url, CASESTORE_KEY_FILE=str(tmp_path / "store.key"))
    told = casestore("init").fine().out
    assert str(tmp_path / "store.key") in told
    place = store_url.removeprefix("sqlite:///")  # which names the schema on PostgreSQL
    assert f"made the store {place}\n" in told
    casestore(
        "record", "case:1", "CaseOpened", "customer_id=k1", "channel=email", "--actor", "agent:a"
    ).fine()
    assert casestore("case", "timeline", "1").fine()
    assert casestore("doctor").fine()


def test_the_demo(tmp_path: Path) -> None:
    folder = tmp_path / "with a blank & 100%"
    told = Casestore()("demo", str(folder)).fine().out
    url = re.escape("/with%20a%20blank%20%26%20100%25/demo.db")
    assert re.match(rf"182 lines: 182 events appended, .* in sqlite:///.*{url}\n", told)
    check_golden("demo.txt", re.sub(r"sqlite:\S*demo.db", "sqlite:///demo.db", told))
    again = Casestore()("demo", str(folder)).fine().out
    assert again.partition("\n")[2] == told.partition("\n")[2]


def test_what_the_demo_says_to_try_works(tmp_path: Path) -> None:
    told = Casestore()("demo", str(tmp_path)).fine().out
    commands = re.findall(r"^  casestore (.*)$", told, re.MULTILINE)
    assert len(commands) >= 5
    for command in commands:
        assert Casestore()(*command.split()).fine().out


def test_the_demo_finds_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    rows = Casestore()("demo", "--format", "json").fine().json
    assert len(list(tmp_path.glob("casestore-demo-*/demo.db"))) == 1
    assert {row["stream"] for row in rows} >= {"case:roadshow", "case:nine-days"}
    assert "give a folder" in Casestore()("demo", "--db", "sqlite:///x.db").failed(2)


def test_a_quiet_demo_prints_where_it_is_and_no_more(tmp_path: Path) -> None:
    url = Casestore()("demo", str(tmp_path / "here"), "--quiet").fine().out
    assert url == f"sqlite:///{tmp_path}/here/demo.db\n"
    assert Casestore(url.strip())("case", "show", "nine-days").fine()


def test_the_demo_takes_no_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    for name in ("x.db", "new.sqlite", "notes"):
        refused = Casestore()("demo", str(tmp_path / name)).failed(2)
        assert "is the name of a file; the demo makes a folder with demo.db in it" in refused
    assert [each.name for each in tmp_path.iterdir()] == ["notes"]


def test_the_vocabulary() -> None:
    casestore = Casestore()
    pages = [casestore("events").fine().out]
    pages += [
        casestore("events", name).fine().out
        for name in ("MessageReceived", "eventcorrected", "OptionsOffered")
    ]
    check_golden("events.txt", "\n".join(pages))
    assert "`casestore events` lists them" in casestore("events", "Nothing").failed(2)
    listed = casestore("events", "--format", "json").fine().json
    assert [row["type"] for row in listed] == [cls.__name__ for cls in VOCABULARY]
    assert listed[0]["streams"] == ["case"]
    assert all(row["doc"] for row in listed)


def _fields(schema: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    # What a correction changes, from what to what, is no class of ours.
    return () if schema["title"] == "Change" else schema["properties"].items()


@pytest.mark.parametrize("cls", VOCABULARY)
def test_the_schema_of_an_event_fits_its_data(cls: type) -> None:
    page = Casestore()("events", cls.__name__, "--format", "json").fine().json
    assert all(field["meaning"].endswith(".") for field in page["fields"])
    schemas = [page["schema"], *page["schema"].get("$defs", {}).values()]
    for name, told in ((n, t) for s in schemas if s["type"] == "object" for n, t in _fields(s)):
        assert told["description"].endswith("."), name
    assert page["streams"] == [kind for kind, classes in EVENTS.items() if cls in classes]
    for event in (samples.full(cls), samples.least(cls)):
        data = json.loads(json.dumps(stored_data(event)))
        assert set(data) <= set(page["schema"]["properties"])
        required = {field["field"] for field in page["fields"] if field["required"]}
        assert required == set(page["schema"]["required"])
        assert required <= set(data)
