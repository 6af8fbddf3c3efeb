"""Shared by the scikit-learn families: node arrays -> the tree_ensemble operator."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array

__all__ = [
    "LEAF",
    "ROWS",
    "TREES",
    "CategoryTable",
    "NodeTable",
    "RowRules",
    "Sum",
    "build_ensemble",
    "check_depth",
    "stack_trees",
]

ROWS, TREES = "rows", "trees"
"""Names of the values that an ensemble reads and writes."""

LEAF = -1
"""Left child of a leaf in ``sklearn.tree._tree.Tree``."""


@dataclass(frozen=True, eq=False)
class CategoryTable:
    """Category splits of an ensemble, empty by default.

    Parameters
    ----------
    node_set : ndarray of int32, shape (n_nodes,), optional
        Set of each category node; -1 elsewhere.
    set_start : ndarray of int64, shape (n_sets + 1,)
        First member of each set.
    set_members : ndarray of int32, shape (n_members,)
        Codes, ascending within a set.
    values : sequence of ndarray of float64, optional
        For each feature its category values in code order; empty where it has none.
    """

    node_set: Int32Array | None = None
    set_start: Int64Array = field(default_factory=lambda: np.zeros(1, np.int64))
    set_members: Int32Array = field(default_factory=lambda: np.zeros(0, np.int32))
    values: Sequence[Float64Array] | None = None


@dataclass(frozen=True, eq=False)
class NodeTable:
    """Nodes of all trees, one after the other, as the source numbers them.

    Parameters
    ----------
    sizes : ndarray of int64, shape (n_trees,)
        Nodes of each tree.
    leaf : ndarray of bool, shape (n_nodes,)
        Whether the node is a leaf. The other arrays may hold anything at the nodes that they do
        not concern.
    left, right, feature : ndarray of int, shape (n_nodes,)
        Children, counted from the tree's first node, and the feature tested.
    threshold : ndarray of float64, shape (n_nodes,)
        Where ``x <= threshold``, a value goes left.
    missing_left : ndarray of bool, shape (n_nodes,)
        Whether NaN goes left.
    leaf_values : ndarray of float64, shape (n_leaf_rows, leaf_width)
        Values of the leaves in node order, unless `leaf_row` says otherwise.
    leaf_row : ndarray of int, shape (n_leaves,), optional
        Row of `leaf_values` for each leaf in node order.
    """

    sizes: Int64Array
    leaf: BoolArray
    left: AnyArray
    right: AnyArray
    feature: AnyArray
    threshold: Float64Array
    missing_left: BoolArray
    leaf_values: Float64Array
    leaf_row: AnyArray | None = None


@dataclass(frozen=True)
class RowRules:
    """What the source does with its rows.

    Parameters
    ----------
    n_features : int
        Columns.
    input_type : {"float32", "float64"}
        Type that rows are cast to.
    accepts_nan, accepts_infinity : bool
        Whether the source takes such rows.
    """

    n_features: int
    input_type: Literal["float32", "float64"]
    accepts_nan: bool
    accepts_infinity: bool


@dataclass(frozen=True, eq=False)
class Sum:
    """How leaves become an answer.

    Parameters
    ----------
    base_value : ndarray of float64, shape (n_outputs,)
        What the sum starts from.
    tree_output : ndarray of int32, shape (n_trees,), optional
        Output of each tree; by default leaves hold all outputs.
    weight : float or ndarray of float64, shape (n_trees,)
        Factor on every leaf of a tree; the tree's weight in a median.
    divisor : float, optional
        Number that an average divides by; None for a sum and for a median.
    median : bool
        Whether the answer is the weighted median.
    start : str, optional
        Name of the value that the sum starts from; `base_value` is then 0.
    """

    base_value: Float64Array
    tree_output: Int32Array | None = None
    weight: float | Float64Array = 1.0
    divisor: float | None = None
    median: bool = False
    start: str | None = None


def build_ensemble(
    nodes: NodeTable, rows: RowRules, total: Sum, categories: CategoryTable | None = None
) -> ir.TreeEnsemble:
    """Make the tree_ensemble operator that all families share: ``<=`` to the left, float64 sums.

    Parameters
    ----------
    nodes : NodeTable
        The trees.
    rows : RowRules
        What the source does with its rows.
    total : Sum
        How leaves become an answer.
    categories : CategoryTable, optional
        Category splits; none by default.

    Returns
    -------
    TreeEnsemble
        Leaf numbers are the source's node numbers.
    """
    table = categories or CategoryTable()
    leaf = nodes.leaf
    n_trees, n_nodes = len(nodes.sizes), len(leaf)
    node_set = table.node_set
    if node_set is None:
        node_set = np.full(n_nodes, -1, np.int32)
    start = np.concatenate((np.zeros(1, np.int64), np.cumsum(nodes.sizes, dtype=np.int64)))
    in_tree = np.arange(n_nodes, dtype=np.int64) - np.repeat(start[:-1], nodes.sizes)
    leaf_row = np.full(n_nodes, -1, np.int32)
    leaf_row[leaf] = np.arange(leaf.sum()) if nodes.leaf_row is None else nodes.leaf_row
    listed = table.values or [np.zeros(0)] * rows.n_features
    tree_output = total.tree_output
    if tree_output is None:
        tree_output = np.zeros(n_trees, np.int32)
    aggregate: Literal["sum", "average", "weighted_median"] = "sum"
    if total.median or total.divisor is not None:
        aggregate = "weighted_median" if total.median else "average"
    return ir.TreeEnsemble(
        source=ROWS,
        target=TREES,
        n_features=rows.n_features,
        n_outputs=len(total.base_value),
        input_type=rows.input_type,
        comparison="le",
        category_rule="none" if table.values is None else "exact",
        accumulate_type="float64",
        aggregate=aggregate,
        divisor=1.0 if total.divisor is None else float(total.divisor),
        accepts_nan=rows.accepts_nan,
        accepts_infinity=rows.accepts_infinity,
        base_value=total.base_value,
        tree_start=start,
        tree_output=tree_output,
        tree_weight=np.full(n_trees, total.weight, np.float64),
        left=_int32(np.where(leaf, -1, nodes.left)),
        right=_int32(np.where(leaf, -1, nodes.right)),
        feature=_int32(np.where(leaf, -1, nodes.feature)),
        threshold=np.where(leaf | (node_set >= 0), 0.0, nodes.threshold),
        category_set=node_set,
        missing_left=nodes.missing_left & ~leaf,
        zero_missing=np.zeros(n_nodes, np.bool_),
        leaf_row=leaf_row,
        leaf_id=_int32(np.where(leaf, in_tree, -1)),
        leaf_values=np.ascontiguousarray(nodes.leaf_values, np.float64),
        set_start=table.set_start,
        set_members=table.set_members,
        category_start=np.cumsum([0, *map(len, listed)], dtype=np.int64),
        category_values=np.concatenate(listed).astype(np.float64),
        start=total.start,
    )


def _int32(array: AnyArray) -> Int32Array:
    return array.astype(np.int32)


def stack_trees(
    owner: Any,
    trees: Sequence[Any],
    leaf_values: Float64Array,
    *,
    leaf_row: AnyArray | None = None,
    columns: Sequence[AnyArray] | None = None,
) -> NodeTable:
    """Lay the nodes of all trees end to end.

    Parameters
    ----------
    owner : object
        Their estimator, for messages.
    trees : sequence of sklearn.tree._tree.Tree
        The trees.
    leaf_values, leaf_row : ndarray
        As of `NodeTable`.
    columns : sequence of ndarray of int, optional
        For each tree the columns of the rows that its features are; all of them by default.

    Returns
    -------
    NodeTable
        All nodes.

    Raises
    ------
    UnsupportedModelError
        A tree is deeper than a Graph may hold.
    """
    check_depth(owner, max((tree.max_depth for tree in trees), default=0))
    left = np.concatenate([tree.children_left for tree in trees])
    feature = [tree.feature for tree in trees]
    if columns is not None:
        own = [np.asarray(drawn) for drawn in columns]
        # A leaf tests no feature, whatever its number there.
        feature = [f[np.maximum(part, 0)] for f, part in zip(own, feature, strict=True)]
    return NodeTable(
        sizes=np.array([tree.node_count for tree in trees], np.int64),
        leaf=left == LEAF,
        left=left,
        right=np.concatenate([tree.children_right for tree in trees]),
        feature=np.concatenate(feature),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(np.bool_),
        leaf_values=leaf_values,
        leaf_row=leaf_row,
    )


def check_depth(owner: Any, depth: int) -> None:
    """Refuse a tree deeper than a Graph may hold.

    Raises
    ------
    UnsupportedModelError
        `depth`, in edges, is more than ``ir.MAX_DEPTH``.
    """
    if depth > ir.MAX_DEPTH:
        message = (
            f"{type(owner).__name__} holds a tree of depth {depth}, supported are depths up "
            f"to {ir.MAX_DEPTH}. Set max_depth when fitting"
        )
        raise UnsupportedModelError(message)
