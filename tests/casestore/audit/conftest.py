"""A store with two customers, made and sealed, for the tests of proofs and bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sealed import audit_folder, make_store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return audit_folder(tmp_path, monkeypatch)


@pytest.fixture
def url(store_url: str, folder: Path) -> str:
    """11 events, sealed after 7 and after 11."""
    make_store(store_url)
    return store_url


@pytest.fixture
def small(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store on SQLite alone, where the database makes no difference."""
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = f"sqlite:///{tmp_path}/store.db"
    make_store(url)
    return url
