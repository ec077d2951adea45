"""`casestore serve`: a real server, asked as browsers and rogues ask."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import pytest

from casestore import CaseStore
from tests.support.command_line import Casestore, demo_store
from tests.support.pages import Read
from tests.support.postgres_server import Server
from tests.support.served import Served, served

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and modes as Unix has them")
ACTOR = ("--actor", "agent:anna")
AT = "2026-05-12"
WORDS = "You promised"
"""Begins nothing that ids, codes or headings have."""


@pytest.fixture(scope="module")
def casestore(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    store = demo_store(tmp_path_factory.mktemp("served"))
    store("cases", "--quiet").fine()
    return store


@pytest.fixture(scope="module")
def server(casestore: Casestore) -> Iterator[Served]:
    with served(casestore) as running:
        yield running


def links(html: str) -> list[str]:
    return [each.replace("&amp;", "&") for each in Read(html).hrefs if each.startswith("/")]


# --- pages -----------------------------------------------------------------------------------


def test_every_page_that_a_page_leads_to_is_there(server: Served) -> None:
    seen, left = set[str](), ["/", f"/?as_of={AT}", "/?by=week"]
    while left and len(seen) < 150:
        address = left.pop(0)
        if address in seen:
            continue
        seen.add(address)
        left += [each.partition("#")[0] for each in links(server.page(address))]
    kinds = {each.partition("?")[0] for each in seen}
    assert kinds == {"/", "/list", "/case", "/customer", "/policy", "/lessons", "/changed"}


def test_a_link_keeps_to_the_moment_of_its_page(server: Served) -> None:
    for page in (f"/?as_of={AT}&known_at={AT}", f"/list?of=today&as_of={AT}&known_at={AT}"):
        inside = [each for each in links(server.page(page)) if not each.startswith("/casestore")]
        away = [e for e in inside if "as_of=2026-05-12T00%3A00%3A00Z" not in e]
        compared = [each for each in away if each.startswith("/changed?since=2026-05-12T")]
        assert len(compared) == 1  # this moment with the present
        assert set(away) - {*compared} <= {"/", "/list?of=today"}, away


def test_numbers_are_those_of_the_reports(casestore: Casestore, server: Served) -> None:
    found = casestore("today", "--as-of", AT, "--format", "json").fine().json["summary"]
    text = Read(server.page(f"/?as_of={AT}")).text
    assert f"{found['overdue']} overdue" in text
    for report in ("cases", "promises", "lapses", "undelivered", "waiting"):
        rows = casestore(report, "--as-of", AT, "--format", "json").fine().json["rows"]
        page = server.page(f"/list?of={report}&as_of={AT}")
        assert re.search(rf"<strong>{len(rows)}</strong> rows?", page), report


def test_an_agent_leads_to_their_promises(casestore: Casestore, server: Served) -> None:
    found = [each for each in links(server.page("/list?of=agents")) if "made_by" in each]
    rates = casestore("promises", "--rate-by-agent", "--format", "json").fine().json["rows"]
    assert len(found) == len(rates) > 1
    for each, rate in zip(found, rates, strict=True):
        own = casestore("promises", "--agent", rate["agent"], "--format", "json").fine().json
        text = Read(server.page(each)).text
        assert f"Promises: of {rate['agent']}" in text
        assert re.search(rf"\b{len(own['rows'])} rows?\b", text)


def test_the_sliders_lead_to_an_address_with_the_times(server: Served) -> None:
    page = server.page(f"/case?id=nine-days&as_of={AT}")
    ranges = re.findall(r'<input type="range"[^>]*name="(\w+)" min="(\d+)" max="(\d+)"', page)
    assert [name for name, _, _ in ranges] == ["as_hour", "known_hour"]
    _, least, most = ranges[0]
    moved = server.ask(f"/case?id=nine-days&as_hour={int(least) + 24}&known_hour={most}")
    assert moved.status == 303
    address = moved.headers["location"]
    assert "as_of=2026-" in address
    assert "known_at" not in address  # the end of a slider is the present
    assert "As of 2026-" in Read(server.page(address)).text


def test_a_case_at_another_moment_tells_only_what_had_happened(server: Served) -> None:
    now, then = server.page("/case?id=nine-days"), server.page(f"/case?id=nine-days&as_of={AT}")
    assert len(Read(now).ids) > len(Read(then).ids)
    assert '<p class="moment">As of' in then  # it is about the store, though it reads one case
    before = Read(server.page("/case?id=nine-days&as_of=2020-01-01")).text
    assert "Case nine-days" in before


def test_what_has_changed_is_told_of_the_store_and_of_a_case(server: Served) -> None:
    page = server.page("/changed?since=2020-01-01")
    assert "events came on record" in Read(page).text
    assert any(each.startswith("/changed?since=") and "case=" in each for each in links(page))
    text = Read(server.page(f"/changed?case=nine-days&since={AT}")).text
    assert "this case was not on record then" in text
    text = Read(server.page("/changed?case=nine-days&since=2026-09-01T12:00")).text
    assert "What stands otherwise Nothing." in text
    assert "What came on record Nothing." in text


def test_a_promise_that_became_due_has_changed_a_case(tmp_path: Path) -> None:
    casestore = Casestore(f"sqlite:///{tmp_path}/store.db")
    casestore("init").fine()
    opened = ("CaseOpened", "customer_id=K-1", "channel=email", *ACTOR)
    casestore("record", "case:first", *opened).fine()
    due = datetime.now(UTC) + timedelta(seconds=4)
    promise = ("PromiseMade", "promise_id=p1", "kind=callback", f"due_at={due.isoformat()}")
    casestore("record", "case:first", *promise, *ACTOR).fine()
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    with served(casestore) as running:
        time.sleep(max(0, due.timestamp() - time.time()) + 0.1)
        text = Read(running.page(f"/changed?case=first&since={since}")).text
        assert "first p1 State open broken" in text
        assert "What came on record Nothing." in text


# --- who is let in ---------------------------------------------------------------------------


def test_the_token_lets_in_one_browser_once(casestore: Casestore) -> None:
    with served(casestore, enter=False) as running:
        assert running.ask("/").status == 401
        assert running.ask("/enter?token=wrong").status == 403
        looked = running.ask(f"/enter{running.entrance}", "HEAD")
        assert (looked.status, "set-cookie" in looked.headers) == (200, False)
        answer = running.enter()
        assert (answer.status, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"casestore-{running.port}=")
        assert cookie.endswith("; HttpOnly; SameSite=Strict; Path=/")
        assert running.ask("/").status == 200
        again = running.ask(f"/enter{running.entrance}", cookie=False)
        assert (again.status, "set-cookie" in again.headers) == (403, False)
        for wrong in ("", "x", running.cookie[:-1], f"{running.cookie}x", "casestore-1=x"):
            assert running.ask("/", cookie=False, Cookie=wrong).status == 401
        assert running.entrance.removeprefix("?token=") not in running.page("/")


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "localhost"]
)
def test_another_name_is_not_answered(server: Served, host: str) -> None:
    answer = server.ask("/", Host=host.format(port=server.port))
    assert answer.status == 421
    assert "complaints" in answer.text  # only the title of an empty page
    assert "nine-days" not in answer.text


def test_hosts_are_this_machine_and_what_is_allowed(casestore: Casestore) -> None:
    with served(casestore, "--allow-host", "Complaints.example.org") as running:
        for host in ("localhost", "127.0.0.1", "[::1]"):
            assert running.ask("/", Host=f"{host}:{running.port}").status == 200
        assert running.ask("/", Host="complaints.example.org").status == 200
        two = f"GET / HTTP/1.1\r\nHost: localhost:{running.port}\r\nHost: evil.example\r\n"
        got = running.raw(f"{two}Cookie: {running.cookie}\r\n\r\n".encode())
        assert got.split(b" ", 2)[1] in (b"400", b"421")


def test_only_reading_is_answered(server: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = server.ask("/", method)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    head = server.ask("/case?id=nine-days", "HEAD")
    assert (head.status, head.text) == (200, "")
    assert server.ask("/live", "HEAD").status == 200


def test_every_answer_has_the_headers(server: Served) -> None:
    for path in ("/", "/case?id=none", "/nothing", "/casestore.js", "/?as_of=x", "/enter?token=x"):
        headers = server.ask(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        csp = headers["content-security-policy"]
        assert csp.startswith("default-src 'none'; script-src 'self'; connect-src 'self';")
        assert csp.endswith("frame-ancestors 'none'")
        assert "server" not in headers
        assert "access-control-allow-origin" not in headers


def test_a_page_of_elsewhere_reads_nothing(server: Served) -> None:
    for site in ("cross-site", "same-site"):
        assert server.ask("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status == 403
        # A link in a mail: the browser sends no cookie with it, and this one is for a proxy.
        assert server.ask("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 200
    assert server.ask("/", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200


def test_behind_a_proxy_the_header_says_who(casestore: Casestore, tmp_path: Path) -> None:
    log = tmp_path / "views.ndjson"
    options = ("--behind-proxy", "X-Remote-User", "--reveal", "--access-log", str(log))
    with served(casestore, *options) as running:
        assert running.url.endswith("/")
        assert running.ask("/").status == 401
        assert running.ask("/", X_Remote_User="").status == 401
        assert running.ask("/enter?token=x", X_Remote_User="ana").status == 403
        assert running.ask("/case?id=nine-days", X_Remote_User="ana@example.org").status == 200
        two = f"GET / HTTP/1.1\r\nHost: localhost:{running.port}\r\nConnection: close\r\n"
        got = running.raw(f"{two}X-Remote-User: a\r\nX-Remote-User: b\r\n\r\n".encode())
        assert got.startswith(b"HTTP/1.1 401")
        noted = [json.loads(line) for line in log.read_text().splitlines()]
        assert [(each["who"], each["case"]) for each in noted] == [("ana@example.org", "nine-days")]
    other = ("--behind-proxy", "X-Remote-User", "--proxy", "192.0.2.0/24")
    with served(casestore, *other) as running:
        assert running.ask("/", X_Remote_User="ana").status == 403
        assert running.ask("/", X_Remote_User="ana", X_Forwarded_For="192.0.2.1").status == 403


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--host", "0.0.0.0"), "--behind-proxy"),
        (("--host", "0.0.0.0", "--behind-proxy", "X-User"), "--proxy"),
        (("--host", "localhost"), "address"),
        (("--proxy", "10.0.0.1"), "--behind-proxy"),
        (("--behind-proxy", "Host"), "Host"),
        (("--behind-proxy", "X User"), "header"),
        (("--behind-proxy", "X-User", "--proxy", "proxy"), "proxy"),
        (("--access-log", "x"), "--reveal"),
    ],
)
def test_what_would_let_anybody_in_is_refused(
    casestore: Casestore, args: tuple[str, ...], said: str
) -> None:
    assert said in casestore("serve", *args).failed(2)


# --- hostile requests ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/case?id=none", 404),
        ("/customer?id=none", 404),
        ("/case?id=", 400),
        ("/case", 400),
        ("/case?id=a&id=b", 400),
        ("/case?id=%00", 400),
        ("/case?id=%ff", 400),
        ("/case?id=nine-days&as_of=yesterday", 400),
        ("/case?id=nine-days&as_of=99999-01-01", 400),
        ("/case?id=nine-days&as_of=0001-01-01", 200),
        ("/case?id=nine-days&as_hour=9999999999999999", 400),
        ("/case?id=nine-days&as_hour=x", 400),
        ("/list?of=events", 400),
        ("/list?of=cases&ask.sql=1", 400),
        ("/list?of=cases&is.nothing=1", 400),
        ("/list?of=cases&ask.opened_from=x", 400),
        ("/list?of=cases&ask.status=%27%29%20OR%201=1--", 400),
        ("/list?of=cases&is.status=%3D%27%20OR%201%3D1--", 200),
        ("/list?of=cases&ask.opened_from=2026-01-02&ask.opened_to=2026-01-01", 400),
        ("/list?of=lapses&ask.by=rule", 400),
        ("/changed", 400),
        ("/changed?since=2026-01-01&case=none", 404),
        ("/?by=year", 400),
        ("/case?" + "&".join(f"a{n}=1" for n in range(200)), 400),
        ("/case?id=" + "a" * 9000, 414),
        ("/../etc/passwd", 404),
        ("/%2e%2e/%2e%2e/etc/passwd", 404),
        ("//evil.example/", 404),
        ("/case/", 404),
        ("/static/../casestore.js", 404),
        ("/templates/bar.html", 404),
        ("/casestore.js/../app.py", 404),
    ],
)
def test_what_cannot_be_answered_is_a_page(server: Served, path: str, status: int) -> None:
    answer = server.ask(path)
    assert answer.status == status, answer.text
    if status != 200:
        assert "<h1>" in answer.text
        for leak in ("Traceback", "sqlite", "SELECT", ".py", "passwd"):
            assert leak not in answer.text


def test_what_an_address_says_is_text(server: Served) -> None:
    hostile = "%3Cscript%3Ealert(1)%3C/script%3E%22%3E"
    for path in (
        f"/list?of=cases&title={hostile}",
        f"/list?of={hostile}",
        f"/?as_of={hostile}",
        f"/list?of=cases&is.status=%3D{hostile}",
    ):
        assert "<script>" not in server.ask(path).text


def test_no_address_leads_away(server: Served) -> None:
    moved = server.ask("/case?id=//evil.example/&as_hour=490000")
    assert moved.headers["location"].startswith("/case?")


def test_bytes_that_are_no_request_end_nothing(server: Served) -> None:
    for sent in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\nConnection: close\r\n\r\n",
    ):
        got = server.raw(sent, wait=2)
        assert got == b"" or got.startswith(b"HTTP/1.1 4"), got[:80]
    assert server.ask("/").status == 200


def test_slow_clients_hold_up_nobody(server: Served) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
    for plug in slow:
        plug.sendall(b"GET / HTTP/1.1\r\nHost: ")
    begun = time.monotonic()
    assert server.ask("/policy").status == 200
    assert time.monotonic() - begun < 20
    for plug in slow:
        plug.close()


# --- words -----------------------------------------------------------------------------------


def test_words_are_withheld_and_nothing_is_noted(casestore: Casestore, server: Served) -> None:
    page = server.page("/case?id=nine-days")
    assert "[withheld]" in page
    assert "words by and about persons are withheld" in Read(page).text
    assert not list(_folder(casestore).glob("*.views.ndjson"))


def test_with_words_each_view_is_noted_without_them(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    with served(casestore, "--reveal") as one, served(casestore, "--reveal") as other:
        page = one.page("/case?id=nine-days")
        assert "[withheld]" not in page
        other.page(f"/customer?id={_customer(page)}&as_of={AT}")
        one.page(f"/changed?since={AT}&case=nine-days")
        one.page("/list?of=cases")
        assert one.ask("/case?id=none").status == 404
        log = _folder(casestore) / "demo.db.views.ndjson"
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
        noted = [json.loads(line) for line in log.read_text().splitlines()]
        told = [(e["page"], e["case"], e["customer"], e["as_of"], e["since"]) for e in noted]
        at = "2026-05-12T00:00:00Z"
        assert told == [
            ("case", "nine-days", None, None, None),
            ("customer", None, _customer(page), at, None),
            ("changed", "nine-days", None, None, at),
            ("list", None, None, None, None),
        ]
        assert all(each["who"] and each["at"].endswith("Z") for each in noted)
        # Where a view cannot be noted, nothing is shown.
        log.unlink()
        log.mkdir()
        refused = one.ask("/case?id=nine-days")
        assert refused.status == 503
        assert len(refused.text) < len(page) / 2
        assert b"nine-days" not in one.stop()[2]


def _customer(page: str) -> str:
    found = re.search(r'href="/customer\?id=([^"&]+)', page)
    assert found is not None
    return found[1]


def _folder(casestore: Casestore) -> Path:
    return Path(str(casestore.env["CASESTORE_URL"]).removeprefix("sqlite:///")).parent


# --- what happens to the store ---------------------------------------------------------------


def test_what_is_recorded_is_told_at_once_and_shown(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    with (
        served(casestore) as running,
        closing(HTTPConnection("127.0.0.1", running.port, timeout=30)) as connection,
    ):
        before = running.page("/list?of=cases")
        connection.request("GET", "/live", headers={"Cookie": running.cookie})
        news = connection.getresponse()
        assert news.getheader("content-type", "").startswith("text/event-stream")
        first = news.readline()
        assert first.startswith(b"data: ")
        news.readline()
        opened = ("CaseOpened", "customer_id=K-9", "channel=email", *ACTOR)
        casestore("record", "case:quite-new", *opened).fine()
        then = news.readline()
        assert int(then.split()[1]) > int(first.split()[1])
        assert "quite-new" not in before
        assert "quite-new" in running.page("/list?of=cases")
        code, seconds, err = running.stop()  # though somebody listens
        assert (code, err) == (0, b"")
        assert seconds < 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(casestore: Casestore, how: signal.Signals) -> None:
    with served(casestore) as running:
        running.page("/")
        code, seconds, err = running.stop(how)
        assert (code, err) == (0, b"")
        assert seconds < 2


def test_a_store_that_is_removed_put_back_and_replaced(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    casestore("cases", "--quiet").fine()
    store, away = tmp_path / "demo.db", tmp_path / "away"
    with served(casestore) as running:
        running.page("/case?id=nine-days")
        away.mkdir()
        for path in tmp_path.glob("demo.db*"):
            path.rename(away / path.name)
        gone = running.ask("/case?id=nine-days")
        assert gone.status == 503
        assert str(tmp_path) not in gone.text
        assert gone.headers["refresh"] == "5"
        for path in away.iterdir():
            shutil.copy(path, tmp_path / path.name)
        assert running.page("/case?id=nine-days")
        for path in tmp_path.glob("demo.db*"):
            path.unlink()
        with CaseStore.create(f"sqlite:///{store}"):
            pass
        assert running.ask("/case?id=nine-days").status == 404
        assert "There are no complaints" in Read(running.page("/")).text
        assert running.stop()[0] == 0


def test_tables_that_are_rebuilt_or_deleted_meanwhile(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    with served(casestore) as running:
        before = Read(running.page("/list?of=promises")).text
        casestore("projections", "rebuild", "--quiet").fine()
        rows = before.partition(" rows")[0].rpartition(" ")[2]
        assert f"{rows} rows" in Read(running.page("/list?of=promises")).text
        for path in tmp_path.glob("demo.db.projections*"):
            path.unlink()
        assert running.ask("/list?of=overdue").status in (200, 503)
        assert f"{rows} rows" in Read(running.page("/list?of=promises&title=again")).text


def test_two_servers_on_one_store(casestore: Casestore) -> None:
    with served(casestore) as one, served(casestore) as other:
        assert one.port != other.port
        assert one.page("/policy")
        assert other.page("/policy")
        assert other.ask("/", cookie=False, Cookie=one.cookie).status == 401


def test_a_store_on_postgres(postgres_schema_url: str, tmp_path: Path) -> None:
    key = {"CASESTORE_KEY_FILE": str(tmp_path / "key")}
    casestore = Casestore(postgres_schema_url, **key)
    casestore("init").fine()
    opened = ("CaseOpened", "customer_id=K-1", "channel=email", *ACTOR)
    casestore("record", "case:first", *opened).fine()
    unnamed = Casestore(postgres_schema_url, **key, CASESTORE_ACCESS_LOG=None)
    assert "CASESTORE_ACCESS_LOG" in unnamed("serve", "--reveal").failed(3)
    with served(casestore) as running:
        for path in ("/", "/list?of=cases", "/case?id=first", "/?as_of=2020-01-01", "/policy"):
            running.page(path)
        assert running.stop()[0] == 0


def test_a_server_that_goes_away_and_comes_back(postgres_server: Server, tmp_path: Path) -> None:
    key = {"CASESTORE_KEY_FILE": str(tmp_path / "key")}
    casestore = Casestore(f"{postgres_server.url}&schema=s", **key)
    casestore("init").fine()
    opened = ("CaseOpened", "customer_id=K-1", "channel=email", *ACTOR)
    casestore("record", "case:first", *opened).fine()
    with served(casestore) as running:
        running.page("/case?id=first")
        postgres_server.kill()
        gone = running.ask("/case?id=first")
        assert (gone.status, gone.headers["refresh"]) == (503, "5")
        for leak in ("psycopg", "connection", "127.0.0.1", "socket"):
            assert leak not in gone.text
        postgres_server.start()
        deadline = time.monotonic() + 60
        while running.ask("/case?id=first").status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        code, seconds, _ = running.stop()
        assert code == 0
        assert seconds < 3
