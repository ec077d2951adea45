"""References across merged cases: accepted while the cases are merged, and checked under the lock.

A complaint came in several times: c3 is merged into c2, and c2 into c1. c9 is merged with no case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, EventRefused
from casestore.append.decision import Decision
from casestore.events import Event
from casestore.events.markers import FAMILY_KINDS, needs
from casestore.streams.case import Keeping
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support.desk import Desk
from tests.support.processes import FOUR, SPAWN, Crew, Place, _join, together
from tests.support.stories import (
    START,
    apologised,
    asked,
    assessed,
    attempted,
    bounced,
    chose,
    content,
    corrected,
    declined,
    delivered,
    found,
    gave,
    inquired,
    issue,
    kept,
    kept_by_reply,
    merged,
    moment,
    moved,
    noted,
    offered,
    opened,
    promised,
    rated,
    reclaimed,
    ref,
    released,
    remedied,
    replied,
    retracted,
    said_no,
    stated,
    took_back,
    unmerged,
    withdrew,
    wrote,
)

ONE_OF_EACH = [
    issue("i1"),
    asked("a1"),
    replied("r1"),
    promised("p1", due="+9d"),
    stated("s1"),
    gave("g1"),
    remedied("e1"),
]
"""One thing of each kind that may be named in another case."""


@pytest.fixture
def desk(store_url: str) -> Iterator[Desk]:
    desk = Desk(store_url)
    with desk.store:
        for case_id in ("c1", "c2", "c3", "c9"):
            desk.case(case_id, opened(), *ONE_OF_EACH)
        desk.case("c3", merged("c2", "+1m"))
        desk.case("c2", merged("c1", "+2m"))
        yield desk


def refused(desk: Desk, case_id: str, event: Event) -> str:
    """Why an event is refused. Nothing of it is kept."""
    stream = f"case:{case_id}"
    before = len(desk.store.history(stream))
    with pytest.raises(EventRefused) as why:
        desk.case(case_id, event)
    assert len(desk.store.history(stream)) == before
    head = f"{stream}: {type(event).__name__} is refused: "
    assert str(why.value).startswith(head)
    return str(why.value).removeprefix(head)


def last(desk: Desk, case_id: str) -> Event:
    """The last event of a case, as it is on record."""
    return desk.store.history(f"case:{case_id}").originals[-1].event


Reference = Callable[[str], Event]
"""Makes an event that refers to something, from a prefix of that thing's id, like "c2/"."""

REFERENCES: dict[str, Reference] = {
    "a message about an issue": lambda of: wrote("m9", "+3m", issue_ids=[f"{of}i1"]),
    "a message: never came": lambda of: wrote("m9", "+3m", says_not_received=[f"{of}r1"]),
    "a message: not answered": lambda of: wrote("m9", "+3m", says_unanswered=[f"{of}a1"]),
    "a reply on an issue": lambda of: replied("r9", "+3m", addresses=[f"{of}i1"]),
    "a reply to an ask": lambda of: replied("r9", "+3m", answers=[f"{of}a1"]),
    "a reply sent again": lambda of: replied("r9", "+3m", resend_of=f"{of}r1"),
    "a delivery": lambda of: delivered(f"{of}r1", "+3m"),
    "a bounce": lambda of: bounced(f"{of}r1", "+3m"),
    "a request for information": lambda of: inquired("q9", "+3m", reply_id=f"{of}r1"),
    "a rating": lambda of: rated(5, "+3m", reply_id=f"{of}r1"),
    "a finding": lambda of: found("f9", "+3m", issue_ids=[f"{of}i1"]),
    "a statement in a reply": lambda of: stated("s9", "+3m", reply_id=f"{of}r1"),
    "a statement taken back": lambda of: retracted(f"{of}s1", "+3m"),
    "a refusal": lambda of: said_no("n9", "+3m", ask_id=f"{of}a1"),
    "an offer": lambda of: offered("x9", at="+3m", issue_ids=[f"{of}i1"]),
    "an apology": lambda of: apologised("y9", "+3m", solution=ref("remedy", f"{of}e1")),
    "a promise for an ask": lambda of: promised("p9", "+3m", ask_id=f"{of}a1"),
    "a promise tried": lambda of: attempted(f"{of}p1", "+3m"),
    "a promise kept": lambda of: kept(f"{of}p1", "+3m"),
    "a promise kept by a reply": lambda of: kept_by_reply(f"{of}r1", f"{of}p1", "+3m"),
    "a promise moved": lambda of: moved(f"{of}p1", "+3m", due="+12d"),
    "a promise released": lambda of: released(f"{of}p1", "+3m"),
    "a promise withdrawn": lambda of: withdrew(f"{of}p1", "+3m"),
    "a remedy for an issue": lambda of: remedied("e9", "+3m", issue_ids=[f"{of}i1"]),
    "a remedy taken back": lambda of: reclaimed(f"{of}e1", "+3m"),
    "a gesture for an issue": lambda of: gave("g9", "+3m", issue_ids=[f"{of}i1"]),
    "a gesture declined": lambda of: declined(f"{of}g1", "+3m"),
    "a gesture taken back": lambda of: took_back(f"{of}g1", "+3m"),
    "an acceptance": lambda of: content("+3m", issue_ids=[f"{of}i1"]),
    "a judgement of quality": lambda of: assessed("+3m", reply_id=f"{of}r1"),
}
each_reference = pytest.mark.parametrize("name", REFERENCES)


