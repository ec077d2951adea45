"""Families: merged cases are read as one history."""

from __future__ import annotations

from projections.history.family import families
from tests.support.stories import Story, given, learnt, merged, opened, unmerged


def roots(*stories: Story) -> dict[str, list[str]]:
    """The members of each family, by its root."""
    found = families([story.history() for story in stories])
    return {
        family.root.stream.removeprefix("case:"): [each.stream[5:] for each in family.members]
        for family in found
    }


def test_merges_told_late_never_lead_in_a_circle() -> None:
    # x was merged into y. It is merged into y again at a later time, when b is already merged into
    # x. Then y is merged into b, which would lead from y back to y by way of x.
    x = given(
        opened(), merged("y", "+1h"), unmerged("y", "+2h"), merged("b", "+9h"), stream="case:x"
    )
    x = x.plus(learnt("+9h", merged("y", "+6h")))
    b = given(opened(), merged("x", "+8h"), stream="case:b")
    assert roots(x, b, given(opened(), stream="case:y")) == {"y": ["x", "b"]}
