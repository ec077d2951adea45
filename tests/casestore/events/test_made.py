"""When pydantic is imported, and that nobody notices when a class is worked out."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from casestore import Actor, EventCorrected, NoteAdded
from casestore.events.base import Id, is_id
from casestore.events.policy_document import BUILT_IN, Document, read_document

HOUSE = {
    "calendar": {"timezone": "Europe/Dublin", "hours": {"mon": ["09:00-12:30", "13:30-17:30"]}},
    "conduct": {"resolve_within": "5 business days", "max_ratio": 1.0, "needs_operations": ["b"]},
    "roles": {"agent": {"limits": {"EUR": {"per_gesture": "25.50"}}, "final_say": True}},
    "goodwill": {"enforcement": "refuse", "gestures_per_year": 3, "per_year": {"EUR": "100"}},
}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_pydantic_is_imported_when_the_first_event_is_made() -> None:
    told = python(
        "import sys, casestore.store, casestore.doctor.examine, projections.reports.every\n"
        "from casestore import Actor\n"
        "print('pydantic' in sys.modules)\n"
        "Actor(kind='system', id='a')\n"
        "print('pydantic' in sys.modules)\n"
    )
    assert told.split() == ["False", "True"]


def test_many_threads_may_make_the_first_event() -> None:
    told = python(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from datetime import UTC, datetime\n"
        "from casestore import Actor, NoteAdded\n"
        "actor = {'kind': 'agent', 'id': 'anna'}\n"
        "make = lambda n: NoteAdded(occurred_at=datetime.now(UTC), actor=actor, text=str(n))\n"
        "with ThreadPoolExecutor(16) as pool: made = list(pool.map(make, range(100)))\n"
        "print(*{type(each.actor).__name__ for each in made}, len({each.text for each in made}))\n"
    )
    assert told.split() == ["Actor", "100"]


def test_a_mistake_in_the_first_event_is_told_like_in_any_other() -> None:
    told = python(
        "from casestore import Actor, NoteAdded\n"
        "for _ in range(2):\n"
        "    try: NoteAdded(occurred_at='2026', actor=3, text='secret', more=1)\n"
        "    except ValueError as error: print(repr(str(error)))\n"
    )
    first, second = told.splitlines()
    assert first == second
    assert "secret" not in first


def test_a_class_of_ones_own_keeps_its_init() -> None:
    class Mine(NoteAdded):
        def __init__(self, words: str) -> None:
            actor = Actor(kind="system", id="mine")
            super().__init__(occurred_at=datetime(2026, 3, 2, tzinfo=UTC), actor=actor, text=words)

    assert [Mine("a").text, Mine("b").text] == ["a", "b"]


def test_the_whole_is_checked_wherever_pydantic_makes_an_event() -> None:
    data = (
        b'{"occurred_at": "2026-03-02T09:00:00Z", "actor": {"kind": "agent", "id": "a"},'
        b' "event_id": "00000000-0000-0000-0000-000000000000", "kind": "amended",'
        b' "reason": "mistyped", "authorised_by": {"kind": "agent", "id": "b"}}'
    )
    with pytest.raises(ValidationError, match="an amended event needs changes"):
        TypeAdapter(EventCorrected).validate_json(data)
    assert msgspec.json.decode(data, type=EventCorrected).kind == "amended"  # as what is stored


@pytest.mark.parametrize(
    "text", ["a", "a" * 200, "a" * 201, "", "\0", "\x85", "\ud800", "é\n", "一"]
)
def test_an_id_is_what_pydantic_takes_for_one(text: str) -> None:
    try:
        TypeAdapter(Id).validate_python(text)
    except ValidationError:
        assert not is_id(text)
    else:
        assert is_id(text)


def test_a_stored_policy_is_read_as_it_was_checked() -> None:
    assert msgspec.convert(HOUSE, Document) == read_document(HOUSE)
    assert msgspec.convert({}, Document) == read_document({}) == Document() == BUILT_IN
