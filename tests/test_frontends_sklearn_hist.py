"""HistGradientBoosting of scikit-learn against the estimator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends import sklearn as frontend
from cordwood.ir import Graph, Role
from sklearn_checks import assert_equal_to_source, probe_rows, same_bits, training_rows

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Keep the source's thread pool out of small work, where it only waits."""
    with threadpool_limits(1):
        yield


def assert_leaves_equal(estimator: Any, graph: Graph, rows: np.ndarray) -> None:
    """Compare leaf nodes: the source has no ``apply``, so its leaf values become node numbers."""
    encoded = estimator._preprocess_X(rows, reset=False)
    known, index = estimator._bin_mapper.make_known_categories_bitsets()
    trees = [tree for iteration in estimator._predictors for tree in iteration]
    ours = oracle.apply(graph, rows)
    for column, tree in enumerate(trees):
        kept = tree.nodes
        tree.nodes = kept.copy()
        tree.nodes["value"] = np.arange(len(kept))
        theirs = tree.predict(encoded, known, index, 1)
        tree.nodes = kept
        assert np.array_equal(ours[:, column], theirs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"loss": "absolute_error"},
        {"loss": "quantile", "quantile": 0.2},
        {"loss": "poisson"},
        {"loss": "gamma"},
        {"monotonic_cst": [1, -1, 0, 0, 0], "max_leaf_nodes": 6},
        {"warm_start": True, "early_stopping": False, "max_bins": 9},
    ],
)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_regressor_equals_source(options: dict[str, Any], missing: float) -> None:
    X = training_rows(1, missing=missing)
    y = np.abs(np.nan_to_num(X[:, 0])) + np.nan_to_num(X[:, 4]) ** 2 + 0.5
    estimator = HistGradientBoostingRegressor(max_iter=6, min_samples_leaf=5, **options).fit(X, y)
    graph = assert_equal_to_source(estimator, X)
    assert graph.trees.accepts_nan
    assert graph.trees.accepts_infinity
    for rows in probe_rows(graph, X, seed=3):
        assert_leaves_equal(estimator, graph, rows)
    logs = options.get("loss") in ("poisson", "gamma")
    assert (graph.by_role(Role.MARGIN) is not None) == logs


