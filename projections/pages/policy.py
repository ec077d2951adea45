"""The page of the policies: each that was adopted, when it is in force, and what it changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from casestore.events.meanings import meanings
from casestore.events.policy_document import (
    BUILT_IN,
    Calendar,
    Conduct,
    Document,
    Goodwill,
    Limit,
    Role,
    plain_document,
)
from casestore.policy.settings import settings_in
from casestore.streams.policies import Adopted, Policies
from casestore.streams.wording import counted, words
from projections.pages.page import Pages, telling_damage


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A number of a policy."""

    name: str
    """Dotted, like conduct.max_agents."""
    value: str
    meaning: str
    built_in: bool
    """Whether it is as it is where no policy says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A number that differs from that of the policy before."""

    name: str
    before: str | None
    """None where the policy before had no such setting."""
    after: str | None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class InForce:
    """A policy and the time for which it is in force."""

    name: str
    begin: datetime | None
    """None for the built-in policy, which holds before any other."""
    end: datetime | None
    """When the next one takes effect; None for the last one."""
    never: bool
    """Whether it is never in force: another one, adopted later, takes effect at the same time."""
    current: bool
    """Whether it is the one in force at the moment of the page."""
    settings: Sequence[Setting]
    changes: Sequence[Change]
    """What differs from the one before, in the order of taking effect."""


_PARTS: Mapping[str, type[Any]] = {
    "calendar": Calendar,
    "conduct": Conduct,
    "goodwill": Goodwill,
}


@telling_damage("Policy")
def policy_page(pages: Pages) -> str:
    """The page of the policies."""
    return pages.render("policy.html", title="Policy", policies=read_policies(pages))


def read_policies(pages: Pages) -> list[InForce]:
    """Each policy, the newest first; the built-in one is the last.

    Raises CaseStoreError.
    """
    return list(in_force(pages.ask.policies, pages.as_of))[::-1]


def in_force(policies: Policies, as_of: datetime) -> Iterator[InForce]:
    """Each policy in the order of taking effect, the built-in one first."""
    built_in = Adopted(None, None, BUILT_IN)
    ordered = [built_in, *sorted(policies.adopted, key=lambda each: each.effective_from or as_of)]
    current = policies.in_force(as_of)
    plain_built_in = settings_of(BUILT_IN)
    before = plain_built_in
    for index, adopted in enumerate(ordered):
        own = settings_of(adopted.document)
        end = ordered[index + 1].effective_from if index + 1 < len(ordered) else None
        never = end is not None and end == adopted.effective_from
        yield InForce(
            name=adopted.name or "built-in",
            begin=adopted.effective_from,
            end=end,
            never=never,
            current=adopted == current,
            settings=[
                Setting(
                    name=name,
                    value=value,
                    meaning=meaning_of(name),
                    built_in=plain_built_in.get(name) == value,
                )
                for name, value in own.items()
            ],
            changes=list(_changes(before, own)),
        )
        if not never:
            before = own


def settings_of(document: Document) -> dict[str, str]:
    """The settings of a policy in words, by their dotted names.

    The names of holidays are left out: a year of them is counted, with the first and the last.
    """
    plain = plain_document(document)
    if days := sorted(plain["calendar"]["holidays"]):
        between = f"{days[0]} to {days[-1]}" if len(days) > 1 else days[0]
        plain["calendar"]["holidays"] = f"{counted(len(days), 'day')}, {between}"
    return {name: words(value) or "none" for name, value in settings_in(plain)}


def meaning_of(name: str) -> str:
    """What a setting decides, as its declaration says; "" for one that says nothing."""
    part, _, rest = name.partition(".")
    if part == "roles":
        _, _, of = rest.partition(".")  # the name of the role may be anything but for its dots
        field = rest.rpartition(".")[2]
        return meanings(Limit).get(field, "") or meanings(Role).get(field, "") if of else ""
    cls = _PARTS.get(part)
    return "" if cls is None else meanings(cls).get(rest.partition(".")[0], "")


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in dict.fromkeys((*after, *before)):
        was, now = before.get(name), after.get(name)
        if was != now:
            yield Change(name=name, before=was, after=now, meaning=meaning_of(name))
