"""Categories of data frames: labels stand in the model since XGBoost 3.1, codes in the trees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xgboost as xgb

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends.xgboost import read, read_file
from cordwood.ir import Role

if TYPE_CHECKING:
    from pathlib import Path

pd = pytest.importorskip("pandas")

COLOURS = ["teal", "blue", "red brick", ""]
NUMBERS = [30, -7, 12, 5, 2**40]


def frame(seed: int, colours: Any = COLOURS, numbers: Any = NUMBERS, n_rows: int = 200) -> Any:
    """Return two category columns with missing values, and a numeric one between them."""
    rng = np.random.default_rng(seed)
    columns = {}
    for name, labels in (("colour", colours), ("size", None), ("number", numbers)):
        if labels is None:
            columns[name] = rng.normal(size=n_rows)
            continue
        codes = rng.integers(-1, len(labels), n_rows)
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(labels))
    return pd.DataFrame(columns)


def target(rows: Any) -> Any:
    effect = {"teal": 3.0, "blue": -2.0, "red brick": 0.5, 30: 1.0, 12: -4.0, 5: 2.5}
    return sum(rows[name].map(effect).astype(float).fillna(0.0).to_numpy()
               for name in ("colour", "number")) + 0.3 * rows["size"].to_numpy()  # fmt: skip


def train(rows: Any, **params: Any) -> xgb.Booster:
    data = xgb.DMatrix(rows, target(rows), enable_categorical=True)
    return xgb.train({"max_depth": 4, "nthread": 1, "max_cat_to_onehot": 2, **params}, data, 5)


def coded(rows: Any, labels: dict[int, Any]) -> Any:
    """Recode a frame by value as the Graph says: positions, and NaN where missing."""
    X = np.empty(rows.shape)
    for feature, name in enumerate(rows.columns):
        if feature not in labels:
            X[:, feature] = rows[name]
            continue
        known = {label: code for code, label in enumerate(labels[feature].tolist())}
        X[:, feature] = [np.nan if pd.isna(label) else known[label] for label in rows[name]]
    return X


@pytest.mark.parametrize("params", [{}, {"max_cat_to_onehot": 100}, {"booster": "dart"}])
def test_frames_are_recoded_by_value(params: dict[str, Any]) -> None:
    booster = train(frame(0), **params)
    graph = read(booster)
    assert {f: labels.tolist() for f, labels in graph.categories.items()} == {
        0: COLOURS,
        2: NUMBERS,
    }
    assert graph.unseen == "refused"
    assert graph.trees.set_members.size > 0
    others = (
        frame(1, COLOURS[::-1]),
        frame(2, ["blue", "teal"], [5, 12]),
        frame(3, ["red brick", "teal", "blue", ""], [5, 30, 2**40, -7, 12]),
    )
    for rows in (frame(0), *others):
        data = xgb.DMatrix(rows, enable_categorical=True)
        X = coded(rows, dict(graph.categories))
        leaves = booster.predict(data, pred_leaf=True)
        assert np.array_equal(oracle.apply(graph, X), leaves)
        margin = booster.predict(data, output_margin=True)
        assert oracle.predict_margin(graph, X)[:, 0].tobytes() == margin.tobytes()


def test_a_label_not_seen_in_training_has_no_answer() -> None:
    """XGBoost refuses it only past the last label; else it takes the next label in sorted order."""
    labels = ["b", "d", "f"]
    rows = pd.DataFrame({"colour": pd.Categorical(labels * 20), "size": np.arange(60) % 7})
    data = xgb.DMatrix(rows, np.tile([5.0, -3.0, 1.0], 20), enable_categorical=True)
    booster = xgb.train({"max_depth": 2, "nthread": 1, "max_cat_to_onehot": 1}, data, 1)
    assert read(booster).unseen == "refused"

    def answer(label: str) -> float:
        one = pd.DataFrame({"colour": pd.Categorical([label]), "size": [0]})
        return float(booster.predict(xgb.DMatrix(one, enable_categorical=True))[0])

    assert [answer("a"), answer("c"), answer("e")] == [answer(label) for label in labels]
    assert len({answer(label) for label in labels}) == 3
    with pytest.raises(xgb.core.XGBoostError, match="Found a category not in the training set"):
        answer("g")


def test_wrappers_and_files_hold_the_labels(tmp_path: Path) -> None:
    rows = frame(4)
    model = xgb.XGBRegressor(n_estimators=4, enable_categorical=True, n_jobs=1)
    model.fit(rows, target(rows))
    graph = read(model)
    assert graph.feature_names == ("colour", "size", "number")
    ours = oracle.run(graph, coded(rows, dict(graph.categories)), Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(rows).tobytes()
    for suffix in ("json", "ubj"):
        model.save_model(tmp_path / f"model.{suffix}")
        stored = read_file(tmp_path / f"model.{suffix}").categories
        assert {f: (labels.dtype, labels.tolist()) for f, labels in stored.items()} == {
            f: (labels.dtype, labels.tolist()) for f, labels in graph.categories.items()
        }


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_whole_numbers_of_any_width(dtype: str) -> None:
    numbers = np.array([9, 3, 120, 0, 7], dtype)
    rows = frame(5, numbers=numbers)
    graph = read(train(rows))
    assert graph.categories[2].dtype == np.int64
    assert graph.categories[2].tolist() == [9, 3, 120, 0, 7]


def test_labels_beyond_ascii_are_stored_damaged_and_refused() -> None:
    booster = train(frame(6, ["teal", "blå", "red brick", "blue"]))
    stored = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["cats"]
    assert len(stored["enc"][0]["values"]) == len("tealblåred brickblue"), "counted in characters"
    with pytest.raises(UnsupportedModelError, match="labels beyond ASCII"):
        read(booster)


def test_codes_without_a_frame_have_no_labels() -> None:
    X = np.stack([np.arange(100) % 5, np.linspace(0, 1, 100)], axis=1)
    data = xgb.DMatrix(X, X[:, 0] == 2, feature_types=["c", "q"], enable_categorical=True)
    graph = read(xgb.train({"max_depth": 2, "nthread": 1}, data, 2))
    assert not graph.categories
    assert graph.unseen == "missing"
