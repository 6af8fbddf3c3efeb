"""Recipes for nets: what layers have seen, the passes in order, and what the answers lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _progress
from cordwood._api_observe import observe
from cordwood._model_net import Net
from cordwood.errors import InputError
from cordwood.ir import Role, Value
from cordwood.ir_nets import Linear
from cordwood.pack import pack
from cordwood.passes.code_images import code_images, static_inputs
from cordwood.passes.quantize_products import codable, quantize_products

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.passes.quantize_products import LayerLoss
    from cordwood.recipe import Recipe

__all__ = ["compress_net"]

MOST_ROWS = 4096
"""Rows that a layer is judged by: more change codes little and take memory."""

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
        Batches: each an array, a tuple of arrays, or a dict of arrays by name of the input.

    Raises
    ------
    InputError
        The recipe is one for tree models, needs calibration and has none, or a batch holds NaN
        or does not fit the net's inputs.
    """
    if recipe.lossless:
        return Net(pack(graph, recipe))
    if not recipe.for_nets:
        message = f"recipe {recipe.name!r} is for tree models; nets take 'lossless', 'int8', 'int4'"
        raise InputError(message)
    batches = _batches(graph, calibration)
    if recipe.needs_calibration and not batches:
        message = (
            f"method {recipe.method!r} with activations {recipe.activations!r} looks at what layers"
            " have seen; pass calibration=, a list of inputs like those to come, or take a Recipe"
            " with method='mse' and dynamic activations"
        )
        raise InputError(message)
    _progress.reached(0.2, "watching layers")
    seen = _watch(graph, batches) if batches else {}
    _progress.reached(0.4, "choosing codes")
    small, losses = quantize_products(graph, recipe, seen)
    if batches:
        held = observe(graph, batches, static_inputs(small, recipe))
        small, coded = code_images(small, recipe, held)
        losses += coded
    if batches:
        small, coded = code_images(
            small, recipe, observe(graph, batches, static_inputs(small, recipe))
        )
        losses += coded
    facts = _facts(losses)
    if batches:
        exact, packed = Net(pack(graph)), Net(pack(small))
        facts["output_error"] = _compare(exact, packed, batches)
    return Net(pack(small, recipe, {name: _short(value) for name, value in facts.items()}))


def _batches(graph: Graph, calibration: Any) -> list[dict[str, np.ndarray]]:
    """Bring calibration into one form: a list of inputs by name."""
    if calibration is None:
        return []
    names = [value.name for value in graph.values if value.role is Role.INPUT]
    given = [calibration] if isinstance(calibration, dict | np.ndarray) else list(calibration)
    batches = []
    for number, batch in enumerate(given):
        if isinstance(batch, dict):
            named = dict(batch)
        else:
            arrays = batch if isinstance(batch, tuple | list) else (batch,)
            named = dict(zip(names, arrays, strict=False))
        if set(named) != set(names):
            message = f"calibration batch {number} has inputs {sorted(named)}, expected {names}"
            raise InputError(message)
        arrays_by_name = {name: np.asarray(_detached(array)) for name, array in named.items()}
        for name, array in arrays_by_name.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                message = f"calibration batch {number}, input {name!r} holds NaN or an infinity"
                raise InputError(message)
        batches.append(arrays_by_name)
    if not batches:
        message = "calibration holds no batches, expected one at least"
        raise InputError(message)
    return batches


def _detached(array: Any) -> Any:
    return array.detach() if hasattr(array, "detach") else array


def _watch(graph: Graph, batches: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Run the net with the inputs of its linear layers as answers, and keep rows of them."""
    wanted = {op.inputs[0] for op in graph.operators if isinstance(op, Linear) and codable(op)}
    outputs = {value.name for value in graph.values if value.role is not Role.NONE}
    watched = sorted(wanted - outputs)
    values = tuple(
        Value(value.name, value.dtype, value.shape, Role.OUTPUT) if value.name in watched else value
        for value in graph.values
    )
    net = Net(pack(replace(graph, values=values, form="dict")))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    most = max(1, MOST_ROWS // len(batches))
    generator = np.random.default_rng(0)
    for batch in batches:
        answers = {**batch, **net(batch)}
        for name, kept in rows.items():
            flat = answers[name].reshape(-1, answers[name].shape[-1])
            if len(flat) > most:
                flat = flat[np.sort(generator.choice(len(flat), most, replace=False))]
            kept.append(np.array(flat, np.float32))
    return {name: np.concatenate(kept) for name, kept in rows.items()}


def _facts(losses: list[LayerLoss]) -> dict[str, float]:
    """Name the layers that lose most, with their errors."""
    worst = sorted(losses, key=lambda loss: -loss.error)[:8]
    return {f"layer {loss.place or 'without a name'}": loss.error for loss in worst}


def _compare(exact: Net, packed: Net, batches: list[dict[str, np.ndarray]]) -> float:
    """Relative error of the answers over all batches."""
    error = size = 0.0
    for batch in batches:
        for one, other in zip(_floats(exact, batch), _floats(packed, batch), strict=True):
            error += float(np.square(one - other, dtype=np.float64).sum())
            size += float(np.square(one, dtype=np.float64).sum())
    return 0.0 if size == 0.0 else (error / size) ** 0.5


def _floats(net: Net, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
    answers = net(batch)
    if isinstance(answers, dict):
        answers = tuple(answers.values())
    every = answers if isinstance(answers, tuple) else (answers,)
    return [np.asarray(answer) for answer in every if answer.dtype.kind == "f"]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
