"""Speed, as ratios against the raw database and the stock library in one run on one machine.

    python -m tests.bench [--rounds N] [--events N] [--only PART]
    python -m tests.bench generate [--events N] [--out FILE] [--db URL]
    python -m tests.bench big [--sizes N,N,…] [--out FILE.json] [--limit-minutes 40]
    python -m tests.bench plot FILE.json

Every ratio is our speed divided by another speed, so larger is better. Machines are noisy: the
contenders take turns, and the median of the rounds counts. "Raw" is the same durable work done with
plain SQL: the same columns and indexes, synchronous=FULL, rows made beforehand. PostgreSQL is the
one that the tests use. Projections and reports are measured on `--events` events shaped like real
ones (see `generate`), and on a tenth and a hundredth of them; `--keep DIR` keeps these stores for
the next run. The pages of `casestore serve` are asked of a server on the large one, and compared
with the seconds that a person waits for gladly.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests import generate
from tests.bench import big, plot
from tests.bench.race import Floor

PARTS = ("sqlite", "postgres", "audit", "projections", "pages", "intake", "start", "long", "peers")


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
    big.arguments(commands.add_parser("big", help="commands on large stores: time and memory"))
    plot.arguments(commands.add_parser("plot", help="put what `big` measured into the documents"))
    options = parser.parse_args()
    if options.command:
        {"generate": generate.run, "big": big.run, "plot": plot.run}[options.command](options)
        return
    with tempfile.TemporaryDirectory() as name:
        for part in PARTS if options.only is None else (options.only,):
            for floor in _measure(part, Path(name), options):
                print(floor.line(), flush=True)


def _measure(part: str, folder: Path, options: argparse.Namespace) -> Iterable[Floor]:
    # Each part is imported only when it runs: `generate` needs none, and few need PostgreSQL.
    rounds, plain = options.rounds, options.events or 100_000
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

        return bench_projections(options.keep or folder, options.events or 1_000_000, rounds)
    if part == "intake":
        from tests.bench.intake import bench_intake

        return bench_intake(folder, options.events or 15_000, rounds)
    if part == "pages":
        from tests.bench.pages import bench_pages

        return bench_pages(options.keep or folder, options.events or 1_000_000, rounds)
    if part == "long":
        from tests.bench.long import bench_long

        return bench_long(folder, plain, rounds)
    if part == "peers":
        from tests.bench.peers import bench_peers

        return bench_peers(folder, plain, rounds)
    from tests.bench.start import bench_start

    return bench_start(folder, rounds)
