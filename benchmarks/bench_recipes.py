"""What the lossy recipes save and lose on the models, on rows that no training saw.

    python benchmarks/bench_recipes.py [--smoke] [--models ABDEF] [--json]

A row for each model and recipe: bytes, how many times smaller than the source's own file, the
guaranteed bound of the margin, the largest and the mean error seen on held-out rows, labels
changed, and the quality of source and packed model: area under the curve, or accuracy where there
are more than two classes. Pruning looks at rows of the training set.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import models
import numpy as np
from bench_sizes import write_source

import cordwood as cw
from cordwood.bench import machine

RECIPES = ("lossless", "trees-small", "trees-tiny")
CALIBRATION_ROWS = 50_000
HELD_OUT_ROWS = 50_000


def score(model: cw.Model, rows: np.ndarray) -> np.ndarray:
    """Return the margin, or the probabilities of a forest, as (rows, columns)."""
    method = "decision_function" if "decision_function" in model.methods else "predict_proba"
    return np.asarray(getattr(model, method)(rows), np.float64).reshape(len(rows), -1)


def labels(scores: np.ndarray) -> np.ndarray:
    return scores[:, 0] > 0.0 if scores.shape[1] == 1 else scores.argmax(axis=1)


def quality(scores: np.ndarray, truth: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if scores.shape[1] <= 2:
        return float(roc_auc_score(truth, scores[:, -1]))
    return float((scores.argmax(axis=1) == truth).mean())


def measure(name: str, size: models.Size) -> list[dict[str, Any]]:
    source = models.load(name, size).source
    split = models.split_of(name, size)
    calibration = split.train[:CALIBRATION_ROWS]
    rows, truth = split.test[:HELD_OUT_ROWS], split.truth[:HELD_OUT_ROWS]
    with tempfile.TemporaryDirectory() as folder:
        source_bytes = write_source(source, Path(folder)).stat().st_size
    found, exact = [], np.empty(0)
    for recipe in RECIPES:
        start = time.perf_counter()
        given = None if recipe == "lossless" else calibration
        model = cw.compress(source, recipe, calibration=given)
        seconds = time.perf_counter() - start
        scores = score(model, rows)
        exact = scores if recipe == "lossless" else exact
        error = np.abs(scores - exact)
        loss = model.metadata["recipe"].get("loss", {})
        found.append(
            {
                "model": name,
                "recipe": recipe,
                "source_bytes": source_bytes,
                "bytes": model.nbytes,
                "ratio": source_bytes / model.nbytes,
                "bound": loss.get("margin_bound", 0.0) + loss.get("summation_bound", 0.0),
                "error": float(error.max()),
                "error_mean": float(error.mean()),
                "rows": len(rows),
                "labels_changed": int((labels(scores) != labels(exact)).sum()),
                "quality": quality(scores, truth),
                "seconds": seconds,
            }
        )
        assert found[-1]["error"] <= found[-1]["bound"], found[-1]
    return found


def show(found: dict[str, Any]) -> str:
    share = found["labels_changed"] / found["rows"]
    return (
        f"{found['model']}  {found['recipe']:<12} {found['bytes']:>11,} {found['ratio']:>6.1f} x"
        f" {found['bound']:>9.3g} {found['error']:>9.3g} {found['error_mean']:>9.3g}"
        f" {share:>8.3%} {found['quality']:>9.5f} {found['seconds']:>6.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small models, for CI")
    parser.add_argument("--models", default="ABDEF", help="letters, in the order to run")
    parser.add_argument("--json", action="store_true", help="print one line of JSON a row")
    arguments = parser.parse_args()
    size = models.SMOKE if arguments.smoke else models.FULL
    if not arguments.json:
        print(machine.describe(("sklearn", "xgboost", "lightgbm")).line(1))
        print(
            "m  recipe             bytes    ratio     bound     error      mean   labels   quality"
            "    time"
        )
    for name in arguments.models:
        for found in measure(name, size):
            print(json.dumps(found) if arguments.json else show(found), flush=True)


if __name__ == "__main__":
    main()
