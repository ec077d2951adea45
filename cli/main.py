"""The command line's frame: `casestore COMMAND`, its errors and its exit codes.

`casestore --help` must be quick. So this module imports nothing slow but click, and knows of each
command only where it is and its short help: a command is imported when somebody calls it.
"""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from cli.terminal.options import CANNOT_TELL, REFUSED, USAGE, Usage, settings, shared

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_COMPLETE = "_CASESTORE_COMPLETE"
"""The environment variable by which a shell asks what can be completed."""
INTERRUPTED, UNREAD = 130, 141
"""Exit codes of a command that was ended by Ctrl-C, or because nobody reads its output any more:
the same as those by which a shell reports the signals SIGINT and SIGPIPE."""

COMMANDS = {
    "demo": ("demo:demo", "Make a store of five example stories and show them."),
    "init": ("store:init", "Make a new store."),
    "record": ("record:record", "Record one event."),
    "import": (
        "intake:import_",
        "Import events from NDJSON, or from another system's files.",
    ),
    "export": (
        "export:export",
        "Export events as NDJSON, one a line, or in a format of other programs.",
    ),
    "case": ("case:case", "Show a case: its state, its timeline, how it came about."),
    "today": (
        "today:today",
        "What there is to do: what is due, who waits, what is overdue; the longest first.",
    ),
    "cases": ("reports:cases", "Every case and how it stands."),
    "promises": ("reports:promises", "What we promised, and how each promise stands."),
    "goodwill": (
        "reports:goodwill",
        "Show what customers were given: gestures and remedies.",
    ),
    "undelivered": (
        "reports:undelivered",
        "Replies that are known not to have arrived.",
    ),
    "waiting": (
        "reports:waiting",
        "Customers whom nobody has answered, the longest waiting first.",
    ),
    "overdue": (
        "reports:overdue",
        "Promises, replies, resends and returns past their time, by who has to act.",
    ),
    "ageing": ("reports:ageing", "How old the open cases are."),
    "repeats": ("reports:repeats", "Customers with two cases or more in 365 days."),
    "lapses": (
        "reports:lapses",
        "What the rules find in how complaints were handled.",
    ),
    "conflicts": ("reports:conflicts", "Statements to one customer that disagree."),
    "consistency": (
        "reports:consistency",
        "Like complaints that were given unlike gestures.",
    ),
    "breakdown": (
        "reports:breakdown",
        "Cases by agent, team, product and so on, and how they went.",
    ),
    "responses": ("reports:responses", "Customer messages, who answered each and how soon."),
    "period": ("reports:period", "Complaints by day, week or month: in, out, outstanding."),
    "causes": ("reports:causes", "What caused the complaints that were upheld, and its cost."),
    "report": (
        "report:report",
        "Put all reports into pages to look at, or into a file for other tools.",
    ),
    "serve": (
        "serve:serve",
        "Show the pages of `report pages` in a browser, live and at any moment.",
    ),
    "customer": ("customer:customer", "Show a customer: cases, preferences, goodwill, promises."),
    "find": ("find:find", "Find ids, codes and, with --reveal, words."),
    "watch": ("watch:watch", "Show a report, and what changes in it, as it changes."),
    "save": ("saved:save", "Save a question under a name, to ask it again."),
    "run": ("saved:run", "Ask a saved question."),
    "saved": ("saved:saved", "List, show and delete saved questions."),
    "policy": ("policy:policy", "Adopt a policy, and see which one is in force."),
    "lessons": (
        "lessons:lessons",
        "Explain the rules and the stories that teach them.",
    ),
    "privacy": ("privacy:privacy", "Tell a person what is held, erase it, and rotate the key."),
    "projections": (
        "projections:projections",
        "Look after the tables that reports read.",
    ),
    "relay": ("relay:relay", "Send events to other systems as they are recorded."),
    "events": ("events:events", "List the events that a history can hold."),
    "audit": ("audit:audit", "Seal the history, verify it, and prove it to others."),
    "archive": (
        "archive:archive",
        "Keep the history as Parquet files, proven without the store.",
    ),
    "doctor": ("store:doctor", "Check that a store is whole."),
    "backup": ("backup:backup", "Write a backup of the store into a file."),
    "restore": ("backup:restore", "Put a backup back, into an empty place."),
    "upgrade": ("backup:upgrade", "Bring an older store's tables up to this version."),
    "copy": ("backup:copy", "Copy the store to an empty place, on any database."),
    "completion": (
        "manual:completion",
        "Print the script that completes casestore's words in a shell.",
    ),
    "man": ("manual:man", "Write the manual pages into a folder."),
}
"""For each command its module and name in cli/commands, and its short help. A test checks that
the short help is the command's own."""


_HELP = os.path.join(os.path.dirname(__file__), "help.txt")
_WIDE = 80
"""The width of a help page where the terminal is no narrower."""


def shipped_page(args: Sequence[str], env: Mapping[str, str]) -> str | None:
    """The help page that is asked for, as it is shipped, so that nobody waits for its command.

    A test makes all pages and compares them. None where the page must be made: for a narrow
    terminal, or because it is none of these.
    """
    *command, asked = args or [""]
    if asked not in ("-h", "--help") or env.get("COLUMNS") or _columns() < _WIDE:
        return None
    with suppress(OSError), open(_HELP, encoding="utf-8") as file:
        begin = f"$ {' '.join(('casestore', *command, '--help'))}\n"
        _, found, page = f"\n{file.read()}".partition(f"\n{begin}")
        return page.partition("\n$ ")[0] if found else None
    return None


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _WIDE
    except (AttributeError, ValueError, OSError):  # no terminal
        return _WIDE


