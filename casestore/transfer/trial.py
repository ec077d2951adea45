"""What a store has of the streams that lines go to, put into a store in which they are tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from casestore.store import CaseStore
from casestore.transfer.lines import Line, Read
from casestore.transfer.ndjson import export_lines, import_lines

_AT_ONCE = 500
"""For how many lines the streams are copied together."""


class Trial:
    """Copies streams from a store into another one, each before the first line for it comes.

    Args:
        present: the store that has them, or None.
        tried: the store in which the lines are tried.
    """

    def __init__(self, present: CaseStore | None, tried: CaseStore) -> None:
        self._present = present
        self._tried = tried
        self._seen: set[str] = set()
        self._copied: set[str] = set()

    def items(self, items: Iterable[Read]) -> Iterator[Read]:
        """The same items, each line after what the store has of its stream.

        Raises:
            KeyFileError: the key file is missing, or does not hold the right key.
            StoreUnavailable: the database does not answer.
        """
        iterator = iter(items)
        while batch := list(islice(iterator, _AT_ONCE)):
            if self._present is not None:
                self._copy([each for each in batch if isinstance(each, Line)], self._present)
            yield from batch

    def had(self, stream: str) -> bool:
        """Whether the store had a stream before the lines."""
        return stream in self._copied

    def _copy(self, lines: Iterable[Line], present: CaseStore) -> None:
        wanted: list[str] = []
        for each in lines:
            if each.type == "CaseMerged":
                self._want(f"case:{each.fields['into']}", present, wanted)
            self._want(each.stream, present, wanted)
        exported = (export_lines(present, stream=stream, reveal=True) for stream in wanted)
        import_lines(self._tried, chain.from_iterable(exported), on_error="skip")

    def _want(self, stream: str, present: CaseStore, wanted: list[str]) -> None:
        """Name a stream that is there to be copied, after those that it is merged into."""
        if stream in self._seen:
            return
        self._seen.add(stream)
        if present._recorder.row_at(stream, 1) is None:
            return
        self._copied.add(stream)
        for each in present.history(stream):
            if into := getattr(each.event, "into", None):
                self._want(f"{stream.partition(':')[0]}:{into}", present, wanted)
        wanted.append(stream)
