"""What somebody may have meant who mistyped a name."""

from __future__ import annotations

from collections.abc import Iterable


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
