"""Trees of flat arrays as people hold them: every answer is the walk's, every fault is named."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import cordwood as cw
from cordwood.errors import InputError, InputTypeError
from oracle_trees import draw_rows, draw_trees

FLOATS = st.sampled_from(("float32", "float64"))
ROW_TYPES = ("float64", "float32", "int64", "int8", "uint16", "bool")

ONE: dict[str, Any] = {
    "feature": [0, -2, 1, -2, -2],
    "threshold": [0.5, -2.0, 1.5, -2.0, -2.0],
    "left": [1, -1, 3, -1, -1],
    "right": [2, -1, 4, -1, -1],
    "value": [0.0, 10.0, 0.0, 20.0, 30.0],
}
"""A tree of three leaves over two features."""

TWO: dict[str, Any] = {name: held * 2 for name, held in ONE.items()} | {"tree_start": [0, 5, 10]}


def same(found: Any, expected: np.ndarray) -> None:
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


# ---- drawn trees ---------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    n_trees=st.integers(1, 9),
    most_leaves=st.sampled_from((1, 2, 5, 17, 70)),
    n_outputs=st.integers(1, 3),
    vectors=st.booleans(),
    comparison=st.sampled_from(("le", "lt")),
    input_type=FLOATS,
    accumulate_type=FLOATS,
    aggregate=st.sampled_from(("sum", "average")),
    n_rows=st.sampled_from((0, 1, 2, 9, 40)),
    dtype=st.sampled_from(ROW_TYPES),
)
def test_answers_are_those_of_the_walk(
    seed: int, n_rows: int, dtype: str, n_outputs: int, vectors: bool, **drawn: Any
) -> None:
    arrays = draw_trees(seed, n_outputs=n_outputs, vectors=vectors, **drawn)
    trees = cw.ops.pack_trees(**arrays.arguments())
    X = draw_rows(seed + 1, n_rows, dtype=dtype)
    margins = arrays.margins(X)
    flat = n_outputs == 1 and not vectors
    same(cw.ops.tree_predict(X, trees), margins[:, 0] if flat else margins)
    same(cw.ops.tree_predict(X, trees, output="leaf"), arrays.leaves(X))


def test_rows_lie_anyhow() -> None:
    arrays = draw_trees(3, n_trees=20, most_leaves=40)
    trees = cw.ops.pack_trees(**arrays.arguments())
    X = draw_rows(4, 60)
    expected = arrays.margins(X)[:, 0]
    frozen = X.copy()
    frozen.flags.writeable = False
    wide = np.tile(X, (2, 3))
    swapped = X.astype(">f8")
    for rows in (frozen, np.asfortranarray(X), wide[:60, 3:6], swapped, X.tolist()):
        same(cw.ops.tree_predict(rows, trees), expected)
    same(cw.ops.tree_predict(X[::-2], trees), expected[::-2])
    same(cw.ops.tree_predict(scipy.sparse.csr_array(np.nan_to_num(X, posinf=9, neginf=-9)), trees),
         arrays.margins(np.nan_to_num(X, posinf=9, neginf=-9))[:, 0])  # fmt: skip
    half = np.clip(X, -6e4, 6e4).astype(np.float16)
    same(cw.ops.tree_predict(half, trees), arrays.margins(half)[:, 0])


def test_threads_and_batches_change_no_bit() -> None:
    arrays = draw_trees(5, n_trees=30, most_leaves=30)
    trees = cw.ops.pack_trees(**arrays.arguments())
    X = np.tile(draw_rows(6, 100), (40, 1))
    expected = np.tile(arrays.margins(X[:100])[:, 0], 40)
    for threads in (1, 2, 5, None):
        same(cw.ops.tree_predict(X, trees, threads=threads), expected)
    same(np.concatenate([cw.ops.tree_predict(X[i : i + 1], trees) for i in range(70)]),
         expected[:70])  # fmt: skip
    with ThreadPoolExecutor(4) as pool:
        fresh = pickle.loads(pickle.dumps(trees))
        for found in pool.map(lambda _: cw.ops.tree_predict(X, fresh), range(8)):
            same(found, expected)


# ---- the packed trees ----------------------------------------------------------------------------


def test_packed_trees_are_a_model() -> None:
    arrays = draw_trees(8, n_outputs=2, vectors=True)
    trees = cw.ops.pack_trees(**arrays.arguments())
    model = cw.load(trees.data)
    X = draw_rows(9, 40)
    same(model.predict(X), cw.ops.tree_predict(X, trees))
    same(model.apply(X), cw.ops.tree_predict(X, trees, output="leaf"))
    assert model.n_trees == trees.n_trees == 3
    assert trees.nbytes == len(trees.data)
    assert re.fullmatch(
        rf"PackedTrees\(3 trees, {trees.n_nodes} nodes, 3 features, 2 outputs, [\d,]+ bytes\)",
        repr(trees),
    )


def test_pickling_keeps_the_bytes_alone() -> None:
    trees = cw.ops.pack_trees(**ONE)
    X = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    expected = cw.ops.tree_predict(X, trees)
    assert expected.tolist() == [10.0, 20.0, 30.0]
    restored = pickle.loads(pickle.dumps(trees))
    assert trees._prepared
    assert not restored._prepared
    assert restored.data == trees.data
    same(cw.ops.tree_predict(X, restored), expected)


def test_the_arrays_are_not_kept() -> None:
    held = {name: np.array(array) for name, array in ONE.items()}
    trees = cw.ops.pack_trees(**held)
    for array in held.values():
        assert array.flags.writeable
        array[:] = 0
    assert cw.ops.tree_predict(np.zeros((1, 2)), trees).tolist() == [10.0]


def test_features_and_outputs_are_counted_where_nobody_says() -> None:
    assert cw.ops.pack_trees(**ONE).n_features == 2
    leaf = cw.ops.pack_trees([-2], [0.0], [-1], [-1], [4.0])
    assert (leaf.n_features, leaf.n_nodes, leaf.flat) == (1, 1, True)
    assert cw.ops.tree_predict(np.zeros((2, 1)), leaf).tolist() == [4.0, 4.0]
    assert cw.ops.pack_trees(**TWO, tree_output=[0, 1]).n_outputs == 2
    assert cw.ops.pack_trees(**TWO, tree_output=[0, 2], base=np.zeros(3)).n_outputs == 3
    assert cw.ops.pack_trees(**TWO, tree_output=[0, 1], base=np.zeros(4)).n_outputs == 4
    column = cw.ops.pack_trees(**ONE | {"value": np.reshape(ONE["value"], (5, 1))})
    assert cw.ops.tree_predict(np.zeros((2, 2)), column).shape == (2, 1)
    assert cw.ops.tree_predict(np.zeros((2, 2)), column, output="leaf").tolist() == [[1], [1]]


# ---- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_rows", [0, 1, 33])
@pytest.mark.parametrize("vectors", [False, True])
def test_answers_go_where_they_are_told(n_rows: int, vectors: bool) -> None:
    arrays = draw_trees(10, n_outputs=2 if vectors else 1, vectors=vectors)
    trees = cw.ops.pack_trees(**arrays.arguments())
    X = draw_rows(11, n_rows)
    for output in ("margin", "leaf"):
        expected = cw.ops.tree_predict(X, trees, output=output)
        unaligned = np.frombuffer(b"." + X.tobytes(), offset=1).reshape(X.shape)
        for rows in (X, np.asfortranarray(X), X.astype(">f8"), unaligned, X.tolist()):
            if n_rows == 0 and type(rows) is list:
                continue
            out = np.full_like(expected, 77)
            assert cw.ops.tree_predict(rows, trees, output=output, out=out) is out
            same(out, expected)


def test_out_that_cannot_take_the_answer() -> None:
    trees = cw.ops.pack_trees(**ONE)
    X = np.zeros((4, 2))
    frozen = np.zeros(4)
    frozen.flags.writeable = False
    for out in (np.zeros(3), np.zeros((4, 1)), np.zeros(4, np.float32), np.zeros(8)[::2], frozen):
        with pytest.raises(
            InputError, match=r"out is .*expected a writable C-ordered float64 .*4,"
        ):
            cw.ops.tree_predict(X, trees, out=out)
    with pytest.raises(InputError, match=r"out is list; expected"):
        cw.ops.tree_predict(X, trees, out=[0.0] * 4)
    with pytest.raises(InputError, match="out shares memory with X"):
        cw.ops.tree_predict(X, trees, out=X.ravel()[:4])


# ---- what is refused -----------------------------------------------------------------------------

FAULTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "child beyond": (
        {"right": [2, -1, 5, -1, -1]}, InputError, r"right\[7\] is 5, .*\(node 2 of tree 1\)",
    ),
    "child negative": ({"left": [-5, -1, 3, -1, -1]}, InputError, r"left\[5\] is -5.*node 0"),
    "child is root": ({"left": [1, -1, 0, -1, -1]}, InputError, r"left\[7\] is 0.*2 of tree 1"),
    "wide child": (
        {"left": [2**40, -1, 3, -1, -1]}, InputError, r"left\[5\] is 1099511627776; .*int32",
    ),
    "shared child": (
        {"right": [2, -1, 3, -1, -1]}, InputError, r"child of 2 nodes, .*\(node 3 of tree 1\); the",
    ),
    "unreachable": (
        {"left": [1, -1, -1, -1, -1], "right": [2, -1, -1, -1, -1]}, InputError,
        r"child of 0 nodes, expected 1 \(node 3 of tree 1\)",
    ),
    "cycle": (
        {"left": [-1, 2, 1, -1, -1], "right": [-1, 3, 4, -1, -1], "feature": [0, 0, 1, 0, 0]},
        InputError, r"lies on a cycle, .*\(node 1 of tree 1\); the nodes of a tree lie side by",
    ),
    "one child": ({"right": [2, -1, -1, -1, -1]}, InputError, r"right\[7\] is -1.*2 of tree 1"),
    "one child, left": ({"left": [1, -1, -1, -1, -1]}, InputError, r"right\[7\] is 4, expected -1"),
    "no feature": ({"feature": [0, -2, -2, -2, -2]}, InputError, r"feature\[7\] is -2.*of tree 1"),
    "nan cut": (
        {"threshold": [0.5, 0, np.nan, 0, 0]}, InputError,
        r"threshold\[7\] is nan, expected a number where a node compares \(node 2 of tree 1\)$",
    ),
    "nan leaf": (
        {"value": [0, 1, 0, np.nan, 1]}, InputError, r"value\[8\] is nan, a leaf \(node 3 of t",
    ),
    "infinite leaf": ({"value": [0, -np.inf, 0, 1, 1]}, InputError, r"value\[6\] is -inf"),
    "short": ({"feature": [0, -2, 1, -2]}, InputError, r"feature has shape \(9,\); expected \(10,"),
    "long value": ({"value": [0.0] * 6}, InputError, r"value has shape \(11,\); expected \(n_no"),
    "float children": ({"left": [1.0, -1, 3, -1, -1]}, InputTypeError, "left has dtype float64"),
    "words": ({"threshold": ["a"] * 5}, InputTypeError, "threshold has dtype <U"),
    "complex": ({"value": [1j] * 5}, InputTypeError, "value has dtype complex128"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_second_tree_is_named(fault: str) -> None:
    change, error, message = FAULTS[fault]
    arrays = {name: ONE[name] + change.get(name, ONE[name]) for name in ONE}
    with pytest.raises(error, match=message):
        cw.ops.pack_trees(**arrays, tree_start=[0, 5, 10])


OPTION_FAULTS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "few columns": (
        {"n_features": 1}, InputError,
        r"feature\[2\] is 1, expected 0 to 0 as n_features is 1 \(node 2 of tree 0\)$",
    ),
    "many columns": ({"n_features": 2**31 - 1}, InputError, "n_features is 2147483647; expected a"),
    "flag": ({"n_features": True}, InputTypeError, "n_features is True; expected a whole"),
    "garbage feature": (
        {"feature": [0, -2, 1, -2, -2, 0, -2, 2**30, -2, -2]}, InputError,
        r"feature\[7\] is 1073741824, expected 0 to 16777215 \(node 2 of tree 1\)$",
    ),
    "no columns": ({"n_features": 0}, InputError, "n_features is 0; expected a number from 1"),
    "columns": ({"n_features": 2.5}, InputTypeError, "n_features is 2.5; expected a whole"),
    "start": ({"tree_start": [0, 3]}, InputError, "tree_start runs from 0 to 3, expected 0 to 10"),
    "start empty": ({"tree_start": []}, InputError, "tree_start runs from nowhere: it is empty"),
    "empty tree": ({"tree_start": [0, 0, 10]}, InputError, r"tree_start\[1\] is 0, expected more"),
    "outputs": ({"tree_output": [0]}, InputError, "tree_output has 1 entries; expected 2"),
    "output": ({"tree_output": [0, -1]}, InputError, r"tree_output\[1\] is -1, expected 0 to 1"),
    "many outputs": (
        {"tree_output": [0, 2**31 - 1]}, InputError,
        r"tree_output\[1\] is 2147483647, expected 0 to 1: each needs a tree, unless base lists",
    ),
    "output of no base": (
        {"tree_output": [0, 1], "base": [0.5]}, InputError,
        r"tree_output\[1\] is 1, expected 0 to 0: base lists 1 outputs$",
    ),
    "vectors": (
        {"tree_output": [0, 1], "value": np.zeros((10, 2))}, InputError, "leaves hold 2 values",
    ),
    "third axis": (
        {"value": np.zeros((10, 2, 1))}, InputError, r"value has shape \(10, 2, 1\).*\[:, :, 0\]",
    ),
    "third axis, one output": (
        {"value": np.zeros((10, 1, 1))}, InputError, r"take \[:, 0, 0\] for a regr.*, \[:, 0, :\]",
    ),
    "weights": ({"tree_weight": [1.0]}, InputError, r"tree_weight has shape \(1,\); expected \(2,"),
    "weight": ({"tree_weight": [1, np.nan]}, InputError, "tree_weight holds nan at 1"),
    "base": ({"base": [1.0, 2.0]}, InputError, r"base has shape \(2,\); expected \(1,\)"),
    "base inf": ({"base": np.inf}, InputError, "base is inf; expected a finite number"),
    "base nan": ({"base": [np.nan]}, InputError, r"base\[0\] is nan; expected a finite number"),
    "base wide": (
        {"base": 1e300, "accumulate_type": "float32"}, InputError,
        r"base is 1e\+300; expected a number that float32 holds$",
    ),
    "overflow": (
        {"tree_weight": [1.0, 1e38], "accumulate_type": "float32"}, InputError,
        r"value\[6\] is 10.0, a leaf \(node 1 of tree 1\), and the weight of its tree 1e\+38; exp",
    ),
    "missing": ({"missing_left": [2] * 10}, InputError, r"missing_left\[0\] is 2; expected 0 or 1"),
    "missing type": ({"missing_left": [0.0] * 10}, InputTypeError, "missing_left has dtype float"),
    "comparison": ({"comparison": "<="}, InputError, "comparison is '<=', expected one of 'le'"),
    "input_type": ({"input_type": "float16"}, InputError, "input_type is 'float16', expected"),
    "accumulate_type": ({"accumulate_type": "int"}, InputError, "accumulate_type is 'int'"),
    "aggregate": ({"aggregate": "weighted_median"}, InputError, "aggregate is 'weighted_median'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", OPTION_FAULTS)
def test_a_fault_of_an_option_is_named(fault: str) -> None:
    change, error, message = OPTION_FAULTS[fault]
    with pytest.raises(error, match=message):
        cw.ops.pack_trees(**TWO | change)


def test_no_nodes_and_ragged_arrays_are_refused() -> None:
    with pytest.raises(InputError, match="left has no entry; expected at least one tree"):
        cw.ops.pack_trees([], [], [], [], [])
    with pytest.raises(InputError, match="value makes no array"):
        cw.ops.pack_trees(**ONE | {"value": [[1.0], [1.0, 2.0]] * 2 + [[1.0]]})
    with pytest.raises(InputTypeError, match="threshold has dtype float128; expected float64"):
        cw.ops.pack_trees(**ONE | {"threshold": np.longdouble(ONE["threshold"])})


def test_a_deep_tree_is_refused() -> None:
    depth = 4097
    left = np.full(2 * depth + 1, -1)
    right = left.copy()
    inner = np.arange(0, 2 * depth, 2)
    left[inner], right[inner] = inner + 1, inner + 2
    zeros = np.zeros(2 * depth + 1)
    with pytest.raises(InputError, match=r"tree 0 is deeper than 4096 levels, .* 4096$"):
        cw.ops.pack_trees(zeros.astype(int), zeros, left, right, zeros)


def test_rows_and_options_that_do_not_fit() -> None:
    trees = cw.ops.pack_trees(**ONE)
    X = np.zeros((3, 2))
    with pytest.raises(InputTypeError, match=r"trees is a dict; expected what ops.pack_trees"):
        cw.ops.tree_predict(X, ONE)
    for output in ("leaves", ["margin"], None):
        with pytest.raises(InputError, match=r"output is .*; expected 'margin' or 'leaf'"):
            cw.ops.tree_predict(X, trees, output=output)
    with pytest.raises(InputError, match="threads is 0, expected"):
        cw.ops.tree_predict(X, trees, threads=0)
    for out in (None, np.empty(3)):
        with pytest.raises(InputError, match=r"rows have 3 .* not told .* pass it n_features=3$"):
            cw.ops.tree_predict(np.zeros((3, 3)), trees, out=out)
    with pytest.raises(InputError, match="rows have 1 dimensions, expected 2"):
        cw.ops.tree_predict(X[0], trees)
    with pytest.raises(InputTypeError, match="rows have dtype complex128"):
        cw.ops.tree_predict(X.astype(complex), trees)
    X[1, 1] = np.nan
    for out in (None, np.empty(3)):
        with pytest.raises(InputError, match="row 1, feature 1 is NaN"):
            cw.ops.tree_predict(X, trees, out=out)
    X[1, 1] = np.inf
    assert cw.ops.tree_predict(X + 1, trees).tolist() == [20.0, 30.0, 20.0]


def test_binned_rows_are_refused() -> None:
    trees = cw.ops.pack_trees(**ONE)
    bins = cw.load(trees.data).bin(np.zeros((3, 2)))
    for out in (None, np.empty(3)):
        with pytest.raises(InputTypeError, match="they are binned already"):
            cw.ops.tree_predict(bins, trees, out=out)
