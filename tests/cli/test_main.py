"""The command line's frame: help, global options, errors in one line, exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from inspect import cleandoc
from pathlib import Path

import click
import pytest

from casestore import errors
from cli import main
from cli.main import COMMANDS, Failure, cli, if_stopped, shipped_page
from tests.support.command_line import ROOT, Casestore, demo_store
from tests.support.commands import ALL
from tests.support.golden import check_golden
from tests.support.terminal import terminal

HELP_PAGES = ROOT / "cli" / "help.txt"


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


def test_help_pages(casestore: Casestore) -> None:
    pages = []
    for path in ALL:
        page = casestore(*path, "--help").fine().out
        pages.append(f"$ {' '.join(('casestore', *path, '--help'))}\n{page}")
    check_golden(str(HELP_PAGES), "\n".join(pages))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_shipped_page_is_the_page_that_would_be_made(path: tuple[str, ...]) -> None:
    page = shipped_page([*path, "-h"], {})
    assert page is not None
    assert page in HELP_PAGES.read_text("utf-8")
    assert page.startswith(f"Usage: {' '.join(('casestore', *path))} ")
    assert page == Casestore()(*path, "--help").out


@pytest.mark.parametrize(
    "args",
    [
        ["case"],
        ["case", "--help", "show"],
        ["-q", "case", "--help"],
        ["caes", "--help"],
        [],
        ["--"],
    ],
)
def test_no_page_is_shipped_for_anything_else(args: list[str]) -> None:
    assert shipped_page(args, {}) is None


def test_where_the_terminal_is_narrow_the_page_is_made_for_it(casestore: Casestore) -> None:
    assert shipped_page(["--help"], {"COLUMNS": "60"}) is None
    shown = {}
    for columns in (80, 60):
        with terminal(casestore, "cases", "--help", columns=columns) as screen:
            shown[columns] = screen.end().out.replace("\r", "")
    assert shown[80] == casestore("cases", "--help").out
    assert len(shown[60].splitlines()) > len(shown[80].splitlines())


def test_a_report_waits_neither_for_pydantic_nor_for_rules_nor_for_other_reports(
    casestore: Casestore,
) -> None:
    casestore("overdue").fine()  # the tables are up to date from now on
    script = (
        "import sys; from cli.main import main\n"
        "sys.argv[1:] = ['overdue']\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    env = {**os.environ, "CASESTORE_URL": str(casestore.env["CASESTORE_URL"])}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=env,
    )
    needless = {"pydantic", "multiprocessing", "projections.rules", "projections.reports.every"}
    assert not needless & set(ran.stderr.split())


def test_a_help_page_waits_for_no_command() -> None:
    script = (
        "import sys; from cli.main import main\n"
        "sys.argv[1:] = ['cases', '--help']\n"
        "try: main()\n"
        "finally: print(*sys.modules, file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={name: each for name, each in os.environ.items() if name != "COLUMNS"},
    )
    assert ran.stdout.startswith("Usage: casestore cases ")
    assert not {"cli.commands", "casestore", "msgspec"} & set(ran.stderr.split())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example_and_every_option_has_help(
    path: tuple[str, ...],
) -> None:
    command = ALL[path]
    example = f"\n  casestore {' '.join(path)}".rstrip()
    assert example in cleandoc(command.help or ""), "no example"
    assert not [p.name for p in command.params if isinstance(p, click.Option) and not p.help]


def test_the_short_help_that_is_shown_is_the_commands_own() -> None:
    ctx = click.Context(cli)
    for name, (_, short) in COMMANDS.items():
        command = cli.get_command(ctx, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(limit=200) == short


def test_no_short_help_is_cut_off(casestore: Casestore) -> None:
    page = casestore("case", "--help").fine().out
    assert "..." not in page.partition("Commands:")[2]


def test_help_imports_click_and_nothing_else() -> None:
    script = (
        "import sys, click; before = set(sys.modules)\n"
        "from cli.main import cli\n"
        "try: cli(['--help'], prog_name='casestore')\n"
        "except SystemExit: pass\n"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}), file=sys.stderr)\n"
        "print(sorted(m for m in sys.modules if m.startswith('cli.')), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    imported, ours = ran.stderr.splitlines()
    assert not {"casestore", "rich", "pydantic", "msgspec", "eventsourcing"} & set(
        json.loads(imported.replace("'", '"'))
    )
    assert json.loads(ours.replace("'", '"')) == [
        "cli.main",
        "cli.terminal",
        "cli.terminal.options",
    ]


def test_global_options_stand_before_or_after_the_command(casestore: Casestore) -> None:
    case = ("case", "show", "roadshow", "--as-of", "2026-04-01")
    after = casestore(*case, "--format", "json").fine()
    assert casestore("--format", "json", *case).fine() == after
    assert casestore("--format", "csv", *case, "--format", "json").fine() == after
    url = casestore.env["CASESTORE_URL"]
    elsewhere = Casestore("sqlite:///nowhere.db")
    assert elsewhere("--db", str(url), *case, "--format", "json").fine() == after
    assert elsewhere(*case, "--format", "json", "--db", str(url)).fine() == after


def test_errors_are_one_line_that_says_what_to_do(casestore: Casestore, tmp_path: Path) -> None:
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    assert "make one with `casestore init`" in nowhere("doctor").failed(2)
    assert "write file.db or sqlite:///" in Casestore("mysql://x")("doctor").failed(2)
    assert "check the id" in casestore("case", "show", "nobody").failed(2)
    assert "`casestore --help` lists them" in casestore("shwo").failed(2)
    assert "`casestore case show --help` shows how" in casestore("case", "show").failed(2)
    assert "Choose from: month, product," in casestore("causes").failed(2)
    assert "No such option" in casestore("doctor", "--fast").failed(2)
    (tmp_path / "garbage.db").write_bytes(b"garbage" * 1000)
    assert casestore("--db", f"sqlite:///{tmp_path}/garbage.db", "doctor").code == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.StoreUnavailable("x"), 3),
        (errors.KeyFileError("x"), 3),
        (errors.StoreNotFound("x"), 2),
        (errors.InvalidStream("x"), 2),
        (errors.StreamNotFound("x"), 2),
        (errors.EventRefused("x"), 1),
        (errors.StoreDamaged("x"), 1),
        (errors.StoreExists("x"), 1),
        (click.UsageError("x"), 2),
        (PermissionError(13, "Permission denied", "events.ndjson"), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("a fault of ours"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_exit_codes(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command
    def broken() -> None:
        raise error

    monkeypatch.setattr(main.Commands, "get_command", lambda *_: broken)
    assert Casestore()("doctor").failed(code)


def test_text_in_an_error_cannot_steer_the_terminal(casestore: Casestore) -> None:
    said = casestore("case", "show", "a\x1b[2Jb").failed(2)
    assert "\x1b" not in said


def test_no_command_is_a_question_for_help(casestore: Casestore) -> None:
    for path in ((), ("case",)):
        ran = casestore(*path)
        assert ran.code == 2
        assert ran.err.startswith("Usage: casestore")


def test_a_reader_that_goes_away_is_no_error(casestore: Casestore) -> None:
    process = casestore.process("export")
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as out:
        out.readline()
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(60), err) == (141, b"")


def test_an_interrupt_is_one_line(casestore: Casestore) -> None:
    process = casestore.process("import", "-", stdin=subprocess.PIPE)
    opened = Path(f"{str(casestore.env['CASESTORE_URL']).removeprefix('sqlite:///')}-shm")
    deadline = time.monotonic() + 60
    while not opened.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # by now it waits for its input
    process.send_signal(signal.SIGINT)
    process.wait(30)
    _, err = process.communicate()
    assert (process.returncode, err) == (130, b"casestore: stopped\n")


def test_processes_end_with_the_same_codes(casestore: Casestore, tmp_path: Path) -> None:
    assert casestore.spawn("case", "show", "roadshow").code == 0
    assert casestore.spawn("case", "show", "nobody").failed(2)
    assert Casestore(f"sqlite:///{tmp_path}/none.db").spawn("doctor").failed(2)
    assert casestore.spawn("--version").out.startswith("casestore ")


def test_the_shell_completes_commands_and_event_types() -> None:
    def complete(line: str) -> list[str]:
        ran = Casestore(_CASESTORE_COMPLETE="bash_complete", COMP_WORDS=line)()
        return [line.partition(",")[2] for line in ran.out.splitlines()]

    assert complete("casestore rec") == ["record"]
    assert "--as-of" in complete("casestore case show --a")
    assert complete("casestore record case:1 promisek") == ["PromiseKept"]


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("case show roadshwo", "there is no case roadshwo in this store; did you mean 'roadshow'?"),
        ("case show Roadshow", "did you mean 'roadshow'?"),
        ("case show oadshow", "did you mean 'roadshow'?"),
        (
            "case timeline customer:C-6017",
            "no customer C-6017 in this store; did you mean 'C-6071'?",
        ),
        ("cases --case nine-dayz", "did you mean 'nine-days'?"),
        ("promises --customer C2207", "did you mean 'C-2207'?"),
        ("cases --team call-center", "names the team 'call-center'; did you mean 'call-centre'?"),
        ("audit prove case:roadshw@1", "there is no case roadshw in this store; did you mean"),
        ("case show 4711", "there is no case 4711 in this store; check the id"),
        ("cases --format jsn", "did you mean 'json'?"),
        ("projections rebuild promise", "did you mean 'promises'?"),
        ("import x --on-error skp", "did you mean 'skip'?"),
        ("completion bsh", "did you mean 'bash'?"),
        ("cases --fromat json", "--format"),
        ("case show roadshow --at-version 999", "but the last version of case:roadshow is 32"),
        ("case timeline roadshow --at-version 33", "but the last version of case:roadshow is 32"),
        ("case replay roadshow --at-version 33", "but the last version of case:roadshow is 32"),
    ],
)
def test_what_is_mistyped_gets_what_may_be_meant(
    casestore: Casestore, typed: str, says: str
) -> None:
    assert says in casestore(*typed.split()).failed(2)


def test_a_command_says_what_came_of_what_ctrl_c_ended() -> None:
    with pytest.raises(Failure) as failed, if_stopped(lambda: "; run the same again"):
        raise KeyboardInterrupt
    assert failed.value.message == "stopped; run the same again"
    assert failed.value.exit_code == 130
