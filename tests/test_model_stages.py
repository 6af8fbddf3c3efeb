"""Staged prediction beside scikit-learn's own, and work that grows with the trees alone."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeRegressor

import cordwood
from cordwood import _core
from drawn import Shape, make_graph

X, CLASSES = make_classification(
    300, 6, n_informative=4, n_redundant=0, n_classes=3, random_state=0
)
WORDS = np.array(["one", "two", "three"])[CLASSES]
METHODS = ("staged_predict", "staged_predict_proba", "staged_decision_function")


def _compare(model: cordwood.Model, source: Any, method: str, rows: np.ndarray) -> None:
    found, expected = list(getattr(model, method)(rows)), list(getattr(source, method)(rows))
    assert len(found) == len(expected) > 1
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        if method == "staged_decision_function" or model._estimator_type == "classifier":
            assert ours.dtype == theirs.dtype
        if method == "staged_predict_proba" or theirs.dtype.kind == "f":
            # Links have a bound of their own; without one the margin is the answer, bit for bit.
            rtol = 0.0 if method == "staged_decision_function" else 1e-14
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=0)
        else:
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("labels", [CLASSES > 0, CLASSES, WORDS], ids=["bool", "int", "str"])
@pytest.mark.parametrize("kind", [GradientBoostingClassifier, HistGradientBoostingClassifier])
def test_stages_of_classifiers_are_scikit_learns(kind: Any, labels: np.ndarray) -> None:
    rounds = "n_estimators" if kind is GradientBoostingClassifier else "max_iter"
    source = kind(random_state=0, **{rounds: 6}).fit(X, labels)
    model = cordwood.compress(source)
    for method in METHODS:
        _compare(model, source, method, X)
        _compare(model, source, method, X[:30])


@pytest.mark.parametrize(
    "source",
    [
        GradientBoostingRegressor(n_estimators=6, random_state=0),
        GradientBoostingRegressor(n_estimators=6, init=DecisionTreeRegressor(max_depth=2)),
        GradientBoostingRegressor(n_estimators=6, init="zero", loss="huber", max_leaf_nodes=80),
        HistGradientBoostingRegressor(max_iter=6, random_state=0),
        HistGradientBoostingRegressor(max_iter=6, loss="poisson", categorical_features=[5]),
    ],
    ids=["squared", "init tree", "huber", "hist", "poisson"],
)
def test_stages_of_regressors_are_scikit_learns(source: Any) -> None:
    rows = X.copy()
    rows[:, 5] = np.floor(np.abs(rows[:, 5]) * 4)
    source.fit(rows, np.abs(rows[:, 0]) + rows[:, 5])
    model = cordwood.compress(source)
    _compare(model, source, "staged_predict", rows)
    last = list(model.staged_predict(rows))[-1]
    np.testing.assert_array_equal(last, model.predict(rows))
    for method in METHODS[1:]:
        with pytest.raises(cordwood.UnsupportedMethodError, match=f"has no {method}"):
            getattr(model, method)


def test_models_without_stages_have_no_such_methods() -> None:
    model = cordwood.compress(RandomForestClassifier(2, random_state=0).fit(X, CLASSES))
    for method in METHODS:
        assert not hasattr(model, method)
        assert "n_rows" in getattr(cordwood.Model, method).__doc__


def _staged(**shape: Any) -> cordwood.Model:
    graph = make_graph(Shape(seed=4, n_features=6, **shape))
    return cordwood.compress(
        dataclasses.replace(graph, trees_per_iteration=graph.trees.n_outputs, staged=True)
    )


@pytest.mark.parametrize("n_rows", [0, 1, 33, 49, 512, 700])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_stages_are_ranges_from_the_first_iteration(n_rows: int, n_outputs: int) -> None:
    model = _staged(n_trees=4 * n_outputs, n_outputs=n_outputs)
    rows = np.random.default_rng(1).normal(size=(n_rows, 6))
    answers = list(model.staged_predict(rows))
    assert len(answers) == 4
    for stage, answer in enumerate(answers):
        expected = model.predict(rows, iteration_range=(0, stage + 1))
        np.testing.assert_array_equal(answer, expected)
        assert answer.dtype == expected.dtype
        assert answer.shape == expected.shape


def test_each_stage_is_an_array_of_its_own() -> None:
    model = _staged(n_trees=3)
    rows = X[:5]
    stages = model.staged_predict(rows)
    first = next(stages)
    kept = first.copy()
    first[:] = 0
    for answer, expected in zip(stages, list(model.staged_predict(rows))[1:], strict=True):
        np.testing.assert_array_equal(answer, expected)
    np.testing.assert_array_equal(next(model.staged_predict(rows)), kept)


def test_rows_are_judged_as_elsewhere() -> None:
    model = _staged(n_trees=2)
    with pytest.raises(cordwood.InputError, match="rows have 3 features, the model expects 6"):
        next(model.staged_predict(np.zeros((2, 3))))
    with pytest.raises(cordwood.InputTypeError):
        next(model.staged_predict([["a"] * 6]))


def test_no_bit_depends_on_threads() -> None:
    data = _staged(n_trees=6, n_outputs=2).to_bytes()
    rows = np.random.default_rng(2).normal(size=(5000, 6))
    many, one = cordwood.load(data, threads=4), cordwood.load(data, threads=1)
    for ours, theirs in zip(many.staged_predict(rows), one.staged_predict(rows), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_work_grows_with_the_trees() -> None:
    """Time does not grow with the square of the stages, as with a growing model for each."""
    y = X[:, 0] + X[:, 1]
    seconds = []
    for rounds in (100, 400):
        source = HistGradientBoostingRegressor(
            max_iter=rounds, random_state=0, early_stopping=False
        )
        model = cordwood.load(cordwood.compress(source.fit(X, y)).to_bytes(), threads=1)
        best = float("inf")
        for _ in range(3):
            fresh = cordwood.load(model.to_bytes(), threads=1)
            begin = time.thread_time()  # what neighbours on the machine do not stretch
            assert sum(1 for _ in fresh.staged_predict(X)) == rounds
            best = min(best, time.thread_time() - begin)
        seconds.append(best)
    assert seconds[1] < 10 * seconds[0]  # in a straight line 4 times; with the square 16


def test_stages_that_do_not_fit_are_refused() -> None:
    data = _staged(n_trees=6).to_bytes()
    for trees, message in [
        ((0, 7), "trees 0 to 7 asked for, the operator that answers has 6"),
        ((4, 2), "trees 4 to 2 asked for"),
        ((0, 6, 4), "stages of 4 trees asked for, expected a divisor of the 6 trees of a sum"),
        ((0, 0, 1), "stages of 1 trees asked for"),
    ]:
        with pytest.raises(cordwood.CordwoodError, match=message):
            _core.Model(data, trees=trees)
    staged = _core.Model(data, trees=(0, 6, 2))
    rows, margin = np.zeros((2, 6)), np.empty((2, 1))
    with pytest.raises(cordwood.CordwoodError, match="stage 3 asked for, it has 3"):
        staged.run_stage(3, "margin", rows, margin, threads=1)
    with pytest.raises(cordwood.CordwoodError, match="not made of the trees' sums"):
        staged.run_stage(0, "leaves", rows, margin, threads=1)
    whole = staged.bind("run", "margin", flat=False, threads=1, prepare=np.asarray)
    with pytest.raises(cordwood.CordwoodError, match="its 3 stages and answers by them alone"):
        whole(rows)
