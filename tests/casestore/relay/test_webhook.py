"""Webhooks: secrets and signatures, the addresses that may be, and what is made of answers."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook as Standard

from casestore.relay import Answer, Message, Pauses, Webhook, find_secrets, parse_secrets
from casestore.relay.addresses import parse_webhook_url, why_not
from casestore.relay.signing import signed_headers
from tests.support.receivers import WORD, in_turn, receiving

SECRETS = parse_secrets(WORD)
MESSAGE = Message("8d4f", (b'{"id":"8d4f","text":"G\xc3\xa4rtner"}',))


# --- secrets and signatures -------------------------------------------------------------------


def test_a_signature_is_what_the_library_of_standard_webhooks_makes() -> None:
    at = datetime.now(UTC)
    headers = signed_headers(SECRETS, "msg.1", at, MESSAGE.body)
    standard = Standard(WORD)
    assert headers["webhook-signature"] == standard.sign("msg.1", at, MESSAGE.body.decode())
    standard.verify(MESSAGE.body, headers)


@pytest.mark.parametrize(
    "text", ["", "whsec_", "whsec_?", f"{WORD} {WORD} {WORD}", WORD[6:], "whsec_c2hvcnQ=", "x"]
)
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        parse_secrets(text)
    assert len(text) < 8 or text not in str(caught.value)


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{WORD}\n")
    file.chmod(0o640)
    with pytest.raises(ValueError, match=r"can be read by others \(mode 0640\): chmod 600 it"):
        find_secrets(file)
    file.chmod(0o600)
    assert find_secrets(file) == SECRETS
    file.write_bytes(f"{WORD}\r\n{WORD}\r\n".encode())
    assert find_secrets(file) == SECRETS * 2
    file.write_text("nothing of the kind")
    with pytest.raises(ValueError, match=f"{file}: give one secret"):
        find_secrets(file)


def test_without_a_secret_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASESTORE_RELAY_SECRET", raising=False)
    with pytest.raises(ValueError, match="webhooks are signed"):
        find_secrets()
    with pytest.raises(ValueError, match="webhooks are signed"):
        Webhook("https://crm.example/", ())


# --- where to ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
        *("::1", "fc00::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "192.0.2.1"),
        *("64:ff9b::7f00:1", "2002:7f00:1::", "240.0.0.1", "0.1.2.3", "255.255.255.255"),
        # Unassigned, or they lead to an IPv4 address in another way.
        *("::7f00:1", "64:ff9b:1::7f00:1", "::ffff:0:7f00:1", "fec0::1", "5f00::1"),
    ],
)
def test_a_private_address_is_reached_only_where_that_is_allowed(address: str) -> None:
    told = why_not(address, secure=True, allow_private=False)
    assert told is not None
    assert "--allow-private permits" in told
    assert why_not(address, secure=False, allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "0.0.0.0", "::", "224.0.0.1", "ff02::1"),
        *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "239.1.1.1"),
    ],
)
def test_an_address_that_no_webhook_has_is_never_reached(address: str) -> None:
    assert why_not(address, secure=True, allow_private=True) is not None


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_a_public_address_is_reached_by_tls_alone(address: str) -> None:
    assert ip_address(address).is_global
    assert why_not(address, secure=True, allow_private=False) is None
    told = why_not(address, secure=False, allow_private=True)
    assert told is not None
    assert "use https" in told


@pytest.mark.parametrize(
    "url",
    [
        *("", "crm.example", "ftp://crm.example/", "https://", "https:///x", "https://a b/"),
        *("https://crm.example:99999/", "https://crm.example/\r\nX: y", "https://[::1/"),
        *("https://ana:secret@crm.example/", "https://crm.exämple/ü", "https://a..b/"),
        *("https://ana:secret@crm.example:99999/", "https://a..b/?key=secret"),
        *("ana:secret@crm.example", "https://crm.exämple/ü?key=secret#secret"),
    ],
)
def test_what_is_no_url_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL") as caught:
        parse_webhook_url(url)
    assert "secret" not in str(caught.value)


def test_a_url_is_shown_without_its_query() -> None:
    url = parse_webhook_url("https://crm.example:8443/a/b?key=geheim")
    assert (url.host, url.port, url.path) == ("crm.example", 8443, "/a/b?key=geheim")
    assert str(url) == "https://crm.example:8443/a/b?…"
    assert parse_webhook_url("https://[::1]/").netloc == "[::1]"


def test_loopback_is_refused_when_it_is_connected_to_whatever_its_name() -> None:
    with receiving() as receiver:
        port = receiver.server_address[1]
        for url in (f"http://localhost:{port}/", f"https://127.0.0.1:{port}/"):
            answer = Webhook(url, SECRETS).send(MESSAGE)
            assert not answer.taken
            assert "is a private address" in answer.why
        assert receiver.log == []


def test_a_name_is_resolved_once_and_its_address_is_the_one_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So a name that leads elsewhere a moment later (DNS rebinding) gains nothing."""
    with receiving() as receiver:
        port = receiver.server_address[1]
        asked: list[str] = []

        def resolve(host: str, at: int, **_: Any) -> Any:
            asked.append(host)
            to = "10.255.255.1" if len(asked) > 1 else "127.0.0.1"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (to, at))]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        webhook = Webhook(f"http://crm.example:{port}/", SECRETS, allow_private=True)
        assert webhook.send(MESSAGE).taken
        webhook.close()
        assert asked == ["crm.example"]
        assert receiver.log[0].headers["host"] == f"crm.example:{port}"


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.1", "127.1", "[::ffff:7f00:1]"])
def test_loopback_written_in_another_way_is_loopback(host: str) -> None:
    answer = Webhook(f"https://{host}/", SECRETS).send(MESSAGE)
    assert answer.why == "127.0.0.1 is a private address; --allow-private permits these"


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answer = Webhook(f"http://127.0.0.1:{port}/", SECRETS, allow_private=True).send(MESSAGE)
    assert "the connection ended: Connection refused" in answer.why


