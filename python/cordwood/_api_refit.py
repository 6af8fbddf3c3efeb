"""Linear layers quantised one after the other, each on what those before it give."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood import _progress
from cordwood._api_watch import rows_of
from cordwood.ir_nets import Linear
from cordwood.passes.quantize_products import codable, in_eight_bits
from cordwood.passes.refit_linear import Met, refit_linear

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np

    from cordwood.ir import Graph
    from cordwood.passes.quantize_products import LayerLoss
    from cordwood.recipe import Recipe

__all__ = ["refit_products", "refittable"]


def refittable(graph: Graph, without: Collection[str]) -> tuple[str, ...]:
    """Name the values that linear layers with weights in float32 make."""
    return tuple(
        operator.outputs[0]
        for operator in graph.operators
        if isinstance(operator, Linear) and codable(operator) and operator.outputs[0] not in without
    )


def refit_products(
    graph: Graph,
    small: Graph,
    recipe: Recipe,
    batches: list[dict[str, np.ndarray]],
    names: Collection[str],
    raised: Collection[str] = (),
) -> tuple[Graph, list[LayerLoss]]:
    """Quantise linear layers in the order in which a net runs them.

    Parameters
    ----------
    graph : Graph
        The float net.
    small : Graph
        The same operators, those besides the linear layers quantised already.
    recipe : Recipe
        With integer weights.
    batches : list of dict
        Inputs by name.
    names : collection of str
        Values that the layers make.
    raised : collection of str
        Those of them whose layers take eight bits.

    Returns
    -------
    Graph, list of LayerLoss
    """
    operators = list(small.operators)
    layers = [
        (at, step)
        for at, step in enumerate(graph.operators)
        if isinstance(step, Linear) and step.outputs[0] in names
    ]
    last = {name: at for at, step in layers for name in step.inputs}
    exact = rows_of(graph, batches, last)
    given: dict[str, np.ndarray] = {}
    losses = []
    for number, (at, step) in enumerate(layers):
        lacking = [name for name in step.inputs if name not in given]
        given.update(rows_of(replace(small, operators=tuple(operators)), batches, lacking))
        added = step.inputs[1] if len(step.inputs) > 1 else ""
        short = exact[added] - given[added] if added else None
        met = Met(exact[step.inputs[0]], given[step.inputs[0]], short)
        own = in_eight_bits(recipe) if step.outputs[0] in raised else recipe
        operators[at], loss = refit_linear(step, own, met)
        losses.append(loss)
        _progress.reached(0.4 + 0.5 * number / len(layers), "fitting layers")
        for name in step.inputs:
            if last[name] == at:
                del exact[name], given[name]
    return replace(small, operators=tuple(operators)), losses
