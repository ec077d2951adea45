"""The receiver of docs/examples/relay: it takes what the relay signed, once, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from socket import create_connection, create_server

from casestore import CaseStore
from casestore.relay.signing import parse_secrets, signed_headers
from tests.support import stories
from tests.support.command_line import ROOT, Casestore
from tests.support.receivers import WORD, wait_for

EXAMPLE = ROOT / "docs" / "examples" / "relay" / "receiver.py"


def test_it_takes_what_is_signed_once(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        store.append("case:1", stories.opened(), key="o")
        store.append("case:1", stories.noted(text="she wept"), key="n")
        events = list(store.read())
    casestore = Casestore(store.url, CASESTORE_RELAY_SECRET=WORD)
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), str(port)],
        env={**os.environ, "RELAY_SECRET": WORD},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: _answers(port))
        hook = f"http://127.0.0.1:{port}/"
        asked = ["relay", "--to", hook, "--name", "example", "--allow-private", "--once"]
        casestore(*asked).fine()
        casestore("relay", "forget", "example").fine()
        casestore(*asked).fine()
        now = datetime.now(UTC).timestamp()
        forged, stale = (
            signed_headers(secrets, "1", datetime.fromtimestamp(at, UTC), b'{"id":"1"}')
            for secrets, at in (
                (parse_secrets("whsec_" + "bmV3" * 8), now),
                (parse_secrets(WORD), 0),
            )
        )
        strange = {**forged, "webhook-signature": "v1,é"}
        for headers in (forged, stale, strange):
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("POST", "/", b'{"id":"1"}', headers)
                assert connection.getresponse().status == 401
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=10)
    expected = [f"{each.stream} org.casestore.{each.type}.v1" for each in events]
    assert out.splitlines() == expected


def _answers(port: int) -> bool:
    with suppress(OSError), create_connection(("127.0.0.1", port), 1):
        return True
    time.sleep(0.05)
    return False
