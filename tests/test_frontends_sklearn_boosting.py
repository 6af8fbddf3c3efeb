"""Gradient boosting of scikit-learn, and what it starts from, against the estimator itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends import sklearn as frontend
from cordwood.ir import Link, Role
from sklearn_checks import assert_equal_to_source, same_bits, targets, training_rows

BOOSTED: list[tuple[Any, str, dict[str, Any]]] = [
    (ensemble.GradientBoostingClassifier, "two", {}),
    (ensemble.GradientBoostingClassifier, "two", {"loss": "exponential", "learning_rate": 0.37}),
    (ensemble.GradientBoostingClassifier, "four", {"subsample": 0.6}),
    (ensemble.GradientBoostingClassifier, "four", {"init": "zero"}),
    (ensemble.GradientBoostingClassifier, "two", {"init": DummyClassifier(strategy="uniform")}),
    (ensemble.GradientBoostingClassifier, "two", {"n_iter_no_change": 2, "tol": 0.1}),
    (ensemble.GradientBoostingRegressor, "real", {}),
    (ensemble.GradientBoostingRegressor, "real", {"init": "zero", "max_leaf_nodes": 5}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "absolute_error"}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "huber", "alpha": 0.8}),
    (ensemble.GradientBoostingRegressor, "real", {"loss": "quantile", "alpha": 0.3}),
    (ensemble.GradientBoostingRegressor, "real", {"init": DummyRegressor(strategy="median")}),
]


@pytest.mark.parametrize(("family", "target", "options"), BOOSTED)
def test_boosting_equals_source(family: Any, target: str, options: dict[str, Any]) -> None:
    X = training_rows(6)
    estimator = family(n_estimators=9, random_state=2, **options).fit(X, targets(X, target))
    graph = assert_equal_to_source(estimator, X)
    assert not graph.trees.accepts_nan
    assert not graph.trees.accepts_infinity
    assert graph.provenance["loss"] == estimator.loss
    assert graph.staged
    assert graph.trees_per_iteration == estimator.estimators_.shape[1]
    assert graph.trees.start is None


def test_boosting_label_at_a_margin_of_zero() -> None:
    X = np.array([[0.0], [1.0]] * 6)
    y = np.array([0, 1, 1, 0] * 3)
    estimator = ensemble.GradientBoostingClassifier(n_estimators=1, init="zero").fit(X, y)
    assert np.array_equal(estimator.decision_function(X), np.zeros(12))
    graph = frontend.read(estimator)
    index = oracle.run(graph, X, Role.LABEL)
    assert np.array_equal(graph.classes[index], estimator.predict(X))
    assert index.all()


def test_exponential_loss_doubles_the_margin() -> None:
    X = training_rows(7)
    estimator = ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=2)
    graph = frontend.read(estimator.fit(X, targets(X, "two")))
    assert [op.scale for op in graph.operators if isinstance(op, Link)] == [2.0]


def test_many_classes_start_from_the_same_bits_in_any_batch() -> None:
    rng = np.random.default_rng(8)
    X = rng.normal(size=(200, 3))
    y = rng.integers(0, 13, 200)
    estimator = ensemble.GradientBoostingClassifier(n_estimators=2, max_depth=2).fit(X, y)
    graph = frontend.read(estimator)
    for rows in (X[:1], X[:2], X[:33], X):
        theirs = estimator.decision_function(rows)
        assert same_bits(oracle.predict_margin(graph, rows), theirs)


SAMME = {"algorithm": "SAMME"} if "algorithm" in ensemble.AdaBoostClassifier().get_params() else {}

CLASSIFIERS = [
    tree.DecisionTreeClassifier(max_depth=3),
    tree.ExtraTreeClassifier(max_depth=4),
    ensemble.RandomForestClassifier(3, max_depth=3),
    ensemble.HistGradientBoostingClassifier(max_iter=2),
    ensemble.GradientBoostingClassifier(n_estimators=2, init=tree.DecisionTreeClassifier()),
    ensemble.BaggingClassifier(n_estimators=3, max_features=0.5),
    ensemble.AdaBoostClassifier(n_estimators=3, **SAMME),
]

REGRESSORS = [
    tree.DecisionTreeRegressor(max_depth=3),
    ensemble.ExtraTreesRegressor(3, max_depth=3),
    ensemble.HistGradientBoostingRegressor(max_iter=2),
    ensemble.GradientBoostingRegressor(n_estimators=2, init=tree.DecisionTreeRegressor()),
    ensemble.BaggingRegressor(n_estimators=3, max_features=0.5),
    ensemble.AdaBoostRegressor(n_estimators=3),
]


@pytest.mark.parametrize("init", CLASSIFIERS, ids=lambda init: type(init).__name__)
@pytest.mark.parametrize(
    ("target", "loss"), [("two", "log_loss"), ("two", "exponential"), ("four", "log_loss")]
)
def test_classifier_starts_from_probabilities(init: Any, target: str, loss: str) -> None:
    X = training_rows(9)
    estimator = ensemble.GradientBoostingClassifier(
        n_estimators=3, init=init, loss=loss, random_state=0
    )
    graph = assert_equal_to_source(estimator.fit(X, targets(X, target)), X)
    assert graph.trees.start == "start"
    logits = [op for op in graph.operators if isinstance(op, Link) and op.kind == "logit"]
    assert logits[-1].scale == (0.5 if loss == "exponential" else 1.0)


@pytest.mark.parametrize("init", REGRESSORS, ids=lambda init: type(init).__name__)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "quantile"])
def test_regressor_starts_from_an_answer_bit_for_bit(init: Any, loss: str) -> None:
    X = training_rows(10)
    estimator = ensemble.GradientBoostingRegressor(
        n_estimators=3, init=init, loss=loss, random_state=0
    )
    graph = assert_equal_to_source(estimator.fit(X, targets(X, "count")), X)
    assert graph.trees.start == "start"
    assert not any(isinstance(op, Link) for op in graph.operators)
    assert graph.sparse == ("refused" if "Hist" in type(init).__name__ else "zero")


def test_regressor_starts_from_a_response_behind_a_link() -> None:
    X = training_rows(11)
    init = ensemble.HistGradientBoostingRegressor(max_iter=3, loss="poisson")
    estimator = ensemble.GradientBoostingRegressor(n_estimators=3, init=init)
    graph = assert_equal_to_source(estimator.fit(X, targets(X, "count")), X)
    assert [op.kind for op in graph.operators if isinstance(op, Link)] == ["exp"]


@pytest.mark.parametrize(
    ("family", "target", "init", "reason"),
    [
        (ensemble.GradientBoostingRegressor, "real", LinearRegression(), "LinearRegression is not"),
        (
            ensemble.GradientBoostingClassifier,
            "two",
            DummyClassifier(strategy="stratified"),
            "DummyClassifier is not",
        ),
        (
            ensemble.GradientBoostingRegressor,
            "four",
            tree.DecisionTreeClassifier(max_depth=2),
            "expected an estimator that answers with one number a row",
        ),
    ],
)
def test_other_initial_estimators_are_refused(
    family: Any, target: str, init: Any, reason: str
) -> None:
    X = training_rows(9)
    estimator = family(n_estimators=2, init=init).fit(X, targets(X, target))
    with pytest.raises(UnsupportedModelError, match=rf"{family.__name__} starts from .*{reason}"):
        frontend.read(estimator)
