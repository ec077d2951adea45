"""Speed, as ratios against the raw database and the stock library in one run on one machine.

    python -m tests.bench [--rounds N] [--events N] [--only PART]
    python -m tests.bench generate [--events N] [--out FILE] [--db URL]

Every ratio is a speed divided by a speed, so larger is better; each is the median of rounds in
which the contenders take turns, because machines are noisy. Raw means the same durable work by
hand: the same columns and indexes, synchronous=FULL, rows made beforehand. The PostgreSQL is the
one that the tests find. Projections and reports are measured on `--events` events shaped like
real ones (see `generate`) and on a tenth and a hundredth of them; `--keep DIR` keeps these stores
for the next time.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests import generate
from tests.bench.race import Floor

PARTS = ("sqlite", "postgres", "audit", "projections", "start")


def main() -> None:
    """Print the table, or make histories."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, help="default: 100,000 plain, 1,000,000 real ones")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument("--only", choices=PARTS)
    commands = parser.add_subparsers(dest="command")
    generate.arguments(commands.add_parser("generate", help="make histories shaped like real ones"))
    asked = parser.parse_args()
    if asked.command == "generate":
        generate.run(asked)
        return
    with tempfile.TemporaryDirectory() as name:
        for part in PARTS if asked.only is None else (asked.only,):
            for floor in _measure(part, Path(name), asked):
                print(floor.line(), flush=True)


def _measure(part: str, folder: Path, asked: argparse.Namespace) -> Iterable[Floor]:
    # Imported one by one: `generate` needs none of them, and not all need PostgreSQL.
    rounds, plain = asked.rounds, asked.events or 100_000
    if part == "sqlite":
        from tests.bench.sqlite import bench_sqlite

        return bench_sqlite(folder, plain, rounds)
    if part == "postgres":
        from tests.bench.postgres import bench_postgres
        from tests.support.postgres_server import server

        with server() as url:
            return bench_postgres(url, folder, plain, rounds)
    if part == "audit":
        from tests.bench.audit import bench_audit

        return bench_audit(folder, plain, rounds)
    if part == "projections":
        from tests.bench.projections import bench_projections

        return bench_projections(asked.keep or folder, asked.events or 1_000_000, rounds)
    from tests.bench.start import bench_start

    return bench_start(rounds)
