"""Workbooks, read back by another library: text stays text, and About says what they answer."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest

from tests.support.command_line import Casestore, demo_store


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


def read(demo: Casestore, file: Path, *asked: str) -> Any:
    assert demo(*asked, "--format", "xlsx", "-o", str(file)).fine().out == ""
    return openpyxl.load_workbook(file)


def test_a_report_as_a_workbook(demo: Casestore, tmp_path: Path) -> None:
    asked = ("goodwill", "history", "C-5120", "--as-of", "2026-09-01", "--tz", "Europe/Berlin")
    book = read(demo, tmp_path / "out.xlsx", *asked)
    assert book.sheetnames == ["goodwill history", "About"]
    sheet = book["goodwill history"]
    head, first, second = sheet.iter_rows()
    names = [cell.value for cell in head]
    row = dict(zip(names, second, strict=True))
    assert row["id"].value == "one-time-credit"
    assert (row["value"].value, row["value"].number_format) == (25, "0.00")
    assert row["value_currency"].value == "USD"
    assert row["asked_for"].value is True
    assert row["given_at"].value.isoformat() == "2026-06-05T17:11:00"
    assert dict(zip(names, first, strict=True))["year_count"].value is None
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:T3"
    about = {key.value: value.value for key, value in book["About"].iter_rows(min_row=2)}
    assert about["report"] == "goodwill history"
    assert about["as of"].isoformat() == "2026-09-01T00:00:00"
    assert about["position"] == 182
    assert about["customer"] == "C-5120"
    assert about["--as-of"] == "2026-09-01 00:00 +02:00"
    assert about["time zone"] == "Europe/Berlin"


def test_text_stays_text(tmp_path: Path) -> None:
    demo = Casestore(f"sqlite:///{tmp_path}/nasty.db")
    demo("init").fine()
    opened = ("CaseOpened", "customer_id=0042", "channel=email", "--actor", "agent:anna")
    for case in ("=1+1", "0012", "1E5", "@x", "https://example.org"):
        demo("record", f"case:{case}", *opened).fine()
    book = read(demo, tmp_path / "out.xlsx", "cases", "--columns", "case_id,customer_id,events")
    rows = list(book["cases"].iter_rows(min_row=2))
    assert sorted(row[0].value for row in rows) == sorted(
        ["=1+1", "0012", "1E5", "@x", "https://example.org"]
    )
    assert {cell.data_type for row in rows for cell in row[:2]} == {"s"}
    assert {row[2].data_type for row in rows} == {"n"}


@pytest.mark.parametrize("asked", ["case timeline nine-days", "case show nine-days", "doctor"])
def test_other_rows_and_objects_too(demo: Casestore, tmp_path: Path, asked: str) -> None:
    book = read(demo, tmp_path / "out.xlsx", *asked.split())
    assert len(book.sheetnames) == 2
    assert book.worksheets[0].max_row > 1


def test_without_the_library_it_says_how_to_get_it(
    demo: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    said = demo("cases", "--format", "xlsx", "-o", str(tmp_path / "out.xlsx")).failed(2)
    assert "casestore[excel]" in said
    assert list(tmp_path.iterdir()) == []
