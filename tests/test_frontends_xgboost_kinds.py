"""Kinds of XGBoost models beside one tree per output: linear, vector leaves, several labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends.xgboost import read
from cordwood.ir import Graph, Role
from drawn import make_rows

RNG = np.random.default_rng(3)
X = RNG.normal(size=(240, 5)).astype(np.float32)
Y = np.sin(X[:, 0]) + 0.5 * (X[:, 1] > 0.2) - 0.2 * X[:, 2]
X[RNG.random(X.shape) < 0.08] = np.nan
PAIR = np.stack([Y, 2 - Y**2], axis=1)
LABELS = np.stack([np.quantile(Y, q) < Y for q in (0.3, 0.5, 0.8)], axis=1).astype(int)
SMALL = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}


def rows_for(graph: Graph, seed: int, n_rows: int = 150) -> Any:
    """Return rows on the graph's borders that a DMatrix takes, with what it counts as missing."""
    rows = make_rows(graph.trees, n_rows, "float32", seed)
    rows[np.isinf(rows)] = 0.5
    if graph.trees.missing_value is not None:
        rows[RNG.random(rows.shape) < 0.2] = graph.trees.missing_value
    return rows


def margin_of(model: Any, rows: Any, **how: Any) -> Any:
    """Return what the reference call gives: ``Booster.predict`` on one thread."""
    booster = model if isinstance(model, xgb.Booster) else model.get_booster()
    data = xgb.DMatrix(rows, missing=how.pop("missing", np.nan), nthread=1)
    return booster.predict(data, output_margin=True, validate_features=False, **how)


def assert_margins(model: Any, graph: Graph, seed: int = 0, **how: Any) -> None:
    rows = rows_for(graph, seed)
    with np.errstate(over="ignore", invalid="ignore"):
        ours = oracle.predict_margin(graph, rows)
    theirs = margin_of(model, rows, **how)
    assert ours.tobytes() == theirs.reshape(ours.shape).tobytes()


def assert_classifier(model: Any, graph: Graph, seed: int = 0) -> None:
    """Compare labels and probabilities with the wrapper's."""
    rows = rows_for(graph, seed)
    label = oracle.run(graph, rows, Role.LABEL)
    assert np.array_equal(label, model.predict(rows))
    if graph.by_role(Role.PROBABILITY) is not None:
        ours, theirs = oracle.run(graph, rows, Role.PROBABILITY), model.predict_proba(rows)
        assert ours.shape == theirs.shape
        unit = np.maximum(np.spacing(np.abs(theirs)), np.finfo(np.float32).eps)
        assert np.all(np.abs(ours - theirs) <= 4 * unit)


# ---- gblinear --------------------------------------------------------------------------------


