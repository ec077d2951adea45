"""The Merkle tree of RFC 6962 (the same in RFC 9162): roots, proofs, and checking them.

Nothing is stored here. A tree over entries D[0:n] is split at the largest power of two below n
(section 2.1); a leaf is hashed with a 0x00 before it and a node with a 0x01, so that neither is
ever taken for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

HASH_SIZE = 32
EMPTY_ROOT = sha256().digest()
"""The root of a tree without leaves."""

Subtree = Callable[[int, int], bytes]
"""Gives MTH(D[start:end]), the root over the entries from start (inclusive) to end (exclusive)."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (RFC 6962, 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`, which is at least 2 (RFC 6962, 2.1)."""
    return int(1 << ((size - 1).bit_length() - 1))


def fold(roots: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees of falling size, as `blocks` names them."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def blocks(start: int, end: int) -> list[tuple[int, int]]:
    """The perfect subtrees that D[start:end] is made of, largest first, as (start, height).

    `start` must be a multiple of a power of two that is not less than end - start, as it is for
    whatever ranges a proof asks for, and for 0.
    """
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        found.append((start, height))
        start += 1 << height
    return found


class Frontier:
    """A growing tree, of which only the roots of its perfect subtrees are kept: O(log n).

    Invariant: `roots` has one hash for each 1 in the binary form of `size`, that of the largest
    subtree first; so two equally large ones never stand side by side.
    """

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        self.size = size
        self.roots = list(roots)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        grown = leaf
        size = self.size
        while size & 1:
            grown = sha256(b"\x01" + self.roots.pop() + grown).digest()
            size >>= 1
        self.roots.append(grown)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        return fold(self.roots)


# --- proofs --------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """PATH(index, D[0:size]): proves that a leaf is in the tree (RFC 6962, 2.1.1)."""
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
    """PROOF(old, D[0:size]): proves that a tree begins with an older one (RFC 6962, 2.1.2)."""
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
    if not 0 <= index < size or any(len(each) != HASH_SIZE for each in (leaf, *proof)):
        return None
    place, last, root = index, size - 1, leaf
    for each in proof:
        if last == 0:
            return None  # too long
        if place & 1 or place == last:
            root = node_hash(each, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, each)
        place, last = place >> 1, last >> 1
    return root if last == 0 else None  # else too short


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether a proof shows that the leaf with this hash is in the tree with this root."""
    return root_from_inclusion(leaf, index, size, proof) == root


def verify_consistency(
    old: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes
) -> bool:
    """Whether a proof shows that a tree begins with an older one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= size or any(len(each) != HASH_SIZE for each in proof):
        return False
    if old == size:
        return not proof and old_root == root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    if old & (old - 1) == 0:  # the older tree is a perfect one, and not repeated in the proof
        path.insert(0, old_root)
    if not path:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == root
