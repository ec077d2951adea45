"""Sealing and verifying against a raw scan, and appending while another process seals."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import count as counting
from pathlib import Path

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.audit.verifying import verify
from tests.bench.plain_events import events
from tests.bench.race import Floor, race, seconds
from tests.bench.sqlite import SCAN, append_each, write_batches

SEALER = """
import sys, time
from casestore import CaseStore
from casestore.audit.sealing import seal
with CaseStore.open(sys.argv[1]) as store:
    print("ready", flush=True)
    while True:
        seal(store)
        time.sleep(0.5)
"""


def bench_audit(folder: Path, count: int, rounds: int) -> list[Floor]:
    """Seal, verify, and append while another process seals twice a second."""
    os.environ["CASESTORE_KEY_FILE"] = str(folder / "key")
    number = counting()

    def fresh() -> CaseStore:
        store = CaseStore.create(f"sqlite:///{folder}/audit-{next(number)}.db")
        Folder.of(store.url).make_key(origin(store))
        return store

    def sealing(store: CaseStore) -> float:
        shutil.rmtree(Folder.of(store.url).path)
        Folder.of(store.url).make_key(origin(store))
        return seconds(lambda: seal(store))

    with fresh() as store:
        write_batches(store, list(events(count)))
        read = race(
            rounds,
            raw=lambda: seconds(lambda: len(store._recorder.fetch(SCAN))),
            seal=lambda: sealing(store),
            verify=lambda: seconds(lambda: verify(store)),
        )

    def appending(*, with_sealer: bool) -> float:
        with fresh() as store:
            if not with_sealer:
                return seconds(lambda: append_each(store, max(200, count // 50)))
            command = [sys.executable, "-c", SEALER, store.url]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as sealer:
                try:
                    assert sealer.stdout is not None
                    sealer.stdout.readline()
                    return seconds(lambda: append_each(store, max(200, count // 50)))
                finally:
                    sealer.kill()

    append = race(
        rounds,
        off=lambda: appending(with_sealer=False),
        on=lambda: appending(with_sealer=True),
    )
    return [
        Floor("SQLite seal", "raw scan", read["raw"] / read["seal"], 0.25),
        Floor("SQLite verify", "raw scan", read["raw"] / read["verify"], 0.25),
        Floor("SQLite append beside a sealer", "without one", append["off"] / append["on"], 0.8),
    ]
