"""Where the events of a task are: a bucket of an archive, a range of a store, or the last step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import msgspec

from casestore import CaseStore
from casestore.archive import Archive
from casestore.errors import FoldRefused
from casestore.journal.rows import PlainRow
from casestore.system.files import write_whole
from projections.engine import filling
from projections.engine.fold import (
    Beside,
    How,
    Made,
    customers_of,
    fold,
    read_policies,
    stream_of,
)
from projections.engine.links import Links
from projections.engine.maker import Maker
from projections.folding.customers import keeping
from projections.folding.left import Left, Stream, left_in
from projections.projection import Projection

Newest = tuple[int, str]
"""A position, and the mark of the event there."""
NOTHING: Newest = (0, "")
CUSTOMERS = ("customer:", "customer;")
"""The names that all streams of customers are between."""


class Bucket(NamedTuple):
    """A bucket of an archive: customers, and their cases."""

    archive: str
    """The archive's folder."""
    bucket: int


class Range(NamedTuple):
    """The streams of a store from a name to another."""

    url: str
    """Of the store."""
    after: str
    """The name before the first one."""
    last: str
    """The name of the last one."""


class Families(NamedTuple):
    """A share of what was left for the last step: the streams that were ever merged.

    It is divided by families, so that each task has whole ones, and holds few of them.
    """

    archive: str
    """The folder of the archive that the events are from."""
    out: str
    """The folder of the fold."""
    group: int
    """The number of the share, from 0 on."""
    of: int
    """The number of shares."""


_MERGES = "_merges"
"""The file with the merges of an archive, in the folder of a fold."""


def made_of(
    source: Bucket | Range | Families,
    projections: Sequence[Projection],
    until: int,
    left: Left,
    out: str,
) -> Iterator[tuple[Made, Newest]]:
    """Make the rows of a task's streams, some at a time, each time with the newest event so far.

    Args:
        source: where the events are.
        projections: what to make rows of.
        until: the last position to read.
        left: takes the streams that were ever merged with others, where the source is a bucket.
        out: the folder of the fold.

    Raises StoreDamaged, ArchiveDamaged, StoreUnavailable, OSError.
    """
    match source:
        case Range():
            yield from _made_of_range(source, projections, until)
        case Bucket():
            yield from _made_of_bucket(source, How(projections), until, left, links_in(out))
        case Families():
            yield from _made_of_families(source, How(projections), until, links_in(out))


# --- a range of a store --------------------------------------------------------------------


@lru_cache(maxsize=1)
def _opened(url: str) -> CaseStore:
    """The store; a process keeps it for its next task. It is closed when it is garbage."""
    return CaseStore.open(url)


def _made_of_range(
    source: Range, projections: Sequence[Projection], until: int
) -> Iterator[tuple[Made, Newest]]:
    store = _opened(source.url)
    maker = Maker(store, projections, until=until)
    for after, last in filling.within(store, source.after, source.last):
        yield maker.of_range(after, last), NOTHING


# --- a bucket of an archive ----------------------------------------------------------------


def _made_of_bucket(
    source: Bucket, how: How, until: int, left: Left, links: Links
) -> Iterator[tuple[Made, Newest]]:
    archive = Archive(Path(source.archive))
    policies = read_policies(archive.rows_without_customer(until), how)
    of_customers: Iterator[PlainRow] = iter(())
    if how.looks_at("customer"):
        of_customers = archive.rows(source.bucket, until, between=CUSTOMERS)
    before, newest = "", NOTHING
    with keeping(of_customers) as customers:
        for rows in some_streams(archive.rows(source.bucket, until)):
            newest = max(newest, newest_of(rows))
            own: list[PlainRow] = []
            known = customers.of(customers_of(rows))
            for stream, each in groupby(rows, key=stream_of):
                related = links.related(stream, until)
                if len(related) == 1:
                    own += each
                else:
                    of_stream = list(each)
                    customer = known.get(f"customer:{of_stream[0][6]}", ())
                    left.add(related[0], of_stream, customer)
            beside = {name: known[name] for name in customers_of(own) if name in known}
            yield fold(own, how, Beside(beside, policies), after=before), newest
            before = rows[-1][1]


def some_streams(rows: Iterable[PlainRow]) -> Iterator[list[PlainRow]]:
    """Divide rows into lists of whole streams: EVENTS events, and more only if the last has more.

    The rows of a stream stand together.
    """
    some: list[PlainRow] = []
    for _, each in groupby(rows, key=stream_of):
        some += each
        if len(some) >= filling.EVENTS:
            yield some
            some = []
    if some:
        yield some


def newest_of(rows: Sequence[PlainRow]) -> Newest:
    """The last position in some rows, and the mark of that event, as `Questions.mark`."""
    last = max(rows, key=itemgetter(0), default=None)
    return NOTHING if last is None else (last[0], f"{last[7]} {last[8]}")


# --- the last step -------------------------------------------------------------------------


def _made_of_families(
    source: Families, how: How, until: int, links: Links
) -> Iterator[tuple[Made, Newest]]:
    archive = Archive(Path(source.archive))
    policies = read_policies(archive.rows_without_customer(until), how)
    for some in some_families(left_in(Path(source.out), source.group, source.of)):
        rows = [row for of_stream, _ in some for row in of_stream]
        rows.sort(key=itemgetter(1, 2))  # the streams are from several buckets
        customers = {customer[0][1]: customer for _, customer in some if customer}
        families = {tuple(links.related(stream, until)) for stream in set(map(stream_of, rows))}
        yield fold(rows, how, Beside(customers, policies, sorted(families))), NOTHING


def some_families(families: Iterable[list[Stream]]) -> Iterator[list[Stream]]:
    """Put lists of whole families together: EVENTS events, and more only if the last has more."""
    some: list[Stream] = []
    events = 0
    for family in families:
        some += family
        events += sum(len(rows) for rows, _ in family)
        if events >= filling.EVENTS:
            yield some
            some, events = [], 0
    if some:
        yield some


# --- merges --------------------------------------------------------------------------------

_merges = msgspec.msgpack.Decoder(list[tuple[int, str, str]]).decode


def keep_links(out: Path, links: Links) -> None:
    """Keep the merges of an archive for the tasks of a fold. Raises OSError."""
    write_whole(out / _MERGES, msgspec.msgpack.encode(links.merges), 0o666)


def links_in(out: str) -> Links:
    """The merges that were kept in the folder of a fold. Raises FoldRefused, OSError."""
    links = Links()
    path = Path(out) / _MERGES
    try:
        merges = _merges(path.read_bytes())
    except msgspec.DecodeError as error:
        raise FoldRefused(
            f"{path} is not as a fold writes it: {error}; name another folder"
        ) from None
    for merge in merges:
        links.link(*merge)
    return links
