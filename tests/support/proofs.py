"""Proofs and bundles of a sealed store, and how a forger would change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from casestore import CaseStore
from casestore.audit.evidence import write_bundle
from casestore.audit.proof import verify_proof
from casestore.audit.proving import find_row, prover
from casestore.tlog.note import Verifier
from tests.support.sealed import key_of, opened

Change = Callable[[dict[str, Any]], object]


def proof_of(store: CaseStore, event: str) -> dict[str, Any]:
    with prover(store) as proving:
        found: dict[str, Any] = json.loads(
            msgspec.json.encode(proving.prove(find_row(store, event)))
        )
    return found


def verified(proof: dict[str, Any], *keys: Verifier) -> tuple[Any, Any]:
    return verify_proof(json.dumps(proof).encode(), keys)


def leaf_with(**changes: object) -> Change:
    def change(proof: dict[str, Any]) -> None:
        leaf = json.loads(proof["leaf"]) | changes
        proof["leaf"] = json.dumps(leaf, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    return change


def bundle_of(url: str, out: Path, *, reveal: bool = False) -> Verifier:
    with opened(url) as store:
        write_bundle(store, "c2", out, reveal=reveal)
        return key_of(store)
