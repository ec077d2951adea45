"""`casestore serve` behind a real nginx, set up as docs/pages.md says."""

from __future__ import annotations

import gzip
import json
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.command_line import Casestore, demo_store
from tests.support.nginx import PROGRAM, nginx
from tests.support.served import Served, served

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="nginx is not installed")
HOST = "complaints.example.org"
USERS = {"ana": "secret", "bo": "hush"}


class Proxied(NamedTuple):
    casestore: Casestore
    behind: Served
    port: int
    log: Path

    def connection(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(
        self,
        path: str,
        method: str = "GET",
        *,
        who: str = "ana",
        over: HTTPConnection | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request. In names of headers "_" stands for "-"."""
        own = {"Host": HOST, **{name.replace("_", "-"): v for name, v in headers.items()}}
        if who:
            named = b64encode(f"{who}:{USERS.get(who, 'x')}".encode()).decode()
            own["Authorization"] = f"Basic {named}"
        connection = over or self.connection()
        connection.request(method, path, headers=own)
        answer = connection.getresponse()
        body = answer.read()
        if over is None:
            connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body

    def noted(self) -> list[str]:
        return [json.loads(line)["who"] for line in self.log.read_text().splitlines()]


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    casestore = demo_store(folder)
    log = folder / "views.ndjson"
    options = ("--behind-proxy", "X-Remote-User", "--allow-host", HOST)
    with (
        served(casestore, *options, "--reveal", "--access-log", str(log)) as behind,
        nginx(folder, behind.port, USERS) as port,
    ):
        yield Proxied(casestore, behind, port, log)


def test_whoever_the_proxy_knows_is_noted(proxied: Proxied) -> None:
    for who in USERS:
        status, headers, body = proxied.ask("/case?id=nine-days", who=who)
        assert status == 200
        assert b"Case nine-days" in body
        assert headers["content-security-policy"].endswith("frame-ancestors 'none'")
        assert proxied.noted()[-1] == who


@pytest.mark.parametrize("who", ["", "eve"])
def test_nobody_else_passes(proxied: Proxied, who: str) -> None:
    before = proxied.noted()
    for path in ("/", "/case?id=nine-days", "/live", "/casestore.js", "/enter?token=x"):
        assert proxied.ask(path, who=who, X_Remote_User="ana")[0] == 401
    assert proxied.noted() == before


@pytest.mark.parametrize("name", ["X-Remote-User", "x-remote-user", "X_Remote_User"])
def test_a_name_that_a_browser_claims_is_overwritten(proxied: Proxied, name: str) -> None:
    with closing(proxied.connection()) as connection:
        connection.putrequest("GET", "/case?id=nine-days", skip_host=True)
        named = b64encode(b"ana:secret").decode()
        for header, value in (("Host", HOST), ("Authorization", f"Basic {named}")):
            connection.putheader(header, value)
        connection.putheader(name, "bo")
        connection.putheader(name, "bo")
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
    assert answer.status == 200
    assert proxied.noted()[-1] == "ana"


def test_another_name_of_the_server_is_not_answered(proxied: Proxied) -> None:
    assert proxied.ask("/", Host="evil.example")[0] == 421
    assert proxied.ask("/", Host=f"127.0.0.1:{proxied.port}")[0] == 421
    assert proxied.ask("/", X_Forwarded_Host="evil.example")[0] == 200
    assert proxied.ask("/", Host="COMPLAINTS.example.org")[0] == 200


def test_one_connection_serves_many_requests_also_after_a_rest(proxied: Proxied) -> None:
    with closing(proxied.connection()) as connection:
        for number in range(30):
            path = ("/policy", "/list?of=promises", "/?as_of=x", "/case?id=none")[number % 4]
            status, _, body = proxied.ask(path, over=connection)
            assert status == (200, 200, 400, 404)[number % 4]
            assert body
        plug = connection.sock
        time.sleep(6)  # casestore closes what is idle for 5 seconds
        assert proxied.ask("/policy", over=connection)[0] == 200
        assert connection.sock is plug


def test_only_reading_passes_and_head_has_no_body(proxied: Proxied) -> None:
    status, headers, body = proxied.ask("/policy", "HEAD")
    assert (status, body) == (200, b"")
    assert headers["cache-control"] == "no-store"
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert proxied.ask("/policy", method)[0] == 405


def test_pages_are_compressed_for_who_can_read_that(proxied: Proxied) -> None:
    _, plain, whole = proxied.ask("/lessons")
    assert "content-encoding" not in plain
    _, headers, body = proxied.ask("/lessons", Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).partition(b"<footer>")[0] == whole.partition(b"<footer>")[0]
    assert len(body) < len(whole) / 2


def test_long_addresses_are_answered_and_too_long_ones_refused(proxied: Proxied) -> None:
    assert proxied.ask(f"/list?of=cases&is.category=%3D{'a' * 7000}")[0] == 200
    assert proxied.ask(f"/case?id={'a' * 9000}")[0] == 414
    assert proxied.ask(f"/case?id={'a' * 40_000}")[0] == 414


def test_an_address_of_the_sliders_leads_to_one_of_the_same_server(proxied: Proxied) -> None:
    status, headers, _ = proxied.ask("/case?id=nine-days&as_hour=494000")
    assert status == 303
    assert headers["location"].startswith("/case?id=nine-days&as_of=")


def test_what_is_recorded_passes_at_once(proxied: Proxied) -> None:
    with closing(proxied.connection()) as connection:
        named = b64encode(b"ana:secret").decode()
        headers = {"Host": HOST, "Authorization": f"Basic {named}"}
        connection.request("GET", "/live", headers=headers)
        news = connection.getresponse()
        assert news.readline().startswith(b"data: ")
        news.readline()
        event = ("CaseOpened", "customer_id=K-9", "channel=email", "--actor", "agent:anna")
        proxied.casestore("record", "case:behind-nginx", *event).fine()
        begun = time.monotonic()
        assert news.readline().startswith(b"data: ")
        assert time.monotonic() - begun < 20


def test_it_cannot_stand_below_a_path(proxied: Proxied) -> None:
    assert proxied.ask("/complaints/")[0] == 404
