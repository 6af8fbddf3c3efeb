"""What a lossy recipe allows: verification then checks bounds where it would compare bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood._verify_report import Difference

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, Int32Array
    from cordwood.ir import Graph
    from cordwood.model import Model

__all__ = ["Allowance"]

ROUNDED = frozenset({"base value"})
"""What differs around the trees where leaves alone were rounded."""

CHANGED = ROUNDED | {"n_trees", "nodes of each tree", "output of each tree", "methods"}
"""What differs where splits were pruned, too."""


@dataclass(frozen=True)
class Allowance:
    """How far a model may be from its source, as its file says.

    Parameters
    ----------
    recipe : str
        Name of the recipe.
    margin : float
        Largest difference of a margin, rounding of the sums included.
    leaf : float
        Largest sum of the differences of the worst leaves of an output's trees.
    same_trees : bool
        Whether every row must reach the same leaf.
    """

    recipe: str
    margin: float
    leaf: float
    same_trees: bool

    @classmethod
    def of(cls, model: Model, graph: Graph) -> Allowance | None:
        """Return what the file says; None where it promises equality."""
        recipe = model.metadata["recipe"]
        loss = recipe.get("loss")
        if not loss:
            return None
        bound = float(loss["margin_bound"])
        return cls(
            recipe=str(recipe["name"]),
            margin=bound + float(loss["summation_bound"]),
            leaf=bound * graph.trees.divisor,
            same_trees=recipe["name"] == "trees-small",
        )

    def of_leaves(self, worst: Float64Array, tree_output: Int32Array) -> list[Difference]:
        """Return a difference where the worst leaves of an output's trees add up to too much."""
        sums = worst.sum(axis=0)  # of each output
        if worst.shape[1] == 1:
            sums = np.bincount(tree_output, weights=worst[:, 0])
        total = float(sums.max(initial=0.0))
        if total <= self.leaf:
            return []
        expected = f"at most {self.leaf:.6g}, as the recipe {self.recipe!r} promises"
        return [Difference(kind="sum of the worst leaves", given=f"{total:.6g}", expected=expected)]

    def of_head(self, head: list[Difference]) -> list[Difference]:
        """Return the differences around the trees that the recipe does not explain."""
        explained = ROUNDED if self.same_trees else CHANGED
        return [item for item in head if item.kind not in explained]
