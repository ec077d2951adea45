"""Stores in which something is damaged, missing, voided or erased: the pages say so, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.append.request import Append
from casestore.errors import KeyFileError
from casestore.privacy.erasure import erase
from casestore.transfer.undo import undo
from casestore.transfer.undo_plan import plan_undo
from tests.support.alter import alter
from tests.support.canaries import CANARY, plant
from tests.support.notes import ANNA, note
from tests.support.notes import opened as opened_for
from tests.support.sites import links, site
from tests.support.stories import gave, merged, moment, opened, wrote

AT = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    url, key_file = f"sqlite:///{tmp_path}/s.db", tmp_path / "key"
    with CaseStore.create(url, key_file=key_file, clock=lambda: moment("+3h")) as store:
        yield store


def texts(folder: Path) -> dict[str, str]:
    found = folder.rglob("*.html")
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("stream", ["case:1", "case:2", "customer:k"])
def test_what_is_damaged_hides_nothing_elsewhere(
    store: CaseStore, tmp_path: Path, stream: str, kept: bool
) -> None:
    """Whether or not there are rows that were made before."""
    for case_id, customer in (("1", "k"), ("2", "k"), ("3", "other")):
        store.append(f"case:{case_id}", opened(customer_id=customer))
        store.append(f"case:{case_id}", wrote("m1", "+1h"))
    store.append("case:2", merged("1", "+2h"))
    if kept:
        site(store, tmp_path / "s", as_of=AT)
    damage = "UPDATE {t} SET state = CAST('x' AS BLOB) WHERE originator_id = "
    alter(store, f"{damage}'{stream}' AND originator_version = 1")
    site(store, tmp_path / "s", as_of=AT)
    assert [each for each in links(tmp_path / "s") if not each.to.is_file()] == []
    found = texts(tmp_path / "s")
    assert "cannot be shown" not in found["case/3.html"]
    told = [name for name, html in found.items() if "This cannot be shown" in html]
    assert told or "<dt>Missing</dt>" in found["index.html"]


def test_without_the_key_file_an_earlier_site_stays(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:1", opened_for(subject="mine"))
    site(store, tmp_path / "s", as_of=AT)
    before = texts(tmp_path / "s")
    (tmp_path / "key").rename(tmp_path / "elsewhere")
    with (
        CaseStore.open(store.url, key_file=tmp_path / "key") as lacking,
        pytest.raises(KeyFileError, match="missing"),
    ):
        site(lacking, tmp_path / "s", as_of=AT, reveal=True)
    assert texts(tmp_path / "s") == before


@pytest.mark.parametrize("sealed", [True, False])
def test_words_stand_nowhere_unless_they_are_revealed(tmp_path: Path, sealed: bool) -> None:
    key_file = tmp_path / "key" if sealed else None
    url = f"sqlite:///{tmp_path}/s.db"
    with CaseStore.create(url, key_file=key_file, sealed=sealed) as store:
        plant(store)
        site(store, tmp_path / "s", as_of=AT)
        assert [name for name, html in texts(tmp_path / "s").items() if CANARY in html] == []
        site(store, tmp_path / "s", as_of=AT, reveal=True)
        assert any(CANARY in html for html in texts(tmp_path / "s").values())


def test_words_of_an_erased_customer_stand_nowhere(tmp_path: Path) -> None:
    with CaseStore.create(f"sqlite:///{tmp_path}/s.db", key_file=tmp_path / "key") as store:
        store.append("case:1", opened_for("gone", subject=CANARY))
        store.append("case:1", note(CANARY))
        erase(store, "gone", basis="gdpr-17", actor=ANNA)
        site(store, tmp_path / "s", as_of=AT, reveal=True)
    found = texts(tmp_path / "s")
    assert not any(CANARY in html for html in found.values())
    assert any("<b>Erased</b>" in html for html in found.values())


def test_a_case_of_which_nothing_is_left_stands_nowhere(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:own", opened_for("mine"))
    events = (opened_for("undone-customer"), note("said"), gave("g1", "+1h"))
    for part, event in enumerate(events):
        append = Append(
            batches=(("case:undone-case", (event,)),),
            key=f"zendesk:acme:{part}",
            source="zendesk:acme",
            imported=True,
        )
        store.write([append])
    site(store, tmp_path / "s", as_of=AT)
    assert any("undone-c" in html for html in texts(tmp_path / "s").values())
    plan = plan_undo(store, "zendesk:acme")
    undo(store, plan, reason="misreported", actor=ANNA, authorised_by=ANNA)
    site(store, tmp_path / "s", as_of=AT)
    assert [name for name, html in texts(tmp_path / "s").items() if "undone-c" in html] == []
