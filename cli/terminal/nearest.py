"""What somebody may have meant who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casestore import CaseStore

_MOST = 300
"""How many streams with the same beginning are looked at."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a name is most like; None where it is like none."""
    from difflib import get_close_matches  # noqa: PLC0415  (only when something is mistyped)

    spelled = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about a mistyped name: "; did you mean 'x'?", or nothing."""
    meant = nearest(name, known)
    return "" if meant is None else f"; did you mean {meant!r}?"


def nearest_stream(store: CaseStore, stream: str) -> str | None:
    """The id of a case or a customer that a mistyped one is most like; None where it is like none.

    Only those are looked at that begin alike, the longest beginnings first, and not all of them.
    """
    kind, _, wanted = stream.partition(":")
    for length in dict.fromkeys((len(wanted) - 1, len(wanted) // 2, 1, 0)):
        for begin in dict.fromkeys(
            (wanted[:length], wanted[:length].upper(), wanted[:length].lower())
        ):
            found = store._recorder.streams(f"{kind}:{begin}", "", _MOST)
            if meant := nearest(wanted, [name.partition(":")[2] for name in found]):
                return meant
    return None
