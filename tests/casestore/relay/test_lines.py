"""A file as the receiver: whole lines, also after a kill."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from casestore.relay import LinesFile, Message
from casestore.relay.lines import path_of

FIRST, SECOND = b'{"specversion":"1.0","id":"1"}', b'{"specversion":"1.0","id":"2"}'


def test_each_event_is_a_line_and_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "out.ndjson"
    receiver = LinesFile(file)
    assert receiver.send(Message("1", (FIRST,))).taken
    assert receiver.send(Message("b", (SECOND, FIRST), batched=True)).taken
    assert file.read_bytes() == b"%s\n%s\n%s\n" % (FIRST, SECOND, FIRST)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert receiver.target == f"file://{file}"


@pytest.mark.parametrize("part", [SECOND[:1], SECOND[:10], SECOND, SECOND + b"x" * 200_000])
def test_part_of_a_line_that_a_killed_relay_left_is_written_anew(
    tmp_path: Path, part: bytes
) -> None:
    file = tmp_path / "out.ndjson"
    file.write_bytes(FIRST + b"\n" + part)
    assert LinesFile(file).send(Message("2", (SECOND,))).taken
    assert file.read_bytes() == b"%s\n%s\n" % (FIRST, SECOND)


@pytest.mark.parametrize(
    "words",
    [b"Dear Sir\nyours, Ana", b"Dear Sir\nyours, Ana\n", b"Dear Sir", FIRST + b"\nyours, Ana"],
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, words: bytes) -> None:
    file = tmp_path / "letter"
    file.write_bytes(words)
    answer = LinesFile(file).send(Message("1", (FIRST,)))
    assert not answer.taken
    assert "line is none that a relay has begun" in answer.why
    assert file.read_bytes() == words


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    answer = LinesFile(tmp_path / "nowhere" / "out").send(Message("1", (FIRST,)))
    assert answer.why == "it cannot be written: No such file or directory"


def test_a_url_names_a_file_by_its_whole_path() -> None:
    assert path_of("file:///var/a%20b.ndjson") == Path("/var/a b.ndjson")
    for url in ("file:out.ndjson", "file://host/x", "file:///a%00"):
        with pytest.raises(ValueError, match="with its whole path"):
            path_of(url)
