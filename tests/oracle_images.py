"""What convolutions of images are, in NumPy, from docs/graph.md and docs/quantization.md."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oracle_products import TINY, TOP, fma

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """Attributes by space axis."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    pad_before: tuple[int, ...]
    pad_after: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int = 1
    transposed: bool = False


def output_size(size: tuple[int, ...], kernel: tuple[int, ...], window: Window) -> tuple[int, ...]:
    """Give the sizes of the answer's space axes."""
    sizes = []
    for axis, (n, k) in enumerate(zip(size, kernel, strict=True)):
        reach = window.dilation[axis] * (k - 1)
        pads = window.pad_before[axis] + window.pad_after[axis]
        if window.transposed:
            sizes.append(
                (n - 1) * window.stride[axis] + reach + 1 - pads + window.output_padding[axis]
            )
        else:
            sizes.append((n + pads - reach - 1) // window.stride[axis] + 1)
    return tuple(sizes)


def _terms(
    x: NDArray[Any], kernel: tuple[int, ...], window: Window, fill: int
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Yield kernel positions in the order of the sum, each with the inputs that it meets.

    Inputs are ``(batch, channels, output...)``; those in the padding, and between the inputs of a
    transposed convolution, are ``fill``.
    """
    size = x.shape[2:]
    answer = output_size(size, kernel, window)
    for position in itertools.product(*map(range, kernel)):
        weight = position
        if window.transposed:
            weight = tuple(k - 1 - p for k, p in zip(kernel, position, strict=True))
        met = np.full((*x.shape[:2], *answer), fill, dtype=x.dtype)
        for output in np.ndindex(*answer):
            source = []
            for axis, at in enumerate(output):
                reach = window.dilation[axis] * (kernel[axis] - 1)
                offset = position[axis] * window.dilation[axis]
                if window.transposed:
                    place = at + offset - (reach - window.pad_before[axis])
                    place, rest = divmod(place, window.stride[axis])
                    source.append(-1 if rest else place)
                else:
                    source.append(at * window.stride[axis] + offset - window.pad_before[axis])
            if all(0 <= s < n for s, n in zip(source, size, strict=True)):
                met[(slice(None), slice(None), *output)] = x[(slice(None), slice(None), *source)]
        yield weight, met


def _weights_of(weights: NDArray[Any], window: Window) -> NDArray[Any]:
    """View weights as ``(groups, outputs of a group, channels of a group, kernel...)``."""
    kernel = weights.shape[2:]
    if window.transposed:
        each = weights.reshape(window.groups, -1, weights.shape[1], *kernel)
        return each.swapaxes(1, 2)
    return weights.reshape(window.groups, -1, weights.shape[1], *kernel)


def convolve_floats(x: Floats, weights: Floats, window: Window) -> Floats:
    """Add up products by fma, before the bias: kernel positions in C order, then channels."""
    each = _weights_of(weights, window)
    groups, outputs, channels = each.shape[:3]
    answer = output_size(x.shape[2:], weights.shape[2:], window)
    sums = np.zeros((len(x), groups, outputs, *answer), dtype=np.float32)
    for position, met in _terms(x, weights.shape[2:], window, 0):
        by_group = met.reshape(len(x), groups, 1, channels, *answer)
        for channel in range(channels):
            own = each[(slice(None), slice(None), channel, *position)]
            own = own.reshape(1, groups, outputs, *(1 for _ in answer))
            sums = fma(np.broadcast_to(by_group[:, :, :, channel], sums.shape),
                       np.broadcast_to(own, sums.shape), sums)  # fmt: skip
    return sums.reshape(len(x), -1, *answer)


def convolve_codes(codes: Whole, weights: Whole, window: Window, zero: int) -> Whole:
    """Add up ``(code - zero) * weight``."""
    each = _weights_of(weights, window)
    groups, outputs, channels = each.shape[:3]
    answer = output_size(codes.shape[2:], weights.shape[2:], window)
    sums = np.zeros((len(codes), groups, outputs, *answer), dtype=np.int64)
    for position, met in _terms(codes - zero, weights.shape[2:], window, 0):
        by_group = met.reshape(len(codes), groups, channels, *answer)
        own = each[(slice(None), slice(None), slice(None), *position)]
        sums += np.einsum("bgc...,gmc->bgm...", by_group, own)
    return sums.reshape(len(codes), -1, *answer)


def encode(x: Floats, factor: np.float32, least: int, most: int, zero: int) -> Whole:
    """Make codes: ``rint(x * factor)``, cut, plus zero; both limits are of the answer."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = x * factor
    product = np.where(np.isnan(product), np.float32(-np.inf), product)
    return np.clip(np.rint(product), least - zero, most - zero).astype(np.int64) + zero


def encode_images(x: Floats) -> tuple[Whole, Floats]:
    """Make codes of int8 with a scale for each image."""
    codes = np.zeros(x.shape, dtype=np.int64)
    scales = np.zeros(len(x), dtype=np.float32)
    for image, numbers in enumerate(x):
        top = np.max(np.abs(numbers))
        if top >= TINY:
            scales[image] = top / TOP
            codes[image] = encode(numbers, TOP / top, -127, 127, 0)
    return codes, scales


def spread(values: Floats, rank: int, axis: int = 1) -> Floats:
    """Lay numbers along one axis of so many."""
    return values.reshape([-1 if a == axis else 1 for a in range(rank)])


def finish_codes(sums: Whole, scales: Floats, x_scales: Floats, bias: Floats | None) -> Floats:
    """Turn whole sums into numbers, before the residual."""
    rank = sums.ndim
    y = sums.astype(np.float32)
    factors = np.broadcast_to(spread(scales, rank) * spread(x_scales, rank, 0), y.shape)
    if bias is None:
        return np.asarray(y * factors, dtype=np.float32)
    return fma(y, factors, np.broadcast_to(spread(bias, rank), y.shape))


def add_codes(y: Floats, codes: Whole, scale: float) -> Floats:
    """Add a residual of codes, whose zero point the bias made up for."""
    return fma(np.broadcast_to(codes.astype(np.float32), y.shape), np.full_like(y, scale), y)


def finish(y: Floats, residual: Floats | None, cut: tuple[float, float] | None) -> Floats:
    """Add the residual and cut."""
    if residual is not None:
        y = y + residual
    if cut is not None:
        y = np.where(y <= np.float32(cut[0]), np.float32(cut[0]), y)
        y = np.where(y >= np.float32(cut[1]), np.float32(cut[1]), y)
    return y.astype(np.float32)
