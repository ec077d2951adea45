"""What the files of the project import, read from their text: nothing is run.

An import counts wherever it stands: at the top of a file, in a function, or for the type checker
alone. `from package import name` counts as an import of the module that defines the name, because
a package's `__init__` only passes names on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from casestore.streams.merged import closure

ROOT = Path(__file__).parents[2]
PACKAGES = ("casestore", "projections", "cli", "tests")


class Import(NamedTuple):
    """One module imports another."""

    importer: str
    """A module of the project. A package's name stands for its `__init__`."""
    imported: str
    """Any module, of the project or not."""
    line: int
    in_function: bool


@cache
def files() -> dict[str, Path]:
    """The project's modules by their dotted names."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    }


@cache
def tree(module: str) -> ast.Module:
    """A module's text, parsed."""
    return ast.parse(files()[module].read_text("utf-8"))


@cache
def imports(module: str) -> tuple[Import, ...]:
    """What a module imports, also with import_module where that is given a whole name."""
    found = []
    for node, in_function in _nodes(tree(module), in_function=False):
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(source), level=0):
                names = [_home(source, alias.name) for alias in node.names]
            case ast.ImportFrom():
                raise ValueError(f"{module}, line {node.lineno}: name the package whole")
            case ast.Call(func=ast.Name("import_module"), args=[ast.Constant(str(name))]):
                names = [name]
            case _:
                continue
        found += [Import(module, name, node.lineno, in_function) for name in dict.fromkeys(names)]
    return tuple(found)


def _nodes(node: ast.AST, *, in_function: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, in_function
        inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _nodes(child, in_function=inside)


def _home(module: str, name: str) -> str:
    """The module that defines a name which is imported from another module."""
    if f"{module}.{name}" in files():
        return f"{module}.{name}"
    if module not in files() or files()[module].name != "__init__.py":
        return module
    passed_on = [
        (node.module, alias)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    ]
    for source, alias in passed_on:
        if name == (alias.asname or alias.name):
            return _home(source, alias.name)
    if name not in _defined(module):
        for source, alias in passed_on:
            if alias.name == "*":
                return _home(source, name)
    return module


def _defined(module: str) -> set[str]:
    """The names that a module itself defines."""
    names: set[str] = set()
    for node in tree(module).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return names


@cache
def graph() -> dict[str, frozenset[str]]:
    """For each module of the project the modules of the project that it imports."""
    return {
        module: frozenset(
            each.imported
            for each in imports(module)
            if each.imported in files() and not _imports_on_demand(module)
        )
        for module in files()
    }


def _imports_on_demand(module: str) -> bool:
    """Whether a package imports a name only when somebody asks for it (`__getattr__`, PEP 562).

    By itself it imports nothing then: what stands in it is for the type checker.
    """
    names = (node for node in ast.walk(tree(module)) if isinstance(node, ast.Name))
    return "__getattr__" in {name.id for name in names} | _defined(module)


def reached(modules: Iterable[str]) -> set[str]:
    """Some modules, and all modules of the project that they import, directly or not."""
    return closure(modules, lambda some: {to for module in some for to in graph()[module]})
