"""`casestore policy`, `lessons` and `goodwill allowance`: golden text, and wrong usage."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.streams.history import Recorded
from projections.rules.lapses import RULES
from tests.support.command_line import Casestore, Ran, demo_store
from tests.support.golden import check_golden

STRICTER = """\
name = "stricter"

[calendar]
timezone = "Europe/Dublin"
hours.mon = ["09:00-12:30", "13:30-17:00"]

[calendar.holidays]
2026-12-25 = "Christmas"
2026-12-26 = "Saint Stephen's"

[conduct]
reply_within = "8 business hours"
max_agents = 1
needs_operations = ["venue", "billing"]

[roles.agent.limits.USD]
per_gesture = 5
per_year = 30

[roles.care-lead]
final_say = true
limits = { CAD = {}, USD = {}, MYR = {} }

[goodwill]
enforcement = "refuse"
per_year.USD = 60
"""
MISTAKEN = """\
effective_from = 2027-01-01T00:00:00

[calendar]
timezone = "Dublin"
holiday = {}

[conduct]
reply_within = "soon"
max_agent = 3

[roles.agent.limits.usd]
per_gesture = "much"

[roles."\\u001b[31m"]

[gooodwill]
"""
AS_OF = ("--as-of", "2026-09-01T12:00:00Z")


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    (tmp_path / "stricter.toml").write_text(STRICTER)
    (tmp_path / "mistaken.toml").write_text(MISTAKEN)
    return demo_store(tmp_path)


@pytest.fixture
def run(casestore: Casestore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casestore:
    """The command line on the demo's stories, in the folder of the policies."""
    monkeypatch.chdir(tmp_path)
    return casestore


def page(run: Casestore, *commands: str) -> str:
    """Commands and what they give, whole."""
    pages = []
    for command in commands:
        ran = run(*command.split())
        code = f"exit code {ran.code}\n" if ran.code else ""
        pages.append(f"$ casestore {command}\n{ran.out}{ran.err}{code}")
    return re.sub(r'("position": |to position )\d+', r"\1N", "\n".join(pages))


# --- check


def test_check(run: Casestore) -> None:
    check_golden(
        "policy-check.txt",
        page(
            run,
            "policy check stricter.toml",
            "policy check stricter.toml --format json",
            "policy check stricter.toml --format csv",
            "policy check stricter.toml --quiet",
            "policy check mistaken.toml",
            "policy check mistaken.toml --format json",
        ),
    )


