"""Whatever happened, a page can be made at any moment, and its numbers are those of the reports."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casestore import CaseStore, StreamNotFound
from projections import reports
from projections.pages.case_file import case_page, read_case
from projections.pages.customer_file import customer_page
from projections.pages.lessons import lessons_page
from projections.pages.page import Pages
from projections.pages.policy import policy_page
from tests.support.histories import Histories
from tests.support.pages import Read, pages_at

CASES = ("x", "y", "z", "b%#?é")


@pytest.mark.parametrize("seed", [1, 2])
def test_pages_say_what_the_reports_say(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    histories = Histories(f"sqlite:///{tmp_path}/s.db", tmp_path / "store.key", seed)
    families = 0
    with histories.store as store:
        for _ in range(3):
            histories.go_on(100)
            whole = random.choice(list(store.read()))
            for asked in (
                {"as_of": histories.now},
                {"as_of": whole.occurred_at},
                {"as_of": histories.now, "known_at": whole.recorded_at},
            ):
                with pages_at(store, **asked, reveal=random.random() < 0.3) as pages:
                    families += sum(check_case(store, pages, each, asked) for each in CASES)
                    for page in all_others(pages):
                        assert_sound(page)
            histories.now += timedelta(hours=1)
    assert families, "nothing was merged"


def check_case(store: CaseStore, pages: Pages, case_id: str, asked: Any) -> bool:
    """Check the page of a case. Returns whether it is one of a family."""
    try:
        file = read_case(pages, case_id)
    except StreamNotFound:
        return False
    assert_sound(case_page(pages, case_id))
    if file is None:
        return False
    about: Any = {**asked, "case": case_id}
    assert file.family == reports.cases(store, **about).rows
    assert file.case in file.family
    assert file.promises == reports.promises(store, **about).rows
    found = reports.lapses(store, **about, outcome="all").rows
    for outcome, shown in (("violated", file.lapses), ("unknown", file.unknown)):
        told = [(each.rule, each.subject, each.at) for each in found if each.outcome == outcome]
        assert [(each.rule, each.subject, each.at) for each in shown] == told
    undelivered = {row.reply_id for row in reports.undelivered(store, **about).rows}
    lost = {
        chain.reply.reply_id
        for chain in file.replies
        if chain.reply.delivery in ("undelivered", "sent_again")
    }
    assert lost == undelivered
    assert file.case is not None
    assert file.case.issues_open == sum(each.state == "open" for each in file.issues)
    return len(file.family) > 1


def all_others(pages: Pages) -> list[str]:
    made = [policy_page(pages), lessons_page(pages)]
    for customer_id in ("x", "y"):
        with suppress(StreamNotFound):
            made.append(customer_page(pages, customer_id))
    return made


def assert_sound(html: str) -> None:
    page = Read(html)
    assert page.dangling == []
    assert len(set(page.ids)) == len(page.ids)
    assert page.tags.count("h1") == 1
