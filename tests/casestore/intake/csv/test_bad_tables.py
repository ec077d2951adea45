"""Tables that are broken in any way give no traceback, and no line that a store refuses."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casestore.errors import InvalidMapping
from casestore.intake.csv import load, read_mapping, sample
from casestore.intake.csv.document import File
from casestore.intake.csv.table import Table
from tests.support.tables import imported, left_out, lines, read_tables

MAPPING = """
version = 1
name = "t"
[file]
timezone = "UTC"
time_formats = ["iso", "epoch", "epoch_ms", "%d/%m/%Y"]
[case]
id = "{case}"
customer = "{who}"
customer_missing = "nobody"
rows = "states"
at = "{at}"
actor = "customer:{who}"
[values.channel]
"*" = "other"
[open]
channel = { column = "via", values = "channel" }
category = "{kind}"
subject = "{text}"
[[on]]
change = "state"
to = "closed"
event = "CaseClosed"
reason = "resolved"
[[on]]
case = "closed"
change = "state"
event = "CaseReopened"
[[on]]
change = "kind"
event = "CaseReclassified"
category = "{kind}"
[[on]]
event = "MessageReceived"
message_id = "{kind}-{n}"
channel = "web"
text = "{text}"
[[on]]
when = { via = "*" }
event = "IssueRaised"
issue_id = "{via}"
loss = { column = "amount", currency = "EUR" }
"""
HEADER = "case,who,at,via,kind,text,state,amount"
CELLS = """7 8 ann@example.com 2026-02-01T09:00:00Z closed 9999-12-31 0001-01-01 1e9 -1 NaN
99999999999999999999 1970-01-01 12.50 \u200b \u202ex e\u0301 a\0b """
CELL = st.sampled_from(["", '"', "x" * 300, "+39 055 1234567", *CELLS.split()]) | st.text(
    max_size=6
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(CELL, min_size=7, max_size=9), max_size=8))
def test_no_cell_makes_a_line_that_the_store_refuses(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    table = io.StringIO()
    table.write(HEADER + "\n")
    for row in rows:
        table.write(",".join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n")
    given = table.getvalue().encode("utf-8", "surrogatepass")
    read = read_tables(read_mapping(MAPPING), folder, given)
    again = read_tables(read_mapping(MAPPING), folder, given)
    assert read == again
    first, second = imported(folder, read, again)
    assert first.imported.refused == second.imported.refused == ()
    assert second.imported.appended == 0


def test_a_row_from_the_future_is_left_out_and_the_others_imported(tmp_path: Path) -> None:
    rows = [
        "7,ann,2026-02-01T09:00:00Z,web,a,b,c,1",
        "7,ann,2099-02-01T09:00:00Z,web,d,e,c,2",
        "8,ann,2099-02-01T09:00:00Z,web,d,e,c,2",
    ]
    read = read_tables(read_mapping(MAPPING), tmp_path, "\n".join([HEADER, *rows]).encode())
    reasons = {reason for reason, _ in left_out(read)}
    assert "its time is ahead of this computer's clock" in reasons
    (done,) = imported(tmp_path, read)
    assert done.imported.refused == ()
    assert done.imported.appended == len(lines(read)) == 3


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_give_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    whole = f"{HEADER}\n7,ann,2026-02-01T09:00:00Z,web,a,b,c,1\n".encode() * 5
    for encoding in ("utf-8", "utf-16", "latin-1", "cp932"):
        mapping = read_mapping(MAPPING.replace("[file]", f'[file]\nencoding = "{encoding}"'))
        for data in (noise, whole[:place] + noise + whole[place:], gzip.compress(whole)[:place]):
            try:
                read_tables(mapping, folder, data)
            except InvalidMapping as invalid:
                assert "column" in str(invalid)  # noqa: PT017  (of a header that was hit)


def test_columns_of_the_real_exports_shuffled_make_nothing_worse(
    data_dir: Path, tmp_path: Path
) -> None:
    chance = random.Random(7)
    for name, file in (
        ("hubspot-tickets", "hubspot/ticket_data.csv"),
        ("fivetran-zendesk-field-history", "zendesk/fivetran/ticket_field_history_data.csv"),
        ("servicenow-table", "servicenow/task_data.csv"),
    ):
        header, *rows = (data_dir / "exports" / file).read_text("utf-8").splitlines()
        for number in range(4):
            cells = [row.split(",") for row in rows]
            for row in cells:
                chance.shuffle(row)
            table = "\n".join([header, *map(",".join, cells)])
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            read = read_tables(load(name), folder, table)
            assert imported(folder, read)[0].imported.refused == ()


def test_a_quote_that_is_not_closed_costs_its_rows_and_no_more(tmp_path: Path) -> None:
    row = "{},ann,2026-02-01T09:00:00Z,web,a,{},c,1\n"
    table = HEADER + "\n" + row.format(7, "fine") + row.format(8, '"open') + row.format(9, "lost")
    read = read_tables(read_mapping(MAPPING), tmp_path, table)
    assert ("a row with another number of cells than the first", "row 3") in left_out(read)
    assert {each.stream for each in lines(read)} == {"case:7"}


def test_a_cell_or_a_line_that_is_too_long_is_left_out_by_its_row() -> None:
    long, cell = b"x" * (17 << 20), b"y" * (9 << 20)
    data = b"a,b\n1," + long + b'\n2,"' + cell + b"\n" + cell + b'"\n3,4\n'
    table = Table(io.BytesIO(data), File())
    told = [(number, getattr(cells, "reason", cells)) for number, cells in table]
    table.close()
    assert told == [
        (2, "a line of more than 16 Mi characters"),
        (3, "a row that is no CSV"),
        (4, ["3", "4"]),
    ]


LONG_LINE = """
import io, resource
from casestore.errors import UnreadableInput
from casestore.intake.csv.document import File
from casestore.intake.csv.table import Table

