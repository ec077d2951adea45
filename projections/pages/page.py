"""One page: its layout, its foot, and the templates that it is made from. Needs the extra `pages`.

A renderer is a function that takes `Pages` and what its page is about, and gives HTML:

    def case_file(pages: Pages, case_id: str) -> str:
        result = pages.ask(reports.promises, case=case_id)
        return pages.render("case_file.html", title=f"Case {case_id}", promises=result.rows)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from functools import cache, wraps
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Concatenate, NamedTuple, ParamSpec

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from casestore import CaseStore
from casestore.errors import StoreDamaged
from projections.pages.cells import cell, row_cells
from projections.pages.charts import Value
from projections.pages.formats import FILTERS, at, shown
from projections.pages.links import Links, Rows
from projections.query.asking import Ask
from projections.query.seal import Sealed

CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Nothing is fetched and no script runs."""

Named = ParamSpec("Named")
"""What a page is about, like the id of a case."""

GENERATOR = '<meta name="generator" content="casestore">'
"""Stands near the beginning of every page, so that it is known whose file it is."""

PARTS = ("customer", "case", "agent", "team", "product", "region", "category")
"""The fields of a selection that choose a part of a store."""


class Frame(NamedTuple):
    """What stands around the content of pages that a server gives."""

    csp: str = CSP
    head: Markup = Markup("")
    """At the end of the head."""
    bar: Markup = Markup("")
    """Between the navigation and the content."""


_ALONE = Frame()
"""A page of a folder of files needs nothing around it."""


@dataclass(frozen=True)
class Pages:
    """What all pages of one occasion have in common."""

    store: CaseStore
    ask: Ask
    """Asks a report about the moment and the part of the store that the pages are about."""
    links: Links
    sealed: Sealed | None = None
    reveal: bool = False
    """Whether words by and about persons are shown."""
    options: Sequence[str] = ()
    """The options that make the same pages again, like `--team north`."""
    frame: Frame = _ALONE

    @property
    def as_of(self) -> datetime:
        """The time that the pages are about."""
        as_of = self.ask.selection.as_of
        if as_of is None:
            raise ValueError("these pages are about no time")
        return as_of

    @property
    def known_at(self) -> datetime | None:
        """The time by which what they tell was on record; None for all that is on record."""
        return self.ask.selection.known_at

    @property
    def zone(self) -> tzinfo:
        """The zone in which times are told."""
        return self.ask.selection.tz

    @property
    def part(self) -> str:
        """The part of the store that the pages are about, in words; "" for all of it."""
        asked = self.ask.selection
        parts = ((name, asked.wanted(name)) for name in PARTS)
        return "; ".join(f"{name} {' or '.join(values)}" for name, values in parts if values)

    def linking(self, links: Links) -> Pages:
        """The same pages, with addresses as another place names them."""
        return replace(self, links=links)

    def counted(self, count: Any, rows: Rows) -> Value:
        """A number, and where the rows stand that it counts; none are needed for 0 or None."""
        return Value(count, self.links.rows(rows) if count else None)

    def render(self, template: str, *, title: str, **values: Any) -> str:
        """A page.

        Args:
            template: the name of a file in `templates`, which extends `base.html`.
            title: the heading, also of the window.
            values: what the template shows.
        """
        zone = self.zone
        return (
            environment()
            .get_template(template)
            .render(
                values,
                title=title,
                pages=self,
                links=self.links,
                at=lambda moment: at(moment, zone),
                csp=self.frame.csp,
                generator=Markup(GENERATOR),  # noqa: S704  (our own)
                style=style(),
                version=version("casestore"),
            )
        )


Made = Callable[Concatenate[Pages, Named], str]


def telling_damage(kind: str) -> Callable[[Made[Named]], Made[Named]]:
    """Decorate a renderer: where stored events cannot be read, its page says so.

    So what is damaged in one place hides nothing elsewhere.

    Args:
        kind: the heading, before what the page is about: Case, Customer.
    """

    def decorate(make: Made[Named]) -> Made[Named]:
        @wraps(make)
        def made(pages: Pages, /, *args: Named.args, **named: Named.kwargs) -> str:
            try:
                return make(pages, *args, **named)
            except StoreDamaged as error:
                title = " ".join([kind, *map(str, (*args, *named.values()))])
                return pages.render("unreadable.html", title=title, problem=str(error))

        return made

    return decorate


@cache
def environment() -> Environment:
    """The templates: all that they print is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("projections.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    made.globals |= {"row_cells": row_cells, "cell": cell}
    return made


@cache
def style() -> Markup:
    """The style of all pages."""
    return Markup(files("projections.pages").joinpath("templates/style.css").read_text("utf-8"))  # noqa: S704  (our own file)