def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    with receiving() as receiver:
        webhook = Webhook(receiver.url, SECRETS, allow_private=True)
        assert webhook.send(MESSAGE).taken
        webhook.close()


# --- answers ----------------------------------------------------------------------------------


def test_a_connection_is_used_again_and_made_anew_where_it_was_closed() -> None:
    with receiving(in_turn(["", "", "close", ""])) as receiver:
        webhook = Webhook(receiver.url, SECRETS, allow_private=True)
        assert webhook.send(MESSAGE).taken
        kept = webhook._kept
        assert webhook.send(MESSAGE).taken
        assert webhook._kept is kept
        assert webhook.send(MESSAGE).taken  # the third request got no answer, and was sent again
        webhook.close()
        assert len(receiver.log) == 4


@pytest.mark.parametrize(
    "unasked", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 408 Too Late\r\n\r\n"]
)
def test_what_was_said_before_a_message_was_sent_is_no_answer_to_it(unasked: bytes) -> None:
    """Proxies say 408 to a connection that is idle, and then close it."""
    with receiving() as receiver:
        talks: list[Any] = []

        def talk(request: Any, address: Any) -> None:
            talks.append(request)
            ThreadingHTTPServer.process_request(receiver, request, address)

        receiver.process_request = talk  # type: ignore[assignment,method-assign]
        webhook = Webhook(receiver.url, SECRETS, allow_private=True)
        assert webhook.send(MESSAGE).taken
        talks[0].sendall(unasked)
        time.sleep(0.05)
        assert webhook.send(MESSAGE) == Answer(True)
        webhook.close()
        assert len(talks) == 2
        assert len(receiver.log) == 2


