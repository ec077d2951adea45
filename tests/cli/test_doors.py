"""Whatever stands where casestore reads, it answers in its own words, soon, and with no traceback.

Each test is a door: stored rows, the files of an audit folder and the key file, bundles and proofs,
backups, a list of erasures, URLs, arguments. What once came through a door stands as an example.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.command_line import Casestore, Ran
from tests.support.sealed import make_store

door = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# click leaves a file open where a later argument is wrong: the process ends there.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
PATIENCE = 60
"""Seconds that no command takes, however busy the machine is."""


POLICY = """
name = "house"
effective_from = 2026-03-01T00:00:00Z
[conduct]
max_agents = 2
[calendar]
timezone = "Europe/Berlin"
"""


class House:
    """A sealed store with an audit folder, evidence, a proof and a backup; and a copy to spoil."""

    def __init__(self, folder: Path) -> None:
        self.whole, self.spoilt = folder / "whole", folder / "spoilt"
        self.whole.mkdir()
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("CASESTORE_KEY_FILE", str(self.whole / "s.key"))
            make_store(f"sqlite:///{self.whole}/s.db")
        self.anew()
        self("audit", "case", "c1", str(self.spoilt / "bundle"), "--reveal")
        proof = self("audit", "prove", "case:c1@1").out
        (self.spoilt / "proof").write_text(proof, "utf-8")
        self("backup", str(self.spoilt / "backup"))
        self("privacy", "erase", "k2", "--basis", "gdpr-17", "--yes")
        self("export", "--reveal", "-o", str(self.spoilt / "lines"))
        self("audit", "seal")
        self("privacy", "certificate", "k2", str(self.spoilt / "certificate"))
        (self.spoilt / "policy").write_text(POLICY, "utf-8")
        shutil.rmtree(self.whole)
        shutil.copytree(self.spoilt, self.whole)

    def anew(self) -> None:
        """Make the copy as the whole house is."""
        shutil.rmtree(self.spoilt, ignore_errors=True)
        shutil.copytree(self.whole, self.spoilt)

    def __call__(self, *args: str) -> Ran:
        """Run a command."""
        command = Casestore(
            f"sqlite:///{self.spoilt}/s.db",
            CASESTORE_KEY_FILE=str(self.spoilt / "s.key"),
            CASESTORE_ACTOR="agent:anna",
        )
        begun = time.process_time()
        ran = command(*args)
        assert "a fault in casestore" not in ran.err, (args, ran.err)
        assert ran.code in {0, 1, 2, 3}, (args, ran)
        assert "Traceback" not in ran.out + ran.err
        assert "--db" in args or "the database does not answer" not in ran.err, (args, ran.err)
        assert time.process_time() - begun < PATIENCE
        return ran

    def spoil(self, name: str, data: bytes) -> None:
        file = self.spoilt / name
        file.chmod(0o600)
        file.write_bytes(data)

    def files(self) -> list[str]:
        """The files of the audit folder, and the key file."""
        folder = self.whole / "s.db.audit"
        found = [str(p.relative_to(self.whole)) for p in folder.rglob("*") if p.is_file()]
        return ["s.key", *sorted(found)]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


junk = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"", b"null", b"{}", b"[]\n", b"1" * 5000, b"[" * 100_000, b"\xff\xfe", b"\n"]
    ),
)


@st.composite
def harm(draw: st.DrawFn) -> Any:
    """What to do with bytes: put others in their place, cut them, or put some in at places."""
    if draw(st.booleans()):
        return draw(junk)
    some = st.sampled_from([b"9" * 30, b'"', b"{", b"\\ud800", b"-", b"\xff", b"e999", b"\n", b""])
    return draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), some), min_size=1))


def harmed(data: bytes, how: Any) -> bytes:
    if isinstance(how, bytes):
        return how
    for where, taken, put in how:
        at = int(where * len(data))
        data = data[:at] + put + data[at + taken :]
    return data


# --- stored rows ---------------------------------------------------------------------------

COLUMNS = [
    *(
        ("stored_events", column, f"position = {position}")
        for position in (2, 3, 4, 11)
        for column in (
            *("position", "originator_id", "originator_version", "topic", "state", "personal"),
            *("customer_id", "event_id", "recorded_at", "metadata"),
        )
    ),
    *(
        ("customer_keys", name, "customer_id = 'k1'")
        for name in ("customer_id", "key_id", "wrapped")
    ),
    *(
        ("casestore_meta", "value", f"name = '{name}'")
        for name in ("created_at", "kek_id", "schema_version", "store_id")
    ),
]
values = st.one_of(
    st.none(),
    st.sampled_from([0, -1, 1, 2**53 + 1, 2**63 - 1, -(2**63), 10**18]),
    st.sampled_from([1.5, float("inf"), float("-inf"), 1e300]),
    st.sampled_from(["", "abc", "case:", "case:c1", "policy", "CaseOpened", "{}", "1_0", "\0"]),
    st.sampled_from([b"{}", b"[]", b"null", b"\x01", b'\x00{"subject":5}', b'{"occurred_at":1}']),
    junk,
    st.tuples(st.just("as text"), st.binary(max_size=10)),
)


@door
@given(st.sampled_from(COLUMNS), values)
@example(("customer_keys", "wrapped", "customer_id = 'k1'"), float("-inf"))
@example(("customer_keys", "wrapped", "customer_id = 'k1'"), 1)
@example(("stored_events", "metadata", "position = 2"), b'{"personal":["su"]}')
@example(("customer_keys", "wrapped", "customer_id = 'k1'"), ("as text", b"\0"))
@example(("customer_keys", "key_id", "customer_id = 'k1'"), "policy")
@example(("casestore_meta", "value", "name = 'store_id'"), b"\xdc")
@example(("casestore_meta", "value", "name = 'kek_id'"), b"null")
@example(("stored_events", "personal", "position = 3"), -(2**63))
@example(("stored_events", "originator_version", "position = 4"), b"J")
@example(("stored_events", "originator_id", "position = 5"), b"{}")
@example(("stored_events", "recorded_at", "position = 3"), 10**18)
@example(("stored_events", "recorded_at", "position = 3"), "soon")
@example(("stored_events", "originator_id", "position = 3"), ("as text", b"case:\xff"))
@example(("stored_events", "position", "position = 11"), 2**63 - 1)
@example(("casestore_meta", "value", "name = 'kek_id'"), "zz")
@example(("casestore_meta", "value", "name = 'schema_version'"), "abc")
def test_stored_rows(house: House, column: tuple[str, str, str], value: Any) -> None:
    house.anew()
    table, name, where = column
    text = isinstance(value, tuple)
    to = "CAST(? AS TEXT)" if text else "?"
    with closing(sqlite3.connect(house.spoilt / "s.db", isolation_level=None)) as store:
        sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        triggers = store.execute(sql).fetchall()
        for trigger, _ in triggers:
            store.execute(f"DROP TRIGGER {trigger}")
        try:
            store.execute(
                f"UPDATE {table} SET {name} = {to} WHERE {where}", [value[1] if text else value]
            )
        except sqlite3.IntegrityError:
            return  # the table itself takes no such value there
        for _, sql in triggers:
            store.execute(sql)
    house("doctor")
    house("audit", "verify")
    house("export", "--reveal")
    house("case", "timeline", "c1", "--reveal")
    house("audit", "case", "c1", str(house.spoilt / "out"))
    house("privacy", "status")
    house("cases")
    house("find", "Ach", "--reveal")
    house("record", "case:c1", "NoteAdded", "text=x")


# --- files ---------------------------------------------------------------------------------


@door
@given(st.data(), harm())
def test_files_of_the_audit_folder_and_the_key_file(
    house: House, data: st.DataObject, how: Any
) -> None:
    house.anew()
    name = data.draw(st.sampled_from(house.files()))
    house.spoil(name, harmed((house.whole / name).read_bytes(), how))
    house("doctor")
    house("audit", "verify")
    house("audit", "key")
    house("audit", "seal")
    house("audit", "case", "c1", str(house.spoilt / "out"))
    house("case", "timeline", "c1", "--reveal")
    house("record", "case:c1", "NoteAdded", "text=x")


@door
@given(st.data(), harm())
def test_bundles_and_proofs(house: House, data: st.DataObject, how: Any) -> None:
    house.anew()
    bundle = sorted(each.name for each in (house.whole / "bundle").iterdir())
    name = data.draw(st.sampled_from([*(f"bundle/{each}" for each in bundle), "proof"]))
    file = str(house.spoilt / name)
    house.spoil(name, harmed((house.whole / name).read_bytes(), how))
    house("audit", "verify-bundle", str(house.spoilt / "bundle"))
    house("audit", "verify-bundle", str(house.spoilt / "bundle"), "--key", file, "--held", file)
    house("audit", "verify-proof", str(house.spoilt / "proof"))
    house("audit", "verify-proof", file, "--key", file)


@door
@given(harm())
def test_certificates(house: House, how: Any) -> None:
    house.anew()
    file = str(house.spoilt / "certificate")
    house.spoil("certificate", harmed((house.whole / "certificate").read_bytes(), how))
    key = str(house.spoilt / "s.db.audit" / "verifiers")
    house("audit", "verify-certificate", file, "--key", key)
    house("audit", "verify-certificate", file, "--key", key, "--held", file)


@door
@given(harm())
@example(b"[goodwill]\nyear = 1e400\n")
@example(b"a = " + b"[" * 10_000)
def test_policies(house: House, how: Any) -> None:
    house.anew()
    file = str(house.spoilt / "policy")
    house.spoil("policy", harmed((house.whole / "policy").read_bytes(), how))
    house("policy", "check", file)
    house("policy", "adopt", file)
    house("policy", "show")
    house("cases")


@door
@given(harm())
@example([(0.5, 0, b"\xff")])
def test_lists_of_erasures(house: House, how: Any) -> None:
    house.anew()
    house.spoil("s.key.erased", harmed((house.whole / "s.key.erased").read_bytes(), how))
    house("privacy", "status")
    house("privacy", "reapply")
    house("doctor")
    house("restore", str(house.spoilt / "backup"), "--db", f"{house.spoilt}/new.db")


@door
@given(
    st.none() | st.floats(0, 1),
    st.lists(st.tuples(st.integers(0, 4096) | st.integers(0, 40_000), st.binary(max_size=3))),
)
@example(0.5, [])
@example(None, [(1789, b"\x80")])  # a byte that is no UTF-8, in what SQLite says of its schema
@example(0.0, [])
def test_backups(house: House, cut: float | None, put: list[tuple[int, bytes]]) -> None:
    house.anew()
    data = (house.whole / "backup").read_bytes()
    for at, some in put:
        data = data[:at] + some + data[at + len(some) :]
    check_backup(house, data if cut is None else data[: int(cut * len(data))])


@pytest.mark.parametrize("word", [b"CREATE", b"stored_events_customer ON", b"TEXT", b"position"])
def test_backups_whose_schema_is_no_text(house: House, word: bytes) -> None:
    house.anew()
    data = (house.whole / "backup").read_bytes()
    assert word in data
    check_backup(house, data.replace(word, b"\xb0" + word[1:]))


def check_backup(house: House, data: bytes) -> None:
    house.spoil("backup", data)
    backup = str(house.spoilt / "backup")
    house("restore", backup, "--db", f"{house.spoilt}/new.db")
    for command in (["doctor"], ["audit", "verify"], ["cases"], ["export"]):
        house(*command, "--db", backup)


@door
@given(harm())
def test_lines(house: House, how: Any) -> None:
    house.anew()
    house.spoil("lines", harmed((house.whole / "lines").read_bytes(), how))
    new = f"{house.spoilt}/new.db"
    house("init", "--unsealed", "--db", new)
    house("import", str(house.spoilt / "lines"), "--db", new)
    house("import", str(house.spoilt / "lines"), "--db", new, "--trust-recorded-at")


# --- arguments -----------------------------------------------------------------------------

# What a shell gives where bytes are no UTF-8 is a lone surrogate: PEP 383.
texts = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["\udcff", "\0", "\x1b[2J", "\u202e", "9" * 5000, "x" * 100_000]
)
URLS = """
sqlite: sqlite:/// sqlite:///:memory: sqlite:///%00 sqlite:///%ff sqlite://host/a postgresql://
postgresql://[ postgresql://[::1 postgresql://h:99999/d postgresql://h:x/d
postgresql://127.0.0.1:1/d postgresql://127.0.0.1:1/d?schema= postgresql://127.0.0.1:1/d?port=x
postgresql://127.0.0.1:1/d?sslmode=x postgresql://u:p%zz@127.0.0.1:1/d
postgresql:///d?host=/none postgresql://127.0.0.1:1/d?connect_timeout=x mysql://x :// /dev/null
""".split()  # noqa: SIM905  (easier to read)


@door
@given(
    st.sampled_from(URLS) | texts,
    st.floats(0, 1),
    st.sampled_from(["", "", "%", "?", "#", "[", "@", ":", "\x01", "&", "=", "\udcff"]),
)
@example("sqlite:///a\udcff", 1, "")
@example("sqlite:///%00", 0, "")
@example("\udcff", 1, "")
@example("\ud800", 1, "")
def test_urls(house: House, url: str, where: float, put: str) -> None:
    house.anew()
    at = int(where * len(url))
    before = Path.cwd()
    os.chdir(house.spoilt)
    try:
        house("cases", "--db", url[:at] + put + url[at:])
    finally:
        os.chdir(before)


FIELDS = """
text= text.x=1 = a= =b a.b=c a..b=1 attachments.0=1 issue_ids=[ issue_ids=[[[[ issue_ids=,
occurred_at=now occurred_at=9999-12-31T23:59:59-14:00 occurred_at=0001-01-01T00:00:00+14:00
value.amount=NaN value.amount=1e999999999 value.amount=Infinity value.currency=eur value=1
actor=x actor.kind=agent event_id=x __class__=1 minutes=1e400 channel=[1] channel=null
kind=callback
""".split()  # noqa: SIM905  (easier to read)
DOCUMENTS = [
    "null",
    "[]",
    '"x"',
    "[" * 100_000,
    '{"a":{"b":' * 50,
    '{"text":"\\ud800"}',
    "{1e999:2}",
]
DOCUMENTS += ['{"occurred_at":1e400}', '{"value":{"amount":"1E+999999999","currency":"EUR"}}']
TYPES = ["CaseOpened", "NoteAdded", "PromiseMade", "GestureGiven", "IssueRaised"]


@settings(door, max_examples=40)
@given(
    st.sampled_from(["case:c1", "customer:k1", "policy", "case:new", "case:", ":"]) | texts,
    st.sampled_from(TYPES) | texts,
    st.lists(st.sampled_from(FIELDS) | texts.map(lambda text: f"text={text}"), max_size=3),
    st.none() | st.sampled_from(DOCUMENTS) | texts,
    st.dictionaries(
        st.sampled_from(["actor", "key", "source", "correlation-id", "expected-version"]),
        st.sampled_from(["agent:anna", "agent:", "a:b:c:d:e", "1", "9" * 20]) | texts,
        max_size=2,
    ),
)
@example("case:c1", "NoteAdded", [], '{"text":"\udcff"}', {})
@example("case:c1", "NoteAdded", ["text=\udcff"], None, {"key": "\udcff"})
@example("case:\udcff", "NoteAdded", ["text=x"], None, {})
def test_arguments_of_record(  # noqa: PLR0917  (each is an argument)
    house: House,
    stream: str,
    type_: str,
    fields: list[str],
    document: str | None,
    options: dict[str, str],
) -> None:
    given = [] if document is None else ["--json", document]
    for name, value in options.items():
        given += [f"--{name}", value]
    house("record", *given, "--", stream, type_, *fields)


LONG = "x" * 1_000_000
OF_ONE = """
record,case:@,NoteAdded record,case:c1,@ record,case:c1,NoteAdded,@ record,case:c1,NoteAdded,@=a
record,case:c1,IssueRaised,issue_id=@ record,case:c1,CaseReclassified,product=@
record,case:c1,NoteAdded,text=a,--key,@ record,case:c1,NoteAdded,text=a,--source,@
record,case:c1,NoteAdded,text=a,--actor,@ record,case:c1,NoteAdded,text=a,--actor,agent:@
record,case:c1,NoteAdded,text=a,--expected-version,@ record,case:c1,NoteAdded,--json,@
record,case:c1,NoteAdded,occurred_at=@ record,case:c1,PromiseKept,promise_id=@
case,show,@ case,timeline,@ case,diff,@,1 case,diff,c1,@ customer,show,@ find,@ cases,--status,@
cases,--format,@ cases,--case,@ cases,--tz,@ cases,--as-of,@ cases,--sort,@ cases,--limit,@
promises,--agent,@ @ case,@ cases,--@ audit,prove,@ audit,prove,case:c1@,@ audit,verify-proof,@
audit,case,@,out audit,case,c1,out,--firm,@ audit,verify,--key,@ audit,verify,--held,@
audit,verify-bundle,@ cases,--db,@ cases,--db,sqlite:///@ cases,--db,postgresql://h/d?schema=@
cases,--db,postgresql://h:@/d privacy,erase,@,--basis,x,--yes privacy,erase,k1,--basis,@,--yes
privacy,status,@ privacy,due,--after,@ privacy,export,@,o privacy,certificate,@,o export,--stream,@
import,@ restore,@ policy,check,@ events,@
"""


@pytest.mark.parametrize("asked", OF_ONE.split())
def test_what_is_refused_is_not_repeated_at_length(house: House, asked: str) -> None:
    """A log or a terminal must not be filled by whoever sends a long name."""
    house.anew()
    before = Path.cwd()
    os.chdir(house.spoilt)
    try:
        ran = house(*(each.replace("@", LONG) for each in asked.split(",")))
    finally:
        os.chdir(before)
    assert len(ran.out) + len(ran.err) < 4000
