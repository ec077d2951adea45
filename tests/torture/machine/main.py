"""The program: a run, its checks, its figures, and the sabotages."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support.postgres_server import NoServer
from tests.torture.machine.checks import check
from tests.torture.machine.evidence import Evidence
from tests.torture.machine.options import Options, parse
from tests.torture.machine.report import figures
from tests.torture.machine.run import placed, torture
from tests.torture.machine.sabotages import SABOTAGES, sabotage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the machine. Gives the exit code: 0 clean, 1 something is wrong, 2 wrong usage."""
    options = parse(arguments, list(SABOTAGES))
    if options.sabotage == "list":
        for each in SABOTAGES.values():
            print(f"{each.name:26} {each.check:14} {each.do.__doc__}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    folder.chmod(0o755)
    code = 1
    try:
        code = _run(options, folder)
    except NoServer as error:
        print(f"there is no PostgreSQL that could be tortured: {error}", file=sys.stderr)
        code = 2
    finally:
        if code == 1 and options.keep is not None:
            shutil.copytree(folder, options.keep)
            print(f"what is left of it is in {options.keep}")
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _run(options: Options, folder: Path) -> int:
    begun = time.monotonic()
    with placed(options, folder) as (place, server, proxy):
        lasted = torture(options, place, server, proxy)
        with place.open() as store:
            found = Evidence(place, store, options.faults)
            wrong = check(found)
            for line in figures(found, options, lasted, time.monotonic() - begun):
                print(line, flush=True)
            for violation in wrong:
                print(violation)
            if wrong:
                return 1
            print("clean")
            names = list(SABOTAGES) if options.sabotage == "all" else [options.sabotage]
            missed = [name for name in names if name is not None and not _finds(name, found)]
            return int(bool(missed))


def _finds(name: str, clean: Evidence) -> bool:
    """Break one thing; whether its check finds it."""
    each = SABOTAGES[name]
    wrong = sabotage(each, clean)
    told = str(wrong[0]) if wrong else f"{each.check} DOES NOT FIND IT: {each.do.__doc__}"
    print(f"{name:26} {told}", flush=True)
    return bool(wrong)
