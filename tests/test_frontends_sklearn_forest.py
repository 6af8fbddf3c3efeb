"""Single trees and forests of scikit-learn against the estimator itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, tree

import oracle
from cordwood.frontends import sklearn as frontend
from sklearn_checks import assert_equal_to_source, same_bits, targets, training_rows

FORESTS: list[tuple[Any, str, dict[str, Any]]] = [
    (ensemble.RandomForestClassifier, "two", {}),
    (ensemble.RandomForestClassifier, "four", {"class_weight": "balanced_subsample"}),
    (ensemble.RandomForestClassifier, "four", {"max_leaf_nodes": 9, "criterion": "entropy"}),
    (ensemble.RandomForestClassifier, "two", {"monotonic_cst": [1, 0, 0, -1, 0]}),
    (ensemble.RandomForestClassifier, "labels", {"max_depth": 4}),
    (ensemble.ExtraTreesClassifier, "bool", {"max_features": 2}),
    (ensemble.RandomForestRegressor, "large", {}),
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
        (tree.DecisionTreeClassifier, "labels", {"class_weight": "balanced"}),
        (tree.DecisionTreeClassifier, "float", {"criterion": "log_loss"}),
        (tree.DecisionTreeClassifier, "one", {}),
        (tree.DecisionTreeRegressor, "real", {"monotonic_cst": [1, 0, -1, 0, 0]}),
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


def test_outputs_of_a_classifier_have_their_own_classes() -> None:
    X = training_rows(10)
    y = np.stack((targets(X, "two"), np.full(len(X), "only"), targets(X, "two")), axis=1)
    y[:30, 2] = "may"
    graph = assert_equal_to_source(ensemble.RandomForestClassifier(4, random_state=0).fit(X, y), X)
    assert isinstance(graph.classes, tuple)
    assert [labels.tolist() for labels in graph.classes] == [
        ["no", "yes"],
        ["only"],
        ["may", "no", "yes"],
    ]
    assert graph.operators[-1].groups == (2, 1, 3)


def test_one_column_of_targets_is_one_output() -> None:
    X = training_rows(11)
    y = targets(X, "four").reshape(-1, 1)
    graph = assert_equal_to_source(tree.DecisionTreeClassifier(max_depth=3).fit(X, y), X)
    assert isinstance(graph.classes, np.ndarray)


def test_large_targets_keep_every_bit() -> None:
    # Where thresholds or sums are float32, the error of a regressor grows with its targets.
    X = training_rows(12, n_rows=600)
    y = targets(X, "large")
    estimator = ensemble.RandomForestRegressor(20, random_state=0).fit(X, y)
    assert estimator.predict(X).max() > 1e9
    assert_equal_to_source(estimator, X)


def test_thresholds_between_float32_numbers() -> None:
    # The middle of 1 and its third successor in float32 is no float32 number.
    above = 1 + 3 * 2.0**-23
    X = np.array([[1.0], [above]] * 10)
    estimator = tree.DecisionTreeClassifier().fit(X, [0, 1] * 10)
    graph = assert_equal_to_source(estimator, X)
    cut = graph.trees.threshold[0]
    assert cut != np.float32(cut)
    rows = np.array([[1.0], [cut], [np.nextafter(cut, 2)], [1 + 2.0**-23], [1 + 2.0**-22], [above]])
    assert np.array_equal(oracle.apply(graph, rows)[:, 0], estimator.apply(rows))
    assert len(set(oracle.apply(graph, rows)[:, 0])) == 2


@pytest.mark.parametrize("go_left", [False, True])
def test_missing_values_go_where_the_node_says(go_left: bool) -> None:
    X = np.arange(40.0).reshape(-1, 1)
    y = (X[:, 0] >= 20).astype(int)
    X[:5] = np.nan
    X[20:25] = X[20:25] if go_left else np.nan
    y[np.isnan(X[:, 0])] = 0 if go_left else 1
    graph = assert_equal_to_source(tree.DecisionTreeClassifier().fit(X, y), X)
    assert graph.trees.missing_left[0] == go_left
