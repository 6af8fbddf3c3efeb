"""Lossy passes keep their bounds on every row, and the bounds say something."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from cordwood.passes.bounds import summation_bound
from cordwood.passes.merge_subtrees import drop_constant_trees, merge_subtrees
from cordwood.passes.prune_splits import prune_splits
from cordwood.passes.round_leaves import round_leaves
from drawn import Shape, make_graph, make_rows
from strategies import graphs_and_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from cordwood.ir import Graph


def _drawn(**fixed: Any) -> st.SearchStrategy[tuple[Graph, npt.NDArray[Any]]]:
    """Draw what lossy recipes take: plain leaves that add up."""
    fixed |= {"linear": False, "dtypes": ("float64", "float32")}
    aggregates = st.sampled_from(("sum", "average"))
    return aggregates.flatmap(lambda name: graphs_and_rows(aggregate=name, **fixed))


def _error(before: Graph, after: Graph, rows: npt.NDArray[Any]) -> float:
    """Return the largest change of any margin, as the reference computes it."""
    margins = [oracle.predict_margin(graph, rows).astype(np.float64) for graph in (before, after)]
    return float(np.abs(margins[0] - margins[1]).max(initial=0.0))


def _allowed(before: Graph, after: Graph, bound: float) -> float:
    return bound + summation_bound(before) + summation_bound(after)


def _reached(graph: Graph, rows: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    return oracle.leaves(graph.trees, rows).astype(np.int32)


@given(_drawn(), st.sampled_from((8, 16)), st.booleans())
def test_rounding_stays_within_its_bound(
    drawn: tuple[Graph, npt.NDArray[Any]], bits: int, shared: bool
) -> None:
    graph, rows = drawn
    rounded, loss = round_leaves(graph, bits, shared=shared)
    leaves = rounded.trees.leaf_values
    assert (leaves == np.rint(leaves)).all()
    assert np.abs(leaves).max(initial=0.0) < 2 ** (bits - 1)
    assert (rounded.trees.tree_weight > 0.0).all()
    assert _error(graph, rounded, rows) <= _allowed(graph, rounded, loss.margin_bound)
    assert np.array_equal(oracle.leaves(graph.trees, rows), oracle.leaves(rounded.trees, rows))


@given(
    _drawn(),
    st.sampled_from((0.05, 0.3, 0.6, 0.9, 1.0)),
    st.booleans(),
)
def test_pruning_stays_within_its_bound(
    drawn: tuple[Graph, npt.NDArray[Any]], keep: float, calibrated: bool
) -> None:
    graph, rows = drawn
    # The bound holds for rows that pruning never saw, too: it sees the first half.
    seen = _reached(graph, rows[: len(rows) // 2]) if calibrated else None
    pruned, loss = prune_splits(graph, keep, seen)
    assert pruned.trees.n_nodes <= graph.trees.n_nodes
    assert _error(graph, pruned, rows) <= _allowed(graph, pruned, loss.margin_bound)
    if keep == 1.0:
        assert loss.lossless


@given(_drawn(shared_leaves=True))
def test_merging_keeps_every_bit(drawn: tuple[Graph, npt.NDArray[Any]]) -> None:
    graph, rows = drawn
    merged, loss = merge_subtrees(graph)
    assert loss.lossless
    margins = [oracle.predict_margin(each, rows) for each in (graph, merged)]
    assert margins[0].tobytes() == margins[1].tobytes()
    again, _ = merge_subtrees(merged)
    assert again.trees.n_nodes == merged.trees.n_nodes


@given(_drawn(max_leaves=2))
def test_constant_trees_move_into_the_base(drawn: tuple[Graph, npt.NDArray[Any]]) -> None:
    graph, rows = drawn
    dropped, loss = drop_constant_trees(graph)
    if graph.trees.start is None:
        assert (np.diff(dropped.trees.tree_start) > 1).all()
    assert _error(graph, dropped, rows) <= _allowed(graph, dropped, loss.margin_bound)


@given(_drawn(), st.sampled_from((0.4, 0.8)))
def test_the_passes_of_tiny_add_up(drawn: tuple[Graph, npt.NDArray[Any]], keep: float) -> None:
    graph, rows = drawn
    tiny, bound = graph, 0.0
    for step in (
        lambda each: prune_splits(each, keep, _reached(graph, rows[::2])),
        lambda each: round_leaves(each, 8, shared=True),
        merge_subtrees,
        drop_constant_trees,
    ):
        tiny, loss = step(tiny)
        bound += loss.margin_bound
    assert _error(graph, tiny, rows) <= _allowed(graph, tiny, bound)


@given(
    _drawn(
        n_outputs=1,
        head="regression",
        vector_leaves=False,
        accumulate_type="float32",
        start="none",
    )
)
def test_sums_stay_within_the_summation_bound(
    drawn: tuple[Graph, npt.NDArray[Any]],
) -> None:
    graph, rows = drawn
    trees = graph.trees
    exact = np.full((len(rows), 1), float(trees.base_value[0]))
    reached = oracle.leaves(trees, rows)
    for tree in range(trees.n_trees):
        leaf = trees.leaf_values[trees.leaf_row[reached[:, tree]]].astype(np.float64)
        exact += (leaf * trees.tree_weight[tree]).astype(np.float32)
    if trees.aggregate == "average":
        exact /= np.float64(np.float32(trees.divisor))
    summed = oracle.predict_margin(graph, rows).astype(np.float64)
    assert np.abs(summed - exact).max(initial=0.0) <= summation_bound(graph)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("n_trees", "share"), [(1, 0.7), (4, 0.4)])
def test_the_rounding_bound_is_nearly_reached(bits: int, n_trees: int, share: float) -> None:
    graph = make_graph(Shape(seed=5, n_trees=n_trees, max_leaves=31, growth="level"))
    rows = make_rows(graph.trees, 4000, seed=1)
    rounded, loss = round_leaves(graph, bits)
    assert _error(graph, rounded, rows) >= share * loss.margin_bound > 0.0


@pytest.mark.parametrize("calibrated", [False, True])
def test_the_pruning_bound_is_nearly_reached(calibrated: bool) -> None:
    graph = make_graph(Shape(seed=5, n_trees=4, max_leaves=31, growth="level"))
    rows = make_rows(graph.trees, 4000, seed=1)
    pruned, loss = prune_splits(graph, 0.5, _reached(graph, rows) if calibrated else None)
    assert pruned.trees.n_nodes < graph.trees.n_nodes
    assert _error(graph, pruned, rows) >= 0.25 * loss.margin_bound > 0.0


def test_calibration_rows_lose_less_than_without_them() -> None:
    graph = make_graph(Shape(seed=11, n_trees=12, max_leaves=70, n_features=5))
    rows = np.random.default_rng(2).normal(size=(4000, 5))
    before = oracle.predict_margin(graph, rows)
    errors = []
    for reached in (_reached(graph, rows[:2000]), None):
        pruned, _ = prune_splits(graph, 0.5, reached)
        errors.append(np.square(oracle.predict_margin(pruned, rows[2000:]) - before[2000:]).mean())
    assert errors[0] < 0.7 * errors[1]


def test_pruning_keeps_no_more_than_the_share() -> None:
    graph = make_graph(Shape(seed=3, n_trees=12, max_leaves=70))
    inner = np.count_nonzero(graph.trees.left >= 0)
    counts = [
        np.count_nonzero(prune_splits(graph, keep)[0].trees.left >= 0) for keep in (0.8, 0.4, 0.1)
    ]
    assert inner > counts[0] > counts[1] > counts[2]


def test_leaves_far_from_zero_keep_their_differences() -> None:
    shape = Shape(seed=1, n_trees=8, aggregate="average", max_leaves=31)
    graph = make_graph(shape)
    far = dataclasses.replace(graph.trees, leaf_values=graph.trees.leaf_values + 1e6)
    graph = dataclasses.replace(graph, operators=(far, *graph.operators[1:]))
    rows = make_rows(graph.trees, 200)
    rounded, loss = round_leaves(graph, 16)
    spread = float(np.ptp(graph.trees.leaf_values))
    assert loss.margin_bound < spread / 30_000
    assert _error(graph, rounded, rows) <= _allowed(graph, rounded, loss.margin_bound)


def test_leaves_of_zero_and_one_lose_nothing() -> None:
    graph = make_graph(Shape(seed=2, n_outputs=3, head="forest", vector_leaves=True))
    pure = np.eye(3)[np.arange(len(graph.trees.leaf_values)) % 3]
    trees = dataclasses.replace(graph.trees, leaf_values=pure)
    graph = dataclasses.replace(graph, operators=(trees, *graph.operators[1:]))
    for bits in (8, 16):
        rounded, loss = round_leaves(graph, bits)
        assert loss.lossless
        rows = make_rows(trees, 50)
        margins = [oracle.predict_margin(each, rows) for each in (graph, rounded)]
        assert margins[0].tobytes() == margins[1].tobytes()


def test_equal_neighbours_merge_all_the_way_up() -> None:
    graph = make_graph(Shape(seed=4, n_trees=3, max_leaves=31))
    flat = dataclasses.replace(graph.trees, leaf_values=np.ones_like(graph.trees.leaf_values))
    graph = dataclasses.replace(graph, operators=(flat, *graph.operators[1:]))
    merged, _ = merge_subtrees(graph)
    assert merged.trees.n_nodes == merged.trees.n_trees
    dropped, _ = drop_constant_trees(merged)
    assert dropped.trees.n_trees == 0
    rows = make_rows(graph.trees, 10)
    bound = _allowed(graph, dropped, 0.0)
    assert _error(graph, dropped, rows) <= bound
