"""Mutation testing: whether the tests notice when the code is changed a little.

    pip install mutmut
    python -m tests.mutation [PART ...] [--lot 300] [--seed 18] [--out FILE]
    python -m tests.mutation --again FILE     # the survivors of a run, against all that meets them
    python -m tests.mutation --unchanged      # the tests against the code as it is: none may fall

`docs/testing.md` tells what came of it. Mutants are made by mutmut's operators, see
tests/mutation/mutants.py, and tried in tests/mutation/trial.py.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.mutation.mutants import lot
from tests.mutation.trial import (
    ENOUGH,
    QUICK,
    Collected,
    forked,
    imported,
    quiet,
    read,
    shared,
)
from tests.support.imports import ROOT

TESTS = (
    *(f"casestore/streams/test_{n}.py" for n in ("case_evolve", "case_checks", "history", "laws")),
    *("casestore/tlog/test_merkle.py", "casestore/keys", "projections/rules"),
    *(f"projections/reports/test_{name}.py" for name in ("promises", "goodwill")),
)
"""The tests that mutants meet."""


class Part(NamedTuple):
    """Files that share a lot, and the tests that a change of what runs on import meets."""

    files: str
    near: str


PARTS = {
    "case": Part(
        "casestore/streams/case.py casestore/streams/promise_state.py",
        "casestore/streams/test_case_evolve.py casestore/streams/test_case_checks.py "
        "projections/reports/test_promises.py",
    ),
    "promises": Part("projections/models/promises.py", "projections/reports/test_promises.py"),
    "goodwill": Part("projections/models/goodwill.py", "projections/reports/test_goodwill.py"),
    "merkle": Part("casestore/tlog/merkle.py", "casestore/tlog/test_merkle.py"),
    "vault": Part("casestore/keys/vault.py casestore/keys/parts.py", "casestore/keys"),
    "rules": Part("projections/rules/*.py", "projections/rules"),
}


def main() -> None:
    """Try the mutants of some parts, and tell which survived."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--lot", type=int, default=300, help="mutants of a part, at most")
    parser.add_argument("--seed", type=int, default=18)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("mutants.ndjson"))
    parser.add_argument("--again", type=Path, help="only those that survived, of another --out")
    parser.add_argument("--unchanged", action="store_true", help="put the code as it is on trial")
    options = parser.parse_args()
    lots = [
        [(name, mutant) for mutant in lot(_paths(PARTS[name].files), options.lot, options.seed)]
        for name in options.parts or PARTS
    ]
    # One of each part in turn, so that a run that is stopped has drawn a smaller lot of each.
    tried = [each for round in zip_longest(*lots) for each in round if each is not None]
    if options.again is not None:
        fared = {line[0]: line for line in _lines(options.again)}
        left = {line[3] for line in fared.values() if line[2].startswith("survived")}
        tried = [each for each in tried if each[1].told() in left]
    if options.unchanged:
        tried = [(part, mutant.unchanged()) for part, mutant in tried]
    folder = TemporaryDirectory()  # its own, which no other session of pytest clears away
    out = os.open(options.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def tell(index: int, how: str) -> None:
        part, mutant = tried[index]
        line = [index, part, how, mutant.told()]
        os.write(out, (json.dumps(line) + "\n").encode())

    def told() -> dict[int, str]:
        return {line[0]: line[2] for line in _lines(options.out)}

    def again(index: int) -> None:
        part, mutant = tried[index]
        how = told()[index]
        if how == "unreached":
            how = imported(mutant, _tests(*PARTS[part].near.split()))
        copy = Path(folder.name) / f"code-{os.getpid()}"
        tell(index, (how.startswith("survived") and read(mutant, copy)) or how)

    enough = ENOUGH if options.again is None else math.inf
    collected = Collected([mutant for _, mutant in tried], tell, options.workers, enough)
    log, basetemp = options.out.with_suffix(".log"), Path(folder.name) / "tests"
    forked(lambda: _collect(collected, log, basetemp))
    more = [i for i, how in sorted(told().items()) if how.startswith(("unreached", "survived"))]
    shared(more, again, options.workers)
    for index, how in sorted(told().items()):
        if how.startswith("survived"):
            print(f"{index}: {tried[index][1].told()}")
    counts = Counter((tried[index][0], how.split()[0]) for index, how in told().items())
    for (part, how), count in sorted(counts.items()):
        print(f"{part}: {count} {how}")
    folder.cleanup()


def _lines(path: Path) -> list[tuple[int, str, str, str]]:
    """The lines of a run: index, part, how it fared, and the change."""
    return list(map(json.loads, path.read_text("utf-8").splitlines()))


def _paths(patterns: str) -> list[str]:
    files = [path for each in patterns.split() for path in ROOT.glob(each)]
    return [str(path.relative_to(ROOT)) for path in files]


def _tests(*names: str) -> list[str]:
    return [str(ROOT / "tests" / name) for name in names]


def _collect(plugin: Collected, log: Path, basetemp: Path) -> str:
    quiet(log)
    return str(pytest.main([*QUICK, f"--basetemp={basetemp}", *_tests(*TESTS)], plugins=[plugin]))
