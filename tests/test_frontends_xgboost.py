"""Graphs of XGBoost models route, add up and decide as the installed library does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb

import oracle
from cordwood.errors import NotFittedError, UnsupportedModelError
from cordwood.frontends.xgboost import read
from cordwood.ir import Graph, Role
from drawn import make_rows

ROW_TYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")
TYPES = ["q", "q", "q", "q", "c", "c"]


def rows_and_target(seed: int, n_rows: int = 300) -> tuple[Any, Any]:
    """Return rows with missing values and two category columns, and a positive target."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 6)) * 10.0 ** rng.integers(-2, 3, 6)
    X[:, 3] = rng.integers(-2, 3, n_rows)
    X[:, 4] = rng.integers(0, 5, n_rows)
    X[:, 5] = rng.integers(0, 40, n_rows)
    y = np.exp(0.3 * (X[:, 0] > 0) + 0.2 * (X[:, 4] == 2) + 0.1 * np.sin(X[:, 5]))
    X[rng.random(X.shape) < 0.08] = np.nan
    return X, y + 0.05 * rng.random(n_rows)


def train(params: dict[str, Any], seed: int = 0, rounds: int = 6, y: Any = None) -> xgb.Booster:
    X, target = rows_and_target(seed)
    data = xgb.DMatrix(
        X, target if y is None else y(target), feature_types=TYPES, enable_categorical=True
    )
    return xgb.train({"max_depth": 5, "eta": 0.5, "nthread": 1, **params}, data, rounds)


def assert_same(graph: Graph, booster: xgb.Booster, n_trees: int | None = None) -> None:
    """Compare leaves and margins on the borders of the graph, in every row type."""
    rounds = (0, 0) if n_trees is None else (0, n_trees)
    for seed, dtype in enumerate(ROW_TYPES):
        X = make_rows(graph.trees, 200, dtype, seed)
        with np.errstate(over="ignore"):
            X[np.isinf(X.astype(np.float32))] = 0  # a DMatrix refuses it
        data = xgb.DMatrix(X)
        check = {"iteration_range": rounds, "validate_features": False}
        found = booster.predict(data, pred_leaf=True, strict_shape=True, **check)
        leaves = oracle.apply(graph, X)
        assert np.array_equal(leaves, found.reshape(leaves.shape)), dtype
        margin = booster.predict(data, output_margin=True, strict_shape=True, **check)
        assert oracle.predict_margin(graph, X).tobytes() == margin.tobytes(), dtype


PARAMS = {
    "numeric": {"tree_method": "exact", "max_depth": 6},
    "one_hot": {"max_cat_to_onehot": 100},
    "partition": {"max_cat_to_onehot": 1},
    "leafwise": {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
    "pruned": {"tree_method": "exact", "gamma": 0.05, "max_depth": 8},
    "dart": {"booster": "dart", "rate_drop": 0.5, "normalize_type": "forest"},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5, "eta": 1.0},
    "stumps": {"max_depth": 1},
    "approx": {"tree_method": "approx"},
}


@pytest.mark.parametrize("name", PARAMS)
def test_leaves_and_margins_equal_the_booster(name: str) -> None:
    params = PARAMS[name]
    if params.get("tree_method") == "exact":
        X, y = rows_and_target(1)
        booster = xgb.train({"nthread": 1, **params}, xgb.DMatrix(X, y), 8)
    else:
        booster = train(params, seed=1, rounds=8)
    graph = read(booster)
    assert graph.trees.n_nodes > 10
    assert_same(graph, booster)


def test_deleted_nodes_are_left_out_and_numbers_kept() -> None:
    X, y = rows_and_target(2)
    params = {"tree_method": "exact", "gamma": 0.2, "max_depth": 8, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(X, y), 3)
    graph = read(booster)
    kept = np.diff(graph.trees.tree_start)
    assert np.any(graph.trees.leaf_id >= np.repeat(kept, kept)), "this model deleted no node"
    assert_same(graph, booster)


def test_category_members_go_right_and_anything_else_left() -> None:
    booster = train({"max_cat_to_onehot": 1}, seed=3)
    graph = read(booster)
    assert graph.trees.category_members == "right"
    assert graph.trees.category_rule == "floor"
    values = [0.0, -0.0, 0.5, 2.99, -0.5, -1.0, 39.0, 40.0, 64.0, 1e6, 2.0**24 - 1, 2.0**24]
    values += [2.0**24 + 2, 2.0**31, 2.0**33, -(2.0**33), 3e38, np.nan]
    X = np.full((2 * len(values), 6), 0.25)
    X[: len(values), 4] = X[len(values) :, 5] = values
    leaves = booster.predict(xgb.DMatrix(X), pred_leaf=True, validate_features=False)
    assert np.array_equal(oracle.apply(graph, X), leaves)


def test_dart_weights_take_part() -> None:
    booster = train({"booster": "dart", "rate_drop": 0.8, "one_drop": 1}, seed=4, rounds=12)
    graph = read(booster)
    assert len(np.unique(graph.trees.tree_weight)) > 2
    assert_same(graph, booster)


