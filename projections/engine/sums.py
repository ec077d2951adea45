"""A count and a checksum of a table's rows, which are kept with its position.

They show that somebody took rows out, changed them or put some in: such a row was not made here.
The checksum is the sum, modulo 2^64, of a hash of each row. So it does not depend on the order of
the rows, rows can be taken off it, and the sums of several processes add up. It is no signature:
whoever can write the tables can write a sum that fits. Rows that are made anew from the events show
that too (`projections.engine.verifying`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from struct import unpack
from typing import Any, NamedTuple, Self

from msgspec.msgpack import encode

from projections.engine.fold import Made

_MASK = (1 << 64) - 1


_EMPTY = blake2b(digest_size=8)


def _hash(row: Sequence[Any]) -> bytes:
    hashed = _EMPTY.copy()  # faster than a new one
    hashed.update(encode(row))
    return hashed.digest()


def digest(row: Sequence[Any]) -> int:
    """A hash of a row's stored values: BLAKE2b of their MessagePack, 64 bits."""
    return int.from_bytes(_hash(row))


class Sum(NamedTuple):
    """The count and the checksum of some rows; of a change, both may be below zero."""

    rows: int = 0
    checksum: int = 0

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]]) -> Self:
        """The sum of rows, each with all the columns of its table."""
        hashes = list(map(_hash, rows))
        return cls(len(hashes), sum(unpack(f">{len(hashes)}Q", b"".join(hashes))))

    @classmethod
    def read(cls, rows: int, checksum: str) -> Self:
        """A sum as it is stored."""
        return cls(rows, int(checksum, 16))

    @property
    def text(self) -> str:
        """The checksum as it is stored: 16 hexadecimal digits."""
        return f"{self.checksum & _MASK:016x}"

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return Sum(self.rows + other.rows, (self.checksum + other.checksum) & _MASK)

    def minus(self, other: Sum) -> Sum:
        """This without the rows of another."""
        return Sum(self.rows - other.rows, (self.checksum - other.checksum) & _MASK)


def sum_of_made(made: Made, table: str, projection: str) -> Sum:
    """The sum of what was made for a table: its rows, and its rows in `parked`."""
    parked = [(table, *each) for each in made.parked[projection]]
    return Sum.of(made.rows[projection]).plus(Sum.of(parked))
