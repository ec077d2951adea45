"""What leads to what, in the order in which it was merged."""

from __future__ import annotations

from casestore.streams.history import Moment as Place
from casestore.streams.merged import Merge, Roots
from tests.support.stories import moment


def test_a_case_that_is_merged_anew_never_leads_to_itself() -> None:
    def merge(hour: int, one: str, other: str) -> Merge:
        return Merge(Place(moment(f"+{hour}h"), hour), one, other, undone=False)

    # Recorded in another order, each of these may have been accepted.
    merges = [merge(1, "a", "b"), merge(2, "c", "a"), merge(3, "a", "c")]
    roots = Roots(merges, {"a", "b", "c"})
    assert [roots.root(case_id) for case_id in "abc"] == ["b", "b", "b"]
