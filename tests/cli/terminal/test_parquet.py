"""Reports as Parquet, read back by pyarrow, DuckDB and pandas: the same figures, with types."""

from __future__ import annotations

import json
import sys
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from casestore import CaseStore
from projections.reports import REPORTS
from tests import generate
from tests.support.alter import rewrite
from tests.support.command_line import Casestore, demo_store
from tests.support.notes import note, opened

AS_OF = ("--as-of", "2026-09-01T12:00:00Z")
NEVER = ("--from", "1999-01-01", "--to", "1999-01-02")
ASKED = (
    *("today", "cases", "promises", "promises --rate", "goodwill history C-5120"),
    *("goodwill spend --by month", "goodwill given", "goodwill allowance C-5120 --role agent"),
    *("undelivered", "waiting", "overdue", "ageing", "repeats", "lapses", "lapses --explain"),
    *("lapses --by team", "conflicts", "consistency", "breakdown --by team", "responses"),
    *("responses --by month", "period", "causes --by month"),
)
STORES = ("demo", "generated")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    url = f"sqlite:///{tmp_path_factory.mktemp('generated')}/store.db"
    with CaseStore.create(url) as store:
        generate.fill(store, 4_000)
    return Casestore(url)


@pytest.fixture(params=STORES)
def casestore(request: pytest.FixtureRequest) -> Casestore:
    made: Casestore = request.getfixturevalue(request.param)
    return made


def written(casestore: Casestore, file: Path, *asked: str) -> Path:
    assert casestore(*asked, "--format", "parquet", "-o", str(file)).fine().out == ""
    return file


def found(query: str) -> list[tuple[Any, ...]]:
    """What DuckDB answers."""
    rows: list[tuple[Any, ...]] = duckdb.execute(query).fetchall()
    return rows


def same(told: Any, row: dict[str, Any], name: str) -> bool:
    """Whether a row of a Parquet file says what a field of a row in JSON does."""
    held, currency = row[name], row.get(f"{name}_currency")
    match told:
        case {"amount": amount, "currency": code}:
            return (held, currency) == (Decimal(amount), code)
        case [{"amount": _, "currency": _}, *_]:
            return bool(held == [{**each, "amount": Decimal(each["amount"])} for each in told])
        case dict():
            return bool(json.loads(held) == told)
        case _ if isinstance(held, datetime):
            return bool(held == datetime.fromisoformat(told))
        case _:
            return bool(held == told) and currency is None


@pytest.mark.parametrize("asked", ASKED)
def test_a_report_has_all_fields_of_all_rows(
    casestore: Casestore, tmp_path: Path, asked: str
) -> None:
    if casestore("customer", "show", "C-5120").code:  # a customer of the demo's
        asked = asked.replace("C-5120", "C-0000000")
    question = (*asked.split(), *AS_OF)
    told = casestore(*question, "--format", "json").fine().json["rows"]
    read = pq.read_table(written(casestore, tmp_path / "out", *question)).to_pylist()
    assert len(read) == len(told)
    for row, line in zip(read, told, strict=True):
        spread = {name for name in line if name not in row}  # of a mapping, which is JSON here
        assert all(name.startswith("closed_within_") for name in spread)
        assert all(same(line[name], row, name) for name in line if name in row), (row, line)


@pytest.mark.parametrize("asked", ASKED)
def test_the_types_of_a_report_do_not_depend_on_its_rows(
    demo: Casestore, tmp_path: Path, asked: str
) -> None:
    question = (*asked.split(), *AS_OF)
    some = pq.read_schema(written(demo, tmp_path / "some", *question))
    none = pq.read_schema(written(demo, tmp_path / "none", *question, "--limit", "0"))
    assert none.equals(some)
    assert "null" not in str(some)


def test_every_report_is_asked() -> None:
    assert {report.name for report in REPORTS} == {
        report.name for report in REPORTS if any(each.startswith(report.name) for each in ASKED)
    }