@pytest.mark.parametrize("labels", [["b", "a"], [2, 9, 4], [True, False]])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_classifier_equals_source(labels: list[Any], missing: float) -> None:
    X = training_rows(2, missing=missing)
    score = np.nan_to_num(X[:, 1]) + np.nan_to_num(X[:, 4])
    y = np.array(labels)[np.argsort(np.argsort(score)) * len(labels) // len(score)]
    estimator = HistGradientBoostingClassifier(
        max_iter=5, min_samples_leaf=4, class_weight="balanced"
    ).fit(X, y)
    graph = assert_equal_to_source(estimator, X)
    assert graph.methods == ("predict", "predict_proba", "decision_function")
    assert graph.trees.n_outputs == (1 if len(labels) == 2 else 3)


def test_label_at_a_margin_of_zero_is_the_first_class() -> None:
    X = np.array([[0.0], [1.0]] * 6)
    y = np.array([0, 1, 1, 0] * 3)
    estimator = HistGradientBoostingClassifier(max_iter=1).fit(X, y)
    assert np.array_equal(estimator.decision_function(X), np.zeros(12))
    index = oracle.run(frontend.read(estimator), X, Role.LABEL)
    assert np.array_equal(index, estimator.predict(X))
    assert not index.any()


def categorical_rows(kind: str, n_rows: int = 400) -> np.ndarray:
    """Return rows whose columns 1 and 3 hold categories, NaN among them."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(n_rows, 5))
    codes = {"whole": np.arange(-2.0, 9.0), "fraction": np.array([-1.5, 0.1, 0.25, 7.0, 1e20])}
    X[:, 1] = rng.choice(codes[kind], n_rows)
    X[:, 3] = rng.choice([3.0, 5.0, 400.0, np.nan], n_rows)
    return X


def category_probes(X: np.ndarray) -> list[np.ndarray]:
    """Return rows with known, unseen, negative, fractional, huge and missing categories."""
    rng = np.random.default_rng(6)
    odd = [-3.0, -2.0, -0.0, 0.0, 0.1, 0.5, 1.0, 1.5, 2.999999, 3.0, 5.0, 6.0, 255.0, 256.0, 400.0,
           7.0, 1e20, 2.0**53, np.nan, 5e-324]  # fmt: skip
    rows = X[rng.integers(0, len(X), 400)].copy()
    rows[:, 1] = rng.choice(odd, 400)
    rows[:, 3] = rng.choice(odd, 400)
    rows[::7, 0] = np.inf
    whole = rng.integers(-4, 12, (60, 5))
    whole[::3, 1] = 2**53 + 1
    return [rows, rows.astype(np.float32), whole, whole.astype(np.int16)]


@pytest.mark.parametrize("kind", ["whole", "fraction"])
@pytest.mark.parametrize("family", [HistGradientBoostingRegressor, HistGradientBoostingClassifier])
def test_categories_equal_source(kind: str, family: Any) -> None:
    X = categorical_rows(kind)
    y = np.isin(X[:, 1], [0.0, 3.0, 0.1]) * 2.0 + np.isnan(X[:, 3]) + (X[:, 0] > 0)
    estimator = family(
        max_iter=6, min_samples_leaf=4, categorical_features=[1, 3], max_bins=40
    ).fit(X, y)
    graph = frontend.read(estimator)
    assert (graph.trees.category_set >= 0).any()
    for rows in category_probes(X):
        assert same_bits(oracle.predict_margin(graph, rows), estimator._raw_predict(rows))
        assert_leaves_equal(estimator, graph, rows)


def test_integer_categories_and_frame_categories() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(7)
    codes = rng.integers(-5, 6, (300, 2))
    y = (codes[:, 0] % 3) + 0.1 * codes[:, 1]
    estimator = HistGradientBoostingRegressor(max_iter=4, categorical_features=[0]).fit(codes, y)
    graph = frontend.read(estimator)
    for rows in (codes, codes.astype(np.int16), codes + 0.5, codes * 2**60 + 1):
        assert same_bits(oracle.predict_margin(graph, rows), estimator._raw_predict(rows))

    frame = pandas.DataFrame({"plain": codes[:, 1], "group": pandas.Categorical(codes[:, 0])})
    estimator = HistGradientBoostingRegressor(max_iter=4, categorical_features="from_dtype").fit(
        frame, y
    )
    graph = frontend.read(estimator)
    assert graph.feature_names == ("plain", "group")
    theirs = estimator._raw_predict(frame)
    assert same_bits(oracle.predict_margin(graph, frame.to_numpy(np.float64)), theirs)
    assert (graph.trees.category_set >= 0).any()


def test_one_known_category_shares_the_first_set_of_its_tree() -> None:
    rng = np.random.default_rng(8)
    X = np.stack((rng.choice([4.0, np.nan], 600), rng.choice([0.0, 1.0, 2.0, 3.0], 600)), axis=1)
    y = 3.0 * np.isnan(X[:, 0]) + np.isin(X[:, 1], [1.0, 3.0])
    estimator = HistGradientBoostingRegressor(max_iter=5, categorical_features=[0, 1]).fit(X, y)
    nodes = np.concatenate([tree.nodes for (tree,) in estimator._predictors])
    alone = (nodes["is_categorical"] == 1) & np.isinf(nodes["num_threshold"])
    assert alone.any(), "this test needs a split on a feature with one category"
    graph = frontend.read(estimator)
    odd = np.array([[a, b] for a in (4.0, 0.0, 7.0, np.nan) for b in (0.0, 1.0, 9.0, np.nan)])
    for rows in (X, odd):
        assert same_bits(oracle.predict_margin(graph, rows), estimator._raw_predict(rows))


def test_categories_of_mixed_types_are_refused() -> None:
    X = np.array([["red", 1.0], [None, 2.0], ["blue", 3.0]] * 40, dtype=object)
    estimator = HistGradientBoostingRegressor(max_iter=2, categorical_features=[0])
    estimator.fit(X, np.arange(120.0) % 3)
    with pytest.raises(UnsupportedModelError, match=r"feature 0, such as None.*numeric codes"):
        frontend.read(estimator)


def test_categories_of_objects_that_are_numbers() -> None:
    X = np.array([[3, 1.0], [7.5, 2.0], [True, 3.0], [np.nan, 1.0]] * 40, dtype=object)
    estimator = HistGradientBoostingRegressor(
        max_iter=2, categorical_features=[0], min_samples_leaf=2
    )
    estimator.fit(X, np.arange(160.0) % 4)
    graph = frontend.read(estimator)
    assert not graph.categories
    odd = np.array([[3.0, 1.0], [7.5, 0.0], [1.0, 3.0], [4.0, 2.0], [np.nan, 9.0]])
    theirs = estimator._raw_predict(odd.astype(object))
    assert same_bits(oracle.predict_margin(graph, odd), theirs)


def colours(n_rows: int = 300) -> tuple[Any, np.ndarray]:
    """Return a frame with a column of text and a column of text with gaps, and targets."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(11)
    colour = rng.choice(["red", "green", "blue", "a very long name", ""], n_rows)
    grade = rng.choice(["b", "a", "c"], n_rows).astype(object)
    grade[rng.random(n_rows) < 0.2] = None
    frame = pandas.DataFrame(
        {
            "size": rng.normal(size=n_rows),
            # The dtype's own order and its unused category mean nothing to scikit-learn.
            "colour": pandas.Categorical(
                colour, categories=["red", "unused", "green", "", "blue", "a very long name"]
            ),
            "grade": pandas.Categorical(grade),
        }
    )
    y = (frame["colour"] == "red") * 2.0 + (frame["grade"] == "a") + 0.1 * frame["size"]
    return frame, y.to_numpy()


def coded(graph: Graph, frame: Any) -> np.ndarray:
    """Return the rows of a frame, labels as their positions and NaN where there is none."""
    rows = np.empty(frame.shape)
    for column, name in enumerate(frame.columns):
        labels = graph.categories.get(column)
        if labels is None:
            rows[:, column] = frame[name].to_numpy(np.float64)
        else:
            place = {label: code for code, label in enumerate(labels.tolist())}
            rows[:, column] = [place.get(label, np.nan) for label in frame[name]]
    return rows


@pytest.mark.parametrize("selected", ["from_dtype", [1, 2], ["colour", "grade"], "mask"])
def test_labels_of_text_equal_source(selected: Any) -> None:
    frame, y = colours()
    chosen = np.array([False, True, True]) if selected == "mask" else selected
    estimator = HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=3, categorical_features=chosen
    ).fit(frame, y)
    graph = frontend.read(estimator)
    assert {k: v.tolist() for k, v in graph.categories.items()} == {
        1: ["", "a very long name", "blue", "green", "red"],
        2: ["a", "b", "c"],
    }
    assert (graph.unseen, graph.sparse) == ("missing", "refused")
    unseen = frame.copy()
    unseen["colour"] = unseen["colour"].astype(object).where(unseen["size"] > 0, "violet")
    unseen["grade"] = unseen["grade"].astype(object).where(unseen["size"] < 1, None)
    for rows in (frame, unseen):
        theirs = estimator._raw_predict(rows)
        assert same_bits(oracle.predict_margin(graph, coded(graph, rows)), theirs)


