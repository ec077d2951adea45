"""Times as people say them, and the zone in which they are read and told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.support.command_line import NOW, Casestore, demo_store
from tests.support.notes import note, opened

TUESDAY = NOW
"""1 September 2026, noon in UTC."""
POLICY = 'name = "ours"\n[calendar]\ntimezone = "{zone}"\n'


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    casestore = demo_store(tmp_path_factory.mktemp("demo"))
    casestore.clock = lambda: TUESDAY
    return casestore


def _adopt(casestore: Casestore, folder: Path, zone: str) -> None:
    (folder / "policy.toml").write_text(POLICY.format(zone=zone))
    casestore("policy", "adopt", str(folder / "policy.toml"), "--actor", "agent:boss").fine()


@pytest.fixture
def in_force(tmp_path: Path) -> Callable[[str], Casestore]:
    """Gives the command line on a new store, with a policy in force whose calendar has a zone."""

    def made(zone: str) -> Casestore:
        url = f"sqlite:///{tmp_path}/store.db"
        with CaseStore.create(url, clock=lambda: TUESDAY - timedelta(days=1)) as store:
            store.append("case:1", opened(), note())
        casestore = Casestore(url)
        casestore.clock = lambda: TUESDAY
        _adopt(casestore, tmp_path, zone)
        return casestore

    return made


def _as_of(casestore: Casestore, said: str, *options: str) -> str:
    asked = ("cases", "--as-of", said, "--format", "json", *options)
    told: str = casestore(*asked).fine().json["as_of"]
    return told


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("now", "2026-09-01T12:00:00Z"),
        ("today", "2026-08-31T15:00:00Z"),
        ("yesterday", "2026-08-30T15:00:00Z"),
        ("monday", "2026-08-30T15:00:00Z"),
        ("7d", "2026-08-25T12:00:00Z"),
        ("2026-05", "2026-04-30T15:00:00Z"),
        ("2026-W10", "2026-03-01T15:00:00Z"),
        ("last-month", "2026-07-31T15:00:00Z"),
        ("last week", "2026-08-23T15:00:00Z"),
        ("this-quarter", "2026-06-30T15:00:00Z"),
        ("2026-05-04 17:00", "2026-05-04T08:00:00Z"),
        ("2026-05-04 17:00 UTC", "2026-05-04T17:00:00Z"),
    ],
)
def test_a_time_begins_in_the_zone_asked_for(demo: Casestore, said: str, means: str) -> None:
    tokyo = ("--tz", "Asia/Tokyo")
    assert _as_of(demo, said, *tokyo) == means
    shown = demo("case", "show", "roadshow", "--as-of", said, "--format", "json", *tokyo)
    assert shown.fine().json["as_of"] == means


def test_every_option_takes_such_times(demo: Casestore) -> None:
    def same(said: str, exact: str) -> None:
        told = [demo(*asked.split(), "--format", "json").fine().json for asked in (said, exact)]
        assert told[0] == told[1]

    as_of = "--as-of 2026-09-01T12:00Z"
    same(
        f"cases --opened-from 2026-05 --opened-to this-month --closed-from 2026-Q2 {as_of}",
        "cases --opened-from 2026-05-01T00:00Z --opened-to 2026-09-01T00:00Z "
        f"--closed-from 2026-04-01T00:00Z {as_of}",
    )
    same(
        f"promises --from 2026-05 --to 2026-06 {as_of}",
        f"promises --from 2026-05-01T00:00Z --to 2026-06-01T00:00Z {as_of}",
    )
    same(
        "case show nine-days --known-at last-month",
        "case show nine-days --known-at 2026-08-01T00:00Z",
    )
    same("policy show --at last-year", "policy show --at 2025-01-01T00:00Z")
    told = (
        demo("case", "diff", "nine-days", "2026-W19", "20260512 ", "--format", "json").fine().json
    )
    exact = demo("case", "diff", "nine-days", "2026-05-04", "2026-05-12", "--format", "json").json
    assert told["events"] == exact["events"]
    assert told["events"]


def test_a_period_is_both_ends(demo: Casestore) -> None:
    as_of = ("--as-of", "now", "--format", "json", "--tz", "Europe/Dublin")
    for period, since, until in (
        ("2026-05", "2026-05", "2026-06"),
        ("2026-W19", "2026-05-04", "2026-05-11"),
        ("2026-Q2", "2026-04", "2026-07"),
        ("last-month", "2026-08", "2026-09"),
        ("2026-05-08", "2026-05-08", "2026-05-09"),
    ):
        for report in ("promises", "cases", "lapses"):
            whole = demo(report, "--period", period, *as_of).fine().json
            assert whole == demo(report, "--from", since, "--to", until, *as_of).fine().json
    assert demo("promises", "--period", "2026-05", *as_of).json["rows"]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("cases --period 2026-03 --to 2026-05", "--period is a --from and a --to; leave it or"),
        ("cases --period 2026-03 --from 2026-01", "--period is a --from and a --to; leave it or"),
        ("cases --period 7d", "'--period': '7d' has no end; a period is a day, a week"),
        ("cases --period now", "'now' has no end"),
        ("cases --period noon", "'noon' is not a time; write one like"),
        ("cases --from 2026-05 --to 2026-04", "give the earlier one first"),
        ("cases --closed-to yesteday", "'--closed-to': 'yesteday' is not a time; did you mean"),
        ("cases --as-of 20260504Z", "'20260504Z' is not a time; write one like 2026-03-02T17:00Z"),
        ("case diff nine-days 2026-W99", "FROM: '2026-W99' is not in the calendar; write one"),
        ("case diff nine-days 20260504", "; a time is like 2026-03-02, 2026-03 or 7d"),
    ],
)
def test_what_cannot_be_meant_is_refused(demo: Casestore, asked: str, says: str) -> None:
    assert says in demo(*asked.split()).failed(2)


def test_what_is_no_time_is_told_before_a_store_is_opened(tmp_path: Path) -> None:
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    assert "'noon' is not a time" in nowhere("cases", "--from", "noon").failed(2)
    assert "there is no store" in nowhere("cases", "--from", "monday").failed(2)


def test_a_time_that_clocks_repeat_or_skip_is_refused(demo: Casestore) -> None:
    berlin = ("--tz", "Europe/Berlin")
    twice = demo("cases", "--as-of", "2026-10-25 02:30", *berlin).failed(2)
    assert "'--as-of': '2026-10-25 02:30' comes twice in Europe/Berlin" in twice
    assert "write 2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00" in twice
    never = demo("cases", "--to", "2026-03-29 02:30", *berlin).failed(2)
    assert "'--to': '2026-03-29 02:30' does not exist in Europe/Berlin" in never
    diff = demo("case", "diff", "nine-days", "2026-03-29 02:30", *berlin).failed(2)
    assert "FROM: '2026-03-29 02:30' does not exist" in diff


# --- the zone ------------------------------------------------------------------------------


def test_the_zone_is_the_one_given_else_of_the_environment_else_of_the_policy_else_utc(
    in_force: Callable[[str], Casestore], demo: Casestore
) -> None:
    casestore = in_force("Europe/Berlin")
    assert _as_of(demo, "2026-05-04") == "2026-05-04T00:00:00Z"
    assert _as_of(casestore, "2026-05-04") == "2026-05-03T22:00:00Z"
    assert _as_of(casestore, "2026-05-04", "--tz", "UTC") == "2026-05-04T00:00:00Z"
    casestore.env["CASESTORE_TZ"] = "Asia/Tokyo"
    assert _as_of(casestore, "2026-05-04") == "2026-05-03T15:00:00Z"
    assert _as_of(casestore, "2026-05-04", "--tz", "UTC") == "2026-05-04T00:00:00Z"
    casestore.env["CASESTORE_TZ"] = ""
    assert _as_of(casestore, "2026-05-04") == "2026-05-03T22:00:00Z"


def test_a_policy_that_is_not_in_force_yet_has_no_say(
    in_force: Callable[[str], Casestore], tmp_path: Path
) -> None:
    casestore = in_force("Europe/Berlin")
    (tmp_path / "policy.toml").write_text(POLICY.format(zone="Asia/Tokyo"))
    adopt = ("policy", "adopt", str(tmp_path / "policy.toml"), "--actor", "agent:boss")
    told = casestore(*adopt, "--effective-from", "next-month").fine().out
    assert told == "adopted ours, in force from 2026-10-01 00:00 +02:00\n"
    assert _as_of(casestore, "2026-05-04") == "2026-05-03T22:00:00Z"
    casestore.clock = lambda: datetime(2026, 10, 2, tzinfo=UTC)
    assert _as_of(casestore, "2026-05-04") == "2026-05-03T15:00:00Z"


def test_an_environment_without_a_zone_that_exists_says_so(demo: Casestore) -> None:
    lost = Casestore(demo.env["CASESTORE_URL"], CASESTORE_TZ="Mars/Base")
    for asked in ("cases", "case show nine-days", "policy show", "case timeline nine-days"):
        says = lost(*asked.split()).failed(2)
        assert says == "CASESTORE_TZ: 'Mars/Base' is not a time zone; write one like Europe/Berlin"
        lost(*asked.split(), "--tz", "UTC").fine()
    lost("doctor").fine()
    lost("cases", "--help").fine()


def test_the_zone_is_named_where_times_are_told(
    in_force: Callable[[str], Casestore], demo: Casestore
) -> None:
    casestore = in_force("Europe/Berlin")
    named = "times are in Europe/Berlin"
    for asked in (
        *("cases", "cases --wide", "cases --block", "cases --format markdown", "policy show"),
        *("cases --format html", "case replay 1"),
    ):
        assert casestore(*asked.split()).fine().out.count(named) == 1, asked
    assert "times in    Europe/Berlin" in casestore("case", "show", "1").fine().out
    assert "when (Europe/Berlin)" in casestore("case", "timeline", "1").fine().out
    assert "times are in" not in demo("cases").fine().out  # each says UTC


def test_what_programs_read_changes_with_no_default(
    in_force: Callable[[str], Casestore],
) -> None:
    casestore = in_force("Europe/Berlin")
    asked = ("cases", "--as-of", "2026-09-01T12:00Z", "--format")
    for form in ("csv", "tsv", "json", "ndjson"):
        told = casestore(*asked, form).fine().out
        assert told == casestore(*asked, form, "--tz", "UTC").fine().out
        assert "+01:00" not in told
    assert "+01:00" in casestore(*asked, "csv", "--tz", "Europe/Berlin").fine().out


def test_months_are_those_of_the_default_zone_in_every_format(
    in_force: Callable[[str], Casestore],
) -> None:
    casestore = in_force("Pacific/Kiritimati")  # where the 31st at noon is the 1st
    with CaseStore.open(casestore.env["CASESTORE_URL"], clock=lambda: TUESDAY) as store:
        late = replace(opened(), occurred_at=TUESDAY - timedelta(days=1))
        store.append("case:2", late)
    told = casestore("period", "--format", "json").fine().json["rows"]
    assert told[-1]["period"] == "2026-09"
    assert told[-1]["opened"] == 1
    assert "2026-09" in casestore("period").fine().out
