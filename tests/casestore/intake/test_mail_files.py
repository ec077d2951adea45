"""Files of mails: mbox, Maildir, folders; what is no mail; traps of dates, charsets, addresses."""

from __future__ import annotations

import base64
import gzip
import time
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casestore import CaseStore
from casestore.intake import LeftOut, Line, Options
from casestore.intake import mail as mail_reader
from casestore.intake.mail import mbox as splitter
from casestore.intake.mail.addresses import Mailbox, Ours, mailboxes
from casestore.intake.mail.charsets import decoded, field_text
from casestore.intake.mail.dates import moment
from casestore.intake.mail.html_text import html_text
from tests.support.mails import (
    OURS,
    bounce,
    folder,
    into,
    left_out,
    lines,
    mail,
    maildir,
    mbox,
    one,
    reading,
    remarks,
    reply,
    types,
)

MAILS = [
    mail(1, "From the beginning:\n\nFrom anna Mon Mar  2 08:00:00 2026\n is no header\n>From me\n"),
    reply(2),
    mail(3, "no line end", Message_ID=None),
    bounce(4, "m2@desk.example"),
]


def facts(found: list[Line]) -> list[Line]:
    return [each._replace(where="") for each in found]


def received(tmp_path: Path, data: bytes, **options: Any) -> dict[str, Any]:
    return one(lines(folder(tmp_path, data), **options), "MessageReceived")


# --- files ----------------------------------------------------------------------------------


def test_an_mbox_a_maildir_and_a_folder_give_the_same_lines(tmp_path: Path) -> None:
    as_folder = facts(lines(folder(tmp_path / "folder", *MAILS)))
    assert len(types(as_folder)) == 4
    assert facts(lines(mbox(tmp_path / "all.mbox", MAILS))) == as_folder
    assert facts(lines(maildir(tmp_path / "Maildir", MAILS))) == as_folder
    crlf = [each.replace(b"\n", b"\r\n") for each in MAILS]
    assert facts(lines(mbox(tmp_path / "crlf.mbox", crlf))) == as_folder
    (tmp_path / "a.mbox.gz").write_bytes(gzip.compress((tmp_path / "all.mbox").read_bytes()))
    assert facts(lines(tmp_path / "a.mbox.gz")) == as_folder


def test_carriage_returns_alone_end_lines(tmp_path: Path) -> None:
    data = mail(1, "Hello\nMia\n").replace(b"\n", b"\r")
    assert received(tmp_path, data)["text"] == "Hello\nMia"


def test_an_mbox_is_split_where_a_mail_begins_and_nowhere_else() -> None:
    import io

    text = (
        b"From a@b.example Mon Mar  2 08:00:00 2026\nSubject: 1\n\nHi\n"
        b"From here on it is no mail 2026\n\nFrom here too: 2026\nnot a header\n\n"
        b">From quoted\n>>From twice\n\n"
        b"From a@b.example Mon Mar  2 08:01:00 2026\r\nSubject: 2\r\n\r\nHi\r\n"
    )
    first, second = splitter.mails(io.BytesIO(text))
    assert first.data is not None
    assert b"\nFrom quoted\n>From twice\n" in first.data
    assert b"From here too" in first.data
    assert second.data == b"Subject: 2\r\n\r\nHi\r\n"


def test_a_mail_that_is_too_long_is_left_out_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splitter, "MOST", 1000)
    place = mbox(tmp_path / "a.mbox", [mail(1, "x\n" * 1000), mail(2)])
    assert left_out(place) == ["a mail of more than 64 MiB"]
    assert types(lines(place)) == ["MessageReceived"]
    single = folder(tmp_path / "single", mail(1, "x\n" * 1000))
    assert left_out(single) == ["a mail of more than 64 MiB"]


def test_an_eml_that_begins_like_an_mbox_is_one_mail(tmp_path: Path) -> None:
    text = "Hi\n\nFrom a@b.example Mon Mar  2 08:00:00 2026\nSubject: quoted\n"
    data = b"From x Mon Mar  2 08:00:00 2026\n" + mail(1, text)
    assert "Subject: quoted" in received(tmp_path, data)["text"]


