"""Where the tables are: beside the store, or where CASESTORE_PROJECTIONS says."""

from __future__ import annotations

from pathlib import Path

import pytest

from casestore import CaseStore, StoreUnavailable
from projections import Runner, reports


def test_a_folder_that_is_not_there(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report does not pass over it: it would be slow each time, and nobody would know why."""
    monkeypatch.setenv("CASESTORE_PROJECTIONS", str(tmp_path / "none" / "tables"))
    with CaseStore.create(store_url) as store:
        with pytest.raises(StoreUnavailable, match=r"the folder .*none does not exist"):
            Runner(store)
        with pytest.raises(StoreUnavailable, match=r"the folder .*none does not exist"):
            reports.cases(store)
