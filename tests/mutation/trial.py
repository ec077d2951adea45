"""Mutants on trial: whether a test fails for each.

The tests are collected and run once, to learn which lines of the mutated files each one executes.
Then a process is forked for each mutant, in which the functions have the code of the mutant, and
the tests that execute its line run, shortest first, until one fails.

What runs only when a module is imported (constants, defaults, decorators) is tried from the start:
the module is imported in its mutated form, and the tests near it run.

What no test tells from the code, ruff and mypy read, as they do before every landing: a literal
type, or a list of names, is there for them alone.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.mutation.mutants import Mutant
from tests.support.imports import ROOT

CPU_SECONDS, LONGEST = 20, 300
"""A mutant is found by "timeout" after so much CPU time, or after so many seconds."""
ENOUGH = 4.0
"""Seconds of tests that a mutant meets, at most, where not all of them are asked for."""
QUICK = (
    *("-q", "-s", "-pno:cacheprovider", "-k", "not postgres", "-otmp_path_retention_policy=failed"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # as much was imported before
)
OURS = ("tests.support", "casestore", "projections")
ALREADY_IMPORTED = (
    *("hypothesis.stateful", "eventsourcing.persistence", "pydantic", "msgspec", "psycopg"),
    *("cryptography.hazmat.primitives.ciphers.aead", "click", "rich.table", "playwright.sync_api"),
)
"""What is slow to import and is not ours."""


def forked(work: Callable[[], str], seconds: int | None = None) -> str:
    """What a process says that does this work, or "timeout" after so much CPU time."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            if seconds is not None:
                os.setsid()
                resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                signal.alarm(LONGEST)
            os.write(writer, work().encode())
        except BaseException:
            traceback.print_exc()
            os.write(writer, b"broken")
        finally:
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    if seconds is not None:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what its tests started and left
    with os.fdopen(reader) as said:
        return said.read() if status == 0 else "timeout"


def shared(indices: Sequence[int], work: Callable[[int], None], workers: int) -> None:
    """Do some work for each index, in several processes."""

    def some(worker: int) -> str:
        for index in indices[worker::workers]:
            work(index)
        return ""

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda worker: forked(partial(some, worker)), range(workers)))


# --- functions -----------------------------------------------------------------------------


class Collected:
    """Plugin of pytest: runs the collected tests once, and then those that each mutant needs."""

    def __init__(
        self,
        mutants: list[Mutant],
        tell: Callable[[int, str], None],
        workers: int,
        enough: float = ENOUGH,
    ) -> None:
        self.mutants, self.tell, self.workers, self.enough = mutants, tell, workers, enough
        self.files = {str(ROOT / mutant.path) for mutant in mutants}
        self.executed: dict[tuple[str, int], set[int]] = defaultdict(set)
        """Tests by file and line."""
        self.took: dict[int, float] = {}
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note that a test failed."""
        self.failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests once, and then the mutants."""
        # Laws meet too much to be traced.
        session.items = [i for i in session.items if not _is_law(i)]
        for number, item in enumerate(session.items):
            begun = time.process_time()
            self._traced(number, item)
            self.took[number] = time.process_time() - begun
            if self.failed:
                print(f"{item.nodeid} fails where nothing was changed: left out", flush=True)
                for tests in self.executed.values():
                    tests.discard(number)
            self.failed = False
        indices = range(len(self.mutants))
        shared(
            indices, lambda index: self.tell(index, self._tried(index, session.items)), self.workers
        )
        return True

    def _traced(self, number: int, item: pytest.Item) -> None:
        def called(frame: FrameType, event: str, arg: Any) -> Any:
            return line if frame.f_code.co_filename in self.files else None

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            self.executed[frame.f_code.co_filename, frame.f_lineno].add(number)
            return line

        threading.settrace(called)
        sys.settrace(called)
        try:
            _run(item)
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _tried(self, index: int, items: list[pytest.Item]) -> str:
        mutant = self.mutants[index]
        tests = self._that_execute(mutant)
        if not mutant.in_function or not tests:
            return "unreached"
        return forked(lambda: self._met(mutant, tests, items), CPU_SECONDS)

    def _that_execute(self, mutant: Mutant) -> list[int]:
        """The tests that execute a mutant's line, shortest first."""
        file = str(ROOT / mutant.path)
        before = [at for name, at in self.executed if name == file and at <= mutant.line]
        found = self.executed.get((file, max(before, default=0)), set())
        tests = sorted(found, key=self.took.__getitem__)
        spent, few = 0.0, list[int]()
        for test in tests:
            spent += self.took[test]
            if few and spent > self.enough:
                break
            few.append(test)
        return few

    def _met(self, mutant: Mutant, tests: list[int], items: list[pytest.Item]) -> str:
        changed = _codes(compile(mutant.source, str(ROOT / mutant.path), "exec"))
        for function in _functions(sys.modules[mutant.module]):
            if (code := changed.get(function.__qualname__)) is not None:
                function.__code__ = code
        _forget()
        for test in tests:
            signal.setitimer(signal.ITIMER_PROF, 1 + 5 * self.took[test])
            _run(items[test])
            if self.failed:
                return f"killed {items[test].nodeid}"
        return f"survived {len(tests)}"


