"""Contexts in which the garbage collector runs less often, also those that overlap."""

from __future__ import annotations

import gc

import pytest

from casestore.system.garbage import fewer_collections


def test_after_the_context_the_thresholds_are_as_before() -> None:
    before = gc.get_threshold()
    with fewer_collections():
        assert gc.get_threshold() == (50_000, *before[1:])
    assert gc.get_threshold() == before


def test_after_an_error_too() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="no"), fewer_collections():
        raise ValueError("no")
    assert gc.get_threshold() == before


def test_of_two_that_overlap_the_last_one_to_end_puts_the_thresholds_back() -> None:
    before = gc.get_threshold()
    one, other = fewer_collections(), fewer_collections()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold() == (50_000, *before[1:])
    other.__exit__(None, None, None)
    assert gc.get_threshold() == before


def test_one_that_begins_while_another_lasts_does_not_keep_its_thresholds() -> None:
    before = gc.get_threshold()
    one, other, third = fewer_collections(), fewer_collections(), fewer_collections()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    third.__enter__()
    other.__exit__(None, None, None)
    third.__exit__(None, None, None)
    assert gc.get_threshold() == before
