"""Write small LightGBM models of the installed version, with the answers of that version.

Each kind of model becomes ``tests/models_lightgbm/<version>/<kind>.txt``. The rows and LightGBM's
answers (raw score, leaves, response) are arrays of ``answers.npz`` beside it. Rows sit on the
model's own thresholds and their neighbours, and hold NaN, infinities and odd categories.

Run it once for every version that the tests read, each in an environment of its own::

    python3.7  -m venv old && old/bin/pip install lightgbm==2.0.12 scikit-learn pandas
    python3.8  -m venv old && old/bin/pip install lightgbm==2.3.1 "numpy<1.24" scikit-learn pandas
    python3.9  -m venv old && old/bin/pip install lightgbm==3.0.0 "numpy<1.24" scikit-learn pandas
    python3.9  -m venv old && old/bin/pip install lightgbm==3.3.5 "numpy<1.24" scikit-learn pandas
    python3.10 -m venv old && old/bin/pip install lightgbm==4.0.0 "numpy<1.24" scikit-learn pandas
    python3.10 -m venv old && old/bin/pip install lightgbm==4.3.0 "numpy<1.24" scikit-learn pandas
    python3.12 -m venv old && old/bin/pip install lightgbm==4.7.0 scikit-learn pandas
    old/bin/python scripts/make_lightgbm_models.py

It needs nothing of this project, and writes the same bytes when it is run again.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "models_lightgbm"
SPLITS = {
    "min_data_in_leaf": 5, "min_data_per_group": 2, "cat_smooth": 1.0, "cat_l2": 1.0,
    "max_cat_to_onehot": 2, "num_leaves": 5, "learning_rate": 0.3, "num_threads": 1,
    "verbose": -1, "seed": 7,
}  # fmt: skip
BAND = float(np.float32(1e-35))
ODD = (np.nan, np.nan, np.inf, -np.inf, 0.0, -0.0, BAND, -BAND, 5e-324, -1e-36, 1e300)
CODES = (-1.0, -0.5, 2.999, 31.0, 32.0, 64.0, 2.0**31, 2.0**32 + 3)
LABELS = ("ash", "birch", "cedar", "elm", "oak")
CATEGORY = 3
GAPS, ZEROS = 0.3, 0.6
N_ROWS = 24
ROUNDS = 3
KEPT = ("boosting", "objective", "linear_tree", "categorical_feature")
"""Parameters that stay in the files of all kinds but the first."""

KINDS = {
    "regression": {"objective": "regression"},
    "roots_dart": {
        "objective": "regression",
        "reg_sqrt": True,
        "boosting": "dart",
        "drop_rate": 0.5,
    },
    "binary_zero": {"objective": "binary", "sigmoid": 0.7, "zero_as_missing": True},
    "classes": {"objective": "multiclass", "num_class": 3, "num_leaves": 4},
    "classes_ova_goss": {
        "objective": "multiclassova",
        "num_class": 3,
        "boosting": "goss",
        "num_leaves": 4,
    },
    "rank": {"objective": "lambdarank"},
    "forest": {
        "objective": "binary",
        "boosting": "rf",
        "bagging_fraction": 0.6,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
    },
    "poisson_no_missing": {"objective": "poisson", "use_missing": False},
    "cross_entropy_lambda": {"objective": "xentlambda"},
    "linear": {"objective": "regression", "linear_tree": True},
    "frame": {"objective": "regression"},
}
SINCE = {"linear": (3, 2), "roots_dart": (2, 1), "cross_entropy_lambda": (2, 1)}


def training_rows() -> np.ndarray:
    """Return a plain column, one with gaps, one mostly zero, one of categories, one of counts."""
    rng = np.random.RandomState(11)
    rows = rng.normal(size=(240, 5)).round(3)
    rows[rng.rand(len(rows)) < GAPS, 1] = np.nan
    rows[rng.rand(len(rows)) < ZEROS, 2] = 0.0
    rows[:, CATEGORY] = rng.randint(0, 40, len(rows))
    rows[:, 4] = rng.randint(0, 5, len(rows))
    return rows


def target(rows: np.ndarray, kind: str) -> np.ndarray:
    """Return labels that suit the objective of `kind`."""
    signal = rows[:, 0] + (rows[:, CATEGORY] % 3 == 1) - np.isnan(rows[:, 1])
    signal = signal + rows[:, 2] + rows[:, 4] % 2
    if kind.startswith("classes") or kind == "rank":
        return np.searchsorted(np.quantile(signal, (0.3, 0.7)), signal)
    if kind in ("binary_zero", "forest"):
        return (signal > np.median(signal)).astype(int)
    if kind == "poisson_no_missing":
        return np.round(np.exp(signal / 2))
    return 1 / (1 + np.exp(-signal)) if kind == "cross_entropy_lambda" else signal


def train(kind: str) -> lgb.Booster:
    """Train a model of a few iterations."""
    rows = training_rows()
    y = target(rows, kind)
    params = {**SPLITS, **KINDS[kind]}
    if kind == "frame":
        frame = pd.DataFrame(rows[:, :3], columns=["height", "girth", "age"])
        frame["kind"] = pd.Categorical.from_codes((rows[:, CATEGORY] % 5).astype(int), LABELS)
        frame["count"] = rows[:, 4]
        y = y + np.isin(rows[:, CATEGORY] % 5, (1, 3))
        return lgb.train(params, lgb.Dataset(frame, y), ROUNDS)
    groups = [12] * 20 if kind == "rank" else None
    data = lgb.Dataset(rows, y, group=groups, categorical_feature=[CATEGORY])
    return lgb.train(params, data, ROUNDS)


def probe_rows(text: str) -> np.ndarray:
    """Draw rows from the thresholds of the model's text, their neighbours, and odd values."""
    rng = np.random.RandomState(5)
    tests = {feature: [0.5] for feature in range(5)}
    for block in text.split("Tree=")[1:]:
        lines = dict(re.findall(r"^(split_feature|threshold|decision_type)=(.*)$", block, re.M))
        columns = [
            lines.get(key, "").split() for key in ("split_feature", "threshold", "decision_type")
        ]
        for feature, threshold, decision in zip(*columns):  # noqa: B905 - Python 3.7 has no strict
            if int(decision) % 2 == 0:
                tests[int(feature)].append(float(threshold))
    rows = np.empty((N_ROWS, 5))
    for feature, thresholds in tests.items():
        exact = np.array(thresholds)
        pool = [exact, np.nextafter(exact, np.inf), np.nextafter(exact, -np.inf), ODD, [1.0, 7.25]]
        rows[:, feature] = rng.choice(np.concatenate(pool), N_ROWS)
    rows[:, CATEGORY] = rng.choice(np.concatenate((np.arange(40), CODES, [np.nan] * 3)), N_ROWS)
    rows[0], rows[1] = np.nan, 0.0
    return rows


