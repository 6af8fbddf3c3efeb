"""The trees of a file: attributes and tensors by name, and the Graph's operator made of them.

Written from ``docs/format.md`` alone: it shares no line with the writer that it helps to judge.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from cordwood.ir import TreeEnsemble

FLOATS = {15: "float32", 16: "float64"}
NO_TENSOR = 0xFFFFFFFF


@dataclass
class Trees:
    """A tree_ensemble as it lies in the file: its attributes and tensors by name."""

    attributes: dict[str, Any]
    tensors: dict[str, np.ndarray | None]

    def __getattr__(self, name: str) -> Any:
        return self.attributes[name] if name in self.attributes else self.tensors[name]


ATTRIBUTES = (
    "n_features", "n_outputs", "n_trees", "n_columns", "n_inner", "n_leaf_rows", "leaf_width",
    "input_type", "accumulate_type", "integer_cast", "category_rule", "aggregate",
    "leaf_numbering", "tree_encoding", "flags", "divisor", "zero_band", "missing_value",
)  # fmt: skip
TENSORS = (
    "structure", "column_feature", "column_kind", "column_size", "cuts", "category_count",
    "category_values", "set_bits", "node_column", "node_rank", "missing_left", "tree_output",
    "base_value", "leaf_row", "leaf_values", "leaf_number", "tree_weight", "linear_count",
    "linear_feature", "linear_coefficient", "linear_constant",
)  # fmt: skip


def trees_record(attributes: bytes, tensors: list[np.ndarray | None]) -> Trees:
    """Give attributes and tensors of a tree_ensemble their names."""
    numbers = struct.unpack("<IIIIQQI8B4xddd", attributes)
    named = dict(zip(TENSORS, tensors, strict=True))
    nests, kind = np.divmod(named["column_kind"], 4)
    named |= {"column_kind": kind, "column_nests": nests}
    return Trees(dict(zip(ATTRIBUTES, numbers, strict=True)), named)


def ensemble(
    trees: Trees, source: str = "rows", target: str = "margin", start: str | None = None
) -> TreeEnsemble:
    """Give the file's trees the form of the Graph's operator, so that the oracle can run them."""
    inner = _preorder(trees)
    left, right, tree_start = _children(inner, trees.n_trees)
    n_nodes, n_leaves = len(inner), int((~inner).sum())
    feature, threshold = np.full(n_nodes, -1), np.zeros(n_nodes)
    category_set, zero_missing = np.full(n_nodes, -1), np.zeros(n_nodes, bool)
    rank = _ranks(trees, inner)
    nodes = np.flatnonzero(inner)
    sets: list[list[int]] = []
    values: list[list[float]] = [[] for _ in range(trees.n_features)]
    members_left = trees.category_rule == 3 or _other_goes_right(trees)
    first_cut = first_value = first_bit = 0
    for column in range(trees.n_columns):
        here = nodes[trees.node_column == column]
        at, size = int(trees.column_feature[column]), int(trees.column_size[column])
        feature[here] = at
        if trees.column_kind[column] == 2:
            count = int(trees.category_count[column])
            listed = trees.category_values[first_value : first_value + count]
            bits = trees.set_bits[first_bit : first_bit + size * (count + 1)].reshape(size, -1)
            codes = np.arange(count) if trees.category_rule == 3 else listed.astype(int)
            category_set[here] = len(sets) + rank[trees.node_column == column]
            sets += [codes[row[:-1] != members_left].tolist() for row in bits]
            values[at] = listed.tolist() if trees.category_rule == 3 else []
            first_value, first_bit = first_value + count, first_bit + bits.size
        else:
            cuts = trees.cuts[first_cut : first_cut + size]
            threshold[here] = cuts[rank[trees.node_column == column]]
            zero_missing[here] = trees.column_kind[column] == 1
            first_cut += size
    leaf_row, leaf_id = np.full(n_nodes, -1), np.full(n_nodes, -1)
    leaf_row[~inner] = (
        np.arange(n_leaves) if trees.leaf_row is None else _leaf_rows(trees, n_leaves)
    )
    leaf_id[~inner] = _leaf_ids(trees, inner, left, right, tree_start)
    missing_left = np.zeros(n_nodes, bool)
    from_zero = bool(trees.flags & 8)
    zero_left = from_zero & (category_set[nodes] < 0) & (threshold[nodes] >= 0)
    missing_left[nodes] = zero_left != trees.missing_left
    return TreeEnsemble(
        source=source,
        target=target,
        start=start,
        n_features=trees.n_features,
        n_outputs=trees.n_outputs,
        input_type=FLOATS[trees.input_type],
        integer_cast=("direct", "float32")[trees.integer_cast],
        comparison="le",
        zero_band=trees.zero_band,
        category_rule=("none", "floor", "truncate", "exact")[trees.category_rule],
        category_members="left" if members_left else "right",
        accumulate_type=FLOATS[trees.accumulate_type],
        aggregate={0: "sum", 1: "average", 3: "weighted_median"}[trees.aggregate],
        divisor=trees.divisor,
        missing_value=trees.missing_value if trees.flags & 4 else None,
        accepts_nan=bool(trees.flags & 1),
        accepts_infinity=bool(trees.flags & 2),
        base_value=trees.base_value,
        tree_start=tree_start,
        tree_output=trees.tree_output.astype(np.int32),
        tree_weight=np.ones(trees.n_trees) if trees.tree_weight is None else trees.tree_weight,
        left=left,
        right=right,
        feature=feature.astype(np.int32),
        threshold=threshold,
        category_set=category_set.astype(np.int32),
        missing_left=missing_left,
        zero_missing=zero_missing,
        leaf_row=leaf_row.astype(np.int32),
        leaf_id=leaf_id.astype(np.int32),
        leaf_values=trees.leaf_values.astype(FLOATS[trees.accumulate_type]),
        set_start=np.cumsum([0, *map(len, sets)]).astype(np.int64),
        set_members=np.array(list(itertools.chain(*sets)), dtype=np.int32),
        category_start=np.cumsum([0, *map(len, values)]).astype(np.int64),
        category_values=np.array(list(itertools.chain(*values)), dtype=np.float64),
        **_linear(trees),
    )


def _linear(trees: Trees) -> dict[str, np.ndarray]:
    """Return the terms of linear leaves, if they are linear."""
    if trees.linear_count is None:
        return {}
    return {
        "linear_start": np.cumsum([0, *trees.linear_count.tolist()]).astype(np.int64),
        "linear_feature": trees.linear_feature.astype(np.int32),
        "linear_coefficient": trees.linear_coefficient,
        "linear_constant": trees.linear_constant,
    }


def _preorder(trees: Trees) -> np.ndarray:
    """Tell inner nodes from leaves in preorder; the bits stand depth after depth."""
    depths, first, count = [], 0, trees.n_trees
    while count:
        bits = trees.structure[first : first + count]
        depths.append(iter(bits.tolist()))
        first, count = first + count, 2 * int(bits.sum())
    assert first == len(trees.structure)
    preorder = []
    for _ in range(trees.n_trees):
        waiting = [0]
        while waiting:
            depth = waiting.pop()
            preorder.append(next(depths[depth]))
            waiting += [depth + 1] * 2 * preorder[-1]
    return np.array(preorder, dtype=bool)


def _children(inner: np.ndarray, n_trees: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow the structure bits: node, left subtree, right subtree."""
    left, right = np.full(len(inner), -1, np.int32), np.full(len(inner), -1, np.int32)
    start, at = [0], 0
    for _ in range(n_trees):
        root, waiting = at, []
        while True:
            if inner[at]:
                left[at] = at + 1 - root
                waiting.append(at)
                at += 1
                continue
            at += 1
            if not waiting:
                break
            right[waiting.pop()] = at - root
        start.append(at)
    assert at == len(inner)
    return left, right, np.array(start, dtype=np.int64)


