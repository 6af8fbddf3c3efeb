"""A linear layer quantised so that it makes good what was lost before it.

The layers before have been quantised already: what reaches this one is not what it was trained on.
Weights and bias are fitted by least squares to the answers of the float net on the inputs of the
quantised net, as coded rows, and codes are chosen on those inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood.errors import InputError
from cordwood.passes.quantize_products import LayerLoss, as_float, hold_codes, row_coding

if TYPE_CHECKING:
    from cordwood.ir_nets import Linear, RowCoding
    from cordwood.recipe import Recipe

__all__ = ["Met", "refit_linear"]

RIDGE = 1.0
"""Share of the inputs' mean variance that holds weights back: rows of calibration are few beside
them, and a smaller one fits their noise."""


@dataclass(frozen=True)
class Met:
    """What a layer meets on the rows of calibration, each of shape (rows, ...).

    Parameters
    ----------
    exact : ndarray of float32
        Its inputs in the float net.
    given : ndarray of float32
        Its inputs in the net whose earlier layers are quantised.
    lacking : ndarray of float32, optional
        Where it adds a residual: by how much the quantised net's falls short.
    """

    exact: np.ndarray
    given: np.ndarray
    lacking: np.ndarray | None = None


def refit_linear(operator: Linear, recipe: Recipe, met: Met) -> tuple[Linear, LayerLoss]:
    """Fit a layer to what it meets, and quantise it.

    Parameters
    ----------
    operator : Linear
        With float32 weights.
    recipe : Recipe
        With integer weights.
    met : Met
        Rows of calibration.

    Returns
    -------
    Linear, LayerLoss
        The layer; and the relative error of its sums, which holds what layers before it lost.

    Raises
    ------
    InputError
        A number that the layer reads or makes is NaN or infinite.
    """
    assert isinstance(operator.weight, np.ndarray)
    rows = row_coding(recipe)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = met.exact @ operator.weight.T
    if not (np.isfinite(exact).all() and np.isfinite(met.given).all()):
        message = (
            f"layer {operator.place or operator.outputs[0]!r} reads or makes NaN or an infinity on"
            " the calibration batches; expected finite numbers: look at it and the layers before it"
        )
        raise InputError(message)
    given = _as_coded(met.given, rows)
    wanted = exact if met.lacking is None else exact + met.lacking
    movable = operator.bias is not None
    centre = given.mean(0, dtype=np.float64) if movable else np.zeros(given.shape[1])
    target = wanted.mean(0, dtype=np.float64) if movable else np.zeros(wanted.shape[1])
    varied = given - centre.astype(np.float32)
    moments = (varied.T @ varied).astype(np.float64) / len(varied)
    error = wanted - target.astype(np.float32) - varied @ operator.weight.T
    weight = operator.weight + _correction(moments, varied.T @ error / len(varied))
    coded = hold_codes(weight, recipe, moments)
    numbers = as_float(coded)
    bias = operator.bias
    if bias is not None:
        bias = (bias + target - numbers.astype(np.float64) @ centre).astype(np.float32)
    left = wanted - target.astype(np.float32) - varied @ numbers.T
    if not movable:
        left = wanted - given @ numbers.T
    size = float(np.linalg.norm(exact))
    loss = LayerLoss(operator.place, 0.0 if size == 0.0 else float(np.linalg.norm(left)) / size)
    return replace(operator, weight=coded, bias=bias, rows=rows), loss


def _correction(moments: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Return what least squares adds to the weights; nothing where no input ever varies."""
    ridge = RIDGE * float(np.diagonal(moments).mean())
    if ridge == 0.0:
        return np.zeros(shared.T.shape, np.float32)
    damped = moments + ridge * np.eye(len(moments))
    return np.asarray(np.linalg.solve(damped, shared.astype(np.float64)).T, np.float32)


def _as_coded(rows: np.ndarray, coding: RowCoding) -> np.ndarray:
    """Return what dynamic codes leave of rows (``docs/quantization.md``, activations)."""
    if not coding.kind.endswith("-dynamic"):
        return rows
    width = rows.shape[1]
    group = coding.group_size or width
    grouped = np.pad(rows, ((0, 0), (0, -width % group))).reshape(len(rows), -1, group)
    if coding.kind == "int8-dynamic":
        scale = np.abs(grouped).max(-1, keepdims=True) / np.float32(127)
        low = np.zeros_like(scale)
    else:
        low = np.minimum(grouped.min(-1, keepdims=True), np.float32(0))
        scale = (np.maximum(grouped.max(-1, keepdims=True), np.float32(0)) - low) / np.float32(255)
    scale[scale == 0] = 1
    zero = np.rint(-low / scale)
    codes = np.rint(grouped / scale)
    if coding.kind == "uint8-dynamic":
        codes = np.clip(codes, -zero, 255 - zero)
    codes *= scale
    flat: np.ndarray = codes.reshape(len(rows), -1)[:, :width]
    return flat
