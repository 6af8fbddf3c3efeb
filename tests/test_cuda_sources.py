"""Models of the libraries on the emulated device: every method, with the bits of the CPU."""

from __future__ import annotations

import functools
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from scipy import sparse
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor, GradientBoostingClassifier

import cordwood
from bin_sources import HOLES, LABEL, SOURCES, VALUE, X, bits, inputs, part
from cordwood.errors import InputError
from emulated_cuda import DEVICE
from verify_models import MAKERS, trained, training_rows

LENGTHS = (0, 1, 33, 513, 1100)

pytestmark = pytest.mark.usefixtures("emulator")


def _xgboost(**options: Any) -> Any:
    params = {"max_depth": 4, "nthread": 1, **options}
    return xgb.train(params, xgb.DMatrix(HOLES, VALUE), 5)


def _lightgbm(label: np.ndarray = VALUE, **options: Any) -> Any:
    params = {"verbose": -1, "num_threads": 1, "num_leaves": 15, **options}
    return lgb.train(params, lgb.Dataset(X, label), 6)


@functools.cache
def made(name: str) -> Any:
    """Train a source once."""
    return (SOURCES | MORE)[name]()


MORE = {
    "ada classifier": lambda: AdaBoostClassifier(n_estimators=5, random_state=0).fit(X, LABEL),
    "ada regressor": lambda: AdaBoostRegressor(n_estimators=5, random_state=0).fit(X, VALUE),
    "xgboost forest": lambda: _xgboost(num_parallel_tree=4, subsample=0.6, eta=1),
    "xgboost dart": lambda: _xgboost(booster="dart", rate_drop=0.5),
    "xgboost deep": lambda: _xgboost(eval_metric="mae", max_depth=7),
    "lightgbm linear": lambda: _lightgbm(linear_tree=True),
    "lightgbm one against all": lambda: _lightgbm(LABEL, objective="multiclassova", num_class=3),
    "lightgbm cross entropy": lambda: _lightgbm(LABEL / 2, objective="cross_entropy"),
}


def pair(source: Any) -> tuple[cordwood.Model, cordwood.Model]:
    data = cordwood.compress(source).to_bytes()
    return cordwood.load(data), cordwood.load(data, device=DEVICE)


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if not isinstance(found, list) and not sparse.issparse(found):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert bits(found) == bits(expected)


def check(here: cordwood.Model, there: cordwood.Model, rows: Any) -> None:
    for method in here.methods:
        same(getattr(there, method)(rows), getattr(here, method)(rows))


@pytest.mark.parametrize("name", [*SOURCES, *MORE])
def test_every_method(name: str) -> None:
    here, there = pair(made(name))
    assert there.methods == here.methods
    rows = inputs(here)
    for length in LENGTHS:
        check(here, there, part(rows, 0, length))


@pytest.mark.parametrize("name", MAKERS)
def test_every_family(name: str) -> None:
    here, there = pair(trained(name))
    rows = np.tile(training_rows(name), (3, 1))[:600]
    check(here, there, rows)
    check(here, there, rows[:20])


@pytest.mark.parametrize("name", SOURCES)
def test_binned_rows(name: str) -> None:
    here, there = pair(made(name))
    rows = inputs(here)
    bins, elsewhere = here.bin(rows), there.bin(rows)
    wide = name in ("large lightgbm", "large trees")
    assert bins.dtype == (np.uint16 if wide else np.uint8)
    assert elsewhere.to_bytes() == bins.to_bytes()
    for method in here.methods:
        expected = getattr(here, method)(rows)
        same(getattr(there, method)(bins), expected)
        same(getattr(there, method)(bins[3:40]), getattr(here, method)(part(rows, 3, 40)))
        same(getattr(here, method)(elsewhere), expected)


@pytest.mark.parametrize(
    "source",
    [
        lambda: GradientBoostingClassifier(n_estimators=4, random_state=0).fit(X, LABEL),
        lambda: made("histogram"),
    ],
)
def test_stages(source: Any) -> None:
    here, there = pair(source())
    rows = inputs(here)
    for n_rows in (0, 20, 600):
        given = part(rows, 0, n_rows)
        for method in ("staged_predict", "staged_predict_proba", "staged_decision_function"):
            expected = list(getattr(here, method)(given))
            found = list(getattr(there, method)(given))
            assert len(found) == len(expected) > 1
            for ours, theirs in zip(found, expected, strict=True):
                same(ours, theirs)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "lightgbm linear", "xgboost forest"])
def test_ranges_of_iterations(name: str) -> None:
    here, there = pair(made(name))
    rows = inputs(here)
    for first, last in ((0, 2), (1, 4), (3, 4)):
        for method in here.methods:
            options = {"iteration_range": (first, last)}
            same(getattr(there, method)(rows, **options), getattr(here, method)(rows, **options))
    with pytest.raises(InputError) as here_refuses:
        here.predict(rows, iteration_range=(0, 99))
    with pytest.raises(InputError) as there_refuses:
        there.predict(rows, iteration_range=(0, 99))
    assert str(there_refuses.value) == str(here_refuses.value)


def test_one_model_says_what_it_runs_on() -> None:
    here, there = pair(made("small forest"))
    assert there.device == DEVICE
    assert there.n_features_in_ == here.n_features_in_
    assert "evaluated whole" in there.summary()
    assert "emulat" in there._native.processor.lower()
