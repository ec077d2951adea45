"""The doctor compares the tables with those that casestore makes, whole, and what readers find."""

from __future__ import annotations

from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.doctor.examine import DoctorFinding, examine
from casestore.journal import postgres_schema
from tests.support import stories
from tests.support.alter import execute, hide
from tests.support.command_line import Casestore
from tests.support.first_store import put

EVENTS = "stored_events"


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASESTORE_KEY_FILE", str(tmp_path / "key"))


def found(url: str) -> list[tuple[str, str]]:
    with CaseStore.open(url) as store:
        told: list[DoctorFinding] = [each for each in examine(store) if each.level != "ok"]
    assert all(each.level == "error" and each.do for each in told)
    return [(each.check, each.what) for each in told]


def make(url: str) -> None:
    with CaseStore.create(url) as store:
        store.append("case:c1", stories.opened(customer_id="k1"), stories.issue("i1"))
        store.append("case:c1", stories.replied("r1", text="Oh."))


def change(url: str, *statements: str) -> None:
    with CaseStore.open(url) as store:
        execute(store, *statements)


ADDED_TO_SQLITE = [
    (
        "CREATE TRIGGER zz AFTER INSERT ON stored_events BEGIN DELETE FROM customer_keys; END",
        "the trigger zz was added",
    ),
    ("CREATE INDEX zz ON stored_events (topic)", "the index zz was added"),
    ("CREATE VIEW zz AS SELECT * FROM stored_events", "the view zz was added"),
    ("CREATE TABLE zz (a)", "the table zz was added"),
]


@pytest.mark.parametrize(("statement", "told"), ADDED_TO_SQLITE)
def test_what_was_added_to_a_file(tmp_path: Path, statement: str, told: str) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    make(url)
    change(url, statement)
    assert found(url) == [("tables", f"were changed: {told}")]
    assert Casestore(url)("doctor").code == 1


@pytest.mark.parametrize(
    "name", ["stored_events_no_update", "stored_events_no_replace", "customer_keys_current"]
)
def test_a_trigger_named_like_ours_that_does_nothing(tmp_path: Path, name: str) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    make(url)
    table = name.partition("_no_")[0].removesuffix("_current")
    nothing = f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} BEGIN SELECT 1; END"
    change(url, f"DROP TRIGGER {name}", nothing)
    told = f"were changed: the trigger {name} is not as casestore makes it"
    assert found(url) == [("tables", told)]
    Casestore(url)("upgrade", "--backup", f"{tmp_path}/b").fine()
    assert found(url) == []


def test_a_table_of_another_form(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    make(url)
    change(url, "ALTER TABLE stored_events ADD COLUMN note TEXT")
    assert found(url)[0] == (
        "tables",
        "were changed: the table stored_events is not as casestore makes it",
    )


DISABLED = "append-only triggers"


@pytest.mark.parametrize(
    ("statement", "check", "told"),
    [
        (
            "CREATE TRIGGER zz BEFORE INSERT ON {t} FOR EACH ROW "
            "EXECUTE FUNCTION suppress_redundant_updates_trigger()",
            "tables",
            "the trigger zz was added",
        ),
        ("CREATE INDEX zz ON {t} (topic)", "tables", "the index zz was added"),
        ("CREATE RULE zz AS ON INSERT TO {t} DO ALSO NOTHING", "tables", "the rule zz was added"),
        ("CREATE POLICY zz ON {t} USING (position < 3)", "tables", "the policy zz was added"),
        ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY", "tables", "the table stored_events is not"),
        ("CREATE TABLE {s}.zz () INHERITS ({t})", "tables", "was added"),
        ("ALTER TABLE {t} DISABLE TRIGGER stored_events_no_change", DISABLED, "is missing"),
        ("ALTER TABLE {t} ENABLE REPLICA TRIGGER stored_events_no_change", DISABLED, "is missing"),
        ("ALTER TABLE {t} ADD CHECK (position < 1000000)", "tables", "the constraint stored_even"),
        (
            "ALTER TABLE {t} DROP CONSTRAINT stored_events_event_id_key",
            "tables",
            "the constraint stored_events_event_id_key is missing",
        ),
        (
            "CREATE OR REPLACE FUNCTION {s}.stored_events_append_only() RETURNS trigger LANGUAGE "
            "plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "tables",
            "the function stored_events_append_only is not as casestore makes it",
        ),
        (
            "CREATE FUNCTION {s}.zz() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "tables",
            "the function zz was added",
        ),
    ],
)
def test_what_was_changed_in_a_schema(
    postgres_schema_url: str, key_file: None, statement: str, check: str, told: str
) -> None:
    make(postgres_schema_url)
    schema = postgres_schema_url.rpartition("schema=")[2]
    change(postgres_schema_url, statement.replace("{s}", schema))
    findings = found(postgres_schema_url)
    assert any(each == check and told in what for each, what in findings), findings
    assert Casestore(postgres_schema_url)("doctor").code == 1


def test_the_hashes_are_those_of_a_new_store(postgres_schema_url: str, key_file: None) -> None:
    make(postgres_schema_url)
    schema = postgres_schema_url.rpartition("schema=")[2]
    with CaseStore.open(postgres_schema_url) as store:
        parts = store._recorder.fetch(postgres_schema.CATALOG, [schema, schema])
    made = {part: postgres_schema.hash_of(text, schema) for part, text in parts}
    lines = "".join(f'    "{part}": "{made[part]}",\n' for part in sorted(made))
    assert made == postgres_schema.MADE, f"if it is meant, MADE is now:\n{lines}"


def test_a_store_of_the_first_version_is_not_said_to_be_altered(
    store_url: str, tmp_path: Path
) -> None:
    first = put(store_url, tmp_path)
    with CaseStore.open(first.url) as store:
        assert store._recorder.altered() == []
        assert store._recorder.lacks()


def test_rows_that_an_index_hides_are_told_of(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    make(url)
    with CaseStore.open(url) as store:
        assert len(store.history("case:c1")) == 3
    hide(tmp_path / "s.db", "position >= 4")
    with CaseStore.open(url) as store:
        assert len(store.history("case:c1")) == 2  # so well are they hidden
    findings = found(url)
    assert ("rows that readers find", "has 3 events, of which readers find 2: an index hides the "
            "others") in findings  # fmt: skip
    assert any(check == "database" and "missing from index" in what for check, what in findings)
