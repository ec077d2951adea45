"""`casestore import --from`, at the command line's end of it."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import pytest

from casestore import CaseStore
from casestore.intake.reading import READERS
from casestore.intake.scratch import Scratch
from cli.commands.intake import import_
from cli.commands.intake_options import READERS as NAMED
from tests.support.command_line import Casestore


def event(
    number: int, kind: str, stream: str = "case:1", day: int = 1, **data: Any
) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(number),
        "source": "desk",
        "type": f"org.casestore.{kind}.v1",
        "subject": stream,
        "time": f"2026-03-{day:02}T10:00:00Z",
        "data": {"actor": {"kind": "agent", "id": "anna"}, **data},
    }


STORY = [
    event(1, "CaseOpened", customer_id="k1", channel="email", subject="The kettle leaks"),
    event(2, "NoteAdded", day=3, text="rang back"),
    event(3, "CaseOpened", "case:2", 2, customer_id="k2", channel="email"),
]
FROM = ("import", "--from", "cloudevents")


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    url = f"sqlite:///{tmp_path}/store.db"
    CaseStore.create(url).close()
    return Casestore(url)


@pytest.fixture
def export(tmp_path: Path) -> str:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(STORY))
    return str(path)


def positions(casestore: Casestore) -> int:
    return len(casestore("export").out.splitlines())


def test_the_readers_are_those_that_there_are() -> None:
    assert tuple(READERS) == NAMED


def test_the_help_page_shows_every_option_once_in_its_group(casestore: Casestore) -> None:
    page = casestore("import", "--help").fine().out
    shown = re.findall(r"^  (?:-\w, )?(--[\w-]+)", page, re.MULTILINE)
    params = import_.get_params(click.Context(import_))
    options = [each.opts for each in params if isinstance(each, click.Option)]
    assert sorted(shown) == sorted(max(opts, key=len) for opts in options)
    assert "--ours ADDRESS" in page.partition("\nMail:\n")[2].partition("\nTables (csv):\n")[0]


def test_an_import_ends_with_what_was_read_and_what_came_of_it(
    casestore: Casestore, export: str
) -> None:
    assert casestore(*FROM, export).fine().out == (
        "3 events read: 3 events appended, 0 already there, 0 refused; the store registered 2 "
        "customers itself\n"
        "  2 CaseOpened, 1 NoteAdded\n"
    )
    again = casestore(*FROM, export, "--format", "json").fine().json
    assert again == {
        "read": {"events": 3},
        "lines": 3,
        "appended": 0,
        "repeated": 3,
        "refused": [],
        "registered": 0,
        "events": {"CaseOpened": 2, "NoteAdded": 1},
        "left_out": [],
        "remarks": [],
        "kept": 0,
    }


def test_what_is_left_out_is_told_with_its_place_and_reason(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    (tmp_path / "cut.json").write_text('[{"id": 1')
    ran = casestore(*FROM, export, str(tmp_path / "cut.json")).fine()
    assert ran.out.endswith(
        f"left out, for it could not be read:\n  1 × it ends in the middle ({tmp_path}/cut.json)\n"
    )
    strict = casestore(*FROM, export, str(tmp_path / "cut.json"), "--strict")
    assert "nothing was appended" in strict.err
    assert strict.code == 1
    as_json = casestore(*FROM, str(tmp_path / "cut.json"), "--format", "json").fine().json
    assert as_json["left_out"] == [
        {
            "reason": "it ends in the middle",
            "count": 1,
            "where": [f"{tmp_path}/cut.json"],
            "unreadable": True,
        }
    ]


def test_strict_appends_nothing(casestore: Casestore, export: str, tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text("[")
    casestore(*FROM, export, str(tmp_path / "cut.json"), "--strict")
    assert positions(casestore) == 0


def test_a_dry_run_shows_cases_and_appends_nothing(casestore: Casestore, export: str) -> None:
    shown = casestore(*FROM, export, "--dry-run", "--show", "1").fine().out
    assert "case:1" in shown
    assert "The kettle leaks" in shown
    assert "case:2" not in shown
    assert "dry run, nothing was appended: 3 events read; 3 events to append, 0 refused" in shown
    assert positions(casestore) == 0
    as_json = casestore(*FROM, export, "--dry-run", "--format", "json").fine().json
    assert list(as_json["cases"]) == ["case:1", "case:2"]


def test_a_dry_run_goes_on_from_what_the_store_has(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    casestore(*FROM, export).fine()
    more = tmp_path / "more.json"
    more.write_text(json.dumps([event(4, "CaseClosed", day=5, reason="resolved"), *STORY]))
    tried = casestore(*FROM, str(more), "--dry-run", "--format", "json").fine().json
    assert (tried["appended"], tried["repeated"], tried["refused"]) == (1, 3, [])
    done = casestore(*FROM, str(more), "--format", "json").fine().json
    assert (done["appended"], done["repeated"], done["refused"]) == (1, 3, [])


def test_an_unsealed_store_says_that_its_ids_are_plain(tmp_path: Path) -> None:
    plain = Casestore(f"sqlite:///{tmp_path}/plain.db")
    plain("init", "--unsealed").fine()
    mail = tmp_path / "1.eml"
    mail.write_text("From: mia@x.example\nTo: us@x.example\nDate: 2 Mar 2026 08:00 +0000\n\nHi")
    args = ("import", "--from", "mail", "--ours", "us@x.example", str(mail))
    assert "plain SHA-256" in plain(*args).fine().out
    sealed = Casestore(f"sqlite:///{tmp_path}/sealed.db")
    sealed("init").fine()
    assert "SHA-256" not in sealed(*args).fine().out


def test_one_thing_is_said_to_be_one(casestore: Casestore, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(STORY[:1]))
    assert casestore(*FROM, str(path)).fine().out.startswith("1 event read: 1 event appended")
    activity = {"performed_at": "", "ticket_id": 1, "activity": {}}
    path.write_text(json.dumps({"activities_data": [activity]}))
    args = ("import", "--from", "freshdesk", "--instance", "a", str(path))
    assert casestore(*args).fine().out.startswith("1 activity read: 0 events")


def test_a_dry_run_knows_what_the_store_has(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    casestore(*FROM, export).fine()
    more = [
        event(4, "NoteAdded", day=4, text="rang again"),
        event(5, "CaseOpened", "case:3", 5, customer_id="k1", channel="email"),
        event(6, "CaseMerged", "case:3", 6, into="2"),
    ]
    (tmp_path / "more.json").write_text(json.dumps(more))
    shown = casestore(*FROM, export, str(tmp_path / "more.json"), "--dry-run").fine().out
    assert "6 events read; 3 events to append, 3 already there, 0 refused" in shown
    assert "\ncase:1" not in f"\n{shown}"
    assert "\ncase:3" in f"\n{shown}"
    assert positions(casestore) == 5  # with the two customers that the store registered


def test_a_dry_run_shows_the_first_refusals(casestore: Casestore, tmp_path: Path) -> None:
    notes = [event(n, "NoteAdded", f"case:{n}", text="lost") for n in range(25)]
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    told = casestore(*FROM, str(tmp_path / "notes.json"), "--dry-run")
    assert told.code == 1
    assert told.err.count("is refused") == 20
    assert told.err.endswith("and 5 more were refused\n")


def test_a_mistyped_instance_is_told(casestore: Casestore, tmp_path: Path) -> None:
    ticket = {"id": 7, "requester_id": 8, "status": "open", "created_at": "2026-03-02T08:00:00Z"}
    (tmp_path / "tickets.json").write_text(json.dumps({"tickets": [ticket]}))
    export, told = str(tmp_path / "tickets.json"), "but of another one (case:zendesk-acme-7)"
    args = ("import", "--from", "zendesk", "--instance")
    assert told not in casestore(*args, "acme", export).fine().out
    assert told not in casestore(*args, "acme", export).fine().out
    assert told in casestore(*args, "amce", export, "--dry-run").fine().out
    assert told in casestore(*args, "amce", export).fine().out
    for wrong in ("acme", "amce"):
        undo = ("--undo", f"zendesk:{wrong}", "--reason", "misreported", "--yes")
        casestore("import", *undo, "--actor", "agent:anna").fine()
    assert "another one" not in casestore(*args, "again", export).fine().out


def test_where_nothing_is_understood_it_says_what_to_do(casestore: Casestore, export: str) -> None:
    for more in ((), ("--dry-run",)):
        out = casestore("import", "--from", "jira", "--instance", "a", export, *more).fine().out
        assert "nothing here was understood as jira: is it what docs/connecting.md says" in out


@pytest.mark.parametrize("ours", ["kettles.example", "@kettles.example"])
def test_an_address_of_ours_is_one(casestore: Casestore, export: str, ours: str) -> None:
    told = casestore("import", "--from", "mail", "--ours", ours, export).failed(2)
    assert "for all of a domain write --ours '*@kettles.example'" in told


def test_a_dry_run_needs_no_store(export: str, tmp_path: Path) -> None:
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    nowhere(*FROM, export, "--dry-run").fine()
    assert not (tmp_path / "none.db").exists()
    assert "casestore init" in nowhere(*FROM, export).failed(2)


def test_lines_are_written_and_can_be_imported(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines.ndjson"
    wrote = casestore(*FROM, export, "--to", str(lines))
    assert wrote.err == "3 events read; wrote 3 lines\n"
    assert wrote.out == ""
    assert lines.stat().st_mode & 0o777 == 0o600
    assert casestore(*FROM, export, "--to", "-", "-q").fine().out == lines.read_text()
    assert casestore("import", str(lines)).fine().out.startswith("3 lines: 3 events appended")
    assert " 0 events appended, 3 already there" in casestore(*FROM, export).fine().out


def test_lines_are_written_whole_or_not_at_all(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    (tmp_path / "cut.json").write_text("[")
    lines = tmp_path / "lines.ndjson"
    ran = casestore(*FROM, export, str(tmp_path / "cut.json"), "--to", str(lines), "--strict")
    assert ran.code == 1
    assert not lines.exists()


def test_lines_are_written_into_a_pipe_or_a_device(
    casestore: Casestore, export: str, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as reading:
        read = reading.submit(pipe.read_bytes)
        assert casestore(*FROM, export, "--to", str(pipe)).code == 0
        assert read.result(30).count(b"\n") == 3
    assert pipe.is_fifo()


def test_a_full_disk_for_the_temporary_file_is_told(
    casestore: Casestore, export: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Scratch.__init__

    def tiny(scratch: Scratch, path: str = "") -> None:
        make(scratch, path)
        scratch.sql.execute("PRAGMA max_page_count = 1")  # it takes no page more

    monkeypatch.setattr(Scratch, "__init__", tiny)
    Path(export).write_text(json.dumps([event(n, "NoteAdded", text="x" * 5000) for n in range(9)]))
    for args in ((), ("--dry-run",), ("--to", "-")):
        said = casestore(*FROM, export, *args).failed(3)
        assert said.startswith(
            "the temporary file of the import could not be written: database or disk is full;"
        )
    assert positions(casestore) == 0


def test_a_full_disk_for_an_archive_that_is_copied_is_told(
    casestore: Casestore, export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zipped = tmp_path / "x.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(export, "export.json")
    packed = tmp_path / "x.gz"
    packed.write_bytes(gzip.compress(zipped.read_bytes()))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    said = casestore(*FROM, str(packed)).failed(3)
    assert said.startswith("the temporary file of the import could not be written: No space left")


def test_since_leaves_out_the_cases_of_before(casestore: Casestore, export: str) -> None:
    ran = casestore(*FROM, export, "--since", "2026-03-03").fine().out
    assert "1 × a case in which nothing happened since then (1 case)" in ran
    assert positions(casestore) == 3  # with the registration of k1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("import",), "an import of NDJSON takes a FILE"),
        (("import", "x", "y"), "an import of NDJSON takes one FILE"),
        (("import", "--strict", "x"), "--strict is for --from"),
        (("import", "--from", "zendesk", "x"), "there is no such file"),
        (("import", "--from", "zendesk"), "name what to read"),
        (("import", "--from", "zendesk", "."), "zendesk needs --instance"),
        (("import", "--from", "zendesk", "--instance", "a:b", "."), "--instance is a short name"),
        (("import", "--from", "zendesk", "--ours", "a@b", "."), "--ours is for mail"),
        (("import", "--from", "zendex", "x"), "did you mean 'zendesk'"),
        (("import", "--from", "mail", "--tag", "[", "."), "--tag is no regular expression"),
        (("import", "--from", "mail", "--tag", "x", "."), "--tag needs a group"),
        (("import", "--from", "otrs", "--instance", "a", "--states", "x", "."), "--states is like"),
        (
            ("import", "--from", "zendesk", "--instance", "a", "--fields", "1=x", "."),
            "--fields is like",
        ),
        ((*FROM, "--trust-recorded-at", "."), "--trust-recorded-at is for NDJSON"),
        ((*FROM, "--dry-run", "--to", "x", "."), "--dry-run shows the lines and --to writes them"),
        (("import", "--from", "csv", "."), "--mapping"),
    ],
)
def test_wrong_usage_says_what_to_write(
    casestore: Casestore, args: tuple[str, ...], says: str
) -> None:
    assert says in casestore(*args).failed(2)


TABLE = """\
number,caller,contact_type,subject,state,updated_at,updated_by,opened_at
I1,k1,Phone,It leaks,New,2026-03-02 10:00,anna,2026-03-02 09:00
I1,k1,Phone,It leaks,Resolved,2026-03-03 10:00,ben,2026-03-02 09:00
I2,k2,Fax,No steam,New,2026-03-02 11:00,anna,2026-03-02 10:30
"""


def test_a_first_mapping_is_written_and_runs(casestore: Casestore, tmp_path: Path) -> None:
    table, mapping = tmp_path / "tickets.csv", tmp_path / "tickets.toml"
    table.write_text(TABLE)
    sample = ("import", "--from", "csv", "--sample", str(table))
    wrote = casestore(*sample, "--mapping", str(mapping)).fine().out
    assert wrote.endswith(f"--mapping {mapping} {table} --dry-run\n")
    assert casestore(*sample).fine().out == mapping.read_text()
    assert "is there already" in casestore(*sample, "--mapping", str(mapping)).failed(2)
    args = ("import", "--from", "csv", "--mapping", str(mapping), str(table))
    assert "3 rows read" in casestore(*args, "--dry-run").fine().out
    assert " 0 refused" in casestore(*args).fine().out
    assert " 0 events appended" in casestore(*args).fine().out


def test_every_mistake_of_a_mapping_is_told_with_its_line(
    casestore: Casestore, tmp_path: Path
) -> None:
    table, mapping = tmp_path / "tickets.csv", tmp_path / "tickets.toml"
    table.write_text(TABLE)
    mapping.write_text(
        'version = 1\nname = "crm"\n[case]\nid = "{numbr}"\nrows = "states"\n'
        'at = "{updated_at}"\ncustomer = "{caller}"\nactr = "agent:{updated_by}"\n'
    )
    ran = casestore("import", "--from", "csv", "--mapping", str(mapping), str(table))
    assert ran.code == 1
    assert f"{mapping}: line 8: case.actr" in ran.err
    assert "did you mean 'actor'" in ran.err


def test_shipped_mappings_are_listed_and_printed(casestore: Casestore) -> None:
    listed = casestore("import", "--mappings", "--format", "json").fine().json
    assert "servicenow-incidents" in [each["name"] for each in listed]
    printed = casestore("import", "--mappings", "servicenow-table").fine().out
    assert 'name = "servicenow-table"' in printed
    assert "did you mean" in casestore("import", "--mappings", "servicenow-tabel").failed(2)