def test_check_needs_no_store(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('name = "house"\n[roles.lead]\n[calendar.holidays]\n2026-12-25 = "x"\n')
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    assert nowhere("policy", "check", str(file)).fine().out == "fine: house, 1 role, 1 holiday\n"
    assert not (tmp_path / "none.db").exists()


def test_a_file_as_editors_on_windows_write_it(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(b'\xef\xbb\xbfname = "house"\r\n')
    told = Casestore()("policy", "check", str(file)).fine().out
    assert told == "fine: house, 0 roles, 0 holidays\n"


def test_files_that_are_none(tmp_path: Path) -> None:
    run = Casestore()
    for command in ("check", "backtest", "adopt"):
        assert "does not exist" in run("policy", command, str(tmp_path / "none.toml")).failed(2)
        assert "is a directory" in run("policy", command, str(tmp_path)).failed(2)
    file = tmp_path / "latin.toml"
    file.write_bytes('name = "Häuser"'.encode("latin-1"))
    assert "is not text in UTF-8" in run("policy", "check", str(file)).failed(2)


# --- adopt


def adopted(run: Casestore) -> list[Recorded]:
    with CaseStore.open(run.env["CASESTORE_URL"]) as store:
        return list(store.history("policy"))


def test_adopt(run: Casestore) -> None:
    begun = "--effective-from 2099-01-01 --actor agent:boss:manager"
    check_golden(
        "policy-adopt.txt",
        page(
            run,
            f"policy adopt stricter.toml {begun}",
            f"policy adopt stricter.toml {begun} --format json",
            f"policy adopt stricter.toml {begun} --quiet",
            "policy adopt stricter.toml --effective-from 2026-01-01 --actor agent:boss",
            f"policy adopt mistaken.toml {begun}",
            "policy adopt stricter.toml",
            "policy adopt stricter.toml --actor boss",
            "policy adopt stricter.toml --effective-from soon --actor agent:boss",
        ),
    )
    first, *others = adopted(run)
    assert [each.type for each in (first, *others)] == ["PolicyAdopted"] * 4
    assert {each.event.actor.role for each in others} == {"manager"}


def test_a_policy_takes_effect_as_its_file_says_or_at_once(run: Casestore) -> None:
    before = datetime.now(UTC)
    run("policy", "adopt", "stricter.toml", "--actor", "agent:boss").fine()
    Path("later.toml").write_text(f"effective_from = 2099-01-01T00:00:00+01:00\n{STRICTER}")
    told = run("policy", "adopt", "later.toml", "--actor", "agent:boss").fine().out
    assert told == "adopted stricter, in force from 2098-12-31 23:00 UTC\n"
    run(
        *("policy", "adopt", "later.toml", "--actor", "agent:boss"),
        *("--effective-from", "2099-06-01"),
    ).fine()
    begun = [each.event.effective_from for each in adopted(run)[1:]]  # type: ignore[attr-defined]
    assert timedelta() <= begun[0] - before < timedelta(minutes=1)
    assert [each.year for each in begun[1:]] == [2098, 2099]


def test_a_retry_adopts_once(run: Casestore) -> None:
    def adopt(*more: str) -> Ran:
        command = ("policy", "adopt", "stricter.toml", "--actor", "agent:boss", "--key", "k")
        return run(*command, "--format", "json", *more)

    first = adopt().fine().json
    assert adopt().fine().json == first
    assert len(adopted(run)) == 2
    assert "used before for something else" in adopt("--effective-from", "2099-01-01").failed(1)
    Path("stricter.toml").write_text(f"{STRICTER}gestures_per_year = 1\n")
    assert "use a new key" in adopt().failed(1)


def test_the_first_policy_of_a_store_may_have_a_key(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('name = "house"')
    run = Casestore(f"sqlite:///{tmp_path}/store.db")
    run("init").fine()
    for _ in range(2):
        run("policy", "adopt", str(file), "--key", "k", "--actor", "agent:boss").fine()
    assert len(adopted(run)) == 1


# --- show


def test_show(run: Casestore) -> None:
    later = "--effective-from 2099-01-01 --actor agent:boss --quiet"
    check_golden(
        "policy-show.txt",
        page(
            run,
            "policy show --at 2026-01-01 --tz Asia/Tokyo",
            f"policy adopt stricter.toml {later}",
            "policy show --at 2026-06-01",
            "policy show --at 2099-01-01",
            "policy show --at 2098-12-31T23:59:59Z --format csv",
        ),
    )
    told = run("policy", "show", "--at", "2099-01-01", "--format", "json").fine().json
    assert (told["name"], told["effective_from"]) == ("stricter", "2099-01-01T00:00:00Z")
    assert told["policy"]["conduct"]["max_agents"] == 1
    assert told["policy"]["conduct"]["resend_within"] == "24 hours"
    before = run("policy", "show", "--at", "2025-01-01", "--format", "json").fine().json
    assert (before["name"], before["effective_from"]) == (None, None)
    assert run("policy", "show").fine().out.startswith("care-2026, in force since")


def test_show_of_a_store_that_has_adopted_none(tmp_path: Path) -> None:
    run = Casestore(f"sqlite:///{tmp_path}/store.db")
    assert "init" in run("policy", "show").failed(2)
    run("init").fine()
    told = run("policy", "show", "--at", "2026-06-01").fine().out
    assert told.startswith(
        "No policy is in force at 2026-06-01 00:00 UTC: the built-in one holds\n"
    )
    assert "also adopted" not in told
    assert not re.search(" no$", told, re.MULTILINE)  # built in, all of it


# --- backtest


def test_backtest(run: Casestore) -> None:
    Path("same.toml").write_text('name = "nothing"\n')
    check_golden(
        "policy-backtest.txt",
        page(
            run,
            f"policy backtest stricter.toml {' '.join(AS_OF)}",
            f"policy backtest stricter.toml {' '.join(AS_OF)} --from 2026-07-21 --to 2026-08-01 "
            "--tz Europe/Dublin --format json",
            f"policy backtest stricter.toml {' '.join(AS_OF)} --to 2026-06-01 --format csv",
            f"policy backtest same.toml {' '.join(AS_OF)} --from 2026-08-01",
            "policy backtest mistaken.toml",
        ),
    )
    assert len(adopted(run)) == 1  # nothing is adopted


# --- lessons


def test_lessons() -> None:
    run = Casestore()
    check_golden(
        "lessons.txt",
        page(
            run,
            "lessons",
            "lessons bare-no",
            "lessons repeat-goodwill",
            "lessons bare-no --format json",
            "lessons ignored-message --format csv",
            "lessons nothing",
        ),
    )
    listed = run("lessons", "--format", "json").fine().json
    assert [each["rule"] for each in listed] == list(RULES)
    assert {story for each in listed for story in each["stories"]} == set("12345")


def test_every_rule_can_be_explained() -> None:
    run = Casestore()
    for name, rule in RULES.items():
        told = run("lessons", name).fine().out
        assert told.startswith(f"{name}\n")
        assert len(re.findall(r"^story \d: ", told, re.MULTILINE)) == len(rule.stories) > 0
        assert all(f"\n{number} " in told for number in rule.numbers)


def test_rules_are_completed_by_the_shell(tmp_path: Path) -> None:
    words = {"COMP_WORDS": "casestore lessons bare", "COMP_CWORD": "2"}
    run = Casestore(None, _CASESTORE_COMPLETE="bash_complete", **words)
    assert run.spawn().out == "plain,bare-no\n"


# --- allowance


def test_allowance(run: Casestore) -> None:
    run("policy", "adopt", "stricter.toml", "--actor", "agent:boss", "--quiet").fine()
    late = "--as-of 2099-01-01"
    asked = "goodwill allowance C-5120 --role"
    text = page(
        run,
        f"{asked} supervisor {' '.join(AS_OF)}",
        f"{asked} supervisor --case roaming-bill {' '.join(AS_OF)} --format json",
        f"{asked} supervisor --kind invitation {' '.join(AS_OF)}",
        f"{asked} agent {' '.join(AS_OF)} --sort -left --format csv",
        f"{asked} agent {late}",
        f"{asked} nobody {late}",
        f"{asked} agent --as-of 2026-01-01",
    )
    check_golden("goodwill-allowance.txt", text)


# --- wrong usage


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("policy nothing", "No such command 'nothing'"),
        ("policy check", "Missing argument 'FILE'"),
        ("policy adopt", "Missing argument 'FILE'"),
        ("policy show --at noon", "write one like 2026-03-02T17:00Z"),
        ("policy show --tz Nowhere", "write one like Europe/Berlin"),
        ("policy backtest stricter.toml --from 2026-1", "'2026-1' is not a time"),
        ("policy backtest stricter.toml --limit 3", "No such option"),
        ("goodwill allowance", "Missing argument"),
        ("goodwill allowance C-5120", "Missing option '--role'"),
        ("goodwill allowance nobody --role agent", "there is no customer nobody"),
        ("goodwill allowance C-5120 --role agent --case none", "there is no case none"),
        ("goodwill allowance C-5120 --role agent --kind money", "is not one of 'cash'"),
        ("goodwill allowance C-5120 --role agent --team x", "No such option"),
        ("lessons no-such-rule", "`casestore lessons` lists them"),
    ],
)
def test_wrong_usage_says_what_to_write(run: Casestore, asked: str, says: str) -> None:
    assert says in run(*asked.split()).failed(2)


def test_what_is_shown_is_what_a_service_reads(run: Casestore) -> None:
    run("policy", "adopt", "stricter.toml", "--actor", "agent:boss").fine()
    told = run("policy", "show", "--format", "json").fine().json
    with CaseStore.open(run.env["CASESTORE_URL"]) as store:
        in_force = store.policies().in_force(datetime.now(UTC))
    assert in_force.name == told["name"]
    assert json.dumps(told["policy"]["goodwill"]["per_year"]) == '{"USD": "60"}'
    assert str(in_force.document.goodwill.per_year["USD"]) == "60"
