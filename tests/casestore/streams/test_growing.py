"""Growing maps and sets equal a dict and a frozenset, and share parts with those before them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import log2
from random import Random

import msgspec
import pytest

from casestore.events import CaseEvent
from casestore.streams.case import Case, evolve
from casestore.streams.growing import FEW, Grown, GrownSet, add, plain, put, put_all, take_out
from tests.support.stories import (
    bounced,
    escalated,
    gave,
    issue,
    kept,
    offered,
    opened,
    promised,
    replied,
    returned,
    took_back,
    wrote,
)


@pytest.mark.parametrize("seed", range(4))
def test_they_equal_a_dict_and_a_set_also_in_their_order(seed: int) -> None:
    random = Random(seed)
    told: dict[int, int] = {}
    held: Mapping[int, int] = {}
    seen, known = add(frozenset[int](), 0), {0}
    before: list[tuple[Mapping[int, int], dict[int, int]]] = []
    for new in range(10 * FEW):
        if told and random.random() < 0.3:
            gone = random.choice(list(told))
            held, _ = take_out(held, gone), told.pop(gone)
        key = random.choice([*told, new])
        held, told[key] = put(held, key, new), new
        seen, known = add(seen, key), known | {key}
        if new % 50 == 0:
            before.append((held, dict(told)))
    for each, expected in before:
        assert list(each.items()) == list(expected.items())
        assert each == expected
    assert all(held.get(key) == told.get(key) for key in range(10 * FEW))
    assert -1 not in held
    assert take_out(held, -1) is held
    assert seen == known
    assert -1 not in seen


def test_of_n_things_each_is_copied_about_log2_n_times() -> None:
    n, copied = 5000, 0
    held = put_all({}, dict.fromkeys(range(FEW + 1)))
    maps = [held, *(held := put(held, key, None) for key in range(FEW + 1, n))]
    for one, next_one in pairwise(maps):
        assert isinstance(one, Grown)
        assert isinstance(next_one, Grown)
        shared = {id(part) for part in one._parts}
        copied += sum(len(part) for part in next_one._parts if id(part) not in shared)
    assert copied < n * log2(n)


def of_each(i: int) -> tuple[CaseEvent, ...]:
    """One event for each map of a case that grows."""
    return (
        issue(f"i{i}"),
        wrote(f"m{i}", asks=[{"ask_id": f"a{i}", "kind": "action"}]),
        replied(f"r{i}"),
        promised(f"p{i}"),
        gave(f"g{i}"),
        offered(f"o{i}", [f"red{i}"]),
        escalated(f"e{i}"),
    )


def folded() -> Case:
    case = evolve(Case(case_id="x"), opened())
    for i in range(2 * FEW):
        for event in of_each(i):
            case = evolve(case, event)
    return case


def test_no_field_of_a_long_case_is_copied_whole_at_an_event() -> None:
    case = folded()
    changed = (kept("p1"), returned("e1"), took_back("g1"), bounced("r1"), *of_each(-1))
    for after in (case, *(evolve(case, event) for event in changed)):
        values = msgspec.structs.asdict(after).values()
        long = [value for value in values if isinstance(value, dict) and len(value) > FEW]
        assert not long
        sets = after.ids.values()
        assert not [each for each in sets if len(each) > FEW and not isinstance(each, GrownSet)]


def test_whoever_reads_a_state_gets_plain_dicts() -> None:
    grown = folded()
    case = plain(grown, grown.ids)
    for name in ("issues", "asks", "replies", "promises", "offers", "gestures", "escalations"):
        value = getattr(case, name)
        assert type(value) is dict
        assert len(value) == 2 * FEW
    assert {type(each) for each in case.ids.values()} == {frozenset}
    assert case == folded()
    assert plain(case, case.ids) is case
    assert msgspec.json.decode(msgspec.json.encode(case), type=Case) == case
