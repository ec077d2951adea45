"""What the shells run: the scripts that `casestore completion` prints, and the answers to them.

The scripts are ours, because click's own do not know that bash begins a new word at : and =, that a
name may have a space or a $ in it, and that after FIELD= comes no space. They ask click for the
rest, through the environment variable COMPLETE.
"""

from __future__ import annotations

import os
import threading
from copy import copy
from functools import partial
from importlib import import_module
from typing import Any, ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from cli.terminal.text import CONTROLS

COMPLETE = "_CASESTORE_COMPLETE"
"""click makes the name from the program's."""
PATIENCE = 3.0
"""Seconds after which nothing is completed: a person has typed on."""

_BASH = r"""%(complete_func)s() {
    local line=${COMP_LINE:0:COMP_POINT} breaks=${COMP_WORDBREAKS//[^:=]/} keep= type value
    if [[ -n $breaks ]]; then
        keep=${line##*[[:space:]]}
        keep=${keep%%"${keep##*[$breaks]}"}
    fi
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                value=${value#"$keep"}
                [[ $value == *[:=,] ]] && compopt -o nospace
                [[ $value == *[!a-zA-Z0-9_.,:=@+/-]* ]] && printf -v value %%q "$value"
                COMPREPLY+=("$value")
                ;;
        esac
    done <<< "$(COMP_WORDS=$line %(complete_var)s=bash_complete "${1/#\~\//$HOME/}" 2>/dev/null)"
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""

_ZSH = r"""#compdef %(prog_name)s

%(complete_func)s() {
    local -a plain begun described response
    local program=${(Q)words[1]} type key descr
    program=${program/#\~\//$HOME/}
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \
%(complete_var)s=zsh_complete $program 2>/dev/null)}")

    for type key descr in ${response}; do
        case $type in
            dir) _path_files -/ ;;
            file) _path_files -f ;;
            plain)
                if [[ $descr != _ ]]; then
                    described+=("$key:$descr")
                elif [[ $key == *[:=,] ]]; then
                    begun+=("$key")
                else
                    plain+=("$key")
                fi
                ;;
        esac
    done

    (( $#described )) && _describe -V unsorted described -U
    (( $#begun )) && compadd -U -V unsorted -S '' -a begun
    (( $#plain )) && compadd -U -V unsorted -a plain
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = r"""function %(complete_func)s
    set -l program (commandline -opc)[1]
    set program (string replace -r '^~/' "$HOME/" -- $program)
    set -l response (env %(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \
COMP_CWORD=(commandline -t) $program 2>/dev/null)

    for completion in $response
        set -l parts (string split --max 1 "," -- $completion)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                printf '%%s\n' $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


def fit(command: click.Command) -> click.Command:
    """A copy of a command, whose parameters complete their values, as do those of the commands in
    it."""
    fitted = copy(command)
    fitted.params = [copy(param) for param in command.params]
    for param in fitted.params:
        if not isinstance(param.type, click.Choice):
            param.type = _Completed(param.type)
    if isinstance(command, click.Group) and isinstance(fitted, click.Group):
        ctx = click.Context(command)
        inner = {name: command.get_command(ctx, name) for name in command.list_commands(ctx)}
        fitted.commands = {name: fit(each) for name, each in inner.items() if each is not None}
        # A group may make its commands when they are asked for, and not know them otherwise.
        fitted.get_command = partial(_known, fitted)  # type: ignore[method-assign]
    return fitted


def _known(group: click.Group, _ctx: click.Context, cmd_name: str) -> click.Command | None:
    return group.commands.get(cmd_name)


class _Completed(click.ParamType):  # type: ignore[type-arg]  # click 8.2 takes none
    """A parameter's own type; its values are completed by the parameter's name, if it is known."""

    def __init__(self, own: Any) -> None:
        self.name = own.name
        self._own = own

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As the type does."""
        return self._own.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The values that there are; without any, what the type completes."""
        source = import_module("cli.completion.values").SOURCES.get(param.name)
        if source is None:
            own: list[CompletionItem] = self._own.shell_complete(ctx, param, incomplete)
            return own
        return [CompletionItem(value) for value in source(ctx, incomplete)]


class _Quiet(ShellComplete):
    """Completes what can be completed, and is silent about anything else."""

    whole_words: ClassVar[bool] = True
    """Whether the shell replaces all of --option=value, and not the value alone."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """As click's; nothing where something goes wrong."""
        args = [os.path.expanduser(each) for each in args]
        # -FIELD after --sort is a value, though it looks like an option.
        minus = "-" if args[-1:] == ["--sort"] and incomplete.startswith("-") else ""
        try:
            items = super().get_completions(args, incomplete.removeprefix(minus))
        except Exception:  # whatever it is, nobody asked for a message
            return []
        if minus:
            items = [CompletionItem(f"-{item.value}", item.type, item.help) for item in items]
        option, equals, _ = incomplete.partition("=")
        if self.whole_words and equals and option.startswith("--"):
            items = [CompletionItem(f"{option}={i.value}", i.type, i.help) for i in items]
        # What steers a terminal, or would be two lines, is not handed to a shell.
        return [item for item in items if not CONTROLS.search(str(item.value))]


class Bash(_Quiet, BashComplete):
    """For bash, from 4.4."""

    source_template = _BASH
    whole_words = False

    @staticmethod
    def _check_version() -> None:
        """An older bash, as of macOS, says by itself what it does not know."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """From the line up to the cursor: bash's own words end at : and =."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)
        begun = line[-1:].isspace() and line[-2:-1] != "\\"
        typing = "" if begun or not words else words.pop()
        while words and "=" in words[0]:  # a variable for this command
            del words[0]
        return words[1:], typing


class Zsh(_Quiet, ZshComplete):
    """For zsh."""

    source_template = _ZSH


class Fish(_Quiet, FishComplete):
    """For fish."""

    source_template = _FISH


SHELLS: dict[str, type[_Quiet]] = {"bash": Bash, "zsh": Zsh, "fish": Fish}


def use_ours() -> None:
    """Have click answer with these classes."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)


def script(cli: Any, shell: str, program: str) -> str:
    """The script that makes a shell complete a program's arguments."""
    return SHELLS[shell](cli, {}, program, COMPLETE).source()


def give_up_in_time() -> None:
    """End this process, without a word, if it takes too long: a store may be slow, or locked."""
    timer = threading.Timer(PATIENCE, os._exit, [0])
    timer.daemon = True
    timer.start()
