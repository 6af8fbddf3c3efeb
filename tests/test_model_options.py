"""Calls with options: raw scores and ranges of iterations, beside XGBoost and LightGBM."""

from __future__ import annotations

import dataclasses
import gc
import json
import threading
import weakref
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier

import cordwood
from cordwood import _model_facts
from drawn import Shape, make_graph

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 5)).astype(np.float32)
LABELS = {2: (X[:, 0] > 0).astype(int), 3: np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])}
ROUNDS = 6

SPANS = [(0, 0), (0, 6), (0, 1), (2, 5), (5, 6), (3, 3), (3, 0), (6, 6)]
COUNTS: list[dict[str, Any]] = [
    {},
    {"start_iteration": 2},
    {"num_iteration": 3},
    {"start_iteration": 2, "num_iteration": 2},
    {"start_iteration": 2, "num_iteration": 0},
    {"start_iteration": -3, "num_iteration": 2},
    {"start_iteration": 6},
    {"num_iteration": -1},
    {"num_iteration": 100},
    {"start_iteration": 4, "num_iteration": 9},
    {"start_iteration": 0, "num_iteration": None},
]


@pytest.fixture(scope="module", params=[2, 3], ids=["binary", "three classes"])
def xgb(request: pytest.FixtureRequest) -> xgboost.XGBClassifier:
    source = xgboost.XGBClassifier(n_estimators=ROUNDS, max_depth=3, n_jobs=1, random_state=0)
    return source.fit(X, LABELS[request.param])


@pytest.fixture(scope="module", params=[2, 3], ids=["binary", "three classes"])
def lgb(request: pytest.FixtureRequest) -> lightgbm.LGBMClassifier:
    source = lightgbm.LGBMClassifier(n_estimators=ROUNDS, num_leaves=5, n_jobs=1, verbose=-1)
    return source.fit(np.asarray(X, np.float64), LABELS[request.param])


def _equal(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("span", SPANS, ids=str)
def test_ranges_are_xgboosts(xgb: xgboost.XGBClassifier, span: tuple[int, int]) -> None:
    model = cordwood.compress(xgb)
    margin = xgb.predict(X, output_margin=True, iteration_range=span)
    _equal(model.predict(X, output_margin=True, iteration_range=span), margin)
    _equal(model.predict(X, raw_score=True, iteration_range=span), margin)
    _equal(
        model.predict(X, iteration_range=span),
        xgb.predict(X, iteration_range=span),
    )
    np.testing.assert_allclose(
        model.predict_proba(X, iteration_range=span),
        xgb.predict_proba(X, iteration_range=span),
        rtol=1e-6,
    )


@pytest.mark.parametrize("end", [1, 4, 6])
def test_leaves_of_a_range_are_xgboosts(xgb: xgboost.XGBClassifier, end: int) -> None:
    model = cordwood.compress(xgb)  # XGBoost itself names leaves from the first tree on alone
    expected = xgb.apply(X, iteration_range=(0, end)).reshape(len(X), -1)
    _equal(model.apply(X, iteration_range=(0, end)), expected)
    per_round = expected.shape[1] // end
    later = model.apply(X, iteration_range=(end - 1, end))
    _equal(later, expected[:, per_round * (end - 1) :])


def test_an_open_end_is_the_boosters(xgb: xgboost.XGBClassifier) -> None:
    booster = xgb.get_booster()
    rows = xgboost.DMatrix(X)
    for span in [(3, 0), (0, 0), (6, 0)]:
        expected = booster.predict(rows, output_margin=True, iteration_range=span)
        found = cordwood.compress(booster).predict(X, output_margin=True, iteration_range=span)
        _equal(found, expected)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
def test_ranges_are_lightgbms(lgb: lightgbm.LGBMClassifier, counts: dict[str, Any]) -> None:
    model = cordwood.compress(lgb)
    rows = np.asarray(X, np.float64)
    _equal(
        model.predict(rows, raw_score=True, **counts),
        lgb.predict(rows, raw_score=True, **counts),
    )
    _equal(model.predict(rows, **counts), lgb.predict(rows, **counts))
    _equal(model.apply(rows, **counts), lgb.predict(rows, pred_leaf=True, **counts))
    np.testing.assert_allclose(
        model.predict_proba(rows, **counts), lgb.predict_proba(rows, **counts), rtol=1e-14
    )


def test_both_ways_name_the_same_trees(lgb: lightgbm.LGBMClassifier) -> None:
    model = cordwood.compress(lgb)
    _equal(
        model.predict_proba(X, iteration_range=(1, 4)),
        model.predict_proba(X, start_iteration=1, num_iteration=3),
    )


def _boosted(**facts: Any) -> cordwood.Model:
    graph = make_graph(Shape(seed=2, n_trees=6, n_features=4, **facts))
    return cordwood.compress(dataclasses.replace(graph, trees_per_iteration=2))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"iteration_range": (0, 4)}, cordwood.InputError, r"\(0, 4\).*end <= 3.*3 iterations"),
        ({"iteration_range": (2, 1)}, cordwood.InputError, r"\(2, 1\), expected 0 <= begin"),
        ({"iteration_range": (-1, 2)}, cordwood.InputError, r"\(-1, 2\), expected 0 <= begin"),
        ({"iteration_range": 3}, cordwood.InputTypeError, "is 3, expected two whole numbers"),
        ({"iteration_range": (0, 1, 2)}, cordwood.InputTypeError, "expected two whole numbers"),
        ({"iteration_range": (0.5, 2)}, cordwood.InputTypeError, r"_range\[0\] is 0\.5, expected"),
        ({"start_iteration": 4}, cordwood.InputError, "start_iteration is 4.*3 iterations"),
        ({"num_iteration": "2"}, cordwood.InputTypeError, "num_iteration is '2', expected a whole"),
        (
            {"iteration_range": (0, 1), "num_iteration": 1},
            cordwood.InputError,
            "in one of the two ways",
        ),
        ({"ntree_limit": 3}, TypeError, "unexpected keyword argument 'ntree_limit'"),
    ],
    ids=str,
)
def test_ranges_outside_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    model = _boosted()
    rows = np.zeros((2, 4))
    for method in model.methods:
        with pytest.raises(error, match=message):
            getattr(model, method)(rows, **options)


