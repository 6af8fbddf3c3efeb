"""Bagging and AdaBoost of scikit-learn against the estimator itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.linear_model import LogisticRegression

from cordwood.errors import UnsupportedModelError
from cordwood.frontends import sklearn as frontend
from cordwood.ir import Decide, Link, Role
from sklearn_checks import (
    assert_equal_on,
    assert_equal_to_source,
    by_role,
    targets,
    training_rows,
)

HAS_ALGORITHM = "algorithm" in ensemble.AdaBoostClassifier().get_params()
SAMME = {"algorithm": "SAMME"} if HAS_ALGORITHM else {}

DRAWS: list[dict[str, Any]] = [
    {},
    {"max_features": 0.5},
    {"bootstrap_features": True},
    {"bootstrap": False, "max_samples": 0.4, "max_features": 3},
]


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("target", ["one", "two", "four", "bool", "real", "large", "pair"])
def test_bagging_equals_source(draw: dict[str, Any], target: str) -> None:
    X = training_rows(1, missing=0.1)
    numbers = target in ("real", "large", "pair")
    family = ensemble.BaggingRegressor if numbers else ensemble.BaggingClassifier
    estimator = family(n_estimators=6, random_state=2, **draw).fit(X, targets(X, target))
    graph = assert_equal_to_source(estimator, X)
    assert graph.trees.divisor == 6.0
    assert graph.trees.accepts_nan
    assert not graph.staged


@pytest.mark.parametrize("base", [tree.ExtraTreeClassifier, tree.DecisionTreeClassifier])
def test_bagging_of_other_trees(base: Any) -> None:
    X = training_rows(2)
    estimator = ensemble.BaggingClassifier(base(max_leaf_nodes=7), n_estimators=5, random_state=0)
    assert_equal_to_source(estimator.fit(X, targets(X, "four")), X)


def test_bagging_members_that_miss_classes() -> None:
    X = training_rows(3)
    estimator = ensemble.BaggingClassifier(n_estimators=4, random_state=0)
    estimator.fit(X, targets(X, "four"))
    # Members are fitted on class numbers; one that never met class 1 knows three of them.
    known = np.digitize(X[:, 0], [0, 10])
    estimator.estimators_[2] = tree.DecisionTreeClassifier().fit(X, np.array([0, 2, 3])[known])
    assert_equal_to_source(estimator, X)


def test_bagging_goes_by_its_present_number() -> None:
    X = training_rows(4)
    estimator = ensemble.BaggingRegressor(n_estimators=6, random_state=0)
    estimator.fit(X, targets(X, "real")).set_params(n_estimators=4)
    assert assert_equal_to_source(estimator, X).trees.n_trees == 4


@pytest.mark.parametrize("target", ["one", "two", "four", "bool", "float"])
@pytest.mark.parametrize(
    "base", [None, tree.DecisionTreeClassifier(max_depth=3), tree.ExtraTreeClassifier(max_depth=4)]
)
def test_adaboost_classifier_equals_source(target: str, base: Any) -> None:
    if target == "one" and HAS_ALGORITHM:
        return  # such a version divides by zero where there is one class
    X = training_rows(5)
    estimator = ensemble.AdaBoostClassifier(
        base, n_estimators=12, learning_rate=0.7, random_state=0, **SAMME
    ).fit(X, targets(X, target))
    graph = assert_equal_to_source(estimator, X)
    n_classes = len(estimator.classes_)
    assert graph.trees.n_outputs == (1 if n_classes == 2 else n_classes)
    assert len(graph.trees.leaf_values) == n_classes
    assert graph.trees.divisor == estimator.estimator_weights_.sum()
    assert not graph.staged


def test_adaboost_label_at_a_decision_of_zero_is_the_first_class() -> None:
    X = np.array([[0.0], [1.0]] * 8)
    estimator = ensemble.AdaBoostClassifier(n_estimators=2, **SAMME).fit(X, [0, 1] * 8)
    other = tree.DecisionTreeClassifier(max_depth=1).fit(X, [1, 0] * 8)
    estimator.estimators_ = [estimator.estimators_[0], other]
    estimator.estimator_weights_ = np.ones(2)
    graph = frontend.read(estimator)
    made = by_role(graph, X)
    assert same_zero(made[Role.MARGIN][:, 0], estimator.decision_function(X))
    assert not made[Role.LABEL].any()
    assert_equal_on(estimator, graph, X)


def same_zero(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Tell whether both are 0.0 with a clear sign."""
    return not (ours.any() or theirs.any() or np.signbit(ours).any() or np.signbit(theirs).any())


