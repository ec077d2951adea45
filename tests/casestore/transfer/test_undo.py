"""Undoing an import: all of it is voided or nothing, and then it is as if it had never been."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casestore import (
    Actor,
    CaseClosed,
    CaseMerged,
    CaseReopened,
    CaseStore,
    CaseUnmerged,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    DeliveryFailed,
    Event,
    EventCorrected,
    EventRefused,
    PreferenceStated,
    ReplySent,
)
from casestore.append.request import Append
from casestore.doctor.examine import examine
from casestore.privacy.erasure import erase, readable
from casestore.streams.customer import STORE
from casestore.transfer.ndjson import export_lines, import_lines
from casestore.transfer.undo import Undone, undo
from casestore.transfer.undo_plan import Plan, plan_undo
from projections import PROJECTIONS, reports
from projections.engine.live import LiveTables
from projections.engine.maker import Maker
from projections.engine.rebuild import rebuild
from projections.models.customers import CUSTOMERS
from tests.support.alter import alter
from tests.support.histories import Fact, Told, some_facts
from tests.support.holds import held, let_go
from tests.support.notes import ANNA, T, note, opened

BOSS = Actor(kind="agent", id="boss", role="manager")
ACME = "zendesk:acme"
Batch = tuple[str, Event]


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def take_in(store: CaseStore, *events: Batch, source: str = ACME, keys: str = "k") -> list[bool]:
    """Append as an import does: each line by itself, with a key and a source."""
    outcomes = store.write(
        [
            Append(batches=((stream, (event,)),), key=f"{keys}:{n}", source=source, imported=True)
            for n, (stream, event) in enumerate(events)
        ]
    )
    assert all(isinstance(each, bool) for each in outcomes), outcomes
    return [each is True for each in outcomes]


def registered(name: str = "Anna K") -> CustomerRegistered:
    return CustomerRegistered(occurred_at=T, actor=ANNA, name=name)


def replied(reply_id: str = "r1", **more: Any) -> ReplySent:
    return ReplySent(occurred_at=T, actor=ANNA, reply_id=reply_id, channel="email", **more)


def bounced(reply_id: str = "r1") -> DeliveryFailed:
    return DeliveryFailed(occurred_at=T, actor=ANNA, reply_id=reply_id, kind="permanent")


def closed() -> CaseClosed:
    return CaseClosed(occurred_at=T, actor=ANNA, reason="resolved")


def prefers() -> PreferenceStated:
    return PreferenceStated(occurred_at=T, actor=ANNA, preference="language", value="en")


def into(other: str) -> CaseMerged:
    return CaseMerged(occurred_at=T, actor=ANNA, into=other)


TWO_CASES: Sequence[Batch] = (
    ("customer:c1", registered()),
    ("case:1", opened(subject="one")),
    ("case:1", note("two")),
    ("case:1", replied()),
    ("case:1", closed()),
    ("case:2", opened("c2", subject="three")),
    ("case:2", note("four")),
)


def undone(store: CaseStore, source: str = ACME) -> Undone:
    plan = plan_undo(store, source)
    return undo(store, plan, reason="misreported", actor=ANNA, authorised_by=BOSS)


def hangs(store: CaseStore, source: str = ACME) -> list[tuple[str, int, str]]:
    """What hangs on an import; and that therefore nothing of it is undone."""
    plan, before = plan_undo(store, source), list(store.read())
    assert plan.hanging_count == len(plan.hanging) > 0
    with pytest.raises(EventRefused, match=f"nothing of {source} is undone"):
        undo(store, plan, reason="misreported", actor=ANNA, authorised_by=BOSS)
    assert list(store.read()) == before
    return [(each.stream, each.version, each.type) for each in plan.hanging]


def counted(store: CaseStore) -> tuple[list[str], list[str]]:
    """The cases and the customers that the tables have."""
    cases = [row.case_id for row in reports.cases(store).rows]
    return sorted(cases), sorted(each for each in _customers(store))


def _customers(store: CaseStore) -> list[str]:
    maker = Maker(store, [CUSTOMERS], until=store._recorder.last_position())
    made = maker.of_range("customer:", "customer;")
    assert not made.parked["customers"]
    return [row[0].removeprefix("customer:") for row in made.rows["customers"]]


def amiss(store: CaseStore) -> list[str]:
    return [f"{f.where}: {f.what}" for f in examine(store) if f.level != "ok"]


# --- what is voided ----------------------------------------------------------------------------


def test_an_import_is_undone_and_no_case_is_left(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    assert counted(store) == (["1", "2"], ["c1", "c2"])
    plan = plan_undo(store, ACME)
    assert (plan.events, plan.cases_gone, plan.cases_changed, plan.customers_gone) == (8, 2, 0, 2)
    assert (plan.registrations, plan.hanging, plan.voided_before) == (1, (), 0)
    assert plan.types == {
        "CaseClosed": 1,
        "CaseOpened": 2,
        "CustomerRegistered": 2,
        "NoteAdded": 2,
        "ReplySent": 1,
    }
    assert plan.first_recorded is not None
    assert undone(store) == Undone(8, 0)
    assert counted(store) == ([], [])
    assert store.case("1").status is None
    assert not store.customer("c1").registered
    assert amiss(store) == []


def test_every_report_is_that_of_an_empty_store(tmp_path: Path) -> None:
    with Told(tmp_path / "empty.db") as empty, Told(tmp_path / "undone.db") as filled:
        take_in(filled.store, *TWO_CASES)
        reports.cases(filled.store)  # the tables hold the cases, and have to lose them
        undone(filled.store)
        assert everything(filled) == everything(empty)
        assert filled.rows() == empty.rows()


def everything(told: Told) -> list[Any]:
    found = []
    for report in reports.REPORTS:
        needed: dict[str, Any] = {
            option.name: option.kind[0] if isinstance(option.kind, tuple) else "first_line"
            for option in report.options
            if option.required
        }
        if report.argument is not None:
            needed[report.argument] = "x"
        result = report(told.store, as_of=told.store.now(), **needed)
        found.append((report.name, result.rows, result.summary))
    return found


def test_a_rebuild_gives_the_same_as_following(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("case:9", opened("c1"))
    reports.cases(store)
    undone(store)
    live = reports.cases(store).rows
    with LiveTables(store, PROJECTIONS) as tables:
        rebuild(tables)
    assert reports.cases(store).rows == live
    assert [row.case_id for row in live] == ["9"]


def test_nothing_is_deleted_and_earlier_reports_stay(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    known_at = store.history("case:2").originals[-1].recorded_at
    undone(store)
    history = store.history("case:1", reveal=True)
    assert (len(history), len(history.originals), len(history.voided)) == (0, 8, 4)
    assert [str(each.words["text"]) for each in history.voided.values() if "text" in each.words]
    assert len(history.set_aside) == 4
    first = history.set_aside[0].event
    assert isinstance(first, EventCorrected)
    assert (first.kind, first.reason, first.authorised_by) == ("voided", "misreported", BOSS)
    assert history.set_aside[0].metadata.correlation_id == "undo zendesk:acme"
    assert len(reports.cases(store, known_at=known_at).rows) == 2
    assert reports.cases(store, as_of=T + timedelta(days=1)).rows == []


def test_undoing_twice_does_nothing(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    undone(store)
    before = store._recorder.last_position()
    plan = plan_undo(store, ACME)
    assert (plan.events, plan.voided_before, plan.batches) == (0, 7, ())
    assert undone(store) == Undone(0, 0)
    assert store._recorder.last_position() == before


def test_only_that_source_is_undone(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    for n, source in enumerate(("zendesk:acme2", "zendesk", "zendesk:acm", 'zendesk:"acme"')):
        take_in(store, (f"case:o{n}", opened(f"o{n}")), source=source, keys=source)
    assert plan_undo(store, "zendesk:nobody").events == 0
    undone(store)
    assert counted(store)[0] == ["o0", "o1", "o2", "o3"]
    undone(store, 'zendesk:"acme"')
    assert counted(store)[0] == ["o0", "o1", "o2"]


def test_what_a_reader_made_of_end_states_goes_too(store: CaseStore) -> None:
    take_in(store, ("case:1", opened()), source="freshdesk-end-state:acme", keys="e")
    take_in(store, ("case:1", note("x")), source="freshdesk:acme")
    assert undone(store, "freshdesk:acme").events == 3
    assert counted(store) == ([], [])


def test_a_case_that_somebody_else_opened_stays(store: CaseStore) -> None:
    store.append("case:1", opened(), note("ours"))
    take_in(store, ("case:1", note("imported")), ("case:1", closed()))
    plan = plan_undo(store, ACME)
    assert (plan.events, plan.cases_gone, plan.cases_changed, plan.customers_gone) == (2, 0, 1, 0)
    undone(store)
    assert [each.version for each in store.history("case:1")][:2] == [1, 2]
    assert (store.case("1").status, counted(store)) == ("open", (["1"], ["c1"]))


def test_a_customer_with_another_case_stays_registered_by_the_store(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("case:9", opened("c1"))
    assert undone(store).events == 8
    assert counted(store) == (["9"], ["c1"])
    customer = store.customer("c1")
    assert (customer.registered, customer.registered_by_store) == (True, True)
    last = store.history("customer:c1").originals[-1]
    assert (last.event.actor, last.occurred_at) == (STORE, T)
    store.append("customer:c1", registered("Told again"))  # it takes the place of the store's
    store.append("customer:c1", prefers())
    assert amiss(store) == []


def test_a_customer_whom_a_service_knows_stays_as_they_are(store: CaseStore) -> None:
    store.append("customer:c2", registered(), prefers())
    take_in(store, *TWO_CASES)
    assert undone(store).events == 7
    assert counted(store) == ([], ["c2"])
    assert store.customer("c2").preferences == {"language": "en"}


def test_what_was_amended_is_voided_with_its_corrections(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    opening = store.history("case:1").originals[0]
    amend = EventCorrected(
        occurred_at=T,
        actor=ANNA,
        event_id=opening.event_id,
        kind="amended",
        changes={"category": {"from": None, "to": "kettle"}},
        reason="mistyped",
        authorised_by=BOSS,
    )
    store.append("case:1", amend)
    assert plan_undo(store, ACME).corrected == 1
    undone(store)
    assert counted(store) == ([], [])
    assert amiss(store) == []


def test_merged_cases_and_customers_of_one_import_go_together(store: CaseStore) -> None:
    merge = CustomerMerged(occurred_at=T, actor=ANNA, into="c1")
    take_in(
        store,
        ("customer:c1", registered()),
        ("customer:c2", registered()),
        ("case:a", opened()),
        ("case:b", opened()),
        ("case:c", opened("c2")),
        ("case:c", into("b")),
        ("case:b", into("a")),
        ("customer:c2", merge),
        ("case:a", replied()),
        ("case:c", note("later")),
    )
    undone(store)
    assert counted(store) == ([], [])
    assert amiss(store) == []


# --- importing again ---------------------------------------------------------------------------


def test_the_same_import_again_appends_nothing(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    undone(store)
    assert not any(take_in(store, *TWO_CASES))
    assert counted(store) == ([], [])


def test_under_another_instance_it_is_imported_anew(store: CaseStore) -> None:
    """The ids of cases, customers and replies are the same: what was voided is in nobody's way."""
    take_in(store, *TWO_CASES)
    undone(store)
    assert all(take_in(store, *TWO_CASES, source="zendesk:acme-2", keys="k2"))
    assert counted(store) == (["1", "2"], ["c1", "c2"])
    assert store.case("1").status == "closed"
    assert [r.version for r in store.history("case:1", as_of=T + timedelta(days=1))] == [
        9,
        10,
        11,
        12,
    ]
    assert store.case("1", as_of=T - timedelta(days=1)).status is None
    words = [
        str(each.words["text"])
        for each in store.history("case:1", reveal=True)
        if each.type == "NoteAdded"
    ]
    assert words == ["two"]
    assert amiss(store) == []
    assert undone(store, "zendesk:acme-2").events == 8
    assert counted(store) == ([], [])


