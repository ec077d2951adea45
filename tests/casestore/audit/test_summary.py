"""The summary on the page of evidence: what it says of a case, from its events alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from casestore.audit.leaf import Leaf
from casestore.audit.summary import Shown, summary
from casestore.events import Actor, Event
from casestore.streams.history import History, Privacy
from tests.support import stories


def told(*events: Event, privacy: Iterable[Privacy | None] = ()) -> dict[str, str]:
    """The names and values of the summary of a case of these events."""
    given = list(privacy)
    originals = [
        msgspec.structs.replace(each, privacy=how)
        for each, how in zip(
            stories.given(*events).recorded, given or [None] * len(events), strict=True
        )
    ]
    shown = [
        Shown(each, _leaf(each.version, each.recorded_us or 0), each.version, each.version % 2 == 1)
        for each in originals
    ]
    html = summary(shown, History("case:c1", originals))
    return {
        name: " ".join(re.sub(r"<[^>]+>", " ", value).split())
        for name, value in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html, re.S)
    }


def _leaf(version: int, recorded_us: int) -> Leaf:
    return Leaf(
        customer_id="k1",
        event_id="",
        log_id="",
        metadata_sha256="",
        personal_sha256=None,
        position=version,
        recorded_at=recorded_us,
        state_sha256="",
        stream="case:c1",
        topic="",
        version=version,
    )


OPENED = stories.opened(customer_id="k1")


def test_a_case_that_is_open() -> None:
    found = told(OPENED, stories.issue())
    assert found["Customer"] == "k1"
    assert found["Events"] == "2; none of them was taken back or corrected"
    assert found["Outcome"] == "not closed by the last of these events"
    assert found["Words"] == "no event here has words by or about persons"


def test_what_came_of_it_is_named_by_the_numbers_of_the_events() -> None:
    found = told(
        OPENED,
        stories.issue(),
        stories.remedied("e1", "+1h"),
        stories.remedied("e2", "+2h"),
        stories.reclaimed("e1", "+3h"),
        stories.not_content("+4h"),
        stories.decided("d1", "+5h"),
        stories.closed("+6h", reason="final_response"),
    )
    assert found["Outcome"] == (
        "closed on 2026-03-02 15:00 UTC, reason: final response; the customer rejected a "
        "resolution: no. 6; a final decision: no. 7; a remedy given: no. 3, 4; a remedy or gesture "
        "taken back: no. 5"
    )


def test_what_was_taken_back_is_no_outcome() -> None:
    found = told(OPENED, stories.closed("+1h"), stories.voided(2, "+2h"))
    assert found["Outcome"] == "not closed by the last of these events"
    assert found["Events"] == "3; 1 was taken back and 0 were corrected by later ones"
    found = told(
        OPENED, stories.closed("+1h"), stories.reopened("+2h"), stories.merged("c7", "+3h")
    )
    assert found["Outcome"] == "not closed by the last of these events; counts under case c7"


def test_a_correction_is_counted_and_read() -> None:
    found = told(
        OPENED,
        stories.closed("+1h", reason="resolved"),
        stories.amended(2, "+2h", reason=("resolved", "withdrawn")),
    )
    assert found["Events"] == "3; 0 were taken back and 1 was corrected by later ones"
    assert found["Outcome"] == "closed on 2026-03-02 10:00 UTC, reason: withdrawn"


def test_of_many_who_acted_the_most_active_are_named() -> None:
    notes = [
        stories.noted(f"+{n}h", actor=Actor(kind="agent", id=f"a{n % 20}")) for n in range(1, 40)
    ]
    found = told(OPENED, *notes)
    assert found["Acted or spoke"].startswith("agent a1 (2 events), ")
    assert found["Acted or spoke"].endswith(", and 9 more, whom the table names")


def test_words_are_counted_by_what_is_shown_and_proven_of_them() -> None:
    found = told(
        OPENED,
        *(stories.noted(f"+{n}h") for n in range(1, 6)),
        privacy=[None, "revealed", "revealed", "revealed", "withheld", "erased"],
    )
    assert found["Words"].startswith("5 events have words by or about persons. Of these: 1: shown")
    counts = re.findall(r"(\d+): (?:shown|withheld|erased)", found["Words"])
    assert counts == ["1", "2", "1", "1"]
