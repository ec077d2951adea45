"""Readers of other systems' files, and importing through them against their lines as NDJSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count as counting
from pathlib import Path

from casestore import CaseStore
from casestore.intake import Line, Options, append_lines, read
from casestore.intake.csv.mapping import read_mapping
from casestore.transfer.ndjson import import_lines
from tests.bench.race import Floor, race, seconds

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)
MAPPING = """
version = 1
name = "desk"
[file]
time_formats = ["%Y-%m-%d %H:%M"]
timezone = "Europe/Berlin"
[case]
id = "{number}"
customer = "{caller}"
rows = "states"
at = "{updated}"
actor = "agent:{by}"
[values.channel]
Phone = "phone"
"*" = "other"
[open]
at = "{opened}"
channel = { column = "contact", values = "channel" }
category = "{category}"
subject = "{symptom}"
[[on]]
change = "team"
event = "CaseAssigned"
team = "{team}"
[[on]]
change = "state"
to = ["Resolved"]
unless_from = ["Resolved"]
event = "CaseClosed"
reason = "resolved"
[[on]]
change = ["priority", "state"]
event = "NoteAdded"
text = "{column}: {before} → {after}"
"""
STATES = ("New", "Active", "Awaiting user", "Active", "Awaiting vendor", "Resolved", "Resolved")


def bench_intake(folder: Path, rows: int, rounds: int) -> list[Floor]:
    """Read tables and mails, and import them; a mail for every ten rows."""
    table, mbox = folder / "desk.csv", folder / "desk.mbox"
    table.write_text("".join(_table(rows)), "utf-8")
    mails = rows // 10
    mbox.write_text("".join(_mails(mails)), "utf-8")
    options = {
        "csv": (table, Options(mapping=read_mapping(MAPPING)), rows, 0.5),
        # To take a mail apart is most of the work, so that it is only printed: 150 a second are
        # wanted, which alone is many times what their lines take.
        "mail": (mbox, Options(ours=("*@desk.example",)), mails, 0),
    }
    number = counting()

    def fresh() -> CaseStore:
        path = folder / f"intake-{next(number)}.db"
        return CaseStore.create(f"sqlite:///{path}", key_file=folder / "key")

    def through(name: str, path: Path, given: Options) -> float:
        with fresh() as store:
            return seconds(lambda: append_lines(store, read(name, [path], given)))

    def as_ndjson(lines: Iterable[bytes]) -> float:
        with fresh() as store:
            return seconds(lambda: import_lines(store, lines))

    floors = []
    for name, (path, given, things, floor) in options.items():
        made = [each for each in read(name, [path], given) if isinstance(each, Line)]
        lines = [each.ndjson() for each in made]
        times = race(
            rounds,
            reading=lambda: seconds(lambda: list(read(name, [path], given))),  # noqa: B023
            through=lambda: through(name, path, given),  # noqa: B023
            ndjson=lambda: as_ndjson(lines),  # noqa: B023
        )
        speed = f"{things / times['reading']:,.0f} a second"
        work = f"{name}, {things:,} read at {speed}"
        ratio = times["ndjson"] / times["through"]
        floors.append(Floor(work, "its lines as NDJSON, imported", ratio, floor))
    return floors


def _table(rows: int) -> Iterator[str]:
    yield "number,caller,opened,updated,by,contact,category,symptom,team,state,priority\n"
    for row in range(rows):
        case, step = divmod(row, len(STATES))
        opened = BEGIN + timedelta(minutes=case)
        updated = opened + timedelta(hours=step)
        yield (
            f"INC{case:06},caller {case % 997},{opened:%Y-%m-%d %H:%M},{updated:%Y-%m-%d %H:%M},"
            f"agent{row % 23},{'Phone' if case % 3 else 'Mail'},category {case % 40},"
            f'"The {case}th thing, and what is wrong with it",team {step // 3},{STATES[step]},'
            f"{step % 4 + 1}\n"
        )


def _mails(mails: int) -> Iterator[str]:
    for number in range(mails):
        thread, step = divmod(number, 4)
        at = BEGIN + timedelta(minutes=thread, hours=step)
        ours = step % 2 == 1
        person = f"customer{thread % 997}@people.example"
        sender, to = ("anna@desk.example", person) if ours else (person, "help@desk.example")
        parent = f"In-Reply-To: <{thread}.{step - 1}@x.example>\n" if step else ""
        yield (
            f"From {sender} Mon Jan  5 08:00:00 2026\n"
            f"From: Somebody <{sender}>\nTo: {to}\nSubject: Order {thread}\n"
            f"Date: {format_datetime(at)}\nMessage-ID: <{thread}.{step}@x.example>\n{parent}"
            "Content-Type: text/plain; charset=utf-8\n\n"
            + "What was said, at length.\n" * 30
            + "\n"
        )
