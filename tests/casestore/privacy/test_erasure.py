"""Forgetting: what an erasure takes away, what it leaves, and what nobody can bring back."""

from __future__ import annotations

import json
import os
import resource
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from casestore import (
    CaseStore,
    CustomerErased,
    CustomerMerged,
    CustomerRegistered,
    CustomerUnmerged,
    Erased,
    ErasureRequested,
    EventRefused,
    KeyFileError,
    PersonalDataErased,
    Retry,
    StoreDamaged,
    StoreUnavailable,
    StreamNotFound,
    Withheld,
)
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.doctor.examine import DoctorFinding, examine
from casestore.journal.recorder import UNSCRUBBED
from casestore.journal.rows import KeyRow
from casestore.journal.sqlite import SQLiteJournal
from casestore.keys.key_file import create_key_file, load_key_file, stores_of
from casestore.privacy.erasure import (
    Erasure,
    Words,
    erase,
    erasures,
    finish,
    holds,
    lost,
    readable,
    reapply,
    requests,
)
from casestore.privacy.erasure_list import list_file, listed
from casestore.privacy.rotation import rotate
from casestore.transfer.ndjson import export_lines, import_lines
from tests.support.alter import alter, execute
from tests.support.command_line import Casestore
from tests.support.holds import held, let_go
from tests.support.notes import ANNA, T, note, opened


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    """Two cases of c1, one of c2, with words in each."""
    with CaseStore.create(store_url) as made:
        made.append("case:1", opened(subject="one"), note("two"), note("three"), note(None))
        made.append("case:2", opened(subject=None), note("four"))
        made.append("case:3", opened("c2", subject="five"))
        yield made


def gone(store: CaseStore, customer_id: str = "c1") -> Erasure:
    return erase(store, customer_id, basis="gdpr-17", actor=ANNA)


def seen(store: CaseStore) -> dict[str, list[str]]:
    """What can be read of each stream's words."""
    found: dict[str, list[str]] = {}
    for recorded in store.read(reveal=True):
        found.setdefault(recorded.stream, []).extend(map(str, recorded.words.values()))
    return {stream: words for stream, words in found.items() if words}


def keys(store: CaseStore) -> dict[str, KeyRow]:
    rows = store._recorder.fetch(f"SELECT * FROM {store._recorder.keys_table}")
    return {row[0]: KeyRow(row[0], bytes(row[1]), bytes(row[2])) for row in rows}


def findings(store: CaseStore) -> list[DoctorFinding]:
    return [each for each in examine(store) if each.level != "ok"]


def key_file() -> Path:
    return Path(os.environ["CASESTORE_KEY_FILE"])


def bring_back(store: CaseStore, key: KeyRow) -> None:
    """Put a key that was destroyed back into the key table."""
    bytes_of = "x'{}'" if isinstance(store._recorder, SQLiteJournal) else "decode('{}', 'hex')"
    values = ", ".join(bytes_of.format(each.hex()) for each in key[1:])
    execute(
        store, f"INSERT INTO {store._recorder.keys_table} VALUES ('{key.customer_id}', {values})"
    )


def all_words(store: CaseStore) -> set[str]:
    return {each for words in seen(store).values() for each in words}


# --- erasing -----------------------------------------------------------------------------------


def test_erasing_makes_the_words_unreadable_and_changes_no_event(store: CaseStore) -> None:
    before = store._recorder.rows(0, 100)
    made = gone(store)
    assert (made.now, made.noted.basis, made.same_person, made.left) == (True, "gdpr-17", (), ())
    assert seen(store) == {"case:1": ["[erased]"] * 3, "case:2": ["[erased]"], "case:3": ["five"]}
    assert store._recorder.rows(0, 100)[:-1] == before
    assert list(keys(store)) == ["c2"]
    assert UNSCRUBBED not in (store._recorder.meta() or {})
    assert findings(store) == []


def test_what_was_erased_reads_as_a_type_and_never_as_nothing(store: CaseStore) -> None:
    (first, *_), (*_, last) = (store.history("case:1", reveal=reveal) for reveal in (True, False))
    assert first.words == {"subject": "one"}
    assert store.history("case:1").effective[0].words == {"subject": Withheld()}
    assert last.words == {}
    gone(store)
    erased = store.history("case:1", reveal=True).effective[0]
    assert erased.words == {"subject": Erased()}
    assert erased.privacy == "erased"
    assert str(erased.words["subject"]) == "[erased]"
    assert erased.words["subject"]


