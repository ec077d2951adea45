"""The doctor's check of a PostgreSQL server: what it is set to, and what a crash may lose."""

from __future__ import annotations

from collections.abc import Iterator

from casestore.doctor.finding import DoctorFinding, Level
from casestore.store import CaseStore

_SETTINGS = """
SELECT name::text, current_setting(name), reset_val::text FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')
"""
_SERVER = "SELECT current_setting('server_version'), pg_is_in_recovery()"
# A base backup in progress is a sender too.
_STANDBYS = """
SELECT count(*), count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')),
       count(*) FILTER (WHERE sync_state IS NULL)
FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
"""


def server(store: CaseStore) -> Iterator[DoctorFinding]:
    """Tell what the server is set to; a warning where that can lose events, or stops appends."""
    ask = store._recorder.fetch
    settings = {name: (value, elsewhere) for name, value, elsewhere in ask(_SETTINGS)}
    ((version, is_standby),) = ask(_SERVER)
    told, do = [], []
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        value, elsewhere = settings[name]
        ours = f" (our connections set it, elsewhere it is {elsewhere})"
        told.append(f"{name} {value}{ours if value != elsewhere else ''}")
        if value == "off":
            do.append(f"switch {name} on: without it a crash can damage the store")
    count, waited_for, unseen = (0, 0, 0) if is_standby else ask(_STANDBYS)[0]
    if settings["synchronous_standby_names"][0] and not count and not is_standby:
        do.append("start a standby, or empty synchronous_standby_names: every append waits for one")
    what = f"{', '.join(told)}; {_replication(is_standby, count, waited_for, unseen)}"
    level: Level = "warning" if do else "ok"
    yield DoctorFinding(level, "database", f"PostgreSQL {version.split()[0]}", what, "; ".join(do))


def _replication(is_standby: bool, count: int, waited_for: int, unseen: int) -> str:
    if is_standby:
        return "a hot standby itself, for reading only"
    if not count:
        return "no standby"
    standbys = f"{count} standby" if count == 1 else f"{count} standbys"
    if unseen:
        return f"{standbys} (a role with pg_read_all_stats sees whether commits wait for it)"
    if waited_for:
        return f"{standbys}, for {waited_for} of which commits wait"
    return (
        f"{standbys}, for none of which commits wait: if one takes over, it may lack the last "
        "events"
    )
