"""The application: from a request to an answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from projections.serve.guard import HEADERS, Guard, Refused, Request
from projections.serve.live_site import Site, sentence
from projections.serve.looks import plain
from projections.serve.looks import read as read_file
from projections.serve.rendering import CSP

T = TypeVar("T")
_AT_ONCE = 8
"""Pages that are made at a time in this process; further requests wait."""
_LISTENERS = 100
_ALIVE = 15.0
"""Seconds between two signs of life to a page that waits for news."""


class _Answers:
    """Answers requests of a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._listeners = 0

    async def answer(self, request: WebRequest, page: str) -> Response:
        """Answer a request for a page."""
        who: str = request.scope["casestore.who"]
        query = request.scope["query_string"].decode("ascii", "replace")
        shown = await in_thread(lambda: self._site.shown(page, query, who))
        if isinstance(shown, str):
            return RedirectResponse(shown, 303)
        headers = {"refresh": str(shown.refresh)} if shown.refresh else {}
        return _html(shown.html, shown.status, headers)

    async def enter(self, request: WebRequest) -> Response:
        """Let a browser in that has the token."""
        if request.method != "GET":  # whoever only looks at the address does not use it up
            return _html("", 200)
        try:
            cookie = self._site.guard.enter(request.query_params.get("token", ""))
        except Refused as refused:
            return refusal(refused)
        return RedirectResponse("/", 303, {"set-cookie": cookie})

    async def script(self, _request: WebRequest) -> Response:
        """The one script."""
        return Response(read_file("casestore.js"), media_type="text/javascript")

    async def live(self, request: WebRequest) -> Response:
        """Tell the position of the newest event, and each time that it moves."""
        if request.method != "GET" or self._listeners >= _LISTENERS:
            return Response(status_code=200 if request.method == "HEAD" else 503)
        return StreamingResponse(self._news(), media_type="text/event-stream")

    async def _news(self) -> AsyncIterator[str]:
        self._listeners += 1
        told, alive = -1, time.monotonic()
        try:
            while not self._site.stopping.is_set():
                if self._site.newest != told:
                    told = self._site.newest
                    yield f"data: {told}\n\n"
                elif time.monotonic() - alive > _ALIVE:
                    yield ": here\n\n"
                    alive = time.monotonic()
                await asyncio.sleep(0.1)
        finally:
            self._listeners -= 1


def _html(text: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        text.encode("utf-8", "backslashreplace"),
        status,
        {**(headers or {}), "content-type": "text/html; charset=utf-8"},
    )


def refusal(refused: Refused) -> Response:
    """The answer to a request that is refused."""
    headers = {"allow": "GET, HEAD"} if refused.status == 405 else {}
    return _html(plain("This is not answered", sentence(refused)), refused.status, headers)


# --- around the application ------------------------------------------------------------------


class Guarded:
    """Checks each request before the application gets it, and adds headers to each answer."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app, self._guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {**HEADERS, "content-security-policy": f"{CSP}; frame-ancestors 'none'"}
                pairs = [(name.encode(), value.encode()) for name, value in own.items()]
                message = {**message, "headers": [*message.get("headers", ()), *pairs]}
            await send(message)

        request = _request(scope)
        try:
            self._guard.check(request)
            if request.path != "/enter" or not self._guard.entrance:
                scope["casestore.who"] = self._guard.asking(request)
        except Refused as refused:
            await refusal(refused)(scope, receive, with_headers)
            return
        await self._app(scope, receive, with_headers)


def _request(scope: Scope) -> Request:
    headers = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in scope["headers"]]
    peer = (scope.get("client") or ("",))[0]
    return Request(scope["method"], scope["path"], scope["query_string"], headers, peer)


def application(site: Site) -> ASGIApp:
    """The application of a site."""

    def of(page: str) -> Callable[[WebRequest], Any]:
        async def endpoint(request: WebRequest) -> Response:
            return await answers.answer(request, page)

        return endpoint

    async def missing(_request: WebRequest, _error: Exception) -> Response:
        return _html(plain("There is no such page", "The overview leads to all pages."), 404)

    answers = _Answers(site)
    pages = ("list", "case", "customer", "policy", "lessons", "changed")
    routes = [
        Route("/", of("overview")),
        *(Route(f"/{page}", of(page)) for page in pages),
        Route("/enter", answers.enter),
        Route("/live", answers.live),
        Route("/casestore.js", answers.script),
    ]
    app = Starlette(routes=routes, exception_handlers={404: missing})
    app.router.redirect_slashes = False
    return Guarded(app, site.guard)


_turns = BoundedSemaphore(_AT_ONCE)


async def in_thread(make: Callable[[], T]) -> T:
    """Run a function in a thread that does not keep the server from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)  # type: ignore[arg-type]  # then there is a result
            else:
                future.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            with _turns:
                result = make()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:  # the server has ended
            return

    Thread(target=run, daemon=True).start()
    return await future
