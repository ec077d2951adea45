"""Saved questions: kept in a file of the user's own, and asked again."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.support.command_line import Casestore, demo_store


@pytest.fixture
def demo(tmp_path: Path) -> Casestore:
    casestore = demo_store(tmp_path)
    casestore.env["CASESTORE_QUESTIONS"] = str(tmp_path / "own" / "questions.toml")
    return casestore


def test_a_question_is_saved_listed_asked_and_deleted(demo: Casestore, tmp_path: Path) -> None:
    asked = ("promises", "--broken", "--as-of", "2026-09-01")
    assert demo("saved", "list").fine().out.startswith("none; `casestore save NAME -- COMMAND`")
    told = demo("save", "not-kept", "--", *asked).fine().out
    assert told == "saved not-kept: casestore run not-kept\n"
    assert demo("run", "not-kept").fine().out == demo(*asked).fine().out
    more = ("--format", "csv", "--columns", "state")
    assert demo("run", "not-kept", *more).fine().out == demo(*asked, *more).fine().out
    assert demo("--format", "csv", "run", "not-kept", *more[2:]).fine().out.startswith("state\n")
    out = tmp_path / "out.csv"
    demo("run", "not-kept", "--format", "csv", "-o", str(out)).fine()
    assert out.read_text() == demo(*asked, "--format", "csv").fine().out
    assert demo("saved", "show", "not-kept").fine().out == f"casestore {' '.join(asked)}\n"
    (row,) = demo("saved", "list", "--format", "json").fine().json
    assert row == {"name": "not-kept", "question": " ".join(asked)}
    assert demo("save", "not-kept", "cases").fine().out.startswith("replaced not-kept")
    assert demo("saved", "show", "not-kept").fine().out == "casestore cases\n"
    assert demo("saved", "delete", "not-kept").fine().out == "deleted not-kept\n"
    assert "there is no saved question 'not-kept'" in demo("run", "not-kept").failed(2)


def test_any_text_comes_back_as_it_was(demo: Casestore) -> None:
    nasty = 'a "b" \\ # ü 😀\x7f\ttab'
    demo("save", "a.b-c_1", "--", "find", nasty, "[x]", "= 1").fine()
    demo("save", "today", "--", "today", "--team", "two words").fine()
    held = {each["name"] for each in demo("saved", "list", "--format", "json").fine().json}
    assert held == {"a.b-c_1", "today"}
    shown = demo("saved", "show", "a.b-c_1", "--format", "json").fine().json
    assert shown["question"] == ["find", nasty, "[x]", "= 1"]


def test_the_exit_code_is_that_of_the_question(demo: Casestore) -> None:
    demo("save", "may", "--", "today", "--exit-code", "--as-of", "2026-05-12").fine()
    assert demo("run", "may").code == 1
    assert demo("run", "may", "--as-of", "2026-01-01").code == 0
    assert demo.spawn("run", "may").code == 1
    assert "no event names the team 'x'" in demo("run", "may", "--team", "x").failed(2)


@pytest.mark.parametrize(
    ("question", "says"),
    [
        ("", "give the question after --"),
        ("-- cases --db sqlite:///x.db", "--db is not saved: a saved question is for any store"),
        ("-- cases --db=x.db", "--db is not saved"),
        ("-- --db x.db cases", "--db is not saved"),
        ("-- case timeline 1 --reveal", "--reveal is not saved: words are revealed only where"),
        ("-- caes", "did you mean 'cases'?"),
        ("-- cases --stats open", "No such option '--stats'"),
        ("-- cases --status shut", "is not one of 'open'"),
        ("-- goodwill spend", "Missing option '--by'"),
        ("-- goodwill", "Usage"),
        ("-- goodwill histroy C-1", "No such command 'histroy'"),
        ("-- cases --help", "leave --help out"),
        ("-- record case:1 NoteAdded", "'record' asks nothing; save one of today, cases"),
        ("-- run other", "'run' asks nothing"),
        ("-- privacy erase C-1", "'privacy' asks nothing"),
    ],
)
def test_what_is_not_saved(demo: Casestore, question: str, says: str) -> None:
    ran = demo("save", "name", *question.split())
    assert ran.code == 2
    assert says in ran.err
    assert demo("saved", "list", "--format", "json").fine().json == []


def test_a_name_is_a_word(demo: Casestore) -> None:
    for name in ("two words", "a/b", "", "ü", "-x" * 40):
        assert demo("save", "--", name, "cases").code == 2
    demo("save", "north", "cases").fine()
    assert "did you mean 'north'?" in demo("run", "norht").failed(2)


def test_a_file_that_somebody_wrote_by_hand(demo: Casestore) -> None:
    file = Path(str(demo.env["CASESTORE_QUESTIONS"]))
    file.parent.mkdir()
    file.write_text('[questions]\nmine = [\n  "cases", # all\n  "--limit", "1",\n]\n')
    assert "the first 1 of" in demo("run", "mine").fine().out
    file.write_text('[questions]\nmine = ["case", "timeline", "1", "--reveal"]\n')
    assert "--reveal is not saved" in demo("run", "mine").failed(2)
    file.write_text('[questions]\nmine = "cases"\n')
    assert "mine is no list of texts; write it like" in demo("run", "mine").failed(2)
    file.write_text("questions = 3\n")
    assert "is no list of texts" in demo("saved", "list").failed(2)
    file.write_text("mine = [")
    assert "is no TOML" in demo("save", "north", "cases").failed(2)
    assert file.read_text() == "mine = ["


def test_it_is_in_the_users_own_folder_and_not_beside_the_store(
    demo: Casestore, tmp_path: Path
) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    home = tmp_path / "home"
    demo.env |= {"CASESTORE_QUESTIONS": None, "HOME": str(home), "XDG_CONFIG_HOME": None}
    demo("save", "north", "cases").fine()
    (kept,) = home.rglob("questions.toml")
    assert "north" in kept.read_text()
    if os.name == "posix":
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} - before == {"home"}
