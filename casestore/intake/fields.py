"""Which fields of a ticket's own are its category, product or region: `Options.fields`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from casestore.intake.helpdesk import HelpdeskReader

_NAMES = ("name", "value", "key", "id")
"""Which member of a value that is an object says what it is, the best first."""


def chosen(reader: HelpdeskReader, held: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """The fields of CaseOpened that `--fields` takes from a ticket's own, like {"category": "Bug"}.

    Args:
        reader: the reader, which knows the option.
        held: the ticket's fields, by their names at the source, as JSON.
    """
    found = {}
    for native, field in reader.options.fields.items():
        if native in held and (code := reader.plain(_shown(held[native]))):
            found[field] = code
    return found


def _shown(raw: msgspec.Raw) -> str:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if isinstance(value, dict):
        value = next((value[name] for name in _NAMES if name in value), None)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)
