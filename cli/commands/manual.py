"""`casestore completion` and `casestore man`: what a shell and `man` need to know of casestore."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.completion.shells import SHELLS, script
from cli.main import cli
from cli.terminal.options import Code, settings, shared
from cli.terminal.output import for_people, print_object
from cli.views.manual import man_pages


@click.command()
@click.argument("shell", metavar="bash|zsh|fish", type=Code(list(SHELLS)))
@shared
def completion(shell: str) -> None:
    """Print the script that completes casestore's words in a shell.

    It completes commands, options and what comes after them: the ids of cases and customers,
    agents, teams, roles, products, zones, columns, the fields of an event and their codes. It reads
    the store that --db, CASESTORE_URL or the default names, never personal text, and says nothing
    where there is none.

    \b
    In the start-up file of bash; of zsh, after compinit; of fish:
      eval "$(casestore completion bash)"
      eval "$(casestore completion zsh)"
      casestore completion fish | source

    \b
    Example:
      casestore completion bash
    """
    name = Path(sys.argv[0]).name  # somebody may have installed it as casestore-2
    click.echo(script(cli, shell, name if name.startswith("casestore") else "casestore"), nl=False)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@shared
def man(folder: Path) -> None:
    """Write the manual pages into a folder.

    One page a command: casestore.1, casestore-case-show.1 and so on. `man` finds them in any folder
    man1 that MANPATH, or the system, names. Pages that are there are written anew.

    \b
    Example:
      casestore man ~/.local/share/man/man1
    """
    pages = man_pages(cli)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")
    if not for_people():
        print_object({"folder": str(folder), "pages": list(pages)})
    elif not settings().quiet:
        click.echo(f"wrote {len(pages)} pages; read them with `man {folder}/casestore.1`")
