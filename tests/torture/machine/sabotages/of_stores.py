"""Sabotages of the store, its tables and its keys: as if casestore had failed, or somebody had
altered it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from casestore import Append, GestureGiven, StatementMade
from casestore.events import Money
from tests.torture.machine.plan import ACTOR, BEGIN
from tests.torture.machine.sabotages.scene import Scene


def lost(scene: Scene) -> None:
    """An acknowledged event is not on record."""
    scene.remove(scene.done().done[0]["uids"][-1])


def doubled(scene: Scene) -> None:
    """An acknowledged event is on record twice."""
    scene.twice(scene.done().done[0]["uids"][0])


def half(scene: Scene) -> None:
    """Of an append that nobody knows of, one event is missing."""
    told = scene.done(least=2).asked[0]
    scene.drop(told.answer)
    scene.remove(told["uids"][-1])


def beyond_the_limit(scene: Scene) -> None:
    """A customer got more than the limit."""
    case = next(e.stream for e in scene.clean.events if isinstance(e.event, GestureGiven))
    value = Money(amount=Decimal(101), currency="EUR")
    gift = GestureGiven(
        occurred_at=BEGIN, actor=ACTOR, gesture_id="more", kind="voucher", value=value
    )
    # What is imported happened, so that no limit is held against it.
    assert scene.store.write([Append(batches=[(case, [gift])], imported=True)]) == [True]


def claimed_twice(scene: Scene) -> None:
    """Two appends got one id."""
    scene.twice(next(e.uid for e in scene.clean.events if isinstance(e.event, StatementMade)))


def gap(scene: Scene) -> None:
    """A version is missing in the midst of a stream."""
    later = {each.stream for each in scene.clean.events if each.version == 3}
    scene.remove(next(e.uid for e in scene.clean.events if e.version == 2 and e.stream in later))


def vanished(scene: Scene) -> None:
    """What readers and followers saw is gone."""
    scene.remove(scene.clean.events[-1].uid)


def trigger_gone(scene: Scene) -> None:
    """A trigger is gone that keeps the table append-only."""
    on = " ON {t}" if scene.place.backend == "postgres" else ""
    name = "stored_events_no_change" if on else "stored_events_no_update"
    scene.execute(f"DROP TRIGGER {name}{on}")


def altered(scene: Scene) -> None:
    """An event is not as it was sealed."""
    uid = scene.clean.events[0].uid
    at = "recorded_at = recorded_at + 1"
    scene.alter(f"UPDATE {{t}} SET {at} WHERE event_id = '{uid}'")


def row_gone(scene: Scene) -> None:
    """A row of a projection is gone."""
    scene.tables("cases", "DELETE FROM {t} WHERE case_id = 'end'")


def row_altered(scene: Scene) -> None:
    """A row of a projection is not as it was made."""
    scene.tables("cases", "UPDATE {t} SET channel = 'fax' WHERE case_id = 'end'")


def conflicts_hidden(scene: Scene) -> None:
    """The statements that contradict each other are not in the report."""
    scene.tables("statements", "DELETE FROM {t}")


def key_gone(scene: Scene) -> None:
    """The words of a customer cannot be read any more, and no erasure is on record."""
    keys = scene.store._recorder.keys_table
    scene.execute(f"DELETE FROM {keys} WHERE customer_id = 'c0'")


BY_CHECK: dict[str, tuple[Callable[[Scene], None], ...]] = {
    "acknowledged": (lost, doubled),
    "unknown": (half,),
    "limits": (beyond_the_limit,),
    "claims": (claimed_twice,),
    "versions": (gap,),
    "follow": (vanished,),
    "doctor": (trigger_gone,),
    "seals": (altered,),
    "projections": (row_gone, row_altered),
    "conflicts": (conflicts_hidden,),
    "erased": (key_gone,),
}
"""Which check must find each of them."""
