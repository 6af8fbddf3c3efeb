"""The packed trees mean what the Graph means, and lie in the file as the format says."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given

import oracle
import unpack
import unpack_trees
from cordwood import _core
from cordwood._pack_sizes import tree_sizes
from cordwood.ir import Role, TreeEnsemble
from cordwood.pack import pack
from drawn import Shape, make_graph, make_rows
from strategies import graphs, graphs_and_rows

if TYPE_CHECKING:
    from cordwood.ir import Graph


def _trees(graph: Graph) -> unpack_trees.Trees:
    return unpack.trees_of(unpack.read(pack(graph)))


def _native(graph: Graph) -> dict[str, Any]:
    """Expand the ensemble that answers last."""
    number = max(i for i, op in enumerate(graph.operators) if isinstance(op, TreeEnsemble))
    return _core.expand_trees(pack(graph), number)


@given(graph_and_rows=graphs_and_rows(infinite_cuts=True))
def test_bytes_answer_as_the_graph(graph_and_rows: tuple[Graph, np.ndarray]) -> None:
    graph, rows = graph_and_rows
    found = unpack.graph(pack(graph))
    np.testing.assert_array_equal(oracle.apply(found, rows), oracle.apply(graph, rows))
    for value in graph.values:
        if value.role not in (Role.ROWS, Role.NONE):
            expected = oracle.run(graph, rows, value.role)
            answer = oracle.run(found, rows, value.role)
            assert answer.dtype == expected.dtype
            assert answer.tobytes() == expected.tobytes()


@given(graph=graphs(infinite_cuts=True))
def test_native_reader_sees_the_same_trees(graph: Graph) -> None:
    native, trees = _native(graph), _trees(graph)
    found = unpack_trees.ensemble(trees)
    inner = found.left >= 0
    start = np.repeat(found.tree_start[:-1], np.diff(found.tree_start))
    distance = np.where(inner, found.right + start - np.arange(found.n_nodes), 0)
    np.testing.assert_array_equal(native["tree_start"], found.tree_start)
    np.testing.assert_array_equal(native["right"], distance)
    np.testing.assert_array_equal(native["column"][inner], trees.node_column)
    np.testing.assert_array_equal(native["rank"][~inner], found.leaf_row[~inner])
    np.testing.assert_array_equal(native["missing_left"], found.missing_left)
    columns = native["columns"]
    column = native["column"][inner]
    numeric = columns["kind"][column] != 2
    at = columns["first_cut"][column] + native["rank"][inner]
    np.testing.assert_array_equal(native["cuts"][at[numeric]], found.threshold[inner][numeric])
    answer = found.leaf_values[found.leaf_row[~inner]]
    if found.aggregate == "weighted_median":
        np.testing.assert_array_equal(native["tree_weight"], found.tree_weight)
    else:
        assert native["tree_weight"].size == 0
        weight = np.repeat(found.tree_weight, np.diff(found.tree_start))[~inner, None]
        answer = (answer.astype(np.float64) * weight).astype(found.accumulate_type)
    given = native["leaf_values"].reshape(-1, found.leaf_width)[native["rank"][~inner]]
    np.testing.assert_array_equal(given, answer)
    for name in ("linear_start", "linear_feature", "linear_coefficient", "linear_constant"):
        terms = getattr(found, name)
        np.testing.assert_array_equal(native[name], [] if terms is None else terms)
    np.testing.assert_array_equal(native["base_value"], trees.base_value)
    np.testing.assert_array_equal(native["category_values"], trees.category_values)


@given(graph=graphs())
def test_sizes_add_up(graph: Graph) -> None:
    facts = _core.inspect(pack(graph))
    sizes = tree_sizes(facts)
    assert sizes is not None
    parts = sizes.node_bytes + sizes.cut_bytes + sizes.category_bytes + sizes.leaf_bytes
    tensors = [tensor for tensor in facts["tensors"] if tensor["name"] != "groups"]
    assert parts == sum(tensor["encoded_bytes"] for tensor in tensors)
    assert f"({sizes.n_inner} nodes)" in str(sizes)
    assert sizes.bytes_per_node * sizes.n_inner == pytest.approx(
        sizes.node_bytes if sizes.n_inner else 0
    )


@given(graph=graphs())
def test_columns_are_canonical(graph: Graph) -> None:
    trees = _trees(graph)
    keys = list(zip(trees.column_feature.tolist(), trees.column_kind.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert trees.column_size.min(initial=1) >= 1
    assert set(trees.node_column.tolist()) == set(range(trees.n_columns))
    first = 0
    for size, kind in zip(trees.column_size.tolist(), trees.column_kind.tolist(), strict=True):
        if kind != 2:
            cuts = trees.cuts[first : first + size]
            assert all(a < b for a, b in itertools.pairwise(cuts.tolist()))
            assert not np.signbit(cuts[cuts == 0]).any()
            first += size
    assert first == trees.cuts.size
    assert not trees.category_count[trees.column_kind != 2].any()
    assert trees.zero_band == 0.0 or 1 in trees.column_kind or trees.linear_count is not None


@given(graph=graphs(leaf_order="preorder", infinite_cuts=False))
def test_preorder_numbers_are_not_listed(graph: Graph) -> None:
    trees = _trees(graph)
    assert trees.leaf_numbering == 0
    assert trees.leaf_number is None


@given(graph=graphs(leaf_order="level", infinite_cuts=False))
def test_level_numbers_are_not_listed(graph: Graph) -> None:
    trees = _trees(graph)
    assert trees.leaf_numbering in (0, 1)
    assert trees.leaf_number is None


@given(graph=graphs())
def test_same_graph_same_bytes(graph: Graph) -> None:
    assert pack(graph) == pack(graph)


def test_equal_leaves_are_shared_where_that_is_smaller() -> None:
    shape = Shape(n_trees=12, max_leaves=70, head="multiclass", n_outputs=4, vector_leaves=True)
    shared = _trees(make_graph(dataclasses.replace(shape, shared_leaves=True)))
    assert shared.leaf_row is not None
    assert len(shared.leaf_values) < (shared.structure == 0).sum()
    distinct = _trees(make_graph(shape))
    assert distinct.leaf_row is None
    assert len(distinct.leaf_values) == (distinct.structure == 0).sum()


def test_zeros_of_both_signs_stay_apart() -> None:
    graph = make_graph(Shape(n_trees=12, max_leaves=70))
    values = np.zeros_like(graph.trees.leaf_values)
    values[::2] = -0.0
    trees = dataclasses.replace(graph.trees, leaf_values=values)
    packed = _trees(dataclasses.replace(graph, operators=(trees,)))
    assert packed.leaf_row is not None
    assert np.signbit(packed.leaf_values).tolist() in ([[False], [True]], [[True], [False]])


@pytest.mark.parametrize(("largest", "width"), [(127, "int8"), (128, "int16"), (-129, "int16")])
def test_whole_leaves_of_weighted_trees_are_integers(largest: int, width: str) -> None:
    graph = make_graph(Shape(n_trees=12, max_leaves=70, weighted=True))
    values = np.arange(len(graph.trees.leaf_values), dtype=np.float64)[:, None] % 100
    values[3] = largest
    trees = dataclasses.replace(graph.trees, leaf_values=values)
    packed = _trees(dataclasses.replace(graph, operators=(trees,)))
    assert packed.leaf_values.dtype.name == width
    assert packed.leaf_row is None
    np.testing.assert_array_equal(packed.tree_weight, trees.tree_weight)


def _unlike(change: str) -> TreeEnsemble:
    """Return weighted trees of whole leaves, after a change that forbids to pack those so."""
    trees = make_graph(Shape(n_trees=12, max_leaves=70, weighted=True, integer_leaves=True)).trees
    values, weight = trees.leaf_values.copy(), trees.tree_weight.copy()
    if change == "no_weights":
        weight[:] = 1.0
    elif change == "a_weight_below_zero":
        weight[4] *= -1.0
    else:
        values[3] = {"a_half": 0.5, "minus_zero": -0.0, "too_large": 2.0**15}[change]
    return dataclasses.replace(trees, leaf_values=values, tree_weight=weight)


@pytest.mark.parametrize(
    "change", ["no_weights", "a_weight_below_zero", "a_half", "minus_zero", "too_large"]
)
def test_other_leaves_have_their_weights_folded_in(change: str) -> None:
    graph = make_graph(Shape(n_trees=12, max_leaves=70))
    packed = _trees(dataclasses.replace(graph, operators=(_unlike(change),)))
    assert packed.leaf_values.dtype.name == "float64"
    assert packed.tree_weight is None


def test_a_split_that_sends_nothing_left_is_exchanged() -> None:
    graph = make_graph(Shape(n_trees=1, max_leaves=2, comparison="lt", seed=5))
    trees = graph.trees
    assert trees.n_nodes == 3
    threshold = np.where(trees.left >= 0, -np.inf, 0.0)
    never = dataclasses.replace(trees, threshold=threshold)
    graph = dataclasses.replace(graph, operators=(never,))
    packed = _trees(graph)
    assert packed.cuts.tolist() == [np.inf]
    rows = np.repeat([[-np.inf], [0.0], [np.inf], [np.nan]], trees.n_features, axis=1)
    found = unpack_trees.ensemble(packed)
    assert found.missing_left.tolist() == [not trees.missing_left[0], False, False]
    reached = found.leaf_id[oracle.leaves(found, rows)]
    np.testing.assert_array_equal(reached, oracle.apply(graph, rows))


def test_missing_routes_that_no_row_takes_are_dropped() -> None:
    shape = Shape(n_trees=8, max_leaves=31, seed=3)
    assert _trees(make_graph(shape)).missing_left.any()
    assert not _trees(make_graph(dataclasses.replace(shape, accepts_nan=False))).missing_left.any()


def test_tree_of_four_thousand_levels_packs() -> None:
    graph = make_graph(Shape(n_trees=1, max_leaves=4097, growth="skewed", seed=161))
    assert graph.trees.n_nodes == 2 * 4054 - 1
    rows = make_rows(graph.trees, 20)
    found = unpack_trees.ensemble(_trees(graph))
    np.testing.assert_array_equal(
        found.leaf_id[oracle.leaves(found, rows)], oracle.apply(graph, rows)
    )


@pytest.mark.parametrize(("n_features", "width"), [(3, "uint8"), (300, "uint16")])
def test_columns_are_as_narrow_as_their_number(n_features: int, width: str) -> None:
    trees = _trees(make_graph(Shape(n_features=n_features, n_trees=40, max_leaves=70)))
    assert trees.node_column.dtype.name == width
    assert trees.node_column.max() == trees.n_columns - 1


def test_listed_values_that_no_row_can_hold_are_dropped() -> None:
    shape = Shape(n_trees=20, max_leaves=31, category_rule="exact", input_type="float32", seed=4)
    graph = make_graph(shape)
    values = graph.trees.category_values + 0.1
    values[::2] = graph.trees.category_values[::2]
    trees = dataclasses.replace(graph.trees, category_values=values)
    graph = dataclasses.replace(graph, operators=(trees,))
    packed = _trees(graph)
    single = values.astype(np.float32)
    assert 0 < packed.category_values.size < values.size
    np.testing.assert_array_equal(packed.category_values, packed.category_values.astype("f4"))
    rows = np.stack([np.append(single, np.float32(0.1))] * shape.n_features, axis=1)
    found = unpack.graph(pack(graph))
    np.testing.assert_array_equal(oracle.apply(found, rows), oracle.apply(graph, rows))
