"""Models of every source and rows for each: what binned rows are tested on."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)

import cordwood
from cordwood.errors import InputError, UnsupportedMethodError

N_ROWS = 1100

# Where the ways of taking rows change: single rows, words, blocks; and around their widths.
LENGTHS = (0, 1, 7, 8, 10, 11, 63, 64, 65, 192, 193, 511, 512, 513, N_ROWS)


def drawn_rows(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_ROWS, 6)).round(2)
    X[:, 4] = rng.integers(0, 9, N_ROWS)
    X[:, 5] = rng.integers(0, 40, N_ROWS)
    return X


X = drawn_rows(0)
HOLES = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
VALUE = X[:, 0] * X[:, 1] + np.isin(X[:, 5], (1, 4, 9, 16, 25, 36)) + X[:, 4] % 3
LABEL = np.digitize(VALUE, (-0.5, 1.0))
FRAME = pd.DataFrame(HOLES, columns=list("abcdef")).assign(
    e=pd.Categorical.from_codes(X[:, 4].astype(int), list("ABCDEFGHI"))
)


def _lightgbm(**options: Any) -> Any:
    model = lgb.LGBMClassifier(
        n_estimators=12, verbose=-1, n_jobs=1, max_cat_to_onehot=1, **options
    )
    return model.fit(HOLES, LABEL, categorical_feature=[4, 5])


SOURCES = {
    "forest classifier": lambda: RandomForestClassifier(9, random_state=0).fit(HOLES, LABEL),
    "small forest": lambda: RandomForestClassifier(9, max_depth=4, random_state=0).fit(X, LABEL),
    "extra trees": lambda: ExtraTreesRegressor(5, max_leaf_nodes=100, random_state=0).fit(X, VALUE),
    "several outputs": lambda: RandomForestRegressor(5, max_depth=5, random_state=0).fit(
        X, np.stack([VALUE, -VALUE], 1)
    ),
    "gradient boosting": lambda: GradientBoostingClassifier(n_estimators=8, random_state=0).fit(
        X, LABEL
    ),
    "isolation": lambda: IsolationForest(n_estimators=9, random_state=0).fit(X),
    "embedding": lambda: RandomTreesEmbedding(9, max_depth=4, random_state=0).fit(X),
    "histogram": lambda: HistGradientBoostingClassifier(
        max_iter=9, categorical_features="from_dtype", random_state=0
    ).fit(FRAME, LABEL),
    "lightgbm": _lightgbm,
    "large lightgbm": lambda: _lightgbm(num_leaves=300, min_child_samples=1),
    "xgboost": lambda: xgb.XGBClassifier(n_estimators=9, max_depth=5, n_jobs=1).fit(HOLES, LABEL),
    "xgboost with categories": lambda: xgb.XGBRegressor(
        n_estimators=9, max_depth=7, n_jobs=1, enable_categorical=True, max_cat_to_onehot=1
    ).fit(FRAME, VALUE),
    "large trees": lambda: RandomForestRegressor(7, random_state=0).fit(HOLES, VALUE),
}


def inputs(model: cordwood.Model) -> Any:
    """Return rows that the model's source was fitted on, or such as it takes."""
    if hasattr(model, "feature_names_in_"):
        return FRAME
    takes_holes = model.kind not in {
        "ExtraTreesRegressor", "GradientBoostingClassifier", "IsolationForest",
        "RandomTreesEmbedding",
    }  # fmt: skip
    try:
        model.apply(HOLES) if takes_holes else None
    except (InputError, UnsupportedMethodError):
        takes_holes = False
    return HOLES if takes_holes else X


def part(rows: Any, first: int, last: int) -> Any:
    return rows.iloc[first:last] if isinstance(rows, pd.DataFrame) else rows[first:last]


def bits(answer: Any) -> bytes:
    if isinstance(answer, list):
        return b"".join(map(bits, answer))
    return (answer.toarray() if sparse.issparse(answer) else answer).tobytes()