# --- while cases are merged


@each_reference
def test_an_event_may_refer_to_things_of_a_merged_case(desk: Desk, name: str) -> None:
    event = REFERENCES[name]
    desk.case("c1", event("c2/"))  # the root refers to a case that is merged into it,
    desk.case("c2", event("c3/"))
    desk.case("c3", event("c1/"))  # and a merged case refers to the root
    assert [last(desk, case_id) for case_id in ("c1", "c2", "c3")] == [
        event("c2/"),
        event("c3/"),
        event("c1/"),
    ]


def test_the_references_above_cover_every_kind() -> None:
    named = {kind for event in REFERENCES.values() for kind, _ in needs(event("c2/"))}
    assert named == FAMILY_KINDS


@each_reference
def test_an_event_may_not_refer_to_things_of_an_unmerged_case(desk: Desk, name: str) -> None:
    why = refused(desk, "c1", REFERENCES[name]("c9/"))
    assert "is of a case that is not merged with this one; merge them first, or correct" in why


def test_an_event_may_not_refer_to_things_that_no_case_has(desk: Desk) -> None:
    assert refused(desk, "c1", kept("c2/p7", "+3m")) == (
        "promise 'p7' is not known in case 'c2'; record it there first, or correct the id"
    )
    assert refused(desk, "c1", kept("c7/p1", "+3m")) == (
        "promise 'c7/p1' is of a case that is not merged with this one; merge them first, or "
        "correct the id"
    )
    assert refused(desk, "c1", kept(f"{'c' * 201}/p1", "+3m")).startswith("promise 'ccc")
    for of_nobody in ("/p1", "c2/"):
        assert "is not known here; record it first" in refused(desk, "c1", kept(of_nobody, "+3m"))


def test_some_kinds_of_things_can_be_named_only_in_their_own_case(desk: Desk) -> None:
    desk.case("c2", offered("x1", at="+3m"))
    assert refused(desk, "c1", kept("p1", "+3m", by=ref("offer", "c2/x1"))) == (
        "offer 'c2/x1' is not known here; record it first, or correct the id"
    )


def test_a_choice_is_recorded_in_the_case_that_made_the_offer_merged_or_not(desk: Desk) -> None:
    desk.case("c2", offered("x1", ["red", "blue"], at="+3m"))
    for offer_id, name in {"x1": "red", "c2/x1": "red", "c2/x2": None}.items():
        assert refused(desk, "c1", chose(name, offer_id, "+4m")) == (
            f"offer {offer_id!r} is not known here; record it first, or correct the id"
        )
    desk.case("c2", chose("red", "x1", "+4m"))
    desk.case("c1", offered("x1", ["red"], at="+5m"), chose("red", "x1", "+6m"))
    assert refused(desk, "c1", chose("blue", "x1", "+7m")) == (
        "option 'blue' is not known here; record it first, or correct the id"
    )