def test_erasing_twice_appends_nothing_and_says_so(store: CaseStore) -> None:
    first = gone(store)
    count = len(list(store.read()))
    again = gone(store)
    assert (again.now, again.noted) == (False, first.noted)
    assert len(list(store.read())) == count
    assert len(listed(store)) == 1


def test_the_event_alone_destroys_the_key_in_its_own_commit(store: CaseStore) -> None:
    """However it comes: a service may append it, and a file may be imported."""
    event = PersonalDataErased(occurred_at=T, actor=ANNA, basis="retention")
    store.append("customer:c1", event)
    assert list(keys(store)) == ["c2"]
    assert {f.check for f in findings(store)} == {"erasures"}  # not scrubbed, not listed
    assert finish(store) == ()
    assert findings(store) == []
    line = {
        "stream": "customer:c2",
        "type": "PersonalDataErased",
        "data": {"occurred_at": T.isoformat(), "basis": "x", "actor": {"kind": "agent", "id": "a"}},
    }
    assert not import_lines(store, [json.dumps(line).encode()]).refused
    assert keys(store) == {}
    assert all_words(store) == {"[erased]"}


def test_a_refused_append_destroys_nothing(store: CaseStore) -> None:
    event = PersonalDataErased(occurred_at=T, actor=ANNA, basis="x")
    with pytest.raises(EventRefused, match="not known here"):
        store.append_all(
            [
                ("customer:c1", [event]),
                (
                    "customer:c2",
                    [let_go("no")],
                ),
            ]
        )
    assert seen(store)["case:1"] == ["one", "two", "three"]


def test_words_and_their_erasure_in_one_commit_leave_no_key(store: CaseStore) -> None:
    erased = PersonalDataErased(occurred_at=T, actor=ANNA, basis="x")
    back = CustomerRegistered(occurred_at=T, actor=ANNA, name="new")
    store.append_all([("case:9", [opened("c9", "first")]), ("customer:c9", [erased])])
    assert "c9" not in keys(store)
    store.append_all(
        [
            ("case:1", [note("before")]),
            ("customer:c1", [erased, back]),
            ("case:1", [note("after")]),
        ]
    )
    assert seen(store)["case:1"] == ["[erased]"] * 4 + ["after"]
    assert seen(store)["customer:c1"] == ["new"]
    assert seen(store)["case:9"] == ["[erased]"]
    assert [f.check for f in findings(store)] == ["erasures"] * 3  # listing and scrubbing are left


def test_a_hold_refuses_and_says_which(store: CaseStore) -> None:
    store.append("customer:c1", held("h-7"))
    with pytest.raises(EventRefused, match=r"customer:c1: .* a legal hold stands \(h-7\)"):
        gone(store)
    assert seen(store)["case:1"] == ["one", "two", "three"]
    store.append("customer:c1", let_go("h-7"))
    assert gone(store).now


def test_a_hold_on_the_same_person_under_another_id_refuses_too(store: CaseStore) -> None:
    store.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    store.append("customer:c2", held("h"))
    assert holds(store, "c1") == {"c2": ["h"]}
    with pytest.raises(EventRefused, match=r"\(h\) on customer 'c2', who is the same person"):
        gone(store)
    store.append("customer:c2", CustomerUnmerged(occurred_at=T, actor=ANNA, out_of="c1"))
    assert gone(store).now
    assert seen(store)["case:3"] == ["five"]


def test_who_is_merged_is_named_and_not_erased(store: CaseStore) -> None:
    store.append("customer:c2", CustomerMerged(occurred_at=T, actor=ANNA, into="c1"))
    assert gone(store).same_person == ("c2",)
    assert seen(store)["case:3"] == ["five"]
    assert gone(store, "c2").same_person == ("c1",)


