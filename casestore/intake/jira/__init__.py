"""Jira's issues: pages of its search, or single issues, with `expand=changelog`.

Formats: Jira's REST API, versions 2 and 3. Version 3 tells texts as
documents in Atlassian Document Format.

A case is named by the key that its issue had at first, since a key changes when an issue moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from casestore.intake import reading
from casestore.intake.helpdesk import HelpdeskReader
from casestore.intake.inputs import Input
from casestore.intake.jira.formats import Changelog, Comment, Comments, History, Issue
from casestore.intake.jira.told import Told
from casestore.intake.json_records import records
from casestore.intake.options import Options
from casestore.intake.values import NO_ID, NO_RECORD, decode, moment
from casestore.transfer.lines import LeftOut, Read, Remark

_LISTS = ("issues",)
_OF_PAGES = {
    *("expand", "startAt", "maxResults", "total", "isLast", "nextPageToken"),
    *("names", "schema", "warningMessages"),
}
"""What a page tells of itself."""


class Reader(HelpdeskReader):
    """Reads Jira's issues."""

    name: ClassVar[str] = "jira"
    things: ClassVar[str] = "issues"

    def take(self, given: Input) -> Iterator[LeftOut | Remark]:
        """Keep each issue, and each of its changes and comments: a page may tell only some."""
        for number, record in enumerate(records(given.stream, _LISTS), 1):
            where = f"{given.name}, issue {number}"
            if record.name == "" and b'"fields"' not in record.data:
                if not _is_of_page(record.data):
                    yield LeftOut(NO_RECORD, where, "no issue; export them with the API")
                continue
            self.read_one()
            issue = decode(record.data, Issue, where)
            if isinstance(issue, LeftOut):
                yield issue
                continue
            updated = moment(issue.fields.updated)
            version = "" if updated is None else updated.isoformat()
            if not (native := self.plain(issue.id)) or not self.plain(issue.key):
                yield LeftOut(NO_ID, where)
                continue
            self.scratch.put("issue", native, record.data, version=version, where=where)
            yield from self._take_parts(native, issue, where)

    def _take_parts(self, parent: str, issue: Issue, where: str) -> Iterator[LeftOut | Remark]:
        log, comments = issue.changelog or Changelog(), issue.fields.comment or Comments()
        if (log.total or 0) > len(log.histories):
            yield Remark("issues with more changes than their page tells", where)
        if (comments.total or 0) > len(comments.comments):
            yield Remark("issues with more comments than their page tells", where)
        for raw in log.histories:
            history = decode(raw, History, f"{where}, a change")
            if isinstance(history, LeftOut):
                yield history
            elif native := self.plain(history.id):
                self.scratch.put("change", native, bytes(raw), parent=parent, where=where)
            else:
                yield LeftOut(NO_ID, where, "a change")
        for raw in comments.comments:
            comment = decode(raw, Comment, f"{where}, a comment")
            if isinstance(comment, LeftOut):
                yield comment
            elif native := self.plain(comment.id):
                data, version = bytes(raw), comment.updated or ""
                self.scratch.put(
                    "comment", native, data, parent=parent, version=version, where=where
                )
            else:
                yield LeftOut(NO_ID, where, "a comment")

    def lines(self) -> Iterator[Read]:
        """Each issue's lines."""
        for stored in self.scratch.all("issue"):
            issue = decode(stored.data, Issue, stored.where)
            if not isinstance(issue, LeftOut):
                yield from Told(self, stored.id, issue, stored.data, stored.where).told()


def _is_of_page(data: bytes) -> bool:
    found = decode(data, dict[str, msgspec.Raw], "")
    return not isinstance(found, LeftOut) and _OF_PAGES.issuperset(found)


def events(data: bytes, options: Options) -> list[Read]:
    """The lines of an issue, or of a page of them, as the REST API gives it."""
    return reading.events(Reader, data, options)
