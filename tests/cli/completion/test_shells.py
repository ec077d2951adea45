"""Completion as people have it: Tab is typed into real shells, with a real store."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.append.request import Append
from tests.support.command_line import Casestore, demo_store
from tests.support.shells import SETUP, Shell, shell
from tests.support.stories import opened

HOSTILE = ("odd id", "pay$(touch pwned)", "tick`touch pwned`", "semi;touch pwned", "quo'te*")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Casestore:
    demo = demo_store(tmp_path_factory.mktemp("demo"))
    demo("cases").fine()  # makes the tables
    for each in HOSTILE:
        opened = f"case:{each}", "CaseOpened", "customer_id=C-1", "channel=email"
        demo("record", *opened, "product=two words", "--actor", "agent:bo").fine()
    return demo


@pytest.fixture(params=SETUP, scope="module")
def sh(
    request: pytest.FixtureRequest, demo: Casestore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    name = str(request.param)
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    with shell(name, demo, tmp_path_factory.mktemp(name)) as made:
        yield made


@pytest.mark.parametrize(
    "line",
    [
        "casestore reco|rd",
        "casestore case timeline customer:C-22|07",
        "casestore cases --team call-c|entre",
        "casestore record cust|omer:",
        "casestore record case:roadshow PromiseKept prom|ise_id=",
        "casestore record case:roadshow PromiseKept promise_id=ow|n-invitation",
        "casestore record case:x NoteAdded --actor agent:bren|dan:agent:call-centre",
        "casestore lapses --format=js|on",
        "casestore cases --columns case_id,tea|m",
        "casestore nope xyz|",
    ],
)
def test_tab(sh: Shell, line: str) -> None:
    typed, _, rest = line.partition("|")
    assert sh.completed(typed).removesuffix(" ") == typed + rest


@pytest.mark.parametrize(
    "line",
    [
        "casestore case show roads|how",
        "casestore case show roadshow --as-|of",
        "casestore cases --customer C-51|20",
        "casestore goodwill history C-22|07",
        "casestore export --stream case:upl|oad-limit",
        "casestore privacy status C-51|20",
        "casestore promises --agent brend|an",
        "casestore goodwill allowance C-6071 --role care|-lead",
        "casestore record case:roadshow PromiseK|ept",
        "casestore record case:x CaseOpened channel=em|ail",
        "casestore record case:x CaseOpened customer_id=C-51|20",
        "casestore record case:x CaseOpened product=gl|",
        "casestore record case:x CaseAssigned team=call-c|entre",
        "casestore record case:x GestureGiven value.curr|ency=",
        "casestore record case:x GestureGiven value.currency=EU|R",
        "casestore record case:x GestureGiven kind=voucher value.a|mount=",
        "casestore record case:x MessageReceived automated=t|rue",
        "casestore record case:x NoteAdded text=|",
        "casestore record case:x NoSuchThing |",
        "casestore lapses --rule bare|-no",
        "casestore cases --sort opened|_at",
        "casestore cases --sort -opened|_at",
        "casestore lapses --by agent --sort viol|ated",
        "casestore case timeline roadshow --columns who,wh|at",
        "casestore case show roadshow --tz Europe/Berl|in",
        "casestore events PromiseK|ept",
        "casestore lessons bare|-no",
        "casestore projections rebuild promi|ses",
        "casestore completion ba|sh",
        "casestore --format json cases --team call-c|entre",
    ],
)
def test_what_completes_what(demo: Casestore, line: str) -> None:
    """Without a shell: which values stand where."""
    typed, _, rest = line.partition("|")
    asked = {"_CASESTORE_COMPLETE": "bash_complete", "COMP_WORDS": typed}
    told = Casestore(demo.env["CASESTORE_URL"], **asked)().fine().out.split()
    word = "" if typed.endswith(" ") else typed.rpartition(" ")[2]
    if rest:
        assert f"plain,{word}{rest}" in told
    else:
        assert told == []


def test_no_space_comes_after_what_is_only_begun(sh: Shell) -> None:
    assert sh.completed("casestore record case:roadshow PromiseKept prom").endswith("promise_id=")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_never_run(sh: Shell, name: str) -> None:
    shown = sh.run(f"casestore case show {name[:3]}\t --format json")
    assert f'"case_id": "{name}"' in shown
    assert not (sh.folder / "pwned").exists()


def test_a_name_of_two_words_is_one_word_for_the_shell(sh: Shell) -> None:
    shown = sh.run("casestore cases --product tw\t --format json")
    assert shown.count('"case_id"') == len(HOSTILE)


# --- quick and silent ------------------------------------------------------------------------


def _asked(casestore: Casestore, line: str) -> tuple[str, float]:
    begun = time.monotonic()
    asked = {"_CASESTORE_COMPLETE": "bash_complete", "COMP_WORDS": line}
    again = Casestore(casestore.env["CASESTORE_URL"], **asked)
    ran = again.spawn()
    assert (ran.code, ran.err) == (0, "")
    return ran.out.strip(), time.monotonic() - begun


@pytest.mark.parametrize(
    "url",
    ["sqlite:///{}/none.db", "mysql://x", "postgresql://nobody@127.0.0.1:1/none", "{}", ""],
)
def test_where_there_is_no_store_nothing_is_said_and_nothing_made(tmp_path: Path, url: str) -> None:
    nowhere = Casestore(f"sqlite:///{tmp_path}/none.db")
    for line in (
        f"casestore --db '{url.format(tmp_path)}' case show ",
        f"casestore cases --db '{url.format(tmp_path)}' --team ",
    ):
        assert _asked(nowhere, line)[0] == ""
    assert list(tmp_path.iterdir()) == []


def test_no_tables_are_made_for_it(tmp_path: Path) -> None:
    demo = demo_store(tmp_path)
    before = set(os.listdir(tmp_path))
    assert "call-centre" in _asked(demo, "casestore cases --team ")[0]  # from the last events
    assert "care-lead" in _asked(demo, "casestore goodwill allowance C-6071 --role ")[0]
    assert {name for name in os.listdir(tmp_path) if "projections" in name} == set()
    assert before <= set(os.listdir(tmp_path))


def test_a_writer_that_holds_the_store_holds_up_nobody(tmp_path: Path) -> None:
    demo = demo_store(tmp_path)
    with sqlite3.connect(tmp_path / "demo.db", isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert _asked(demo, "casestore case show roads")[0] == "plain,roadshow"
    writer.close()


def test_a_store_that_cannot_be_read_is_given_up_in_time(tmp_path: Path) -> None:
    demo = demo_store(tmp_path)
    with sqlite3.connect(tmp_path / "demo.db", isolation_level=None) as holder:
        holder.execute("PRAGMA journal_mode = DELETE")
        holder.execute("BEGIN EXCLUSIVE")
        told, took = _asked(demo, "casestore case show roads")
        assert told == ""
        assert took < 20  # the store itself waits for 30
    holder.close()


def test_at_most_some_hundred_names_and_the_last_of_all(tmp_path: Path) -> None:
    """A shell types on as far as all names agree, so the last one must be among them."""
    url = f"sqlite:///{tmp_path}/many.db"
    with CaseStore.create(url, sealed=False) as store:
        numbers = [*(f"A{n:04}" for n in range(500)), "AZ"]
        store.write([Append(batches=[(f"case:{n}", [opened()])]) for n in numbers])
    told = _asked(Casestore(url), "casestore case show A")[0].splitlines()
    assert len(told) == 201
    assert told[-1] == "plain,AZ"


def test_personal_text_is_never_completed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/open.db"
    CaseStore.create(url, sealed=False).close()
    own = Casestore(url)
    own(
        *("record", "case:1", "CaseOpened", "customer_id=C-1", "channel=email"),
        *("subject=Secret", "--actor", "agent:bo"),
    ).fine()
    assert _asked(own, "casestore record case:2 CaseOpened subject=")[0] == ""
    assert _asked(own, "casestore record case:2 CaseOpened customer_id=")[0].endswith("=C-1")
