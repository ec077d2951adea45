"""The records of a JSON file, cut out one by one."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casestore.errors import UnreadableInput
from casestore.intake import json_records
from casestore.intake.json_records import records

LISTS = ("audits", "users")


@pytest.fixture(autouse=True, params=["parsed at once", "cut out of a long file"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "cut out of a long file":
        monkeypatch.setattr(json_records, "_SMALL", 0)


def cut(data: bytes, lists: tuple[str, ...] = LISTS) -> list[tuple[str, Any]]:
    return [(each.name, json.loads(each.data)) for each in records(io.BytesIO(data), lists)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            b'{"audits": [{"a": 1}, {"b": "]}\\""}], "next": null}',
            [("audits", {"a": 1}), ("audits", {"b": ']}"'}), ("", {"next": None})],
        ),
        (b'[{"a": 1}, 2, "x"]', [("", {"a": 1}), ("", 2), ("", "x")]),
        (b'{"a": 1}\n{"a": 2}\r\n\n', [("", {"a": 1}), ("", {"a": 2})]),
        (b'\xef\xbb\xbf{"audits": []}', []),
        (b'{"audits": {"not": "a list"}}', [("", {"audits": {"not": "a list"}})]),
        (b'{"\\u0061udits": [1]}', [("audits", 1)]),
        (b"{}", [("", {})]),
        (b"[]", []),
        (
            b'{"audits": [1], "users": [2], "audits": [3]}',
            [("audits", 1), ("users", 2), ("audits", 3)],
        ),
        (
            b'{"audits": [1]}\n{"audits": [2], "audits": [3]}\n[4]',
            [("audits", 1), ("audits", 2), ("audits", 3), ("", 4)],
        ),
    ],
)
def test_records_are_what_an_api_answers(data: bytes, expected: list[tuple[str, Any]]) -> None:
    assert cut(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b'{"audits": [{"a": 1}',
        b'{"a',
        b'{"a": "b\\',
        b"[1, ",
        b"[1 2]",
        b"",
        b" \n",
        b"\xef\xbb\xbf",
        b"nonsense",
        b"\x89PNG\r\n",
        b'{"a" 1}',
        b"{]",
        b"[,]",
        b"{1: 2}",
        b'"x"',
        "[1]".encode("utf-16"),
        b'{"\\x": 1}',
    ],
)
def test_what_is_no_whole_json_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableInput):
        cut(data)


def test_a_record_that_is_too_long_is_refused_before_it_fills_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json_records, "MOST", 100_000)

    class Endless(io.RawIOBase):
        read_so_far = 0

        def read(self, size: int = -1) -> bytes:
            Endless.read_so_far += size
            return b'["' if Endless.read_so_far == size else b"x" * size

    with pytest.raises(UnreadableInput, match="longer than"):
        list(records(Endless(), ()))  # type: ignore[arg-type]
    assert Endless.read_so_far < 1_000_000


def test_a_record_that_is_nested_without_end_is_refused_soon() -> None:
    read_so_far = 0

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            nonlocal read_so_far
            read_so_far += size
            return b"[" * size

    with pytest.raises(UnreadableInput, match="nested too deeply"):
        list(records(Endless(), ()))  # type: ignore[arg-type]
    assert read_so_far < 16 * 1024 * 1024


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(json_values), st.integers(1, 7), st.booleans())
def test_what_was_written_is_cut_out_whatever_pieces_it_comes_in(
    values: list[Any], piece: int, spaced: bool
) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(piece)

    written = json.dumps({"audits": values}, indent=1 if spaced else None).encode()
    found = [json.loads(each.data) for each in records(Slow(written), LISTS)]
    assert found == values
