"""Reading another system's files, to append what they tell, to write it as lines, or to try it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from casestore import CaseStore, CaseStoreError, StoreNotFound
from casestore.streams.wording import counted
from cli.commands.intake_given import HELPDESKS
from cli.main import Failure, if_stopped
from cli.terminal.files import check_writable
from cli.terminal.options import REFUSED, settings
from cli.terminal.output import for_people, heading, print_lines, print_object, table
from cli.terminal.progress import progress
from cli.terminal.text import visible
from cli.views.imported import (
    as_object,
    print_events,
    print_refused,
    print_told,
    was_read,
    what_came,
)

if TYPE_CHECKING:
    from casestore.intake import Line, Options, Reading
    from casestore.transfer.lines import FromElsewhere, Read

_STRICT = "nothing was appended: --strict, and something could not be read"
_PAGE_OF_EXPORTS = "docs/connecting.md"
_MOST_REFUSED = 20
"""The most refusals that a dry run shows."""


def append(
    reader: str,
    paths: Sequence[Path],
    options: Options,
    on_error: Literal["stop", "skip"],
    strict: bool,
) -> None:
    """Append what files tell, and report it. With `strict`, nothing if any of it is unreadable."""
    from casestore.intake import append_lines  # noqa: PLC0415  (help must not wait for it)

    done = 0

    def count(lines: int) -> None:
        nonlocal done
        done = lines
        if tick is not None:
            tick(lines)

    with settings().open_store() as store:
        options = _knowing(options, store)
        with (
            _interruptible(lambda: done),
            _reading(reader, paths, options) as (reading, lines),
            progress("lines", reading.line_count) as tick,
        ):
            result = append_lines(store, lines, on_error=on_error, strict=strict, progress=count)
        other = _of_another_instance(store, reader, options, result)
    _report(reader, reading, result, other)


def _knowing(options: Options, store: CaseStore, *, make: bool = True) -> Options:
    """The options with what a reader has to know of the store.

    Args:
        options: what was given.
        store: the store.
        make: whether the secret of its pseudonyms is made, if it has none yet.
    """
    from casestore.intake import import_secret  # noqa: PLC0415  (help must not wait for it)
    from casestore.transfer.known import StoreKnows  # noqa: PLC0415  (the same)

    known = import_secret.pseudonyms(store) if make else import_secret.known_pseudonyms(store)
    return replace(options, known=StoreKnows(store), pseudonym=known or options.pseudonym)


def _interruptible(done: Callable[[], int]) -> AbstractContextManager[None]:
    return if_stopped(
        lambda: (
            f" after {counted(done(), 'event')}; import the same files again to go on: what "
            "is in the store already is not appended twice"
        )
    )


@contextmanager
def _reading(
    reader: str, paths: Sequence[Path], options: Options
) -> Iterator[tuple[Reading, Iterator[Read]]]:
    """The reading of files that were all read, and what it gives."""
    from casestore.intake import read  # noqa: PLC0415  (help must not wait for it)

    with progress("read", None) as tick:
        reading = read(
            reader, paths, options, None if tick is None else lambda _, count: tick(count)
        )
        items = iter(reading)
        first = next(items, None)  # by then all files are read
    begin = [] if first is None else [first]
    try:
        yield reading, chain(_of_ids(reader, options), begin, items)
    finally:
        cast(Any, items).close()  # its temporary file is gone now


def _of_ids(reader: str, options: Options) -> Iterator[Read]:
    """Tell if the ids of mails are made without a secret."""
    from casestore.intake import Remark  # noqa: PLC0415  (help must not wait for it)
    from casestore.intake.import_secret import PLAIN, Pseudonyms  # noqa: PLC0415  (the same)

    made_by = options.pseudonym
    if reader == "mail" and isinstance(made_by, Pseudonyms) and not made_by.secret:
        yield Remark(PLAIN, "")


def _check_destination(path: Path) -> None:
    """Raise Usage for a file that would be lost. A pipe or a device loses nothing."""
    if str(path) != "-" and (path.is_file() or not path.exists()):
        check_writable(path.resolve())


def write_lines(
    reader: str, paths: Sequence[Path], options: Options, destination: Path, strict: bool
) -> None:
    """Write what files tell as NDJSON, and append none of it."""
    from casestore.system.files import write_whole  # noqa: PLC0415  (only for this)
    from casestore.transfer.lines import Line, Told  # noqa: PLC0415  (the same)

    _check_destination(destination)
    with settings().open_store() as store:
        options = _knowing(options, store)
        told, written = Told(), 0
        with _interruptible(lambda: written), _reading(reader, paths, options) as (reading, items):

            def lines() -> Iterator[bytes]:
                nonlocal written
                for item in items:
                    if not isinstance(item, Line):
                        told.add(item)
                    elif not (strict and told.unreadable):
                        written += 1
                        yield item.ndjson()

            made = lines()
            first = next(made, None)
            if strict and told.unreadable:
                print_told(told, err=True)
                raise Failure(_STRICT, REFUSED)
            every = made if first is None else chain((first,), made)
            if str(destination) == "-":
                sys.stdout.buffer.writelines(every)
                sys.stdout.buffer.flush()
            elif destination.exists() and not destination.is_file():  # a pipe, or a device
                with destination.open("wb") as pipe:
                    pipe.writelines(every)
            else:
                write_whole(destination, every, 0o600)
    if not settings().quiet:
        click.echo(f"{was_read(reading)}; wrote {counted(written, 'line')}", err=True)
        print_told(told, err=True)


# --- trying --------------------------------------------------------------------------------


def dry_run(reader: str, paths: Sequence[Path], options: Options, show: int) -> None:
    """Import into a store that is gone afterwards, and show what came of it, and the new cases."""
    from casestore.intake import append_lines  # noqa: PLC0415  (help must not wait for it)
    from casestore.transfer.trial import Trial  # noqa: PLC0415  (the same)

    shown: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="casestore-dry-run-") as folder,
        _store_if_any() as present,
        CaseStore.create(f"sqlite:///{folder}/dry-run.db", sealed=False) as store,
    ):
        if present is not None:
            options = _knowing(options, present, make=False)
        with (
            _reading(reader, paths, options) as (reading, items),
            progress("lines", reading.line_count) as tick,
        ):
            trial = Trial(present, store)
            noting = _noting(trial.items(items), trial.had, shown, show)
            result = append_lines(store, noting, on_error="skip", progress=tick)
        other = _of_another_instance(present, reader, options, result)
        _report_dry_run(store, reading, result, shown)
        _advise(reader, reading, result, other)
    if result.imported.refused:
        raise click.exceptions.Exit(REFUSED)


@contextmanager
def _store_if_any() -> Iterator[CaseStore | None]:
    try:
        store = settings().open_store()
    except StoreNotFound:
        yield None
        return
    with store:
        yield store


def _noting(
    items: Iterable[Read], had: Callable[[str], bool], shown: list[str], most: int
) -> Iterator[Read]:
    """The same items; the first cases that are opened, and were not there, are noted."""
    for item in items:
        if getattr(item, "type", None) == "CaseOpened" and len(shown) < most:
            stream = cast("Line", item).stream
            if not had(stream):
                shown.append(stream)
        yield item


def _report_dry_run(
    store: CaseStore, reading: Reading, result: FromElsewhere, shown: Sequence[str]
) -> None:
    from cli.views import timeline  # noqa: PLC0415  (only for this)

    rows = {stream: timeline.rows(_history(store, stream)) for stream in shown}
    if not for_people():
        print_object({**as_object(reading, result), "cases": rows})
        return
    lines: list[str] = []
    for stream, own in rows.items():
        lines += [heading(stream), *table(timeline.columns(), own), ""]
    print_lines(lines)
    print_refused(result, _MOST_REFUSED)
    imported = result.imported
    there = f"{imported.repeated:,} already there, " if imported.repeated else ""
    click.echo(
        f"dry run, nothing was appended: {was_read(reading)}; "
        f"{counted(imported.appended, 'event')} to append, {there}{len(imported.refused):,} refused"
    )
    print_events(result)
    print_told(result.told)


def _history(store: CaseStore, stream: str) -> Any:
    try:
        return store.history(stream, reveal=True)
    except CaseStoreError as error:  # it was refused, and that was told
        raise Failure(str(error), REFUSED) from None


# --- the sum -------------------------------------------------------------------------------


def _report(reader: str, reading: Reading, result: FromElsewhere, other: str | None) -> None:
    print_refused(result)
    imported = result.imported
    if not for_people():
        print_object(as_object(reading, result))
    elif not result.stopped:
        click.echo(f"{was_read(reading)}: {what_came(imported)}")
        print_events(result)
    if for_people():
        print_told(result.told)
    _advise(reader, reading, result, other)
    if result.kept_count and for_people():
        click.echo(
            f"the store has {result.kept_count} of these otherwise, from an earlier import, and "
            "that stays:"
        )
        for place in result.kept:
            click.echo(f"  {visible(place)}")
    if result.stopped:
        raise Failure(_STRICT, REFUSED)
    if imported.refused:
        raise click.exceptions.Exit(REFUSED)


def _of_another_instance(
    store: CaseStore | None, reader: str, options: Options, result: FromElsewhere
) -> str | None:
    """A case of another instance, if nothing was there of this one: its name may be mistyped."""
    if store is None or reader not in HELPDESKS or result.imported.repeated:
        return None
    from casestore.transfer.known import StoreKnows  # noqa: PLC0415  (help must not wait for it)

    own, has = f"case:{reader}-{options.instance}-", StoreKnows(store).has
    cases = (name for name in store.streams("case") if name.startswith(f"case:{reader}-"))
    # What was undone is imported again under another name, and counts nowhere.
    return next((name for name in cases if not name.startswith(own) and has(name)), None)


def _advise(reader: str, reading: Reading, result: FromElsewhere, other: str | None) -> None:
    """Say what to do where the files, or the instance, may be others than were meant."""
    if settings().quiet or not for_people():
        return
    if other is not None and result.events:
        click.echo(
            f"nothing was here of this --instance, but of another one ({other}): if that is the "
            "same system, give its name, so that nothing is here twice; --undo takes this one back"
        )
    is_known = bool(reading.counts) and reader not in HELPDESKS
    if is_known or result.events or not result.told.unreadable:
        return
    other = "another table's (another --mapping)" if reader == "csv" else "another system's"
    click.echo(
        f"nothing here was understood as {reader}: is it what {_PAGE_OF_EXPORTS} says to export, "
        f"or {other}?"
    )
