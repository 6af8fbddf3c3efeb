"""The columns of an ensemble: a feature's cuts or category sets, and each node's rank there."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood import _progress
from cordwood._pack_tensors import Dtype, Tensor

if TYPE_CHECKING:
    from cordwood.ir import TreeEnsemble

__all__ = ["ColumnKind", "Columns", "build_columns"]


class ColumnKind(enum.IntEnum):
    """How a column ranks its feature, as ``enum cordwood_column_kind``."""

    NUMERIC = 0
    NUMERIC_ZERO_MISSING = 1
    CATEGORY = 2


NESTS = 4
"""Added to the kind of a numeric column whose ranks are stored within what ancestors leave open."""


@dataclass(frozen=True, eq=False)
class Columns:
    """All columns of an ensemble, ascending by feature and kind.

    Parameters
    ----------
    feature, size, category_count : ndarray of uint32, shape (n_columns,)
        Feature; number of cuts or of sets; number of listed category values.
    kind : ndarray of uint8, shape (n_columns,)
        A `ColumnKind`, and `NESTS` where it holds.
    cuts : ndarray of the input type
        Cuts of the numeric columns, ascending in each.
    category_values : ndarray of float64
        Listed values of the category columns, ascending in each.
    set_bits : ndarray of uint8
        One bit an element, 1 goes right: ``category_count + 1`` for each set, the last of them
        for any other value.
    node_column : ndarray of uint16 or uint32, shape (n_inner,)
        Column of each inner node.
    node_rank : Tensor
        Ranks of the inner nodes, each within what its ancestors leave open.
    """

    feature: np.ndarray
    kind: np.ndarray
    size: np.ndarray
    category_count: np.ndarray
    cuts: np.ndarray
    category_values: np.ndarray
    set_bits: np.ndarray
    node_column: np.ndarray
    node_rank: Tensor


def build_columns(trees: TreeEnsemble, inner: np.ndarray, is_inner: np.ndarray) -> Columns:
    """Rank the tests of an ensemble whose thresholds are folded.

    Parameters
    ----------
    trees : TreeEnsemble
        Compares by ``"le"`` with cuts of the input type.
    inner : ndarray of intp, shape (n_inner,)
        Its inner nodes, in preorder over all trees.
    is_inner : ndarray of bool, shape (n_nodes,)
        Which nodes of the preorder they are.
    """
    _progress.reached(0.75, "ranking cuts")
    is_category = trees.category_set[inner] >= 0
    kind = np.where(is_category, ColumnKind.CATEGORY, trees.zero_missing[inner]).astype(np.int64)
    keys, node_column = np.unique(
        trees.feature[inner].astype(np.int64) * len(ColumnKind) + kind, return_inverse=True
    )
    # A stable sort of 16-bit keys is a radix sort: it gathers millions of nodes in no time.
    node_column = node_column.astype(np.uint16 if keys.size < 1 << 16 else np.uint32)
    by_column = np.argsort(node_column, kind="stable")
    ends = np.cumsum(np.bincount(node_column, minlength=keys.size))
    column_feature, column_kind = np.divmod(keys, len(ColumnKind))

    size, counts = [], []
    node_rank = np.empty(inner.size, dtype=np.uint32)
    cuts, values, set_bits = [np.empty(0)], [np.empty(0)], [np.empty(0, dtype=np.uint8)]
    for index, (feature, kind_of) in enumerate(zip(column_feature, column_kind, strict=True)):
        here = by_column[ends[index - 1] if index else 0 : ends[index]]
        nodes = inner[here]
        if kind_of == ColumnKind.CATEGORY:
            listed, sets, rank = _category_column(trees, int(feature), trees.category_set[nodes])
            values.append(listed)
            set_bits.append(sets.reshape(-1))
            size.append(len(sets))
            counts.append(len(listed))
        else:
            column_cuts, rank = np.unique(trees.threshold[nodes] + 0.0, return_inverse=True)
            cuts.append(column_cuts)
            size.append(len(column_cuts))
            counts.append(0)
        node_rank[here] = rank
    column_size = np.array(size, dtype=np.uint32)
    nests, ranks = _encode_ranks(is_inner, node_column, node_rank, column_size, column_kind)
    return Columns(
        feature=column_feature.astype(np.uint32),
        kind=(column_kind + NESTS * nests).astype(np.uint8),
        size=column_size,
        category_count=np.array(counts, dtype=np.uint32),
        cuts=np.concatenate(cuts).astype(trees.input_type),
        category_values=np.concatenate(values),
        set_bits=np.concatenate(set_bits),
        node_column=node_column,
        node_rank=ranks,
    )


def _encode_ranks(
    is_inner: np.ndarray,
    node_column: np.ndarray,
    node_rank: np.ndarray,
    column_size: np.ndarray,
    column_kind: np.ndarray,
) -> tuple[np.ndarray, Tensor]:
    """Find which columns nest, and write the ranks of all nodes."""
    from cordwood import _core

    nests, data, n_bits = _core.encode_ranks(
        is_inner.astype(np.uint8),
        node_column.astype(np.uint32),
        node_rank,
        column_size,
        (column_kind != ColumnKind.CATEGORY).astype(np.uint8),
    )
    return nests, Tensor(Dtype.BIT, (n_bits,), data, 1)


def _category_column(
    trees: TreeEnsemble, feature: int, node_set: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """List a feature's category values and its distinct sets, and rank the nodes' sets.

    Returns
    -------
    listed : ndarray of float64, shape (n_listed,)
    sets : ndarray of uint8, shape (n_sets, n_listed + 1)
        1 where the value, or in the last place any other one, goes right.
    rank : ndarray of intp, shape (len(node_set),)
    """
    in_use, node_local = np.unique(node_set, return_inverse=True)
    begin, end = trees.set_start[in_use], trees.set_start[in_use + 1]
    lengths = end - begin
    owner = np.repeat(np.arange(in_use.size), lengths)
    offset = np.arange(owner.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    code = trees.set_members[np.repeat(begin, lengths) + offset]

    exact = trees.category_rule == "exact"
    if exact:
        stated = trees.category_values[
            trees.category_start[feature] : trees.category_start[feature + 1]
        ]
        with np.errstate(over="ignore", under="ignore"):
            held = stated.astype(trees.input_type) == stated  # no row can hold any other value
        listed = np.sort(stated[held]) + 0.0
        owner, code = owner[held[code]], code[held[code]]
        place = np.searchsorted(listed, stated[code])
    else:
        listed, place = np.unique(code, return_inverse=True)

    members_right = trees.category_members == "right"
    sets = np.full((in_use.size, listed.size + 1), not members_right, dtype=np.uint8)
    sets[owner, place] = members_right
    if exact:
        sets[:, -1] = 0  # an unlisted value is missing, so this bit is never asked
    packed = np.packbits(sets, axis=1, bitorder="little")
    distinct, set_rank = np.unique(packed, axis=0, return_inverse=True)
    distinct_bits = np.unpackbits(distinct, axis=1, count=listed.size + 1, bitorder="little")
    return listed.astype(np.float64), distinct_bits, set_rank.reshape(-1)[node_local]
