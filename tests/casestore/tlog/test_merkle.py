"""The Merkle tree: against its definition written down naively, and against published vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casestore.tlog.merkle import (
    EMPTY_ROOT,
    Frontier,
    blocks,
    consistency_proof,
    fold,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

SIZES = range(131)
ENTRIES = [f"entry {n}".encode() for n in range(260)]


# --- the definition (RFC 6962, 2.1 to 2.1.2), written down as it stands


def k(n: int) -> int:
    power = 1
    while power * 2 < n:
        power *= 2
    return power


def mth(d: list[bytes]) -> bytes:
    if len(d) == 0:
        return sha256(b"").digest()
    if len(d) == 1:
        return sha256(b"\x00" + d[0]).digest()
    return sha256(b"\x01" + mth(d[: k(len(d))]) + mth(d[k(len(d)) :])).digest()


def path(m: int, d: list[bytes]) -> list[bytes]:
    n = len(d)
    if n == 1:
        return []
    if m < k(n):
        return [*path(m, d[: k(n)]), mth(d[k(n) :])]
    return [*path(m - k(n), d[k(n) :]), mth(d[: k(n)])]


def subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    n = len(d)
    if m == n:
        return [] if b else [mth(d)]
    if m <= k(n):
        return [*subproof(m, d[: k(n)], b), mth(d[k(n) :])]
    return [*subproof(m - k(n), d[k(n) :], False), mth(d[: k(n)])]


def subtree(start: int, end: int) -> bytes:
    return mth(ENTRIES[start:end])


def frontier(size: int) -> Frontier:
    grown = Frontier()
    for entry in ENTRIES[:size]:
        grown.append(leaf_hash(entry))
    return grown


ROOTS = [mth(ENTRIES[:size]) for size in SIZES]


def test_the_frontier_has_the_root_of_the_definition() -> None:
    for size in range(len(ENTRIES)):
        grown = frontier(size)
        assert grown.root() == mth(ENTRIES[:size])
        assert len(grown.roots) == size.bit_count()
        assert grown.roots == [mth(ENTRIES[a : a + (1 << h)]) for a, h in blocks(0, size)]
        assert fold(grown.roots) == grown.root()


def test_a_frontier_goes_on_from_what_was_kept() -> None:
    for size in SIZES:
        kept = frontier(size)
        again = Frontier(kept.size, kept.roots)
        again.append(leaf_hash(ENTRIES[size]))
        assert again.root() == mth(ENTRIES[: size + 1])
        assert kept.size == size


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_proofs(size: int) -> None:
    for index in range(size):
        proof = inclusion_proof(index, size, subtree)
        assert proof == path(index, ENTRIES[:size])
        assert verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, ROOTS[size])


@pytest.mark.parametrize("size", SIZES)
def test_consistency_proofs(size: int) -> None:
    for old in range(size + 1):
        proof = consistency_proof(old, size, subtree)
        assert proof == (subproof(old, ENTRIES[:size], True) if old else [])
        assert verify_consistency(old, size, proof, ROOTS[old], ROOTS[size])


def test_what_cannot_be_proven() -> None:
    for index, size in ((0, 0), (-1, 3), (3, 3)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, subtree)
    for old, size in ((-1, 3), (4, 3)):
        with pytest.raises(ValueError, match="no older one"):
            consistency_proof(old, size, subtree)


WRONG = sha256(b"wrong").digest()


def spoilt(proof: list[bytes], root: bytes) -> list[list[bytes]]:
    """Proofs too long, too short, misordered, with a bit changed, with what is no hash."""
    found = [[*proof, root], [root, *proof], [*proof, b""], [b"", *proof], [*proof, WRONG]]
    found += [proof[:n] + proof[n + 1 :] for n in range(len(proof))]
    found += [[*proof[:n], WRONG, *proof[n:]] for n in range(len(proof))]
    for n, each in enumerate(proof):
        found.append([*proof[:n], bytes([each[0] ^ 16]) + each[1:], *proof[n + 1 :]])
        found.append([*proof[:n], each[:31], *proof[n + 1 :]])
    found += [list(reversed(proof))] if len(proof) > 1 else []
    return [each for each in found if each != proof]


@given(st.data())
def test_a_spoilt_inclusion_proof_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 130))
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = path(index, ENTRIES[:size]), ROOTS[size], leaf_hash(ENTRIES[index])
    for wrong in spoilt(proof, root):
        assert not verify_inclusion(leaf, index, size, wrong, root)
    for other in {index - 1, index + 1, index ^ 2, -1, size} - {index}:
        assert not verify_inclusion(leaf, other, size, proof, root)
    for other in (0, -1, index, size * 2, size + 300):
        # One size may do for another where the path is the same; never one that is so far off.
        assert not verify_inclusion(leaf, index, other, proof, root) or proof == []
    assert not verify_inclusion(leaf, index, size, proof, WRONG)
    assert not verify_inclusion(WRONG, index, size, proof, root)
    assert not verify_inclusion(leaf[:31], index, size, proof, root)


@given(st.data())
def test_a_spoilt_consistency_proof_proves_nothing(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 130))
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(old, size, subtree)
    for wrong in [*spoilt(proof, ROOTS[size]), []]:
        assert not verify_consistency(old, size, wrong, ROOTS[old], ROOTS[size])
    assert not verify_consistency(old, size, proof, WRONG, ROOTS[size])
    assert not verify_consistency(old, size, proof, ROOTS[old], WRONG)
    assert not verify_consistency(old, size, proof, ROOTS[size], ROOTS[old])
    for a, b in ((old - 1, size), (old + 1, size), (size, old), (-1, size), (old, old)):
        assert not verify_consistency(a, b, proof, ROOTS[old], ROOTS[size])


def test_the_edges_of_consistency() -> None:
    assert verify_consistency(0, 5, [], EMPTY_ROOT, ROOTS[5])
    assert not verify_consistency(0, 5, [], WRONG, ROOTS[5])
    assert not verify_consistency(0, 5, [WRONG], EMPTY_ROOT, ROOTS[5])
    assert verify_consistency(5, 5, [], ROOTS[5], ROOTS[5])
    assert not verify_consistency(5, 5, [], ROOTS[4], ROOTS[5])
    assert not verify_consistency(5, 5, [WRONG], ROOTS[5], ROOTS[5])


def test_a_proof_of_what_is_not_in_the_tree_proves_nothing() -> None:
    leaf = leaf_hash(ENTRIES[0])
    assert not verify_inclusion(leaf, 1, 1, [], leaf), "there is no such leaf"
    assert not verify_inclusion(leaf, 0, 2, [], leaf), "the proof is too short, whatever the root"
    assert not verify_inclusion(leaf, 0, 1, [WRONG], node_hash(leaf, WRONG)), "it is too long"
    assert not verify_inclusion(leaf[:31], 0, 1, [], leaf[:31]), "that is no hash"
    assert not verify_inclusion(leaf, 0, 2, [b"short"], node_hash(leaf, b"short")), "nor that"


def test_a_proof_from_what_is_not_older_proves_nothing() -> None:
    one, three, five = ROOTS[1], ROOTS[3], ROOTS[5]
    assert not verify_consistency(4, 3, [], ROOTS[4], ROOTS[4]), "4 is not older than 3"
    assert not verify_consistency(3, 5, [], three, five), "nothing is no proof"
    assert not verify_consistency(-1, 3, [], EMPTY_ROOT, three), "no tree is of -1"
    assert not verify_consistency(1, 2, [b"short"], one, node_hash(one, b"short")), "no hash"
    assert not verify_consistency(1, 3, [WRONG], one, node_hash(one, WRONG)), "it is too short"
    long = [*consistency_proof(1, 2, subtree), WRONG]
    assert not verify_consistency(1, 2, long, one, ROOTS[2]), "it is too long"
    proof = consistency_proof(3, 5, subtree)
    assert verify_consistency(3, 5, proof, three, five)
    assert not verify_consistency(3, 5, proof, WRONG, five), "the older one is another"
    assert not verify_consistency(3, 5, proof, three, WRONG), "the newer one is another"


def test_a_leaf_is_never_taken_for_a_node() -> None:
    """The two halves of a tree as one leaf: the attack that the 0x00 and 0x01 are there for."""
    left, right = leaf_hash(ENTRIES[0]), leaf_hash(ENTRIES[1])
    assert leaf_hash(left + right) != node_hash(left, right)
    assert not verify_inclusion(leaf_hash(left + right), 0, 1, [], ROOTS[2])
    assert not verify_inclusion(leaf_hash(b"\x01" + left + right), 0, 1, [], ROOTS[2])
    # A node given as a leaf hash does fit a smaller tree: so sizes come from signed checkpoints.
    assert verify_inclusion(node_hash(left, right), 0, 1, [], ROOTS[2])


# --- published vectors: transparency-dev/merkle, proof/verify_test.go and testdata/
# (https://github.com/transparency-dev/merkle), the tree of eight leaves of Certificate Transparency

LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
PUBLISHED_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A, B, C, D = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
)
E, F, G = (
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
)
PUBLISHED_INCLUSION = [  # leaf (counted from 0), size, proof
    (0, 1, []),
    (0, 8, [A, B, C]),
    (5, 8, [D, E, PUBLISHED_ROOTS[4]]),
    (2, 3, [PUBLISHED_ROOTS[2]]),
    (1, 5, [PUBLISHED_ROOTS[1], B, D]),
]
PUBLISHED_CONSISTENCY = [
    (1, 1, []),
    (1, 8, [A, B, C]),
    (6, 8, [F, E, PUBLISHED_ROOTS[4]]),
    (2, 5, [B, D]),
    (6, 7, [F, G, PUBLISHED_ROOTS[4]]),
]


def test_published_roots() -> None:
    grown = Frontier()
    roots = [grown.root()]
    for leaf in LEAVES:
        grown.append(leaf_hash(leaf))
        roots.append(grown.root())
    assert [root.hex() for root in roots] == PUBLISHED_ROOTS


@pytest.mark.parametrize(("index", "size", "proof"), PUBLISHED_INCLUSION)
def test_published_inclusion_proofs(index: int, size: int, proof: list[str]) -> None:
    ours = inclusion_proof(index, size, lambda a, b: mth(LEAVES[a:b]))
    assert [each.hex() for each in ours] == proof
    root = bytes.fromhex(PUBLISHED_ROOTS[size])
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, size, ours, root)


@pytest.mark.parametrize(("old", "size", "proof"), PUBLISHED_CONSISTENCY)
def test_published_consistency_proofs(old: int, size: int, proof: list[str]) -> None:
    ours = consistency_proof(old, size, lambda a, b: mth(LEAVES[a:b]))
    assert [each.hex() for each in ours] == proof
    roots = [bytes.fromhex(PUBLISHED_ROOTS[each]) for each in (old, size)]
    assert verify_consistency(old, size, ours, *roots)