def test_a_mapping_that_named_the_wrong_customers_can_be_mended(store: CaseStore) -> None:
    take_in(store, ("case:1", opened("wrong", subject="x")), ("case:1", note("said")))
    undone(store)
    right = opened("right", subject="y")
    take_in(store, ("case:1", right), ("case:1", note("meant")), source="csv:new", keys="n")
    assert counted(store) == (["1"], ["right"])
    (row,) = reports.cases(store).rows
    assert row.customer_id == "right"
    assert amiss(store) == []
    erase(store, "wrong", basis="gdpr-17", actor=ANNA)
    words = {
        r.version: r.privacy for r in store.history("case:1", reveal=True).originals if r.personal
    }
    assert words == {1: "erased", 2: "erased", 5: "revealed", 6: "revealed"}
    assert undone(store, "csv:new").events == 3
    assert counted(store) == ([], ["wrong"])  # who was erased stays on record


def test_a_row_of_another_customer_is_still_found(store: CaseStore) -> None:
    take_in(store, ("case:1", opened("wrong")), ("case:1", note("said")))
    undone(store)
    take_in(store, ("case:1", opened("right")), source="csv:new", keys="n")
    alter(store, "UPDATE {t} SET customer_id = 'right' WHERE topic = 'NoteAdded'")
    assert any("has rows of different customers" in each for each in amiss(store))


