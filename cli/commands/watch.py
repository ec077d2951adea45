"""`casestore watch REPORT`: asks a report again whenever something is recorded.

It lives on the store's own `follow`. As some answers change only because time passes (a promise is
broken when it is due), it asks again now and then though nothing is recorded.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event as Signal
from threading import Thread

import click

from casestore import CaseStore
from casestore.errors import quoted
from casestore.streams.wording import words as in_words
from cli.commands.inner import PassOn, parsed, run_inner
from cli.main import Failure
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import CANNOT_TELL, Settings, Usage, settings, shared
from cli.terminal.output import on_terminal
from cli.terminal.screen import height, is_dumb
from cli.terminal.text import visible
from projections import reports
from projections.query.row_changes import Row, row_changes

_PAUSE = 0.5
"""Seconds between two answers at least, however much is recorded."""
_CLEAR = "\x1b[H\x1b[2J"
_MARKS = {"present": " ", "new": "+", "changed": "~", "gone": "-"}


@click.command(cls=PassOn)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="Ask again after that time at the latest: some answers change as time passes.",
)
@click.argument("question", metavar="REPORT [OPTION]...", nargs=-1, type=click.UNPROCESSED)
@shared
def watch(question: tuple[str, ...], every: int) -> None:
    """Show a report, and what changes in it, as it changes.

    Ctrl-C ends it. The report is asked again whenever something is recorded. A terminal shows it
    as it stands. Elsewhere its rows are printed, and then each that is new (+), has changed (~) or
    is gone (-). With --format ndjson each is an object: change (present, new, changed or gone), at
    and row. A row has not changed where only the time that has passed is longer.

    \b
    Examples:
      casestore watch today --team north
      casestore watch promises --broken --format ndjson
    """
    own = _checked(question)
    redraws = own.format == "table" and on_terminal() and not is_dumb()
    with own.open_store() as store, _news(store) as news:
        before: list[Row] | None = None
        while True:
            news.clear()
            try:
                if redraws:
                    _draw(question, own)
                else:
                    after = _rows(question, own)
                    _tell(before, after, own.format)
                    before = after
            except Failure as error:
                if error.exit_code != CANNOT_TELL or before is None:
                    raise
                error.show()  # the database is away: what changes meanwhile is told when it is back
            news.wait(every)
            time.sleep(_PAUSE)
            news.check()


def _checked(question: Sequence[str]) -> Settings:
    """The global options for a question. Raises Usage for what cannot be watched."""
    names = [report.name for report in reports.REPORTS]
    if not question:
        raise Usage(f"give a report to watch: {', '.join(names)}")
    own = copy.copy(settings())
    name = parsed(question, own)
    if name not in names:
        hint = did_you_mean(name, names) or f"; watch one of {', '.join(names)}"
        raise Usage(f"{quoted(name)} is no report{hint}")
    if own.output is not None:
        raise Usage("watch has no end, and -o writes a whole file; use > instead")
    if own.format not in ("table", "ndjson"):
        raise Usage(f"watch has no end, and {own.format} has one; leave --format out, or ndjson")
    own.no_pager = True
    return own


# --- hearing of what is recorded -------------------------------------------------------------


class _News(Signal):
    """Is set when something is recorded."""

    error: BaseException | None = None

    def check(self) -> None:
        """Raise what ended the listening, if it has ended."""
        if self.error is not None:
            raise self.error


@contextmanager
def _news(store: CaseStore) -> Iterator[_News]:
    """Listen from now on, in a thread: to follow a store is to wait."""
    news, stop = _News(), Signal()
    begin = store._recorder.last_position()

    def listen() -> None:
        try:
            for _ in store.follow(begin, stop=stop, on_poison="skip"):
                news.set()
        except BaseException as error:
            news.error = error
            news.set()

    thread = Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield news
    finally:
        stop.set()
        thread.join(5)


# --- asking and telling ----------------------------------------------------------------------


def _asked(question: Sequence[str], own: Settings, *more: str) -> str:
    """What a question prints."""
    told: list[str] = []
    inner = copy.copy(own)
    inner.writer = told.append
    run_inner([*question, *more], inner)
    return "".join(told)


def _draw(question: Sequence[str], own: Settings) -> None:
    lines = _asked(question, own).splitlines()
    room = height() - 2  # the line above them, and the cursor's
    if len(lines) > room:
        lines = [*lines[: room - 1], f"… {len(lines) - room + 1} lines more"]
    now = datetime.now(UTC).replace(microsecond=0)
    above = f"{visible(' '.join(question))}, at {in_words(now)}; Ctrl-C ends it"
    click.echo(_CLEAR + "\n".join([above, *lines]))


def _rows(question: Sequence[str], own: Settings) -> list[Row]:
    return list(map(json.loads, _asked(question, own, "--format", "ndjson").splitlines()))


def _tell(before: Sequence[Row] | None, after: Sequence[Row], form: str) -> None:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for change, row, _ in row_changes(before, after):
        if form == "ndjson":
            told = json.dumps({"change": change, "at": at, "row": row}, ensure_ascii=False)
        else:
            held = (f"{n} {visible(in_words(v))}" for n, v in row.items() if v not in (None, [], 0))
            told = f"{_MARKS[change]} {', '.join(held)}"
        click.echo(told)
