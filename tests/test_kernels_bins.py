"""Bins of drawn ensembles by every instruction set: one layout, and the answers of the values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.tree import DecisionTreeRegressor

import cordwood
import drawn
import strategies
from cordwood import _core
from cordwood.errors import UnsupportedMethodError
from cordwood.pack import pack

# Where the ways of taking rows change: single rows, words, blocks; and around their widths.
LENGTHS = (1, 7, 8, 10, 11, 63, 64, 65, 192, 193, 511, 512, 513)


def leaves_of_largest(graph: cordwood.ir.Graph) -> int:
    """Leaves of the largest tree: one more than its inner nodes."""
    return int(np.diff(graph.trees.tree_start).max() + 1) // 2


@pytest.mark.parametrize("isa", cordwood.available_isas())
@given(data=st.data())
def test_drawn_ensembles(isa: str, data: st.DataObject) -> None:
    graph, rows = data.draw(strategies.graphs_and_rows())
    packed = pack(graph)
    if graph.trees.linear_constant is not None and len(graph.trees.linear_constant):
        with pytest.raises(UnsupportedMethodError, match="linear in the values"):
            _core.bin_trees(packed, rows, isa=isa)
        return
    bins = _core.bin_trees(packed, rows, isa=isa)
    assert bins.tobytes() == _core.bin_trees(packed, rows, isa="scalar").tobytes()
    for leaves in (True, False):
        expected = _core.run_trees(packed, rows, isa=isa, leaves=leaves)
        for given_bins in (bins, np.ascontiguousarray(bins), np.asfortranarray(bins)):
            found = _core.run_trees(packed, given_bins, isa=isa, engine="binned", leaves=leaves)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("isa", cordwood.available_isas())
@pytest.mark.parametrize("max_leaves", [6, 33, 64, 65, 128, 256, 257, 700])
@pytest.mark.parametrize("accumulate_type", ["float32", "float64"])
def test_sizes_of_trees(isa: str, max_leaves: int, accumulate_type: str) -> None:
    """Every engine's own way with few rows, with categories and NaN either way."""
    shape = drawn.Shape(
        seed=max_leaves, n_features=5, n_trees=11, max_leaves=max_leaves, category_rule="floor",
        zero_missing=True, accumulate_type=accumulate_type, input_type=accumulate_type,
    )  # fmt: skip
    graph = drawn.make_graph(shape)
    packed, rows = pack(graph), drawn.make_rows(graph.trees, 700, seed=1)
    bins = _core.bin_trees(packed, rows, isa=isa)
    assert (bins.dtype == np.uint8) == (leaves_of_largest(graph) <= 256)
    for n in LENGTHS:
        for leaves in (True, False):
            expected = _core.run_trees(packed, rows[:n], isa=isa, leaves=leaves)
            found = _core.run_trees(packed, bins[:n], isa=isa, engine="binned", leaves=leaves)
            assert found.tobytes() == expected.tobytes(), n


def test_more_cuts_than_sixteen_bits_number() -> None:
    rng = np.random.default_rng(0)
    rows = rng.permutation(150_000).reshape(-1, 1) * np.array([[1.0, 0.5]])
    rows[::50, 0] = np.nan
    tree = DecisionTreeRegressor(random_state=0).fit(rows, rng.normal(size=len(rows)))
    model = cordwood.compress(tree)
    bins = model.bin(rows)
    assert bins.dtype == np.uint16
    assert bins.n_columns > 2
    for n in (1, 7, 100, len(rows)):
        np.testing.assert_array_equal(model.apply(bins[:n]), model.apply(rows[:n]))
