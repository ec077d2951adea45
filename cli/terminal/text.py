"""Text that others wrote, made safe to show on the operator's terminal."""

from __future__ import annotations

import re

# C0, DEL and C1 steer a terminal; line ends and separators break a table; the bidi controls
# (U+202A-202E, U+2066-2069) make text read as something else.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MOST, _BEGIN, _END = 4000, 1000, 500
"""Characters of an error's text."""
_NAMED = {"\n": "⏎", "\r": "␍", "\t": "␉", "\x1b": "␛"}


def visible(text: str) -> str:
    """The text with its control characters made visible; all in one line."""
    return CONTROLS.sub(_shown, text.replace("\r\n", "\n"))


def brief(message: str) -> str:
    """An error's text, without its middle where it repeats something very long."""
    return message if len(message) <= _MOST else f"{message[:_BEGIN]}…{message[-_END:]}"


def _shown(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMED.get(character) or f"<U+{ord(character):04X}>"
