"""The proof of structure on drawn Graphs: sound, and complete where rows can tell."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import cordwood as cw
import oracle
from cordwood._verify_probes import Batch, make_probes
from cordwood._verify_rules import SplitRules
from cordwood.ir import Graph, TreeEnsemble
from cordwood.model import Model
from cordwood.pack import pack
from drawn import make_rows
from strategies import graphs
from verify_changes import (
    category_dropped,
    children,
    leaf_number,
    missing_route,
    threshold_down,
    threshold_up,
    zero_missing,
)
from verify_changes import changed as replaced

NUMERIC = (threshold_up, threshold_down, children, missing_route, zero_missing, leaf_number)
CATEGORY = (category_dropped, children, missing_route, leaf_number)


@given(graphs())
def test_what_was_packed_is_proved_equal(graph: Graph) -> None:
    report = cw.verify(graph, Model(pack(graph)))
    report.raise_if_different()
    ensembles = [op for op in graph.operators if isinstance(op, TreeEnsemble)]
    assert report.structure.regions == sum(int((op.left < 0).sum()) for op in ensembles)
    assert "has no library" in str(report.note)


@given(graphs(), st.data())
def test_what_is_proved_equal_reaches_equal_leaves(graph: Graph, data: st.DataObject) -> None:
    trees = graph.trees
    inner = np.flatnonzero((trees.left >= 0) & np.isfinite(trees.threshold))
    if not len(inner):
        return
    node = int(data.draw(st.sampled_from(inner.tolist())))
    is_category = trees.category_set[node] >= 0
    change = data.draw(st.sampled_from(CATEGORY if is_category else NUMERIC))
    chosen = trees.category_set[node]
    if change is category_dropped and trees.set_start[chosen] == trees.set_start[chosen + 1]:
        return
    wrong = replaced(graph, **change(trees, node))
    report = cw.verify(graph, Model(pack(wrong)))
    rows = make_rows(trees, 200, "float64", seed=node)
    rows = np.concatenate((rows, *(b.rows for b in probes_of(graph, wrong))))
    same = np.array_equal(oracle.apply(graph, rows), oracle.apply(wrong, rows))
    assert same or not report.identical, "a difference was missed"


def probes_of(*both: Graph) -> list[Batch]:
    made = [make_probes(graph.trees, None, most_rows=400, seed=1) for graph in both]
    return [batch for probes in made for batch in probes.batches if batch.rows.dtype.kind == "f"]


@given(graphs())
def test_probes_reach_their_nodes(graph: Graph) -> None:
    """By the oracle's own descent, which shares no code with the probes."""
    trees = graph.trees
    made = make_probes(trees, None, most_rows=300, seed=0)
    assert made.sampled <= made.inner
    for batch in made.batches:
        assert oracle.refused(trees, batch.rows) is None
        if batch.node is None:
            continue
        cast = oracle.cast_rows(trees, batch.rows).astype(np.float64)
        for row, node in list(zip(cast, batch.node, strict=True))[:: max(1, len(cast) // 50)]:
            assert node in path(graph, row, int(node))


def path(graph: Graph, row: np.ndarray, node: int) -> list[int]:
    """Return the nodes that a row passes in the tree of a node."""
    trees = graph.trees
    start = at = int(trees.tree_start[np.searchsorted(trees.tree_start, node, side="right") - 1])
    passed = [at]
    while trees.left[at] >= 0:
        left = oracle.goes_left(trees, at, row[[trees.feature[at]]])[0]
        at = start + int(trees.left[at] if left else trees.right[at])
        passed.append(at)
    return passed


@given(graphs())
def test_split_rules_agree_with_the_oracle(graph: Graph) -> None:
    trees = graph.trees
    rules = SplitRules(trees)
    rows = oracle.cast_rows(trees, make_rows(trees, 40, "float64", seed=3)).astype(np.float64)
    for node in np.flatnonzero(trees.left >= 0)[:30]:
        x = rows[:, trees.feature[node]]
        ours = rules.goes_left(np.full(len(x), node), x)
        assert np.array_equal(ours, oracle.goes_left(trees, int(node), x)), node
