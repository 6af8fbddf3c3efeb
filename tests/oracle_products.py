"""What a product with quantised weights is, in NumPy, from docs/quantization.md alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 65536
"""Inputs of a piece of symmetric weights; those with zero points take half of it."""
TINY = np.float32(2.0**-100)
TOP = np.float32(127)
SMALLEST = np.float32(2.0**-126)


@dataclass(frozen=True)
class Codes:
    """Activations as codes less their zero points: [row, input], and scales[row, group]."""

    codes: NDArray[np.int64]
    scales: NDArray[np.float32]
    grouped: bool


def fma(
    a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Multiply and add float32 with one rounding.

    The product is exact in float64. Where adding `c` there rounds, the sum is put on the odd
    neighbour, so that the last rounding, to float32, sees that something was lost.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    total = product + addend
    # The error of the sum (Knuth's two-sum).
    back = total - product
    error = (product - (total - back)) + (addend - back)
    toward = np.where(error > 0, np.inf, -np.inf)
    even = (total.view(np.int64) & 1) == 0
    lost = (error != 0) & even & np.isfinite(total)
    odd = np.where(lost, np.nextafter(total, toward), total)
    return np.asarray(odd, dtype=np.float32)


def quantize_rows(
    x: NDArray[np.float32], group: int | None = None, scale: float | None = None
) -> Codes:
    """Signed codes of activations, by a scale for each row or group, or by a given one."""
    n_rows, n_inputs = x.shape
    step = n_inputs if group is None else group
    codes = np.zeros(x.shape, dtype=np.int64)
    scales = np.zeros((n_rows, -(-n_inputs // step)), dtype=np.float32)
    for row in range(n_rows):
        for index, first in enumerate(range(0, n_inputs, step)):
            part = x[row, first : first + step]
            if scale is not None:
                scales[row, index] = scale
                reciprocal = np.float32(1) / np.float32(scale)
            else:
                top = np.abs(part).max()
                if top < TINY:
                    continue
                scales[row, index] = top / TOP
                reciprocal = TOP / top
            exact = np.rint(np.clip(part * reciprocal, -TOP, TOP))
            codes[row, first : first + step] = exact.astype(np.int64)
    return Codes(codes, scales, grouped=group is not None)


def encode(
    x: NDArray[np.float32], scale: np.float32, zero: int, least: int, most: int
) -> NDArray[np.int64]:
    """Codes from `least` to `most` of a scale and a zero point; NaN has the least."""
    near = np.rint(x * (np.float32(1) / scale))
    near = np.where(np.isnan(near), -np.inf, near)
    return np.clip(near, np.float32(least - zero), np.float32(most - zero)).astype(np.int64) + zero


def quantize_rows_unsigned(
    x: NDArray[np.float32],
    group: int | None = None,
    scale: float | None = None,
    zero: int = 0,
) -> Codes:
    """Activations in uint8, by a scale and zero point for each row or group, or by given ones."""
    n_rows, n_inputs = x.shape
    step = n_inputs if group is None else group
    codes = np.zeros(x.shape, dtype=np.int64)
    scales = np.zeros((n_rows, -(-n_inputs // step)), dtype=np.float32)
    most = np.float32(255)
    for row in range(n_rows):
        for index, first in enumerate(range(0, n_inputs, step)):
            part = x[row, first : first + step]
            own, own_zero = np.float32(0 if scale is None else scale), zero
            if scale is None:
                low = min(np.float32(0), part.min())
                high = max(np.float32(0), part.max())
                span = high - low
                if span < TINY:
                    continue
                own = span / most if np.isfinite(span) else high / most - low / most
                own_zero = int(min(np.rint(-low / own), most))
            scales[row, index] = own
            coded = encode(part, own, own_zero, 0, 255)
            codes[row, first : first + step] = coded - own_zero
    return Codes(codes, scales, grouped=group is not None)


def given_codes(codes: NDArray[np.int8] | NDArray[np.uint8], scale: float, zero: int = 0) -> Codes:
    """Activations that are codes already."""
    scales = np.full((len(codes), 1), scale, dtype=np.float32)
    return Codes(codes.astype(np.int64) - zero, scales, grouped=False)


def requantize(
    y: NDArray[np.float32], dtype: str, scale: float, zero: int
) -> NDArray[np.int8] | NDArray[np.uint8]:
    """Answers as codes."""
    limits = np.iinfo(dtype)
    codes = encode(y, np.float32(scale), zero, int(limits.min), int(limits.max))
    return codes.astype(np.int8 if dtype == "int8" else np.uint8)


def multiply(  # noqa: PLR0913 - what a product is made of
    x: Codes,
    codes: NDArray[np.uint8],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8],
    group: int | None,
    *,
    piece: int = PIECE,
    bias: NDArray[np.float32] | None = None,
    residual: NDArray[np.float32] | None = None,
    cut: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """``x @ w.T`` and its ending: integers first, then float32 in ascending groups."""
    n_inputs = codes.shape[1]
    step = piece if group is None else group
    total = None
    for index, first in enumerate(range(0, n_inputs, step)):
        own = 0 if group is None else index
        part = codes[:, first : first + step].astype(np.int64) - zeros[:, own, None]
        whole = (x.codes[:, first : first + step] @ part.T).astype(np.float32)
        scale = np.broadcast_to(scales[:, own], whole.shape)
        if x.grouped:
            scale = scale * x.scales[:, index, None]
        total = whole * scale if total is None else fma(whole, scale, total)
    assert total is not None
    if x.grouped:
        y = total if bias is None else total + bias
    else:
        row = np.broadcast_to(x.scales, total.shape)
        y = total * row if bias is None else fma(total, row, np.broadcast_to(bias, total.shape))
    return _finish(y, residual, cut)


def multiply_floats(
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    bias: NDArray[np.float32] | None = None,
    residual: NDArray[np.float32] | None = None,
    cut: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """``x @ w.T`` of float32 activations: a chain of fma over ascending inputs from zero."""
    y = np.zeros((len(x), len(weights)), dtype=np.float32)
    for k in range(x.shape[1]):
        y = fma(np.broadcast_to(x[:, k, None], y.shape), np.broadcast_to(weights[:, k], y.shape), y)
    if bias is not None:
        y = y + bias
    return _finish(y, residual, cut)


def round_bfloat16(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to bfloat16, half to even, what is subnormal to a zero of its sign; as float32."""
    bits = x.view(np.uint32)
    rounded = np.where(np.isnan(x), bits | 0x400000, bits + 0x7FFF + ((bits >> 16) & 1))
    return _flush((rounded & np.uint32(0xFFFF0000)).view(np.float32), np.abs(x) < SMALLEST)


