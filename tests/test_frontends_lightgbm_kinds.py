"""Every kind of LightGBM model: linear leaves, links, odd classes, and models made of models."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends.lightgbm import read, read_file
from cordwood.ir import Role
from lightgbm_checks import (
    CATEGORIES,
    assert_bits,
    assert_near,
    check,
    probe_rows,
    target,
    training_rows,
)

lgb = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
pytest.importorskip("sklearn", reason="LightGBM's wrappers need scikit-learn")

SMALL = {"num_leaves": 6, "verbose": -1, "num_threads": 1, **CATEGORIES}


def trained(X: np.ndarray, y: np.ndarray, rounds: int = 5, **params: Any) -> Any:
    data = lgb.Dataset(X, y, categorical_feature=params.pop("categorical_feature", []))
    return lgb.train({**SMALL, **params}, data, rounds)


@pytest.mark.parametrize("settings", [{}, {"use_missing": False}])
@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
def test_linear_leaves(boosting: str, settings: dict[str, bool]) -> None:
    X = training_rows(21)
    bagging = {"bagging_fraction": 0.7, "bagging_freq": 1} if boosting == "rf" else {}
    booster = trained(X, target(X), linear_tree=True, boosting=boosting, linear_lambda=0.01,
                      categorical_feature=[5, 6], **bagging, **settings)  # fmt: skip
    graph = read(booster)
    trees = graph.trees
    assert trees.is_linear
    assert len(trees.linear_feature) > 0
    check(graph, booster)
    rows = probe_rows(graph, 22)
    raw = booster.predict(rows, raw_score=True)
    assert np.isinf(raw).any()
    assert_near(oracle.run(graph, rows, Role.RESPONSE), booster.predict(rows))


def test_linear_leaves_of_classes_and_their_labels() -> None:
    X = training_rows(23)
    model = lgb.LGBMClassifier(linear_tree=True, n_estimators=3, **SMALL).fit(X, target(X, 3))
    graph = read(model)
    check(graph, model)
    rows = np.nan_to_num(probe_rows(graph, 24, 500), posinf=9.0, neginf=-9.0)
    chosen = graph.classes[oracle.run(graph, rows, Role.LABEL)]
    np.testing.assert_array_equal(chosen, model.predict(rows))


def test_values_in_the_zero_band_are_zero_to_linear_leaves() -> None:
    X = training_rows(25)
    lines = trained(X[:, :3], target(X), 3, linear_tree=True).model_to_string().split("\n")
    for number, line in enumerate(lines):
        key, _, numbers = line.partition("=")
        if key == "leaf_const":
            lines[number] = "leaf_const=" + " ".join("0" for _ in numbers.split(" "))
    lines = [line for line in lines if not line.startswith("tree_sizes")]
    booster = lgb.Booster(model_str="\n".join(lines))
    graph = read(booster)
    edge = float(np.float32(1e-35))
    rows = np.array(
        [[edge] * 3, [-edge] * 3, [5e-324] * 3, [np.nextafter(edge, 1)] * 3, [1e-34] * 3]
    )
    raw = booster.predict(rows, raw_score=True)
    assert raw[:3].tolist() == [0.0, 0.0, 0.0]
    assert raw[4] != 0.0
    assert_bits(oracle.predict_margin(graph, rows)[:, 0], raw)


def test_linear_after_plain_trees_and_refit() -> None:
    """Continued training mixes trees with and without linear leaves; refit sets leaves anew."""
    X = training_rows(26)
    y = target(X)
    plain = trained(X, y, 3)
    params = {**SMALL, "linear_tree": True}
    mixed = lgb.train(params, lgb.Dataset(X, y), 3, init_model=plain)
    graph = read(mixed)
    assert graph.trees.n_trees == 6
    assert graph.trees.is_linear
    check(graph, mixed)
    for model in (plain, trained(X, y, 3, linear_tree=True)):
        again = model.refit(X, -y, decay_rate=0.3)
        check(read(again), again)


SQUARED = ("regression", "regression_l1", "fair", "quantile", "mape")
IGNORED = ("huber", "poisson", "gamma", "tweedie")


@pytest.mark.parametrize("objective", SQUARED + IGNORED)
@pytest.mark.parametrize("reloaded", [False, True])
def test_roots(objective: str, reloaded: bool) -> None:
    X = training_rows(27)
    y = np.abs(target(X)) + 0.1 if objective in IGNORED else target(X) - 4
    booster = trained(X, y, objective=objective, reg_sqrt=True)
    if reloaded:
        booster = lgb.Booster(model_str=booster.model_to_string())
    graph = read(booster)
    kinds = [op.kind for op in graph.operators[1:]]
    assert kinds == {"huber": []}.get(
        objective, ["exp" if objective in IGNORED else "signed_square"]
    )
    rows = probe_rows(graph, 28, 300)
    ours, theirs = oracle.run(graph, rows, Role.RESPONSE)[:, 0], booster.predict(rows)
    if objective in SQUARED:
        assert (theirs < 0).any()
        assert_bits(ours, theirs)
    assert_near(ours[:, np.newaxis], theirs)


def test_softplus() -> None:
    X = training_rows(29)
    y = 1 / (1 + np.exp(-target(X)))
    booster = trained(X, y, objective="cross_entropy_lambda")
    graph = read(booster)
    check(graph, booster)
    assert [op.kind for op in graph.operators[1:]] == ["softplus"]
    assert_near(oracle.run(graph, X, Role.RESPONSE), booster.predict(X))


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_ranking(objective: str) -> None:
    X = training_rows(30)
    data = lgb.Dataset(X, target(X, 4), group=[20] * 20)
    booster = lgb.train({**SMALL, "objective": objective}, data, 4)
    graph = read(booster)
    check(graph, booster)
    assert len(graph.operators) == 1


@pytest.mark.parametrize("objective", [
    "cross_entropy", "cross_entropy_lambda", "poisson", "regression", "regression_l1",
])  # fmt: skip
def test_classifier_of_another_objective(objective: str) -> None:
    """The wrapper makes two columns, ``1 - p`` and ``p``, of whatever the objective answers."""
    X = training_rows(31)
    model = lgb.LGBMClassifier(objective=objective, n_estimators=4, **SMALL)
    graph = read(model.fit(X, np.where(target(X, 2), "yes", "no")))
    rows = probe_rows(graph, 32, 400)
    assert_near(oracle.run(graph, rows, Role.PROBABILITY), model.predict_proba(rows))
    chosen = graph.classes[oracle.run(graph, rows, Role.LABEL)]
    np.testing.assert_array_equal(chosen, model.predict(rows))


def test_classifier_of_roots() -> None:
    X = training_rows(31)
    model = lgb.LGBMClassifier(objective="regression", reg_sqrt=True, n_estimators=4, **SMALL)
    graph = read(model.fit(X, target(X, 2)))
    assert [op.kind for op in graph.operators[1:3]] == ["signed_square", "identity"]
    assert_bits(oracle.run(graph, X, Role.PROBABILITY), model.predict_proba(X))


@pytest.mark.parametrize("label", ["only", 7, True])
def test_one_class(label: object) -> None:
    X = training_rows(33)
    model = lgb.LGBMClassifier(n_estimators=3, **SMALL).fit(X, np.array([label] * len(X)))
    graph = read(model)
    check(graph, model)
    chosen = graph.classes[oracle.run(graph, X, Role.LABEL)]
    np.testing.assert_array_equal(chosen, model.predict(X))
    assert graph.classes.tolist() == [label]
    assert_near(oracle.run(graph, X, Role.PROBABILITY), model.predict_proba(X))


def test_weights_of_classes_leave_no_trace() -> None:
    X = training_rows(34)
    y = target(X, 2)
    for settings in (
        {"is_unbalance": True},
        {"scale_pos_weight": 3.5},
        {"class_weight": "balanced"},
    ):
        model = lgb.LGBMClassifier(n_estimators=3, **settings, **SMALL).fit(X, y)
        graph = read(model)
        check(graph, model)
        rows = probe_rows(graph, 35, 300)
        assert_near(oracle.run(graph, rows, Role.PROBABILITY), model.predict_proba(rows))


def test_many_classes() -> None:
    X = training_rows(36, 1200)
    model = lgb.LGBMClassifier(n_estimators=2, **{**SMALL, "num_leaves": 3}).fit(X, target(X, 60))
    graph = read(model)
    assert (graph.trees.n_outputs, graph.trees_per_iteration) == (60, 60)
    check(graph, model)


def test_constant_models() -> None:
    X = training_rows(37)
    for y, params in (
        (np.full(len(X), 2.5), {}),
        (np.zeros(len(X)), {"boost_from_average": False}),
        (target(X), {"min_data_in_leaf": len(X)}),
        (np.full(len(X), -3.0), {"linear_tree": True}),
    ):
        booster = trained(X, y, 2, **params)
        graph = read(booster)
        assert np.all(np.diff(graph.trees.tree_start) == 1)
        check(graph, booster)


def test_parts_of_models(tmp_path: Any) -> None:
    """A file may hold any run of iterations; so may a Booster that was put together or cut."""
    X = training_rows(38)
    y = target(X, 3)
    booster = trained(X, y, 8, objective="multiclass", num_class=3)
    path = tmp_path / "part.txt"
    booster.save_model(path, start_iteration=3, num_iteration=4)
    graph = read_file(path)
    assert graph.trees.n_trees == 12
    rows = probe_rows(graph, 39, 300)
    cut = {"start_iteration": 3, "num_iteration": 4}
    theirs = booster.predict(rows, pred_leaf=True, **cut)
    np.testing.assert_array_equal(oracle.apply(graph, rows), theirs)
    assert_bits(oracle.predict_margin(graph, rows), booster.predict(rows, raw_score=True, **cut))
    longer = trained(X, y, 2, objective="multiclass", num_class=3)
    more = lgb.train({**SMALL, "objective": "multiclass", "num_class": 3}, lgb.Dataset(X, y), 2,
                     init_model=longer)  # fmt: skip
    more.shuffle_models(0, -1)
    assert read(more).trees.n_trees == 12
    check(read(more), more)
    back = lgb.Booster({**SMALL, "objective": "regression"}, lgb.Dataset(X, target(X)))
    for _ in range(3):
        back.update()
    back.rollback_one_iter()
    assert read(back).trees.n_trees == 2
    check(read(back), back)


def test_ranges_of_iterations() -> None:
    """Any run of iterations of the Graph's trees answers as LightGBM's own choice does."""
    X = training_rows(40)
    booster = trained(X, target(X), 6)
    graph = read(booster)
    assert graph.trees_per_iteration == 1
    assert not graph.staged
    leaf = graph.trees.leaf_values[graph.trees.leaf_row[oracle.leaves(graph.trees, X)], 0]
    for first, count in ((0, 2), (2, 3), (5, 1)):
        total = np.zeros(len(X))
        for tree in range(first, first + count):
            total += leaf[:, tree]
        theirs = booster.predict(X, start_iteration=first, num_iteration=count)
        assert_bits(total, theirs)


def test_a_forest_of_fewer_trees_is_another_mean() -> None:
    """Its raw score is a sum and its answer a mean over the trees chosen: no range is offered."""
    X = training_rows(41)
    bagging = {"boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1}
    booster = trained(X, target(X), 6, **bagging)
    graph = read(booster)
    assert graph.trees_per_iteration == 0
    assert graph.trees.divisor == 6.0
    assert_bits(booster.predict(X, num_iteration=3),
                booster.predict(X, num_iteration=3, raw_score=True) / 3)  # fmt: skip


def test_parameters_of_prediction_that_change_nothing() -> None:
    """LightGBM's Python package hands neither to its library: they are of its command line."""
    X = training_rows(42)
    settings = {"num_iteration_predict": 1, "start_iteration_predict": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = lgb.LGBMRegressor(n_estimators=4, **settings, **SMALL).fit(X, target(X))
    graph = read(model)
    assert graph.trees.n_trees == 4
    check(graph, model)


def test_early_stop_matters_to_some_objectives_alone() -> None:
    X = training_rows(43)
    hasty = {"pred_early_stop": True, "pred_early_stop_margin": 0.0, "pred_early_stop_freq": 1}
    model = lgb.LGBMRegressor(n_estimators=4, **hasty, **SMALL).fit(X, target(X))
    check(read(model), model)
    for objective in ("binary", "multiclassova"):
        classes = 2 if objective == "binary" else 3
        model = lgb.LGBMClassifier(objective=objective, n_estimators=4, **hasty, **SMALL)
        model.fit(X, target(X, classes))
        with pytest.raises(
            UnsupportedModelError, match="pred_early_stop=True, so its predict skips"
        ):
            read(model)
        # A Booster heeds only what its own call is given.
        check(read(model.booster_), model.booster_)


@pytest.mark.parametrize("strategy", ["bagging", "goss"])
def test_sampling_leaves_no_trace(strategy: str) -> None:
    X = training_rows(44)
    bagging = {"bagging_fraction": 0.5, "bagging_freq": 1} if strategy == "bagging" else {}
    booster = trained(X, target(X), data_sample_strategy=strategy, extra_trees=True, **bagging)
    check(read(booster), booster)


def test_plain_wrapper_answers_with_the_response() -> None:
    X = training_rows(45)
    for objective, classes in (("binary", 2), ("multiclass", 3), ("poisson", 0)):
        settings = {"num_class": classes} if classes > 2 else {}
        model = lgb.LGBMModel(objective=objective, n_estimators=3, **settings, **SMALL)
        y = target(X, classes) if classes else np.exp(target(X) / 4)
        graph = read(model.fit(X, y))
        check(graph, model)
        assert_near(oracle.run(graph, X, Role.RESPONSE), model.predict(X))
        assert graph.methods == ("predict", "apply")