def test_what_is_no_mail_is_left_out_by_name(tmp_path: Path) -> None:
    for name, data in {
        "a.jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)),
        "b.yaml": b"name: kettle\nsubject: tea\n\n",
        "c.txt": b"Hello: there\n",
        "d.zip": b"PK\x03\x04broken",
        "e.html": b"<html>",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "empty.mbox").write_bytes(b"")
    found = reading(tmp_path)
    assert lines(tmp_path) == []
    names = {Path(each.where).name for each in found if isinstance(each, LeftOut)}
    assert names == {"a.jpg", "b.yaml", "c.txt", "d.zip", "e.html", "empty.mbox"}


def test_of_an_archive_that_was_cut_off_nothing_is_kept(tmp_path: Path) -> None:
    whole = gzip.compress(mbox(tmp_path / "a.mbox", MAILS * 50).read_bytes())
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "a.mbox.gz").write_bytes(whole[: len(whole) // 2])
    assert lines(cut) == []
    assert left_out(cut) == ["the file is broken, or cannot be read"]


def test_a_mail_that_is_still_delivered_to_a_maildir_is_left_out(tmp_path: Path) -> None:
    place = maildir(tmp_path / "Maildir", [mail(1)])
    (place / "tmp" / "170000.M2P2.host").write_bytes(mail(2)[:50])
    assert types(lines(place)) == ["MessageReceived"]
    assert left_out(place) == ["a mail that is still being delivered"]


def test_a_draft_in_a_maildir_was_not_sent(tmp_path: Path) -> None:
    place = maildir(tmp_path / "Maildir", [mail(1)])
    (place / "cur" / "170000.M2P2.host:2,DS").write_bytes(reply(2))
    assert types(lines(place)) == ["MessageReceived"]
    assert left_out(place) == ["a draft, which was not sent"]


@pytest.mark.parametrize(
    "begin", [b"\xef\xbb\xbf", b"\n\n", b">From mia@post.example Mon Mar  2 08:00:00 2026\n"]
)
def test_what_programs_put_before_a_mail_is_no_part_of_it(tmp_path: Path, begin: bytes) -> None:
    data = mail(1, Message_ID=None)
    assert facts(lines(folder(tmp_path / "1", begin + data))) == facts(
        lines(folder(tmp_path / "2", data))
    )


def test_the_same_mail_in_two_folders_is_one(tmp_path: Path) -> None:
    once = facts(lines(folder(tmp_path / "a", mail(1))))
    twice = folder(tmp_path / "b", mail(1), mail(1, Received="from x; Mon, 2 Mar 2026 08:02 +0100"))
    assert facts(lines(twice)) == once
    assert left_out(twice) == ["a copy of a mail that is here already"]
    assert remarks(twice) == []


def test_other_content_under_the_same_message_id_is_told(tmp_path: Path) -> None:
    footed = mail(1, "Hello\n-- \nA list\n")
    here = folder(tmp_path / "a", mail(1), footed)
    there = folder(tmp_path / "b", footed, mail(1))
    assert facts(lines(here)) == facts(lines(there))
    assert remarks(here) == ["a mail that is here with other content under the same Message-ID"]


def test_a_mail_without_message_id_has_the_hash_of_its_bytes(tmp_path: Path) -> None:
    data = mail(1, Message_ID=None)
    id = f"m-{sha256(data).hexdigest()[:20]}"
    assert received(tmp_path, data.replace(b"\n", b"\r\n"))["message_id"] == id


def test_a_mail_at_which_the_standard_library_raises_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(data: bytes) -> Any:
        if b"m1@" in data:
            raise IndexError("list index out of range")
        return message_from_bytes(data)

    monkeypatch.setattr("casestore.intake.mail.parsing.message_from_bytes", raising)
    place = folder(tmp_path, mail(1), mail(2))
    (out,) = (each for each in reading(place) if isinstance(each, LeftOut))
    assert (out.reason, out.detail) == ("a mail that could not be read", "IndexError")
    assert types(lines(place)) == ["MessageReceived"]


def test_parts_within_parts_without_end_give_no_traceback(tmp_path: Path) -> None:
    nested = "".join(
        f"--b{n}\nContent-Type: multipart/mixed; boundary=b{n + 1}\n\n" for n in range(3000)
    )
    deep = mail(1, nested, Content_Type="multipart/mixed; boundary=b0")
    assert left_out(folder(tmp_path, deep)) == ["a mail that could not be read"]


# --- dates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("Mon, 02 Mar 2026 08:00:00 -0000", "2026-03-02T08:00:00+00:00"),
        ("Mon, 02 Mar 2026 08:00:00", "2026-03-02T08:00:00+00:00"),
        ("Mon, 02 Mar 2026 08:00:00 +0100 (CET)", "2026-03-02T07:00:00+00:00"),
        ("2 Mar 26 08:00 EST", "2026-03-02T13:00:00+00:00"),
        ("Mon, 02 Mar 2026 08:00:60 GMT", "2026-03-02T08:00:59+00:00"),
        ("Mon, 02 Mar 2026 08:00:00 +9999", None),
        ("Mon, 31 Feb 2026 08:00:00 +0000", None),
        ("Thu, 01 Jan 1970 00:00:00 +0000", None),
        ("Fri, 31 Dec 9999 23:59:59 -0800", None),
        ("29-04-2017 23:34", None),
        ("Montag, 2. März", None),
        ("", None),
        ("Mon, 02 Mar 99999999999999999999 08:00:00 +0000", None),
    ],
)
def test_a_date_is_read_or_not_believed(text: str, iso: str | None) -> None:
    found = moment(text)
    assert (found.isoformat() if found else None) == iso


