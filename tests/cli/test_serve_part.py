"""`casestore serve` of a part of a store: its numbers are those of the reports asked for it."""

from __future__ import annotations

import re

import pytest

from projections.pages.list_kinds import LISTS
from tests.support.command_line import Casestore, demo_store
from tests.support.pages import Read
from tests.support.served import served

AT = "2026-05-12"


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("part"))


@pytest.mark.parametrize(
    "part",
    [
        ("--team", "hotline", "--team", "member-care"),
        ("--product", "web-hosting"),
        ("--region", "west", "--category", "billing"),
        ("--agent", "mei"),
    ],
)
@pytest.mark.parametrize("at", [(), ("--as-of", AT)])
def test_numbers_are_those_of_the_reports_asked_so(
    casestore: Casestore, part: tuple[str, ...], at: tuple[str, ...]
) -> None:
    moment = f"&as_of={AT}" if at else ""
    fields = {each.removeprefix("--") for each in part[::2]}
    with served(casestore, *part) as running:
        for name in ("cases", "promises", "lapses", "undelivered", "waiting", "today"):
            asked = part if fields <= {*LISTS[name].report.selects} else ()
            rows = casestore(name, *asked, *at, "--format", "json").fine().json["rows"]
            page = Read(running.page(f"/list?of={name}{moment}"))
            assert re.search(rf"\b{len(rows)} rows?\b", page.text), (name, page.text)
            assert " ".join(part[:2]) in page.text.partition("What these pages rest on")[2]
            assert f"{part[0].removeprefix('--')} {part[1]}" in page.text  # on top
        overview = Read(running.page(f"/?{moment[1:]}"))
        due = casestore("today", *asked, *at, "--format", "json").fine().json["summary"]["overdue"]
        assert f"To do {due} overdue" in overview.text
        for each in overview.hrefs:
            if each.startswith("/list"):
                assert " ".join(part[:2]) in Read(running.page(each.replace("&amp;", "&"))).text


def test_a_file_leaves_nothing_out_and_changes_are_of_the_part(casestore: Casestore) -> None:
    with served(casestore) as all_of_it, served(casestore, "--team", "hotline") as one_team:
        for path in (f"/case?id=nine-days&as_of={AT}", "/case?id=nine-days"):
            whole, part = (
                running.page(path).partition("<h1>")[2].partition("<footer>")[0]
                for running in (all_of_it, one_team)
            )
            assert part == whole
        path = f"/changed?since={AT}&of=cases"
        counts = [
            int(re.findall(r"<strong>(\d+)</strong> came", running.page(path))[0])
            for running in (all_of_it, one_team)
        ]
        assert counts[1] == 1 < counts[0]
        said = Read(one_team.page(f"/changed?since={AT}")).text
        assert "They are of the whole store; the lists are of team hotline." in said


def test_what_nobody_ever_named_is_refused(casestore: Casestore) -> None:
    assert "no event names the team 'hotlin'" in casestore("serve", "--team", "hotlin").failed(2)
    casestore("serve", "--customer", "nobody").failed(2)
