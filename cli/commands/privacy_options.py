"""What the commands of `casestore privacy` share."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

import click
import msgspec

from casestore import PersonalDataErased
from casestore.streams.codec import Codec
from cli.terminal.actor import read_actor
from cli.terminal.options import settings
from cli.terminal.output import for_people, print_lines
from cli.terminal.text import visible

CUSTOMER = click.argument("customer_id", metavar="CUSTOMER")
ACTOR = click.option(
    "--actor",
    metavar="KIND:ID[:ROLE[:TEAM]]",
    help="Who does it, like agent:anna. Default: CASESTORE_ACTOR.",
)


def erasure_event(basis: str, actor: str | None) -> PersonalDataErased:
    """The event to record: it happens now. Raises InvalidEvent for a bad basis or actor."""
    data = {"occurred_at": datetime.now(UTC), "actor": read_actor(actor), "basis": basis}
    name = PersonalDataErased.__name__
    return cast(PersonalDataErased, Codec().validate_json(name, msgspec.json.encode(data)))


def remark(*lines: str) -> None:
    """Say something to people, unless they want it quiet."""
    if for_people() and not settings().quiet:
        print_lines(map(visible, lines))


def not_finished(problems: Sequence[str]) -> None:
    """Say what an erasure has left to do."""
    for problem in problems:
        click.echo(f"casestore: not finished yet: {visible(problem)}", err=True)
