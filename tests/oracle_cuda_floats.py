"""What CUDA's float intrinsics give, in NumPy and exact fractions, for the emulator's self-test."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from oracle_cuda_words import Words, mixed, numbers, split

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


def fused_floats(x: Floats, y: Floats, z: Floats) -> Floats:
    """Round x * y + z once: the product is exact as a double, the sum is rounded to odd."""
    product = x.astype(np.float64) * y
    total = product + z
    rest = total - product
    error = (product - (total - rest)) + (z - rest)
    even = total.view(np.int64) % 2 == 0
    moved = np.nextafter(total, np.where(error > 0, np.inf, -np.inf))
    odd = np.where(np.isfinite(total) & (error != 0) & even, moved, total)
    return odd.astype(np.float32)


def fused_doubles(x: Doubles, y: Doubles, z: Doubles) -> Doubles:
    """Round x * y + z once, in fractions."""
    exact = [
        float(Fraction(a) * Fraction(b) + Fraction(c)) if np.isfinite(c) else c
        for a, b, c in zip(x.tolist(), y.tolist(), z.tolist(), strict=True)
    ]
    return np.array(exact)


def integers(values: npt.NDArray[np.floating], dtype: type, of_nan: int) -> Iterator[Words]:
    """Convert rounded values: the nearest bound for what lies outside."""
    bounds = np.iinfo(dtype)
    results = []
    for value in values.tolist():
        if np.isnan(value):
            results.append(of_nan)
        elif value in (np.inf, -np.inf):
            results.append(bounds.max if value > 0 else bounds.min)
        else:
            results.append(min(max(int(value), bounds.min), bounds.max))
    size = 8 * np.dtype(dtype).itemsize
    yield from split(np.array([result % 2**64 for result in results], np.uint64), size)


def words_of(values: npt.NDArray[np.floating]) -> Iterator[Words]:
    """Yield the bits, with one pattern for every NaN."""
    if values.dtype == np.float32:
        yield np.where(np.isnan(values), np.uint32(0x7FFFFFFF), values.view(np.uint32))
    else:
        nan = np.uint64(0x7FFFFFFFFFFFFFFF)
        yield from split(np.where(np.isnan(values), nan, values.view(np.uint64)), 64)


def floats() -> Iterator[tuple[str, Words]]:
    """Name and words of each float intrinsic, in the kernel's order."""
    values = numbers(1024)
    thread = np.arange(1024)
    word = mixed(values, 6)
    x = np.select(
        [thread % 8 == 0, thread % 8 == 1, thread % 16 == 2],
        [word & 0x007FFFFF, word | 0x7F800000, word & 0x80000000 | 0x7F800000],
        word,
    )
    x = x.astype(np.uint32).view(np.float32)
    y_word = (mixed(values, 7) & np.uint32(0x83FFFFFF)) + np.uint32(0x3E000000)
    y, z = y_word.view(np.float32), (y_word ^ np.uint32(0x00012345)).view(np.float32)
    with np.errstate(all="ignore"):
        p = x.astype(np.float64) * 1.000000123 + y
        high = y.astype(np.float64).view(np.uint64) >> np.uint64(32) << np.uint64(32)
        q = (high | word.astype(np.uint64)).view(np.float64)
        nearest = q.astype(np.float32)
        infinity = np.float32(np.inf)
        below = np.where(nearest > q, np.nextafter(nearest, -infinity), nearest)
        above = np.where(nearest < q, np.nextafter(nearest, infinity), nearest)
        one = np.float32(1)
        thousand = y * np.float32(1000)
        signed_word = word.view(np.int32)
        named: list[tuple[str, npt.NDArray[np.floating]]] = [
            ("fadd", x + y),
            ("fsub", x - y),
            ("fmul", x * y),
            ("fdiv", x / y),
            ("frcp", one / y),
            ("fsqrt", np.sqrt(x)),
            ("fmaf of x", fused_floats(x, y, z)),
            ("fmaf of y", fused_floats(y, z, x)),
            ("dadd", p + q),
            ("dsub", p - q),
            ("dmul", p * q),
            ("ddiv", p / q),
            ("drcp", 1 / q),
            ("dsqrt", np.sqrt(p)),
            ("fma", fused_doubles(q, q, p)),
            ("saturatef", np.clip(y, np.float32(0), one)),
            ("min", np.fmin(x, y)),
            ("max", np.fmax(x, z)),
            ("fabsf", abs(x)),
            ("rintf", np.rint(y)),
        ]
        for name, result in named:
            for words in words_of(result):
                yield name, words
        top = 2**63
        conversions = [
            ("float2int_rn", np.rint(x), np.int32, 0),
            ("float2int_rz", np.trunc(thousand), np.int32, 0),
            ("float2int_rd", np.floor(thousand), np.int32, 0),
            ("float2int_ru", np.ceil(thousand), np.int32, 0),
            ("float2uint_rn", np.rint(x), np.uint32, 0),
            ("float2ll_rn", np.rint(x), np.int64, top),
            ("float2ull_rz", np.trunc(x), np.uint64, top),
            ("double2int_rn", np.rint(p), np.int32, 2**31),
            ("double2uint_rd", np.floor(p), np.uint32, 2**31),
            ("double2ll_rn", np.rint(p), np.int64, top),
            ("double2ull_ru", np.ceil(p), np.uint64, top),
        ]
        for name, rounded, dtype, of_nan in conversions:
            for words in integers(rounded, dtype, of_nan):
                yield name, words
        wide = word.astype(np.uint64)
        named = [
            ("int2float", signed_word.astype(np.float32)),
            ("uint2float", word.astype(np.float32)),
            ("ll2float", (wide.astype(np.int64) * 1234567).astype(np.float32)),
            ("ull2double", (wide * np.uint64(12345678901)).astype(np.float64)),
            ("double2float_rn", nearest),
            ("double2float_rd", below),
            ("double2float_ru", above),
            ("double2float_rz", np.where(q < 0, above, below)),
            ("a product and a sum", x + y * z),
            ("of doubles", p + q * q),
        ]
        for name, result in named:
            for words in words_of(result):
                yield name, words
