"""IsolationForest and RandomTreesEmbedding of scikit-learn against the estimator itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest, RandomTreesEmbedding

from cordwood.errors import UnsupportedModelError
from cordwood.frontends import sklearn as frontend
from cordwood.frontends._sklearn_graph import sklearn_version
from cordwood.ir import Role
from sklearn_checks import (
    assert_equal_on,
    assert_equal_to_source,
    by_role,
    training_rows,
)

TAKES_NAN = sklearn_version() >= (1, 6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"contamination": 0.1},
        {"contamination": 0.25, "max_features": 0.5},
        {"max_features": 1, "bootstrap": True},
        {"max_samples": 2},
        {"max_samples": 3},
        {"max_samples": 0.7, "contamination": 0.5},
        {"warm_start": True},
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_isolation_forest_equals_source(options: dict[str, Any], missing: float) -> None:
    X = training_rows(1, n_rows=201, missing=missing if TAKES_NAN else 0.0)
    estimator = IsolationForest(n_estimators=9, random_state=0, **options).fit(X)
    graph = assert_equal_to_source(estimator, X)
    assert graph.methods == ("predict", "decision_function", "score_samples")
    assert graph.trees.accepts_nan == graph.trees.accepts_infinity == TAKES_NAN


def test_trees_of_one_row_score_a_half() -> None:
    X = training_rows(2)
    estimator = IsolationForest(n_estimators=3, max_samples=1, random_state=0).fit(X)
    graph = assert_equal_to_source(estimator, X)
    made = by_role(graph, X)
    assert np.all(made[Role.SCORE] == -0.5)
    assert np.all(made[Role.DECISION] == 0.0)
    assert np.all(made[Role.LABEL] == 1)


def test_labels_hold_where_a_score_is_the_offset() -> None:
    # With 101 rows a tenth is the score of one of them: its decision is 0, it is an inlier.
    X = training_rows(3, n_rows=101)
    estimator = IsolationForest(n_estimators=50, contamination=0.1, random_state=0).fit(X)
    decisions = estimator.decision_function(X)
    assert np.any(decisions == 0.0), "this test needs a row on the cut"
    graph = frontend.read(estimator)
    for rows in (X, X[:1], X[decisions == 0.0]):
        assert_equal_on(estimator, graph, rows)


@pytest.mark.parametrize("offset", [-2.0, -1.0, -0.75, -1e-200, 0.0, 0.5])
def test_offset_set_by_hand(offset: float) -> None:
    X = training_rows(4, n_rows=60)
    estimator = IsolationForest(n_estimators=5, random_state=0).fit(X)
    estimator.offset_ = offset
    assert_equal_to_source(estimator, X)


@pytest.mark.parametrize(
    "options", [{}, {"max_leaf_nodes": 6}, {"sparse_output": False, "max_depth": 3}]
)
def test_embedding_equals_source(options: dict[str, Any]) -> None:
    X = training_rows(5)
    estimator = RandomTreesEmbedding(n_estimators=5, random_state=0, **options).fit(X)
    graph = assert_equal_to_source(estimator, X)
    assert graph.methods == ("transform", "apply")
    assert graph.provenance["sparse_output"] == options.get("sparse_output", True)
    embedding = graph.by_role(Role.EMBEDDING)
    assert embedding is not None
    assert embedding.shape == ("batch", 5)
    assert graph.trees.leaf_values.max() + 1 == estimator.transform(X).shape[1]


def test_embedding_without_a_column_for_a_leaf_is_refused() -> None:
    X = training_rows(6)
    estimator = RandomTreesEmbedding(n_estimators=2, random_state=0).fit(X)
    known = estimator.one_hot_encoder_.categories_
    known[1] = known[1][1:]
    with pytest.raises(UnsupportedModelError, match=r"leaves in tree 1 and columns for \d+"):
        frontend.read(estimator)
