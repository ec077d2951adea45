"""The audit folder: its keys, also where several processes set it up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from casestore import KeyFileError
from casestore.audit.folder import Folder


def test_keys_made_at_once_are_one_key(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "audit", tmp_path / "audit" / "key")
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(folder.make_key, ["casestore/desk"] * 8))
    assert len({verifier for verifier, _ in made}) == 1
    assert sum(new for _, new in made) == 1
    assert folder.verifiers() == [folder.signer().verifier] == [made[0][0]]


def test_a_key_without_its_folder_makes_no_folder(tmp_path: Path) -> None:
    known = Folder(tmp_path / "audit", tmp_path / "key")
    known.make_key("casestore/desk")
    lost = Folder(tmp_path / "lost", tmp_path / "key")
    with pytest.raises(KeyFileError, match="does not know it"):
        lost.make_key("casestore/desk")
    assert not lost.path.exists()