def test_what_is_measured_has_its_type(demo: Casestore, tmp_path: Path) -> None:
    def types(*asked: str) -> dict[str, str]:
        schema = pq.read_schema(written(demo, tmp_path / "out", *asked))
        return {each.name: str(each.type) for each in schema}

    promises = types("promises")
    assert (promises["due_at"], promises["late_by_s"]) == ("timestamp[us, tz=UTC]", "int64")
    given = types("goodwill", "given")
    assert (given["value"], given["value_currency"]) == ("decimal128(38, 8)", "string")
    assert given["asked_for"] == "bool"
    assert types("lapses")["evidence"] == "list<element: string>"
    period = types("period")
    assert (period["upheld_share"], period["closed_within"]) == ("double", "string")
    amount = "struct<amount: decimal128(38, 8), currency: string>"
    assert period["goodwill"] == f"list<element: {amount}>"
    assert list(types("cases", "--columns", "case_id,messages")) == ["case_id", "messages"]


def test_duckdb_counts_promises_as_the_report_does(casestore: Casestore, tmp_path: Path) -> None:
    file = written(casestore, tmp_path / "out.parquet", "promises", *AS_OF)
    counts = dict(found(f"SELECT state, count(*) FROM '{file}' GROUP BY state"))
    summary = casestore("promises", *AS_OF, "--format", "json").fine().json["summary"]
    assert counts["kept"] > 0
    assert counts["broken"] > 0
    assert counts == {state: summary[state] for state in counts}
    assert sum(counts.values()) == summary["promises"]


def test_duckdb_adds_goodwill_up_by_currency_as_the_report_does(
    casestore: Casestore, tmp_path: Path
) -> None:
    asked = ("goodwill", "given", "--ledger", "goodwill", "--status", "given", *AS_OF)
    file = written(casestore, tmp_path / "out.parquet", *asked)
    total = f"SELECT value_currency, sum(value) FROM '{file}' WHERE value IS NOT NULL GROUP BY ALL"
    sums = dict(found(total))
    summary = casestore(*asked, "--format", "json").fine().json["summary"]
    assert sums
    assert sums == {each["currency"]: Decimal(each["amount"]) for each in summary["gestures_sum"]}


def test_pandas_counts_cases_by_status_as_the_report_does(
    casestore: Casestore, tmp_path: Path
) -> None:
    frame = pd.read_parquet(written(casestore, tmp_path / "out.parquet", "cases", *AS_OF))
    told = casestore("cases", *AS_OF, "--format", "json").fine().json
    counts, summary = frame["status"].value_counts().to_dict(), told["summary"]
    assert counts == Counter(row["status"] for row in told["rows"])
    assert len(frame) == summary["cases"] + summary["merged"] + summary["not_complaints"]
    assert counts.get("open", 0) == summary["open"]
    assert frame["messages"].sum() == sum(row["messages"] for row in told["rows"])
    assert str(frame["opened_at"].dtype) == "datetime64[us, UTC]"


def test_events_have_the_same_figures_as_the_reports(casestore: Casestore, tmp_path: Path) -> None:
    """Without the events that a correction voided: whoever counts rows has to leave them out."""
    events = tmp_path / "events.parquet"
    casestore("export", "--format", "parquet", "-o", str(events), "--quiet").fine()
    stands = (
        f"FROM '{events}' WHERE event_id NOT IN "
        f"(SELECT corrects FROM '{events}' WHERE type = 'EventCorrected' AND kind = 'voided')"
    )

    def told(*asked: str) -> list[dict[str, Any]]:
        ran = casestore(*asked, "--as-of", "2030-01-01", "--format", "json").fine()
        rows: list[dict[str, Any]] = ran.json["rows"]
        return rows

    opened_ = found(f"SELECT stream_id, channel {stands} AND type = 'CaseOpened'")
    assert set(opened_) == {(row["case_id"], row["channel"]) for row in told("cases")}
    made = found(f"SELECT stream_id, promise_id, kind {stands} AND type = 'PromiseMade'")
    promises = [(row["case_id"], row["promise_id"], row["kind"]) for row in told("promises")]
    assert sorted(made) == sorted(promises)
    amended = f"SELECT corrects FROM '{events}' WHERE type = 'EventCorrected'"
    given = found(
        f"SELECT stream_id, gesture_id, amount, currency {stands} AND type = 'GestureGiven' "
        f"AND amount IS NOT NULL AND event_id NOT IN ({amended})"
    )
    values = {
        (row["case_id"], row["id"]): (Decimal(value["amount"]), value["currency"])
        for row in told("goodwill", "given", "--ledger", "goodwill")
        if (value := row["value"]) is not None
    }
    assert given
    assert {each[:2]: each[2:] for each in given}.items() <= values.items()


