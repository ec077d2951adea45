"""An archive as NDJSON, as `casestore export` writes it, in the order of positions.

A part is in the order of streams. So the lines are first put into temporary files, each for a range
of positions that is small enough to be sorted in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory

from casestore.archive.reading import RESTORE, Archive
from casestore.errors import ArchiveDamaged, StreamNotFound
from casestore.journal.rows import PlainRow
from casestore.streams import kinds
from casestore.streams.codec import Codec
from casestore.system.files import naming
from casestore.transfer.ndjson import export_line

_RANGE = 16_384
"""Events in a temporary file, on average, where there are not more than _MOST files."""
_MOST = 256
_BUFFER = 64 * 1024
"""Bytes that are kept for each file before they are written."""
_HEAD = Struct("<qI")
"""The position of an event, and the bytes of its line, which follows."""


def archived_lines(archive: Archive, *, stream: str | None = None) -> Iterator[bytes]:
    """Every event as an NDJSON line in UTF-8, which ends in a newline.

    The lines are those of `export_lines` of the store, up to the archive's last position, to the
    byte. Personal text is withheld.

    Args:
        archive: the archive to read.
        stream: give only this stream, in version order. If left out, give all events in the order
            of positions; then as much temporary space is taken as the lines have.

    Raises:
        StreamNotFound: there is no such stream in the archive.
        InvalidStream: `stream` is not the name of a stream.
        ArchiveDamaged: a file is missing, or is not as casestore wrote it.
        StoreDamaged: an event cannot be read.
        OSError: a temporary file cannot be written.
    """
    if stream is None:
        return _in_order(archive)
    kinds.parse(stream)
    return _of_stream(archive, stream)


def _of_stream(archive: Archive, stream: str) -> Iterator[bytes]:
    for bucket in (*archive.buckets, None):
        rows = archive.rows(bucket, between=(stream, stream), words=True)
        count = 0
        for _, line in _lines(rows):
            count += 1
            yield line
        if count:
            return
    raise StreamNotFound(f"there is no {stream.replace(':', ' ', 1)} in this archive; check the id")


def _lines(rows: Iterator[PlainRow]) -> Iterator[tuple[int, bytes]]:
    """The position and the line of each row."""
    for recorded in Codec().recorded(rows):
        yield recorded.position or 0, export_line(recorded)


def _in_order(archive: Archive) -> Iterator[bytes]:
    manifest = archive.manifest
    files = min(_MOST, manifest.events // _RANGE + 1)
    with TemporaryDirectory(prefix="casestore-") as name:
        paths = [Path(name) / str(number) for number in range(files)]
        buffers = [bytearray() for _ in paths]
        first, width = manifest.first or 0, manifest.last - (manifest.first or 0) + 1
        for part in manifest.parts:
            for rows in archive.groups(part, words=True):
                for position, line in _lines(iter(rows)):
                    if not part.first <= position <= part.last:
                        raise ArchiveDamaged(
                            f"{archive.folder / part.name} was altered: an event stands at "
                            f"position {position}; {RESTORE}"
                        )
                    number = (position - first) * files // width
                    buffer = buffers[number]
                    buffer += _HEAD.pack(position, len(line))
                    buffer += line
                    if len(buffer) >= _BUFFER:
                        _append(paths[number], buffer)
        for path, buffer in zip(paths, buffers, strict=True):
            _append(path, buffer)
            yield from (line for _, line in sorted(_read(path)))
            path.unlink()


def _append(path: Path, buffer: bytearray) -> None:
    with naming(path), path.open("ab") as file:
        file.write(buffer)
    buffer.clear()


def _read(path: Path) -> Iterator[tuple[int, bytes]]:
    data = path.read_bytes()
    start = 0
    while start < len(data):
        position, size = _HEAD.unpack_from(data, start)
        start += _HEAD.size + size
        yield position, data[start - size : start]
