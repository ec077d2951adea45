"""Readers of histories that other systems keep: mail, helpdesks, tables, CloudEvents.

    from casestore.intake import Options, StoreKnows, append_lines, pseudonyms, read

    with CaseStore.open("sqlite:///complaints.db") as store:
        options = Options(instance="acme", known=StoreKnows(store), pseudonym=pseudonyms(store))
        append_lines(store, read("zendesk", ["export/"], options))

A reader makes of files the lines that an import takes. It opens no store. The same files give the
same lines, in whatever order they come. Each reader's module has `events`, which reads one thing
for a service: a mail, the body of a webhook, a row.
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from casestore.intake.import_secret import pseudonyms
    from casestore.intake.options import Options
    from casestore.intake.reading import READERS, Reading, read
    from casestore.transfer.known import StoreKnows
    from casestore.transfer.lines import LeftOut, Line, Remark, append_lines

_NAMES = {
    "casestore.intake.options": "Options",
    "casestore.intake.import_secret": "pseudonyms",
    "casestore.intake.reading": "READERS Reading read",
    "casestore.transfer.known": "StoreKnows",
    "casestore.transfer.lines": "LeftOut Line Remark append_lines",
}

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)

__all__ = [
    "READERS",
    "LeftOut",
    "Line",
    "Options",
    "Reading",
    "Remark",
    "StoreKnows",
    "append_lines",
    "pseudonyms",
    "read",
]
