"""`casestore today`: one screen, an exit code, and silence where there is nothing to do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.support.command_line import Casestore, demo_store
from tests.support.golden import check_golden
from tests.support.terminal import terminal

THEN = ("today", "--as-of", "2026-05-12T12:00:00Z")
NEVER = ("today", "--as-of", "2026-01-01")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    store = demo_store(tmp_path_factory.mktemp("demo"))
    store("cases").fine()  # from now on no progress bar stands before what is printed
    return store


def test_the_exit_code_says_whether_there_is_anything(demo: Casestore) -> None:
    assert demo(*THEN).code == 0
    assert demo(*THEN, "--exit-code").code == 1
    assert demo(*THEN, "--exit-code", "--limit", "0").code == 1
    assert demo(*NEVER, "--exit-code").code == 0
    assert demo(*THEN, "--exit-code", "--agent", "aoife", "--to", "2026-05-01").code == 0


def test_quiet_prints_nothing_where_there_is_nothing(demo: Casestore, tmp_path: Path) -> None:
    assert demo(*NEVER).fine().out.startswith("none\n")
    assert demo(*NEVER, "--quiet").fine().out == ""
    assert demo(*NEVER, "--quiet", "--format", "html").fine().out == ""
    assert demo(*NEVER, "--quiet", "--format", "json").fine().json["rows"] == []
    assert demo(*THEN, "--quiet").fine().out == demo(*THEN).fine().out
    mail = tmp_path / "mail.html"
    ran = demo(*THEN, "--exit-code", "--format", "html", "-o", str(mail))
    assert (ran.code, ran.out) == (1, "")
    assert mail.read_text().startswith("<table")


def test_who_is_not_known_is_refused(demo: Casestore) -> None:
    assert "did you mean 'hotline'?" in demo("today", "--team", "hotlnie").failed(2)
    assert "no event names the team 'nobody'" in demo("today", "--team", "nobody").failed(2)
    assert "write one like 90m" in demo("today", "--within", "week").failed(2)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    """A desk with more to do than a screen has lines."""
    casestore = Casestore(f"sqlite:///{tmp_path_factory.mktemp('busy')}/busy.db")
    casestore("init").fine()
    opened = {"occurred_at": "2026-03-02T09:00:00Z", "actor": {"kind": "agent", "id": "anna"}}
    lines = [
        json.dumps(
            {
                "stream": f"case:INC{n:07}",
                "type": "CaseOpened",
                "data": {**opened, "customer_id": f"caller-{n}", "channel": "email"},
            }
        )
        for n in range(60)
    ]
    casestore("--quiet", "import", "-", stdin="\n".join(lines)).fine()
    casestore("cases", "--quiet").fine()
    return casestore


@pytest.mark.skipif(os.name != "posix", reason="a screen is that of a Unix terminal")
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (200, 24), (80, 50)])
def test_it_fits_on_one_screen(busy: Casestore, columns: int, lines: int) -> None:
    asked = ("today", "--as-of", "2026-03-20", "--quiet")
    env = {"NO_COLOR": "1", "PAGER": "echo paged; cat"}
    with terminal(busy, *asked, columns=columns, lines=lines, **env) as shown:
        page = shown.end().out
    assert "paged" not in page
    assert "of 120\n" in page
    assert lines // 2 <= len(page.splitlines()) < lines
    if (columns, lines) == (80, 24):
        check_golden("screen-today.txt", page)
    with terminal(busy, *asked, "--limit", "99", columns=columns, lines=lines, **env) as shown:
        assert shown.end().out.startswith("paged")
    assert len(busy(*asked, "--format", "ndjson").fine().out.splitlines()) == 120
    assert len(busy(*asked).fine().out.splitlines()) > 120
