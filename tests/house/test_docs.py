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
from casestore.events.policy_document import Conduct
from cli.main import cli
from projections import reports
from projections.rules.lapses import RULES
from tests.support import cli_page, feeds, policy_page

ROOT = Path(__file__).parents[2]
EVENTS_PAGE = ROOT / "docs" / "events.md"
REPORTS_PAGE = ROOT / "docs" / "reports.md"
COMMANDS_PAGE = ROOT / "docs" / "cli.md"
POLICY_PAGE = ROOT / "docs" / "policy.md"
HEAD = """# Every event, and what an append refuses

Made from the code (`CASESTORE_GOLDEN=1 pytest tests/house/test_docs.py`); `casestore events TYPE`
shows the same with JSON Schema. Every event has `occurred_at` (when it happened, an aware datetime,
kept in UTC) and `actor` (who did it, as they were at that moment: `kind`, `id`, `role`, `team`).
Fields are optional unless marked *required*. A field or list left out is *not recorded*; an empty
list says that there were none. **Personal** fields are words about or from a person: they are
sealed apart from the rest of the event, and nothing else ever holds prose. Ids are the caller's
own, 1 to 200 characters without control characters, unique within their stream and kind. A new id
or code is in the normal form NFC, and has no character that cannot be seen: zero-width, bidi, tag.

Streams: `case:<case_id>` · `customer:<customer_id>` · `policy`.

## What an append refuses

The log is of facts: bad practice is recorded, never refused. Only structure is refused, with a
message that names the stream, the event and what to do:

- ids that are used already, or that are referred to and unknown. What belongs to another case of
  the same family (cases that are merged with one another at present) is named `case_id/id`;
- new ids and codes with characters that people cannot see or tell apart (what is on record under
  such an id goes on);
- an event of more than 4 MiB as stored JSON, its text included, and an append of more than 16;
- a first event that is not `CaseOpened` (`CustomerRegistered` on a customer's stream), or a second
  one; a customer may be registered again after erasure, and once after the store did it by itself;
- closing a closed case, reopening an open one;
- keeping, renegotiating, releasing or withdrawing a promise that was kept, released or withdrawn
  already (past its due time it can still be kept, late; kept by a reply that then proved
  undelivered, it can be kept again);
- a `due_at` that is not after `occurred_at`; a `received_at` that is after it; an event more than
  five minutes ahead of the store's clock; a time without a zone;
- a time in the first or the last two days of the calendar, like 9999-12-31: where there is no such
  time, the field is left out; a currency that is none of ISO 4217;
- merging in a circle, into itself, or into what is itself merged;
- a correction whose `from` is not the present value; of an event that was voided, of a correction,
  of an id or a Personal field; or after which the stream would not hold when replayed;
- erasure under a legal hold; a policy that takes effect before its adoption; and, only where the
  policy in force says so ([policy.md](policy.md)), a live gesture beyond a limit.

What an append refuses is decided in the order of recording. What it accepts is read in the order in
which things happened, whenever it was told ([reports.md](reports.md)).

Facts may arrive late and after closure: a bounce, a kept promise, a message, a correction are all
accepted on a closed case.
"""


def run(*args: str) -> Any:
    result = CliRunner().invoke(cli, [*args, "--format", "json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def page() -> str:
    """docs/events.md as the code would have it."""
    told = [HEAD]
    listed = run("events")
    for kind in ("case", "customer", "policy"):
        told.append(f"\n## On {kind} streams\n")
        for each in listed["rows"] if isinstance(listed, dict) else listed:
            if each["streams"][0] != kind:
                continue
            about = run("events", each["type"])
            also = f" (also on {each['streams'][1]} streams)" if len(each["streams"]) > 1 else ""
            told.append(f"\n### {each['type']}\n\n{each['doc']}{also}\n")
            fields = [f for f in about["fields"] if f["field"] not in ("occurred_at", "actor")]
            if fields:
                told.append("\n| field | | type |\n|---|---|---|\n")
            for field in fields:
                marks = [name for name in ("required", "personal") if field[name]]
                shown = ", ".join(marks).replace("personal", "**personal**")
                told.append(f"| {field['field']} | {shown} | {_cell(field['type'])} |\n")
    return "".join(told)


def check_page(path: Path, made: str) -> None:
    if os.environ.get("CASESTORE_GOLDEN") == "1":
        path.write_text(made, "utf-8")
    assert made == path.read_text("utf-8"), "CASESTORE_GOLDEN=1 writes it anew"


def test_the_events_page_is_what_the_code_says() -> None:
    check_page(EVENTS_PAGE, page())


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


def test_the_numbers_that_a_rule_is_said_to_go_by_are_those_in_its_code() -> None:
    numbers = {field.name for field in dataclasses.fields(Conduct)}
    for rule in RULES.values():
        found = numbers & policy_page.named(rule.judge)
        own = {name for name in rule.numbers if "." not in name}
        # `clock` says how resolve_within is counted; it is no number of its own.
        assert found - {"clock"} == own, rule.name


def blocks(language: str, document: str = "README.md") -> list[str]:
    text = (ROOT / document).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_readme_can_be_followed_in_an_empty_folder(tmp_path: Path) -> None:
    """Every line of "Use it", in order, and then the Python below it."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env.pop("CASESTORE_URL", None)
    env["PYTHONPATH"] = str(ROOT)
    line = {
        "stream": "case:4711",
        "type": "NoteAdded",
        "data": {"occurred_at": "2026-03-02T10:00:00Z", "actor": {"kind": "agent", "id": "bo"}},
    }
    (tmp_path / "events.ndjson").write_text(json.dumps(line))
    script = blocks("sh")[2].replace("casestore ", f"{sys.executable} -m casestore ")
    subprocess.run(["bash", "-ec", script], cwd=tmp_path, env=env, check=True, text=True)
    command = [sys.executable, "-c", blocks("python")[0]]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, check=True, text=True, capture_output=True
    )
    assert done.stdout.startswith("open ")


def test_the_page_for_services_does_what_it_says(tmp_path: Path) -> None:
    """Its snippets, one after the other, print what stands behind an arrow."""
    script = "\n".join(blocks("python", "docs/python.md"))
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
