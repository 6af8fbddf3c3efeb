"""Small changes to a Graph and its ensemble that several passes make."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, FloatArray
    from cordwood.ir import Graph, TreeEnsemble

__all__ = ["add_to_base", "with_trees"]


def with_trees(graph: Graph, trees: TreeEnsemble) -> Graph:
    """Return the Graph with another last ensemble."""
    old = graph.trees
    operators = tuple(trees if operator is old else operator for operator in graph.operators)
    return dataclasses.replace(graph, operators=operators)


def add_to_base(trees: TreeEnsemble, amounts: Float64Array) -> tuple[FloatArray, float]:
    """Let the base value take what trees add to every row.

    Parameters
    ----------
    trees : TreeEnsemble
    amounts : ndarray of float64, shape (n_trees, n_outputs)

    Returns
    -------
    base_value : ndarray of the accumulate type, shape (n_outputs,)
    moved : float
        Bound of what rounding it changes in a margin, before any division.
    """
    base = trees.base_value.astype(np.float64)
    exact = np.array(
        [
            math.fsum([start, *column])
            for start, column in zip(base, amounts.T.tolist(), strict=True)
        ]
    )
    stored = exact.astype(trees.accumulate_type)
    moved = np.abs(stored.astype(np.float64) - exact) + np.spacing(np.abs(exact))
    same = ~amounts.any(axis=0)
    return np.where(same, trees.base_value, stored), float(np.where(same, 0.0, moved).max())
