"""All passes that make a net shorter without changing what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cordwood.passes.drop_copies import drop_copies
from cordwood.passes.fold_batch_norm import fold_batch_norm
from cordwood.passes.fold_scales import fold_scales
from cordwood.passes.fold_transposes import fold_transposes
from cordwood.passes.fuse_attention import fuse_attention
from cordwood.passes.fuse_products import fuse_activations, fuse_residuals
from cordwood.passes.share_heads import share_heads

if TYPE_CHECKING:
    from cordwood.ir import Graph

__all__ = ["simplify_net"]


def simplify_net(graph: Graph) -> Graph:
    """Return a net with fewer operators.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        The same inputs and outputs. Every bit of ``docs/graph.md``'s meaning stays, but where
        `fold_batch_norm` rounds otherwise.
    """
    # A product takes swapped axes best before the transpose that swaps them is joined with others.
    for simplify in (
        fold_transposes,
        drop_copies,
        fold_batch_norm,
        share_heads,
        fold_transposes,
        fuse_attention,
        fold_transposes,
        fold_scales,
        fuse_residuals,
        fuse_activations,
    ):
        graph = simplify(graph)
    return graph
