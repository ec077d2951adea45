"""A store with customers, policies and merges, sealed, and a folder for its archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from tests.support import stories
from tests.support.canaries import plant
from tests.support.sealed import audit_folder


@pytest.fixture
def store(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CaseStore]:
    """A store with events of all types that have words, of policies, and of merges."""
    audit_folder(tmp_path, monkeypatch)
    with CaseStore.create(store_url) as made:
        Folder.of(made.url).make_key(origin(made))
        plant(made)
        made.append("policy", stories.adopted("2026", effective="+9000d"))
        for case_id, customer_id in (("2", "c1"), ("ä", "é"), ("Z", "é"), ("z", "c3")):
            made.append(f"case:{case_id}", stories.opened(customer_id=customer_id))
        made.append("case:2", stories.merged("1"))
        made.append("customer:c3", stories.customer_merged("é"))
        yield made


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Give the folder of an archive, which does not exist yet."""
    return tmp_path / "archive"