def test_an_answer_that_breaks_off_amid_its_headers_is_none() -> None:
    with receiving(in_turn(["no-end", ""])) as receiver:
        webhook = Webhook(receiver.url, SECRETS, allow_private=True)
        assert webhook.send(MESSAGE).why == "the connection ended: its answer broke off"
        assert webhook.send(MESSAGE).taken
        webhook.close()


def test_what_a_receiver_says_is_not_repeated() -> None:
    """It could hold anything, and goes into the log and the status."""
    with receiving(in_turn(["garbage", "huge", "headers", "500"])) as receiver:
        webhook = Webhook(receiver.url, SECRETS, allow_private=True)
        told = [webhook.send(MESSAGE).why for _ in range(4)]
    assert told == [
        "what it answered is not HTTP",
        "it answered 500",
        "what it answered is not HTTP",
        "it answered 500",
    ]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), ("soon", None), ("-1", None), ("9" * 40, 999999999), ("", None), ("²", None)],
)
def test_retry_after_is_heeded(said: str, seconds: float | None) -> None:
    from casestore.relay.webhook import _seconds

    now = datetime(2026, 9, 1, 12, tzinfo=UTC)
    assert _seconds(said, now) == seconds
    assert _seconds("Tue, 01 Sep 2026 12:01:30 GMT", now) == 90
    assert _seconds("Tue, 01 Sep 2026 11:00:00 GMT", now) == 0


def test_pauses_grow_to_an_hour_and_no_receiver_can_make_them_longer() -> None:
    pauses = Pauses()
    for attempt in range(1, 200):
        doubled = min(5.0 * 2 ** (attempt - 1), 3600)
        assert 0.75 * doubled <= pauses.after(attempt) <= min(1.25 * doubled, 3600)
    assert pauses.after(1, 600) == 600
    assert pauses.after(1, 1e9) == 3600
    assert len({pauses.after(3) for _ in range(9)}) > 1


# --- TLS ----------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private


@pytest.mark.parametrize(
    ("name", "known", "why"),
    [
        ("localhost", True, ""),
        ("localhost", False, "its certificate: self-signed certificate"),
        ("elsewhere.example", True, "its certificate: Hostname mismatch"),
    ],
)
def test_the_certificate_must_be_known_and_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, known: bool, why: str
) -> None:
    public, private = certificate(tmp_path, name)
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
    else:
        monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    with receiving() as receiver:
        receiver.socket = context.wrap_socket(
            receiver.socket, server_side=True, do_handshake_on_connect=False
        )
        url = f"https://localhost:{receiver.server_address[1]}/hook"
        webhook = Webhook(url, SECRETS, allow_private=True)
        answer = webhook.send(MESSAGE)
        if not why:
            assert webhook.send(MESSAGE).taken
        webhook.close()
    assert answer.taken is (why == "")
    assert why in answer.why
    assert len(receiver.log) == (0 if why else 2)


def test_nor_does_one_that_shakes_hands_in_drips() -> None:
    with socket.create_server(("127.0.0.1", 0)) as dripping:

        def drip() -> None:
            connection, _ = dripping.accept()
            with connection, suppress(OSError):
                connection.sendall(b"\x16\x03\x03\x40\x00\x02")
                while True:
                    connection.sendall(b"\x00")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        url = f"https://127.0.0.1:{dripping.getsockname()[1]}/"
        begun = time.monotonic()
        webhook = Webhook(url, SECRETS, allow_private=True, connect_within=0.3, answer_within=0.3)
        assert not webhook.send(MESSAGE).taken
        assert time.monotonic() - begun < 20


def test_a_receiver_that_never_shakes_hands_costs_no_more_than_its_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        webhook = Webhook(url, SECRETS, allow_private=True, connect_within=0.2, answer_within=0.2)
        done: list[str] = []
        thread = threading.Thread(target=lambda: done.append(webhook.send(MESSAGE).why))
        thread.start()
        thread.join(5)
        assert done == ["no answer within 0.2 s"]
