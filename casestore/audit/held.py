"""A checkpoint that somebody keeps away from the store, to compare the store with it later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from casestore.errors import BadSignature, CannotTell, InvalidNote, NotSigned
from casestore.tlog.note import Checkpoint, Verifier, open_checkpoint


class HeldCheckpoint(NamedTuple):
    """A checkpoint that somebody keeps."""

    label: str
    """Where it comes from, as messages name it."""
    note: bytes
    """The signed note (C2SP tlog-checkpoint)."""

    def open(self, origin: str, keys: Sequence[Verifier]) -> Checkpoint:
        """Check it, and give what was signed.

        Args:
            origin: the name of the log that it must belong to.
            keys: the verifier keys to trust.

        Raises:
            BadSignature: it was changed after it was signed.
            CannotTell: it belongs to another log, is signed by other keys, or is no checkpoint.
        """
        try:
            checkpoint = open_checkpoint(self.note, keys)
        except BadSignature as error:
            raise BadSignature(f"{self.label}: {error}") from None
        except NotSigned as error:
            raise CannotTell(f"{self.label}: {error}") from None
        except InvalidNote as error:
            raise CannotTell(f"{self.label} is no checkpoint: {error}") from None
        if checkpoint.origin != origin:
            raise CannotTell(f"{self.label} is of another log, {checkpoint.origin}, not {origin}")
        return checkpoint
