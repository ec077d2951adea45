"""The page of an evidence bundle: one HTML file that can be printed, without scripts or links.

`verify_bundle` makes the page again and compares it: another text here needs another version of
casestore.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from casestore.audit.explained import glossary, how_to_check, proven, table_explained
from casestore.audit.paper import HEADINGS, STYLE, safe, safe_lines
from casestore.audit.summary import Shown, listed, summary
from casestore.events import EventCorrected
from casestore.streams.history import History, Recorded, from_microseconds
from casestore.streams.wording import clock, counted, tell, words
from casestore.tlog.note import Checkpoint, Verifier


class Made(NamedTuple):
    """Who made a bundle, and when. The maker says it; no proof covers it."""

    at: datetime | None
    """None in a bundle from before this was kept."""
    maker: str
    """Who, in any words; "" where it was not said."""
    firm: str
    """For which firm; "" where it was not said."""
    version: str
    """Of casestore."""
    signer: Verifier | None
    """The key that signed the bundle; None where it is the key of the seal."""


class Sealed(NamedTuple):
    """The seal that covers the events."""

    checkpoint: Checkpoint
    verifier: Verifier
    """The key that signed it."""
    note: str
    """The checkpoint as a signed note."""
    older: Sequence[int] = ()
    """The sizes of older checkpoints: the history is proven to begin with their events."""


def page(stream: str, events: Sequence[Shown], sealed: Sealed, made: Made) -> str:
    """The page, as HTML.

    Args:
        stream: the case.
        events: the events of the case, in order.
        sealed: the seal that covers the events.
        made: who made it.
    """
    history = History(stream, [event.recorded for event in events])
    rows = "\n".join(_rows(events, history))
    case_id = safe(stream.partition(":")[2])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Case {case_id}: record of events</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Case {case_id}</h1>
<p>Record of {counted(len(events), "event")}, for somebody who has not the system that they are
from. All times are UTC. Persons are named by the ids under which they are recorded.</p>

<h2>Summary</h2>
{summary(events, history)}<p>What is called proven here holds once the bundle was checked: see
below.</p>

<h2>Who made this page</h2>
{_made(made, sealed)}
<h2 id="events">What happened</h2>
<div class="wide" role="region" aria-labelledby="events" tabindex="0">
<table>
<caption>The events of the case, in the order in which they were recorded.</caption>
<thead><tr>{HEADINGS}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
{table_explained(events, rows)}
<h2>What is proven</h2>
{proven(events, sealed.checkpoint.size)}
<h2>How to check it</h2>
{how_to_check(sealed.older)}
<h2>The seal</h2>
{_seal(sealed)}
<h2>Glossary</h2>
{glossary()}</main>
</body>
</html>
"""


def _made(made: Made, sealed: Sealed) -> str:
    not_said = "not said"
    at = not_said if made.at is None else f"{clock(made.at)} UTC, by the clock of that machine"
    facts = [
        ("Made by", safe(made.maker) or not_said),
        ("Firm", safe(made.firm) or not_said),
        ("Made on", at),
        ("With", f"casestore {safe(made.version)}, from the store {safe(_store(sealed))}"),
    ]
    if made.signer is not None:
        facts.append(("Signed with", f"<code>{safe(str(made.signer))}</code>"))
    return listed(facts) + "<p>That is what the maker says, and signed with this page.</p>\n"


def _store(sealed: Sealed) -> str:
    return sealed.checkpoint.origin.removeprefix("casestore/")


def _seal(sealed: Sealed) -> str:
    root = sealed.checkpoint.root.hex()
    in_fours = " ".join(root[start : start + 8] for start in range(0, len(root), 8))
    facts = (
        ("Events sealed", f"{sealed.checkpoint.size:,}"),
        ("Root (SHA-256)", f"<code>{in_fours}</code>"),
        ("Name of the key", f"<code>{safe(sealed.verifier.name)}</code>"),
        ("Verifier key", f"<code>{safe(str(sealed.verifier))}</code>"),
    )
    return f"""{listed(facts)}\
<p>Compare the verifier key with the one that you were given by another way: whoever forges a bundle
can put a key of their own here. The seal as it was signed, with the root in base64:</p>
<pre>{safe_lines(sealed.note)}</pre>
"""


def _note_on_words(event: Shown) -> str:
    return {"proven": " · words proven", "unproven": " · words not proven"}.get(
        event.words or "", ""
    )


def _rows(events: Sequence[Shown], history: History) -> Iterator[str]:
    """The events as rows of the table."""
    numbers: dict[str, int] = {}
    corrections: dict[str, list[int]] = {}
    for recorded in history.originals:
        numbers.setdefault(recorded.uid, recorded.version)
        if isinstance(recorded.event, EventCorrected):
            corrections.setdefault(str(recorded.event.event_id), []).append(recorded.version)
    for event in events:
        recorded, leaf = event.recorded, event.leaf
        voided = recorded.uid in history.voided
        mark = _mark(corrections.get(recorded.uid, ()), voided=voided)
        at = clock(from_microseconds(leaf.recorded_at))
        cells = (
            f"<td>{leaf.version}</td>",
            f"<td>{clock(recorded.occurred_at)}</td>",
            f"<td>{at}</td>",
            f"<td>{safe(words(recorded.event.actor))}</td>",
            f"<td>{mark}{safe(wording(recorded, numbers))}",
            f'<div class="small">{safe(leaf.event_id)} · entry {event.rank + 1} of the history'
            f"{_note_on_words(event)}</div></td>",
        )
        row = '<tr class="voided">' if voided else "<tr>"
        yield f"{row}{''.join(cells)}</tr>"


def wording(recorded: Recorded, numbers: Mapping[str, int]) -> str:
    """The event in words. A correction names the other event by its number on the page."""
    event = recorded.event
    if isinstance(event, EventCorrected):
        number = numbers.get(str(event.event_id))
        if number is not None:
            return tell(recorded, event_id=f"no. {number}")
    return tell(recorded)


def _mark(corrections: Sequence[int], *, voided: bool) -> str:
    """A note in front of an event that was corrected or voided; "" for any other event."""
    if not corrections:
        return ""
    verb = "taken back" if voided else "corrected"
    numbers = ", ".join(map(str, corrections))
    return f'<span class="mark">[{verb} by no. {numbers}]</span> '
