"""`casestore demo`: imports five stories of complaints, tells them, and reports on them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from shlex import quote as shell_quoted
from shlex import split as shell_split
from textwrap import shorten
from urllib.parse import quote

import click

from casestore import CaseStore, StoreNotFound
from casestore.errors import quoted
from casestore.streams.history import Recorded
from casestore.streams.wording import tell
from casestore.transfer.ndjson import import_lines
from cli.commands.transfer import in_words, print_refusals
from cli.main import cli
from cli.terminal.options import REFUSED, Settings, Usage, settings
from cli.terminal.output import (
    Column,
    for_people,
    heading,
    paragraph,
    print_lines,
    print_rows,
    readable,
    table,
)
from cli.terminal.text import visible
from cli.views import timeline
from cli.views.stories import STORIES, Story

_OVER_ALL = (
    "cases --as-of 2026-09-01",
    "promises --broken --as-of 2026-09-01",
    "goodwill spend --by team --as-of 2026-09-01",
    "lapses --by agent --as-of 2026-09-01",
)
_NEXT = """\
case timeline nine-days --reveal
case show nine-days --as-of 2026-05-12
case diff nine-days 2026-05-11 2026-05-13 --reveal
case timeline nine-days --lapses
lapses --case upload-limit --explain
lessons bare-no
overdue --as-of 2026-05-12
breakdown --by category --format csv
policy show --at 2026-06-01
doctor
"""


_OF_A_FILE = (".db", ".sqlite", ".sqlite3")


@click.command
@click.argument(
    "folder",
    metavar="[DIR]",
    required=False,
    type=click.Path(path_type=Path),
)
@readable
def demo(folder: Path | None) -> None:
    """Make a store of five example stories and show them.

    Shows the turning points of each story and a report on it; then reports on all stories.

    The store is DIR/demo.db; without DIR, in a new temporary folder. Running it again on the
    same DIR adds nothing. With --quiet it only makes the store, and prints where.

    \b
    Examples:
      casestore demo
      casestore demo ~/complaints-demo
      export CASESTORE_URL=$(casestore demo --quiet ~/complaints-demo)
    """
    if settings().db is not None:
        raise Usage("the demo makes a store of its own; give a folder instead of --db")
    if folder is not None and (folder.is_file() or folder.suffix in _OF_A_FILE):
        named = quoted(str(folder))
        what = f"{named} is the name of a file; the demo makes a folder with demo.db in it"
        raise Usage(f"{what}: write {quoted(str(folder.with_suffix('')))}, say")
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
        if settings().quiet:
            click.echo(visible(url))
            return
        print_lines([f"{in_words(result)}, in {url}", ""])
        for number, story in enumerate(STORIES, 1):
            print_lines(_story_lines(store, number, story))
            _report(url, story.report)
    print_lines([heading("All of them, in numbers"), ""])
    for command in _OVER_ALL:
        _report(url, command)
    print_lines(_what_next(url))


def _store(url: str) -> CaseStore:
    try:
        return CaseStore.open(url)
    except StoreNotFound:
        return CaseStore.create(url)


def _rows(store: CaseStore, case_id: str) -> list[dict[str, object]]:
    return timeline.rows(store.history(f"case:{case_id}", reveal=True))


_WIDTH = 100
_POINT = (Column("when", "when (UTC)"), Column("who"), Column("what"))


def _story_lines(store: CaseStore, number: int, story: Story) -> Iterator[str]:
    yield heading(f"{number}. {story.title}")
    yield from paragraph(story.about, _WIDTH)
    yield ""
    points: list[dict[str, str]] = []
    for case_id, versions in story.cases.items():
        history = store.history(f"case:{case_id}", reveal=True)
        by_version = {recorded.version: recorded for recorded in history}
        points += [_point(by_version[version]) for version in versions]
    yield from table(_POINT, points)
    yield ""


def _point(recorded: Recorded) -> dict[str, str]:
    """A turning point as a row: the text that somebody wrote, or else what they did."""
    text = getattr(recorded.event, "text", None)
    what = shorten(tell(recorded) if text is None else text, _WIDTH - 20, placeholder=" …")
    return {
        "when": f"{recorded.occurred_at:%d %b %H:%M}",
        "who": recorded.event.actor.id,
        "what": what if text is None else f"“{what}”",
    }


def _report(url: str, command: str) -> None:
    """Print the command line of a report, and run it."""
    print_lines([heading(f"$ casestore {command}")])
    own = Settings()
    own.db, own.no_color = url, settings().no_color
    own.output, own.writer, own.no_pager = settings().output, settings().writer, True
    cli.main(shell_split(command), prog_name="casestore", standalone_mode=False, obj=own)
    print_lines([""])


def _what_next(url: str) -> Iterator[str]:
    yield heading("What to try next")
    for command in _NEXT.splitlines():
        yield f"  casestore --db {shell_quoted(url)} {command}"
