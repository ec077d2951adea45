"""All that is held on a person, for that person: as data and to read (GDPR, articles 15 and 20).

It is a folder with two files, `data.json` and `page.html`, which say the same. Both have the words.

    {"format": "casestore-person-1", "store_id": …, "made_at": …, "made_by": …,
     "customer_ids": […], "since": …, "streams": [{"stream": …, "events": [EVENT, …]}, …],
     "named_elsewhere": [EVENT, …],
     "erased": [{"stream": …, "type": …, "field": …, "events": …}, …], "not_known_here": […]}

An event: `{"stream", "version", "event_id", "type", "recorded_at", "data", "words", "source",
"correlation_id", "causation_id"}`. `words` is "revealed", "withheld" or "erased"; null where the
event has none. `data` is as the vocabulary has it; words that cannot be read are left out.
`named_elsewhere` has the events in records of others that name one of the ids, without their words,
which are also about others.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from casestore.errors import StoreExists
from casestore.privacy.person import Held, held_on
from casestore.privacy.person_page import person_page
from casestore.store import CaseStore
from casestore.streams.history import Recorded, stored_data
from casestore.system.files import part_name, sync, write_new

FORMAT = "casestore-person-1"
NOT_KNOWN = (
    "with whom any of this was shared",
    "what other systems, mail, backups and paper hold",
    "how long it will be kept",
)
"""What a person may ask, and no store can answer."""


def export_person(store: CaseStore, customer_id: str, out: Path) -> Held:
    """Write all that is held on a person into a new folder, completely or not at all.

    Only the owner of the folder can read it.

    Args:
        store: the store, with its key file.
        customer_id: one of the person's ids.
        out: the folder, which must not exist.

    Raises:
        StreamNotFound: there is no such customer.
        StoreExists: there is something at that place already.
        KeyFileError: the key file is missing, or has not the right key.
        StoreDamaged: an event cannot be read.
        OSError: the folder cannot be written.
        InvalidStream, StoreUnavailable.
    """
    if out.exists() or out.is_symlink():
        raise StoreExists(f"there is something at {out} already; name another folder")
    held = held_on(store, customer_id)
    part = part_name(out)
    part.mkdir(mode=0o700)
    try:
        write_new(part / "data.json", _data(held), 0o600)
        write_new(part / "page.html", person_page(held, NOT_KNOWN).encode(), 0o600)
        sync(part)
        part.rename(out)
        sync(out.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return held


def _data(held: Held) -> bytes:
    data = {
        "format": FORMAT,
        "store_id": held.store_id,
        "made_at": held.made_at,
        "made_by": version("casestore"),
        "customer_ids": held.customer_ids,
        "since": held.since,
        "streams": [
            {"stream": stream, "events": list(map(_event, events))}
            for stream, events in held.streams.items()
        ],
        "named_elsewhere": list(map(_event, held.named_elsewhere)),
        "erased": [each._asdict() for each in held.erased],
        "not_known_here": NOT_KNOWN,
    }
    return msgspec.json.format(msgspec.json.encode(data), indent=1) + b"\n"


def _event(recorded: Recorded) -> dict[str, Any]:
    metadata = recorded.metadata
    return {
        "stream": recorded.stream,
        "version": recorded.version,
        "event_id": recorded.uid,
        "type": recorded.type,
        "recorded_at": recorded.recorded_at,
        "data": stored_data(recorded.event),
        "words": recorded.privacy,
        "source": metadata.source,
        "correlation_id": metadata.correlation_id,
        "causation_id": metadata.causation_id,
    }