def test_vector_base_score_and_several_outputs() -> None:
    def three(y: Any) -> Any:
        return np.digitize(y, np.quantile(y, [0.5, 0.8]))

    booster = train({"objective": "multi:softprob", "num_class": 3}, y=three)
    graph = read(booster)
    assert graph.trees.n_outputs == 3
    assert len(np.unique(graph.trees.base_value)) == 3
    assert_same(graph, booster)
    several = train({"objective": "reg:squarederror"}, y=lambda y: np.stack([y, -y], axis=1))
    assert_same(read(several), several)
    quantiles = train({"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.7]})
    assert_same(read(quantiles), quantiles)


# ---- scikit-learn wrappers -------------------------------------------------------------------


def classifier_rows(n_classes: int, seed: int = 0) -> tuple[Any, Any]:
    X, y = rows_and_target(seed)
    cuts = np.quantile(y, np.arange(1, n_classes) / n_classes)
    return X, np.digitize(y, cuts)


CLASSIFIERS = {
    "binary": (2, {}),
    "multi": (4, {}),
    "softmax": (3, {"objective": "multi:softmax"}),
    "hinge": (2, {"objective": "binary:hinge"}),
    "logitraw": (2, {"objective": "binary:logitraw"}),
    "dart": (2, {"booster": "dart", "rate_drop": 0.5}),
}


@pytest.mark.parametrize("kind", ["XGBClassifier", "XGBRFClassifier"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(kind: str, name: str) -> None:
    n_classes, params = CLASSIFIERS[name]
    X, y = classifier_rows(n_classes)
    model = getattr(xgb, kind)(n_estimators=8, max_depth=4, n_jobs=1, **params).fit(X, y)
    graph = read(model)
    assert graph.provenance["kind"] == kind
    assert np.array_equal(graph.classes, model.classes_)
    assert "decision_function" not in graph.methods
    assert_same(graph, model.get_booster())
    rows = make_rows(graph.trees, 300, "float64", 5)
    with np.errstate(over="ignore"):
        label = graph.classes[oracle.run(graph, rows, Role.LABEL)]
        assert np.array_equal(label, model.predict(rows))
        if "predict_proba" in graph.methods:
            ours = oracle.run(graph, rows, Role.PROBABILITY)
            theirs = model.predict_proba(rows)
            assert ours.shape == theirs.shape
            assert np.abs(ours - theirs).max() <= 4 * np.finfo(np.float32).eps


def test_wrapper_takes_infinity_and_booster_does_not() -> None:
    X, y = classifier_rows(2)
    model = xgb.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, y)
    rows = np.full((2, 6), np.inf)
    rows[1] = -1e300
    assert read(model).trees.accepts_infinity
    with np.errstate(over="ignore"):
        ours = oracle.run(read(model), rows, Role.LABEL)
    assert np.array_equal(ours, model.predict(rows))
    assert not read(model.get_booster()).trees.accepts_infinity
    with pytest.raises(xgb.core.XGBoostError, match="inf"):
        model.get_booster().predict(xgb.DMatrix(rows))


@pytest.mark.parametrize("kind", ["XGBRegressor", "XGBRFRegressor", "XGBRanker"])
def test_regressors_and_ranker(kind: str) -> None:
    X, y = rows_and_target(7)
    model = getattr(xgb, kind)(n_estimators=6, max_depth=4, n_jobs=1)
    if kind == "XGBRanker":
        model.fit(X, np.digitize(y, [1.1, 1.3]), qid=np.arange(300) // 10)
    else:
        model.fit(X, y)
    graph = read(model)
    assert graph.methods == ("predict", "apply")
    assert_same(graph, model.get_booster())
    rows = make_rows(graph.trees, 100, "float32", 1)
    ours = oracle.run(graph, rows, Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(rows).tobytes()


def test_early_stopping_cuts_a_wrapper_but_not_its_booster() -> None:
    X, y = classifier_rows(3)
    rng = np.random.default_rng(0)
    model = xgb.XGBClassifier(n_estimators=40, early_stopping_rounds=4, n_jobs=1)
    model.fit(X, y, eval_set=[(X[:60], rng.permutation(y[:60]))], verbose=False)
    kept, trained = model.best_iteration + 1, model.get_booster().num_boosted_rounds()
    assert kept < trained
    graph = read(model)
    assert graph.trees.n_trees == 3 * kept
    assert graph.provenance["trees_trained"] == 3 * trained
    assert_same(graph, model.get_booster(), n_trees=kept)
    rows = make_rows(graph.trees, 80, "float32", 2)
    assert np.array_equal(oracle.run(graph, rows, Role.LABEL), model.predict(rows))
    assert np.array_equal(oracle.apply(graph, X), model.apply(X))
    assert read(model.get_booster()).trees.n_trees == 3 * trained


# ---- refusals --------------------------------------------------------------------------------


def test_unfitted_models_are_refused() -> None:
    with pytest.raises(NotFittedError, match="XGBClassifier is not fitted"):
        read(xgb.XGBClassifier())
    with pytest.raises(NotFittedError, match="no model to read"):
        read(xgb.Booster())


def test_old_libraries_are_not_read_live() -> None:
    class Old(xgb.Booster):
        def save_raw(self, _format: str = "ubj") -> bytearray:
            return super().save_raw("json").replace(b'"version":[3,', b'"version":[1,')

    X, y = rows_and_target(10)
    booster = xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(X, y), 1)
    with pytest.raises(UnsupportedModelError, match=r"expected 2\.0 or later"):
        read(Old(model_file=booster.save_raw("ubj")))


def test_unsupported_models_are_refused_by_name() -> None:
    X, y = np.nan_to_num(rows_and_target(9)[0]), rows_and_target(9)[1]
    model = xgb.XGBClassifier(n_estimators=2).fit(X, np.stack([y > 1.2, y > 1.4], axis=1))
    model.n_classes_ = 3  # what it would be for labels of 0, 1 and 2
    with pytest.raises(UnsupportedModelError, match=r"2 outputs .* and 3 classes"):
        read(model)
    with pytest.raises(UnsupportedModelError, match=r"builtins\.list"):
        read([1, 2])
