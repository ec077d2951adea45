"""Threads, and the case of each: which mails belong together, and where the store has them.

A case is named after the first mail of its thread that is known of, even if it was not read: so
the case is the same when that mail is read later. Where the store has a mail of a thread already,
the others go into that mail's case.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from itertools import groupby

import msgspec

from casestore.intake.mail.remembered import Mail, join, root_of
from casestore.intake.options import Known

_AT_ONCE = 50_000
"""How many Message-IDs the store is asked about at a time; it looks through its mails each time."""
_PAGE = 1000
_DAY = 24 * 60 * 60 * 1_000_000
_REPLY = re.compile(r"(?:(?:re|fwd?|aw|wg|sv|vs|tr|rv|antw|rif|r)(?:\[\d+\])?\s*:\s*)+", re.I)
_ANSWER = re.compile(r"\s*(?:re|aw|sv|antw|rif|r)(?:\[\d+\])?\s*:", re.I)
_decode = msgspec.json.Decoder(Mail).decode


def same_subject(subject: str) -> str:
    """A subject as it is compared with that of an answer."""
    plain = subject.lower().strip()
    answered = _REPLY.match(plain)
    return " ".join((plain[answered.end() :] if answered else plain).split())


def is_answer(subject: str) -> bool:
    """Whether a subject begins with a mark of an answer, like Re:."""
    return _ANSWER.match(subject) is not None


def join_by_subject(sql: sqlite3.Connection, days: int) -> None:
    """Join mails with the same subject and customer where so many days or less are between them."""
    found = sql.execute(
        "SELECT subject, who, at, id FROM mails WHERE subject <> '' AND who <> '' "
        "ORDER BY subject, who, at, id"
    )
    for _, mails in groupby(found, key=lambda each: each[:2]):
        before: tuple[int, str] | None = None
        for _, _, at, id in mails:
            if before is not None and at - before[0] <= days * _DAY:
                join(sql, [before[1], id])
            before = (at, id)


def place_all(sql: sqlite3.Connection, known: Known) -> None:
    """Give every mail its thread and its stream."""
    _find_known(sql, known)
    for id in _each(sql, "id"):
        sql.execute("UPDATE mails SET thread = ? WHERE id = ?", (root_of(sql, id), id))
    sql.execute("CREATE INDEX mails_of_threads ON mails (thread, at, id)")
    sql.execute("CREATE INDEX known_of_threads ON known (thread)")
    for thread in _each(sql, "thread"):
        streams = sql.execute("SELECT stream FROM known WHERE thread = ?", (thread,)).fetchall()
        if streams:
            _place_by_known(sql, thread, min(streams)[0])
        else:
            stream = f"case:mail-{_root(sql, thread)[2:18]}"
            sql.execute("UPDATE mails SET stream = ? WHERE thread = ?", (stream, thread))
    sql.execute("CREATE INDEX mails_of_streams ON mails (stream, at, id)")


def _each(sql: sqlite3.Connection, column: str) -> Iterator[str]:
    """Each value of a column of mails, though they are changed meanwhile."""
    after = ""
    query = f"SELECT DISTINCT {column} FROM mails WHERE {column} > ? ORDER BY {column} LIMIT ?"
    while page := sql.execute(query, (after, _PAGE)).fetchall():
        yield from (value for (value,) in page)
        after = page[-1][0]


def _find_known(sql: sqlite3.Connection, known: Known) -> None:
    rows = sql.execute("SELECT id, message_id FROM ids WHERE message_id <> '' ORDER BY id")
    while chunk := {message_id: id for id, message_id in rows.fetchmany(_AT_ONCE)}:
        for message_id, mail in known.mails(chunk).items():
            id = chunk[message_id]
            sql.execute(
                "INSERT INTO known VALUES (?, ?, ?, ?, ?, ?)",
                (id, mail.stream, mail.kind, mail.id, mail.key, root_of(sql, id)),
            )


def _root(sql: sqlite3.Connection, thread: str) -> str:
    """The first mail of a thread that is known of, by following what its earliest mail answers."""
    query = "SELECT first FROM mails WHERE thread = ? ORDER BY at, id LIMIT 1"
    (root,) = sql.execute(query, (thread,)).fetchone()
    passed = set()
    while root not in passed:  # mails that answer each other would never end
        passed.add(root)
        found = sql.execute("SELECT first FROM mails WHERE id = ?", (root,)).fetchone()
        if found is None or found[0] in passed:
            break
        root = found[0]
    return str(root)


def _place_by_known(sql: sqlite3.Connection, thread: str, otherwise: str) -> None:
    """Put each mail where the store has it, or where the last mail is that it answers."""
    mails = sql.execute("SELECT id, data FROM mails WHERE thread = ? ORDER BY at, id", (thread,))
    for id, data in mails.fetchall():
        stream = otherwise
        for each in [*_decode(data).refers_to, id]:
            found = sql.execute(
                "SELECT stream FROM known WHERE id = ?1 UNION ALL "
                "SELECT stream FROM mails WHERE id = ?1 AND stream IS NOT NULL LIMIT 1",
                (each,),
            ).fetchone()
            stream = found[0] if found else stream
        sql.execute("UPDATE mails SET stream = ? WHERE id = ?", (stream, id))
