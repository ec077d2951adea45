"""A relay: what it sends, in which order, and what it keeps, on each database."""

from __future__ import annotations

import itertools
import json
import logging
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from standardwebhooks import Webhook as Standard

from casestore import CaseStore, HistoryChanged, KeyFileError, NotRelayed, StoreUnavailable
from casestore.doctor.examine import examine
from casestore.journal.url import PostgresUrl, parse_url
from casestore.privacy.erasure import erase
from casestore.relay import (
    Answer,
    Message,
    Pauses,
    Relay,
    Webhook,
    find_secrets,
    forget,
    parked_streams,
    parse_secrets,
    relays,
    retry,
)
from casestore.relay.checkpoints import checkpoints_of
from tests.support import stories
from tests.support.postgres_server import Server
from tests.support.receivers import WORD, Receiver, check, in_turn, receiving, wait_for

SECRETS = parse_secrets(WORD)
QUICK = Pauses(0.01, 0.05)


class Inbox:
    """A receiver within the process."""

    target = "inbox"

    def __init__(self, *refused: str) -> None:
        self.messages: list[Message] = []
        self.refused = set(refused)
        """Streams of which it takes nothing."""
        self.answer = Answer(False, "not that")

    def close(self) -> None:
        pass

    def send(self, message: Message) -> Answer:
        events = [json.loads(each) for each in message.events]
        if any(each["subject"] in self.refused for each in events):
            return self.answer
        self.messages.append(message)
        return Answer(True)

    @property
    def positions(self) -> list[int]:
        events = [each for message in self.messages for each in message.events]
        return [int(json.loads(each)["sequence"]) for each in events]


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as store:
        for number in (1, 2):
            store.append(f"case:{number}", stories.opened(customer_id=f"k{number}"), key="o")
        for number in range(3):
            store.append("case:1", stories.noted(text="he sighed"), key=f"n{number}")
            store.append("case:2", stories.noted(text="she swore"), key=f"n{number}")
        yield store


def recorded(store: CaseStore) -> list[tuple[str, str]]:
    return [(each.stream, each.uid) for each in store.read()]


def webhook(receiver: Receiver, **options: Any) -> Webhook:
    return Webhook(receiver.url, SECRETS, allow_private=True, **options)


# --- what is sent ---------------------------------------------------------------------------


def test_every_event_is_sent_once_signed_and_in_order(store: CaseStore) -> None:
    with receiving() as receiver:
        relay = Relay(store, "crm", webhook(receiver))
        relay.run(once=True)
        assert receiver.ids == [uid for _, uid in recorded(store)]
        assert relay.delivered == len(receiver.ids) == 10
        headers = receiver.log[0].headers
        assert headers["content-type"] == "application/cloudevents+json"
        assert headers["webhook-id"] == receiver.ids[0]
        Relay(store, "crm", webhook(receiver)).run(once=True)
        assert len(receiver.ids) == 10  # nothing is new
        store.append("case:1", stories.noted(), key="later")
        Relay(store, "crm", webhook(receiver)).run(once=True)
        assert len(receiver.ids) == 11
    (status,) = relays(store)
    assert (status.state, status.position, status.lag_events) == ("delivering", 11, 0)


def test_a_batch_is_a_list_named_after_the_store_and_its_positions(store: CaseStore) -> None:
    with receiving() as receiver:
        Relay(store, "crm", webhook(receiver), batch=4).run(once=True)
        check(receiver.taken, recorded(store))
    assert [len(each.events) for each in receiver.log] == [4, 4, 2]
    headers = receiver.log[1].headers
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert headers["webhook-id"] == f"{store.meta['store_id']}:5-8"


def test_while_a_secret_is_changed_each_of_the_two_signs(store: CaseStore) -> None:
    new = "whsec_" + "bmV3" * 8
    both = parse_secrets(f"{new}\n{WORD}\n")
    with receiving() as receiver:
        Relay(store, "crm", Webhook(receiver.url, both, allow_private=True)).run(once=True)
        headers = receiver.log[0].headers
    assert len(headers["webhook-signature"].split(" ")) == 2
    inbox = Inbox()
    Relay(store, "other", inbox).run(once=True)
    Standard(new).verify(inbox.messages[0].body, headers)