def test_an_unsealed_store_refuses_and_says_why(store_url: str) -> None:
    with CaseStore.create(store_url, sealed=False) as plain:
        plain.append("case:1", opened())
        with pytest.raises(EventRefused) as refused:
            gone(plain)
        assert str(refused.value).endswith(
            ": this store was made with --unsealed, so words stand in its append-only rows as they "
            "are; export it with --reveal, import that into a sealed store, and erase there"
        )
        assert plain.history("case:1", reveal=True).effective[0].event == opened()


def test_nobody_is_erased_who_is_not_there(store: CaseStore) -> None:
    with pytest.raises(StreamNotFound, match="no customer nobody"):
        gone(store, "nobody")


def test_what_would_become_unreadable_is_told_without_reading(
    store: CaseStore, tmp_path: Path
) -> None:
    key_file().rename(tmp_path / "elsewhere")
    assert readable(store, "c1") == [
        Words("c1", "case:1", "CaseOpened", "subject", 1),
        Words("c1", "case:1", "NoteAdded", "text", 2),
        Words("c1", "case:2", "NoteAdded", "text", 1),
    ]
    assert gone(store).left == ()  # it needs no key to destroy one
    assert readable(store, "c1") == []


def test_requests_are_open_until_they_are_met(store: CaseStore) -> None:
    store.append("customer:c1", ErasureRequested(occurred_at=T, actor=ANNA, basis="gdpr-17"))
    assert [each.customer_id for each in requests(store)] == ["c1"]
    gone(store)
    assert requests(store) == []


# --- coming back -------------------------------------------------------------------------------


def test_a_customer_who_returns_has_a_new_key_and_the_old_words_stay_gone(
    store: CaseStore,
) -> None:
    old = keys(store)["c1"]
    gone(store)
    with pytest.raises(CustomerErased, match="register the customer again"):
        store.append("case:1", note("no"))
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA, name="Ada"))
    store.append("case:1", note("new"))
    assert keys(store)["c1"].key_id != old.key_id
    assert seen(store)["case:1"] == ["[erased]"] * 3 + ["new"]
    assert findings(store) == []
    assert gone(store).now  # a second time, for what was said since
    assert seen(store)["case:1"] == ["[erased]"] * 4
    assert [each.customer_id for each in erasures(store)] == ["c1", "c1"]


def test_a_retry_of_what_was_erased_appends_nothing(store: CaseStore) -> None:
    receipt = store.append("case:1", note("said once"), key="k")
    gone(store)
    assert store.append("case:1", note("said once"), key="k") == receipt


def test_an_export_of_the_erased_can_be_imported(store: CaseStore, tmp_path: Path) -> None:
    gone(store)
    lines = list(export_lines(store, reveal=True))
    assert sum(b'"personal":"erased"' in line for line in lines) == 4
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db", key_file=tmp_path / "copy") as copy:
        for _ in range(2):
            assert not import_lines(copy, lines).refused
        assert len(list(copy.read())) == len(lines)
        assert [f.level for f in findings(copy)] == ["warning"]  # not on the copy's own list
        assert finish(copy) == ()
        assert findings(copy) == []


# --- an older database is put back -------------------------------------------------------------


def put_back(store: CaseStore, key: KeyRow) -> None:
    """As a restored backup has it: no erasure, and the key that was destroyed."""
    alter(store, "DELETE FROM {t} WHERE topic = 'PersonalDataErased'")
    bring_back(store, key)
    cache = store.journal.repository.cache
    assert cache is not None
    cache.cache.clear()


def test_erasures_are_done_again_once(store: CaseStore) -> None:
    key, made = keys(store)["c1"], gone(store)
    put_back(store, key)
    assert seen(store)["case:1"] == ["one", "two", "three"]
    (finding,) = findings(store)
    assert (finding.level, finding.check, finding.where) == ("error", "erasures", "customer c1")
    assert "privacy reapply" in finding.do
    path = list_file(store)
    assert path is not None
    lines = path.read_bytes().splitlines()
    for outcome in ("erased again", "on record"):
        (done,), left = reapply(store, lines, actor=ANNA)
        assert (done.customer_id, done.outcome, left) == ("c1", outcome, ())
    assert seen(store)["case:1"] == ["[erased]"] * 3
    assert list(erasures(store)) == [made.noted]
    assert findings(store) == []
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA, name="back"))
    assert reapply(store, lines, actor=ANNA)[0][0].outcome == "on record"
    assert seen(store)["customer:c1"] == ["back"]


