"""Where a run is: its folder, its store, and what each process needs to open it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from casestore import CaseStore, Retry
from tests.torture.machine.options import Backend


class Place(NamedTuple):
    """The folder of a run:

    store.db (SQLite), store.key, audit/, backups/, logs/ with one file for each worker.
    """

    folder: Path
    backend: Backend
    url: str
    """Of the store, directly."""
    through: str
    """Of the store, through the proxy where there is one."""

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def make(self) -> None:
        for folder in (self.logs, self.backups):
            folder.mkdir(parents=True)

    def settle(self, programs: Path | None = None) -> None:
        """Set the environment of this process, and of those that it starts.

        Args:
            programs: the folder of pg_dump.
        """
        os.environ["CASESTORE_KEY_FILE"] = str(self.folder / "store.key")
        os.environ["CASESTORE_AUDIT_DIR"] = str(self.folder / "audit")
        os.environ["CASESTORE_ACCESS_LOG"] = str(self.folder / "access.ndjson")
        for name in ("CASESTORE_AUDIT_KEY", "CASESTORE_PROJECTIONS", "CASESTORE_URL"):
            os.environ.pop(name, None)
        if programs is not None:
            os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def open(
        self,
        *,
        through: bool = False,
        clock: Callable[[], datetime] | None = None,
        retry: Retry | None = None,
    ) -> CaseStore:
        """Open the store.

        Args:
            through: the proxy.
            clock: the store's own, if left out.
            retry: the store's own, if left out.
        """
        given: dict[str, Any] = {"clock": clock, "retry": retry}
        wanted = {name: value for name, value in given.items() if value is not None}
        return CaseStore.open(self.through if through else self.url, **wanted)
