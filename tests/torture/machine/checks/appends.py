"""What writers were told, held against what is on record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

from casestore import GestureGiven, StatementMade
from tests.torture.machine.evidence import APPENDS, Append, Evidence, Violation
from tests.torture.machine.logs import Operation
from tests.torture.machine.plan import LIMIT


def acknowledged(found: Evidence) -> Iterator[Violation]:
    """What was acknowledged is on record exactly once, whole, as the receipt says."""
    for append in found.appends:
        for operation in append.done[:1]:
            yield from _is_on_record(found, append, operation)


def _is_on_record(found: Evidence, append: Append, told: Operation) -> Iterator[Violation]:
    check, uids, streams = "acknowledged", told["uids"], told["streams"]
    there = Counter(each.uid for each in found.by_mark.get(append.mark, []))
    if there != Counter(uids):
        what = f"{append.mark} was acknowledged with {len(uids)} events, and {there.total()} are "
        yield Violation(
            check, f"{what}on record, of which {len(there.keys() & set(uids))} are its", str(told)
        )
    for uid, stream, version, position in zip(
        uids, streams, told["versions"], told["positions"], strict=True
    ):
        event = found.by_uid.get(uid)
        if event is None:
            what = f"{append.mark}: {stream} version {version} at {position} is not on record"
            yield Violation(check, what, str(told))
        elif (event.stream, event.version, event.position) != (stream, version, position):
            what = f"{append.mark}: told {stream} version {version} at {position}, and it is "
            what += f"{event.stream} version {event.version} at {event.position}"
            yield Violation(check, what, str(told))


def unknown(found: Evidence) -> Iterator[Violation]:
    """What nobody knows of is on record at most once, and whole."""
    for append in found.appends:
        there = Counter(each.stream for each in found.by_mark.get(append.mark, []))
        if append.is_unknown and there and there != append.streams:
            what = f"{append.mark} has {append.streams.total()} events, of which {there.total()} "
            yield Violation("unknown", f"{what}are on record", str(append.asked[-1]))


def refused(found: Evidence) -> Iterator[Violation]:
    """Nothing is on record of what was only ever refused, and nothing that nobody asked for."""
    for append in found.appends:
        there = found.by_mark.get(append.mark, [])
        if there and all(each.told == "refused" for each in append.asked):
            what = f"{append.mark} was refused, and {len(there)} of its events are on record"
            yield Violation("refused", what, str(append.asked[0]))
    asked = {append.mark for append in found.appends}
    for mark in found.by_mark.keys() - asked:
        yield Violation("refused", f"nobody asked for {mark}", str(found.by_mark[mark][0].uid))


def repeats(found: Evidence) -> Iterator[Violation]:
    """A repeated append gets the first receipt; other events with its key are refused."""
    for append in found.appends:
        for other in append.done[1:]:
            if _receipt(other) != _receipt(append.done[0]):
                what = f"{append.mark} has two receipts: also that of {append.done[0]}"
                yield Violation("repeats", what, str(other))
    for each in found.asked("other"):
        if each.told == "done" or (
            each.told == "refused" and each["error"] != "IdempotencyConflict"
        ):
            what = f"{each.op} has another's key and other events, and was told {each.told}"
            yield Violation("repeats", what, str(each))


def _receipt(told: Operation) -> tuple[object, ...]:
    return told["uids"], told["versions"], told["positions"]


def expected(found: Evidence) -> Iterator[Violation]:
    """Who expected a version appended at that version, or not at all."""
    for append in found.appends:
        wanted = [each.get("expected") for each in append.asked]
        there = found.by_mark.get(append.mark)
        if wanted[0] is not None and there and there[0].version != wanted[0] + 1:
            what = f"{append.mark} expected version {wanted[0]}, and is version {there[0].version}"
            yield Violation("expected", what, str(append.asked[0]))


def order(found: Evidence) -> Iterator[Violation]:
    """What was asked after something was acknowledged comes after it."""
    news: list[tuple[int, int, Operation]] = []
    for append in found.appends:
        for each in append.done[:1]:
            # Asked before, by anybody: then it may be on record from then on.
            begun = min(other.asked.said["at"] for other in append.asked)
            assert each.answer is not None
            news.append((each.answer.said["at"], begun, each))
    told = sorted(news, key=lambda each: each[0])
    asked = sorted(news, key=lambda each: each[1])
    last, so_far, number = 0, "", 0
    for _, begun, each in asked:
        while number < len(told) and told[number][0] < begun:
            highest = max(told[number][2]["positions"])
            if highest > last:
                last, so_far = highest, told[number][2].op
            number += 1
        if min(each["positions"]) <= last:
            what = f"{each.op} is at {min(each['positions'])}, and was asked after {so_far} was "
            yield Violation("order", f"{what}acknowledged at {last}", str(each))


def limits(found: Evidence) -> Iterator[Violation]:
    """No customer got more than the limit; and nobody was refused what was within it."""
    given: defaultdict[str, Decimal] = defaultdict(Decimal)
    for event in found.events:
        if isinstance(event.event, GestureGiven) and event.event.value is not None:
            given[str(event.customer_id)] += event.event.value.amount
    for who, total in given.items():
        if total > LIMIT:
            yield Violation("limits", f"{who} got {total} EUR of at most {LIMIT}", who)
    for each in found.asked("gift", "again", "repeat"):
        if each.told != "refused" or not each.get("amount") or "limit" not in each["words"]:
            continue
        if given[each["customer"]] + Decimal(each["amount"]) <= LIMIT:
            what = f"{each.op} was refused {each['amount']} EUR, which are within the limit"
            yield Violation("limits", what, str(each))


def claims(found: Evidence) -> Iterator[Violation]:
    """Of those who claim one id, one gets it."""
    holders: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for event in found.events:
        if isinstance(event.event, StatementMade):
            holders[event.stream, event.event.statement_id].append(
                str(event.metadata.correlation_id)
            )
    for (stream, name), marks in holders.items():
        if len(marks) > 1:
            what = f"{name} of {stream} belongs to {len(marks)} appends: {', '.join(marks)}"
            yield Violation("claims", what, stream)
    for each in found.asked("claim", "again", "repeat"):
        if each.get("statement") is None or "there already" not in each.get("words", ""):
            continue
        if not holders[each["streams"][0], each["statement"]]:
            what = f"{each.op} was refused {each['statement']}, which nobody has"
            yield Violation("claims", what, str(each))


def answers(found: Evidence) -> Iterator[Violation]:
    """Nobody was told what must not be told, and no worker died by itself."""
    for each in found.operations:
        if each.told == "wrong":
            what = f"{each.ask} raised {each['error']}: {each['words']}"
            yield Violation("answers", what, str(each))
    for lines in found.logs.values():
        for line in lines:
            if "died" in line.said:
                what = f"a worker died: {str(line.said['died']).strip().splitlines()[-1]}"
                yield Violation("answers", what, str(line))
            if "ended" in line.said and "code" in line.said:
                what = f"{line.said['ended']} ended by itself, with {line.said['code']}"
                yield Violation("answers", what, str(line))


def hangs(found: Evidence) -> Iterator[Violation]:
    """Everybody ended who was told to."""
    for lines in found.logs.values():
        for line in lines:
            if "hangs" in line.said:
                yield Violation("hangs", f"{line.said['hangs']} does not end", str(line))


def work(found: Evidence) -> Iterator[Violation]:
    """Something was done at all: else the other checks say nothing."""
    if not any(each.told == "done" for each in found.operations if each.ask in APPENDS):
        yield Violation("work", "nothing was acknowledged")
