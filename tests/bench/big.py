"""What an operator's commands take on large SQLite stores: seconds, processor seconds, memory.

    python -m tests.bench big [--sizes 100000,1000000,10000000] [--dir DIR] [--out FILE.json]
                              [--processes 2] [--limit-minutes 40]

For each size a store of generated events (`tests.generate`) is made in DIR, and each command of
`steps` runs on it in a process of its own, once, one after the other. The lines to import come
through a pipe from another process, which is not counted. The results are in FILE.json after each
command, so that a run that is broken off has told what it has; its files are removed. A command
that fails is told, and the run goes on. `python -m tests.bench plot FILE.json` draws them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.generate import PER_CASE, SPAN
from tests.generate.story import START, case_id

GRACE = 1.5
"""A command is ended when its size has taken so many times its limit."""
_MEASURED = Path(__file__).with_name("measured.py")


class Step(NamedTuple):
    """A command that is measured."""

    name: str
    arguments: tuple[str, ...]
    product: str | None = None
    """The file or folder that it makes."""
    last: bool = False
    """Whether nothing after it needs what it makes, so that it is removed."""


def steps(events: int, processes: int) -> list[Step]:
    """What is done to a store of so many events. Each finds what those before it made."""
    half_way = START + timedelta(seconds=SPAN // 2)
    case = case_id(int(events / PER_CASE / 4))  # open at that time or before
    rebuild = ("projections", "rebuild", "--processes")
    return [
        Step("import", ("import", "--trust-recorded-at", "-"), "store.db"),
        Step("rebuild, 1 process", (*rebuild, "1"), "store.db.projections"),
        Step(f"rebuild, {processes} processes", (*rebuild, f"{processes}")),
        Step("cases, newest 20", ("cases", "--sort", "-opened_at", "--limit", "20")),
        Step("cases, whole to CSV", ("cases", "--format", "csv", "-o", "cases.csv")),
        Step("promises --broken", ("promises", "--broken")),
        Step("case show --as-of", ("case", "show", case, "--as-of", f"{half_way:%Y-%m-%d}")),
        Step("audit seal", ("audit", "seal")),
        Step("audit verify", ("audit", "verify")),
        Step("backup", ("backup", "backup.db"), "backup.db", last=True),
        Step("archive write", ("archive", "write", "archive"), "archive"),
        Step("archive verify", ("archive", "verify", "archive")),
        Step(
            f"archive fold, {processes} processes",
            ("archive", "fold", "archive", "--out", "rows", "--processes", f"{processes}"),
            "rows",
            last=True,
        ),
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command to its parser."""
    parser.add_argument("--sizes", type=_sizes, default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--dir", type=Path, help="where the stores are made, and removed again")
    parser.add_argument("--out", type=Path, default=Path("big.json"), metavar="FILE.json")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--limit-minutes",
        type=float,
        default=40,
        help="of one size: no command of it begins later, and what then still runs is ended "
        "after half as long again",
    )


