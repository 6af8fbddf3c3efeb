"""Sparse rows: what an absent entry means is the source's, and no block boundary shows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import cordwood
from cordwood._rows import RowsDoor
from drawn import Shape, make_graph

FORMS = ["csr", "csc", "coo", "lil", "dok", "bsr"]
DTYPES = ["float64", "float32", "int64", "int32", "int16", "int8", "uint8", "bool"]


def model_of(absent: str, n_features: int = 6, **shape: Any) -> cordwood.Model:
    graph = make_graph(Shape(seed=3, n_features=n_features, n_trees=7, accepts_nan=True, **shape))
    return cordwood.compress(dataclasses.replace(graph, sparse=absent))


def matrix(seed: int, n_rows: int, n_features: int, dtype: str) -> Any:
    rng = np.random.default_rng(seed)
    dense = np.where(
        rng.random((n_rows, n_features)) < 0.3, rng.normal(0, 3, (n_rows, n_features)), 0
    )
    return sparse.csr_matrix(dense.round(1).astype(dtype))


def meaning(given: Any, absent: str) -> np.ndarray:
    """Return the dense rows that a matrix stands for."""
    canonical = given.tocsr().copy()
    canonical.sum_duplicates()
    if absent == "zero":
        dense: np.ndarray = canonical.toarray()
        return dense
    dense = np.full(canonical.shape, np.nan)
    for row in range(canonical.shape[0]):
        span = slice(canonical.indptr[row], canonical.indptr[row + 1])
        dense[row, canonical.indices[span]] = canonical.data[span]
    return dense


@pytest.mark.parametrize("absent", ["zero", "missing"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_rows_answer_as_the_rows_they_stand_for(absent: str, form: str, dtype: str) -> None:
    model = model_of(absent)
    X = matrix(1, 40, 6, dtype).asformat(form)
    expected = model._run(meaning(X, absent), "margin")
    assert model._run(X, "margin").tobytes() == expected.tobytes()
    np.testing.assert_array_equal(model._run(X, "leaves"), model._run(meaning(X, absent), "leaves"))


@given(
    st.integers(0, 3),
    st.integers(0, 700),
    st.sampled_from([1, 6, 40]),
    st.sampled_from(["zero", "missing"]),
)
def test_no_boundary_of_blocks_shows(seed: int, n_rows: int, n_features: int, absent: str) -> None:
    model = model_of(absent, n_features)
    X = matrix(seed, n_rows, n_features, "float64")
    expected = model._run(meaning(X, absent), "margin")
    assert model._run(X, "margin").tobytes() == expected.tobytes()


def test_wide_matrices_are_answered_in_small_blocks() -> None:
    model = model_of("zero", 200_000)
    X = sparse.random(64, 200_000, density=0.001, format="csr", random_state=0)
    expected = np.concatenate(
        [model._run(X[row : row + 1].toarray(), "margin") for row in range(64)]
    )
    assert model._run(X, "margin").tobytes() == expected.tobytes()


def test_explicit_zeros_are_values_where_absent_means_missing() -> None:
    model = model_of("missing")
    X = sparse.csr_matrix((np.zeros(3), [0, 1, 2], [0, 3]), shape=(1, 6))
    dense = np.array([[0, 0, 0, np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(model._run(X, "leaves"), model._run(dense, "leaves"))


def test_duplicate_and_unsorted_entries_mean_what_toarray_says() -> None:
    model = model_of("zero")
    X = sparse.csr_matrix((np.array([1.0, 2.0, 4.0]), [5, 0, 5], [0, 3]), shape=(1, 6))
    np.testing.assert_array_equal(model._run(X, "leaves"), model._run(X.toarray(), "leaves"))
    assert X.indices.tolist() == [5, 0, 5]  # the caller's matrix stays as it was


def test_threads_and_labels_work_for_sparse_rows() -> None:
    graph_model = model_of("zero")
    X = matrix(5, 5_000, 6, "float64")
    one = cordwood.Model(graph_model.to_bytes(), threads=1)
    two = cordwood.Model(graph_model.to_bytes(), threads=2)
    for method in one.methods:
        np.testing.assert_array_equal(getattr(one, method)(X), getattr(two, method)(X))
        np.testing.assert_array_equal(getattr(one, method)(X), getattr(one, method)(X.toarray()))


def test_a_source_that_takes_no_sparse_rows_refuses_them() -> None:
    model = model_of("refused")
    with pytest.raises(cordwood.InputTypeError, match=r"dense rows alone; pass X.toarray\(\)"):
        model.predict(matrix(0, 3, 6, "float64"))


def test_shapes_and_types_are_checked() -> None:
    model = model_of("zero")
    with pytest.raises(cordwood.InputError, match="rows have 5 features, the model expects 6"):
        model.predict(matrix(0, 3, 5, "float64"))
    with pytest.raises(cordwood.InputTypeError, match="dtype complex128"):
        model.predict(matrix(0, 3, 6, "complex128"))


@pytest.mark.parametrize("fault", ["column", "negative", "start", "descending"])
def test_an_inconsistent_matrix_is_refused(fault: str) -> None:
    model = model_of("zero")
    X = sparse.csr_matrix((np.ones(4), [0, 1, 2, 3], [0, 2, 4]), shape=(2, 6))
    X.has_canonical_format = True  # as scipy believes until somebody checks
    if fault == "column":
        X.indices[0] = 6
    elif fault == "negative":
        X.indices[0] = -1
    elif fault == "start":
        X.indptr[0] = 1
    else:
        X.indptr[:] = [0, 5, 4]
    with pytest.raises(cordwood.InputError, match="inconsistent"):
        model.predict(X)


def test_the_door_gives_dense_rows_to_whoever_asks() -> None:
    X = matrix(2, 10, 4, "float32")
    for absent in ("zero", "missing"):
        door = RowsDoor(4, absent=absent, input_type="float32")  # type: ignore[arg-type]
        np.testing.assert_array_equal(door.dense(X), meaning(X, absent))
