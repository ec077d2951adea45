"""`casestore find`: ids and codes for everybody, words where they are asked for."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.privacy.erasure import erase
from tests.support.canaries import CANARY, plant
from tests.support.command_line import Casestore, demo_store
from tests.support.golden import check_golden
from tests.support.notes import ANNA, opened


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    return demo_store(tmp_path_factory.mktemp("demo"))


def places(casestore: Casestore, *asked: str) -> list[tuple[str, int, str, str]]:
    told = casestore("find", *asked, "--format", "json").fine().json
    return [(row["stream"], row["version"], row["field"], row["found"]) for row in told]


def test_ids_and_codes_are_found(demo: Casestore) -> None:
    assert places(demo, "c-5120") == [
        ("customer:C-5120", 1, "customer_id", "C-5120"),
        ("case:roaming-bill", 1, "customer_id", "C-5120"),
        ("case:roaming-bill", 2, "actor.id", "C-5120"),
    ]
    assert ("case:nine-days", 14, "promise_id", "running-by-friday") in places(demo, "FRIDAY")
    assert places(demo, "friday", "running") == [
        ("case:nine-days", 14, "promise_id", "running-by-friday")
    ]
    assert places(demo, "2026-05-07T16:50:00Z") == []  # times are neither
    check_golden("find.txt", demo("find", "friday").fine().out)


def test_words_are_found_only_where_they_are_revealed(demo: Casestore) -> None:
    line = "I have put the Friday repair down for Tuesday instead."
    assert places(demo, "repair", "tuesday") == []
    told = demo("find", "repair", "tuesday").fine().out
    assert told == "none among ids and codes; --reveal looks into what people wrote, too\n"
    assert places(demo, "tuesday", "repair", "--reveal") == [("case:nine-days", 25, "text", line)]
    told = demo("find", "--reveal", "-", stdin="repair\nTuesday\n").fine().out
    assert line in told
    assert demo("find", "--reveal", "xyzzy").fine().out == "none\n"
    assert "there is no word to find" in demo("find", " ").failed(2)
    assert "there is no word to find" in demo("find", "-", stdin="").failed(2)


def test_an_event_is_found_by_its_whole_id(demo: Casestore) -> None:
    event = demo("case", "timeline", "roadshow", "--format", "json").fine().json[4]
    assert places(demo, event["event_id"]) == [
        ("case:roadshow", event["version"], "event_id", event["event_id"])
    ]
    assert places(demo, event["event_id"][:30]) == []


def test_a_store_that_is_not_sealed_shows_no_words_either(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/plain.db"
    with CaseStore.create(url, sealed=False) as store:
        store.append("case:1", opened(subject=CANARY))
    assert places(Casestore(url), CANARY) == []
    assert places(Casestore(url), CANARY, "--reveal") == [("case:1", 1, "subject", CANARY)]


def test_the_number_of_places_is_bounded_and_told(demo: Casestore) -> None:
    told = demo("find", "e", "--limit", "3").fine().out.splitlines()
    assert len(told) == 5
    assert told[-1] == "… the first 3; --limit shows more"
    lines = demo("find", "e", "--limit", "4", "--format", "ndjson").fine().out.splitlines()
    assert len(lines) == 4


def test_a_long_text_is_shown_where_it_matters(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    with CaseStore.create(url) as store:
        subject = f"{'x' * 5_000} needle {'y' * 5_000}"
        store.append("case:1", opened(subject=subject))
    (row,) = json.loads(Casestore(url)("find", "needle", "--reveal", "--format", "json").out)
    assert row["found"].startswith("…xxx")
    assert " needle y" in row["found"]
    assert len(row["found"]) < 200


def test_every_word_is_found_and_none_is_left_behind(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    casestore = Casestore(url)
    with CaseStore.create(url) as store:
        planted = plant(store)
        out = tmp_path / "out"
        for form in ("table", "json", "csv", "html"):
            assert CANARY not in casestore("find", "canary", "--format", form).out
            shown = casestore("find", "canary", "--reveal", "--format", form).fine().out
            assert shown.count(CANARY) > planted // 2
        seen = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert not any(CANARY.encode() in path.read_bytes() for path in seen)
        casestore("find", "canary", "--reveal", "-o", str(out)).fine()
        assert out.stat().st_mode & 0o077 == 0
        out.unlink()
        assert {path for path in tmp_path.rglob("*") if path.is_file()} == seen
        erase(store, "c2", basis="x", actor=ANNA)
        told = casestore("find", "canary", "--reveal", "--format", "json").fine().json
        assert not any(row["stream"] == "customer:c2" for row in told)


def test_memory_does_not_grow_with_the_store(tmp_path: Path) -> None:
    """Six times as many words need no more memory to be looked through."""
    used = []
    for number in (1_000, 6_000):
        casestore = Casestore(f"sqlite:///{tmp_path}/{number}.db")
        with CaseStore.create(casestore.env["CASESTORE_URL"]) as store:
            for begin in range(0, number, 500):
                some = range(begin, begin + 500)
                store.append_all([(f"case:{n}", [opened(subject=f"{n} " * 60)]) for n in some])
        casestore("find", "--reveal", "nowhere").fine()
        tracemalloc.start()
        casestore("find", "--reveal", "nowhere").fine()
        used.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert used[1] < used[0] * 1.2
