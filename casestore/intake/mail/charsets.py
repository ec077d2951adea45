"""Bytes and header fields as text, whatever their charset is said to be.

Nothing is guessed from frequencies: what a guessing library answers depends on its version, and
the same mail must give the same text for ever.
"""

from __future__ import annotations

import binascii
import re
from quopri import decodestring

_ENCODED = re.compile(r"=\?([^?\s]{1,80})\?([bq])\?([^?\r\n]*)\?=", re.IGNORECASE)
"""An encoded word of RFC 2047. Spaces within, which it forbids, are common."""
_FOLD = re.compile(r"\r?\n[ \t]*")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")
_ALIASES = {"gb2312": "gb18030", "x-gbk": "gb18030", "ks_c_5601-1987": "cp949"}
"""Charsets under whose names their supersets are sent."""
_LATIN_1 = {"iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1"}
_C1 = re.compile(rb"[\x80-\x9f]")
"""What is a control character in ISO 8859-1, and in windows-1252, which is sent under its name, a
dash, a quotation mark, the euro."""
_NOT_CHARSETS = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs"}
"""Codecs of Python that are no charset of a mail."""
_STATEFUL = re.compile(r"['\" ]*(?:iso-?2022|utf-?7|utf-?16|utf-?32|hz)", re.IGNORECASE)
_PLAIN = {"", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "default"}


def decoded(data: bytes, charset: str | None) -> tuple[str, bool]:
    """Bytes as text, and whether they were damaged: not what their charset says, or without one.

    Then they are read as UTF-8, else as windows-1252, else as latin-1, which takes any byte.
    """
    if data.isascii() and not _is_stateful(charset):
        return data.decode("ascii"), False
    named = (charset or "").strip().strip("\"'").lower()
    if named in _LATIN_1 and _C1.search(data):
        named = "cp1252"
    if named not in _PLAIN and named.replace("-", "_") not in _NOT_CHARSETS:
        try:
            return _whole(data.decode(_ALIASES.get(named, named)))
        except (LookupError, UnicodeError, ValueError):
            pass
    for fallback in ("utf-8", "cp1252"):
        try:
            return data.decode(fallback), True
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1"), True


def _is_stateful(charset: str | None) -> bool:
    """Whether a charset writes other letters than ASCII's in ASCII's bytes."""
    return _STATEFUL.match(charset or "") is not None


def _whole(text: str) -> tuple[str, bool]:
    """A text without lone surrogates, which some codecs make (UTF-7), and whether it had any."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode(), True
    return text, False


def field_text(raw: str) -> tuple[str, bool]:
    """The text of a header field, and whether it was damaged.

    Args:
        raw: the field as the email package gives it: undeclared bytes as lone surrogates.
    """
    text, damaged = raw, False
    if not raw.isascii():
        text, damaged = decoded(_bytes(raw), None)
    text = _FOLD.sub(" ", text)
    if "=?" in text:
        text, wrong = _without_encoded_words(text)
        damaged |= wrong
    return _CONTROLS.sub(" ", text).strip(), damaged


def _without_encoded_words(text: str) -> tuple[str, bool]:
    """Words side by side are one text: senders cut within a letter (RFC 2047, section 6.2)."""
    pieces: list[str] = []
    damaged = False
    waiting, charset, end = b"", "", 0
    for word in _ENCODED.finditer(text):
        between = text[end : word.start()]
        data = _bytes_of(word[2], word[3])
        named = word[1].partition("*")[0].lower()
        if end and not between.strip() and named == charset:
            waiting += data
        else:
            if end:
                made, wrong = decoded(waiting, charset)
                damaged |= wrong
                pieces.append(made)
            if not end or between.strip():
                pieces.append(between)
            waiting, charset = data, named
        end = word.end()
    if not end:
        return text, False
    made, wrong = decoded(waiting, charset)
    return "".join([*pieces, made, text[end:]]), damaged | wrong


def _bytes_of(encoding: str, text: str) -> bytes:
    data = _bytes(text)
    if encoding in "qQ":
        return decodestring(data.replace(b" ", b"_"), header=True)
    try:
        return binascii.a2b_base64(data + b"==")
    except binascii.Error:
        return data


def _bytes(raw: str) -> bytes:
    try:
        return raw.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # the name of an attachment in UTF-7 can hold any surrogate
        return raw.encode("utf-8", "replace")
