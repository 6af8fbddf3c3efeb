"""LightGBM models end to end: packed, run, and compared with LightGBM's own calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.errors import InputError, SourceFileError
from lightgbm_checks import CATEGORIES, assert_bits, assert_near, probe_rows, target, training_rows

lgb = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")
sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
pytest.importorskip("sklearn", reason="LightGBM's wrappers need scikit-learn")

SMALL = {"num_leaves": 6, "verbose": -1, "num_threads": 1, **CATEGORIES}
X = training_rows(61)


def rows_for(source: Any, seed: int = 62) -> np.ndarray:
    from cordwood.frontends.lightgbm import read

    return probe_rows(read(source), seed)


def trained(y: np.ndarray, rounds: int = 5, **params: Any) -> Any:
    data = lgb.Dataset(X, y, categorical_feature=[5, 6])
    return lgb.train({**SMALL, **params}, data, rounds)


@pytest.mark.parametrize("objective", [
    "regression", "quantile", "poisson", "cross_entropy", "cross_entropy_lambda", "binary",
    "multiclass", "multiclassova",
])  # fmt: skip
@pytest.mark.parametrize("linear", [False, True])
def test_boosters(objective: str, linear: bool) -> None:
    several = objective.startswith("multiclass")
    y = target(X, 3 if several else 2)
    params = {"num_class": 3} if several else {}
    booster = trained(y, objective=objective, linear_tree=linear, **params)
    model = cw.compress(booster)
    rows = rows_for(booster)
    np.testing.assert_array_equal(model.apply(rows), booster.predict(rows, pred_leaf=True))
    assert_bits(model.predict(rows, raw_score=True), booster.predict(rows, raw_score=True))
    ours, theirs = model.predict(rows), booster.predict(rows)
    assert ours.shape == theirs.shape
    if not (linear and several):  # far apart, LightGBM's own softmax is off by more
        assert_near(ours.reshape(len(rows), -1), theirs)
    if not (linear and objective == "cross_entropy_lambda"):  # whose exp overflows past 709
        cw.verify(booster, model, rows).raise_if_different()


@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
def test_roots(boosting: str) -> None:
    bagging = {"bagging_fraction": 0.7, "bagging_freq": 1} if boosting == "rf" else {}
    booster = trained(target(X) - 3, boosting=boosting, reg_sqrt=True, **bagging)
    rows = rows_for(booster)
    assert_bits(cw.compress(booster).predict(rows), booster.predict(rows))


@pytest.mark.parametrize(("objective", "classes"), [
    ("binary", 2), ("binary", 1), ("cross_entropy_lambda", 2),
])  # fmt: skip
def test_classifiers_of_two_probabilities(objective: str, classes: int) -> None:
    names = np.array(["no", "yes"])[target(X, 2) % classes]
    model = lgb.LGBMClassifier(objective=objective, n_estimators=3, **SMALL).fit(X, names)
    packed = cw.compress(model)
    rows = rows_for(model)
    np.testing.assert_array_equal(packed.predict(rows), model.predict(rows))
    assert_near(packed.predict_proba(rows), model.predict_proba(rows))
    assert packed.classes_.tolist() == model.classes_.tolist()


@pytest.mark.parametrize("linear", [False, True])
def test_choice_of_iterations(linear: bool) -> None:
    booster = trained(target(X, 3), 6, objective="multiclass", num_class=3, linear_tree=linear)
    model = cw.compress(booster)
    rows = rows_for(booster)
    for first, count in ((0, 2), (2, 3), (5, 1), (0, 6)):
        chosen = {"start_iteration": first, "num_iteration": count}
        leaf = booster.predict(rows, pred_leaf=True, **chosen)
        np.testing.assert_array_equal(model.apply(rows, **chosen), leaf)
        raw = booster.predict(rows, raw_score=True, **chosen)
        assert_bits(model.predict(rows, raw_score=True, **chosen), raw)
        assert_bits(model.decision_function(rows, iteration_range=(first, first + count)), raw)
        if not linear:
            assert_near(model.predict(rows, **chosen), booster.predict(rows, **chosen))


def test_a_forest_has_neither_ranges_nor_raw_scores() -> None:
    booster = trained(target(X), boosting="rf", bagging_fraction=0.7, bagging_freq=1)
    model = cw.compress(booster)
    rows = rows_for(booster)
    assert_bits(model.predict(rows), booster.predict(rows))
    with pytest.raises(InputError, match="no iterations to choose among"):
        model.predict(rows, num_iteration=2)


def test_a_leaf_of_infinity_is_refused() -> None:
    """One class under this objective has odds of zero, whose logarithm LightGBM keeps."""
    model = lgb.LGBMClassifier(objective="cross_entropy_lambda", n_estimators=2, **SMALL)
    with pytest.raises(SourceFileError, match="leaf_value holds -inf, expected finite numbers"):
        cw.compress(model.fit(X, np.zeros(len(X))))


def test_saved_and_loaded(tmp_path: Any) -> None:
    booster = trained(target(X), linear_tree=True)
    path = tmp_path / "model.txt"
    booster.save_model(path)
    cw.compress(path).save(tmp_path / "model.cord")
    rows = rows_for(booster)
    assert_bits(cw.load(tmp_path / "model.cord").predict(rows), booster.predict(rows))


LABELS = {
    "text": ["ash", "birch", "", "élan"],
    "integers": [-3, 7, 10, 2**53 + 1],
    "floats": [0.1, 0.5, 2.0, 1e300],
    "booleans": [False, True],
}


@pytest.mark.parametrize("kind", list(LABELS))
def test_frames_of_labels(kind: str, tmp_path: Any) -> None:
    rng = np.random.default_rng(63)
    codes = rng.integers(-1, len(LABELS[kind]), 400)
    frame = pd.DataFrame({"height": rng.normal(size=400), "girth": rng.integers(0, 9, 400) / 4})
    frame["kind"] = pd.Categorical.from_codes(codes, LABELS[kind])
    y = frame["height"] + 2 * (codes % 2) - frame["girth"]
    model = lgb.LGBMRegressor(n_estimators=5, **SMALL).fit(frame, y)
    cw.compress(model).save(tmp_path / "model.cord")
    packed = cw.load(tmp_path / "model.cord")
    assert_bits(packed.predict(frame), model.predict(frame))
    other = frame.copy()
    unlike = "yew" if kind == "text" else 12
    labels = frame["kind"].astype(object).where(frame.index % 3 > 0, unlike)
    other["kind"] = pd.Categorical(labels)
    assert_bits(packed.predict(other), model.predict(other))
    assert not np.array_equal(packed.predict(other), packed.predict(frame))


@pytest.mark.parametrize("settings", [{}, {"zero_as_missing": True}, {"linear_tree": True}])
def test_sparse_rows_are_zero_where_nothing_is_stored(settings: dict[str, bool]) -> None:
    zeros = np.where(np.isnan(X) | (np.abs(X) < 0.8), 0.0, X)
    booster = lgb.train({**SMALL, **settings}, lgb.Dataset(zeros, target(X)), 5)
    model = cw.compress(booster)
    rows = rows_for(booster)
    # A stored value within the zero band is the one thing that LightGBM reads in another way.
    rows = np.where(np.abs(rows) < 1e-30, 0.0, rows)
    for layout in (sparse.csr_matrix, sparse.csc_matrix):
        for given in (zeros, rows):
            expected = booster.predict(layout(given))
            assert_bits(model.predict(layout(given)), expected)
            assert_bits(model.predict(given), expected)