def test_a_list_that_was_emptied_before_an_older_database_is_told_of(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words that were erased are back, and neither the database nor the list knows of it."""
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    Folder.of(store.url).make_key(origin(store))
    seal(store)
    key, path = keys(store)["c1"], list_file(store)
    assert path is not None
    gone(store, "c2")
    seal(store)
    gone(store)
    seal(store)
    put_back(store, key)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0])
    assert lost(store) == 1
    (finding,) = [each for each in findings(store) if each.where == "this database"]
    assert (finding.level, finding.check) == ("error", "erasures")
    assert finding.what.startswith("lacks 1 erasure that was sealed, and ")
    path.write_bytes(b"")
    assert lost(store) == 2
    path.write_bytes(b"".join(lines))
    assert lost(store) == 0
    assert "this database" not in {each.where for each in findings(store)}
    (tmp_path / "audit" / "checkpoint").write_text("no checkpoint")
    path.write_bytes(b"")
    assert lost(store) == 0  # `audit verify` tells of that


def test_a_seal_from_before_erasures_were_counted_counts_for_nothing(
    store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_AUDIT_DIR", str(tmp_path / "audit"))
    folder = Folder.of(store.url)
    folder.make_key(origin(store))
    gone(store)
    seal(store)
    (file,) = folder.seal_files()
    kept = json.loads(file.read_text())
    assert kept.pop("erasures") == 1
    file.write_text(json.dumps(kept))
    assert lost(store) == 0
    store.append("case:2", note(None))
    seal(store)
    assert json.loads(folder.seal_files()[-1].read_text())["erasures"] == 1
    gone(store, "c2")
    seal(store)
    assert json.loads(folder.seal_files()[-1].read_text())["erasures"] == 2


def test_a_hold_from_back_then_stands_in_the_way(store: CaseStore) -> None:
    key = keys(store)["c1"]
    gone(store)
    put_back(store, key)
    store.append("customer:c1", held("h"))
    path = list_file(store)
    assert path is not None
    (done,), _ = reapply(store, path.read_bytes().splitlines(), actor=ANNA)
    assert done.outcome == "refused"
    assert "a legal hold stands (h)" in done.why
    assert seen(store)["case:1"] == ["one", "two", "three"]


def test_lines_that_are_not_ours_do_nothing(store: CaseStore) -> None:
    gone(store)
    path = list_file(store)
    assert path is not None
    line = json.loads(path.read_text())
    said = [
        {**line, "store_id": "another"},
        {**line, "customer_id": "never-here", "event_id": "1"},
        {"customer_id": "c2"},
        {**line, "customer_id": "a\nb"},
        {**line, "basis": ""},
    ]
    lines = [b"", *(json.dumps(each).encode() for each in said)]
    found, _ = reapply(store, lines, actor=ANNA, unproven=True)
    refused = ["refused"] * 3
    assert [each.outcome for each in found] == ["another store", "unknown here", *refused]
    assert seen(store)["case:3"] == ["five"]


def test_a_line_that_somebody_else_wrote_erases_nobody(store: CaseStore) -> None:
    """A line that was changed to name another customer, one made up, and a proof of another key."""
    key = keys(store)["c1"]
    gone(store)
    put_back(store, key)
    path = list_file(store)
    assert path is not None
    genuine = json.loads(path.read_text())
    forged = [
        {**genuine, "customer_id": "c2"},
        {name: value for name, value in genuine.items() if name != "proof"} | {"event_id": "e"},
        {**genuine, "basis": "else", "proof": "00" * 32},
        {**genuine, "basis": "other", "proof": "é"},
    ]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in forged))
    assert listed(store) == []
    found, _ = reapply(store, path.read_bytes().splitlines(), actor=ANNA)
    assert [each.outcome for each in found] == ["refused"] * 4
    assert all("nothing proves that this erasure is of this store" in each.why for each in found)
    assert seen(store)["case:1"] == ["one", "two", "three"]
    assert seen(store)["case:3"] == ["five"]
    told = findings(store)
    assert {each.where for each in told} == {"customer c1", "customer c2"}
    assert all("that the key file did not make" in each.what for each in told)
    path.write_text(f"{json.dumps(forged[2])}\n{json.dumps(genuine)}\n")
    (done,), _ = reapply(store, path.read_bytes().splitlines(), actor=ANNA)
    assert done.outcome == "erased again"


def test_a_rotation_proves_the_list_by_the_new_key(store: CaseStore) -> None:
    key = keys(store)["c1"]
    gone(store)
    path = list_file(store)
    assert path is not None
    before = path.read_bytes()
    rotate(store)
    assert path.read_bytes().startswith(before)
    assert [each.customer_id for each in listed(store)] == ["c1"]
    assert findings(store) == []
    again, _ = reapply(store, path.read_bytes().splitlines(), actor=ANNA)
    assert [each.outcome for each in again] == ["on record"]
    assert key.customer_id == "c1"


def test_without_the_key_file_an_erasure_is_proven_later(store: CaseStore) -> None:
    path = list_file(store)
    key_file = store._vault.key_file
    assert path is not None
    assert key_file is not None
    key_file.rename(away := key_file.with_name("away"))
    gone(store)
    assert json.loads(path.read_text())["proof"] == ""
    away.rename(key_file)
    assert listed(store) == []
    (finding,) = findings(store)
    assert "--fix" in finding.do
    assert finish(store) == ()
    assert findings(store) == []
    assert len(listed(store)) == 1


def test_a_real_backup_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASESTORE_KEY_FILE", raising=False)
    url, path = f"sqlite:///{tmp_path}/store.db", tmp_path / "store.db"
    with CaseStore.create(url) as store:
        store.append("case:1", opened(subject="one"))
    shutil.copy(path, tmp_path / "backup")
    with CaseStore.open(url) as store:
        gone(store)
    shutil.copy(tmp_path / "backup", path)
    with CaseStore.open(url) as store:
        assert seen(store) == {"case:1": ["one"]}
        reapply(store, (tmp_path / "store.db.key.erased").read_bytes().splitlines(), actor=ANNA)
        assert seen(store) == {"case:1": ["[erased]"]}
        rotate(store)
    shutil.copy(tmp_path / "backup", path)  # and now it is of no use any more
    with CaseStore.open(url) as store:
        with pytest.raises(KeyFileError, match="before or after a rotation"):
            seen(store)
        with pytest.raises(KeyFileError, match="does not open every key"):
            rotate(store)


def test_the_list_is_for_its_owner_alone_and_survives_a_torn_line(store: CaseStore) -> None:
    gone(store)
    path = list_file(store)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert listed(store) == []
    gone(store, "c2")
    assert [each.customer_id for each in listed(store)] == ["c2"]
    assert finish(store) == ()
    assert {each.customer_id for each in listed(store)} == {"c1", "c2"}


def test_a_list_that_cannot_be_written_is_told_of(store: CaseStore) -> None:
    path = list_file(store)
    assert path is not None
    path.mkdir()
    (left,) = gone(store).left
    assert "could not be noted" in left
    assert any("cannot be read" in f.what for f in findings(store))
    assert seen(store)["case:1"] == ["[erased]"] * 3
    path.rmdir()
    assert finish(store) == ()
    assert len(listed(store)) == 1


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)  # it takes no room on the disk


@pytest.mark.skipif(os.name != "posix", reason="pipes are of POSIX")
@pytest.mark.parametrize(
    ("put", "why"), [(_pipe, "no ordinary file"), (_huge, "larger than 268,435,456 bytes")]
)
def test_a_pipe_or_a_huge_file_in_the_place_of_the_list_holds_nobody_up(
    store: CaseStore, put: Callable[[Path], None], why: str
) -> None:
    """Whoever opened a pipe to read or write it would wait for ever."""
    path = list_file(store)
    assert path is not None
    put(path)
    (left,) = gone(store).left
    assert left.startswith("the erasure could not be noted in ")
    assert why in left
    (finding,) = [each for each in findings(store) if each.where == str(path)]
    assert why in finding.what
    assert seen(store)["case:1"] == ["[erased]"] * 3
    ran = Casestore(store.url, CASESTORE_KEY_FILE=str(path.with_suffix("")))(
        "privacy", "reapply", "--actor", "agent:anna"
    )
    assert ran.code == 3
    assert why in ran.err


# --- the doctor --------------------------------------------------------------------------------


def test_the_doctor_tells_destroyed_evidence_from_an_erasure(store: CaseStore) -> None:
    execute(store, f"DELETE FROM {store._recorder.keys_table} WHERE customer_id = 'c1'")
    (finding,) = findings(store)
    assert (finding.level, finding.check) == ("error", "keys of words")
    assert finding.where == "customer c1"
    assert "the key of 4 events with words, from position 2 on, is missing" in finding.what
    assert "no erasure is on record: evidence was destroyed" in finding.what


def test_an_erasure_before_the_words_explains_nothing(store: CaseStore) -> None:
    gone(store)
    store.append("customer:c1", CustomerRegistered(occurred_at=T, actor=ANNA, name="back"))
    execute(store, f"DELETE FROM {store._recorder.keys_table} WHERE customer_id = 'c1'")
    (finding,) = findings(store)
    assert (finding.check, "of 1 events" in finding.what) == ("keys of words", True)


def test_a_key_that_outlived_its_erasure_is_found_and_destroyed(store: CaseStore) -> None:
    key = keys(store)["c1"]
    gone(store)
    bring_back(store, key)
    (finding,) = findings(store)
    assert (finding.level, finding.check) == ("error", "erasures")
    assert "can still be read" in finding.what
    assert "--fix" in finding.do
    assert finish(store) == ()
    assert findings(store) == []
    bring_back(store, key)
    assert not gone(store).now  # erasing again finishes it as well
    assert findings(store) == []


def test_a_key_that_outlived_stays_under_a_hold(store: CaseStore) -> None:
    key = keys(store)["c1"]
    gone(store)
    bring_back(store, key)
    store.append("customer:c1", held("h"))
    (left,) = finish(store)
    assert left == "the key of 'c1' outlived their erasure, but a hold stands: h on 'c1'"
    assert keys(store)["c1"] == key


def test_swapped_and_altered_keys_do_not_open(store: CaseStore) -> None:
    table = store._recorder.keys_table
    one, two = keys(store)["c1"], keys(store)["c2"]
    for n in range(len(one.wrapped)):
        flipped = bytes([*one.wrapped[:n], one.wrapped[n] ^ 1, *one.wrapped[n + 1 :]])
        with pytest.raises(KeyFileError if n < 32 else StoreDamaged):
            store._vault.unwrap(one._replace(wrapped=flipped))
    for swapped in (one._replace(wrapped=two.wrapped), two._replace(customer_id="c1")):
        with pytest.raises(StoreDamaged, match="key table was altered"):
            store._vault.unwrap(swapped)
    execute(
        store,
        f"UPDATE {table} SET customer_id = 'x' WHERE customer_id = 'c1'",
        f"UPDATE {table} SET customer_id = 'c1' WHERE customer_id = 'c2'",
        f"UPDATE {table} SET customer_id = 'c2' WHERE customer_id = 'x'",
    )
    assert {f.check for f in findings(store)} == {"key file", "keys of words"}
    assert all_words(store) == {"[erased]"}  # they open nothing


@pytest.mark.parametrize(
    ("to", "opens"),
    [("case:1' AND originator_version = '3", None), ("case:2' AND originator_version = '2", None)],
)
def test_a_part_moved_to_another_event_does_not_open(
    store: CaseStore, to: str, opens: None
) -> None:
    part = "(SELECT personal FROM {t} WHERE originator_id = 'case:1' AND originator_version = 2)"
    alter(store, f"UPDATE {{t}} SET personal = {part} WHERE originator_id = '{to}'")
    with pytest.raises(StoreDamaged, match="does not open: it was altered, or moved here"):
        seen(store)


def test_a_part_moved_to_another_customer_does_not_open(store: CaseStore) -> None:
    part = "(SELECT personal FROM {t} WHERE originator_id = 'case:1' AND originator_version = 1)"
    alter(store, f"UPDATE {{t}} SET personal = {part} WHERE originator_id = 'case:3'")
    assert seen(store)["case:3"] == ["[erased]"]
    assert [(f.check, f.where) for f in findings(store)] == [("keys of words", "customer c2")]


# --- rotation ----------------------------------------------------------------------------------


def test_a_rotation_changes_every_wrapped_key_and_nothing_else(store: CaseStore) -> None:
    rows, before, words = store._recorder.rows(0, 100), keys(store), seen(store)
    (old,) = load_key_file(key_file())
    planned = rotate(store, dry_run=True)
    assert (planned.wrapped, planned.resumed) == (2, False)
    assert (load_key_file(key_file()), keys(store)) == ([old], before)
    done = rotate(store)
    assert (done.wrapped, done.resumed, done.key_file) == (2, False, key_file())
    (new,) = load_key_file(key_file())
    assert new != old
    assert stat.S_IMODE(key_file().stat().st_mode) == 0o600
    assert stores_of(key_file()) == {store.meta["store_id"]}
    assert store._recorder.rows(0, 100) == rows
    after = keys(store)
    assert {each: key.key_id for each, key in after.items()} == {
        each: key.key_id for each, key in before.items()
    }
    assert not {key.wrapped for key in after.values()} & {key.wrapped for key in before.values()}
    assert seen(store) == words
    assert findings(store) == []
    store.append("case:4", opened("c4", "six"))
    with CaseStore.open(store.url) as fresh:
        assert seen(fresh)["case:4"] == ["six"]
    beside = {
        each.name for each in key_file().parent.iterdir() if each.name.startswith("store.key")
    }
    assert beside == {"store.key"}


def test_who_has_the_old_key_cached_takes_the_new_one(store: CaseStore) -> None:
    with CaseStore.open(store.url) as other:
        other.append("case:5", opened("c5", "seven"))
        rotate(store)
        other.append("case:6", opened("c6", "eight"))
        other.append("case:1", note("nine"))
        assert seen(other)["case:6"] == ["eight"]
    assert seen(store)["case:6"] == ["eight"]
    (new,) = {key.wrapped[:32] for key in keys(store).values()}
    assert new.hex() == (store._recorder.meta() or {})["kek_id"]
    assert findings(store) == []


def test_no_data_key_is_ever_wrapped_by_a_key_that_is_gone(store: CaseStore) -> None:
    with CaseStore.open(store.url, retry=Retry(attempts=1)) as stale:
        stale.append("case:5", opened("c5"))
        rotate(store)
        with pytest.raises(StoreUnavailable, match="the key-encryption key was rotated"):
            stale.append("case:7", opened("c7"))
    assert "c7" not in keys(store)


def test_rotating_is_refused_where_it_would_harm(
    store: CaseStore, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_file().read_bytes()
    with CaseStore.create(f"sqlite:///{tmp_path}/sharing.db") as sharing:
        for each in (store, sharing):
            with pytest.raises(KeyFileError, match="is the key file of other stores too"):
                rotate(each)
        assert seen(store)["case:3"] == ["five"]
    key_file().write_bytes(before)
    create_key_file(tmp_path / "other")
    with (
        CaseStore.open(store_url, key_file=tmp_path / "other") as wrong,
        pytest.raises(KeyFileError, match="does not open every key"),
    ):
        rotate(wrong)
    execute(
        store,
        f"UPDATE {store._recorder.keys_table} SET key_id = substr(wrapped, 50, 32) "
        "WHERE customer_id = 'c1'",
    )
    with pytest.raises(StoreDamaged, match="the data key of customer 'c1' does not open"):
        rotate(store)
    assert len(load_key_file(key_file())) == 2  # the old one is kept while it is needed
    with CaseStore.open(store_url) as fresh:
        assert fresh.history("case:3", reveal=True).effective[0].words == {"subject": "five"}
        assert "a rotation was interrupted" in "".join(f.what for f in findings(fresh))


def test_an_unsealed_store_has_nothing_to_rotate(store_url: str) -> None:
    with (
        CaseStore.create(store_url, sealed=False) as plain,
        pytest.raises(KeyFileError, match="--unsealed: it has no key"),
    ):
        rotate(plain)


def test_a_key_file_behind_a_link_stays_behind_it(store: CaseStore, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    key_file().rename(tmp_path / "secrets" / "real")
    key_file().symlink_to(tmp_path / "secrets" / "real")
    rotate(store)
    assert key_file().is_symlink()
    assert [each.name for each in (tmp_path / "secrets").iterdir()] == ["real"]
    assert seen(store)["case:3"] == ["five"]


def test_a_full_disk_in_the_way_of_scrubbing_is_told_of(tmp_path: Path) -> None:
    """The erasure is made; only the WAL, which has the key's bytes, cannot be emptied."""
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        store.append("case:1", opened("c1"), note("one"))
        store.append("case:2", opened("c2"), [note("words " * 1000) for _ in range(100)])
    with CaseStore.open(f"sqlite:///{tmp_path}/store.db") as store:
        store.append("case:2", note("two"))
        size = (tmp_path / "store.db").stat().st_size
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, hard))
        try:
            done = erase(store, "c1", basis="gdpr-17", actor=ANNA)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        assert done.now
        assert "the disk is full" in done.left[0]
        assert any("may still hold bytes" in f.what for f in findings(store))
        assert finish(store) == ()
        assert not any("may still hold bytes" in f.what for f in findings(store))