def test_after_an_unmerge_neither_case_may_refer_to_things_of_the_other(desk: Desk) -> None:
    desk.case("c1", replied("r2", "+3m", addresses=["c3/i1"]))
    desk.case("c2", unmerged("c1", "+4m"))
    for case_id, named in (("c1", "c2/r1"), ("c1", "c3/r1"), ("c3", "c1/r1")):
        assert "is not merged with this one" in refused(desk, case_id, delivered(named, "+4m"))
    desk.case("c2", delivered("c3/r1", "+4m"))  # these two are still merged
    desk.case("c2", merged("c1", "+5m"))
    desk.case("c1", delivered("c3/r1", "+5m"))


def test_a_voided_merge_allows_no_references(desk: Desk) -> None:
    merge = desk.store.history("case:c2").effective[-1]
    desk.case("c2", corrected(1, "+3m", kind="voided", event_id=merge.event_id))
    assert "is not merged with this one" in refused(desk, "c1", delivered("c2/r1", "+3m"))


def test_a_merge_counts_from_its_own_place_in_an_append(desk: Desk) -> None:
    merge, about = ("case:c9", [merged("c1", "+3m")]), ("case:c1", [delivered("c9/r1", "+3m")])
    with pytest.raises(EventRefused, match="'c9/r1' is of a case that is not merged"):
        desk.store.append_all([about, merge])
    desk.store.append_all([merge, about])
    with pytest.raises(EventRefused, match="'c9/r1' is of a case that is not merged"):
        desk.store.append_all([("case:c9", [unmerged("c1", "+4m")]), about])


def test_a_statement_may_take_the_place_of_one_in_any_case_of_the_customer(desk: Desk) -> None:
    for of in ("c2/", "c9/", "not-imported-yet/"):
        desk.case("c1", stated(f"after-{of}", "+3m", supersedes=f"{of}s1"))
    desk.case("c1", stated("again", "+3m", supersedes="s1"))
    assert "statement 's7' is not known here" in refused(desk, "c1", stated("s9", supersedes="s7"))


def test_a_correction_does_not_ask_again_what_was_merged(desk: Desk) -> None:
    desk.case("c1", kept("c2/p1", "+3m"), noted("+3m"))
    desk.case("c2", unmerged("c1", "+4m"))
    note = desk.store.history("case:c1").effective[-1]
    desk.case("c1", corrected(1, "+5m", kind="voided", event_id=note.event_id))


# --- ids of the form "case_id/id"


@each_reference
def test_what_a_case_itself_holds_is_recorded_by_its_plain_id(desk: Desk, name: str) -> None:
    desk.case("c1", REFERENCES[name]("c1/"))
    assert last(desk, "c1") == REFERENCES[name]("")


def test_an_event_recorded_by_the_plain_id_is_read_like_any_other(desk: Desk) -> None:
    desk.case("c9", kept_by_reply("c9/r1", "c9/p1", "+3m"))
    assert desk.store.case("c9").keeping("p1") == Keeping(moment("+3m"), ref("reply", "r1"))
    assert refused(desk, "c9", kept("c9/p1", "+4m")) == (
        "promise 'p1' is kept already; make a new promise instead"
    )
    assert refused(desk, "c9", kept("c9/p7", "+4m")) == (
        "promise 'c9/p7' is not known here; record it first, or correct the id"
    )


def test_a_retry_by_the_whole_name_is_a_retry(desk: Desk) -> None:
    first = desk.store.append("case:c9", kept("c9/p1", "+0m"), key="crm-1")
    assert desk.store.append("case:c9", kept("c9/p1", "+0m"), key="crm-1") == first
    assert desk.store.append("case:c9", kept("p1", "+0m"), key="crm-1") == first
    assert desk.store.append("case:c1", delivered("c2/r1"), key="crm-2") == (
        desk.store.append("case:c1", delivered("c2/r1"), key="crm-2")
    )


