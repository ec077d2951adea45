"""The demo's stories, in cli/stories.ndjson: what each is about, and what to look at in it."""

from __future__ import annotations

from typing import NamedTuple


class Story(NamedTuple):
    """One of the demo's stories."""

    title: str
    about: str
    cases: dict[str, tuple[int, ...]]
    """The turning points of each case, by version."""
    report: str
    """The report that an operator would ask for next, as written after `casestore`."""

    @property
    def named(self) -> str:
        """Its title, and its cases."""
        return f"{self.title} ({', '.join(self.cases)})"


STORIES = (
    Story(
        "A slip, a missing mail, and an honest apology",
        "She was asked for an address that we had, and our answer went to a mistyped one. One "
        "agent owns up, sends it again, and adds a small thing that costs nothing.",
        {"roadshow": (3, 5, 11, 7, 10, 16, 20, 23, 27, 31)},
        "undelivered --case roadshow --as-of 2026-03-14",
    ),
    Story(
        "Five answers, and none to the question",
        "He asks about the proxy. Four people tell him of disks, passwords, scripts and backups "
        "before somebody picks up the phone, reads, and passes him to one who knows.",
        {"upload-limit": (3, 4, 5, 6, 8, 10, 12, 13, 16, 23, 27)},
        "cases --case upload-limit --as-of 2026-04-18",
    ),
    Story(
        "A credit, given with a bad grace",
        "We billed him wrongly, sent him round for a day, said that we could not, and then could.",
        {"roaming-bill": (3, 4, 6, 9, 14, 17, 20, 21, 23, 24, 25)},
        "goodwill history C-5120 --as-of 2026-06-06",
    ),
    Story(
        "What was owed, what was kind, and what was never on sale",
        "One customer was right: tickets for tickets, and coupons as a gesture apart. Another "
        "wanted what nobody had promised her: she got a kind no.",
        {"no-ushers": (3, 5, 8, 13, 15, 24, 25), "free-flight": (5, 8, 9, 12)},
        "goodwill history C-6071 --as-of 2026-08-07",
    ),
    Story(
        "Nine days without a line",
        "Seven calls, promises that nobody could keep, two versions of the truth, and a good "
        "evening wished to somebody who was not having one.",
        {"nine-days": (7, 11, 12, 15, 16, 19, 21, 24, 27, 29, 35, 37)},
        "promises --case nine-days --as-of 2026-05-20",
    ),
)
"""In order: they are numbered from 1, in the demo as in the lessons."""
