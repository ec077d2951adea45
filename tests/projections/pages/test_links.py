"""Addresses of pages: one name for one id, on any file system."""

from __future__ import annotations

import pytest

from projections.pages.links import Rows, StaticLinks, file_name, list_name


def test_an_id_that_any_system_takes_is_its_name() -> None:
    assert file_name("4712") == "4712"
    assert file_name("C-2207") == "C-2207"


@pytest.mark.parametrize("one", ["../etc", "a/b", "CON", "", ".", "é", "x" * 300, "\ud800", "a\0b"])
def test_any_other_id_gets_a_digest(one: str) -> None:
    name = file_name(one)
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) < 80
    assert "~" in name


def test_ids_that_differ_in_case_have_names_that_differ_in_more() -> None:
    assert len({file_name(each).lower() for each in ("C-1", "c-1", "c-1 ")}) == 3


def test_lists_are_named_by_what_they_show() -> None:
    one = Rows("cases", "received in 2026-08", options=(("received_from", "2026-08"),))
    assert list_name(Rows("cases")) == "cases"
    assert list_name(one).startswith("cases-received-in-2026-08~")
    assert list_name(one) != list_name(one._replace(but=(("status", ("merged",)),)))


def test_links_remember_what_was_asked_for() -> None:
    links = StaticLinks()
    assert links.case("4712") == "case/4712.html"
    assert links.below().case("4712") == "../case/4712.html"
    links.cases_end = True
    assert links.case("4713") is None
    assert links.below().case("4713") is None
    assert list(links.cases) == ["4712"]
