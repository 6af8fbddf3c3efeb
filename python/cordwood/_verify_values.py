"""Values worth probing: thresholds and their neighbours, category codes, NaN, zeros, infinities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._verify_rules import numeric_goes_left

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float64Array, Int64Array
    from cordwood.ir import TreeEnsemble

__all__ = ["ProbeValues"]

FEWEST_CATEGORIES, MOST_CATEGORIES = 16, 256
"""Category values that one node is probed with, where it has more; they are drawn by chance."""

MOST_CODES = 4096
"""Up to this largest code all smaller ones are probed, too, whether or not a set holds them."""

TINY = (1e-36, -1e-36, 1e-30, -1e-30)
"""Numbers that are zero to some library, or just are not."""

MISSING_SHARE = 0.1
"""How much of drawn rows is missing, where the source takes that."""

LARGE = 1e30
"""Thresholds count as no larger when ordinary values are drawn around them."""

ODD_CATEGORIES = (-1.0, -0.5, 0.5, 2.0**24 - 1, 2.0**24, 2.0**31 - 1, 2.0**31, 2.0**32 + 1, 1e300)
"""Values at which a cast, a fraction or a sign decides whether they are a category."""


class ProbeValues:
    """The values of one ensemble that lie on a border of its rules.

    Parameters
    ----------
    trees : TreeEnsemble
        The source's rules.
    share : int
        About how many values a node may be probed with, so that all nodes have their turn.
    """

    def __init__(self, trees: TreeEnsemble, share: int) -> None:
        self.trees = trees
        self._per_node = min(max(FEWEST_CATEGORIES, share), MOST_CATEGORIES)
        self._type = np.dtype(trees.input_type)
        band = trees.zero_band
        self._band = self._floor(np.array([band]))[0]
        self._band_edges = np.array([self._band, -self._band, *self._outside_band()])
        self.everywhere = (0.0, *self._band_edges) if band > 0.0 else (0.0,)
        self._categories = self._list_categories()
        self.most_categories = max(map(len, self._categories.values()), default=0)

    def cast(self, x: Float64Array) -> Float64Array:
        """Return values after the cast to the input type, held in float64."""
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(x.astype(self._type), np.float64)

    def above(self, x: Float64Array) -> Float64Array:
        """Return the next larger numbers of the input type."""
        return self._step(x, np.inf)

    def _step(self, x: Float64Array, towards: float) -> Float64Array:
        with np.errstate(over="ignore", under="ignore"):
            stepped = np.nextafter(x.astype(self._type), self._type.type(towards))
        return np.asarray(stepped, np.float64)

    def _floor(self, x: Float64Array) -> Float64Array:
        """Return the largest numbers of the input type that are not above `x`."""
        near = self.cast(x)
        return np.where(near > x, self._step(near, -np.inf), near)

    def _outside_band(self) -> tuple[float, float]:
        band = np.array([self._band])
        return float(self.above(band)[0]), float(self._step(-band, -np.inf)[0])

    def clip(self, x: Float64Array) -> Float64Array:
        """Bring values into the range of numbers that the source takes."""
        if self.trees.accepts_infinity:
            return x
        most = float(np.finfo(self._type).max)
        return np.clip(x, -most, most)

    def taken(self, x: Float64Array) -> AnyArray:
        """Tell which values, cast already, the source takes."""
        refused = np.isnan(x) & (not self.trees.accepts_nan)
        refused |= np.isinf(x) & (not self.trees.accepts_infinity)
        return ~refused

    def last_left(self, node: AnyArray) -> Float64Array:
        """Return the largest number that a numeric node sends left; any number for the others."""
        trees = self.trees
        edge = self._floor(trees.threshold[node])
        at_left = numeric_goes_left(trees, node, edge)
        edge = np.where(at_left, edge, self._step(edge, -np.inf))
        inside = np.abs(edge) <= trees.zero_band
        if trees.zero_band > 0.0 and inside.any():
            zero_left = numeric_goes_left(trees, node, np.zeros(len(edge)))
            below = self._outside_band()[1]
            edge = np.where(inside, np.where(zero_left, self._band, below), edge)
        return edge

    # ---- categories ------------------------------------------------------------------------------

    def _list_categories(self) -> dict[int, Float64Array]:
        """Return for each feature with category nodes its known values and a few unknown ones."""
        trees = self.trees
        nodes = np.flatnonzero(trees.category_set >= 0)
        lists = {}
        for feature in np.unique(trees.feature[nodes]):
            chosen = np.unique(trees.category_set[nodes[trees.feature[nodes] == feature]])
            if trees.category_rule == "exact":
                first, last = trees.category_start[feature : feature + 2]
                known = trees.category_values[first:last]
            else:
                sizes = trees.set_start[chosen + 1] - trees.set_start[chosen]
                offset = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                members = trees.set_members[np.repeat(trees.set_start[chosen], sizes) + offset]
                known = np.unique(members).astype(np.float64)
                if len(known) and known[-1] < MOST_CODES:
                    known = np.arange(known[-1] + 1)
            top = float(known.max()) if len(known) else 0.0
            odd = [top + 1, top + 0.5, *ODD_CATEGORIES]
            if trees.category_rule != "exact":
                odd += [np.inf, -np.inf]  # an encoder of listed values refuses infinity
            values = self.cast(np.concatenate((known, odd)))
            if trees.category_rule == "exact":
                values = values[np.isfinite(values)]
            lists[int(feature)] = values[self.taken(values)]
        return lists

    def category(self, feature: AnyArray, place: int) -> Float64Array:
        """Return each feature's category value at a place; 0.0 where its list ends before."""
        values = np.zeros(len(feature))
        for one, listed in self._categories.items():
            if place < len(listed):
                values[feature == one] = listed[place]
        return values

    # ---- what to put into nodes and rows ---------------------------------------------------------

    def at_nodes(
        self, nodes: Int64Array, row_type: str, rng: np.random.Generator
    ) -> tuple[Int64Array, Float64Array]:
        """Return pairs of a node and a value for the feature that it tests.

        Parameters
        ----------
        nodes : ndarray of int64, shape (n,)
            Inner nodes.
        row_type : {"float32", "float64"}
            Type of the rows that will hold the values. Where it is wider than the input type, the
            values lie on the borders of the cast.
        rng : Generator
            Draws among too many categories.

        Returns
        -------
        owner : ndarray of int64, shape (m,)
            Positions in `nodes`.
        value : ndarray of float64, shape (m,)
        """
        category = self.trees.category_set[nodes] >= 0
        numeric = np.flatnonzero(~category)
        if row_type == self._type.name:
            pairs = self._numeric_pairs(nodes[numeric])
            pairs = [(numeric[place], value) for place, value in pairs]
            pairs += self._category_pairs(nodes, np.flatnonzero(category), rng)
        else:
            threshold, edge = self.trees.threshold[nodes[numeric]], self.last_left(nodes[numeric])
            border = edge / 2 + self.above(edge) / 2  # where the cast's rounding turns
            with np.errstate(over="ignore", under="ignore"):
                values = [np.nextafter(x, towards) for x in (threshold, border)
                          for towards in (-np.inf, x, np.inf)]  # fmt: skip
            pairs = [(numeric[np.isfinite(value)], value[np.isfinite(value)]) for value in values]
        owner = np.concatenate([place for place, _ in pairs])
        value = np.concatenate([value for _, value in pairs])
        kept = self.taken(self.cast(value))
        return owner[kept], value[kept]

    def _numeric_pairs(self, nodes: Int64Array) -> list[tuple[Int64Array, Float64Array]]:
        """Return positions in `nodes`, all numeric, and values of the input type for them."""
        trees = self.trees
        everyone = np.arange(len(nodes))
        own = self.cast(trees.threshold[nodes])
        values = [self._step(own, -np.inf), own, self._step(own, np.inf)]
        values += [np.full(len(nodes), odd) for odd in (np.nan, np.inf, -np.inf)]
        pairs = [(everyone, value) for value in values]
        zero = np.flatnonzero(own == 0.0)
        pairs.append((zero, np.full(len(zero), -0.0)))
        # Zero goes to every node, and what some library may take for zero to those that ask.
        pairs.append((everyone, np.zeros(len(nodes))))
        inside = np.abs(trees.threshold[nodes]) <= max(2 * trees.zero_band, *TINY)
        near = np.flatnonzero(inside | trees.zero_missing[nodes])
        edges = self.cast(np.concatenate((self._band_edges, TINY)))
        pairs += [(near, np.full(len(near), edge)) for edge in edges]
        return pairs

    def _category_pairs(
        self, nodes: Int64Array, chosen: Int64Array, rng: np.random.Generator
    ) -> list[tuple[Int64Array, Float64Array]]:
        """Return positions in `nodes`, and categories in, out of and beyond their sets."""
        pairs = []
        for place in chosen:
            listed = self._categories[int(self.trees.feature[nodes[place]])]
            if len(listed) >= self._per_node:  # NaN is one of them
                listed = rng.choice(listed, self._per_node - 1, replace=False)
            values = np.append(listed, np.nan)
            pairs.append((np.full(len(values), place), values))
        return pairs

    def draw_rows(self, count: int, rng: np.random.Generator) -> Float64Array:
        """Return rows of the input type drawn from borders and from between them."""
        trees = self.trees
        rows = np.zeros((count, trees.n_features))
        nodes = np.flatnonzero((trees.left >= 0) & (trees.category_set < 0))
        order = np.argsort(trees.feature[nodes], kind="stable")
        ends = np.cumsum(np.bincount(trees.feature[nodes], minlength=trees.n_features))
        pools = np.split(self.last_left(nodes)[order], ends[:-1])
        for feature, edges in enumerate(pools):
            pool = np.concatenate((edges, self._categories.get(feature, np.empty(0))))
            finite = pool[np.isfinite(pool)]
            if len(finite):
                # Half of the values stay on a border, half leave it; categories always stay.
                is_category = feature in self._categories
                scale = 0.0 if is_category else np.std(np.clip(finite, -LARGE, LARGE))
                spread = rng.normal(size=count) * rng.integers(0, 2, count) * scale
                rows[:, feature] = rng.choice(finite, count) + spread
        if trees.accepts_nan:
            rows[rng.random(rows.shape) < MISSING_SHARE] = np.nan
        most = float(np.finfo(self._type).max)
        return np.clip(self.cast(rows), -most, most)
