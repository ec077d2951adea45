"""The import secret: the same address gets the same id, for as long as the store lives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casestore import CaseStore, KeyFileError, StoreDamaged
from casestore.backup.backup import backup, copy, restore
from casestore.doctor.examine import DoctorFinding, examine
from casestore.errors import InvalidStream, StoreUnavailable
from casestore.intake import Line, Options, append_lines, pseudonyms
from casestore.intake.ids import plain_pseudonym
from casestore.intake.import_secret import known_pseudonyms
from casestore.journal.rows import OF_IMPORTS
from casestore.keys.key_file import create_key_file, kek_id, load_key_file, replace_key_file
from casestore.privacy.erasure import erase
from casestore.privacy.rotation import rotate
from casestore.transfer.lines import line
from tests.support.alter import execute
from tests.support.backups import other
from tests.support.notes import ANNA, T, opened
from tests.support.processes import FOUR, SPAWN, Crew, Place, _join

ADDRESS = "Anna.Kalnina@example.com"


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def named(url: str) -> str:
    with CaseStore.open(url) as store:
        known = known_pseudonyms(store)
    assert known is not None
    return known(ADDRESS)


def lines(store: CaseStore) -> list[Line]:
    """What a reader of mail makes of one mail."""
    customer_id = Options(pseudonym=pseudonyms(store)).pseudonym(ADDRESS)
    fields = {"customer_id": customer_id, "channel": "email", "subject": "Ach"}
    by = {"kind": "customer", "id": customer_id}
    return [line("case:mail-1", "CaseOpened", T, by, fields, key="mail:1", source="mail")]


def amiss(store: CaseStore) -> list[DoctorFinding]:
    return [finding for finding in examine(store) if finding.level != "ok"]


def test_an_address_gets_an_id_that_does_not_tell_it(store: CaseStore) -> None:
    name = pseudonyms(store)
    assert name.secret
    assert re.fullmatch("m-[0-9a-f]{20}", name(ADDRESS))
    assert name(ADDRESS) == name(ADDRESS.lower()) == pseudonyms(store)(ADDRESS)
    assert name(ADDRESS) not in (plain_pseudonym(ADDRESS), name("other@example.com"))
    assert named(store.url) == name(ADDRESS)


def test_another_store_gives_another_id(store: CaseStore, tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/another.db") as another:
        assert pseudonyms(another)(ADDRESS) != pseudonyms(store)(ADDRESS)


def test_a_dry_run_makes_no_secret(store: CaseStore) -> None:
    assert known_pseudonyms(store) is None
    assert store._recorder.keys_of([OF_IMPORTS]) == {}
    pseudonyms(store)
    assert known_pseudonyms(store) is not None


def test_an_unsealed_store_has_plain_ids_and_says_so(store_url: str) -> None:
    with CaseStore.create(store_url, sealed=False) as store:
        for name in (pseudonyms(store), known_pseudonyms(store)):
            assert name is not None
            assert (name.secret, name(ADDRESS)) == (False, plain_pseudonym(ADDRESS))
        assert store._recorder.keys_of([OF_IMPORTS]) == {}


def test_after_a_rotation_the_same_import_appends_nothing(store: CaseStore) -> None:
    assert append_lines(store, lines(store)).imported.appended == 1
    before = store._recorder.keys_of([OF_IMPORTS])[OF_IMPORTS]
    with CaseStore.open(store.url) as beside:  # its vault has the old key in memory
        assert rotate(store, dry_run=True).wrapped == 1
        assert rotate(store).wrapped == 1  # the customer's: the secret is none of theirs
        (new,) = load_key_file(Path(store._vault.key_file or ""))
        after = store._recorder.keys_of([OF_IMPORTS])[OF_IMPORTS]
        assert (after.wrapped[:32], after.key_id) == (kek_id(new), before.key_id)
        for each in (store, beside):
            again = append_lines(each, lines(each)).imported
            assert (again.appended, again.repeated) == (0, 1)
    assert amiss(store) == []


def test_a_rotation_wraps_the_secret_of_a_store_without_customers(store: CaseStore) -> None:
    name = pseudonyms(store)(ADDRESS)
    assert rotate(store).wrapped == 0
    (new,) = load_key_file(Path(store._vault.key_file or ""))
    assert store._recorder.kek_ids() == {kek_id(new)}
    assert named(store.url) == name


def test_an_interrupted_rotation_leaves_the_secret_and_the_next_one_finishes(
    store: CaseStore,
) -> None:
    """Killed after the key file has two keys, and after the store names the new one."""
    name = pseudonyms(store)(ADDRESS)
    path = Path(store._vault.key_file or "")
    (old,) = load_key_file(path)
    create_key_file(path.with_name("new"))
    (new,) = load_key_file(path.with_name("new"))
    replace_key_file(path, [old, new], {store.meta["store_id"]})
    assert named(store.url) == name
    with store._recorder.writing() as writing:
        writing.rewrap(kek_id(new).hex(), [])
        writing.commit([])
    assert named(store.url) == name
    assert rotate(store).resumed
    assert store._recorder.kek_ids() == {kek_id(new)}
    assert load_key_file(path) == [new]
    assert named(store.url) == name


def test_who_makes_the_secret_takes_the_key_of_a_rotation_meanwhile(store: CaseStore) -> None:
    with CaseStore.open(store.url) as beside:
        rotate(store)
        name = pseudonyms(beside)(ADDRESS)
    assert named(store.url) == name
    assert amiss(store) == []


def test_a_rotation_in_the_middle_of_reading_it(
    store: CaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = pseudonyms(store)(ADDRESS)
    with CaseStore.open(store.url) as beside:
        recorder = beside._recorder
        read = type(recorder).keys_of

        def late(*args: object) -> object:
            found = read(*args)  # type: ignore[arg-type]
            monkeypatch.undo()
            rotate(store)
            return found

        monkeypatch.setattr(type(recorder), "keys_of", late)
        monkeypatch.setenv("CASESTORE_KEY_FILE", str(store._vault.key_file))
        known = known_pseudonyms(beside)
        assert known is not None
        assert known(ADDRESS) == name


def test_threads_that_make_it_at_once_get_the_same(store_url: str) -> None:
    with CaseStore.create(store_url) as store, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: pseudonyms(store)(ADDRESS), range(8)))
    assert len(set(found)) == 1


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:
        yield Crew(pool, barrier)


def ask(store: CaseStore, _me: int) -> str:
    return pseudonyms(store)(ADDRESS)


def test_processes_that_make_it_at_once_get_the_same(
    crew: Crew, store_url: str, tmp_path: Path
) -> None:
    CaseStore.create(store_url).close()
    found = crew.race(Place(store_url, tmp_path / "store.key"), ask)
    assert set(found) == {named(store_url)}


def test_backup_restore_and_copy_carry_it(store: CaseStore, programs: None, tmp_path: Path) -> None:
    append_lines(store, lines(store))
    name = named(store.url)
    try:
        backup(store.url, tmp_path / "kept")
    except StoreUnavailable as error:
        pytest.skip(f"no backup of this PostgreSQL: {error}")
    restore(tmp_path / "kept", other(store.url))
    copy(store.url, other(store.url, "moved"))
    copy(store.url, f"sqlite:///{tmp_path}/across.db")
    places = other(store.url), other(store.url, "moved"), f"sqlite:///{tmp_path}/across.db"
    assert [named(url) for url in places] == [name] * 3
    for url in places:
        with CaseStore.open(url) as there:
            assert append_lines(there, lines(there)).imported.appended == 0


def test_erasing_a_customer_leaves_it(store: CaseStore) -> None:
    append_lines(store, lines(store))
    name = named(store.url)
    erase(store, name, basis="gdpr-17", actor=ANNA)
    assert store._recorder.keys_of([name, OF_IMPORTS]).keys() == {OF_IMPORTS}
    assert named(store.url) == name
    assert append_lines(store, lines(store)).imported.appended == 0
    with pytest.raises(InvalidStream):
        erase(store, OF_IMPORTS, basis="gdpr-17", actor=ANNA)


def test_it_is_taken_for_no_customers_key(store: CaseStore) -> None:
    pseudonyms(store)
    assert store._recorder.count_keys() == 0
    assert amiss(store) == []
    store.append("case:1", opened(subject="words"))
    assert (store._recorder.count_keys(), store._recorder.count_keys(b"x" * 32)) == (1, 1)
    assert amiss(store) == []


def test_without_the_key_file_there_is_none(store: CaseStore, tmp_path: Path) -> None:
    with (
        CaseStore.open(store.url, key_file=tmp_path / "nowhere") as blind,
        pytest.raises(KeyFileError, match=r"the key file .*nowhere is missing; restore it"),
    ):
        pseudonyms(blind)
    assert known_pseudonyms(store) is None
    pseudonyms(store)
    create_key_file(tmp_path / "wrong")
    for key_file, why in (("nowhere", "is missing"), ("wrong", "belongs to another store")):
        with CaseStore.open(store.url, key_file=tmp_path / key_file) as blind:
            for ask_for in (pseudonyms, known_pseudonyms):
                with pytest.raises(KeyFileError, match=why):
                    ask_for(blind)


def test_a_secret_that_was_altered_is_told_of(store: CaseStore) -> None:
    pseudonyms(store)
    table = store._recorder.keys_table
    execute(store, f"UPDATE {table} SET key_id = substr(wrapped, 50, 32)")
    with pytest.raises(StoreDamaged, match="the import secret does not"):
        pseudonyms(store)
    (found,) = amiss(store)
    assert (found.check, found.where) == ("key file", "the import secret")
