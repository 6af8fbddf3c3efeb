"""Trees that people take out of other libraries by hand answer as those do, bit for bit."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeRegressor

import cordwood as cw


def same(found: Any, expected: np.ndarray) -> None:
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


def joined(trees: list[Any], **options: Any) -> cw.ops.PackedTrees:
    """Lay the arrays of scikit-learn's trees end to end, as people do by hand."""
    names = ("feature", "threshold", "children_left", "children_right", "missing_go_to_left")
    feature, threshold, left, right, missing = (
        np.concatenate([getattr(tree, name) for tree in trees]) for name in names
    )
    return cw.ops.pack_trees(
        feature, threshold, left, right, tree_start=np.cumsum([0, *(t.node_count for t in trees)]),
        missing_left=missing, n_features=trees[0].n_features, **options,
    )  # fmt: skip


RNG = np.random.default_rng(0)
X_PLAIN = RNG.normal(size=(300, 4))
X_NAN = np.where(RNG.random(X_PLAIN.shape) < 0.2, np.nan, X_PLAIN)
TARGETS = np.stack([X_PLAIN[:, 0] * X_PLAIN[:, 1], np.sin(X_PLAIN[:, 2])], axis=1)


@pytest.mark.parametrize("X", [X_PLAIN, X_NAN], ids=["plain", "nan"])
@pytest.mark.parametrize("several", [False, True])
def test_forests_of_scikit_learn(X: np.ndarray, several: bool) -> None:
    forest = RandomForestRegressor(11, random_state=0).fit(X, TARGETS if several else TARGETS[:, 0])
    trees = [tree.tree_ for tree in forest.estimators_]
    value = np.concatenate([tree.value[:, :, 0] for tree in trees])
    packed = joined(trees, value=value if several else value[:, 0], aggregate="average")
    same(cw.ops.tree_predict(X, packed), forest.predict(X))
    same(cw.ops.tree_predict(X, packed, output="leaf"), forest.apply(X).astype(np.int32))


def test_classifiers_and_single_trees_of_scikit_learn() -> None:
    classes = np.digitize(TARGETS[:, 0], (-0.5, 0.5))
    forest = RandomForestClassifier(5, max_depth=4, random_state=0).fit(X_NAN, classes)
    trees = [tree.tree_ for tree in forest.estimators_]
    value = np.concatenate([tree.value[:, 0, :] for tree in trees])
    packed = joined(trees, value=value, aggregate="average")
    same(cw.ops.tree_predict(X_NAN, packed), forest.predict_proba(X_NAN))
    zeros = np.where(TARGETS[:, 1] < 0, -0.0, TARGETS[:, 1])
    tree = DecisionTreeRegressor(random_state=0).fit(X_NAN, zeros)
    packed = joined([tree.tree_], value=tree.tree_.value[:, 0, 0], base=-0.0)
    same(cw.ops.tree_predict(X_NAN, packed), tree.predict(X_NAN))


def test_boosted_trees_of_scikit_learn() -> None:
    boosted = GradientBoostingRegressor(n_estimators=20, random_state=0).fit(X_PLAIN, TARGETS[:, 0])
    trees = [stage[0].tree_ for stage in boosted.estimators_]
    packed = joined(
        trees,
        value=np.concatenate([tree.value[:, 0, 0] for tree in trees]),
        tree_weight=[boosted.learning_rate] * 20,
        base=boosted.init_.constant_.ravel(),
    )
    same(cw.ops.tree_predict(X_PLAIN, packed), boosted.predict(X_PLAIN))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_boosted_trees_of_xgboost(n_classes: int) -> None:
    labels = np.digitize(TARGETS[:, 0], (-0.5, 0.5)[: n_classes - 1])
    source = xgb.XGBClassifier(n_estimators=9, max_depth=4, n_jobs=1, base_score=0.5)
    booster = source.fit(X_NAN, labels).get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    held = learner["gradient_booster"]["model"]

    def every(name: str) -> np.ndarray:
        return np.concatenate([tree[name] for tree in held["trees"]])

    cut, left = every("split_conditions").astype(np.float32), every("left_children")
    packed = cw.ops.pack_trees(
        every("split_indices"), cut, left, every("right_children"),
        np.where(left == -1, cut, np.float32(0)),  # what a leaf answers stands in its threshold
        tree_start=np.cumsum([0, *(len(tree["left_children"]) for tree in held["trees"])]),
        tree_output=held["tree_info"], missing_left=every("default_left").astype(bool),
        n_features=X_NAN.shape[1], comparison="lt", accumulate_type="float32",
        base=0.0 if n_classes == 2 else 0.5,
    )  # fmt: skip
    rows = xgb.DMatrix(X_NAN)
    same(cw.ops.tree_predict(X_NAN, packed), booster.predict(rows, output_margin=True))
    leaves = booster.predict(rows, pred_leaf=True)
    same(cw.ops.tree_predict(X_NAN, packed, output="leaf"), leaves.astype(np.int32))