def test_a_file_with_whole_names_is_imported_once(desk: Desk) -> None:
    lines = [
        b'{"stream":"case:c9","type":"PromiseKept","data":{"occurred_at":"2026-03-02T09:00:00Z",'
        b'"actor":{"kind":"agent","id":"anna"},"promise_id":"c9/p1"}}',
        b'{"stream":"case:c1","type":"PromiseKept","data":{"occurred_at":"2026-03-02T09:00:00Z",'
        b'"actor":{"kind":"agent","id":"anna"},"promise_id":"c2/p1"}}',
    ]
    assert import_lines(desk.store, lines)[:4] == (2, 2, 0, ())
    assert import_lines(desk.store, lines)[:4] == (2, 0, 2, ())


def test_an_export_is_imported_whole(desk: Desk, tmp_path: Path) -> None:
    desk.case("c1", kept("c2/p1", "+3m"), delivered("c1/r1", "+3m"))
    desk.case("c2", unmerged("c1", "+4m"))
    lines = list(export_lines(desk.store))
    url = f"sqlite:///{tmp_path}/copy.db"
    with CaseStore.create(url, key_file=tmp_path / "copy.key", clock=lambda: START) as copy:
        assert import_lines(copy, lines).refused == ()
        assert [each.event for each in copy.read()] == [each.event for each in desk.store.read()]


def test_ids_may_hold_slashes(desk: Desk) -> None:
    for case_id in ("2026/7", "2026/7/b"):
        desk.case(case_id, opened(at="+3m"), promised("p/1", "+3m"), promised("p/2", "+3m"))
    desk.case("2026/7/b", merged("2026/7", "+3m"))
    desk.case("2026/7", kept("2026/7/b/p/1", "+4m"), kept("2026/7/p/1", "+4m"))
    assert last(desk, "2026/7") == kept("p/1", "+4m")
    desk.case("2026/7/b", kept("2026/7/p/2", "+4m"), kept("2026/7/b/p/2", "+4m"))
    assert last(desk, "2026/7/b") == kept("p/2", "+4m")
    assert refused(desk, "2026/7", kept("2026/7/b/p/3", "+4m")) == (
        "promise 'p/3' is not known in case '2026/7/b'; record it there first, or correct the id"
    )


def test_a_promise_is_not_taken_for_another_with_a_slash_in_its_id(desk: Desk) -> None:
    desk.case("c1", promised("c2/p", "+4m"))
    desk.case("c2", promised("p", "+4m"), kept("p", "+5m"))
    desk.case("c1", kept("c2/p", "+6m"))
    assert "kept already" in str(refused(desk, "c1", kept("c2/p", "+7m")))


def test_a_cases_own_id_is_its_own_whatever_it_looks_like(desk: Desk) -> None:
    desk.case("c8", opened(at="+3m"), promised("c9/p1", "+3m"))
    desk.case("c8", kept("c9/p1", "+4m"))
    assert desk.store.case("c8").promises["c9/p1"].status == "kept"


# --- a promise is kept once, whichever case records it


def is_kept_already(desk: Desk, case_id: str, promise_id: str) -> bool:
    """Whether keeping a promise is refused, because it was kept already."""
    why = refused(desk, case_id, kept(promise_id, "+9m"))
    return why == f"promise {promise_id!r} is kept already; make a new promise instead"


NAMES_OF_P1 = {"c1": "c2/p1", "c2": "p1", "c3": "c2/p1"}
"""The promise of c2, as each case names it."""


@pytest.mark.parametrize("first", NAMES_OF_P1)
def test_a_promise_kept_in_one_case_is_kept_in_all_of_the_family(desk: Desk, first: str) -> None:
    desk.case(first, kept(NAMES_OF_P1[first], "+3m"))
    assert all(is_kept_already(desk, case_id, name) for case_id, name in NAMES_OF_P1.items())
    for case_id, name in NAMES_OF_P1.items():
        for event in (released(name, "+9m"), withdrew(name, "+9m"), moved(name, "+9m", "+5d")):
            assert f"promise {name!r} is kept already" in refused(desk, case_id, event)


def test_a_promise_released_in_a_merged_case_is_released_in_the_root(desk: Desk) -> None:
    desk.case("c3", released("c1/p1", "+3m"))
    assert "promise 'p1' is released already" in refused(desk, "c1", kept("p1", "+4m"))
    assert "promise 'c1/p1' is released already" in refused(desk, "c2", kept("c1/p1", "+4m"))


