"""What attention on integers is, in NumPy, from docs/graph.md alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oracle_attention import Options, _numbers, lane_sum, plain_nan, seen, tanh
from oracle_products import fma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PART = 512
"""Keys whose codes are added in integers."""

MOST = np.float32(32767)
TINY = np.float32(2.0**-100)
ROUNDER = np.float32(1.5 * 2**23)


def exp2(x: Floats) -> Floats:
    """Return 2 to numbers that are 0 or less; NaN stays."""
    x = np.where(x < -152, np.float32(-152), x).astype(np.float32)
    n = (x + ROUNDER) - ROUNDER
    f = x - n
    coefficients = [*_numbers("kExp2")[::-1], np.float32(1)]
    series = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        series = fma(series, f, np.full_like(x, coefficient))
    power = np.where(np.isnan(n), 0, n).astype(np.int32)
    return np.ldexp(series.astype(np.float64), power).astype(np.float32)


def code(x: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the codes and the scale of each row."""
    codes = np.zeros(x.shape, np.int64)
    scales = np.zeros(len(x), np.float32)
    for row, numbers in enumerate(x):
        top = np.abs(numbers).max(initial=np.float32(0))
        if not np.isfinite(numbers).all():
            scales[row] = np.nan
        elif top >= TINY:
            codes[row] = np.rint(numbers * (np.float32(127) / top)).astype(np.int64)
            scales[row] = top / np.float32(127)
    return codes, scales


def attend(
    q: Floats,
    k: Floats,
    v: Floats,
    mask: NDArray[np.bool_] | Floats | None,
    options: Options,
) -> Floats:
    """Attend of one head: queries (n, d), keys (m, d), values (m, e)."""
    base_two = _numbers("kLog2e")[0]
    (q_codes, q_scales), (k_codes, k_scales), (v_codes, v_scales) = code(q), code(k), code(v)
    k_scales = np.where(np.isnan(v_scales), np.float32(np.nan), k_scales)
    v_scales = np.where(np.isnan(v_scales), np.float32(0), v_scales)
    factors = q_scales * (np.float32(options.scale) * base_two)
    scores = (q_codes @ k_codes.T).astype(np.float32) * factors[:, None] * k_scales
    if options.soft_cap:
        cap = np.float32(options.soft_cap) * base_two
        scores = cap * tanh((scores / cap).astype(np.float32))
    sees = seen(options, len(q), len(k))
    if mask is not None and mask.dtype == np.bool_:
        sees &= mask
    elif mask is not None:
        scores = fma(mask, np.full_like(mask, base_two), scores)
    scores = np.where(sees, scores, np.float32(-np.inf)).astype(np.float32)
    out = np.zeros((len(q), v.shape[1]), dtype=np.float32)
    for row, own in enumerate(scores):
        part = np.flatnonzero(own != -np.inf)
        if np.isnan(own).any():
            out[row] = np.nan
        elif len(part):
            weights = np.zeros(len(k), dtype=np.float32)
            weights[part] = exp2((own[part] - own[part].max()).astype(np.float32))
            top = v_scales[part].max()
            unit = MOST / top if top > 0 else np.float32(0)
            codes = np.rint(weights.astype(np.float64) * (v_scales * unit)).astype(np.int64)
            whole = np.zeros(v.shape[1], np.float32)
            for first in range(0, len(k), PART):
                some = slice(first, first + PART)
                whole += (codes[some] @ v_codes[some]).astype(np.float32)
            out[row] = whole * (top / MOST / lane_sum(weights)) + np.float32(0)
    return plain_nan(out)
