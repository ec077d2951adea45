"""Comments, docstrings and the pages about the code name only files and names that exist."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.support.imports import ROOT, files

ABOUT_THE_CODE = (
    *(ROOT / name for name in ("CONTRIBUTING.md", "docs/architecture.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
)
"""The pages that tell where things are in the code."""
EXAMPLES = {"kept_2_at"}
"""Names in backticks that are made while the program runs."""


class Comment(NamedTuple):
    """A comment or a docstring of a module, or a page."""

    path: Path
    line: int
    text: str

    def names(self, pattern: str) -> Iterator[str]:
        """What a pattern finds in it."""
        return (found[1] for found in re.finditer(pattern, self.text))

    def at(self, name: str) -> str:
        """Where it names something, in words."""
        return f"{self.path.relative_to(ROOT)}, line {self.line}, names {name}"


@cache
def comments() -> list[Comment]:
    """Every comment and docstring of the project's modules."""
    found = []
    for path in files().values():
        text = path.read_text("utf-8")
        found += [
            Comment(path, token.start[0], token.string)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        ]
        found += [Comment(path, node.lineno, _words(node)) for node in _docstrings(text)]
    return found


@cache
def pages() -> list[Comment]:
    """The pages about the code."""
    return [Comment(path, 1, path.read_text("utf-8")) for path in ABOUT_THE_CODE]


@cache
def names_in_code() -> frozenset[str]:
    """Every name and every word of a text in the code, without comments and docstrings."""
    found: set[str] = set()
    for path in files().values():
        text = path.read_text("utf-8")
        docstrings = {node.lineno for node in _docstrings(text)}
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type != tokenize.COMMENT and token.start[0] not in docstrings:
                found.update(re.findall(r"\w+", token.string))
    return frozenset(found)


def _docstrings(text: str) -> Iterator[ast.Expr]:
    """The texts that stand alone: docstrings, also those below a field or a constant."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and _words(node):
            yield node


def _words(node: ast.Expr) -> str:
    value = node.value
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def test_a_python_file_that_a_comment_names_is_there() -> None:
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in files().values()]
    wrong = [
        each.at(name)
        for each in comments() + pages()
        for name in each.names(r"(?<![\w*/])([\w/]*\w+\.py)\b")
        if not any(path.endswith(f"/{name}") for path in there)
    ]
    assert wrong == []


def test_a_folder_that_a_comment_names_is_there() -> None:
    wrong = [
        each.at(name)
        for each in comments() + pages()
        for name in each.names(r"\b((?:casestore|projections|cli|tests)(?:/\w+)*/)(?![\w.{])")
        if not (ROOT / name).is_dir()
    ]
    assert wrong == []


def test_a_module_or_a_name_of_one_that_a_comment_names_is_there() -> None:
    wrong = [
        each.at(name)
        for each in comments() + pages()
        for name in each.names(r"\b((?:casestore|projections|cli|tests)(?:\.[A-Za-z_]\w*)+)")
        if not _is_there(name)
    ]
    assert wrong == []


def _is_there(name: str) -> bool:
    """Whether a dotted name is a module, or the module before its last part has that name."""
    module, _, last = name.rpartition(".")
    if name in files() or name.endswith((".py", ".md", ".db")):
        return True
    path = files().get(module)
    if path is None:  # an attribute of a class
        return "." in module and _is_there(module)
    return re.search(rf"\b{last}\b", path.read_text("utf-8")) is not None


def test_a_name_in_backticks_is_a_name_in_the_code() -> None:
    wrong = [
        each.at(name)
        for each in comments()
        for name in each.names(r"(?<!`)`([A-Za-z_][\w.]*)(?:\([^`]*\))?`(?!`)")
        if not EXAMPLES.union(names_in_code()).issuperset(name.split("."))
    ]
    assert wrong == []
