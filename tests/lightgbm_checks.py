"""Rows to train LightGBM on, rows to try its models with, and comparisons with its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import oracle

if TYPE_CHECKING:
    from cordwood.ir import Graph

BAND = float(np.float32(1e-35))
NUMBERS = (np.nan, np.inf, -np.inf, 0.0, -0.0, BAND, -BAND, np.nextafter(BAND, 1), 5e-324, 1e-40,
           -1e-36, 1e300, -1e300)  # fmt: skip
CODES = (-1.0, -0.5, -0.999, 0.5, 1.5, 2.999, 31.0, 32.0, 63.5, 64.0, 300.0, 2.0**31 - 1, 2.0**31,
         2.0**31 + 3, 2.0**32 + 3, 1e300, -1e300)  # fmt: skip
HUGE = (2**24 + 1, 2**31 + 3, 2**53 + 1, 2**62, -(2**63), 2**63 - 1)
CATEGORIES = {"min_data_per_group": 5, "cat_smooth": 1.0}
"""Settings that let few rows split by category."""
ULPS = 16 * np.finfo(np.float64).eps


def training_rows(seed: int, n: int = 400) -> np.ndarray:
    """Draw rows: three plain columns, one with gaps, one mostly zero, two of categories."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 7))
    X[rng.random(n) < 0.3, 3] = np.nan
    X[rng.random(n) < 0.6, 4] = 0.0
    X[:, 5] = rng.integers(0, 70, n)
    X[:, 6] = rng.integers(0, 4, n)
    return X


def target(X: np.ndarray, classes: int = 0) -> np.ndarray:
    signal = X[:, 0] + 2 * (X[:, 5] % 3 == 1) - np.isnan(X[:, 3]) + (X[:, 4] != 0) * X[:, 1]
    if classes == 0:
        return signal
    return np.searchsorted(np.quantile(signal, np.arange(1, classes) / classes), signal)


def probe_rows(graph: Graph, seed: int, n: int = 2000) -> np.ndarray:
    """Draw rows from every threshold, its neighbours in both float types, and the odd values."""
    rng = np.random.default_rng(seed)
    trees = graph.trees
    X = np.empty((n, trees.n_features))
    for column in range(trees.n_features):
        exact = trees.threshold[(trees.feature == column) & (trees.category_set == -1)]
        with np.errstate(over="ignore"):
            single = exact.astype(np.float32)
            pool = np.concatenate((
                exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf), single,
                np.nextafter(single, np.float32(np.inf)), np.nextafter(single, np.float32(-np.inf)),
                NUMBERS, CODES, np.arange(70), rng.normal(size=20),
            ))  # fmt: skip
        X[:, column] = rng.choice(pool, n)
    return X


def assert_same(graph: Graph, model: Any, X: np.ndarray) -> None:
    """Compare leaves and margins bit for bit, for a Booster or a wrapper."""
    leaf = model.predict(X, pred_leaf=True).reshape(len(X), -1)
    np.testing.assert_array_equal(oracle.apply(graph, X), leaf)
    margin = model.predict(X, raw_score=True).reshape(len(X), -1)
    ours = oracle.predict_margin(graph, X)
    if graph.trees.aggregate == "average":
        margin = margin / graph.trees.divisor
    assert_bits(ours, margin)


def assert_bits(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare bit for bit; a NaN has no bits worth comparing."""
    np.testing.assert_array_equal(ours, theirs)
    number = ~np.isnan(ours)
    np.testing.assert_array_equal(np.signbit(ours[number]), np.signbit(theirs[number]))


def assert_near(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare the outputs of a link within a few units in the last place."""
    theirs = theirs.reshape(len(ours), -1)
    with np.errstate(invalid="ignore"):
        near = np.abs(ours - theirs) <= ULPS * np.abs(theirs) + 1e-300
    assert np.all(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))


def check(graph: Graph, model: Any, seed: int = 1) -> None:
    """Compare on rows of every numeric type."""
    X = probe_rows(graph, seed)
    rng = np.random.default_rng(seed)
    with np.errstate(over="ignore"):
        single = X.astype(np.float32)
    whole = rng.choice(np.concatenate((HUGE, np.arange(-5, 75))), X.shape)
    small = rng.integers(-3, 70, X.shape)
    for rows in (X, single, whole, small.astype(np.int32), small > 20, np.asfortranarray(X)):
        assert_same(graph, model, rows)
