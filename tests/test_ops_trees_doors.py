"""Arrays that come to trees in odd forms: read as what they hold, or refused in their own words."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import cordwood as cw
from cordwood import _ops_trees_host
from cordwood.errors import InputError, InputTypeError
from oracle_trees import draw_rows, draw_trees

ONE: dict[str, Any] = {
    "feature": np.array([0, -2, 1, -2, -2]),
    "threshold": np.array([0.5, -2.0, 1.5, -2.0, -2.0]),
    "left": np.array([1, -1, 3, -1, -1]),
    "right": np.array([2, -1, 4, -1, -1]),
    "value": np.array([0.0, 10.0, 0.0, 20.0, 30.0]),
}
X = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
EXPECTED = [10.0, 20.0, 30.0]
BIG = 2**53 + 1
"""The first whole number that float64 does not hold."""


def replaced(name: str, **entries: Any) -> dict[str, Any]:
    """Give the arrays with one in another type, some of its entries changed."""
    array = ONE[name].astype(entries.pop("dtype", ONE[name].dtype))
    for at, number in entries.items():
        array[int(at[1:])] = number
    return ONE | {name: array}


# ---- what stands where nobody reads --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint32", "uint64", "int64", "int8"])
def test_no_feature_of_a_leaf_matters(dtype: str) -> None:
    ends = np.iinfo(dtype)
    arrays = replaced("feature", dtype=dtype, _1=ends.max, _3=ends.min, _4=ends.max)
    trees = cw.ops.pack_trees(**arrays)
    assert (trees.n_features, cw.ops.tree_predict(X, trees).tolist()) == (2, EXPECTED)


def test_no_other_number_of_a_leaf_matters() -> None:
    arrays = replaced("threshold", dtype="int64", _0=0, _1=BIG, _3=-BIG)
    trees = cw.ops.pack_trees(**arrays, missing_left=np.array([1, 9, 0, 255, 2], np.uint8))
    assert cw.ops.tree_predict(X, trees).tolist() == EXPECTED
    assert cw.ops.tree_predict([[np.nan, 0.0]], trees).tolist() == [10.0]
    arrays = replaced("value", dtype="int64", _0=BIG)
    assert cw.ops.tree_predict(X, cw.ops.pack_trees(**arrays)).tolist() == EXPECTED


@pytest.mark.parametrize("number", [BIG, -BIG, 2**63 - 1])
def test_integers_that_float64_rounds(number: int) -> None:
    with pytest.raises(InputError, match=rf"threshold\[2\] is {number}, .*holds exactly \(node 2 "):
        cw.ops.pack_trees(**replaced("threshold", dtype="int64", _2=number))
    with pytest.raises(InputError, match=rf"value\[3\] is {number}, a leaf .*holds? exactly"):
        cw.ops.pack_trees(**replaced("value", dtype="int64", _3=number))
    with pytest.raises(InputError, match=rf"tree_weight\[0\] is {number}; .*holds exactly"):
        cw.ops.pack_trees(**ONE, tree_weight=[number])
    with pytest.raises(InputError, match=rf"base is {number}; .*holds exactly"):
        cw.ops.pack_trees(**ONE, base=number)


def test_integers_that_float64_holds() -> None:
    for dtype, number in (("int64", -(2**63)), ("int64", 2**54), ("uint64", 2**63)):
        trees = cw.ops.pack_trees(**replaced("threshold", dtype=dtype, _0=number, _2=1))
        assert cw.ops.tree_predict(X, trees).tolist() == ([20.0, 20.0, 30.0] if number < 0 else
                                                          [10.0] * 3)  # fmt: skip


def test_several_trees_and_no_word_of_where_they_start() -> None:
    twice = {name: np.tile(array, 2) for name, array in ONE.items()}
    with pytest.raises(
        InputError, match=r"is the child of 2 nodes.*; without tree_start all nodes"
    ):
        cw.ops.pack_trees(**twice)
    twice["right"][2] = -1
    with pytest.raises(InputError) as caught:
        cw.ops.pack_trees(**twice, tree_start=[0, 5, 10])
    assert "without tree_start" not in str(caught.value)


# ---- memory --------------------------------------------------------------------------------------


def peak_bytes(call: Any) -> int:
    """Most memory that a call held at a time."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_stray_number_takes_no_memory() -> None:
    cw.ops.pack_trees(**ONE)

    def refuse(arrays: dict[str, Any], name: str) -> None:
        with pytest.raises(InputError, match=f"{name} is "):
            cw.ops.pack_trees(**arrays)

    for arrays, name in (
        (ONE | {"tree_output": [3_000_000]}, r"tree_output\[0\]"),
        (ONE | {"n_features": 2**25}, "n_features"),
        (replaced("feature", _2=2**25), r"feature\[2\]"),
    ):
        assert peak_bytes(functools.partial(refuse, arrays, name)) < 10**6
    assert peak_bytes(lambda: cw.ops.pack_trees(**ONE, n_features=10**5)) < 40 * 10**5


