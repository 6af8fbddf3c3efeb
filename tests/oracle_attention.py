"""What attention and products of activations are, in NumPy, from docs/graph.md alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from oracle_products import fma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

LANES = 16
_HEADER = Path(__file__).parents[1] / "csrc" / "kernels" / "math" / "polynomials.hpp"
_NUMBER = r"(-?0x[0-9a-f.]+p[+-]?\d+)f"


def _numbers(name: str) -> list[np.float32]:
    """Read a constant, or the coefficients of a polynomial, the lowest first."""
    text = re.search(rf"float {name}(?:\[\])? = ([^;]*);", _HEADER.read_text(encoding="utf-8"))
    assert text is not None, name
    return [np.float32(float.fromhex(number)) for number in re.findall(_NUMBER, text[1])]


def _reduced(x: Floats) -> tuple[Floats, Floats]:
    """Return whole n and exp(r) - 1, where x = n log(2) + r."""

    def full(value: np.float32) -> Floats:
        return np.full_like(x, value)

    rounder = np.float32(1.5 * 2**23)
    n = fma(x, full(_numbers("kLog2e")[0]), full(rounder)) - rounder
    r = fma(n, full(-_numbers("kLog2High")[0]), x)
    r = fma(n, full(-_numbers("kLog2Low")[0]), r)
    coefficients = _numbers("kExp")
    series = full(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        series = fma(series, r, full(coefficient))
    return n, fma(series, r * r, r)


def exp(x: Floats) -> Floats:
    """Return exp of numbers that are 0 or less; NaN stays."""
    n, p = _reduced(np.maximum(x, np.float32(-104)))
    power = np.where(np.isnan(n), 0, n).astype(np.int32)
    return np.ldexp((np.float32(1) + p).astype(np.float64), power).astype(np.float32)


def tanh(x: Floats) -> Floats:
    """Return tanh by exp(-2 |x|) - 1."""
    size = np.minimum(np.float32(20), np.abs(x))
    n, p = _reduced(np.float32(-2) * size)
    half_power = np.ldexp(np.float32(0.5), np.where(np.isnan(n), 0, n).astype(np.int32))
    half = fma(p, half_power, half_power - np.float32(0.5))
    e = half + half
    return np.copysign(np.abs(e / (np.float32(2) + e)), x)


@dataclass(frozen=True)
class Options:
    """Attributes of attention."""

    scale: float = 1.0
    causal: bool = False
    window: int = 0
    soft_cap: float = 0.0


def matmul(a: Floats, b: Floats) -> Floats:
    """Multiply matrices: each sum over `k` ascending, from +0.0, fused."""
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = np.zeros((*lead, a.shape[-2], b.shape[-1]), dtype=np.float32)
    for k in range(a.shape[-1]):
        y = fma(a[..., :, k, None], b[..., None, k, :], y)
    return plain_nan(y)


def plain_nan(y: Floats) -> Floats:
    """Give each NaN a clear sign and no payload."""
    return np.where(np.isnan(y), np.float32(np.nan), y).astype(np.float32)


def lane_sum(row: Floats) -> np.float32:
    """Add a row over 16 lanes, and the lanes by halves."""
    lanes = np.zeros(LANES, dtype=np.float32)
    for index, x in enumerate(row):
        lanes[index % LANES] += x
    for half in (8, 4, 2, 1):
        lanes[:half] += lanes[half : 2 * half]
    return np.float32(lanes[0])


def seen(options: Options, n: int, m: int) -> NDArray[np.bool_]:
    """Return which key each query sees, by place alone."""
    own = np.arange(n)[:, None] + m - n
    key = np.arange(m)[None, :]
    sees = np.ones((n, m), dtype=bool)
    if options.causal:
        sees &= key <= own
    if options.window:
        sees &= abs(own - key) < options.window
    return sees


def attend(
    q: Floats,
    k: Floats,
    v: Floats,
    mask: NDArray[np.bool_] | Floats | None,
    options: Options,
) -> Floats:
    """Attend of one head: queries (n, d), keys (m, d), values (m, e)."""
    n, m = len(q), len(k)
    scores = matmul(q, np.ascontiguousarray(k.T)) * np.float32(options.scale)
    if options.soft_cap:
        cap = np.float32(options.soft_cap)
        scores = cap * tanh((scores / cap).astype(np.float32))
    sees = seen(options, n, m)
    if mask is not None and mask.dtype == np.bool_:
        sees &= mask
    elif mask is not None:
        scores = scores + mask
    scores = np.where(sees, scores, np.float32(-np.inf)).astype(np.float32)
    out = np.zeros((n, v.shape[1]), dtype=np.float32)
    for row in range(n):
        part = np.flatnonzero(scores[row] != -np.inf)
        if len(part) == 0:
            continue
        weights = np.zeros(m, dtype=np.float32)
        weights[part] = exp((scores[row, part] - scores[row, part].max()).astype(np.float32))
        total = np.zeros(v.shape[1], dtype=np.float32)
        for key in part:
            total = fma(np.full_like(total, weights[key]), v[key], total)
        out[row] = total / lane_sum(weights) + np.float32(0)
    return plain_nan(out)
