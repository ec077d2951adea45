"""The mappings that come with casestore."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from casestore.errors import InvalidMapping, Mistake
from casestore.intake.csv.document import Mapping
from casestore.intake.csv.mapping import read_mapping
from casestore.system.toml_lines import closest

_FOLDER = files("casestore.intake") / "mappings"
_SUFFIX = ".toml"


def shipped() -> dict[str, str]:
    """The names of the shipped mappings, each with what it reads, in a line."""
    return {name: _text_of(name) for name in _names()}


def _names() -> list[str]:
    return sorted(
        each.name.removesuffix(_SUFFIX) for each in _FOLDER.iterdir() if each.name.endswith(_SUFFIX)
    )


def _text_of(name: str) -> str:
    return read_mapping((_FOLDER / f"{name}{_SUFFIX}").read_text("utf-8")).about


def load(name: str | Path) -> Mapping:
    """A mapping: a shipped one by its name, or that of a file.

    Raises:
        InvalidMapping: it has mistakes, or there is none; the text says which.
    """
    if str(name) in _names():
        return read_mapping((_FOLDER / f"{name}{_SUFFIX}").read_text("utf-8"))
    try:
        text = Path(name).read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidMapping([Mistake(None, "", f"{name} is no text in UTF-8")]) from None
    except (OSError, ValueError):
        what = f"there is no file {str(name)!r}, and no shipped mapping of that name"
        raise InvalidMapping([Mistake(None, "", what, closest(name, _names()))]) from None
    return read_mapping(text)
