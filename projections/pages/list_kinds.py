"""Every kind of list that pages have: its report, the order of its rows, and its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from casestore import Money
from projections import reports
from projections.models.cases import NOT_COMPLAINTS
from projections.pages.first_judged import ANSWERS, VERDICTS
from projections.pages.first_rows import STATES
from projections.pages.links import Values
from projections.query.lines import sortable
from projections.query.report import Report

Urgency = Callable[[Any], Any]
"""A key that sorts rows, the most urgent first."""


class Kind(NamedTuple):
    """A list that pages have."""

    title: str
    report: Report[Any]
    about: str
    """In a sentence: which rows these are, and in which order they stand."""
    urgency: Urgency
    columns: str
    """The fields that are shown, with spaces between."""
    asked: Mapping[str, Any] = {}
    """What the report is always asked."""


def _last(value: Any) -> tuple[bool, Any]:
    """A key by which what is not known comes last."""
    return value is None, 0 if value is None else sortable(value)


def _newest(moment: datetime) -> float:
    return -moment.timestamp()


LISTS: Mapping[str, Kind] = {
    "today": Kind(
        "To do",
        reports.today,
        "What there is to do: what is overdue, who waits, and what is due in 7 days. What was due "
        "first stands first.",
        lambda row: (row.due_at, row.case_id, row.kind, row.id or ""),
        "due_at case_id kind overdue_s customer_id owner team since id",
    ),
    "overdue": Kind(
        "Overdue",
        reports.overdue,
        "What is past its due time and still has to be done. What is overdue longest stands first.",
        lambda row: (row.due_at, row.case_id, row.kind, row.id or ""),
        "due_at case_id kind overdue_s customer_id owner team id",
    ),
    "waiting": Kind(
        "Waiting",
        reports.waiting,
        "Customers whom nobody has answered. Who has waited longest stands first.",
        lambda row: (row.waiting_since, row.case_id),
        "waiting_since case_id waiting_s customer_id status agent team unanswered",
    ),
    "undelivered": Kind(
        "Undelivered",
        reports.undelivered,
        "Replies that are known not to have arrived. Those that nothing made good stand first: no "
        "resend and no later reply on the same issues has arrived since. The oldest are on top.",
        lambda row: (row.made_good_at is not None, row.failed_at, row.case_id, row.reply_id),
        "failed_at case_id kind age_s made_good_at customer_id channel code reply_id resent_by",
    ),
    "promises": Kind(
        "Promises",
        reports.promises,
        "What was promised. Broken promises stand first, then those that are open, by the time "
        "when they were or are due.",
        lambda row: (STATES.index(row.state), _last(row.due_at), row.case_id, row.promise_id),
        "due_at case_id state kind late_by_s customer_id made_by team made_at kept_at promise_id",
    ),
    "agents": Kind(
        "Promises by agent",
        reports.promise_rates_by_agent,
        "How many of their promises agents keep; what is not due yet is not counted. Whoever did "
        "not keep the most stands first.",
        lambda row: (-(row.late + row.broken + row.withdrawn), row.kept, row.agent),
        "agent kept late broken withdrawn kept_rate",
    ),
    "cases": Kind(
        "Cases",
        reports.cases,
        "Every case, and how it stands. Whose customer waits longest stands first, then what is "
        "open, the oldest on top.",
        lambda row: (
            *(_last(row.waiting_since), row.status != "open", row.status == "merged"),
            *(row.opened_at, row.case_id),
        ),
        "case_id customer_id status waiting_since received_at closed_at category agent team "
        "first_response_s resolution_s promises_broken issues_open",
    ),
    "customers": Kind(
        "Cases by customer",
        reports.cases,
        "Every case in the order of its customer's id, to find a customer. Whoever is merged with "
        "another stands under that one's id.",
        lambda row: (row.customer_id, row.opened_at, row.case_id),
        "customer_id case_id status waiting_since opened_at category product gestures "
        "promises_broken",
    ),
    "goodwill": Kind(
        "Goodwill and remedies",
        reports.goodwill_given,
        "What customers were given: gestures beyond what was owed, and remedies, which were owed. "
        "Gestures beyond authority stand first, then the newest.",
        lambda row: (
            *(row.ledger == "remedy", VERDICTS.index(row.within_authority)),
            *(_newest(row.given_at), row.case_id, row.id),
        ),
        "given_at case_id ledger kind value within_authority customer_id given_by team status "
        "outcome",
    ),
    "lapses": Kind(
        "Lapses",
        reports.lapses,
        "What the rules find in how complaints were handled. The newest stand first.",
        lambda row: (_newest(row.at), row.case_id, row.rule, row.subject),
        "at case_id rule outcome customer_id subject agent team",
    ),
    "conflicts": Kind(
        "Conflicts",
        reports.conflicts,
        "Statements to one customer that disagree. The newest stand first.",
        lambda row: (_newest(row.stated_at), row.case_id, row.statement_id),
        "stated_at case_id topic value stated_by team customer_id earlier_value earlier_at "
        "earlier_by earlier_case_id",
    ),
    "causes": Kind(
        "Causes and what they cost",
        reports.causes,
        "What caused the complaints that were upheld, by category: what customers lost by it, and "
        "what they were given. The group is the category; a dash says that the cause was not "
        "recorded. The cause of most cases stands first.",
        lambda row: (-row.cases, row.group or "~", row.root_cause or "~"),
        "root_cause group cases findings loss remedies goodwill",
        {"by": "category"},
    ),
    "consistency": Kind(
        "Consistency",
        reports.consistency,
        "Like complaints that were given unlike gestures. What is furthest above the lowest "
        "stands first.",
        lambda row: (-(row.over_lowest or 0), row.category or "", row.product or "", row.group),
        "category product outcome currency group gestures median over_lowest",
    ),
    "responses": Kind(
        "Messages and their answers",
        reports.responses,
        "Customers' messages in complaints. What was not answered in time stands first, the oldest "
        "on top.",
        lambda row: (ANSWERS.index(row.within), row.at, row.case_id, row.message_id),
        "at case_id within seconds working_seconds customer_id channel answered_by team "
        "answered_at message_id",
        {"complaints": True},
    ),
}
"""Every kind of list, by its name."""
MAIN = (
    *("today", "overdue", "waiting", "undelivered", "promises", "cases", "customers", "goodwill"),
    *("causes", "lapses", "conflicts", "consistency"),
)
"""The lists that every site has as a whole."""
COMPLAINTS: tuple[tuple[str, Values], ...] = (("close_reason", NOT_COMPLAINTS),)
"""What `Rows.but` of cases leaves out, so that complaints are left."""
STANDING: tuple[tuple[str, Values], ...] = (("status", ("open", "closed")),)
"""What `Rows.only` of cases keeps, so that each family counts once."""


Form = Literal[
    "text", "code", "time", "seconds", "money", "share", "number", "case", "customer", "rule"
]


class Column(NamedTuple):
    """A column of a list."""

    name: str
    heading: str
    form: Form

    @property
    def right(self) -> bool:
        """Whether its values stand on the right."""
        return self.form in ("seconds", "money", "share", "number")


@cache
def columns(name: str) -> Sequence[Column]:
    """The columns of a list."""
    fields = every_column(name)
    return [fields[field] for field in LISTS[name].columns.split()]


@cache
def every_column(name: str) -> Mapping[str, Column]:
    """All fields of a list's rows, also those that it does not show."""
    line = LISTS[name].report.line
    hints = get_type_hints(line)
    return {
        field: Column(field, _heading(field), _form(field, hints[field]))
        for field in line.__struct_fields__
    }


