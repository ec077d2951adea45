"""The reader of mails on real mails: bounces with known answers, and those of a ticket system."""

from __future__ import annotations

import csv
import io
import json
import re
import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore
from casestore.events import Actor, CaseOpened, ReplySent
from casestore.intake import LeftOut, Line, Options, mail
from casestore.transfer.known import KnownMail, StoreKnows
from tests.support.mails import into, lines, maildir, mbox, reading, remarks, types

SISIMAI, FLUFL, TICKETS = "bounces_a.tar.gz", "bounces_b.tar.gz", "exports/mail_rt.tar.gz"
NO_FAILURES = {"vacation", "feedback", "delivered"}
THEN = datetime(1990, 1, 1, tzinfo=UTC)
DESK = Actor(kind="agent", id="desk")


@cache
def members(path: Path) -> dict[str, bytes]:
    """The files of an archive by their last name."""
    with tarfile.open(path) as archive:
        return {
            Path(each.name).name: file.read()
            for each in archive
            if (file := archive.extractfile(each)) is not None
        }


def mails(path: Path) -> dict[str, bytes]:
    return {
        name: data
        for name, data in members(path).items()
        if not name.endswith((".csv", ".md")) and name != "LICENSE"
    }


def table(path: Path, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(members(path)[name].decode())))


def told(text: bytes, name: str) -> list[str]:
    """The values of a field, wherever it stands in a mail."""
    pattern = rf"(?im)^[ \t>]*{name}:[ \t]*(?:\n[ \t]+)?(.*)$"
    return re.findall(pattern, text.replace(b"\r", b"").decode("latin-1"))


def named(data: bytes) -> list[str]:
    """The Message-IDs that stand in a bounce, without its own."""
    found = [each.strip("<> \t") for each in told(data, "message-id")]
    header = data.replace(b"\r", b"").partition(b"\n\n")[0]
    own = [each.strip("<> \t") for each in told(header, "message-id")]
    return [each for each in found if each and each not in own]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


@pytest.mark.parametrize("name", [SISIMAI, FLUFL, TICKETS])
def test_all_import_and_again_nothing_is_appended(
    name: str, data_dir: Path, store: CaseStore
) -> None:
    path = data_dir / name
    found = reading(path)
    reasons = Counter(each.reason for each in found if isinstance(each, LeftOut))
    assert "a mail that could not be read" not in reasons
    done = into(store, path)
    assert done.imported.appended > 0
    assert into(store, path).imported.appended == 0


def test_mails_of_a_ticket_system_are_counted_as_expected(data_dir: Path) -> None:
    expected = json.loads((data_dir / "exports" / "EXPECTED.json").read_text("utf-8"))["mail_rt"]
    path = data_dir / TICKETS
    found = reading(path)
    undated = [e for e in found if isinstance(e, LeftOut) and "date" in e.reason]
    assert len(undated) == expected["mails"] - expected["with Date"]
    same_id = sum("other content" in each for each in remarks(path))
    assert types(lines(path)).count("MessageReceived") == expected["with Date"] - same_id
    sealed = sum("encrypted" in each for each in remarks(path))
    assert sealed >= expected["multipart/encrypted"] + expected["pkcs7-mime"]


def test_real_mails_are_the_same_from_an_mbox_and_a_maildir(data_dir: Path, tmp_path: Path) -> None:
    # A line before a mail is no part of it in a Maildir.
    all_mails = [
        re.sub(rb"\AFrom .*\r?\n", b"", data)
        for name in (SISIMAI, FLUFL, TICKETS)
        for data in mails(data_dir / name).values()
    ]
    one = reading(mbox(tmp_path / "all.mbox", all_mails))
    other = reading(maildir(tmp_path / "Maildir", all_mails))

    def facts(found: list[object]) -> list[Line]:
        return [each._replace(where="") for each in found if isinstance(each, Line)]

    assert facts(list(one)) == facts(list(other))
    reasons = [Counter(e.reason for e in each if isinstance(e, LeftOut)) for each in (one, other)]
    assert reasons[0] == reasons[1]


def record_replies(store: CaseStore, message_ids: set[str]) -> None:
    """As a service records them: under ids of its own, with the Message-ID as source."""
    for number, message_id in enumerate(sorted(message_ids)):
        stream = f"case:{number}"
        opened = CaseOpened(occurred_at=THEN, actor=DESK, customer_id="k", channel="email")
        sent = ReplySent(occurred_at=THEN, actor=DESK, reply_id=f"r-{number}", channel="email")
        store.append(stream, opened)
        store.append(stream, sent, source=message_id)


class Recorded:
    """What a store knows, asked once."""

    def __init__(self, store: CaseStore, message_ids: set[str]) -> None:
        self.replies = StoreKnows(store).mails({each: each for each in message_ids})

    def has(self, stream: str) -> bool:
        return False

    def mails(self, message_ids: Mapping[str, str]) -> Mapping[str, KnownMail]:
        return {each: self.replies[each] for each in message_ids if each in self.replies}


def test_failures_that_name_their_mail_go_to_the_right_reply_and_recipient(
    data_dir: Path, store: CaseStore
) -> None:
    path = data_dir / SISIMAI
    reasons = {row["file"]: row["reason"] for row in table(path, "expected.csv")}
    bounces = {name: data for name, data in mails(path).items() if name in reasons}
    named_ids = {each for data in bounces.values() for each in named(data) if len(each) < 200}
    record_replies(store, named_ids)
    known = Recorded(store, named_ids)
    outcomes: Counter[str] = Counter()
    for name, data in bounces.items():
        # One by one, as a service reads them: the archive has some twice, under two names.
        found = mail.events(data, Options(known=known))
        failed = [e.fields for e in found if isinstance(e, Line) if e.type == "DeliveryFailed"]
        if reasons[name] in NO_FAILURES:
            outcomes["taken for a failure"] += bool(failed)
        elif named(data):
            outcomes[_outcome(data, failed, known)] += 1
    assert outcomes["taken for a failure"] <= 1
    assert outcomes["right"] / (outcomes.total() - outcomes["taken for a failure"]) >= 0.8, outcomes
    assert into(store, path).events["DeliveryFailed"] >= outcomes["right"]


def _outcome(data: bytes, failed: list[dict[str, Any]], known: Recorded) -> str:
    if not failed:
        return "missed"
    replies = {known.replies[each].id for each in named(data) if each in known.replies}
    # Whom it was sent to stands in the report or in the mail that came back.
    reports = told(data, "(?:original|final)-recipient") or told(data, "to")[1:]
    reached = " ".join(reports) or data.decode("latin-1")
    right = all(
        each["reply_id"] in replies and each.get("recipient", "nobody") in reached
        for each in failed
    )
    return "right" if right else "wrong"


def test_addresses_that_failed_are_those_that_flufl_expects(
    data_dir: Path, store: CaseStore
) -> None:
    path = data_dir / FLUFL
    expected = {
        row["file"]: set(row["addresses"].split())
        for row in table(path, "EXPECTED_from_test_detectors.csv")
        if row["addresses"]
    }
    named_ids = {each for data in mails(path).values() for each in named(data)}
    record_replies(store, {each for each in named_ids if len(each) < 200})
    found: dict[str, set[str]] = defaultdict(set)
    for each in lines(path, known=StoreKnows(store)):
        if each.type == "DeliveryFailed":
            name = each.where.rpartition("/")[2].partition(",")[0]
            found[name].add(each.fields.get("recipient", ""))
    both = [name for name in found if name in expected]
    assert len(both) >= 18
    assert sum(found[name] == expected[name] for name in both) / len(both) >= 0.9
