"""The history as Parquet files: written from a store, verified and read without it.

Needs the extra `parquet`. Each name is imported from its module when it is first asked for.
"""

from typing import TYPE_CHECKING

from casestore.system.on_demand import on_demand

if TYPE_CHECKING:
    from casestore.archive.lines import archived_lines
    from casestore.archive.manifest import Manifest, Part
    from casestore.archive.reading import Archive
    from casestore.archive.verifying import verify_archive
    from casestore.archive.writing import Archived, write_archive

_NAMES = {
    "casestore.archive.lines": "archived_lines",
    "casestore.archive.manifest": "Manifest Part",
    "casestore.archive.reading": "Archive",
    "casestore.archive.verifying": "verify_archive",
    "casestore.archive.writing": "Archived write_archive",
}
__all__ = [
    "Archive",
    "Archived",
    "Manifest",
    "Part",
    "archived_lines",
    "verify_archive",
    "write_archive",
]

if not TYPE_CHECKING:  # a type checker would take any name to be here
    __getattr__, __dir__ = on_demand(__name__, _NAMES)
