"""Convolutions of arrays of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._ops_calls import Activation, as_floats, cut_of
from cordwood._ops_checks import check_on_host
from cordwood._ops_tensor import QuantizedTensor
from cordwood._threads import check_threads
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Sizes = int | Sequence[int]

_FLOAT32, _INT8_DYNAMIC = 0, 1  # enum cordwood_row_coding
_BYTE = 8
_LEAST_RANK, _MOST_RANK = 3, 5


def conv(  # noqa: PLR0913 - what a convolution is made of, each by its name
    x: ArrayLike,
    weights: ArrayLike | QuantizedTensor,
    *,
    kernel: Sequence[int] | None = None,
    bias: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    activation: Activation | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Convolve a batch of images: ``activation(conv(x, weights) + bias + residual)``.

    Parameters
    ----------
    x : array_like, shape (batch, channels, ...)
        Images with one to three space axes, channels first. C-ordered float32 is read in place, all
        else is converted to it once.
    weights : array_like, shape (outputs, channels / groups, ...), or QuantizedTensor
        Numbers meet `x` as float32. Codes, from ``quantize(w.reshape(outputs, -1), bits=8)``, are
        multiplied as integers: each image then becomes int8 by a scale of its own.
    kernel : sequence of int, optional
        Sizes of the kernel by space axis, which a QuantizedTensor does not know.
    bias : array_like, shape (outputs,), optional
        Added to every position.
    residual : array_like, shape of the answer, optional
        Added after the bias.
    activation : {"relu", "relu6"}, optional
        Applied last.
    stride, padding, dilation : int or sequence of int
        By space axis, or one for all. Padding is of zeros, on both sides.
    groups : int
        Groups of channels that see only their own outputs.
    threads : int, optional
        Most threads that may work; all permitted cores where left out. Small images use one.

    Returns
    -------
    ndarray of float32, shape (batch, outputs, ...)

    Raises
    ------
    InputTypeError
        If `x` or another array does not hold real numbers.
    InputError
        If shapes do not fit, codes are not symmetric ones of 8 bits without groups of inputs, or
        `x` holds NaN or an infinity where it is to become codes.

    Notes
    -----
    Weights are laid out for the processor at each call, or, from a QuantizedTensor, once. The order
    of sums is fixed (``docs/graph.md``, operator 34): every instruction set gives the same bits.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> cw.ops.conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), bias=[0.5])
    array([[[[4.5, 4.5],
             [4.5, 4.5]]]], dtype=float32)
    """
    images = np.ascontiguousarray(as_floats(x, "x"))
    axes = images.ndim - 2
    if not _LEAST_RANK <= images.ndim <= _MOST_RANK:
        message = f"x has {images.ndim} dimensions; expected (batch, channels, ...), 3 to 5 of them"
        raise InputError(message)
    window = {
        "stride": _sizes(stride, axes, "stride", 1),
        "dilation": _sizes(dilation, axes, "dilation", 1),
        "padding": _sizes(padding, axes, "padding", 0),
    }
    plan = _plan(weights, kernel, images.shape[1], window, groups)
    cut = cut_of(activation)
    if activation not in (None, "relu", "relu6"):
        message = f"activation is {activation!r}; expected 'relu', 'relu6' or None"
        raise InputError(message)
    answer: NDArray[np.float32] = plan.run(
        images,
        bias=None if bias is None else np.ascontiguousarray(as_floats(bias, "bias")),
        residual=(
            None if residual is None else np.ascontiguousarray(as_floats(residual, "residual"))
        ),
        cut=cut,
        threads=check_threads(threads) or 0,
    )
    return answer


def _sizes(given: Sizes, axes: int, name: str, least: int) -> tuple[int, ...]:
    """Give one number for each space axis."""
    sizes = (given,) * axes if isinstance(given, (int, np.integer)) else tuple(given)
    most = np.iinfo(np.uint16).max
    if len(sizes) != axes or not all(least <= size <= most for size in sizes):
        message = (
            f"{name} is {given}; expected {least} to {most}, one for all or one for each of "
            f"{axes} space axes"
        )
        raise InputError(message)
    return tuple(int(size) for size in sizes)


def _plan(
    weights: ArrayLike | QuantizedTensor,
    kernel: Sequence[int] | None,
    channels: int,
    window: dict[str, tuple[int, ...]],
    groups: int,
) -> _core.Convolution:
    """Lay weights out; two threads may both do so for a QuantizedTensor, and agree."""
    axes = len(window["stride"])
    options: dict[str, Any] = {
        "stride": window["stride"],
        "dilation": window["dilation"],
        "pad_before": window["padding"],
        "pad_after": window["padding"],
        "output_padding": (0,) * axes,
        "groups": groups,
    }
    if not isinstance(weights, QuantizedTensor):
        numbers = np.ascontiguousarray(as_floats(weights, "weights"))
        if numbers.ndim != axes + 2 or numbers.size == 0:
            message = (
                f"weights has the shape {numbers.shape}; expected (outputs, channels / groups, "
                f"...) with {axes} space axes"
            )
            raise InputError(message)
        return _core.Convolution(numbers, None, rows=_FLOAT32, **options)
    check_on_host(weights.payload, "weights")
    sizes = tuple(kernel) if kernel is not None else ()
    shape = (weights.n_outputs, channels // max(groups, 1), *sizes)
    coded = weights.bits == _BYTE and weights.group_size is None and weights.zero_points is None
    if not coded or len(sizes) != axes or int(np.prod(shape[1:])) != weights.n_inputs:
        message = (
            f"weights have {weights.bits} bits, groups of {weights.group_size} and "
            f"{weights.n_inputs} inputs; expected symmetric codes of 8 bits without groups, and "
            f"the kernel's {axes} sizes times channels / groups to be the inputs; the kernel is "
            f"{kernel}"
        )
        raise InputError(message)
    key = f"conv {sizes} {options}"
    plan: _core.Convolution | None = weights._prepared.get(key)
    if plan is None:
        scales = weights.scales.astype(np.float32).reshape(-1)
        plan = _core.Convolution(
            weights.payload.reshape(shape), scales, rows=_INT8_DYNAMIC, **options
        )
        weights._prepared[key] = plan
    return plan
