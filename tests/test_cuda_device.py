"""A model on a real device has the bits that it has on the processor, wherever the rows lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cordwood
from cordwood import _core
from cordwood.ir import TreeEnsemble
from drawn import Shape, make_graph, make_rows
from oracle_trees import draw_rows, draw_trees

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.cord"))
EXACT = ("margin", "leaves")
"""Targets that no link has rounded."""

SIZES = (1, 31, 33, 300, 1025)
"""Rows: around a warp, a tile of the walk, a tile of slices."""

SHAPES = {
    "few leaves": Shape(seed=1, n_features=7, n_trees=40, max_leaves=31),
    "slices' most leaves": Shape(seed=2, n_features=20, n_trees=33, max_leaves=64),
    "a walk of bytes": Shape(seed=3, n_features=20, n_trees=17, max_leaves=256),
    "a walk of halfwords": Shape(seed=4, n_features=20, n_trees=9, max_leaves=3000),
    "many cuts": Shape(seed=5, n_features=9, n_trees=60, max_leaves=64, many_cuts=True),
    "many features": Shape(seed=6, n_features=400, n_trees=50, max_leaves=31),
    "float32": Shape(seed=7, n_features=31, n_trees=25, input_type="float32"),
    "categories": Shape(seed=8, n_features=6, n_trees=30, category_rule="floor"),
    "vector leaves": Shape(seed=9, n_outputs=4, n_trees=20, vector_leaves=True),
}

pytestmark = pytest.mark.gpu


def _on_both(file: bytes) -> tuple[Any, Any]:
    try:
        there = cordwood.load(file, device="cuda")
    except cordwood.UnsupportedMethodError as error:
        pytest.skip(f"not for this device: {error}")
    return there, cordwood.load(file)


def _agree(target: str, found: np.ndarray, expected: np.ndarray) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), target
    if target in EXACT or expected.dtype.kind not in "f":
        assert found.tobytes() == expected.tobytes(), target
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6 if found.itemsize == 4 else 1e-13)


def _check_targets(file: bytes, rows: np.ndarray, sizes: tuple[int, ...]) -> None:
    there, here = _on_both(file)
    for n_rows in sizes:
        some = np.resize(rows, (n_rows, rows.shape[1]))
        for target in _core.Model(file, device="cpu").targets():
            _agree(target, there._run(some, target), here._run(some, target))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path: Path) -> None:
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        rows = stored["rows"]
    _check_targets(path.read_bytes(), rows, (len(rows),))


@pytest.mark.parametrize("name", SHAPES)
def test_drawn_models(name: str) -> None:
    graph = make_graph(SHAPES[name])
    file = cordwood.compress(graph).to_bytes()
    trees = next(op for op in graph.operators if isinstance(op, TreeEnsemble))
    _check_targets(file, make_rows(trees, 512, seed=1), SIZES)


def test_a_batch_of_many_rows() -> None:
    """From 2^18 rows on, a thread adds the leaves of several."""
    for name in ("few leaves", "vector leaves"):
        graph = make_graph(SHAPES[name])
        trees = next(op for op in graph.operators if isinstance(op, TreeEnsemble))
        rows = make_rows(trees, 5000, seed=1)
        _check_targets(cordwood.compress(graph).to_bytes(), rows, ((1 << 18) + 3,))


def test_many_rows_of_the_host_go_over_two_slots() -> None:
    """Some slots of 4 MiB each way, packed from rows of any strides."""
    graph = make_graph(SHAPES["few leaves"])
    there, here = _on_both(cordwood.compress(graph).to_bytes())
    trees = next(op for op in graph.operators if isinstance(op, TreeEnsemble))
    rows = np.resize(make_rows(trees, 5000, seed=1), (300_001, trees.n_features))
    for given in (np.asfortranarray(rows), rows[::-1], np.repeat(rows, 2, axis=1)[:, ::2]):
        for target in EXACT:
            _agree(target, there._run(given, target), here._run(given, target))
        assert there.bin(given).to_bytes() == here.bin(given).to_bytes()


@pytest.mark.parametrize("library", ["cupy", "torch"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_the_device_answer_there(library: str, dtype: str) -> None:
    arrays = pytest.importorskip(library)
    file = cordwood.compress(make_graph(SHAPES["few leaves"])).to_bytes()
    there, here = _on_both(file)
    draw = np.random.default_rng(0)
    for n_rows in SIZES:
        rows = draw.standard_normal((n_rows, here.n_features_in_)).astype(dtype)
        given = arrays.asarray(rows) if library == "cupy" else arrays.from_numpy(rows).cuda()
        answer = there.predict(given)
        assert type(answer).__module__.partition(".")[0] == library
        found = answer.get() if library == "cupy" else answer.cpu().numpy()
        assert found.tobytes() == here.predict(rows).tobytes()
        # Every second column of a wider array: strides are read, not copied.
        wide = np.repeat(rows, 2, axis=1)
        given = arrays.asarray(wide) if library == "cupy" else arrays.from_numpy(wide).cuda()
        answer = there.predict(given[:, ::2])
        found = answer.get() if library == "cupy" else answer.cpu().numpy()
        assert found.tobytes() == here.predict(rows).tobytes()


@pytest.mark.parametrize("library", ["cupy", "torch"])
@pytest.mark.parametrize("output", ["margin", "leaf"])
def test_trees_of_arrays_answer_there(library: str, output: Any) -> None:
    arrays = pytest.importorskip(library)
    trees = cordwood.ops.pack_trees(**draw_trees(1, n_trees=30, most_leaves=60).arguments())
    rows = draw_rows(2, 1025)
    given = arrays.asarray(rows) if library == "cupy" else arrays.from_numpy(rows).cuda()
    expected = cordwood.ops.tree_predict(rows, trees, output=output)
    answer = cordwood.ops.tree_predict(given, trees, output=output)
    assert type(answer).__module__.partition(".")[0] == library
    out = answer * 0
    assert cordwood.ops.tree_predict(given, trees, output=output, out=out) is out
    for there in (answer, out):
        found = there.get() if library == "cupy" else there.cpu().numpy()
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()


def test_a_stream_of_the_callers_is_waited_for_by_the_answer() -> None:
    cupy = pytest.importorskip("cupy")
    file = cordwood.compress(make_graph(SHAPES["few leaves"])).to_bytes()
    there, here = _on_both(file)
    rows = np.random.default_rng(0).standard_normal((5000, here.n_features_in_))
    with cupy.cuda.Stream(non_blocking=True) as stream:
        given = cupy.full(rows.shape, cupy.nan)
        # Long work before the rows are there: a model that ran on another stream would see NaN.
        heavy = cupy.ones((3000, 3000))
        for _ in range(5):
            heavy = heavy @ heavy * 1e-4
        given[...] = cupy.asarray(rows) + heavy[0, 0] * 0
        answer = there.predict(given)
        stream.synchronize()
    assert answer.get().tobytes() == here.predict(rows).tobytes()
