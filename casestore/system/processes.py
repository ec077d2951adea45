"""Which process this is: what one process opened, a child forked from it must not use."""

from __future__ import annotations

import os

from casestore.errors import StoreUnavailable


def check_process(pid: int) -> None:
    """Check that this process is the one with an id. Raises StoreUnavailable."""
    if os.getpid() != pid:
        raise StoreUnavailable(
            "this was opened by another process, from which this one was forked: open it again here"
        )
