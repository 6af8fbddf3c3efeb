"""Recipes for nets: what layers have seen, the passes in order, and what the answers lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _progress
from cordwood._api_calibration import read_batches
from cordwood._api_keep import keep_within, spend_bytes
from cordwood._api_observe import observe
from cordwood._api_prune import prune_net
from cordwood._api_refit import refit_products, refittable
from cordwood._api_watch import output_error, rows_of, watch
from cordwood._model_net import Net
from cordwood._model_row_net import RowNet, calibration_rows
from cordwood.errors import InputError
from cordwood.pack import pack
from cordwood.passes.centre_norms import centrable, centre_norms
from cordwood.passes.code_images import code_images, static_inputs
from cordwood.passes.equalize_layers import equalize_layers
from cordwood.passes.frequent_rows import split_tables
from cordwood.passes.prune_products import hold_sparse
from cordwood.passes.quantize_products import in_eight_bits, quantize_products, row_coding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cordwood.ir import Graph
    from cordwood.passes.quantize_products import LayerLoss
    from cordwood.recipe import Recipe

__all__ = ["compress_net"]

DIGITS = 6


def compress_net(graph: Graph, recipe: Recipe, calibration: Any) -> Net:
    """Do what `cordwood.compress` does for a net.

    Parameters
    ----------
    graph : Graph
        A net as its front end read it.
    recipe : Recipe
        Lossless, or one for nets.
    calibration : iterable of inputs, or None
        Batches: each an array, a tuple of arrays, or a dict of arrays by name of the input. Of a
        net of rows: rows, as for a tree model.

    Raises
    ------
    InputError
        The recipe is one for tree models, needs calibration and has none, or a batch holds NaN
        or does not fit the net's inputs.
    """
    kind = RowNet if graph.form == "rows" else Net
    if recipe.lossless:
        return kind(pack(graph, recipe))
    if not recipe.for_nets:
        message = (
            f"recipe {recipe.name!r} is for tree models; nets take 'lossless', 'int8', 'int8-auto',"
            " 'int4'"
        )
        raise InputError(message)
    if graph.form == "rows" and calibration is not None:
        calibration = calibration_rows(graph, calibration)
    batches = read_batches(graph, calibration)
    if recipe.needs_calibration and not batches:
        raise InputError(_without_calibration(recipe))
    _progress.reached(0.1, "pruning")
    lean, pruned = prune_net(graph, recipe, batches)
    if recipe.equalize:
        lean, _ = equalize_layers(lean)
    if batches and recipe.activations != "float32":
        lean, _ = centre_norms(lean, rows_of(lean, batches, centrable(lean)), row_coding(recipe))
    frequent: list[str] = []
    if recipe.frequent_rows and batches:
        lean, frequent = split_tables(lean, batches)
    small, losses, kept = _quantized(lean, recipe, batches, frequent)
    facts = {**pruned, **_facts(losses), **kept}
    if batches:
        facts["output_error"] = output_error(graph, small, batches)
    for name, value in facts.items():
        if not np.isfinite(value):
            message = (
                f"{name}: the error over the calibration batches is {value}, expected a number: the"
                " net's weights or answers pass the range of float32; look at them, or take"
                " 'lossless'"
            )
            raise InputError(message)
    return kind(pack(small, recipe, {name: _short(value) for name, value in facts.items()}))


def _without_calibration(recipe: Recipe) -> str:
    """Say which options of a recipe cannot do without calibration, and what can."""
    options = [
        (recipe.method == "gptq", f"method {recipe.method!r}", "method='mse'"),
        (
            str(recipe.activations).endswith("-static"),
            f"activations {recipe.activations!r}",
            "activations='uint8-dynamic'",
        ),
        (recipe.max_error is not None, f"max_error {recipe.max_error}", "no max_error"),
        (recipe.max_bytes is not None, f"max_bytes {recipe.max_bytes}", "no max_bytes"),
    ]
    found = [(given, instead) for looks, given, instead in options if looks]
    given, instead = (", ".join(words) for words in zip(*found, strict=True))
    return (
        f"recipe {recipe.name!r} looks at what layers have seen ({given}); pass calibration=, a"
        f" list of inputs like those to come, or take a Recipe with {instead}"
    )


def _quantized(
    graph: Graph,
    recipe: Recipe,
    batches: list[dict[str, np.ndarray]],
    frequent: Collection[str] = (),
) -> tuple[Graph, list[LayerLoss], dict[str, float]]:
    """Return the net as the recipe says, each layer's loss, and the layers that were raised."""
    refitting = bool(recipe.refits and batches)

    def quantize(raised: Mapping[str, str], finished: bool) -> tuple[Graph, list[LayerLoss]]:
        without = [name for name, weights in raised.items() if weights == "float32"]
        eight = [name for name, weights in raised.items() if weights == "int8"]
        later = refittable(graph, without) if finished and refitting else ()
        _progress.reached(0.2, "watching layers")
        seen = watch(graph, batches) if batches and not later else {}
        _progress.reached(0.4, "choosing codes")
        small, losses = quantize_products(graph, recipe, seen, (*without, *later), eight, frequent)
        if later:
            small, fitted = refit_products(graph, small, recipe, batches, later, eight)
            losses += fitted
        if recipe.sparsity is not None:
            small = hold_sparse(small, recipe.sparsity)
        if finished and batches:
            held = observe(graph, batches, static_inputs(small, recipe))
            small, coded = code_images(small, recipe, held)
            losses += coded
        return small, losses

    if recipe.max_error is None and recipe.max_bytes is None:
        return *quantize({}, True), {}
    kinds = ("float32",) if in_eight_bits(recipe) == recipe else ("int8", "float32")
    if recipe.max_bytes is not None:
        return spend_bytes(graph, recipe.max_bytes, batches, quantize, kinds)
    assert recipe.max_error is not None
    return keep_within(graph, recipe.max_error, batches, quantize, kinds)


def _facts(losses: list[LayerLoss]) -> dict[str, float]:
    """Name layers with their errors, the largest where several have one name."""
    told: dict[str, float] = {}
    for loss in losses:
        name = f"layer {loss.place or 'without a name'}"
        told[name] = max(loss.error, told.get(name, 0.0))
    return told


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
