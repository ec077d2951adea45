"""`casestore import`: NDJSON, or another system's files by a reader of casestore.intake."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, tzinfo
from itertools import chain
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, Literal, cast

import click
from click.core import ParameterSource

from casestore import (
    CaseStore,
    CaseStoreError,
    InvalidMapping,
    StoreNotFound,
    UnreadableInput,
)
from casestore.errors import quoted
from casestore.streams.wording import counted
from cli.commands.intake_options import Grouped, reader_options
from cli.main import INTERRUPTED, Failure
from cli.terminal.files import check_writable
from cli.terminal.options import REFUSED, Code, Usage, settings, shared
from cli.terminal.output import (
    Column,
    for_people,
    heading,
    print_lines,
    print_object,
    print_rows,
    table,
)
from cli.terminal.progress import progress
from cli.terminal.text import visible
from cli.terminal.time_options import Said
from cli.views.imported import as_object, print_events, print_refused, print_told, was_read

if TYPE_CHECKING:
    from casestore.intake import Line, Options, Reading
    from casestore.transfer.lines import FromElsewhere, Read

_HELPDESKS = frozenset(("zendesk", "zammad", "freshdesk", "chatwoot", "otrs", "jira"))
"""Whose numbers two instances have alike."""
_OF_READERS = {
    "ours": ("mail",),
    "tag": ("mail",),
    "join_days": ("mail",),
    "mapping": ("csv",),
    "field_ids": ("zendesk", "freshdesk", "otrs", "jira"),
    "states": ("zammad", "freshdesk", "otrs", "jira"),
}
"""The options that only some readers take, by their parameters' names."""
_PAGE_OF_EXPORTS = "docs/connecting.md"
_MOST_REFUSED = 20
"""The most refusals that a dry run shows."""
_LONGEST = 60
"""The most characters of an instance's name."""
_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@click.command("import", cls=Grouped)
@click.argument(
    "paths", metavar="FILE…", nargs=-1, type=click.Path(allow_dash=True, path_type=Path)
)
@click.option(
    "--on-error",
    type=Code(["stop", "skip"]),
    default="stop",
    help="At a line that the store refuses: stop, keeping everything before it (the default), or "
    "skip it.",
)
@click.option(
    "--trust-recorded-at",
    is_flag=True,
    help="NDJSON: keep the times of recording, to move a store into a new, empty one.",
)
@reader_options
@shared
def import_(
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    trust_recorded_at: bool,
    reader: str | None,
    **given: Any,
) -> None:
    """Import events from NDJSON, or from another system's files.

    Without --from, FILE is NDJSON, one event a line, or - for standard input. With --from, FILE is
    a file, a folder or an archive (zip, tar, gz) of that system. Importing the same again appends
    nothing; a later, longer export extends. Exits 1 if anything was refused.

    \b
    A line of NDJSON:
      {"stream":"case:4711","type":"NoteAdded","data":{"occurred_at":"2026-03-02T17:00:00Z",
       "actor":{"kind":"agent","id":"anna"},"text":"Rang back."},"key":"crm-1"}

    \b
    Examples:
      casestore import events.ndjson
      casestore import --from mail --ours help@example.com archive.mbox --dry-run
      casestore import --from zendesk --instance acme audits.json tickets.json users.json
      casestore import --from csv --sample tickets.csv --mapping tickets.toml
      casestore import --from csv --mapping tickets.toml tickets.csv
    """
    if given["mappings"]:
        _show_mappings([str(path) for path in paths])
    elif given["sample"] is not None:
        _write_sample(given["sample"], given["mapping"])
    elif given["undo"] is not None:
        _undo(given)
    elif reader is None:
        _import_ndjson(paths, on_error, trust_recorded_at, given)
    else:
        if trust_recorded_at:
            raise Usage("--trust-recorded-at is for NDJSON; leave it or --from out")
        _import_from(reader, paths, on_error, given)


# --- mappings ------------------------------------------------------------------------------


@contextmanager
def _mistakes_told(name: str | None) -> Iterator[None]:
    """Print every mistake of a mapping with its line, and exit with 1."""
    try:
        yield
    except InvalidMapping as invalid:
        for mistake in invalid.mistakes:
            click.echo(visible(f"{name}: {mistake}"), err=True)
        raise click.exceptions.Exit(REFUSED) from None


