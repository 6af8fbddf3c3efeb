"""The models that everything is measured on, trained once and kept in a git-ignored folder.

A to F cover what the field runs: LightGBM and XGBoost on continuous rows, a deep forest,
HistGradientBoosting with categories and missing values, many classes, deep boosting with missing
values. G is CatBoost's: oblivious trees, which cordwood runs from a Graph made by hand. In smoke
mode each is a small one of the same kind.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import oblivious
from data import Split, flights

import cordwood as cw

CACHE = Path(__file__).resolve().parent / ".models"


@dataclass(frozen=True)
class Size:
    """How much to train: rows, and a divisor for the number of trees."""

    rows: int
    fewer_trees: int
    test_rows: int


FULL = Size(rows=1_000_000, fewer_trees=1, test_rows=100_000)
SMOKE = Size(rows=2_000, fewer_trees=20, test_rows=2_000)


@dataclass(frozen=True)
class Case:
    """A source model and rows that it was not trained on."""

    source: Any
    rows: np.ndarray


def load(name: str, size: Size) -> Case:
    """Return a model by its letter; train it where the cache has none.

    The cache is a pickle of our own making, read only by whoever wrote it.
    """
    path = CACHE / f"{name}-{size.rows}-{size.fewer_trees}.pickle"
    if path.exists():
        case: Case = pickle.loads(path.read_bytes())
        return case
    case = (MODELS | BY_HAND)[name](size)
    CACHE.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(case, protocol=5))
    return case


def packed(source: Any) -> cw.Model:
    """Compress a source, one without a front end too; on one thread."""
    by_hand = type(source).__module__.startswith("catboost")
    given = oblivious.graph(oblivious.document(source)) if by_hand else source
    return cw.load(cw.compress(given).to_bytes(), threads=1)


def _made(size: Size) -> Split:
    """Rows of the shape of HIGGS."""
    from sklearn.datasets import make_classification

    rows, labels = make_classification(
        size.rows + size.test_rows,
        28,
        n_informative=18,
        n_redundant=5,
        n_clusters_per_class=8,
        flip_y=0.1,
        class_sep=0.7,
        random_state=1,
    )
    rows = rows.astype(np.float32)
    n = size.rows
    return Split(rows[:n], labels[:n], rows[n:], labels[n:])


def _flights(size: Size) -> Any:
    return flights(min(size.rows, 200_000), size.test_rows)


def _lightgbm(parameters: dict[str, Any], rows: Any, labels: Any, rounds: int) -> Any:
    import lightgbm

    settings = {"num_leaves": 31, "verbose": -1, "seed": 0, "deterministic": True}
    return lightgbm.train({**settings, **parameters}, lightgbm.Dataset(rows, labels), rounds)


def _xgboost(depth: int, rows: Any, labels: Any, rounds: int) -> Any:
    import xgboost

    settings = {"objective": "binary:logistic", "tree_method": "hist", "max_depth": depth}
    return xgboost.train(settings, xgboost.DMatrix(rows, labels), rounds)


def lightgbm_binary(size: Size) -> Case:
    split, rounds = _made(size), 500 // size.fewer_trees
    source = _lightgbm({"objective": "binary"}, split.train, split.labels, rounds)
    return Case(source, split.test.astype(np.float64))


def xgboost_depth_6(size: Size) -> Case:
    split = _made(size)
    return Case(_xgboost(6, split.train, split.labels, 1000 // size.fewer_trees), split.test)


def deep_forest(size: Size) -> Case:
    from sklearn.ensemble import RandomForestClassifier

    split = _flights(size)
    forest = RandomForestClassifier(100 // size.fewer_trees, n_jobs=-1, random_state=0)
    return Case(forest.fit(split.train, split.labels), split.test)


def histogram_boosting(size: Size) -> Case:
    from sklearn.ensemble import HistGradientBoostingClassifier

    split = _flights(size)
    model = HistGradientBoostingClassifier(
        max_iter=300 // size.fewer_trees,
        categorical_features=[0, 1, 2, 3],
        early_stopping=False,
        random_state=0,
    )
    return Case(model.fit(split.train, split.labels), split.test)


def _digits() -> Split:
    from sklearn.datasets import load_digits

    rows, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(rows))
    train, test = order[:1_400], order[1_400:]
    return Split(rows[train], digits[train], rows[test], digits[test])


def ten_classes(size: Size) -> Case:
    from sklearn.datasets import load_digits

    split = _digits()
    rows = load_digits().data
    settings = {"objective": "multiclass", "num_class": 10}
    rounds = max(2, 100 // size.fewer_trees)
    source = _lightgbm(settings, split.train, split.labels, rounds)
    drawn = np.random.default_rng(1).integers(0, len(rows), size.test_rows)
    return Case(source, rows[drawn])


def xgboost_depth_8(size: Size) -> Case:
    split = _flights(size)
    return Case(_xgboost(8, split.train, split.labels, 200 // size.fewer_trees), split.test)


def oblivious_trees(size: Size) -> Case:
    import catboost

    split = _made(size)
    source = catboost.CatBoostClassifier(
        iterations=1000 // size.fewer_trees,
        depth=6,
        random_seed=0,
        verbose=False,
        allow_writing_files=False,
    )
    return Case(source.fit(split.train, split.labels), split.test)


def split_of(name: str, size: Size) -> Split:
    """Return the rows that a model was trained on, and others that it never saw."""
    made = {"A": _made, "B": _made, "E": lambda _: _digits(), "G": _made}
    return made.get(name, _flights)(size)


MODELS: dict[str, Callable[[Size], Case]] = {
    "A": lightgbm_binary,
    "B": xgboost_depth_6,
    "C": deep_forest,
    "D": histogram_boosting,
    "E": ten_classes,
    "F": xgboost_depth_8,
}

BY_HAND: dict[str, Callable[[Size], Case]] = {"G": oblivious_trees}
"""Models of libraries that cordwood has no front end for."""
