"""`casestore relay`: events sent to other systems, as they are recorded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from signal import SIG_DFL, SIGINT, SIGTERM, signal
from threading import Event as StopSignal
from typing import Any

import click

from casestore.errors import quoted
from casestore.journal.recorder import RESTORED
from casestore.relay import (
    LinesFile,
    Relay,
    Webhook,
    find_secrets,
    parked_streams,
    relays,
)
from casestore.relay.lines import StandardOutput, path_of
from casestore.relay.message import Receiver
from casestore.relay.relay import MOST
from casestore.relay.status import forget as forget_relay
from casestore.relay.status import retry as retry_relay
from casestore.streams.wording import counted, duration
from cli.terminal.durations import Duration
from cli.terminal.options import EVENT_TYPE, Usage, settings, shared
from cli.terminal.output import (
    Column,
    for_people,
    print_lines,
    print_object,
    print_rows,
    table,
    tabular,
)
from cli.terminal.text import visible


class _Types(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    name = "types"
    shell_complete = EVENT_TYPE.shell_complete

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,  # noqa: ARG002  (click's interface)
        ctx: click.Context | None,  # noqa: ARG002  (the same)
    ) -> list[str]:
        return value if isinstance(value, list) else [each.strip() for each in value.split(",")]


class _From(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    name = "position"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        if value == "now" or isinstance(value, int):
            return value  # type: ignore[no-any-return]
        if not re.fullmatch(r"[0-9]{1,18}", value):
            self.fail(f"{quoted(value)} is no position; write a number, or now", param, ctx)
        return int(value)


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    metavar="URL",
    help="https://…, file:///PATH for a line for each event, or - for standard output.",
)
@click.option("--name", metavar="NAME", help="Of the checkpoint: how far this relay is.")
@click.option("--types", type=_Types(), metavar="A,B", help="Only events of these types.")
@click.option(
    "--from-position",
    type=_From(),
    metavar="N",
    help="Where a new relay begins: at this position, or with what is recorded from now on. "
    "Default: at the first event. None but a new one heeds it.",
)
@click.option("--once", is_flag=True, help="Send what there is now, and end.")
@click.option(
    "--imported",
    is_flag=True,
    help="Imported history too: what came from another system more than a day after it happened.",
)
@click.option("--reveal", is_flag=True, help="Personal text too. Needs the key file.")
@click.option(
    "--batch",
    type=click.IntRange(1, MOST),
    metavar="N",
    help=f"Up to N events in a request, {MOST} at most. Default: each in one of its own.",
)
@click.option(
    "--secret-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The secret to sign with, whsec_…; two while you change it. Mode 0600. Default: "
    "CASESTORE_RELAY_SECRET.",
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Send to loopback and private addresses too, also by http.",
)
@click.option(
    "--give-up",
    type=Duration(),
    default="24h",
    show_default=True,
    metavar="DURATION",
    help="For how long an event is tried until the relay stops.",
)
@click.option(
    "--park",
    is_flag=True,
    help="Then put it and the rest of its stream aside, and go on with the others.",
)
@shared
@click.pass_context
def relay(ctx: click.Context, /, to: str | None, name: str | None, **asked: Any) -> None:
    """Send events to other systems as they are recorded.

    Each event is sent at least once, as a CloudEvent in a signed webhook (Standard Webhooks), and
    in order. A receiver has taken it when it answers 2xx; else it is tried again, after 5 seconds
    and ever longer up to an hour. 410 stops the relay. It keeps under its name how far it is, and
    goes on there. One process at a time relays under a name.

    SIGTERM and Ctrl-C end it when what is under way is answered. Personal text is withheld unless
    --reveal is given. Redirects are not followed, and proxies of the environment not used.

    \b
    Examples:
      casestore relay --to https://crm.example/hook --name crm --secret-file crm.secret
      casestore relay --to file:///var/lib/promises.ndjson --name lake --types PromiseMade --once
      casestore relay status
    """
    given = [
        param
        for param in ("to", "name", *asked)
        if ctx.get_parameter_source(param) is click.core.ParameterSource.COMMANDLINE
    ]
    if ctx.invoked_subcommand is not None:
        if given:
            raise Usage(f"give --{given[0].replace('_', '-')} without {ctx.invoked_subcommand}")
        return
    if to is None or name is None:
        raise Usage("give --to URL and --name NAME; or status, retry or forget")
    _relay(to, name, **asked)


def _relay(
    to: str,
    name: str,
    *,
    from_position: int | str | None,
    once: bool,
    secret_file: Path | None,
    allow_private: bool,
    **asked: Any,
) -> None:
    receiver = _right(_receiver, to, secret_file, allow_private)
    with settings().open_store() as store:
        begin = from_position
        if isinstance(begin, str):
            begin = store._recorder.last_position() + 1
        relaying = _right(Relay, store, name, receiver, from_position=begin, **asked)
        if to != "-":
            known = [each.position for each in relays(store) if each.relay == name]
            where = f"at position {begin}" if begin else "at the first event"
            if known:
                _say(f"{name} goes on after position {known[0]}")
            elif begin is not None or RESTORED not in store.meta:
                _say(f"{name} is new: it begins {where}")
        stop = StopSignal()

        def end(number: int, _: object) -> None:
            signal(number, SIG_DFL)  # whoever asks twice does not wait
            stop.set()

        for number in (SIGTERM, SIGINT):
            signal(number, end)
        _right(relaying.run, stop=stop, once=once)
    if to == "-":
        return
    if not for_people():
        told = {"relay": name, "delivered": relaying.delivered, "imported": relaying.history}
        print_object(told)
    elif not settings().quiet:
        click.echo(f"sent {counted(relaying.delivered, 'event')}")
        if relaying.history:
            passed = counted(relaying.history, "event")
            click.echo(f"passed over {passed} of imported history; --imported sends these too")


def _right(make: Callable[..., Any], *args: Any, **more: Any) -> Any:
    """What a function makes. Raises Usage where it is given what is not right."""
    try:
        return make(*args, **more)
    except ValueError as error:
        raise Usage(str(error)) from None


def _receiver(to: str, secret_file: Path | None, allow_private: bool) -> Receiver:
    if to in ("-", "stdout"):
        return StandardOutput()
    if to.startswith("file:"):
        return LinesFile(path_of(to))
    return Webhook(to, find_secrets(secret_file), allow_private=allow_private)


_STATUS = (
    Column("relay"),
    Column("state"),
    Column("target", "to"),
    Column("position", right=True),
    Column("lag_events", right=True),
    Column("lag_s", "lag", right=True),
    Column("parked", right=True),
    Column("attempts", right=True, people=False),
    Column("failing_since", people=False),
    Column("next_attempt", people=False),
    Column("last_error"),
)
_PARKED = (Column("relay"), Column("stream"), Column("position", right=True), Column("error"))


@relay.command()
@click.argument("name", metavar="[NAME]", required=False)
@tabular
def status(name: str | None) -> None:
    """Show how far each relay is, and what it has put aside.

    Whether its process runs is for your supervisor to tell.

    \b
    Examples:
      casestore relay status
      casestore --format json relay status crm
    """
    with settings().open_store() as store:
        found = [each for each in relays(store) if name in (None, each.relay)]
        parked = parked_streams(store, name)
    if name is not None:
        _known(name, bool(found))
    rows = [each._asdict() for each in found]
    if not for_people():
        print_rows(_STATUS, rows)
        return
    for row in rows:
        row["lag_s"] = duration(int(row["lag_s"])) if row["lag_events"] else ""
    print_rows(_STATUS, rows, empty="there is no relay")
    if parked:
        print_lines(["", *table(_PARKED, [each._asdict() for each in parked])])


@relay.command()
@click.argument("name", metavar="NAME")
@shared
def retry(name: str) -> None:
    """Let a relay try again now, also what it has put aside.

    A relay that runs does so within a second; one that has stopped can be started again.

    \b
    Example:
      casestore relay retry crm
    """
    with settings().open_store() as store:
        _known(name, retry_relay(store, name))
    _say(f"{name} tries again")


@relay.command()
@click.argument("name", metavar="NAME")
@shared
def forget(name: str) -> None:
    """Forget how far a relay is, and what it has put aside.

    A relay that runs must be stopped first. With the same name, a new one can then begin with
    --from-position.

    \b
    Example:
      casestore relay forget crm
    """
    with settings().open_store() as store:
        _known(name, forget_relay(store, name))
    _say(f"{name} is forgotten")


def _known(name: str, found: bool) -> None:
    """Raises Usage where there is no such relay."""
    if not found:
        raise Usage(f"there is no relay {quoted(name)}; `casestore relay status` lists them")


def _say(done: str) -> None:
    if for_people() and not settings().quiet:
        click.echo(visible(done))