def test_only_the_types_asked_for_are_sent_and_the_others_are_no_lag(store: CaseStore) -> None:
    inbox = Inbox()
    Relay(store, "crm", inbox, types=["CaseOpened"]).run(once=True)
    assert len(inbox.positions) == 2
    assert [each.lag_events for each in relays(store)] == [0]
    with pytest.raises(ValueError, match="is no type of event"):
        Relay(store, "crm", inbox, types=["CaseOpend"])


def test_words_are_withheld_unless_they_are_asked_for_and_erased_ones_are_gone(
    store: CaseStore,
) -> None:
    def bodies(**options: Any) -> str:
        inbox = Inbox()
        Relay(store, f"r{len(relays(store))}", inbox, **options).run(once=True)
        return "".join(each.body.decode() for each in inbox.messages)

    assert "sighed" not in bodies()
    assert "sighed" in bodies(reveal=True)
    customer = next(each.customer_id for each in store.read() if each.stream == "case:1")
    erase(store, str(customer), basis="gdpr-17", actor=stories.ANNA)
    told = bodies(reveal=True)
    assert "sighed" not in told
    assert '"personal":"erased"' in told


def test_what_was_imported_long_after_it_happened_is_sent_only_if_asked_for(
    store: CaseStore,
) -> None:
    old = stories.noted()
    store.append("case:1", old, key="k1", source="zendesk:acme")
    news = datetime.now(UTC) - timedelta(minutes=5)
    store.append("case:1", stories.noted(at=news), key="k2", source="mail")
    store.append("case:2", old, key="k3")
    inbox, all_of_it = Inbox(), Inbox()
    relay = Relay(store, "crm", inbox, from_position=11)
    relay.run(once=True)
    assert inbox.positions == [12, 13]
    assert relay.history == 1
    Relay(store, "all", all_of_it, from_position=11, imported=True).run(once=True)
    assert all_of_it.positions == [11, 12, 13]


# --- where it begins ------------------------------------------------------------------------


