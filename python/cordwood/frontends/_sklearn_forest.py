"""Trees, forests and gradient boosting of scikit-learn: all built on ``sklearn.tree._tree.Tree``.

Rows are cast to float32 and compared with float64 thresholds; NaN goes where the node says. The
leaf number is the node's own. Since scikit-learn 1.3 classifiers keep class fractions in their
leaves, so that nothing is normalised at prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_graph import (
    NodeTable,
    Outcome,
    RowRules,
    Sum,
    build_ensemble,
    build_graph,
    check_depth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import Float64Array

__all__ = ["read_boosting", "read_forest", "read_tree"]

LEAF = -1
"""Left child of a leaf."""


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
        It has several classification outputs, or labels of a type not supported.
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
        It has several classification outputs, or labels of a type not supported.
    """
    trees = list(estimator.estimators_)
    return _read_average(estimator, trees, kind, base=0.0, divisor=len(trees))


def _read_average(
    estimator: Any, trees: Sequence[Any], kind: str, *, base: float, divisor: int | None
) -> ir.Graph:
    classifies = hasattr(estimator, "classes_")
    if classifies and estimator.n_outputs_ != 1:
        message = (
            f"{kind} was fitted on {estimator.n_outputs_} outputs; supported are classifiers of "
            f"one output and regressors of any number. Fit one classifier for each output"
        )
        raise UnsupportedModelError(message)
    width = int(estimator.n_classes_ if classifies else estimator.n_outputs_)
    nodes = _stack_trees(estimator, [tree.tree_ for tree in trees], width)
    # Whether NaN is allowed, scikit-learn asks the first tree, too.
    nan = bool(trees[0]._support_missing_values(np.zeros((1, 1), np.float32)))
    rows = RowRules(int(estimator.n_features_in_), "float32", nan, accepts_infinity=False)
    ensemble = build_ensemble(nodes, rows, Sum(np.full(width, base), divisor=divisor))
    outcome = Outcome(ir.Role.RESPONSE, ("predict", "apply"))
    if classifies:
        methods = ("predict", "predict_proba", "apply")
        outcome = Outcome(ir.Role.PROBABILITY, methods, decide="argmax")
    return build_graph(estimator, ensemble, outcome, {"kind": kind})


def read_boosting(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted GradientBoostingClassifier or GradientBoostingRegressor.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        The initial estimator's constant, then each leaf times the learning rate, added stage by
        stage.

    Raises
    ------
    UnsupportedModelError
        The initial estimator's answer depends on the row, or labels are of a type not supported.
    """
    stages, n_outputs = estimator.estimators_.shape
    trees = [tree.tree_ for tree in estimator.estimators_.ravel()]
    n_features = int(estimator.n_features_in_)
    rows = RowRules(n_features, "float32", accepts_nan=False, accepts_infinity=False)
    total = Sum(
        base_value=_initial_margin(estimator, kind, n_outputs),
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), stages),
        weight=float(estimator.learning_rate),
    )
    ensemble = build_ensemble(_stack_trees(estimator, trees, 1), rows, total)
    facts = {"kind": kind, "loss": estimator.loss}
    outcome = Outcome(ir.Role.RESPONSE, ("predict", "apply"))
    if hasattr(estimator, "classes_"):
        binary = n_outputs == 1
        outcome = Outcome(
            ir.Role.MARGIN,
            ("predict", "predict_proba", "decision_function", "apply"),
            link="sigmoid" if binary else "softmax",
            # The exponential loss estimates half the log-odds.
            scale=2.0 if estimator.loss == "exponential" else 1.0,
            decide="greater_equal" if binary else "argmax",
        )
    return build_graph(estimator, ensemble, outcome, facts)


def _initial_margin(estimator: Any, kind: str, n_outputs: int) -> Float64Array:
    """Return the constant that every row starts from, shape (n_outputs,)."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    init = estimator.init_
    constant = init == "zero" if isinstance(init, str) else type(init) is DummyRegressor
    if type(init) is DummyClassifier:
        # Not "stratified": it draws its answers at random.
        constant = init.strategy in ("prior", "most_frequent", "constant", "uniform")
    if not constant:
        message = (
            f"{kind} starts from init={init!r}; supported are init=None, 'zero' and scikit-learn's "
            f"dummy estimators, whose answer is the same for every row"
        )
        raise UnsupportedModelError(message)
    row = np.zeros((1, int(estimator.n_features_in_)), np.float32)
    # Clip and link of the constant stay scikit-learn's own.
    return np.asarray(estimator._raw_predict_init(row), np.float64).reshape(n_outputs)


def _stack_trees(estimator: Any, trees: Sequence[Any], width: int) -> NodeTable:
    """Lay the nodes of all trees end to end.

    Parameters
    ----------
    estimator : object
        Their owner, for messages.
    trees : sequence of sklearn.tree._tree.Tree
        The trees.
    width : int
        Values of a leaf: classes of a classifier, outputs of a regressor.

    Returns
    -------
    NodeTable
        All nodes; leaf values in node order.
    """
    check_depth(estimator, max(tree.max_depth for tree in trees))
    left = np.concatenate([tree.children_left for tree in trees])
    leaf = left == LEAF
    return NodeTable(
        sizes=np.array([tree.node_count for tree in trees], np.int64),
        leaf=leaf,
        left=left,
        right=np.concatenate([tree.children_right for tree in trees]),
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        missing_left=np.concatenate([tree.missing_go_to_left for tree in trees]).astype(np.bool_),
        # (n_nodes, 1, n_classes) of a classifier, (n_nodes, n_outputs, 1) of a regressor.
        leaf_values=np.concatenate(
            [tree.value.reshape(-1, width)[tree.children_left == LEAF] for tree in trees]
        ),
    )
