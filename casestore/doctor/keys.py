"""The doctor's checks of keys: personal text can be read, unless it was erased."""

from __future__ import annotations

from collections.abc import Iterator

from casestore.doctor.finding import RESTORE, DoctorFinding, Level
from casestore.errors import CaseStoreError, KeyFileError
from casestore.journal.recorder import UNSCRUBBED
from casestore.journal.rows import OF_IMPORTS
from casestore.keys.key_file import kek_id, load_key_file, replaced_is_left
from casestore.privacy import erasure
from casestore.privacy.erasure_list import GIVE, Proofs, list_file, listed, unproven
from casestore.store import CaseStore
from casestore.streams.wording import counted


def key_file(store: CaseStore) -> Iterator[DoctorFinding]:
    """Check the key file: whether it opens the store, and whether others can read it."""
    vault, check = store._vault, "key file"
    if not vault.is_sealed:
        what = "was made with --unsealed: personal text can be read by all, and never erased"
        do = "export it with --reveal, and import it into a sealed one"
        yield DoctorFinding("warning", check, "the store", what, do)
        return
    where = str(vault.key_file) if vault.key_file else "the key file"
    try:
        if vault.key_file is None:
            raise KeyFileError("no key file is named for this store")  # noqa: TRY301
        keys = {kek_id(key) for key in load_key_file(vault.key_file)}
    except KeyFileError as error:
        what, _, do = str(error).partition("; ")
        not_ours = isinstance(error.__cause__, PermissionError)  # the owner's doctor looks at it
        level: Level = "warning" if not_ours else "error"
        yield DoctorFinding(level, check, where, what, do or "restore it from its backup")
        return
    if (store._recorder.kek_ids() | {bytes.fromhex(vault.current_kek or "")}) - keys:
        what = "does not hold every key that this store's personal text was sealed with"
        yield DoctorFinding("error", check, where, what, "name the right one in CASESTORE_KEY_FILE")
    else:
        for place, problem in _keys_that_fail(store):
            yield DoctorFinding("error", check, place, problem, RESTORE)
    if len(keys) > 1:
        what = "holds two keys: a rotation was interrupted"
        yield DoctorFinding(
            "warning", check, where, what, "finish it with `casestore privacy rotate`"
        )
    if replaced_is_left(vault.key_file):
        what = "the key file that a rotation replaced is still beside it"
        yield DoctorFinding("warning", check, where, what, "`casestore doctor --fix` destroys it")


def _keys_that_fail(store: CaseStore) -> Iterator[tuple[str, str]]:
    """The customers whose data key cannot be unwrapped, and why; the import secret too."""
    for key in store._recorder.all_keys():
        try:
            store._vault.unwrap(key)
        except CaseStoreError as error:
            is_secret = key.customer_id == OF_IMPORTS
            yield "the import secret" if is_secret else f"customer {key.customer_id}", str(error)


def keys_of_words(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find sealed personal text whose data key is gone, though no erasure is on record."""
    for customer_id, count, first in store._recorder.words_without_key():
        what = f"the key of {count} events with words, from position {first} on, is missing, and "
        what += "no erasure is on record: evidence was destroyed"
        do = "restore the key table from a backup, and find out who deleted the key"
        yield DoctorFinding("error", "keys of words", f"customer {customer_id}", what, do)


def erasures(store: CaseStore) -> Iterator[DoctorFinding]:
    """Find erasures that are not finished, or that are in the list but not in this database."""
    check, finish = "erasures", "`casestore doctor --fix` finishes it"
    for customer_id, _ in store._recorder.keys_that_outlived():
        what = "was erased, but the key is there: what they said before can still be read"
        yield DoctorFinding("error", check, f"customer {customer_id}", what, finish)
    if UNSCRUBBED in (store._recorder.meta() or {}):
        what = "may still hold bytes of a key that was destroyed"
        yield DoctorFinding("warning", check, "the database's files", what, finish)
    if (path := list_file(store)) is None or not store._vault.is_sealed:
        return
    recorded = {record.event_id: record for record in erasure.erasures(store)}
    try:
        noted = {record.event_id: record for record in listed(store)}
        forged = unproven(store) if Proofs(store).keys else []
        lost = erasure.lost(store)
    except OSError as error:
        do = GIVE if isinstance(error, PermissionError) else finish
        yield DoctorFinding("warning", check, str(path), f"cannot be read: {error.strerror}", do)
        return
    if lost:
        what = (
            f"lacks {counted(lost, 'erasure')} that {'was' if lost == 1 else 'were'} sealed, and "
        )
        what += f"{path} lacks them too: an older one was put back, and the list was cut"
        do = "put the list back from its own backup; then `casestore privacy reapply`"
        yield DoctorFinding("error", check, "this database", what, do)
    for record in forged:
        what = f"has a line in {path} that the key file did not make"
        do = "find out who wrote it; nobody is erased by it unless you say --unproven"
        if record.event_id in recorded:
            do = finish
        yield DoctorFinding("warning", check, f"customer {record.customer_id}", what, do)
        recorded.pop(record.event_id, None)
    for event_id in recorded.keys() - noted.keys():
        what = f"their erasure is not noted in {path}"
        where = f"customer {recorded[event_id].customer_id}"
        yield DoctorFinding("warning", check, where, what, finish)
    for event_id in noted.keys() - recorded.keys():
        record = noted[event_id]
        what = f"was erased on {record.erased_at:%Y-%m-%d}, and this database does not know of it: "
        what += "an older one was put back"
        do = "`casestore privacy reapply` erases them again"
        yield DoctorFinding("error", check, f"customer {record.customer_id}", what, do)