def test_a_reader_in_the_way_of_scrubbing_is_told_of(store: CaseStore) -> None:
    """One who holds the WAL, or the key table as pg_dump does, for longer than we wait."""
    recorder: Any = store._recorder
    with recorder.datastore.transaction(commit=False) as cursor:
        cursor.execute(f"SELECT count(*) FROM {recorder.keys_table}")
        cursor.fetchall()
        store.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="x"))
        assert not recorder.scrub(patience=0.3)
        store.append("case:1", note(None))  # writers are not held up for long
    assert any("may still hold bytes" in f.what for f in findings(store))
    assert finish(store) == ()
    assert findings(store) == []


def test_a_snapshot_that_sees_the_key_is_told_of(
    postgres_url: str, postgres_schema_url: str, tmp_path: Path
) -> None:
    """Not even of our tables: VACUUM copies what anybody's snapshot might see, and is content."""
    with (
        CaseStore.create(postgres_schema_url, key_file=tmp_path / "key") as store,
        psycopg.connect(postgres_url) as other,
    ):
        store.append("case:1", opened())
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM pg_class")
        store.append("customer:c1", PersonalDataErased(occurred_at=T, actor=ANNA, basis="x"))
        assert not store._recorder.scrub(patience=0.1)
        other.rollback()
        assert gone(store).left == ()