def test_sparse_rows_are_never_made_dense() -> None:
    trees = cw.ops.pack_trees(**ONE, n_features=20_000)
    rows = scipy.sparse.random(500, 20_000, density=0.001, format="csr", random_state=0)
    out = np.empty(500)
    assert cw.ops.tree_predict(rows, trees, out=out) is out
    np.testing.assert_array_equal(out, cw.ops.tree_predict(rows.toarray(), trees))
    assert peak_bytes(lambda: cw.ops.tree_predict(rows, trees, out=out)) < 10**6
    with pytest.raises(InputError, match="out shares memory with X"):
        cw.ops.tree_predict(rows, trees, out=rows.data[:500])
    leaves = np.empty((500, 1), np.int32)
    cw.ops.tree_predict(rows.tocoo(), trees, output="leaf", out=leaves)
    np.testing.assert_array_equal(leaves, cw.ops.tree_predict(rows, trees, output="leaf"))


# ---- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [np.zeros((2, 6)), [[0.0] * 6], scipy.sparse.csr_array((2, 6))])
@pytest.mark.parametrize("out", [None, np.empty(2)])
def test_columns_that_pack_trees_was_told_or_not(rows: Any, out: Any) -> None:
    message = (
        "rows have 6 features, the trees expect 2, .*not told n_features; pass it n_features=6$"
    )
    with pytest.raises(InputError, match=message):
        cw.ops.tree_predict(rows, cw.ops.pack_trees(**ONE), out=out)
    message = "rows have 6 features, the trees expect 4, the n_features that pack_trees was told$"
    with pytest.raises(InputError, match=message):
        cw.ops.tree_predict(rows, cw.ops.pack_trees(**ONE, n_features=4), out=out)
    message = "rows have 6 features, the trees expect 9, .*was not told n_features$"
    with pytest.raises(InputError, match=message):
        cw.ops.tree_predict(rows, cw.ops.pack_trees(**replaced("feature", _2=8)), out=out)


def test_tensors_of_torch_on_the_host() -> None:
    torch = pytest.importorskip("torch")
    trees = cw.ops.pack_trees(**ONE)
    for rows in (torch.tensor(X, requires_grad=True), torch.tensor(X, dtype=torch.bfloat16)):
        assert cw.ops.tree_predict(rows, trees).tolist() == EXPECTED
        found = cw.ops.tree_predict(rows, trees, out=np.empty(3))
        assert (type(found), found.tolist()) == (np.ndarray, EXPECTED)
        assert cw.load(trees.data).predict(rows).tolist() == EXPECTED
    for options in ({"requires_grad": True}, {"dtype": torch.bfloat16}):
        held = {name: torch.tensor(ONE[name], **options) for name in ("threshold", "value")}
        weights = {name: torch.tensor([1.0], **options) for name in ("tree_weight", "base")}
        again = cw.ops.pack_trees(**ONE | held, **weights)
        assert cw.ops.tree_predict(X, again).tolist() == [11.0, 21.0, 31.0]
    with pytest.raises(InputTypeError, match="rows are a Tensor that makes no NumPy array: "):
        cw.ops.tree_predict(torch.tensor(X).to_sparse(), trees)
    with pytest.raises(InputTypeError, match="threshold is a Tensor that makes no NumPy array: "):
        cw.ops.pack_trees(**ONE | {"threshold": torch.zeros(5).to_sparse()})