def test_a_store_with_an_undone_import_is_exported_and_imported(
    store: CaseStore, tmp_path: Path
) -> None:
    take_in(store, *TWO_CASES)
    store.append("case:9", opened("c1"))
    undone(store)
    take_in(store, *TWO_CASES, source="zendesk:acme-2", keys="k2")
    lines = list(export_lines(store, reveal=True))
    for trusted in (False, True):
        url = f"sqlite:///{tmp_path}/moved-{trusted}.db"
        with CaseStore.create(url, key_file=tmp_path / f"{trusted}.key") as moved:
            result = import_lines(moved, lines, trust_recorded_at=trusted)
            assert result.refused == ()
            assert result.appended + result.registered == len(lines)
            assert counted(moved) == counted(store)
            again = [json.loads(line)["stream"] for line in export_lines(moved)]
            assert again == [json.loads(line)["stream"] for line in lines]


# --- what hangs on it --------------------------------------------------------------------------


def test_a_services_reply_in_an_imported_case_hangs_on_it(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("case:2", replied("ours"), source="desk")
    assert hangs(store) == [("case:2", 3, "ReplySent")]
    (hanging,) = plan_undo(store, ACME).hanging
    assert (hanging.source, hanging.why) == ("desk", "the case is not open yet")
    void = EventCorrected(
        occurred_at=T,
        actor=ANNA,
        event_id=store.history("case:2").originals[-1].event_id,
        kind="voided",
        reason="other",
        authorised_by=BOSS,
    )
    store.append("case:2", void)
    assert undone(store).events == 8


def test_a_bounce_of_an_imported_reply_hangs_on_it(store: CaseStore) -> None:
    store.append("case:1", opened())
    take_in(store, ("case:1", replied()))
    take_in(store, ("case:1", bounced()), source="mail", keys="mail")
    assert hangs(store) == [("case:1", 3, "DeliveryFailed")]
    assert undone(store, "mail").events == 1
    assert undone(store).events == 1


def test_a_later_imports_cases_are_undone_first(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    take_in(store, ("case:1", note("later")), source="mail", keys="mail")
    assert hangs(store) == [("case:1", 5, "NoteAdded")]
    undone(store, "mail")
    assert undone(store).events == 8


def test_a_preference_of_an_imported_customer_hangs_on_it(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("customer:c1", prefers())
    assert hangs(store) == [("customer:c1", 2, "PreferenceStated")]


def test_a_case_that_was_merged_into_an_imported_one_hangs_on_it(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("case:9", opened("c1"), into("1"))
    assert hangs(store) == [("case:9", 2, "CaseMerged")]
    store.append("case:9", CaseUnmerged(occurred_at=T, actor=ANNA, out_of="1"))
    assert undone(store).events == 8
    assert counted(store) == (["9"], ["c1"])


def test_a_customer_who_was_merged_into_an_imported_one_hangs_on_it(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("customer:c9", registered(), CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    assert hangs(store) == [("customer:c9", 2, "CustomerMerged")]


def test_what_names_something_of_an_imported_case_hangs_on_it(store: CaseStore) -> None:
    store.append("case:9", opened("c1"))
    store.append("case:1", opened())
    take_in(store, ("case:1", replied()))
    store.append("case:9", into("1"))
    store.append("case:9", bounced("1/r1"))
    assert hangs(store) == [("case:9", 3, "DeliveryFailed")]
    assert "reply 'r1' of case '1'" in plan_undo(store, ACME).hanging[0].why


def test_what_would_be_refused_on_the_way_hangs_on_it(store: CaseStore) -> None:
    store.append("case:1", opened())
    take_in(store, ("case:1", closed()), ("case:1", CaseReopened(occurred_at=T, actor=ANNA)))
    store.append("case:1", closed())
    assert hangs(store) == [("case:1", 4, "CaseClosed")]


def test_what_cannot_be_voided_is_in_the_way(store: CaseStore) -> None:
    take_in(store, ("case:1", opened()), ("case:2", opened()), ("case:1", into("2")))
    take_in(store, ("case:1", CaseUnmerged(occurred_at=T, actor=ANNA, out_of="2")), keys="unmerged")
    assert hangs(store) == [("case:1", 3, "CaseUnmerged")]
    assert plan_undo(store, ACME).hanging[0].why == "CaseUnmerged cannot be voided"


def test_a_correction_of_what_others_recorded_is_in_the_way(store: CaseStore) -> None:
    store.append("case:1", opened(), note("ours"))
    void = EventCorrected(
        occurred_at=T,
        actor=ANNA,
        event_id=store.history("case:1").originals[1].event_id,
        kind="voided",
        reason="other",
        authorised_by=BOSS,
    )
    take_in(store, ("case:1", void))
    assert hangs(store) == [("case:1", 3, "EventCorrected")]


# --- words, holds and erasures -----------------------------------------------------------------


def test_voided_words_stay_sealed_and_are_erased(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    undone(store)
    assert {each.stream for each in readable(store, "c1")} == {"customer:c1", "case:1"}
    erase(store, "c1", basis="gdpr-17", actor=ANNA)
    assert readable(store, "c1") == []
    parts = [r for r in store.history("case:1", reveal=True).originals if r.personal]
    assert {r.privacy for r in parts} == {"erased"}
    assert amiss(store) == []
    # Imported anew, the customer is registered again, and has new words.
    take_in(store, *TWO_CASES, source="zendesk:acme-2", keys="k2")
    assert len(readable(store, "c1")) == 3


def test_after_it_a_hold_still_refuses_an_erasure(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    undone(store)
    store.append("customer:c1", held("h1"))
    with pytest.raises(EventRefused, match="a legal hold stands"):
        erase(store, "c1", basis="gdpr-17", actor=ANNA)
    store.append("customer:c1", let_go("h1"))
    assert erase(store, "c1", basis="gdpr-17", actor=ANNA).now
    with pytest.raises(EventRefused, match="the customer is not registered yet"):
        store.append("customer:nobody", held("h1"))


def test_an_erasure_stays_with_the_registration_that_it_rests_on(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    erase(store, "c1", basis="gdpr-17", actor=ANNA)
    plan = plan_undo(store, ACME)
    assert (plan.events, plan.kept, plan.hanging) == (7, 1, ())
    undone(store)
    assert counted(store) == ([], ["c1"])
    assert store.customer("c1").erased
    again = plan_undo(store, ACME)
    assert (again.events, again.kept) == (0, 1)
    assert amiss(store) == []


def test_a_hold_stays_with_the_registration_that_it_rests_on(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    store.append("customer:c1", held("h1"))
    assert undone(store).events == 7
    assert store.customer("c1").holds == {"h1": "claim"}
    with pytest.raises(EventRefused, match="a legal hold stands"):
        erase(store, "c1", basis="gdpr-17", actor=ANNA)


# --- meanwhile ---------------------------------------------------------------------------------


def go_on(store: CaseStore, plan: Plan) -> Undone:
    return undo(store, plan, reason="misreported", actor=ANNA, authorised_by=BOSS)


def test_who_answers_meanwhile_has_it_refused_whole(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    plan = plan_undo(store, ACME)
    store.append("case:1", note("just now"))
    before = store._recorder.last_position()
    with pytest.raises(EventRefused, match=r"NoteAdded .version 5. would not hold"):
        go_on(store, plan)
    assert store._recorder.last_position() == before


def test_who_merges_a_case_into_it_meanwhile_has_it_refused_whole(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    plan = plan_undo(store, ACME)
    store.append("case:9", opened("c1"), into("1"))
    with pytest.raises(EventRefused, match="'9' is merged into it; undo that merge first"):
        go_on(store, plan)
    assert plan_undo(store, ACME).voided_before == 0


def test_who_merges_a_customer_into_it_meanwhile_has_it_refused_whole(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    plan = plan_undo(store, ACME)
    store.append("customer:c9", registered(), CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    with pytest.raises(EventRefused, match="'c9' is merged into it; undo that merge"):
        go_on(store, plan)
    assert plan_undo(store, ACME).voided_before == 0


def test_appends_are_written_whole_or_not_at_all(store: CaseStore) -> None:
    fine = Append(batches=(("case:1", (opened(),)),))
    refused = Append(batches=(("case:2", (note(),)),))
    never = Append(batches=(("case:3", (opened(),)),))
    outcomes = store.write([fine, refused, never], whole=True)
    assert outcomes[0] is True
    assert isinstance(outcomes[1], EventRefused)
    assert (len(outcomes), list(store.read())) == (2, [])
    assert store.write([fine, never], whole=True) == [True, True]
    assert store.write([fine, never], whole=True) == [False, False]


def test_who_opens_a_case_meanwhile_has_the_customer_registered(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    plan = plan_undo(store, ACME)
    store.append("case:8", opened("c1"))
    store.append("case:9", opened("c2"))
    go_on(store, plan)
    assert counted(store) == (["8", "9"], ["c1", "c2"])
    assert store.customer("c1").registered_by_store
    assert store.customer("c2").registered_by_store


def test_what_is_imported_meanwhile_is_told_of(store: CaseStore) -> None:
    take_in(store, *TWO_CASES)
    plan = plan_undo(store, ACME)
    take_in(store, ("case:3", opened("c3")), keys="late")
    assert go_on(store, plan) == Undone(8, 1)
    assert counted(store) == (["3"], ["c3"])
    assert undone(store).events == 2


# --- by hand -----------------------------------------------------------------------------------


def voided(store: CaseStore, stream: str, version: int) -> EventCorrected:
    return EventCorrected(
        occurred_at=T,
        actor=ANNA,
        event_id=store.history(stream).originals[version - 1].event_id,
        kind="voided",
        reason="wrong_case",
        authorised_by=BOSS,
    )


def test_an_opening_is_voided_by_hand_when_nothing_else_is_left(store: CaseStore) -> None:
    store.append("case:1", opened(), note("x"))
    with pytest.raises(EventRefused, match=r"NoteAdded .version 2. would not hold"):
        store.append("case:1", voided(store, "case:1", 1))
    store.append("case:1", voided(store, "case:1", 2), voided(store, "case:1", 1))
    assert counted(store) == ([], ["c1"])
    with pytest.raises(EventRefused, match="the case is not open yet"):
        store.append("case:1", note("y"))
    store.append("case:1", opened("c2"), note("z"))
    assert counted(store) == (["1"], ["c1", "c2"])


def test_a_registration_is_voided_by_hand_and_the_store_registers_again(store: CaseStore) -> None:
    store.append("customer:c1", registered())
    store.append("customer:c1", voided(store, "customer:c1", 1))
    assert counted(store) == ([], [])
    store.append("customer:c1", registered())
    store.append("case:1", opened())
    store.append("customer:c1", voided(store, "customer:c1", 3))
    assert counted(store) == (["1"], ["c1"])
    assert store.customer("c1").registered_by_store


# --- the law -----------------------------------------------------------------------------------


def without_counts(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Corrections are events of a case too: their number, and when the last was, is left out."""
    counts = ("events", "last_event_at")
    return {
        name: [{field: row[field] for field in row if field not in counts} for row in of_one]
        for name, of_one in rows.items()
    }


@pytest.mark.parametrize("merges", [0, 0.1], ids=["apart", "merged"])
@pytest.mark.parametrize("share", [0, 0.04, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_after_it_everything_reads_as_if_it_had_never_been(
    tmp_path: Path, seed: int, share: float, merges: float
) -> None:
    """Two streams are imported whole, and some events of the others; so is what hangs on them."""
    random = Random(seed)
    facts = some_facts(tmp_path, seed, 120, merges=merges)
    with Told(tmp_path / "all.db") as told:  # an unmerging cannot be voided
        unmerged = (CaseUnmerged, CustomerUnmerged)
        facts = [f for f in facts if not isinstance(f.event, unmerged) and told.tell(f)]
    whole = set(random.sample(sorted({fact.stream for fact in facts}), 2))
    imported = {f.key for f in facts if f.stream in whole or random.random() < share}
    before = 0
    while len(imported) > before:
        before = len(imported)
        with Told(tmp_path / f"{before}.db") as told:
            for fact in facts:
                assert tell(told, fact, ACME if fact.key in imported else None)
            plan = plan_undo(told.store, ACME)
            if not plan.hanging:
                assert undone(told.store).events > 0
                assert plan_undo(told.store, ACME).events == 0
                left = without_counts(told.rows())
            keys = {each.uid: each.metadata.key for each in told.store.read()}
            imported |= {key for each in plan.hanging if (key := keys[each.event_id])}
    assert plan.hanging == ()
    with Told(tmp_path / "never.db") as never:
        for fact in facts:
            assert fact.key in imported or tell(never, fact, None)
        assert left == without_counts(never.rows())


def tell(told: Told, fact: Fact, source: str | None) -> bool:
    append = Append(
        batches=((fact.stream, (fact.event,)),), key=fact.key, source=source, imported=True
    )
    return told.store.write([append])[0] is True


def test_openings_of_one_customer_are_those_of_no_other(store: CaseStore) -> None:
    take_in(store, ("case:1", opened("c1")), ("case:2", opened("c2")))
    with store._recorder.writing() as writing:
        found = [row.stream for row in writing.openings_of(["c2"])]
    assert found == ["case:2"]
