"""Boosters drawn at random: leaf indices first, then margins bit for bit, then answers by bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import xgboost as xgb
from hypothesis import example, given
from hypothesis import strategies as st

import oracle
from cordwood.frontends.xgboost import read
from cordwood.ir import Graph, Role
from drawn import make_rows

N_ROWS = 90
N_CODES = 9
ROW_TYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")

OBJECTIVES = {
    "binary:hinge": "binary",
    "binary:logistic": "binary",
    "binary:logitraw": "binary",
    "count:poisson": "positive",
    "multi:softmax": "three",
    "multi:softprob": "three",
    "rank:map": "binary",
    "rank:ndcg": "three",
    "rank:pairwise": "binary",
    "reg:absoluteerror": "real",
    "reg:gamma": "positive",
    "reg:logistic": "binary",
    "reg:pseudohubererror": "real",
    "reg:quantileerror": "real",
    "reg:squarederror": "real",
    "reg:squaredlogerror": "positive",
    "reg:tweedie": "positive",
    "survival:aft": "positive",
    "survival:cox": "positive",
}
IN_RANGE = {"binary": (1 / 64, 63 / 64), "positive": (1 / 16, 40.0), "real": (-30.0, 30.0)}
"""Base scores that an objective's response can be."""

SCALES = (1.0, 1e-3, 1e30, 1e-38, 1e-42)
"""Of a column; the last gives denormal thresholds."""


