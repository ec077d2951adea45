"""The type checker catches an event without its arm, in `evolve` and in `check`.

Each match over the vocabulary is copied many times. Each copy lacks the arms of a few events, and
mypy checks all copies in one run. Then mypy checks the modules with one more event in the unions.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest

import casestore
from casestore.events import EVENTS

MATCHES = ("_apply", "_check")
FEW = 7  # events that a copy lacks: mypy shortens longer unions in its messages
CONTEXT = re.compile(r'casestore/streams/(\w+)\.py: note: In function "(\w+)":')
UNHANDLED = re.compile(r'error: Argument 1 to "assert_never" has incompatible type "([\w| ]+)";')


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """A copy of the library that may be changed."""
    copy = tmp_path / "casestore"
    shutil.copytree(Path(casestore.__file__).parent, copy, ignore=shutil.ignore_patterns("*.pyc"))
    return copy


def unhandled(overlay: Path) -> dict[str, str]:
    """The events that reach assert_never, by function. Any other message of mypy fails the test."""
    flags = ["--strict", "--show-error-context", "--follow-imports=silent", "--config-file="]
    files = ["casestore/streams/case.py", "casestore/streams/customer.py"]
    cache = f"--cache-dir={overlay.parent / 'cache'}"
    told = subprocess.run(
        [sys.executable, "-m", "mypy", *flags, cache, *files],
        cwd=overlay.parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found: dict[str, str] = {}
    function = ""
    for line in told.splitlines():
        if context := CONTEXT.match(line):
            function = ".".join(context.groups())
        elif error := UNHANDLED.search(line):
            found[function] = error[1]
        else:
            assert line.startswith(("Found", "Success")), told
    return found


class Forget(ast.NodeTransformer):
    """Removes the arms of some events from a match."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def forgotten(self, pattern: ast.pattern) -> bool:
        return isinstance(pattern, ast.MatchClass) and ast.unparse(pattern.cls) in self.events

    def visit_match_case(self, arm: ast.match_case) -> ast.match_case | None:
        if isinstance(arm.pattern, ast.MatchOr):
            patterns = arm.pattern.patterns
            arm.pattern.patterns = [each for each in patterns if not self.forgotten(each)]
        return None if self.forgotten(arm.pattern) else arm


def forgetful(source: str, groups: list[list[str]]) -> str:
    """A module with copies of its matches, each without the arms of a group of events."""
    module = ast.parse(source)
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    for function in [each for each in functions if each.name in MATCHES]:
        for group in groups:
            copy = Forget(group).visit(deepcopy(function))
            copy.name = f"{function.name}_without_{group[0]}"
            module.body.append(copy)
    return ast.unparse(module)


def test_no_arm_can_be_left_out(overlay: Path) -> None:
    expected: dict[str, str] = {}
    for kind in ("case", "customer"):
        events = [cls.__name__ for cls in EVENTS[kind]]
        groups = [events[first : first + FEW] for first in range(0, len(events), FEW)]
        module = overlay / "streams" / f"{kind}.py"
        module.write_text(forgetful(module.read_text(), groups))
        for match in MATCHES:
            expected |= {f"{kind}.{match}_without_{g[0]}": " | ".join(g) for g in groups}
    assert unhandled(overlay) == expected


def test_a_new_event_needs_its_arms(overlay: Path) -> None:
    course, vocabulary = overlay / "events" / "course.py", overlay / "events" / "__init__.py"
    course.write_text(course.read_text() + "\n\n@event\nclass CaseDreamt(Event):\n    pass\n")
    imported = "from casestore.events.course import ("
    unions = ("CaseEvent = (\n", "CustomerEvent = (\n")
    text = vocabulary.read_text().replace(imported, f"{imported}\n    CaseDreamt,")
    for union in unions:
        text = text.replace(union, f"{union}    CaseDreamt |\n")
    assert text.count("CaseDreamt") == 3
    vocabulary.write_text(text)
    assert unhandled(overlay) == {
        f"{module}.{match}": "CaseDreamt" for module in ("case", "customer") for match in MATCHES
    }
