"""What flat arrays of trees mean, in NumPy: rows descend a node at a time, leaves add one by one.

It knows nothing of Graphs: it referees ``cordwood.ops.tree_predict``. Drawn trees are here, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

CUTS = np.array([-2.5, -1.0, -0.0, 0.0, 0.1, 0.5, 1.0, 1.0 + 2.0**-30, 3.0, 16777217.0, np.inf])
"""Thresholds: some that float32 has not, both zeros, and infinity."""


@dataclass
class Trees:
    """Arrays as ``cordwood.ops.pack_trees`` takes them, by its names."""

    feature: Array
    threshold: Array
    left: Array
    right: Array
    value: Array
    tree_start: Array
    options: dict[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return everything by name."""
        arrays = {name: held for name, held in vars(self).items() if name != "options"}
        return arrays | self.options

    def leaves(self, X: Array) -> Array:
        """Return the leaf that each row reaches, counted in its tree; (n_rows, n_trees)."""
        x = self._cast(X)
        reached = np.empty((len(x), len(self.tree_start) - 1), np.int32)
        for tree, start in enumerate(self.tree_start[:-1]):
            for row, values in enumerate(x):
                node = 0
                while self.left[start + node] != -1:
                    goes_left = self._goes_left(start + node, values[self.feature[start + node]])
                    node = (self.left if goes_left else self.right)[start + node]
                reached[row, tree] = node
        return reached

    def margins(self, X: Array) -> Array:
        """Return the sums of the leaves' values, in tree order; (n_rows, n_outputs)."""
        kind = np.dtype(self.options.get("accumulate_type", "float64"))
        n_trees = len(self.tree_start) - 1
        weight = self.options.get("tree_weight", np.ones(n_trees))
        output = self.options.get("tree_output")
        values = self.value.reshape(len(self.value), -1).astype(np.float64)
        n_outputs = values.shape[1] if output is None else int(output.max()) + 1
        total = np.zeros((len(X), n_outputs), kind) + np.asarray(self.options["base"]).astype(kind)
        for tree, nodes in enumerate(self.leaves(X).T):
            added = (values[self.tree_start[tree] + nodes] * weight[tree]).astype(kind)
            if output is None:
                total += added
            else:
                total[:, output[tree]] += added[:, 0]
        return total / kind.type(n_trees) if self.options.get("aggregate") == "average" else total

    def _cast(self, X: Array) -> Array:
        with np.errstate(over="ignore"):
            return X.astype(self.options.get("input_type", "float32")).astype(np.float64)

    def _goes_left(self, node: int, x: float) -> bool:
        if np.isnan(x):
            return bool(self.options["missing_left"][node])
        cut = float(self.threshold[node])
        return bool(x < cut if self.options.get("comparison") == "lt" else x <= cut)


def draw_trees(
    seed: int, *, n_trees: int = 3, most_leaves: int = 9, n_features: int = 3, n_outputs: int = 1,
    vectors: bool = False, **options: Any,
) -> Trees:  # fmt: skip
    """Draw trees whose nodes, but for the roots, stand in any order."""
    rng = np.random.default_rng(seed)
    children = [_grow(rng, int(rng.integers(1, most_leaves + 1))) for _ in range(n_trees)]
    sizes = [len(left) for left, _ in children]
    left, right = (np.concatenate([pair[side] for pair in children]) for side in (0, 1))
    n_nodes = len(left)
    shape = (n_nodes, n_outputs) if vectors else (n_nodes,)
    drawn: dict[str, Any] = {"base": rng.normal(size=n_outputs) if n_outputs > 1 else 0.25}
    drawn["missing_left"] = rng.random(n_nodes) < 0.5
    if n_outputs > 1 and not vectors:
        drawn["tree_output"] = rng.permutation(np.arange(n_trees) % n_outputs)
        drawn["tree_output"][-1] = n_outputs - 1
    if seed % 2:
        drawn["tree_weight"] = rng.normal(size=n_trees)
    return Trees(
        feature=np.where(left == -1, -2, rng.integers(0, n_features, n_nodes)),
        threshold=np.where(left == -1, -2.0, rng.choice(CUTS, n_nodes)),
        left=left,
        right=right,
        value=rng.normal(size=shape),
        tree_start=np.cumsum([0, *sizes]),
        options={"n_features": n_features, **drawn, **options},
    )


def draw_rows(seed: int, n_rows: int, n_features: int = 3, dtype: Any = np.float64) -> Array:
    """Draw rows on thresholds, beside them, and where there is no order."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 2 if dtype == np.bool_ else 5, (n_rows, n_features)).astype(dtype)
    near = [np.nextafter(CUTS, way) for way in (-np.inf, np.inf)]
    single = [np.nextafter(CUTS.astype(np.float32), np.float32(way)) for way in (-np.inf, np.inf)]
    odd = [np.nan, np.nan, np.nan, -np.inf, 1e39, -1e39]
    pool = np.concatenate([CUTS, *near, *single, odd])
    with np.errstate(over="ignore"):
        return rng.choice(pool, (n_rows, n_features)).astype(dtype)


def _grow(rng: np.random.Generator, n_leaves: int) -> tuple[Array, Array]:
    """Return the children of one random tree, numbered at random but for its root."""
    left, right, open_leaves = [-1], [-1], [0]
    while len(open_leaves) < n_leaves:
        node = open_leaves.pop(int(rng.integers(len(open_leaves))))
        left[node], right[node] = len(left), len(left) + 1
        open_leaves += [len(left), len(left) + 1]
        left += [-1, -1]
        right += [-1, -1]
    number = np.concatenate(([0], 1 + rng.permutation(len(left) - 1)))
    sides = []
    for child in (np.array(left), np.array(right)):
        side = np.empty(len(child), np.int64)
        side[number] = np.where(child == -1, -1, number[child])
        sides.append(side)
    return sides[0], sides[1]
