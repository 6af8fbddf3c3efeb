"""A tree ensemble as attributes and tensors: the compact encoding of ``docs/format.md``."""

from __future__ import annotations

import enum
import struct
from typing import TYPE_CHECKING

import numpy as np

from cordwood._pack_columns import build_columns
from cordwood._pack_leaves import leaf_tensors
from cordwood._pack_order import tree_order
from cordwood._pack_tensors import Dtype, Tensor, smallest_unsigned

if TYPE_CHECKING:
    from cordwood._pack_order import TreeOrder
    from cordwood.ir import TreeEnsemble

__all__ = ["LeafNumbering", "tree_record"]

_ATTRIBUTES = struct.Struct("<IIIIQQI8B4xddd")
_COMPACT = 0
_ACCEPT_NAN, _ACCEPT_INFINITY, _MISSING_VALUE, _MISSING_FROM_ZERO = 1, 2, 4, 8
_INTEGER_CASTS = {"direct": 0, "float32": 1}
_CATEGORY_RULES = {"none": 0, "floor": 1, "truncate": 2, "exact": 3}
_AGGREGATES = {"sum": 0, "average": 1, "weighted_median": 3}


class LeafNumbering(enum.IntEnum):
    """Where the source's leaf numbers come from, as ``enum cordwood_leaf_numbering``."""

    PREORDER = 0
    LEVEL = 1
    LISTED = 2


def tree_record(trees: TreeEnsemble) -> tuple[bytes, list[Tensor | None]]:
    """Pack an ensemble whose thresholds are folded.

    Parameters
    ----------
    trees : TreeEnsemble
        Compares by ``"le"`` with cuts of the input type.

    Returns
    -------
    attributes : bytes
        ``struct cordwood_tree_attributes``.
    tensors : list of Tensor or None
        In the order of ``enum cordwood_tree_tensor``; None where a tensor is absent.
    """
    order = tree_order(trees)
    is_inner = trees.left[order.preorder] >= 0
    inner, leaves = order.preorder[is_inner], order.preorder[~is_inner]
    columns = build_columns(trees, inner, is_inner)
    packed = leaf_tensors(trees, order.tree[leaves], leaves)
    from_zero, missing_routes = _missing_routes(trees, inner)
    numbering, leaf_number = _leaf_numbers(trees, order, leaves)
    zero_missing = bool((trees.zero_missing[inner] & (trees.category_set[inner] < 0)).any())
    attributes = _ATTRIBUTES.pack(
        trees.n_features,
        trees.n_outputs,
        trees.n_trees,
        len(columns.feature),
        len(inner),
        packed.values.shape[0],
        trees.leaf_width,
        Dtype[trees.input_type.upper()],
        Dtype[trees.accumulate_type.upper()],
        _INTEGER_CASTS[trees.integer_cast],
        _CATEGORY_RULES[trees.category_rule],
        _AGGREGATES[trees.aggregate],
        numbering,
        _COMPACT,
        _flags(trees, from_zero),
        trees.divisor,
        trees.zero_band + 0.0 if zero_missing or trees.is_linear else 0.0,
        0.0 if trees.missing_value is None else trees.missing_value + 0.0,
    )
    return attributes, [
        Tensor.of_bits(trees.left[order.levels] >= 0),
        Tensor.of(columns.feature),
        Tensor.of(columns.kind),
        Tensor.of(columns.size),
        Tensor.of(columns.cuts),
        Tensor.of(columns.category_count),
        Tensor.of(columns.category_values),
        Tensor.of_bits(columns.set_bits),
        Tensor.of(smallest_unsigned(columns.node_column)),
        columns.node_rank,
        missing_routes,
        Tensor.of(smallest_unsigned(trees.tree_output)),
        Tensor.of(trees.base_value),
        packed.row,
        packed.values,
        leaf_number,
        packed.weight,
        *packed.linear,
    ]


def _flags(trees: TreeEnsemble, from_zero: int) -> int:
    flags = _ACCEPT_NAN * trees.accepts_nan + _ACCEPT_INFINITY * trees.accepts_infinity
    return flags + _MISSING_VALUE * (trees.missing_value is not None) + from_zero


def _missing_routes(trees: TreeEnsemble, inner: np.ndarray) -> tuple[int, Tensor]:
    """Say which nodes send NaN left, or, where that is shorter, which send it away from zero.

    Sources that read a missing value as zero part nowhere. Where no row can tell, no bit is set.

    Returns
    -------
    from_zero : int
        The flag that tells the forms apart, or 0.
    routes : Tensor
        One bit for each inner node.
    """
    left = trees.missing_left[inner]
    parts = left != ((trees.category_set[inner] < 0) & (trees.threshold[inner] >= 0.0))
    if not trees.accepts_nan and trees.missing_value is None and trees.category_rule != "exact":
        left, parts = left & trees.zero_missing[inner], parts & trees.zero_missing[inner]
    forms = [(0, Tensor.of_bits(left)), (_MISSING_FROM_ZERO, Tensor.of_bits(parts))]
    return min(forms, key=lambda form: len(form[1].encoded[1]))


def _leaf_numbers(
    trees: TreeEnsemble, order: TreeOrder, leaves: np.ndarray
) -> tuple[LeafNumbering, Tensor | None]:
    """Find the order of nodes that the source's leaf numbers follow, or list them."""
    number, start = trees.leaf_id[leaves], trees.tree_start
    if np.array_equal(number, order.place_in_tree(start)[leaves]):
        return LeafNumbering.PREORDER, None
    if np.array_equal(number, order.level_place_in_tree(start)[leaves]):
        return LeafNumbering.LEVEL, None
    return LeafNumbering.LISTED, Tensor.of(smallest_unsigned(number))