def test_a_new_relay_begins_where_it_is_told_and_an_old_one_goes_on(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    Relay(store, "crm", inbox, from_position=9).run(once=True)
    assert inbox.positions == [9, 10]
    store.append("case:1", stories.noted(), key="later")
    Relay(store, "crm", inbox, from_position=1).run(once=True)
    assert inbox.positions == [9, 10, 11]
    assert "only a new one heeds --from-position" in caplog.text
    with pytest.raises(ValueError, match="there is no position 13: the last one is 11"):
        Relay(store, "new", inbox, from_position=13).run(once=True)
    Relay(store, "new", inbox, from_position=12).run(once=True)
    assert inbox.positions == [9, 10, 11]


@pytest.mark.parametrize("name", ["", "Crm", "a/b", "../x", "x" * 41, "-x"])
def test_a_name_that_could_not_be_a_file_s_is_refused(store: CaseStore, name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a relay"):
        Relay(store, name, Inbox())


def test_a_relay_follows_until_it_is_stopped(store: CaseStore) -> None:
    inbox, stop = Inbox(), threading.Event()
    thread = threading.Thread(
        daemon=True, target=Relay(store, "crm", inbox).run, kwargs={"stop": stop}
    )
    thread.start()
    wait_for(lambda: len(inbox.positions) == 10)
    store.append("case:2", stories.noted(), key="later")
    wait_for(lambda: len(inbox.positions) == 11)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert [each.position for each in relays(store)] == [11]


# --- when it is not taken -------------------------------------------------------------------


def test_what_is_not_taken_is_tried_again_later_and_nothing_overtakes_it(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [
        "500",
        "",
        "redirect",
        "busy",
        "garbage",
        "close",
        "vanish",
        "half",
        "400",
        "huge",
        "headers",
    ]
    with receiving(in_turn(faults)) as receiver:
        thread, stop = None, threading.Event()
        relay = Relay(store, "crm", webhook(receiver), pauses=QUICK)
        thread = threading.Thread(daemon=True, target=relay.run, kwargs={"stop": stop})
        thread.start()
        wait_for(lambda: len(set(receiver.ids)) == 10)
        stop.set()
        thread.join(5)
        check(receiver.taken, recorded(store))
        assert receiver.ids == [uid for _, uid in recorded(store)]
        assert all(each.headers.get("host", "").startswith("127.0.0.1") for each in receiver.log)
    for why in ("answered 500", "redirects are not followed", "is not HTTP", "connection ended"):
        assert why in caplog.text


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_receiver_that_hangs_or_drips_costs_no_more_than_its_time(
    store: CaseStore, fault: str
) -> None:
    with receiving(in_turn([fault])) as receiver:
        with pytest.raises(NotRelayed, match=r"no answer within 0\.3 s"):
            Relay(store, "crm", webhook(receiver, answer_within=0.3)).run(once=True)
        retry(store, "crm")
        Relay(store, "crm", webhook(receiver)).run(once=True)
        check(receiver.taken, recorded(store))


def test_an_answer_of_any_size_is_no_trouble(store: CaseStore) -> None:
    with receiving(in_turn(["huge-200"])) as receiver:
        Relay(store, "crm", webhook(receiver)).run(once=True)
        assert receiver.ids == [uid for _, uid in recorded(store)]


def test_the_name_is_free_as_soon_as_a_relay_has_ended(store: CaseStore) -> None:
    for _ in range(30):
        Relay(store, "crm", Inbox()).run(once=True)


def test_with_once_a_failure_ends_it_and_the_next_time_heeds_the_pause(store: CaseStore) -> None:
    inbox = Inbox("case:2")
    again = r"4 was not taken: not that; it may try again from 20\S+Z on"
    with pytest.raises(NotRelayed, match=again):
        Relay(store, "crm", inbox).run(once=True)
    with pytest.raises(NotRelayed, match="waits until"):
        Relay(store, "crm", Inbox()).run(once=True)
    (status,) = relays(store)
    assert (status.state, status.attempts, status.position) == ("failing", 1, 3)
    assert status.next_attempt is not None
    assert retry(store, "crm")
    after = Inbox()
    Relay(store, "crm", after).run(once=True)
    assert inbox.positions + after.positions == [each.position for each in store.read()]


def test_a_receiver_that_is_gone_stops_the_relay_until_somebody_has_looked(
    store: CaseStore,
) -> None:
    with receiving(in_turn(["", "gone"])) as receiver:
        for _ in range(2):
            with pytest.raises(NotRelayed, match="the receiver wants no more"):
                Relay(store, "crm", webhook(receiver)).run(once=True)
        assert len(receiver.log) == 2
        assert [each.state for each in relays(store)] == ["stopped"]
        retry(store, "crm")
        Relay(store, "crm", webhook(receiver)).run(once=True)
        check(receiver.taken, recorded(store))


def test_after_the_time_it_is_given_the_relay_stops(store: CaseStore) -> None:
    hours = itertools.count()
    begun = datetime(2026, 9, 1, tzinfo=UTC)
    inbox = Inbox("customer:k1")
    relay = Relay(store, "crm", inbox, clock=lambda: begun + timedelta(hours=next(hours)))
    with pytest.raises(NotRelayed, match=r"not that, since 2026-09-01T00:00:00Z; when that is"):
        relay.run()
    (status,) = relays(store)
    assert (status.state, status.position) == ("stopped", 0)
    assert 10 <= status.attempts <= 25


def test_or_it_puts_the_stream_aside_and_sends_it_when_told_to(store: CaseStore) -> None:
    inbox = Inbox("case:2")
    options: dict[str, Any] = {"park": True, "give_up": timedelta(), "batch": 5, "pauses": QUICK}
    relay = Relay(store, "crm", inbox, **options)
    stop = threading.Event()
    thread = threading.Thread(daemon=True, target=relay.run, kwargs={"stop": stop})
    thread.start()
    wait_for(lambda: parked_streams(store))
    wait_for(lambda: relays(store)[0].lag_events == 0)
    stop.set()
    thread.join(5)
    case_2 = [each.position for each in store.read() if each.stream == "case:2"]
    others = [each.position for each in store.read() if each.stream != "case:2"]
    assert sorted(inbox.positions) == others
    (parked,) = parked_streams(store, "crm")
    assert (parked.stream, parked.position) == ("case:2", case_2[0])
    assert "not that" in parked.error
    assert relays(store)[0].parked == 1
    # It stays aside until somebody tries again; and again if it is still not taken.
    store.append("case:2", stories.noted(), key="later")
    Relay(store, "crm", inbox, **options).run(once=True)
    assert retry(store, "crm")
    Relay(store, "crm", inbox, **options).run(once=True)
    assert [each.due for each in parked_streams(store)] == [False]
    assert sorted(inbox.positions) == others
    inbox.refused.clear()
    inbox.messages.clear()
    assert retry(store, "crm")
    Relay(store, "crm", inbox, **options).run(once=True)
    assert inbox.positions == [*case_2, 11]
    assert parked_streams(store) == []


def test_a_clock_that_went_back_delays_nothing_and_keeps_no_relay_from_stopping(
    store: CaseStore,
) -> None:
    now = [datetime(2036, 9, 1, tzinfo=UTC)]
    inbox = Inbox("case:1")
    options: dict[str, Any] = {"clock": lambda: now[0], "give_up": timedelta(hours=2)}
    with pytest.raises(NotRelayed, match="was not taken: not that"):
        Relay(store, "crm", inbox, **options).run(once=True)
    now[0] = datetime(2026, 9, 1, tzinfo=UTC)
    with pytest.raises(NotRelayed, match="was not taken: not that"):  # it has tried
        Relay(store, "crm", inbox, **options).run(once=True)
    with pytest.raises(NotRelayed, match="waits until 2026-09-01T00:00"):
        Relay(store, "crm", inbox, **options).run(once=True)
    now[0] += timedelta(hours=2)
    with pytest.raises(NotRelayed, match=r"stops: .* since 2026-09-01T00:00:00Z"):
        Relay(store, "crm", inbox, **options).run(once=True)


def test_while_nothing_can_be_kept_the_same_is_not_sent_again_and_again(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a full disk: else a receiver got the same event ten times a second, for hours."""
    inbox, stop = Inbox(), threading.Event()
    Relay(store, "crm", inbox, from_position=11).run(once=True)
    with full_disk(store):
        store.append("case:1", stories.noted(), key="later")
        relay = Relay(store, "crm", inbox)
        thread = threading.Thread(daemon=True, target=relay.run, kwargs={"stop": stop})
        thread.start()
        wait_for(lambda: "is interrupted" in caplog.text)
        time.sleep(2)
        assert len(inbox.positions) <= 1
        assert caplog.text.count("is interrupted") == 1
    wait_for(lambda: relays(store)[0].position == 11)
    stop.set()
    thread.join(10)
    assert set(inbox.positions) == {11}


@contextmanager
def full_disk(store: CaseStore) -> Iterator[None]:
    """Nothing can be written to the checkpoints."""
    with closing(checkpoints_of(store)) as checkpoints:
        at = checkpoints.at("relays")
        if isinstance(parse_url(store.url), PostgresUrl):
            body = "BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END"
            schema = at.partition(".")[0]
            made = f"CREATE FUNCTION {schema}.full() RETURNS trigger LANGUAGE plpgsql AS"
            checkpoints.run(f"{made} $${body}$$")
            trigger = f"CREATE TRIGGER no_space BEFORE UPDATE ON {at} FOR EACH ROW EXECUTE"
            checkpoints.run(f"{trigger} FUNCTION {schema}.full()")
            drop = f"DROP TRIGGER no_space ON {at}"
        else:
            fail = "SELECT RAISE(ABORT, 'database or disk is full')"
            checkpoints.run(f"CREATE TRIGGER no_space BEFORE UPDATE ON {at} BEGIN {fail}; END")
            drop = "DROP TRIGGER no_space"
        try:
            yield
        finally:
            checkpoints.run(drop)


def test_a_relay_that_ended_because_of_an_event_is_told_of_as_failing(
    store: CaseStore, tmp_path: Path
) -> None:
    (key_file,) = (each for each in tmp_path.rglob("*") if each.name in ("key", "store.key"))
    kept = key_file.read_bytes()
    key_file.unlink()
    try:
        with CaseStore.open(store.url) as other, pytest.raises(KeyFileError):
            Relay(other, "crm", Inbox(), reveal=True).run(once=True)
    finally:
        key_file.write_bytes(kept)
        key_file.chmod(0o600)
    (status,) = relays(store)
    assert (status.state, status.attempts) == ("failing", 0)
    (finding,) = (each for each in examine(store) if each.check == "relays")
    assert finding.level == "warning"
    assert "has ended: " in finding.what
    assert finding.do == "mend that, and start the relay crm again"
    assert retry(store, "crm")
    assert [(each.state, each.last_error) for each in relays(store)] == [("delivering", None)]


def test_a_name_that_sends_elsewhere_from_now_on_says_so(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Two relays by mistake under one name: each would get a part."""
    inbox, other = Inbox(), Inbox()
    other.target = "elsewhere"
    Relay(store, "crm", inbox).run(once=True)
    assert caplog.text == ""
    Relay(store, "crm", other).run(once=True)
    told = "the relay crm sends to elsewhere what comes after position 10: before that, to inbox"
    assert told in caplog.text


@pytest.mark.parametrize("batch", [None, 3])
def test_in_whatever_order_streams_are_put_aside_and_tried_again_each_keeps_its_own(
    store: CaseStore, batch: int | None
) -> None:
    chance = random.Random(17)
    inbox = Inbox()
    options: dict[str, Any] = {"park": True, "give_up": timedelta(), "pauses": Pauses(0, 0)}

    def run() -> None:
        # With batches, a first failure is tried again, alone.
        for _ in range(20):
            with suppress(NotRelayed):
                Relay(store, "crm", inbox, batch=batch, **options).run(once=True)
                return

    for number in range(60):
        for _ in range(chance.randrange(3)):
            stream = f"case:{chance.choice((1, 2))}"
            store.append(stream, stories.noted(), key=f"{number}-{chance.random()}")
        inbox.refused = {each for each in ("case:1", "case:2") if chance.random() < 0.4}
        if chance.random() < 0.5:
            retry(store, "crm")
        run()
    inbox.refused = set()
    retry(store, "crm")
    run()
    assert parked_streams(store) == []
    events = [json.loads(each) for message in inbox.messages for each in message.events]
    check(events, recorded(store))
    assert len(events) == len(recorded(store))


# --- two of one name, and a store that is another one ----------------------------------------


def test_a_second_relay_of_a_name_waits_for_the_first(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    inbox, second, stops = Inbox(), Inbox(), [threading.Event(), threading.Event()]
    with CaseStore.open(store.url) as other:
        runs = [
            threading.Thread(
                daemon=True, target=Relay(store, "crm", inbox).run, kwargs={"stop": stops[0]}
            ),
            threading.Thread(
                daemon=True, target=Relay(other, "crm", second).run, kwargs={"stop": stops[1]}
            ),
        ]
        runs[0].start()
        wait_for(lambda: len(inbox.positions) == 10)
        runs[1].start()
        wait_for(lambda: "another process relays as crm: this one waits" in caplog.text)
        with pytest.raises(NotRelayed, match="crm is relaying; stop it first"):
            forget(store, "crm")
        with pytest.raises(NotRelayed, match="another process relays as crm"):
            Relay(store, "crm", Inbox()).run(once=True)
        Relay(store, "other-name", Inbox()).run(once=True)
        stops[0].set()
        runs[0].join(5)
        store.append("case:1", stories.noted(), key="later")
        wait_for(lambda: second.positions == [11])
        stops[1].set()
        runs[1].join(5)
    assert not any(run.is_alive() for run in runs)


def test_where_one_has_ended_the_next_has_the_name_at_once(store: CaseStore) -> None:
    """Otherwise a relay --once that follows another would find the name taken."""
    with closing(checkpoints_of(store)) as one, closing(checkpoints_of(store)) as other:
        for _ in range(100):
            with one.lease("crm") as has_lease:
                assert has_lease
            with other.lease("crm") as has_lease:
                assert has_lease


def test_a_relay_that_is_forgotten_while_it_runs_stops(store: CaseStore) -> None:
    inbox = Inbox()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            Relay(store, "crm", inbox).run()
        except NotRelayed as error:
            failed.append(error)

    thread = threading.Thread(daemon=True, target=run)
    thread.start()
    wait_for(lambda: len(inbox.positions) == 10)
    wait_for(lambda: relays(store)[0].position == 10)
    with closing(checkpoints_of(store)) as checkpoints:
        assert checkpoints.forget("crm")
    thread.join(10)
    assert "has no checkpoint any more" in str(failed[0])
    assert relays(store) == []


def test_a_store_that_was_restored_and_went_on_differently_stops_it(store: CaseStore) -> None:
    inbox = Inbox()
    Relay(store, "crm", inbox).run(once=True)
    with closing(checkpoints_of(store)) as checkpoints:
        point = checkpoints.load("crm")
        assert point is not None
        assert point.after is not None
        checkpoints.save(point._replace(after=point.after._replace(recorded_us=1)))
    for _ in range(2):
        with pytest.raises(HistoryChanged, match=r"`casestore relay forget crm`, and begin with"):
            Relay(store, "crm", inbox).run(once=True)
    assert [each.state for each in relays(store)] == ["history changed"]
    assert len(inbox.positions) == 10
    assert forget(store, "crm")
    Relay(store, "crm", inbox, from_position=10).run(once=True)
    assert inbox.positions[10:] == [10]


def test_without_a_relay_there_is_nothing_of_it(store: CaseStore) -> None:
    assert relays(store) == []
    assert parked_streams(store) == []
    assert not retry(store, "crm")
    assert not forget(store, "crm")


def test_a_store_that_is_closed_ends_the_relay(store: CaseStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable):
        Relay(store, "crm", Inbox()).run()


def test_the_log_says_nothing_of_what_went_well(
    store: CaseStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "casestore")
    Relay(store, "crm", Inbox()).run(once=True)
    assert caplog.records == []


def test_the_secret_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASESTORE_RELAY_SECRET", WORD)
    assert find_secrets() == SECRETS


# --- PostgreSQL ---------------------------------------------------------------------------------


def test_a_relay_goes_on_after_the_server_was_restarted(
    postgres_server: Server, tmp_path: Path
) -> None:
    url = f"{postgres_server.url}&schema=relayed"
    inbox, stop = Inbox(), threading.Event()
    with CaseStore.create(url, key_file=tmp_path / "key") as store:
        store.append("case:1", stories.opened(), key="o")
        run = threading.Thread(
            daemon=True, target=Relay(store, "crm", inbox).run, kwargs={"stop": stop}
        )
        run.start()
        wait_for(lambda: [each.position for each in relays(store)] == [2])
        postgres_server.stop()
        postgres_server.start()
        store.append("case:1", stories.noted(), key="later")
        wait_for(lambda: relays(store)[0].position == 3)
        assert run.is_alive()
        # Where the session ended before the checkpoint was kept, the event comes again.
        assert inbox.positions in ([1, 2, 3], [1, 2, 3, 3])
        stop.set()
        run.join(10)
        assert not run.is_alive()


def test_who_loses_the_lease_while_it_sends_sends_nothing_more(postgres_schema_url: str) -> None:
    """Its session was ended, and another one took over: what was in flight comes twice."""
    with CaseStore.create(postgres_schema_url, sealed=False) as store:
        for number in range(6):
            store.append(
                "case:1", stories.opened() if not number else stories.noted(), key=f"{number}"
            )
        came: list[tuple[str, int]] = []
        go, stops = threading.Event(), [threading.Event(), threading.Event()]

        def receiver(name: str) -> Inbox:
            inbox = Inbox()

            def send(message: Message) -> Answer:
                position = int(json.loads(message.body)["sequence"])
                if (name, position) == ("first", 3):
                    assert go.wait(20)
                came.append((name, position))
                return Answer(True)

            inbox.send = send  # type: ignore[method-assign]
            return inbox

        runs = [
            threading.Thread(
                daemon=True, target=Relay(store, "crm", receiver(name)).run, kwargs={"stop": stop}
            )
            for name, stop in zip(("first", "second"), stops, strict=True)
        ]
        runs[0].start()
        wait_for(lambda: ("first", 2) in came)
        where = parse_url(postgres_schema_url)
        assert isinstance(where, PostgresUrl)
        with psycopg.connect(where.conninfo, autocommit=True) as connection:
            key = f"hashtextextended('casestore relay {where.schema} crm', 4711)"
            (ended,) = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                f"AND (classid::bigint << 32 | objid::bigint) = {key}".encode()
            ).fetchall()
            assert ended == (True,)
        runs[1].start()
        last = len(list(store.read()))
        wait_for(lambda: ("second", last) in came)
        go.set()
        wait_for(lambda: ("first", 3) in came)
        store.append("case:1", stories.noted(), key="later")
        wait_for(lambda: ("second", last + 1) in came)
        for stop, run in zip(stops, runs, strict=True):
            stop.set()
            run.join(10)
            assert not run.is_alive()
        assert came == [
            *[("first", each) for each in (1, 2)],
            *[("second", each) for each in range(3, last + 1)],
            ("first", 3),
            ("second", last + 1),
        ]


def test_behind_a_pooler_it_needs_the_server_itself(postgres_schema_url: str) -> None:
    with CaseStore.create(postgres_schema_url, sealed=False):
        pass
    with (
        CaseStore.open(f"{postgres_schema_url}&prepare_threshold=none") as store,
        pytest.raises(StoreUnavailable, match="name the server itself in listen_url"),
    ):
        Relay(store, "crm", Inbox()).run()


def test_who_may_not_read_the_checkpoints_is_told_so(postgres_schema_url: str) -> None:
    with CaseStore.create(postgres_schema_url, sealed=False) as store:
        store.append("case:1", stories.opened(), key="o")
        Relay(store, "crm", Inbox()).run(once=True)
        where = parse_url(postgres_schema_url)
        assert isinstance(where, PostgresUrl)
        role = f"{where.schema}_reader"
        with psycopg.connect(where.conninfo, autocommit=True) as connection:
            for statement in (
                f"CREATE ROLE {role} LOGIN",
                f"GRANT USAGE ON SCHEMA {where.schema} TO {role}",
                f"GRANT SELECT ON {where.schema}.stored_events TO {role}",
                f"GRANT SELECT ON {where.schema}.customer_keys TO {role}",
                f"GRANT SELECT ON {where.schema}.casestore_meta TO {role}",
            ):
                connection.execute(statement.encode())
            try:
                url = postgres_schema_url.replace("//postgres@", f"//{role}@")
                with CaseStore.open(url) as other:
                    with pytest.raises(StoreUnavailable, match="permission denied"):
                        relays(other)
                    (finding,) = (each for each in examine(other) if each.check == "relays")
                    assert (finding.level, finding.where) == ("warning", "how far they are")
            finally:
                connection.execute(f"DROP OWNED BY {role}".encode())
                connection.execute(f"DROP ROLE {role}".encode())
