"""The figures of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.torture.machine.evidence import Evidence
from tests.torture.machine.options import Options


def figures(found: Evidence, options: Options, lasted: float, in_all: float) -> Iterator[str]:
    """The lines of the table."""
    told = Counter(each.told for each in found.operations)
    appends = found.appends
    done = sum(bool(each.done) for each in appends)
    unknown = [each for each in appends if each.is_unknown]
    there = sum(each.mark in found.by_mark for each in unknown)
    streams = len({each.stream for each in found.events})
    asked = f"{options.backend}, seed {options.seed}, {options.writers} writers"
    threads = f" (half of them of {options.threads} threads)" if options.threads > 1 else ""
    yield f"{asked}{threads}, {lasted:.0f} s of faults"
    yield f"operations    {told.total():,}: {_counts(told)}"
    yield f"appends       {len(appends):,}: {done:,} acknowledged, {len(unknown)} unknown " + (
        f"({there} of them on record)"
    )
    yield f"faults        {_counts(faults(found)) or 'none'}"
    yield f"events        {len(found.events):,} in {streams:,} streams"
    yield f"seals held    {sum(e.told == 'done' for e in found.asked('seal'))}, backups " + (
        f"{sum(e.told == 'done' for e in found.asked('backup'))}, erasures "
        f"{sum(e.told == 'done' for e in found.asked('erase'))}, gifts "
        f"{sum(e.told == 'done' for e in found.asked('gift'))} and "
        f"{sum(e.told == 'refused' for e in found.asked('gift'))} refused"
    )
    yield f"time          {in_all:.0f} s in all"


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counted.items()))


def faults(found: Evidence) -> Counter[str]:
    """How often each kind of fault came. A signal counts where its handler raised."""
    told: Counter[str] = Counter()
    for line in found.logs.get("machine.log", []):
        if (kind := line.said.get("fault")) not in (None, "signal"):
            told[str(kind) if kind != "restart" else f"restart {line.said['how']}"] += 1
    for each in found.operations:
        told["fork"] += each.ask == "fork" and "-f" not in each.asked.file
        told["diskfull"] += "room" in each.asked.said
        told["clock"] += "clock" in each.asked.said
        told["signal"] += bool(each.answer and each.answer.said.get("signalled"))
    return +told