def shortened(text: bytes) -> bytes:
    """Drop most of the parameters, a third of a small file; LightGBM does not need them."""
    head, mark, tail = text.partition(b"\nparameters:\n")
    lines = tail.split(b"\n")
    kept = tuple(b"[%s: " % name.encode() for name in KEPT)
    return head + mark + b"\n".join(x for x in lines if x[:1] != b"[" or x.startswith(kept))


def main() -> None:
    """Write all kinds that this version can train."""
    version = tuple(int(word) for word in lgb.__version__.split(".")[:2])
    folder = FOLDER / lgb.__version__
    folder.mkdir(parents=True, exist_ok=True)
    answers = {}
    for kind in KINDS:
        if version < SINCE.get(kind, (0, 0)):
            continue
        booster = train(kind)
        path = folder / (kind + ".txt")
        booster.save_model(str(path))
        if kind != "regression":
            path.write_bytes(shortened(path.read_bytes()))
        # The file is the model: answers are those of whoever loads it.
        booster = lgb.Booster(model_file=str(path))
        rows = probe_rows(path.read_text())
        leaf = booster.predict(rows, pred_leaf=True)
        answers[kind + ".rows"] = rows
        answers[kind + ".leaf"] = leaf.reshape(N_ROWS, -1).astype(np.uint8)
        answers[kind + ".raw"] = booster.predict(rows, raw_score=True).reshape(N_ROWS, -1)
        answers[kind + ".response"] = booster.predict(rows).reshape(N_ROWS, -1)
    np.savez_compressed(str(folder / "answers.npz"), **answers)
    size = sum(path.stat().st_size for path in folder.iterdir())
    sys.stdout.write(f"{folder}: {len(answers) // 4} models, {size} bytes\n")


if __name__ == "__main__":
    main()
