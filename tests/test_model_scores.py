"""Scores and logarithms of probabilities, beside scikit-learn's own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeRegressor

import cordwood
from cordwood import _model_scores

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
WEIGHT = RNG.random(120)
LABELS = np.array(["no", "yes"])[(X[:, 0] + RNG.normal(size=120) > 0).astype(int)]
VALUES = np.column_stack((X[:, 0] + RNG.normal(size=120), 3.0 * X[:, 1]))


def _forest() -> RandomForestClassifier:
    return RandomForestClassifier(5, max_depth=3, random_state=0, n_jobs=1).fit(X, LABELS)


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_a_classifier_is_scored_by_accuracy(weight: Any) -> None:
    forest = _forest()
    model = cordwood.compress(forest)
    expected = forest.score(X, LABELS, weight)
    assert 0.5 < expected < 1.0
    assert model.score(X, LABELS, sample_weight=weight) == pytest.approx(expected, rel=1e-14)
    assert model.score(X, LABELS[:, np.newaxis].tolist(), weight) == model.score(X, LABELS, weight)
    assert model.score(X, np.zeros(len(X)), weight) == 0.0
    assert cordwood.Model.score(model, X, LABELS) == model.score(X, LABELS)


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("truth", [VALUES[:, 0], VALUES])
def test_a_regressor_is_scored_by_r_squared(truth: np.ndarray, weight: Any) -> None:
    forest = RandomForestRegressor(5, max_depth=3, random_state=0, n_jobs=1).fit(X, truth)
    model = cordwood.compress(forest)
    expected = forest.score(X, truth, weight)
    assert model.score(X, truth, weight) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("truth", "guess"),
    [
        ([2.0, 2.0], [2.0, 2.0]),
        ([2.0, 2.0], [2.0, 3.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([[1.0, 5.0], [2.0, 5.0]], [[1.5, 5.0], [2.0, 4.0]]),
    ],
)
def test_r_squared_of_values_that_do_not_vary(truth: Any, guess: Any) -> None:
    assert _model_scores.r_squared(truth, np.array(guess)) == r2_score(truth, guess)


def test_r_squared_of_one_row_is_no_number() -> None:
    assert np.isnan(_model_scores.r_squared([1.0], np.array([1.0])))


@pytest.mark.parametrize(
    ("y", "weight", "error", "words"),
    [
        (LABELS[:5], None, cordwood.InputError, r"y has shape \(5,\), expected \(120,\)"),
        ([[1], [1, 2]], None, cordwood.InputError, r"y (cannot be made an array|has shape)"),
        (LABELS, WEIGHT[:5], cordwood.InputError, r"sample_weight has shape \(5,\), .*\(120,\)"),
        (LABELS, np.zeros(120), cordwood.InputError, "sum to 0"),
        (LABELS, LABELS, cordwood.InputTypeError, "sample_weight is not an array of numbers"),
    ],
)
def test_what_cannot_be_scored(y: Any, weight: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cordwood.compress(_forest()).score(X, y, weight)


def test_text_has_no_r_squared() -> None:
    model = cordwood.compress(DecisionTreeRegressor().fit(X, VALUES[:, 0]))
    with pytest.raises(cordwood.InputTypeError, match="y is not an array of numbers"):
        model.score(X, LABELS)


@pytest.mark.parametrize("objective", ["rank:ndcg", "binary:logistic"])
def test_rankings_and_probabilities_have_no_score(objective: str) -> None:
    import xgboost

    matrix = xgboost.DMatrix(X, LABELS == "yes", group=[len(X)])
    booster = xgboost.train({"objective": objective, "nthread": 1}, matrix, 2)
    model = cordwood.compress(booster)
    assert not hasattr(model, "score")
    with pytest.raises(cordwood.UnsupportedMethodError, match="a Booster has no score; this"):
        model.score(X, LABELS)


def test_logarithms_of_probabilities() -> None:
    forest = RandomForestClassifier(3, random_state=0, n_jobs=1).fit(X, LABELS)
    model = cordwood.compress(forest)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the logarithm of zero is no surprise
        found = model.predict_log_proba(X)
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(found, forest.predict_log_proba(X))
    assert np.isneginf(found).any()


def test_without_probabilities_there_are_no_logarithms() -> None:
    model = cordwood.compress(DecisionTreeRegressor().fit(X, VALUES[:, 0]))
    assert hasattr(model, "score")
    assert not hasattr(model, "predict_log_proba")


def test_scikit_learn_scores_it() -> None:
    forest = _forest()
    pipeline = make_pipeline(FunctionTransformer().fit(X), cordwood.compress(forest))
    assert pipeline.score(X, LABELS) == forest.score(X, LABELS)
    assert (pipeline.predict_log_proba(X) == np.log(forest.predict_proba(X))).all()


def test_there_are_no_parameters() -> None:
    model = cordwood.compress(_forest())
    assert model.get_params() == {}
    assert model.set_params() is model
    with pytest.raises(cordwood.InputError, match="cannot set 'depth', 'rate': a packed model has"):
        model.set_params(depth=3, rate=0.1)