def test_a_key_table_of_somebody_else_is_told_of(
    postgres_url: str, postgres_schema_url: str, tmp_path: Path
) -> None:
    role = f"r{uuid4().hex}"
    schema = postgres_schema_url.rpartition("schema=")[2]
    with (
        CaseStore.create(postgres_schema_url, key_file=tmp_path / "key") as store,
        psycopg.connect(postgres_url, autocommit=True) as admin,
    ):
        store.append("case:1", opened())
        admin.execute(
            f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role}; "
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"
        )
        try:
            url = f"{postgres_schema_url}&options=-c%20role%3D{role}"
            with CaseStore.open(url, key_file=tmp_path / "key") as guest:
                event = PersonalDataErased(occurred_at=T, actor=ANNA, basis="x")
                guest.append("customer:c1", event)
                assert not guest._recorder.scrub(patience=0.1)
            assert gone(store).left == ()
        finally:
            admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_without_a_named_key_file_only_the_list_is_lacking(
    postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CASESTORE_KEY_FILE", raising=False)
    with CaseStore.create(postgres_schema_url, key_file=tmp_path / "key") as store:
        store.append("case:1", opened())
    with CaseStore.open(postgres_schema_url) as blind:
        assert finish(blind) == ()
        assert "name the key file in CASESTORE_KEY_FILE" in gone(blind).left[0]
        with pytest.raises(KeyFileError, match="no key file is named"):
            rotate(blind)
    with CaseStore.open(postgres_schema_url, key_file=tmp_path / "key") as store:
        assert [f.what for f in findings(store)] == [
            f"their erasure is not noted in {tmp_path}/key.erased"
        ]
        assert finish(store) == ()
        assert findings(store) == []
