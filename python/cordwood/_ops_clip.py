"""Scales that clip: the range of each group narrowed to where its squared error is least."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._ops_form import Form, range_scales, reciprocals

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIOS = np.linspace(1.0, 0.2, 41, dtype=np.float32)
"""Shares of a group's range that are tried; the whole range first, which ties prefer."""

_CHUNK_WEIGHTS = 1 << 16
"""Weights tried together: their temporaries stay in the caches."""


def clipped_scales(
    w: NDArray[np.float32], form: Form, importance: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Find the scales and zero points whose codes are nearest to the weights in squares.

    Parameters
    ----------
    w : ndarray of float32, shape (n_outputs, n_inputs)
    form : Form
    importance : ndarray of float32, shape (n_inputs,), optional
        Weight of each input's squared error.

    Returns
    -------
    scales : ndarray of float32, shape (n_outputs, n_groups)
    zeros : ndarray of uint8, shape (n_outputs, n_groups)
    """
    size = form.group_size or w.shape[1]
    lacking = -w.shape[1] % size
    n_groups = (w.shape[1] + lacking) // size
    weight = None
    if importance is not None:
        weight = np.pad(importance, (0, lacking)).reshape(n_groups, size)
    scales = np.empty((len(w), n_groups), np.float32)
    zeros = np.empty((len(w), n_groups), np.uint8)
    step = max(1, _CHUNK_WEIGHTS // w.shape[1])
    for first in range(0, len(w), step):
        rows = slice(first, first + step)
        groups = np.pad(w[rows], ((0, 0), (0, lacking))).reshape(-1, n_groups, size)
        scales[rows], zeros[rows] = _best_of_ratios(groups, form, weight)
    return scales, zeros


def _best_of_ratios(
    groups: NDArray[np.float32], form: Form, weight: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    low = np.minimum(groups.min(axis=2), np.float32(0))
    high = np.maximum(groups.max(axis=2), np.float32(0))
    unit = reciprocals(np.maximum(high, -low))  # errors of huge weights would overflow
    best_error = np.full(low.shape, np.inf, np.float32)
    best_scales, best_zeros = range_scales(low, high, form)
    steps = np.empty_like(groups)
    for ratio in RATIOS:
        scales, zeros = range_scales(low * ratio, high * ratio, form)
        zero = zeros[..., None].astype(np.float32)
        with np.errstate(over="ignore"):
            np.multiply(groups, reciprocals(scales)[..., None], out=steps)
        np.rint(steps, out=steps)
        np.clip(steps, -zero, form.top - zero, out=steps)
        with np.errstate(over="ignore"):
            steps *= scales[..., None]
        steps -= groups
        steps *= unit[..., None]
        steps *= steps
        error = steps.sum(axis=2) if weight is None else np.einsum("ogk,gk->og", steps, weight)
        better = error < best_error
        best_error = np.where(better, error, best_error)
        best_scales = np.where(better, scales, best_scales)
        best_zeros = np.where(better, zeros, best_zeros)
    return best_scales, best_zeros