def _sizes(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def run(options: argparse.Namespace) -> None:
    """Measure all sizes, and write the results."""
    with tempfile.TemporaryDirectory(prefix="casestore-big-", dir=options.dir) as name:
        folder = Path(name)
        results: dict[str, Any] = {
            "machine": machine(folder),
            "processes": options.processes,
            "limit_minutes": options.limit_minutes,
            "sizes": [],
        }
        for events in options.sizes:
            one: dict[str, Any] = {"events": events, "steps": [], "bytes": {}}
            results["sizes"].append(one)
            with (folder / "log").open("w+b") as log:
                for told in measure(folder / "store", events, options, one["bytes"], log):
                    one["steps"].append(told)
                    print(line(events, told), flush=True)
                    options.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
            shutil.rmtree(folder / "store")


def line(events: int, told: Mapping[str, Any]) -> str:
    """What is printed of a command that was measured."""
    name = f"{events:>12,}  {told['step']:<28}"
    if "seconds" not in told:
        return f"{name} {told['state']}"
    return (
        f"{name} {told['seconds']:9.1f} s {told['cpu']:9.1f} s CPU"
        f" {told['memory'] / 1e6:8.0f} MB  {told['state']}"
    )


def measure(
    folder: Path, events: int, options: argparse.Namespace, sizes: dict[str, int], log: Any
) -> Iterator[dict[str, Any]]:
    """Make a store, and run the commands on it. Tells each.

    Args:
        folder: is made.
        options: with `processes` and `limit_minutes`.
        sizes: gets the bytes of what the commands made, by name.
        log: a file for what the commands say.
    """
    folder.mkdir()
    begin, limit = time.monotonic(), options.limit_minutes * 60
    for command in (("init",), ("audit", "key")):
        subprocess.run(_casestore(command), cwd=folder, env=_environment(), check=True, stdout=log)
    for step in steps(events, options.processes):
        left = begin + limit - time.monotonic()
        if left <= 0:
            yield {"step": step.name, "state": "not begun: the time was up"}
            continue
        told = _run(step, folder, events, left + limit * (GRACE - 1), log)
        if step.product:
            # With its journal: an import leaves part of a store in FILE-wal.
            made = [folder / f"{step.product}{end}" for end in ("", "-wal")]
            sizes[step.product] = sum(map(size, made))
            if step.last:
                for each in made:
                    remove(each)
        yield {"step": step.name, **told}


def _run(step: Step, folder: Path, events: int, most: float, log: Any) -> dict[str, Any]:
    """Run a command; end it after `most` seconds."""
    result, begin = folder / "result.json", log.tell()
    result.unlink(missing_ok=True)
    with contextlib.ExitStack() as stack:
        given: Any = subprocess.DEVNULL
        if step.name == "import":
            generate = (sys.executable, "-m", "tests.bench", "generate", "--events", f"{events}")
            root = Path(__file__).parents[2]
            lines = subprocess.Popen(
                generate, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            stack.enter_context(lines)
            stack.callback(lines.kill)
            given = lines.stdout
        command = (sys.executable, "-S", str(_MEASURED), str(result), *_casestore(step.arguments))
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )
        try:
            process.wait(most)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return {"state": f"ended after {most / 60:.0f} minutes"}
    told = json.loads(result.read_bytes())
    code = told.pop("exit")
    state = "done"
    if code:
        log.seek(begin)
        state = f"failed, {code}: {log.read().decode(errors='replace').strip()[-300:]}"
    return {**told, "state": state}


def _casestore(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return (sys.executable, "-m", "casestore", "--quiet", *arguments)


def _environment() -> dict[str, str]:
    """Of a command: the store, and nothing that the user has set for another one."""
    kept = {name: value for name, value in os.environ.items() if "CASESTORE" not in name}
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), kept.get("PYTHONPATH"))))
    return {**kept, "CASESTORE_URL": "sqlite:///store.db", "PYTHONPATH": path}


def size(path: Path) -> int:
    """The bytes of a file, or of all in a folder; 0 if it is not there."""
    if path.is_dir():
        return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    return path.stat().st_size if path.exists() else 0


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def machine(folder: Path) -> dict[str, Any]:
    """What the figures depend on.

    Args:
        folder: on the disk that is measured.
    """
    return {
        "cores": os.cpu_count(),
        "processor": _first("/proc/cpuinfo", "model name"),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "flush_ms": round(flush(folder / "flush") * 1000, 3),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": platform.system() + " " + platform.release(),
        "load": os.getloadavg()[0],
    }


def flush(path: Path, times: int = 200) -> float:
    """The median seconds in which a page that was written is on the disk. Leaves no file."""
    taken = []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    path.unlink()
    return statistics.median(taken)


def _first(path: str, name: str) -> str | None:
    """What a file of Linux's says of something, if it is there."""
    with contextlib.suppress(OSError):
        for each in Path(path).read_text("utf-8").splitlines():
            if each.startswith(name):
                return each.partition(":")[2].strip()
    return None
