"""A package whose names are imported when they are first asked for (PEP 562).

Then a program waits only for what it uses, and a module of the package can be imported without
all the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def on_demand(
    package: str, names: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`.

    Args:
        package: its name.
        names: its public names by the module that each is imported from, with spaces between.
            `name=there` is a name that its module calls otherwise.
    """
    modules: dict[str, tuple[str, str]] = {}
    for module, its_names in names.items():
        for each in its_names.split():
            name, _, there = each.partition("=")
            modules[name] = module, there or name

    def get(name: str) -> object:
        part = f"{package}.{name}"
        if inside := [each for each in names if f"{each}.".startswith(f"{part}.")]:
            # Type checkers take the modules that names come from to be here, and rightly so where
            # a package imports them at once.
            for module in inside:
                import_module(module)
            return sys.modules[part]
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, there = modules[name]
        value = getattr(import_module(module), there)
        setattr(sys.modules[package], name, value)  # so that it is looked up once
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return get, listed
