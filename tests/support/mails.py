"""Mails made for tests, and what a reader makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from casestore import CaseStore
from casestore.intake import LeftOut, Line, Options, Remark, append_lines, read
from casestore.transfer.known import StoreKnows
from casestore.transfer.lines import FromElsewhere, Read

OURS = ("help@kettles.example", "*@desk.example")


def mail(number: int, text: str = "Hello\n", /, **fields: str | None) -> bytes:
    """A mail of Mia's; fields are added, or taken away with None; "_" stands for "-"."""
    header: dict[str, str | None] = {
        "From": "Mia Holt <mia@post.example>",
        "To": "help@kettles.example",
        "Subject": "Kettle leaks",
        "Date": f"Mon, 02 Mar 2026 08:{number:02}:00 +0100",
        "Message-ID": f"<m{number}@post.example>",
    }
    header |= {name.replace("_", "-"): value for name, value in fields.items()}
    lines = [f"{name}: {value}" for name, value in header.items() if value is not None]
    return ("\n".join(lines) + "\n\n" + text).encode()


def reply(number: int, **fields: str | None) -> bytes:
    """A reply of Anna's to mail 1."""
    ours: dict[str, str | None] = {
        "From": "Anna <anna@desk.example>",
        "To": "mia@post.example",
        "Message_ID": f"<m{number}@desk.example>",
        "In_Reply_To": "<m1@post.example>",
    }
    return mail(number, **ours | fields)


def bounce(
    number: int,
    about: str,
    *,
    action: str = "failed",
    status: str = "5.1.1",
    recipient: str = "mia@post.example",
    **fields: str | None,
) -> bytes:
    """A report of a mail system (RFC 3464) about a mail."""
    text = (
        "--b\nContent-Type: text/plain\n\nSorry.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n"
        "Diagnostic-Code: smtp; 550 no such user\n"
        f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{about}>\nTo: {recipient}\n"
        "--b--\n"
    )
    ours: dict[str, str | None] = {
        "From": "MAILER-DAEMON@mx.example (Mail Delivery System)",
        "Message_ID": f"<b{number}@mx.example>",
        "Content_Type": 'multipart/report; report-type=delivery-status; boundary="b"',
        "MIME_Version": "1.0",
        "Auto_Submitted": "auto-replied",
    }
    return mail(number, text, **ours | fields)


def folder(place: Path, *mails: bytes) -> Path:
    """A folder of .eml files."""
    place.mkdir(parents=True, exist_ok=True)
    for number, each in enumerate(mails, len(list(place.iterdir())) + 1):
        (place / f"{number:04}.eml").write_bytes(each)
    return place


def maildir(place: Path, mails: Iterable[bytes]) -> Path:
    """A Maildir."""
    for name in ("cur", "new", "tmp"):
        (place / name).mkdir(parents=True)
    for number, each in enumerate(mails):
        where = place / ("cur" if number % 2 else "new")
        (where / f"17000{number:05}.M1P1.host:2,S").write_bytes(each)
    return place


def mbox(place: Path, mails: Iterable[bytes]) -> Path:
    """An mbox as mboxrd has it. The times in it cannot be believed."""
    with place.open("wb") as file:
        for each in mails:
            file.write(b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n")
            for line in each.splitlines(keepends=True):
                file.write(b">" + line if line.lstrip(b">").startswith(b"From ") else line)
            file.write(b"\n" if each.endswith((b"\n", b"\r")) else b"\n\n")
    return place


def reading(*paths: Path, **options: Any) -> list[Read]:
    """All that a reader gives."""
    return list(read("mail", paths, Options(**{"ours": OURS} | options)))


def lines(*paths: Path, **options: Any) -> list[Line]:
    """The lines alone."""
    return [each for each in reading(*paths, **options) if isinstance(each, Line)]


def left_out(*paths: Path, **options: Any) -> list[str]:
    """The reasons for what was left out."""
    return [each.reason for each in reading(*paths, **options) if isinstance(each, LeftOut)]


def remarks(*paths: Path, **options: Any) -> list[str]:
    """What else was told."""
    return [each.what for each in reading(*paths, **options) if isinstance(each, Remark)]


def one(found: Iterable[Line], kind: str) -> dict[str, Any]:
    """The fields of the only line of a type."""
    (line,) = (each for each in found if each.type == kind)
    return line.fields


def types(found: Iterable[Line]) -> list[str]:
    """The types of lines, without the opening of cases and customers."""
    return [e.type for e in found if e.type not in ("CaseOpened", "CustomerRegistered")]


def into(store: CaseStore, *paths: Path, **options: Any) -> FromElsewhere:
    """Import into a store; nothing may be refused."""
    told: dict[str, Any] = {"ours": OURS, "known": StoreKnows(store)} | options
    done = append_lines(store, read("mail", paths, Options(**told)))
    assert done.imported.refused == ()
    return done
