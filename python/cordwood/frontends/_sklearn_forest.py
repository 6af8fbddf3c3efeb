"""Single trees and forests of scikit-learn: all built on ``sklearn.tree._tree.Tree``.

Rows are cast to float32 and compared with float64 thresholds; NaN goes where the node says. The
leaf number is the node's own. Classifiers keep class fractions in their leaves; before 1.4 they
kept weights, which prediction then divided by their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_graph import (
    Outcome,
    build_graph,
    class_labels,
    proba_steps,
    sklearn_version,
)
from cordwood.frontends._sklearn_nodes import (
    LEAF,
    RowRules,
    Sum,
    build_ensemble,
    stack_trees,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import Float64Array

__all__ = ["leaf_answers", "read_embedding", "read_forest", "read_tree", "row_rules"]

FRACTIONS = (1, 4)
"""From this version on leaves of classifiers hold fractions, and forests take NaN."""


def read_tree(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted DecisionTree or ExtraTree, classifier or regressor.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        One tree; its leaf is the answer.

    Raises
    ------
    UnsupportedModelError
        It has labels of a type not supported.
    """
    # A tree answers with its leaf as it stands. Adding to -0.0 keeps every value, -0.0 among them.
    return _read_average(estimator, [estimator], kind, base=-0.0, divisor=None)


def read_forest(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted RandomForest or ExtraTrees, classifier or regressor.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        Trees added in order from 0.0, then divided by their number.

    Raises
    ------
    UnsupportedModelError
        It has labels of a type not supported.
    """
    trees = list(estimator.estimators_)
    return _read_average(estimator, trees, kind, base=0.0, divisor=len(trees))


def _read_average(
    estimator: Any, trees: Sequence[Any], kind: str, *, base: float, divisor: int | None
) -> ir.Graph:
    leaves = np.concatenate([leaf_answers(tree) for tree in trees])
    nodes = stack_trees(estimator, [tree.tree_ for tree in trees], leaves)
    total = Sum(np.full(leaves.shape[1], base), divisor=divisor)
    rows = row_rules(estimator, trees, forest=divisor is not None)
    ensemble = build_ensemble(nodes, rows, total)
    outcome = Outcome(ir.Role.RESPONSE, ("predict", "apply"))
    if hasattr(estimator, "classes_"):
        outcome = Outcome(
            ir.Role.PROBABILITY,
            ("predict", "predict_proba", "apply"),
            steps=proba_steps(np.atleast_1d(estimator.n_classes_).tolist()),
            classes=class_labels(estimator),
        )
    return build_graph(estimator, ensemble, outcome, {"kind": kind})


def row_rules(estimator: Any, trees: Sequence[Any], *, forest: bool) -> RowRules:
    """Return what an ensemble of `trees` does with its rows; a forest looks at them first."""
    # Whether NaN is allowed, scikit-learn asks the first tree, too.
    nan = bool(trees[0]._support_missing_values(np.zeros((1, 1), np.float32)))
    if forest and sklearn_version() < FRACTIONS:
        nan = False
    return RowRules(int(estimator.n_features_in_), "float32", nan, accepts_infinity=False)


def leaf_answers(tree: Any) -> Float64Array:
    """Return what a tree answers at each of its leaves, in node order.

    Parameters
    ----------
    tree : object
        A fitted tree estimator.

    Returns
    -------
    ndarray of float64, shape (n_leaves, n_answers)
        Outputs of a regressor; fractions of a classifier's classes, output after output.
    """
    leaf = tree.tree_.children_left == LEAF
    value: Float64Array = tree.tree_.value[leaf]  # (n_leaves, n_outputs, most classes)
    if not hasattr(tree, "classes_"):
        return value[:, :, 0]
    counts = np.atleast_1d(tree.n_classes_)
    outputs = [value[:, k, :count] for k, count in enumerate(counts)]
    if sklearn_version() < FRACTIONS:
        outputs = [_fractions(weights) for weights in outputs]
    return np.concatenate(outputs, axis=1)


def _fractions(weights: Float64Array) -> Float64Array:
    """Divide class weights by their sum, as prediction did."""
    whole = weights.sum(axis=1)[:, np.newaxis]
    whole[whole == 0.0] = 1.0
    fractions: Float64Array = weights / whole
    return fractions


def read_embedding(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted RandomTreesEmbedding.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        One output for each tree: the column of the embedding that its leaf sets.

    Raises
    ------
    UnsupportedModelError
        A leaf has no column, because no row of the training reached it.
    """
    trees = list(estimator.estimators_)
    reached = estimator.one_hot_encoder_.categories_
    columns: list[Float64Array] = []
    first = 0
    for number, (tree, leaves) in enumerate(zip(trees, reached, strict=True)):
        own = np.flatnonzero(tree.tree_.children_left == LEAF)
        if not np.array_equal(own, leaves):
            message = (
                f"{kind} has {len(own)} leaves in tree {number} and columns for {len(leaves)} of "
                f"them: scikit-learn refuses rows that reach another. Fit it again with sample "
                f"weights above 0"
            )
            raise UnsupportedModelError(message)
        columns.append(first + np.arange(len(own), dtype=np.float64))
        first += len(own)
    nodes = stack_trees(
        estimator, [tree.tree_ for tree in trees], np.concatenate(columns).reshape(-1, 1)
    )
    total = Sum(np.zeros(len(trees)), tree_output=np.arange(len(trees), dtype=np.int32))
    ensemble = build_ensemble(nodes, row_rules(estimator, trees, forest=True), total)
    outcome = Outcome(ir.Role.EMBEDDING, ("transform", "apply"))
    facts = {"kind": kind, "sparse_output": bool(estimator.one_hot_encoder_.sparse_output)}
    return build_graph(estimator, ensemble, outcome, facts)
