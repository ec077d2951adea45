"""What a relay sends, and what becomes of it."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One event, or a batch of them, as CloudEvents in JSON."""

    id: str
    """An event's id; of a batch <store id>:<first position>-<last position>. It is the same each
    time the message is sent, as long as the relay runs."""
    events: tuple[bytes, ...]
    """Each as `casestore.transfer.cloudevents.cloud_event` makes it."""
    batched: bool = False

    @property
    def content_type(self) -> str:
        """The media type of `body`."""
        return f"application/cloudevents{'-batch' if self.batched else ''}+json"

    @property
    def body(self) -> bytes:
        """The one event, or a JSON list of them."""
        return b"[%s]" % b",".join(self.events) if self.batched else self.events[0]


class Answer(NamedTuple):
    """Whether a receiver has taken a message."""

    taken: bool
    why: str = ""
    """Why not, in words of ours: what a receiver says is not to be trusted."""
    retry_after: float | None = None
    """The seconds after which the receiver asks to be tried again."""
    gone: bool = False
    """Whether it wants nothing any more."""


class Receiver(Protocol):
    """Where a relay sends messages to. A service that relays within its process brings its own."""

    @property
    def target(self) -> str:
        """Where that is, as `casestore relay status` shows it."""

    def send(self, message: Message) -> Answer:
        """Send a message; it is taken only once it cannot be lost any more."""

    def close(self) -> None:
        """Close what was opened; another `send` opens it again."""
