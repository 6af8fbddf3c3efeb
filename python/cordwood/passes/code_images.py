"""Activations with fixed codes: products' rows, and whole images between convolutions.

A convolution's input has one scale and one zero point, chosen from what calibration showed, unless
images differ so much in size that a scale for each keeps far more. Where
all that read an image are convolutions of integers, their residuals and maxima, the image itself is
held as those codes and never becomes float32.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from cordwood.ir import Role
from cordwood.ir_nets import Conv, Linear, Pool, Quantized, RowCoding
from cordwood.passes.observers import code_range, coding_of, decoded, fixed_error
from cordwood.passes.quantize_products import LayerLoss, relative_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood.ir import Coding, Graph, Operator
    from cordwood.passes.observers import Seen
    from cordwood.recipe import Recipe

__all__ = ["code_images", "static_inputs"]

MOST_FIXED_ERROR = 2.0
"""Images whose fixed codes would err by more than this many times what own ones do keep those."""

_MOST_SIGNED = 127
_IMAGE_RANKS = (3, 4, 5)


def static_inputs(graph: Graph, recipe: Recipe) -> set[str]:
    """Names of the values whose codes a recipe fixes: inputs of products with coded weights.

    Parameters
    ----------
    graph : Graph
        After `quantize_products`.
    recipe : Recipe
        For nets.
    """
    wanted = {op.inputs[0] for op in graph.operators if _codes_images(op)}
    if _is_static(recipe):
        wanted |= {op.inputs[0] for op in graph.operators if _codes_rows(op)}
    return wanted


def code_images(
    graph: Graph, recipe: Recipe, seen: Mapping[str, Seen]
) -> tuple[Graph, list[LayerLoss]]:
    """Fix the codes of products' inputs, and hold images between convolutions as codes.

    Parameters
    ----------
    graph : Graph
        After `quantize_products`.
    recipe : Recipe
        For nets: its observer, and whether linear layers have fixed codes too.
    seen : mapping of str to Seen
        What the values that `static_inputs` names have held in the exact net.

    Returns
    -------
    Graph, list of LayerLoss
        The net, and the relative error that codes add to each image or row.
    """
    ranges = {name: code_range(one, recipe.observer or "mse") for name, one in seen.items()}
    codings = {name: coding_of(*found) for name, found in ranges.items()}
    images = {op.inputs[0] for op in graph.operators if _codes_images(op)}
    for name in images:
        if fixed_error(seen[name], codings[name]) > MOST_FIXED_ERROR:
            del codings[name]
    _through_maxima(graph, codings)
    operators: list[Operator] = []
    for op in graph.operators:
        if _codes_images(op) and op.inputs[0] in codings:
            coding = codings[op.inputs[0]]
            rows = RowCoding("uint8-static", scale=coding.scale, zero=coding.zero)
            operators.append(replace(op, rows=rows))
        elif _is_static(recipe) and _codes_rows(op) and op.inputs[0] in ranges:
            operators.append(replace(op, rows=_rows(op.rows.kind, *ranges[op.inputs[0]])))
        else:
            operators.append(op)
    held = _held(replace(graph, operators=tuple(operators)), codings)
    values = tuple(
        replace(value, dtype="uint8", coding=codings[value.name]) if value.name in held else value
        for value in graph.values
    )
    losses = [
        LayerLoss(f"codes of {name}", relative_error(decoded(one, codings[name]) - one, one))
        for name, one in ((name, seen[name].sample) for name in seen if name in codings)
    ]
    return replace(graph, values=values, operators=tuple(operators)), losses


def _is_static(recipe: Recipe) -> bool:
    return str(recipe.activations).endswith("-static")


def _codes_images(op: Operator) -> TypeGuard[Conv]:
    return isinstance(op, Conv) and isinstance(op.weight, Quantized) and op.rows.kind != "float32"


def _codes_rows(op: Operator) -> TypeGuard[Linear]:
    return isinstance(op, Linear) and isinstance(op.weight, Quantized) and op.rows.kind != "float32"


def _rows(kind: str, low: float, high: float) -> RowCoding:
    if kind == "uint8-static":
        coding = coding_of(low, high)
        return RowCoding("uint8-static", scale=coding.scale, zero=coding.zero)
    top = max(-low, high)
    return RowCoding("int8-static", scale=float(np.float32(top / _MOST_SIGNED)) or 1.0)


def _through_maxima(graph: Graph, codings: dict[str, Coding]) -> None:
    """Give both sides of a maximum one coding, its input's own where that has one."""
    for op in graph.operators:
        if isinstance(op, Pool) and op.kind == "max" and op.outputs[0] in codings:
            codings[op.outputs[0]] = codings.setdefault(op.inputs[0], codings[op.outputs[0]])


def _held(graph: Graph, codings: Mapping[str, Coding]) -> set[str]:
    """Names of the values that codes alone shall stand for."""
    held = {
        value.name
        for value in graph.values
        if value.name in codings
        and value.role is Role.NONE
        and value.dtype == "float32"
        and len(value.shape) in _IMAGE_RANKS
    }
    while True:
        kept = set(held)
        for op in graph.operators:
            names = (*op.reads(), *op.writes())
            if _codes_images(op):
                continue
            maximum = isinstance(op, Pool) and op.kind == "max" and {*names} <= held
            if maximum and codings[names[0]] == codings[names[-1]]:
                continue
            kept -= {*names}
        if kept == held:
            return held
        held = kept
