"""The house: what may import what, where files stand, and that the project stands alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.checkout import tracked
from tests.support.imports import PACKAGES, ROOT, Import, files, graph, imports, reached, tree

MAY_IMPORT = {
    "casestore": {"casestore"},
    "projections": {"casestore", "projections"},
    "cli": {"casestore", "projections", "cli"},
    "tests": set(PACKAGES),
}
START = "casestore.__main__"
"""`python -m casestore` begins here. It alone of casestore may import cli; nothing imports it."""

# The rooms of each package, the lowest step first. A room imports from the steps below its own,
# and from no other room of its own step.
STEPS: dict[str, list[set[str]]] = {
    "casestore": [
        {"errors", "events"},
        {"system", "telemetry"},
        {"policy"},
        {"streams", "tlog"},
        {"journal"},
        {"keys"},
        {"append"},
        {"store"},
        {"audit", "transfer"},
        {"archive", "privacy", "relay"},
        {"backup", "doctor", "intake"},
    ],
    "projections": [
        {"history"},
        {"projection"},
        {"models"},
        {"rules"},
        {"read_models"},
        {"engine"},
        {"folding", "query"},
        {"reports"},
        {"exports", "pages"},
        {"serve"},
    ],
    "cli": [{"terminal"}, {"views"}, {"completion"}, {"main"}, {"commands"}],
}
CHECKED_WITHOUT_A_STORE = [
    f"casestore.audit.{name}" for name in ("proof", "bundle", "held", "leaf", "page", "certificate")
]
"""What an auditor needs to check a proof or the evidence of a case."""
READ_A_STORE_AS_A_WHOLE = {f"casestore.backup.{name}" for name in ("backup", "pg_dump", "snapshot")}
"""They copy the tables of a store, or of a dump, in one snapshot, where there is no recorder."""
NAMES_THE_TABLE = {"casestore.doctor.schema"}
"""It names the table in a finding, and asks the recorder about it."""
MOST_FILES = {"casestore": 6, "projections": 4, "tests": 6}
AT_THE_TOP = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "casestore",
    "cli",
    "constraints.txt",
    "docs",
    "projections",
    "pyproject.toml",
    "tests",
}


def of(package: str) -> list[str]:
    """The modules of a package, its `__init__` and where the program starts aside."""
    return [name for name in files() if name.startswith(f"{package}.") and name != START]


def room(module: str) -> str:
    """A folder, or a file on the package's own floor; "" for the package's `__init__`."""
    return module.partition(".")[2].partition(".")[0]


def where(each: Import) -> str:
    path = files()[each.importer].relative_to(ROOT)
    return f"{path}, line {each.line}, imports {each.imported}"


def code() -> Iterator[str]:
    """The modules that are not tests."""
    return (name for name in files() if name.partition(".")[0] != "tests")


# --- what may import what ------------------------------------------------------------------


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_run_from_cli_to_projections_to_casestore(package: str) -> None:
    others = set(PACKAGES) - MAY_IMPORT[package]
    wrong = [
        where(each)
        for module in (package, *of(package))
        for each in imports(module)
        if each.imported.partition(".")[0] in others
    ]
    assert wrong == []


def test_nothing_imports_where_the_program_starts() -> None:
    wrong = [where(e) for module in files() for e in imports(module) if e.imported == START]
    assert wrong == []


@pytest.mark.parametrize("package", STEPS)
def test_every_room_has_its_step(package: str) -> None:
    assert {room(module) for module in of(package)} == set().union(*STEPS[package])


@pytest.mark.parametrize("package", STEPS)
def test_a_room_imports_only_what_is_on_a_lower_step(package: str) -> None:
    step = {name: height for height, names in enumerate(STEPS[package]) for name in names}
    wrong = [
        where(each)
        for module in of(package)
        for each in imports(module)
        if each.imported.startswith(f"{package}.") and room(each.imported) != room(module)
        if step[room(each.imported)] >= step[room(module)]
    ]
    assert wrong == []


def test_no_file_imports_what_imports_it() -> None:
    """Nor would an import in a function help: it counts like any other."""
    in_a_circle = [module for module in graph() if module in reached(graph()[module])]
    assert in_a_circle == []


def test_an_import_in_a_function_says_why_it_is_there() -> None:
    silent = [
        where(each)
        for module in code()
        for each in imports(module)
        if each.in_function and not _says_why(each)
    ]
    assert silent == []


def _says_why(each: Import) -> bool:
    line = files()[each.importer].read_text("utf-8").splitlines()[each.line - 1]
    return "import_module(" in line or bool(re.search(r"# noqa: PLC0415  \(.+\)$", line))


def test_the_public_formats_of_a_log_know_of_no_event() -> None:
    needed = reached(module for module in of("casestore") if room(module) == "tlog")
    assert {room(module) for module in needed} == {"tlog", "system", "errors"}


@pytest.mark.parametrize("module", CHECKED_WITHOUT_A_STORE)
def test_a_proof_and_evidence_are_checked_without_journal_and_store(module: str) -> None:
    needed = reached([module])
    assert module in needed
    assert {name for name in needed if room(name) in ("journal", "store")} == set()


def test_only_the_postgres_modules_need_psycopg() -> None:
    users = {
        files()[module].relative_to(ROOT).as_posix()
        for module in code()
        for each in imports(module)
        if each.imported.partition(".")[0] == "psycopg"
    }
    assert users == {
        "casestore/journal/postgres.py",
        "casestore/journal/postgres_datastore.py",
        "casestore/journal/postgres_durable.py",
        "casestore/journal/postgres_writing.py",
        "projections/engine/postgres.py",
    }
    everything = "import casestore.store, projections.reports, cli.commands.reports, sys"
    check = f"{everything}; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True)


# --- the table of events -------------------------------------------------------------------


def test_only_the_journal_writes_sql_over_the_table_of_events() -> None:
    """Others ask the recorder, by the names of its questions."""
    elsewhere = [module for module in code() if not module.startswith("casestore.journal")]
    assert {name: lines for name in elsewhere if (lines := _raw_questions(name))} == {}
    named = {name for name in elsewhere if _names_the_table(name)}
    assert named == READ_A_STORE_AS_A_WHOLE | NAMES_THE_TABLE


def _raw_questions(module: str) -> list[int]:
    """The lines that take from a recorder what SQL over its tables is made with."""
    lines = []
    for node in ast.walk(tree(module)):
        match node:
            case ast.Attribute(
                value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name, lineno=line
            ) if owner.endswith("recorder"):
                if name in ("table", "keys_table", "columns") or name.startswith("_"):
                    lines.append(line)
            case _:
                pass
    return lines


def _names_the_table(module: str) -> bool:
    """Whether a text in a module, docstrings aside, names the table."""
    nodes = list(ast.walk(tree(module)))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [
        node for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings
    ]
    return any("stored_events" in text.value for text in texts if isinstance(text.value, str))


# --- where files stand ---------------------------------------------------------------------


@pytest.mark.parametrize("package", MOST_FILES)
def test_few_files_stand_on_a_packages_own_floor(package: str) -> None:
    floor = [path.name for path in (ROOT / package).iterdir() if path.is_file()]
    assert len(floor) <= MOST_FILES[package], floor


def test_a_test_stands_where_the_code_stands_that_it_is_about() -> None:
    for module in of("tests"):
        _, place, *inside = module.split(".")
        if place in STEPS and inside and files()[module].name.startswith("test_"):
            folder = ROOT.joinpath(place, *inside[:-1])
            assert folder.is_dir(), f"{module} is about nothing: there is no {folder}"


PROGRAMS = ("tests.torture.__main__", "tests.torture.machine")
"""What stands between the tests and is no helper: a program, which its test runs."""


def test_what_tests_share_stands_in_support() -> None:
    """Between the tests are no helpers, and no test imports another, or a program between them."""
    between = [
        module
        for module in of("tests")
        if room(module) in (*STEPS, "house", "torture")
        if not _is_of(module, PROGRAMS)
        if not re.fullmatch(r"(test_\w+|__init__|conftest)\.py", files()[module].name)
    ]
    assert between == []
    borrowed = [
        where(each)
        for module in files()
        for each in imports(module)
        if each.imported.startswith("tests.")
        if re.match(r"(test_|conftest)", each.imported.rpartition(".")[2])
        or (_is_of(each.imported, PROGRAMS) and not _is_of(module, PROGRAMS))
    ]
    assert borrowed == []


def _is_of(module: str, packages: tuple[str, ...]) -> bool:
    return any(f"{module}.".startswith(f"{package}.") for package in packages)


# --- that it stands alone ------------------------------------------------------------------


def test_nothing_else_stands_at_the_top() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= AT_THE_TOP


def test_the_project_names_no_machine_and_no_folder_outside() -> None:
    """Tests alone may look for real data beside the project."""
    outside = ("../" + "shared", "/" + "root/", "/" + "work/", "pypi-" + "more")
    for path in tracked():
        inside = path.relative_to(ROOT).parts[0]
        if inside in ("tests", ".ci") or path.suffix in (".db", ".png"):
            continue
        text = path.read_text("utf-8")
        assert not [name for name in outside if name in text], path
