"""CatBoost's trees as a Graph: leaf by leaf as its JSON says, and as the library answers."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.errors import CordwoodError

ROOT = Path(__file__).resolve().parent.parent
ODD = 0.1  # no float32: its border is the float32 next to it


@pytest.fixture(scope="module")
def oblivious() -> ModuleType:
    """Return benchmarks/oblivious.py as a module."""
    path = ROOT / "benchmarks" / "oblivious.py"
    spec = importlib.util.spec_from_file_location("oblivious", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _split(feature: int, border: float) -> dict[str, Any]:
    return {"float_feature_index": feature, "border": border, "split_type": "FloatFeature"}


def _document() -> dict[str, Any]:
    """Three trees over columns 0, 2 and 3 of four: two splits, none, and three."""
    leaves = np.random.default_rng(0).normal(size=13).tolist()
    return {
        "features_info": {
            "float_features": [
                {"feature_index": 0, "flat_feature_index": 0, "nan_value_treatment": "AsIs"},
                {"feature_index": 1, "flat_feature_index": 2, "nan_value_treatment": "AsFalse"},
                {"feature_index": 2, "flat_feature_index": 3, "nan_value_treatment": "AsTrue"},
            ]
        },
        "model_info": {"catboost_version_info": "Git info:\n    Branch: tags/v1.2.10\n"},
        "scale_and_bias": [1, [0.25]],
        "oblivious_trees": [
            {"splits": [_split(0, ODD), _split(2, -1.0)], "leaf_values": leaves[:4]},
            {"splits": None, "leaf_values": leaves[4:5]},
            {
                "splits": [_split(1, 0.5), _split(2, 0.0), _split(0, 1.5)],
                "leaf_values": leaves[5:],
            },
        ],
    }


def _expected(found: dict[str, Any], rows: np.ndarray) -> np.ndarray:
    """Answer as the file's own description reads: bit i of the index is split i."""
    features = found["features_info"]["float_features"]
    scale, (bias,) = found["scale_and_bias"]
    total = np.full(len(rows), float(bias))
    for tree in found["oblivious_trees"]:
        index = np.zeros(len(rows), int)
        for bit, split in enumerate(tree["splits"] or []):
            feature = features[split["float_feature_index"]]
            values = rows[:, feature["flat_feature_index"]]
            above = values > np.float32(split["border"])
            if feature["nan_value_treatment"] == "AsTrue":
                above |= np.isnan(values)
            index |= above.astype(int) << bit
        total += scale * np.array(tree["leaf_values"])[index]
    return total


def _rows() -> np.ndarray:
    near = np.float32([ODD, -1.0, 0.5, 0.0, 1.5])
    values = [near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))]
    special = np.float32([np.nan, np.inf, -np.inf, -0.0])
    every = np.concatenate([*values, special])
    return np.random.default_rng(1).choice(every, size=(4_000, 4))


@pytest.mark.parametrize("scale", [1, 0.5])
def test_answers_are_those_of_the_file(oblivious: ModuleType, scale: float) -> None:
    found = _document() | {"scale_and_bias": [scale, [0.25]]}
    model = cw.compress(oblivious.graph(found))
    rows = _rows()
    assert np.array_equal(model.predict(rows), _expected(found, rows))
    assert model.metadata["source"]["version"] == "1.2.10"
    assert (model.n_trees, model.n_features_in_) == (3, 4)


def test_what_is_not_numeric_is_refused(oblivious: ModuleType) -> None:
    text = copy.deepcopy(_document())
    text["oblivious_trees"][0]["splits"][0]["split_type"] = "OneHotFeature"
    with pytest.raises(ValueError, match=r"got \{'OneHotFeature'\}, 4 leaf values"):
        oblivious.graph(text)
    two_outputs = copy.deepcopy(_document())
    two_outputs["oblivious_trees"][0]["leaf_values"] *= 2
    with pytest.raises(ValueError, match="8 leaf values"):
        oblivious.graph(two_outputs)
    endless = copy.deepcopy(_document())
    endless["oblivious_trees"][0]["leaf_values"][0] = float("inf")
    with pytest.raises(CordwoodError, match="finite"):
        oblivious.graph(endless)


def test_margins_are_catboosts_own(oblivious: ModuleType) -> None:
    catboost = pytest.importorskip("catboost", reason="the extra `peers` is not installed")
    drawn = np.random.default_rng(0).normal(size=(2_000, 6)).astype(np.float32)
    drawn[::7, 1] = np.nan
    source = catboost.CatBoostClassifier(
        iterations=30, depth=6, verbose=False, allow_writing_files=False, thread_count=1
    ).fit(drawn, (drawn[:, 0] * drawn[:, 2] > 0).astype(int))
    model = cw.compress(oblivious.graph(oblivious.document(source)))
    margins = source.predict(drawn, prediction_type="RawFormulaVal")
    assert np.array_equal(model.predict(drawn), margins)
