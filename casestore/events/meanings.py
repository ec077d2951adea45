"""What each field of an event means, as the text below its declaration says.

Python does not keep such texts, so they are read out of the source. That takes some milliseconds,
and only who asks for them waits.
"""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Sequence
from functools import cache
from inspect import cleandoc, getsource
from itertools import pairwise
from typing import Any

from casestore.events.made import adapter
from casestore.events.markers import fields_of, parts


def meanings(cls: type[Any]) -> dict[str, str]:
    """What is said of each field of a class, and of those that it inherits, by name."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.partition(".")[0] in ("casestore", "projections"):
            found |= _in_module(each.__module__).get(each.__name__, {})
    return found


@cache
def _in_module(name: str) -> dict[str, dict[str, str]]:
    """By class, what the text below each of its fields says."""
    tree = ast.parse(getsource(sys.modules[name]))
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    return {each.name: dict(_said(each.body)) for each in classes}


def _said(body: Sequence[ast.stmt]) -> list[tuple[str, str]]:
    return [
        (field.target.id, " ".join(cleandoc(text.value.value).split()))
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    ]


def values_in(cls: type[Any]) -> list[type[Any]]:
    """The classes of the values in a class's fields, and in theirs, like Money; each once."""
    found: dict[type[Any], None] = {}  # a dict, to keep their order
    for hint in fields_of(cls).values():
        for part in parts(hint):
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                found |= dict.fromkeys((part, *values_in(part)))
    return list(found)


def schema_of(cls: type[Any]) -> dict[str, Any]:
    """A class's JSON Schema, in which each field says what it means."""
    schema = adapter(cls).json_schema()
    inside = schema.get("$defs", {})
    for part, told in ((cls, schema), *((each, inside[each.__name__]) for each in values_in(cls))):
        for field, said in meanings(part).items():
            told["properties"][field]["description"] = said
    return schema
