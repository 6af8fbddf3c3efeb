"""Packed models of every scikit-learn class, through `compress`, against the estimator itself."""

from __future__ import annotations

import warnings
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import sparse
from sklearn import ensemble
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

import cordwood as cw
from cordwood.errors import InputTypeError, UnsupportedMethodError
from cordwood.frontends import sklearn as frontend
from sklearn_checks import (
    METHODS,
    TREE_MODELS,
    probe_rows,
    reference,
    same_bits,
    targets,
    training_rows,
)
from sklearn_drawn import cases
from test_frontends_sklearn_hist import colours

EXAMPLES = hypothesis.settings().max_examples // 10


def assert_packed_equal(estimator: Any, X: np.ndarray) -> None:
    """Compare every method of the packed model with the estimator's own, on probing rows."""
    model = cw.compress(estimator)
    assert model.methods == tuple(name for name in METHODS if hasattr(estimator, name))
    graph = frontend.read(estimator)
    starts_from_link = len(graph.operators) > 1 and any(
        getattr(op, "kind", "") in ("logit", "exp") for op in graph.operators[:-2]
    )
    for rows in probe_rows(graph, X):
        with np.errstate(over="ignore", invalid="ignore"):
            for method in model.methods:
                theirs = getattr(estimator, method)(rows)
                ours = getattr(model, method)(rows)
                if (
                    method == "apply"
                ):  # ours has a column for each tree, whatever the source's shape
                    theirs = theirs.reshape(len(rows), -1)
                if method == "predict" and type(estimator).__name__ == "AdaBoostRegressor":
                    theirs = reference(estimator, rows)
                if not starts_from_link:
                    assert_same_answer(method, ours, theirs)


def assert_same_answer(method: str, ours: Any, theirs: Any) -> None:
    """Compare an answer in its own shape: exactly, or a link by its bound."""
    if isinstance(theirs, list):
        assert isinstance(ours, list)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same_answer(method, mine, other)
        return
    if hasattr(theirs, "toarray"):
        assert hasattr(ours, "toarray")
        ours, theirs = ours.toarray(), theirs.toarray()
    assert np.shape(ours) == np.shape(theirs)
    if np.asarray(theirs).dtype.kind != "f" or method in ("apply", "transform"):
        assert np.array_equal(ours, theirs)
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=3e-16)


@pytest.mark.parametrize("name", TREE_MODELS)
@hypothesis.settings(max_examples=EXAMPLES)
@hypothesis.given(data=st.data())
def test_drawn_model_answers_as_its_source(name: str, data: st.DataObject) -> None:
    estimator, X, y = data.draw(cases(name))
    with threadpool_limits(1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                estimator.fit(X, y)
            except ValueError as error:
                hypothesis.assume("worse than random" not in str(error))
                raise
        assert_packed_equal(estimator, X)


@pytest.mark.parametrize("name", ["GradientBoosting", "HistGradientBoosting"])
@pytest.mark.parametrize("task", ["Classifier", "Regressor"])
@pytest.mark.parametrize("target", ["two", "four"])
def test_stages_are_those_of_the_source(name: str, task: str, target: str) -> None:
    X = training_rows(1)
    y = targets(X, target) if task == "Classifier" else targets(X, "real")
    number = "max_iter" if name.startswith("Hist") else "n_estimators"
    estimator = getattr(ensemble, name + task)(random_state=0, **{number: 4}).fit(X, y)
    model = cw.compress(estimator)
    for method in ("staged_predict", "staged_predict_proba", "staged_decision_function"):
        if not hasattr(estimator, method):
            continue
        stages = zip(getattr(model, method)(X), getattr(estimator, method)(X), strict=True)
        for ours, stage in stages:
            theirs = np.asarray(stage).reshape(np.shape(ours))
            if method == "staged_predict_proba":
                np.testing.assert_allclose(ours, theirs, rtol=1e-14, atol=2e-16)
            elif theirs.dtype.kind == "f":
                assert same_bits(ours, theirs)
            else:
                assert np.array_equal(ours, theirs)


def test_stages_of_adaboost_are_refused() -> None:
    X = training_rows(1)
    model = cw.compress(AdaBoostRegressor(n_estimators=3, random_state=0).fit(X, X[:, 0]))
    with pytest.raises(UnsupportedMethodError):
        next(model.staged_predict(X))


def test_sparse_rows_are_taken_where_the_source_takes_them() -> None:
    X = training_rows(2)
    X[np.abs(X) < 0.5] = 0.0
    rows = sparse.csr_matrix(X)
    estimator = RandomForestClassifier(4, random_state=0).fit(X, targets(X, "four"))
    model = cw.compress(estimator)
    assert same_bits(model.predict_proba(rows), estimator.predict_proba(rows))
    assert np.array_equal(model.apply(rows), estimator.apply(rows))
    isolation = IsolationForest(n_estimators=5, random_state=0).fit(X)
    assert np.array_equal(cw.compress(isolation).predict(rows), isolation.predict(rows))
    hist = HistGradientBoostingRegressor(max_iter=2).fit(X, X[:, 0])
    with pytest.raises(InputTypeError, match="dense rows alone"):
        cw.compress(hist).predict(rows)


def test_frames_with_labels_of_text() -> None:
    frame, y = colours()
    estimator = HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=3, categorical_features="from_dtype"
    ).fit(frame, y)
    model = cw.compress(estimator)
    unseen = frame.copy()
    unseen["colour"] = unseen["colour"].astype(object).where(unseen["size"] > 0, "violet")
    unseen["grade"] = unseen["grade"].astype(object).where(unseen["size"] < 1, None)
    for rows in (frame, unseen, frame.iloc[:1]):
        assert same_bits(model.predict(rows), estimator.predict(rows))


def test_frames_with_categories_of_numbers() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(3)
    codes = rng.choice([-4, 0, 7, 90], 200)
    frame = pandas.DataFrame({"plain": rng.normal(size=200), "group": pandas.Categorical(codes)})
    estimator = HistGradientBoostingRegressor(
        max_iter=4, min_samples_leaf=3, categorical_features="from_dtype"
    ).fit(frame, (codes == 7) + frame["plain"])
    model = cw.compress(estimator)
    gaps = frame.copy()
    gaps.loc[::3, "group"] = np.nan
    unseen = frame.assign(group=pandas.Categorical(codes + 7))
    for rows in (frame, gaps, unseen, frame.iloc[:1]):
        assert same_bits(model.predict(rows), estimator.predict(rows))
    plain = frame.to_numpy(np.float64)
    assert same_bits(model.predict(plain), estimator.predict(frame))


def test_margins_that_start_from_probabilities() -> None:
    X = training_rows(4)
    for target in ("two", "four"):
        estimator = GradientBoostingClassifier(
            n_estimators=3, init=DecisionTreeClassifier(max_depth=3), random_state=0
        ).fit(X, targets(X, target))
        model = cw.compress(estimator)
        margins = model.decision_function(X)
        np.testing.assert_allclose(margins, estimator.decision_function(X), rtol=0, atol=1e-13)
        assert np.array_equal(model.apply(X), estimator.apply(X).reshape(len(X), -1))
        assert np.array_equal(model.predict(X), estimator.predict(X))