def _mapping(name: str | None) -> Any:
    from casestore.intake.csv.shipped import load  # noqa: PLC0415  (help must not wait for it)

    if name is None:
        raise Usage(
            "csv needs --mapping, a file or a name of --mappings; --sample FILE writes a first one"
        )
    with _mistakes_told(name):
        return load(name)


def _show_mappings(names: Sequence[str]) -> None:
    """List the shipped mappings, or print those that are named."""
    from casestore.intake.csv.shipped import shipped, text_of  # noqa: PLC0415  (help must not wait)
    from cli.terminal.nearest import did_you_mean  # noqa: PLC0415  (the same)

    there = shipped()
    if not names:
        columns = (Column("name"), Column("reads", wraps=True))
        print_rows(columns, ({"name": name, "reads": told} for name, told in there.items()))
    for name in names:
        if name not in there:
            raise Usage(f"{quoted(name)} is no shipped mapping{did_you_mean(name, there)}")
        click.echo(text_of(name), nl=False)


def _write_sample(file: Path, mapping: str | None) -> None:
    from casestore.intake.csv.sample import sample  # noqa: PLC0415  (help must not wait for it)
    from casestore.system.files import write_new  # noqa: PLC0415  (the same)

    try:
        made = sample(file)
    except UnreadableInput as error:
        raise Failure(f"{file}: {error}", REFUSED) from None
    if mapping is None:
        click.echo(made, nl=False)
        return
    try:
        write_new(Path(mapping), made.encode())
    except FileExistsError:
        raise Usage(f"{mapping} is there already; name a new file") from None
    if not settings().quiet:
        click.echo(
            f"wrote {mapping}; look at it, and try it: casestore import --from csv --mapping "
            f"{quote(mapping)} {quote(str(file))} --dry-run"
        )


def _undo(given: Mapping[str, Any]) -> None:
    from cli.commands.undo import undo  # noqa: PLC0415  (an import needs none)

    undo(
        given["undo"],
        given["reason"],
        actor=given["actor"],
        authorised_by=given["authorised_by"],
        dry_run=given["dry_run"],
        yes=given["yes"],
    )


# --- NDJSON --------------------------------------------------------------------------------


def _import_ndjson(
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    trust_recorded_at: bool,
    given: Mapping[str, Any],
) -> None:
    from cli.commands.transfer import import_ndjson  # noqa: PLC0415  (a reader needs none)

    ctx = click.get_current_context()
    for param in ctx.command.params:
        if param.name in given and ctx.get_parameter_source(param.name) in _GIVEN:
            raise Usage(f"{param.opts[0]} is for --from; without it an import reads NDJSON")
    if len(paths) != 1:
        what = "one FILE" if paths else "a FILE"
        raise Usage(f"an import of NDJSON takes {what}; --from NAME reads several")
    import_ndjson(paths[0], on_error, trust_recorded_at)


# --- other systems -------------------------------------------------------------------------


def _import_from(
    reader: str,
    paths: Sequence[Path],
    on_error: Literal["stop", "skip"],
    given: Mapping[str, Any],
) -> None:
    if not paths:
        raise Usage(f"name what to read: casestore import --from {reader} FILE…")
    for path in paths:
        if str(path) != "-" and not path.exists():
            raise Usage(f"{visible(str(path))}: there is no such file or folder")
    options = _read_options(reader, given)
    with _mistakes_told(given["mapping"]):
        if given["dry_run"]:
            if given["destination"] is not None:
                raise Usage("--dry-run shows the lines and --to writes them; leave one of them out")
            _dry_run(reader, paths, options, given["show"])
        elif given["destination"] is not None:
            _check_destination(given["destination"])
            _write_lines(reader, paths, options, given["destination"], given["strict"])
        else:
            _append(reader, paths, options, on_error, given["strict"])


