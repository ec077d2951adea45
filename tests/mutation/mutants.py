"""Mutants: a module's source with one small change, as mutmut makes it.

mutmut itself leaves out every decorated function, and so all rules, and has no lot. Here its
operators are applied to all code but annotations, docstrings and decorators' names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from itertools import islice
from random import Random
from typing import Any, NamedTuple

from tests.support.imports import ROOT

UNCHANGED = {"len", "isinstance", "cast", "TypeVar"}
"""Calls whose arguments mutmut leaves alone, and what is there for types only."""


class Mutant(NamedTuple):
    """A module with one change."""

    path: str
    line: int
    was: str
    """The changed piece of code, as it was."""
    now: str
    source: str
    """The whole module after the change."""
    in_function: bool
    """Whether it is in the body of a function, so that nothing changes until that is called."""

    @property
    def module(self) -> str:
        """The name of the module."""
        return self.path.removesuffix(".py").replace("/", ".")

    def unchanged(self) -> Mutant:
        """The module without the change."""
        return self._replace(source=(ROOT / self.path).read_text("utf-8"))

    def told(self) -> str:
        """The change, in one line."""
        was, now = (" ".join(text.split()) for text in (self.was, self.now))
        return f"{self.path}:{self.line}: {was}  ->  {now}"


def lot(paths: list[str], size: int, seed: int) -> list[Mutant]:
    """Some mutants of some files, by lot; all, if there are no more than `size`.

    Files are named from the project's folder.
    """
    made = [make for path in sorted(paths) for make in _changes(path)]
    Random(seed).shuffle(made)
    compiling = (mutant for make in made if _compiles(mutant := make()))
    return list(islice(compiling, size))


def _changes(path: str) -> Iterator[Callable[[], Mutant]]:
    """What makes each mutant of a file: to make one takes longer than to find it."""
    # Whoever runs this installs mutmut. Neither the tests nor CI need it.
    cst, metadata = import_module("libcst"), import_module("libcst.metadata")
    operators = import_module("mutmut.mutation.mutators").mutation_operators
    wrapper = metadata.MetadataWrapper(cst.parse_module((ROOT / path).read_text("utf-8")))
    lines = wrapper.resolve(metadata.PositionProvider)
    module = wrapper.module

    pieces = [module.with_changes(body=[]).code, *map(module.code_for_node, module.body)]

    def made(number: int, node: Any, changed: Any, inside: bool) -> Mutant:
        was, now = module.code_for_node(node), module.code_for_node(changed)
        piece = module.code_for_node(module.body[number - 1].deep_replace(node, changed))
        source = "".join([*pieces[:number], piece, *pieces[number + 1 :]])
        return Mutant(path, lines[node].start.line, was, now, source, inside)

    nodes = [(number, node, False) for number, node in enumerate(module.body, 1)]
    while nodes:
        number, node, inside = nodes.pop()
        for child in node.children:
            if not _left_alone(cst, child):
                within = isinstance(node, cst.FunctionDef) and node.body is child
                nodes.append((number, child, inside or within))
        for kind, operator in operators:
            if isinstance(node, kind):
                for changed in operator(node):
                    yield partial(made, number, node, changed, inside)


def _left_alone(cst: Any, node: Any) -> bool:
    match node:
        case cst.Annotation() | cst.ImportFrom() | cst.Import():
            return True
        case cst.Call(func=cst.Name(value=name)):
            return name in UNCHANGED
        case cst.Decorator(decorator=cst.Name() | cst.Attribute()):
            return True
        case _:
            return False


def _compiles(mutant: Mutant) -> bool:
    try:
        compile(mutant.source, mutant.path, "exec")
    except SyntaxError:
        return False
    return True
