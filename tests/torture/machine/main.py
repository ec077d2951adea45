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
from tests.torture.machine.sabotage import SABOTAGES, sabotage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the machine. Gives the exit code: 0 clean, 1 something is wrong, 2 wrong usage."""
    options = parse(arguments, list(SABOTAGES))
    if options.sabotage == "list":
        for each in SABOTAGES.values():
            print(f"{each.name:22} {each.check:14} {each.what}")
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
        if options.sabotage is None:
            return 0
        names = list(SABOTAGES) if options.sabotage == "all" else [options.sabotage]
        return int(not all([sabotage(SABOTAGES[name], place, options) for name in names]))
