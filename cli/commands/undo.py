"""`casestore import --undo`: voiding what an import appended, after showing what hangs on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, cast
from uuid import UUID

import click
import msgspec

from casestore import EventCorrected, EventRefused
from casestore.streams.codec import Codec
from casestore.streams.wording import counted
from casestore.transfer.undo import Undone, refusal
from casestore.transfer.undo import undo as undo_import
from casestore.transfer.undo_plan import Plan, plan_undo
from cli.terminal.actor import read_actor
from cli.terminal.options import Usage, settings
from cli.terminal.output import Column, cell, for_people, print_lines, print_object, table
from cli.terminal.progress import progress
from cli.terminal.text import visible

_SHOWN = 20
"""The most events in the way that people are shown."""
_HANGING = (
    Column("stream"),
    Column("version", "v", right=True),
    Column("type"),
    Column("source"),
    Column("why", "why it is in the way"),
)


def undo(
    source: str,
    reason: str | None,
    *,
    actor: str | None = None,
    authorised_by: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
) -> None:
    """Void all that came from a source, or show what that would be.

    Args:
        source: NAME:INSTANCE of the import, like zendesk:acme.
        reason: why, as EventCorrected has it; needed, unless it is a dry run.
        actor: who does it, like agent:anna; CASESTORE_ACTOR, if left out.
        authorised_by: who allowed it; the actor, if left out.
        dry_run: show it alone.
        yes: do not ask.
    """
    if reason is None and not dry_run:
        raise Usage("why? Give --reason, like misreported; or --dry-run to see what is undone")
    event = None if dry_run else _correction(reason, actor, authorised_by)
    with settings().open_store() as store:
        with progress("events", None) as tick:
            plan = plan_undo(store, source, progress=tick)
        if not (plan.events or plan.voided_before or plan.kept or plan.hanging):
            raise Usage(
                f"nothing in this store came from {visible(source)}; write NAME:INSTANCE as they "
                "were imported, like zendesk:acme, and mail or csv:NAME where there was no instance"
            )
        if plan.hanging or event is None or not plan.events:
            done = None
        else:
            if not yes:
                _ask(plan)
            done = undo_import(
                store,
                plan,
                reason=event.reason,
                actor=event.actor,
                authorised_by=event.authorised_by,
            )
    if for_people():
        print_lines(map(visible, _lines(plan, done)))
    else:
        print_object(_described(plan, done))
    if plan.hanging:
        raise EventRefused(refusal(plan))


def _correction(reason: str | None, actor: str | None, authorised_by: str | None) -> EventCorrected:
    """A correction as it will be recorded, but for the event. Raises InvalidEvent, Usage."""
    by = read_actor(actor)
    data = {
        "occurred_at": settings().now(),
        "actor": by,
        "event_id": UUID(int=0),
        "kind": "voided",
        "reason": reason,
        "authorised_by": by if authorised_by is None else read_actor(authorised_by),
    }
    name = EventCorrected.__name__
    return cast(EventCorrected, Codec().validate_json(name, msgspec.json.encode(data)))


def _ask(plan: Plan) -> None:
    """Ask on a terminal whether to go on. Raises Usage elsewhere, and Abort for a no."""
    what = f"{counted(plan.events, 'event')} of {plan.source}"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Usage(f"{what} would be voided; give --yes, or --dry-run to see what that is")
    print_lines(map(visible, _plan_lines(plan, "are to be voided")))
    click.confirm(visible(f"Void {what}?"), default=False, abort=True, err=True)


def _lines(plan: Plan, done: Undone | None) -> Iterator[str]:
    if done is not None:
        yield from _plan_lines(plan, "were voided")
        if done.later:
            yield f"{counted(done.later, 'event')} came from it meanwhile: undo it once more"
        if not settings().quiet:
            yield (
                "to import the same files again, give another --instance (csv: another name in the "
                "mapping): under this one nothing would be appended, as its keys are used up"
            )
    elif plan.events:
        yield from _plan_lines(plan, "would be voided")
    elif not plan.hanging:
        yield f"nothing is left to undo of {plan.source}"
    if plan.voided_before:
        yield f"{counted(plan.voided_before, 'event')} of it were voided before"
    yield from _hanging_lines(plan)


def _plan_lines(plan: Plan, become: str) -> Iterator[str]:
    when = ""
    if plan.first_recorded is not None and plan.last_recorded is not None:
        when = f", recorded from {cell(plan.first_recorded)} to {cell(plan.last_recorded)}"
    yield f"{counted(plan.events, 'event')} of {plan.source} {become}{when}"
    yield "; ".join(f"{name} {count:,}" for name, count in plan.types.items())
    cases, customers = counted(plan.cases_gone, "case"), counted(plan.customers_gone, "customer")
    yield f"nothing is left of {cases} and {customers}, which count nowhere then"
    if plan.cases_changed:
        yield f"{counted(plan.cases_changed, 'case')} of others stay, without what was imported"
    if plan.registrations:
        registered = counted(plan.registrations, "registration")
        yield f"{registered} among them the store had made by itself, for these cases"
    if plan.corrected:
        yield f"{counted(plan.corrected, 'correction')} of what is voided have no effect then"
    if plan.kept:
        kept = counted(plan.kept, "registration")
        yield f"{kept} of customers stay, as an erasure or a legal hold rests on them"


def _hanging_lines(plan: Plan) -> Iterator[str]:
    if not plan.hanging:
        return
    yield ""
    yield f"{counted(plan.hanging_count, 'event')} in the way:"
    rows = [each._asdict() for each in plan.hanging[:_SHOWN]]
    yield from table(_HANGING, rows)
    if plan.hanging_count > _SHOWN:
        yield f"and {plan.hanging_count - _SHOWN:,} more; --format json shows up to 1,000"


def _described(plan: Plan, done: Undone | None) -> dict[str, Any]:
    """The plan for programs, and what was done."""
    told = plan._asdict()
    del told["batches"], told["position"]
    return {
        **told,
        "sources": list(plan.sources),
        "hanging": [each._asdict() for each in plan.hanging],
        "voided": 0 if done is None else done.events,
        "later": 0 if done is None else done.later,
    }
