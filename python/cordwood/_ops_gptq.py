"""GPTQ: codes chosen input by input, each error made good by the inputs that follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._ops_checks import check_weights
from cordwood._ops_clip import clipped_scales
from cordwood._ops_form import Form, range_scales, reciprocals
from cordwood._ops_hessian import find_hessian, inverse_factor
from cordwood._ops_masks import check_mask
from cordwood._ops_tensor import Bits, QuantizedTensor, ScaleType

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK = 128
"""Inputs whose errors are spread together over all that follow: one product of matrices."""


def gptq(  # noqa: PLR0913 - each an option of the method
    w: ArrayLike,
    *,
    inputs: ArrayLike | None = None,
    hessian: ArrayLike | None = None,
    bits: Bits = 4,
    group_size: int | None = None,
    symmetric: bool = True,
    scale_dtype: ScaleType = "float32",
    clip: bool = True,
    act_order: bool = True,
    damping: float = 0.01,
    mask: NDArray[np.bool_] | None = None,
) -> QuantizedTensor:
    """Quantise so that a layer's outputs change little on inputs that it has seen.

    Inputs are quantised one after the other; the error of each is subtracted from those that
    follow, as far as they can make it good.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    inputs : array_like, shape (n_rows, n_inputs), optional
        Rows that the layer has seen; several for each input are good.
    hessian : array_like, shape (n_inputs, n_inputs), optional
        Instead of `inputs`: their :func:`hessian`.
    bits, group_size, symmetric, scale_dtype
        As in :func:`quantize`.
    clip : bool
        Search scales of least squared error, as method ``"mse"`` does; else those of the range.
    act_order : bool
        Go through inputs from the largest mean square down, with scales of the weights as they
        were. Else in their own order: scales of a group are found when it is reached, from its
        weights as they are by then.
    damping : float
        Share of the mean of the Hessian's diagonal that is added to it.
    mask : ndarray of bool, shape of `w`, optional
        False where a weight goes: it gets the code of zero, and the inputs that follow make good
        what that costs.

    Returns
    -------
    QuantizedTensor

    Raises
    ------
    InputError
        If shapes do not fit, a value is NaN or infinite, or the Hessian is not positive definite.

    Notes
    -----
    An input that was zero in every row is rounded to nearest.

    References
    ----------
    E. Frantar, S. Ashkboos, T. Hoefler, D. Alistarh, "GPTQ: Accurate Post-Training Quantization for
    Generative Pre-trained Transformers", ICLR 2023.
    """
    form = Form(bits, group_size, symmetric, scale_dtype)
    weights = check_weights(w)
    if mask is not None:
        check_mask(mask, weights.shape)
        weights = np.where(mask, weights, np.float32(0))
    matrix = find_hessian(inputs, hessian, weights.shape[1])
    order = np.arange(weights.shape[1])
    scales = zeros = None
    if act_order:
        order = np.argsort(-np.diagonal(matrix), kind="stable")
        matrix = matrix[np.ix_(order, order)]
        scales, zeros = _scales(weights, form, clip)
    factor = inverse_factor(matrix, damping)
    walk = _Walk(weights, form, clip, order, scales, zeros)
    if mask is not None:
        walk.stays = np.ascontiguousarray(mask.T[order])
    walk.run(factor)
    return QuantizedTensor.from_codes(
        np.ascontiguousarray(walk.codes.T),
        walk.scales.astype(scale_dtype),
        None if symmetric else walk.zeros,
        bits=bits,
        group_size=group_size,
    )


def _scales(
    w: NDArray[np.float32], form: Form, clip: bool
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scales and zero points of weights as they are."""
    if clip:
        return clipped_scales(w, form)
    starts = [group.start for group in form.group_slices(w.shape[1])]
    low = np.minimum(np.minimum.reduceat(w, starts, axis=1), np.float32(0))
    high = np.maximum(np.maximum.reduceat(w, starts, axis=1), np.float32(0))
    return range_scales(low, high, form)


class _Walk:
    """The way through the inputs, in `order`; weights lie input by input, so that each is a row."""

    def __init__(
        self,
        w: NDArray[np.float32],
        form: Form,
        clip: bool,
        order: NDArray[np.intp],
        scales: NDArray[np.float32] | None,
        zeros: NDArray[np.uint8] | None,
    ) -> None:
        self.form = form
        self.clip = clip
        self.order = order
        self.left = np.ascontiguousarray(w.T[order], dtype=np.float64)
        self.codes = np.empty(self.left.shape, np.uint8)
        n_inputs, n_outputs = self.left.shape
        n_groups = len(form.group_slices(n_inputs))
        self.stays: NDArray[np.bool_] | None = None
        self.found_before = scales is not None
        self.scales = np.empty((n_outputs, n_groups), np.float32) if scales is None else scales
        self.zeros = np.empty((n_outputs, n_groups), np.uint8) if zeros is None else zeros

    def run(self, factor: NDArray[np.float64]) -> None:
        """Fill codes, scales and zero points."""
        n_inputs = len(self.left)
        size = self.form.group_size or n_inputs
        # A block never starts inside a group that it ends: at a group's start all is spread.
        step = min(_BLOCK, size)
        starts = [
            k for g in range(0, n_inputs, size) for k in range(g, min(g + size, n_inputs), step)
        ]
        for first, end in zip(starts, [*starts[1:], n_inputs], strict=True):
            if not self.found_before and first % size == 0:
                self._find_group(first, min(first + size, n_inputs))
            errors = self._run_block(first, end, factor[first:end, first:end])
            self.left[end:] -= factor[first:end, end:].T @ errors

    def _find_group(self, first: int, end: int) -> None:
        number = first // (self.form.group_size or len(self.left))
        whole = Form(self.form.bits, None, self.form.symmetric, self.form.scale_dtype)
        group = np.ascontiguousarray(self.left[first:end].T, dtype=np.float32)
        scales, zeros = _scales(group, whole, self.clip)
        self.scales[:, number], self.zeros[:, number] = scales[:, 0], zeros[:, 0]

    def _run_block(self, first: int, end: int, factor: NDArray[np.float64]) -> NDArray[np.float64]:
        """Quantise inputs [first, end); return each error over its diagonal of the factor."""
        size = self.form.group_size or len(self.left)
        errors = np.empty((end - first, self.left.shape[1]))
        for i in range(end - first):
            k = int(self.order[first + i])
            scale = self.scales[:, k // size]
            zero = self.zeros[:, k // size].astype(np.float64)
            w = self.left[first + i]
            exact = w.astype(np.float32) * reciprocals(scale)  # in float32, as every method rounds
            steps = np.clip(np.rint(exact), -zero, self.form.top - zero)
            if self.stays is not None:
                steps = np.where(self.stays[first + i], steps, 0.0)
            self.codes[k] = steps + zero
            errors[i] = (w - scale * steps) / factor[i, i]
            self.left[first + i + 1 : end] -= factor[i, i + 1 :, None] * errors[i]
        return errors