class Long(io.RawIOBase):
    left = 1 << 30

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), self.left)
        buffer[:size] = b"z" * size
        self.left -= size
        return size

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Table(io.BufferedReader(Long(), 1 << 20), File())
except UnreadableInput as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_line_of_a_gigabyte_takes_little_memory() -> None:
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", LONG_LINE], capture_output=True, text=True, check=True
    )
    why, mebibytes = done.stdout.splitlines()
    assert why == "its first row cannot be read: a line of more than 16 Mi characters"
    assert int(mebibytes) < 150


def test_a_sample_of_any_table_is_a_mapping_that_runs(data_dir: Path, tmp_path: Path) -> None:
    tables = [*data_dir.glob("*.csv.gz"), *data_dir.glob("exports/**/*.csv")]
    assert len(tables) > 20
    for path in tables:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        read = read_tables(read_mapping(sample(path)), tmp_path, data)
        assert lines(read), path


@settings(max_examples=50, deadline=None)
@given(
    # A table with NUL in its first row is no text, and refused.
    st.lists(st.text(st.characters(exclude_characters="\0"), max_size=5), min_size=1, max_size=5),
    st.lists(st.lists(CELL, min_size=1, max_size=5), max_size=5),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    st.sampled_from(",;\t|"),
)
def test_a_sample_of_a_table_of_anything_is_a_mapping_that_runs(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    rows: list[list[str]],
    encoding: str,
    delimiter: str,
) -> None:
    path = tmp_path_factory.mktemp("sample") / "my tickets.csv"
    quoted = (('"' + cell.replace('"', '""') + '"' for cell in row) for row in [names, *rows])
    path.write_bytes("\n".join(map(delimiter.join, quoted)).encode(encoding, "replace"))
    mapping = read_mapping(sample(path))
    assert mapping.name == "my-tickets"
    read_tables(mapping, path.parent, path.read_bytes())


def test_a_sample_says_what_it_saw(tmp_path: Path) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(
        "ticket_no;client;created;changed_at;state;cost\n"
        "T1;ann;13/02/2026 09:00;13/02/2026 09:00;New;n/a\n"
        "T1;ann;13/02/2026 09:00;14/02/2026 09:00;Closed;7\n"
        "T2;eve;13/02/2026 10:00;13/02/2026 10:00;New;8\n",
        "utf-8",
    )
    text = sample(path)
    for line in (
        'delimiter = ";"',
        'missing = ["", "n/a"]',
        'timezone = "UTC"  # CHECK',
        'time_formats = ["%d/%m/%Y %H:%M"]  # CHECK',
        'id = "{ticket_no}"',
        'customer = "{client}"',
        'rows = "states"',
        'at = "{changed_at}"',
        'at = "{created}"',
        '#   "state": "New" (2), "Closed" (1)',
        '#   "created": times, %d/%m/%Y %H:%M, without a zone',
    ):
        assert line in text
    read = read_tables(read_mapping(text), tmp_path, path.read_bytes())
    assert [each.type for each in lines(read)] == ["CaseOpened", "CaseOpened", "NoteAdded"]


def test_who_did_it_is_the_column_beside_when(tmp_path: Path) -> None:
    path = tmp_path / "states.csv"
    path.write_text(
        "number,created_by,created_at,updated_by,updated_at\n"
        "1,ann,2026-03-01T08:00:00Z,bob,2026-03-02T08:00:00Z\n"
        "1,ann,2026-03-01T08:00:00Z,cleo,2026-03-03T08:00:00Z\n"
    )
    assert 'actor = "agent:{updated_by}"' in sample(path)
