"""The journal: an eventsourcing Application over our tables.

eventsourcing's own tools (its ProjectionRunner, its NotificationLogReader) work with a
`Journal(env={"CASESTORE_URL": url})`. Services append through `casestore.CaseStore`, which has a
Journal and checks every event: an event that is saved through the Journal itself is not checked.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

from eventsourcing.application import Application
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from eventsourcing.utils import Environment, EnvType

from casestore.errors import InvalidEvent
from casestore.journal.recorder import JournalRecorder
from casestore.journal.rows import StoredRow
from casestore.journal.url import SQLiteUrl, parse_url
from casestore.streams.codec import Codec
from casestore.streams.history import Recorded


class JournalMapper(Mapper[str]):
    """Translates between `Recorded` and our rows. Personal parts stay as they are stored."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """The row of a Recorded. Raises InvalidEvent where its personal text is not sealed yet."""
        recorded = cast(Recorded, domain_event)
        if recorded.sealed is None and self.codec.personal(recorded.event):
            raise InvalidEvent(
                f"{recorded.type} has personal text, which is sealed on the way in: "
                "append it through CaseStore.append"
            )
        topic, state = self.codec.encode(recorded.event)
        return StoredRow(
            id=recorded.position or 0,
            originator_id=recorded.stream,
            originator_version=recorded.version,
            topic=topic,
            state=state,
            personal=recorded.sealed,
            customer_id=recorded.customer_id,
            event_id=recorded.uid,
            recorded_us=recorded.recorded_us or 0,
            metadata=recorded.raw_metadata,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """The Recorded of a row, personal text withheld. Raises StoreDamaged."""
        row = cast(StoredRow, stored_event)
        recorded = Recorded(
            self.codec.decode(row.topic, row.state),
            cast(str, row.originator_id),
            row.originator_version,
            row.id,
            row.event_id,
            row.customer_id,
            row.recorded_us,
            row.metadata,
            row.personal,
            None if row.personal is None else "withheld",
        )
        return cast("DomainEventProtocol[str]", recorded)


class Journal(Application[str]):
    """eventsourcing's application over a store. It creates nothing: `CaseStore.create` does."""

    name = "casestore"
    env: ClassVar[dict[str, str]] = {
        # A folded state is immutable, so what is in the cache need not be copied before use.
        "AGGREGATE_CACHE_MAXSIZE": "2000",
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
    }
    _codec: ClassVar[Codec] = Codec()

    def construct_env(self, name: str, env: EnvType | None = None) -> Environment:
        """eventsourcing's settings, from a store's URL (CASESTORE_URL). Raises StoreNotFound."""
        base = super().construct_env(name, env)
        url = parse_url(base.get("CASESTORE_URL"))
        settings: dict[str, Any] = dict(base)
        settings["MAPPER_TOPIC"] = ""
        if isinstance(url, SQLiteUrl):
            settings["PERSISTENCE_MODULE"] = "casestore.journal.sqlite:Factory"
            settings["SQLITE_DBNAME"] = str(url.path)
        else:
            settings["PERSISTENCE_MODULE"] = "casestore.journal.postgres:Factory"
            settings["CASESTORE_URL"] = url.url
        return Environment(name, settings)

    def construct_mapper(self) -> Mapper[str]:
        """Our mapper, because eventsourcing's own stores the path of a class as its topic."""
        return JournalMapper(self._codec)

    def construct_transcoder(self) -> Transcoder:
        """Not used: our mapper encodes and decodes events with the codec."""
        raise NotImplementedError

    @property
    def _recorder(self) -> JournalRecorder:
        """The recorder, with the type that it has: eventsourcing knows only its own part of it."""
        return cast(JournalRecorder, self.recorder)


__all__ = ["Journal", "JournalMapper"]
