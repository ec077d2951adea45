"""Legal holds, placed and released."""

from __future__ import annotations

from casestore import HoldPlaced, HoldReleased
from tests.support.notes import ANNA, T


def held(hold_id: str) -> HoldPlaced:
    return HoldPlaced(occurred_at=T, actor=ANNA, hold_id=hold_id, reason="claim")


def let_go(hold_id: str) -> HoldReleased:
    return HoldReleased(occurred_at=T, actor=ANNA, hold_id=hold_id, reason="settled")
