"""The vocabulary for other programs: what is exported fits the schemas that are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from casestore import CaseStore
from casestore.events import EVENTS, VOCABULARY, Event
from casestore.streams.history import Recorded, stored_data
from casestore.transfer.cloudevents import cloud_event, cloud_event_lines
from casestore.transfer.ndjson import export_lines
from casestore.transfer.schemas import asyncapi, json_schema
from tests.generate import fill
from tests.support.golden import check_golden
from tests.support.samples import full, least

SCHEMAS = Path(__file__).parents[2] / "fixtures" / "schemas"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        fill(made, 400)
        yield made


whole = cache(json_schema)
document = cache(asyncapi)


@cache
def validator(definition: str = "") -> Any:
    schema = whole()
    if definition:
        schema = {"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]}
    checker = jsonschema.FormatChecker()
    return jsonschema.Draft202012Validator(schema, format_checker=checker)


@cache
def message_validator(name: str) -> Any:
    components = document()["components"]
    schema = {
        **components["messages"][name]["payload"],
        "components": {"schemas": components["schemas"]},
    }
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())


def test_the_json_schema_is_one_and_knows_every_type() -> None:
    schema = whole()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {cls.__name__ for cls in VOCABULARY} <= set(schema["$defs"])
    check_golden("events.schema.json", json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


@pytest.mark.parametrize("cls", VOCABULARY)
def test_every_type_of_event_fits_its_schema(cls: type[Event]) -> None:
    alone = jsonschema.Draft202012Validator(json_schema(cls))
    for event in (full(cls), least(cls)):
        data = stored_data(event)
        validator(cls.__name__).validate(data)
        alone.validate(data)
        assert not validator(cls.__name__).is_valid(data | {"surplus": 1})
    assert not alone.is_valid({"actor": {"kind": "agent", "id": "anna"}})


@pytest.mark.parametrize("reveal", [False, True])
def test_every_exported_event_fits_the_schema(store: CaseStore, reveal: bool) -> None:
    for line in export_lines(store, reveal=reveal):
        told = json.loads(line)
        validator(told["type"]).validate(told["data"])
    for line in export_lines(store, stream="case:K-0000001", reveal=reveal):
        validator().validate(json.loads(line))
    assert not validator().is_valid(json.loads(line) | {"type": "CaseOpened"})


def test_the_asyncapi_document_fits_its_published_schema() -> None:
    made = document()
    schema = json.loads((SCHEMAS / "asyncapi-3.0.0.json").read_bytes())
    jsonschema.Draft7Validator(schema).validate(made)
    assert {kind: set(channel["messages"]) for kind, channel in made["channels"].items()} == {
        kind: {cls.__name__ for cls in classes} for kind, classes in EVENTS.items()
    }
    assert set(references(made)) <= set(places(made))
    told = json.dumps(made, indent=2, ensure_ascii=False).replace(
        f'"version": "{version("casestore")}"', '"version": "VERSION"'
    )
    check_golden("asyncapi.json", told + "\n")


def references(value: Any) -> Iterator[str]:
    """Every $ref in a document."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def places(value: Any, path: str = "#") -> Iterator[str]:
    """The path of every object in a document."""
    yield path
    if isinstance(value, dict):
        for name, each in value.items():
            yield from places(each, f"{path}/{name}")


def test_every_cloudevent_fits_its_message(store: CaseStore) -> None:
    for line in cloud_event_lines(store):
        told = json.loads(line)
        message_validator(told["type"].split(".")[2]).validate(told)
    assert not message_validator("CaseOpened").is_valid(told | {"sequence": "17"})


@pytest.mark.parametrize("cls", VOCABULARY)
def test_every_type_fits_its_message(cls: type[Event]) -> None:
    recorded = Recorded(full(cls), "case:1", 1, 1, "5f0c3b1e-54d1-5d0a-9d3c-0a4b7f6e2c11", None, 1)
    told = json.loads(cloud_event("0a4b7f6e-54d1-5d0a-9d3c-5f0c3b1e2c11", recorded))
    message_validator(cls.__name__).validate(told)
    other = "CaseClosed" if cls.__name__ == "CaseOpened" else "CaseOpened"
    assert not message_validator(other).is_valid(told)
