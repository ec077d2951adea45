"""The Merkle tree of RFC 6962 (the same in RFC 9162): roots, proofs, and checking them.

A tree over entries D[0:n] is split at the largest power of two below n (section 2.1). A leaf is
hashed with 0x00 before it and a node with 0x01, so that neither can be passed off as the other.
Nothing is stored here: see casestore.tlog.tiles. Every hash is SHA-256, 32 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256().digest()
"""The root of a tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""A function that gives MTH(D[start:end]), the root over the entries from start (included) to end
(excluded)."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (RFC 6962, 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node over two subtrees (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`; `size` must be at least 2 (RFC 6962, 2.1)."""
    return int(1 << ((size - 1).bit_length() - 1))


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over the roots of perfect subtrees, largest first, as `blocks` lists them."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def blocks(start: int, end: int) -> list[tuple[int, int]]:
    """The perfect subtrees that D[start:end] consists of, largest first, as (start, height).

    A perfect subtree of height h has 2**h leaves. `start` must be a multiple of a power of two
    that is at least end - start. This holds for 0, and for every range that a proof asks for.
    """
    subtrees = []
    while start < end:
        height = (end - start).bit_length() - 1
        subtrees.append((start, height))
        start += 1 << height
    return subtrees


class Frontier:
    """A growing tree that keeps only the roots of its perfect subtrees: O(log n) memory.

    Invariant: `roots` has one hash for each 1 in the binary form of `size`, the largest subtree
    first. So no two subtrees have the same size.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        root = leaf
        size = self.size
        while size & 1:
            root = sha256(b"\x01" + self.roots.pop() + root).digest()
            size >>= 1
        self.roots.append(root)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return fold(self.roots)


# --- proofs --------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[0:size]): proves that a leaf is in the tree (RFC 6962, 2.1.1).

    Hashes, from the leaf's sibling up to the root's child. Raises ValueError.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")

    def path(start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if index < middle:
            return [*path(start, middle), subtree(middle, end)]
        return [*path(middle, end), subtree(start, middle)]

    return path(0, size)


def consistency_proof(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """PROOF(old, D[0:size]): proves that a tree begins with an older one (RFC 6962, 2.1.2).

    `old` is the size of the older tree. Raises ValueError.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} has no older one of {old}")

    def subproof(start: int, end: int, whole: bool) -> list[bytes]:
        if end == old:
            return [] if whole else [subtree(start, end)]
        middle = start + split(end - start)
        if old <= middle:
            return [*subproof(start, middle, whole), subtree(middle, end)]
        return [*subproof(middle, end, False), subtree(start, middle)]

    return subproof(0, size, True) if old else []


# --- checking them -------------------------------------------------------------------------


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None if it is malformed."""
    if not 0 <= index < size or any(len(hashed) != HASH_SIZE for hashed in (leaf, *proof)):
        return None
    node, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None  # the proof is too long
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None  # where last is not 0, the proof is too short


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether a proof shows that the leaf with this hash is in the tree with this root."""
    return root_from_inclusion(leaf, index, size, proof) == root


def verify_consistency(
    old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Whether a proof shows that a tree begins with an older one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= size or any(len(hashed) != HASH_SIZE for hashed in proof):
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:  # the older tree is perfect, and then the proof leaves its root out
        path.insert(0, old_root)
    if not path:
        return False
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = path[0]  # grow into the older root and the newer one
    for sibling in path[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and first == old_root and second == root
