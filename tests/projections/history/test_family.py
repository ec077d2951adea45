"""Families: merged cases are read as one history."""

from __future__ import annotations

from casestore.events import DeliveryFailed, ReplySent
from projections.history.family import families, happenings
from tests.support.stories import (
    Story,
    bounced,
    given,
    learnt,
    merged,
    opened,
    replied,
    unmerged,
)


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


def test_ids_with_slashes_stay_apart() -> None:
    # "b/r" is an id of a's own, and r of b, and "c/r" of b, and r of "b/c", are others.
    a = given(opened(), replied("b/r"), stream="case:a")
    b = given(opened(), replied("r", "+1m"), replied("c/r", "+2m"), stream="case:b", after=10)
    b = b.plus(bounced("r", "+3m")).plus(merged("a", "+1h"))
    c = given(opened(), replied("r", "+4m"), stream="case:b/c", after=20).plus(merged("a", "+1h"))
    (family,) = families([story.history() for story in (a, b, c)])
    events = [happened.event for happened in happenings(family)]
    sent = [event.reply_id for event in events if isinstance(event, ReplySent)]
    assert sent == ["b/r", "b//r", "b/c/r", "b/c//r"]
    assert [e.reply_id for e in events if isinstance(e, DeliveryFailed)] == ["b//r"]
