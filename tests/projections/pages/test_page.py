"""One page: its layout and foot, and that what others wrote stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import DictLoader, UndefinedError

from casestore import CaseStore
from projections.pages import page
from projections.pages.links import StaticLinks
from projections.pages.page import Pages
from projections.query.asking import asking
from projections.query.seal import Sealed
from projections.query.selection import Selection

AT = datetime(2026, 9, 1, tzinfo=UTC)
EVIL = '<img src="http://example.com/x" onerror=alert(1)>\u202e'


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    with (
        CaseStore.create(f"sqlite:///{tmp_path}/s.db") as store,
        asking(store, Selection(as_of=AT)) as ask,
    ):
        yield Pages(store, ask, StaticLinks())


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A template that shows one value."""
    environment = page.environment()
    plain = "{% extends 'base.html' %}{% block content %}[{{ value }}]{% endblock %}"
    both = {name: _source(name) for name in ("base.html", "macros.html")} | {"plain.html": plain}
    monkeypatch.setattr(environment, "loader", DictLoader(both))
    environment.cache.clear()  # type: ignore[union-attr]
    yield
    environment.cache.clear()  # type: ignore[union-attr]


def _source(name: str) -> str:
    found = page.environment().loader
    assert found is not None
    return found.get_source(page.environment(), name)[0]


@pytest.mark.usefixtures("template")
def test_what_others_wrote_stays_text(pages: Pages) -> None:
    made = pages.render("plain.html", title=EVIL, value=EVIL)
    assert "<img" not in made
    assert "\u202e" not in made
    assert "&lt;U+202E&gt;" in made


@pytest.mark.usefixtures("template")
def test_a_page_fetches_nothing_and_has_one_heading(pages: Pages) -> None:
    made = pages.render("plain.html", title="One", value=1)
    assert re.findall(r"<h1>(.*?)</h1>", made) == ["One"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in made.replace("&#39;", "'")
    assert '<html lang="en">' in made
    assert not re.search(r"<script|<link|url\(|https?:|@import|<img|<iframe", made)


@pytest.mark.usefixtures("template")
def test_a_name_that_is_not_there_is_an_error(pages: Pages) -> None:
    with pytest.raises(UndefinedError):
        pages.render("plain.html", title="One")


@pytest.mark.usefixtures("template")
def test_the_foot_says_what_the_page_rests_on(pages: Pages) -> None:
    made = pages.render("plain.html", title="One", value=None)
    assert "nothing is sealed" in made
    assert "2026-09-01T00:00:00+00:00" in made
    assert "are withheld" in made
    assert '[<span class="unknown">unknown</span>]' in made
    other = replace(pages, sealed=Sealed(1200, "abc="), reveal=True, options=["--team", "a b"])
    made = other.render("plain.html", title="One", value=1)
    assert "the first 1,200 events, with the root <code>abc=</code>" in made
    assert "are shown" in made
    assert "<code>--team a b</code>" in made
