"""Lossy recipes for tree models: the passes in order, what they may lose, and what rows lost."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import InputError, UnsupportedModelError
from cordwood.ir import Role, TreeEnsemble
from cordwood.model import Model
from cordwood.pack import pack
from cordwood.passes.bounds import summation_bound
from cordwood.passes.merge_subtrees import drop_constant_trees, merge_subtrees
from cordwood.passes.prune_splits import prune_splits
from cordwood.passes.round_leaves import round_leaves

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Int32Array
    from cordwood.ir import Graph
    from cordwood.passes import Loss
    from cordwood.recipe import Recipe

__all__ = ["compress_lossy"]

MOST_CELLS = 1 << 25
"""Leaves of calibration rows that pruning looks at: bounds the memory that they take."""

DIGITS = 6
"""Significant digits of stored facts."""


def compress_lossy(graph: Graph, recipe: Recipe, calibration: Any) -> Model:
    """Do what `cordwood.compress` does for a recipe that loses something.

    Parameters
    ----------
    graph : Graph
        A tree model as its front end read it.
    recipe : Recipe
        ``"trees-small"`` or ``"trees-tiny"``.
    calibration : array-like of shape (n_rows, n_features) or None
        Rows to prune by and to measure on.

    Raises
    ------
    UnsupportedModelError
        The leaves are none that a lossy recipe can round.
    InputError, InputTypeError
        `calibration` holds no rows that the model takes.
    """
    _refuse_other_leaves(graph, recipe)
    exact = Model(pack(graph))
    rows = None if calibration is None else _rows(exact, calibration)
    small, losses = _run_passes(graph, recipe, exact, rows)
    if len(pack(small)) < exact.nbytes:
        facts = {
            "margin_bound": _up(math.fsum(loss.margin_bound for loss in losses)),
            "summation_bound": _up(summation_bound(graph) + summation_bound(small)),
        }
    else:  # the source's own leaves are shorter, as where a forest's are all pure
        small, facts = graph, {"margin_bound": 0.0, "summation_bound": 0.0}
    if rows is not None:
        facts |= _measure(exact, Model(pack(small)), rows)
    facts["bytes_saved"] = exact.nbytes - len(pack(small))
    return Model(pack(small, recipe, facts))


def _refuse_other_leaves(graph: Graph, recipe: Recipe) -> None:
    kind = graph.provenance.get("kind", "model")
    if not any(isinstance(operator, TreeEnsemble) for operator in graph.operators):
        reason = "has no trees"
    elif graph.trees.is_linear:
        reason = "has leaves that are linear in features"
    elif graph.trees.aggregate == "weighted_median":
        reason = "answers with a weighted median, whose trees' weights are no factors of leaves"
    elif graph.by_role(Role.EMBEDDING) is not None:
        reason = "answers with the numbers of leaves, which must not be rounded"
    else:
        return
    message = f"recipe {recipe.name!r} rounds leaves, but this {kind} {reason}; use 'lossless'"
    raise UnsupportedModelError(message)


def _rows(exact: Model, calibration: Any) -> AnyArray:
    rows = exact._calls._door.dense(calibration)
    if not len(rows):
        message = (
            "calibration has no rows; give some that are like those to predict, or leave it out"
        )
        raise InputError(message)
    return rows


def _run_passes(
    graph: Graph, recipe: Recipe, exact: Model, rows: AnyArray | None
) -> tuple[Graph, list[Loss]]:
    """Return the lossy Graph, and the loss of each pass."""
    if recipe.name == "trees-small":
        small, loss = round_leaves(graph, 16)
        return small, [loss]
    reached = None if rows is None else _reached(graph, exact, rows)
    pruned, cut = prune_splits(_whole(graph), recipe.keep or 1.0, reached)
    rounded, rounding = round_leaves(pruned, 8, shared=True)
    merged, merging = merge_subtrees(rounded)
    tiny, dropping = drop_constant_trees(merged)
    return tiny, [cut, rounding, merging, dropping]


def _whole(graph: Graph) -> Graph:
    """Return a Graph that answers as a whole: without leaf numbers and iterations of its source."""
    methods = tuple(name for name in graph.methods if name != "apply")
    return dataclasses.replace(graph, methods=methods, trees_per_iteration=0, staged=False)


def _reached(graph: Graph, exact: Model, rows: AnyArray) -> Int32Array:
    """Return the leaf that some evenly spaced rows reach in each tree, over all nodes."""
    trees = graph.trees
    count = max(1, min(len(rows), MOST_CELLS // max(1, trees.n_trees)))
    some = rows[np.arange(count) * len(rows) // count]
    reached: Int32Array = exact._run(some, "leaves")
    for tree, start in enumerate(trees.tree_start[:-1].tolist()):
        numbers = trees.leaf_id[start : trees.tree_start[tree + 1]]
        leaves = np.flatnonzero(numbers >= 0)
        leaves = leaves[np.argsort(numbers[leaves])]
        place = np.searchsorted(numbers[leaves], reached[:, tree])
        reached[:, tree] = start + leaves[place]
    return reached


def _measure(exact: Model, lossy: Model, rows: AnyArray) -> dict[str, float]:
    """Return how far answers of rows have moved."""
    before = exact._run(rows, "margin").astype(np.float64)
    error = np.abs(lossy._run(rows, "margin").astype(np.float64) - before)
    facts: dict[str, float] = {
        "rows": len(rows),
        "margin_error": _up(float(error.max())),
        "margin_error_mean": _up(math.fsum(error.reshape(-1).tolist()) / error.size),
    }
    if "label" in exact._native.targets():
        labels = [model._run(rows, "label").reshape(len(rows), -1) for model in (exact, lossy)]
        facts["labels_changed"] = int((labels[0] != labels[1]).any(axis=1).sum())
    return facts


def _up(value: float) -> float:
    """Return a number of few digits that is not below `value`."""
    near = float(f"{value:.{DIGITS - 1}e}")
    if near >= value:
        return near
    exponent = math.floor(math.log10(value)) - DIGITS + 1
    return float(f"{near + 10.0**exponent:.{DIGITS - 1}e}")