def test_cases_of_different_customers_are_a_family_too(desk: Desk) -> None:
    desk.case("d1", opened(customer_id="k2"), promised("p1"), merged("c1", "+3m"))
    desk.case("c3", kept("d1/p1", "+4m"))
    assert is_kept_already(desk, "d1", "p1")
    assert is_kept_already(desk, "c1", "d1/p1")


def test_a_promise_kept_by_a_reply_of_another_case_stands_with_that_reply(desk: Desk) -> None:
    desk.case("c1", kept_by_reply("c2/r1", "p1", "+3m"))
    assert is_kept_already(desk, "c1", "p1")
    desk.case("c3", bounced("c2/r1", "+4m"))
    desk.case("c2", replied("r2", "+5m", resend_of="r1"))
    assert is_kept_already(desk, "c2", "c1/p1")  # it was sent again
    desk.case("c2", bounced("r2", "+6m"))
    desk.case("c2", kept("c1/p1", "+7m"))
    assert is_kept_already(desk, "c1", "p1")


def test_after_an_unmerge_a_promise_kept_in_the_other_case_is_open(
    desk: Desk,
) -> None:
    desk.case("c1", kept("c2/p1", "+3m"))
    desk.case("c2", unmerged("c1", "+4m"))
    desk.case("c2", kept("p1", "+5m"))
    assert is_kept_already(desk, "c3", "c2/p1")


def test_a_promise_cannot_be_kept_before_its_case_is_open(store_url: str) -> None:
    with CaseStore.create(store_url, clock=lambda: START) as store:
        with pytest.raises(EventRefused, match="the case is not open yet"):
            store.append("case:c1", kept())
        store.append("case:c1", opened(), promised(), kept())


def test_a_promise_is_kept_once_within_one_append_too(desk: Desk) -> None:
    twice = [("case:c3", [kept("c1/p1", "+0m")]), ("case:c1", [kept("p1", "+0m")])]
    with pytest.raises(EventRefused, match=r"case:c1: .* promise 'p1' is kept already"):
        desk.store.append_all(twice)
    desk.store.append_all(twice[:1])
    corrections = desk.store.history("case:c3").effective[-1].event_id
    voided = corrected(1, kind="voided", event_id=corrections)
    desk.store.append_all([("case:c3", [voided]), twice[1]])


# --- while others write -----------------------------------------------------------------------


@pytest.fixture
def other(desk: Desk, store_url: str) -> Iterator[CaseStore]:
    """The same store in another process."""
    with CaseStore.open(store_url, clock=lambda: moment("+1h")) as store:
        yield store


def test_an_unmerge_by_another_process_is_noticed_at_once(desk: Desk, other: CaseStore) -> None:
    other.append("case:c1", delivered("c2/r1"))
    other.append("case:c1", delivered("c2/r1"))  # it remembers both streams now
    desk.case("c2", unmerged("c1", "+4m"))
    with pytest.raises(EventRefused, match="'c2/r1' is of a case that is not merged"):
        other.append("case:c1", delivered("c2/r1"))
    desk.case("c2", merged("c1", "+5m"))
    other.append("case:c1", delivered("c2/r1"))


def test_an_unmerge_by_another_process_further_up_is_noticed_at_once(
    desk: Desk, other: CaseStore
) -> None:
    other.append("case:c3", delivered("c1/r1"))
    desk.case("c2", unmerged("c1", "+4m"))
    with pytest.raises(EventRefused, match="'c1/r1' is of a case that is not merged"):
        other.append("case:c3", delivered("c1/r1"))


def test_a_promise_kept_by_another_process_is_noticed_at_once(desk: Desk, other: CaseStore) -> None:
    other.append("case:c1", noted("+1h"))  # it remembers the promise as open
    desk.case("c3", kept("c1/p1", "+3m"))
    with pytest.raises(EventRefused, match="promise 'p1' is kept already"):
        other.append("case:c1", kept("p1", "+1h"))


