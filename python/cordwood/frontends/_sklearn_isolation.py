"""IsolationForest of scikit-learn: a leaf answers with the length of the path to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.frontends._sklearn_graph import LABEL, Outcome, Step, build_graph, sklearn_version
from cordwood.frontends._sklearn_nodes import (
    LEAF,
    TREES,
    RowRules,
    Sum,
    build_ensemble,
    stack_trees,
)

if TYPE_CHECKING:
    from cordwood._typing import Float64Array

__all__ = ["read_isolation"]

SCORE, DECISION = "score", "decision"

TAKES_ANY_ROW = (1, 6)
"""From this version on NaN and infinity are taken."""

DEEPEST = 1100.0
"""Mean depths from here on have a score of 0: 2**-1075 is below the smallest float64."""


def read_isolation(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted IsolationForest.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        Path lengths added tree by tree and divided by the expected length; then the score, the
        decision, and the label, 1 or -1.

    Notes
    -----
    The label is decided on the margin, at the cut where scikit-learn's own power and subtraction
    change sign: so it is scikit-learn's, whatever the last bit of a score is.
    """
    trees = [tree.tree_ for tree in estimator.estimators_]
    lengths = zip(
        trees,
        estimator._decision_path_lengths,
        estimator._average_path_length_per_tree,
        strict=True,
    )
    leaves = np.concatenate(
        [(depth + rest - 1.0)[tree.children_left == LEAF] for tree, depth, rest in lengths]
    )
    n_features = int(estimator.n_features_in_)
    columns = None
    if estimator._max_features != n_features:
        columns = estimator.estimators_features_
    divisor = len(trees) * _expected_length(estimator)
    if divisor == 0.0:
        # Trees of a single row: scikit-learn sets the margin to 1.
        leaves, base = np.zeros_like(leaves), 1.0
    else:
        base = 0.0
    total = Sum(np.full(1, base), divisor=divisor or None)
    any_row = sklearn_version() >= TAKES_ANY_ROW
    rows = RowRules(n_features, "float32", accepts_nan=any_row, accepts_infinity=any_row)
    nodes = stack_trees(estimator, trees, leaves.reshape(-1, 1), columns=columns)
    offset = float(estimator.offset_)
    score = ir.Link(source=TREES, target=SCORE, kind="negative_exp2")
    decision = ir.Link(source=SCORE, target=DECISION, kind="shift", offset=offset)
    label = ir.Decide(source=TREES, target=LABEL, rule="greater_equal", cut=_inlier_cut(offset))
    outcome = Outcome(
        ir.Role.MARGIN,
        ("predict", "decision_function", "score_samples"),
        steps=(
            Step(score, (1,), ir.Role.SCORE),
            Step(decision, (1,), ir.Role.DECISION),
            Step(label, (), ir.Role.LABEL),
        ),
        classes=np.array([-1, 1]),
    )
    return build_graph(estimator, build_ensemble(nodes, rows, total), outcome, {"kind": kind})


def _expected_length(estimator: Any) -> float:
    """Return the average path length among as many rows as each tree was trained on."""
    from sklearn.ensemble._iforest import _average_path_length

    return float(_average_path_length([estimator._max_samples])[0])


def _inlier_cut(offset: float) -> float:
    """Return the smallest margin of an inlier, found among all float64 numbers by halving."""

    def inlier(bits: int) -> bool:
        margin: Float64Array = np.array([bits], np.int64).view(np.float64)
        return not bool((-(2**-margin) - offset < 0)[0])

    low, high = 0, int(np.array([DEEPEST]).view(np.int64)[0])
    if inlier(low):
        return 0.0  # a margin is never negative
    if not inlier(high):
        return float(np.finfo(np.float64).max)
    while high - low > 1:  # the order of the bits is the order of the numbers
        middle = (low + high) // 2
        low, high = (low, middle) if inlier(middle) else (middle, high)
    return float(np.array([high]).view(np.float64)[0])
