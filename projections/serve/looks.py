"""How pages of a server look besides their content: templates, the bar's style, plain pages."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from projections.pages.page import style


def plain(title: str, *paragraphs: str, refresh: int = 0, done: int = 0, most: int = 0) -> str:
    """A page that has no moment: an error, or how far something is.

    Args:
        title: its heading.
        paragraphs: what it says.
        refresh: the seconds after which it asks for itself again; 0: never.
        done: how much of `most` is done.
        most: 0 where that is not counted.
    """
    template = environment().get_template("plain.html")
    return template.render(
        title=title,
        paragraphs=paragraphs,
        refresh=refresh,
        done=min(done, most),
        most=most,
        style=style(),
        head=Markup('<link rel="icon" href="data:,">'),
    )


@cache
def environment() -> Environment:
    """The templates of this room."""
    return Environment(
        loader=PackageLoader("projections.serve"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read(name: str) -> str:
    """A file of this room."""
    return files("projections.serve").joinpath(name).read_text("utf-8")


def head_style() -> Markup:
    """The style of the bar, for the head of a page."""
    css = read("templates/serve.css")
    return Markup("<style>{}</style>").format(Markup(css))  # noqa: S704  (our own file)