@pytest.mark.parametrize("updater", ["shotgun", "coord_descent"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_linear_boosters(updater: str, outputs: int) -> None:
    target = Y if outputs == 1 else np.digitize(Y, [0, 0.5])
    params: dict[str, Any] = {"booster": "gblinear", "updater": updater, "nthread": 1}
    if outputs == 3:
        params |= {"objective": "multi:softprob", "num_class": 3}
    booster = xgb.train(params, xgb.DMatrix(X, target), 4)
    graph = read(booster)
    assert graph.trees.is_linear
    assert graph.trees.n_trees == 5 * outputs
    assert "apply" not in graph.methods
    assert graph.trees_per_iteration == 0
    assert_margins(booster, graph)


def test_nothing_to_add_leaves_a_negative_zero() -> None:
    booster = xgb.train(
        {"booster": "gblinear", "nthread": 1, "base_score": -0.0, "eta": 0.0},
        xgb.DMatrix(X, Y),
        1,
    )
    graph = read(booster)
    rows = np.array([[np.nan] * 5, [0.0] * 5, [-0.0] * 5], np.float32)
    theirs = margin_of(booster, rows)
    assert oracle.predict_margin(graph, rows).tobytes() == theirs.tobytes()


def test_linear_wrappers_refuse_infinity_and_cut_nothing() -> None:
    model = xgb.XGBClassifier(booster="gblinear", n_estimators=9, early_stopping_rounds=2, n_jobs=1)
    model.fit(X, LABELS[:, 0], eval_set=[(X, 1 - LABELS[:, 0])], verbose=False)
    graph = read(model)
    assert not graph.trees.accepts_infinity
    with pytest.raises(xgb.core.XGBoostError, match="inf"):
        model.predict(np.full((1, 5), np.inf))
    assert graph.methods == ("predict", "predict_proba")
    assert_margins(model, graph)
    assert_classifier(model, graph)


# ---- several outputs -------------------------------------------------------------------------


@pytest.mark.parametrize("params", [{}, {"num_parallel_tree": 2, "subsample": 0.6}, {"gamma": 3.0},
                                    {"grow_policy": "lossguide", "max_leaves": 5}])  # fmt: skip
def test_leaves_that_are_vectors(params: dict[str, Any]) -> None:
    how = {"multi_strategy": "multi_output_tree", "max_depth": 3, "nthread": 1}
    booster = xgb.train(how | params, xgb.DMatrix(X, PAIR), 4)
    graph = read(booster)
    assert graph.trees.leaf_width == 2
    assert graph.trees_per_iteration == params.get("num_parallel_tree", 1)
    assert_margins(booster, graph)
    rows = rows_for(graph, 1)
    leaves = booster.predict(xgb.DMatrix(rows), pred_leaf=True)
    assert np.array_equal(oracle.apply(graph, rows), leaves.reshape(len(rows), -1))


@pytest.mark.parametrize("strategy", ["multi_output_tree", "one_output_per_tree"])
def test_regressors_of_several_targets_and_quantiles(strategy: str) -> None:
    model = xgb.XGBRegressor(multi_strategy=strategy, **SMALL).fit(X, PAIR)
    graph = read(model)
    assert graph.trees.leaf_width == (2 if strategy == "multi_output_tree" else 1)
    assert_margins(model, graph)
    quantiles = xgb.XGBRegressor(
        objective="reg:quantileerror", quantile_alpha=[0.1, 0.5, 0.9], multi_strategy=strategy,
        **SMALL,
    ).fit(X, Y)  # fmt: skip
    assert read(quantiles).trees.n_outputs == 3
    assert_margins(quantiles, read(quantiles))


@pytest.mark.parametrize("strategy", ["multi_output_tree", "one_output_per_tree"])
def test_several_labels_a_row(strategy: str) -> None:
    model = xgb.XGBClassifier(multi_strategy=strategy, **SMALL).fit(X, LABELS)
    graph = read(model)
    assert isinstance(graph.classes, tuple)
    assert [labels.tolist() for labels in graph.classes] == [[0, 1]] * 3
    assert_margins(model, graph)
    assert_classifier(model, graph)


def test_softprob_of_two_classes_answers_column_by_column() -> None:
    model = xgb.XGBClassifier(objective="multi:softprob", num_class=2, **SMALL)
    model.fit(X, LABELS[:, 1])
    graph = read(model)
    assert model.predict(X).shape == (240, 2)
    assert graph.value("label").shape == ("batch", 2)
    assert_classifier(model, graph)
    softmax = xgb.XGBClassifier(objective="multi:softmax", num_class=2, **SMALL)
    softmax.fit(X, LABELS[:, 1])
    assert_classifier(softmax, read(softmax))


# ---- classifiers of any objective ------------------------------------------------------------


@pytest.mark.parametrize("objective", ["reg:squarederror", "count:poisson", "reg:tweedie",
                                       "binary:hinge", "binary:logitraw", "reg:logistic",
                                       "survival:cox", "reg:pseudohubererror"])  # fmt: skip
def test_classifiers_ask_whether_a_response_is_above_a_half(objective: str) -> None:
    model = xgb.XGBClassifier(objective=objective, **SMALL).fit(X, LABELS[:, 1])
    graph = read(model)
    assert np.array_equal(graph.classes, [0, 1])
    assert_margins(model, graph)
    assert_classifier(model, graph)


def test_exp_is_above_a_half_where_xgboosts_is() -> None:
    cut = np.float32(float.fromhex("-0x1.62e42ep-1"))
    bits = cut.view(np.uint32).astype(np.int64) + np.arange(-5000, 5000)
    margins = bits.astype(np.uint32).view(np.float32)
    params = {"objective": "count:poisson", "eta": 0.0, "max_depth": 1, "nthread": 1}
    booster = xgb.train(params, xgb.DMatrix(X, Y**2), 1)
    data = xgb.DMatrix(np.zeros((len(margins), 5)), base_margin=margins)
    assert np.array_equal(booster.predict(data) > 0.5, margins > cut)
    model = xgb.XGBClassifier(objective="count:poisson", **SMALL).fit(X, LABELS[:, 1])
    decide = next(op for op in read(model).operators if op.target == "label")
    assert np.float32(decide.cut) == cut  # type: ignore[attr-defined]


def test_custom_objectives_answer_by_the_objective_that_is_stored() -> None:
    def custom(truth: Any, predicted: Any) -> Any:
        return predicted - truth, np.ones_like(truth)

    model = xgb.XGBClassifier(objective=custom, **SMALL).fit(X, LABELS[:, 1])
    assert read(model).provenance["objective"] == "binary:logistic"
    assert_classifier(model, read(model))
    regressor = xgb.XGBRegressor(objective=custom, **SMALL).fit(X, Y)
    rows = rows_for(read(regressor), 1)
    ours = oracle.run(read(regressor), rows, Role.RESPONSE)[:, 0]
    assert ours.tobytes() == regressor.predict(rows).tobytes()

    def loss(predicted: Any, data: Any) -> Any:
        return predicted - data.get_label(), np.ones_like(predicted)

    booster = xgb.train({"max_depth": 2, "nthread": 1}, xgb.DMatrix(X, Y), 3, obj=loss)
    assert read(booster).by_role(Role.RESPONSE) is not None
    assert_margins(booster, read(booster))


# ---- missing values --------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [-999.0, 0.0, 0.1, 16777217.0, -1e-45])
@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
def test_missing_is_compared_after_the_cast(missing: float, booster: str) -> None:
    given = X.astype(np.float64)
    given[np.isnan(given)] = missing
    given[::7, 3] = np.nan
    model = xgb.XGBRegressor(missing=missing, booster=booster, n_estimators=4, n_jobs=1)
    model.fit(given, Y)
    graph = read(model)
    assert graph.trees.missing_value == np.float32(missing)
    assert_margins(model, graph, missing=missing)
    near = np.nextafter(np.float32(missing), np.float32([-np.inf, np.inf]))
    values = np.array([missing, float(np.float32(missing)), *near, -0.0, np.nan, 1.0])
    rows = np.stack([values] * 5, axis=1)
    ours = oracle.run(graph, rows, Role.RESPONSE)
    assert ours[:, 0].tobytes() == model.predict(rows).tobytes()
    assert read(model.get_booster()).trees.missing_value is None


def test_missing_beyond_float32_is_refused() -> None:
    for missing in (np.inf, 1e39):
        model = xgb.XGBRegressor(missing=missing, **SMALL).fit(np.nan_to_num(X), Y)
        with pytest.raises(UnsupportedModelError, match=r"missing=.*expected NaN or a number"):
            read(model)


# ---- iterations ------------------------------------------------------------------------------


@pytest.mark.parametrize(("params", "expected"), [
    ({}, 1), ({"num_parallel_tree": 3}, 3), ({"objective": "multi:softprob", "num_class": 3}, 3),
    ({"objective": "multi:softmax", "num_class": 3, "num_parallel_tree": 2}, 6),
    ({"booster": "dart", "rate_drop": 0.5}, 1),
])  # fmt: skip
def test_iterations_are_runs_of_equal_length(params: dict[str, Any], expected: int) -> None:
    target = np.digitize(Y, [0, 0.5]) if "num_class" in params else Y
    booster = xgb.train({"max_depth": 2, "nthread": 1, **params}, xgb.DMatrix(X, target), 4)
    graph = read(booster)
    assert graph.trees_per_iteration == expected
    assert graph.trees.n_trees == 4 * expected
    assert not graph.staged
    assert_margins(booster[1:3], read(booster[1:3]), 2)


def test_updated_and_continued_boosters() -> None:
    data = xgb.DMatrix(X, Y)
    booster = xgb.train({"max_depth": 3, "nthread": 1}, data, 4)
    part = xgb.DMatrix(X[:90], Y[:90])
    how = {"max_depth": 3, "nthread": 1, "verbosity": 0}
    for updater in ("refresh", "prune"):
        params = how | {"process_type": "update", "updater": updater, "gamma": 1.0}
        updated = xgb.train(params, part, 3, xgb_model=booster)
        assert read(updated).trees.n_trees == 3
        assert_margins(updated, read(updated))
    continued = xgb.train(how | {"objective": "reg:absoluteerror"}, part, 2, xgb_model=booster)
    assert read(continued).trees.n_trees == 6
    assert_margins(continued, read(continued))


def test_a_sparse_matrix_leaves_out_what_is_missing() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.where(RNG.random(X.shape) < 0.4, 0.0, np.nan_to_num(X))
    model = xgb.XGBRegressor(**SMALL).fit(sparse.csr_matrix(dense), Y)
    graph = read(model)
    assert graph.sparse == "missing"
    ours = oracle.predict_margin(graph, np.where(dense == 0.0, np.nan, dense))
    assert ours[:, 0].tobytes() == model.predict(sparse.csr_matrix(dense)).tobytes()
