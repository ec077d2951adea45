"""The report `responses`: the customers' messages, who answered each, and how soon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from casestore.events import Actor
from projections import reports
from projections.reports import ResponseCountLine, ResponseLine
from tests.support.desk import Desk, desk_in
from tests.support.stories import (
    adopted,
    asked,
    assigned,
    bounced,
    closed,
    issue,
    merged,
    moment,
    opened,
    reclassified,
    reopened,
    replied,
    wrote,
)

BEN = Actor(kind="agent", id="ben", team="south")
CLEO = Actor(kind="agent", id="cleo")
MACHINE = Actor(kind="system", id="autoresponder")
HOUR = 3600


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path) as desk:
        yield desk


def responses(desk: Desk, as_of: str = "+30d", **asked: Any) -> list[ResponseLine]:
    return list(reports.responses(desk.store, as_of=moment(as_of), **asked).rows)


def counts(desk: Desk, by: str, as_of: str = "+30d", **asked: Any) -> dict[str | None, Any]:
    found = reports.response_counts(desk.store, by=by, as_of=moment(as_of), **asked)
    return {each.group: each for each in found.rows}


def test_a_whole_row(desk: Desk) -> None:
    desk.case("c1", opened(), wrote("m1", channel="phone"))
    desk.case("c1", replied("r1", "+10h", actor=BEN))  # from 9 to 19 hours; work ends at 17
    assert responses(desk) == [
        ResponseLine(
            message_id="m1",
            case_id="c1",
            customer_id="k1",
            channel="phone",
            at=moment("+0h"),
            answered_at=moment("+10h"),
            answered_by="ben",
            team="south",
            seconds=10 * HOUR,
            working_seconds=8 * HOUR,
            within="yes",
        )
    ]


def answered_by(desk: Desk, **asked: Any) -> dict[str, str | None]:
    return {each.message_id: each.answered_by for each in responses(desk, **asked)}


def test_each_message_is_answered_by_the_first_human_reply_after_it_that_arrived(
    desk: Desk,
) -> None:
    desk.case("c1", opened(), wrote("m1"), wrote("m2", "+1h"))
    desk.case("c1", replied("r0", "+2h", actor=MACHINE, automated=True))
    desk.case("c1", replied("r1", "+3h"), bounced("r1", "+4h"), replied("r2", "+5h", actor=BEN))
    desk.case("c1", wrote("m3", "+6h", actor=MACHINE, automated=True), wrote("m4", "+7h"))
    assert answered_by(desk) == {"m1": "ben", "m2": "ben", "m4": None}
    assert [each.seconds for each in responses(desk)] == [5 * HOUR, 4 * HOUR, None]


def test_a_resend_counts_for_who_sent_it_and_from_its_own_time(desk: Desk) -> None:
    desk.case("c1", opened(), wrote("m1"), replied("r1", "+1h"), bounced("r1", "+2h"))
    desk.case("c1", replied("r2", "+3h", resend_of="r1", actor=BEN))
    (answer,) = responses(desk)
    assert (answer.answered_by, answer.team, answer.seconds) == ("ben", "south", 3 * HOUR)
    assert counts(desk, "agent")["ben"].n == 1


def test_the_team_of_who_names_none_is_the_cases_then(desk: Desk) -> None:
    desk.case("c1", opened(), assigned("anna", "east"), wrote("m1"))
    desk.case("c1", replied("r1", "+1h", actor=CLEO), assigned("ben", "south", "+2h"))
    (answer,) = responses(desk)
    assert (answer.answered_by, answer.team) == ("cleo", "east")


def test_what_is_not_answered_counts_with_who_has_the_case_now(desk: Desk) -> None:
    desk.case("c1", opened(), assigned("anna", "north"), wrote("m1"))
    desk.case("c1", assigned("ben", "south", "+1h"))
    (unanswered,) = responses(desk)
    assert (unanswered.answered_by, unanswered.seconds) == (None, None)
    assert unanswered.team == "south"
    assert (counts(desk, "agent")["ben"].n, counts(desk, "agent")["ben"].unanswered) == (0, 1)
    assert [each.message_id for each in responses(desk, agent="ben", team="south")] == ["m1"]
    assert responses(desk, agent="anna") == []


def test_a_message_whose_waiting_a_closing_ended_has_no_row(desk: Desk) -> None:
    desk.case("c1", opened(), wrote("m1"), replied("r1", "+1h"))
    desk.case("c1", wrote("thanks", "+2h"), asked("a1", "+2h"), closed("+3h"))
    desk.case("c1", issue("i1", "+3h"), wrote("m3", "+4h", issue_ids=["i1"]), reopened("+5h"))
    assert list(answered_by(desk)) == ["m1", "m-a1", "m3"]
    assert "thanks" in [each.message_id for each in responses(desk, as_of="+2h")]
    # The reply to it did not arrive, so the closing did not end its waiting.
    desk.case("c2", opened("+1d"), wrote("thanks", "+1d"), replied("r1", "+25h"), closed("+26h"))
    assert [each.message_id for each in responses(desk, case="c2")] == ["thanks"]
    desk.case("c2", bounced("r1", "+27h"))
    (waits,) = responses(desk, case="c2")
    assert (waits.message_id, waits.answered_at) == ("thanks", None)


def test_within_is_judged_by_the_policy_in_force_when_the_message_came(desk: Desk) -> None:
    strict = {"conduct": {"reply_within": "2 hours"}}
    desk.case("c1", opened(), wrote("old"), replied("r1", "+23h"))
    desk.tell("policy", adopted(at="+24h", effective="+24h", policy=strict))
    desk.case("c1", wrote("slow", "+25h"), replied("r2", "+28h"))
    desk.case("c1", wrote("quick", "+29h"), replied("r3", "+31h"), wrote("last", "+40h"))

    def within(as_of: str) -> dict[str, str]:
        return {each.message_id: each.within for each in responses(desk, as_of)}

    assert within("+42h") == {"old": "yes", "slow": "no", "quick": "yes", "last": "open"}
    assert within("+43h")["last"] == "no"
    # The share is of what is due: a message that is neither answered nor late is left out.
    assert reports.responses(desk.store, as_of=moment("+42h")).summary["within_share"] == 0.6667
    assert reports.responses(desk.store, as_of=moment("+43h")).summary["within_share"] == 0.5


def test_working_time_is_by_the_calendar_in_force_when_the_message_came(desk: Desk) -> None:
    nights = {"hours": {"mon": ["18:00-24:00"]}, "timezone": "UTC"}
    desk.case("c1", opened(), wrote("m1"))
    desk.tell("policy", adopted(at="+1h", effective="+1h", policy={"calendar": nights}))
    desk.case("c1", wrote("m2", "+2h"), replied("r1", "+10h"))  # at 19 o'clock
    old, new = responses(desk)
    assert (old.seconds, old.working_seconds) == (10 * HOUR, 8 * HOUR)
    assert (new.seconds, new.working_seconds) == (8 * HOUR, HOUR)


def test_merged_cases_answer_each_other(desk: Desk) -> None:
    desk.case("c1", opened(product="phone"), wrote("m1"))
    desk.case("c2", opened("+1h", customer_id="k2"), wrote("m1", "+1h"), merged("c1", "+2h"))
    desk.case("c1", replied("r1", "+3h"))
    one, two = responses(desk)
    assert (one.message_id, two.message_id) == ("m1", "c2/m1")
    assert (one.seconds, two.seconds) == (3 * HOUR, 2 * HOUR)
    assert {each.case_id for each in (one, two)} == {"c1"}
    assert [each.message_id for each in responses(desk, case="c2")] == ["m1", "c2/m1"]
    assert counts(desk, "product")["phone"].n == 2


def test_how_soon_by_all_that_it_can_be_seen_by(desk: Desk) -> None:
    desk.case("c1", opened(product="phone"), wrote("m1"), replied("r1", "+1h"))
    desk.case("c1", wrote("m2", "+2h"), replied("r2", "+5h", actor=BEN))
    desk.case("c1", wrote("m3", "+6d", channel="chat"), replied("r3", "+150h", actor=BEN))
    desk.case("c2", opened("+1d"), wrote("m1", "+1d"), reclassified("+1d", category="billing"))
    assert counts(desk, "agent") == {
        "anna": ResponseCountLine(
            group="anna",
            n=1,
            unanswered=0,
            median_s=HOUR,
            p90_s=HOUR,
            working_median_s=HOUR,
            working_p90_s=HOUR,
            within_share=1.0,
        ),
        "ben": ResponseCountLine(
            group="ben",
            n=2,
            unanswered=0,
            median_s=3 * HOUR,
            p90_s=6 * HOUR,
            working_median_s=0,  # on a Sunday nobody works
            working_p90_s=3 * HOUR,
            within_share=1.0,
        ),
        None: ResponseCountLine(
            group=None,
            n=0,
            unanswered=1,
            median_s=None,
            p90_s=None,
            working_median_s=None,
            working_p90_s=None,
            within_share=0.0,
        ),
    }

    def group(by: str, **asked: Any) -> dict[str | None, tuple[int, int]]:
        return {name: (e.n, e.unanswered) for name, e in counts(desk, by, **asked).items()}

    assert group("team") == {"north": (1, 0), "south": (2, 0), None: (0, 1)}
    assert group("channel") == {"chat": (1, 0), "email": (2, 1)}
    assert group("product") == {"phone": (3, 0), None: (0, 1)}
    assert group("category") == {"billing": (0, 1), None: (3, 0)}
    assert group("day") == {"2026-03-02": (2, 0), "2026-03-03": (0, 1), "2026-03-08": (1, 0)}
    assert group("week") == {"2026-W10": (3, 1)}
    assert group("month") == {"2026-03": (3, 1)}
    assert group("month", since=moment("+2h"), until=moment("+6d")) == {"2026-03": (1, 1)}
    whole = reports.response_counts(desk.store, by="team", as_of=moment("+30d")).summary
    assert (whole["by"], whole["n"], whole["unanswered"]) == ("team", 3, 1)


def test_what_was_no_complaint_is_listed_and_counts_in_no_total(desk: Desk) -> None:
    desk.case("c1", opened(), wrote("m1"), replied("r1", "+1h"), closed("+2h"))
    desk.case("c2", opened(), wrote("m1"), replied("r1", "+9h"))
    desk.case("c2", closed("+9h", reason="not_a_complaint"))
    desk.case("c3", opened(), wrote("m1"), replied("r1", "+9h"), closed("+9h", reason="duplicate"))
    assert [each.case_id for each in responses(desk)] == ["c1", "c2", "c3"]
    assert [each.case_id for each in responses(desk, complaints=True)] == ["c1"]
    told = reports.responses(desk.store, as_of=moment("+30d")).summary
    assert (told["n"], told["p90_s"]) == (1, HOUR)
    assert counts(desk, "agent")["anna"].n == 1
    assert counts(desk, "agent", as_of="+8h")["anna"].n == 1
    assert counts(desk, "agent", as_of="+8h")[None].unanswered == 2
