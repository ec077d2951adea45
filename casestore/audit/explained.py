"""What the page of evidence says in plain words: what is proven, what is not, and a glossary.

No sentence here may claim more than `casestore.audit.bundle.verify_bundle` checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from casestore.audit.paper import safe, signs_explained
from casestore.audit.summary import Shown, listed
from casestore.streams.wording import counted

NOT_PROVEN = """\
Not proven: that what was recorded is true; who held the signing key; when the seal was made,
unless a copy of it was deposited elsewhere at the time; whether the case has later events than
those shown here."""
"""What no seal proves, for every page that speaks of one."""

_NOT = (
    "that what was recorded is true, and that whoever stands under “Who” did it: the store takes "
    "down what it is told",
    "that the clock by which events were recorded was right",
    "who held the signing key. Its holder could sign another history; against that helps only a "
    "seal that somebody else kept",
    "when the seal was made, unless a copy of it was deposited elsewhere at the time",
    "whether the case has later events than those shown here",
    "whether other cases were merged into this one. Each has its own events, and a page of its own",
)
_GLOSSARY = (
    (
        "Event",
        "One thing that happened in the case, as it was recorded. Events are numbered from 1. The "
        "rule is to edit none: a later event corrects it or takes it back.",
    ),
    (
        "Two clocks",
        "“Happened” is when something took place, as told by whoever recorded it. “Recorded” is "
        "when the store took it down, by its own clock. Of an event that was brought over from "
        "another store it may be that store’s time.",
    ),
    (
        "Hash",
        "A number calculated from a text (SHA-256). Nobody knows a way to find another text with "
        "the same hash.",
    ),
    (
        "Leaf",
        "The line that stands for one event in the seal: its ids, its number, when it was "
        "recorded, and hashes of its contents. It holds no words.",
    ),
    (
        "Entry, position",
        "The entry is the event’s place among all events that were sealed, counted from 1. The "
        "position is the store’s own number for it: positions rise in the same order, and may have "
        "gaps.",
    ),
    (
        "Root",
        "One hash calculated from all leaves in their order. If one leaf is changed, added or left "
        "out, the root is another one.",
    ),
    (
        "Seal, checkpoint",
        "A short text with the number of events and the root, and its signature. A copy of it that "
        "somebody else keeps is a checkpoint to compare later seals with. It has no date.",
    ),
    (
        "Signing key, verifier key",
        "The signing key is secret, and makes signatures. The verifier key is public, and checks "
        "them.",
    ),
    (
        "Commitment",
        "A hash in the leaf of an event’s words and a random number. With the number it is proven "
        "that these are the words; without it, nobody can find the words by trying.",
    ),
    (
        "Withheld",
        "Recorded, but left out of this page. What stands in the place of the words is [withheld]. "
        "Whether the store can still read them is not said.",
    ),
    (
        "Erased",
        "As the maker of this page says, the key to the words was destroyed, so that the store "
        "cannot read them any more. The event itself stays, and what is proven of it.",
    ),
)


def table_explained(events: Sequence[Shown], rows: str) -> str:
    """How to read the table of events, as HTML paragraphs.

    Args:
        events: the events on the page.
        rows: the rows of the table, as HTML.
    """
    told = "".join(_of_the_table({event.words for event in events}))
    return f"<p>{told}{signs_explained(rows)}</p>\n"


def _of_the_table(there: set[str | None]) -> Iterator[str]:
    yield (
        "“Happened” is when it took place, as told by whoever recorded it; “Recorded” is when the "
        "store took it down, by its own clock. A mistake is not edited: a later event corrects it, "
        "which is shown as such."
    )
    if there & {"proven", "unproven"}:
        yield " Words by or about persons are printed in quotation marks."
    if "proven" in there:
        yield " “Words proven” stands at each event whose words the seal covers."
    if "unproven" in there:
        yield (
            " “Words not proven” stands at each event of which the seal covers the words only in "
            "their enciphered form: they are printed as the maker of this page deciphered them."
        )
    if "withheld" in there:
        yield " [withheld] stands for words that this page leaves out."
    if "erased" in there:
        yield " [erased] stands for words that the store could not read any more."


def proven(events: Sequence[Shown], sealed: int) -> str:
    """What is proven, as HTML.

    Args:
        events: the events on the page.
        sealed: how many events the seal covers.
    """
    unproven = ", unless they are marked as not proven" if _any(events, "unproven") else ""
    held = [f"each event above is one of the {counted(sealed, 'event')} that the seal covers"]
    held.append(
        "of each event, its text (without the words), its ids, its entry, and the time at which it "
        "was recorded are as they were sealed"
    )
    if _any(events, "proven") or _any(events, "unproven"):
        held.append(f"the words that are shown are those that were sealed{unproven}")
    held.append(
        f"the events are those of this case with the numbers 1 to {len(events):,}, none left out "
        "in between"
    )
    told = "which words are withheld or erased"
    if unproven:
        told += ", and what the words say that are marked as not proven"
    return f"""\
<p>This is proven to whoever checks this bundle with a verifier key that is known, from another
source, to be the right one. The check is a calculation, and needs nothing of the store:</p>
<ul>{"".join(f"<li>{each}</li>" for each in held)}</ul>
<p>Not proven:</p>
<ul>{"".join(f"<li>{each}</li>" for each in _not(events))}</ul>
<p>What the seal does not cover is what the maker of this page says: who made it and when, {told}.
The maker signed it, with this page, in the file “signed” of the bundle. So it can be changed
only with the maker’s signing key.</p>
"""


def _any(events: Sequence[Shown], words: str) -> bool:
    return any(event.words == words for event in events)


def _not(events: Sequence[Shown]) -> Iterator[str]:
    yield from _NOT
    if _any(events, "unproven"):
        yield "that words marked “not proven” are what was recorded"
    if _any(events, "withheld"):
        yield "what the withheld words say"
    if _any(events, "erased"):
        yield "that no copy of erased words, or of the key to them, is left anywhere"


def how_to_check(older: Sequence[int]) -> str:
    """How to check the bundle, as HTML.

    Args:
        older: the sizes of older checkpoints with which the history is proven to begin.
    """
    begins = ""
    if older:
        sizes = " or ".join(f"{size:,}" for size in older)
        begins = (
            f"<p>Who kept an older seal of this history, of {sizes} events, can give it as "
            "<code>--held</code>, and finds out whether this history begins with that one.</p>\n"
        )
    return f"""\
<p>Install casestore on any machine, and run this with the folder that this page is in, and with the
verifier key that you were given by another way:</p>
<pre>casestore audit verify-bundle FOLDER --key KEY</pre>
<p>It also makes this page again from the data beside it and compares them, if it is the version of
casestore that is named above. Another version says that it could not.</p>
{begins}"""


def glossary() -> str:
    """The glossary, as an HTML list."""
    return listed((safe(name), safe(told)) for name, told in _GLOSSARY)
