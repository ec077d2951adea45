"""What came of an import of another system's files, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from casestore.streams.wording import counted
from cli.terminal.text import visible

if TYPE_CHECKING:
    from casestore.intake import Reading
    from casestore.transfer.importing import Imported
    from casestore.transfer.lines import FromElsewhere, Reason


def print_refused(result: FromElsewhere, most: int | None = None) -> None:
    """Say on stderr why lines were refused: of the first ones, if `most` is given."""
    refused = result.imported.refused
    for refusal in refused[:most]:
        click.echo(visible(refusal.message), err=True)
    if most is not None and len(refused) > most:
        click.echo(f"and {len(refused) - most:,} more were refused", err=True)


def what_came(imported: Imported) -> str:
    """How many lines were appended, were there already and were refused, in words."""
    told = (
        f"{counted(imported.appended, 'event')} appended, {imported.repeated:,} already there, "
        f"{len(imported.refused):,} refused"
    )
    if not imported.registered:
        return told
    # An event each: without this, an export would have more lines than were imported.
    return f"{told}; the store registered {counted(imported.registered, 'customer')} itself"


def was_read(reading: Reading) -> str:
    """What was read, in words: "12 mails read"."""
    if not reading.counts:
        return f"no {reading.things} read"
    read = (f"{n:,} {_one(things) if n == 1 else things}" for things, n in reading.counts.items())
    return f"{', '.join(read)} read"


def _one(things: str) -> str:
    """One of what there are more of: "activity" of "activities"."""
    return f"{things[:-3]}y" if things.endswith("ies") else things.removesuffix("s")


def print_events(result: FromElsewhere) -> None:
    """Print how many lines there were of each type of event."""
    if result.events:
        events = sorted(result.events.items(), key=lambda each: (-each[1], each[0]))
        click.echo("  " + ", ".join(f"{count:,} {name}" for name, count in events))


def print_told(told: Any, *, err: bool = False) -> None:
    """Print what a reader left out and why, and what should be known."""
    for title, reasons in (
        ("left out, for it could not be read:", told.unreadable),
        ("left out, for no event is made of it:", told.no_event),
        ("to know:", told.remarks),
    ):
        if reasons:
            click.echo(title, err=err)
        for reason, found in sorted(reasons.items(), key=lambda each: (-each[1].count, each[0])):
            click.echo(f"  {visible(_in_words(reason, found))}", err=err)


def _in_words(reason: str, found: Reason) -> str:
    places = "; ".join(found.places) + ("; …" if found.count > len(found.places) else "")
    return f"{found.count:,} × {reason}" + (f" ({places})" if found.places else "")


def as_object(reading: Reading, result: FromElsewhere) -> dict[str, Any]:
    """The same for programs."""
    imported = result.imported
    return {
        "read": dict(reading.counts),
        **imported._asdict(),
        "refused": [refusal._asdict() for refusal in imported.refused],
        "events": dict(sorted(result.events.items())),
        "left_out": [
            *_as_rows(result.told.unreadable, unreadable=True),
            *_as_rows(result.told.no_event, unreadable=False),
        ],
        "remarks": _as_rows(result.told.remarks),
        "kept": result.kept_count,
    }


def _as_rows(reasons: Mapping[str, Reason], **more: Any) -> list[dict[str, Any]]:
    return [
        {"reason": reason, "count": found.count, "where": list(found.places), **more}
        for reason, found in sorted(reasons.items())
    ]
