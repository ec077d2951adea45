"""The access log: what a line tells, who may read it, and what becomes of a torn one."""

from __future__ import annotations

import json
import os
import pwd
import stat
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.doctor.examine import examine
from casestore.privacy.access_log import AccessLog, last_line, log_beside, log_of, os_user


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_tells_who_did_what_to_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")  # nobody is another one by saying so
    path = tmp_path / "log"
    log = AccessLog(path)
    log.note_command("case timeline", case="1", store_id="s")
    log.note_command("privacy erase", customer="c1", actor="agent:anna")
    log.note_command("find")
    user = pwd.getpwuid(os.getuid()).pw_name
    told = lines(path)
    assert [(each["who"], each["command"]) for each in told] == [
        (user, "case timeline"),
        (user, "privacy erase"),
        (user, "find"),
    ]
    assert [(each["case"], each["customer"], each["all"]) for each in told] == [
        ("1", None, False),
        (None, "c1", False),
        (None, None, True),
    ]
    assert (told[0]["store_id"], told[1]["actor"]) == ("s", "agent:anna")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("link", "pipe", "folder", "none/log"):
        with pytest.raises(OSError, match=name):
            AccessLog(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()


ROOT_ALONE = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root becomes another user"
)
ANOTHER = 65534


@ROOT_ALONE
def test_root_makes_the_log_beside_a_store_for_its_owner(tmp_path: Path) -> None:
    """Else the service could show and erase nothing any more, once root had looked."""
    (tmp_path / "s.db").touch()
    os.chown(tmp_path / "s.db", ANOTHER, -1)
    path = tmp_path / "s.db.views.ndjson"
    AccessLog(path).note_command("find")
    assert path.stat().st_uid == ANOTHER
    AccessLog(tmp_path / "own").note_command("find")
    assert (tmp_path / "own").stat().st_uid == 0


def _makes(answers: SimpleQueue[str], folder: Path) -> None:
    os.chdir(folder)  # the folders above are another's
    os.setuid(ANOTHER)
    for name in ("s.db.views.ndjson", "own"):
        try:
            AccessLog(Path(name)).note_command("find")
        except OSError as error:
            answers.put(str(error.strerror))
        else:
            answers.put("noted")


@ROOT_ALONE
def test_nobody_takes_the_log_beside_the_store_of_somebody_else(tmp_path: Path) -> None:
    """A colleague of the group who asks for words, even if refused, would lock the owner out."""
    (tmp_path / "s.db").touch()
    tmp_path.chmod(0o777)
    context = get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_makes, args=(answers, tmp_path))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert answers.get() == "it would be yours alone, and the store is another user's"
    assert answers.get() == "noted"
    assert not (tmp_path / "s.db.views.ndjson").exists()


def test_a_line_after_a_torn_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log"
    AccessLog(path).note_command("find")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert last_line(path) is None
    AccessLog(path).note_command("export")
    first, torn, last = path.read_bytes().splitlines()
    assert (first + b"\n", torn) == (whole, whole[:20])
    assert json.loads(last)["command"] == "export"
    assert last_line(path) == last


def _note(path: Path, actor: str) -> None:
    log = AccessLog(path)
    for _ in range(200):
        log.note_command("find", actor=actor * 3000)


def test_several_processes_append_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    spawn = get_context("spawn")
    crew = [spawn.Process(target=_note, args=(path, each)) for each in "abc"]
    for each in crew:
        each.start()
    for each in crew:
        each.join()
    assert sorted(str(each["actor"])[0] for each in lines(path)) == sorted("abc" * 200)


def test_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASESTORE_ACCESS_LOG", raising=False)
    assert log_beside("sqlite:////srv/a.db") == Path("/srv/a.db.views.ndjson")
    assert log_of("sqlite:////srv/a.db") == Path("/srv/a.db.views.ndjson")
    assert log_of("postgresql://h/d?schema=s") is None
    monkeypatch.setenv("CASESTORE_ACCESS_LOG", "/var/log/words")
    assert log_of("postgresql://h/d?schema=s") == Path("/var/log/words")
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert os_user() == "uid 3999999999"


def test_the_doctor_knows_it(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "access"
    monkeypatch.setenv("CASESTORE_ACCESS_LOG", str(path))

    def found(store: CaseStore) -> list[str]:
        return [each.what for each in examine(store) if each.level == "warning"]

    with CaseStore.create(store_url) as store:
        assert found(store) == []  # nobody has seen words yet
        AccessLog(path).note_command("find")
        assert found(store) == []
        path.chmod(0o644)
        assert found(store) == ["others than its owner have a right to it (mode 0644)"]
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-5])
        assert [each[:22] for each in found(store)] == ["its last line is torn:"]
        path.write_bytes(b"no json\n")
        assert [each[:22] for each in found(store)] == ["its last line is torn:"]
        path.unlink()
        path.symlink_to(tmp_path / "elsewhere")
        assert [each[:15] for each in found(store)] == ["cannot be read:"]
