"""The mappings of `casestore import --from csv`: shipped ones, a first one made of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Any

import click

from casestore import InvalidMapping, UnreadableInput
from casestore.errors import quoted
from cli.main import Failure
from cli.terminal.options import REFUSED, Usage, settings
from cli.terminal.output import Column, print_rows
from cli.terminal.text import visible


@contextmanager
def mistakes_told(name: str | None) -> Iterator[None]:
    """Print every mistake of a mapping with its line, and exit with 1."""
    try:
        yield
    except InvalidMapping as invalid:
        for mistake in invalid.mistakes:
            click.echo(visible(f"{name}: {mistake}"), err=True)
        raise click.exceptions.Exit(REFUSED) from None


def load_mapping(name: str | None) -> Any:
    """The mapping of a file, or a shipped one. Raises Usage without a name."""
    from casestore.intake.csv.shipped import load  # noqa: PLC0415  (help must not wait for it)

    if name is None:
        raise Usage(
            "csv needs --mapping, a file or a name of --mappings; --sample FILE writes a first one"
        )
    with mistakes_told(name):
        return load(name)


def show_mappings(names: Sequence[str]) -> None:
    """List the shipped mappings, or print those that are named."""
    from casestore.intake.csv.shipped import shipped, text_of  # noqa: PLC0415  (help must not wait)
    from cli.terminal.nearest import did_you_mean  # noqa: PLC0415  (the same)

    there = shipped()
    if not names:
        columns = (Column("name"), Column("reads", wraps=True))
        print_rows(columns, ({"name": name, "reads": told} for name, told in there.items()))
    for name in names:
        if name not in there:
            raise Usage(f"{quoted(name)} is no shipped mapping{did_you_mean(name, there)}")
        click.echo(text_of(name), nl=False)


def write_sample(file: Path, mapping: str | None) -> None:
    """Write a first mapping for a table into a new file, or print it."""
    from casestore.intake.csv.sample import sample  # noqa: PLC0415  (help must not wait for it)
    from casestore.system.files import write_new  # noqa: PLC0415  (the same)

    try:
        made = sample(file)
    except UnreadableInput as error:
        raise Failure(f"{file}: {error}", REFUSED) from None
    if mapping is None:
        click.echo(made, nl=False)
        return
    try:
        write_new(Path(mapping), made.encode())
    except FileExistsError:
        raise Usage(f"{mapping} is there already; name a new file") from None
    if not settings().quiet:
        click.echo(
            f"wrote {mapping}; look at it, and try it: casestore import --from csv --mapping "
            f"{quote(mapping)} {quote(str(file))} --dry-run"
        )
