"""Hypothesis strategies that draw estimators of scikit-learn, their settings and their rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import strategies as st
from sklearn import ensemble, tree

from cordwood.frontends._sklearn_graph import sklearn_version
from sklearn_checks import targets

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

LABELS = ("one", "two", "four", "bool", "float")


def columns(rng: np.random.Generator, n_rows: int) -> dict[str, AnyArray]:
    """Return float64 columns; casts and comparisons go wrong in each of them in another way."""
    x = rng.normal(size=n_rows)
    return {
        "plain": x,
        "few": np.round(x * 2) / 4,
        # float64 numbers that few float32 numbers lie between
        "close": 1.0 + np.round(x * 8) * 2.0**-25,
        # subnormal in float32, or zero
        "tiny": x * 10.0 ** rng.integers(-47, -36, n_rows),
        "huge": x * 1e37,
        # integers that float32 does not hold
        "whole": np.floor(x * 2.0**26),
        "signed zero": np.where(x > 0, np.copysign(0.0, rng.normal(size=n_rows)), x),
        "constant": np.full(n_rows, 0.25),
    }


COLUMNS = tuple(columns(np.random.default_rng(0), 1))


@st.composite
def training_sets(draw: Any, *, missing: bool) -> AnyArray:
    """Draw rows to train on; (40 to 120, 1 to 5)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5))
    n_rows = draw(st.sampled_from([40, 101, 120]))
    X = np.stack([columns(rng, n_rows)[kind] for kind in kinds], axis=1)
    if missing:
        X[rng.random(X.shape) < draw(st.sampled_from([0.0, 0.1, 0.4]))] = np.nan
    return X


def tree_options(name: str, n_features: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the settings that shape a single tree; an ensemble of trees takes them, too."""
    optional: dict[str, st.SearchStrategy[Any]] = {
        "max_depth": st.integers(1, 7),
        "max_leaf_nodes": st.integers(2, 12),
        "min_samples_leaf": st.integers(1, 9),
        "min_impurity_decrease": st.sampled_from([0.0, 0.01]),
    }
    if name != "RandomTreesEmbedding":
        optional["max_features"] = st.integers(1, n_features)
        optional["ccp_alpha"] = st.sampled_from([0.0, 0.005])
    if name in ("ExtraTreeClassifier", "ExtraTreeRegressor"):
        optional["splitter"] = st.sampled_from(["best", "random"])
    if name.endswith("Classifier") and not name.startswith("Gradient"):
        optional["criterion"] = st.sampled_from(["gini", "entropy", "log_loss"])
        optional["class_weight"] = st.just("balanced")
    return st.fixed_dictionaries({"random_state": st.integers(0, 99)}, optional=optional)


def options(name: str, n_features: int) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the settings of an estimator of scikit-learn by the name of its class."""
    few = {"n_estimators": st.integers(1, 6), "random_state": st.integers(0, 99)}
    share = st.sampled_from([0.3, 0.6, 1.0])
    fixed: dict[str, dict[str, st.SearchStrategy[Any]]] = {
        "Bagging": {**few, "max_features": share, "bootstrap_features": st.booleans()},
        "AdaBoost": {**few, "learning_rate": st.sampled_from([0.3, 1.0])},
        "IsolationForest": {
            **few,
            "max_features": share,
            "max_samples": st.sampled_from([1, 2, 7, 0.5, "auto"]),
            "contamination": st.sampled_from(["auto", 0.05, 0.1, 0.5]),
        },
        "HistGradientBoosting": {
            "max_iter": st.integers(1, 4),
            "min_samples_leaf": st.integers(1, 9),
            "max_bins": st.sampled_from([3, 20, 255]),
            "learning_rate": st.sampled_from([0.1, 0.77]),
            "random_state": st.integers(0, 99),
        },
    }
    for start, known in fixed.items():
        if name.startswith(start):
            return st.fixed_dictionaries(known)
    single = tree_options(name, n_features)
    if name in vars(tree):
        return single
    return st.builds(lambda a, b: {**a, **b}, single, st.fixed_dictionaries(few))


@st.composite
def extras(draw: Any, name: str) -> dict[str, Any]:
    """Draw settings that depend on what is learned: losses, members and initial estimators."""
    made: dict[str, Any] = {}
    task = "Classifier" if name.endswith("Classifier") else "Regressor"
    if name.startswith(("Bagging", "AdaBoost")):
        family = draw(st.sampled_from([f"DecisionTree{task}", f"ExtraTree{task}"]))
        made["estimator"] = getattr(tree, family)(max_depth=draw(st.integers(1, 5)))
    if name == "AdaBoostRegressor":
        made["loss"] = draw(st.sampled_from(["linear", "square", "exponential"]))
    if name == "AdaBoostClassifier" and sklearn_version() < (1, 6):
        made["algorithm"] = "SAMME"
    if name.startswith("GradientBoosting"):
        family = getattr(ensemble, f"RandomForest{task}")
        made["init"] = draw(st.sampled_from([None, "zero", family(2, max_depth=2)]))
    if name == "GradientBoostingRegressor":
        losses = ["squared_error", "absolute_error", "huber", "quantile"]
        made["loss"] = draw(st.sampled_from(losses))
    if name == "HistGradientBoostingRegressor":
        losses = ["squared_error", "absolute_error", "poisson", "gamma"]
        made["loss"] = draw(st.sampled_from(losses))
    return made


def learned(X: AnyArray, kind: str) -> AnyArray:
    """Return targets that follow the order of each column, whatever its scale."""
    ranks = np.argsort(np.argsort(np.nan_to_num(X), axis=0), axis=0) * 6.0 / len(X) - 3.0
    return targets(np.concatenate((ranks, ranks[::-1]), axis=1), kind)


@st.composite
def cases(draw: Any, name: str) -> tuple[Any, AnyArray, AnyArray]:
    """Draw an estimator that is not fitted, rows, and what to learn from them."""
    dense = name.startswith(("GradientBoosting", "AdaBoost"))
    old = sklearn_version() < (1, 6) and "Hist" not in name and "DecisionTree" not in name
    X = draw(training_sets(missing=not dense and not old))
    settings = {**draw(options(name, X.shape[1])), **draw(extras(name))}
    if settings.get("splitter") == "best":
        X = np.nan_to_num(X)
    several = name.startswith(("DecisionTree", "ExtraTree", "RandomForest"))
    if name.endswith("Classifier"):
        kinds = [*LABELS, *(["labels"] if several else [])]
        if name.startswith(("GradientBoosting", "AdaBoost")):
            kinds.remove("one")
    else:
        kinds = ["real", "large", "count", *(["pair"] if several else [])]
    y = learned(X, draw(st.sampled_from(kinds)))
    if settings.get("loss") in ("poisson", "gamma"):
        y = np.abs(y) + 1.0
    family = getattr(ensemble, name, None) or getattr(tree, name)
    return family(**settings), X, y
