"""Writes a first mapping for a CSV file: it runs as it is, and says what to fill in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from casestore.intake.csv.looking import ROWS, Column, Looked, look

_MOST_VALUES = 12
"""How many different values of a column are listed."""
_LONGEST_VALUE = 40
_MOST_ROWS = 60
"""How many rows a case may have on average."""
_COPIED = re.compile(r"sync|extract|load|import", re.IGNORECASE)
"""The name of a time that is that of a copy."""
_WORD = r"(?:^|[\W_]|(?<=[a-z]))"
_IDS = (
    rf"{_WORD}(?:number|case|ticket|incident|complaint|issue)[\W_]?(?:id|no|key|number)?$",
    r"^documentkey$",
    r"(?:^|[\W_])(?:id|key|no|number)$",
    rf"{_WORD}(?:case|ticket|incident|complaint)",
)
_CUSTOMER = (r"customer|caller|requester", r"contact_?id|client|reporter|account")
_OPENED = (r"open|creat|receiv|start",)
_UPDATED = (r"updat|modif|chang|timestamp", r"time|date")
_BY = (r"(?:updat|modif|chang|creat)\w*by|resource|agent|author|user|actor",)
_FIELD = (r"^(?:field|field_?name|property|name)$",)
_OLD = (r"^(?:old|from|previous)",)
_NEW = (r"^(?:new|to_?value|value)",)
_SUBJECT = (r"subject|title|summary|short_description",)


def sample(path: str | Path) -> str:
    """A first mapping for a CSV file, as TOML.

    Raises:
        UnreadableInput: it cannot be read, is empty or is no CSV file.
    """
    return "\n".join(_Written(look(Path(path))).lines()) + "\n"


class _Written:
    """A mapping that is being written."""

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        names = [column.name for column in looked.columns]
        # A template cannot name the others.
        self._usable = [
            each
            for each in looked.columns
            if each.name and names.count(each.name) == 1 and not re.search("[{}]", each.name)
        ]
        times = [each for each in self._usable if each.form is not None]
        self._times = sorted(times, key=lambda each: re.search(_COPIED, each.name) is not None)
        words = [each for each in self._usable if each.form is None and each.values]
        self._field, self._new = (self._named(each, words) for each in (_FIELD, _NEW))
        self._old = self._named(_OLD, words)
        others = [each for each in words if each not in (self._field, self._new, self._old)]
        self._id = self._named(_IDS, [each for each in others if self._may_be_ids(each)])
        self._id = self._id or next(iter(others or self._usable), None)
        rest = [each for each in others if each is not self._id]
        self._customer = self._named(_CUSTOMER, rest)
        self._subject = self._named(_SUBJECT, rest)
        self._opened = self._named(_OPENED, self._times)
        by_change = sorted(times, key=lambda each: -len(each.values))
        updated = self._named(_UPDATED, by_change) or next(iter(by_change), None)
        self._at = self._opened if self._rows == "cases" and self._opened else updated
        self._by = self._beside(self._at, rest) or self._named(_BY, rest)

    @staticmethod
    def _beside(at: Column | None, columns: list[Column]) -> Column | None:
        """The column that says who did what a column of times is about: updated_by, updated_at."""
        about = "" if at is None else re.sub("(at|on|date|time)$", "", at.name, flags=re.IGNORECASE)
        named = f"{about}by".lower()
        return next((each for each in columns if about and each.name.lower() == named), None)

    @staticmethod
    def _named(patterns: tuple[str, ...], columns: list[Column]) -> Column | None:
        """The first column whose name is like a pattern; the first pattern is the best."""
        for pattern in patterns:
            for column in columns:
                if re.search(pattern, column.name, re.IGNORECASE):
                    return column
        return None

    def _may_be_ids(self, column: Column) -> bool:
        """Whether every row has a value, and no value has very many rows."""
        rows = self._looked.rows
        return sum(column.values.values()) == rows and len(column.values) * _MOST_ROWS >= rows

    @property
    def _rows(self) -> str:
        once = self._id is None or len(self._id.values) == sum(self._id.values.values())
        if self._field is not None and self._new is not None and not once:
            return "changes"
        return "cases" if once else "states"

    def lines(self) -> Iterator[str]:
        """The mapping's lines."""
        looked = self._looked
        rows = min(ROWS, looked.rows)
        yield f"# A first mapping, made from the first {rows} rows. It runs as it is:"
        yield "# look at what it gives with --dry-run, and go through the lines marked CHECK."
        yield "version = 1"
        yield f"name = {_quoted(_name(looked.name))}"
        yield 'about = ""'
        yield ""
        yield from self._file()
        yield ""
        yield from self._case()
        yield ""
        yield from self._open()
        yield ""
        yield from self._on()
        yield ""
        yield "# What the columns hold:"
        for column in looked.columns:
            yield f"#   {_shown(column)}"

    def _file(self) -> Iterator[str]:
        looked = self._looked
        yield "[file]"
        yield f"encoding = {_quoted(looked.encoding)}"
        yield f"delimiter = {_quoted(looked.delimiter)}"
        yield f"missing = [{', '.join(map(_quoted, looked.missing))}]"
        forms = list(dict.fromkeys(each.form for each in self._times if each.form)) or ["iso"]
        if not all(each.zoned for each in self._times):
            yield 'timezone = "UTC"  # CHECK: the zone of the times, which name none'
        check = "  # CHECK: is the day first, or the month?" if _is_doubtful(forms) else ""
        yield f"time_formats = [{', '.join(map(_quoted, forms))}]{check}"
        yield 'order = "file"  # or the name of a column'

    def _case(self) -> Iterator[str]:
        case_id = "case" if self._id is None else _place(self._id)
        yield "[case]"
        yield f"id = {_quoted(case_id)}  # CHECK: what is the same in all rows of a case?"
        if self._customer is None:
            yield '# customer = "{…}"  # CHECK: whose case is it?'
        else:
            yield f"customer = {_quoted(_place(self._customer))}  # CHECK: whose case is it?"
        yield f"customer_missing = {_quoted(f'customer of {case_id}')}"
        kinds = "states, changes, events or cases"
        yield f"rows = {_quoted(self._rows)}  # CHECK: what is a row? {kinds}"
        if self._rows == "changes":
            for name, column in (("field", self._field), ("old", self._old), ("new", self._new)):
                if column is not None:
                    yield f"{name} = {_quoted(_place(column))}"
        at = self._at
        if at is None:
            yield 'at = "1970-01-01T00:00:00Z"  # CHECK: no column looks like a time'
        else:
            yield f"at = {_quoted(_place(at))}  # CHECK: when did it happen?"
        who = "system:import" if self._by is None else f"agent:{_place(self._by)}"
        yield f"actor = {_quoted(who)}  # CHECK: who did it?"

    def _open(self) -> Iterator[str]:
        yield "[open]"
        if self._opened is not None:
            yield f"at = {_quoted(_place(self._opened))}  # CHECK: when was the case opened?"
        yield 'channel = "other"  # CHECK: phone, email, web, chat, … or a column by a list:'
        yield '# channel = { column = "…", values = "channel" }, with [values.channel] above'
        if self._subject is not None:
            yield f"subject = {_quoted(_place(self._subject))}"

    def _on(self) -> Iterator[str]:
        changing = self._rows in ("states", "changes")
        yield "# Each [[on]] makes an event; `casestore events` shows them all. An example:"
        yield "# [[on]]"
        yield from (
            ('# change = "status"', '# to = ["Closed"]')
            if changing
            else ('# when = { status = "Closed" }', '# at = "{closed_at}"')
        )
        yield '# event = "CaseClosed"'
        yield '# reason = "resolved"'
        if changing:
            yield "[[on]]"
            yield 'change = "*"  # all changes that no other [[on]] is about'
            yield 'event = "NoteAdded"'
            yield 'text = "{column}: {before} → {after}"'


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-")[:60] or "table"


def _place(column: Column) -> str:
    return f"{{{column.name}}}"


def _quoted(text: str) -> str:
    """A text as TOML writes it. It is as JSON, with two characters more that are escaped."""
    written = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return "".join("\\ufffd" if "\ud800" <= c <= "\udfff" else c for c in written)


def _is_doubtful(forms: list[str]) -> bool:
    return any(each.startswith(("%d/%m", "%m/%d")) for each in forms)


def _shown(column: Column) -> str:
    name, values = _quoted(column.name), column.values
    if not values:
        return f"{name}: nothing"
    if column.form is not None:
        return f"{name}: times, {column.form}{'' if column.zoned else ', without a zone'}"
    if len(values) <= _MOST_VALUES and max(map(len, values)) <= _LONGEST_VALUE:
        return f"{name}: {', '.join(f'{_quoted(v)} ({n})' for v, n in values.most_common())}"
    return f"{name}: {len(values)} different values"
