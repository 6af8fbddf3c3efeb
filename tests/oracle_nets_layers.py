"""The NumPy meaning of products, pools, norms and activations of ``cordwood.ir_nets``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from scipy.special import erf, expit

from cordwood import ir_nets as ir

SELU = (1.6732632423543772, 1.0507009873554805)


def activate(kind: str | None, x: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Return an activation of float64."""
    line = np.clip(np.float64(np.float32(alpha)) * x + beta, 0, 1)
    with np.errstate(all="ignore"):
        soft = np.logaddexp(0, x)
        below = np.expm1(np.minimum(x, 0))
        found = {
            None: lambda: x,
            "relu": lambda: np.maximum(x, 0),
            "leaky_relu": lambda: np.where(x > 0, x, x * alpha),
            "elu": lambda: np.where(x > 0, x, alpha * below),
            "selu": lambda: SELU[1] * np.where(x > 0, x, SELU[0] * below),
            "celu": lambda: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
            "gelu": lambda: x * (1 + erf(x / math.sqrt(2))) / 2,
            "gelu_tanh": lambda: (
                x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
            ),
            "silu": lambda: x * expit(x),
            "sigmoid": lambda: expit(x),
            "tanh": lambda: np.tanh(x),
            "softplus": lambda: soft,
            "mish": lambda: x * np.tanh(soft),
            "hard_sigmoid": lambda: line,
            "hard_swish": lambda: x * line,
            "clip": lambda: np.clip(x, alpha, beta),
        }[kind]
        return found()


def _finish(op: ir.Product, y: np.ndarray, inputs: list, axis: int) -> np.ndarray:
    """Add bias and residual, and activate: each step rounds to float32."""
    y = y.astype(np.float32)
    if op.bias is not None:
        shape = [1] * y.ndim
        shape[axis] = -1
        y = y + op.bias.reshape(shape)
    if len(inputs) > 1:
        assert inputs[1].shape == y.shape, "a residual has the output's shape"
        y = y + inputs[1]
    return activate(op.activation, y.astype(np.float64), op.alpha, op.beta).astype(np.float32)


def linear(op: ir.Linear, inputs: list, coded: dict, _: Any) -> np.ndarray:
    y = inputs[0].astype(np.float64) @ coded["weight"].astype(np.float64).T
    return _finish(op, y, inputs, -1)


def matmul(op: ir.Matmul, inputs: list, _: Any, dtypes: list[str]) -> np.ndarray:
    a, b = (x.astype(np.float64) for x in inputs)
    a = np.swapaxes(a, -1, -2) if op.transpose_a else a
    b = np.swapaxes(b, -1, -2) if op.transpose_b else b
    return (a @ b).astype(dtypes[0])


def _windows(x: np.ndarray, op: Any, kernel: tuple[int, ...], out: list[int]) -> np.ndarray:
    """Return (kernel positions, batch, channels, out...): what each kernel position sees."""
    seen = []
    for place in itertools.product(*map(range, kernel)):
        starts = [p * d for p, d in zip(place, op.dilation, strict=True)]
        window = [slice(a, a + (n - 1) * s + 1, s)
                  for a, n, s in zip(starts, out, op.stride, strict=True)]  # fmt: skip
        seen.append(x[(slice(None), slice(None), *window)])
    return np.stack(seen)


def _lengths(x: np.ndarray, op: Any, kernel: tuple[int, ...]) -> list[int]:
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, op.dilation, strict=True)]
    return [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, op.stride, strict=True)]


def _padded(x: np.ndarray, before: Any, after: Any, value: float) -> np.ndarray:
    return np.pad(x, [(0, 0), (0, 0), *zip(before, after, strict=True)], constant_values=value)


def conv(op: ir.Conv, inputs: list, coded: dict, _: Any) -> np.ndarray:
    x, weight = inputs[0].astype(np.float64), coded["weight"].astype(np.float64)
    y = _transposed(op, x, weight) if op.transposed else _forward(op, x, weight)
    return _finish(op, y, inputs, 1)


