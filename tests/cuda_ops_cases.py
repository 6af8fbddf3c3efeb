"""Masks and codes that a CUDA device makes as the host does: the cases, whatever the device is.

The emulated device runs them in ``test_cuda_ops.py``, a real one in ``test_cuda_device_ops.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import cordwood as cw

SHAPES = [(1, 1), (3, 4), (1, 8), (5, 7), (4, 32), (7, 33), (2, 96), (16, 64), (3, 513), (33, 129)]
PATTERNS: list[tuple[str | float, float | None]] = [
    ("2:4", None), ("1:4", None), ("4:8", None), ("3:5", None), ("1:1", None), ("17:64", None),
    (0.0, None), (0.5, None), (0.9, None), (1.0, None),
    ("block:16x1", 0.5), ("block:16x4", 0.3), ("block:1x16", 0.5), ("block:4x40", 0.5),
    ("block:2x3:0.7", None), ("block:999x999:0.5", None), ("channels:0.5", None),
]  # fmt: skip
PERS = ("matrix", "output")
BITS = (8, 4, 3, 2)
METHODS = ("rtn", "mse")
SCALES = ("float32", "float16")
GROUPS = (None, 32, 64, 128)
SIZES = (4095, 4096, 4097, 12_345)
"""Columns: around what a block takes in one go."""

LENGTHS = (7, 8, 127, 129, 1030, 2048, 20_001)
DTYPES = tuple(
    np.dtype(name)
    for name in ("float64", "float16", "int8", "uint8", "int16", "int32", "int64", "bool")
)


@dataclass(frozen=True)
class Arrays:
    """A library whose arrays lie on the device.

    Attributes
    ----------
    put : callable
        Copies an array of the host there.
    get : callable
        Copies one back.
    owns : callable
        Whether something is an array of the library, on the device.
    """

    put: Callable[[np.ndarray], Any]
    get: Callable[[Any], np.ndarray]
    owns: Callable[[Any], bool]

    def same(self, got: Any, expected: np.ndarray) -> None:
        assert self.owns(got)
        found = self.get(got)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == np.ascontiguousarray(expected).tobytes()

    def same_codes(self, got: cw.ops.QuantizedTensor, expected: cw.ops.QuantizedTensor) -> None:
        assert got.shape == expected.shape
        # torch's types have their library's name before their own.
        assert repr(got).replace("torch.", "") == repr(expected)
        self.same(got.payload, expected.payload)
        self.same(got.scales, expected.scales)
        assert got.symmetric == expected.symmetric
        if expected.zero_points is not None:
            self.same(got.zero_points, expected.zero_points)


def weights(shape: tuple[int, int], seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 2 if dtype == np.bool_ else 100, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def check_masks(
    arrays: Arrays, pattern: str | float, share: float | None, per: Any, shape: tuple[int, int]
) -> None:
    """By magnitude, and by scores with many ties and zeros of both signs."""
    w = weights(shape, sum(shape))
    expected = cw.ops.prune_mask(w, pattern, share=share, per=per)
    arrays.same(cw.ops.prune_mask(arrays.put(w), pattern, share=share, per=per), expected)
    few = np.round(w)
    expected = cw.ops.prune_mask(w, pattern, share=share, per=per, scores=few)
    there = {"share": share, "per": per, "scores": arrays.put(few)}
    arrays.same(cw.ops.prune_mask(arrays.put(w), pattern, **there), expected)


def check_ties(arrays: Arrays, size: int, goes: float) -> None:
    """Among equals it is the place that decides, over several blocks of threads too."""
    w = np.round(weights((3, size), 5) * 2)
    order = np.arange(w.size).reshape(w.shape)
    for values in (w, np.zeros_like(w), np.full_like(w, np.inf), order):
        for per in PERS:
            expected = cw.ops.prune_mask(values, goes, per=per)
            got = cw.ops.prune_mask(arrays.put(values), goes, per=per)
            arrays.same(got, expected)


def check_codes(arrays: Arrays, w: np.ndarray, options: dict[str, Any]) -> None:
    """Codes, scales and zero points of every size of group, and the weights they stand for."""
    for group_size in GROUPS:
        expected = cw.ops.quantize(w, **options, group_size=group_size)
        got = cw.ops.quantize(arrays.put(w), **options, group_size=group_size)
        arrays.same_codes(got, expected)
        arrays.same(cw.ops.dequantize(got), cw.ops.dequantize(expected))


def coded_weights() -> list[np.ndarray]:
    """Return weights of every shape, of many magnitudes, with zeros among them."""
    found = []
    for seed, shape in enumerate(SHAPES):
        w = weights(shape, seed) * np.float32(10.0 ** (seed - 5))
        w[:, ::5] = 0
        found.append(w)
    return found


def check_lengths(arrays: Arrays, method: Any, n_inputs: int) -> None:
    """Make outputs of any length one group, or a few."""
    w = weights((2, n_inputs), n_inputs)
    options: dict[str, Any] = {"bits": 3, "method": method, "symmetric": False}
    for group_size in (None, 1024 + 32) if n_inputs > 1024 else (None,):
        options["group_size"] = group_size
        got = cw.ops.quantize(arrays.put(w), **options)
        arrays.same_codes(got, cw.ops.quantize(w, **options))


def extreme_weights() -> np.ndarray:
    """Return groups around the ends of float32 and of float16, and of one sign."""
    largest = np.finfo(np.float32).max
    rows = [
        [0.0, -0.0], [largest, -largest], [largest, 0], [-largest, 0], [2.0**-101, 2.0**-140],
        [2.0**-95, 0], [2.0**-24, -(2.0**-22)], [70000, -1e9], [1e-45, 1.0], [-3.0, -1.0],
        [2.0**-14, 2.0**-15], [2.0**-100, -(2.0**-100)],
    ]  # fmt: skip
    return np.float32(rows).repeat(20, axis=1)


def check_types(arrays: Arrays, dtype: Any) -> None:
    """Numbers of any type, in rows or in columns."""
    w = weights((9, 40), 2, dtype)
    if dtype == np.int64:
        w += 2**60 + 2**37  # rounded twice on the way to float32
    for given, host in ((arrays.put(w), w), (arrays.put(w).T, w.T)):
        for axis in (0, 1):
            expected = cw.ops.prune_mask(host, "2:4", axis=axis)
            arrays.same(cw.ops.prune_mask(given, "2:4", axis=axis), expected)
            for method in METHODS:
                options: Any = {"bits": 4, "group_size": 32, "method": method, "axis": axis}
                got = cw.ops.quantize(given, **options)
                arrays.same_codes(got, cw.ops.quantize(host, **options))


def check_targets(arrays: Arrays) -> None:
    """Answers go to arrays of the caller's."""
    w = weights((6, 40))
    there = arrays.put(w)
    for axis in (0, 1):
        out = arrays.put(np.ones(w.shape, bool))
        assert cw.ops.prune_mask(there, 0.5, axis=axis, out=out) is out
        arrays.same(out, cw.ops.prune_mask(w, 0.5, axis=axis))
    out = arrays.put(np.zeros_like(w))
    assert cw.ops.dequantize(cw.ops.quantize(there, bits=4), out=out) is out
    arrays.same(out, cw.ops.dequantize(cw.ops.quantize(w, bits=4)))
    turned = cw.ops.quantize(there, bits=4, axis=1)
    expected = cw.ops.dequantize(cw.ops.quantize(w, bits=4, axis=1))
    arrays.same(cw.ops.dequantize(turned), expected)
    out = arrays.put(np.zeros(w.shape[::-1], np.float32)).T
    assert cw.ops.dequantize(turned, out=out) is out
    arrays.same(out, expected)
