"""`casestore import` and `casestore export`, at the command line's end of it."""

from __future__ import annotations

import gzip
import io
import json
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.transfer.ndjson import MAX_LINE
from cli.commands.transfer import limited_lines
from tests.support.command_line import ROOT, Casestore
from tests.support.terminal import terminal

STORIES = str(ROOT / "cli" / "stories.ndjson")
GOOD = (
    b'{"stream":"case:1","type":"CaseOpened","data":{"occurred_at":"2026-03-02T10:00:00Z",'
    b'"actor":{"kind":"agent","id":"anna"},"customer_id":"k1","channel":"email","subject":"Ach"}}\n'
)


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    url = f"sqlite:///{tmp_path}/store.db"
    CaseStore.create(url).close()
    return Casestore(url)


def test_an_import_ends_with_one_line(casestore: Casestore) -> None:
    first = casestore("import", STORIES).fine().out
    assert first == "182 lines: 182 events appended, 0 already there, 0 refused\n"
    again = casestore("import", STORIES, "--format", "json").fine().json
    assert again == {
        "lines": 182,
        "appended": 0,
        "repeated": 182,
        "refused": [],
        "registered": 0,
    }
    one = casestore("import", "-", stdin=GOOD).fine().out
    assert one == (
        "1 line: 1 event appended, 0 already there, 0 refused; the store registered 1 customer "
        "itself\n"
    )


def test_bad_lines_are_named_on_stderr(casestore: Casestore, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b'{"stream":"case:1"}\n' + GOOD + b"rubbish\n")
    stopped = casestore("import", str(file))
    assert stopped.code == 1
    assert stopped.err.startswith(f"{file}:1: ")
    assert stopped.out.endswith("0 events appended, 0 already there, 1 refused\n")
    skipped = casestore("import", str(file), "--on-error", "skip", "--format", "json")
    assert skipped.code == 1
    assert [line.partition(": ")[0] for line in skipped.err.splitlines()] == [
        f"{file}:1",
        f"{file}:3",
    ]
    assert skipped.json["appended"] == 1
    assert [refusal["line"] for refusal in skipped.json["refused"]] == [1, 3]


def test_a_missing_file_is_wrong_usage(casestore: Casestore, tmp_path: Path) -> None:
    assert "No such file" in casestore("import", str(tmp_path / "none.ndjson")).failed(2)
    assert "Is a directory" in casestore("import", str(tmp_path)).failed(2)


