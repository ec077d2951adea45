"""The pseudonyms of a store: ids made of addresses, by a secret of the store's own.

    with CaseStore.open() as store:
        options = Options(ours=("*@example.com",), pseudonym=pseudonyms(store))

The import secret is 32 random bytes. It is made when it is first needed, and stands in the table of
keys, wrapped by the key-encryption key like the customers' data keys; so a rotation wraps it anew,
and a backup or a copy of the store carries it. The same address always gets the same id. Without
the key file nobody can tell whose id it is, not even by trying addresses.

An export does not carry the secret: another store gives other ids.
"""

from __future__ import annotations

from casestore.errors import KeyFileError
from casestore.intake.ids import plain_pseudonym, secret_pseudonym
from casestore.journal.answering import database_answers
from casestore.journal.rows import OF_IMPORTS, KeyRow
from casestore.store import CaseStore

PLAIN = (
    "this store was made with --unsealed: ids that are made of addresses are plain SHA-256, so "
    "whoever knows an address can tell which id is its"
)
"""What a person should be told where `Pseudonyms.secret` is False."""


class Pseudonyms:
    """Makes an id of an address. Threads may share it; it does not use the store any more."""

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret

    @property
    def secret(self) -> bool:
        """Whether the ids are made with a secret; False in an unsealed store."""
        return self._secret is not None

    def __call__(self, address: str) -> str:
        """The id: "m-" and 20 hex digits of the HMAC-SHA256 of the address in lower case."""
        if self._secret is None:
            return plain_pseudonym(address)
        return secret_pseudonym(self._secret, address)


def pseudonyms(store: CaseStore) -> Pseudonyms:
    """What makes pseudonyms for a store; if it has no import secret yet, one is made.

    It is for `Options.pseudonym`. Several processes may call it at once: they get the same secret.

    Raises:
        KeyFileError: the key file is missing, or has not the right key.
        StoreDamaged: the secret cannot be unwrapped.
        StoreUnavailable: the database does not answer.
    """
    known = known_pseudonyms(store)
    if known is not None:
        return known
    with database_answers("the store"), store._recorder.writing() as writing:
        store._was_rotated()  # the lock is held, so that it is not from now on
        row = writing.survey((), (), [OF_IMPORTS]).keys.get(OF_IMPORTS)
        if row is None:  # else another process was faster
            row = store._vault.new_key(OF_IMPORTS)
            writing.commit([], [row])
    return Pseudonyms(store._vault.unwrap(row))


def known_pseudonyms(store: CaseStore) -> Pseudonyms | None:
    """As `pseudonyms`, but nothing is made: None if the store has no import secret yet.

    It is for a dry run. Its ids may then be made in any way, as nobody has seen others.
    """
    if not store._vault.is_sealed:
        return Pseudonyms(None)
    row = _row(store)
    if row is None:
        return None
    try:
        return Pseudonyms(store._vault.unwrap(row))
    except KeyFileError:
        again = _row(store)
        if again is None or again == row:
            raise
        return Pseudonyms(store._vault.unwrap(again))  # a rotation ended in between


def _row(store: CaseStore) -> KeyRow | None:
    return store._recorder.keys_of([OF_IMPORTS]).get(OF_IMPORTS)
