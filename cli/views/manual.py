"""The manual of the command line: what it has to say of each command, and its man pages.

docs/cli.md is made from the same, by tests/support/cli_page.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from inspect import cleandoc
from typing import NamedTuple

import click

EXIT_CODES = {
    0: "Fine.",
    1: "Refused, or something was tampered with or damaged: what was asked for was not done, or "
    "what was looked for was found.",
    2: "Wrong usage: the command was not understood, or names what there is not.",
    3: "Cannot tell: the question could not be answered, as where the database does not answer.",
    130: "Stopped by Ctrl-C.",
    141: "Nobody reads the output any more.",
}
ENVIRONMENT = {
    "CASESTORE_URL": "The store, where --db is left out. Default: sqlite:///casestore.db.",
    "CASESTORE_ACTOR": "Who did what is recorded, where --actor is left out.",
    "CASESTORE_FIRM": "The firm that evidence is made for, where --firm is left out.",
    "CASESTORE_KEY_FILE": "The key file. Default: FILE.key beside a SQLite store.",
    "CASESTORE_AUDIT_DIR": "The audit folder. Default: FILE.audit beside a SQLite store.",
    "CASESTORE_AUDIT_KEY": "The signing key. Default: key in the audit folder.",
    "CASESTORE_ACCESS_LOG": "Where it is noted who sees words, or destroys keys. Default: "
    "FILE.views.ndjson beside a SQLite store.",
    "CASESTORE_PROJECTIONS": "A SQLite file for the tables that reports read. Default: beside the "
    "store.",
    "CASESTORE_RELAY_SECRET": "The secret that relays sign with, where --secret-file is left out.",
    "CASESTORE_TZ": "The zone of times, where --tz is left out. Default: that of the policy in "
    "force.",
    "CASESTORE_QUESTIONS": "The file of saved questions. Default: questions.toml in your folder of "
    "settings.",
    "CASESTORE_PAGER": "The pager, before PAGER. Empty: none.",
    "CASESTORE_DEBUG": "Set to 1, a fault of casestore itself shows where it is.",
    "PAGER": "The pager. Default: less, if it is there.",
    "PYSPARK_PYTHON": "The Python of Spark's workers, with --engine spark. Default: the path of "
    "this one.",
    "NO_COLOR": "If set, no styles.",
    "FORCE_COLOR": "If set, styles where there is no terminal, too.",
    "TERM": "dumb: no styles, no progress bars, no pager.",
}


class Told(NamedTuple):
    """What the manual tells of a command."""

    path: str
    """Like "casestore case show"."""
    short: str
    usage: str
    blocks: Sequence[str]
    """The paragraphs of its help. What stands as it is begins with a line of its own, "\b"."""
    options: Sequence[tuple[str, str]]
    """Each as it is written, and its help."""
    commands: Sequence[tuple[str, str]]
    """The commands in it, and their short help."""


def told(command: click.Command, path: str, parent: click.Context | None = None) -> Iterator[Told]:
    """What is told of a command, and of each command in it."""
    ctx = click.Context(
        command,
        info_name=path.rpartition(" ")[2],
        parent=parent,
        help_option_names=["-h", "--help"],
    )
    inner: dict[str, click.Command] = {}
    if isinstance(command, click.Group):
        found = ((name, command.get_command(ctx, name)) for name in command.list_commands(ctx))
        inner = {name: each for name, each in found if each is not None and not each.hidden}
    yield Told(
        path,
        command.get_short_help_str(limit=500),
        " ".join([path, *command.collect_usage_pieces(ctx)]),
        cleandoc(command.help or "").split("\n\n"),
        [
            record
            for param in command.get_params(ctx)
            if isinstance(param, click.Option)  # an argument stands in the usage
            if (record := param.get_help_record(ctx)) is not None
        ],
        [(name, each.get_short_help_str(limit=500)) for name, each in inner.items()],
    )
    for name, each in inner.items():
        yield from told(each, f"{path} {name}", ctx)


def man_pages(command: click.Command) -> dict[str, str]:
    """The man page of each command, by the name of its file."""
    pages = list(told(command, "casestore"))
    others = {page.path: page for page in pages}
    return {f"{_dashed(page.path)}.1": "\n".join(_roff(page, others)) + "\n" for page in pages}


def _dashed(path: str) -> str:
    return path.replace(" ", "-")


def _roff(page: Told, others: dict[str, Told]) -> Iterator[str]:
    release = version("casestore")
    yield f'.TH "{_dashed(page.path).upper()}" "1" "" "casestore {release}" "casestore"'
    yield from (".nh", ".ad l")  # no hyphens in names, no wide gaps
    yield ".SH NAME"
    yield rf"{_text(_dashed(page.path))} \- {_text(page.short.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield rf"\fB{_text(page.path)}\fP{_text(page.usage.removeprefix(page.path))}"
    yield ".SH DESCRIPTION"
    for block in page.blocks:
        yield from _paragraph(block)
    if page.commands:
        yield ".SH COMMANDS"
        for name, short in page.commands:
            yield from (".TP", rf"\fB{_text(name)}\fP", _text(short))
    if page.options:
        yield ".SH OPTIONS"
        for written, help_ in page.options:
            yield from (".TP", rf"\fB{_text(written)}\fP", _text(help_))
    yield ".SH EXIT STATUS"
    for code, meaning in EXIT_CODES.items():
        yield from (".TP", rf"\fB{code}\fP", _text(meaning))
    yield ".SH ENVIRONMENT"
    for name, meaning in ENVIRONMENT.items():
        yield from (".TP", rf"\fB{name}\fP", _text(meaning))
    above = page.path.rpartition(" ")[0]
    near = [*([above] if above in others else []), *(f"{page.path} {n}" for n, _ in page.commands)]
    if near:
        yield ".SH SEE ALSO"
        yield ",\n".join(rf"\fB{_text(_dashed(path))}\fP(1)" for path in near)


def _paragraph(block: str) -> Iterator[str]:
    if block.startswith("\b\n"):
        first, *lines = block.removeprefix("\b\n").splitlines()
        yield from (".PP", _text(first), ".RS 4", ".nf")
        yield from map(_text, lines)
        yield from (".fi", ".RE")
    else:
        yield from (".PP", _text(block))


def _text(text: str) -> str:
    """A text as roff takes it: nothing in it is a command, and - is the one that can be copied."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)
