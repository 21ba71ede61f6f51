"""Merkle trees as Certificate Transparency hashes them (RFC 6962, section 2.1). Pure: bytes in, bytes out.

The input of a leaf's hash starts with byte 0 and that of a node's with byte 1, so that no node is valid as a leaf.
"""

import hashlib
from collections.abc import Sequence

LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one leaf's content."""
    return hashlib.sha256(LEAF_PREFIX + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes. About twice as many hashes as there are leaves."""
    level = list(leaves)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf `index` (section 2.1.1): the sibling at each level, from the leaf up.

    Raises IndexError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} among {len(leaves)}")
    path = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _level_above(level)
        index //= 2
    return path


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether `path` leads from the leaf hash at `index` of a tree of `size` leaves to the root."""
    if not 0 <= index < size:
        return False
    node, remaining, last = leaf, list(path), size - 1
    while last > 0:
        if index % 2 == 1 or index < last:
            if not remaining:
                return False
            sibling = remaining.pop(0)
            node = _node_hash(sibling, node) if index % 2 else _node_hash(node, sibling)
        index, last = index // 2, last // 2
    return not remaining and node == expected_root


def _level_above(level: Sequence[bytes]) -> list[bytes]:
    """Hash each pair into one node; an odd last hash moves up unchanged.

    That is section 2.1's split at the largest power of two, read from the leaves up.
    """
    above = [_node_hash(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    if len(level) % 2:
        above.append(level[-1])
    return above


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE_PREFIX + left + right).digest()
