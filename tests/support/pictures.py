"""Small pictures of pages, for the documents."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

_HEAD = b"\x89PNG\r\n\x1a\n"
_STEPS = (4, 5, 6)
"""How many low bits of a colour are dropped: the fewest with which a palette of 256 holds all."""


def small(png: bytes) -> bytes:
    """The same picture with few colours: a third of the bytes that a browser writes.

    Args:
        png: as Chromium writes it: 8 bits a channel, red, green, blue and perhaps alpha.
    """
    width, height, channels, rows = _pixels(png)
    pixels = [
        [bytes(row[at : at + 3]) for at in range(0, width * channels, channels)] for row in rows
    ]
    for step in _STEPS:
        near = {colour: _rounded(colour, step) for row in pixels for colour in row}
        palette = [colour for colour, _ in Counter(near.values()).most_common()]
        if len(palette) <= 256:
            break
    number = {colour: index for index, colour in enumerate(palette)}
    lines = b"".join(b"\0" + bytes(number[near[colour]] for colour in row) for row in pixels)
    return _HEAD + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", zlib.compress(lines, 9)),
            (b"IEND", b""),
        )
    )


def _rounded(colour: bytes, step: int) -> bytes:
    """A colour near by; black and white stay."""
    most = 255 >> step
    return bytes(((value * most + 127) // 255) * 255 // most for value in colour)


def _pixels(png: bytes) -> tuple[int, int, int, list[bytearray]]:
    """The width, height and number of channels of a picture, and its rows."""
    at, data = len(_HEAD), b""
    width = height = channels = 0
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        at += size + 12
        if kind == b"IHDR":
            width, height, _, colours = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[colours]
        elif kind == b"IDAT":
            data += body
    raw, stride = zlib.decompress(data), width * channels
    rows, before = [], bytearray(stride)
    for start in range(0, len(raw), stride + 1):
        before = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], before, channels)
        rows.append(before)
    return width, height, channels, rows


def _unfiltered(kind: int, line: bytes, above: bytearray, channels: int) -> bytearray:
    """A row of a PNG as it was before its filter."""
    row = bytearray(line)
    for at, value in enumerate(line):
        left = row[at - channels] if at >= channels else 0
        corner = above[at - channels] if at >= channels else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
        row[at] = (value + guess[kind]) & 255
    return row


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))
