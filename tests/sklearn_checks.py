"""Rows that are easily routed wrongly, and the comparison of a Graph with its estimator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import oracle
from cordwood.frontends import sklearn as frontend
from cordwood.ir import Graph, Role

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

MOST_CUTS = 250
"""Thresholds that are probed at both neighbours, per type."""


def training_rows(
    seed: int, n_rows: int = 240, n_features: int = 5, missing: float = 0.0
) -> AnyArray:
    """Return float64 rows of several scales, a share of them NaN; (n_rows, n_features)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * 10.0 ** rng.integers(-3, 4, n_features)
    X[:, -1] = rng.integers(-3, 4, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def probe_rows(graph: Graph, X: AnyArray, seed: int = 0) -> list[AnyArray]:
    """Return rows on thresholds, beside them, and of special values, in four element types."""
    op = graph.trees
    rng = np.random.default_rng(seed)
    tested = np.flatnonzero((op.feature >= 0) & (op.category_set < 0) & np.isfinite(op.threshold))
    chosen = rng.permutation(tested)[:MOST_CUTS]
    cuts = op.threshold[chosen]
    single = cuts.astype(np.float32)
    wide = [cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)]
    narrow = [single, np.nextafter(single, np.float32(-np.inf)),
              np.nextafter(single, np.float32(np.inf))]  # fmt: skip
    special = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.2e-38, 3.4028234663852886e38, 2.5]
    if op.accepts_nan:
        special.append(np.nan)
    if op.accepts_infinity:
        special += [np.inf, -np.inf, 1e300, -1e300]
    features = np.resize(np.arange(op.n_features), 4 * len(special))
    odd = _placed(X, features, np.resize(special, len(features)), rng)
    whole = rng.integers(-(2**62), 2**62, (40, op.n_features))
    whole[::2] = rng.integers(-5, 6, (20, op.n_features))
    whole[1::4] = 2**24 + 1 + rng.integers(-3, 3, (10, op.n_features))
    on_wide = np.concatenate([_placed(X, op.feature[chosen], part, rng) for part in wide])
    on_narrow = np.concatenate([_placed(X, op.feature[chosen], part, rng) for part in narrow])
    with np.errstate(over="ignore"):  # to infinity, where the source takes it
        odd_narrow = odd.astype(np.float32)
    made = [np.concatenate((X, odd, on_wide)), on_narrow.astype(np.float32), whole, odd_narrow]
    return [rows for rows in made if len(rows)]


def _placed(
    X: AnyArray, features: AnyArray, values: AnyArray, rng: np.random.Generator
) -> AnyArray:
    """Return random rows of `X`, row i with ``values[i]`` in column ``features[i]``."""
    rows = X[rng.integers(0, len(X), len(features))].copy()
    rows[np.arange(len(features)), features] = values
    return rows


def same_bits(ours: AnyArray, theirs: AnyArray) -> bool:
    """Tell whether two float64 arrays of one size hold the same bytes in the same order."""
    flat = [np.ascontiguousarray(array, np.float64).reshape(-1) for array in (ours, theirs)]
    return flat[0].tobytes() == flat[1].tobytes()


def assert_equal_to_source(estimator: Any, X: AnyArray, margin: str | None = None) -> Graph:
    """Read `estimator`; compare leaves, margins, links and labels on probing rows.

    `margin` names the source's method for what the ensemble adds up to, else ``predict`` of a
    regressor or ``predict_proba`` of a classifier.
    """
    graph = frontend.read(estimator)
    classifies = graph.classes is not None
    reference = margin or ("predict_proba" if classifies else "predict")
    for rows in probe_rows(graph, X):
        theirs = getattr(estimator, reference)(rows)
        assert same_bits(oracle.predict_margin(graph, rows), theirs), reference
        if "apply" in graph.methods:
            leaves = np.asarray(estimator.apply(rows)).reshape(len(rows), -1)
            assert np.array_equal(oracle.apply(graph, rows), leaves)
        if classifies:
            index = oracle.run(graph, rows, Role.LABEL)
            assert np.array_equal(graph.classes[index], estimator.predict(rows))
            ours = oracle.run(graph, rows, Role.PROBABILITY)
            np.testing.assert_allclose(ours, estimator.predict_proba(rows), rtol=1e-14, atol=2e-16)
        else:
            ours = oracle.run(graph, rows, Role.RESPONSE)
            theirs = estimator.predict(rows).reshape(ours.shape)
            np.testing.assert_allclose(ours, theirs, rtol=1e-15)
    return graph
