"""Answers of every form: several outputs, several labels, outliers, embeddings; the summary."""

from __future__ import annotations

import dataclasses
import pickle
import sys
from typing import Any

import numpy as np
import pytest
import xgboost
from scipy import sparse
from sklearn.base import clone, is_classifier, is_outlier_detector, is_regressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    IsolationForest,
    RandomForestClassifier,
    RandomTreesEmbedding,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import cordwood
from cordwood import _model_facts, _model_outputs
from drawn import Shape, make_graph

RNG = np.random.default_rng(0)
X = RNG.normal(size=(160, 5)).astype(np.float32)
CODES = np.column_stack((RNG.integers(0, 3, 160), RNG.integers(5, 7, 160), RNG.integers(0, 4, 160)))
WORDS = np.column_stack(
    (np.array(["a", "bb"])[CODES[:, 1] - 5], np.where(X[:, 0] > 0, "a long label", "s"))
)

FORESTS = [
    DecisionTreeClassifier(max_depth=4, random_state=0),
    RandomForestClassifier(4, random_state=0, n_jobs=1),
    ExtraTreesClassifier(4, random_state=0, n_jobs=1),
]


@pytest.mark.parametrize("source", FORESTS, ids=lambda source: type(source).__name__)
@pytest.mark.parametrize("labels", [CODES, CODES.astype(float), WORDS], ids=["int", "float", "str"])
def test_several_outputs(source: Any, labels: np.ndarray) -> None:
    source = clone(source).fit(X, labels)
    model = cordwood.compress(source)
    for found, expected in zip(model.classes_, source.classes_, strict=True):
        np.testing.assert_array_equal(found, expected)
    found, expected = model.predict(X), source.predict(X)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)
    for method in ("predict_proba", "predict_log_proba"):
        if method == "predict_log_proba":
            with np.errstate(divide="ignore"):
                theirs = [np.log(part) for part in source.predict_proba(X)]
        else:
            theirs = source.predict_proba(X)
        ours = getattr(model, method)(X)
        assert isinstance(ours, list)
        for part, expected_part in zip(ours, theirs, strict=True):
            assert part.flags.c_contiguous
            np.testing.assert_array_equal(part, expected_part)
    share = (expected == labels).all(axis=1).mean()
    assert model.score(X, labels) == pytest.approx(share, rel=1e-14)
    assert model.predict(X[:0]).shape == (0, labels.shape[1])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), found)


def test_labels_of_several_kinds_are_objects() -> None:
    indices = np.array([[0, 1], [1, 0]])
    classes = [np.array(["x", "y"]), np.array([3, 4])]
    found = _model_outputs.labels_of(indices, classes)
    assert found.dtype == object
    assert found.tolist() == [["x", 4], ["y", 3]]
    longer = _model_outputs.labels_of(indices, [np.array(["x", "y"]), np.array(["long", "s"])])
    assert longer.tolist() == [["x", "s"], ["y", "long"]]


def test_several_labels_of_one_row() -> None:
    labels = RNG.integers(0, 2, (160, 3))
    source = xgboost.XGBClassifier(n_estimators=4, max_depth=3, n_jobs=1).fit(X, labels)
    model = cordwood.compress(source)
    np.testing.assert_array_equal(model.predict(X), source.predict(X))
    assert model.predict(X).shape == (160, 3)
    found = model.predict_proba(X)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, source.predict_proba(X), rtol=1e-6)


def test_outliers() -> None:
    source = IsolationForest(n_estimators=20, random_state=0, n_jobs=1).fit(X)
    model = cordwood.compress(source)
    np.testing.assert_array_equal(model.predict(X), source.predict(X))
    assert model.predict(X).dtype == source.predict(X).dtype
    for method in ("score_samples", "decision_function"):
        found, expected = getattr(model, method)(X), getattr(source, method)(X)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=0, atol=2**-52)
    assert is_outlier_detector(model)
    assert not is_classifier(model)
    for absent in ("classes_", "score", "transform", "predict_proba"):
        assert not hasattr(model, absent)
    with pytest.raises(TypeError, match="expected one argument, X"):
        model.score_samples(X, iteration_range=(0, 1))


