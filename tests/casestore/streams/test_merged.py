"""Merges, read in the order in which they happened."""

from __future__ import annotations

from itertools import permutations

from casestore.streams.history import LAST, History
from casestore.streams.history import Moment as Place
from casestore.streams.merged import Merge, Roots, closure, linked, merged_into, merges_in
from tests.support.stories import (
    Moment,
    Story,
    customer_merged,
    customer_unmerged,
    given,
    given_customer,
    learnt,
    merged,
    moment,
    noted,
    opened,
    registered,
    unmerged,
    voided,
)

# --- walking


def test_all_that_can_be_reached_is_reached_once() -> None:
    asked: list[set[int]] = []

    def next_to(nodes: set[int]) -> set[int]:
        asked.append(set(nodes))
        return {2 * node for node in nodes if node < 8} | nodes

    assert closure([1], next_to) == {1, 2, 4, 8}
    assert asked == [{1}, {2}, {4}, {8}]
    assert closure([], next_to) == set()


def test_a_link_holds_both_ways() -> None:
    next_to = linked([("a", "b"), ("c", "b")])
    assert closure(["a"], next_to) == {"a", "b", "c"}
    assert next_to({"x"}) == set()


# --- merges in order

ABC = ("a", "b", "c")


def merge(one: str, other: str, at: int, *, undone: bool = False) -> Merge:
    """A merge that happened at that hour, and is recorded at the position of the same number."""
    return Merge(Place(moment(f"+{at}h"), at), one, other, undone)


def roots(*merges: Merge, there: tuple[str, ...] = ABC) -> Roots:
    """The roots by these merges, which must not depend on the order in which they are given."""
    found = [Roots(some, there) for some in permutations(merges)]
    assert len({tuple(each.root(one) for one in ABC) for each in found}) == 1
    return found[0]


def test_what_was_never_merged_is_its_own_root() -> None:
    assert [roots().root(one) for one in ABC] == ["a", "b", "c"]
    assert not roots().changes


def test_the_root_changes_when_the_root_itself_is_merged() -> None:
    found = roots(merge("a", "b", 1), merge("b", "c", 2))
    assert [found.root(one) for one in ABC] == ["c", "c", "c"]
    assert [found.into(one) for one in ABC] == ["b", "c", None]
    assert found.changes


def test_a_root_is_the_one_at_the_time_asked_for() -> None:
    found = roots(merge("a", "b", 1), merge("b", "c", 2), merge("a", "b", 3, undone=True))
    at = [found.root_at("a", moment(f"+{hour}h")) for hour in (0, 1, 2, 3)]
    assert at == ["a", "b", "c", "a"]
    assert found.root("a", Place(moment("+1h"), 1)) == "a"  # right before the merge
    assert found.root("a", Place(moment("+1h"), 2)) == "b"
    assert found.root("a", LAST) == "a"


def test_of_two_merges_the_later_one_counts() -> None:
    assert roots(merge("a", "b", 1), merge("a", "c", 2)).root("a") == "c"


def test_an_unmerge_undoes_only_a_present_merge_into_that_case() -> None:
    assert roots(merge("a", "b", 1), merge("a", "c", 2, undone=True)).root("a") == "b"
    assert roots(merge("a", "b", 2), merge("a", "b", 1, undone=True)).root("a") == "b"


def test_a_merge_that_would_close_a_circle_is_left_out() -> None:
    found = roots(merge("a", "b", 1), merge("b", "a", 2))
    assert [found.root(one) for one in ABC] == ["b", "b", "c"]
    found = roots(merge("a", "b", 1), merge("b", "c", 2), merge("c", "a", 3))
    assert [found.root(one) for one in ABC] == ["c", "c", "c"]
    found = roots(merge("a", "b", 1), merge("c", "a", 2), merge("a", "c", 3))
    assert [found.root(one) for one in ABC] == ["b", "b", "b"]