def test_a_model_without_iterations_refuses_a_range() -> None:
    forest = RandomForestClassifier(3, random_state=0, n_jobs=1).fit(X, LABELS[2])
    model = cordwood.compress(forest)
    words = "RandomForestClassifier has no iterations to choose among"
    for options in ({"iteration_range": (0, 0)}, {"start_iteration": 1}, {"num_iteration": 2}):
        for method in model.methods:
            with pytest.raises(cordwood.InputError, match=words):
                getattr(model, method)(X, **options)
    _equal(model.predict(X, start_iteration=0, num_iteration=None), model.predict(X))
    with pytest.raises(cordwood.InputError, match="RandomForestClassifier has no raw scores"):
        model.predict(X, raw_score=True)
    with pytest.raises(TypeError, match="raw_score"):
        model.predict_proba(X, raw_score=True)


def test_unbound_methods_take_the_same_options(xgb: xgboost.XGBClassifier) -> None:
    model = cordwood.compress(xgb)
    for name in ("predict", "predict_proba", "apply"):
        method = getattr(cordwood.Model, name)
        _equal(
            method(model, X, iteration_range=(1, 3)),
            getattr(model, name)(X=X, iteration_range=(1, 3)),
        )


@pytest.mark.parametrize("aggregate", ["sum", "average"])
@pytest.mark.parametrize("leaf_width", [1, 3])
def test_drawn_ranges_add_up(aggregate: str, leaf_width: int) -> None:
    graph = make_graph(
        Shape(seed=5, n_trees=8, n_outputs=3, n_features=4, aggregate=aggregate,
              vector_leaves=leaf_width == 3)
    )  # fmt: skip
    model = cordwood.compress(dataclasses.replace(graph, trees_per_iteration=2))
    whole = model._run(X[:, :4].astype(np.float64), "leaves")
    for begin, end in [(0, 1), (1, 3), (0, 4), (3, 4)]:
        part = model.apply(X[:, :4].astype(np.float64), iteration_range=(begin, end))
        _equal(part, whole[:, 2 * begin : 2 * end])


def test_threads_ask_for_ranges_at_once(lgb: lightgbm.LGBMClassifier) -> None:
    model = cordwood.compress(lgb)
    rows = np.asarray(X, np.float64)
    spans = [(a, b) for a in range(ROUNDS) for b in range(a + 1, ROUNDS + 1)]  # more than are kept
    expected = {
        (a, b): lgb.predict(rows, raw_score=True, start_iteration=a, num_iteration=b - a)
        for a, b in spans
    }
    wrong: list[Any] = []

    def ask(seed: int) -> None:
        for place in np.random.default_rng(seed).permutation(len(spans)):
            span = spans[place]
            found = model.predict(rows, raw_score=True, iteration_range=span)
            if not np.array_equal(found, expected[span]):
                wrong.append(span)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_model_goes_when_nobody_holds_it() -> None:
    model = _boosted()
    model.predict(np.zeros((1, 4)), iteration_range=(0, 1))
    predict, calls = model.predict, weakref.ref(model._calls)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert predict(np.zeros((1, 4)), iteration_range=(0, 1)).shape[0] == 1
    del predict
    gc.collect()
    assert calls() is None


@pytest.mark.parametrize(
    "iterations",
    [3, {"trees": 0, "staged": True}, {"trees": True, "staged": True}, {"trees": 2, "staged": 1}],
)
def test_iterations_of_another_shape_are_refused(iterations: object) -> None:
    with pytest.raises(cordwood.FormatError, match="whose iterations") as caught:
        _model_facts.read(json.dumps({"iterations": iterations}))
    assert caught.value.code == "provenance_invalid"
