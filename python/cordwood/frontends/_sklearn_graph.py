"""Shared by the scikit-learn families: node arrays -> tree_ensemble, and the Graph around it."""

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
    "CategoryTable",
    "NodeTable",
    "Outcome",
    "RowRules",
    "Sum",
    "build_ensemble",
    "build_graph",
    "check_depth",
    "class_labels",
]

ROWS, TREES, RESPONSE, PROBABILITY, LABEL = "rows", "trees", "response", "probability", "label"


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
    leaf_values : ndarray of float64, shape (n_leaves, leaf_width)
        Values of the leaves in node order.
    """

    sizes: Int64Array
    leaf: BoolArray
    left: AnyArray
    right: AnyArray
    feature: AnyArray
    threshold: Float64Array
    missing_left: BoolArray
    leaf_values: Float64Array


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
    """How leaves add up.

    Parameters
    ----------
    base_value : ndarray of float64, shape (n_outputs,)
        What the sum starts from.
    tree_output : ndarray of int32, shape (n_trees,), optional
        Output of each tree; by default leaves hold all outputs.
    weight : float
        Factor on every leaf.
    divisor : int, optional
        Number that an average divides by; None for a sum.
    """

    base_value: Float64Array
    tree_output: Int32Array | None = None
    weight: float = 1.0
    divisor: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What follows the ensemble: role of its output, link and label rule.

    Parameters
    ----------
    role : Role
        What the ensemble's output is to the caller.
    methods : tuple of str
        Methods of the estimator.
    link : str, optional
        Kind of the link that follows the margin.
    scale : float
        Factor on the margin inside a sigmoid.
    decide : str, optional
        Rule that picks the label from the ensemble's output; None for regression.
    """

    role: ir.Role
    methods: tuple[str, ...]
    link: Literal["exp", "sigmoid", "softmax"] | None = None
    scale: float = 1.0
    decide: Literal["argmax", "greater", "greater_equal"] | None = None


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
        How leaves add up.
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
    leaf_row[leaf] = np.arange(len(nodes.leaf_values), dtype=np.int32)
    listed = table.values or [np.zeros(0)] * rows.n_features
    tree_output = total.tree_output
    if tree_output is None:
        tree_output = np.zeros(n_trees, np.int32)
    return ir.TreeEnsemble(
        source=ROWS,
        target=TREES,
        n_features=rows.n_features,
        n_outputs=len(total.base_value),
        input_type=rows.input_type,
        comparison="le",
        category_rule="none" if table.values is None else "exact",
        accumulate_type="float64",
        aggregate="sum" if total.divisor is None else "average",
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
    )


def _int32(array: AnyArray) -> Int32Array:
    return array.astype(np.int32)


def build_graph(
    estimator: Any, trees: ir.TreeEnsemble, outcome: Outcome, facts: dict[str, Any]
) -> ir.Graph:
    """Put rows, trees, link and label together.

    Parameters
    ----------
    estimator : object
        The fitted estimator, for names and classes.
    trees : TreeEnsemble
        Its trees.
    outcome : Outcome
        What follows them.
    facts : dict
        Provenance beyond library and version; ``kind`` among it.

    Returns
    -------
    Graph
        The whole model.
    """
    import sklearn

    width = trees.n_outputs
    values = [
        ir.Value(ROWS, trees.input_type, ("batch", trees.n_features), ir.Role.ROWS),
        ir.Value(TREES, "float64", ("batch", width), outcome.role),
    ]
    operators: list[ir.Operator] = [trees]
    if outcome.link is not None:
        classifies = outcome.decide is not None
        complement = outcome.link == "sigmoid"
        target, role = (
            (PROBABILITY, ir.Role.PROBABILITY) if classifies else (RESPONSE, ir.Role.RESPONSE)
        )
        values.append(ir.Value(target, "float64", ("batch", 2 if complement else width), role))
        operators.append(
            ir.Link(
                source=TREES,
                target=target,
                kind=outcome.link,
                scale=outcome.scale,
                complement=complement,
            )
        )
    if outcome.decide is not None:
        values.append(ir.Value(LABEL, "int64", ("batch",), ir.Role.LABEL))
        operators.append(ir.Decide(source=TREES, target=LABEL, rule=outcome.decide))
    names = getattr(estimator, "feature_names_in_", None)
    return ir.Graph(
        values=tuple(values),
        operators=tuple(operators),
        feature_names=None if names is None else tuple(map(str, names)),
        classes=class_labels(estimator) if outcome.decide is not None else None,
        methods=outcome.methods,
        provenance={"library": "scikit-learn", "version": sklearn.__version__, **facts},
    )


def class_labels(estimator: Any) -> AnyArray:
    """Return the labels of a classifier.

    Raises
    ------
    UnsupportedModelError
        They are not integers, floats, bool or str.
    """
    labels = np.asarray(estimator.classes_)
    text = labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels)
    wide = labels.dtype.kind in "uf" and np.dtype(labels.dtype) in (np.uint64, np.longdouble)
    if (labels.dtype.kind not in "iufbU" and not text) or wide:
        message = (
            f"{type(estimator).__name__}.classes_ holds {labels.dtype} labels such as "
            f"{labels[0]!r}; supported are integers up to int64, floats up to float64, bool and "
            f"str. Fit on such labels"
        )
        raise UnsupportedModelError(message)
    return labels


def check_depth(estimator: Any, depth: int) -> None:
    """Refuse a tree deeper than a Graph may hold.

    Raises
    ------
    UnsupportedModelError
        `depth`, in edges, is more than ``ir.MAX_DEPTH``.
    """
    if depth > ir.MAX_DEPTH:
        message = (
            f"{type(estimator).__name__} holds a tree of depth {depth}, supported are depths up "
            f"to {ir.MAX_DEPTH}. Set max_depth when fitting"
        )
        raise UnsupportedModelError(message)