def test_a_second_merge_of_a_case_never_closes_a_circle() -> None:
    # If they were recorded in another order, each of these may have been accepted.
    found = roots(merge("a", "b", 1), merge("c", "a", 2), merge("a", "c", 3))
    assert [found.root(one) for one in ABC] == ["b", "b", "b"]


def test_a_second_merge_closes_no_circle_though_the_case_led_elsewhere() -> None:
    # b leads to a, and a to c. A merge of a into b would lead both in a circle.
    found = roots(merge("b", "a", 1), merge("a", "c", 2), merge("a", "b", 3))
    assert [found.root(one) for one in ABC] == ["c", "c", "c"]


def test_a_merge_into_a_missing_case_is_left_out() -> None:
    found = roots(merge("a", "b", 1), merge("a", "x", 2))
    assert found.root("a") == "b"
    assert roots(merge("a", "b", 1), there=("a",)).root("a") == "a"


# --- the merges in a stream


def test_the_merges_of_a_stream_are_those_that_were_not_voided() -> None:
    story = given(
        opened(), merged("c2", "+1h"), noted(), unmerged("c2", "+2h"), merged("c3", "+3h")
    )
    story = story.when(voided(5)).accepted()
    assert [each[1:] for each in merges_in(story.history())] == [
        ("c1", "c2", False),
        ("c1", "c2", True),
    ]
    customers = given_customer(registered(), customer_merged("k2"), customer_unmerged("k2"))
    assert [each[1:] for each in merges_in(customers.history())] == [
        ("k1", "k2", False),
        ("k1", "k2", True),
    ]


def into(
    story: Story, *others: Story, as_of: Moment | None = None, known_at: Moment | None = None
) -> str | None:
    """The case that a case is merged into, if these other cases exist."""
    by_id = {other.stream.partition(":")[2]: other for other in others}

    def other(case_id: str) -> History:
        missing = Story(f"case:{case_id}")
        return by_id.get(case_id, missing).history(as_of, known_at)

    return merged_into(story.history(as_of, known_at), other)


C2 = given(opened("+1h"), stream="case:c2", after=100)
C3 = given(opened("+1h"), stream="case:c3", after=200)


def test_a_merge_counts_once_the_other_case_is_open() -> None:
    story = given(opened(), merged("c2", "+0h"))
    assert into(story, C2) == "c2"
    assert into(story, C2, as_of="+0h") is None  # the other one was opened an hour later
    assert into(story, C2, as_of="+1h") == "c2"
    assert into(story) is None


def test_a_merge_counts_once_the_other_case_is_on_record() -> None:
    known_late = given(learnt("+9h", opened()), stream="case:c2", after=100)
    story = given(opened(), merged("c2", "+1h"))
    assert into(story, known_late, known_at="+8h") is None
    assert into(story, known_late, known_at="+9h") == "c2"


def test_no_circle_is_closed_in_the_order_of_happening() -> None:
    # Recorded: c1 into c2, taken out again, then c2 into c1; by the clocks, c2 came first.
    story = given(opened(), merged("c2", "+4h"), unmerged("c2", "+5h"))
    other = C2.plus(merged("c1", "+3h"))
    assert into(other, story) == "c1"
    assert into(story, other) is None
    assert into(story, other, as_of="+4h") is None
    assert into(story, C2, as_of="+4h") == "c2"


def test_a_circle_may_be_long() -> None:
    story = given(opened(), merged("c2", "+6h"))
    c2 = C2.plus(merged("c3", "+4h"))
    c3 = C3.plus(merged("c1", "+5h"))
    assert (into(story, c2, c3), into(c2, story, c3), into(c3, story, c2)) == (None, "c3", "c1")


def test_only_cases_to_which_the_merges_lead_are_read() -> None:
    asked: list[str] = []

    def other(case_id: str) -> History:
        asked.append(case_id)
        return {"c2": C2.plus(merged("c3")), "c3": C3}[case_id].history()

    assert merged_into(given(opened(), merged("c2")).history(), other) == "c2"
    assert sorted(asked) == ["c2", "c3"]
    asked.clear()
    assert merged_into(given(opened()).history(), other) is None
    assert asked == []
