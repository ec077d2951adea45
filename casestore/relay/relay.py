"""Relays a store's events to a receiver: at least once, in order.

The log is the outbox: positions never appear below one that was read, so a position is all that a
relay has to keep. It keeps it after the receiver has taken what was sent, durably. So a relay that
is killed sends again what was in flight, and no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from threading import Event as StopSignal
from typing import NoReturn

from casestore.errors import CaseStoreError, HistoryChanged, NotRelayed, StoreUnavailable
from casestore.journal.answering import Outage, log
from casestore.journal.listening import LOOK_ANYWAY, Changes
from casestore.journal.recorder import RESTORED
from casestore.journal.rows import cursor_of
from casestore.relay.checkpoints import (
    Checkpoint,
    Checkpoints,
    Parked,
    checked_name,
    checkpoints_of,
    gone,
    not_known,
)
from casestore.relay.message import Answer, Message, Receiver
from casestore.relay.pauses import Pauses
from casestore.relay.selection import Feed, Next, wanted
from casestore.store import CaseStore
from casestore.streams.history import Cursor, Recorded, from_microseconds, to_microseconds
from casestore.streams.wording import counted
from casestore.telemetry.spans import span
from casestore.telemetry.telling import RELAY, is_told, measure

MOST = 100
"""Events in a batch."""
_LOOK = 1.0
"""Seconds after which a relay that waits looks whether it was told to try again."""
_PAUSES = Pauses()


class Relay:
    """Sends a store's events to a receiver, and keeps how far it is under a name.

    Args:
        store: where the events are. The caller closes it.
        name: the checkpoint's name. One process at a time relays under a name.
        receiver: where they are sent: a `Webhook`, or one of your own.
        types: names of the types of events to send; all if left out.
        from_position: where a new relay begins: at the event with that position, or the next; at
            the first one if left out. None but a new one heeds it.
        imported: send imported history too: what came from another system more than a day after
            it happened.
        reveal: send personal text too. This needs the key file.
        batch: send at most so many events (1 to 100) at once; each alone, if left out.
        give_up: for how long an event is tried.
        park: then put it and the rest of its stream aside, and go on. Otherwise the relay stops.
        pauses: how long to wait between attempts.
        clock: gives the present time; the store's if left out.

    Raises ValueError for a name, a type or a number that is none.
    """

    def __init__(
        self,
        store: CaseStore,
        name: str,
        receiver: Receiver,
        *,
        types: Collection[str] | None = None,
        from_position: int | None = None,
        imported: bool = False,
        reveal: bool = False,
        batch: int | None = None,
        give_up: timedelta = timedelta(hours=24),
        park: bool = False,
        pauses: Pauses = _PAUSES,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if batch is not None and not 1 <= batch <= MOST:
            raise ValueError(f"a batch has 1 to {MOST} events, not {batch}")
        self.name = checked_name(name)
        self.delivered = 0
        """How many events the receiver has taken, so far."""
        self.history = 0
        """How many imported events were passed over, so far."""
        self._store = store
        self._receiver = receiver
        self._feed = Feed(store, wanted(types, imported=imported, reveal=reveal), batch)
        self._from_position = from_position
        self._give_up = give_up
        self._park = park
        self._pauses = pauses
        self._clock = clock or store.now
        self._checkpoints: Checkpoints = checkpoints_of(store)
        self._stop = StopSignal()
        self._parked: dict[str, Parked] = {}
        self._has_begun = False

    def run(self, *, stop: StopSignal | None = None, once: bool = False) -> None:
        """Send each event as it is recorded, until `stop` is set.

        What is in flight then is finished. While another process has the name, or the database
        does not answer, this waits, and says so in the log "casestore".

        Args:
            stop: ends it, within a second or with the answer that is waited for.
            once: end when all that there is now was sent; wait for nothing.

        Raises:
            NotRelayed: the receiver is gone, or did not take an event for as long as asked (with
                `once`: now); or another process has the name; or it is new, the store was restored
                or copied, and nothing says where to begin.
            HistoryChanged: the store does not hold the event that was sent last.
            StoreUnavailable: the store was closed; or it does not answer at the start, or at all
                with `once`.
            StoreDamaged: an event cannot be read.
            KeyFileError: the key file is missing, or does not hold the right key.
        """
        self._stop = stop or StopSignal()
        outage, told, begun = Outage(f"the relay {self.name}"), False, False
        try:
            while not self._stop.is_set():
                try:
                    with self._checkpoints.lease(self.name) as has_lease:
                        begun = True
                        if has_lease:
                            self._work(outage, once)
                            return
                except StoreUnavailable as error:
                    if once or not begun or self._store.closed:
                        raise
                    self._feed.restart()
                    outage.wait(error, self._stop)
                    continue
                if once:
                    raise NotRelayed(f"another process relays as {self.name}, and goes on")
                if not told:
                    log.warning("another process relays as %s: this one waits", self.name)
                    told = True
                self._stop.wait(_LOOK)
        finally:
            self._receiver.close()
            self._checkpoints.close()

    def _work(self, outage: Outage, once: bool) -> None:
        """Send, while this process has the lease."""
        point = self._begin()
        outage.over()
        try:
            with self._store._recorder.changes() as changes:
                self._send_all(point, changes, once)
        except HistoryChanged as error:
            raise HistoryChanged(
                f"the relay {self.name} stops: {str(error).partition(':')[0]}. Find out which "
                f"events its receiver has; then `casestore relay forget {self.name}`, and begin "
                "with --from-position"
            ) from error
        except (NotRelayed, StoreUnavailable):
            raise
        except CaseStoreError as error:
            if (last := self._checkpoints.load(self.name)) is not None:
                self._checkpoints.save(last._replace(last_error=str(error)[:500]))
            raise

    def _begin(self) -> Checkpoint:
        """The checkpoint, which a new relay makes."""
        target = self._receiver.target
        point = self._checkpoints.load(self.name)
        if point is None:
            if self._has_begun:  # before the database was away
                raise gone(self.name)
            if (events := self._store.meta.get(RESTORED)) and self._from_position is None:
                raise not_known(self.name, int(events))
            point = Checkpoint(self.name, self._before(self._from_position or 0), target)
            self._checkpoints.add(point)
            log.info("the relay %s is new: it begins after position %s", self.name, point.position)
        elif point.stopped:
            raise NotRelayed(f"the relay {self.name} has stopped: {point.last_error}; {self._how}")
        elif self._from_position is not None:
            log.warning(
                "the relay %s goes on after position %s: only a new one heeds --from-position, and "
                "`casestore relay forget %s` makes it new",
                self.name,
                point.position,
                self.name,
            )
        if point.target != target:
            log.warning(
                "the relay %s sends to %s what comes after position %s: before that, to %s",
                self.name,
                target,
                point.position,
                point.target,
            )
        # Even if it is the same: where nothing can be kept, nothing is sent.
        error = point.last_error if point.attempts else None
        point = point._replace(target=target, last_error=error)
        self._checkpoints.save(point)
        self._look_at_parked()
        self._has_begun = True
        return point

    @property
    def _how(self) -> str:
        return f"when that is mended, run `casestore relay retry {self.name}`"

    def _before(self, position: int) -> Cursor | None:
        """The last event before a position. Raises ValueError where there is no such position."""
        recorder = self._store._recorder
        head = recorder.last_position()
        if not 0 <= position <= head + 1:
            raise ValueError(f"there is no position {position}: the last one is {head}")
        earlier = recorder.row_before(position)
        return None if earlier is None else cursor_of(earlier)

    def _look_at_parked(self) -> None:
        self._parked = {each.stream: each for each in self._checkpoints.parked(self.name)}

    # --- sending -----------------------------------------------------------------------------

    def _send_all(self, point: Checkpoint, changes: Changes, once: bool) -> None:
        kept, looked = point, time.monotonic()
        while not self._stop.is_set():
            if time.monotonic() - looked > _LOOK:
                looked = time.monotonic()
                point = self._reloaded(point)
                self._tell_lag(point)
            if any(each.due for each in self._parked.values()):
                kept = self._keep(point, kept)
                self._retry_parked(point)
            if not self._may_try(point, once):
                point = self._reloaded(point)
                continue
            one = self._park and point.attempts > 0
            following = self._feed.next(point.after, self._parked, one=one)
            if following.message is not None:
                kept = point = self._send(point, following, following.message, once)
            elif following.after != point.after:
                self.history += following.history
                point = point._replace(after=following.after)
            else:
                kept = self._keep(point, kept)
                self._tell_lag(point)
                if once:
                    return
                changes.wait(LOOK_ANYWAY)
        self._keep(point, kept)

    def _tell_lag(self, point: Checkpoint) -> None:
        if is_told():  # else nothing need be asked
            behind = self._store._recorder.last_position() - point.position
            measure("casestore.relay.lag", behind, self._store.url, {RELAY: self.name})

    def _keep(self, point: Checkpoint, kept: Checkpoint) -> Checkpoint:
        """Keep how far it is, if that is not kept yet."""
        if point != kept:
            self._checkpoints.save(point)
        return point

    def _reloaded(self, point: Checkpoint) -> Checkpoint:
        """The checkpoint with what an operator has changed since."""
        found = self._checkpoints.load(self.name)
        if found is None:
            raise gone(self.name)
        self._look_at_parked()
        return found._replace(after=point.after)

    def _may_try(self, point: Checkpoint, once: bool) -> bool:
        """Whether the pause after a failure is over; waits for a moment if it is not."""
        if point.next_attempt_us is None:
            return True
        left = (from_microseconds(point.next_attempt_us) - self._clock()).total_seconds()
        if left <= 0 or left > self._pauses.longest:  # no pause is so long: the clock went back
            return True
        if once:
            raise NotRelayed(
                f"the relay {self.name} waits until {_time(point.next_attempt_us)}: "
                f"{point.last_error}; `casestore relay retry {self.name}` ends that"
            )
        self._feed.restart()
        self._stop.wait(min(left, _LOOK))
        return False

    def _send(self, point: Checkpoint, following: Next, message: Message, once: bool) -> Checkpoint:
        with span("relay", self._store.url, producer=True) as told:
            answer = self._receiver.send(message)
            told.came_to("taken" if answer.taken else "not taken", failed=not answer.taken)
        if answer.taken:
            self.delivered += following.number
            self.history += following.history
            point = Checkpoint(self.name, following.after, point.target)
            self._checkpoints.save(point)
            return point
        self._feed.restart()
        point = self._failed(point, following, answer)
        if once and point.next_attempt_us is not None:
            raise NotRelayed(
                f"the relay {self.name}: {point.last_error}; it may try again from "
                f"{_time(point.next_attempt_us)} on, or after `casestore relay retry {self.name}`"
            )
        return point

    def _failed(self, point: Checkpoint, following: Next, answer: Answer) -> Checkpoint:
        """Keep that what comes next was not taken, and when it is tried again."""
        now = self._clock()
        attempts, us = point.attempts + 1, to_microseconds(now)
        since = min(us, us if point.failing_since_us is None else point.failing_since_us)
        first = following.first
        which = "" if first is None else f"{first.type} at position {first.position}"
        error = f"{which} was not taken: {answer.why}"
        point = point._replace(attempts=attempts, failing_since_us=since, last_error=error)
        if answer.gone:
            self._give_up_on(point, f"{error}: the receiver wants no more")
        if from_microseconds(since) + self._give_up <= now:
            if first is not None and self._park and following.number == 1:
                self._put_aside(first, error)
                point = Checkpoint(self.name, following.after, point.target)
                self._checkpoints.save(point)
                return point
            if not self._park:
                self._give_up_on(point, f"{error}, since {_time(since)}")
        pause = self._pauses.after(attempts, answer.retry_after)
        following_us = us + int(pause * 1_000_000)
        point = point._replace(next_attempt_us=following_us)
        self._checkpoints.save(point)
        log.warning(
            "the relay %s: %s (%s); the next attempt is in %s",
            self.name,
            error,
            counted(attempts, "attempt"),
            f"{pause:.0f} s" if pause >= 1 else f"{pause:.2f} s",
        )
        return point

    def _give_up_on(self, point: Checkpoint, why: str) -> NoReturn:
        """Stop, until somebody has looked at it."""
        point = point._replace(stopped=True, next_attempt_us=None, last_error=why)
        self._checkpoints.save(point)
        raise NotRelayed(f"the relay {self.name} stops: {why}; {self._how}")

    # --- parked streams ------------------------------------------------------------------------

    def _put_aside(self, first: Recorded, error: str) -> None:
        parked = Parked(self.name, first.stream, first.position or 0, error)
        self._checkpoints.park(parked)
        self._parked[first.stream] = parked
        log.warning(
            "the relay %s puts %s aside: %s; `casestore relay retry %s` tries again",
            self.name,
            first.stream,
            error,
            self.name,
        )

    def _retry_parked(self, point: Checkpoint) -> None:
        """Send what was put aside, in the order of each stream, as far as it is taken."""
        for parked in [each for each in self._parked.values() if each.due]:
            for recorded in self._feed.of_stream(parked.stream, parked.position, point.position):
                if self._stop.is_set():
                    return
                parked = parked._replace(position=recorded.position or 0)  # noqa: PLW2901
                message = self._feed.message([recorded], [self._feed.cloud_event(recorded)])
                answer = self._receiver.send(message)
                if not answer.taken:
                    self._put_aside(recorded, f"{recorded.type} was not taken: {answer.why}")
                    if answer.gone:
                        self._give_up_on(point, "the receiver wants no more")
                    break
                self.delivered += 1
                self._checkpoints.park(parked._replace(position=parked.position + 1))
            else:
                self._checkpoints.unpark(parked)
                del self._parked[parked.stream]


def _time(us: int) -> str:
    return f"{from_microseconds(us).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