def _numbers(bits: np.ndarray, width: int) -> np.ndarray:
    return bits.reshape(-1, width).astype(np.int64) @ (1 << np.arange(width))


def _ranks(trees: Trees, inner: np.ndarray) -> np.ndarray:
    """Return the rank of every inner node: each is coded within what its ancestors leave open."""
    bits, rank, at = trees.node_rank.tolist(), [], 0
    whole = {column: (0, int(size)) for column, size in enumerate(trees.column_size)}
    waiting: list[dict[int, tuple[int, int]]] = []
    for is_inner in inner:
        open_ranks = waiting.pop() if waiting else whole
        if not is_inner:
            continue
        column = int(trees.node_column[len(rank)])
        begin, end = open_ranks[column]
        width = (end - begin).bit_length() - 1
        found = sum(bit << place for place, bit in enumerate(bits[at : at + width]))
        at += width
        if found >= 2 ** (width + 1) - (end - begin):
            found += bits[at] * (end - begin - 2**width)
            at += 1
        rank.append(begin + found)
        nests = trees.column_nests[column]
        left, right = (begin, rank[-1]), (rank[-1] + 1, end)
        waiting += [open_ranks | {column: side} if nests else open_ranks for side in (right, left)]
    assert at == len(bits)
    return np.array(rank, dtype=np.int64)


def _leaf_rows(trees: Trees, n_leaves: int) -> np.ndarray:
    width = int(trees.n_leaf_rows - 1).bit_length()
    assert trees.leaf_row.size == n_leaves * width
    return _numbers(trees.leaf_row, width) if width else np.zeros(n_leaves, np.int64)


def _other_goes_right(trees: Trees) -> bool:
    """Tell where values outside a set go; a writer sends them the same way for every set."""
    first, others = 0, []
    for size, count, kind in zip(
        trees.column_size, trees.category_count, trees.column_kind, strict=True
    ):
        if kind == 2:
            bits = trees.set_bits[first : first + int(size) * (int(count) + 1)]
            others += bits[int(count) :: int(count) + 1].tolist()
            first += bits.size
    assert len(set(others)) <= 1
    return bool(others and others[0])


def _leaf_ids(
    trees: Trees, inner: np.ndarray, left: np.ndarray, right: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return what ``apply`` says at each leaf, in preorder."""
    if trees.leaf_numbering == 2:
        return trees.leaf_number
    number = np.zeros(len(inner), np.int64)
    for begin, end in itertools.pairwise(start):
        waiting = list(range(begin, end)) if trees.leaf_numbering == 0 else [begin]
        for place, node in enumerate(waiting):
            number[node] = place
            if trees.leaf_numbering == 1 and inner[node]:
                waiting += [begin + left[node], begin + right[node]]
    return number[~inner]
