"""`casestore serve`: the pages of a store in a browser, live."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from importlib.util import find_spec
from ipaddress import ip_address
from os import cpu_count
from pathlib import Path
from typing import Any

import click

from casestore import CaseStore
from casestore.errors import quoted
from casestore.privacy.access_log import os_user
from cli.commands.case import reveal_option
from cli.commands.report import PART, part_of_store
from cli.commands.reports import MANY, check_that_they_exist
from cli.terminal.access import access_log_of
from cli.terminal.options import Usage, settings, shared
from cli.terminal.output import for_people, print_object
from cli.terminal.progress import progress
from cli.terminal.time_options import zone_option
from projections.query.asking import asking
from projections.query.selection import Selection

_LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0, the default: any.")
@click.option(
    "--host",
    metavar="ADDRESS",
    default=_LOOPBACK,
    help="Listen there. Other than on the loopback only with --behind-proxy.",
)
@click.option(
    "--behind-proxy",
    "header",
    metavar="HEADER",
    help="A proxy has authenticated who asks, and names them in this header: no token is needed.",
)
@click.option(
    "--proxy",
    "proxies",
    metavar="ADDRESS",
    multiple=True,
    help="Where the proxy's requests come from: an address or a network; the loopback, if left "
    "out. May be repeated.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="HOST",
    multiple=True,
    help="Answer to this name too, as browsers and proxies send it, with its port unless that is "
    "the usual one. May be repeated.",
)
@reveal_option
@click.option(
    "--access-log",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --reveal: where it is noted who sees which page. Default: CASESTORE_ACCESS_LOG, "
    "else <db>.views.ndjson.",
)
@part_of_store
@zone_option
@shared
def serve(
    *,
    port: int,
    host: str,
    header: str | None,
    proxies: tuple[str, ...],
    hosts: tuple[str, ...],
    reveal: bool,
    access_log: Path | None,
    tz: tzinfo,
    **part: tuple[str, ...],
) -> None:
    """Show the pages of `report pages` in a browser, live and at any moment.

    Ctrl-C ends it. It only reads. Each page has sliders for as-of and known-at, tells what has
    changed since a time, and is made anew when something is recorded. It takes the extra: pip
    install 'casestore[serve]'.

    It listens on this machine alone, and lets in whoever opens the address that it prints, once.
    Behind a proxy that authenticates, --behind-proxy names the header that says who asks: the proxy
    must remove that header from what it is sent, and nobody else may reach the port.

    --team and its like choose a part of the store, as for `report pages`. That is no lock: the file
    of each case and customer is there, and leaves nothing out.

    Words by and about persons are withheld unless --reveal is given; then each view is noted in the
    access log: who, when, which case or customer.

    \b
    Examples:
      casestore serve
      casestore serve --reveal
      casestore serve --team north
      casestore serve --port 8440 --behind-proxy X-Remote-User --allow-host complaints.example.org
    """
    for module in ("jinja2", "starlette", "uvicorn"):
        if find_spec(module) is None:
            raise Usage("serve needs Starlette and uvicorn: pip install 'casestore[serve]'")
    _check(host, header, proxies, access_log, reveal=reveal)
    from projections.serve import guard, library, server, views_log  # noqa: PLC0415  (slow)
    from projections.serve.live_site import Site  # noqa: PLC0415  (the same)
    from projections.serve.opened import Opened  # noqa: PLC0415  (the same)
    from projections.serve.rendering import How  # noqa: PLC0415  (the same)

    store = settings().open_store()
    chosen = tuple((name, part[name]) for name in PART if part[name])
    asked: Any = dict(chosen)
    try:
        check_that_they_exist(store, Selection(**asked))
        _bring_up_to_date(store)
        log = None if not reveal else views_log.ViewsLog(access_log or access_log_of(store.url))
        listening = server.listen(host, port)
        own = listening.getsockname()[1]
        try:
            guarding = guard.Guard(
                [*_names(host, own), *hosts],
                own,
                header=header,
                proxies=proxies or (_LOOPBACK, "::1"),
                who=os_user(),
            )
        except ValueError as error:
            listening.close()
            raise Usage(str(error)) from None
    except BaseException:
        store.close()
        raise
    how = How(tz, reveal, chosen)
    site = Site(Opened(store), library.Library(store.url, how), guarding, how, log)
    try:
        site.prepare()
    except BaseException:
        site.library.close()
        store.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    _tell(f"http://{shown}:{own}{guarding.entrance or '/'}", log)
    server.run(site, listening)


def _check(
    host: str,
    header: str | None,
    proxies: Sequence[str],
    access_log: Path | None,
    *,
    reveal: bool,
) -> None:
    """Raise Usage for options that do not go together."""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        raise Usage(f"--host is an address like {_LOOPBACK}, not {quoted(host)}") from None
    if header is None and not loopback:
        raise Usage(
            f"{host} can be reached from other machines: give --behind-proxy HEADER, with a proxy "
            "that authenticates who asks, or leave --host out"
        )
    if header is None and proxies:
        raise Usage("--proxy says where the proxy is; --behind-proxy HEADER is missing")
    if header is not None and not loopback and not proxies:
        raise Usage("name the proxy's address with --proxy: anybody else could say who asks")
    if access_log is not None and not reveal:
        raise Usage("views are noted where words are shown; give --reveal, or leave it out")


def _names(host: str, port: int) -> Sequence[str]:
    """The values of Host by which this machine's browsers call the server."""
    shown = f"[{host}]" if ":" in host else host
    return [f"{name}:{port}" for name in ("localhost", _LOOPBACK, "[::1]", shown)]


def _bring_up_to_date(store: CaseStore) -> None:
    """Make the tables before anybody waits for a page."""
    events = store._recorder.last_position()
    processes = (cpu_count() or 1) if events > MANY else 1
    with (
        progress("events", events or None) as tick,
        asking(store, Selection(), processes=processes, tick=tick),
    ):
        pass


def _tell(address: str, log: Any) -> None:
    if not for_people():
        print_object({"url": address, "access_log": None if log is None else str(log.path)})
        return
    click.echo(address)
    if not settings().quiet:
        if log is not None:
            click.echo(f"words are shown; each view is noted in {log.path}", err=True)
        click.echo("Ctrl-C ends it", err=True)
