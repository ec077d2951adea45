"""The doctor's check of the access log: that nobody else reads it, and that it can be read."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator

from casestore.doctor.finding import DoctorFinding
from casestore.privacy.access_log import last_line, log_of
from casestore.store import CaseStore

CHECK = "access log"


def access_log(store: CaseStore) -> Iterator[DoctorFinding]:
    """Check the access log of a store, if there is one."""
    path = log_of(store.url)
    if path is None or not os.path.lexists(path):
        return
    where = str(path)
    try:
        last = last_line(path)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        what = f"cannot be read: {error.strerror}; so nothing can be noted, and no words are shown"
        do = "make it a file of whoever runs casestore, or name another in CASESTORE_ACCESS_LOG"
        yield DoctorFinding("warning", CHECK, where, what, do)
        return
    if os.name == "posix" and mode & 0o077:
        what = f"others than its owner have a right to it (mode {mode:04o})"
        yield DoctorFinding("warning", CHECK, where, what, "chmod 600 it")
    if not _is_whole(last):
        what = "its last line is torn: a process died, or the disk was full, while it was written"
        do = "keep it as it is: the next line begins anew"
        yield DoctorFinding("warning", CHECK, where, what, do)


def _is_whole(line: bytes | None) -> bool:
    if line is None:
        return False
    try:
        return not line or isinstance(json.loads(line), dict)
    except ValueError:
        return False
