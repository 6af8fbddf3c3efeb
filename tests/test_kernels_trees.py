"""Tree kernels: every engine of every instruction set gives the leaves and bits of the oracle."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cordwood as cw
import drawn
import oracle
import strategies
from cordwood import _core
from cordwood.errors import InputError
from cordwood.pack import pack

ISAS = cw.available_isas()
ENGINES = ("slice", "walk")

# Around the widths of vectors and blocks: 8 and 16 lanes, 48 rows of tree_mask, 512 of tree_slice.
LENGTHS = (0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 48, 49, 63, 65, 511, 512, 513, 1100)

# Around half a word of rows, a word, and the most rows that words take.
WORD_LENGTHS = (1, 7, 10, 11, 31, 32, 33, 63, 64, 65, 192, 193, 600)

# Around the lanes of tree_lookup, its 64 rows, and the batches that come before and after it.
LOOKUP_LENGTHS = (3, 4, 8, 9, 16, 17, 32, 33, 48, 49, 63, 64, 65, 130, 256, 257)


def assert_same_bits(given: np.ndarray, expected: np.ndarray) -> None:
    assert given.dtype == expected.dtype
    assert given.shape == expected.shape
    differs = given.view(np.uint8) != np.ascontiguousarray(expected).view(np.uint8)
    assert not differs.any(), np.argwhere(differs)[:5]


def check(graph: cw.ir.Graph, X: np.ndarray, isa: str, engine: str) -> None:
    data = pack(graph)
    leaves = _core.run_trees(data, X, isa=isa, engine=engine, leaves=True)
    np.testing.assert_array_equal(leaves, oracle.apply(graph, X))
    values = oracle.results(graph, X)
    start = None if graph.trees.start is None else values[graph.trees.start]
    margin = _core.run_trees(data, X, isa=isa, engine=engine, start=start)
    assert_same_bits(margin, values[graph.trees.target])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@given(data=st.data())
def test_engines_equal_the_oracle(isa: str, engine: str, data: st.DataObject) -> None:
    graph, X = data.draw(strategies.graphs_and_rows())
    check(graph, X, isa, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("input_type", ["float32", "float64"])
def test_lengths_around_the_vector_widths(isa: str, engine: str, input_type: str) -> None:
    shape = drawn.Shape(seed=5, n_trees=9, max_leaves=31, input_type=input_type, zero_missing=True)
    graph = drawn.make_graph(shape)
    rows = drawn.make_rows(graph.trees, 1100, seed=6)
    whole = _core.run_trees(pack(graph), rows, isa=isa, engine=engine)
    assert_same_bits(whole, oracle.predict_margin(graph, rows))
    for n in LENGTHS:
        part = _core.run_trees(pack(graph), rows[:n], isa=isa, engine=engine)
        assert_same_bits(part, whole[:n])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("max_leaves", [1, 2, 3, 16, 17, 32, 33, 64, 65, 128, 129, 255, 256])
def test_tree_sizes_around_the_digits(isa: str, engine: str, max_leaves: int) -> None:
    """Trees of one to `max_leaves` leaves, so that groups of the slice engine end early."""
    for accumulate_type in ("float32", "float64"):
        shape = drawn.Shape(
            seed=max_leaves,
            n_trees=17,
            max_leaves=max_leaves,
            n_outputs=3,
            accumulate_type=accumulate_type,
        )
        graph = drawn.make_graph(shape)
        for n in (24, 40, 600):
            check(graph, drawn.make_rows(graph.trees, n, seed=n), isa, engine)
            check(graph, drawn.make_rows(graph.trees, n, seed=n), isa, "fastest")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("growth", ["random", "level", "oblivious"])
@pytest.mark.parametrize("digits", range(1, 9))
def test_few_rows_of_every_form_of_tree(isa: str, growth: str, digits: int) -> None:
    """Words of rows and blocks of any, full and oblivious trees, from the base or from a start."""
    for seed, dtype in enumerate(("float32", "float64")):
        shape = drawn.Shape(
            seed=2 * digits + seed,
            n_trees=11,
            max_leaves=2**digits,
            growth=growth,
            n_features=5,
            n_outputs=2,
            vector_leaves=(digits + seed) % 2 == 0,
            category_rule="floor",
            start="trees" if digits % 2 else "none",
            input_type=dtype,
            accumulate_type=dtype,
        )
        graph = drawn.make_graph(shape)
        X = drawn.make_rows(graph.trees, 600, seed=seed)
        data, names, values = pack(graph), oracle.apply(graph, X), oracle.results(graph, X)
        start = None if graph.trees.start is None else values[graph.trees.start]
        for n in WORD_LENGTHS:
            leaves = _core.run_trees(data, X[:n], isa=isa, engine="slice", leaves=True)
            np.testing.assert_array_equal(leaves, names[:n])
            part = None if start is None else start[:n]
            margin = _core.run_trees(data, X[:n], isa=isa, engine="slice", start=part)
            assert_same_bits(margin, values[graph.trees.target][:n])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("category_rule", ["none", "floor"])
@pytest.mark.parametrize("n_features", [2, 25, 50, 110])
@pytest.mark.parametrize("max_leaves", [16, 17, 30, 32])
def test_few_rows_of_trees_of_up_to_32_leaves(
    isa: str, max_leaves: int, n_features: int, category_rule: str
) -> None:
    """One to four registers of bins, four or two trees a step, and a last step that lacks some."""
    for seed, dtype in enumerate(("float32", "float64")):
        shape = drawn.Shape(
            seed=max_leaves + n_features + seed,
            n_trees=141 + 2 * seed + n_features % 3,
            max_leaves=max_leaves,
            growth="skewed" if seed else "random",
            n_features=n_features,
            n_outputs=2,
            vector_leaves=n_features == 2,
            category_rule=category_rule,
            start="trees" if n_features == 25 else "none",
            input_type=dtype,
            accumulate_type=dtype,
        )
        graph = drawn.make_graph(shape)
        room = 16 if max_leaves <= 17 else 32
        assert (graph.trees.left >= 0).sum() >= 0.4 * room * shape.n_trees  # or words take it
        X = drawn.make_rows(graph.trees, max(LOOKUP_LENGTHS), seed=seed)
        data, names, values = pack(graph), oracle.apply(graph, X), oracle.results(graph, X)
        start = None if graph.trees.start is None else values[graph.trees.start]
        for n in LOOKUP_LENGTHS:
            leaves = _core.run_trees(data, X[:n], isa=isa, engine="slice", leaves=True)
            np.testing.assert_array_equal(leaves, names[:n])
            part = None if start is None else start[:n]
            margin = _core.run_trees(data, X[:n], isa=isa, engine="slice", start=part)
            assert_same_bits(margin, values[graph.trees.target][:n])


@pytest.mark.parametrize("isa", ISAS)
def test_more_than_256_leaves_are_walked(isa: str) -> None:
    shape = drawn.Shape(seed=3, n_trees=5, max_leaves=400, n_outputs=4, vector_leaves=True)
    graph = drawn.make_graph(shape)
    for n in (1, 31, 32, 700):
        check(graph, drawn.make_rows(graph.trees, n, seed=n), isa, "fastest")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("rule", ["floor", "truncate", "exact"])
def test_categories(isa: str, engine: str, rule: str) -> None:
    shape = drawn.Shape(seed=11, n_trees=20, max_leaves=31, category_rule=rule, n_features=5)
    graph = drawn.make_graph(shape)
    for n in (3, 20, 513):
        check(graph, drawn.make_rows(graph.trees, n, seed=n), isa, engine)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("input_type", ["float32", "float64"])
def test_more_cuts_than_a_byte_ranks(isa: str, input_type: str) -> None:
    shape = drawn.Shape(seed=2, n_trees=40, max_leaves=60, many_cuts=True, input_type=input_type)
    graph = drawn.make_graph(shape)
    rows = drawn.make_rows(graph.trees, 1000, seed=9)
    for engine in ENGINES:
        check(graph, rows, isa, engine)


@pytest.mark.parametrize("isa", ISAS)
def test_cuts_with_equal_upper_halves(isa: str) -> None:
    """float64 cuts that agree in their upper 32 bits are told apart by the lower ones."""
    graph = drawn.make_graph(drawn.Shape(seed=4, n_features=1, n_trees=30, max_leaves=20))
    trees = graph.trees
    inner = trees.left >= 0
    close = 1.0 + np.arange(inner.sum()) * 2.0**-45
    threshold = trees.threshold.copy()
    threshold[inner] = close
    trees = dataclasses.replace(trees, threshold=threshold)
    graph = dataclasses.replace(graph, operators=(trees, *graph.operators[1:]))
    rows = np.concatenate([close, np.nextafter(close, 0), np.nextafter(close, 2), -close])[:, None]
    for engine in ENGINES:
        check(graph, np.ascontiguousarray(rows), isa, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "?"])
def test_rows_of_every_type_and_stride(isa: str, engine: str, dtype: str) -> None:
    graph = drawn.make_graph(drawn.Shape(seed=8, n_features=3, max_leaves=12, input_type="float32"))
    numbers = np.random.default_rng(0).integers(0, 100, (77, 3)).astype(dtype)
    for X in (numbers, np.asfortranarray(numbers), numbers[::-2], np.repeat(numbers, 2, 1)[:, ::2]):
        check(graph, X, isa, engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n_rows", [5, 2000])
def test_refused_values_are_named_by_row_and_feature(isa: str, engine: str, n_rows: int) -> None:
    shape = drawn.Shape(seed=1, n_features=4, accepts_nan=False, accepts_infinity=False)
    data = pack(drawn.make_graph(shape))
    X = np.zeros((n_rows, 4))
    X[n_rows - 2, 3] = np.nan
    with pytest.raises(InputError, match=f"row {n_rows - 2}, feature 3 is NaN"):
        _core.run_trees(data, X, isa=isa, engine=engine)
    X[n_rows - 2, 3] = -np.inf
    with pytest.raises(InputError, match=f"row {n_rows - 2}, feature 3 is infinite"):
        _core.run_trees(data, X, isa=isa, engine=engine)
