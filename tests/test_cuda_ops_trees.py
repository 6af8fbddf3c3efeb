"""Trees of flat arrays answer rows of a device there, with the bits of the host's."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import _ops_trees
from cordwood.errors import DeviceError, InputError, InputTypeError
from emulated_arrays import (
    Capsule,
    CupyArray,
    Device,
    Foreign,
    Streamed,
    Tensor,
    cupy_module,
    torch_module,
)
from emulated_cuda import DEVICE, Emulator
from oracle_trees import Trees, draw_rows, draw_trees

pytestmark = pytest.mark.usefixtures("emulator")

KINDS = [CupyArray, Tensor]


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put stand-ins in place of both libraries, and the emulated device in CUDA's."""
    monkeypatch.setitem(sys.modules, "cupy", cupy_module())
    monkeypatch.setitem(sys.modules, "torch", torch_module())
    monkeypatch.setattr(_ops_trees, "_DEVICE", DEVICE)


def drawn(**options: Any) -> tuple[Trees, cw.ops.PackedTrees]:
    arrays = draw_trees(1, n_trees=9, most_leaves=20, **options)
    return arrays, cw.ops.pack_trees(**arrays.arguments())


def same(found: Any, expected: np.ndarray, kind: type = CupyArray) -> None:
    assert type(found) is kind
    found = found.get()
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_rows", [0, 1, 33, 600])
@pytest.mark.parametrize("vectors", [False, True])
def test_answers_are_those_of_the_walk(kind: Any, n_rows: int, vectors: bool) -> None:
    arrays, trees = drawn(n_outputs=2 if vectors else 1, vectors=vectors)
    X = draw_rows(2, n_rows)
    margins = arrays.margins(X)
    rows = kind.of(X)
    same(cw.ops.tree_predict(rows, trees), margins if vectors else margins[:, 0], kind)
    same(cw.ops.tree_predict(rows, trees, output="leaf"), arrays.leaves(X), kind)
    assert rows.get().tobytes() == X.tobytes()


@pytest.mark.parametrize("options", [
    {"comparison": "lt", "input_type": "float64"}, {"aggregate": "average"},
    {"accumulate_type": "float32"}, {"n_outputs": 3},
])  # fmt: skip
def test_every_rule(options: dict[str, Any]) -> None:
    arrays, trees = drawn(**options)
    for dtype in ("float64", "float32", "int16", "bool"):
        X = draw_rows(3, 100, dtype=dtype)
        expected = arrays.margins(X) if "n_outputs" in options else arrays.margins(X)[:, 0]
        same(cw.ops.tree_predict(CupyArray.of(X), trees), expected)


def test_views_and_other_libraries(emulator: Emulator) -> None:
    arrays, trees = drawn()
    X = draw_rows(4, 200)
    expected = arrays.margins(X)[:, 0]
    wide, columns = CupyArray.of(np.tile(X, 3)), CupyArray.of(np.ascontiguousarray(X.T))
    stream = emulator.create_stream()
    for rows in (wide[:, 3:6], columns.T, Capsule(wide[:, :3]), Streamed(wide[:, :3], stream)):
        same(cw.ops.tree_predict(rows, trees), expected)
    assert emulator.last_stream() == stream
    assert emulator.destroy_stream(stream) == 0
    same(cw.ops.tree_predict(wide[::-2, :3], trees), expected[::-2])


@pytest.mark.parametrize("kind", KINDS)
def test_answers_go_where_they_are_told(kind: Any) -> None:
    for vectors in (False, True):
        arrays, trees = drawn(n_outputs=2 if vectors else 1, vectors=vectors)
        X = draw_rows(5, 50)
        margins = arrays.margins(X)
        for output, expected in (
            ("margin", margins if vectors else margins[:, 0]),
            ("leaf", arrays.leaves(X)),
        ):
            out = kind.of(np.zeros_like(expected))
            found = cw.ops.tree_predict(kind.of(X), trees, output=output, out=out)
            assert found is out
            same(out, expected, kind)


