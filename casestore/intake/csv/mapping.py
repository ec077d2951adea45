"""Reads a mapping from TOML. Every mistake in it is told, with its line and what may be meant.

    version = 1
    name = "crm"                          in keys and source
    about = "Tickets of our CRM"          a line for a list
    system = "crm"                        whose cases they are; the name, if it is left out
    [file]                                encoding, delimiter, missing, timezone, time_formats,
                                          order, optional
    [case]                                id, customer, rows, at, actor, …
    [values.channel]                      Phone = "phone", "*" = "other"
    [open]                                the fields of CaseOpened
    [[on]]                                change, from, to, when, …; event; the event's fields

Values are data and never code: there are no expressions. docs/connecting.md explains it all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast, get_args

from casestore.errors import InvalidMapping, Mistake
from casestore.events.base import is_id
from casestore.events.zones import zone
from casestore.intake.csv.checker import Checker
from casestore.intake.csv.document import File, Mapping, Rows, Template, Values, Who
from casestore.intake.csv.ruling import RuleReader
from casestore.intake.csv.who import read_who
from casestore.system.toml_lines import closest, parse

_TOP = ("version", "name", "about", "system", "file", "case", "values", "open", "on")
_FILE = ("encoding", "delimiter", "missing", "timezone", "time_formats", "order", "optional")
_CASE = (
    "id",
    "customer",
    "customer_missing",
    "rows",
    "at",
    "actor",
    "actor_missing",
    "row_id",
    "field",
    "old",
    "new",
    "fields",
)
_HISTORY = ("field", "old", "new", "fields")
_NAMED = ("iso", "epoch", "epoch_ms")
_MOST_NAME = 60


def read_mapping(text: str) -> Mapping:
    """Read and check a mapping.

    Raises:
        InvalidMapping: it has mistakes; it names all of them.
    """
    if isinstance(given := parse(text), Mistake):
        raise InvalidMapping([given])
    checker = Checker(text)
    made = _read(checker, given)
    if checker.mistakes or made is None:
        found = sorted(set(checker.mistakes), key=lambda each: (each.line or 0, each.where))
        raise InvalidMapping(found)
    return made


def _read(checker: Checker, given: dict[str, Any]) -> Mapping | None:
    checker.known((), given, _TOP, "is no part of a mapping")
    if given.get("version") != 1:
        checker.wrong(("version",), "should be 1: it says how this file is to be read")
    name = _name(checker, "name", given.get("name"))
    system = _name(checker, "system", given["system"]) if "system" in given else name
    about = checker.text(("about",), given.get("about")) or ""
    case = checker.table(("case",), given.get("case"))
    written = checker.table(("file",), given.get("file"))
    _check_settings(checker, written, case)
    # Before any template is read: these names stand for no column.
    checker.derived = frozenset(checker.texts(("case", "fields"), case.get("fields")))
    rows = checker.choice(("case", "rows"), case.get("rows"), get_args(Rows))
    if "rows" not in case:
        what = "is missing; say what a row is: states, changes, events or cases"
        checker.wrong(("case", "rows"), what)
    file = _file(checker, written)
    texts = {
        each: _needed(checker, each, case, example)
        for each, example in (("id", '"{number}"'), ("at", '"{updated_at}"'))
    }
    history = _history(checker, case, rows)
    actor = read_who(checker, ("case", "actor"), case.get("actor", f"system:{name}"))
    instead = read_who(
        checker, ("case", "actor_missing"), case.get("actor_missing", f"system:{name}")
    )
    customer = checker.template(("case", "customer"), case.get("customer"))
    otherwise = checker.template(("case", "customer_missing"), case.get("customer_missing"))
    row_id = checker.column_template(("case", "row_id"), case.get("row_id"))
    values = _values(checker, given.get("values"))
    reader = RuleReader(checker, values, rows or "events")
    opening = reader.opening(given["open"]) if "open" in given else None
    rules = reader.rules(given.get("on", []))
    if opening is not None and customer is None and otherwise is None:
        what = 'is missing; [open] needs it, like customer = "{caller_id}"'
        checker.wrong(("case", "customer"), what)
    if opening is None and not rules:
        checker.wrong(("on",), "is missing: without [open] and [[on]], nothing becomes an event")
    if checker.mistakes:
        return None
    return Mapping(
        name=cast(str, name),
        about=about,
        system=cast(str, system),
        file=file,
        rows=cast(Rows, rows),
        id=cast(Template, texts["id"]),
        customer=customer,
        customer_missing=otherwise,
        at=cast(Template, texts["at"]),
        actor=cast(Who, actor),
        actor_missing=cast(Who, instead),
        row_id=row_id,
        field=history["field"],
        old=history["old"],
        new=history["new"],
        fields=tuple(sorted(checker.derived)),
        opening=opening,
        rules=rules,
        columns=checker.columns,
    )


def _name(checker: Checker, where: str, given: Any) -> str | None:
    if given is None:
        checker.wrong((where,), f'is missing; write it first, like {where} = "crm-tickets"')
    elif not isinstance(given, str) or not is_id(given) or len(given) > _MOST_NAME:
        checker.wrong((where,), f"should be text of 1 to {_MOST_NAME} characters, in one line")
    else:
        return given
    return None


def _check_settings(checker: Checker, file: dict[str, Any], case: dict[str, Any]) -> None:
    for table, given, known, other in (("file", file, _FILE, _CASE), ("case", case, _CASE, _FILE)):
        for name in given:
            if name in known:
                continue
            if name in other:
                home = "case" if table == "file" else "file"
                checker.wrong((table, name), f"is no setting of [{table}]; it belongs to [{home}]")
            else:
                checker.wrong((table, name), "is no setting", closest(name, known))


def _needed(checker: Checker, name: str, case: dict[str, Any], example: str) -> Template | None:
    if name not in case:
        checker.wrong(("case", name), f"is missing; write it like {name} = {example}")
    return checker.template(("case", name), case.get(name))


def _history(
    checker: Checker, case: dict[str, Any], rows: str | None
) -> dict[str, Template | None]:
    """Where a row of changes names the field, and its value before and after."""
    if rows is not None and rows != "changes":
        for name in _HISTORY:
            if name in case:
                checker.wrong(("case", name), 'is only for rows = "changes"')
    if rows == "changes":
        for name in ("field", "new"):
            if name not in case:
                checker.wrong(("case", name), "is missing; name the column that has it")
    return {name: checker.column_template(("case", name), case.get(name)) for name in _HISTORY[:3]}


def _values(checker: Checker, given: Any) -> dict[str, Values]:
    found = {}
    for name, each in checker.table(("values",), given).items():
        path = ("values", name)
        table = checker.table(path, each)
        for key, becomes in table.items():
            if not isinstance(becomes, str | bool | int):
                checker.wrong((*path, key), "should be text, a whole number, true or false")
        found[name] = Values(name, checker.lines.of(*path), table)
    return found


def _file(checker: Checker, given: dict[str, Any]) -> File:
    text = {
        name: checker.text(("file", name), given.get(name))
        for name in ("encoding", "delimiter", "timezone", "order")
    }
    formats = checker.texts(("file", "time_formats"), given.get("time_formats", "iso"))
    _check_times(checker, formats, text["timezone"])
    encoding = text["encoding"] or "utf-8"
    try:
        "".encode(encoding)
    except LookupError:  # there is none, or it is none of text, like base64
        what = "is no encoding that is known; write it like utf-8 or windows-1252"
        checker.wrong(("file", "encoding"), what)
    delimiter = text["delimiter"] or ","
    if len(delimiter) != 1 or delimiter in '"\r\n':
        checker.wrong(("file", "delimiter"), r'should be one character, like ";" or "\t"')
    order = text["order"]
    if order in (None, "file"):
        order = None
    else:
        order = (Template.of(order).names or (order,))[0]
        checker.column(("file", "order"), order)
    missing = checker.texts(("file", "missing"), given.get("missing", ""))
    optional = frozenset(checker.texts(("file", "optional"), given.get("optional")))
    return File(
        encoding,
        delimiter,
        frozenset(missing) | {""},
        text["timezone"],
        formats,
        order,
        optional,
    )


def _check_times(checker: Checker, formats: tuple[str, ...], named: str | None) -> None:
    if named is not None:
        try:
            zone(named)
        except ValueError as error:
            checker.wrong(("file", "timezone"), str(error))
    for form in formats:
        if form in _NAMED:
            continue
        path = ("file", "time_formats")
        if "%" not in form:
            what = f"{form!r} is no format; write iso, epoch, epoch_ms, or one like %d/%m/%Y %H:%M"
            checker.wrong(path, what, closest(form, _NAMED))
        elif not _is_format(form):
            checker.wrong(path, f"{form!r} is no format of times, like %d/%m/%Y %H:%M")
        elif "%z" not in form and named is None:
            what = f'{form!r} has no zone (%z): timezone is needed, like timezone = "Europe/Rome"'
            checker.wrong(path, what)


def _is_format(form: str) -> bool:
    sample = datetime(2026, 11, 30, 12, 30, 45)  # noqa: DTZ001  (only its form matters)
    try:
        datetime.strptime(sample.strftime(form.replace("%z", "+0000")), form)  # noqa: DTZ007
    except (ValueError, TypeError):
        return False
    return True
