"""A service that appends to cases and reads them. README.md beside it says how to run it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from anyio import to_thread
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

import casestore
from casestore import CaseOpened, CaseStore, CaseStoreError, Event, MessageReceived

REFUSED = (
    *(casestore.EventRefused, casestore.InvalidEvent, casestore.InvalidStream),
    *(casestore.CustomerErased, casestore.IdempotencyConflict),
)
STATUS = dict.fromkeys(REFUSED, 422) | {
    casestore.ConcurrencyConflict: 412,  # Precondition Failed: If-Match named another version
    casestore.StreamNotFound: 404,
    casestore.StoreUnavailable: 503,
}
"""What a client can do something about. The rest is logged as an error, and answered with 500."""
KEY = r"[A-Za-z0-9_.:-]{1,200}"
"""The draft has the key in quotes. Many clients send it without them, and mean the same."""
Answer = dict[str, Any]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # A store has at most 20 connections to PostgreSQL, and SQLite writes one append at a time.
    to_thread.current_default_thread_limiter().total_tokens = 16
    with CaseStore.open() as app.state.store:  # CASESTORE_URL; closed behind the last answer
        yield


app = FastAPI(title="Cases", lifespan=lifespan)


class Append:
    def __init__(
        self,
        request: Request,
        case_id: str,
        idempotency_key: Annotated[str, Header(pattern=rf'^({KEY}|"{KEY}")$')],
        if_match: Annotated[str | None, Header(pattern=r'^"[0-9]{1,9}"$')] = None,
    ) -> None:
        self.store: CaseStore = request.app.state.store
        self.stream = f"case:{case_id}"
        self.key = idempotency_key.strip('"')  # it counts within the case
        self.version = None if if_match is None else int(if_match.strip('"'))

    def __call__(self, event: Event) -> Answer:
        # Of two equal requests at once, the second waits, and gets the first's receipt: no 409.
        receipt = self.store.append(
            self.stream, event, key=self.key, expected_version=self.version, source="web"
        )
        return {"versions": receipt.versions, "position": receipt.position, "ids": receipt.uids}


Appending = Annotated[Append, Depends()]


# `def`, not `async def`: a store's calls block, so each request runs in a thread. The body is the
# event, and who did it stands in it: behind a login, refuse an `actor` who is somebody else.
@app.post("/cases/{case_id}", status_code=201)
def open_case(append: Appending, event: CaseOpened) -> Answer:
    return append(event)


@app.post("/cases/{case_id}/messages", status_code=201)
def take_message(append: Appending, event: MessageReceived) -> Answer:
    return append(event)


@app.get("/cases/{case_id}")
def read(request: Request, response: Response, case_id: str) -> Answer:
    store: CaseStore = request.app.state.store
    history = store.history(f"case:{case_id}")  # without words: reveal=True would read them
    response.headers["ETag"] = f'"{history.originals[-1].version}"'  # for If-Match
    lines = [(each.version, each.type, each.occurred_at) for each in history]
    return {"status": store.case_in(history).status, "history": lines}


@app.exception_handler(CaseStoreError)
async def refused(_: Request, error: CaseStoreError) -> JSONResponse:
    if (status := STATUS.get(type(error))) is None:
        raise error
    if status == 503:  # the message may name the database's place: that is for your own log
        return JSONResponse({"detail": "not now: send the same again"}, 503, {"Retry-After": "1"})
    return JSONResponse({"type": type(error).__name__, "detail": str(error)}, status)


@app.exception_handler(RequestValidationError)
async def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
    # FastAPI's own answer repeats the body, and so the customer's words.
    found = [{"where": each["loc"], "what": each["msg"]} for each in error.errors()]
    status = 400 if any(each["where"][0] == "header" for each in found) else 422
    return JSONResponse({"type": "Malformed", "detail": found}, status)
