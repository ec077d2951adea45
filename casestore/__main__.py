"""Starts the command line: `casestore` and `python -m casestore`.

The command line and the reports stand in packages with general names, `cli` and `projections`, and
another project may have such ones too: in the folder in which `python -m casestore` is called, on
PYTHONPATH, or installed. This is the only file of casestore that imports `cli`, and nothing
imports it.
"""

from __future__ import annotations

import os.path  # pathlib would take longer to import than all the rest
import sys
from importlib import import_module
from importlib.machinery import PathFinder

HOME = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
"""The folder that holds casestore, cli and projections."""


def put_ours_first(name: str) -> None:
    """Move the places that have another project's package of a name to the end of the path.

    The path itself is changed, because child processes get it as well.
    """
    ours = os.path.join(HOME, name, "__init__.py")
    for place in list(sys.path):
        spec = PathFinder.find_spec(name, [place])
        if spec is None or spec.origin is None:  # None: a folder without __init__.py hides nothing
            continue
        if os.path.realpath(spec.origin) == ours:
            return
        sys.path.remove(place)
        sys.path.append(place)


def clash(name: str) -> str | None:
    """Where the package that a name stands for is, if it is another project's; else None."""
    try:
        package = import_module(name)
    except ImportError:
        return HOME
    if getattr(package, "_PART_OF", None) == "casestore":
        return None
    return package.__file__ or HOME


def main() -> None:
    """Run the command line; exit with 2 where another project's package is in its place."""
    for name in ("cli", "projections"):
        put_ours_first(name)
        if (place := clash(name)) is not None:
            sys.exit(_refused(name, place))
    from cli.main import main as run  # noqa: PLC0415  (only now it is found where it is ours)

    run()


def _refused(name: str, place: str) -> int:
    print(
        f"casestore: the package {name!r} in {place} is another project's, in the place of "
        "casestore's own; install casestore into an environment of its own",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    main()
