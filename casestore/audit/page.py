"""The page of an evidence bundle: one HTML file that can be printed, without scripts or links.

`verify_bundle` makes the page again and compares it: another text here needs another version of
casestore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import NamedTuple

from casestore.audit.leaf import Leaf
from casestore.events import EventCorrected
from casestore.streams.history import History, Recorded, from_microseconds
from casestore.streams.wording import clock, counted, tell, words
from casestore.tlog.note import Checkpoint

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
STYLE = """
:root {
  color-scheme: light dark;
  --paper: light-dark(#fff, #16181b); --ink: light-dark(#111, #e6e6e2);
  --quiet: light-dark(#444, #b4b8be); --rule: light-dark(#ccc, #44484e);
}
html { background: var(--paper); color: var(--ink) }
body { font: 15px/1.5 Georgia, serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
body { overflow-wrap: anywhere }
h1 { font-size: 1.6em; margin-bottom: 0 } h2 { font-size: 1.15em; margin-top: 2em }
.wide { overflow-x: auto }
.wide:focus-visible { outline: 3px solid; outline-offset: 2px }
table { border-collapse: collapse; width: 100%; min-width: 36em; table-layout: fixed }
th, td { text-align: left; vertical-align: top; padding: .35em .8em .35em 0 }
th { border-bottom: 2px solid; width: 6.6em } td { border-bottom: 1px solid var(--rule) }
th:first-child { width: 3.2em } th:nth-child(4) { width: 8em } th:last-child { width: auto }
tr { break-inside: avoid } tr.voided td { color: var(--quiet) }
.small, code, pre { font: 12px/1.45 ui-monospace, monospace; color: var(--quiet) }
pre { white-space: pre-wrap; border: 1px solid var(--rule); padding: .8em }
.mark { font-weight: bold }
@media screen and (max-width: 40em) {
  table { min-width: 0 }
  tr { display: grid; grid-template-columns: 2.4em 6em 6em minmax(0, 1fr) }
  th:last-child, td:last-child { grid-column: 1 / -1 }
  td:not(:last-child) { border-bottom: none; padding-bottom: 0 }
  th:not(:last-child) { border-bottom: none; width: auto }
}
@page { margin: 18mm 15mm }
@media print {
  :root { color-scheme: light }
  html { background: none }
  body { margin: 0; padding: 0; max-width: none; font-size: 11pt }
  .wide { overflow: visible } table { min-width: 0 } thead { display: table-header-group }
}
"""


class Shown(NamedTuple):
    """An event as the page shows it."""

    recorded: Recorded
    leaf: Leaf
    rank: int
    """Its place in the sealed history, from 0."""
    words_are_proven: bool
    """Whether its words, if they are revealed, are proven to be what was recorded."""


def page(
    stream: str,
    events: Sequence[Shown],
    checkpoint: Checkpoint,
    verifier: str,
    note: str,
    *,
    older: Sequence[int] = (),
) -> str:
    """The page, as HTML.

    Args:
        stream: the case.
        events: the events of the case, in order.
        checkpoint: the checkpoint that covers the events.
        verifier: the verifier key, as text.
        note: the checkpoint as a signed note.
        older: the sizes of older checkpoints: the history is proven to begin with their events.
    """
    history = History(stream, [event.recorded for event in events])
    rows = "\n".join(_rows(events, history))
    last = clock(from_microseconds(events[-1].leaf.recorded_at))
    case_id = stream.partition(":")[2]
    own, sealed = counted(len(events), "event"), counted(checkpoint.size, "event")
    hidden = any(event.recorded.privacy == "withheld" for event in events)
    revealed = [event for event in events if event.recorded.privacy == "revealed"]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Case {safe(case_id)}: record of events</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>Case {safe(case_id)}</h1>
<p>Record of {own}, the last one recorded {last} UTC. All times are UTC.</p>

<h2 id="events">What happened</h2>
<div class="wide" role="region" aria-labelledby="events" tabindex="0">
<table aria-labelledby="events">
<thead><tr>{HEADINGS}</tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
<p>“Happened” is when it took place as reported by whoever recorded it; “Recorded” is when the
system took it down. An event is never changed: a mistake is corrected by a later event, which is
shown as such.{_WITHHELD if hidden else ""}{_of_words(revealed)}</p>

<h2>What is proven</h2>
<p>Every event above stands in a history of {sealed} that was sealed with the
signature below. Whoever checks this bundle finds out by calculation, without the system that it
comes from, whether a single character of an event, its time of recording or its place in the
history was changed after the seal, and whether an event between the first and the last was left
out.{_but_words(revealed)}</p>
<p>{NOT_PROVEN}</p>
<p>To check it, install casestore on any machine and run
<code>casestore audit verify-bundle</code> with this folder and, as <code>--key</code>, the verifier
key that you were given by another way. It must be the same as here:</p>
<p><code>{safe(verifier)}</code></p>
{_begins(older)}<p>The seal:</p>
<pre>{_text(note)}</pre>
</main>
</body>
</html>
"""


HEADINGS = "".join(
    f'<th scope="col">{name}</th>' for name in ("No.", "Happened", "Recorded", "Who", "What")
)
NOT_PROVEN = """\
Not proven: that what was recorded is true; who held the signing key; when the seal was made,
unless a copy of it was deposited elsewhere at the time; whether the case has later events than
those shown here."""
"""What no seal proves, for every page that speaks of one."""
_WITHHELD = " Words by or about persons are withheld in this copy."
_REVEALED = " Words by or about persons are printed in quotation marks."
_PROVEN = " “Words proven” stands at each event whose words the seal covers."
_NOT_PROVEN = (
    " “Words not proven” stands at each event whose words the seal covers only in their enciphered "
    "form: they are printed as the system deciphered them."
)


def _of_words(revealed: Sequence[Shown]) -> str:
    """What the page says of the words that it reveals."""
    proven = {event.words_are_proven for event in revealed}
    return "".join(
        text
        for text, said in (
            (_REVEALED, proven),
            (_PROVEN, True in proven),
            (_NOT_PROVEN, False in proven),
        )
        if said
    )


def _but_words(revealed: Sequence[Shown]) -> str:
    if all(event.words_are_proven for event in revealed):
        return ""
    return " This does not hold for words that are marked as not proven."


def _note_on_words(event: Shown) -> str:
    if event.recorded.privacy != "revealed":
        return ""
    return " · words proven" if event.words_are_proven else " · words not proven"


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


def _begins(older: Sequence[int]) -> str:
    if not older:
        return ""
    sizes = " or ".join(f"{size:,}" for size in older)
    return (
        f"<p>Who kept an older seal of this history, of {sizes} events, can give it as "
        "<code>--held</code>, and finds out whether this history begins with that one.</p>\n"
    )


def visible(text: str) -> str:
    """Text that others wrote, as a page can show it once it is escaped.

    Characters that break lines or change the direction of writing are shown as their codes,
    because with them a text could look like another one.
    """
    return _UNSAFE.sub(lambda match: f"<U+{ord(match[0]):04X}>", text)


def safe(text: str) -> str:
    """Text that others wrote, as HTML."""
    return escape(visible(text))


def _text(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))
