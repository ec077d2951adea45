"""What a reader of another system's files is told: the options that were given, checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from itertools import chain
from shlex import quote
from typing import TYPE_CHECKING, Any

from cli.commands.intake_mappings import load_mapping
from cli.terminal.options import Usage, settings
from cli.terminal.time_options import Said

if TYPE_CHECKING:
    from casestore.intake import Options

HELPDESKS = frozenset(("zendesk", "zammad", "freshdesk", "chatwoot", "otrs", "jira"))
"""Whose numbers two instances have alike."""
_OF_READERS = {
    "ours": ("mail",),
    "tag": ("mail",),
    "join_days": ("mail",),
    "mapping": ("csv",),
    "field_ids": ("zendesk", "freshdesk", "otrs", "jira"),
    "states": ("zammad", "freshdesk", "otrs", "jira"),
}
"""The options that only some readers take, by their parameters' names."""
_LONGEST = 60
"""The most characters of an instance's name."""


def read_options(reader: str, given: Mapping[str, Any]) -> Options:
    """What a reader is told. Raises Usage for what it does not take, or cannot understand."""
    from casestore.intake import Options  # noqa: PLC0415  (help must not wait for it)

    for name, readers in _OF_READERS.items():
        if given[name] and reader not in readers:
            option = "fields" if name == "field_ids" else name.replace("_", "-")
            raise Usage(f"--{option} is for {', '.join(readers)}; leave it out")
    for address in given["ours"]:
        if not address.partition("@")[0].strip() or "@" not in address:
            domain = address.strip().lstrip("@")
            raise Usage(
                f"--ours {quote(address)} is no address; for all of a domain write "
                f"--ours {quote(f'*@{domain}')}"
            )
    instance = given["instance"] or ""
    if reader in HELPDESKS and not instance:
        raise Usage(
            f"{reader} needs --instance, a name of yours for this {reader}, like acme: two of them "
            "have the same ticket numbers"
        )
    if len(instance) > _LONGEST or not all(c.isalnum() or c in "-_." for c in instance):
        raise Usage("--instance is a short name of letters, digits, - _ and .")
    zone: tzinfo | None = given["timezone"]
    since: Said | None = given["since"]
    return Options(
        instance=instance,
        ours=given["ours"],
        timezone=zone,
        states=_states(given["states"]),
        fields=_fields(given["field_ids"]),
        changes=given["changes"],
        tag=_regex(given["tag"]),
        join_days=given["join_days"],
        mapping=load_mapping(given["mapping"]) if reader == "csv" else None,
        since=None if since is None else since.read(zone or UTC, settings().now()),
    )


def _states(text: str | None) -> dict[str, tuple[str, ...]]:
    states: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (text or "").split(";")):
        kind, is_given, names = part.partition("=")
        if kind.strip() not in ("closed", "open") or not is_given:
            raise Usage("--states is like closed=Done,Closed;open=In work")
        states[kind.strip()] = tuple(filter(None, (name.strip() for name in names.split(","))))
    return states


_CASE_FIELDS = ("category", "product", "region")


def _fields(given: Iterable[str]) -> dict[str, str]:
    fields = {}
    for part in chain.from_iterable(text.split(",") for text in given):
        id, _, name = part.partition("=")
        if name.strip() not in _CASE_FIELDS or not id.strip():
            raise Usage("--fields is like 360012345=category; the names: category, product, region")
        fields[id.strip()] = name.strip()
    return fields


def _regex(text: str | None) -> str | None:
    import re  # noqa: PLC0415  (only who gives --tag needs it)

    try:
        if text is not None and re.compile(text).groups < 1:
            raise Usage(r"--tag needs a group for the number, like \[#(\d+)\]")
    except re.error as error:
        raise Usage(f"--tag is no regular expression: {error}") from None
    return text