@pytest.mark.parametrize("sparse_output", [True, False])
def test_embeddings(sparse_output: bool) -> None:
    source = RandomTreesEmbedding(
        6, max_depth=3, sparse_output=sparse_output, random_state=0, n_jobs=1
    ).fit(X)
    model = cordwood.compress(source)
    found, expected = model.transform(X), source.transform(X)
    assert type(found) is type(expected)
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    dense = expected.toarray() if sparse_output else expected
    np.testing.assert_array_equal(model.transform(X, sparse=False), dense)
    matrix = model.transform(X, sparse=True)
    assert isinstance(matrix, sparse.csr_matrix)
    matrix.check_format(full_check=True)
    assert matrix.has_sorted_indices
    np.testing.assert_array_equal(matrix.toarray(), dense)
    np.testing.assert_array_equal(model.apply(X), source.apply(X))
    for choice in (True, False):
        assert model.transform(X[:0], sparse=choice).shape == (0, dense.shape[1])
        unbound = cordwood.Model.transform(model, X, sparse=choice)
        assert unbound.shape == dense.shape
    assert not is_regressor(model)
    assert not hasattr(model, "score")
    assert make_pipeline(FunctionTransformer().fit(X), model).transform(X).shape == dense.shape


def test_an_embedding_without_scipy_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    source = RandomTreesEmbedding(3, max_depth=2, random_state=0).fit(X)
    model = cordwood.compress(source)
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    with pytest.raises(cordwood.MissingDependencyError, match=r"pip install scipy.*sparse=False"):
        model.transform(X)
    assert model.transform(X, sparse=False).sum() == 3 * len(X)


@pytest.mark.parametrize("column", [-1.0, 0.5, 2.0**31])
def test_leaves_that_are_no_column_are_refused(column: float) -> None:
    from cordwood import frontends
    from cordwood.pack import pack

    graph = frontends.read(RandomTreesEmbedding(3, max_depth=2, random_state=0).fit(X))
    values = graph.trees.leaf_values.copy()
    values[0] = column
    operators = (dataclasses.replace(graph.trees, leaf_values=values),)
    data = pack(dataclasses.replace(graph, operators=operators), cordwood.Recipe())
    with pytest.raises(cordwood.FormatError, match="a leaf of an embedding has no column"):
        cordwood.load(data)


def test_the_summary_tells_of_what_there_is() -> None:
    forest = cordwood.compress(FORESTS[1].fit(X, CODES))
    assert "classes   3, 2, 4 of 3 outputs" in forest.summary()
    assert "rounds" not in forest.summary()
    assert "entries that are not stored are zero" in forest.summary()
    graph = make_graph(Shape(seed=1, n_trees=6, n_features=4))
    graph = dataclasses.replace(
        graph,
        trees_per_iteration=2,
        staged=True,
        categories={1: np.array(["red", "blue"])},
        unseen="refused",
    )
    model = cordwood.compress(graph)
    assert "rounds    3 iterations of 2 trees, staged" in model.summary()
    assert "labels    1 features hold them; unlisted ones are refused" in model.summary()
    assert "sparse" not in model.summary()
    assert model.metadata["iterations"] == {"staged": True, "trees": 2}


def test_the_summary_tells_of_a_loss() -> None:
    model = cordwood.compress(make_graph(Shape(seed=1, n_features=4)))
    assert "loss" not in model.summary().replace("lossless", "")
    loss = {"margin_bound": 0.0123456, "margin_error": 1e-7, "rows": 40, "labels_changed": 2}
    model._facts["recipe"]["loss"] = loss
    assert (
        "loss      margins move by at most 0.0123, the largest move seen is 1e-07, on 40 rows, "
        "2 of their labels changed\n"
    ) in model.summary()


def test_provenance_says_how_sparse_rows_are_read() -> None:
    with pytest.raises(cordwood.FormatError, match="whose sparse is one of zero, missing, refused"):
        _model_facts.read('{"sparse":"maybe"}')