def _forget() -> None:
    """Empty the caches of our functions: what is there was worked out before the change."""
    ours = [module for name, module in sys.modules.items() if name.startswith(OURS)]
    for each in [each for module in ours for each in vars(module).values()]:
        if callable(clear := getattr(each, "cache_clear", None)):
            clear()


def _is_law(item: pytest.Item) -> bool:
    return bool(getattr(getattr(item, "function", None), "is_hypothesis_test", False))


def _run(item: pytest.Item) -> None:
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)


def _codes(code: CodeType) -> dict[str, CodeType]:
    """The code of each function and method, by its qualified name."""
    found = {}
    for each in code.co_consts:
        if isinstance(each, CodeType):
            found[each.co_qualname] = each
            found |= _codes(each)
    return found


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    """The functions and methods of a module, without what is wrapped around them."""
    for each in vars(module).values():
        if getattr(each, "__module__", None) == module.__name__:
            for it in (each, *(vars(each).values() if isinstance(each, type) else ())):
                for name in ("fget", "func", "__func__", "__wrapped__"):
                    it = getattr(it, name, it)  # noqa: PLW2901
                if isinstance(it, FunctionType) and it.__module__ == module.__name__:
                    yield it


# --- what runs on import -------------------------------------------------------------------


class Changed(MetaPathFinder, Loader):
    """Imports a mutant in place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """The mutant, if it is asked for."""
        origin = str(ROOT / self.mutant.path)
        return spec_from_loader(name, self, origin=origin) if name == self.mutant.module else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the mutant."""
        code = compile(self.mutant.source, str(ROOT / self.mutant.path), "exec")
        exec(code, vars(module))


def imported(mutant: Mutant, tests: list[str]) -> str:
    """How a mutant fares that is imported anew; nothing of ours may be imported yet."""
    for each in ALREADY_IMPORTED:
        import_module(each)

    def work() -> str:
        for name in [name for name in sys.modules if name.startswith(OURS)]:
            del sys.modules[name]
        sys.meta_path.insert(0, Changed(mutant))
        quiet(Path(os.devnull))
        options = [*QUICK, "-x", f"--basetemp={folder}/tests"]
        return "killed on-import" if pytest.main([*options, *tests]) else "survived on-import"

    with TemporaryDirectory() as folder:
        return forked(work, CPU_SECONDS)


def read(mutant: Mutant, folder: Path) -> str | None:
    """By which reader of the code a mutant is found, ruff or mypy; None if by neither.

    Args:
        mutant: the mutant.
        folder: for a copy of the code, and what mypy keeps from one mutant to the next. (Its
            option --shadow-file does not notice a change of what it has read once.)
    """
    # F822: a name in __all__ that is not there. Other rules would object to how it is written.
    ruff = ["ruff", "check", "--select=F822", mutant.path]
    mypy = ["mypy", "-p", "casestore", "-p", "projections"]
    if not folder.exists():
        for name in ("casestore", "projections", "cli"):
            shutil.copytree(ROOT / name, folder / name)
        shutil.copy(ROOT / "pyproject.toml", folder)
        if _finds_fault(mypy, folder):
            raise RuntimeError(f"mypy finds fault in {folder}, where nothing was changed")
    there = folder / mutant.path
    there.write_text(mutant.source, "utf-8")
    found = (command[0] for command in (ruff, mypy) if _finds_fault(command, folder))
    how = next((f"killed {name}" for name in found), None)
    there.write_text(mutant.unchanged().source, "utf-8")
    return how


def _finds_fault(command: list[str], folder: Path) -> bool:
    python = [sys.executable, "-m", *command]
    return subprocess.run(python, cwd=folder, capture_output=True, check=False).returncode == 1


def quiet(path: Path) -> None:
    """Write standard output and errors to a file from now on."""
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
