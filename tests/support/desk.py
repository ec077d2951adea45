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
    """A store whose clock goes with the story: what happens is on record at once."""

    def __init__(self, url: str, **injected: Any) -> None:
        self._now = START
        self.store = CaseStore.create(url, clock=lambda: self._now, **injected)

    def tell(self, stream: str, *told: Event | Learnt) -> None:
        """What happens in a stream; a case or a customer may be named without its kind."""
        for each in told:
            event = each if isinstance(each, Event) else each.event
            self._now = max(self._now, each.at if isinstance(each, Learnt) else event.occurred_at)
            self.store.append(stream, event)

    def case(self, case_id: str, *told: Event | Learnt) -> None:
        """What happens in a case."""
        self.tell(f"case:{case_id}", *told)

    def customer(self, customer_id: str, *told: Event | Learnt) -> None:
        """What happens to a customer, who may be registered for it."""
        stream = f"customer:{customer_id}"
        if stream not in self.store.streams("customer"):
            self.tell(stream, registered())
        self.tell(stream, *told)


@contextmanager
def desk_in(folder: Path) -> Iterator[Desk]:
    """A desk on SQLite."""
    desk = Desk(f"sqlite:///{folder}/desk.db", key_file=folder / "desk.key")
    with desk.store:
        yield desk
