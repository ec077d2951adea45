"""The public face: what a service imports is listed, is typed, and names nothing that is not."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

import casestore
import projections
from casestore import errors, events
from casestore.system.once import once
from projections import reports
from projections.query.selection import Asked, Selection

ROOT = Path(__file__).parents[2]
FACES = (casestore, projections, reports)
OURS = ("casestore", "projections", "cli")


def python(code: str, *flags: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the lists ---------------------------------------------------------------------------------


def for_type_checkers(face: ModuleType) -> dict[str, str]:
    """The names that a package imports for type checkers, each with its module."""
    (block,) = [
        node
        for node in ast.parse(Path(str(face.__file__)).read_text("utf-8")).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    names: dict[str, str] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.module is not None
        for alias in node.names:
            all_of_it = import_module(node.module).__all__ if alias.name == "*" else [alias.name]
            names |= dict.fromkeys(all_of_it, node.module)
    return names


@pytest.mark.parametrize("face", [casestore, projections], ids=lambda face: face.__name__)
def test_a_name_is_listed_for_programs_for_type_checkers_and_for_its_import(
    face: ModuleType,
) -> None:
    table = {name: module for module, names in face._NAMES.items() for name in names.split()}
    assert for_type_checkers(face) == table
    assert set(face.__all__) == set(table)
    assert len(face.__all__) == len(table)
    assert set(face.__all__) <= set(dir(face))
    for name, module in table.items():
        assert getattr(face, name) is getattr(import_module(module), name)


def test_the_vocabulary_and_every_error_are_public() -> None:
    raised = {name for name, value in vars(errors).items() if isinstance(value, type)}
    defined_there = {name for name in raised if vars(errors)[name].__module__ == errors.__name__}
    assert {*events.__all__, *defined_there} <= set(casestore.__all__)


def test_a_star_import_brings_every_name() -> None:
    for face in FACES:
        names: dict[str, object] = {}
        exec(f"from {face.__name__} import *", names)
        assert set(face.__all__) == names.keys() - {"__builtins__"}


def test_a_module_that_names_come_from_is_there_as_a_type_checker_takes_it_to_be() -> None:
    python("import casestore; casestore.errors.EventRefused, casestore.events.base.Actor")
    python("import projections; projections.engine.runner.Runner")


def test_a_name_that_is_not_there_is_an_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match=r"module 'casestore' has no attribute 'CaseStorr'"):
        casestore.CaseStorr  # type: ignore[attr-defined]  # noqa: B018


def test_a_proof_is_checked_without_the_store() -> None:
    loaded = python(
        "import casestore.audit.proof, casestore.audit.bundle, sys; print(*sys.modules)"
    ).split()
    assert "casestore.audit.bundle" in loaded
    of_the_store = ("casestore.journal", "casestore.store", "eventsourcing", "projections")
    assert [name for name in loaded if name.startswith(of_the_store)] == []


# --- what public names mention -----------------------------------------------------------------


def members(cls: type) -> Iterator[tuple[str, Any]]:
    """A class's public members that are ours, inherited ones too, and its constructor."""
    for base in cls.__mro__:
        if base.__module__.split(".")[0] in OURS:
            for name, value in vars(base).items():
                if not name.startswith("_") or (name == "__init__" and isfunction(value)):
                    yield name, value


def hints(value: object) -> dict[str, Any]:
    """The annotations of a function, a property or a method."""
    if isinstance(value, property):
        return get_type_hints(value.fget)
    if isinstance(value, (cached_property, once)):
        return get_type_hints(value.func)
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    ours = isfunction(value) and value.__module__.split(".")[0] in OURS
    return get_type_hints(value) if ours else {}


def mentioned(hint: Any) -> Iterator[Any]:
    """The classes (and Any) that an annotation is made of."""
    inner = get_args(hint)
    if isinstance(hint, list):
        inner = tuple(hint)
    for each in inner:
        yield from mentioned(each)
    if isinstance(hint, type) or hint is Any:
        yield hint


def mentions(public: object) -> Iterator[tuple[str, Any]]:
    """What a public class or function mentions, each with where."""
    if isinstance(public, type):
        annotated = get_type_hints(public)
        own = {
            name
            for base in public.__mro__
            if base.__module__.split(".")[0] in OURS
            for name in getattr(base, "__annotations__", {})
        }
        for name in own:
            if not name.startswith("_"):
                yield from ((name, each) for each in mentioned(annotated[name]))
        for name, value in members(public):
            for hint in hints(value).values():
                yield from ((name, each) for each in mentioned(hint))
    else:
        for name, hint in hints(public).items():
            yield from ((name, each) for each in mentioned(hint))


PUBLIC = {id(getattr(face, name)): (face, name) for face in FACES for name in face.__all__}


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.__name__)
def test_whatever_a_public_signature_mentions_is_public(face: ModuleType) -> None:
    hidden = {
        f"{name}.{where} mentions {cls.__module__}.{cls.__qualname__}"
        for name in face.__all__
        for where, cls in mentions(getattr(face, name))
        if cls is not Any and cls.__module__.split(".")[0] in OURS and id(cls) not in PUBLIC
    }
    assert hidden == set()


MAY_BE_ANYTHING = {
    "CaseHistory.in_order",  # events of the types that were asked for
    "Event.UPCASTS",  # stored data of an older schema
    "Happened.event",  # an event of a type that the rule asked for
}


def test_no_public_signature_says_any() -> None:
    anything = {
        f"{name}.{where}"
        for face in FACES
        for name in face.__all__
        for where, cls in mentions(getattr(face, name))
        if cls is Any
    }
    inherited = {f"{name}.UPCASTS" for name in casestore.__all__}
    assert anything - inherited <= MAY_BE_ANYTHING


def test_a_report_takes_by_name_what_a_selection_has_and_what_reports_offer() -> None:
    """`Asked` types what a report is asked; a field or an option that it lacked would be one that
    no type checker lets through."""
    takes, selects = get_type_hints(Asked), get_type_hints(Selection)
    offered = {
        option.name.replace("-", "_"): option.kind
        for report in (*reports.REPORTS, reports.lapse_counts)
        for option in report.options
        if option.instead is None
    }
    own = {"name", "document"}  # of the backtest, which has no options at the command line
    assert takes.keys() == selects.keys() | offered.keys() | own
    assert {name: takes[name] for name in selects} == selects
    for name, kind in offered.items():
        assert (kind if isinstance(kind, type) else str) in (takes[name], *get_args(takes[name]))