@st.composite
def settings_of(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a booster is trained with; keys with a blank are not XGBoost's."""
    objective = draw(st.sampled_from(sorted(OBJECTIVES)))
    kind = OBJECTIVES[objective]
    booster = draw(st.sampled_from(("gbtree", "gbtree", "gbtree", "dart", "gblinear")))
    chosen: dict[str, Any] = {
        "objective": objective,
        "booster": booster,
        "eta": draw(st.sampled_from((0.1, 0.5, 1.0))),
        " seed": draw(st.integers(0, 2**32 - 1)),
        " rounds": draw(st.integers(1, 5)),
        " scales": draw(st.lists(st.sampled_from(SCALES), min_size=4, max_size=4)),
        " targets": 1,
    }
    if objective == "reg:quantileerror":
        chosen["quantile_alpha"] = draw(st.sampled_from((0.5, [0.1, 0.6, 0.9])))
    elif objective in ("reg:squarederror", "binary:logistic") and booster != "gblinear":
        chosen[" targets"] = draw(st.integers(1, 3))
    if kind in IN_RANGE and draw(st.booleans()):
        low, high = IN_RANGE[kind]
        chosen["base_score"] = draw(st.floats(low, high, width=32))
    if booster == "gblinear":
        return chosen
    methods = ("hist", "approx", "exact")
    chosen |= {
        "max_depth": draw(st.integers(1, 6)),
        "tree_method": draw(st.sampled_from(methods)),
        "subsample": draw(st.sampled_from((1.0, 0.6))),
        "num_parallel_tree": draw(st.sampled_from((1, 1, 1, 3))),
        "gamma": draw(st.sampled_from((0.0, 0.0, 1.0))),
        "min_child_weight": draw(st.sampled_from((1.0, 0.01))),
        " categories": draw(st.booleans()),
        "max_cat_to_onehot": draw(st.sampled_from((1, 100))),
    }
    if booster == "dart":
        chosen |= {"rate_drop": 0.5, "normalize_type": draw(st.sampled_from(("tree", "forest")))}
    elif (chosen[" targets"] > 1 or "quantile_alpha" in chosen) and draw(st.booleans()):
        # XGBoost trains no categories there.
        chosen |= {"multi_strategy": "multi_output_tree", "tree_method": "hist"}
        chosen[" categories"] = False
    if chosen["tree_method"] == "exact":
        chosen[" categories"] = False
    elif draw(st.booleans()):
        leaves = draw(st.integers(2, 12))
        chosen |= {"grow_policy": "lossguide", "max_leaves": leaves, "max_depth": 0}
    return chosen


def train(chosen: dict[str, Any]) -> xgb.Booster:
    rng = np.random.default_rng(chosen[" seed"])
    X = np.round(rng.normal(size=(N_ROWS, 4)), 1)
    signal = np.sin(2 * X[:, 0]) + (X[:, 1] > 0) + 0.3 * X[:, 2]
    X = (X * np.array(chosen[" scales"])).astype(np.float32)
    types = ["q"] * 4
    if chosen.get(" categories"):
        types[1] = "c"
        X[:, 1] = rng.integers(0, N_CODES, N_ROWS)
        signal += np.cos(5.0 * X[:, 1])
    X[rng.random(X.shape) < rng.choice([0.0, 0.1, 0.5])] = np.nan
    objective = chosen["objective"]
    target = {
        "binary": (signal > np.median(signal)) * 1.0,
        "three": np.digitize(signal, np.quantile(signal, [0.3, 0.7])),
        "positive": np.exp(signal / 2),
        "real": signal,
    }[OBJECTIVES[objective]]
    if chosen[" targets"] > 1:
        target = np.stack([np.roll(target, at) for at in range(chosen[" targets"])], axis=1)
    data = xgb.DMatrix(X, target, feature_types=types, enable_categorical=True)
    if objective.startswith("rank:"):
        data.set_group([N_ROWS // 3] * 3)
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", target)
        data.set_float_info("label_upper_bound", target)
    params = {name: value for name, value in chosen.items() if not name.startswith(" ")}
    if objective.startswith("multi:"):
        params["num_class"] = 3
    return xgb.train({"nthread": 1, "verbosity": 0, **params}, data, chosen[" rounds"])


def rows_for(graph: Graph, dtype: str, seed: int) -> Any:
    """Return rows on the graph's borders; a DMatrix takes all that is finite in float32."""
    X = make_rows(graph.trees, 60, dtype, seed)
    if X.dtype.kind == "f":
        with np.errstate(over="ignore"):
            X[np.isinf(X.astype(np.float32))] = 0.25
    if graph.trees.is_linear:  # a sum of infinities has no sign of its own
        X = np.clip(X, 0 if X.dtype.kind == "u" else -100, 100) if dtype != "bool" else X
    return X


def assert_answers(graph: Graph, X: Any, answer: Any) -> None:
    """Compare labels for equality, responses and probabilities by the links' bounds."""
    if graph.by_role(Role.LABEL) is not None:
        assert np.array_equal(graph.classes[oracle.run(graph, X, Role.LABEL)], answer)
        return
    role = Role.PROBABILITY if graph.by_role(Role.RESPONSE) is None else Role.RESPONSE
    with np.errstate(over="ignore"):
        ours = oracle.run(graph, X, role).reshape(answer.shape).astype(np.float64)
    finite = np.isfinite(answer)
    assert np.array_equal(finite, np.isfinite(ours))
    # XGBoost's softmax rounds differences of margins first; its sigmoid stops at 3e-39.
    bound = 64 * np.spacing(np.abs(answer[finite])).astype(np.float64) + 4e-39
    assert np.all(np.abs(ours[finite] - answer[finite]) <= bound)


@given(settings_of(), st.sampled_from(ROW_TYPES), st.integers(0, 1000))
@example(
    {
        "objective": "reg:squarederror",
        "booster": "dart",
        "eta": 1.0,
        " seed": 0,
        " rounds": 5,
        " scales": [1e-42] * 4,
        " targets": 1,
        "rate_drop": 0.5,
    },
    "float32",
    0,
)
@example(
    {
        "objective": "multi:softprob",
        "booster": "gblinear",
        "eta": 0.5,
        " seed": 1,
        " rounds": 3,
        " scales": [1.0] * 4,
        " targets": 1,
    },
    "float64",
    0,
)
def test_drawn_boosters(chosen: dict[str, Any], dtype: str, seed: int) -> None:
    booster = train(chosen)
    graph = read(booster)
    X = rows_for(graph, dtype, seed)
    data = xgb.DMatrix(X, nthread=1)
    check = {"validate_features": False}
    if not graph.trees.is_linear:
        leaves = booster.predict(data, pred_leaf=True, **check).reshape(len(X), -1)
        assert np.array_equal(oracle.apply(graph, X), leaves)
    margin = booster.predict(data, output_margin=True, **check)
    ours = oracle.predict_margin(graph, X)
    assert ours.tobytes() == margin.reshape(ours.shape).tobytes()
    assert_answers(graph, X, booster.predict(data, **check))


@st.composite
def wrappers(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw a fitted wrapper and what it was fitted to."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = np.round(rng.normal(size=(N_ROWS, 4)), 1)
    y = np.sin(2 * X[:, 0]) + (X[:, 1] > 0) + 0.5 * rng.normal(size=N_ROWS)
    missing = draw(st.sampled_from((np.nan, -999.0, 0.0, 0.3)))
    X[rng.random(X.shape) < 0.1] = missing
    kind = draw(st.sampled_from(("XGBClassifier", "XGBRFClassifier", "XGBRegressor",
                                 "XGBRFRegressor", "XGBRanker")))  # fmt: skip
    how: dict[str, Any] = {
        "n_estimators": draw(st.integers(1, 8)),
        "missing": missing,
        "n_jobs": 1,
        "booster": draw(st.sampled_from(("gbtree", "gbtree", "gblinear"))),
    }
    if "RF" in kind:
        how["booster"] = "gbtree"
    if how["booster"] == "gbtree":
        how["max_depth"] = draw(st.integers(1, 5))
    n_classes = draw(st.integers(2, 4)) if "Classifier" in kind else 0
    if kind == "XGBRanker":
        y = np.digitize(y, [0.5, 1.2])
        return xgb.XGBRanker(**how).fit(X, y, group=[N_ROWS // 3] * 3), X
    if n_classes == 2:
        names = ("binary:logistic", "binary:hinge", "reg:logistic")
        how["objective"] = draw(st.sampled_from(names))
    elif n_classes and draw(st.booleans()):
        how["objective"] = "multi:softmax"
    if n_classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
    fit: dict[str, Any] = {}
    if "RF" not in kind and draw(st.booleans()):
        how["early_stopping_rounds"] = 1
        fit = {"eval_set": [(X[:40], y[:40][::-1])], "verbose": False}
    return getattr(xgb, kind)(**how).fit(X, y, **fit), X


@given(wrappers(), st.sampled_from(("float32", "float64", "int64")), st.integers(0, 1000))
def test_drawn_wrappers(fitted: tuple[Any, Any], dtype: str, seed: int) -> None:
    model, trained = fitted
    graph = read(model)
    X = make_rows(graph.trees, 60, dtype, seed)
    if graph.trees.is_linear:
        X = np.clip(np.nan_to_num(X, posinf=100, neginf=-100), -100, 100)
    if dtype != "int64":
        X[:20] = trained[:20]
        X[20:30, 1] = model.missing
    if not graph.trees.is_linear:  # a DMatrix takes no infinity; the wrapper's own call does
        with np.errstate(over="ignore"):
            finite = np.where(np.isinf(X.astype(np.float32)), 7, X).astype(dtype)
        assert np.array_equal(oracle.apply(graph, finite), model.apply(finite).reshape(60, -1))
    ours = oracle.predict_margin(graph, X)
    margin = model.predict(X, output_margin=True)
    assert ours.tobytes() == margin.reshape(ours.shape).tobytes()
    answer = model.predict(X)
    if graph.by_role(Role.LABEL) is not None and graph.classes is not None:
        label = oracle.run(graph, X, Role.LABEL)
        if len(graph.classes) > 2 and model.objective == "multi:softprob":
            # XGBoost decides on its own float32 probabilities, in which close margins may tie.
            ordered = np.sort(ours, axis=1)
            clear = ordered[:, -1] - ordered[:, -2] > 1e-5
            label, answer = label[clear], answer[clear]
        assert np.array_equal(label, answer)
    else:
        assert_answers(graph, X, answer)
