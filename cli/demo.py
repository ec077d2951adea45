"""`casestore demo`: five stories of complaints, imported and told."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from shlex import quote as shell_quoted
from typing import NamedTuple
from urllib.parse import quote

import click

from casestore import CaseStore, StoreNotFound
from casestore.transfer import import_lines
from cli import timeline
from cli.options import REFUSED, Usage, settings, shared
from cli.output import for_people, heading, print_lines, print_rows, table
from cli.transfer import print_refusals, told


class Story(NamedTuple):
    """A story, as its cases tell it."""

    title: str
    about: str
    cases: tuple[str, ...]


STORIES = (
    Story(
        "A slip, a missing mail, and an honest apology",
        "She was asked for an address that we had, and our answer went to a mistyped one. One "
        "agent owns up, sends it again, and adds a small thing that costs nothing.",
        ("roadshow",),
    ),
    Story(
        "Five answers, and none to the question",
        "He asks about the proxy. Four people tell him of disks, passwords, scripts and backups "
        "before somebody picks up the phone, reads, and passes him to one who knows.",
        ("upload-limit",),
    ),
    Story(
        "A credit, given with a bad grace",
        "We billed him wrongly, sent him round for a day, said that we could not, and then could.",
        ("roaming-bill",),
    ),
    Story(
        "What was owed, what was kind, and what was never on sale",
        "One customer was right: tickets for tickets, and coupons as a gesture apart. Another "
        "wanted what nobody had promised her: she got a kind no.",
        ("no-ushers", "free-flight"),
    ),
    Story(
        "Nine days without a line",
        "Seven calls, promises that nobody could keep, two versions of the truth, and a good "
        "evening wished to somebody who was not having one.",
        ("nine-days",),
    ),
)

_NEXT = """\
case show nine-days --as-of 2026-05-12
case diff nine-days 2026-05-11 2026-05-13 --reveal
case replay roadshow
case timeline customer:C-1042 --reveal --tz Asia/Kuala_Lumpur
case timeline roaming-bill --format csv
doctor
"""


@click.command
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(file_okay=False, path_type=Path),
)
@shared
def demo(folder: Path | None) -> None:
    """Make a store of five example stories and show them.

    The store is DIR/demo.db; without DIR, in a new temporary folder. Running it again on the
    same DIR adds nothing.

    \b
    Examples:
      casestore demo
      casestore demo ~/complaints-demo
    """
    if settings().db is not None:
        raise Usage("the demo makes a store of its own; give a folder instead of --db")
    folder = (folder or Path(tempfile.mkdtemp(prefix="casestore-demo-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{quote(str(folder / 'demo.db'))}"
    with _store(url) as store:
        with files("cli").joinpath("stories.ndjson").open("rb") as lines:
            result = import_lines(store, lines)
        if result.refused:
            print_refusals(result, "stories.ndjson")
            raise click.exceptions.Exit(REFUSED)
        if not for_people():
            names = [name for story in STORIES for name in story.cases]
            print_rows(timeline.columns(), (row for name in names for row in _rows(store, name)))
            return
        print_lines([f"{told(result)}, in {url}", ""])
        for story in STORIES:
            print_lines(_told(store, story))
    print_lines(_what_next(url))


def _store(url: str) -> CaseStore:
    try:
        return CaseStore.open(url)
    except StoreNotFound:
        return CaseStore.create(url)


def _rows(store: CaseStore, case_id: str) -> list[dict[str, object]]:
    return timeline.rows(store.history(f"case:{case_id}", reveal=True))


def _told(store: CaseStore, story: Story) -> Iterator[str]:
    yield heading(story.title)
    yield story.about
    for case_id in story.cases:
        yield ""
        yield heading(f"Case {case_id}")
        yield from table(timeline.columns(), _rows(store, case_id))
    yield ""


def _what_next(url: str) -> Iterator[str]:
    yield heading("What to try next")
    for command in _NEXT.splitlines():
        yield f"  casestore --db {shell_quoted(url)} {command}"
