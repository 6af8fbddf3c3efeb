"""Model files of many LightGBM versions, against what each of those versions answered.

LightGBM is not needed: ``scripts/make_lightgbm_models.py`` has written files and answers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends.lightgbm import read_file
from cordwood.ir import Role

MODELS = Path(__file__).resolve().parent / "models_lightgbm"
OLD_FOREST = MODELS / "2.0.12" / "forest.txt"
FILES = sorted(set(MODELS.glob("*/*.txt")) - {OLD_FOREST})
NAMES = [f"{path.parent.name}-{path.stem}" for path in FILES]
ULPS = 16 * np.finfo(np.float64).eps
LABELS = ["ash", "birch", "cedar", "elm", "oak"]


def answers(path: Path, name: str) -> np.ndarray:
    with np.load(path.parent / "answers.npz") as stored:
        return stored[f"{path.stem}.{name}"]


def test_versions_are_all_there() -> None:
    versions = {path.parent.name for path in FILES}
    assert versions == {"2.0.12", "2.3.1", "3.0.0", "3.3.5", "4.0.0", "4.3.0", "4.7.0"}
    formats = {read_file(path).provenance["format"] for path in FILES}
    assert formats == {"v2", "v3", "v4"}
    assert sum(path.stat().st_size for path in MODELS.glob("*/*")) < 400_000


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_answers_of_its_version(path: Path) -> None:
    graph = read_file(path)
    rows = answers(path, "rows")
    np.testing.assert_array_equal(oracle.apply(graph, rows), answers(path, "leaf"))
    raw = answers(path, "raw")
    if graph.trees.aggregate == "average":
        raw = raw / graph.trees.divisor
    margin = oracle.predict_margin(graph, rows)
    np.testing.assert_array_equal(margin, raw)
    assert np.array_equal(np.signbit(margin), np.signbit(raw)) or np.isnan(raw).any()
    ours, theirs = oracle.run(graph, rows, Role.RESPONSE), answers(path, "response")
    with np.errstate(invalid="ignore"):
        near = np.abs(ours - theirs) <= ULPS * np.abs(theirs)
    assert np.all(near | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))


def test_versions_disagree_on_old_forests() -> None:
    """Its leaves are probabilities; a later version would put their mean through a sigmoid."""
    with pytest.raises(UnsupportedModelError, match="random forest for 'binary' in format v2"):
        read_file(OLD_FOREST)
    response = answers(OLD_FOREST, "response")
    np.testing.assert_array_equal(answers(OLD_FOREST, "raw") / 3, response)
    assert np.all((response > 0) & (response < 1))


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_facts_of_its_kind(path: Path) -> None:
    graph = read_file(path)
    kind = path.stem
    assert graph.sparse == "zero"
    assert graph.trees_per_iteration == {"forest": 0}.get(kind, graph.trees.n_outputs)
    assert graph.trees.is_linear == (kind == "linear")
    assert graph.trees.zero_missing.any() == (kind == "binary_zero")
    assert {f: known.tolist() for f, known in graph.categories.items()} == (
        {3: LABELS} if kind == "frame" else {}
    )
    objective = {
        "roots_dart": "regression", "binary_zero": "binary", "classes": "multiclass",
        "classes_ova_goss": "multiclassova", "rank": "lambdarank", "forest": "binary",
        "poisson_no_missing": "poisson", "linear": "regression", "frame": "regression",
    }.get(kind, kind)  # fmt: skip
    assert graph.provenance["objective"] == objective
