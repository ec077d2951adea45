"""What has become of the rows of a report between two answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Row = Mapping[str, Any]
"""A row of a report: its fields by name, as values or as JSON has them."""
Kind = Literal["present", "new", "changed", "gone"]
PASSING = ("waiting_s", "overdue_s", "age_s", "late_by_s")
"""Fields that grow as time passes: a row in which nothing else is new has not changed."""
_IDENTITIES = tuple(
    tuple(fields.split())
    for fields in (
        "case_id promise_id",
        "case_id reply_id",
        "case_id message_id",
        "case_id rule subject",
        "case_id statement_id earlier_case_id earlier_statement_id",
        "case_id ledger id",
        "case_id kind id",
        "case_id",
        "customer_id",
        "category product outcome currency group",
        "group root_cause",
        "group currency",
        "group",
        "currency limit",
        "period",
        "bucket",
        "team",
        "agent",
    )
)


class Change(NamedTuple):
    """What has become of a row."""

    kind: Kind
    row: Row
    """As it is; as it was, if it is gone."""
    before: Row | None = None
    """As it was, if it has changed."""


def identity(fields: Sequence[str]) -> tuple[str, ...]:
    """Those of a row's fields that say which row it is: the others say how it stands."""
    held = set(fields)
    return next((each for each in _IDENTITIES if held.issuperset(each)), tuple(fields))


def row_changes(
    before: Sequence[Row] | None, after: Sequence[Row], passing: Sequence[str] = PASSING
) -> Iterator[Change]:
    """What has become of rows: those that are there in their order, then those that are gone.

    Of rows that nothing tells apart, the first is compared with the first, and so on.

    Args:
        before: the rows of the earlier answer; None stands for the start: all are present.
        after: the rows of the later answer.
        passing: fields by which a row does not change.
    """
    if before is None:
        yield from (Change("present", row) for row in after)
        return
    known, now = _by_identity(before), _by_identity(after)
    for key, row in now.items():
        if key not in known:
            yield Change("new", row)
        elif any(changed_fields(known[key], row, passing)):
            yield Change("changed", row, known[key])
    yield from (Change("gone", row) for key, row in known.items() if key not in now)


def changed_fields(before: Row, after: Row, passing: Sequence[str] = PASSING) -> Iterator[str]:
    """The names of the fields that differ."""
    for name in dict.fromkeys((*after, *before)):
        if name not in passing and before.get(name) != after.get(name):
            yield name


def _by_identity(rows: Sequence[Row]) -> dict[object, Row]:
    found: dict[object, Row] = {}
    for row in rows:
        which = tuple(str(row[name]) for name in identity(tuple(row)))
        number = 0
        while (which, number) in found:
            number += 1
        found[which, number] = row
    return found
