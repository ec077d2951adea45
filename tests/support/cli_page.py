"""docs/cli.md as the commands would have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cli.main import cli
from cli.views.manual import ENVIRONMENT, EXIT_CODES, Told, told

HEAD = """# Every command

Made from the commands themselves (`CASESTORE_GOLDEN=1 pytest tests/house/test_docs.py`). `casestore
COMMAND --help` shows the same, and `casestore man DIR` writes it as manual pages. What each report
has in its rows is in [reports.md](reports.md), what an event has in [events.md](events.md).

## Exit codes

"""


def page() -> str:
    parts = [HEAD, _table("code", "meaning", EXIT_CODES.items())]
    parts += ["\n## Environment\n\n", _table("variable", "meaning", ENVIRONMENT.items())]
    root, *others = told(cli, "casestore")
    parts += _section(root, ())
    for each in others:
        parts += _section(each, root.options)
    return "".join(parts)


def _section(each: Told, of_every: Sequence[tuple[str, str]]) -> list[str]:
    """A command; the options of every command are told once."""
    level = "#" * min(2 + each.path.count(" "), 4)
    parts = [f"\n{level} {each.path}\n\n```text\n{each.usage}\n```\n"]
    for block in each.blocks:
        if block.startswith("\b\n"):
            first, *lines = block.removeprefix("\b\n").splitlines()
            indent = min((len(line) - len(line.lstrip()) for line in lines), default=0)
            text = "\n".join(line[indent:] for line in lines)
            parts.append(f"\n{first}\n\n```sh\n{text}\n```\n" if lines else f"\n{first}\n")
        else:
            parts.append(f"\n{_plain(block)}\n")
    if each.commands:
        parts += ["\n", _table("command", "what it does", each.commands)]
    if own := [option for option in each.options if option not in of_every]:
        parts += ["\n", _table("option", "what it does", own)]
    if of_every:
        parts.append("\nAnd the [options of every command](#casestore).\n")
    return parts


def _table(first: str, second: str, rows: Iterable[tuple[object, str]]) -> str:
    told_rows = "".join(f"| `{_cell(str(a))}` | {_cell(_plain(b))} |\n" for a, b in rows)
    return f"| {first} | {second} |\n|---|---|\n{told_rows}"


def _plain(text: str) -> str:
    """Text with what Markdown would take for HTML, or for emphasis, as it is."""
    return text.replace("<", "&lt;").replace("*", "\\*")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
