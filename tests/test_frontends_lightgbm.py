"""LightGBM models against LightGBM itself: leaves, margins, responses and labels."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import oracle
from cordwood.errors import NotFittedError, UnsupportedModelError
from cordwood.frontends.lightgbm import read, read_file
from cordwood.ir import Link, Role
from lightgbm_checks import (
    CATEGORIES,
    assert_near,
    check,
    probe_rows,
    target,
    training_rows,
)

lgb = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
pytest.importorskip("sklearn", reason="LightGBM's wrappers need scikit-learn")

OBJECTIVES = ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape",
              "gamma", "tweedie", "cross_entropy")  # fmt: skip


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_regression_objectives(objective: str) -> None:
    X = training_rows(2)
    y = 1 / (1 + np.exp(-target(X))) + (0 if objective == "cross_entropy" else 0.1)
    params = {"objective": objective, "num_leaves": 9, "verbose": -1, **CATEGORIES}
    booster = lgb.train(params, lgb.Dataset(X, y, categorical_feature=[5, 6]), 6)
    graph = read(booster)
    check(graph, booster)
    rows = probe_rows(graph, 3)
    assert_near(oracle.run(graph, rows, Role.RESPONSE), booster.predict(rows))
    assert graph.methods == ("predict", "decision_function", "apply")
    assert graph.provenance["objective"] == objective


@pytest.mark.parametrize("missing", ["none", "zero", "nan"])
def test_missing_types(missing: str) -> None:
    X = training_rows(4)
    y = target(X)
    params = {
        "objective": "regression", "num_leaves": 31, "min_data_in_leaf": 3, "verbose": -1,
        "use_missing": missing != "none", "zero_as_missing": missing == "zero", **CATEGORIES,
    }  # fmt: skip
    booster = lgb.train(params, lgb.Dataset(X, y, categorical_feature=[5]), 12)
    graph = read(booster)
    assert graph.trees.zero_missing.any() == (missing == "zero")
    assert graph.trees.missing_left.any()
    assert (graph.trees.category_set >= 0).any()
    check(graph, booster)


@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf", "goss"])
@pytest.mark.parametrize("classes", [2, 3])
def test_classifiers(boosting: str, classes: int) -> None:
    X = training_rows(5)
    labels = np.array(["ash", "birch", "cedar"])[target(X, classes)]
    bagging = {"subsample": 0.7, "subsample_freq": 1} if boosting == "rf" else {}
    model = lgb.LGBMClassifier(boosting_type=boosting, n_estimators=7, num_leaves=8, verbose=-1,
                               n_jobs=1, random_state=0, **bagging, **CATEGORIES)  # fmt: skip
    model.fit(X, labels, categorical_feature=[5, 6])
    graph = read(model)
    assert (graph.trees.category_set >= 0).any()
    check(graph, model.booster_)
    rows = probe_rows(graph, 6)
    assert_near(oracle.run(graph, rows, Role.PROBABILITY), model.predict_proba(rows))
    chosen = graph.classes[oracle.run(graph, rows, Role.LABEL)]
    np.testing.assert_array_equal(chosen, model.predict(rows))
    assert ("decision_function" in graph.methods) == (boosting != "rf")
    assert graph.feature_names is None
    assert graph.provenance["boosting"] == ("gbdt" if boosting == "goss" else boosting)


def test_one_versus_all_with_a_scale() -> None:
    X = training_rows(7)
    model = lgb.LGBMClassifier(objective="multiclassova", sigmoid=0.7, n_estimators=4,
                               num_leaves=6, verbose=-1).fit(X, target(X, 4))  # fmt: skip
    graph = read(model)
    check(graph, model.booster_)
    rows = probe_rows(graph, 8)
    assert_near(oracle.run(graph, rows, Role.PROBABILITY), model.predict_proba(rows))
    assert graph.classes.tolist() == [0, 1, 2, 3]


def test_booster_of_two_and_more_classes_offers_both_answers() -> None:
    X = training_rows(9)
    for classes, objective in ((2, "binary"), (3, "multiclass")):
        params = {"objective": objective, "verbose": -1, "num_leaves": 5}
        if classes > 2:
            params["num_class"] = classes
        booster = lgb.train(params, lgb.Dataset(X, target(X, classes)), 4)
        graph = read(booster)
        rows = probe_rows(graph, 10, 300)
        response = booster.predict(rows).reshape(len(rows), -1)
        both = np.hstack((1 - response, response)) if classes == 2 else response
        assert_near(oracle.run(graph, rows, Role.RESPONSE), response)
        assert_near(oracle.run(graph, rows, Role.PROBABILITY)[:, -1:], both[:, -1:])
        assert oracle.run(graph, rows, Role.PROBABILITY).shape == both.shape
        assert graph.methods == ("predict", "predict_proba", "decision_function", "apply")


def test_a_tie_is_the_first_class() -> None:
    X = np.repeat([[0.0], [1.0]], 40, axis=0)
    y = np.tile([0, 1], 40)
    model = lgb.LGBMClassifier(n_estimators=1, verbose=-1).fit(X, y)
    graph = read(model)
    assert graph.trees.n_nodes == 1
    assert np.all(model.predict_proba(X) == 0.5)
    np.testing.assert_array_equal(oracle.run(graph, X, Role.LABEL), model.predict(X))
    check(graph, model.booster_)


@pytest.mark.parametrize("scale", [1.0, 0.7, 3.0])
def test_labels_of_margins_beside_zero(scale: float) -> None:
    """Margins this small have a probability of 0.5 or its neighbour."""
    X = np.arange(200.0)[:, np.newaxis]
    model = lgb.LGBMClassifier(n_estimators=1, num_leaves=60, min_child_samples=1, sigmoid=scale,
                               verbose=-1, learning_rate=1.0)  # fmt: skip
    model.fit(X, np.random.default_rng(0).integers(0, 2, 200))
    steps = np.arange(model.booster_.predict(X, pred_leaf=True).max() + 1)
    for leaf in steps:
        value = (1.5 * 2.0**-53 / scale) * (1 + (leaf - len(steps) // 2) * 2.0**-52)
        model.booster_.set_leaf_output(0, int(leaf), value)
    graph = read(model)
    labels = model.predict(X)
    assert 0 < labels.sum() < len(X)
    np.testing.assert_array_equal(graph.classes[oracle.run(graph, X, Role.LABEL)], labels)


def test_best_iteration_cuts_the_model(tmp_path: Any) -> None:
    X = training_rows(11)
    booster = lgb.train({"verbose": -1}, lgb.Dataset(X, target(X)), 9, keep_training_booster=True)
    assert read(booster).trees.n_trees == 9
    booster.best_iteration = 4
    graph = read(booster)
    assert graph.trees.n_trees == 4
    check(graph, booster)
    booster.save_model(tmp_path / "model.txt")
    check(read_file(tmp_path / "model.txt"), booster)


def test_regressor_stops_early() -> None:
    X = training_rows(11)
    y = target(X) + 5 * np.random.default_rng(0).normal(size=len(X))
    model = lgb.LGBMRegressor(n_estimators=60, learning_rate=0.5, verbose=-1)
    model.fit(X[:200], y[:200], eval_X=X[200:], eval_y=y[200:],
              callbacks=[lgb.early_stopping(5, verbose=False)])  # fmt: skip
    assert 0 < model.best_iteration_ < 60
    graph = read(model)
    assert graph.trees.n_trees == model.best_iteration_
    check(graph, model)
    assert graph.methods == ("predict", "apply")


def test_ranker() -> None:
    X = training_rows(12)
    model = lgb.LGBMRanker(n_estimators=4, num_leaves=6, verbose=-1)
    graph = read(model.fit(X, target(X, 4), group=[40] * 10))
    check(graph, model)
    rows = probe_rows(graph, 13, 200)
    ours = oracle.run(graph, rows, Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(rows).tobytes()


def test_objective_of_the_users_own() -> None:
    X = training_rows(14)

    def squares(y: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return margin - y, np.ones_like(y)

    model = lgb.LGBMClassifier(objective=squares, n_estimators=3, verbose=-1)
    graph = read(model.fit(X, target(X, 2)))
    rows = probe_rows(graph, 15, 200)
    assert graph.methods == ("predict", "decision_function", "apply")
    with pytest.warns(UserWarning, match="Cannot compute class probabilities"):
        theirs = model.predict(rows)
    assert oracle.run(graph, rows, Role.RESPONSE)[:, 0].tobytes() == theirs.tobytes()


@pytest.mark.parametrize("reloaded", [False, True])
def test_scale_is_the_one_in_use(reloaded: bool) -> None:
    """A trained Booster has all digits of its sigmoid; its text, and so its pickle, has six."""
    X = training_rows(16)
    params = {"objective": "binary", "sigmoid": 0.123456789, "verbose": -1, "num_leaves": 4}
    booster = lgb.Booster(params, lgb.Dataset(X, target(X, 2)))
    for _ in range(5):
        booster.update()
    if reloaded:
        booster = pickle.loads(pickle.dumps(booster))
    graph = read(booster)
    link = next(op for op in graph.operators if isinstance(op, Link))
    assert link.scale == (0.123457 if reloaded else 0.123456789)
    assert_near(oracle.run(graph, X, Role.RESPONSE), booster.predict(X))


def test_names_and_categories_of_a_frame() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    X = training_rows(17)
    frame = pd.DataFrame(X[:, :3], columns=["height", "girth", "age"])
    frame["kind"] = pd.Categorical.from_codes(X[:, 6].astype(int), ["ash", "birch", "elm", "oak"])
    y = X[:, 0] + np.isin(X[:, 6], [1, 3])
    model = lgb.LGBMRegressor(n_estimators=5, num_leaves=6, verbose=-1, **CATEGORIES).fit(frame, y)
    graph = read(model)
    assert graph.feature_names == ("height", "girth", "age", "kind")
    assert graph.provenance["pandas_categories"] == [4]
    assert (graph.trees.category_set >= 0).any()
    codes = np.column_stack((X[:, :3], X[:, 6]))
    ours = oracle.run(graph, codes, Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(frame).tobytes()


def test_file_is_the_booster(tmp_path: Any) -> None:
    X = training_rows(18)
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1, **CATEGORIES}
    booster = lgb.train(params, lgb.Dataset(X, target(X, 3), categorical_feature=[5]), 5)
    path = tmp_path / "model.txt"
    booster.save_model(path)
    graph = read_file(path)
    check(graph, booster)
    assert graph.methods == read(booster).methods
    assert graph.provenance["kind"] == "model file"


def test_refusals() -> None:
    X = training_rows(19)
    y = target(X)
    with pytest.raises(NotFittedError, match="LGBMRegressor is not fitted"):
        read(lgb.LGBMRegressor())
    with pytest.raises(NotFittedError, match="has no trees"):
        read(lgb.Booster({"verbose": -1}, lgb.Dataset(X, y)))
    with pytest.raises(UnsupportedModelError, match=r"got dict, expected lightgbm\.Booster"):
        read({})
    common = {"verbose": -1, "n_estimators": 2}
    with pytest.raises(UnsupportedModelError, match="pred_early_stop=True, so its predict skips"):
        read(lgb.LGBMClassifier(pred_early_stop=True, **common).fit(X, y > 0))
    third = lgb.LGBMClassifier(objective="multiclass", num_class=3, **common)
    with pytest.raises(UnsupportedModelError, match=r"fitted on 2 class\(es\) but gives 3"):
        read(third.fit(X, y > 0))


@pytest.mark.parametrize("name", ["predict", "predict_proba"])
def test_a_subclass_that_replaces_prediction_is_refused(name: str) -> None:
    X = training_rows(0)

    def double(self: Any, X: np.ndarray) -> np.ndarray:
        return 2 * getattr(super(changed, self), name)(X)

    changed = type("Changed", (lgb.LGBMClassifier,), {name: double})
    plain = type("Plain", (lgb.LGBMClassifier,), {})
    settings = {"n_estimators": 2, "verbose": -1}
    assert read(plain(**settings).fit(X, target(X, 2))).trees.n_trees == 2
    model = changed(**settings).fit(X, target(X, 2))
    with pytest.raises(UnsupportedModelError, match=f"lightgbm.LGBMClassifier but replaces {name}"):
        read(model)
