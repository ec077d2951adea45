"""`casestore case`: one case as it is, as it was, and how it changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from functools import partial
from itertools import chain
from typing import Any

import click

from casestore import CaseStore, History
from casestore.errors import quoted
from casestore.streams.timeline import Entry, versions
from cli.terminal.moments import begin
from cli.terminal.options import Usage, settings, shared
from cli.terminal.output import (
    Column,
    cell,
    for_people,
    heading,
    print_lines,
    print_object,
    print_rows,
    readable,
    table,
    tabular,
    zone_named,
)
from cli.terminal.time_options import Point, known_at_option, points, zone_option
from cli.views import case_changes, case_state, timeline


@click.group()
@shared
def case() -> None:
    """Show a case: its state, its timeline, how it came about.

    \b
    Examples:
      casestore case show 4711
      casestore case timeline 4711 --reveal --tz Europe/Berlin
    """


def _check_version(history: History, at: Point) -> None:
    """Raise Usage where --at-version is beyond the last version."""
    last = len(history.originals)
    if at.at_version is None or at.at_version <= last:
        return
    by_then = "" if at.known_at is None else " on record by then"
    raise Usage(
        f"--at-version is {at.at_version}, but the last version of {history.stream}{by_then} is "
        f"{last}"
    )


def _stream(name: str) -> str:
    """The stream that `4711`, `case:4711` or `customer:C-1` names."""
    return name if name.startswith(("case:", "customer:")) else f"case:{name}"


def _case_stream(name: str) -> str:
    stream = _stream(name)
    if stream.startswith("customer:"):
        raise click.BadParameter(
            f"{quoted(name)} is not a case; `case timeline` shows customers too"
        )
    return stream


reveal_option = click.option(
    "--reveal", is_flag=True, help="Show personal text too. Needs the key file."
)


@case.command()
@click.argument("case_id", metavar="ID")
@points
@readable
def show(
    *,
    case_id: str,
    at: Point,
    tz: tzinfo,
) -> None:
    """Show the state of a case: issues, promises, replies.

    Promises are judged at --as-of, else at --known-at, else at present: open, undated, kept,
    late (kept after it was due), broken (past due), released or withdrawn.

    \b
    Examples:
      casestore case show 4711
      casestore case show 4711 --as-of 2026-05-07 --tz Europe/Dublin
      casestore --format json case show 4711 --at-version 12
    """
    with settings().open_store() as store:
        history = store.history(_case_stream(case_id), **at._asdict())
        _check_version(history, at)
        state = store.case_in(history)
        asked_at = at.as_of or at.known_at or _asked_at(history, at, store.now())
    shown = case_state.described(state, history, asked_at)
    print_lines(case_state.lines(shown, tz)) if for_people() else print_object(shown)


def _asked_at(history: History, at: Point, now: datetime) -> datetime:
    """When to judge promises: now; with --at-version, at the latest event up to that version."""
    if at.at_version is not None and history.originals:
        return max(recorded.occurred_at for recorded in history.originals)
    return now


@case.command(name="timeline")
@click.argument("case_id", metavar="ID")
@reveal_option
@click.option("--lapses", is_flag=True, help="Mark what the rules find, where it happened.")
@points
@tabular
def timeline_(
    *,
    case_id: str,
    reveal: bool,
    lapses: bool,
    at: Point,
    tz: tzinfo,
) -> None:
    """Tell what happened in a case.

    Events stand in the order in which they happened. An event is marked if it was corrected or
    voided since, or was recorded after something that happened later. ID may also be a customer's
    stream, customer:ID.

    \b
    Examples:
      casestore case timeline 4711
      casestore case timeline 4711 --lapses
      casestore case timeline 4711 --reveal --known-at 2026-05-07T12:00:00+01:00
      casestore case timeline customer:C-3318 --format csv
    """
    stream = _stream(case_id)
    with settings().open_store() as store:
        history = store.history(stream, **at._asdict(), reveal=reveal)
        _check_version(history, at)
        rows = timeline.rows(history, tz)
        if lapses:
            rows = _with_lapses(rows, store, _case_stream(case_id), at, tz)
    empty = "nothing had happened yet"
    print_rows(timeline.columns(tz), rows, zone=tz, empty=empty)


def _with_lapses(
    rows: list[dict[str, Any]], store: CaseStore, stream: str, at: Point, tz: tzinfo
) -> list[dict[str, Any]]:
    """A timeline with a row for each lapse, after the events that had happened by then."""
    from projections import reports  # noqa: PLC0415  (only who asks for lapses waits for it)

    if at.at_version is not None:
        raise Usage("--lapses needs a time: give --as-of or --known-at instead of --at-version")
    case_id = stream.removeprefix("case:")
    lapses = reports.lapses(store, case=case_id, as_of=at.as_of, known_at=at.known_at).rows
    # The report also has the cases that are merged into this one.
    own = [lapse for lapse in lapses if lapse.case_id == case_id]
    rows = [*rows, *(timeline.lapse_row(stream, lapse, tz) for lapse in own)]
    # Sorting is stable: of rows at the same time, the event stays before its lapse.
    return sorted(rows, key=lambda row: row["occurred_at"])


@case.command()
@click.argument("case_id", metavar="ID")
@reveal_option
@points
@readable
def replay(
    *,
    case_id: str,
    reveal: bool,
    at: Point,
    tz: tzinfo,
) -> None:
    """Step through a case: what each event changed.

    Events stand in the order of recording. + is new in the state of the case, ~ changed, - is gone.

    \b
    Examples:
      casestore case replay 4711
      casestore case replay 4711 --at-version 12 --format ndjson
    """
    with settings().open_store() as store:
        history = store.history(
            _stream(case_id), **at._replace(as_of=None)._asdict(), reveal=reveal
        )
        _check_version(history, at)
    version_of = versions(history)
    steps = [
        (timeline.row(Entry(recorded), version_of, tz), changed)
        for recorded, changed in case_changes.steps(history, at.as_of)
    ]
    if for_people():
        lines = (line for row, changed in steps for line in _step_lines(row, changed, tz))
        print_lines(chain(lines, zone_named(tz)))
        return
    columns = [*timeline.columns(tz), Column("changes", people=False)]
    rows = (row | {"changes": [change.row for change in changed]} for row, changed in steps)
    print_rows(columns, rows)


def _step_lines(
    row: dict[str, Any], changed: list[case_changes.Change], zone: tzinfo
) -> Iterator[str]:
    yield heading(f"version {row['version']}, {cell(row['occurred_at'], zone)}, {row['who']}")
    yield f"  {cell(row['what'])}"
    yield from (f"    {cell(line)}" for line in case_changes.in_words(changed, zone))
    yield ""


@case.command()
@click.argument("case_id", metavar="ID")
@click.argument("from_", metavar="FROM")
@click.argument("to", metavar="[TO]", required=False)
@click.option(
    "--recorded",
    is_flag=True,
    help="Read times as times of recording: what was learnt between them, not what happened.",
)
@reveal_option
@known_at_option
@zone_option
@readable
def diff(
    *,
    case_id: str,
    from_: str,
    to: str | None,
    recorded: bool,
    reveal: bool,
    known_at: datetime | None,
    tz: tzinfo,
) -> None:
    """Show what happened between two points, and what changed.

    FROM and TO are versions (0 is before everything) or times, as those of --as-of elsewhere:
    2026-03-02T17:00Z, 2026-03-02, 2026-03, yesterday, 7d. Without TO: until now.

    \b
    Examples:
      casestore case diff 4711 5 12
      casestore case diff 4711 2026-05-07 2026-05-12 --tz Europe/Dublin
      casestore case diff 4711 2026-05-07T12:00:00Z --recorded
    """
    stream = _case_stream(case_id)
    with settings().open_store() as store:
        whole = store.history(stream, known_at=known_at, reveal=reveal)

        def learnt_by(at: datetime) -> History:
            by = at if known_at is None else min(at, known_at)
            return store.history(stream, known_at=by, reveal=reveal)

        at = partial(_at, whole, learnt=learnt_by if recorded else None, zone=tz, now=store.now())
        before = at(from_, "FROM")
        after = whole if to is None else at(to, "TO")
        changed = case_changes.changes(store.case_in(before), store.case_in(after))
    known = {event.uid for event in (*before, *before.voided.values())}
    rows = timeline.rows(after, tz)
    if known - {row["event_id"] for row in rows}:
        raise Usage("FROM is after TO; give the earlier point first")
    new = [row for row in rows if row["event_id"] not in known]
    if for_people():
        print_lines(_diff_lines(new, changed, tz))
        return
    names = [column.name for column in timeline.columns(tz) if column.programs]
    events = [{name: row[name] for name in names} for row in new]
    changes = [change.row for change in changed]
    print_object({"from": from_, "to": to, "events": events, "changes": changes})


def _at(
    whole: History,
    point: str,
    name: str,
    *,
    learnt: Callable[[datetime], History] | None,
    zone: tzinfo,
    now: datetime,
) -> History:
    """The history as it was at a point: a version, or a time.

    Args:
        whole: all that is read of it.
        point: as it was given.
        name: of the argument that gave it.
        learnt: gives what was on record by a time, where times are those of recording.
        zone: in which a date begins.
        now: the present time.
    """
    read = partial(History, whole.stream, known_at=whole.known_at, until=whole.until)
    if point.isdecimal():
        if int(point) > len(whole.originals):
            raise Usage(
                f"{name} is version {point}, but {whole.stream} has {len(whole.originals)}; "
                "a time is like 2026-03-02, 2026-03 or 7d"
            )
        return read(whole.originals[: int(point)])
    try:
        moment = begin(point, zone, now)
    except ValueError as error:
        raise Usage(f"{name}: {error}; or give a version, like 5") from None
    return read(whole.originals, as_of=moment) if learnt is None else learnt(moment)


def _diff_lines(
    rows: list[dict[str, Any]], changed: list[case_changes.Change], zone: tzinfo
) -> Iterator[str]:
    yield heading("What happened")
    yield from table(timeline.columns(zone), rows, zone=zone) if rows else ["nothing"]
    yield ""
    yield heading("What it changed")
    yield from map(cell, case_changes.in_words(changed, zone) or ["nothing"])
