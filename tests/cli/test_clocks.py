"""A store whose clock was in 2099 once, as it is typed: nothing calls it damage, and what was on
record by a time is the same whichever command is asked."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.support.command_line import Casestore
from tests.support.notes import note, opened
from tests.support.sealed import audit_folder

START = datetime(2026, 3, 3, 9, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def jumped(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    audit_folder(tmp_path, monkeypatch)
    clock = [START]
    with CaseStore.create(store_url, clock=lambda: clock[0]) as store:
        store.append("case:1", opened())
        for at in (FAR, START + timedelta(hours=1), START + timedelta(hours=2)):
            clock[0] = at
            store.append("case:1", note())
            store.append("case:2" if at == FAR else "case:1", opened() if at == FAR else note())
    return Casestore(store_url, CASESTORE_KEY_FILE=os.environ["CASESTORE_KEY_FILE"])


def test_nothing_calls_it_damage(jumped: Casestore, tmp_path: Path) -> None:
    assert jumped("audit", "key").code == 0
    jumped("audit", "seal").fine()
    jumped("audit", "verify").fine()
    bundle = str(tmp_path / "bundle")
    jumped("audit", "case", "1", bundle).fine()
    assert jumped("audit", "verify-bundle", bundle).code == 0
    doctor = jumped("doctor")
    assert doctor.code == 0
    assert "a clock was wrong" in doctor.out
    exported = jumped("export").fine().out
    assert exported.count("2099-01-01") == 2
    jumped("audit", "verify", "--incremental").fine()
    jumped("copy", f"sqlite:///{tmp_path}/copied.db").fine()
    copied = Casestore(f"sqlite:///{tmp_path}/copied.db", **jumped.env)
    copied.env["CASESTORE_URL"] = f"sqlite:///{tmp_path}/copied.db"
    copied("audit", "verify").fine()
    assert copied("doctor").code == 0
    assert copied("export").fine().out == exported


@pytest.mark.parametrize(("hours", "versions"), [(-1, 0), (0, 1), (1, 4), (2, 6), (10**5, 6)])
def test_every_command_has_the_same_on_record(jumped: Casestore, hours: int, versions: int) -> None:
    at = (START + timedelta(hours=hours)).isoformat()
    assert (
        jumped("case", "show", "1", "--known-at", at, "--format", "json").fine().json["version"]
        == versions
    )
    told = jumped("case", "timeline", "1", "--known-at", at, "--format", "ndjson").fine().out
    assert told.count("\n") == versions
    cases = jumped("cases", "--known-at", at, "--format", "json").fine().json["rows"]
    assert len(cases) == min(2, versions)
    early = "2026-01-01T00:00:00Z"
    learnt = jumped("case", "diff", "1", early, at, "--recorded", "--format", "json").fine().json
    assert len(learnt["events"]) == versions
