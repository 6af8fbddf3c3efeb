"""The part of a recipe for nets that takes channels and weights away, before codes are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._api_calibration import check_read, joined
from cordwood._api_watch import values_of
from cordwood._sparsity import read_pattern
from cordwood.ir_nets import Conv, Linear
from cordwood.passes.channel_groups import is_depthwise
from cordwood.passes.prune_channels import judged_values, prune_channels
from cordwood.passes.prune_products import prunable, prune_products

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood.ir import Graph
    from cordwood.passes.quantize_products import LayerLoss
    from cordwood.recipe import Recipe

__all__ = ["prune_net"]

MOST_ROWS = 4096
"""Rows that a layer is judged by."""

WORST = 8
"""Layers that are named."""


def prune_net(
    graph: Graph, recipe: Recipe, batches: list[dict[str, np.ndarray]]
) -> tuple[Graph, dict[str, float]]:
    """Take away what a recipe says.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    recipe : Recipe
        For nets.
    batches : list of dict
        Inputs by name, for layers to be judged by; may be empty.

    Returns
    -------
    Graph, dict of str to float
        The net, and facts of what went.
    """
    facts: dict[str, float] = {}
    if recipe.channels is not None:
        seen = _look(graph, batches, judged_values(graph))
        before = _channels(graph)
        graph, losses = prune_channels(graph, recipe.channels, seen)
        facts["channels removed"] = float(before - _channels(graph))
        facts.update(_named("channels read by", losses))
    if recipe.sparsity is not None:
        pattern = read_pattern(recipe.sparsity)
        axes = {
            operator.inputs[0]: len(graph.value(operator.inputs[0]).shape) - 1
            for operator in graph.operators
            if prunable(operator, pattern)
        }
        graph, losses = prune_products(graph, recipe.sparsity, _look(graph, batches, axes))
        facts["layers pruned"] = float(len(losses))
        facts.update(_named("pruned", losses))
    return graph, facts


def _named(what: str, losses: list[LayerLoss]) -> dict[str, float]:
    worst = sorted(losses, key=lambda loss: -loss.error)[:WORST]
    return {f"{what} {loss.place or 'a layer without a name'}": loss.error for loss in worst}


def _channels(graph: Graph) -> int:
    """Count outputs of products, those that depthwise convolutions pass on left out."""
    return sum(
        len(np.asarray(operator.weight))
        for operator in graph.operators
        if isinstance(operator, Linear | Conv) and not is_depthwise(operator)
    )


def _look(
    graph: Graph, batches: list[dict[str, np.ndarray]], axes: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Run the net with some values as answers, and keep rows of them, their axis last."""
    if not batches:
        return {}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in axes}
    most = max(1, MOST_ROWS // len(batches))
    generator = np.random.default_rng(0)
    for number, held in enumerate(values_of(graph, batches, axes)):
        for name, kept in rows.items():
            moved = np.moveaxis(held[name], axes[name], -1)
            flat = moved.reshape(-1, moved.shape[-1])
            if len(flat) > most:
                flat = flat[np.sort(generator.choice(len(flat), most, replace=False))]
            kept.append(np.array(flat, np.float32))
            check_read(kept[-1], name, number)
    return {name: joined(kept, name) for name, kept in rows.items()}
