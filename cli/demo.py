"""`casestore demo`: five stories of complaints, imported and told."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

import click

from casestore import CaseStore, StoreNotFound
from casestore.transfer import import_lines
from cli import timeline
from cli.options import shared
from cli.output import heading, print_lines, table

STORIES = (
    (
        "The roadshow that never comes",
        "A mistyped address, a question that the card had answered already, and an honest apology.",
        ("roadshow",),
    ),
)


@click.command
@click.argument(
    "folder", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path)
)
@shared
def demo(folder: Path | None) -> None:
    """Make a store of five example stories and show them."""
    folder = folder or Path(tempfile.mkdtemp(prefix="casestore-demo-"))
    url = f"sqlite:///{folder.absolute()}/demo.db"
    try:
        store = CaseStore.open(url)
    except StoreNotFound:
        store = CaseStore.create(url)
    with store:
        with files("cli").joinpath("stories.ndjson").open("rb") as lines:
            print(import_lines(store, lines))
        for name in store.streams("case"):
            history = store.history(name, reveal=True)
            print_lines([heading(name)])
            from datetime import UTC

            print_lines(table(timeline.columns(UTC), timeline.rows(history)))
