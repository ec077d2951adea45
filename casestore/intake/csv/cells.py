"""What stands in a cell: times, amounts, flags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache
from unicodedata import category

_MOST_CACHED = 50_000
_MOST_DOUBTFUL = 100
_EPOCH = re.compile(r"-?\d{1,17}(?:\.\d+)?")
_TRUE, _FALSE = frozenset({"true", "yes", "y", "t", "1"}), frozenset({"false", "no", "n", "f", "0"})


class Unfit(Exception):  # noqa: N818  (it says what happened, as those of casestore.errors do)
    """What stands in a cell is not what the mapping takes it for.

    `reason` has the words by which it is counted, `detail` the cell.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail[:200]


def shape(text: str) -> str:
    """What a cell looks like: a for each letter, 9 for each digit. It may be one of a row that has
    shifted, and hold what a customer said."""
    return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", text[:40]))


class Times:
    """Reads times in the formats of a mapping: "iso", "epoch", "epoch_ms" or as strptime has them.

    Args:
        formats: tried in turn.
        zone: the zone of times that name none.
    """

    def __init__(self, formats: Sequence[str], zone: tzinfo | None) -> None:
        self._formats = formats
        self._zone = zone
        self._read: dict[str, datetime] = {}
        self.doubtful: set[str] = set()
        """Times that the zone's clock showed twice or never, where it was put back or forward: the
        first hundred."""

    def read(self, text: str) -> datetime:
        """The time in UTC. Raises Unfit."""
        if (known := self._read.get(text)) is None:
            if len(self._read) >= _MOST_CACHED:
                self._read.clear()
            known = self._read[text] = self._utc(text)
        return known

    def _utc(self, text: str) -> datetime:
        given = self._parsed(text.strip())
        if given is None:
            raise Unfit("a time fits none of the mapping's time_formats", shape(text))
        if given.utcoffset() is None:
            if self._zone is None:
                raise Unfit("a time without a zone, and the mapping names no timezone", shape(text))
            given = given.replace(tzinfo=self._zone)
            twice = given.utcoffset() != given.replace(fold=1).utcoffset()
            if twice and len(self.doubtful) < _MOST_DOUBTFUL:
                self.doubtful.add(text)
        try:
            return given.astimezone(UTC)
        except OverflowError:
            raise Unfit("a time is outside the years 1 to 9999", shape(text)) from None

    def _parsed(self, text: str) -> datetime | None:
        for form in self._formats:
            try:
                if form == "iso":
                    return datetime.fromisoformat(re.sub(" UTC$", "Z", text))
                if form in ("epoch", "epoch_ms"):
                    if _EPOCH.fullmatch(text):
                        seconds = float(text) / (1000 if form == "epoch_ms" else 1)
                        return datetime.fromtimestamp(seconds, UTC)
                    continue
                return _read_as(form, text)
            except (ValueError, OverflowError, OSError):
                continue
        return None


_NUMBERS = {
    "%Y": "(?P<year>[0-9]{4})",
    "%m": "(?P<month>[0-9]{1,2})",
    "%d": "(?P<day>[0-9]{1,2})",
    "%H": "(?P<hour>[0-9]{1,2})",
    "%M": "(?P<minute>[0-9]{1,2})",
    "%S": "(?P<second>[0-9]{1,2})",
}


def _read_as(form: str, text: str) -> datetime:
    """As strptime, but formats of numbers alone are read five times as fast. Raises ValueError."""
    if (pattern := _pattern(form)) is None:
        return datetime.strptime(text, form)  # noqa: DTZ007  (the zone comes in _utc)
    if (found := pattern.fullmatch(text)) is None:
        raise ValueError(text)
    part = {name: int(digits) for name, digits in found.groupdict().items()}
    hour, minute, second = (part.get(name, 0) for name in ("hour", "minute", "second"))
    return datetime(  # noqa: DTZ001  (the zone comes in _utc)
        part["year"], part["month"], part["day"], hour, minute, second
    )


@cache
def _pattern(form: str) -> re.Pattern[str] | None:
    parts = re.split("(%.)", form)
    named = parts[1::2]
    if not {"%Y", "%m", "%d"} <= set(named) <= _NUMBERS.keys() or len(set(named)) < len(named):
        return None
    return re.compile("".join(_NUMBERS.get(part) or re.escape(part) for part in parts))


_AMOUNT = {
    ".": re.compile(r"-?(?:\d+|\d{1,3}(?:[,' ]\d{3})+)(?:\.\d+)?"),
    ",": re.compile(r"-?(?:\d+|\d{1,3}(?:[.' ]\d{3})+)(?:,\d+)?"),
}


def amount(text: str, decimal: str) -> str:
    """An amount of money as a plain number. Signs of currencies before and after it are left off.

    Args:
        text: like "1.234,50 €".
        decimal: what stands before its decimals: "." or ",".

    Raises:
        Unfit: it is no amount, or less than nothing.
    """
    bare = "".join(c for c in text if category(c) != "Sc").replace("\xa0", " ").strip()
    if not _AMOUNT[decimal].fullmatch(bare):
        raise Unfit("an amount that is no number as the mapping writes them", shape(text))
    plain = re.sub(r"[^\d,.-]", "", bare).replace("." if decimal == "," else ",", "")
    number = Decimal(plain.replace(",", "."))
    if number < 0:
        raise Unfit("an amount that is less than nothing", shape(text))
    return str(number)


def flag(text: str) -> bool:
    """A cell that says yes or no. Raises Unfit."""
    lower = text.strip().lower()
    if lower in _TRUE:
        return True
    if lower in _FALSE:
        return False
    raise Unfit("a flag that is neither true nor false", shape(text))


def whole(text: str) -> int:
    """A whole number; "4.0" is one. Raises Unfit."""
    if not re.fullmatch(r"\s*-?\d{1,18}(?:\.0*)?\s*", text):
        raise Unfit("a number that is no whole number", shape(text))
    return int(text.strip().partition(".")[0])