def multiply_bfloat16(
    x: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    bias: NDArray[np.float32] | None = None,
    residual: NDArray[np.float32] | None = None,
    cut: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    """``x @ w.T`` of both in bfloat16: pairs of inputs in turn, of a pair the upper one first."""
    own = round_bfloat16(x)
    weights = _flush(weights, np.abs(weights) < SMALLEST)
    y = np.zeros((len(x), len(weights)), dtype=np.float32)
    for k in range(x.shape[1] + x.shape[1] % 2):
        if k ^ 1 < x.shape[1]:
            y = _flushed_fma(own[:, k ^ 1, None], weights[:, k ^ 1], y)
    if bias is not None:
        y = y + bias
    return _finish(y, residual, cut)


def _flush(x: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(where, np.copysign(np.float32(0), x), x)


def _flushed_fma(
    x: NDArray[np.float32], w: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """One rounding; zero where 24 bits of it, with no least exponent, are below 2**-126."""
    shape = y.shape
    total = fma(np.broadcast_to(x, shape), np.broadcast_to(w, shape), y)
    # Exact where it matters: a sum that comes so near to the limit has few bits.
    near = x.astype(np.float64) * w.astype(np.float64) + y.astype(np.float64)
    return _flush(total, np.abs(near) < 2.0**-126 - 2.0**-151)


def _finish(
    y: NDArray[np.float32],
    residual: NDArray[np.float32] | None,
    cut: tuple[float, float] | None,
) -> NDArray[np.float32]:
    if residual is not None:
        y = y + residual
    if cut is not None:
        y = np.where(y <= np.float32(cut[0]), np.float32(cut[0]), y)
        y = np.where(y >= np.float32(cut[1]), np.float32(cut[1]), y)
    return np.asarray(y, dtype=np.float32)
