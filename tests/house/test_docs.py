"""The documents are true: what is made from the code is as the code is, what is shown works."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import casestore
import projections
from casestore.events.base import Known, New
from casestore.events.markers import fields_of, marker, parts
from casestore.events.meanings import values_in
from casestore.events.policy_document import Conduct
from casestore.intake.csv.mapping import read_mapping
from cli.main import cli
from projections import reports
from projections.rules.lapses import RULES
from tests.support import cli_page, events_page, feeds, policy_page
from tests.support.golden import check_page

ROOT = Path(__file__).parents[2]
EVENTS_PAGE = ROOT / "docs" / "events.md"
REPORTS_PAGE = ROOT / "docs" / "reports.md"
COMMANDS_PAGE = ROOT / "docs" / "cli.md"
POLICY_PAGE = ROOT / "docs" / "policy.md"


def run(*args: str) -> Any:
    result = CliRunner().invoke(cli, [*args, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_events_page_is_what_the_code_says() -> None:
    check_page(EVENTS_PAGE, events_page.page())


def test_the_page_of_the_commands_is_what_they_say() -> None:
    check_page(COMMANDS_PAGE, cli_page.page())


def test_the_policy_page_is_what_the_code_says() -> None:
    check_page(POLICY_PAGE, policy_page.page())


def test_the_table_of_what_feeds_the_reports_is_what_they_read(tmp_path: Path) -> None:
    text = REPORTS_PAGE.read_text("utf-8")
    before, _, rest = text.partition(feeds.HEADING)
    _, heading, after = rest.partition("\n## ")
    check_page(REPORTS_PAGE, f"{before}{feeds.table(tmp_path)}{heading}{after}")


def test_the_policy_on_its_page_is_one(tmp_path: Path) -> None:
    """It is accepted as it stands, and so is a name alone."""
    (whole,) = blocks("toml", "docs/policy.md")
    for text in (whole, 'name = "house"\n'):
        path = tmp_path / "policy.toml"
        path.write_text(text, "utf-8")
        assert run("policy", "check", str(path))["name"] in text


def test_the_mapping_on_its_page_is_one() -> None:
    (whole,) = blocks("toml", "docs/connecting.md")
    assert read_mapping(whole).name == "crm"


def test_the_numbers_that_a_rule_is_said_to_go_by_are_those_in_its_code() -> None:
    numbers = {field.name for field in dataclasses.fields(Conduct)}
    for rule in RULES.values():
        found = numbers & policy_page.named(rule.judge)
        own = {name for name in rule.numbers if "." not in name}
        # `clock` says how resolve_within is counted; it is no number of its own.
        assert found - {"clock"} == own, rule.name


def blocks(language: str, document: str = "README.md") -> list[str]:
    text = (ROOT / document).read_text("utf-8").partition("\n## Ways out\n")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("page", ["docs/python.md", "docs/connecting.md"])
def test_a_page_for_services_does_what_it_says(page: str, tmp_path: Path) -> None:
    """Its snippets, one after the other, print what stands behind an arrow."""
    script = "\n".join(blocks("python", page))
    env = {name: value for name, value in os.environ.items() if not name.startswith("CASESTORE_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT)},
        check=False,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"# → (.+)", script)


def test_the_page_for_services_has_every_public_name() -> None:
    page = (ROOT / "docs" / "python.md").read_text("utf-8")
    on_the_events_page = {cls.__name__ for cls in casestore.VOCABULARY}
    named = set(re.findall(r"`(\w+)`", page))
    for face in (casestore, projections, reports):
        assert set(face.__all__) - on_the_events_page - named == set(), face.__name__


def test_the_glossary_has_what_events_bring_and_are_made_of() -> None:
    """Each kind of id that an event can bring, and each class of value in a field."""
    page = (ROOT / "docs" / "glossary.md").read_text("utf-8")
    explained = re.findall(r"^- \*\*([\w -]+)\*\*: .", page, re.MULTILINE)
    kinds: set[str] = set()
    for cls in casestore.VOCABULARY:
        kinds |= {value.__name__.lower() for value in values_in(cls)}
        for part in (each for hint in fields_of(cls).values() for each in parts(hint)):
            marks = (marker(part, New), marker(part, Known))
            kinds |= {mark.kind for mark in marks if mark is not None and mark.kind != "*"}
    assert len(kinds) > 20
    assert kinds - set(explained) == set()
    assert len(explained) == len(set(explained))


DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
OURS = r"`((?:casestore|projections|cli|tests|docs)/[\w./-]+)`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_is_there(path: Path) -> None:
    """Its links lead somewhere, and the project's files and folders that it names exist."""
    text = path.read_text("utf-8")
    links = [path.parent / link for link in re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text)]
    named = [ROOT / name for name in re.findall(OURS, text)]
    assert [str(each) for each in (*links, *named) if not each.exists()] == []


def test_every_room_is_on_the_page_of_the_house() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    drawn = page.split("```")[1]
    for package in ("casestore", "projections", "cli", "tests"):
        room = re.search(rf"^{package}/ .*?(?=^\S|\Z)", drawn, re.MULTILINE | re.DOTALL)
        assert room is not None, package
        rooms = {each.parent.name for each in (ROOT / package).glob("*/__init__.py")}
        assert {each for each in rooms if f" {each}/" not in room[0]} == set(), package


def test_every_decision_says_what_why_and_what_else() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for number, path in enumerate(sorted(folder.glob("[0-9]*.md")), 1):
        text = path.read_text("utf-8")
        title = f"{number:03}. "
        assert path.name.startswith(f"{number:03}-"), path.name
        assert text.startswith(f"# {title}"), path.name
        parts = ["What", "Why", "What was tried or considered instead"]
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == parts, path.name
        heading = text.partition("\n")[0].removeprefix(f"# {title}")
        assert f"- [{number:03}]({path.name}): {heading}\n" in index, path.name


def test_every_report_and_its_fields_are_explained() -> None:
    page = (ROOT / "docs" / "reports.md").read_text("utf-8")
    sections = {title: text for title, _, text in (s.partition("\n") for s in page.split("\n## "))}
    for report in reports.REPORTS:
        (section,) = (text for title, text in sections.items() if report.name in title.split(", "))
        for field in report.line.__struct_fields__:
            assert re.search(rf"\b{field}\b", section), f"{report.name}: {field}"
        for option in report.options:
            assert f"--{option.name}" in section, f"{report.name}: --{option.name}"
