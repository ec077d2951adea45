"""Processes that another process has started, to share its work."""

from __future__ import annotations

import os
from multiprocessing import parent_process


def end_with_parent() -> None:
    """End this process when its parent has ended: a parent that was killed cannot do it."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