HOP = "from a by b with SMTP id 1; Mon, 02 Mar 2026 09:00:00 +0100"
EARLIER_HOP = "from c by a; Mon, 02 Mar 2026 08:00:00 +0100"


@pytest.mark.parametrize(
    "date", [None, "nonsense", "Thu, 01 Jan 1970 00:00:00 +0000", "Tue, 03 Mar 2026 09:00:00 +0100"]
)
def test_without_a_date_that_can_be_the_topmost_received_counts(
    tmp_path: Path, date: str | None
) -> None:
    data = b"Received: " + HOP.encode() + b"\n" + mail(1, Received=EARLIER_HOP, Date=date)
    place = folder(tmp_path, data)
    fields = one(lines(place), "MessageReceived")
    assert fields["occurred_at"] == "2026-03-02T08:00:00Z"
    assert any("received is taken" in each for each in remarks(place))


def test_clocks_that_differ_a_little_are_both_right(tmp_path: Path) -> None:
    data = mail(1, Received=HOP, Date="Mon, 02 Mar 2026 09:04:00 +0100")
    assert received(tmp_path, data)["occurred_at"] == "2026-03-02T08:04:00Z"


def test_a_mail_from_the_future_is_left_out_and_the_others_imported(tmp_path: Path) -> None:
    mails = [mail(1), mail(2, Date="Mon, 02 Mar 2099 08:12:40 +0000"), reply(3)]
    read = folder(tmp_path / "mails", *mails)
    assert len(lines(read)) == 4
    assert left_out(read) == ["its time is ahead of this computer's clock"]


def test_then_the_time_in_the_mbox_counts_and_then_nothing(tmp_path: Path) -> None:
    line = b"From mia@post.example Mon Mar  2 08:30:00 2026\n"
    (tmp_path / "a.mbox").write_bytes(line + mail(1, Date=None))
    fields = one(lines(tmp_path / "a.mbox"), "MessageReceived")
    assert fields["occurred_at"] == "2026-03-02T08:30:00Z"
    without = folder(tmp_path / "none", mail(1, Date=None))
    assert left_out(without) == ["a mail without a date that can be believed"]


# --- texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "charset", "text", "damaged"),
    [
        (b"5 \x80 \x96", "ISO-8859-1", "5 € –", False),
        (b"5 \x80 \x81", "ISO-8859-1", "5 \x80 \x81", True),
        (b"Gr\xfc\xdfe", "iso-8859-1", "Grüße", False),
        (b"Gr\xc3\xbc\xc3\x9fe", None, "Grüße", True),
        (b"Gr\xfc\xdfe \x80", None, "Grüße €", True),
        (b"\x81\xff", None, "\x81ÿ", True),
        (b"Gr\xfc\xdfe", "ansi_x3.110-1983", "Grüße", True),
        (b"Gr\xfc\xdfe", "utf-8", "Grüße", True),
        (b"\xc4\xe3", "gb2312", "你", False),
        (b'\x1b$B$"\x1b(B', "iso-2022-jp", "あ", False),
        (b"+2AA-", "utf-7", "?", True),
        (b"\\ud800 \xfc", "unicode_escape", "\\ud800 ü", True),
        (b"plain", "x-nonsense", "plain", False),
    ],
)
def test_bytes_are_read_by_their_charset_or_one_that_is_always_the_same(
    data: bytes, charset: str | None, text: str, damaged: bool
) -> None:
    assert decoded(data, charset) == (text, damaged)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?utf-8?b?R3LDvMOf?= =?utf-8?b?ZQ==?=", "Grüße"),
        ("=?utf-8?b?R3LD?=\n =?utf-8?b?vA==?= x", "Grü x"),
        ("a =?iso-8859-1?q?=FC_b?= c", "a ü b c"),
        ("=?utf-8*de?Q?=C3=BC?=", "ü"),
        ("=?nonsense?q?=FC?=", "ü"),
        ("folded\n\tline", "folded line"),
        ("raw \udcfc", "raw ü"),
        ("=?utf-8?b?!!!?=", ""),
    ],
)
def test_a_header_field_is_read(raw: str, text: str) -> None:
    assert field_text(raw)[0] == text


