"""docs/policy.md, made from the code: each setting of a policy, and who reads it."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from inspect import cleandoc, getsource, isfunction
from textwrap import dedent
from typing import Annotated, Any, Literal, get_args, get_origin

from casestore.events.markers import fields_of
from casestore.events.meanings import meanings
from casestore.events.policy_document import (
    Amount,
    Calendar,
    Conduct,
    Count,
    Currency,
    Goodwill,
    Limit,
    Role,
    Share,
    Within,
)
from projections.read_models import PROJECTIONS
from projections.reports import REPORTS
from projections.rules.lapses import RULES

EXAMPLE = """name = "care-2099"
effective_from = 2099-01-01T00:00:00+00:00   # at once, if left out; never in the past

[calendar]                                   # what "business hours" and "business days" mean
timezone = "Europe/Dublin"
hours.mon = ["09:00-12:30", "13:30-17:30"]   # a day that is left out is free
hours.tue = ["09:00-17:30"]
hours.wed = ["09:00-17:30"]
hours.thu = ["09:00-17:30"]
hours.fri = ["09:00-16:00"]

[calendar.holidays]
2099-12-25 = "Christmas Day"

[conduct]                                    # the numbers that rules and reports go by
reply_within = "8 business hours"
resolve_within = "10 business days"
clock = "net"                                # without waiting for the customer
max_agents = 2

[roles.first_line.limits.EUR]                # a role gives nothing in a currency without limits
per_gesture = 25
per_case = 50
per_year = 100                               # to one customer in 365 days, whoever gave it

[roles.team_lead]
final_say = true
limits = { EUR = {} }                        # as much as may be given at all

[goodwill]
enforcement = "refuse"                       # or "report", which refuses nothing
gestures_per_year = 4                        # to one customer, whoever gives
per_year.EUR = 200
"""
HEAD = f"""# The policy: each number, and what goes by it

Made from the code (`CASESTORE_GOLDEN=1 pytest tests/house/test_docs.py`). A policy says what the
house expects of itself, and who may give what. It is a TOML file; whatever it leaves out has the
built-in value that stands here, which `casestore policy show` tells too. It needs a name and
nothing else. How to check, adopt and try one: [operating.md](operating.md#policies).

Each event is judged by the policy in force when it happened, each duration by the one in force when
it began. A new policy never changes what is known of the past.

```toml
{EXAMPLE}```

A **length of time** is by the clock, like "24 hours", "90 minutes" or "5 days"; or in the working
time of the calendar, like "8 business hours" or "2 business days". So many business days later is
the same time of day on the so many-th working day after. **Share**: 0.5 is half. **Amount**: money
in the currency that it stands under, by its code of ISO 4217. *None*: there is no such limit.
"""
PARTS: tuple[tuple[str, str, type[Any]], ...] = (
    (
        "calendar",
        "Every length of time in business hours or days goes by it, and so does the working time "
        "that `cases`, `breakdown` and `responses` show.",
        Calendar,
    ),
    (
        "conduct",
        "The rules (`casestore lessons`) and reports that are named go by it. No append does.",
        Conduct,
    ),
    (
        "roles.ROLE",
        "ROLE is the role of an actor, like `roles.first_line`. `goodwill history` "
        "(within_authority), `goodwill spend`, `goodwill allowance` and the rule "
        "said-cant-but-could go by it, and so do appends where the policy refuses. While a policy "
        "names no role, authority is unknown, and nothing is refused for lack of it.",
        Role,
    ),
    ("roles.ROLE.limits.CURRENCY", "", Limit),
    (
        "goodwill",
        "`goodwill allowance` shows what they leave.",
        Goodwill,
    ),
)


def page() -> str:
    """The page as the code would have it."""
    told = [HEAD]
    for name, more, cls in PARTS:
        about = " ".join(filter(None, [_one_line(cls.__doc__ or ""), more]))
        told.append(f"\n## {name}\n\n{about}\n\n")
        said, fields = meanings(cls), dataclasses.fields(cls)
        rows = [["name", "what it is", "if left out", "what it decides"]]
        rows.append(["---"] * 4)
        for field in fields:
            what, default = _unit(fields_of(cls)[field.name]), _default(field)
            rows.append([field.name, what, default, said[field.name]])
        read_by = [", ".join(readers(name, field.name)) for field in fields]
        if any(read_by):
            rows = [[*r, by] for r, by in zip(rows, ["read by", "---", *read_by], strict=True)]
        told += [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join(told)


def _one_line(text: str) -> str:
    return " ".join(cleandoc(text).split())


_WORDS: tuple[tuple[Any, str], ...] = (
    (Within, "length of time"),
    (Count, "whole number"),
    (Share, "share"),
    (Amount, "amount"),
    (Limit, "table"),
    (bool, "true or false"),
    (int, "whole number"),
    (str, "text"),
)


def _unit(hint: Any) -> str:
    """What kind of value a field takes, in words."""
    if get_origin(hint) is Literal:
        return " or ".join(get_args(hint))
    of = [each for each in get_args(hint) if get_origin(hint) is not Annotated] or [hint]
    if get_origin(hint) is tuple:
        return "list of codes"
    words = next((words for known, words in _WORDS if known in of), None)
    if get_origin(hint) is dict:
        by = {Currency: "currency"}.get(of[0], "date")
        return f"{'name' if by == 'date' else words} by {by}"
    if words is None:
        bare = get_args(hint)[0]
        return "hours by day" if get_origin(bare) is dict else _unit(bare)
    return words


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        value = field.default
    else:
        assert field.default_factory is not dataclasses.MISSING
        value = field.default_factory()
    if value is None or value in ((), {}):
        return "none"
    if field.name == "hours":
        return f"{' '.join(value)}: {value['mon'][0]}"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


# --- who reads it ------------------------------------------------------------------------------


FROM_TABLES = {"today": ("reply_within", "resend_within", "return_within", "resolve_within")}
"""What a report goes by because tables of other names hold times that were made with it."""
FOR_OTHERS = {"cases": ("reply_within", "return_within")}
"""What is in the table of a report's name, and the report does not show."""


def readers(part: str, name: str) -> Iterator[str]:
    """The rules and the reports that go by a number, as their code tells."""
    full = name if part == "conduct" else f"{part}.{name}"
    for rule in RULES.values():
        if full in rule.numbers or (part == "conduct" and name in named(rule.judge)):
            yield f"rule {rule.name}"
    for report in REPORTS if part == "conduct" else ():
        tables = [each.rows for each in PROJECTIONS if each.name == report.name != "lapses"]
        found = any(name in named(function) for function in (report._answer, *tables))
        if name in FROM_TABLES.get(report.name, ()) or (
            found and name not in FOR_OTHERS.get(report.name, ())
        ):
            yield f"`{report.name}`"


@cache
def named(function: Callable[..., Any]) -> frozenset[str]:
    """The names of attributes in a function, and texts, and in those of ours that it calls."""
    found: set[str] = set()
    seen: set[Any] = set()
    left: list[Any] = [function]
    while left:
        here = left.pop()
        if here in seen:
            continue
        seen.add(here)
        for node in ast.walk(ast.parse(dedent(getsource(here)))):
            match node:
                case ast.Attribute(attr=name) | ast.Constant(value=str() as name):
                    found.add(name)
                case ast.Name(id=name):
                    meant = here.__globals__.get(name)
                    if isinstance(meant, tuple):
                        found.update(each for each in meant if isinstance(each, str))
                    elif isfunction(meant) and meant.__module__.startswith("projections."):
                        left.append(meant)
                case _:
                    pass
    return frozenset(found)
