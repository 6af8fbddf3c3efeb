"""Rows on the borders of an ensemble's regions, each of which reaches the node that it probes.

A probe is a node and a value of the feature it tests. The row around it starts as an ordinary row;
wherever an ancestor of the node would turn it away, the tested feature gets a value that all
ancestors agree with. Candidates are tried against the ancestors' own rules, so a probe that is
made does reach its node, and a node without any is one that no row can reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cordwood._verify_rules import SplitRules, parents
from cordwood._verify_values import ProbeValues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array
    from cordwood.ir import TreeEnsemble

    Candidate = Callable[[Int64Array], Float64Array]

__all__ = ["Batch", "Probes", "make_probes"]

CELLS = 20_000_000
"""Most values in all probe rows of one type: bounds the memory."""

VISITS = 50_000_000
"""Most leaves that probe rows of one type reach: bounds the time."""

EXTRA_ROWS = 1_000
"""Rows of other number types, and rows that combine borders of all features."""

LARGE_WHOLE = (2**24 + 1, 2**31 + 3, 2**53 + 1, 2**62 + 1, -(2**24) - 1, -(2**53) - 1)
"""Integers that a cast to float rounds."""


@dataclass(frozen=True)
class Batch:
    """Rows of one number type.

    Parameters
    ----------
    rows : ndarray of shape (n, n_features)
        The rows.
    node : ndarray of int64, shape (n,), or None
        Node that each row probes, counted over all trees.
    """

    rows: AnyArray
    node: Int64Array | None = None


@dataclass(frozen=True)
class Probes:
    """Rows on borders.

    Parameters
    ----------
    batches : tuple of Batch
        The rows.
    inner, sampled, reached : int
        Inner nodes; those drawn for probing; those of them that some row reaches.
    """

    batches: tuple[Batch, ...]
    inner: int
    sampled: int
    reached: int


@dataclass(frozen=True)
class _Paths:
    """Every ancestor of some nodes, sorted by node and then by the feature that it tests.

    ``group_start`` marks runs of one node and one feature.
    """

    owner: Int64Array
    node: Int64Array
    went_left: BoolArray
    group_start: Int64Array


def _paths_to(trees: TreeEnsemble, nodes: Int64Array) -> _Paths:
    """Climb from nodes to their roots, all at once."""
    parent = parents(trees)
    first = np.repeat(trees.tree_start[:-1], np.diff(trees.tree_start))
    owners: list[Int64Array] = []
    passed: list[Int64Array] = []
    sides: list[BoolArray] = []
    owner, at = np.arange(len(nodes)), nodes
    while len(at) or not owners:
        above = parent[at]
        inside = above >= 0
        owner, at, above = owner[inside], at[inside], above[inside]
        owners.append(owner)
        passed.append(above)
        sides.append(trees.left[above] + first[above] == at)
        at = above
    owner, node, went_left = np.concatenate(owners), np.concatenate(passed), np.concatenate(sides)
    order = np.lexsort((trees.feature[node], owner))
    owner, node, went_left = owner[order], node[order], went_left[order]
    starts = np.ones(len(owner), np.bool_)
    feature = trees.feature[node]
    starts[1:] = (owner[1:] != owner[:-1]) | (feature[1:] != feature[:-1])
    return _Paths(owner, node, went_left, np.flatnonzero(starts))


class _NodeRows:
    """Rows that reach nodes.

    Parameters
    ----------
    rules : SplitRules
        The source's rules.
    values : ProbeValues
        Values worth trying.
    nodes : ndarray of int64, shape (n,)
        Inner nodes to reach, counted over all trees.
    base : ndarray of float64, shape (n, n_features)
        Rows to start from, of the input type; changed in place into rows that reach their nodes.
    """

    def __init__(
        self, rules: SplitRules, values: ProbeValues, nodes: Int64Array, base: Float64Array
    ) -> None:
        self.rules = rules
        self.values = values
        self.nodes = nodes
        self.rows = base
        self.reached = np.ones(len(nodes), np.bool_)
        self.paths = _paths_to(rules.trees, nodes)
        self._settle()

    def _settle(self) -> None:
        """Give each constrained feature a value that all ancestors agree with."""
        paths, trees = self.paths, self.rules.trees
        if not len(paths.owner):
            return
        starts = paths.group_start
        sizes = np.diff(np.append(starts, len(paths.owner)))
        owner, feature = paths.owner[starts], trees.feature[paths.node[starts]]
        value = self.rows[owner, feature]
        waiting = np.flatnonzero(~self._agree(starts, sizes, value))
        for candidate in self._candidates(starts, feature):
            if not len(waiting):
                break
            tried = candidate(waiting)
            good = self._agree(starts[waiting], sizes[waiting], tried)
            value[waiting[good]] = tried[good]
            waiting = waiting[~good]
        self.rows[owner, feature] = value
        self.reached[owner[waiting]] = False

    def _agree(self, starts: Int64Array, sizes: Int64Array, value: Float64Array) -> BoolArray:
        """Tell for each group whether all its ancestors send the value down the path."""
        if not len(starts):
            return np.zeros(0, np.bool_)
        which, place = _spread(starts, sizes)
        left = self.rules.goes_left(self.paths.node[place], value[which])
        right_way = left == self.paths.went_left[place]
        return np.asarray(np.logical_and.reduceat(right_way, np.cumsum(sizes) - sizes))

    def _candidates(self, starts: Int64Array, feature: Int32Array) -> Iterator[Candidate]:
        """Yield functions from groups to values, likelier ones first."""
        values, paths = self.values, self.paths
        edge = values.last_left(paths.node)
        high = np.where(paths.went_left, edge, np.inf)
        low = np.where(paths.went_left, -np.inf, edge)
        top, bottom = np.minimum.reduceat(high, starts), np.maximum.reduceat(low, starts)
        bottom = values.above(bottom)
        inside = np.where(np.isfinite(bottom), bottom, top)
        both = np.isfinite(top) & np.isfinite(bottom)
        inside[both] = values.cast(top[both] / 2 + bottom[both] / 2)
        for array in (values.clip(inside), values.clip(top), values.clip(bottom)):
            yield array.__getitem__
        for number in values.everywhere:
            yield np.full(len(starts), number).__getitem__
        for place in range(values.most_categories):
            yield partial(_category_of, values, feature, place)
        if self.rules.trees.accepts_nan:
            yield np.full(len(starts), np.nan).__getitem__

    def still_reach(self, owner: Int64Array, value: Float64Array) -> BoolArray:
        """Tell which values, put into the feature that the node tests, still reach the node.

        Parameters
        ----------
        owner : ndarray of int64, shape (m,)
            Positions in `nodes`.
        value : ndarray of float64, shape (m,)
            Values after the input cast.
        """
        trees, paths = self.rules.trees, self.paths
        own = np.flatnonzero(trees.feature[paths.node] == trees.feature[self.nodes[paths.owner]])
        count = np.bincount(paths.owner[own], minlength=len(self.nodes))
        begin = np.cumsum(count) - count
        which, place = _spread(begin[owner], count[owner])
        node = paths.node[own[place]]
        wrong_way = self.rules.goes_left(node, value[which]) != paths.went_left[own[place]]
        lost = np.bincount(which[wrong_way], minlength=len(owner)) > 0
        return np.asarray(self.reached[owner] & ~lost)


def _category_of(
    values: ProbeValues, feature: Int32Array, place: int, groups: Int64Array
) -> Float64Array:
    return values.category(feature[groups], place)


def _spread(starts: Int64Array, sizes: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return, for runs given by start and size, the run and the place of each of their elements."""
    which = np.repeat(np.arange(len(starts)), sizes)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return which, starts[which] + offset


