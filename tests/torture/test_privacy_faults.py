"""Forgetting under fire: killed at every step, and racing those who write."""

from __future__ import annotations

import base64
import os
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from casestore import CaseStore, CustomerErased, CustomerRegistered, Erased, PersonalDataErased
from casestore.doctor.examine import examine
from casestore.journal.recorder import UNSCRUBBED
from casestore.keys.key_file import load_key_file
from casestore.privacy.erasure import erase, erasures, finish, reapply
from casestore.privacy.erasure_list import listed
from casestore.privacy.rotation import rotate
from tests.support.processes import (
    ANA,
    FOUR,
    NOON,
    SPAWN,
    Crew,
    Place,
    _join,
    note,
    opened,
    together,
)

PATIENCE = 200
"""Steps that nothing here takes."""

# --- dying -------------------------------------------------------------------------------------

_FILES = {"replace", "link", "unlink", "fsync", "open", "write", "flush"}


def _is_step(frame: FrameType, event: str, called: Any) -> bool:
    """Whether something outside of the process is about to change, or has just been changed."""
    if event in ("c_call", "c_return"):
        owner = getattr(called, "__self__", None)
        if isinstance(owner, (sqlite3.Cursor, sqlite3.Connection)):
            return called.__name__ in ("execute", "executemany", "commit")
        on_disk = getattr(called, "__module__", None) == os.name or hasattr(owner, "fileno")
        return on_disk and called.__name__ in _FILES
    if event in ("call", "return"):
        code = frame.f_code
        return code.co_name == "execute" and code.co_filename.endswith("psycopg/cursor.py")
    return False


def dies(step: int, place: Place, do: Callable[[CaseStore], object]) -> bool:
    """Do something in a process that is killed at a step; False where it had fewer of them."""
    child = os.fork()  # nothing is open here, and no thread is running
    if child == 0:
        steps = count(1)

        def kill(frame: FrameType, event: str, called: Any) -> None:
            if _is_step(frame, event, called) and next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with place.open() as store:
                sys.setprofile(kill)
                do(store)
                sys.setprofile(None)
        except BaseException:
            sys.setprofile(None)
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), "the child failed"
    return os.WIFSIGNALED(status)


@pytest.fixture
def place(store_url: str, tmp_path: Path) -> Place:
    CaseStore.create(store_url).close()
    return Place(store_url, tmp_path / "store.key")


def readable(store: CaseStore, customer_id: str) -> set[object]:
    """What the customer's case holds: its one text, or Erased."""
    events = store.history(f"case:{customer_id}", reveal=True)
    return {text for recorded in events for text in recorded.words.values()}


def all_words(store: CaseStore) -> set[object]:
    return {text for each in store.read(reveal=True) for text in each.words.values()}


def check_erased_or_not(store: CaseStore, customer_id: str) -> bool:
    """Whether the customer is erased: altogether, or not at all."""
    sql = f"SELECT 1 FROM {store._recorder.keys_table} WHERE customer_id = ?"
    there = bool(store._recorder.fetch(sql, [customer_id]))
    on_record = len(list(erasures(store, customer_id)))
    assert (there, on_record) in ((True, 0), (False, 1))
    assert readable(store, customer_id) == ({"words"} if there else {Erased()})
    return not there


def test_an_erasure_that_is_killed_is_done_whole_or_not_at_all(place: Place) -> None:
    done = []
    for step in range(1, PATIENCE):
        who = f"c{step}"
        with place.open() as store:
            store.append(f"case:{who}", opened(who), note("words"))
        killed = dies(step, place, lambda s: erase(s, who, basis="x", actor=ANA))  # noqa: B023
        with place.open() as store:
            done.append(check_erased_or_not(store, who))
            assert store._recorder.keys_that_outlived(who) == []
            if step % 2:  # either finishes it
                assert finish(store) == ()
            assert erase(store, who, basis="x", actor=ANA).left == ()
            assert check_erased_or_not(store, who)
            assert UNSCRUBBED not in (store._recorder.meta() or {})
            assert who in {each.customer_id for each in listed(store)}
        if not killed:
            break
    assert done == sorted(done)  # first it is not, and from some step on it is
    assert (done[0], done[-1]) == (False, True)
    assert sum(done) > 5
    with place.open() as store:
        assert {each.level for each in examine(store)} == {"ok"}


def again(store: CaseStore, line: str) -> None:
    reapply(store, [line.encode()], actor=ANA, unproven=True)


