"""Products in few bits: weights of linear layers and convolutions, embedding tables, attention.

Codes are chosen by the methods of ``cordwood.ops`` (``docs/quantization.md``); what a method looks
at are rows that the layer has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._ops_gptq import gptq
from cordwood._ops_hessian import hessian
from cordwood._ops_quantize import quantize
from cordwood.ir_nets import Attention, Bfloat16, Conv, Embedding, Linear, Quantized, RowCoding

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cordwood._ops_tensor import QuantizedTensor
    from cordwood.ir import Graph, Operator
    from cordwood.ir_nets import Product
    from cordwood.recipe import Recipe

__all__ = [
    "LayerLoss",
    "as_float",
    "codable",
    "code_weight",
    "hold_codes",
    "in_eight_bits",
    "quantize_products",
    "relative_error",
    "row_coding",
]

_BITS = {"int8": 8, "int4": 4, "int3": 3, "int2": 2}
_ROUND_HALF = 0x7FFF

SMALL_TABLE = 1024
"""Rows of a table that counts as small: positions or kinds of words, whose errors every row of
activations takes, for a few bytes."""

RAISED_GROUP = 64
"""Weights that share a scale in raised layers, where the recipe has no groups."""


@dataclass(frozen=True)
class LayerLoss:
    """What a layer lost: the relative error of its outputs, or of its weights where it saw none."""

    place: str
    error: float


def codable(operator: Operator) -> bool:
    """Whether a recipe changes the weights of this operator."""
    if not isinstance(operator, Linear | Conv | Embedding):
        return False
    weight = operator.table if isinstance(operator, Embedding) else operator.weight
    return isinstance(weight, np.ndarray)


def quantize_products(
    graph: Graph,
    recipe: Recipe,
    seen: Mapping[str, np.ndarray],
    without: Collection[str] = (),
    raised: Collection[str] = (),
    frequent: Collection[str] = (),
) -> tuple[Graph, list[LayerLoss]]:
    """Hold the weights of all products as a recipe says, and multiply integers in attention too.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    recipe : Recipe
        For nets.
    seen : mapping of str to ndarray
        By name of a value: rows that linear layers have read there, (rows, inputs). May be empty.
    without : collection of str
        Names of values: operators that make them are left as they are.
    raised : collection of str
        Names of values: operators that make them hold their weights as `in_eight_bits` says.
    frequent : collection of str
        Likewise, of tables that count as large whatever their number of rows.

    Returns
    -------
    Graph, list of LayerLoss
        The net, and the loss of each layer that has changed.
    """
    operators, losses = [], []
    for operator in graph.operators:
        changed = operator
        made = set(operator.writes())
        own = in_eight_bits(recipe) if made & {*raised, *frequent} else recipe
        if made & set(frequent):
            own = replace(own, small_tables="int8")
        if made & set(without):
            pass
        elif isinstance(operator, Embedding) and codable(operator):
            changed = replace(operator, table=_table(operator.table, own))
            losses.append(LayerLoss(operator.place, _weight_error(operator.table, changed.table)))
        elif isinstance(operator, Linear) and codable(operator):
            changed, loss = _linear(operator, own, seen.get(operator.inputs[0]))
            losses.append(loss)
        elif isinstance(operator, Conv) and codable(operator):
            changed, loss = _conv(operator, own)
            losses.append(loss)
        elif isinstance(operator, Attention) and recipe.activations != "float32":
            changed = replace(operator, rows="int8-dynamic")
        operators.append(changed)
    return replace(graph, operators=tuple(operators)), losses


def in_eight_bits(recipe: Recipe) -> Recipe:
    """Return what a recipe of integers is for raised layers: eight bits, scales in groups."""
    if not str(recipe.weights).startswith("int"):
        return recipe
    # Neither fixed codes of rows nor sparse layouts have groups.
    fixed = str(recipe.activations).endswith("-static") or recipe.sparsity is not None
    group_size = recipe.group_size if fixed else recipe.group_size or RAISED_GROUP
    return replace(recipe, weights="int8", group_size=group_size)


def row_coding(recipe: Recipe) -> RowCoding:
    """How rows that meet a linear layer's codes are coded."""
    kind = recipe.activations or "float32"
    if kind == "float32":
        return RowCoding()
    return RowCoding(kind, group_size=recipe.group_size or 0)


def _rows(recipe: Recipe, weight: Any) -> RowCoding:
    """Code rows in the weights' own groups."""
    return row_coding(recipe) if isinstance(weight, Quantized) else RowCoding()


def _images(recipe: Recipe, weight: Any) -> RowCoding:
    """Code whole images, which have a scale and no zero point of their own."""
    coded = isinstance(weight, Quantized) and recipe.activations != "float32"
    return RowCoding("int8-dynamic") if coded else RowCoding()


def _linear(operator: Linear, recipe: Recipe, seen: np.ndarray | None) -> tuple[Linear, LayerLoss]:
    assert isinstance(operator.weight, np.ndarray)
    weight = _weight(operator.weight, recipe, seen)
    changed = replace(operator, weight=weight, rows=_rows(recipe, weight))
    if seen is None:
        return changed, LayerLoss(operator.place, _weight_error(operator.weight, weight))
    exact = seen @ operator.weight.T
    error = seen @ (as_float(weight) - operator.weight).T
    return changed, LayerLoss(operator.place, relative_error(error, exact))