def make_probes(
    trees: TreeEnsemble, X: Float64Array | None, *, most_rows: int, seed: int
) -> Probes:
    """Make rows on the borders of an ensemble.

    Parameters
    ----------
    trees : TreeEnsemble
        The source's rules.
    X : ndarray of float64, shape (n_rows, n_features), or None
        Rows to start from, of the input type; drawn from the thresholds where absent.
    most_rows : int
        About how many rows of one number type to make; nodes are drawn where all would need more.
    seed : int
        Seed of every draw.
    """
    rng = np.random.default_rng(seed)
    limit = min(most_rows, CELLS // max(1, trees.n_features), VISITS // max(1, trees.n_trees))
    inner = np.flatnonzero(trees.left >= 0)
    values = ProbeValues(trees, share=limit // max(1, len(inner)))
    mixed = values.draw_rows(EXTRA_ROWS, rng)
    nodes = _draw_nodes(values, inner, max(1, limit), rng)
    base = mixed if X is None or not len(X) else np.where(values.taken(X) & ~np.isinf(X), X, 0.0)
    start = base[rng.integers(len(base), size=len(nodes))]
    reaching = _NodeRows(SplitRules(trees), values, nodes, start)
    batches, reached = [], np.zeros(len(nodes), np.bool_)
    for row_type in ("float32", "float64"):
        if row_type == "float32" and trees.input_type == "float64":
            continue
        owner, value = values.at_nodes(nodes, row_type, rng)
        good = reaching.still_reach(owner, values.cast(value))
        owner, value = owner[good], value[good]
        reached[owner] = True
        rows = reaching.rows[owner]
        rows[np.arange(len(rows)), trees.feature[nodes[owner]]] = value
        batches += _split_infinite(rows.astype(row_type), nodes[owner])
    batches += _other_types(values, mixed, batches, rng)
    return Probes(tuple(batches), len(inner), len(nodes), int(reached.sum()))


def _draw_nodes(
    values: ProbeValues, inner: Int64Array, limit: int, rng: np.random.Generator
) -> Int64Array:
    """Return all inner nodes, or as many of them by chance as rows allow."""
    some = inner if len(inner) <= limit else np.sort(rng.choice(inner, limit, replace=False))
    owner, _ = values.at_nodes(some, values.trees.input_type, rng)
    if len(owner) <= limit:
        return some
    kept = max(1, len(some) * limit // len(owner))
    return np.asarray(np.sort(rng.choice(some, kept, replace=False)))


def _split_infinite(rows: AnyArray, node: Int64Array) -> list[Batch]:
    """Keep rows with infinity apart: not every call of every library takes them."""
    infinite = np.isinf(rows).any(axis=1)
    return [Batch(rows[mine], node[mine]) for mine in (~infinite, infinite) if mine.any()]


def _other_types(
    values: ProbeValues, mixed: Float64Array, batches: list[Batch], rng: np.random.Generator
) -> list[Batch]:
    """Return mixed rows, some of the other float type, and some of integers."""
    made = [Batch(mixed.astype(values.trees.input_type))]
    probing = [batch.rows for batch in batches if batch.rows.dtype == np.float64]
    sources = [mixed, *probing] if values.trees.input_type == "float64" else [mixed]
    pool = np.concatenate(sources)
    pool = pool[rng.permutation(len(pool))[:EXTRA_ROWS]]
    other = "float32" if values.trees.input_type == "float64" else "float64"
    with np.errstate(over="ignore", under="ignore"):
        narrow = pool.astype(other)
    made.append(Batch(narrow[~np.isinf(narrow).any(axis=1)]))
    whole = np.clip(np.nan_to_num(pool), -(2.0**40), 2.0**40).round().astype(np.int64)
    at = rng.random(whole.shape) < 0.02  # noqa: PLR2004 - a few in each column
    whole[at] = rng.choice(LARGE_WHOLE, int(at.sum()))
    made.append(Batch(whole))
    return [batch for batch in made if len(batch.rows)]
