"""The store of tests/fixtures/first_store, put to a test's place on each database."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import NamedTuple

import psycopg

from casestore.journal.postgres_writing import statement
from casestore.journal.url import PostgresUrl, parse_url
from tests.support.command_line import ROOT, Casestore

FIXTURE = ROOT / "tests" / "fixtures" / "first_store"


class FirstStore(NamedTuple):
    """The store, at a place of a test."""

    url: str
    casestore: Casestore
    """The command line on it, with its key file and its audit folder."""
    folder: Path
    """Where its other files are."""

    def said(self, name: str) -> str:
        """What the code of then said of it."""
        return (self.folder / "said" / f"{name}.txt").read_text()


def put(url: str, folder: Path) -> FirstStore:
    """Put the store to a place: a file in the folder, or a schema that is not there yet."""
    where = parse_url(url)
    kind = "postgres" if isinstance(where, PostgresUrl) else "sqlite"
    with tarfile.open(FIXTURE / f"{kind}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    if isinstance(where, PostgresUrl):
        with psycopg.connect(where.conninfo) as connection:
            connection.execute(statement((folder / "store.sql").read_text(), where.schema))
    casestore = Casestore(
        url,
        CASESTORE_KEY_FILE=str(folder / "store.key"),
        CASESTORE_AUDIT_DIR=str(folder / "audit"),
        COLUMNS="100",
    )
    return FirstStore(url, casestore, folder)
