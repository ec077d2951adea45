"""What pages to print share: their looks, and text that others wrote, as HTML."""

from __future__ import annotations

import re
from html import escape

_UNSAFE = re.compile("\r\n|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_SIGNS = {"\n": "⏎", "\r\n": "⏎", "\t": "␉"}
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
caption { text-align: left; color: var(--quiet); padding-bottom: .5em }
ul { margin: .5em 0; padding-left: 1.2em } li { margin: .25em 0 } dd > ul { margin: 0 }
dl { margin: 1em 0 } dd { margin: 0 }
dl > div { display: grid; grid-template-columns: 9em minmax(0, 1fr); gap: 0 1em;
  padding: .35em 0; border-bottom: 1px solid var(--rule); break-inside: avoid }
dl > div:first-child { border-top: 2px solid } dt { font-weight: bold }
.small, code, pre { font: 12px/1.45 ui-monospace, monospace; color: var(--quiet) }
pre { white-space: pre-wrap; border: 1px solid var(--rule); padding: .8em }
.mark { font-weight: bold }
@media screen and (max-width: 40em) {
  table { min-width: 0 }
  tr { display: grid; grid-template-columns: 2.4em 6em 6em minmax(0, 1fr) }
  th:last-child, td:last-child { grid-column: 1 / -1 }
  td:not(:last-child) { border-bottom: none; padding-bottom: 0 }
  th:not(:last-child) { border-bottom: none; width: auto }
  dl > div { grid-template-columns: minmax(0, 1fr) }
}
@page { margin: 18mm 15mm }
@media print {
  :root { color-scheme: light }
  html { background: none }
  body { margin: 0; padding: 0; max-width: none; font-size: 11pt }
  h2 { break-after: avoid } #events { break-before: page } p, li { orphans: 3; widows: 3 }
  .wide { overflow: visible } table { min-width: 0 } thead { display: table-header-group }
}
"""
HEADINGS = "".join(
    f'<th scope="col">{name}</th>' for name in ("No.", "Happened", "Recorded", "Who", "What")
)


def visible(text: str) -> str:
    """Text that others wrote, as a page can show it once it is escaped.

    Characters that break lines or change the direction of writing are shown as signs or codes,
    because with them a text could look like another one. `signs_explained` says which.
    """
    return _UNSAFE.sub(lambda m: _SIGNS.get(m[0]) or f"<U+{ord(m[0]):04X}>", text)


def signs_explained(shown: str) -> str:
    """What the signs of `visible` mean, as a sentence of HTML; "" where there are none.

    Args:
        shown: the HTML that may have them.
    """
    means = (("⏎", "the end of a line"), ("␉", "a tab"))
    told = [f"{sign} stands for {what}" for sign, what in means if sign in shown]
    if "&lt;U+" in shown:
        told.append(
            "a code such as &lt;U+202E&gt; stands for a character that cannot be seen, or that "
            "changes how others are seen"
        )
    sentence = ", and ".join(told)
    return f" {sentence[:1].upper()}{sentence[1:]}." if told else ""


def safe(text: str) -> str:
    """Text that others wrote, as HTML."""
    return escape(visible(text))


def safe_lines(text: str) -> str:
    """Text of several lines, as HTML."""
    return "\n".join(map(safe, text.split("\n")))
