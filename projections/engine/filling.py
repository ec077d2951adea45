"""Makes the rows of a range of streams, and inserts them into new tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from casestore import CaseStore
from casestore.system.garbage import fewer_collections
from projections.engine.fold import Made
from projections.engine.maker import Maker
from projections.engine.tables import Tables, Tracked, unavailable

EVENTS = 4_000
"""How many events are read and written at a time; more only if one stream has more."""


def ranges(
    store: CaseStore, kinds: Iterable[str], events: int | None = None
) -> Iterator[tuple[str, str]]:
    """Divide the streams into ranges of about so many events; EVENTS if that is left out.

    Each range is a pair: the name after which it begins, and its last name.
    """
    for kind in kinds:
        yield from within(store, f"{kind}:", f"{kind};", events)


def within(
    store: CaseStore, after: str, end: str, events: int | None = None
) -> Iterator[tuple[str, str]]:
    """Divide a range of streams into smaller ones, like `ranges`."""
    while after != end:
        last = store._recorder.stream_of_nth(after, end, events or EVENTS) or end
        yield after, last
        after = last


def fill(where: Tables, maker: Maker, into: Sequence[Tracked], streams: tuple[str, str]) -> Made:
    """Make the rows of a range of streams, and insert them into tables that have none of them."""
    with fewer_collections():
        made = maker.of_range(*streams)
    put(where, into, made)
    return made


def put(where: Tables, into: Sequence[Tracked], made: Made) -> None:
    """Insert rows into tables that have none of these streams."""
    with unavailable(), where.writing() as cursor:
        for table in into:
            where.insert(cursor, table, made)
