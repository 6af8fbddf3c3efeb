"""Gradient boosting of scikit-learn, and the initial estimator that its sum starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_forest import leaf_answers
from cordwood.frontends._sklearn_graph import (
    Before,
    Outcome,
    build_graph,
    class_labels,
    margin_steps,
    sklearn_version,
)
from cordwood.frontends._sklearn_nodes import ROWS, RowRules, Sum, build_ensemble, stack_trees

if TYPE_CHECKING:
    from cordwood._typing import Float64Array

__all__ = ["constant_start", "read_boosting"]

START = "start"
"""Name of the value that the sum starts from, where it depends on the row."""

CENTRED = (1, 4)
"""From this version on the logarithms of initial probabilities are centred."""

FINE_CLIP = (1, 8)
"""From this version on an initial probability is clipped at float64's epsilon, not float32's."""


def read_boosting(estimator: Any, kind: str, init: ir.Graph | None = None) -> ir.Graph:
    """Read a fitted GradientBoostingClassifier or GradientBoostingRegressor.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.
    init : Graph, optional
        Its initial estimator; None where `constant_start` has the answer.

    Returns
    -------
    Graph
        What the initial estimator answers, then each leaf times the learning rate, added stage by
        stage.

    Raises
    ------
    UnsupportedModelError
        The initial estimator answers with something else than this one needs, or labels are of a
        type not supported.
    """
    stages, n_outputs = estimator.estimators_.shape
    trees = list(estimator.estimators_.ravel())
    leaves = np.concatenate([leaf_answers(tree) for tree in trees])
    nodes = stack_trees(estimator, [tree.tree_ for tree in trees], leaves)
    n_features = int(estimator.n_features_in_)
    rows = RowRules(n_features, "float32", accepts_nan=False, accepts_infinity=False)
    classifies = hasattr(estimator, "classes_")
    before = None
    base = constant_start(estimator)
    if init is not None:
        before = _start_from(estimator, kind, init, n_outputs)
    total = Sum(
        base_value=np.zeros(n_outputs) if base is None else base,
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), stages),
        weight=float(estimator.learning_rate),
        start=None if before is None else START,
    )
    ensemble = build_ensemble(nodes, rows, total)
    sparse: Literal["zero", "refused"] = "zero"
    if init is not None and init.sparse == "refused":
        sparse = "refused"
    outcome = Outcome(
        ir.Role.RESPONSE,
        ("predict", "apply"),
        trees_per_iteration=n_outputs,
        sparse=sparse,
    )
    if classifies:
        outcome = Outcome(
            ir.Role.MARGIN,
            ("predict", "predict_proba", "decision_function", "apply"),
            # The exponential loss estimates half the log-odds.
            steps=margin_steps(n_outputs, "greater_equal", 1.0 / _margin_scale(estimator)),
            classes=class_labels(estimator),
            trees_per_iteration=n_outputs,
            sparse=sparse,
        )
    facts = {"kind": kind, "loss": estimator.loss}
    return build_graph(estimator, ensemble, outcome, facts, before)


def _margin_scale(estimator: Any) -> float:
    """Return the log-odds' share that a margin is."""
    return 0.5 if estimator.loss == "exponential" else 1.0


def constant_start(estimator: Any) -> Float64Array | None:
    """Return what every row's sum starts from, None where that depends on the row.

    Parameters
    ----------
    estimator : object
        A fitted gradient boosting estimator.

    Returns
    -------
    ndarray of float64, shape (n_outputs,), or None
        The margin of an initial estimator that answers every row alike.
    """
    from sklearn.dummy import DummyClassifier, DummyRegressor

    init = estimator.init_
    constant = init == "zero" if isinstance(init, str) else type(init) is DummyRegressor
    if type(init) is DummyClassifier:
        # Not "stratified": it draws its answers at random.
        constant = init.strategy in ("prior", "most_frequent", "constant", "uniform")
    if not constant:
        return None
    row = np.zeros((1, int(estimator.n_features_in_)), np.float32)
    # Clip and link of the constant stay scikit-learn's own.
    return np.asarray(estimator._raw_predict_init(row), np.float64).reshape(-1)


def _start_from(estimator: Any, kind: str, init: ir.Graph, n_outputs: int) -> Before:
    """Return the initial estimator's operators, and the link to a margin for a classifier."""
    classifies = hasattr(estimator, "classes_")
    answer = init.by_role(ir.Role.PROBABILITY if classifies else ir.Role.RESPONSE)
    if classifies:
        needed, columns = "class probabilities", max(2, n_outputs)
    else:
        needed, columns = "one number a row", 1
    if answer is None or answer.shape[1:] != (columns,):
        message = (
            f"{kind} starts from a {init.provenance['kind']}, expected an estimator that answers "
            f"with {needed}. Fit it with another init"
        )
        raise UnsupportedModelError(message)
    # scikit-learn casts rows to float32 and refuses NaN before any estimator sees them.
    names = {value.name: f"init_{value.name}" for value in init.values}
    names[ROWS] = ROWS
    if not classifies:
        names[answer.name] = START
    operators: list[ir.RowOperator] = []
    for operator in init.row_operators():
        moved = replace(operator, source=names[operator.source], target=names[operator.target])
        if isinstance(moved, ir.TreeEnsemble):
            start = None if moved.start is None else names[moved.start]
            moved = replace(
                moved, input_type="float32", accepts_nan=False, accepts_infinity=False, start=start
            )
        operators.append(moved)
        if operator.target == answer.name:
            break
    made = {operator.target for operator in operators}
    values = [
        ir.Value(names[value.name], value.dtype, value.shape)
        for value in init.values
        if names[value.name] in made
    ]
    if classifies:
        if n_outputs > 1 and sklearn_version() < CENTRED:
            message = (
                f"{kind} of several classes starts from a {init.provenance['kind']}; supported is "
                f"that from scikit-learn 1.4 on. Fit it with init='zero', or upgrade and fit again"
            )
            raise UnsupportedModelError(message)
        clip = np.finfo(np.float64 if sklearn_version() >= FINE_CLIP else np.float32).eps
        values.append(ir.Value(START, "float64", ("batch", n_outputs)))
        operators.append(
            ir.Link(
                source=names[answer.name],
                target=START,
                kind="logit",
                scale=_margin_scale(estimator),
                offset=float(clip),
            )
        )
    return Before(tuple(values), tuple(operators))