def test_a_wrong_charset_is_told(tmp_path: Path) -> None:
    data = mail(1, "Gr\n", Content_Type="text/plain; charset=ansi_x3.110-1983").replace(
        b"Gr\n", b"Gr\xfc\xdfe\n"
    )
    assert received(tmp_path, data)["text"] == "Grüße"
    assert any("charset" in each for each in remarks(tmp_path))


def test_raw_bytes_in_a_header_cost_nothing(tmp_path: Path) -> None:
    data = mail(1, From="Halvorsen XX <hb@post.example>", Message_ID=None)
    found = lines(folder(tmp_path, data.replace(b"XX", b"B\xe5rd")))
    assert one(found, "CustomerRegistered")["name"] == "Halvorsen Bård"


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("Mia <mia@a.example>", [("mia@a.example", "Mia")]),
        ("mia@a.example (Mia Holt)", [("mia@a.example", "Mia Holt")]),
        ('"x@evil.example" <mia@a.example>', [("mia@a.example", "x@evil.example")]),
        (
            '"Holt, Mia" <mia@a.example>, bob@a.example',
            [("mia@a.example", "Holt, Mia"), ("bob@a.example", "")],
        ),
        ("team: a@a.example, b@a.example;", [("a@a.example", ""), ("b@a.example", "")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?q?M=C3=ADa?= <mia@a.example>", [("mia@a.example", "Mía")]),
        ("<>", []),
        ("mia@a.example <mia@a.example>", [("mia@a.example", "")]),
        ('"M. \\"Mi\\" Holt" <mia@a.example>', [("mia@a.example", "M.  Mi  Holt")]),
        ('"unclosed <mia@a.example>', [("mia@a.example", "unclosed")]),
    ],
)
def test_addresses_are_read_the_same_by_every_python(
    raw: str, found: list[tuple[str, str]]
) -> None:
    assert mailboxes(raw) == [Mailbox(*each) for each in found]


def test_ours_are_addresses_or_domains() -> None:
    ours = Ours(OURS)
    assert "Help@Kettles.example" in ours
    assert "anybody@desk.example" in ours
    assert "other@kettles.example" not in ours
    assert "x@evil-desk.example" not in ours
    assert "x@desk.example.evil" not in ours
    assert "x@y.example" not in Ours(())


def multipart(kind: str, *parts: tuple[str, str]) -> dict[str, str]:
    body = "".join(f"--x\n{header}\n\n{text}\n" for header, text in parts) + "--x--\n"
    return {"text": body, "kind": f'multipart/{kind}; boundary="x"'}


def of_parts(tmp_path: Path, kind: str, *parts: tuple[str, str]) -> list[Line]:
    made = multipart(kind, *parts)
    return lines(folder(tmp_path, mail(1, made["text"], Content_Type=made["kind"])))


def test_of_alternatives_the_plain_one_is_the_text(tmp_path: Path) -> None:
    found = of_parts(
        tmp_path,
        "alternative",
        ("Content-Type: text/plain", "Hello"),
        ("Content-Type: text/html", "<p>Hello!</p>"),
    )
    assert one(found, "MessageReceived")["text"] == "Hello"


def test_html_alone_is_read_as_text(tmp_path: Path) -> None:
    html = "<html><head><style>p {}</style></head><body><p>Hi <b>Mia</b><br>R&amp;D</p></body>"
    assert html_text(html) == "Hi Mia\nR&D"
    assert received(tmp_path, mail(1, html, Content_Type="text/html"))["text"] == "Hi Mia\nR&D"


