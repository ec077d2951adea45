"""Laws of reading: the order of recording changes nothing, nor does the split of a merged case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casestore.append.request import event_id
from casestore.events import (
    CaseAssigned,
    CaseClosed,
    CaseEscalated,
    CaseMerged,
    CaseOpened,
    CaseReclassified,
    CaseReopened,
    CaseUnmerged,
    EscalationReturned,
)
from casestore.events.markers import FAMILY_KINDS, IdKey, brings, needs, renamed
from projections import reports
from tests.support.histories import Fact, Told, note_merge, some_facts
from tests.support.stories import ANNA, START

Rows = dict[str, list[dict[str, Any]]]
OF_THE_ROOT = (
    *(CaseAssigned, CaseClosed, CaseReopened, CaseReclassified, CaseEscalated, EscalationReturned),
)
"""What is told of a case as a whole."""


def accepted(told: Told, facts: Sequence[Fact]) -> list[Fact]:
    """Append facts; try refused ones again after others. Returns the accepted ones."""
    done: list[Fact] = []
    left = list(facts)
    while left:
        now = [fact for fact in left if told.tell(fact)]
        if not now:
            break
        done += now
        left = [fact for fact in left if fact not in now]
    return done


@pytest.mark.parametrize("merges", [0, 0.15], ids=["apart", "merged"])
@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_telling_reads_alike(tmp_path: Path, seed: int, merges: float) -> None:
    random = Random(seed)
    facts = some_facts(tmp_path, seed, 120, merges=merges, theme=OF_THE_ROOT)
    numbers = {fact.key: number for number, fact in enumerate(facts)}
    for again in range(99):
        begun, rest = facts[:5], facts[5:]
        with Told(tmp_path / f"{again}-some.db") as told:
            there = {fact.key for fact in accepted(told, [*begun, *random.sample(rest, len(rest))])}
            some, said = told.rows(), everything(told)
        # Facts that are refused in this order are left out of the other order too.
        facts = [fact for fact in facts if fact.key in there]
        with Told(tmp_path / f"{again}-in-order.db") as told:
            in_order = [fact for fact in facts if told.tell(fact)]
            if len(in_order) == len(facts):
                assert told.rows() == some
                assert everything(told) == said
                break
        facts = in_order
    assert len(facts) > 40
    assert [numbers[fact.key] for fact in facts] == sorted(numbers[fact.key] for fact in facts)


def everything(told: Told) -> list[Any]:
    """The results of all reports, without positions."""
    found = []
    for report in reports.REPORTS:
        needed: dict[str, Any] = {
            option.name: option.kind[0] if isinstance(option.kind, tuple) else "first_line"
            for option in report.options
            if option.required
        }
        if report.argument is not None:
            needed[report.argument] = "x"
        result = report(told.store, as_of=START + timedelta(days=20), **needed)
        found.append((report.name, result.rows, result.summary))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_merged_and_taken_out_with_nothing_between_is_as_never_merged(
    tmp_path: Path, seed: int
) -> None:
    random = Random(seed)
    facts = some_facts(tmp_path, seed, 120)
    place, one, other = random.choice(list(pairs_that_are_apart(facts)))
    at = facts[place - 1].event.occurred_at + timedelta(minutes=1)
    turn = [
        Fact(f"case:{one}", CaseMerged(occurred_at=at, actor=ANNA, into=other), "in"),
        Fact(f"case:{one}", CaseUnmerged(occurred_at=at, actor=ANNA, out_of=other), "out"),
    ]
    with Told(tmp_path / "never.db") as told:
        assert all(map(told.tell, facts))
        never = told.rows()
    with Told(tmp_path / "once.db") as told:
        assert all(map(told.tell, [*facts[:place], *turn, *facts[place:]]))
        once = told.rows()
    events = [sum(row.pop("events") for row in rows["cases"]) for rows in (once, never)]
    assert events[0] == events[1] + 2
    for rows in (once, never):
        for row in rows["cases"]:
            del row["last_event_at"]
    assert once == never


def pairs_that_are_apart(facts: Sequence[Fact]) -> Iterator[tuple[int, str, str]]:
    """Indexes into the facts, each with two cases that are not merged at that point."""
    merged: dict[str, str] = {}
    there: list[str] = []
    for place, fact in enumerate(facts):
        apart = [case_id for case_id in there if f"case:{case_id}" not in merged]
        yield from ((place, *pair) for pair in permutations(apart, 2))
        if isinstance(fact.event, CaseOpened):
            there.append(fact.stream.removeprefix("case:"))
        note_merge(merged, fact.stream, fact.event)


# --- one case or two ----------------------------------------------------------------------------


def told_in_two(facts: Sequence[Fact], random: Random) -> list[Fact]:
    """The same facts, but some of them in a case y, which is merged into x at once."""
    home: dict[IdKey, str] = {}
    moved: list[Fact] = []
    for fact in facts:
        event = fact.event
        if fact.stream != "case:x":
            moved.append(fact)
            continue
        if isinstance(event, CaseOpened):
            merged = CaseMerged(occurred_at=event.occurred_at, actor=ANNA, into="x")
            moved += [fact, fact._replace(stream="case:y"), Fact("case:y", merged, "merged")]
            continue
        case_id = "x" if isinstance(event, OF_THE_ROOT) else random.choice("xy")
        for key in needs(event):  # ids of other kinds may be referred to in their own stream only
            if key[0] not in FAMILY_KINDS:
                case_id = home[key]
        named = set(needs(event))
        home.update(dict.fromkeys(brings(event), case_id))

        def full(kind: str, name: str) -> str:
            elsewhere = (kind, name) in named and home[kind, name] != case_id  # noqa: B023
            return f"{home[kind, name]}/{name}" if elsewhere else name

        moved.append(Fact(f"case:{case_id}", renamed(event, full), fact.key))
    return moved


@pytest.mark.parametrize("seed", range(24))
def test_two_cases_merged_at_once_are_one(tmp_path: Path, seed: int) -> None:
    streams = ("case:x", "customer:x")
    facts = some_facts(tmp_path, seed, 150, streams=streams, merges=0)
    with Told(tmp_path / "one.db") as told:
        assert all(map(told.tell, facts))
        one = told.rows()
    two_facts = told_in_two(facts, Random(seed))
    assert sum(fact.stream == "case:y" for fact in two_facts) > 3
    with Told(tmp_path / "two.db") as told:
        assert all(map(told.tell, two_facts))
        two = told.rows()
    ids = {event_id(fact.stream, fact.key, 0): fact.key for fact in (*facts, *two_facts)}
    two["cases"] = [row for row in two["cases"] if row["status"] != "merged"]
    for row in two["cases"]:
        row["events"] -= 2  # y has two more events: it was opened and merged

    def plain(value: Any) -> Any:
        """A value in which the ids of both cases are the same."""
        if isinstance(value, tuple):
            return tuple(map(plain, value))
        if isinstance(value, str):
            return ids.get(value, value.removeprefix("x/").removeprefix("y/"))
        return value

    for name in one:
        same = [
            sorted(({n: plain(v) for n, v in row.items()} for row in rows), key=repr)
            for rows in (one[name], two[name])
        ]
        assert same[0] == same[1], name
