"""A complaints manager's ten questions, each answered in three clicks at most.

docs/pages.md has the same questions with the same clicks, and pictures. CASESTORE_PICTURES=1 writes
the pictures anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, expect

from casestore import Actor, CaseStore
from casestore.audit.folder import Folder
from casestore.audit.rows import origin
from casestore.audit.sealing import seal
from casestore.events import Event
from projections import reports
from projections.pages.formats import money, percent
from tests.generate import fill
from tests.support.browser import HEIGHT, OpenPage, Tab
from tests.support.pictures import small
from tests.support.sites import site
from tests.support.stories import (
    adopted,
    amended,
    bounced,
    found,
    gave,
    issue,
    opened,
    promised,
    registered,
    remedied,
    replied,
    wrote,
)

DOCS = Path(__file__).parents[3] / "docs"
WIDTH = 800
AT = datetime(2025, 1, 20, tzinfo=UTC)
THE_12TH = datetime(2025, 1, 12, tzinfo=UTC)
ANNA = Actor(kind="agent", id="anna", role="agent", team="care-north")
LIMITS = {"agent": {"limits": {"EUR": {"per_gesture": "20"}}}}


def eur(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "EUR"}


def january(day: int, hour: int = 9) -> datetime:
    return datetime(2025, 1, day, hour, tzinfo=UTC)


class Site(NamedTuple):
    store: CaseStore
    now: Path
    """A site of what is known on the 20th."""
    then: Path
    """A site of what was known on the 12th."""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("ten")
    clock = [january(5)]
    with CaseStore.create(f"sqlite:///{folder}/s.db", clock=lambda: clock[0]) as store:
        fill(store, 2_200)

        def tell(stream: str, event: Event, learnt: datetime | None = None) -> None:
            clock[0] = learnt or event.occurred_at
            store.append(stream, event)

        policy = {"roles": LIMITS, "goodwill": {"enforcement": "report"}}
        tell("policy", adopted("care", january(6), january(6), policy=policy))
        tell("customer:C-1207", registered(january(7)))
        about = {"customer_id": "C-1207", "product": "parcel", "category": "late", "actor": ANNA}
        told: list[Event] = [
            opened(january(8), **about),
            issue("not-arrived", january(8), loss=eur("40.00")),
            replied("we-will-call", january(8, 10), actor=ANNA),
            promised("call-back", january(8, 10), january(10, 17), kind="callback", actor=ANNA),
            gave("voucher", january(9), value=eur("25.00"), actor=ANNA),
            wrote("nobody-called", january(11)),
        ]
        for event in told:
            tell("case:4711", event)
        # It bounced at once, and nobody looked until the 13th.
        tell("case:4711", bounced("we-will-call", january(8, 11), code="5.1.1"), january(13))
        opening = store.history("case:4711").originals[0]
        wrong = amended(opening.version, january(14), product=("parcel", "letter"))
        tell("case:4711", replace(wrong, event_id=opening.event_id))
        upheld = {"issue_ids": ["not-arrived"], "root_cause": "address-not-updated"}
        tell("case:4711", found("ours", january(15), **upheld, actor=ANNA))
        tell("case:4711", remedied("paid-back", january(15), value=eur("40.00"), actor=ANNA))
        tell("case:4711", promised("new-parcel", january(16), january(22), actor=ANNA))
        Folder.of(store.url).make_key(origin(store))
        seal(store)
        site(store, folder / "now", as_of=AT)
        site(store, folder / "then", as_of=THE_12TH, known_at=THE_12TH)
        yield Site(store, folder / "now", folder / "then")


# --- clicks ----------------------------------------------------------------------------------


class Click(NamedTuple):
    """A link that is clicked."""

    told: str
    """As docs/pages.md has it."""
    link: Callable[[Tab], Locator]


def named(name: str) -> Click:
    """A link by its text."""
    return Click(name, lambda tab: tab.page.get_by_role("link", name=name, exact=True).first)


def tile(name: str) -> Click:
    """The number of a tile."""
    return Click(f"the number at “{name}”", lambda tab: the_tile(tab, name).get_by_role("link"))


def the_tile(tab: Tab, name: str) -> Locator:
    return tab.page.locator(".tiles li").filter(has=tab.page.get_by_text(name, exact=True))


def first_row(tab: Tab) -> Locator:
    return tab.page.locator("main tbody tr").first


def head(tab: Tab) -> Locator:
    """What stands on top of the page of a case or customer."""
    return tab.page.locator("dl.pairs").first


class Question(NamedTuple):
    """A question, and how the pages answer it."""

    asked: str
    clicks: tuple[Click, ...]
    answer: Callable[[Tab], Locator]
    """Where the answer stands."""
    said: Callable[[CaseStore], list[str]]
    """What must stand there, as the reports say it."""
    then: bool = False
    """Whether it is asked of the site of the 12th."""


BY_CUSTOMER = (named("Lists"), named("Cases by customer"))


def waiting(store: CaseStore) -> list[str]:
    found = reports.waiting(store, as_of=AT)
    since = found.rows[0].waiting_since
    return [str(found.total), f"the longest since {since:%Y-%m-%d}"]


def broken(store: CaseStore) -> list[str]:
    since = datetime(2024, 2, 1, tzinfo=UTC)
    first = reports.promise_rates_by_agent(store, as_of=AT, since=since).rows[0]
    counts = first.kept, first.late, first.broken, first.withdrawn
    return ["\t".join(map(str, (first.agent, *counts, percent(first.kept_rate))))]


def bounced_replies(store: CaseStore) -> list[str]:
    rows = reports.undelivered(store, as_of=AT).rows
    first = next(row for row in rows if row.made_good_at is None)
    return [first.case_id, f"{first.failed_at:%Y-%m-%d %H:%M}"]


def due(store: CaseStore) -> list[str]:
    rows = [row for row in reports.promises(store, as_of=AT).rows if row.state == "open"]
    first = min(rows, key=lambda row: (row.due_at or AT, row.case_id))
    return [first.case_id, f"{first.due_at:%Y-%m-%d %H:%M}", first.made_by]


def in_time(store: CaseStore) -> list[str]:
    since = datetime(2024, 2, 1, tzinfo=UTC)
    rows = reports.response_counts(store, as_of=AT, by="month", since=since).rows
    return [text for row in rows for text in (str(row.group), str(percent(row.within_share)))]


def loss(store: CaseStore) -> list[str]:
    rows = reports.causes(store, as_of=AT, by="category").rows
    ours = next(row for row in rows if row.root_cause == "address-not-updated")
    return ["address-not-updated", "late", str(money(ours.loss)), str(money(ours.remedies))]


QUESTIONS = {
    "waiting": Question(
        "How many wait, and since when?",
        (),
        lambda tab: the_tile(tab, "customers wait"),
        waiting,
    ),
    "promises": Question(
        "Who breaks promises?",
        (named("Promises by agent"),),
        lambda tab: tab.page.get_by_role("region", name="Promises kept, by agent"),
        broken,
    ),
    "given": Question(
        "What did we give this customer, and was it within authority?",
        (*BY_CUSTOMER, named("C-1207")),
        head,
        lambda _: ["1 gesture, 25.00 EUR: 0 within authority, 1 beyond", "1, 40.00 EUR"],
    ),
    "bounced": Question(
        "Which replies bounced and were never made good?",
        (tile("replies bounced, not made good"),),
        first_row,
        bounced_replies,
    ),
    "the-12th": Question(
        "What did we know on the 12th?",
        (*BY_CUSTOMER, named("4711")),
        head,
        lambda _: ["parcel", "0 not arrived", "1 not kept in time", "Corrected\nnothing"],
        then=True,
    ),
    "due": Question(
        "Which promises fall due next, and who made them?",
        (named("Promises kept"), Click("the number “open”", lambda tab: of_all(tab, "open"))),
        first_row,
        due,
    ),
    "in-time": Question(
        "Do we answer in time, and is it getting better?",
        (named("How long it takes"),),
        lambda tab: tab.page.get_by_role("region", name="How soon, by month"),
        in_time,
    ),
    "causes": Question(
        "What goes wrong, and what does it cost?",
        (named("Lists"), named("Causes and what they cost")),
        lambda tab: tab.page.locator("main tbody tr", has_text="address-not-updated"),
        loss,
    ),
    "corrected": Question(
        "What was said otherwise afterwards, and is the record sealed?",
        (*BY_CUSTOMER, named("4711")),
        head,
        lambda _: ["letter", "1 not arrived", "corrected, by agent", "all 11 events"],
    ),
    "policy": Question(
        "By which rules was it decided?",
        (named("Policy"),),
        lambda tab: tab.page.locator("main"),
        lambda _: ["care", "2025-01-06"],
    ),
}


def of_all(tab: Tab, state: str) -> Locator:
    """The link to the promises of all teams that stand so."""
    return tab.page.get_by_role("link", name=re.compile(rf"^\d+ {state}$"))


@pytest.mark.parametrize("name", QUESTIONS)
def test_three_clicks_are_enough(sites: Site, open_page: OpenPage, name: str) -> None:
    question = QUESTIONS[name]
    assert len(question.clicks) <= 3
    tab = open_page((sites.then if question.then else sites.now) / "index.html", width=WIDTH)
    tab.page.emulate_media(reduced_motion="reduce")  # so that it stands still when it is looked at
    for click in question.clicks:
        click.link(tab).click()
    answer = question.answer(tab)
    told = answer.inner_text()
    for said in question.said(sites.store):
        assert said in told, told
    expect(answer).to_be_in_viewport()
    write_picture(tab, answer, name)


def write_picture(tab: Tab, answer: Locator, name: str) -> None:
    """A picture of the page down to the answer, for the documents, where it is asked for."""
    box = answer.bounding_box()
    assert box is not None
    if os.environ.get("CASESTORE_PICTURES") == "1":
        high = min(HEIGHT, int(box["y"] + box["height"]) + 130)
        shot = tab.page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": high})
        (DOCS / "pictures" / f"{name}.png").write_bytes(small(shot))


def test_the_document_has_the_questions_with_their_clicks_and_pictures() -> None:
    text = (DOCS / "pages.md").read_text("utf-8")
    for name, question in QUESTIONS.items():
        clicks = ", then ".join(click.told for click in question.clicks) or "none"
        assert f"| {question.asked} | {len(question.clicks)} | {clicks} |" in text
        assert f"](pictures/{name}.png)" in text
    written = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert set(written) == {f"{name}.png" for name in QUESTIONS}
    assert max(written.values()) < 60_000
