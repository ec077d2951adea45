"""The page of what is held on a person: one HTML file to print, without scripts or links.

It looks like the page of evidence (`casestore.audit.page`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from casestore.audit.paper import HEADINGS, STYLE, safe, signs_explained
from casestore.privacy.person import Held
from casestore.streams.history import Recorded
from casestore.streams.wording import clock, counted, tell, words


def person_page(held: Held, not_known: Sequence[str]) -> str:
    """The page, as HTML.

    Args:
        held: what is held.
        not_known: what a person may ask, and no store can answer.
    """
    customer_id, *others = map(safe, held.customer_ids)
    also = f" The same person is known as {', '.join(others)} too." if others else ""
    texts = sum(len(each.personal) for each in held.events if each.privacy == "revealed")
    cases = sum(stream.startswith("case:") for stream in held.streams)
    sections = "".join(
        _section(number, stream, events)
        for number, (stream, events) in enumerate(held.streams.items())
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Customer {customer_id}: what is held</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>What is held on customer {customer_id}</h1>
<p>Made on {clock(held.made_at)} UTC from the store {safe(held.store_id)}.{also} All times are UTC.
The file data.json beside this page holds the same for programs.</p>

<h2>In short</h2>
<p>Held since {_day(held.since)}: {counted(len(held.events), "event")}, with
{counted(texts, "text")} that can be read, in the customer's own record and in
{counted(cases, "case")}. Words by or about persons stand in quotation marks. They are those of the
customer, and of whoever wrote in the customer's cases.{signs_explained(sections)}</p>
{_erased(held)}<p>Not known here, and to be asked of whoever keeps the store:
{_listed(not_known)}.</p>
{sections}{_elsewhere(held)}</main>
</body>
</html>
"""


def _day(moment: datetime) -> str:
    return clock(moment)[:10]


def _listed(things: Sequence[str]) -> str:
    return f"{'; '.join(things[:-1])}; and {things[-1]}"


def _erased(held: Held) -> str:
    if not held.erased:
        return "<p>Nothing was erased: all words can be read.</p>\n"
    rows = "".join(
        f"<li>{counted(each.events, 'text')} in {safe(each.stream)}: {safe(each.field)} of "
        f"{safe(each.type)}</li>"
        for each in held.erased
    )
    return (
        "<p>These words were erased, and nobody can read them any more. Where they stood, there is "
        f"“[erased]”:</p>\n<ul>{rows}</ul>\n"
    )


def _section(number: int, stream: str, events: Sequence[Recorded]) -> str:
    kind, _, own_id = stream.partition(":")
    heading = f"Case {safe(own_id)}" if kind == "case" else f"The record of customer {safe(own_id)}"
    first, last = (choose(each.occurred_at for each in events) for choose in (min, max))
    span = f"{counted(len(events), 'event')}, from {_day(first)} to {_day(last)}."
    return f'\n<h2 id="s{number}">{heading}</h2>\n<p>{span}</p>\n{_table(f"s{number}", events)}'


def _elsewhere(held: Held) -> str:
    if not held.named_elsewhere:
        return ""
    where = sorted({recorded.stream for recorded in held.named_elsewhere})
    streams = ", ".join(map(safe, where))
    return (
        '\n<h2 id="elsewhere">In records of others</h2>\n<p>These events name the customer, in '
        f"{streams}. Their words are withheld, because they are also about others.</p>\n"
        f"{_table('elsewhere', held.named_elsewhere)}"
    )


def _table(label: str, events: Iterable[Recorded]) -> str:
    return f"""\
<div class="wide" role="region" aria-labelledby="{label}" tabindex="0">
<table aria-labelledby="{label}">
<thead><tr>{HEADINGS}</tr></thead>
<tbody>
{"".join(_rows(events))}</tbody>
</table>
</div>
"""


def _rows(events: Iterable[Recorded]) -> Iterator[str]:
    for recorded in events:
        at = "" if recorded.recorded_at is None else clock(recorded.recorded_at)
        yield (
            f"<tr><td>{recorded.version}</td><td>{clock(recorded.occurred_at)}</td><td>{at}</td>"
            f"<td>{safe(words(recorded.event.actor))}</td><td>{safe(tell(recorded))}"
            f'<div class="small">{safe(recorded.uid)}</div></td></tr>\n'
        )
