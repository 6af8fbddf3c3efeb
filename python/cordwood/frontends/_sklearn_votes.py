"""Bagging and AdaBoost of scikit-learn over single trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_forest import leaf_answers, row_rules
from cordwood.frontends._sklearn_graph import (
    AVERAGED,
    LABEL,
    Outcome,
    Step,
    build_graph,
    class_labels,
    proba_steps,
)
from cordwood.frontends._sklearn_nodes import (
    TREES,
    RowRules,
    Sum,
    build_ensemble,
    stack_trees,
)

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, Int64Array

__all__ = ["read_adaboost_classifier", "read_adaboost_regressor", "read_bagging"]

BINARY = 2


def read_bagging(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted BaggingClassifier or BaggingRegressor over single trees.

    Parameters
    ----------
    estimator : object
        The fitted estimator; its members are trees.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        Trees, each on its own columns, added in order from 0.0, then divided by their number.

    Raises
    ------
    UnsupportedModelError
        It has labels of a type not supported.
    """
    # Prediction goes by the parameter, which a caller may have changed since the fit.
    number = int(estimator.n_estimators)
    trees = list(estimator.estimators_)[:number]
    columns = list(estimator.estimators_features_)[:number]
    answers = [leaf_answers(tree) for tree in trees]
    if kind == "BaggingClassifier":
        width = int(estimator.n_classes_)
        answers = [
            _spread(answer, tree.classes_, width)
            for answer, tree in zip(answers, trees, strict=True)
        ]
    leaves = np.concatenate(answers)
    nodes = stack_trees(estimator, [tree.tree_ for tree in trees], leaves, columns=columns)
    total = Sum(np.zeros(leaves.shape[1]), divisor=number)
    ensemble = build_ensemble(nodes, row_rules(estimator, trees, forest=False), total)
    outcome = AVERAGED
    if kind == "BaggingClassifier":
        outcome = Outcome(
            ir.Role.PROBABILITY,
            ("predict", "predict_proba"),
            steps=proba_steps([width]),
            classes=class_labels(estimator),
        )
    return build_graph(estimator, ensemble, outcome, {"kind": kind})


def _spread(answer: Float64Array, classes: Int64Array, width: int) -> Float64Array:
    """Give a member that knows only `classes` a column for each of `width` classes."""
    if len(classes) == width:
        return answer
    spread = np.zeros((len(answer), width))
    spread[:, classes] = answer
    return spread


def read_adaboost_classifier(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted AdaBoostClassifier of the algorithm SAMME over single trees.

    Parameters
    ----------
    estimator : object
        The fitted estimator; its members are trees.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        Each tree's weight for the class that it picks and against the others, averaged.

    Raises
    ------
    UnsupportedModelError
        The algorithm is another one, or labels are of a type not supported.
    """
    if getattr(estimator, "algorithm", "SAMME") == "SAMME.R":
        message = (
            f"{kind} was fitted with algorithm='SAMME.R', which scikit-learn has dropped; "
            f"supported is 'SAMME'. Fit it again with algorithm='SAMME'"
        )
        raise UnsupportedModelError(message)
    trees = list(estimator.estimators_)
    known = int(estimator.n_classes_)
    # Picking class j is worth row j, times the tree's weight.
    if known == 1:
        rows = np.zeros((1, 1))
    elif known == BINARY:
        # scikit-learn adds a second column, which is the first with its sign changed.
        rows = np.array([[-2.0], [2.0]])
    else:
        rows = np.where(np.eye(known, dtype=np.bool_), 1.0, -1 / (known - 1))
    picked = [np.argmax(leaf_answers(tree), axis=1) for tree in trees]
    nodes = stack_trees(
        estimator, [tree.tree_ for tree in trees], rows, leaf_row=np.concatenate(picked)
    )
    weights = np.asarray(estimator.estimator_weights_, np.float64)
    total = Sum(np.zeros(rows.shape[1]), weight=weights[: len(trees)], divisor=float(weights.sum()))
    ensemble = build_ensemble(nodes, _finite_rows(estimator), total)
    outcome = Outcome(
        ir.Role.MARGIN,
        ("predict", "predict_proba", "decision_function"),
        steps=_vote_steps(known),
        classes=class_labels(estimator),
    )
    return build_graph(estimator, ensemble, outcome, {"kind": kind})


def _vote_steps(n_classes: int) -> tuple[Step, ...]:
    binary = n_classes == BINARY
    link = ir.Link(
        source=TREES,
        target="probability",
        kind="sigmoid_pair" if binary else "softmax",
        scale=1.0 / max(1, n_classes - 1),
    )
    decide = ir.Decide(source=TREES, target=LABEL, rule="greater" if binary else "argmax")
    return (
        Step(link, (n_classes,), ir.Role.PROBABILITY),
        Step(decide, (), ir.Role.LABEL),
    )


def read_adaboost_regressor(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted AdaBoostRegressor over single trees.

    Parameters
    ----------
    estimator : object
        The fitted estimator; its members are trees.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        The weighted median of the trees.
    """
    trees = list(estimator.estimators_)
    weights = np.asarray(estimator.estimator_weights_, np.float64)[: len(trees)]
    if len(trees) == 1:
        # A lone tree that is no better than chance keeps a weight of 0, and answers all the same.
        weights = np.ones(1)
    leaves = np.concatenate([leaf_answers(tree) for tree in trees])
    nodes = stack_trees(estimator, [tree.tree_ for tree in trees], leaves)
    ensemble = build_ensemble(
        nodes, _finite_rows(estimator), Sum(np.zeros(1), weight=weights, median=True)
    )
    facts = {"kind": kind, "loss": estimator.loss}
    return build_graph(estimator, ensemble, AVERAGED, facts)


def _finite_rows(estimator: Any) -> RowRules:
    """AdaBoost refuses NaN and infinity before its trees see them."""
    n_features = int(estimator.n_features_in_)
    return RowRules(n_features, "float32", accepts_nan=False, accepts_infinity=False)