def _conv(operator: Conv, recipe: Recipe) -> tuple[Product, LayerLoss]:
    """Quantise a convolution by output channel; groups of inputs make no sense across a kernel.

    Transposed ones, whose first axis are inputs, keep integers away: their codes would share scales
    that no output has.
    """
    assert isinstance(operator.weight, np.ndarray)
    if operator.transposed and recipe.weights in _BITS:
        return operator, LayerLoss(operator.place, 0.0)
    outputs = len(operator.weight)
    flat = operator.weight.reshape(outputs, -1)
    weight = _weight(flat, recipe, None, grouped=False)
    shape = operator.weight.shape
    if isinstance(weight, Quantized):
        weight = replace(weight, codes=weight.codes.reshape(shape))
    elif isinstance(weight, Bfloat16):
        weight = Bfloat16(weight.bits.reshape(shape))
    else:
        weight = weight.reshape(shape)
    loss = LayerLoss(operator.place, _weight_error(operator.weight, weight))
    return replace(operator, weight=weight, rows=_images(recipe, weight)), loss


def _table(table: Any, recipe: Recipe) -> Any:
    """Code an embedding table row by row, in groups where the recipe has them."""
    small = recipe.small_tables
    if small is not None and len(table) <= SMALL_TABLE:
        recipe = replace(
            recipe, weights=small, group_size=None, activations="float32", sparsity=None
        )
    return _weight(table, replace(recipe, activations="float32"), None)


def _weight(
    weight: np.ndarray, recipe: Recipe, seen: np.ndarray | None, *, grouped: bool = True
) -> Any:
    kind = recipe.weights or "float32"
    if kind == "float32":
        return weight
    if kind == "float16":
        return weight.astype(np.float16)
    if kind == "bfloat16":
        return Bfloat16(_to_bfloat16(weight))
    moments = None if seen is None or recipe.method == "rtn" else hessian(seen)
    return hold_codes(weight, recipe, moments, grouped=grouped)


def hold_codes(
    weight: np.ndarray, recipe: Recipe, moments: np.ndarray | None, *, grouped: bool = True
) -> Quantized:
    """Return a matrix as a net holds it: `code_weight` as a parameter."""
    coded = code_weight(weight, recipe, moments, grouped=grouped)
    return Quantized(
        codes=np.asarray(coded.codes),
        scale=np.asarray(coded.scales),
        zero=None if coded.zero_points is None else np.asarray(coded.zero_points),
        bits=coded.bits,
        group_size=coded.group_size or 0,
    )


def code_weight(
    weight: np.ndarray,
    recipe: Recipe,
    moments: np.ndarray | None,
    *,
    grouped: bool = True,
    keep_zeros: bool = False,
) -> QuantizedTensor:
    """Choose codes for a matrix of weights by a recipe's method.

    Parameters
    ----------
    weight : ndarray of float32, shape (n_outputs, n_inputs)
    recipe : Recipe
        With weights of integers.
    moments : ndarray of shape (n_inputs, n_inputs), or None
        Second moments of the rows that the layer has read (`cordwood.ops.hessian`); without any,
        ``"gptq"`` falls back to ``"mse"``.
    grouped : bool
        Whether the recipe's groups count; else an output has one scale.
    keep_zeros : bool
        Whether zeros stay zeros, as they do where the recipe has a sparsity.
    """
    group_size = recipe.group_size if grouped else None
    method = recipe.method or "rtn"
    if method == "gptq" and moments is None:
        method = "mse"
    bits: Any = _BITS[recipe.weights or ""]
    scale_dtype: Any = "float32" if group_size is None else "float16"
    if method == "gptq" and (keep_zeros or recipe.sparsity is not None):
        return gptq(
            weight,
            hessian=moments,
            bits=bits,
            group_size=group_size,
            scale_dtype=scale_dtype,
            mask=weight != 0,
        )
    return quantize(
        weight,
        bits=bits,
        group_size=group_size,
        method=method,
        scale_dtype=scale_dtype,
        hessian=None if method == "rtn" else moments,
    )


def _to_bfloat16(weight: np.ndarray) -> np.ndarray:
    """Round to nearest, half to even."""
    bits = np.ascontiguousarray(weight, np.float32).view(np.uint32)
    rounded: np.ndarray = ((bits + (_ROUND_HALF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return rounded


def as_float(weight: Any) -> np.ndarray:
    """Return the numbers that a parameter stands for, in float32."""
    if isinstance(weight, Bfloat16):
        return (weight.bits.astype(np.uint32) << 16).view(np.float32)
    if not isinstance(weight, Quantized):
        return np.asarray(weight, np.float32)
    flat = weight.codes.reshape(len(weight.codes), -1).astype(np.float32)
    group = weight.group_size or flat.shape[1]
    at = np.arange(flat.shape[1]) // group
    half = np.float32(1 << (weight.bits - 1))
    zero = half if weight.zero is None else weight.zero.astype(np.float32)[:, at]
    numbers: np.ndarray = (flat - zero) * weight.scale.astype(np.float32)[:, at]
    return numbers.reshape(weight.codes.shape)


def _weight_error(exact: Any, coded: Any) -> float:
    return relative_error(as_float(coded) - np.asarray(exact), np.asarray(exact))


def relative_error(error: np.ndarray, exact: np.ndarray) -> float:
    """Norm of what numbers are off by, against their own; 0 where all are 0."""
    size = float(np.linalg.norm(exact))
    return 0.0 if size == 0.0 else float(np.linalg.norm(error)) / size