def test_adaboost_heads() -> None:
    X = training_rows(6)
    for target, kind, scale, rule in (
        ("two", "sigmoid_pair", 1.0, "greater"),
        ("four", "softmax", 1 / 3, "argmax"),
    ):
        estimator = ensemble.AdaBoostClassifier(n_estimators=3, **SAMME)
        _, link, label = frontend.read(estimator.fit(X, targets(X, target))).operators
        assert isinstance(link, Link)
        assert isinstance(label, Decide)
        assert (link.kind, link.scale, label.rule) == (kind, scale, rule)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
@pytest.mark.parametrize("target", ["real", "large", "count"])
@pytest.mark.parametrize("depth", [1, 4])
def test_adaboost_regressor_equals_source(loss: str, target: str, depth: int) -> None:
    X = training_rows(7)
    base = tree.DecisionTreeRegressor(max_depth=depth)
    estimator = ensemble.AdaBoostRegressor(base, n_estimators=10, loss=loss, random_state=0)
    graph = assert_equal_to_source(estimator.fit(X, targets(X, target)), X)
    assert graph.trees.aggregate == "weighted_median"
    assert not graph.staged


def test_adaboost_regressor_whose_only_tree_is_no_better_than_chance() -> None:
    X = np.zeros((8, 1))
    estimator = ensemble.AdaBoostRegressor(n_estimators=3, random_state=0)
    estimator.fit(X, np.arange(8.0))
    assert estimator.estimator_weights_[0] == 0.0, "this test needs a weight of 0"
    assert assert_equal_to_source(estimator, X).trees.n_trees == 1


@pytest.mark.skipif(not HAS_ALGORITHM, reason="this scikit-learn has one algorithm only")
@pytest.mark.filterwarnings("ignore:The SAMME.R algorithm:FutureWarning")
def test_samme_r_is_refused() -> None:
    X = training_rows(8)
    estimator = ensemble.AdaBoostClassifier(n_estimators=2, algorithm="SAMME.R")
    with pytest.raises(UnsupportedModelError, match=r"SAMME\.R.*algorithm='SAMME'"):
        frontend.read(estimator.fit(X, targets(X, "two")))


def test_samme_r_of_an_older_version_is_refused() -> None:
    X = training_rows(8)
    estimator = ensemble.AdaBoostClassifier(n_estimators=2, **SAMME).fit(X, targets(X, "two"))
    estimator.algorithm = "SAMME.R"  # what an estimator of such a version carries
    with pytest.raises(UnsupportedModelError, match=r"SAMME\.R.*algorithm='SAMME'"):
        frontend.read(estimator)


@pytest.mark.parametrize(
    ("family", "base"),
    [
        (ensemble.BaggingClassifier, LogisticRegression()),
        (ensemble.BaggingClassifier, ensemble.RandomForestClassifier(2)),
        (ensemble.AdaBoostClassifier, LogisticRegression()),
        (ensemble.AdaBoostClassifier, ensemble.RandomForestClassifier(2)),
        (ensemble.BaggingRegressor, ensemble.GradientBoostingRegressor(n_estimators=2)),
        (ensemble.AdaBoostRegressor, ensemble.ExtraTreesRegressor(2)),
    ],
)
def test_members_other_than_trees_are_refused(family: Any, base: Any) -> None:
    X = training_rows(9)
    classifies = family.__name__.endswith("Classifier")
    options = SAMME if family is ensemble.AdaBoostClassifier else {}
    estimator = family(base, n_estimators=2, **options)
    estimator.fit(X, targets(X, "two" if classifies else "real"))
    task = "Classifier" if classifies else "Regressor"
    holds = rf"holds a {type(base).__name__}.*DecisionTree{task}"
    with pytest.raises(UnsupportedModelError, match=holds):
        frontend.read(estimator)