# ---- out -----------------------------------------------------------------------------------------


def test_out_beside_rows_in_the_same_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = draw_trees(3, n_trees=4)
    trees = cw.ops.pack_trees(**arrays.arguments())
    held = np.zeros((6, 40))
    held[::2] = draw_rows(4, 40).T
    rows, expected = held[::2].T, arrays.margins(held[::2].T)[:, 0]
    assert cw.ops.tree_predict(rows, trees, out=held[1]) is not None
    np.testing.assert_array_equal(held[1], expected)
    np.testing.assert_array_equal(arrays.margins(rows)[:, 0], expected)
    with pytest.raises(InputError, match="out shares memory with X; expected an array of its own"):
        cw.ops.tree_predict(rows, trees, out=held[2])

    def give_up(*_: Any, max_work: int) -> bool:
        assert max_work > 0
        raise _ops_trees_host._TooHard

    monkeypatch.setattr(np, "shares_memory", give_up)
    with pytest.raises(InputError, match="out may share memory with X, too tangled to tell"):
        cw.ops.tree_predict(rows, trees, out=held[1])


def test_what_keeps_out_from_being_written_is_named() -> None:
    trees = cw.ops.pack_trees(**ONE)
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    unaligned = np.frombuffer(bytearray(25), np.float64, offset=1)
    for out, fault in (
        (np.zeros(6)[::2], r"not in C order \(its strides are \(16,\)\)"),
        (frozen, "read-only"),
        (unaligned, "not aligned to its elements"),
    ):
        message = rf"out is float64 \(3,\), {fault}; expected a writable C-ordered float64 array"
        with pytest.raises(InputError, match=message):
            cw.ops.tree_predict(X, trees, out=out)
    unaligned = np.frombuffer(bytearray(13), np.float32, offset=1)
    with pytest.raises(InputError, match="not aligned to its elements; expected"):
        cw.ops.qmatmul(np.ones(64), cw.ops.quantize(np.eye(3, 64)), out=unaligned)


def test_cores_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trees = cw.ops.pack_trees(**ONE)
    out = np.empty(3)
    cw.ops.tree_predict(X, trees, threads=None, out=out)
    monkeypatch.setattr("cordwood._core.resolve_threads", None)
    assert cw.ops.tree_predict(X, trees, threads=None, out=out).tolist() == EXPECTED


# ---- what is prepared ----------------------------------------------------------------------------


def test_replaced_trees_answer_with_their_own_data() -> None:
    trees = cw.ops.pack_trees(**ONE)
    other = cw.ops.pack_trees(**ONE | {"value": -ONE["value"]})
    assert cw.ops.tree_predict(X, trees).tolist() == EXPECTED
    held = dataclasses.asdict(trees)
    assert held["data"] == trees.data
    for again in (cw.ops.PackedTrees(**held), copy.copy(trees), copy.deepcopy(trees)):
        assert again._prepared is not trees._prepared
        assert cw.ops.tree_predict(X, again).tolist() == EXPECTED
    changed = dataclasses.replace(trees, data=other.data)
    assert cw.ops.tree_predict(X, changed).tolist() == [-10.0, -20.0, -30.0]


def test_replaced_weights_multiply_with_their_own() -> None:
    w = np.eye(64, dtype=np.float32)
    x = np.ones((1, 64), np.float32)
    for pack, multiply, name in (
        (cw.ops.quantize, cw.ops.qmatmul, "scales"),
        (cw.ops.pack_dense, cw.ops.qmatmul, "numbers"),
        (lambda w: cw.ops.pack_sparse(w, w != 0), cw.ops.sparse_matmul, "scales"),
    ):
        weights, twice = pack(w), pack(2 * w)
        first = multiply(x, weights)
        changed = dataclasses.replace(weights, **{name: getattr(twice, name)})
        np.testing.assert_array_equal(multiply(x, changed), multiply(x, twice))
        again = type(weights)(**dataclasses.asdict(weights))
        for same in (again, pickle.loads(pickle.dumps(weights))):
            np.testing.assert_array_equal(multiply(x, same), first)
