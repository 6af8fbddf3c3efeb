"""What docs/quantization.md says about weights, in NumPy alone: no code of cordwood's."""

from __future__ import annotations

import numpy as np

TINY = np.float32(2.0**-100)
SMALLEST_HALF, LARGEST_HALF = 2.0**-24, 65504.0


def groups(n_inputs: int, group_size: int | None) -> list[slice]:
    size = group_size or n_inputs
    return [slice(first, min(first + size, n_inputs)) for first in range(0, n_inputs, size)]


def _stored(scale: np.ndarray, scale_dtype: str) -> np.ndarray:
    """Round a scale as it is stored, and widen it again."""
    if scale_dtype == "float32":
        return scale
    with np.errstate(over="ignore"):
        half = scale.astype(np.float16).astype(np.float32)
    return np.where(scale >= TINY, np.clip(half, SMALLEST_HALF, LARGEST_HALF), np.float32(0))


def scale_and_zero(
    w: np.ndarray, bits: int, symmetric: bool, scale_dtype: str = "float32"
) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of each row of one group's weights, (n_outputs, inputs of the group)."""
    low = np.minimum(w.min(axis=1), np.float32(0))
    high = np.maximum(w.max(axis=1), np.float32(0))
    with np.errstate(over="ignore"):
        if symmetric:
            half = 2 ** (bits - 1)
            scale = np.maximum(high / np.float32(half - 1), -low / np.float32(half))
        else:
            top = np.float32(2**bits - 1)
            width = high - low
            scale = np.where(np.isinf(width), high / top - low / top, width / top)
    scale = _stored(np.where(scale >= TINY, scale, np.float32(0)), scale_dtype)
    if symmetric:
        return scale, np.full(len(w), 2 ** (bits - 1), np.uint8)
    safe = np.where(scale > 0, scale, np.float32(1))
    zero = np.clip(np.rint(-low / safe), 0, 2**bits - 1)
    return scale, np.where(scale > 0, zero, 0).astype(np.uint8)


def encode(w: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    """Codes of one group's weights for scales and zero points that are given."""
    with np.errstate(divide="ignore", over="ignore"):
        reciprocal = np.where(scale >= TINY, np.float32(1) / scale, np.float32(0))
        code = np.rint(w * reciprocal[:, None]) + zero[:, None].astype(np.float32)
    assert code.dtype == np.float32
    return np.clip(code, 0, 2**bits - 1).astype(np.uint8)


def quantize(
    w: np.ndarray,
    bits: int,
    group_size: int | None,
    symmetric: bool = True,
    scale_dtype: str = "float32",
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, scales and zero points, each by output; round to nearest."""
    parts = []
    for group in groups(w.shape[1], group_size):
        scale, zero = scale_and_zero(w[:, group], bits, symmetric, scale_dtype)
        parts.append((encode(w[:, group], scale, zero, bits), scale[:, None], zero[:, None]))
    codes, scales, zeros = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    return codes, scales, zeros


def dequantize(
    codes: np.ndarray, scales: np.ndarray, zeros: np.ndarray, group_size: int | None
) -> np.ndarray:
    out = np.empty(codes.shape, np.float32)
    for number, group in enumerate(groups(codes.shape[1], group_size)):
        steps = codes[:, group].astype(np.int32) - zeros[:, number, None].astype(np.int32)
        with np.errstate(over="ignore"):
            out[:, group] = scales[:, number, None].astype(np.float32) * steps.astype(np.float32)
    return out


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Bit i of an output's codes, from the first one's lowest up, is bit i % 8 of byte i // 8."""
    stream = (codes[:, :, None] >> np.arange(bits) & 1).reshape(len(codes), -1)
    whole_bytes = np.pad(stream, ((0, 0), (0, -stream.shape[1] % 8)))
    return (whole_bytes.reshape(len(codes), -1, 8) * 2 ** np.arange(8)).sum(axis=2).astype(np.uint8)


def _damped(inputs: np.ndarray, damping: float) -> np.ndarray:
    """Return the inverse of the second moments, as methods that go input by input see them."""
    moments = inputs.astype(np.float64).T @ inputs.astype(np.float64) / len(inputs)
    mean = np.diagonal(moments).mean()
    for k in range(len(moments)):
        moments[k, k] = (moments[k, k] or mean) + damping * mean
    return np.linalg.inv(moments)


def _without(inverse: np.ndarray, k: int) -> np.ndarray:
    """Take input k out of an inverse: Gaussian elimination of one row and column."""
    return inverse - np.outer(inverse[:, k], inverse[k]) / inverse[k, k]


def gptq(
    w: np.ndarray, inputs: np.ndarray, bits: int, group_size: int | None, damping: float = 0.01
) -> np.ndarray:
    """Codes by the definition: quantise an input, let all others make up for it, take it out."""
    inverse = _damped(inputs, damping)
    left = w.astype(np.float64)
    codes = np.zeros(w.shape, np.uint8)
    for group in groups(w.shape[1], group_size):
        scale, zero = scale_and_zero(left[:, group].astype(np.float32), bits, symmetric=True)
        for k in range(group.start, group.stop):
            reciprocal = np.float32(1) / scale
            exact = left[:, k].astype(np.float32) * reciprocal
            code = np.clip(np.rint(exact) + zero, 0, 2**bits - 1)
            codes[:, k] = code
            error = left[:, k] - scale * (code - zero)
            left[:, k + 1 :] -= np.outer(error / inverse[k, k], inverse[k, k + 1 :])
            inverse = _without(inverse, k)
    return codes


def sparsegpt(
    w: np.ndarray, inputs: np.ndarray, keep: int, of: int, damping: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Pruned weights and mask by the definition, `keep` of every `of` neighbours."""
    inverse = _damped(inputs, damping)
    left = w.astype(np.float64)
    mask = np.zeros(w.shape, bool)
    for first in range(0, w.shape[1], of):
        # What a weight costs when those before it are gone already: as the walk will meet it.
        costs, ahead = [], inverse
        for k in range(first, min(first + of, w.shape[1])):
            costs.append(left[:, k] ** 2 / ahead[k, k])
            ahead = _without(ahead, k)
        for row, cost in enumerate(np.array(costs).T):
            stay = -(-keep * len(cost) // of)
            mask[row, first + np.argsort(-cost, kind="stable")[:stay]] = True
        for k in range(first, min(first + of, w.shape[1])):
            error = np.where(mask[:, k], 0.0, left[:, k])
            left[:, k + 1 :] -= np.outer(error / inverse[k, k], inverse[k, k + 1 :])
            inverse = _without(inverse, k)
    return np.where(mask, left, 0.0), mask
