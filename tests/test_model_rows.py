"""The door for rows: every container that numbers come in, and a sentence for everything else."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.tree import DecisionTreeRegressor

import cordwood
from cordwood.ir import Graph
from drawn import Shape, make_graph, make_rows


def _named() -> Graph:
    graph = make_graph(Shape(seed=5, n_features=3, n_trees=5))
    assert graph.feature_names == ("f0", "f1", "f2")
    return graph


@pytest.fixture(scope="module")
def model() -> cordwood.Model:
    return cordwood.compress(_named())


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return make_rows(_named().trees, 50, "float64", 0)


def frame(rows: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["f0", "f1", "f2"])


def _polars(rows: np.ndarray) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame(rows, schema=["f0", "f1", "f2"])


def _arrow(rows: np.ndarray) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return arrow.table({f"f{i}": rows[:, i] for i in range(3)})


CONTAINERS = {
    "lists": np.ndarray.tolist,
    "big-endian": lambda rows: rows.astype(">f8"),
    "subclass": lambda rows: rows.view(np.recarray),
    "masked": np.ma.MaskedArray,
    "fortran": np.asfortranarray,
    "pandas": frame,
    "pandas nullable": lambda rows: frame(rows).astype({"f1": "Float64"}),
    "polars": _polars,
    "arrow": _arrow,
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_containers_of_the_same_numbers_answer_the_same(
    model: cordwood.Model, rows: np.ndarray, container: str
) -> None:
    X = CONTAINERS[container](rows)
    assert model._run(X, "margin").tobytes() == model._run(rows, "margin").tobytes()


@pytest.mark.parametrize("container", ["polars", "arrow"])
def test_columns_of_other_frames_are_checked(model: cordwood.Model, container: str) -> None:
    with pytest.raises(cordwood.InputTypeError, match=r"column 'f0' has dtype (?i:string)"):
        model.predict(CONTAINERS[container](np.array([["x", "1", "2"]], dtype=object)))


@pytest.mark.parametrize("container", ["pandas", "polars", "arrow"])
def test_a_missing_boolean_is_nan(model: cordwood.Model, container: str) -> None:
    given: dict[str, list[Any]] = {"f0": [True, None], "f1": [0.5, 0.5], "f2": [1, 2]}
    if container == "pandas":
        X: Any = pd.DataFrame(given).astype({"f0": "boolean"})
    else:
        X = CONTAINERS[container](np.zeros((0, 3)))
        X = type(X)(given) if container == "polars" else type(X).from_pydict(given)
    expected = np.array([[1.0, 0.5, 1.0], [np.nan, 0.5, 2.0]])
    assert model._run(X, "margin").tobytes() == model._run(expected, "margin").tobytes()


def test_missing_values_of_nullable_columns_are_nan(model: cordwood.Model) -> None:
    X = pd.DataFrame({"f0": [1.0, 2.0], "f1": pd.array([None, 3], dtype="Int64"), "f2": [0, 1]})
    plain = np.array([[1.0, np.nan, 0.0], [2.0, 3.0, 1.0]])
    np.testing.assert_array_equal(model._run(X, "margin"), model._run(plain, "margin"))


def test_frames_of_integers_and_booleans_keep_their_type(model: cordwood.Model) -> None:
    X = pd.DataFrame({"f0": [True, False], "f1": [1, 2], "f2": [3, 4]})
    plain = np.array([[1, 1, 3], [0, 2, 4]])
    np.testing.assert_array_equal(model._run(X, "leaves"), model._run(plain, "leaves"))


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
     "float32", "longlong", "ulonglong", "intc", "uintc"],
)  # fmt: skip
def test_every_number_type_is_read_as_its_values(model: cordwood.Model, dtype: str) -> None:
    X = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=dtype)
    np.testing.assert_array_equal(model._run(X, "leaves"), model._run(X.astype("f8"), "leaves"))


def test_unaligned_rows_are_read(model: cordwood.Model, rows: np.ndarray) -> None:
    raw = np.zeros(rows.nbytes + 1, np.uint8)
    X = raw[1:].view(np.float64).reshape(rows.shape)
    X[:] = rows
    assert not X.flags.aligned
    np.testing.assert_array_equal(model._run(X, "margin"), model._run(rows, "margin"))


def test_no_rows_give_an_empty_answer(model: cordwood.Model) -> None:
    X = np.empty((0, 3))
    assert model.predict(X).shape == (0,)
    assert model.predict(X).dtype == model.predict(np.zeros((1, 3))).dtype
    assert model.apply(X).shape == (0, model.n_trees)
    assert model.predict(frame(X)).shape == (0,)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(3), cordwood.InputError, r"1 dimensions, expected 2.*reshape\(1, -1\)"),
        (np.zeros((2, 3, 1)), cordwood.InputError, "3 dimensions, expected 2"),
        (1.5, cordwood.InputError, "0 dimensions, expected 2"),
        (np.zeros((2, 2)), cordwood.InputError, "rows have 2 features, the model expects 3"),
        (np.zeros((0, 4)), cordwood.InputError, "rows have 4 features, the model expects 3"),
        ([[1, 2, 3], [4, 5]], cordwood.InputError, "unequal length"),
        (np.zeros((1, 3), complex), cordwood.InputTypeError, "rows have dtype complex128"),
        (
            np.array([["1", "2", "3"]]),
            cordwood.InputTypeError,
            "rows have dtype <U1.*numbers first",
        ),
        (np.zeros((1, 3), object), cordwood.InputTypeError, "rows have dtype object"),
        (np.zeros((1, 3), "M8[s]"), cordwood.InputTypeError, "rows have dtype datetime64"),
        (np.zeros((1, 3), np.longdouble), cordwood.InputTypeError, "cast to float64 first"),
        (None, cordwood.InputTypeError, "rows have dtype object"),
        (sparse.csr_matrix(np.eye(3)), cordwood.InputTypeError, "sparse matrix.*toarray"),
        (sparse.csr_array(np.eye(3)), cordwood.InputTypeError, "sparse matrix.*toarray"),
        (np.ma.MaskedArray(np.zeros((1, 3)), [[0, 1, 0]]), cordwood.InputTypeError, "masked"),
    ],
)
def test_what_is_not_rows_is_refused(
    model: cordwood.Model, X: Any, error: type[Exception], message: str
) -> None:
    for method in (model.predict, model.apply):
        with pytest.raises(error, match=message):
            method(X)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["1", "2"]),
        pd.Series(["1", "2"], dtype="string"),
        pd.Series(["x", "y"], dtype="category"),
        pd.Series([datetime.date(2020, 1, 1)] * 2),
        pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])),
        pd.Series([1 + 2j, 3]),
    ],
    ids=["text", "string", "category", "date", "datetime", "complex"],
)
def test_a_column_that_is_no_number_is_named(model: cordwood.Model, column: pd.Series) -> None:
    X = pd.DataFrame({"f0": [0.0, 1.0], "f1": column, "f2": [0, 1]})
    with pytest.raises(cordwood.InputTypeError, match="column 'f1' has dtype") as caught:
        model.predict(X)
    assert f"has dtype {column.dtype}, expected" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["f1", "f0", "f2"], "another order: column 0 is 'f1', the model expects 'f0'"),
        (["f0", "f1", "z"], "unexpected: 'z'; missing: 'f2'"),
        (["f0", "f1"], "missing: 'f2'"),
        (["f0", "f1", "f2", "f3"], "unexpected: 'f3'"),
        (["f0", "f1", "f2", "f2"], "rows have 4 features, the model expects 3"),
    ],
)
def test_columns_must_have_the_models_names(
    model: cordwood.Model, columns: list[str], message: str
) -> None:
    with pytest.raises(cordwood.InputError, match=message):
        model.predict(pd.DataFrame(np.zeros((2, len(columns))), columns=columns))


def test_names_are_compared_only_where_both_sides_have_them(rows: np.ndarray) -> None:
    nameless = cordwood.compress(make_graph(Shape(seed=4, n_features=3, n_trees=5)))
    assert not hasattr(nameless, "feature_names_in_")
    assert nameless.predict(frame(rows)).shape == (len(rows),)
    named = cordwood.compress(_named())
    assert named.predict(pd.DataFrame(rows)).shape == (len(rows),)  # columns 0, 1, 2: no names


@pytest.mark.parametrize("live", [True, False])
def test_names_with_blanks_are_those_that_lightgbm_holds(live: bool, tmp_path: Path) -> None:
    """LightGBM stores an underscore for each blank, and nothing else of a name changes."""
    import lightgbm

    numbers = np.random.default_rng(0).normal(size=(200, 2))
    named = pd.DataFrame(numbers, columns=["h h", "a_b"])
    options = {"verbose": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(named, numbers[:, 0]), 3)
    booster.save_model(tmp_path / "model.txt")
    source: Any = booster if live else tmp_path / "model.txt"
    packed = cordwood.compress(source)
    assert packed.feature_names_in_.tolist() == ["h_h", "a_b"]
    expected = booster.predict(numbers, num_threads=1)
    for columns in (["h h", "a_b"], ["h_h", "a_b"], ["h h", "a b"]):
        np.testing.assert_array_equal(packed.predict(named.set_axis(columns, axis=1)), expected)
    assert cordwood.verify(source, packed, named, probes=50).identical
    with pytest.raises(cordwood.InputError, match=r"unexpected: 'h-h'; missing: 'h_h'"):
        packed.predict(named.set_axis(["h-h", "a_b"], axis=1))
    with pytest.raises(cordwood.InputError, match=r"column 0 is 'a_b', .*; reorder them as"):
        packed.predict(named[["a_b", "h h"]])


def test_blanks_are_not_underscores_elsewhere() -> None:
    named = pd.DataFrame(np.arange(12.0).reshape(6, 2), columns=["h h", "a"])
    tree = DecisionTreeRegressor().fit(named, named["a"])
    packed = cordwood.compress(tree)
    np.testing.assert_array_equal(packed.predict(named), tree.predict(named))
    with pytest.raises(cordwood.InputError, match="unexpected: 'h_h'; missing: 'h h'"):
        packed.predict(named.set_axis(["h_h", "a"], axis=1))


def test_a_lazy_frame_is_to_be_collected(model: cordwood.Model, rows: np.ndarray) -> None:
    with pytest.raises(cordwood.InputTypeError, match=r"LazyFrame, .*X\.collect\(\)"):
        model.predict(_polars(rows).lazy())


def test_refused_values_are_named_by_row_and_feature() -> None:
    shape = Shape(seed=4, n_features=3, n_trees=5, accepts_nan=False, accepts_infinity=False)
    model = cordwood.compress(make_graph(shape))
    X = np.zeros((700, 3))
    X[650, 1] = np.nan
    with pytest.raises(cordwood.InputError, match="row 650, feature 1"):
        model.predict(X)
    X[20, 2] = -np.inf
    with pytest.raises(cordwood.InputError, match="row 20, feature 2"):
        model.predict(X)


def test_arguments_are_one_x(model: cordwood.Model) -> None:
    X = np.zeros((1, 3))
    np.testing.assert_array_equal(model.predict(X=X), model.predict(X))
    with pytest.raises(TypeError, match="expected one argument, X; 0 by position"):
        model.predict()
    with pytest.raises(TypeError, match="expected one argument, X; 2 by position"):
        model.predict(X, X)
    with pytest.raises(TypeError, match="1 by name"):
        model.predict(rows=X)
