"""Golden text: files in tests/golden/ with whole outputs as people see them.

CASESTORE_GOLDEN=1 writes the files anew, so that a change of an output is seen in the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "golden"


def check_golden(name: str, text: str) -> None:
    """Compare with the golden file of that name."""
    path = FOLDER / name
    if os.environ.get("CASESTORE_GOLDEN") == "1":
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{path} differs; CASESTORE_GOLDEN=1 writes it anew"


def check_page(path: Path, made: str) -> None:
    """Compare a document with what it is made from, the code or what it prints."""
    if os.environ.get("CASESTORE_GOLDEN") == "1":
        path.write_text(made, "utf-8")
    assert made == path.read_text("utf-8"), f"{path} differs; CASESTORE_GOLDEN=1 writes it anew"