def test_out_that_cannot_take_the_answer() -> None:
    _, trees = drawn()
    X = CupyArray.of(draw_rows(6, 50))
    host = np.zeros(50)
    twice = CupyArray.of(np.zeros(100))[::2]
    for out in (host, CupyArray.of(np.zeros(49)), CupyArray.of(np.zeros((50, 1))), twice,
                CupyArray.of(np.zeros(50, np.float32)), CupyArray.of(host, 4)):  # fmt: skip
        with pytest.raises(
            InputError,
            match=r"out is .*; expected a writable C-ordered float64 array of shape \(50,\)",
        ):
            cw.ops.tree_predict(X, trees, out=out)
    both = CupyArray.of(np.zeros(250))
    rows, elsewhere = both[:150], both[150:200]
    rows = CupyArray(both.block, 0, (50, 3), (24, 8), np.float64)
    assert cw.ops.tree_predict(rows, trees, out=elsewhere) is elsewhere
    for out in (both[149:199], both[:50], both[60:110]):
        with pytest.raises(
            InputError, match="out shares memory with X; expected an array of its own"
        ):
            cw.ops.tree_predict(rows, trees, out=out)
    with pytest.raises(InputError, match="out is CupyArray; expected a writable"):
        cw.ops.tree_predict(X.get(), trees, out=CupyArray.of(host))


def test_a_device_keeps_a_model_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORDWOOD_EMULATED_DEVICES", "2")
    arrays, trees = drawn()
    X = draw_rows(7, 40)
    expected = arrays.margins(X)[:, 0]
    here = CupyArray.of(X)
    with Device(1):
        there = CupyArray.of(X)
    for _ in range(2):
        same(cw.ops.tree_predict(here, trees), expected)
        for rows in (there, Foreign(there, None)):
            found = cw.ops.tree_predict(rows, trees)
            assert found.device.id == 1
            same(found, expected)
        with Device(1):
            same(cw.ops.tree_predict(here, trees), expected)
    kept = {key: held for key, held in trees._prepared.items() if key[0] == DEVICE}
    assert {key: model.ordinal for key, model in kept.items()} == {(DEVICE, 0): 0, (DEVICE, 1): 1}
    with Device(1):
        out = CupyArray.of(np.zeros(40))
    with pytest.raises(DeviceError, match=r"answer: in the memory of device 1.*is on device 0"):
        cw.ops.tree_predict(here, trees, out=out)
    assert not pickle.loads(pickle.dumps(trees))._prepared
    assert type(cw.ops.tree_predict(X, trees)) is np.ndarray


def test_rows_that_do_not_fit() -> None:
    arrays = draw_trees(1)
    del arrays.options["missing_left"]
    trees = cw.ops.pack_trees(**arrays.arguments())
    X = np.zeros((30, 3))
    with pytest.raises(InputError, match="rows have 2 features, the trees expect 3"):
        cw.ops.tree_predict(CupyArray.of(X[:, :2]), trees)
    with pytest.raises(InputError, match="X has 1 axes, expected 2"):
        cw.ops.tree_predict(CupyArray.of(X[0]), trees)
    with pytest.raises(InputTypeError, match="X has dtype complex128"):
        cw.ops.tree_predict(CupyArray.of(X.astype(complex)), trees)
    with pytest.raises(InputError, match="threads is 0"):
        cw.ops.tree_predict(CupyArray.of(X), trees, threads=0)
    X[20, 1] = np.nan
    with pytest.raises(InputError, match="row 20, feature 1 is NaN"):
        cw.ops.tree_predict(CupyArray.of(X), trees)


def test_arrays_of_a_device_are_not_packed() -> None:
    _, trees = drawn()
    assert trees.n_trees == 9
    numbers = CupyArray.of(np.zeros(1))
    with pytest.raises(InputTypeError, match=r"left lies in a CUDA.*tree_predict run there"):
        cw.ops.pack_trees([-1], [0.0], numbers, [-1], [1.0])
