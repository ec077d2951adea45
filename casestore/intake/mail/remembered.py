"""What the reader keeps of each mail until all are read: a Mail or a Report, in tables of its own.

`ids` holds every Message-ID that a mail has or names, by its pseudonym, and joins them to threads:
`up` leads to another id of the thread, at last to the least one, which has itself.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime

import msgspec

from casestore.intake.ids import message_pseudonym
from casestore.intake.mail.delivery import Fate

TABLES = """
CREATE TABLE ids (id TEXT PRIMARY KEY, up TEXT, message_id TEXT) WITHOUT ROWID;
CREATE TABLE mails (
    id TEXT PRIMARY KEY, at INTEGER, data BLOB, content BLOB, whence TEXT,
    sent INTEGER, automated INTEGER, who TEXT, subject TEXT, first TEXT, thread TEXT, stream TEXT
) WITHOUT ROWID;
CREATE TABLE reports (
    id TEXT PRIMARY KEY, at INTEGER, data BLOB, whence TEXT, stream TEXT, about TEXT
) WITHOUT ROWID;
CREATE TABLE known (
    id TEXT PRIMARY KEY, stream TEXT, kind TEXT, its_id TEXT, key TEXT, thread TEXT
) WITHOUT ROWID;
CREATE TABLE opened (customer TEXT, at INTEGER, stream TEXT, name TEXT, address TEXT);
"""
"""`sent`: 0 is received, 1 sent, 2 sent among ourselves. `who`: the pseudonym of the customer.
`first`: the first mail of the thread that a mail names, or itself. `at`: in microseconds since
1970; of a report in the end no earlier than of its reply. `about`: the reply_id that the store has,
or will have."""


class Mail(msgspec.Struct):
    """A mail of somebody to somebody."""

    at: datetime
    address: str
    """Of its sender."""
    name: str
    customer: str
    """The address of the customer: of its sender, or, if it is ours, of whom it was sent to first.
    Empty where it was sent to nobody."""
    customer_name: str
    sent: bool
    """Whether it is ours."""
    internal: bool
    """Whether it is ours and goes to nobody else."""
    automated: bool
    language: str | None
    to: str | None
    subject: str
    text: str | None
    notes: list[str]
    refers_to: list[str]
    """The ids of the mails that it answers."""
    remarks: list[str]


class Report(msgspec.Struct):
    """A mail about a mail."""

    at: datetime
    message_id: str
    fates: list[Fate]
    about: list[str]
    """The Message-IDs that the mail may have, the most likely first."""


def join(sql: sqlite3.Connection, ids: list[str]) -> None:
    """Make one thread of the threads of some ids, whose rows are there."""
    roots = {root_of(sql, id) for id in ids}
    least = min(roots)
    sql.executemany(
        "UPDATE ids SET up = ? WHERE id = ?", [(least, root) for root in roots if root != least]
    )


def root_of(sql: sqlite3.Connection, id: str) -> str:
    """The least id of an id's thread."""
    passed = []
    while True:
        up: str = sql.execute("SELECT up FROM ids WHERE id = ?", (id,)).fetchone()[0]
        if up == id:
            break
        passed.append(id)
        id = up
    if len(passed) > 1:
        sql.executemany("UPDATE ids SET up = ? WHERE id = ?", [(id, each) for each in passed])
    return id


def note_ids(sql: sqlite3.Connection, message_ids: list[str]) -> list[str]:
    """Note Message-IDs, and give their pseudonyms."""
    ids = [message_pseudonym(each) for each in message_ids]
    sql.executemany(
        "INSERT OR IGNORE INTO ids VALUES (?, ?, ?)",
        [(id, id, message_id) for id, message_id in zip(ids, message_ids, strict=True)],
    )
    return ids
