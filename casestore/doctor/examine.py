"""The doctor: checks whether a store is complete and consistent, from the store alone.

`examine` gives findings and prints nothing. It uses constant memory: rows are read in position
order, a chunk at a time, and the database answers the questions about whole streams. The doctor
cannot find out that somebody changed a row carefully; the audit can, with its signatures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from eventsourcing.persistence import DatabaseError, InterfaceError, OperationalError

from casestore.doctor import keys, relays, rows, schema
from casestore.doctor.access import CHECK, access_log
from casestore.doctor.finding import RESTORE, SHOWN, DoctorFinding
from casestore.doctor.rows import Progress
from casestore.errors import StoreDamaged, StoreUnavailable
from casestore.journal.answering import is_damage
from casestore.store import CaseStore

__all__ = ["DoctorFinding", "examine"]


def examine(store: CaseStore, *, progress: Progress | None = None) -> Iterator[DoctorFinding]:
    """Run all checks. Each check gives a finding "ok", or what it found.

    Args:
        store: an open one.
        progress: called with the number of events read.

    Raises:
        StoreUnavailable: the database stopped answering.
    """
    for checks, find in _all_checks(progress or (lambda _: None)):
        counts = dict.fromkeys(checks, 0)
        last: dict[str, DoctorFinding] = {}
        try:
            for finding in find(store):
                last[finding.check] = finding
                counts[finding.check] += 1
                if counts[finding.check] <= SHOWN:
                    yield finding
        except (DatabaseError, InterfaceError, StoreUnavailable, StoreDamaged) as error:
            why = error.__cause__ or error
            if not is_damage(why) and isinstance(why, (OperationalError, InterfaceError)):
                raise StoreUnavailable(f"the database stopped answering: {why}") from error
            counts = {checks[0]: 1}
            yield DoctorFinding(
                "error", checks[0], "the database", f"cannot be read: {why}", RESTORE
            )
        for check, count in counts.items():
            if count == 0:
                yield DoctorFinding("ok", check)
            elif count > SHOWN:
                yield last[check]._replace(where="", what=f"and {count - SHOWN} more of this kind")


Find = Callable[[CaseStore], Iterator[DoctorFinding]]


def _all_checks(progress: Progress) -> Iterator[tuple[tuple[str, ...], Find]]:
    """The names of the checks, and the function that makes them: one may make several."""
    yield ("schema version",), schema.schema_version
    yield ("upgrade",), schema.upgrade
    yield ("database",), schema.database
    yield ("append-only triggers",), schema.triggers
    yield ("tables",), schema.tables
    yield ("rows that readers find",), schema.hidden
    yield ("dense versions",), rows.dense
    yield ("positions in order",), rows.positions
    yield rows.SCANNED, lambda store: rows.scan(store, progress)
    yield ("one customer per case",), rows.customers
    yield ("key file",), keys.key_file
    yield ("keys of words",), keys.keys_of_words
    yield ("erasures",), keys.erasures
    yield (CHECK,), access_log
    yield ("pseudonymous ids",), _ids
    yield ("relays",), relays.find


# --- ids ------------------------------------------------------------------------------------

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_TELEPHONE = re.compile(r"(\+|00)[1-9][\d ()/.-]{6,}|\(?0\d{1,5}[) /.-]+\d[\d ()/.-]{4,}")


def _ids(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find ids that look like a mail address or a telephone number: ids cannot be erased."""
    for kind in ("case", "customer"):
        for stream in store.streams(kind):
            stream_id = stream.partition(":")[2]
            for pattern, like in ((_MAIL, "a mail address"), (_TELEPHONE, "a telephone number")):
                if pattern.fullmatch(stream_id):
                    where = f"{kind}:{stream_id[:3]}…"
                    what = f"its id looks like {like}, which no erasure can remove"
                    do = "give ids that say nothing about the person"
                    yield DoctorFinding("warning", "pseudonymous ids", where, what, do)