class Failure(click.ClickException):
    """An error as users see it: one line on stderr, and an exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it off the instance

    def show(self, file: Any = None) -> None:
        """Print the line."""
        from cli.terminal.text import brief, visible  # noqa: PLC0415  (only when it went wrong)

        click.echo(f"casestore: {visible(brief(self.message))}", file=file or sys.stderr)


class Commands(click.Group):
    """A group that imports a command when it is called, and not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's interface)
        """Name the commands in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's interface)
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"cli.commands.{module}"), name)
        if _COMPLETE in os.environ:
            fitted: click.Command = import_module("cli.completion.shells").fit(command)
            return fitted
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the command line, or tell a shell what it can complete."""
        if _COMPLETE in os.environ:
            import_module("cli.completion.shells").use_ours()
        return super().main(*args, **extra)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one may be meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from casestore.errors import quoted  # noqa: PLC0415  (only when mistyped)
            from cli.terminal.nearest import did_you_mean  # noqa: PLC0415  (the same)

            hint = did_you_mean(name, COMMANDS) or "; `casestore --help` lists them"
            raise Usage(f"there is no command {quoted(name)}{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  (click's interface)
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands from COMMANDS alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_) for name, (_, help_) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete from COMMANDS alone, and from this group's own options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  (only to complete)

        names = [
            CompletionItem(name, help=help_)
            for name, (_, help_) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments before the command."""
        with _as_failures():
            if (page := shipped_page(args, os.environ)) is not None:
                click.echo(page, nl=False)
                raise click.exceptions.Exit
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _as_failures():
            return super().invoke(ctx)


@contextmanager
def if_stopped(told: Callable[[], str]) -> Iterator[None]:
    """Where Ctrl-C ends what is done in the context, say what came of it.

    Args:
        told: says it, to follow "stopped".
    """
    try:
        yield
    except KeyboardInterrupt:
        raise Failure(f"stopped{told()}", INTERRUPTED) from None


@contextmanager
def _as_failures() -> Iterator[None]:
    """Turn whatever goes wrong into one line on stderr and the exit code for it."""
    try:
        yield
    except (click.exceptions.Exit, click.Abort, Failure):
        raise
    except click.ClickException as error:
        if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
            raise  # the help page
        raise Failure(_with_hint(error), USAGE) from None
    except KeyboardInterrupt:
        raise Failure("stopped", INTERRUPTED) from None
    except BrokenPipeError:
        # Python writes out what is still in the buffer when it ends, and would raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.exceptions.Exit(UNREAD) from None
    except OSError as error:
        raise Failure(f"{error.filename or 'the system'}: {error.strerror}", CANNOT_TELL) from error
    except Exception as error:
        raise _failure(error) from error


def _with_hint(error: click.ClickException) -> str:
    """click's message; unless it says what to write, it also names the help page."""
    message = " ".join(error.format_message().split()).rstrip(".")
    says_what_to_write = isinstance(error, Usage | click.BadParameter) and not isinstance(
        error, click.MissingParameter
    )
    ctx = getattr(error, "ctx", None)
    if ctx is None or says_what_to_write:
        return message
    return f"{message}; `{ctx.command_path} --help` shows how"


def _with_nearest(message: str, stream: str) -> str:
    """The message about a stream that is not there, with the one that may be meant."""
    from cli.terminal.nearest import nearest_stream  # noqa: PLC0415  (only when mistyped)

    meant = None
    # If that fails as well, the first error is the one to tell.
    with suppress(Exception), settings().open_store() as store:
        meant = nearest_stream(store, stream)
    if meant is None:
        return message
    return f"{message.removesuffix('; check the id')}; did you mean {meant!r}?"


def _failure(error: Exception) -> Failure:
    from casestore import errors  # noqa: PLC0415  (only when something went wrong)

    if isinstance(error, errors.StreamNotFound) and error.stream is not None:
        return Failure(_with_nearest(str(error), error.stream), USAGE)
    if isinstance(error, errors.StoreUnavailable | errors.KeyFileError):
        return Failure(str(error), CANNOT_TELL)
    if isinstance(error, errors.StoreNotFound | errors.InvalidStream | errors.StreamNotFound):
        return Failure(str(error), USAGE)
    if isinstance(error, errors.CaseStoreError):
        return Failure(str(error), REFUSED)
    if os.environ.get("CASESTORE_DEBUG"):
        raise error
    fault = f"{type(error).__name__} (this is a fault in casestore itself)"
    return Failure(f"{fault}; CASESTORE_DEBUG=1 shows where", CANNOT_TELL)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@shared
@click.version_option(package_name="casestore", message="casestore %(version)s")
def cli() -> None:
    """Keep and read the histories of customer complaints.

    \b
    Begin with:
      casestore demo
      casestore init
      casestore case timeline 4711

    \b
    Completion for your shell (bash, zsh or fish), in its start-up file:
      eval "$(casestore completion bash)"

    A store is a file, sqlite:///FILE, or a schema, postgresql://USER@HOST/DB?schema=NAME.
    --db, --format, --quiet, --no-color and --no-pager may stand before or after the command.

    Exit codes: 0 fine, 1 refused or tampered, 2 wrong usage, 3 cannot tell.
    """


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # escape what cannot be encoded
    if _COMPLETE in os.environ:
        import_module("cli.completion.shells").give_up_in_time()
    try:
        cli(prog_name="casestore")
    finally:
        gc.freeze()  # else Python would look through all that was imported once more as it ends
