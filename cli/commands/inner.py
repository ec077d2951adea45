"""A command line within a command: what `watch` and saved questions run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.main import cli
from cli.terminal.options import Settings, Usage


def parsed(words: Sequence[str], own: Settings) -> str:
    """The name of the command that a command line calls; its options are read, and nothing is run.

    Args:
        words: the command line, without `casestore`.
        own: takes the global options.

    Raises what click raises for mistakes.
    """
    with cli.make_context("casestore", list(words), obj=own) as outer:
        name, command, rest = cli.resolve_command(outer, outer._protected_args + outer.args)
        assert command is not None  # noqa: S101  (else it would have been refused)
        return " ".join(_parse(str(name), command, rest, outer))


def _parse(name: str, command: click.Command, rest: list[str], outer: click.Context) -> list[str]:
    if {"-h", "--help"} & {*rest}:
        raise Usage("leave --help out: it asks for no answer")
    inner = command.make_context(name, list(rest), parent=outer)
    if not isinstance(command, click.Group):
        return [name]
    own_name, own, rest = command.resolve_command(inner, inner._protected_args + inner.args)
    assert own is not None  # noqa: S101  (the same)
    return [name, *_parse(str(own_name), own, rest, inner)]


def run_inner(words: Sequence[str], own: Settings) -> int:
    """Run a command line. Gives its exit code, and raises what it raises."""
    code = cli.main(list(words), prog_name="casestore", standalone_mode=False, obj=own)
    return code if isinstance(code, int) else 0


class PassOn(click.Command):
    """A command whose last argument is the command line of another one, as it stands."""

    allow_interspersed_args = False
