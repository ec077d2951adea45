"""`casestore audit` as it is typed: what it prints, how it exits, and the documented recipe."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from casestore import CaseStore
from casestore.journal.sqlite import SQLiteJournal
from tests.support.command_line import ROOT, Casestore, demo_store
from tests.support.sealed import alter, audit_folder, tell


@pytest.fixture
def casestore(tmp_path: Path) -> Casestore:
    """The demo's stories, with a key, and not sealed yet."""
    made = demo_store(tmp_path)
    made.env |= {"CASESTORE_AUDIT_DIR": None, "CASESTORE_AUDIT_KEY": None}
    assert made("audit", "key").code == 0
    return made


@pytest.fixture
def verifier(casestore: Casestore, tmp_path: Path) -> str:
    file = tmp_path / "verifier"
    file.write_text(casestore("audit", "key").fine().out)
    return str(file)


def store_of(casestore: Casestore) -> CaseStore:
    return CaseStore.open(casestore.env["CASESTORE_URL"])


def test_the_signing_key_is_made_once(tmp_path: Path) -> None:
    casestore = demo_store(tmp_path)
    first = casestore("audit", "key")
    assert first.code == 0
    assert first.err == f"made the signing key {tmp_path}/demo.db.audit/key\n"
    assert re.fullmatch(r"casestore/[0-9a-f-]{36}\+[0-9a-f]{8}\+\S{44}\n", first.out)
    assert casestore("audit", "key").fine().out == first.out
    told = casestore("audit", "key", "--format", "json").fine().json
    assert told["verifier"] == first.out.strip()
    assert told["new"] is False


def test_who_holds_a_checkpoint_by_the_old_key_gives_both_keys(
    casestore: Casestore, tmp_path: Path, verifier: str
) -> None:
    """The key was changed since: each document is by the new one, what is held by the old one."""
    assert casestore("audit", "seal").code == 0
    folder = tmp_path / "demo.db.audit"
    held = str(shutil.copy(folder / "checkpoint", tmp_path / "held"))
    (folder / "key").unlink()
    new = tmp_path / "new"
    new.write_text(casestore("audit", "key").out)
    noted = ("record", "case:nine-days", "NoteAdded", "--actor", "agent:anna")
    assert casestore(*noted).code == 0
    assert casestore("audit", "seal").code == 0
    proof = casestore("audit", "prove", "case:nine-days@1", "--held", held).fine().out
    (tmp_path / "proof.json").write_text(proof)
    casestore("audit", "case", "nine-days", str(tmp_path / "out"), "--held", held).fine()
    for asked in (("verify-proof", "proof.json"), ("verify-bundle", "out")):
        both = ("--key", str(new), "--key", verifier)
        for keys in (both, both[2:] + both[:2]):
            ran = casestore("audit", asked[0], str(tmp_path / asked[1]), *keys, "--held", held)
            assert f"that history begins with what {held} signs" in ran.fine().out
        for key in (str(new), verifier):
            alone = ("--key", key, "--held", held)
            ran = casestore("audit", asked[0], str(tmp_path / asked[1]), *alone)
            assert "is not signed by the key asked for" in ran.failed(3)


def test_seal_and_verify(casestore: Casestore, tmp_path: Path) -> None:
    assert casestore("audit", "verify").code == 3
    out = casestore("audit", "seal").fine().out
    count = re.match(r"sealed (\d+) events, (\d+) of them new\n", out)
    assert count is not None
    assert out.endswith(f"the checkpoint is {tmp_path}/demo.db.audit/checkpoint\n")
    assert casestore("audit", "verify").fine().out == f"{count[1]} events are what was signed\n"
    assert casestore("audit", "verify", "--quiet").fine().out == ""
    told = casestore("audit", "verify", "--format", "json").fine().json
    assert told == {
        "verdict": "fine",
        "events": int(count[1]),
        "covered": int(count[1]),
        "uncovered": 0,
        "trusted": 0,
        "checkpoints": 1,
        "findings": [],
    }
    out = casestore("audit", "verify", "--incremental").fine().out
    assert f"the first {count[1]} were verified before" in out
    again = casestore("audit", "seal", "--format", "json").fine().json
    assert (again["size"], again["new"]) == (int(count[1]), 0)
    assert Path(again["file"]).read_text() == again["checkpoint"]


def test_what_is_newer_is_told(casestore: Casestore) -> None:
    casestore("audit", "seal").fine()
    note = ("--actor", "agent:anna", "text=Hm.")
    casestore("record", "case:roadshow", "NoteAdded", *note).fine()
    out = casestore("audit", "verify").fine().out
    assert "1 event are newer" not in out
    assert "1 event is newer than every checkpoint" in out


