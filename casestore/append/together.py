"""Several threads' appends in one commit: each is decided, refused and answered by itself.

Whoever has the turn to write takes along what waits in the line (`casestore.system.line`). What
goes wrong on the way to the commit, or with it, goes wrong for nobody for good: each append that
was in it is then decided again by its own thread, which finds out for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from casestore.append.decision import Decision
from casestore.append.request import Append, Outcome, Receipt
from casestore.errors import CaseStoreError, KeyFileError
from casestore.journal.recorder import DecideAgain, Writing
from casestore.system.line import Place

MOST_EVENTS = 100
"""An append of more events waits for a commit of its own, and a commit takes no more along once it
has as many: so nobody waits long for others, and it does not count as an import's."""
_MOST_BYTES = 1024 * 1024
"""Of rows: once a commit has as many, whatever else it took along is left to its own thread."""


class Asked(NamedTuple):
    """What a thread waits with."""

    append: Append
    remembered: bool
    """Whether no whole stream may be read for it under the lock."""


Answer = tuple[Outcome, Receipt | None]
"""What came of an append, and the receipt for it if it was not refused."""
Waiting = Place[Asked, Answer]


def taken_along(writing: Writing, append: Append) -> list[Waiting]:
    """Take the appends along that wait in the line.

    Args:
        writing: the transaction, before it read anything.
        append: that of this thread.
    """
    others: list[Waiting] = []
    events = len(append.event_ids)
    while events < MOST_EVENTS and (place := writing.next_in_line()) is not None:
        others.append(place)
        events += len(place.work.append.event_ids)
    return others


def write_together(
    mine: Waiting,
    others: Sequence[Waiting],
    begin: Callable[[list[Append]], Decision],
    remember: Callable[[Decision], None],
) -> Answer | None:
    """Write this thread's append, and those that were taken along, in one commit.

    Args:
        mine: this thread's.
        others: what `taken_along` gave. Each is answered, whatever happens; with None where its
            thread has to write it again.
        begin: gives the decision on some appends.
        remember: is given the decision when it was committed.

    Returns the answer for this thread's own.
    """
    answers: dict[Waiting, Answer] = {}
    try:
        places = [mine, *others]
        decision = begin([place.work.append for place in places])
        outcomes = _decided(decision, places)
        for customer_id in decision.destroyed:
            decision.writing.delete_key(customer_id)
        positions = decision.writing.commit(decision.rows, decision.new_keys)
        remember(decision)
        for place, outcome in outcomes.items():
            refused = isinstance(outcome, CaseStoreError)
            receipt = None if refused else decision.receipt(place.work.append, positions)
            answers[place] = outcome, receipt
    except Exception as error:
        raise DecideAgain("appends of several threads could not be written together") from error
    finally:
        for place in others:
            place.tell(answers.get(place))
    return answers.get(mine)


def _decided(decision: Decision, places: Sequence[Waiting]) -> dict[Waiting, Outcome]:
    """The outcomes, without those that have to be decided again."""
    outcomes: dict[Waiting, Outcome] = {}
    size = counted = 0
    for place in places:
        if size > _MOST_BYTES:
            break
        try:
            append, remembered = place.work
            outcomes[place] = decision.decide(append, remembered=remembered)
        except (DecideAgain, KeyFileError):  # the key may have been rotated
            continue
        except CaseStoreError as refusal:
            # The thread that raises it gives it a traceback of its own; this one's holds all rows.
            outcomes[place] = refusal.with_traceback(None)
        size += sum(len(r.state) + len(r.personal or b"") for r in decision.rows[counted:])
        counted = len(decision.rows)
    return outcomes
