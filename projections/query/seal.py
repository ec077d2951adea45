"""The newest seal of a store, for the foot of a page, a case's file and an export's manifest."""

from __future__ import annotations

import base64
from typing import NamedTuple

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.leaf import read_leaf
from casestore.audit.rows import origin
from casestore.errors import (
    BadSignature,
    CannotTell,
    InvalidNote,
    NotSigned,
    SealRefused,
    StoreDamaged,
)


class Sealed(NamedTuple):
    """The newest seal: a signed root over the first events of the store."""

    size: int
    root: str
    """In base64, as the checkpoint has it."""
    position: int = 0
    """Of the last event that it covers."""
    problem: str = ""
    """Why there may be a seal that cannot be read or trusted; "" where all is well."""


def newest_seal(store: CaseStore) -> Sealed | None:
    """The newest seal in the store's audit folder; None where nothing was sealed.

    Its signature is checked, and nothing is compared with the events: `casestore audit verify`
    does that. Where it cannot be read or trusted, its `problem` says why.
    """
    try:
        newest = Folder.of(store.url).newest(origin(store))
        if newest is None:
            return None
        seal, checkpoint = newest
        position = read_leaf(seal.last.encode()).position if seal.last else 0
    except _UNREAD as error:
        return Sealed(0, "", problem=str(error))
    root = base64.b64encode(checkpoint.root).decode("ascii")
    return Sealed(checkpoint.size, root, position)


_UNREAD = (BadSignature, CannotTell, InvalidNote, NotSigned, SealRefused, StoreDamaged, OSError)