def test_tampering_is_told_in_one_finding(casestore: Casestore, tmp_path: Path) -> None:
    casestore("audit", "seal").fine()
    with store_of(casestore) as store:
        alter(store, "UPDATE {t} SET topic = 'NoteAdded' WHERE position = 20")
    ran = casestore("audit", "verify")
    assert ran.code == 1
    assert ran.err == ""
    assert "tampered" in ran.out
    assert "position 20" in ran.out
    assert "is not what was sealed as event 20" in ran.out
    ran = casestore("audit", "verify", "--format", "json")
    assert ran.code == 1
    assert ran.json["verdict"] == "tampered"
    assert [finding["level"] for finding in ran.json["findings"]] == ["tampered"]
    assert "not what was sealed" in casestore("audit", "export", str(tmp_path / "log")).failed(1)


def test_a_held_checkpoint(casestore: Casestore, verifier: str, tmp_path: Path) -> None:
    casestore("audit", "seal").fine()
    held = tmp_path / "held"
    shutil.copy(tmp_path / "demo.db.audit" / "checkpoint", held)
    asked = ("audit", "verify", "--held", str(held))
    assert casestore(*asked, "--key", verifier).fine()
    assert casestore(*asked, "--key", Path(verifier).read_text().strip()).fine()
    shutil.rmtree(tmp_path / "demo.db.audit")
    assert casestore(*asked, "--key", verifier).fine()
    assert "no key is known" in casestore(*asked).out
    assert casestore(*asked).code == 3
    held.write_text(held.read_text().replace("\n\n", "\n"))
    ran = casestore(*asked, "--key", verifier)
    assert ran.code == 3
    assert "is not a checkpoint" in ran.out
    assert casestore("audit", "verify", "--held", "nowhere").failed(2)
    assert "not a verifier key" in casestore(*asked, "--key", "x").failed(2)


def test_prove_and_verify_proof(casestore: Casestore, verifier: str, tmp_path: Path) -> None:
    assert "nothing was sealed yet" in casestore("audit", "prove", "case:roadshow@2").failed(3)
    casestore("audit", "seal").fine()
    proof = casestore("audit", "prove", "case:roadshow@2").fine().out
    (tmp_path / "proof.json").write_text(proof)
    elsewhere = Casestore()  # no store, anywhere
    check = ("audit", "verify-proof", str(tmp_path / "proof.json"), "--key")
    out = elsewhere(*check, verifier).fine().out
    assert out.startswith("IssueRaised, case:roadshow version 2, event id ")
    told = elsewhere(*check, verifier, "--format", "json").fine().json
    assert told["event"]["stream"] == "case:roadshow"
    assert elsewhere("audit", "verify-proof", "-", "--key", verifier, stdin=proof).fine()
    spoilt = proof.replace('"index": 5', '"index": 6')
    refused = elsewhere("audit", "verify-proof", "-", "--key", verifier, stdin=spoilt).failed(1)
    assert "the path does not lead to the signed root" in refused
    (tmp_path / "other").mkdir()
    key = demo_store(tmp_path / "other")("audit", "key").out.strip()
    assert "give another one with --key" in elsewhere(*check, key).failed(3)
    assert elsewhere("audit", "verify-proof", "-", "--key", verifier, stdin="{}").failed(1)
    assert "casestore:@" not in casestore("audit", "prove", "case:roadshow@99").failed(2)


def test_a_case_as_evidence(casestore: Casestore, verifier: str, tmp_path: Path) -> None:
    casestore("audit", "seal").fine()
    out = str(tmp_path / "out")
    assert casestore("audit", "case", "roadshow", out).fine().out.startswith("wrote 32 events to ")
    assert "already" in casestore("audit", "case", "roadshow", out).failed(1)
    elsewhere = Casestore()
    said = elsewhere("audit", "verify-bundle", out, "--key", verifier).fine().out
    assert said == "case:roadshow: 32 events, all as they were signed\n"
    assert (
        "the bundle's own key; compare it: casestore/"
        in elsewhere("audit", "verify-bundle", out).fine().out
    )
    told = elsewhere("audit", "verify-bundle", out, "--format", "json").fine().json
    assert (told["stream"], told["events"], len(told["remarks"])) == ("case:roadshow", 32, 1)
    page = Path(out, "page.html")
    page.write_text(page.read_text("utf-8").replace("mei", "moi"), "utf-8")
    assert "page.html is not what was signed when the bundle was made" in elsewhere(
        "audit", "verify-bundle", out, "--key", verifier
    ).failed(1)
    Path(out, "bundle.json").unlink()
    assert elsewhere("audit", "verify-bundle", out).failed(3)