def _read_options(reader: str, given: Mapping[str, Any]) -> Options:
    from casestore.intake import Options  # noqa: PLC0415  (help must not wait for it)

    for name, readers in _OF_READERS.items():
        if given[name] and reader not in readers:
            option = "fields" if name == "field_ids" else name.replace("_", "-")
            raise Usage(f"--{option} is for {', '.join(readers)}; leave it out")
    for address in given["ours"]:
        if not address.partition("@")[0].strip() or "@" not in address:
            domain = address.strip().lstrip("@")
            raise Usage(
                f"--ours {quote(address)} is no address; for all of a domain write "
                f"--ours {quote(f'*@{domain}')}"
            )
    instance = given["instance"] or ""
    if reader in _HELPDESKS and not instance:
        raise Usage(
            f"{reader} needs --instance, a name of yours for this {reader}, like acme: two of them "
            "have the same ticket numbers"
        )
    if len(instance) > _LONGEST or not all(c.isalnum() or c in "-_." for c in instance):
        raise Usage("--instance is a short name of letters, digits, - _ and .")
    zone: tzinfo | None = given["timezone"]
    since: Said | None = given["since"]
    return Options(
        instance=instance,
        ours=given["ours"],
        timezone=zone,
        states=_states(given["states"]),
        fields=_fields(given["field_ids"]),
        changes=given["changes"],
        tag=_regex(given["tag"]),
        join_days=given["join_days"],
        mapping=_mapping(given["mapping"]) if reader == "csv" else None,
        since=None if since is None else since.read(zone or UTC, settings().now()),
    )


def _states(text: str | None) -> dict[str, tuple[str, ...]]:
    states: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (text or "").split(";")):
        kind, is_given, names = part.partition("=")
        if kind.strip() not in ("closed", "open") or not is_given:
            raise Usage("--states is like closed=Done,Closed;open=In work")
        states[kind.strip()] = tuple(filter(None, (name.strip() for name in names.split(","))))
    return states


_CASE_FIELDS = ("category", "product", "region")


def _fields(given: Iterable[str]) -> dict[str, str]:
    fields = {}
    for part in chain.from_iterable(text.split(",") for text in given):
        id, _, name = part.partition("=")
        if name.strip() not in _CASE_FIELDS or not id.strip():
            raise Usage("--fields is like 360012345=category; the names: category, product, region")
        fields[id.strip()] = name.strip()
    return fields


def _regex(text: str | None) -> str | None:
    import re  # noqa: PLC0415  (only who gives --tag needs it)

    try:
        if text is not None and re.compile(text).groups < 1:
            raise Usage(r"--tag needs a group for the number, like \[#(\d+)\]")
    except re.error as error:
        raise Usage(f"--tag is no regular expression: {error}") from None
    return text


def _append(
    reader: str,
    paths: Sequence[Path],
    options: Options,
    on_error: Literal["stop", "skip"],
    strict: bool,
) -> None:
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


@contextmanager
def _interruptible(done: Callable[[], int]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(
            f"stopped after {counted(done(), 'event')}; import the same files again to go on: what "
            "is in the store already is not appended twice",
            INTERRUPTED,
        ) from None


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


def _write_lines(
    reader: str, paths: Sequence[Path], options: Options, destination: Path, strict: bool
) -> None:
    from casestore.system.files import write_whole  # noqa: PLC0415  (only for this)
    from casestore.transfer.lines import Line, Told  # noqa: PLC0415  (the same)

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


_STRICT = "nothing was appended: --strict, and something could not be read"


# --- trying --------------------------------------------------------------------------------


def _dry_run(reader: str, paths: Sequence[Path], options: Options, show: int) -> None:
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
        f"{counted(imported.appended, 'event')} to append, {there}{len(imported.refused)} refused"
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
        told = (
            f"{was_read(reading)}: {counted(imported.appended, 'event')} appended, "
            f"{imported.repeated} already there, {len(imported.refused)} refused"
        )
        if imported.registered:
            told += f"; the store registered {counted(imported.registered, 'customer')} itself"
        click.echo(told)
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
    if store is None or reader not in _HELPDESKS or result.imported.repeated:
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
    is_known = bool(reading.counts) and reader not in _HELPDESKS
    if is_known or result.events or not result.told.unreadable:
        return
    other = "another table's (another --mapping)" if reader == "csv" else "another system's"
    click.echo(
        f"nothing here was understood as {reader}: is it what {_PAGE_OF_EXPORTS} says to export, "
        f"or {other}?"
    )
