"""Trees, forests and gradient boosting of scikit-learn against the estimator itself."""

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
from sklearn_checks import assert_equal_to_source, same_bits, training_rows


def targets(X: np.ndarray, kind: str) -> np.ndarray:
    score = np.nan_to_num(X[:, 0]) + np.sin(np.nan_to_num(X[:, 1])) + np.nan_to_num(X[:, -1])
    if kind == "real":
        return score
    if kind == "count":
        return np.floor(np.abs(score))
    if kind == "pair":
        return np.stack((score, -(score**2)), axis=1)
    labels = {"two": np.array(["no", "yes"]), "four": np.array([3, 7, -1, 10])}[kind]
    return labels[np.digitize(score, np.quantile(score, np.linspace(0, 1, len(labels) + 1)[1:-1]))]


FORESTS: list[tuple[Any, str, dict[str, Any]]] = [
    (ensemble.RandomForestClassifier, "two", {}),
    (ensemble.RandomForestClassifier, "four", {"class_weight": "balanced_subsample"}),
    (ensemble.RandomForestClassifier, "four", {"max_leaf_nodes": 9, "criterion": "entropy"}),
    (ensemble.RandomForestClassifier, "two", {"monotonic_cst": [1, 0, 0, -1, 0]}),
    (ensemble.RandomForestRegressor, "real", {}),
    (ensemble.RandomForestRegressor, "pair", {"max_depth": 5}),
    (ensemble.RandomForestRegressor, "real", {"criterion": "absolute_error", "max_depth": 4}),
    (ensemble.RandomForestRegressor, "count", {"criterion": "poisson", "ccp_alpha": 0.01}),
    (ensemble.ExtraTreesClassifier, "four", {"bootstrap": True}),
    (ensemble.ExtraTreesRegressor, "pair", {"max_leaf_nodes": 12}),
]


@pytest.mark.parametrize(("family", "target", "options"), FORESTS)
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_forest_equals_source(
    family: Any, target: str, options: dict[str, Any], missing: float
) -> None:
    X = training_rows(1, missing=missing)
    estimator = family(n_estimators=7, random_state=3, n_jobs=1, **options)
    weight = np.random.default_rng(4).random(len(X)) + 0.1
    estimator.fit(X, targets(X, target), sample_weight=weight)
    graph = assert_equal_to_source(estimator, X)
    assert graph.trees.n_trees == 7
    assert graph.trees.divisor == 7.0
    assert graph.trees.accepts_nan == estimator.estimators_[0]._support_missing_values(X)
    assert not graph.trees.accepts_infinity


@pytest.mark.parametrize(
    ("family", "target", "options"),
    [
        (tree.DecisionTreeClassifier, "four", {}),
        (tree.DecisionTreeClassifier, "two", {"max_leaf_nodes": 6}),
        (tree.DecisionTreeRegressor, "real", {}),
        (tree.DecisionTreeRegressor, "pair", {"ccp_alpha": 0.5}),
        (tree.ExtraTreeClassifier, "two", {}),
        (tree.ExtraTreeRegressor, "real", {"splitter": "best"}),
    ],
)
def test_tree_equals_source(family: Any, target: str, options: dict[str, Any]) -> None:
    missing = 0.0 if options.get("splitter") == "best" else 0.2
    X = training_rows(2, missing=missing)
    estimator = family(random_state=1, **options).fit(X, targets(X, target))
    graph = assert_equal_to_source(estimator, X)
    assert graph.trees.n_trees == 1
    assert graph.trees.accepts_nan == (options.get("splitter") != "best")


def test_tree_keeps_negative_zero() -> None:
    X = np.arange(20.0).reshape(-1, 1)
    y = np.where(X[:, 0] < 10, -0.0, 3.0)
    estimator = tree.DecisionTreeRegressor(criterion="absolute_error").fit(X, y)
    answer = estimator.predict(X)
    assert np.signbit(answer[0]), "this test needs a leaf of -0.0"
    assert same_bits(oracle.predict_margin(frontend.read(estimator), X), answer)


def test_missing_only_split_has_an_infinite_threshold() -> None:
    X = np.array([[1.0], [1.0], [1.0], [np.nan], [np.nan], [np.nan]] * 4)
    estimator = ensemble.RandomForestClassifier(5, bootstrap=False, random_state=0)
    estimator.fit(X, np.isnan(X[:, 0]))
    graph = assert_equal_to_source(estimator, X)
    assert np.isinf(graph.trees.threshold).any()


def test_warm_start_and_one_class() -> None:
    X = training_rows(5)
    estimator = ensemble.RandomForestClassifier(3, warm_start=True, random_state=0)
    estimator.fit(X, targets(X, "two")).set_params(n_estimators=5).fit(X, targets(X, "two"))
    assert assert_equal_to_source(estimator, X).trees.n_trees == 5
    lone = ensemble.RandomForestClassifier(3, random_state=0).fit(X, np.full(len(X), "only"))
    assert assert_equal_to_source(lone, X).trees.n_outputs == 1


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
    classifies = hasattr(estimator, "classes_")
    graph = assert_equal_to_source(estimator, X, "decision_function" if classifies else None)
    assert not graph.trees.accepts_nan
    assert not graph.trees.accepts_infinity
    assert graph.provenance["loss"] == estimator.loss


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


@pytest.mark.parametrize(
    ("family", "target", "init"),
    [
        (ensemble.GradientBoostingRegressor, "real", LinearRegression()),
        (ensemble.GradientBoostingClassifier, "two", DummyClassifier(strategy="stratified")),
    ],
)
def test_initial_estimator_that_reads_rows_is_refused(family: Any, target: str, init: Any) -> None:
    X = training_rows(9)
    estimator = family(n_estimators=2, init=init).fit(X, targets(X, target))
    with pytest.raises(UnsupportedModelError, match=r"starts from init=.*'zero'"):
        frontend.read(estimator)


def test_multi_output_classifier_is_refused() -> None:
    X = training_rows(10)
    y = np.stack((X[:, 0] > 0, X[:, 1] > 0), axis=1)
    for family in (tree.DecisionTreeClassifier, ensemble.RandomForestClassifier):
        estimator = family(max_depth=2).fit(X, y)
        with pytest.raises(UnsupportedModelError, match="2 outputs"):
            frontend.read(estimator)
