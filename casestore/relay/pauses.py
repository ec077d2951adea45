"""How long a relay waits before it tries again."""

from __future__ import annotations

import random
from typing import NamedTuple


class Pauses(NamedTuple):
    """Longer each time, in seconds, and never the same: many relays must not come at once."""

    first: float = 5.0
    longest: float = 3600.0

    def after(self, attempts: int, asked: float | None = None) -> float:
        """The pause after a number of attempts.

        Args:
            attempts: those in a row that failed, 1 or more.
            asked: the pause that the receiver asks for: it is made, up to the longest.
        """
        doubled = self.first * 2.0 ** min(attempts - 1, 60)
        jittered = min(doubled, self.longest) * random.uniform(0.75, 1.25)  # noqa: S311
        return min(max(jittered, asked or 0.0), self.longest)
