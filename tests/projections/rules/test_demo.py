"""The demo's stories give exactly the lapses that they are meant to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Casestore, demo_store
from tests.support.golden import check_golden

CASES = ("roadshow", "upload-limit", "roaming-bill", "no-ushers", "free-flight", "nine-days")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


def test_each_story_gives_the_lapses_that_it_tells_of(demo: Casestore) -> None:
    pages = []
    for case_id in CASES:
        asked = ("lapses", "--case", case_id, "--as-of", "2026-09-01")
        pages.append(f"$ casestore {' '.join(asked)}\n{demo(*asked).fine().out}")
    check_golden("lapses-demo.txt", "\n".join(pages))


def test_the_well_handled_ones_are_nearly_clean(demo: Casestore) -> None:
    def violated(case_id: str) -> list[str]:
        rows = demo("lapses", "--case", case_id, "--format", "ndjson").fine().out.splitlines()
        return [row.split('"rule": "')[1].split('"')[0] for row in rows]

    assert violated("roadshow") == ["asked-again"]
    assert violated("free-flight") == []


def test_lapses_in_a_timeline_and_in_words(demo: Casestore) -> None:
    timeline = demo("case", "timeline", "nine-days", "--lapses", "--as-of", "2026-09-01").fine().out
    words = demo("lapses", "--case", "no-ushers", "--explain", "--as-of", "2026-09-01").fine().out
    check_golden("lapses-told.txt", f"{timeline}\n{words}")
    usage = demo("case", "timeline", "nine-days", "--lapses", "--at-version", "3").failed(2)
    assert "give --as-of or --known-at" in usage


def test_no_finding_of_time_before_it_is_due(demo: Casestore, tmp_path: Path) -> None:
    def rules(as_of: str) -> set[str]:
        found = demo("lapses", "--case", "nine-days", "--as-of", as_of, "--format", "json").fine()
        return {row["rule"] for row in found.json["rows"]}

    assert "promise-broken" not in rules("2026-05-06T20:00:00Z")
    assert "promise-broken" in rules("2026-05-06T20:00:01Z")
    assert "too-slow" not in rules("2026-05-09T17:02:00Z")
    assert "too-slow" in rules("2026-05-09T17:02:01Z")