def test_classifier_of_one_class() -> None:
    X = training_rows(12)
    estimator = HistGradientBoostingClassifier(max_iter=2).fit(X, np.full(len(X), "only"))
    graph = assert_equal_to_source(estimator, X)
    assert graph.by_role(Role.PROBABILITY).shape == ("batch", 2)


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.5},
        {"interaction_cst": "no_interactions"},
        {"interaction_cst": [{0, 1}, {2, 3, 4}]},
        {"monotonic_cst": [1, 0, 0, 0, 0]},
        {"l2_regularization": 2.0, "max_depth": 2, "learning_rate": 0.7},
        {"loss": "absolute_error", "early_stopping": True},
    ],
)
def test_training_settings_change_nothing_in_the_rules(options: dict[str, Any]) -> None:
    X = training_rows(13, missing=0.1)
    y = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 4]) ** 2
    estimator = HistGradientBoostingRegressor(max_iter=8, min_samples_leaf=5, **options)
    graph = assert_equal_to_source(estimator.fit(X, y), X)
    assert graph.staged
    assert graph.trees_per_iteration == 1
    assert graph.trees.n_trees == estimator.n_iter_


def test_integer_categories_beyond_float64_are_refused() -> None:
    X = np.array([[0], [1], [2**53]] * 40)
    estimator = HistGradientBoostingRegressor(max_iter=1, categorical_features=[0])
    estimator.fit(X, np.arange(120.0) % 3)
    with pytest.raises(UnsupportedModelError, match="integer category 9007199254740992"):
        frontend.read(estimator)
