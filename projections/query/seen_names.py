"""The names that a store has seen, by how they begin: what a shell completes.

Nothing is brought up to date for it, and nothing is made. What is read is what stands in the live
tables, as far as there are any, and in the last events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import msgspec

from casestore import CaseStore
from projections.engine.open_tables import tables_that_are_there
from projections.engine.tables import Cursor, Tables
from projections.models.cases import CASES
from projections.models.goodwill import GOODWILL
from projections.projection import Projection

MOST = 200
"""How many names are given at most, and the last of all there are."""
_LAST_EVENTS = 1_000


class _Where(NamedTuple):
    projection: Projection
    columns: tuple[str, ...]


_WHERE = {
    "agent": _Where(CASES, ("agent", "opener", "responder", "closer")),
    "team": _Where(CASES, ("team", "opener_team", "responder_team", "closer_team")),
    "product": _Where(CASES, ("product",)),
    "region": _Where(CASES, ("region",)),
    "category": _Where(CASES, ("category",)),
    "role": _Where(GOODWILL, ("role", "approver_role")),
}
NAMES = tuple(_WHERE)
"""What can be asked for."""


def seen(store: CaseStore, name: str, prefix: str) -> list[str]:
    """The agents, teams, roles, products, regions or categories that begin so, sorted.

    Raises StoreUnavailable.
    """
    found = {*_of_tables(store, _WHERE[name], prefix), *_of_events(store, name)}
    return _some({each for each in found if each.startswith(prefix)})


def streams(store: CaseStore, prefix: str) -> list[str]:
    """The names of the streams that begin so: case:… or customer:…. Raises StoreUnavailable."""
    found = store._recorder.streams(prefix, "", MOST)
    if len(found) == MOST and (last := store._recorder.last_stream(prefix)) is not None:
        # A shell types on as far as all names agree: as far as the first and the last do.
        found = list(dict.fromkeys([*found, last]))
    return found


def actors(store: CaseStore) -> list[str]:
    """Who did the last events, as --actor names them: KIND:ID[:ROLE[:TEAM]]."""
    found = set()
    for _, state in _last_states(store):
        actor = state.get("actor") or {}
        parts = [str(actor.get(part) or "") for part in ("kind", "id", "role", "team")]
        found.add(":".join(parts).rstrip(":"))
    return sorted(found)


def values(store: CaseStore, topic: str, field: str) -> list[str]:
    """What the last events of a type had in a field that is not personal."""
    states = (state for each, state in _last_states(store) if each == topic)
    return _some({str(state[field]) for state in states if isinstance(state.get(field), str)})


def _of_events(store: CaseStore, name: str) -> Iterator[str]:
    for _, state in _last_states(store):
        actor = state.get("actor") or {}
        if name in ("role", "team"):
            yield str(actor.get(name) or "")
        if name == "agent" and actor.get("kind") == "agent":
            yield str(actor.get("id") or "")
        yield str(state.get(name) or "")


def _last_states(store: CaseStore) -> Iterator[tuple[str, dict[str, Any]]]:
    """The type and the state of the last events; a state holds no personal text."""
    recorder = store._recorder
    for row in recorder.rows(max(0, recorder.last_position() - _LAST_EVENTS), _LAST_EVENTS):
        yield row[3], msgspec.json.decode(row[4])


def _of_tables(store: CaseStore, where: _Where, prefix: str) -> Iterable[str]:
    tables = tables_that_are_there(store)
    if tables is None:
        return []
    with closing(tables), tables.reading() as cursor:
        table = _live(store, tables, cursor, where.projection)
        return [] if table is None else list(_begin_so(cursor, table, where.columns, prefix))


def _live(store: CaseStore, tables: Tables, cursor: Cursor, projection: Projection) -> str | None:
    store_id = store.meta["store_id"]
    wanted = (projection.name, projection.version, store_id, True)
    for each in tables.tracked(cursor):
        if (each.projection, each.version, each.store_id, each.live) == wanted:
            return tables.at(each.table)
    return None


def _begin_so(cursor: Cursor, table: str, columns: Iterable[str], prefix: str) -> Iterator[str]:
    for column in columns:
        where, params = f'"{column}" >= ?', [prefix]
        if prefix:
            where, params = f'{where} AND "{column}" < ?', [prefix, _after(prefix)]
        sql = f'SELECT DISTINCT "{column}" FROM {table} WHERE {where} ORDER BY 1'
        yield from (name for (name,) in cursor.all(sql, params))


def _after(prefix: str) -> str:
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def _some(names: set[str]) -> list[str]:
    ordered = sorted(names - {""})
    return ordered if len(ordered) <= MOST else [*ordered[:MOST], ordered[-1]]
