"""A site's numbers are those of the reports asked alike, on either database, whatever is asked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from casestore import CaseStore
from projections import reports
from projections.pages.list_kinds import LISTS, MAIN
from tests.generate import fill
from tests.support.sites import links, rows_of, site, table

PARTS = ("team", "product", "region", "category")
ZONES = ("UTC", "Asia/Kathmandu", "America/St_Johns")


def asked_at_random(store: CaseStore, random: Random) -> dict[str, Any]:
    """A moment, a zone and a part of the store."""
    some = list(store.read())
    event = random.choice(some)
    asked: dict[str, Any] = {
        "as_of": max(each.occurred_at for each in some) + timedelta(days=random.choice((0, 9))),
        "tz": ZoneInfo(random.choice(ZONES)),
    }
    if random.random() < 0.5:
        asked["known_at"] = event.recorded_at
    row = random.choice(reports.cases(store).rows)
    name = random.choice(PARTS)
    if getattr(row, name) is not None:
        asked[name] = getattr(row, name)
    return asked


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_numbers_are_those_of_reports_and_lead_to_as_many_rows(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    by: Any = random.choice(("day", "week", "month"))
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db", sealed=False) as store:
        fill(store, 400, seed=seed)
        asked = asked_at_random(store, random)
        site(store, tmp_path / "s", by=by, **asked)
        wrong = [
            (each.text, rows_of(each.to), each.to.name)
            for each in links(tmp_path / "s")
            if each.to.parent.name == "list"
            and re.fullmatch(r"[\d,]+", each.text)
            and rows_of(each.to) != int(each.text.replace(",", ""))
            # One case may have been closed or reopened twice.
            and not each.to.name.startswith(("cases-closed-in", "cases-reopened-in"))
        ]
        assert wrong == []
        for name in MAIN:
            kind = LISTS[name]
            options = {**asked, **kind.asked}
            known = {k: v for k, v in options.items() if k not in PARTS or k in kind.report.selects}
            told = rows_of(tmp_path / f"s/list/{name}.html")
            assert told == len(kind.report(store, **known).rows), name
        html = (tmp_path / "s/index.html").read_text()
        shown = [row[:4] for row in table(html, f"Complaints by {by}")]
        told_by = {line.period: line for line in reports.period(store, by=by, **asked).rows}
        for name, received, opened, closed in shown:
            if name in told_by:
                line = told_by[name]
                assert (received, opened, closed) == tuple(
                    f"{each:,}" for each in (line.received, line.opened, line.closed)
                )


def test_both_databases_give_the_same_bytes(
    tmp_path: Path, postgres_schema_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    sites = []
    for name, url in (("lite", f"sqlite:///{tmp_path}/s.db"), ("pg", postgres_schema_url)):
        with CaseStore.create(url, sealed=False) as store:
            fill(store, 300)
            site(store, tmp_path / name, as_of=datetime(2024, 6, 1, tzinfo=UTC))
            sites.append(
                {
                    path.relative_to(tmp_path / name).as_posix(): path.read_text()
                    for path in (tmp_path / name).rglob("*.html")
                }
            )
    one, other = sites
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
