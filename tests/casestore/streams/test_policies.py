"""The policy stream: which policies were adopted, and that no policy judges the past."""

from __future__ import annotations

from copy import deepcopy

from casestore.events.policy_document import BUILT_IN
from casestore.streams.policies import Adopted, Policies, evolve
from tests.support.stories import (
    adopted,
    given,
    given_policy,
    knew,
    moment,
    noted,
    registered,
    voided,
)

NONE = given_policy()


def test_every_policy_adopted_is_on_record_in_the_order_of_adoption() -> None:
    story = given_policy(adopted("a", effective="+3d"), adopted("b", "+1d", effective="+2d"))
    assert story.policies == Policies(
        adopted=(
            Adopted("a", moment("+3d"), BUILT_IN),
            Adopted("b", moment("+2d"), BUILT_IN),
        )
    )


def test_evolve_leaves_the_policies_before_as_they_were() -> None:
    policies = given_policy(adopted("a")).policies
    before = deepcopy(policies)
    assert evolve(policies, adopted("b")) != policies
    assert policies == before


def test_a_policy_may_be_adopted_again_under_its_name() -> None:
    given_policy(adopted("house"), adopted("house"), adopted("house", effective="+9d"))


def test_a_policy_does_not_judge_what_was() -> None:
    NONE.when(adopted(effective="-301s"), now="+0h").refused("effective_from is before now")
    NONE.when(adopted(effective="-300s"), now="+0h").accepted()  # clocks differ a little
    NONE.when(adopted(effective="+0h"), now="+0h").accepted()
    NONE.when(adopted(effective="+1s"), now="+0h").accepted()


def test_now_is_the_time_of_the_stores_clock() -> None:
    late = adopted(at="-2d", effective="-1d")
    NONE.when(late, now="+0h").refused("effective_from is before now")


def test_an_imported_adoption_is_held_to_its_own_time() -> None:
    late = adopted(at="-2d", effective="-1d")
    NONE.when(late, now="+0h", imported=True).accepted()
    NONE.when(adopted(at="-2d", effective="-3d"), now="+0h", imported=True).refused("before now")


def test_an_adoption_is_at_most_five_minutes_ahead_of_the_clock() -> None:
    NONE.when(adopted(at="+5m"), now="+0h").accepted()
    NONE.when(adopted(at="+301s"), now="+0h").refused("more than five minutes ahead")
    NONE.when(adopted(at="+301s"), now="+0h", imported=True).refused("five minutes")


def test_nothing_else_belongs_here_and_a_policy_belongs_nowhere_else() -> None:
    for event in (noted(), knew(), registered(), voided(1)):
        NONE.when(event).refused("it does not belong into this kind of stream; append it to")
    given(stream="case:c1").when(adopted()).refused("append it to policy")
    given(stream="customer:k1").when(adopted()).refused("append it to policy")


def test_the_policy_stream_begins_with_any_adoption() -> None:
    NONE.when(adopted()).accepted()
