"""What a server checks of a request, by itself."""

from __future__ import annotations

import pytest

from projections.serve.guard import Guard, Refused, Request

HOST = ("host", "127.0.0.1:1234")


def request(*headers: tuple[str, str], peer: str = "127.0.0.1", method: str = "GET") -> Request:
    return Request(method, "/", b"", [HOST, *headers], peer)


def status(guard: Guard, asked: Request) -> int:
    try:
        guard.check(asked)
        guard.asking(asked)
    except Refused as refused:
        return refused.status
    return 200


def test_a_cookie_of_another_server_is_none() -> None:
    guard, other = (Guard(["127.0.0.1:1234"], 1234, who="ana") for _ in range(2))
    entered = [each.enter(each.entrance.partition("=")[2]) for each in (guard, other)]
    cookies = [each.partition(";")[0] for each in entered]
    assert status(guard, request(("cookie", cookies[1]))) == 401
    assert status(guard, request(("cookie", f"{cookies[1]}; {cookies[0]}"))) == 200
    assert guard.asking(request(("cookie", cookies[0]))) == "ana"


@pytest.mark.parametrize(
    ("proxies", "peer", "expected"),
    [
        (["127.0.0.1"], "127.0.0.1", 200),
        (["127.0.0.1"], "::ffff:127.0.0.1", 200),
        (["127.0.0.1"], "127.0.0.2", 403),
        (["10.0.0.0/8"], "10.1.2.3", 200),
        (["10.0.0.0/8"], "11.1.2.3", 403),
        (["fd00::/8"], "fd00::1", 200),
        (["fd00::/8"], "10.0.0.1", 403),
        (["127.0.0.1"], "", 403),
        (["127.0.0.1"], "testclient", 403),
    ],
)
def test_only_the_proxy_is_believed(proxies: list[str], peer: str, expected: int) -> None:
    guard = Guard(["127.0.0.1:1234"], 1234, header="X-User", proxies=proxies)
    assert status(guard, request(("x-user", "ana"), peer=peer)) == expected


@pytest.mark.parametrize("who", ["", " ", "a" * 201, "a\x00b", "a\nb"])
def test_nobody_is_not_somebody(who: str) -> None:
    guard = Guard(["127.0.0.1:1234"], 1234, header="X-User", proxies=["127.0.0.1"])
    assert status(guard, request(("x-user", who))) == 401


def test_behind_a_proxy_there_is_no_token() -> None:
    guard = Guard(["127.0.0.1:1234"], 1234, header="X-User", proxies=["127.0.0.1"])
    assert guard.entrance == ""
    for token in ("", "None"):
        with pytest.raises(Refused):
            guard.enter(token)


@pytest.mark.parametrize("header", ["Cookie", "host", "X User", "", "X-User:"])
def test_what_is_no_header_for_a_name_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="header"):
        Guard([], 1, header=header)
