"""Tries the lines of a case as an append will, so that no line is made that a store refuses.

That ids and codes are plain is not tried: `casestore.intake.values.plain_id` makes them so.
"""

from __future__ import annotations

from casestore.append.form import LARGEST_EVENT
from casestore.errors import InvalidEvent, InvalidStream
from casestore.events import CaseClosed, CaseReopened
from casestore.intake.values import TOO_LONG
from casestore.streams import kinds
from casestore.streams.case import Case
from casestore.streams.checks import check_fields
from casestore.streams.codec import Codec
from casestore.transfer.lines import Line

_codec = Codec()


class Refused(Exception):  # noqa: N818  (it says what happened, as those of casestore.errors do)
    """A line that a store would refuse. `reason` has the words by which it is counted."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


class Rehearsal:
    """One stream, as far as its lines have been made.

    Args:
        stream: its name.
        whole: whether it begins here. Of a stream that a store has already, its ids and whether
            the case is closed are not known.

    Raises:
        Refused: its id is none.
    """

    def __init__(self, stream: str, whole: bool) -> None:
        try:
            self._stream = kinds.empty(stream)
        except InvalidStream as error:
            raise Refused("its id is no id of a case or a customer", str(error)) from None
        self._whole = whole
        self._closed: bool | None = None

    @property
    def closed(self) -> bool | None:
        """Whether the case is closed; None if that is not known."""
        return self._closed

    def join_known(self) -> None:
        """Go on as with a stream that the store has."""
        self._whole = False

    def take(self, line: Line) -> None:
        """Take the next line. Raises Refused, and the stream stays as it was."""
        if len(line.data) > LARGEST_EVENT:
            raise Refused(TOO_LONG, f"{len(line.data):,} bytes")
        try:
            event = _codec.validate_json(line.type, line.data)
        except InvalidEvent as error:
            raise Refused("a value that the vocabulary does not take", str(error)) from None
        if (wrong := check_fields(event)) is not None:
            raise Refused("a value that the vocabulary does not take", f"{line.type}: {wrong}")
        refusal = None
        turns = isinstance(event, CaseClosed | CaseReopened)
        if self._whole:
            refusal = kinds.check(self._stream, event)
        elif turns and self._closed is isinstance(event, CaseClosed):
            refusal = f"the case is {'closed' if self._closed else 'open'} already"
        if refusal is not None:
            raise Refused("what came before does not allow it", f"{line.type}: {refusal}")
        if self._whole:
            self._stream = self._stream.after(event, self._stream.version + 1)
            state = self._stream.state
            self._closed = isinstance(state, Case) and state.status == "closed"
        elif turns:
            self._closed = isinstance(event, CaseClosed)