def test_a_reapplication_that_is_killed_can_be_done_again(place: Place, tmp_path: Path) -> None:
    """An older database, without the erasures: as a line of a list from elsewhere has it."""
    for step in range(1, PATIENCE):
        who = f"c{step}"
        with place.open() as store:
            store.append(f"case:{who}", opened(who), note("words"))
            line = (
                f'{{"store_id":"{store.meta["store_id"]}","customer_id":"{who}","basis":"x",'
                f'"erased_at":"2026-03-02T12:00:00Z","event_id":"{step:032x}"}}'
            ).replace(f"{step:032x}", f"00000000-0000-4000-8000-{step:012x}")
        killed = dies(step, place, lambda s: again(s, line))  # noqa: B023
        with place.open() as store:
            check_erased_or_not(store, who)
            again(store, line)
            assert check_erased_or_not(store, who)
        if not killed:
            return
    raise AssertionError


def test_a_rotation_that_is_killed_loses_no_words_and_is_finished_by_the_next(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casestore.privacy.rotation._BATCH", 40)  # several commits, later on
    with place.open() as store:
        store.append("case:1", opened(), note("words"))
    resumed = 0
    for step in range(1, PATIENCE):
        (old, *_) = load_key_file(place.key_file)
        killed = dies(step, place, rotate)
        with place.open() as store:  # with whatever key file is in place
            assert all_words(store) == {"words"}
            store.append(f"case:n{step}", opened(f"n{step}"), note("words"))
            if step % 3 == 0:
                continue  # let the next one be killed while it resumes
            left = len(load_key_file(place.key_file)) > 1
            done = rotate(store)
            assert done.resumed == left
            resumed += left
            assert all_words(store) == {"words"}
            assert {each.level for each in examine(store)} == {"ok"}
        assert list(place.key_file.parent.glob("store.key*")) == [place.key_file]
        (new,) = load_key_file(place.key_file)
        assert new != old
        for path in place.key_file.parent.iterdir():
            held = path.read_bytes()
            assert old not in held
            assert base64.b64encode(old) not in held
        if not killed:
            break
    assert not killed
    assert resumed > 5


# --- racing ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    barrier = SPAWN.Barrier(FOUR)
    with SPAWN.Pool(FOUR, _join, (barrier,)) as pool:
        yield Crew(pool, barrier)


ROUNDS = 8


def write_or_erase(store: CaseStore, me: int) -> int:
    """Two write what a customer says, as fast as they can; two erase, and one registers anew."""
    erased = 0
    for n in range(ROUNDS):
        who = f"c-{n}"
        store.history(f"case:{n}", reveal=True)
        together()
        if me < 2:
            time.sleep(0.01 * n)
            erased += erase(store, who, basis="x", actor=ANA).now
            together()
            if me == 0:
                again = CustomerRegistered(occurred_at=NOON, actor=ANA, name="back")
                store.append(f"customer:{who}", again)
        else:
            for _ in range(10 + 5 * n):
                with suppress(CustomerErased):
                    store.append(f"case:{n}", note("words"))
            together()
            for _ in range(10):
                with suppress(CustomerErased):
                    store.append(f"case:{n}", note("words"))
        together()
    return erased


def test_an_erasure_races_those_who_have_the_key(crew: Crew, place: Place) -> None:
    with place.open() as store:
        for n in range(ROUNDS):
            store.append(f"case:{n}", opened(f"c-{n}"), note("words"))
    assert sum(crew.race(place, write_or_erase)) == ROUNDS  # each was erased once, by either
    before = after = 0
    with place.open() as store:
        erased_at = {
            each.customer_id: each.position or 0
            for each in store.read()
            if isinstance(each.event, PersonalDataErased)
        }
        for recorded in store.read(reveal=True):
            for text in recorded.words.values():
                late = (recorded.position or 0) > erased_at[recorded.customer_id]
                assert isinstance(text, str) == late, recorded
                before, after = before + (not late), after + late
        assert finish(store) == ()
        assert {each.level for each in examine(store)} == {"ok"}
    assert before > ROUNDS
    assert after > ROUNDS


def write_or_rotate(store: CaseStore, me: int) -> None:
    """Two rotate, at the same moment; two write first words of new customers, and old ones'."""
    for n in range(4):
        together()
        if me < 2:
            rotate(store)
        for m in range(15):
            store.append(f"case:{me}-{n}-{m}", opened(f"c-{me}-{n}-{m}"), note("words"))
            store.append("case:old", note("words"))


def test_rotations_race_each_other_and_those_who_write(crew: Crew, place: Place) -> None:
    with place.open() as store:
        store.append("case:old", opened("old"), note("words"))
        (first,) = load_key_file(place.key_file)
    crew.race(place, write_or_rotate)
    with place.open() as store:
        assert all_words(store) == {"words"}
        assert len(list(store.read())) == 3 + FOUR * 4 * 15 * 4
        assert {each.level for each in examine(store)} == {"ok"}
    (last,) = load_key_file(place.key_file)
    assert last != first
