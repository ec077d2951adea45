"""Import and export: a good line is kept whole, and a bad line is refused with its number."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from casestore import CaseStore, IdempotencyConflict
from casestore.transfer.ndjson import MAX_LINE, export_lines, import_lines
from tests.support.notes import note, opened

AT = "2026-03-02T10:00:00+01:00"
AGENT = {"kind": "agent", "id": "anna"}
OPENED = {"occurred_at": AT, "actor": AGENT, "customer_id": "c1", "channel": "email"}


@pytest.fixture
def store(store_url: str) -> Iterator[CaseStore]:
    with CaseStore.create(store_url) as made:
        yield made


def line(stream: str = "case:1", type_: str = "CaseOpened", **more: Any) -> bytes:
    data = more.pop("data", OPENED)
    return json.dumps({"stream": stream, "type": type_, "data": data, **more}).encode()


def said(text: str, **more: Any) -> bytes:
    data = {"occurred_at": AT, "actor": AGENT, "text": text}
    return line(type_="NoteAdded", data=data, **more)


GOOD = [line(key="k1"), said("first"), said("first"), said("second", source="crm")]


def test_a_file_is_imported_once(store: CaseStore) -> None:
    assert import_lines(store, GOOD)[1:4] == (4, 0, ())
    assert import_lines(store, GOOD)[1:4] == (0, 4, ())
    history = store.history("case:1", reveal=True)
    texts = [getattr(recorded.event, "text", None) for recorded in history]
    assert texts == [None, "first", "first", "second"]
    assert history.effective[3].metadata.source == "crm"


def test_blank_lines_and_a_byte_order_mark_do_not_matter(store: CaseStore) -> None:
    lines = [b"\xef\xbb\xbf" + GOOD[0] + b"\r\n", b"\n", b"  \n", *GOOD[1:]]
    assert import_lines(store, lines)[:3] == (4, 4, 0)


def test_customers_whom_the_store_registers_are_counted(store: CaseStore) -> None:
    other = line("case:2", data=OPENED | {"customer_id": "k2"})
    before = store._recorder.last_position()
    done = import_lines(store, [*GOOD, other])
    assert store._recorder.last_position() - before == done.appended + done.registered
    assert done.registered == 2
    assert import_lines(store, [*GOOD, other]).registered == 0


def test_an_empty_file_is_no_error(store: CaseStore) -> None:
    assert import_lines(store, []) == (0, 0, 0, (), 0)


def without(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}


BAD = {
    "broken JSON": (b'{"stream":"case:1"', "not a JSON object"),
    "no JSON at all": (b"case:1,CaseOpened", "not a JSON object"),
    "binary junk": (bytes(range(128, 256)) * 20, "not a JSON object"),
    "zero bytes": (b"\x00" * 40, "not a JSON object"),
    "a list": (b"[1,2]", "Expected `object`"),
    "not UTF-8": (line().replace(b"anna", b"ann\xff"), "anna|UTF-8|utf-8|unicode|Invalid"),
    "not UTF-8 outside": (line().replace(b"case:1", b"case:\xff"), "UTF-8|utf-8|malformed"),
    "a field of the line unknown": (line(customer="c1"), "unknown field `customer`"),
    "a field of the line missing": (b'{"stream":"case:1","type":"NoteAdded"}', "missing.*`data`"),
    "unknown type": (line(type_="CaseOpend"), "unknown event type 'CaseOpend'"),
    "unknown field": (line(data=OPENED | {"chanel": "web"}), r"CaseOpened\.chanel unknown field"),
    "missing field": (line(data=without(OPENED, "channel")), r"CaseOpened\.channel is missing"),
    "naive datetime": (line(data=OPENED | {"occurred_at": "2026-03-02T10:00:00"}), "no time zone"),
    "a number for a time": (line(data=OPENED | {"occurred_at": 1772445600}), "not a time"),
    "a number in text for a time": (line(data=OPENED | {"occurred_at": "1772445600"}), "not a t"),
    "a date for a time": (line(data=OPENED | {"occurred_at": "2026-03-02"}), "no time zone"),
    "not a time": (line(data=OPENED | {"occurred_at": "yesterday"}), "is not a time"),
    "a number for text": (line(data=OPENED | {"customer_id": 7}), "customer_id should be a valid"),
    "text for a list": (line(data=OPENED | {"actor": "anna"}), "CaseOpened.actor"),
    "a value not in the list": (
        line(data=OPENED | {"channel": "fax"}),
        "channel should be 'phone'",
    ),
    "null for what must be there": (line(data=OPENED | {"channel": None}), "channel should be"),
    "unknown stream kind": (line(stream="ticket:1"), "is not a stream"),
    "an id with a control character": (line(stream="case:a\u0007"), "no control characters"),
    "an id in the data with one": (line(data=OPENED | {"customer_id": "a\nb"}), "character"),
    "an id too long": (line(stream="case:" + "x" * 201), "1 to 200"),
    "a stream of another kind": (line(stream="customer:c1"), "does not belong"),
    "a key with a control character": (line(key="a\x00b"), "control characters"),
    "an empty key": (line(key=""), "1 to 200"),
    "an event id that is none": (line(event_id="7"), "event_id"),
    "a field twice": (line().replace(b'"kind"', b'"id": "x", "kind"'), "'id' stands there twice"),
    "a field twice, escaped": (
        line().replace(b'"kind"', b'"\\u0069d": "x", "kind"'),
        "'id' stands there twice",
    ),
    "a field twice, with a newline": (
        line().replace(b'"kind"', b'"id"\n: "x", "kind"'),
        "'id' stands there twice",
    ),
    "a number of 5,000 digits": (
        line(data=OPENED | {"customer_id": 7}).replace(b": 7", b" : " + b"7" * 5000),
        "customer_id|too large|out of range|not a JSON object",
    ),
    "nested too deeply": (line().replace(b'"anna"', b"[" * 100_000), "nested|recursion|JSON"),
    "nested too deeply outside": (b'{"stream":' + b"[" * 100_000, "nested|Expected `str`"),
    "nested too deeply in a policy": (
        line(
            stream="policy",
            type_="PolicyAdopted",
            data={"occurred_at": AT, "actor": AGENT, "name": "p", "effective_from": AT},
        ).replace(b'"name"', b'"policy": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b', "name"'),
        "nested|recursion|JSON",
    ),
    "too long": (said("x" * MAX_LINE), "longer than 8 MiB"),
    "structure": (
        line(type_="CaseReopened", data=without(OPENED, "customer_id", "channel")),
        "open",
    ),
    "a date for no date": (
        line(
            stream="customer:c1",
            type_="CustomerRegistered",
            data={"occurred_at": AT, "actor": AGENT, "since": "9999-12-31T23:59:59Z"},
        ),
        "since 9999-12-31T23:59:59.* at an end of the calendar; .* leave since out",
    ),
    "received after it was opened": (
        line(data=OPENED | {"received_at": "2027-03-02T10:00:00Z"}),
        "received_at is after occurred_at; a case is opened when, or after, it came in",
    ),
    "a currency that there is not": (
        line(
            stream="policy",
            type_="PolicyAdopted",
            data={
                "occurred_at": AT,
                "actor": AGENT,
                "name": "p",
                "effective_from": AT,
                "policy": {"goodwill": {"per_year": {"ZZZ": "5"}}},
            },
        ),
        "goodwill.per_year.ZZZ: is no currency; write its ISO 4217 code",
    ),
    "from the future": (line(data=OPENED | {"occurred_at": "2999-01-01T00:00:00Z"}), "ahead"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_named_and_nothing_of_it_kept(store: CaseStore, name: str) -> None:
    bad, why = BAD[name]
    lines = [GOOD[0], bad, GOOD[1]] if name == "structure" else [bad, *GOOD[:2]]
    at = lines.index(bad) + 1
    imported = import_lines(store, lines, on_error="skip")
    ((number, message),) = imported.refused
    assert number == at
    assert re.search(why, message), message
    assert "\n" not in message
    assert len(message) < 500
    assert imported.appended == 2
    assert len(list(store.read())) == 3


def test_stop_keeps_everything_before_the_bad_line(store: CaseStore) -> None:
    imported = import_lines(store, [*GOOD[:2], BAD["unknown type"][0], *GOOD[2:], b"{"])
    assert imported.appended == 2
    assert [refusal.line for refusal in imported.refused] == [3]
    assert len(list(store.read())) == 3
    assert import_lines(store, GOOD).appended == 2


def test_stop_stops_at_the_first_refusal_by_structure_too(store: CaseStore) -> None:
    imported = import_lines(store, [GOOD[0], line(key="again"), said("after")])
    assert [refusal.line for refusal in imported.refused] == [2]
    assert [r.type for r in store.read()] == ["CustomerRegistered", "CaseOpened"]


def test_a_refused_line_leaves_no_key_and_no_customer_behind(store: CaseStore) -> None:
    ahead = OPENED | {"occurred_at": "2999-01-01T00:00:00Z", "subject": "x", "customer_id": "new"}
    import_lines(store, [line(data=ahead), *GOOD], on_error="skip")
    assert list(store.streams("customer")) == ["customer:c1"]
    held = store._recorder.fetch(f"SELECT customer_id FROM {store._recorder.keys_table}")
    assert held == [("c1",)]


def test_the_same_key_for_other_content_is_refused(store: CaseStore) -> None:
    import_lines(store, [*GOOD, said("a", key="same")])
    ((_, message),) = import_lines(store, [said("b", key="same")]).refused
    assert "used before for something else" in message


def test_personal_text_never_stands_in_a_refusal(store: CaseStore) -> None:
    canary = "canary-5f1c"
    lines = [
        said(canary, key="bad\x00"),
        line(data=OPENED | {"subject": [canary]}),
        line(data=OPENED | {"subject": canary, "channel": canary}),
        said(canary),
        said(canary).replace(b'"text"', b'"txt"'),
        said(canary)[:-3],
        said(canary).replace(b'"NoteAdded"', b"17"),
    ]
    imported = import_lines(store, lines, on_error="skip")
    assert len(imported.refused) == len(lines)
    assert canary not in str(imported)


def test_the_last_of_a_thousand_lines_shares_the_commit(store: CaseStore) -> None:
    steps: list[int] = []
    lines = [line(f"case:{n}", data=OPENED | {"customer_id": f"c{n % 7}"}) for n in range(2500)]
    assert import_lines(store, lines, progress=steps.append).appended == 2500
    assert steps == [1000, 2000, 2500]


def test_a_commit_takes_fewer_large_lines(store: CaseStore) -> None:
    steps: list[int] = []
    lines = [line(), *(said("x" * 1_500_000) for _ in range(7)), *(said("y") for _ in range(9))]
    assert import_lines(store, lines, progress=steps.append).appended == 17
    assert steps == [4, 7, 17]


def test_the_memory_of_an_import_does_not_grow_with_the_number_of_large_lines(
    tmp_path: Path,
) -> None:
    def peak(lines: int) -> int:
        with CaseStore.create(f"sqlite:///{tmp_path}/{lines}.db") as store:
            import_lines(store, [line()])
            large = (said("x" * 2_000_000, key=f"k{n}") for n in range(lines))
            tracemalloc.start()
            try:
                assert import_lines(store, large).appended == lines
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    assert peak(60) < 1.5 * peak(6) < 60_000_000


LONG = "\x1b" + "\u202e" * 3 + "x" * 5_000_000


def added(fields: dict[str, Any]) -> bytes:
    return json.dumps(json.loads(line()) | fields).encode()


ECHOES = {
    "type": line(type_=LONG),
    "stream": line(stream=LONG),
    "id": line(stream=f"case:{LONG}"),
    "key": said("a", key=LONG),
    "source": said("a", source=LONG),
    "event id": said("a", event_id=LONG),
    "time of recording": said("a", recorded_at=LONG),
    "field of the line": added({LONG: 1}),
    "field of the data": line(data=OPENED | {LONG: 1}),
    "field of a value": line(data=OPENED | {"actor": AGENT | {LONG: 1}}),
    "choice": line(data=OPENED | {"channel": LONG}),
    "currency": line(type_="GestureGiven", data={"value": {"amount": "1", "currency": LONG}}),
    "field twice": line().replace(b'"anna"', b'"anna","%s":1,"%s":1' % (b"a" * 900, b"a" * 900)),
}


@pytest.mark.parametrize("given", ECHOES.values(), ids=ECHOES)
def test_a_refusal_quotes_a_little_of_what_was_given(store: CaseStore, given: bytes) -> None:
    (refusal,) = import_lines(store, [given]).refused
    assert len(refusal.message) < 1000
    assert refusal.message.isprintable()


def export(store: CaseStore, **how: Any) -> list[dict[str, Any]]:
    return [json.loads(each) for each in export_lines(store, **how)]


def test_an_export_withholds_what_is_personal(store: CaseStore) -> None:
    store.append("case:1", opened(subject="canary"), note("canary"), note(None), key="k")
    withheld = export(store)
    assert "canary" not in json.dumps(withheld)
    assert [each.get("personal") for each in withheld] == [None, "withheld", "withheld", None]
    assert [each.get("events") for each in withheld] == [None, 3, 3, 3]
    assert [each["data"].get("text") for each in export(store, reveal=True)[2:]] == ["canary", None]
    assert [each["type"] for each in export(store, stream="case:1")] == [
        "CaseOpened",
        "NoteAdded",
        "NoteAdded",
    ]


def test_a_withheld_export_can_be_imported_and_changes_nothing_here(
    store: CaseStore, tmp_path: Path
) -> None:
    store.append("case:1", opened(), note())
    lines = list(export_lines(store))
    assert import_lines(store, lines)[1:4] == (0, 3, ())
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert import_lines(copy, lines)[1:4] == (3, 0, ())
        events = [recorded.event for recorded in copy.history("case:1", reveal=True)]
        assert events == [opened(subject=None), note(None)]


def test_a_service_can_retry_in_the_store_that_its_events_were_moved_to(
    store: CaseStore, tmp_path: Path
) -> None:
    first = store.append("case:1", opened(), note(), key="k")
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        import_lines(copy, export_lines(store, reveal=True))
        assert copy.append("case:1", opened(), note(), key="k").event_ids == first.event_ids
        with pytest.raises(IdempotencyConflict):
            copy.append("case:1", opened(), key="k")


def test_recorded_at_is_kept_only_where_it_is_trusted(store: CaseStore, tmp_path: Path) -> None:
    store.append("case:1", opened(), note())
    lines = list(export_lines(store, reveal=True))
    with CaseStore.create(f"sqlite:///{tmp_path}/copy.db") as copy:
        assert import_lines(copy, lines, trust_recorded_at=True).appended == 3
        assert list(export_lines(copy, reveal=True)) == lines
    with CaseStore.create(f"sqlite:///{tmp_path}/late.db") as late:
        late.append("case:0", opened(customer="c0"))
        imported = import_lines(late, lines, trust_recorded_at=True)
        assert "before the store's last" in imported.refused[0].message
        bare = [json.dumps(without(json.loads(each), "recorded_at")).encode() for each in lines]
        assert "no recorded_at" in import_lines(late, bare, trust_recorded_at=True).refused[0][1]


def test_a_trusted_time_that_is_ahead_of_now_is_refused(store_url: str) -> None:
    now = datetime(2026, 3, 3, 9, tzinfo=UTC)

    def lines(*times: datetime) -> list[bytes]:
        return [said("x", key=f"k{at}", recorded_at=at.isoformat()) for at in times]

    with CaseStore.create(store_url, clock=lambda: now) as store:
        store.append("case:1", opened())
    ahead, far = now + timedelta(minutes=5), datetime(2099, 1, 1, tzinfo=UTC)
    with CaseStore.open(store_url, clock=lambda: now) as store:
        for each in (far, ahead + timedelta(microseconds=1)):
            (refused,) = import_lines(store, lines(each), trust_recorded_at=True).refused
            assert "is ahead of now: a clock was wrong; move the store with" in refused.message
        (refused,) = import_lines(store, lines(now - timedelta(1)), trust_recorded_at=True).refused
        assert "before the store's last" in refused.message
        assert import_lines(store, lines(now, ahead), trust_recorded_at=True).appended == 2
    with CaseStore.open(store_url, clock=lambda: far) as store:
        store.append("case:1", note())
    with CaseStore.open(store_url, clock=lambda: ahead + timedelta(1)) as store:
        # The store's last time is ahead of now itself, so lines may have earlier times.
        took = [now + timedelta(hours=1), ahead + timedelta(1)]
        assert import_lines(store, lines(*took), trust_recorded_at=True).appended == 2
        (refused,) = import_lines(
            store, lines(now + timedelta(1) / 2), trust_recorded_at=True
        ).refused
        assert "before the store's last" in refused.message
        assert [r.recorded_at for r in store.read()][2:] == [now, ahead, far, *took]


def test_a_copy_on_the_other_database_exports_the_same_bytes(
    postgres_schema_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(url) as here, CaseStore.create(postgres_schema_url) as there:
        here.append("case:1", opened(), note("«Grüße» \u2028 \x00"), key="k", source="crm")
        here.append("case:2", opened(customer="c2"), correlation_id="x", causation_id="y")
        lines = list(export_lines(here, reveal=True))
        import_lines(there, lines, trust_recorded_at=True)
        assert list(export_lines(there, reveal=True)) == lines
