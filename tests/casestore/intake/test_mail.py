"""Mails become cases, and bounces go to the replies that they are about."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.events import Actor, CaseOpened, DeliveryFailed, EventCorrected, ReplySent
from casestore.intake import LeftOut, Line, Options, Remark
from casestore.intake import mail as mail_reader
from casestore.intake.ids import message_pseudonym, plain_pseudonym
from casestore.transfer.known import KnownMail, StoreKnows
from tests.support.mails import (
    OURS,
    bounce,
    folder,
    into,
    left_out,
    lines,
    mail,
    one,
    reading,
    remarks,
    reply,
    types,
)

MIA = plain_pseudonym("mia@post.example")
THEN = datetime(2026, 3, 1, tzinfo=UTC)
ANNA = Actor(kind="agent", id="anna")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[CaseStore]:
    with CaseStore.create(f"sqlite:///{tmp_path}/store.db") as made:
        yield made


def record_reply(store: CaseStore, reply_id: str, **said: str) -> None:
    opened = CaseOpened(occurred_at=THEN, actor=ANNA, customer_id="k1", channel="email")
    sent = ReplySent(occurred_at=THEN, actor=ANNA, reply_id=reply_id, channel="email")
    store.append("case:theirs", opened)
    store.append("case:theirs", sent, **said)  # type: ignore[arg-type]


# --- threads and cases ----------------------------------------------------------------------


def test_a_thread_is_a_case_with_its_customer(tmp_path: Path) -> None:
    found = lines(folder(tmp_path, mail(1), reply(2), mail(3, References="<m2@desk.example>")))
    case = f"case:mail-{message_pseudonym('m1@post.example')[2:18]}"
    assert [(each.stream, each.type) for each in found] == [
        (f"customer:{MIA}", "CustomerRegistered"),
        (case, "CaseOpened"),
        (case, "MessageReceived"),
        (case, "ReplySent"),
        (case, "MessageReceived"),
    ]
    customer, opened, received, sent, _ = (each.fields for each in found)
    assert (customer["name"], customer["contact"]) == ("Mia Holt", "mia@post.example")
    assert opened["subject"] == "Kettle leaks"
    assert opened["customer_id"] == MIA
    assert received["occurred_at"] == "2026-03-02T07:01:00Z"
    assert (received["actor"], received["channel"]) == ({"kind": "customer", "id": MIA}, "email")
    assert received["message_id"] == message_pseudonym("m1@post.example")
    assert (sent["actor"], sent["to"]) == ({"kind": "agent", "id": "anna"}, "mia@post.example")


def test_only_personal_fields_hold_addresses_and_nothing_holds_a_message_id(
    tmp_path: Path,
) -> None:
    for each in lines(folder(tmp_path, mail(1), reply(2), bounce(3, "m2@desk.example"))):
        fields = {
            name: value
            for name, value in each.fields.items()
            if name not in ("name", "contact", "to", "text", "recipient", "diagnostic")
        }
        assert "@" not in f"{each.stream} {each.key} {each.source} {fields}"


def test_a_case_has_the_same_name_when_its_first_mail_is_read_later(tmp_path: Path) -> None:
    late = lines(folder(tmp_path / "late", mail(3, References="<m1@post.example>")))
    both = lines(folder(tmp_path / "both", mail(3, In_Reply_To="<m1@post.example>"), mail(1)))
    assert {e.stream for e in late} == {e.stream for e in both}


def test_mails_that_answer_each_other_in_a_circle_are_one_case(tmp_path: Path) -> None:
    circle = (
        mail(1, In_Reply_To="<m2@post.example>"),
        mail(2, In_Reply_To="<m1@post.example>"),
    )
    found = lines(folder(tmp_path, *circle))
    assert len([each for each in found if each.type == "CaseOpened"]) == 1
    assert types(found) == ["MessageReceived", "MessageReceived"]


def test_the_person_who_is_named_in_in_reply_to_joins_nothing(tmp_path: Path) -> None:
    old = [
        mail(n, In_Reply_To=f"Message from Mia <mia@post.example> <x{n}@post.example>")
        for n in (1, 2)
    ]
    found = lines(folder(tmp_path, *old))
    assert len([each for each in found if each.type == "CaseOpened"]) == 2


def test_a_mail_between_us_is_a_note_and_answers_nobody(tmp_path: Path, store: CaseStore) -> None:
    inside = reply(2, To="tom@desk.example", Cc="help@kettles.example", Subject="Fwd: Kettle leaks")
    place = folder(tmp_path / "mails", mail(1), inside)
    assert types(lines(place)) == ["MessageReceived", "NoteAdded"]
    assert one(lines(place), "NoteAdded")["actor"] == {"kind": "agent", "id": "anna"}
    assert one(lines(place), "NoteAdded")["text"] == "Hello"
    assert not into(store, place).imported.refused
    folder(place, bounce(3, "m2@desk.example"))
    assert left_out(place) == ["a report about a mail between us"]
    assert into(store, place).imported.appended == 0


def test_a_mail_between_us_alone_is_no_case(tmp_path: Path) -> None:
    place = folder(tmp_path, reply(2, To="tom@desk.example", In_Reply_To=None))
    assert left_out(place) == ["a mail of ours that names nobody whom it was sent to"]


def test_a_reply_goes_to_the_customer_whether_by_to_or_cc_or_bcc(tmp_path: Path) -> None:
    for number, field in enumerate(("Cc", "Bcc"), 1):
        sent = reply(2, To="help@kettles.example", **{field: "Mia <mia@post.example>"})
        found = lines(folder(tmp_path / str(number), mail(1), sent))
        assert types(found) == ["MessageReceived", "ReplySent"]
        assert one(found, "ReplySent")["to"] == "help@kettles.example, mia@post.example"


def test_what_a_form_or_a_group_of_ours_passes_on_is_the_customers(tmp_path: Path) -> None:
    form = mail(1, From="Form <web@desk.example>", Reply_To="Mia Holt <mia@post.example>")
    found = lines(folder(tmp_path, form))
    assert types(found) == ["MessageReceived"]
    assert one(found, "MessageReceived")["actor"] == {"kind": "customer", "id": MIA}
    customer = one(found, "CustomerRegistered")
    assert (customer["name"], customer["contact"]) == ("Mia Holt", "mia@post.example")


def test_a_mail_of_ours_to_somebody_who_has_not_written_is_told(tmp_path: Path) -> None:
    told = "a mail of ours to nobody who wrote in its case: it counts as an answer"
    elsewhere = reply(2, To="works@maker.example")
    assert remarks(folder(tmp_path / "1", mail(1), elsewhere)) == [told]
    assert remarks(folder(tmp_path / "2", mail(1), reply(2, Cc="works@maker.example"))) == []
    first = reply(2, In_Reply_To=None)
    assert remarks(folder(tmp_path / "3", first, mail(3, In_Reply_To="<m2@desk.example>"))) == []


def test_an_answer_that_does_not_say_to_which_mail_is_told(tmp_path: Path) -> None:
    told = "an answer by its subject, that names no mail: --join-days joins it by subject"
    place = folder(tmp_path, mail(1), reply(2, In_Reply_To=None, Subject="AW: Kettle leaks"))
    assert remarks(place) == [told]
    assert remarks(place, join_days=14) == []
    assert len([e for e in lines(place, join_days=14) if e.type == "CaseOpened"]) == 1


def test_the_first_who_wrote_owns_the_case_and_others_are_its_actors(tmp_path: Path) -> None:
    started = reply(1, In_Reply_To=None, Message_ID="<m1@desk.example>")
    away = mail(2, References="<m1@desk.example>", From="z@post.example", Auto_Submitted="yes")
    answer = mail(3, References="<m1@desk.example>")
    other = mail(4, References="<m1@desk.example>", From="bob@post.example")
    found = lines(folder(tmp_path, started, away, answer, other))
    assert one(found, "CaseOpened")["customer_id"] == MIA
    assert one(found, "CustomerRegistered")["occurred_at"] == "2026-03-02T07:01:00Z"
    assert found[-1].fields["actor"]["id"] == plain_pseudonym("bob@post.example")


def test_a_mail_of_ours_that_nobody_answered_is_the_case_of_whom_it_was_sent_to(
    tmp_path: Path,
) -> None:
    to = "help@kettles.example, Mia Holt <mia@post.example>"
    found = lines(folder(tmp_path, reply(1, In_Reply_To=None, To=to)))
    assert one(found, "CustomerRegistered")["name"] == "Mia Holt"
    assert one(found, "CaseOpened")["customer_id"] == MIA
    nobody = folder(tmp_path / "nobody", reply(1, To="undisclosed-recipients:;"))
    assert "a mail of ours that names nobody whom it was sent to" in left_out(nobody)
    assert lines(nobody) == []


def test_an_id_of_ours_is_the_local_part_if_it_is_no_number(tmp_path: Path) -> None:
    ours = [
        reply(1),
        reply(2, From="+49301234567@desk.example"),
        reply(3, From='"a b"@desk.example'),
    ]
    found = [each for each in lines(folder(tmp_path, *ours)) if each.type == "ReplySent"]
    ids = [each.fields["actor"]["id"] for each in found]
    assert ids[:2] == ["anna", plain_pseudonym("+49301234567@desk.example")]
    assert "@" not in ids[2]


def test_a_number_in_the_subject_joins_threads_if_that_is_asked_for(tmp_path: Path) -> None:
    place = folder(tmp_path, mail(1, Subject="[#17] a"), mail(2, Subject="Re: [#17] b"))
    assert len({e.stream for e in lines(place) if e.type == "CaseOpened"}) == 2
    joined = lines(place, tag=r"\[#(\d+)\]")
    assert len({e.stream for e in joined if e.type == "CaseOpened"}) == 1


def test_subjects_join_mails_of_one_customer_within_days_if_that_is_asked_for(
    tmp_path: Path,
) -> None:
    place = folder(
        tmp_path,
        mail(1),
        mail(2, Subject="RE: AW: kettle  LEAKS"),
        mail(3, From="bob@post.example"),
        mail(4, Date="Mon, 09 Mar 2026 08:00:00 +0100"),
    )
    assert len([e for e in lines(place) if e.type == "CaseOpened"]) == 4
    assert len([e for e in lines(place, join_days=3) if e.type == "CaseOpened"]) == 3
    assert len([e for e in lines(place, join_days=30) if e.type == "CaseOpened"]) == 2


def test_the_order_of_the_files_does_not_matter(tmp_path: Path) -> None:
    mails = [mail(1), reply(2), bounce(3, "m2@desk.example"), mail(4), reply(5)]
    mails += [mail(1, "another text\n"), bounce(6, "m5@desk.example", recipient="x@y.example")]
    there = [e._replace(where="") for e in lines(folder(tmp_path / "a", *mails))]
    back = [e._replace(where="") for e in lines(folder(tmp_path / "b", *reversed(mails)))]
    assert there == back


# --- the kinds ------------------------------------------------------------------------------


def test_an_automatic_answer_is_no_contact(tmp_path: Path) -> None:
    for name, value in [
        ("Auto_Submitted", "auto-replied (vacation)"),
        ("X_Autoreply", "yes"),
        ("X_Autorespond", "Away"),
        ("Precedence", "auto_reply"),
    ]:
        found = lines(folder(tmp_path / name, mail(1, **{name: value})))
        assert one(found, "MessageReceived")["automated"] is True
    for name, value in [("Auto_Submitted", "no"), ("X_Auto_Response_Suppress", "All")]:
        found = lines(folder(tmp_path / name / "not", mail(1, **{name: value})))
        assert "automated" not in one(found, "MessageReceived")


def test_a_reply_of_ours_may_be_automatic_and_has_a_language(tmp_path: Path) -> None:
    sent = one(lines(folder(tmp_path, mail(1), reply(2, Content_Language="de-AT"))), "ReplySent")
    assert (sent["language"], sent.get("automated")) == ("de-AT", None)
    other = reply(3, Auto_Submitted="auto-replied", Content_Language="no language")
    sent = one(lines(folder(tmp_path / "auto", mail(1), other)), "ReplySent")
    assert (sent["automated"], "language" in sent) == (True, False)
    for number, value in enumerate(("no (sent by a person)", "notified"), 4):
        more = folder(tmp_path / str(number), mail(1), reply(number, Auto_Submitted=value))
        assert one(lines(more), "ReplySent").get("automated", False) is (value == "notified")
    assert sent["actor"]["kind"] == "system"


@pytest.mark.parametrize(
    ("action", "status", "kind"),
    [
        ("failed", "5.1.1", "permanent"),
        ("failed (user unknown)", "4.4.7", "permanent"),
        ("delayed", "4.4.1", "temporary"),
        ("error", "5.7.1", "permanent"),
    ],
)
def test_a_delivery_status_is_a_failure_of_the_reply(
    tmp_path: Path, action: str, status: str, kind: str
) -> None:
    failed = bounce(3, "m2@desk.example", action=action, status=status)
    fields = one(lines(folder(tmp_path, mail(1), reply(2), failed)), "DeliveryFailed")
    del fields["occurred_at"], fields["actor"]
    assert fields == {
        "reply_id": message_pseudonym("m2@desk.example"),
        "kind": kind,
        "code": status,
        "recipient": "mia@post.example",
        "diagnostic": "smtp; 550 no such user",
    }


def test_a_status_tells_of_delivery_too_and_of_passing_on_nothing(tmp_path: Path) -> None:
    delivered = bounce(3, "m2@desk.example", action="delivered", status="2.0.0")
    found = lines(folder(tmp_path / "1", mail(1), reply(2), delivered))
    assert one(found, "DeliveryConfirmed")["evidence"] == "dsn"
    relayed = folder(tmp_path / "2", bounce(3, "m2@desk.example", action="relayed"))
    assert lines(relayed) == []
    (out,) = (each for each in reading(relayed) if isinstance(each, LeftOut))
    assert not out.unreadable


def test_the_original_recipient_counts_and_each_once(tmp_path: Path) -> None:
    block = "Original-Recipient: rfc822;mia@post.example\nFinal-Recipient: rfc822; x@y.example\n"
    block += "Action: failed\nStatus: 5.1.1\n\n"
    text = f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; a\n\n{block}{block}"
    text += "--b\nContent-Type: message/rfc822\n\nMessage-ID: <m2@desk.example>\n\nHi\n--b--\n"
    report = bounce(3, "").partition(b"\n\n")[0] + b"\n\n" + text.encode()
    found = lines(folder(tmp_path, mail(1), reply(2), report))
    assert one(found, "DeliveryFailed")["recipient"] == "mia@post.example"


def test_a_report_of_abuse_is_a_note_and_no_failure(tmp_path: Path) -> None:
    text = (
        "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n"
        "--b\nContent-Type: message/rfc822\n\nMessage-ID: <m2@desk.example>\n\nHi\n--b--\n"
    )
    report = mail(3, text, Content_Type='multipart/report; boundary="b"', From="x@isp.example")
    found = lines(folder(tmp_path, mail(1), reply(2), report))
    assert types(found) == ["MessageReceived", "ReplySent", "NoteAdded"]
    assert found[-1].fields["text"] == "reported as abuse"


def test_a_mail_that_was_shown_is_a_confirmation(tmp_path: Path) -> None:
    text = (
        "--b\nContent-Type: message/disposition-notification\n\n"
        "Original-Message-ID: <m2@desk.example>\n"
        "Disposition: manual-action/MDN-sent-manually; displayed\n--b--\n"
    )
    shown = mail(3, text, Content_Type='multipart/report; boundary="b"')
    found = lines(folder(tmp_path / "1", mail(1), reply(2), shown))
    assert one(found, "DeliveryConfirmed")["evidence"] == "mdn"
    deleted = shown.replace(b"displayed", b"deleted")
    assert "DeliveryConfirmed" not in types(lines(folder(tmp_path / "2", mail(1), deleted)))


def test_exim_names_the_addresses_that_failed(tmp_path: Path) -> None:
    text = "Nothing that anybody could read.\n\nMessage-ID: <m2@desk.example>\n"
    failed = mail(3, text, X_Failed_Recipients="mia@post.example, bob@post.example", From="exim")
    found = lines(folder(tmp_path, mail(1), reply(2), failed))
    recipients = [e.fields["recipient"] for e in found if e.type == "DeliveryFailed"]
    assert recipients == ["bob@post.example", "mia@post.example"]


PROSE = """This is the mail system.

