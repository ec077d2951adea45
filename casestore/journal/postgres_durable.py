"""When a commit is on the disk of a PostgreSQL server, for who writes and for who reads.

Whoever appends lets go of the lock before its commit is flushed, and waits for the flush after it:
so one flush serves all who append meanwhile. A commit is thus visible before it is durable. Nobody
is told of it until then: who appends flushes before the receipt is given, and who reads what may
not be flushed yet flushes it too. See docs/decisions/026-durable-in-order.md.

What a crash leaves is a prefix. Under the lock a commit's record is in the WAL before the next
append begins, so commits stand there in the order of positions, and a flush of one takes with it
all that stand before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from psycopg import Cursor

# A message in the WAL gives the transaction something to commit; its commit is flushed, and with it
# all before. It needs no privilege, and works in a transaction that is read only. "local" is
# enough: where a standby is to be waited for, a commit is visible only after that, as it is waited
# for under the lock. A standby shows only what it has flushed, and has no WAL of its own.
FLUSH = (
    "SELECT set_config('synchronous_commit', 'local', true), "
    "pg_logical_emit_message(true, 'casestore', '') WHERE NOT pg_is_in_recovery()"
)
"""In a transaction of its own, or at the end of one: makes all commits up to now durable."""
WITHOUT_WAITING = """
SELECT set_config('synchronous_commit', CASE current_setting('synchronous_standby_names')
    WHEN '' THEN 'off' ELSE current_setting('synchronous_commit') END, true);
"""
"""Makes the commit of the transaction visible before it is flushed, if no standby is waited for.
The settings of a server change only between two messages: FLUSH belongs in the same one."""
_STATE = """
SELECT (SELECT max(position) FROM {table}), CASE WHEN pg_is_in_recovery() THEN true
    ELSE pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() END
"""
"""What is visible by now, and whether all that was committed by now is flushed: the end of the WAL
is read after the snapshot was taken."""
_OF_POSITIONS = re.compile(r"SELECT (?:max\(|min\()?position\b")
"""Queries whose answers tell only of events up to the highest number in their first column."""


class Durable:
    """Up to which position events are known to be durable.

    It holds for one server: a standby that takes over may lack some. So whoever connects anew makes
    a new one, and who reads takes that which is there once it has its connection.
    """

    def __init__(self) -> None:
        self.position = 0

    def learn(self, position: int) -> None:
        """Note that the event at a position is durable, and with it all before."""
        self.position = max(self.position, position)

    def wait(self, cursor: Cursor[Any], table: str, sql: str, rows: Sequence[Any]) -> None:
        """Wait until what was read is durable.

        Args:
            cursor: that it was read with. If it was in a transaction, the transaction must be
                committed before anybody is told.
            table: the table of events.
            sql: what was asked.
            rows: the answer.
        """
        if table not in sql and table.removesuffix("stored_events") + "customer_keys" not in sql:
            return  # events come with new keys; what else there is tells nobody of an event
        if _OF_POSITIONS.match(sql):
            read = max([row[0] or 0 for row in rows], default=0)
            if read <= self.position:
                return
        asked = cursor.execute(cast(Any, _STATE.replace("{table}", table))).fetchone()
        last, flushed = cast("tuple[int | None, bool]", asked)
        if not flushed and (last or 0) > self.position:
            cursor.execute(FLUSH)
        self.learn(last or 0)
