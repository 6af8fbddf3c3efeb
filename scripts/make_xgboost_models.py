"""Train tiny models with the installed XGBoost, and write them with the answers that it gives.

Run by a Python that has the version wanted, once for each version:

    python3.10 -m venv xgb-1.0.2
    xgb-1.0.2/bin/pip install "numpy<1.24" "scipy<1.10" "scikit-learn<1.2" "pandas<2"
    xgb-1.0.2/bin/pip install --no-deps xgboost==1.0.2
    xgb-1.0.2/bin/python scripts/make_xgboost_models.py

Versions before 1.7 want the packages above; 1.7 to 2.0 take ``numpy<2`` alone; later ones are had
as ``xgboost-cpu``. Each writes a folder ``tests/models_xgboost/<version>``: model files, and
``answers.npz`` with the rows by kind and, for each model, ``<name>.margin``, ``.leaves`` and, where
it is another, ``.answer`` (what ``Booster.predict`` returns), all on one thread. Versions between
those that changed the file keep fewer models. Nothing here imports cordwood.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import xgboost as xgb

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "models_xgboost"
VERSION = tuple(int(part) for part in xgb.__version__.split(".")[:3])

RNG = np.random.default_rng(7)
N_ROWS = 120
X = RNG.integers(-6, 7, (N_ROWS, 4)) / 2  # a coarse grid: rows sit on thresholds
SIGNAL = np.where(X[:, 0] < 1, -1.0, 2.0) + np.sin(X[:, 1]) + 0.3 * X[:, 2] * (X[:, 3] > 0)
X[RNG.integers(10, size=X.shape) == 0] = np.nan
TARGETS = {
    "real": SIGNAL,
    "binary": (np.sign(SIGNAL - np.median(SIGNAL)) > 0).astype(float),
    "three": np.digitize(SIGNAL, np.quantile(SIGNAL, [0.3, 0.7])).astype(float),
    "positive": np.exp(SIGNAL / 4),
    "pair": np.stack([SIGNAL, np.cos(SIGNAL)], axis=1),
}
SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, 16777217.0, np.nan]
CODES = [0.0, 1.0, 2.0, 5.0, 11.0, np.nan]
ODD_CODES = [-1.0, -0.5, 0.5, 2.75, 12.0, 40.0, 1e6, 16777216.0, 3e9]

# name: (first version, target, parameters, boosting rounds)
MODELS = {
    "squared": ((1, 0), "real", {"base_score": 0.25}, 3),
    "logistic": ((1, 0), "binary", {"objective": "binary:logistic", "base_score": 0.3}, 3),
    "logitraw": ((1, 0), "binary", {"objective": "binary:logitraw", "base_score": 0.25}, 2),
    "hinge": ((1, 0), "binary", {"objective": "binary:hinge"}, 3),
    "softprob": ((1, 0), "three", {"objective": "multi:softprob", "num_class": 3}, 2),
    "softmax": ((1, 0), "three", {"objective": "multi:softmax", "num_class": 3}, 1),
    "poisson": ((1, 0), "positive", {"objective": "count:poisson"}, 3),
    "cox": ((1, 0), "positive", {"objective": "survival:cox"}, 2),
    "tweedie": ((1, 0), "positive", {"objective": "reg:tweedie", "base_score": 2.5}, 2),
    "ranked": ((1, 0), "binary", {"objective": "rank:pairwise"}, 2),
    "dart": ((1, 0), "real", {"booster": "dart", "rate_drop": 0.5, "one_drop": 1}, 5),
    "forest": ((1, 0), "real", {"num_parallel_tree": 3, "subsample": 0.5}, 1),
    "pruned": ((1, 0), "real", {"tree_method": "exact", "gamma": 9.0, "max_depth": 4}, 2),
    "linear": ((1, 0), "real", {"booster": "gblinear", "base_score": 0.25}, 3),
    "linear_three": ((1, 0), "three",
                     {"booster": "gblinear", "objective": "multi:softprob", "num_class": 3}, 3),
    "aft": ((1, 2), "positive", {"objective": "survival:aft"}, 2),
    "several": ((1, 6), "pair", {"tree_method": "hist"}, 2),
    "one_hot": ((1, 6), "real", {"tree_method": "approx", "max_cat_to_onehot": 100}, 3),
    "partition": ((1, 6), "real", {"tree_method": "approx", "max_cat_to_onehot": 1}, 3),
    "vectors": ((2, 0), "pair", {"multi_strategy": "multi_output_tree"}, 2),
    "quantiles": ((2, 0), "real",
                  {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, 1),
    "labelled": ((3, 1), "real", {"max_cat_to_onehot": 1}, 3),
}  # fmt: skip
CORE = ("squared", "logistic", "softprob", "dart", "linear", "partition", "vectors", "labelled")
"""Models of versions that are not in FULL."""
FULL = ((1, 0, 2), (2, 0, 3), (3, 2, 0))
JSON = ("squared", "vectors", "labelled", "linear")
"""Models that stay JSON where UBJSON can be had (1.6)."""
LABELS = [np.array(["teal", "blue", "", "red brick"]), np.array([30, -7, 12, 5])]


def training_data(name: str, target: np.ndarray) -> xgb.DMatrix:
    if name in ("one_hot", "partition"):
        rows = X.copy()
        rows[:, 1] = np.where(np.isnan(X[:, 1]), np.nan, np.abs(X[:, 1] * 2))
        types = ["q", "c", "q", "q"]
        return xgb.DMatrix(rows, target, feature_types=types, enable_categorical=True)
    if name == "labelled":
        return xgb.DMatrix(frame(N_ROWS), target, enable_categorical=True)
    data = xgb.DMatrix(X, target)
    if name == "ranked":
        data.set_group([10] * (N_ROWS // 10))
    if name == "aft":
        data.set_float_info("label_lower_bound", target)
        data.set_float_info("label_upper_bound", target)
    return data


def frame(n_rows: int):
    """Return a frame of two numeric columns and two of labels, the latter also missing."""
    import pandas as pd

    at = np.arange(n_rows)
    columns = {"size": X[:n_rows, 0], "weight": X[:n_rows, 3]}
    for name, labels, step in zip(("colour", "number"), LABELS, (1, 3), strict=True):
        codes = np.where(at % 11 == 0, -1, (at // step + (X[:n_rows, 0] > 0)) % len(labels))
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(labels))
    return pd.DataFrame(columns)


def all_rows() -> dict[str, np.ndarray]:
    """Return rows of numbers by kind."""
    plain = X[:32].copy()
    plain[20:, :] = RNG.choice(SPECIAL, (12, 4))
    coded, labelled = plain.copy(), plain.copy()
    small = np.clip(plain, -1e30, 1e30)  # else the sums of a linear model overflow
    # Versions 1.6 and 1.7 sent a code that no training row had another way than all others.
    coded[:, 1] = np.resize([*CODES, *ODD_CODES] if VERSION >= (2, 0, 0) else CODES, 32)
    labelled[:, 2:] = RNG.integers(0, 4, (32, 2))
    return {"plain": plain, "small": small, "coded": coded, "labelled": labelled}


def kind_of(name: str) -> str:
    if name.startswith("linear"):
        return "small"
    if name in ("one_hot", "partition"):
        return "coded"
    return "labelled" if name == "labelled" else "plain"


def write(name: str, folder: Path, rows: np.ndarray, answers: dict[str, np.ndarray]) -> None:
    _, target, params, rounds = MODELS[name]
    settings = {"max_depth": 2, "eta": 0.5, "nthread": 1, "verbosity": 0, "seed": 1, **params}
    booster = xgb.train(settings, training_data(name, TARGETS[target]), rounds)
    as_ubj = VERSION >= (1, 6, 0) and name not in JSON
    booster.save_model(str(folder / f"{name}.{'ubj' if as_ubj else 'json'}"))
    data, check = xgb.DMatrix(rows), {"validate_features": name != "labelled"}
    margin = booster.predict(data, output_margin=True, **check)
    answer = booster.predict(data, **check)
    answers[f"{name}.margin"] = margin
    if not np.array_equal(margin, answer):
        answers[f"{name}.answer"] = answer
    if not name.startswith("linear"):
        leaves = booster.predict(data, pred_leaf=True, **check)
        answers[f"{name}.leaves"] = leaves.reshape(len(rows), -1).astype(np.uint8)


def main() -> None:
    warnings.simplefilter("ignore")
    folder = FOLDER / ".".join(map(str, VERSION))
    folder.mkdir(parents=True, exist_ok=True)
    rows = all_rows()
    answers = dict(rows)
    for name, (first, *_) in MODELS.items():
        if first <= VERSION and (VERSION in FULL or name in CORE):
            write(name, folder, rows[kind_of(name)], answers)
    np.savez_compressed(folder / "answers.npz", **answers)
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder.name}: {len(answers)} arrays, {size} bytes")


if __name__ == "__main__":
    main()
