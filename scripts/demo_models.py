"""The demo's models: what people train on such rows, capped so that all of it takes two minutes."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from data import Split, flights, higgs

SEED = 0
LATE = "flight late?"
BOSON = "Higgs boson?"


@dataclass(frozen=True)
class Trained:
    """A trained model with the rows to measure it on.

    Attributes
    ----------
    question : str
        What it answers.
    source : object
        The library's own model.
    rows : ndarray of shape (n_rows, n_features)
        Rows that it was not trained on (HIGGS: also those it was, as there are few).
    suffix : str
        Of the file that the library writes.
    """

    question: str
    source: Any
    rows: np.ndarray
    suffix: str

    def save(self, path: Path) -> None:
        """Write the model as its own library does; scikit-learn's way is pickle."""
        if self.suffix == ".pickle":
            path.write_bytes(pickle.dumps(self.source, protocol=5))
        else:
            self.source.save_model(str(path))


def forest(split: Split) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(50, n_jobs=-1, random_state=SEED)
    return model.fit(split.train[:60_000], split.labels[:60_000])


def histogram_boosting(split: Split) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=200, categorical_features=[0, 1, 2, 3], early_stopping=False, random_state=SEED
    )
    return model.fit(split.train, split.labels)


def xgboost_booster(split: Split, rounds: int, depth: int) -> Any:
    import xgboost

    parameters = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": depth}
    rows = xgboost.DMatrix(split.train, split.labels)
    return xgboost.train({**parameters, "seed": SEED}, rows, rounds)


def lightgbm_booster(split: Split, rounds: int) -> Any:
    import lightgbm

    parameters = {"objective": "binary", "num_leaves": 31, "verbose": -1, "seed": SEED}
    rows = lightgbm.Dataset(split.train, split.labels)
    return lightgbm.train({**parameters, "deterministic": True}, rows, rounds)


def makers() -> list[Callable[[], Trained]]:
    """Return what trains each model, so that a caller can say which one comes next."""
    late, boson = flights(n_train=100_000), higgs()
    return [
        lambda: Trained(LATE, forest(late), late.test, ".pickle"),
        lambda: Trained(LATE, histogram_boosting(late), late.test, ".pickle"),
        lambda: Trained(LATE, xgboost_booster(late, 200, 8), late.test, ".ubj"),
        lambda: Trained(BOSON, lightgbm_booster(boson, 500), boson.test, ".txt"),
        lambda: Trained(BOSON, xgboost_booster(boson, 500, 6), boson.test, ".ubj"),
    ]