@pytest.mark.parametrize(
    ("begin", "says"),
    [
        (gzip.compress(GOOD), "this is gzip; write `zcat FILE | casestore import -`"),
        (b"PK\x03\x04rest", "this is a ZIP archive"),
        (b"SQLite format 3\0rest", "`casestore copy` copies a store"),
        (
            b"id,opened_at\n1,2026-03-02\n",
            "this looks like CSV; `casestore import --from csv --sample FILE` writes",
        ),
        (b"\xef\xbb\xbfid;opened_at\n1;2026-03-02\n", "this looks like CSV"),
        (
            b"Received: from mail.example\n",
            "this looks like mail; write `casestore import --from mail",
        ),
        (b"From MAILER-DAEMON Mon Mar  2\n", "this looks like mail"),
        (b'[{"stream":"case:1"}]', "this is a JSON array; write one object a line"),
        ('{"stream"'.encode("utf-16"), "write it as UTF-8 first"),
        (b"\x8f\x00,1\n\x02", "this is no text"),
        (b"<?xml version='1.0'?>", "this looks like XML or HTML"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(
    casestore: Casestore, tmp_path: Path, begin: bytes, says: str
) -> None:
    file = tmp_path / "export"
    file.write_bytes(begin)
    assert casestore("import", str(file)).failed(2).startswith(f"{file}: {says}"[:30])
    assert says in casestore("import", str(file)).failed(2)
    with file.open("rb") as piped:
        assert says in casestore.spawn("import", "-", stdin=piped).failed(2)


def test_a_line_that_is_too_long_is_refused_and_not_kept(casestore: Casestore) -> None:
    long = GOOD.replace(b"Ach", b"A" * MAX_LINE)
    ran = casestore("import", "-", "--on-error", "skip", stdin=long + GOOD)
    assert ran.code == 1
    assert "1 event appended, 0 already there, 1 refused" in ran.out


def test_lines_are_read_in_bounded_memory() -> None:
    file = io.BytesIO(b"ab\n" + b"x" * 100 + b"\ncd\n\n" + b"y" * 10 + b"\nlast")
    assert list(limited_lines(file, 10)) == [
        b"ab\n",
        b"x" * 11,
        b"cd\n",
        b"\n",
        b"y" * 10 + b"\n",
        b"last",
    ]


def test_an_export_can_be_imported_elsewhere(casestore: Casestore, tmp_path: Path) -> None:
    casestore("import", STORIES).fine()
    withheld = casestore("export").fine().out
    assert '"personal":"withheld"' in withheld
    assert "Salina" not in withheld
    one = casestore("export", "--stream", "case:roadshow", "--format", "ndjson").fine().out
    assert len(one.splitlines()) == 32
    assert casestore("export", "--stream", "case:none").failed(2)
    assert "ndjson" in casestore("export", "--format", "csv").failed(2)
    assert "ndjson" in casestore("--format", "csv", "export").failed(2)

    url = f"sqlite:///{tmp_path}/other.db"
    CaseStore.create(url).close()
    other = Casestore(url)
    file = tmp_path / "all.ndjson"
    casestore("export", "--reveal", "--output", str(file)).fine()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert other("import", str(file), "--trust-recorded-at").fine()
    timeline = ("case", "timeline", "roadshow", "--reveal", "--format", "json")
    assert other(*timeline).fine().json == casestore(*timeline).fine().json


def test_half_an_export_never_looks_like_one(casestore: Casestore, tmp_path: Path) -> None:
    casestore("import", STORIES).fine()
    key = tmp_path / "store.db.key"
    key.rename(tmp_path / "elsewhere")
    out = tmp_path / "all.ndjson"
    out.write_text("the last one")
    assert "key file" in casestore("export", "--reveal", "--output", str(out)).failed(3)
    assert out.read_text() == "the last one"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_a_terminal_gets_a_progress_bar(
    casestore: Casestore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.terminal.progress.is_visible", lambda: True)
    ran = casestore("import", STORIES)
    assert ran.code == 0
    assert "182 lines" in ran.err
    assert casestore("import", STORIES, "--quiet").fine()
    assert json.loads(casestore("import", STORIES, "--quiet", "--format", "json").out)


def test_an_export_says_how_many_events_it_wrote(casestore: Casestore, tmp_path: Path) -> None:
    casestore("import", "-", stdin=GOOD).fine()
    file = tmp_path / "out.ndjson"
    said = casestore("export", "--output", str(file)).fine().out
    assert (
        said == f"wrote {file}: 2 events\n"
    )  # the line, and the customer whom the store registered
    assert casestore("export", "-o", str(file), "--quiet").fine().out == ""
    assert len(file.read_bytes().splitlines()) == 2


def test_ctrl_c_says_how_far_it_came_and_how_to_go_on(casestore: Casestore, tmp_path: Path) -> None:
    process = casestore.process("import", "-", stdin=subprocess.PIPE)
    assert process.stdin is not None
    lines = [GOOD.replace(b"case:1", b"case:%d" % n) for n in range(1500)]
    process.stdin.write(b"".join(lines))
    process.stdin.flush()
    deadline = time.monotonic() + 60
    with CaseStore.open(casestore.env["CASESTORE_URL"]) as store:
        while store._recorder.last_position() < 1000 and time.monotonic() < deadline:
            time.sleep(0.05)
    time.sleep(0.5)  # by now it waits for more lines
    process.send_signal(signal.SIGINT)
    process.wait(30)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.decode() == (
        "casestore: stopped after 1,000 lines; import the same lines again to go on: what is in "
        "the store already is not appended twice\n"
    )
    again = casestore("import", "-", stdin=b"".join(lines)).fine().out
    assert again.startswith("1,500 lines: 500 events appended, 1,000 already there, 0 refused")


def test_no_bar_of_nothing(casestore: Casestore, tmp_path: Path) -> None:
    casestore("import", STORIES).fine()
    with terminal(casestore, "waiting") as shown:
        shown.end()
    with terminal(casestore, "waiting") as shown:  # the tables are up to date
        assert "0 events" not in shown.end().out
