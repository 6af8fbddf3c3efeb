"""Drawn LightGBM models and rows: leaves first, then raw scores bit for bit, then links."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import oracle
from cordwood.frontends.lightgbm import read
from cordwood.ir import Role
from lightgbm_checks import assert_near, assert_same, probe_rows

lgb = pytest.importorskip("lightgbm", reason="LightGBM is not installed")

N_ROWS = 120
EDGE = float(np.float32(1e-35))
POOLS = {
    "plain": (-1.5, -0.25, 0.0, 0.1, 0.1 + 2**-54, 0.3, 1.0, 2.5),
    "gaps": (np.nan, np.nan, -1.0, 0.0, 0.5, 1.0, 3.0),
    "zeros": (0.0, 0.0, 0.0, -0.0, 1.0, -1.0, 7.0),
    "edges": (0.0, EDGE, -EDGE, np.nextafter(EDGE, 1), -np.nextafter(EDGE, 1), 1e-34, -1e-34),
    "tiny": (5e-324, -5e-324, 1e-310, 1e-40, 1e-30, -1e-30, 2e-30),
    "huge": (-np.inf, -1e300, -1e39, 2.0**53, 2.0**53 + 2, 1e300, np.inf),
    "whole": (2.0**24, 2.0**24 + 1, 2.0**24 + 2, -(2.0**31), 2.0**62, 3.0, 4.0),
    "category": (0.0, 1.0, 2.0, 3.0, 5.0, 31.0, 32.0, 33.0, 64.0, 200.0),
    "odd category": (0.0, 0.5, 1.0, 1.75, 2.0, 9.0, np.nan),
}
KINDS = st.lists(st.sampled_from(sorted(POOLS)), min_size=1, max_size=5)
OBJECTIVES = st.sampled_from((
    "regression", "regression_l1", "huber", "poisson", "quantile", "binary", "cross_entropy",
    "cross_entropy_lambda", "multiclass", "multiclassova",
))  # fmt: skip
BOOSTING = st.sampled_from(("gbdt", "dart", "rf"))
MISSING = st.sampled_from(("none", "zero", "nan"))


def columns(rng: np.random.Generator, kinds: list[str]) -> np.ndarray:
    return np.stack([rng.choice(POOLS[kind], N_ROWS) for kind in kinds], axis=1)


def labels(rng: np.random.Generator, X: np.ndarray, objective: str) -> np.ndarray:
    finite = np.clip(np.nan_to_num(X, nan=-2.0), -9, 9)
    signal = finite @ rng.normal(size=X.shape[1]) + rng.normal(size=len(X)) / 4
    if objective.startswith("multiclass"):
        return np.searchsorted(np.quantile(signal, (0.3, 0.6)), signal)
    if objective == "binary":
        return (signal > np.median(signal)).astype(float)
    return 1 / (1 + np.exp(-signal / 4)) if objective.startswith("cross") else np.abs(signal) + 0.1


def train(rng: np.random.Generator, kinds: list[str], objective: str, **chosen: Any) -> Any:
    X = columns(rng, kinds)
    params = {
        "objective": objective, "num_leaves": int(rng.integers(2, 16)), "min_data_in_leaf": 1,
        "min_data_in_bin": 1, "min_sum_hessian_in_leaf": 0, "min_data_per_group": 1,
        "cat_smooth": float(rng.integers(1, 4)), "cat_l2": 0.5, "max_cat_to_onehot": 2,
        "max_cat_threshold": 32, "num_threads": 1, "verbose": -1, "seed": 1, **chosen,
    }  # fmt: skip
    if objective.startswith("multiclass"):
        params["num_class"] = 3
    if chosen.get("boosting") == "rf":
        params |= {"bagging_fraction": 0.6, "bagging_freq": 1}
    categories = [i for i, kind in enumerate(kinds) if kind.endswith("category")]
    data = lgb.Dataset(X, labels(rng, X, objective), categorical_feature=categories)
    return lgb.train(params, data, int(rng.integers(1, 6)))


def rows_to_try(rng: np.random.Generator, graph: Any, kinds: list[str]) -> list[np.ndarray]:
    """Return rows in several types: training values, thresholds, their neighbours, odd values."""
    X = probe_rows(graph, int(rng.integers(2**31)), 240)
    seen = np.concatenate((columns(rng, kinds), columns(rng, kinds)))
    X = np.where(rng.random(X.shape) < 0.3, seen, X)
    large = rng.choice(
        [2**62 + 1, -(2**63), 2**63 - 1, 2**53 + 1, 2**24 + 1, *range(-3, 70)], X.shape
    )
    with np.errstate(over="ignore"):
        single = X.astype(np.float32)
    return [X, single, large, large > 0]


@given(st.integers(0, 2**32 - 1), KINDS, OBJECTIVES, BOOSTING, MISSING)
@example(1, ["edges", "category"], "regression", "gbdt", "zero")
@example(2, ["huge", "odd category"], "multiclass", "rf", "nan")
def test_drawn_models(
    seed: int, kinds: list[str], objective: str, boosting: str, missing: str
) -> None:
    rng = np.random.default_rng(seed)
    booster = train(rng, kinds, objective, boosting=boosting, use_missing=missing != "none",
                    zero_as_missing=missing == "zero")  # fmt: skip
    graph = read(booster)
    rows = rows_to_try(rng, graph, kinds)
    for X in rows:
        assert_same(graph, booster, X)
    assert_near(oracle.run(graph, rows[0], Role.RESPONSE), booster.predict(rows[0]))


OF_LINEAR = OBJECTIVES.filter(lambda objective: objective != "regression_l1")
MODERATE = st.lists(st.sampled_from(("plain", "gaps", "zeros", "category")), min_size=1, max_size=4)


@given(st.integers(0, 2**32 - 1), MODERATE, OF_LINEAR, st.booleans())
def test_drawn_linear_models(seed: int, kinds: list[str], objective: str, missing: bool) -> None:
    rng = np.random.default_rng(seed)
    booster = train(rng, kinds, objective, linear_tree=True, linear_lambda=0.1, use_missing=missing)
    graph = read(booster)
    assert graph.trees.is_linear
    for X in rows_to_try(rng, graph, kinds):
        assert_same(graph, booster, X)
