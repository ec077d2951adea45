"""`casestore policy`: the company's own rules for complaints, and who may give how much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from itertools import chain
from pathlib import Path
from typing import Any

import click

from casestore import CaseStore, PolicyAdopted, StreamNotFound
from casestore.errors import InvalidPolicy
from casestore.events import Actor
from casestore.events.policy_document import BUILT_IN, plain_document
from casestore.policy.settings import settings_in
from casestore.policy.toml import PolicyFile, read_policy
from casestore.streams.policies import Adopted, Policies
from casestore.streams.wording import counted
from cli.commands.reports import answered
from cli.terminal.actor import read_actor
from cli.terminal.options import REFUSED, settings, shared
from cli.terminal.output import (
    Column,
    cell,
    for_people,
    heading,
    print_lines,
    print_object,
    readable,
    table,
    tabular,
    zone_named,
)
from cli.terminal.text import visible
from cli.terminal.time_options import as_of_option, moment, window_options, zone_option
from cli.views.report import show as print_answer
from projections.query.selection import Selection
from projections.reports.declared.backtest import BACKTEST


@click.group()
@shared
def policy() -> None:
    """Adopt a policy, and see which one is in force.

    A policy is a TOML file with thresholds, a working calendar, and who may give what. It judges
    what happens from the time that it takes effect; what happened before stays judged by the
    policy of that time. Without one, built-in thresholds hold.

    \b
    Examples:
      casestore policy check policy.toml
      casestore policy adopt policy.toml --actor agent:boss
      casestore policy show
    """


_file = click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


def _read(file: Path) -> PolicyFile:
    """Read a policy file. Prints every mistake in it with its line, and exits with 1."""
    try:
        return read_policy(file.read_text("utf-8-sig"), datetime.now(UTC))
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file} is not text in UTF-8") from None
    except InvalidPolicy as invalid:
        for mistake in invalid.mistakes:
            click.echo(visible(f"{file}: {mistake}"), err=True)
        raise click.exceptions.Exit(REFUSED) from None


@policy.command()
@_file
@shared
def check(file: Path) -> None:
    """Check a policy file: every mistake is named with its line. Exits 1 if there are any.

    \b
    Example:
      casestore policy check policy.toml
    """
    policy_file = _read(file)
    if not for_people():
        print_object({"name": policy_file.name, "policy": policy_file.policy})
    elif not settings().quiet:
        roles = counted(len(policy_file.document.roles), "role")
        days = counted(len(policy_file.document.calendar.holidays), "holiday")
        click.echo(visible(f"fine: {policy_file.name}, {roles}, {days}"))


@policy.command()
@_file
@click.option(
    "--effective-from",
    type=moment,
    metavar="TIME",
    help="When it takes effect. Default: as the file says, else now.",
)
@click.option(
    "--actor",
    metavar="KIND:ID[:ROLE[:TEAM]]",
    help="Who adopts it, like agent:boss. Default: CASESTORE_ACTOR.",
)
@click.option("--key", metavar="KEY", help="Makes a retry safe: the same key adopts once.")
@zone_option
@shared
def adopt(
    *,
    file: Path,
    effective_from: datetime | None,
    actor: str | None,
    key: str | None,
    tz: tzinfo,
) -> None:
    """Adopt a policy. It changes no verdict on what happened before it takes effect.

    \b
    Example:
      casestore policy adopt policy.toml --effective-from 2099-01-01 --actor agent:boss
    """
    policy_file = _read(file)
    by = Actor(**read_actor(actor))
    with settings().open_store() as store:
        first = _first_attempt(store, key)
        now = first.occurred_at if first else store.now()
        at_once = first.effective_from if first else now
        event = PolicyAdopted(
            occurred_at=now,
            actor=by,
            name=policy_file.name,
            effective_from=effective_from or policy_file.effective_from or at_once,
            policy=policy_file.policy,
        )
        receipt = store.append("policy", event, key=key)
    placed = {
        "name": event.name,
        "effective_from": event.effective_from,
        "version": receipt.versions[0],
        "position": receipt.position,
    }
    if not for_people():
        print_object(placed)
    elif not settings().quiet:
        click.echo(visible(f"adopted {event.name}, in force from {cell(event.effective_from, tz)}"))


def _first_attempt(store: CaseStore, key: str | None) -> PolicyAdopted | None:
    """The adoption that has this key already: a retry must be the same event, of the same time."""
    with suppress(StreamNotFound):
        for recorded in store.history("policy").originals if key is not None else ():
            if recorded.metadata.key == key and isinstance(recorded.event, PolicyAdopted):
                return recorded.event
    return None


@policy.command()
@click.option("--at", type=moment, metavar="TIME", help="The one in force then. Default: now.")
@zone_option
@readable
def show(at: datetime | None, tz: tzinfo) -> None:
    """Show the policy in force, with the built-in value of what it leaves out.

    \b
    Examples:
      casestore policy show
      casestore policy show --at 2026-03-01
    """
    with settings().open_store() as store:
        at = at or store.now()
        policies = store.policies()
    in_force = policies.in_force(at)
    whole = plain_document(in_force.document)
    if not for_people():
        print_object({**_row(in_force), "policy": whole})
        return
    lines = (_lines(in_force, whole, at, tz), _others(policies, in_force, tz), zone_named(tz))
    print_lines(chain(*lines))


def _lines(in_force: Adopted, whole: dict[str, Any], at: datetime, tz: tzinfo) -> Iterator[str]:
    if in_force.name is None:
        yield heading(f"No policy is in force at {cell(at, tz)}: the built-in one holds")
    else:
        since = cell(in_force.effective_from, tz)
        yield heading(f"{in_force.name}, in force since {since}")
    built_in = dict(settings_in(plain_document(BUILT_IN)))
    if days := sorted(whole["calendar"]["holidays"]):
        between = f", {days[0]} to {days[-1]}" if len(days) > 1 else f", {days[0]}"
        whole["calendar"]["holidays"] = counted(len(days), "day") + between
    rows = [
        {"setting": name, "value": value, "built_in": built_in.get(name) == value}
        for name, value in settings_in(whole)
    ]
    columns = (Column("setting"), Column("value"), Column("built_in", "built in"))
    yield from table(columns, rows)


def _others(policies: Policies, in_force: Adopted, tz: tzinfo) -> Iterator[str]:
    others = [adopted for adopted in policies.adopted if adopted is not in_force]
    if others:
        yield ""
        columns = (Column("name", "also adopted"), Column("effective_from", "in force from"))
        yield from table(columns, [_row(other) for other in others], zone=tz)


def _row(adopted: Adopted) -> dict[str, Any]:
    return {"name": adopted.name, "effective_from": adopted.effective_from}


@policy.command()
@_file
@as_of_option
@window_options("Only what was judged since.", "Only what was judged before.")
@zone_option
@tabular
def backtest(
    file: Path,
    as_of: datetime | None,
    since: datetime | None,
    until: datetime | None,
    tz: tzinfo,
) -> None:
    """Judge the history by another policy, as if it had always been in force.

    Tells which gestures would have been refused or allowed, which lapses appear or vanish, by rule
    and by team, and the money. Nothing is adopted.

    \b
    Example:
      casestore policy backtest stricter.toml --from 2026-01-01
    """
    policy_file = _read(file)
    selection = Selection(as_of=as_of, since=since, until=until, tz=tz)
    with settings().open_store() as store:
        result = answered(
            BACKTEST,
            store,
            selection=selection,
            name=policy_file.name,
            document=policy_file.document,
        )
    print_answer(BACKTEST, result, tz)
