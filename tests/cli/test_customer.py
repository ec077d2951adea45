"""`casestore customer show`: one customer over all their cases."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from casestore import (
    CaseStore,
    CustomerFactRecorded,
    CustomerRegistered,
    Money,
    PreferenceStated,
)
from casestore.events import PreferenceWithdrawn
from tests.support.command_line import Casestore, demo_store
from tests.support.desk import desk_in
from tests.support.golden import check_golden
from tests.support.stories import (
    customer_merged,
    customer_unmerged,
    gave,
    make,
    opened,
    promised,
    wrote,
)

THEN = ("--as-of", "2026-09-01")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


def test_a_customer_of_the_demo(demo: Casestore) -> None:
    pages = [
        demo("customer", "show", each, *THEN).fine().out
        for each in ("C-3318", "C-5120", "customer:C-1042")
    ]
    check_golden("customer.txt", "\n".join(pages))
    assert "there is no customer nobody" in demo("customer", "show", "nobody").failed(2)
    early = demo("customer", "show", "C-3318", "--as-of", "2020-01-01").fine().out
    assert early == "Customer C-3318 at 2020-01-01 00:00 UTC\ncases  0\n"


def test_names_and_words_only_where_they_are_revealed(demo: Casestore) -> None:
    for form in ("table", "json", "csv"):
        asked = ("customer", "show", "C-3318", *THEN, "--format", form)
        assert "Maeve" not in demo(*asked).fine().out
        assert "Maeve Tiernan" in demo(*asked, "--reveal").fine().out


@pytest.fixture
def told(tmp_path: Path) -> Casestore:
    with desk_in(tmp_path) as desk:
        desk.tell("customer:k1", make(CustomerRegistered, "+0h", {}, name="Ann"))
        desk.tell("customer:k2", make(CustomerRegistered, "+0h", {}, name="Anne"))
        for at, language in (("+1h", "en"), ("+3h", "de")):
            said: dict[str, Any] = {"preference": "language", "value": language}
            desk.tell("customer:k1", make(PreferenceStated, at, {}, **said))
        desk.tell("customer:k1", make(PreferenceStated, "+3h", {}, preference="accessibility"))
        desk.tell("customer:k1", make(PreferenceWithdrawn, "+4h", {}, preference="accessibility"))
        for at, value in (("+5h", "12"), ("+6h", "14")):
            fact: dict[str, Any] = {"field": "meter", "value": value}
            desk.tell("customer:k2", make(CustomerFactRecorded, at, {}, **fact))
        desk.case("a", opened("+7h", customer_id="k1"), promised(at="+7h", due="+9h"))
        desk.case(
            "b",
            opened("+7h", customer_id="k2"),
            wrote(at="+7h"),
            gave(at="+8h", value=Money.exact(Decimal("5.00"), "EUR")),
        )
        desk.tell("customer:k2", customer_merged("k1", "+8h"))
        url = desk.store.url
    return Casestore(url, CASESTORE_KEY_FILE=str(tmp_path / "desk.key"))


def test_who_is_merged_is_one_customer(told: Casestore) -> None:
    shown = [
        told("customer", "show", each, "--format", "json").fine().json for each in ("k1", "k2")
    ]
    for each in shown:
        assert each["customers"] == ["k1", "k2"]
        assert [case["case_id"] for case in each["cases"]] == ["a", "b"]
        assert [promise["state"] for promise in each["promises"]] == ["broken"]
        assert [gesture["case_id"] for gesture in each["goodwill"]] == ["b"]
        assert [(p["preference"], p["value"]) for p in each["preferences"]] == [("language", "de")]
        assert [(f["field"], f["value"]) for f in each["facts"]] == [("meter", "[withheld]")]
        (merge,) = each["merges"]
        assert (merge["customer_id"], merge["what"], merge["other"]) == ("k2", "merged into", "k1")
    revealed = told("customer", "show", "k2", "--reveal", "--format", "json").fine().json
    assert revealed["name"] == "Anne"
    assert [fact["value"] for fact in revealed["facts"]] == ["14"]
    before = ("--as-of", "2026-03-02T16:30:00Z")
    assert told("customer", "show", "k1", *before, "--format", "json").json["customers"] == ["k1"]


def test_who_was_taken_apart_is_two(told: Casestore) -> None:
    unmerged = customer_unmerged("k1", "+9h")
    with CaseStore.open(told.env["CASESTORE_URL"]) as store:
        store.append("customer:k2", unmerged)
    shown = told("customer", "show", "k2", "--format", "json").fine().json
    assert shown["customers"] == ["k2"]
    assert [merge["what"] for merge in shown["merges"]] == ["merged into", "taken out of"]
    assert "merged into" in told("customer", "show", "k2").fine().out


def test_facts_and_preferences_are_told_apart_by_age(tmp_path: Path) -> None:
    with desk_in(tmp_path) as desk:
        desk.customer("k1")
        fact: dict[str, Any] = {"field": "address", "stale_after": "2026-03-03T00:00:00Z"}
        desk.tell("customer:k1", make(CustomerFactRecorded, "+1h", {}, **fact))
        url = desk.store.url
    show = Casestore(url)
    for day, stale in (("2026-03-02T12:00:00Z", False), ("2026-03-04", True)):
        page = show("customer", "show", "k1", "--as-of", day, "--format", "json").fine().json
        assert [fact["stale"] for fact in page["facts"]] == [stale]
