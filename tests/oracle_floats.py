"""The NumPy meaning of activations, unary functions, norms and softmax, in float32 step by step.

Coefficients are read from ``csrc/kernels/math/polynomials.hpp``: the kernels' bits follow from them
and from the order of operations written here. ``fma`` is exact: float64 holds the product, and the
sum is rounded to odd before it becomes float32.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

F = np.float32
LANES = 16
_HEADER = Path(__file__).parent.parent / "csrc" / "kernels" / "math" / "polynomials.hpp"
_TEXT = _HEADER.read_text(encoding="utf-8")
K = {name: F(float.fromhex(value)) for name, value in re.findall(r"float k(\w+) = (\S+)f;", _TEXT)}
POLYNOMIALS = {
    name: [F(float.fromhex(value)) for value in re.findall(r"(\S+)f,", body)]
    for name, body in re.findall(r"float k(\w+)\[\] = \{(.*?)\}", _TEXT, re.DOTALL)
}
ACTIVATIONS = [
    "relu",
    "leaky_relu",
    "prelu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "gelu_tanh",
    "silu",
    "sigmoid",
    "tanh",
    "softplus",
    "mish",
    "hard_sigmoid",
    "hard_swish",
    "clip",
]
UNARY = [
    "negative",
    "absolute",
    "sign",
    "floor",
    "ceil",
    "round",
    "truncate",
    "sqrt",
    "reciprocal",
    "square",
    "not",
    "is_nan",
    "is_infinite",
    "exp",
    "expm1",
    "log",
    "log1p",
    "erf",
    "sin",
    "cos",
    "rsqrt",
]


def fma(a: Floats, b: Floats, c: Floats) -> Floats:
    """Return ``a * b + c``, rounded once."""
    product = np.multiply(a, b, dtype=np.float64)
    wide = np.asarray(c, dtype=np.float64)
    total = np.asarray(product + wide)
    part = total - product
    lost = (product - (total - part)) + (wide - part)
    bits = total.view(np.int64)
    uneven = (bits & 1 == 0) & (lost != 0) & np.isfinite(lost)
    odd = np.where(uneven, bits + np.where((lost > 0) == (total > 0), 1, -1), bits)
    return odd.view(np.float64).astype(F)


def _horner(name: str, x: Floats) -> Floats:
    total = np.full_like(x, POLYNOMIALS[name][-1])
    for c in POLYNOMIALS[name][-2::-1]:
        total = fma(total, x, c)
    return total


def clean(y: Floats) -> Floats:
    """Give every NaN the bits that results have."""
    return np.where(np.isnan(y), F(np.nan), y)


def _least(a: Floats, b: Floats) -> Floats:
    return np.where(a < b, a, b)


def _most(a: Floats, b: Floats) -> Floats:
    return np.where(a > b, a, b)


def _scaled(a: Floats, n: Floats) -> Floats:
    return (a.astype(np.float64) * np.exp2(n.astype(np.float64))).astype(F)


def _reduced(x: Floats) -> tuple[Floats, Floats]:
    rounder = F(1.5 * 2**23)
    n = fma(x, K["Log2e"], rounder) - rounder
    r = fma(n, -K["Log2Low"], fma(n, -K["Log2High"], x))
    return fma(_horner("Exp", r), r * r, r), n


def _exp(x: Floats) -> Floats:
    p, n = _reduced(x)
    return _scaled(F(1) + p, n)


def _expm1(x: Floats) -> Floats:
    p, n = _reduced(x)
    power = _scaled(np.full_like(x, F(0.5)), n)
    half = fma(p, power, power - F(0.5))
    return half + half


def exp(x: Floats) -> Floats:
    return _exp(_least(F(104), _most(F(-104), x)))


def expm1(x: Floats) -> Floats:
    return np.where(abs(x) < F(2**-25), x, _expm1(_least(F(89), _most(F(-40), x))))


def _split(x: Floats) -> tuple[Floats, Floats]:
    bits = x.view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> 23
    return (bits - (exponent << 23)).view(F), exponent.astype(F)


def _log_parts(f: Floats, e: Floats) -> Floats:
    f2 = f * f
    y = _horner("Log", f) * f * f2
    y = fma(F(-0.5), f2, fma(e, K["Log2Low"], y))
    return fma(e, K["Log2High"], f + y)


def _log_ends(x: Floats, y: Floats) -> Floats:
    y = np.where(x == np.inf, x, y)
    y = np.where(x == 0, F(-np.inf), y)
    return np.where(x >= 0, y, F(np.nan))


def log(x: Floats) -> Floats:
    small = x < F(2.0**-126)
    m, e = _split(np.where(small, x * F(2**23), x))
    return _log_ends(x, _log_parts(m - F(1), np.where(small, e - F(23), e)))


def _log1p(x: Floats) -> Floats:
    u = F(1) + x
    lost = np.where(x < 1, x - (u - F(1)), F(1) - (u - x))
    m, e = _split(u)
    return _log_parts(fma(lost, _scaled(np.ones_like(x), -e), m - F(1)), e)


def log1p(x: Floats) -> Floats:
    return np.where(abs(x) < F(2**-25), x, _log_ends(F(1) + x, _log1p(x)))


def erf(z: Floats) -> Floats:
    near = fma(_horner("Erf", z * z), z, z)
    rest = _exp(_horner("Erfc", _least(K["ErfEnd"], abs(z)) - K["ErfMiddle"]))
    return np.where(abs(z) < K["ErfMiddle"], near, np.copysign(F(1) - rest, z))


def tanh(x: Floats) -> Floats:
    e = _expm1(F(-2) * _least(F(20), abs(x)))
    return np.copysign(abs(e / (F(2) + e)), x)


def sigmoid(x: Floats) -> Floats:
    e = _exp(_most(F(-104), -abs(x)))
    return np.where(x < 0, e, F(1)) / (F(1) + e)


def softplus(x: Floats) -> Floats:
    e = _exp(_most(F(-104), -abs(x)))
    return _most(F(0), x) + np.where(e < F(2**-25), e, _log1p(e))


def _finite(x: Floats) -> Floats:
    return _most(np.finfo(F).min, x)


def _logistic_over(x: Floats, scaled: Floats) -> Floats:
    e = _exp(-_least(F(104), _most(F(-104), scaled)))
    return _finite(x) / (F(1) + e)


def silu(x: Floats) -> Floats:
    return _logistic_over(x, x)


def gelu(x: Floats) -> Floats:
    within = _least(K["GeluEnd"], _most(-K["GeluEnd"], x))
    w = fma(within * within, K["GeluScale"], F(-1))
    return _finite(x) * _most(F(0), fma(within, _horner("Gelu", w), F(0.5)))


def gelu_tanh(x: Floats) -> Floats:
    return _logistic_over(x, x * fma(x * x, K["GeluTanhCube"], K["GeluTanhSlope"]))


def mish(x: Floats) -> Floats:
    e = _exp(_least(F(40), _most(F(-104), x)))
    n = e * (e + F(2))
    return _finite(x) * (n / (n + F(2)))


def _turned(x: Floats, turn: float) -> Floats:
    n = np.rint(x * K["TwoOverPi"])
    r = fma(n, -K["HalfPi3"], fma(n, -K["HalfPi2"], fma(n, -K["HalfPi1"], x)))
    r = _least(F(1), _most(F(-1), r))
    quarter = (n - F(4) * np.floor(n * F(0.25))) + F(turn)
    quarter = np.where(quarter < 4, quarter, quarter - F(4))
    r2 = r * r
    sine = fma(_horner("Sin", r2) * r2, r, r)
    cosine = fma(fma(_horner("Cos", r2), r2, F(-0.5)), r2, F(1))
    y = np.where((quarter == 1) | (quarter == 3), cosine, sine)
    return np.where(np.isinf(x), F(np.nan), np.where(quarter < 2, y, -y))


def _clip(x: Floats, low: float, high: float) -> Floats:
    return np.where(np.isnan(x), x, _least(_most(x, F(low)), F(high)))


def _hard_sigmoid(x: Floats, alpha: float, beta: float) -> Floats:
    return _clip(fma(x, F(alpha), F(beta)), 0, 1)


def activate(name: str, x: Floats, alpha: float, beta: float, slopes: Floats | None) -> Floats:
    """Apply an activation by its name in ``docs/graph.md``."""
    a = F(alpha)
    plain: dict[str, Callable[[], Floats]] = {
        "relu": lambda: np.where(np.isnan(x), x, _most(x, F(0))),
        "leaky_relu": lambda: np.where(x < 0, a * x, x),
        "prelu": lambda: np.where(x < 0, (a if slopes is None else slopes) * x, x),
        "elu": lambda: np.where(x < 0, a * expm1(x), x),
        "selu": lambda: K["SeluScale"] * np.where(x < 0, K["SeluAlpha"] * expm1(x), x),
        "celu": lambda: np.where(x < 0, a * expm1(x / a), x),
        "hard_sigmoid": lambda: _hard_sigmoid(x, alpha, beta),
        "hard_swish": lambda: _finite(x) * _hard_sigmoid(x, alpha, beta),
        "clip": lambda: _clip(x, alpha, beta),
    }
    curved = {f.__name__: f for f in (gelu, gelu_tanh, silu, sigmoid, tanh, softplus, mish)}
    with np.errstate(all="ignore"):
        return clean(plain[name]() if name in plain else curved[name](x))


def unary(name: str, x: Floats) -> Floats:
    """Apply a unary function by its name in ``docs/graph.md``."""
    plain: dict[str, Callable[[], Floats]] = {
        "negative": lambda: -x,
        "absolute": lambda: abs(x),
        "sign": lambda: np.where(x > 0, F(1), np.where(x < 0, F(-1), np.where(x == 0, F(0), x))),
        "floor": lambda: np.floor(x),
        "ceil": lambda: np.ceil(x),
        "round": lambda: np.rint(x),
        "truncate": lambda: np.trunc(x),
        "sqrt": lambda: np.sqrt(x),
        "reciprocal": lambda: F(1) / x,
        "square": lambda: x * x,
        "rsqrt": lambda: F(1) / np.sqrt(x),
        "sin": lambda: _turned(x, 0),
        "cos": lambda: _turned(x, 1),
    }
    curved = {f.__name__: f for f in (exp, expm1, log, log1p, erf)}
    with np.errstate(all="ignore"):
        return clean(plain[name]() if name in plain else curved[name](x))


def lane_sum(x: Floats, *, squares: bool = False) -> Floats:
    """Sum the last axis, or its squares, over sixteen lanes as ``docs/graph.md`` says."""
    lanes = np.zeros((*x.shape[:-1], LANES), dtype=F)
    for i in range(x.shape[-1]):
        at, value = (..., i % LANES), x[..., i]
        lanes[at] = fma(value, value, lanes[at]) if squares else lanes[at] + value
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes


def _spread(x: Floats, epsilon: float) -> tuple[Floats, Floats]:
    n = F(x.shape[-1])
    mean = lane_sum(x) / n
    variance = lane_sum(x - mean, squares=True) / n
    return mean, F(1) / np.sqrt(variance + F(epsilon))


def _affine(y: Floats, weight: Floats | None, bias: Floats | None) -> Floats:
    if weight is not None and bias is not None:
        return fma(y, weight, bias)
    if weight is not None:
        return y * weight
    return y if bias is None else y + bias


def layer_norm(x: Floats, weight: Floats | None, bias: Floats | None, epsilon: float) -> Floats:
    with np.errstate(all="ignore"):
        mean, factor = _spread(x, epsilon)
        return clean(_affine((x - mean) * factor, weight, bias))


def rms_norm(x: Floats, weight: Floats | None, offset: float, epsilon: float) -> Floats:
    with np.errstate(all="ignore"):
        factor = F(1) / np.sqrt(lane_sum(x, squares=True) / F(x.shape[-1]) + F(epsilon))
        y = x * factor
        return clean(y if weight is None else y * (weight + F(offset)))


def group_norm(
    x: Floats, groups: int, weight: Floats | None, bias: Floats | None, epsilon: float
) -> Floats:
    runs = x.reshape(x.shape[0], groups, -1)
    with np.errstate(all="ignore"):
        mean, factor = _spread(runs, epsilon)
        y = ((runs - mean) * factor).reshape(x.shape)
        column = [None if v is None else v[:, None] for v in (weight, bias)]
        return clean(_affine(y, *column))


def softmax(x: Floats, *, logarithm: bool) -> Floats:
    """Softmax, or its logarithm, along the middle of three axes."""
    turned = np.moveaxis(x, 1, -1)
    with np.errstate(all="ignore"):
        off = turned - turned.max(-1, keepdims=True)
        power = _exp(_most(F(-104), off))
        total = lane_sum(power)
        y = off - clean(log(total)) if logarithm else power / total
    return clean(np.moveaxis(y, -1, 1))
