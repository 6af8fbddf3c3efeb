"""Proof by structure: every node of the source beside the packed node that stands for it.

Pairs of nodes descend together from the roots, one level of all trees at a time. At inner nodes
the source's rule is asked about the packed cut and about the next larger number of the input type:
if the first goes left and the second right, then both rules agree on every number, because each
sends all small values left and all large ones right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._verify_packed import CATEGORY, ZERO_MISSING
from cordwood._verify_report import Difference, StructureProof
from cordwood._verify_rules import numeric_goes_left, region_of
from cordwood._verify_sets import wrong_sets

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int64Array
    from cordwood._verify_lossy import Allowance
    from cordwood._verify_packed import PackedTrees
    from cordwood.ir import Graph, TreeEnsemble

__all__ = ["prove_structure"]

Namer = Callable[[Any, Any], tuple[str, str]]

KEPT = 8
"""Differences of one kind that are kept from each level."""

LEAF_CELLS = 1 << 20
"""Leaf values compared at a time: bounds the memory that vector leaves take."""


@dataclass(frozen=True)
class _Pairs:
    """Some pairs of one level: tree, source's node over all trees, packed node, level place."""

    tree: Int64Array
    source: Int64Array
    packed: Int64Array
    place: Int64Array

    def __getitem__(self, chosen: AnyArray | slice) -> _Pairs:
        return _Pairs(
            self.tree[chosen], self.source[chosen], self.packed[chosen], self.place[chosen]
        )

    def __len__(self) -> int:
        return len(self.tree)


def prove_structure(
    graph: Graph,
    trees: TreeEnsemble,
    packed: PackedTrees,
    head: list[Difference],
    allowance: Allowance | None = None,
) -> StructureProof:
    """Compare all trees of an ensemble.

    Parameters
    ----------
    graph : Graph
        The source's structure.
    trees : TreeEnsemble
        One of its ensembles.
    packed : PackedTrees
        The packed trees.
    head : list of Difference
        What differs outside the trees. Where the number of trees or the width of leaves is among
        it, the trees are not compared.
    allowance : Allowance, optional
        What a lossy recipe may have changed: leaves, or the trees, which are then not compared.
    """
    walk = _Walk(graph, trees, packed, rounded=allowance is not None)
    moved = any(item.kind == "base value" for item in head)
    head = head if allowance is None else allowance.of_head(head)
    comparable = (
        len(packed.tree_start) == len(trees.tree_start)
        and packed.leaf_values.shape[1] == trees.leaf_width
        and (allowance is None or allowance.same_trees)
    )
    if comparable:
        walk.run()
        if allowance is not None and not moved:
            head = [*head, *allowance.of_leaves(walk.worst, trees.tree_output)]
    return StructureProof(
        trees=trees.n_trees,
        nodes=walk.nodes,
        regions=walk.regions,
        n_differences=len(head) + walk.n_differences,
        differences=(*head, *walk.differences()),
    )


