"""A store of complaints for stories that span cases and customers, and for whole reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.events import Event
from tests.support.stories import START, Learnt, registered


class Desk:
    """A store whose clock follows the story: an event is recorded when it happens, or is learnt."""

    def __init__(self, url: str, **injected: Any) -> None:
        self._now = START
        self.store = CaseStore.create(url, clock=lambda: self._now, **injected)

    def tell(self, stream: str, *steps: Event | Learnt) -> None:
        """Append what happens in a stream."""
        for step in steps:
            event = step if isinstance(step, Event) else step.event
            self._now = max(self._now, step.at if isinstance(step, Learnt) else event.occurred_at)
            self.store.append(stream, event)

    def case(self, case_id: str, *steps: Event | Learnt) -> None:
        """Append what happens in a case."""
        self.tell(f"case:{case_id}", *steps)

    def customer(self, customer_id: str, *steps: Event | Learnt) -> None:
        """Append what happens to a customer. One who is not known yet is registered first."""
        stream = f"customer:{customer_id}"
        if stream not in self.store.streams("customer"):
            self.tell(stream, registered())
        self.tell(stream, *steps)


@contextmanager
def desk_in(folder: Path) -> Iterator[Desk]:
    """A desk on SQLite."""
    desk = Desk(f"sqlite:///{folder}/desk.db", key_file=folder / "desk.key")
    with desk.store:
        yield desk