<mia@post.example>: user unknown

--- Below this line is a copy of the message.

Return-Path: <anna@desk.example>
Message-ID: <m2@desk.example>
To: mia@post.example

Hello
"""


def test_a_bounce_in_prose_is_read_by_flufl(tmp_path: Path) -> None:
    qmail = PROSE.replace("This is the mail system.", "Hi. This is the qmail-send program at a.b.")
    failed = mail(3, qmail, From="MAILER-DAEMON@a.example", Return_Path="<>")
    fields = one(lines(folder(tmp_path, mail(1), reply(2), failed)), "DeliveryFailed")
    assert (fields["kind"], fields["recipient"]) == ("permanent", "mia@post.example")


def test_of_what_flufl_finds_message_ids_and_ourselves_are_no_recipients(tmp_path: Path) -> None:
    text = PROSE.replace("This is the mail system.", "Hi. This is the qmail-send program at a.b.")
    text = text.replace("<mia@", "<m2@desk.example>:\nx\n\n<anna@desk.example>:\nx\n\n<mia@", 1)
    daemon = {"From": "MAILER-DAEMON@a.example", "To": "anna@desk.example"}
    found = lines(folder(tmp_path, mail(1), reply(2), mail(3, text, **daemon)))
    assert one(found, "DeliveryFailed")["recipient"] == "mia@post.example"


def test_the_fields_of_a_report_count_where_they_stand_in_a_text(tmp_path: Path) -> None:
    text = "Sorry.\n\nAction: failed\nFinal-Recipient: rfc822; mia@post.example\nStatus: 5.3.5\n\n"
    text += "Message-ID: <m2@desk.example>\n"
    daemon = {"From": "MAILER-DAEMON@a.example"}
    found = lines(folder(tmp_path, mail(1), reply(2), mail(3, text, **daemon)))
    fields = one(found, "DeliveryFailed")
    assert (fields["code"], fields["recipient"]) == ("5.3.5", "mia@post.example")


def test_without_flufl_the_code_in_the_text_counts_and_that_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "flufl.bounce", None)
    coded = PROSE.replace("user unknown", "452 4.2.2 mailbox full")
    daemon = {"From": "MAILER-DAEMON@a.example", "Return_Path": "<>"}
    place = folder(tmp_path, mail(1), reply(2), mail(3, coded, **daemon), mail(4, PROSE, **daemon))
    fields = one(lines(place), "DeliveryFailed")
    assert (fields["kind"], fields["code"]) == ("temporary", "4.2.2")
    assert fields["recipient"] == "mia@post.example"
    assert left_out(place) == ["a mail system's words that do not tell what happened"]
    assert sum("casestore[mail]" in each for each in remarks(place)) == 1


def test_where_flufl_raises_it_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import flufl.bounce

    def raising(_message: object) -> None:
        logging.getLogger("flufl.bounce").error("a traceback")
        raise IndexError

    monkeypatch.setattr(flufl.bounce, "all_failures", raising)
    place = folder(tmp_path, mail(1), reply(2), mail(3, PROSE, From="MAILER-DAEMON@a.example"))
    assert left_out(place) == ["a mail system's words that do not tell what happened"]
    assert caplog.records == []
    assert not logging.getLogger("flufl.bounce").disabled


def test_a_person_who_quotes_a_bounce_has_written(tmp_path: Path) -> None:
    quoted = PROSE.replace("This is the mail system.", "Hi. This is the qmail-send program at a.b.")
    found = lines(folder(tmp_path, mail(1), reply(2), mail(3, quoted)))
    assert types(found) == ["MessageReceived", "ReplySent", "MessageReceived"]


# --- reports and what they are about --------------------------------------------------------


def test_a_bounce_that_came_before_its_reply_by_the_clock_is_appended_after_it(
    tmp_path: Path, store: CaseStore
) -> None:
    early = bounce(9, "m2@desk.example", Date="Mon, 02 Mar 2026 07:00:00 +0100")
    done = into(store, folder(tmp_path / "in", early, mail(1), reply(2)))
    assert done.events["DeliveryFailed"] == 1


def test_a_bounce_about_a_mail_that_is_not_ours_is_left_out_and_says_what_to_do(
    tmp_path: Path,
) -> None:
    place = folder(tmp_path, mail(1), reply(2), bounce(3, "m2@desk.example"))
    (why,) = left_out(place, ours=())
    assert "--ours" in why
    assert any("--ours" in each for each in remarks(place, ours=()))


def test_a_bounce_about_an_unknown_mail_is_left_out_with_both_ids(tmp_path: Path) -> None:
    place = folder(tmp_path, bounce(3, "gone@desk.example"))
    (out,) = (each for each in reading(place) if isinstance(each, LeftOut))
    assert out.unreadable
    assert "b3@mx.example" in out.detail
    assert "gone@desk.example" in out.detail


@pytest.mark.parametrize(
    ("reply_id", "said"),
    [
        ("r-1", {"source": "m2@desk.example"}),
        ("r-1", {"source": "<m2@desk.example>"}),
        ("r-1", {"key": "<m2@desk.example>"}),
        ("<m2@desk.example>", {}),
        ("m2@desk.example", {}),
        (message_pseudonym("m2@desk.example"), {}),
    ],
)
def test_a_reply_that_a_service_recorded_is_found_by_a_later_bounce(
    tmp_path: Path, store_url: str, reply_id: str, said: dict[str, str]
) -> None:
    with CaseStore.create(store_url) as store:
        record_reply(store, reply_id, **said)
        into(store, folder(tmp_path / "in", bounce(3, "m2@desk.example")))
        (*_, last) = store.history("case:theirs")
        assert isinstance(last.event, DeliveryFailed)
        assert last.event.reply_id == reply_id


def test_an_answer_to_a_mail_that_the_store_has_goes_into_its_case(
    tmp_path: Path, store: CaseStore
) -> None:
    record_reply(store, "r-1", source="m2@desk.example")
    answer = mail(3, References="<m1@post.example> <m2@desk.example>")
    done = into(store, folder(tmp_path / "in", reply(2), answer))
    assert list(store.streams("case")) == ["case:theirs"]
    assert done.events == {"MessageReceived": 1}
    assert "a mail that the store has already, from elsewhere or as another kind of event" in (
        done.told.no_event
    )


def test_a_later_import_that_knows_an_earlier_mail_opens_no_second_case(
    tmp_path: Path, store: CaseStore
) -> None:
    second = mail(2, References="<m1@post.example>")
    into(store, folder(tmp_path / "first", second))
    earlier = mail(1, References="<m0@post.example>")
    into(store, folder(tmp_path / "both", earlier, second, mail(3, References="<m2@post.example>")))
    (case,) = store.streams("case")
    kinds = [type(each.event).__name__ for each in store.history(case)]
    assert kinds == ["CaseOpened", "MessageReceived", "MessageReceived", "MessageReceived"]


def test_again_appends_nothing_and_a_longer_export_extends(
    tmp_path: Path, store: CaseStore
) -> None:
    place = folder(tmp_path / "in", mail(1), reply(2))
    into(store, place)
    assert into(store, place).imported.appended == 0
    folder(place, mail(3, References="<m2@desk.example>"), bounce(4, "m2@desk.example"))
    done = into(store, place)
    assert done.imported.appended == 2
    assert into(store, place).imported.appended == 0


def test_other_addresses_of_ours_later_make_no_second_event_of_a_mail(
    tmp_path: Path, store: CaseStore
) -> None:
    place = folder(tmp_path / "in", mail(1), reply(2))
    into(store, place, ours=())
    assert into(store, place).imported.appended == 0


def test_two_instances_with_the_same_mails_meet_without_refusals(
    tmp_path: Path, store: CaseStore
) -> None:
    place = folder(tmp_path / "in", mail(1), reply(2))
    into(store, place, instance="a")
    assert into(store, place, instance="b").imported.appended == 0


def test_a_store_tells_the_reply_rather_than_the_message_and_no_voided_one(
    store: CaseStore,
) -> None:
    record_reply(store, "r-1", source="m2@desk.example")
    knows = StoreKnows(store)
    sought = {"m2@desk.example": "m-2", "none@desk.example": "m-none"}
    found = knows.mails(sought)
    assert found == {"m2@desk.example": KnownMail("case:theirs", "reply", "r-1", None)}
    (*_, sent) = store.history("case:theirs")
    store.append(
        "case:theirs",
        EventCorrected(
            occurred_at=THEN,
            actor=ANNA,
            event_id=sent.event_id,
            kind="voided",
            reason="misreported",
            authorised_by=ANNA,
        ),
    )
    assert knows.mails(sought) == {}


# --- one mail for a service -----------------------------------------------------------------


def test_events_reads_one_mail() -> None:
    found = mail_reader.events(mail(1), Options(ours=OURS))
    assert [each.type for each in found if isinstance(each, Line)] == [
        "CustomerRegistered",
        "CaseOpened",
        "MessageReceived",
    ]
    assert not [each for each in found if isinstance(each, LeftOut | Remark)]
