"""`casestore save`, `run` and `saved`: questions that somebody asks again and again.

They are in a file of the user's own, and never in the store: a question is a habit, no fact. It
names no store and reveals nobody's words, so that neither happens unseen.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join

import click

from casestore.errors import quoted
from casestore.system.files import write_whole
from cli.commands.inner import PassOn, parsed, run_inner
from cli.terminal.nearest import did_you_mean
from cli.terminal.options import Settings, Usage, settings, shared
from cli.terminal.output import Column, for_people, print_lines, print_object, print_rows, tabular

QUESTIONS = (
    *("today", "cases", "promises", "goodwill", "undelivered", "waiting", "overdue", "ageing"),
    *("repeats", "lapses", "conflicts", "consistency", "breakdown", "responses", "period"),
    *("causes", "case", "customer", "find", "watch"),
)
"""The commands that may be saved: they only read."""
_REFUSED = {
    "--db": "a saved question is for any store; give --db, or CASESTORE_URL, when you run it",
    "--reveal": "words are revealed only where somebody asks for it then; give it when you run it",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_HEAD = """\
# Saved questions of casestore. `casestore save` writes this file anew: comments are not kept.

"""


@click.command(cls=PassOn)
@click.argument("name", metavar="NAME")
@click.argument("question", metavar="-- COMMAND [ARGUMENT]...", nargs=-1, type=click.UNPROCESSED)
@shared
def save(name: str, question: tuple[str, ...]) -> None:
    """Save a question under a name, to ask it again.

    `casestore run NAME` asks it. A question is a report, or case, customer, find or watch, with its
    options. It is checked, and kept in questions.toml in your own folder of configuration;
    CASESTORE_QUESTIONS names another file. --db and --reveal are not saved.

    \b
    Examples:
      casestore save north-open -- cases --status open --team north
      casestore save monday -- today --team north --within 3d
    """
    if not _NAME.fullmatch(name):
        raise Usage(
            f"{quoted(name)} is no name for a question; write letters, digits, and - . _ between"
        )
    question = question[question[:1] == ("--",) :]
    check(question)
    known = saved_questions()
    what = "saved" if name not in known else "replaced"
    _write({**known, name: question})
    if for_people() and not settings().quiet:
        print_lines([f"{what} {name}: casestore run {name}"])


@click.command(cls=PassOn)
@click.argument("name", metavar="NAME")
@click.argument("more", metavar="[OPTION]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
@shared
def run(ctx: click.Context, name: str, more: tuple[str, ...]) -> None:
    """Ask a saved question.

    Options that stand after its name are added to it.

    \b
    Examples:
      casestore run north-open
      casestore run north-open --format csv -o north.csv
    """
    question = _named(name)
    check(question)
    if code := run_inner([*question, *more], settings()):
        ctx.exit(code)


@click.group()
@shared
def saved() -> None:
    """List, show and delete saved questions.

    \b
    Examples:
      casestore saved list
      casestore saved delete north-open
    """


@saved.command(name="list")
@tabular
def list_() -> None:
    """List the saved questions.

    \b
    Example:
      casestore saved list
    """
    rows = [{"name": name, "question": join(asked)} for name, asked in saved_questions().items()]
    empty = "none; `casestore save NAME -- COMMAND` saves one"
    print_rows((Column("name"), Column("question")), rows, empty=empty)


@saved.command()
@click.argument("name", metavar="NAME")
@shared
def show(name: str) -> None:
    """Show what a saved question asks.

    \b
    Example:
      casestore saved show north-open
    """
    question = _named(name)
    if for_people():
        print_lines([f"casestore {join(question)}"])
    else:
        print_object({"name": name, "question": list(question)})


@saved.command()
@click.argument("name", metavar="NAME")
@shared
def delete(name: str) -> None:
    """Delete a saved question.

    \b
    Example:
      casestore saved delete north-open
    """
    _named(name)
    _write({each: asked for each, asked in saved_questions().items() if each != name})
    if for_people() and not settings().quiet:
        print_lines([f"deleted {name}"])


# --- the file ------------------------------------------------------------------------------


def place() -> Path:
    """Where the questions are."""
    if named := os.environ.get("CASESTORE_QUESTIONS"):
        return Path(named)
    return Path(click.get_app_dir("casestore")) / "questions.toml"


def saved_questions() -> dict[str, tuple[str, ...]]:
    """The saved questions by name, sorted. Raises Usage for a file that holds something else."""
    path = place()
    try:
        held = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Usage(f"{path} is no TOML: {error}; correct it, or move it away") from None
    questions = held.get("questions", {})
    for name, asked in questions.items() if isinstance(questions, dict) else [("", None)]:
        if not isinstance(asked, list) or not all(isinstance(each, str) for each in asked):
            like = 'north-open = ["cases", "--team", "north"]'
            raise Usage(f"{path}: {name or 'questions'} is no list of texts; write it like {like}")
    return {name: tuple(questions[name]) for name in sorted(questions)}


def _named(name: str) -> tuple[str, ...]:
    known = saved_questions()
    if name not in known:
        hint = did_you_mean(name, known) or "; `casestore saved list` lists them"
        raise Usage(f"there is no saved question {quoted(name)}{hint}")
    return known[name]


def _write(questions: Mapping[str, Sequence[str]]) -> None:
    from msgspec import json  # noqa: PLC0415  (help must not wait for it)

    lines = [
        f"{json.encode(name).decode()} = [{', '.join(map(_toml, questions[name]))}]\n"
        for name in sorted(questions)
    ]
    path = place()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, [(_HEAD + "[questions]\n" + "".join(lines)).encode()], 0o600)


def _toml(text: str) -> str:
    """A text as TOML has it: as JSON, but for one character."""
    from msgspec import json  # noqa: PLC0415  (the same)

    return json.encode(text).decode().replace("\x7f", "\\u007f")


# --- what may be asked -----------------------------------------------------------------------


def check(question: Sequence[str]) -> None:
    """Raise Usage if a question cannot be saved, or cannot be asked."""
    if not question:
        raise Usage("give the question after --, like: casestore save NAME -- cases --team north")
    for word in question:
        option = word.partition("=")[0]
        if option in _REFUSED:
            raise Usage(f"{option} is not saved: {_REFUSED[option]}")
    name = parsed(question, Settings()).partition(" ")[0]
    if name not in QUESTIONS:
        raise Usage(f"{quoted(name)} asks nothing; save one of {', '.join(QUESTIONS)}")
