"""Verification finds packed models that are wrong in one place, by the structure alone."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

import cordwood as cw
from cordwood import frontends
from cordwood.errors import ModelDiffersError
from cordwood.ir import Graph, TreeEnsemble
from cordwood.model import Model
from cordwood.pack import pack
from verify_changes import CATEGORY, LEAF, MISSING, NUMERIC, ZERO, Change, changed, head_changes
from verify_models import MAKERS, trained

NODES = 2
"""Nodes that each change is made at, in each family."""

CHANGES = {**NUMERIC, **MISSING, **ZERO, **{f"category {name}": change
           for name, change in CATEGORY.items()}, **LEAF}  # fmt: skip


def nodes_for(graph: Graph, name: str, most: int = NODES) -> np.ndarray:
    """Return a few nodes at which a change makes a difference, none where no node is such."""
    trees = graph.trees
    inner = trees.left >= 0
    category = trees.category_set >= 0
    if name in MISSING:
        chosen = inner & (trees.accepts_nan | trees.zero_missing) & _tests_first(trees)
    elif name in ZERO:
        zero_left = trees.threshold >= 0
        chosen = inner & ~category & (trees.zero_band > 0) & (zero_left != trees.missing_left)
        chosen &= _tests_first(trees)
    elif name.startswith("category"):
        chosen = category & _tests_first(trees)
    else:
        chosen = inner & ~category
    # A band moves as one, and nothing lies beyond infinity: such thresholds can be moved unseen.
    chosen &= (np.abs(trees.threshold) > 2 * trees.zero_band) | category
    found = np.flatnonzero(chosen & np.isfinite(trees.threshold))
    return found[:: max(1, len(found) // most)][:most]


def _tests_first(trees: TreeEnsemble) -> np.ndarray:
    """Tell which nodes no ancestor on the same feature can keep some values from."""
    first = np.ones(trees.n_nodes, np.bool_)
    for start, end in itertools.pairwise(trees.tree_start.tolist()):
        waiting: list[tuple[int, frozenset[int]]] = [(start, frozenset())]
        while waiting:
            node, above = waiting.pop()
            feature = int(trees.feature[node])
            first[node] = feature not in above
            if trees.left[node] >= 0:
                waiting += [(start + int(side[node]), above | {feature})
                            for side in (trees.left, trees.right)]  # fmt: skip
        assert end > start
    return first


@pytest.mark.parametrize("family", MAKERS)
def test_changes_at_nodes_are_found_by_structure(family: str) -> None:
    source = trained(family)
    graph = frontends.read(source)
    made = 0
    for name, (change, kind) in CHANGES.items():
        for node in nodes_for(graph, name):
            wrong = Model(pack(changed(graph, **change(graph.trees, int(node)))))
            report = cw.verify(source, wrong, probes=0)
            assert not report.identical, (name, node)
            first = report.differences[0]
            assert kind in ("", first.kind), (name, node, str(first))
            tree = int(np.searchsorted(graph.trees.tree_start, node, side="right")) - 1
            assert first.tree == tree, (name, node)
            made += 1
    assert made >= 10


@pytest.mark.parametrize("family", MAKERS)
def test_changes_around_the_trees_are_found_by_structure(family: str) -> None:
    source = trained(family)
    for kind, wrong in head_changes(frontends.read(source), by_one_bit=True).items():
        report = cw.verify(source, Model(pack(wrong)), probes=0)
        kinds = [difference.kind for difference in report.differences]
        assert kind in kinds, (kind, kinds)


def test_a_threshold_that_no_row_can_tell_apart_is_equal() -> None:
    source = trained("forest_classifier")
    graph = frontends.read(source)
    trees = graph.trees
    threshold = np.where(trees.left >= 0, np.nextafter(trees.threshold, -np.inf), 0.0)
    between = trees.threshold != trees.threshold.astype(np.float32)
    moved = changed(graph, threshold=np.where(between, threshold, trees.threshold))
    assert between.any(), "every threshold is a float32 number"
    assert cw.verify(source, Model(pack(moved))).identical


def test_the_message_names_tree_region_feature_and_both_values() -> None:
    source = trained("lightgbm")
    graph = frontends.read(source)
    change: Change = NUMERIC["threshold_up"][0]
    trees = graph.trees
    start = int(trees.tree_start[2])
    inner = (trees.left >= 0) & (trees.category_set < 0)
    node = start + 1 + int(np.argmax(inner[start + 1 :]))
    wrong = Model(pack(changed(graph, **change(trees, node))))
    report = cw.verify(source, wrong, probes=0)
    with pytest.raises(ModelDiffersError) as caught:
        report.raise_if_different()
    message = str(caught.value)
    feature = int(trees.feature[node])
    threshold = float(trees.threshold[node])
    assert f"threshold at tree 2, region [x{int(trees.feature[start])} " in message
    assert f"feature {feature}: given the cut {float(np.nextafter(threshold, np.inf))!r}" in message
    assert (
        f"expected the largest number that goes left of the source's threshold {threshold!r}"
        in (message)
    )
    assert "differs   threshold" in str(report)
    facts = json.loads(json.dumps(report.to_dict()))
    assert facts["identical"] is False
    assert facts["structure"]["differences"][0]["tree"] == 2


def test_many_differences_are_counted_and_the_first_are_shown() -> None:
    source = trained("forest_regressor")
    graph = frontends.read(source)
    wrong = changed(graph, leaf_values=graph.trees.leaf_values + 1.0)
    report = cw.verify(source, Model(pack(wrong)), probes=0)
    assert report.n_differences == report.structure.regions
    assert len(report.differences) == 8
    assert f"(and {report.n_differences - 1:,} more)" in _message(report)
    assert f"DIFFERENT in {report.n_differences:,} places" in str(report)


def _message(report: cw.Report) -> str:
    with pytest.raises(ModelDiffersError) as caught:
        report.raise_if_different()
    return str(caught.value)


@pytest.mark.parametrize(("one", "other"), [("forest_classifier", "forest_regressor"),
                                            ("lightgbm", "xgboost"),
                                            ("boosting_binary", "boosting_three")])  # fmt: skip
def test_another_model_is_different(one: str, other: str) -> None:
    report = cw.verify(trained(one), cw.compress(trained(other)))
    assert not report.identical
    assert not cw.verify(trained(other), cw.compress(trained(one))).identical
