"""A small service as its authors would write it: test_typed.py checks its types and runs it.

Usage: python service.py STORE_URL
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event as Signal

from casestore import (
    Actor,
    Append,
    CaseOpened,
    CaseStore,
    CaseStoreError,
    ConcurrencyConflict,
    CustomerRegistered,
    Erased,
    EventRefused,
    IdempotencyConflict,
    MessageReceived,
    NoteAdded,
    PromiseKept,
    PromiseMade,
    Receipt,
    Retry,
    StoreNotFound,
    StoreUnavailable,
    StreamNotFound,
    Withheld,
)
from projections import PROJECTIONS, Runner
from projections import reports as report
from projections.reports import Line, PromiseLine, Report, Result, Selection

ANNA = Actor(kind="agent", id="anna", team="north")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def opened_store(url: str) -> CaseStore:
    try:
        return CaseStore.open(url, retry=Retry(attempts=3, wait=0.05))
    except StoreNotFound:
        return CaseStore.create(url)


def take_in(store: CaseStore, case_id: str, customer_id: str, text: str, key: str) -> Receipt:
    """A complaint as it comes in by e-mail: the same key again appends nothing."""
    return store.append(
        f"case:{case_id}",
        CaseOpened(occurred_at=NOON, actor=ANNA, customer_id=customer_id, channel="email"),
        MessageReceived(
            occurred_at=NOON, actor=ANNA, message_id=f"{key}-1", channel="email", text=text
        ),
        key=key,
        source="mail",
    )


def promise(store: CaseStore, case_id: str, promise_id: str) -> str:
    event = PromiseMade(
        occurred_at=NOON,
        actor=ANNA,
        promise_id=promise_id,
        kind="refund",
        due_at=NOON + timedelta(days=2),
    )
    try:
        receipt = store.append(f"case:{case_id}", event, expected_version=2)
    except ConcurrencyConflict:
        return "somebody was faster"
    except (EventRefused, IdempotencyConflict) as refusal:
        return f"refused: {refusal}"
    except StoreUnavailable as error:
        return f"later: {error}"
    return f"at {receipt.position} as {receipt.event_ids[0]}"


def both_or_none(store: CaseStore) -> tuple[int, ...]:
    registered = CustomerRegistered(occurred_at=NOON, actor=ANNA, name="B. Berg")
    note = NoteAdded(occurred_at=NOON, actor=ANNA, text="She called from abroad.")
    return store.append_all([("customer:c2", [registered]), ("case:1", [note])]).versions


def words(store: CaseStore, case_id: str) -> Iterator[str]:
    for recorded in store.history(f"case:{case_id}", reveal=True):
        match recorded.event:
            case MessageReceived(message_id=message_id, text=str(text)):
                yield f"{message_id}: {text}"
            case PromiseMade() as made if made.due_at is not None:
                yield f"{made.promise_id} by {made.due_at:%Y-%m-%d}"
            case _:
                for name, said in recorded.words.items():
                    shown = str(said) if isinstance(said, (Withheld, Erased)) else said.upper()
                    yield f"{name}: {shown}"


def listen(store: CaseStore, after: int, enough: int) -> list[tuple[int | None, str, str]]:
    stop = Signal()
    heard: list[tuple[int | None, str, str]] = []
    for recorded in store.follow(after, stop=stop):
        heard.append((recorded.position, recorded.stream, recorded.type))
        if len(heard) == enough:
            stop.set()
            break
    return heard


def broken(store: CaseStore) -> list[tuple[str, str, int | None]]:
    selection = Selection(as_of=NOON + timedelta(days=3), team="north")
    result: Result[PromiseLine] = report.promises(store, selection=selection, broken=True)
    return [(line.promise_id, line.state, line.late_by_s) for line in result.rows]


def sizes(store: CaseStore) -> dict[str, int]:
    simple: tuple[Report[Line], ...] = (report.cases, report.waiting, report.ageing)
    return {each.name: each(store, sort=None, limit=10).total for each in simple}


def by_team(store: CaseStore) -> list[tuple[str | None, int, float | None]]:
    lines = report.breakdown(store, by="team", since=NOON - timedelta(days=1)).rows
    return [(line.group, line.opened, line.upheld_share) for line in lines]


def main(url: str) -> None:
    with opened_store(url) as store:
        first = take_in(store, "1", "c1", "It never came.", key="mail-1")
        again = take_in(store, "1", "c1", "It never came.", key="mail-1")
        print(first == again, promise(store, "1", "p1"), both_or_none(store))
        print(*words(store, "1"), sep="\n")
        print(listen(store, first.position, 2))
        state = store.case("1")
        print(state.status, state.promises["p1"].due_at, store.customer("c2").registered)
        print(store.policies().at(NOON).conduct.reply_within)
        outcomes = store.write(
            [
                Append(
                    batches=[
                        ("case:2", [NoteAdded(occurred_at=NOON, actor=ANNA, text="Too early.")])
                    ]
                )
            ]
        )
        print([str(each) if isinstance(each, CaseStoreError) else each for each in outcomes])
        try:
            store.history("case:none")
        except StreamNotFound as error:
            print(error)
        with Runner(store) as runner:
            runner.catch_up([projection.name for projection in PROJECTIONS])
            print([status.lag_events for status in runner.status()], runner.parked())
        print(broken(store), sizes(store), by_team(store))
        kept = PromiseKept(occurred_at=NOON + timedelta(minutes=1), actor=ANNA, promise_id="p1")
        print(store.append("case:1", kept).position)


if __name__ == "__main__":
    main(sys.argv[1])
