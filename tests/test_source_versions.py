"""Every kind of live model, with whatever versions of the source libraries are installed.

Small on purpose, and with no setting that old versions lack: `make test-sources` runs it beside the
oldest versions that are supported, `make test` beside the newest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn import ensemble, tree

import cordwood as cw

RNG = np.random.default_rng(7)
X = RNG.normal(size=(240, 6)).round(3)
MISSING = np.where(RNG.random(X.shape) < 0.1, np.nan, X)
NUMBER = X[:, 0] - 2 * X[:, 1] * (X[:, 2] > 0)
CLASS = np.digitize(NUMBER, [-1.0, 1.0])
NAMED = np.array(["low", "middle", "high"])[CLASS]
COUNT = np.floor(np.exp(NUMBER / 2))
FEW: dict[str, Any] = {"n_estimators": 7, "random_state": 0}
XGBOOST: dict[str, Any] = {"n_estimators": 7, "max_depth": 4, "n_jobs": 1}
LIGHTGBM: dict[str, Any] = {
    "n_estimators": 7, "num_leaves": 9, "min_child_samples": 4, "n_jobs": 1, "verbose": -1,
}  # fmt: skip

SOURCES: dict[str, Callable[[], Any]] = {
    "tree": lambda: tree.DecisionTreeClassifier(random_state=0).fit(X, NAMED),
    "extra tree": lambda: tree.ExtraTreeRegressor(random_state=0).fit(X, NUMBER),
    "forest": lambda: ensemble.RandomForestClassifier(**FEW).fit(X, NAMED),
    "forest of outputs": lambda: ensemble.RandomForestClassifier(**FEW).fit(
        X, np.column_stack((CLASS, CLASS > 0))
    ),
    "forest of numbers": lambda: ensemble.RandomForestRegressor(**FEW).fit(X, NUMBER * 1e6),
    "extra trees": lambda: ensemble.ExtraTreesClassifier(**FEW).fit(X, CLASS),
    "boosting": lambda: ensemble.GradientBoostingClassifier(**FEW).fit(X, NAMED),
    "boosting from a forest": lambda: ensemble.GradientBoostingRegressor(
        init=ensemble.RandomForestRegressor(**FEW), **FEW
    ).fit(X, NUMBER),
    "histograms": lambda: ensemble.HistGradientBoostingClassifier(max_iter=7).fit(MISSING, NAMED),
    "histograms of counts": lambda: ensemble.HistGradientBoostingRegressor(
        loss="poisson", max_iter=7
    ).fit(MISSING, COUNT),
    "votes": lambda: (
        ensemble.AdaBoostClassifier(algorithm="SAMME", **FEW).fit(X, NAMED)
        if hasattr(ensemble.AdaBoostClassifier(), "algorithm")
        else ensemble.AdaBoostClassifier(**FEW).fit(X, NAMED)
    ),
    "medians": lambda: ensemble.AdaBoostRegressor(**FEW).fit(X, NUMBER),
    "bags": lambda: ensemble.BaggingClassifier(max_features=0.5, **FEW).fit(X, NAMED),
    "bags of numbers": lambda: ensemble.BaggingRegressor(**FEW).fit(X, NUMBER),
    "isolation": lambda: ensemble.IsolationForest(**FEW).fit(X),
    "embedding": lambda: ensemble.RandomTreesEmbedding(**FEW).fit(X),
    "xgboost": lambda: xgb.XGBClassifier(**XGBOOST).fit(MISSING, CLASS),
    "xgboost numbers": lambda: xgb.XGBRegressor(**XGBOOST).fit(MISSING, NUMBER),
    "xgboost counts": lambda: xgb.XGBRegressor(objective="count:poisson", **XGBOOST).fit(X, COUNT),
    "xgboost linear": lambda: xgb.XGBRegressor(booster="gblinear", n_estimators=3).fit(X, NUMBER),
    "xgboost zeros missing": lambda: xgb.XGBRegressor(missing=0.0, **XGBOOST).fit(
        np.maximum(X, 0), NUMBER
    ),
    "lightgbm": lambda: lgb.LGBMClassifier(**LIGHTGBM).fit(MISSING, NAMED),
    "lightgbm numbers": lambda: lgb.LGBMRegressor(**LIGHTGBM).fit(MISSING, NUMBER),
    "lightgbm linear": lambda: lgb.LGBMRegressor(linear_tree=True, **LIGHTGBM).fit(X, NUMBER),
    "lightgbm dart": lambda: lgb.LGBMRegressor(boosting_type="dart", **LIGHTGBM).fit(X, NUMBER),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.filterwarnings("ignore")
def test_a_live_model_is_packed_and_proved(kind: str) -> None:
    source = SOURCES[kind]()
    model = cw.compress(source)
    rows = MISSING if kind in ("histograms", "xgboost", "lightgbm") else X
    cw.verify(source, model, rows, probes=1000).raise_if_different()
    for method in ("predict", "score_samples"):
        if hasattr(source, method):
            ours, theirs = getattr(model, method)(rows), getattr(source, method)(rows)
            if theirs.dtype.kind == "f":
                np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-12)
            else:
                np.testing.assert_array_equal(ours, theirs)
