"""Labels of a pandas frame: which features they belong to, and what rows of them answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._lightgbm_labels import features_with_labels
from cordwood.frontends.lightgbm import read, read_file
from cordwood.ir import Graph, Role
from lightgbm_checks import CATEGORIES, training_rows

lgb = pytest.importorskip("lightgbm", reason="LightGBM is not installed")
pd = pytest.importorskip("pandas", reason="pandas is not installed")

LABELS = {
    "text": ["ash", "birch", "", "élan"],
    "integers": [-3, 7, 10, 2**53 + 1],
    "floats": [0.1, 0.5, 2.0, 1e300],
    "booleans": [False, True],
}
SMALL = {"num_leaves": 6, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, **CATEGORIES}


def frame_of(labels: list[Any], seed: int, n: int = 400, *, ordered: bool = False) -> Any:
    """Return a plain column, one of labels, one of counts and another of labels."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"height": rng.normal(size=n)})
    codes = rng.integers(-1, len(labels), n)
    frame["kind"] = pd.Categorical.from_codes(codes, labels, ordered=ordered)
    frame["count"] = rng.integers(0, 9, n)
    frame["place"] = pd.Categorical.from_codes(rng.integers(0, 3, n), ["north", "south", "west"])
    return frame


def answer_to(frame: Any) -> np.ndarray:
    codes = frame["kind"].cat.codes.to_numpy()
    return frame["height"].to_numpy() + 2 * (codes % 2) + (frame["place"] == "south")


def coded(graph: Graph, frame: Any) -> np.ndarray:
    """Turn a frame into rows by the Graph's labels alone."""
    X = np.full(frame.shape, np.nan)
    for column, name in enumerate(frame.columns):
        if column not in graph.categories:
            X[:, column] = frame[name]
            continue
        position = {label: code for code, label in enumerate(graph.categories[column].tolist())}
        X[:, column] = [position.get(label, np.nan) for label in frame[name]]
    return X


@pytest.mark.parametrize("kind", list(LABELS))
def test_labels_of_every_type(kind: str, tmp_path: Any) -> None:
    labels = LABELS[kind]
    frame = frame_of(labels, 1)
    model = lgb.LGBMRegressor(n_estimators=6, **SMALL).fit(frame, answer_to(frame))
    model.booster_.save_model(tmp_path / "model.txt")
    for graph in (read(model), read(model.booster_), read_file(tmp_path / "model.txt")):
        assert graph.unseen == "missing"
        assert graph.categories[1].tolist() == labels
        assert graph.categories[3].tolist() == ["north", "south", "west"]
        assert (graph.trees.category_set >= 0).any()
        expected = model.predict(frame)
        ours = oracle.run(graph, coded(graph, frame), Role.RESPONSE)[:, 0]
        assert ours.tobytes() == expected.tobytes()


def test_unseen_labels_are_missing() -> None:
    frame = frame_of(LABELS["text"], 2)
    model = lgb.LGBMRegressor(n_estimators=6, **SMALL).fit(frame, answer_to(frame))
    graph = read(model)
    other = frame.copy()
    other["kind"] = pd.Categorical(["birch", "yew", "ash", None] * 100)
    other["place"] = pd.Categorical(["west", "east"] * 200)
    ours = oracle.run(graph, coded(graph, other), Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(other).tobytes()


def test_ordered_labels_are_numbers_to_the_trees() -> None:
    frame = frame_of(LABELS["text"], 3, ordered=True)
    model = lgb.LGBMRegressor(n_estimators=6, **SMALL).fit(frame, answer_to(frame))
    graph = read(model)
    assert set(graph.categories) == {1, 3}
    column = graph.trees.feature == 1
    assert column.any()
    assert (graph.trees.category_set[column] == -1).all()
    ours = oracle.run(graph, coded(graph, frame), Role.RESPONSE)[:, 0]
    assert ours.tobytes() == model.predict(frame).tobytes()


def test_other_columns_named_as_categories() -> None:
    """The integers of ``count`` reach 8: no list of labels is so long, so it has none."""
    frame = frame_of(LABELS["text"], 4)
    for named in (["count"], ["count", "kind"]):
        data = lgb.Dataset(frame, answer_to(frame), categorical_feature=named)
        booster = lgb.train(SMALL, data, 5)
        graph = read(booster)
        assert set(graph.categories) == {1, 3}
        ours = oracle.run(graph, coded(graph, frame), Role.RESPONSE)[:, 0]
        assert ours.tobytes() == booster.predict(frame).tobytes()


def test_arrays_have_no_labels() -> None:
    X = training_rows(5)
    graph = read(lgb.train(SMALL, lgb.Dataset(X, X[:, 0], categorical_feature=[5, 6]), 3))
    assert dict(graph.categories) == {}
    assert "pandas_categories" not in graph.provenance


def test_labels_that_lightgbm_cannot_write() -> None:
    frame = frame_of(LABELS["text"], 6)
    y = answer_to(frame)
    frame["kind"] = pd.cut(frame["height"], 4)
    booster = lgb.train(SMALL, lgb.Dataset(frame, y), 2, keep_training_booster=True)
    with pytest.raises(UnsupportedModelError, match="cannot write this Booster as text"):
        read(booster)


MATCHES = (
    # lists, values seen, declared, features that get the lists
    ([["a", "b"]], ("[-1.5:2]", "0:1"), None, [1]),
    ([["a", "b"]], ("[-1.5:2]", "-1:0:1"), frozenset({1}), [1]),
    ([["a", "b"]], ("[0:1]", "0:1"), frozenset({1}), [1]),
    ([["a", "b"]], ("[0:1]", "[0:1]"), None, []),  # two ordered columns, or numbers
    ([["a", "b"]], ("[0:1]", "[0:2]"), None, [0]),
    ([["a", "b"], ["c"]], ("0:1", "none"), frozenset({0, 1}), [0, 1]),
    ([["a", "b"], ["c"]], ("0:1", "none", "none"), frozenset({0}), []),
    ([["a"], ["b"]], ("0", "[0.5:1]"), None, []),  # a list too many
    ([["a", "b"]], ("0:1:2", "[0:1]"), frozenset({0}), [1]),  # another column was named
    ([["a"]], ("[nonsense]",), None, []),
    ([[]], ("none",), None, [0]),
)


@pytest.mark.parametrize(("lists", "infos", "declared", "features"), MATCHES)
def test_which_features(
    lists: list[list[Any]], infos: tuple[str, ...], declared: frozenset[int] | None,
    features: list[int],
) -> None:  # fmt: skip
    labels = features_with_labels(lists, infos, declared)
    assert list(labels) == features
    assert [known.tolist() for known in labels.values()] == lists[: len(features)]


@pytest.mark.parametrize("labels", [["a", 1], [1, 2.5], [True, 1], [2**63], [None], [["a"]]])
def test_labels_of_other_types_are_left_out(labels: list[Any]) -> None:
    assert features_with_labels([labels, ["x"]], ("0", "0"), None).keys() == {1}


def test_a_wide_model_is_matched_quickly() -> None:
    infos = ("[-1:1.5]",) * 50_000 + ("0:1:2",) * 300 + ("[-1:1.5]",) * 50_000
    labels = features_with_labels([["a", "b", "c"]] * 300, infos, None)
    assert list(labels) == list(range(50_000, 50_300))
