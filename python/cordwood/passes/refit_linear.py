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

__all__ = ["Met", "as_coded", "refit_linear"]

RIDGES = (2.0, 10.0, 50.0)
"""Shares of the inputs' mean variance that may hold weights back: rows of calibration are few
beside them, and too small a one fits their noise. Rows that are held out choose."""

HELD_PART = 4
"""Of so many runs of rows one is held out."""

RUN = 32
"""Rows of a run: neighbours are of one sentence or image, and much alike."""


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
    given = as_coded(met.given, rows)
    wanted = exact if met.lacking is None else exact + met.lacking
    movable = operator.bias is not None
    centre = given.mean(0, dtype=np.float64) if movable else np.zeros(given.shape[1])
    target = wanted.mean(0, dtype=np.float64) if movable else np.zeros(wanted.shape[1])
    varied = given - centre.astype(np.float32)
    error = wanted - target.astype(np.float32) - varied @ operator.weight.T
    moments, correction = _correction(varied, error)
    weight = operator.weight + correction
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


def _correction(varied: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows' second moments, and what least squares adds to the weights.

    Of all ridges, the one that leaves least of the error of rows which are held out; nothing is
    added where none leaves less than there was, or where no input ever varies.
    """
    run = max(1, min(RUN, len(varied) // (4 * HELD_PART)))
    held = np.arange(len(varied)) // run % HELD_PART == HELD_PART - 1
    fitted, judged = _moments(varied[~held], error[~held]), _moments(varied[held], error[held])
    best, chosen = 0.0, 0.0
    for share in RIDGES:
        change = _solved(*fitted, share * float(np.diagonal(fitted[0]).mean()))
        left = float(((judged[0] @ change - 2 * judged[1]) * change).sum())
        if left < best:
            best, chosen = left, share
    moments, shared = (
        (one * (~held).sum() + other * held.sum()) / len(varied)
        for one, other in zip(fitted, judged, strict=True)
    )
    if chosen == 0.0:
        return moments, np.zeros(shared.T.shape, np.float32)
    change = _solved(moments, shared, chosen * float(np.diagonal(moments).mean()))
    return moments, np.ascontiguousarray(change.T, np.float32)


def _moments(varied: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means of products of inputs with each other and with the error."""
    count = max(len(varied), 1)
    own = (varied.T @ varied).astype(np.float64) / count
    return own, (varied.T @ error).astype(np.float64) / count


def _solved(moments: np.ndarray, shared: np.ndarray, ridge: float) -> np.ndarray:
    """Return the change of weights, inputs first, for a ridge; zeros where that is none."""
    if ridge == 0.0:
        return np.zeros_like(shared)
    return np.asarray(np.linalg.solve(moments + ridge * np.eye(len(moments)), shared))


def as_coded(rows: np.ndarray, coding: RowCoding) -> np.ndarray:
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
