"""The page of a case: what it says, and that its numbers are those of the reports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import Actor, CaseStore, StreamNotFound
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from projections import reports
from projections.pages.case_file import CaseFile, case_page, read_case
from projections.pages.happenings import Told
from tests.support.desk import Desk, desk_in
from tests.support.golden import check_golden
from tests.support.pages import Read, demo_in, pages_at
from tests.support.stories import (
    assigned,
    bounced,
    closed,
    corrected,
    delivered,
    gave,
    issue,
    kept,
    learnt,
    merged,
    moment,
    noted,
    opened,
    promised,
    remedied,
    replied,
    wrote,
)
from tests.support.work import work

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
CASES = ("free-flight", "nine-days", "no-ushers", "roadshow", "roaming-bill", "upload-limit")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseStore]:
    with demo_in(tmp_path_factory.mktemp("demo")) as store:
        yield store


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def read(store: CaseStore, case_id: str, as_of: str = "+99d", **asked: Any) -> CaseFile:
    with pages_at(store, moment(as_of), **asked) as pages:
        file = read_case(pages, case_id)
    assert file is not None
    return file


def page(store: CaseStore, case_id: str = "c1", as_of: str = "+99d", **asked: Any) -> Read:
    with pages_at(store, moment(as_of), **asked) as pages:
        return Read(case_page(pages, case_id))


def correct(desk: Desk, case_id: str, version: int, at: str, **more: Any) -> None:
    wrong = desk.store.history(f"case:{case_id}").originals[version - 1]
    desk.case(case_id, corrected(0, at, event_id=wrong.event_id, **more))


# --- the demo ------------------------------------------------------------------------------


@pytest.mark.parametrize("case_id", CASES)
def test_the_numbers_are_those_of_the_reports(demo: CaseStore, case_id: str) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        file = read_case(pages, case_id)
    assert file is not None
    asked: Any = {"as_of": SEPTEMBER, "case": case_id}
    assert [file.case] == reports.cases(demo, **asked).rows
    assert file.promises == reports.promises(demo, **asked).rows
    lapses = reports.lapses(demo, **asked).rows
    assert [(each.rule, each.subject, each.at) for each in file.lapses] == [
        (each.rule, each.subject, each.at) for each in lapses
    ]
    assert len(file.unknown) == reports.lapses(demo, **asked).summary["unknown"]
    assert file.case is not None
    given = reports.goodwill_history(demo, **asked, customer=file.case.customer_id)
    assert [*file.gestures, *file.remedies] == sorted(
        given.rows, key=lambda row: row.ledger == "remedy"
    )
    assert file.given == [(file.case.customer_id, given.summary)]
    undelivered = {row.reply_id for row in reports.undelivered(demo, **asked).rows}
    shown = {c.reply.reply_id for c in file.replies if c.reply.delivery[:2] in ("un", "se")}
    assert undelivered <= shown


@pytest.mark.parametrize("case_id", CASES)
def test_each_link_within_a_page_leads_somewhere(demo: CaseStore, case_id: str) -> None:
    with pages_at(demo, SEPTEMBER, reveal=True) as pages:
        told = Read(case_page(pages, case_id))
    assert told.dangling == []
    assert len(set(told.ids)) == len(told.ids)
    assert told.tags.count("h1") == 1
    assert not {"script", "img", "link", "iframe", "form"} & set(told.tags)


def test_a_case_of_the_demo_in_whole(demo: CaseStore) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        html = case_page(pages, "roadshow")
        assert html == case_page(pages, "roadshow")
    main = html[html.index("<main") : html.index("</main>")]
    check_golden("page-case-roadshow.html", f"{main}</main>\n")


def test_a_lapse_stands_where_it_happened_with_its_evidence(demo: CaseStore) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        file = read_case(pages, "nine-days")
        told = Read(case_page(pages, "nine-days"))
    assert file is not None
    broken = next(each for each in file.lapses if each.rule == "promise-broken")
    assert "promise" in told.around(f"l{broken.number}")
    for event in broken.evidence:
        assert f"#e{event.position}" in told.hrefs
        assert f"e{event.position}" in told.ids
    times = [item.at for item in file.timeline]
    assert times == sorted(times)
    assert "Cannot be told: late-escalation" in told.text


# --- at any time ---------------------------------------------------------------------------


def test_words_are_shown_only_where_they_are_revealed(demo: CaseStore) -> None:
    with pages_at(demo, SEPTEMBER) as pages:
        told = case_page(pages, "nine-days")
        assert "Green light" not in told
        assert "[withheld]" in told
    with pages_at(demo, SEPTEMBER, reveal=True) as pages:
        assert "Green light, at last." in case_page(pages, "nine-days")


def test_a_case_that_is_not_there_yet(desk: Desk) -> None:
    desk.case("c1", opened("+1d"), noted("+2d"))
    assert "had not been opened" in page(desk.store, as_of="+1h").text
    early = page(desk.store, known_at=moment("+1h"))
    assert "had not been opened" in early.text
    with pages_at(desk.store, moment("+1d")) as pages, pytest.raises(StreamNotFound):
        case_page(pages, "c9")


def test_as_of_a_time_a_promise_is_still_open(desk: Desk) -> None:
    desk.case("c1", opened(), promised("p1", due="+2d"), kept("p1", at="+3d"))
    assert [each.state for each in read(desk.store, "c1", "+1d").promises] == ["open"]
    assert [each.state for each in read(desk.store, "c1", "+2d").promises] == ["open"]
    (late,) = read(desk.store, "c1").promises
    assert (late.state, late.late_by_s) == ("late", 86400)
    shown = page(desk.store).section("promises")
    assert "kept late" in shown
    assert "1 d" in shown


def test_both_clocks_stand_and_what_was_recorded_late_is_marked(desk: Desk) -> None:
    desk.case("c1", opened(), noted("+3h"), learnt("+5h", noted("+1h")))
    events = [each for each in read(desk.store, "c1").timeline if isinstance(each, Told)]
    assert [each.at for each in events] == list(map(moment, ("+0h", "+1h", "+3h")))
    assert [each.late for each in events] == [False, True, False]
    told = page(desk.store).around(f"e{events[1].position}")
    assert "2026-03-02 10:00 recorded 2026-03-02 14:00" in told
    assert "recorded late" in told


# --- corrections ---------------------------------------------------------------------------


def test_a_correction_stands_with_what_it_corrects(desk: Desk) -> None:
    desk.case("c1", opened(product="toaster"))
    changes = {"product": {"from": "toaster", "to": "kettle"}}
    correct(desk, "c1", 1, "+1h", kind="amended", changes=changes, personal_changes="A kettle.")
    whole = page(desk.store, reveal=True)
    assert re.search(r"Corrected \S+ \S+ corrected, by agent \w+ Sealed", whole.text)
    told = whole.around("e2")
    assert "corrected" in told
    assert "kettle" in told
    assert re.search(r"First recorded as: opened the case .* toaster", told)
    assert "product: it said toaster, it says kettle; in words: A kettle." in told
    assert "reason mistyped, authorised by agent boss" in told
    early = page(desk.store, known_at=moment("+30m"))
    assert "Corrected nothing: all stands as it was recorded first" in early.text
    before = early.around("e2")
    assert "toaster" in before
    assert "kettle" not in before


def test_what_was_voided_is_struck_through_and_says_so(desk: Desk) -> None:
    desk.case("c1", opened(), wrote("m1", "+1h"))
    correct(desk, "c1", 2, "+2h", kind="voided", reason="wrong_case")
    told = page(desk.store)
    assert "voided" in told.around("e3")
    assert "<s><bdi" in told.html[told.html.index('id="e3"') :]
    assert "Voided by" in told.around("e3")
    assert "reason wrong case" in told.around("e3")


def test_a_correction_of_later_holds_and_leads_nowhere(desk: Desk) -> None:
    desk.case("c1", opened(product="toaster"))
    changes = {"product": {"from": "toaster", "to": "kettle"}}
    correct(desk, "c1", 1, "+9h", kind="amended", changes=changes)
    told = page(desk.store, as_of="+1h")
    assert "it said toaster, it says kettle" in told.around("e2")
    assert told.dangling == []


# --- replies, gifts --------------------------------------------------------------------------


def test_the_delivery_of_each_reply(desk: Desk) -> None:
    desk.case(
        "c1",
        opened(),
        replied("r1", "+1h"),
        bounced("r1", "+2h", kind="permanent", code="5.1.1"),
        replied("r2", "+3h", resend_of="r1"),
        delivered("r2", "+4h", evidence="smtp-250"),
        replied("r3", "+5h"),
        bounced("r3", "+6h", kind="temporary"),
        replied("r4", "+7h"),
        wrote("m1", "+8h", says_not_received=("r4",)),
    )
    states = {c.reply.reply_id: c.reply.delivery for c in read(desk.store, "c1").replies}
    assert states == {
        "r1": "sent_again",
        "r2": "confirmed",
        "r3": "unknown",
        "r4": "undelivered",
    }
    told = page(desk.store).section("replies")
    for words in (
        "r1, email: did not arrive, but was sent again",
        "failed: permanent, 5.1.1 sent again as r2",
        "again for r1 2026-03-02 13:00 confirmed, by smtp-250",
        "nothing was heard of its delivery",
        "failed: temporary",
        "the customer says that it never came",
    ):
        assert words in told


def test_gestures_and_remedies_stand_apart(desk: Desk) -> None:
    value = {"amount": "20", "currency": "EUR"}
    desk.case("c1", opened(), gave("g1", "+1h", value=value), remedied("e1", "+2h", value=value))
    told = page(desk.store)
    assert "g1" in told.section("goodwill")
    assert "unknown" in told.section("goodwill")  # no policy says who may give what
    assert "20 EUR in all" in told.section("goodwill")
    assert "e1" in told.section("remedies")
    assert "e1" not in told.section("goodwill")


# --- families --------------------------------------------------------------------------------


@pytest.fixture
def family(desk: Desk) -> Desk:
    desk.case("c1", opened(customer_id="k1"), promised("p1", "+1h", due="+2h"))
    desk.case("c2", opened("+3h", customer_id="k2"), issue("i1", "+3h"), replied("r1", "+4h"))
    desk.case("c2", gave("g1", "+4h"), merged("c1", "+5h"))
    desk.case("c1", assigned("anna", at="+6h"), closed("+7h"))
    return desk


@pytest.mark.parametrize("case_id", ["c1", "c2"])
def test_merged_cases_are_shown_as_one(family: Desk, case_id: str) -> None:
    file = read(family.store, case_id)
    assert file.case is not None
    assert file.case.case_id == "c1"
    assert [(row.case_id, row.merged_into) for row in file.family] == [("c1", None), ("c2", "c1")]
    assert [each.issue_id for each in file.issues] == ["c2/i1"]
    assert [chain.reply.reply_id for chain in file.replies] == ["c2/r1"]
    assert [gesture.id for gesture in file.gestures] == ["c2/g1"]
    told = page(family.store, "c1")
    assert told.dangling == []
    assert any("case/c2~" in href for href in told.hrefs)


def test_the_page_of_a_merged_case_leads_to_where_all_is_told(family: Desk) -> None:
    told = page(family.store, "c2")
    assert "<h1>Case c2</h1>" in told.html
    assert "Merged into case c1." in told.text
    assert any("case/c1~" in href for href in told.hrefs)
    anchors = {f"#e{each.position}" for each in family.store.read() if each.stream == "case:c2"}
    assert all(f'id="{anchor[1:]}"' in told.html for anchor in anchors)
    assert "assigned" not in told.section("timeline")
    assert "Promises" not in told.text
    family.case("c0", opened("+8h"))
    family.case("c1", merged("c0", "+9h"))
    assert "Merged into case c0, by way of c1." in page(family.store, "c2").text


def test_a_large_family_is_told_once(desk: Desk) -> None:
    desk.case("c0", opened())
    for number in range(1, 40):
        desk.case(f"c{number}", opened(), merged("c0", "+1h"))
    root, *others = (len(page(desk.store, f"c{number}").html) for number in range(40))
    assert max(others) < root / 3


def test_before_the_merge_each_case_is_its_own(family: Desk) -> None:
    file = read(family.store, "c1", "+4h")
    assert [row.case_id for row in file.family] == ["c1"]
    assert file.issues == []
    assert "Merged cases" not in page(family.store, "c1", "+4h").text


def test_what_was_given_counts_for_its_own_customer(family: Desk) -> None:
    file = read(family.store, "c1")
    assert [(gesture.id, gesture.year_count) for gesture in file.gestures] == [("c2/g1", 1)]
    sums = {customer: summary["gestures"] for customer, summary in file.given}
    assert sums == {"k1": 0, "k2": 1}


# --- the seal ---------------------------------------------------------------------------------


def test_the_seal_says_what_it_covers(desk: Desk) -> None:
    desk.case("c1", opened(), noted("+1h"))
    assert "Not sealed" in page(desk.store).section("seal")
    Folder.of(desk.store.url).make_key(origin(desk.store))
    seal(desk.store)
    told = page(desk.store).section("seal")
    assert "covers all that this page tells: 2 events" in told
    assert "Not proven: that what was recorded is true" in told
    desk.case("c1", noted("+2h"))
    partly = page(desk.store)
    assert "covers 2 of the 3 events of this page, those up to position 3" in partly.section("seal")
    assert "not sealed" in partly.around("e4")
    assert "not sealed" not in partly.around("e3")
    desk.case("c2", opened("+3h"))
    assert "covers none of the 1 event" in page(desk.store, "c2").section("seal")


def test_a_seal_that_was_altered_is_not_passed_over(desk: Desk) -> None:
    desk.case("c1", opened())
    folder = Folder.of(desk.store.url)
    folder.make_key(origin(desk.store))
    seal(desk.store)
    (file,) = folder.seal_files()
    file.write_text(file.read_text("utf-8").replace("checkpoint", "checkpaint"), "utf-8")
    told = page(desk.store)
    assert "No seal can be read here" in told.section("seal")
    assert "no seal can be read here" in told.text.partition("What these pages rest on")[2]


# --- what others wrote -------------------------------------------------------------------------


EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(1)> \u202egnp.exe \u2066'


def test_what_others_wrote_is_text(desk: Desk) -> None:
    customer = '"><script>x</script>'
    desk.case(
        "c<b>1",
        opened(customer_id=customer, subject=EVIL, product="<i>p", category="<c>"),
        issue("i<u>", "+1h", summary="x" * 10_000, category="<svg onload=x>"),
        promised("p<a href=x>", "+2h", due="+3h", words="a\0b"),
        replied("r&lt;", "+4h", text=EVIL),
        gave("g'\"", "+5h", reason="other", note=EVIL),
    )
    told = page(desk.store, "c<b>1", reveal=True)
    assert not {"script", "img", "b>1", "i", "u"} & set(told.tags)
    assert "onload" not in re.sub(r"&lt;svg onload=x&gt;", "", told.html)
    assert "\u202e" not in told.html
    assert "\u2066" not in told.html
    assert "\0" not in told.html
    assert "<U+202E>" in told.text
    assert "a<U+0000>b" in told.text
    assert "x" * 10_000 in told.text
    assert told.dangling == []


# --- how much it reads ---------------------------------------------------------------------------


def test_a_page_costs_as_much_however_many_cases_there_are(desk: Desk) -> None:
    def some(begin: int, end: int) -> None:
        for number in range(begin, end):
            desk.case(
                f"n{number}", opened(customer_id=f"k{number}"), gave(f"g{number}"), replied("r1")
            )

    desk.case("c1", opened(customer_id="k1"), replied("r1", "+1h"), gave("g1", "+2h"))

    def cost() -> int:
        with pages_at(desk.store, None) as pages:
            case_page(pages, "c1")
            return work(lambda: case_page(pages, "c1"))

    some(0, 5)
    few = cost()
    some(5, 60)
    assert cost() < few * 1.2


def test_an_actor_who_was_never_registered_has_no_page(desk: Desk) -> None:
    mother = Actor(kind="customer", id="mother")
    desk.case("1", opened(), wrote("m1", "+1h", actor=mother))
    with pages_at(desk.store, moment("+2h")) as pages:
        read = Read(case_page(pages, "1"))
    assert "customer mother" in read.section("parties")
    assert not any("mother" in href for href in read.hrefs)