def test_states_that_were_read_once_are_remembered(
    desk: Desk, other: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.append("case:c1", delivered("c3/r1"))

    def unneeded(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(
        other, "_forget", unneeded
    )  # called only if an optimistic decision was wrong
    other.append("case:c1", delivered("c3/r1"))
    other.append("case:c1", replied("r2", addresses=["c2/i1"]))


def test_what_ends_a_promise_is_decided_under_the_lock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the commit, another case that ended the promise may be merged into the family."""
    recorder = desk.store._recorder
    writing = recorder.writing
    optimistic: list[bool] = []

    def told(**how: Any) -> Any:
        optimistic.append(how.get("optimistic", False))
        return writing(**how)

    monkeypatch.setattr(recorder, "writing", told)
    for end in (kept, moved, released, withdrew):
        desk.case("c9", promised(f"p-{end.__name__}", "+3m"))
        assert optimistic == [True]
        optimistic.clear()
        desk.case("c9", end(f"p-{end.__name__}", "+3m"))
        assert optimistic == [False]
        optimistic.clear()


@pytest.mark.parametrize("undone", ["c2", "c3"])
def test_a_merge_undone_between_the_decision_and_the_commit_is_noticed(
    postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undone: str
) -> None:
    """On PostgreSQL, where an append is decided before it has the lock."""
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "store.key"))
    desk = Desk(postgres_schema_url)
    with desk.store, CaseStore.open(postgres_schema_url, clock=lambda: moment("+1h")) as other:
        for case_id in ("c1", "c2", "c3"):
            desk.case(case_id, opened(), *ONE_OF_EACH)
        desk.case("c3", merged("c2", "+1m"))
        desk.case("c2", merged("c1", "+2m"))
        other.append("case:c1", delivered("c3/r1"))
        decide = Decision.decide
        decided: list[Any] = []

        def and_then(decision: Decision, append: Any) -> bool:
            done = decide(decision, append)
            if not decided:
                decided.append(append)
                desk.case(undone, unmerged("c1" if undone == "c2" else "c2", "+4m"))
            return done

        monkeypatch.setattr(Decision, "decide", and_then)
        with pytest.raises(EventRefused, match="'c3/r1' is of a case that is not merged"):
            other.append("case:c1", delivered("c3/r1"))
        assert decided


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:
        yield Crew(pool, barrier)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Place:
    """Four cases, of which three are merged into the case 0."""
    with CaseStore.create(store_url) as store:
        for me in range(FOUR):
            promises = [promised(f"p{n}") for n in range(10)]
            store.append(f"case:{me}", opened(), replied("r1"), *promises)
        for me in range(1, FOUR):
            store.append(f"case:{me}", merged("0"))
    return Place(store_url, tmp_path / "store.key")


def keep_what_all_keep(store: CaseStore, me: int) -> int:
    """Each process keeps the same promises of case 1. Returns how many appends were accepted."""
    taken = 0
    for n in range(10):
        together()
        with suppress(EventRefused):
            name = f"p{n}" if me == 1 else f"1/p{n}"
            store.append(f"case:{me}", kept(name, datetime.now(UTC)))
            taken += 1
    return taken


def test_of_four_who_keep_a_promise_at_once_one_keeps_it(crew: Crew, place: Place) -> None:
    assert sum(crew.race(place, keep_what_all_keep)) == 10


def name_or_take_apart(store: CaseStore, me: int) -> None:
    """Two processes refer to a thing of case 3, while two others merge and unmerge that case."""
    for n in range(20):
        with suppress(EventRefused):
            if me < 2:
                store.append(f"case:{me}", noted(datetime.now(UTC)), delivered("3/r1"))
            else:
                store.append("case:3", merged("0") if n % 2 else unmerged("0"))


def test_what_is_named_is_merged_at_that_moment_whoever_takes_it_apart(
    crew: Crew, place: Place
) -> None:
    crew.race(place, name_or_take_apart)
    with place.open() as store:
        is_merged, named = False, {True: 0, False: 0}
        for recorded in store.read():
            if recorded.stream == "case:3" and recorded.type in ("CaseMerged", "CaseUnmerged"):
                is_merged = recorded.type == "CaseMerged"
            elif recorded.type == "DeliveryConfirmed":
                named[is_merged] += 1
    assert named[False] == 0
    assert named[True] > 0