def test_no_words_unless_revealed(casestore: Casestore, tmp_path: Path) -> None:
    """Nothing that an audit writes or says holds what somebody said."""
    casestore("audit", "seal").fine()
    said = "".join(
        ran.out + ran.err
        for ran in (
            casestore("audit", "verify"),
            casestore("audit", "prove", "case:roadshow@1"),
            casestore("audit", "export", str(tmp_path / "log")),
            casestore("audit", "case", "roadshow", str(tmp_path / "out")),
        )
    )
    folders = (tmp_path / "log", tmp_path / "out", tmp_path / "demo.db.audit")
    files = [path for each in folders for path in each.rglob("*") if path.is_file()]
    written = b"".join(path.read_bytes() for path in files) + said.encode()
    assert len(files) >= 12
    assert b"tasting" in written  # what is coded is there
    for canary in ("always goes to other regions", "held your card for years"):
        assert canary.encode() not in written
    casestore("audit", "case", "roadshow", str(tmp_path / "revealed"), "--reveal").fine()
    assert "held your card for years" in (tmp_path / "revealed" / "page.html").read_text("utf-8")


def test_a_sealer_waits_for_another(casestore: Casestore, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "demo.db.audit" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = casestore.process("audit", "seal")
        time.sleep(1.5)
        assert process.poll() is None
    assert process.wait(30) == 0
    process.communicate()
    assert casestore("audit", "verify").fine()


def test_on_either_database(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = audit_folder(tmp_path, monkeypatch)
    with CaseStore.create(store_url) as store:
        tell(store, "c1", "k1")
        sqlite = isinstance(store._recorder, SQLiteJournal)
    env = {"CASESTORE_AUDIT_DIR": str(folder), "CASESTORE_KEY_FILE": str(tmp_path / "store.key")}
    casestore = Casestore(store_url, **env)
    assert "begin with `casestore audit key`" in casestore("audit", "seal").failed(3)
    assert casestore("audit", "key").code == 0
    for args in (("seal",), ("verify",), ("prove", "case:c1@1"), ("export", str(tmp_path / "log"))):
        casestore("audit", *args).fine()
    nowhere = Casestore(store_url, **{**env, "CASESTORE_AUDIT_DIR": None})
    monkeypatch.delenv("CASESTORE_AUDIT_DIR")
    said = nowhere("audit", "key")
    assert said.code == (0 if sqlite else 3)
    assert sqlite or "CASESTORE_AUDIT_DIR" in said.err


# --- docs/audit.md


def test_evidence_names_who_made_it_as_they_say(casestore: Casestore, tmp_path: Path) -> None:
    casestore("audit", "seal").fine()
    said = ("--maker", "Anna Ahrens", "--firm", "Kettles Ltd")
    casestore("audit", "case", "roadshow", str(tmp_path / "out"), *said).fine()
    page = (tmp_path / "out" / "page.html").read_text("utf-8")
    assert "<dd>Anna Ahrens</dd>" in page
    assert "<dd>Kettles Ltd</dd>" in page
    casestore.env |= {"CASESTORE_ACTOR": "agent:bo", "CASESTORE_FIRM": "Pots Ltd"}
    casestore("audit", "case", "roadshow", str(tmp_path / "other")).fine()
    page = (tmp_path / "other" / "page.html").read_text("utf-8")
    assert "<dd>agent:bo</dd>" in page
    assert "<dd>Pots Ltd</dd>" in page
    told = casestore("audit", "case", "roadshow", str(tmp_path / "no"), "--firm", "x" * 500_000)
    assert len(told.failed(1)) < 300


def blocks() -> list[str]:
    text = (ROOT / "docs" / "audit.md").read_text("utf-8")
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
def test_the_recipe_with_public_tools(casestore: Casestore, tmp_path: Path) -> None:
    casestore("audit", "seal").fine()
    casestore("audit", "case", "roadshow", str(tmp_path / "out"), "--reveal").fine()
    casestore("audit", "export", str(tmp_path / "out" / "log")).fine()
    proof = casestore("audit", "prove", "case:roadshow@7").fine().out
    (tmp_path / "out" / "proof.json").write_text(proof)
    signature, leaf, state, opened = blocks()[-4:]
    said = run(signature, tmp_path / "out")
    assert "Signature Verified Successfully" in said
    assert run(leaf, tmp_path / "out") == ""
    bundle = json.loads((tmp_path / "out" / "bundle.json").read_text("utf-8"))
    first = bundle["events"][0]
    hashed = json.loads(first["leaf"])
    assert run(state, tmp_path / "out").split()[0] == hashed["state_sha256"]
    words_hash, words = run(opened, tmp_path / "out").split("\n")
    assert words_hash.split()[0] == hashed["words_sha256"]
    assert json.loads(words) == first["words"]
    note = tmp_path / "out" / "checkpoint"
    note.write_text(note.read_text("utf-8").replace("casestore", "casestorf", 1), "utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        run(signature, tmp_path / "out")


def run(script: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-ec", script], cwd=folder, check=True, text=True, capture_output=True,
        env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return done.stdout


def test_the_first_commands_of_the_document(casestore: Casestore) -> None:
    for line in blocks()[0].splitlines():
        command = line.partition("#")[0].split()
        assert casestore(*command[1:]).code == 0
