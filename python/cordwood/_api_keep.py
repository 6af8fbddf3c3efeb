"""Layers that stay in float32 so that a net's answers move no further than a recipe permits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from cordwood import _progress
from cordwood._api_watch import output_error
from cordwood.passes.quantize_products import codable

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np

    from cordwood.ir import Graph
    from cordwood.passes.quantize_products import LayerLoss

__all__ = ["keep_within"]

RANKING_BATCHES = 2
"""Batches that layers are ranked on, a net for each layer; the promise is measured on all."""


class Quantize(Protocol):
    """Quantise a net but for the operators that make some values; unfinished, each by itself."""

    def __call__(
        self, without: Collection[str], finished: bool
    ) -> tuple[Graph, list[LayerLoss]]: ...


def keep_within(
    graph: Graph,
    most: float,
    batches: list[dict[str, np.ndarray]],
    quantize: Quantize,
) -> tuple[Graph, list[LayerLoss], dict[str, float]]:
    """Quantise as many layers as the error of the answers permits.

    Where all are too many, each is quantised alone, and they are ranked by the error that its own
    makes. The fewest of the worst stay with which the net is within the error; as more of them stay
    it is taken to shrink, which a last look at the finished net confirms.

    Parameters
    ----------
    graph : Graph
        The float net.
    most : float
        Largest relative error of the answers over all batches.
    batches : list of dict
        Inputs by name.
    quantize : callable
        Of the net.

    Returns
    -------
    Graph, list of LayerLoss, dict of str to float
        The net, the losses of its layers, and what each that stays would have cost alone.
    """
    small, losses = quantize((), True)
    if output_error(graph, small, batches) <= most:
        return small, losses, {}
    plain, _ = quantize((), False)
    ranked = _ranked(graph, plain, batches[:RANKING_BATCHES])
    names = [name for name, _, _ in ranked]
    count = _fewest(graph, plain, names, most, batches)
    small, losses = quantize(names[:count], True)
    while count < len(names) and output_error(graph, small, batches) > most:
        count += 1
        small, losses = quantize(names[:count], True)
    return small, losses, {f"kept {place}": error for _, place, error in ranked[:count]}


def _ranked(
    graph: Graph, plain: Graph, batches: list[dict[str, np.ndarray]]
) -> list[tuple[str, str, float]]:
    """Return value, place and error of each quantised operator alone, the worst first."""
    found = []
    for at, (exact, coded) in enumerate(zip(graph.operators, plain.operators, strict=True)):
        if exact is coded or not codable(exact):
            continue
        alone = list(graph.operators)
        alone[at] = coded
        error = output_error(graph, replace(graph, operators=tuple(alone)), batches)
        name = exact.writes()[0]
        found.append((name, getattr(exact, "place", "") or name, error))
        _progress.reached(0.4 + 0.4 * at / len(graph.operators), "ranking layers")
    return sorted(found, key=lambda one: -one[2])


def _fewest(
    graph: Graph, plain: Graph, names: list[str], most: float, batches: list[dict[str, np.ndarray]]
) -> int:
    """Return how many of the first layers stay, by halving."""
    low, high = 1, len(names)
    while low < high:
        middle = (low + high) // 2
        kept = set(names[:middle])
        mixed = tuple(
            exact if kept & set(exact.writes()) else coded
            for exact, coded in zip(graph.operators, plain.operators, strict=True)
        )
        if output_error(graph, replace(graph, operators=mixed), batches) <= most:
            high = middle
        else:
            low = middle + 1
    return low
