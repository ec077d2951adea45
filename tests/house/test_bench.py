"""The bench at its smallest: every command runs, and what it tells is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import bench
from tests.bench import big, plot
from tests.bench.plot import BEGIN, END, spread


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(*args: str) -> Any:
        out = tmp_path / "big.json"
        given = ("big", "--dir", str(tmp_path), "--out", str(out), *args)
        monkeypatch.setattr("sys.argv", ["bench", *given])
        bench.main()
        assert [each.name for each in tmp_path.iterdir()] == ["big.json"]  # no store is left
        return json.loads(out.read_bytes())

    return run


def test_every_command_runs_on_a_small_store_and_is_measured(results: Any) -> None:
    told = results("--sizes", "300")
    (size,) = told["sizes"]
    assert size["events"] == 300
    assert [each["step"] for each in size["steps"]] == [step.name for step in big.steps(300, 2)]
    for each in size["steps"]:
        assert each["state"] == "done", each
        assert each["seconds"] > 0
        assert each["cpu"] > 0
        assert 5e6 < each["memory"] < 1e9  # bytes, of a process with Python in it
    assert all(size["bytes"][name] > 10_000 for name in ("store.db", "backup.db", "archive"))
    assert told["machine"]["flush_ms"] > 0


def test_what_a_command_says_when_it_fails_is_told_and_the_others_run(
    results: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(events: int, processes: int) -> list[big.Step]:
        return [
            big.Step("import", ("import", "-")),
            big.Step("case", ("case", "show", "nobody")),
            big.Step("cases", ("cases",)),
        ]

    monkeypatch.setattr(big, "steps", steps)
    ((imported, failed, done),) = (one["steps"] for one in results("--sizes", "50")["sizes"])
    assert imported["state"] == done["state"] == "done"
    assert failed["state"].startswith("failed, 2: ")
    assert "nobody" in failed["state"]


def test_when_the_time_is_up_what_was_not_begun_is_told(results: Any) -> None:
    told = results("--sizes", "50", "--limit-minutes", "0")
    states = {each["state"] for each in told["sizes"][0]["steps"]}
    assert states == {"not begun: the time was up"}
    assert "Not measured at 50 events: import: not begun" in plot.tables(told)


# --- the documents ---------------------------------------------------------------------------


def made_up() -> dict[str, Any]:
    def told(step: str, seconds: float) -> dict[str, Any]:
        return {"step": step, "seconds": seconds, "cpu": 2, "memory": 3e8, "state": "done"}

    small = [told("import", 10), told("backup", 0.25)]
    large = [told("import", 100.4), {"step": "backup", "state": "failed, 1: no\nspace"}]
    return {
        "machine": {
            "cores": 2,
            "processor": "P",
            "memory": "8 GB",
            "flush_ms": 1,
            "python": "3",
            "sqlite": "3",
            "system": "Linux",
            "load": 0,
        },
        "sizes": [
            {"events": 1000, "steps": small, "bytes": {"store.db": 1e6}},
            {"events": 10_000, "steps": large, "bytes": {"store.db": 1e7}},
        ],
    }


def test_the_tables_tell_time_memory_and_what_is_missing() -> None:
    text = plot.tables(made_up())
    assert "| import | 10.0 s, 2.0 s, 300 MB | 100 s, 2.0 s, 300 MB |" in text
    assert "| backup | 0.2 s, 2.0 s, 300 MB | failed, 1 |" in text
    assert "| `store.db` | 1 MB | 10 MB |" in text
    assert "Not measured at 10,000 events: backup: failed, 1: no space." in text


def test_the_tables_go_between_the_marks_and_the_picture_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="tests/support/plot_requirements.txt")
    (tmp_path / "big.json").write_text(json.dumps(made_up()), "utf-8")
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    monkeypatch.setattr(
        "sys.argv", ["bench", "plot", str(tmp_path / "big.json"), "--docs", str(tmp_path)]
    )
    bench.main()
    before, _, after = page.read_text("utf-8").partition(plot.tables(made_up()))
    assert (before, after) == (f"before\n{BEGIN}\n\n", f"\n{END}\nafter\n")
    first = (tmp_path / "performance.svg").read_bytes()
    assert b"import: 1.7 min" in first
    assert b"backup: stopped" in first
    assert b"prefers-color-scheme: dark" in first
    bench.main()
    assert (tmp_path / "performance.svg").read_bytes() == first


def test_a_page_without_the_marks_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "big.json").write_text(json.dumps(made_up()), "utf-8")
    (tmp_path / "performance.md").write_text("mine", "utf-8")
    monkeypatch.setattr(
        "sys.argv", ["bench", "plot", str(tmp_path / "big.json"), "--docs", str(tmp_path)]
    )
    with pytest.raises(SystemExit, match="has not the marks"):
        bench.main()
    assert (tmp_path / "performance.md").read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ([0.1, 0.5], [0.1, 0.5]),
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.1, 0.5, 0.5, 0.52, 0.9], [0.1, 0.40667, 0.50667, 0.60667, 0.9]),
    ],
)
def test_names_beside_the_plot_stand_apart_and_near_their_lines(
    wanted: list[float], given: list[float]
) -> None:
    assert spread(wanted, 0.1) == pytest.approx(given, abs=1e-4)


def test_peers_do_the_same_work_in_a_process_of_their_own(tmp_path: Path) -> None:
    for module in ("aett", "eventsource"):
        pytest.importorskip(module, reason="tests/support/peers_requirements.txt")
    command = (sys.executable, "-m", "tests.bench", "--only", "peers")
    done = subprocess.run(
        (*command, "--events", "800", "--rounds", "1"),
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    for work in ("append", "read all", "load streams"):
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"SQLite {work}, ")]
        assert [re.search(r"× ([a-z-]+) ", line)[1] for line in lines] == [  # type: ignore[index]
            "eventsourcing",
            "eventsource-py",
            "aett",
        ]