_HEADINGS = {
    "case_id": "Case",
    "customer_id": "Customer",
    "overdue_s": "Overdue by",
    "late_by_s": "Late by",
    "waiting_s": "Waits",
    "age_s": "Age",
    "first_response_s": "First response after",
    "first_response_working_s": "First response after, in working time",
    "resolution_s": "Resolved after",
    "resolution_working_s": "Resolved after, in working time",
    "resolution_net_s": "Resolved after, without waiting for the customer",
    "seconds": "Answered after",
    "working_seconds": "In working time",
    "within": "In time",
    "earlier_case_id": "Earlier case",
    "over_lowest": "Above the lowest by",
    "id": "Id",
}


def _heading(field: str) -> str:
    if field in _HEADINGS:
        return _HEADINGS[field]
    words = field.removesuffix("_at").removesuffix("_id").replace("_", " ")
    return words[:1].upper() + words[1:]


def _form(field: str, hint: Any) -> Form:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if field in ("case_id", "earlier_case_id"):
        return "case"
    if field == "customer_id":
        return "customer"
    if field == "rule":
        return "rule"
    if datetime in kinds:
        return "time"
    if Money in kinds or hint == list[Money]:
        return "money"
    if float in kinds:
        return "share"
    if int in kinds:
        return "seconds" if field.endswith(("_s", "seconds")) else "number"
    return (
        "code"
        if any(get_origin(each) is Literal for each in kinds) or field in ("kind", "outcome")
        else "text"
    )