def test_the_metadata_say_what_was_asked(demo: Casestore, tmp_path: Path) -> None:
    asked = ("goodwill", "history", "C-5120", "--as-of", "2026-09-01", "--tz", "Europe/Berlin")
    said = pq.read_schema(written(demo, tmp_path / "out", *asked)).metadata
    assert {name: value for name, value in said.items() if name != b"casestore.version"} == {
        b"casestore.command": b"goodwill history",
        b"casestore.report": b"goodwill history",
        b"casestore.as_of": b"2026-08-31T22:00:00Z",
        b"casestore.position": b"182",
        b"casestore.options": b'{"customer": "C-5120", "--as-of": "2026-08-31T22:00:00Z", '
        b'"--tz": "Europe/Berlin"}',
    }


def test_the_same_question_gives_the_same_bytes(demo: Casestore, tmp_path: Path) -> None:
    for name in ("once", "again"):
        written(demo, tmp_path / name, "lapses", "--explain", *AS_OF)
    assert (tmp_path / "once").read_bytes() == (tmp_path / "again").read_bytes()


def test_times_of_an_event_have_their_type_in_a_timeline(demo: Casestore, tmp_path: Path) -> None:
    file = written(demo, tmp_path / "out.parquet", "case", "timeline", "nine-days")
    frame = pd.read_parquet(file)
    assert str(frame["occurred_at"].dtype) == "datetime64[us, UTC]"
    assert frame["version"].to_list() == list(range(1, len(frame) + 1))
    assert json.loads(frame["data"][0])["customer_id"]


@pytest.mark.parametrize("asked", ["case show nine-days", "doctor", "events", "lessons"])
def test_what_nobody_declares_is_text(demo: Casestore, tmp_path: Path, asked: str) -> None:
    table = pq.read_table(written(demo, tmp_path / "out", *asked.split()))
    assert {str(each.type) for each in table.schema} == {"string"}
    if asked == "case show nine-days":
        leaves = {row["field"]: row["value"] for row in table.to_pylist()}
        shown = demo(*asked.split(), "--format", "json").fine().json
        assert leaves["case_id"] == shown["case_id"]


def test_text_is_kept_as_it_is(tmp_path: Path) -> None:
    demo = Casestore(f"sqlite:///{tmp_path}/nasty.db")
    demo("init").fine()
    nasty = "=1+1\x1b[2J\u202e\x00\r\n"
    with CaseStore.open(demo.env["CASESTORE_URL"]) as store:
        store.append("case:=1+1", opened("0042"))
        store.append("case:=1+1", note(nasty))
    file = written(demo, tmp_path / "out", "case", "timeline", "=1+1", "--reveal")
    assert json.loads(pq.read_table(file).to_pylist()[-1]["data"])["text"] == nasty
    file = written(demo, tmp_path / "out", "cases", "--columns", "case_id,customer_id")
    assert pq.read_table(file).to_pylist() == [{"case_id": "=1+1", "customer_id": "0042"}]


def test_it_is_a_file(demo: Casestore, tmp_path: Path) -> None:
    assert "give -o FILE.parquet" in demo("cases", "--format", "parquet").failed(2)
    assert "give -o FILE.parquet" in demo("export", "--format", "parquet").failed(2)
    assert "this command makes no parquet" in demo("init", "--format", "parquet").failed(2)
    said = demo("export", "--format", "xlsx", "-o", str(tmp_path / "out")).failed(2)
    assert "ndjson" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked", ["cases", "export"])
def test_without_the_library_it_says_how_to_get_it(
    demo: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    said = demo(asked, "--format", "parquet", "-o", str(tmp_path / "out.parquet")).failed(2)
    assert "pip install 'casestore[parquet]'" in said
    assert list(tmp_path.iterdir()) == []


def test_an_amount_that_no_event_may_have_is_told(tmp_path: Path) -> None:
    demo, digits = demo_store(tmp_path), "3." + "1" * 30
    with CaseStore.open(demo.env["CASESTORE_URL"]) as store:
        rewrite(store, "case:roaming-bill", '"amount":"118.50"', f'"amount":"{digits}"')
    asked = ("goodwill", "given", "--format", "parquet", "-o", str(tmp_path / "out"))
    assert "value has an amount that no event may have" in demo(*asked).failed(1)
    assert not (tmp_path / "out").exists()