def _forward(op: ir.Conv, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    kernel = weight.shape[2:]
    x = _padded(x, op.pad_before, op.pad_after, 0.0)
    seen = _windows(x, op, kernel, _lengths(x, op, kernel))
    parts = []
    for part, own in zip(np.split(seen, op.groups, 2), np.split(weight, op.groups), strict=True):
        flat = own.reshape(*own.shape[:2], -1)
        parts.append(np.einsum("kbc...,mck->bm...", part, flat))
    return np.concatenate(parts, axis=1)


def _transposed(op: ir.Conv, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Scatter: each input adds the kernel, scaled, at its place in the output."""
    kernel = weight.shape[2:]
    full = [(n - 1) * s + d * (k - 1) + 1 + p for n, s, d, k, p in zip(
        x.shape[2:], op.stride, op.dilation, kernel, op.output_padding, strict=True)]  # fmt: skip
    y = np.zeros((len(x), weight.shape[1] * op.groups, *full))
    for place in itertools.product(*map(range, kernel)):
        window = [slice(p * d, p * d + (n - 1) * s + 1, s) for p, d, n, s in zip(
            place, op.dilation, x.shape[2:], op.stride, strict=True)]  # fmt: skip
        parts = [np.einsum("bc...,cm->bm...", part, own[(slice(None), slice(None), *place)])
                 for part, own in zip(np.split(x, op.groups, 1),
                                      np.split(weight, op.groups), strict=True)]  # fmt: skip
        y[(slice(None), slice(None), *window)] += np.concatenate(parts, axis=1)
    inner = [slice(b, n - a) for b, a, n in zip(op.pad_before, op.pad_after, full, strict=True)]
    return y[(slice(None), slice(None), *inner)]


def pool(op: ir.Pool, inputs: list, _: Any, __: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    after = list(op.pad_after)
    if op.ceil_mode:
        for axis, (k, s, d) in enumerate(zip(op.kernel, op.stride, op.dilation, strict=True)):
            padded = x.shape[axis + 2] + op.pad_before[axis] + after[axis]
            left = (padded - d * (k - 1) - 1) % s
            last = padded - d * (k - 1) - 1 - left + s
            # The last window must start inside the input or in the padding before it.
            if left and last < x.shape[axis + 2] + op.pad_before[axis]:
                after[axis] += s - left
    inside = _padded(np.ones_like(x), op.pad_before, after, 0.0)
    x = _padded(x, op.pad_before, after, 0.0 if op.kind == "average" else -np.inf)
    out = _lengths(x, op, op.kernel)
    seen = _windows(x, op, op.kernel, out)
    if op.kind == "max":
        return seen.max(0).astype(np.float32)
    count = _windows(inside, op, op.kernel, out).sum(0)
    return (seen.sum(0) / (math.prod(op.kernel) if op.count_padding else count)).astype(np.float32)


def _channels(x: np.ndarray, parameter: np.ndarray) -> np.ndarray:
    return parameter.reshape(1, -1, *[1] * (x.ndim - 2))


def batch_norm(op: ir.BatchNorm, inputs: list, _: Any, __: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    return (x * _channels(x, op.factor) + _channels(x, op.offset)).astype(np.float32)


def _normal(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    apart = x - x.mean(axes, keepdims=True)
    return apart / np.sqrt(np.square(apart).mean(axes, keepdims=True) + epsilon)


def layer_norm(op: ir.LayerNorm, inputs: list, coded: dict, _: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    y = _normal(x, tuple(range(x.ndim - op.axes, x.ndim)), op.epsilon)
    y = y * coded.get("weight", 1.0)
    return (y if op.bias is None else y + op.bias).astype(np.float32)


def rms_norm(op: ir.RmsNorm, inputs: list, coded: dict, _: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    y = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + op.epsilon)
    return (y * (coded.get("weight", 1.0) + op.weight_offset)).astype(np.float32)


def group_norm(op: ir.GroupNorm, inputs: list, coded: dict, _: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    y = _normal(x.reshape(len(x), op.groups, -1), (2,), op.epsilon).reshape(x.shape)
    if op.weight is not None:
        y = y * _channels(y, coded["weight"])
    return (y if op.bias is None else y + _channels(y, op.bias)).astype(np.float32)


def activation(op: ir.Activation, inputs: list, _: Any, __: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    if op.kind == "prelu":
        slope = op.slope if op.slope.size == 1 else _channels(x, op.slope)
        return np.where(x > 0, x, x * slope).astype(np.float32)
    return activate(op.kind, x, op.alpha, op.beta).astype(np.float32)


def softmax(op: ir.Softmax, inputs: list, _: Any, __: Any) -> np.ndarray:
    x = inputs[0].astype(np.float64)
    x = x - x.max(op.axis, keepdims=True)
    total = np.exp(x).sum(op.axis, keepdims=True)
    return (x - np.log(total) if op.log else np.exp(x) / total).astype(np.float32)


LAYERS = {
    ir.Linear: linear, ir.Matmul: matmul, ir.Conv: conv, ir.Pool: pool, ir.BatchNorm: batch_norm,
    ir.LayerNorm: layer_norm, ir.RmsNorm: rms_norm, ir.GroupNorm: group_norm,
    ir.Activation: activation, ir.Softmax: softmax,
}  # fmt: skip
