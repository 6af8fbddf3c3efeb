"""Small trained models of every supported family, for the tests of verification."""

from __future__ import annotations

import functools
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn import ensemble, tree

N_ROWS = 160
SEED = 3
CATEGORY_PARAMS = {"min_data_per_group": 2, "cat_smooth": 1.0, "max_cat_to_onehot": 1}
LIGHTGBM = {
    "verbose": -1, "num_leaves": 8, "min_data_in_leaf": 4, "num_threads": 1, "seed": 1,
    **CATEGORY_PARAMS,
}  # fmt: skip
XGBOOST = {"max_depth": 4, "nthread": 1, "max_cat_to_onehot": 1, "eta": 0.4}


@functools.cache
def rows(kind: str = "plain") -> np.ndarray:
    """Return five columns; ``missing`` puts NaN in, ``mixed`` also zeros and categories.

    ``large`` has NaN, and numbers that float32 cannot all hold.
    """
    rng = np.random.default_rng(SEED)
    X = rng.normal(size=(N_ROWS, 5)) * [1, 10, 0.1, 1, 1]
    if kind != "plain":
        X[rng.random(X.shape) < 0.15] = np.nan
    if kind == "large":
        X[:, 0] = 2.0**24 + rng.integers(-3, 4, N_ROWS)
    if kind == "mixed":
        X[rng.random(N_ROWS) < 0.4, 1] = 0.0
        X[:, 3] = rng.integers(0, 9, N_ROWS)
        X[:, 4] = rng.choice([1.0, 2.0, 5.0, 40.0, np.nan], N_ROWS)
    X.flags.writeable = False
    return X


def score() -> np.ndarray:
    """Return a target that depends on every column."""
    X = np.nan_to_num(rows("mixed"))
    return X[:, 0] + 0.1 * X[:, 1] + 3 * (X[:, 3] % 4 == 0) + 2 * (X[:, 4] == 5)


def _stopped_early() -> Any:
    options = {"n_estimators": 40, "early_stopping_rounds": 2, **XGBOOST, "eta": 1.0}
    half = N_ROWS // 2
    X, y = rows("mixed"), labels(2)
    model = xgb.XGBClassifier(**options)
    return model.fit(X[:half], y[:half], eval_set=[(X[half:], y[half:])], verbose=False)


def labels(n_classes: int) -> np.ndarray:
    return np.searchsorted(np.quantile(score(), np.arange(1, n_classes) / n_classes), score())


def _forest(kind: str, data: str, y: Any, **options: Any) -> Any:
    options = {"n_estimators": 4, "random_state": 0, "max_depth": 5, **options}
    return getattr(ensemble, kind)(**options).fit(rows(data), y)


def _hist(kind: str, y: Any, **options: Any) -> Any:
    options = {"max_iter": 4, "min_samples_leaf": 4, "categorical_features": [3, 4], **options}
    return getattr(ensemble, kind)(**options).fit(rows("mixed"), y)


def _xgb(rounds: int = 4, y: Any = None, **params: Any) -> xgb.Booster:
    types = ["q", "q", "q", "c", "c"]
    target = score() if y is None else y
    data = xgb.DMatrix(rows("mixed"), target, feature_types=types, enable_categorical=True)
    return xgb.train({**XGBOOST, **params}, data, rounds)


def _lgb(data: str = "mixed", y: Any = None, **params: Any) -> lgb.Booster:
    columns = [3, 4] if data == "mixed" else []
    target = score() if y is None else y
    train = lgb.Dataset(rows(data), target, categorical_feature=columns)
    return lgb.train({**LIGHTGBM, **params}, train, 4)


def _lgb_classifier(n_classes: int, **params: Any) -> Any:
    model = lgb.LGBMClassifier(n_estimators=4, n_jobs=1, **{**LIGHTGBM, **params})
    return model.fit(rows("mixed"), labels(n_classes), categorical_feature=[3, 4])


MAKERS = {
    "decision_tree": lambda: tree.DecisionTreeClassifier(max_depth=5).fit(rows(), labels(3)),
    "forest_classifier": lambda: _forest("RandomForestClassifier", "missing", labels(3)),
    "forest_regressor": lambda: _forest("RandomForestRegressor", "missing", score(), n_jobs=2),
    "extra_trees_two_outputs": lambda: _forest(
        "ExtraTreesRegressor", "plain", np.stack([score(), -score()], axis=1)
    ),
    "forest_best_first": lambda: _forest(
        "RandomForestRegressor", "plain", score(), max_leaf_nodes=9
    ),
    "boosting_binary": lambda: _forest("GradientBoostingClassifier", "plain", labels(2)),
    "boosting_three": lambda: _forest("GradientBoostingClassifier", "plain", labels(3)),
    "boosting_regressor": lambda: _forest("GradientBoostingRegressor", "plain", score()),
    "hist_binary": lambda: _hist("HistGradientBoostingClassifier", labels(2)),
    "hist_three": lambda: _hist("HistGradientBoostingClassifier", labels(3)),
    "hist_poisson": lambda: _hist(
        "HistGradientBoostingRegressor", np.exp(score() / 4), loss="poisson"
    ),
    "xgboost": _xgb,
    "xgboost_dart": lambda: _xgb(booster="dart", rate_drop=0.5),
    "xgboost_three": lambda: _xgb(objective="multi:softprob", num_class=3, y=labels(3)),
    "xgboost_classifier": lambda: xgb.XGBClassifier(n_estimators=4, **XGBOOST).fit(
        rows("mixed"), labels(2)
    ),
    "xgboost_classifier_three": lambda: xgb.XGBClassifier(n_estimators=4, **XGBOOST).fit(
        rows("mixed"), labels(3)
    ),
    "xgboost_stopped_early": _stopped_early,
    "lightgbm": _lgb,
    "lightgbm_plain": lambda: _lgb("plain"),
    "lightgbm_large": lambda: _lgb("large", y=rows("large")[:, 0] % 2),
    "lightgbm_zero_as_missing": lambda: _lgb(zero_as_missing=True),
    "lightgbm_missing_none": lambda: _lgb(use_missing=False),
    "lightgbm_dart": lambda: _lgb(boosting="dart", drop_rate=0.5),
    "lightgbm_classifier": lambda: _lgb_classifier(2),
    "lightgbm_three": lambda: _lgb_classifier(3),
    "lightgbm_forest": lambda: _lgb_classifier(
        3, boosting_type="rf", subsample=0.6, subsample_freq=1
    ),
}
"""How each family is trained, by name."""


@functools.cache
def trained(name: str) -> Any:
    """Train a family once."""
    return MAKERS[name]()


def training_rows(name: str) -> np.ndarray:
    """Return the rows that a family was trained on."""
    if name.startswith(("forest_classifier", "forest_regressor")):
        return rows("missing")
    if name == "lightgbm_large":
        return rows("large")
    plain = name.startswith(("decision", "extra", "forest", "boosting")) or name.endswith("plain")
    return rows("plain" if plain else "mixed")
