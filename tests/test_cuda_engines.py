"""Which kernels for CUDA a model's trees get, and that each reaches the right leaves."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cuda_pairs import check, engine, pair
from drawn import Shape, make_graph, make_rows

# Around a warp, the batches that are walked, a tile of whole trees, and passes.
LENGTHS = (0, 1, 31, 33, 511, 512, 513, 1023, 1024, 1025)

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.mark.parametrize("max_leaves", [12, 90])
def test_lengths_of_batches(max_leaves: int) -> None:
    graph = make_graph(Shape(seed=4, n_trees=5, max_leaves=max_leaves, category_rule="truncate"))
    here, there = pair(graph)
    assert engine(there) == ("slice" if max_leaves == 12 else "walk")
    X = make_rows(graph.trees, 1030, seed=1)
    for length in LENGTHS:
        check(here, there, X[:length])


@pytest.mark.parametrize("max_leaves", [1, 2, 63, 64, 65, 256, 257])
@pytest.mark.parametrize("growth", ["level", "skewed"])
def test_sizes_of_trees(max_leaves: int, growth: str) -> None:
    """The largest of some trees has as many leaves, the others any number below."""
    for seed in range(99):
        shape = Shape(seed=seed, n_trees=40, max_leaves=max_leaves, growth=growth)
        graph = make_graph(shape)
        if max(np.diff(graph.trees.tree_start)) == 2 * max_leaves - 1:
            break
    else:
        pytest.fail("no seed draws a tree of that size")
    here, there = pair(graph)
    assert engine(there) == ("slice" if max_leaves <= 64 else "walk")
    reason = there._native.engine_reason
    assert ("three levels" in reason) == (max_leaves > 256)
    assert ("node by node" in reason) == (64 < max_leaves <= 256)
    X = make_rows(graph.trees, 600, seed=1)
    check(here, there, X)
    check(here, there, X[:70])
    if max_leaves > 1:
        check(here, there, here.bin(X))


@pytest.mark.parametrize("growth", ["level", "skewed"])
@pytest.mark.parametrize(
    "changes",
    [
        {"input_type": "float32", "aggregate": "average", "many_cuts": True},
        {"accepts_nan": True, "zero_missing": True, "n_outputs": 3},
        {"linear": True, "n_features": 40},
    ],
    ids="-".join,
)
def test_walks_three_levels_at_a_time(changes: dict[str, Any], growth: str) -> None:
    """Trees of a thousand leaves beside some of a few: every shape of a record."""
    graph = make_graph(Shape(seed=6, n_trees=12, max_leaves=3000, growth=growth, **changes))
    here, there = pair(graph)
    assert "three levels" in there._native.engine_reason
    X = make_rows(graph.trees, 700, seed=1)
    check(here, there, X)
    check(here, there, X[:33])


def complete(n_leaves: int) -> Any:
    """Return one tree that ranks feature 0: leaf i takes what lies between i - 1 and i."""
    inner = n_leaves - 1
    graph = make_graph(Shape(n_trees=1, n_features=1, max_leaves=1, input_type="float32"))
    order = np.arange(inner, dtype=np.int32)
    left = np.full(2 * n_leaves - 1, -1, np.int32)
    right = left.copy()
    threshold = np.zeros(len(left))
    leaf_row = np.full(len(left), -1, np.int32)
    # A heap: children of node i are 2i + 1 and 2i + 2; cuts go from left to right.
    left[:inner], right[:inner] = 2 * order + 1, 2 * order + 2
    waiting, number = [(0, False)], 0
    cut = 0
    while waiting:
        node, seen = waiting.pop()
        if left[node] == -1:
            leaf_row[node] = number
            number += 1
        elif seen:
            threshold[node] = cut
            cut += 1
        else:
            waiting += [(int(right[node]), False), (node, True), (int(left[node]), False)]
    return graph, left, right, threshold, leaf_row


@pytest.mark.parametrize("n_leaves", [64, 256, 257, 65_536, 65_537, 70_000])
def test_every_leaf_is_reached(n_leaves: int) -> None:
    graph, left, right, threshold, leaf_row = complete(n_leaves)
    inner = left != -1
    changed = dataclasses.replace(
        graph.trees,
        tree_start=np.array([0, len(left)]), left=left, right=right, leaf_row=leaf_row,
        leaf_id=np.where(inner, -1, leaf_row).astype(np.int32), threshold=threshold,
        feature=np.where(inner, 0, -1).astype(np.int32),
        category_set=np.full(len(left), -1, np.int32), missing_left=inner & False,
        zero_missing=inner & False, leaf_values=np.arange(n_leaves, dtype=float)[:, None] / 4,
    )  # fmt: skip
    operators = tuple(changed if op is graph.trees else op for op in graph.operators)
    here, there = pair(dataclasses.replace(graph, operators=operators))
    X = np.append(np.linspace(-1, n_leaves, 1500), [np.nan, 0.0, n_leaves - 2.0])[:, None]
    X = np.append(X, np.arange(n_leaves - 600.0, n_leaves)[:, None], axis=0)
    check(here, there, X)
    check(here, there, X[-300:])
    if n_leaves <= 257:
        X = np.arange(n_leaves, dtype=float)[:, None].repeat(3, 1).reshape(-1, 1) - 0.5
        assert set(there.apply(X).ravel()) == set(range(n_leaves))


@pytest.mark.parametrize(
    ("n_features", "n_trees", "max_leaves", "kind"),
    [
        (40, 60, 64, "tiles of 1024 rows"),
        (130, 119, 64, "tiles of 512 rows"),
        (260, 197, 64, "tiles of 256 rows"),
        (620, 330, 64, "do not fit a block's shared memory"),
        (2600, 300, 64, "do not fit a block's shared memory"),
        (700, 12, 600, "three levels"),
        (2600, 24, 600, "walked node by node"),
    ],
)
def test_many_columns(n_features: int, n_trees: int, max_leaves: int, kind: str) -> None:
    """Tiles shrink with the number of columns, and the last groups of trees are not full."""
    shape = Shape(
        seed=1, n_features=n_features, n_trees=n_trees, max_leaves=max_leaves, growth="level",
        category_rule="floor" if n_features < 200 else "none",
    )  # fmt: skip
    graph = make_graph(shape)
    here, there = pair(graph)
    assert kind in there._native.engine_reason
    X = make_rows(graph.trees, 1030 if n_features < 600 else 520, seed=1)
    check(here, there, X)
    check(here, there, X[:35])


@pytest.mark.parametrize("n_rows", [40, 600])
def test_more_cuts_than_a_byte_counts(n_rows: int) -> None:
    """Cuts of small trees fill all the ranks of a column of bytes, and a part of the next."""
    graph = make_graph(Shape(seed=3, n_features=2, n_trees=40, max_leaves=64))
    threshold = np.random.default_rng(1).normal(size=len(graph.trees.threshold))
    threshold[graph.trees.left == -1] = 0
    changed = dataclasses.replace(graph.trees, threshold=threshold)
    operators = tuple(changed if op is graph.trees else op for op in graph.operators)
    here, there = pair(dataclasses.replace(graph, operators=operators))
    assert engine(there) == "slice"
    X = np.random.default_rng(2).normal(size=(n_rows, 2))
    X[::7, 0], X[::9, 1] = np.nan, threshold.max()
    check(here, there, X)
    check(here, there, here.bin(X))


def test_small_trees_with_bins_of_two_bytes() -> None:
    """Their leaf tables are too large for the slices of a processor, whose bins rows come in."""
    graph = make_graph(Shape(seed=1, n_trees=110, n_outputs=600, vector_leaves=True))
    here, there = pair(graph)
    assert engine(there) == "slice"
    bins = here.bin(make_rows(graph.trees, 520, seed=1))
    assert bins.dtype == np.uint16
    assert there.apply(bins).tobytes() == here.apply(bins).tobytes()


def test_models_that_share_a_kernel() -> None:
    """Blocks of one take more shared memory than those of the other, which may not take it away."""
    for n_features in (200, 130):
        shape = Shape(seed=1, n_features=n_features, n_trees=90, max_leaves=90, growth="level")
        graph = make_graph(shape)
        check(*pair(graph), make_rows(graph.trees, 70, seed=1))
