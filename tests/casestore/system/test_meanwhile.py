"""Work in a thread of its own, beside which another goes on."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from threading import Event, get_ident

import pytest

from casestore.system.meanwhile import beside, database_works

DEADLINE = 60


def test_one_goes_on_once_the_work_waits_for_the_database() -> None:
    go_on = Event()

    def work() -> int:
        database_works()
        assert go_on.wait(DEADLINE)
        return get_ident()

    with beside() as begin:
        end = begin(work)
        go_on.set()
        assert end() != get_ident()


def test_work_that_never_says_so_is_waited_for() -> None:
    done = Event()
    with beside() as begin:
        end = begin(done.set)
        assert done.is_set()
        end()


def test_what_goes_wrong_is_raised_where_the_end_is_waited_for() -> None:
    def work() -> None:
        raise ValueError("no")

    with beside() as begin:
        end = begin(work)
        with pytest.raises(ValueError, match="no"):
            end()


def test_the_context_ends_with_the_work_also_when_it_is_interrupted() -> None:
    interrupted, done = Event(), Event()

    def work() -> None:
        database_works()
        assert interrupted.wait(DEADLINE)
        done.set()

    def interrupt() -> None:
        with beside() as begin:
            begin(work)
            interrupted.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert done.is_set()


def test_the_work_has_the_context_of_who_gave_it() -> None:
    span = ContextVar("span", default="none")
    span.set("import")
    with beside() as begin:
        assert begin(span.get)() == "import"


def test_elsewhere_nobody_is_told() -> None:
    database_works()


def test_of_two_that_overlap_the_last_one_to_end_puts_the_switch_interval_back() -> None:
    before = sys.getswitchinterval()
    one, other = beside(), beside()
    one.__enter__()
    other.__enter__()
    assert sys.getswitchinterval() < before
    one.__exit__(None, None, None)
    assert sys.getswitchinterval() < before
    other.__exit__(None, None, None)
    assert sys.getswitchinterval() == before