class _Walk:
    """One walk over all pairs of nodes."""

    def __init__(
        self, graph: Graph, trees: TreeEnsemble, packed: PackedTrees, *, rounded: bool
    ) -> None:
        self.graph = graph
        self.rounded = rounded
        self.worst: Float64Array = np.zeros((trees.n_trees, trees.leaf_width))
        self.trees = trees
        self.packed = packed
        self.nodes = self.regions = self.n_differences = 0
        self._found: list[tuple[int, int, int, str, str, str]] = []
        self._category: list[_Pairs] = []
        self._depth = 0

    def run(self) -> None:
        """Descend from the roots until every pair has ended in leaves."""
        trees = self.trees
        first = trees.tree_start[:-1]
        roots = np.arange(trees.n_trees)
        pairs = _Pairs(roots, first, self.packed.tree_start[:-1], np.zeros_like(first))
        seen = np.zeros(trees.n_trees, np.int64)
        while len(pairs):
            self.nodes += len(pairs)
            inner = trees.left[pairs.source] >= 0
            packed_inner = self.packed.right[pairs.packed] > 0
            self._note("node", pairs, inner != packed_inner, packed_inner, inner, _name_node)
            self._compare_leaves(pairs[~inner & ~packed_inner])
            parents = pairs[inner & packed_inner]
            crossed = self._compare_tests(parents)
            seen += np.bincount(pairs.tree, minlength=trees.n_trees)
            pairs = self._children(parents, crossed, seen)
            self._depth += 1
        self._compare_sets()

    def _children(self, parents: _Pairs, crossed: BoolArray, seen: Int64Array) -> _Pairs:
        """Pair the children, left to right on the packed side; `seen` counts earlier levels."""
        first = self.trees.tree_start[parents.tree]
        left = self.trees.left[parents.source] + first
        right = self.trees.right[parents.source] + first
        source = np.column_stack((np.where(crossed, right, left), np.where(crossed, left, right)))
        beyond = parents.packed + self.packed.right[parents.packed]
        packed = np.column_stack((parents.packed + 1, beyond))
        tree = np.repeat(parents.tree, 2)
        at = np.arange(len(tree))
        opens = np.ones(len(tree), np.bool_)  # trees stay in ascending order
        opens[1:] = tree[1:] != tree[:-1]
        place = seen[tree] + at - np.maximum.accumulate(np.where(opens, at, 0))
        return _Pairs(tree, source.reshape(-1), packed.reshape(-1), place)

    def _compare_tests(self, pairs: _Pairs) -> BoolArray:
        """Compare what pairs of inner nodes test; return where the children are exchanged."""
        trees, packed = self.trees, self.packed
        column = packed.column[pairs.packed]
        kind = packed.column_kind[column]
        feature, packed_feature = trees.feature[pairs.source], packed.column_feature[column]
        self._note("feature", pairs, feature != packed_feature, packed_feature, feature)
        category = trees.category_set[pairs.source] >= 0
        differs = category != (kind == CATEGORY)
        self._note("kind of test", pairs, differs, kind == CATEGORY, category, _name_test)

        crossed = np.zeros(len(pairs), np.bool_)
        numeric = ~category & ~differs
        crossed[numeric] = self._compare_cuts(pairs[numeric])
        zero = trees.zero_missing[pairs.source]
        self._note("zero as missing", pairs, numeric & (zero != (kind == ZERO_MISSING)),
                   kind == ZERO_MISSING, zero)  # fmt: skip

        asked = np.full(len(pairs), trees.accepts_nan)
        asked |= np.where(category, trees.category_rule == "exact", zero)
        route = trees.missing_left[pairs.source] ^ crossed
        given = packed.missing_left[pairs.packed]
        self._note("missing route", pairs, asked & (given != route), given, route, _name_side)
        chosen = pairs[category & ~differs & (feature == packed_feature)]
        if len(chosen):
            self._category.append(chosen)
        return crossed

    def _compare_cuts(self, pairs: _Pairs) -> BoolArray:
        """Ask the source's rule about each packed cut and about its upper neighbour."""
        trees = self.trees
        dtype = np.dtype(trees.input_type)
        wide = self.packed.cut(pairs.packed)
        with np.errstate(over="ignore", under="ignore"):
            cut = wide.astype(dtype)
            above = np.nextafter(cut, dtype.type(np.inf)).astype(np.float64)
        last = np.isposinf(wide)
        node = pairs.source
        exact = (cut == wide) & numeric_goes_left(trees, node, wide)
        exact &= last | ~numeric_goes_left(trees, node, above)
        # A source that sends no number left is packed as "everything left", children exchanged.
        nothing_left = ~numeric_goes_left(trees, node, np.full(len(pairs), -np.inf))
        crossed = last & nothing_left
        self._note("threshold", pairs, ~(exact | crossed), wide, trees.threshold[node], _name_cut)
        return crossed

    def _compare_leaves(self, pairs: _Pairs) -> None:
        """Compare value and number of pairs of leaves."""
        trees, packed = self.trees, self.packed
        self.regions += len(pairs)
        step = max(1, LEAF_CELLS // trees.leaf_width)
        for begin in range(0, len(pairs), step):
            some = pairs[slice(begin, begin + step)]
            stated = trees.leaf_values[trees.leaf_row[some.source]].astype(np.float64)
            if trees.aggregate != "weighted_median":
                stated *= trees.tree_weight[some.tree][:, None]
            expected = stated.astype(trees.accumulate_type).astype(np.float64)
            given = packed.leaf_values[packed.rank[some.packed]]
            if self.rounded:
                np.maximum.at(self.worst, some.tree, np.abs(given - expected))
                continue
            differs = (given.view(np.int64) != expected.view(np.int64)).any(axis=1)
            self._note("leaf value", some, differs, given, expected, _name_values)
        number = packed.leaf_number(pairs.packed, pairs.tree, pairs.place)
        expected_number = trees.leaf_id[pairs.source]
        self._note("leaf number", pairs, number != expected_number, number, expected_number)

    def _compare_sets(self) -> None:
        """Compare each pair of category sets once, then name the first node that has it."""
        if not self._category:
            return
        tree, source, packed, place = (
            np.concatenate([getattr(pairs, name) for pairs in self._category])
            for name in ("tree", "source", "packed", "place")
        )
        pairs = _Pairs(tree, source, packed, place)
        wrong, text = wrong_sets(self.trees, self.packed, source, packed)
        self._note("category set", pairs, wrong, text, text, _name_set)

    def _note(
        self,
        kind: str,
        pairs: _Pairs,
        differs: AnyArray,
        given: AnyArray,
        expected: AnyArray,
        name: Namer | None = None,
    ) -> None:
        places = np.flatnonzero(differs)
        self.n_differences += len(places)
        for place in places[:KEPT]:
            ours, theirs = str(given[place]), str(expected[place])
            if name is not None:
                ours, theirs = name(given[place], expected[place])
            node, tree = int(pairs.source[place]), int(pairs.tree[place])
            self._found.append((tree, self._depth, node, kind, ours, theirs))

    def differences(self) -> tuple[Difference, ...]:
        """Return the first differences, by tree and then from the root down."""
        names = self.graph.feature_names
        found = []
        for tree, _, node, kind, given, expected in sorted(self._found)[:KEPT]:
            feature = int(self.trees.feature[node])
            label = f"{feature} ({names[feature]!r})" if names and feature >= 0 else str(feature)
            found.append(
                Difference(
                    kind=kind, given=given, expected=expected, tree=tree,
                    region=region_of(self.trees, node, tree),
                    feature=label if feature >= 0 else None,
                )
            )  # fmt: skip
        return tuple(found)


def _name_node(given: np.bool_, expected: np.bool_) -> tuple[str, str]:
    names = ("a leaf", "a split")
    return names[int(given)], names[int(expected)]


def _name_test(given: np.bool_, expected: np.bool_) -> tuple[str, str]:
    names = ("a numeric test", "a category test")
    return names[int(given)], names[int(expected)]


def _name_side(given: np.bool_, expected: np.bool_) -> tuple[str, str]:
    names = ("right", "left")
    return names[int(given)], names[int(expected)]


def _name_cut(given: np.float64, expected: np.float64) -> tuple[str, str]:
    return (
        f"the cut {float(given)!r}",
        f"the largest number that goes left of the source's threshold {float(expected)!r}",
    )


def _name_values(given: AnyArray, expected: AnyArray) -> tuple[str, str]:
    bits = given.view(np.int64) != expected.view(np.int64)
    first = int(np.argmax(bits))
    ours, theirs = float(given[first]), float(expected[first])
    return f"{ours!r} ({ours.hex()})", f"{theirs!r} ({theirs.hex()})"


def _name_set(value: np.float64, _: np.float64) -> tuple[str, str]:
    what = "values that are not listed" if np.isnan(value) else f"category {float(value):g}"
    return f"a set that treats {what} otherwise", "the source's set"