@pytest.mark.parametrize(
    "piece", ["<!--", "<a ", '<a href="', "</", "<script>", "Message-ID:" + " " * 5000]
)
def test_a_text_that_is_made_to_keep_a_reader_busy_does_not(tmp_path: Path, piece: str) -> None:
    long = piece * (300_000 // len(piece))
    begin = time.process_time()
    for kind in ("text/plain", "text/html"):
        html = mail(1, long, Content_Type=kind, Subject=long, From=f'{long}"" <mia@post.example>')
        reading(folder(tmp_path / kind, html, mail(2, long, From="MAILER-DAEMON@a.example")))
    assert time.process_time() - begin < 10


def test_attachments_and_calendars_are_notes(tmp_path: Path) -> None:
    data = b"\x00\x01photo"
    calendar = (
        "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VTIMEZONE\nDTSTART:19700101T000000\nEND:VTIMEZONE\n"
        "BEGIN:VEVENT\nDTSTART;TZID=Europe/Berlin:20260303T100000\nDTEND:20260303T\n 110000\n"
        "END:VEVENT\nEND:VCALENDAR"
    )
    found = of_parts(
        tmp_path,
        "mixed",
        ("Content-Type: text/plain", "Hello"),
        (
            'Content-Type: image/jpeg; name="kettle.jpg"\nContent-Transfer-Encoding: base64',
            base64.b64encode(data).decode(),
        ),
        ("Content-Type: text/calendar; method=REQUEST", calendar),
        ("Content-Type: message/rfc822", "Subject: inner\n\nFrom within"),
        ("Content-Type: application/pgp-signature", "x"),
    )
    assert [each.fields["text"] for each in found if each.type == "NoteAdded"] == [
        f"attachment kettle.jpg (7 bytes, SHA-256 {sha256(data).hexdigest()})",
        "calendar REQUEST 20260303T100000 Europe/Berlin to 20260303T110000",
        "attachment a mail (message/rfc822)",
    ]
    assert one(found, "MessageReceived")["text"] == "Hello"


def test_the_name_of_an_attachment_may_be_damaged(tmp_path: Path) -> None:
    name = "Content-Disposition: attachment; filename*=utf-7''%2B2AA-x.txt"
    found = of_parts(tmp_path, "mixed", ("Content-Type: text/plain", "Hello"), (name, "data"))
    assert "x.txt" in one(found, "NoteAdded")["text"]


def test_signed_is_read_and_encrypted_is_not(tmp_path: Path) -> None:
    signed = of_parts(
        tmp_path / "signed",
        "signed",
        ("Content-Type: text/plain", "Hello"),
        ("Content-Type: application/pgp-signature", "-----BEGIN PGP SIGNATURE-----"),
    )
    assert types(signed) == ["MessageReceived"]
    assert one(signed, "MessageReceived")["text"] == "Hello"
    inline = "-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n"
    for n, (text, kind) in enumerate(
        [
            ("--x\nContent-Type: text/plain\n\nsecret\n--x--\n", "multipart/encrypted; boundary=x"),
            ("MIIB", "application/pkcs7-mime; smime-type=enveloped-data"),
            (inline, "text/plain"),
        ]
    ):
        place = folder(tmp_path / str(n), mail(1, text, Content_Type=kind))
        assert "text" not in one(lines(place), "MessageReceived")
        assert remarks(place) == ["it is encrypted, so the event has no text"]


def test_what_a_store_refuses_is_not_made(tmp_path: Path) -> None:
    place = folder(
        tmp_path / "in",
        mail(1, "x" * 5_000_000),
        mail(
            2, "nul \0 and \x1b\n", Subject="a\0b =?utf-7?q?+2AA-?=", From="\u202e\u200b@a.example"
        ),
        mail(3, From="<" + "a" * 500 + "@a.example>", Message_ID="<" + "i" * 5000 + "@a.example>"),
        reply(4, From="\u200banna@desk.example", Content_Language="e" * 100),
        bounce(5, "m4@desk.example", status="9.9.9999", recipient="\0\u202e"),
    )
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as store:
        into(store, place)
    assert "its text is longer than an event may be, so the event has none" in remarks(place)


SAMPLES = [
    *MAILS,
    mail(7, "x", Content_Type="multipart/mixed; boundary=b", References="<a@b> <c@d>"),
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 60), st.binary(max_size=20))),
)
def test_whatever_is_damaged_gives_no_traceback(
    sample: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    for place, size, other in changes:
        sample = sample[:place] + other + sample[place + size :]
    found = mail_reader.events(sample, Options(ours=OURS))
    assert all(each.data.decode() for each in found if isinstance(each, Line))
