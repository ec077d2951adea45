"""Datasette, as people start it, on an export of reports: what it tells is what the reports say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.support.command_line import demo_store
from tests.support.exports import as_row, reported

AS_OF = ("--as-of", "2026-09-01")
Ask = Callable[..., Any]


@contextmanager
def datasette(file: Path) -> Iterator[Ask]:
    """`datasette serve FILE`: a function that gives the JSON at an address."""
    serve = [sys.executable, "-m", "datasette", "serve", str(file), "--port", "0"]
    with subprocess.Popen(serve, stderr=subprocess.PIPE, text=True, cwd=file.parent) as process:
        try:
            if process.stderr is None:
                raise RuntimeError("it has no stderr")
            running = (re.search(r"running on (http://\S+)", line) for line in process.stderr)
            base = next(found[1] for found in running if found is not None)

            def ask(path: str, **query: Any) -> Any:
                with urlopen(f"{base}{path}.json?{urlencode(query)}", timeout=60) as answer:
                    return json.load(answer)

            yield ask
        finally:
            process.terminate()


def in_order(rows: Iterator[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def test_it_shows_every_report_with_its_rows(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    file = tmp_path / "complaints.sqlite"
    casestore("report", "export", "sqlite", str(file), *AS_OF).fine()
    before = file.read_bytes()
    with datasette(file) as ask:
        listed = {each["name"]: each for each in ask("/complaints")["tables"]}
        assert listed["promises"]["primary_keys"] == ["case_id", "promise_id"]
        assert not any(each["hidden"] for each in listed.values())
        commands = ask("/complaints/manifest_tables", _shape="array", _size="max")
        assert {each["name"] for each in commands} == {
            name for name in listed if not name.startswith("manifest") and name != "summaries"
        }
        for each in commands:
            told = ask(f"/complaints/{each['name']}", _shape="objects", _size="max")
            # Of a table without a key it shows the row's number too.
            names = [name for name in told["columns"] if name != "rowid"]
            wanted = [
                as_row(line, names) | ({"grouped_by": answer["group"]} if answer["group"] else {})
                for answer in reported(casestore, each["command"], *AS_OF)
                for line in answer["rows"]
            ]
            assert told["filtered_table_rows_count"] == each["rows"] == len(wanted)
            shown = ({name: row[name] for name in names} for row in told["rows"])
            assert in_order(shown) == in_order(iter(wanted)), each["name"]
        kept = "SELECT team, sum(state = 'kept') AS kept FROM promises GROUP BY team"
        rates = next(reported(casestore, "promises --rate", *AS_OF))["rows"]
        counted = ask("/complaints", sql=kept, _shape="array")
        assert {each["team"]: each["kept"] for each in counted} == {
            each["team"]: each["kept"] for each in rates
        }
        cases = next(reported(casestore, "cases", *AS_OF))["rows"]
        facets = ask("/complaints/cases", _facet="channel", _size=0)["facet_results"]
        shown_counts = {each["value"]: each["count"] for each in facets["channel"]["results"]}
        assert shown_counts == Counter(each["channel"] for each in cases)
    assert file.read_bytes() == before
