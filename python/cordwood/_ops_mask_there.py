"""Pruning masks of weights in a CUDA device's memory, made there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cordwood._device_rows import DeviceRows, answer_address, is_on_device, of_library
from cordwood._model_devices import cuda_functions
from cordwood._ops_checks import check_axis
from cordwood._ops_mask_choice import Choice, Per
from cordwood.errors import InputError, InputTypeError

_AXES = "(n_outputs, n_inputs)"
_BOOL, _FLOAT = np.dtype(np.bool_), np.dtype(np.float32)


def mask_there(
    w: Any, pattern: str | float, *, share: float | None, scores: Any, per: Per, axis: int, out: Any
) -> Any:
    """Choose which weights of a device stay; :func:`cordwood.ops.prune_mask` says how.

    Parameters
    ----------
    w : array of shape (n_outputs, n_inputs)
        In a CUDA device's memory.
    pattern, share, scores, per, axis, out
        As in :func:`cordwood.ops.prune_mask`; `scores` and `out` lie there too.

    Returns
    -------
    array of bool, of `w`'s shape
    """
    weights = DeviceRows.of(of_library(w), "w", _AXES, halves=True)
    judged = weights if scores is None else _scores_there(scores)
    if 0 in weights.shape or judged.shape != weights.shape:
        message = (
            f"w has shape {weights.shape} and scores {judged.shape}; "
            "expected a matrix that is not empty, and scores of its shape"
        )
        raise InputError(message)
    check_axis(axis)
    if out is not None:
        _check_out(out, weights.shape)
    rows = judged.packed(_FLOAT, turned=axis == 1)
    run = ChoiceThere(rows.array, scores is not None, per, out if axis == 0 else None, rows)
    mask = run.by_pattern(pattern, share)
    if axis == 0:
        return mask
    if out is None:
        return DeviceRows.of(mask).packed(_BOOL, turned=True).array
    out[...] = mask.T
    return out


@dataclass(frozen=True)
class ChoiceThere(Choice):
    """Scores of a device; work on them is ordered by its library's current stream.

    Attributes
    ----------
    rows : DeviceRows
        The scores.
    """

    rows: DeviceRows

    def empty_mask(self, shape: tuple[int, ...]) -> Any:
        """Return a fresh array of the scores' library."""
        return self.rows.new(tuple(shape), _BOOL)

    def run_groups(self, mask: Any, keep: int, of: int) -> None:
        """Write the mask of a pattern n:m."""
        nan = cuda_functions().mask_groups(
            self.rows.address, _address(mask), shape=self.rows.shape, keep=keep, of=of,
            signed=self.signed, stream=self.rows.stream,
        )  # fmt: skip
        self._refuse(nan, self.rows.shape[1])

    def run_top(self, scores: Any, mask: Any, keep: int, *, whole: bool, signed: bool) -> None:
        """Write the mask of the best."""
        n_rows, n_columns = scores.shape
        nan = cuda_functions().mask_top(
            _address(scores), _address(mask), shape=(n_rows, n_columns), keep=keep, whole=whole,
            signed=signed, stream=self.rows.stream,
        )  # fmt: skip
        self._refuse(nan, n_columns)

    def sums(self, height: int, width: int) -> Any:
        """Return the sums of blocks."""
        n_outputs, n_inputs = self.rows.shape
        blocks = (min(height, n_outputs), min(width, n_inputs))
        shape = (-(-n_outputs // blocks[0]), -(-n_inputs // blocks[1]))
        sums = self.rows.new(shape, _FLOAT)
        nan, no_sum = cuda_functions().mask_sums(
            self.rows.address, _address(sums), shape=self.rows.shape, blocks=blocks,
            signed=self.signed, stream=self.rows.stream,
        )  # fmt: skip
        self._refuse(nan, n_inputs)
        if no_sum is not None:
            message = (
                f"scores: block ({no_sum // shape[1]}, {no_sum % shape[1]}) holds infinities of "
                "both signs, which have no sum"
            )
            raise InputError(message)
        return sums

    def spread(self, chosen: Any, mask: Any, height: int, width: int) -> None:
        """Write what a mask of blocks says of each weight."""
        n_outputs, n_inputs = self.rows.shape
        cuda_functions().mask_spread(
            _address(chosen), _address(mask), shape=self.rows.shape,
            blocks=(min(height, n_outputs), min(width, n_inputs)), stream=self.rows.stream,
        )  # fmt: skip

    def _refuse(self, nan: int | None, n_inputs: int) -> None:
        if nan is None:
            return
        message = (
            f"{'scores' if self.signed else 'weights'}: output {nan // n_inputs}, input "
            f"{nan % n_inputs} is NaN, which has no place in an order; replace it first"
        )
        raise InputError(message)


def _scores_there(scores: Any) -> DeviceRows:
    if not is_on_device(scores):
        message = "scores lie in the host's memory and w on a CUDA device; copy them there"
        raise InputTypeError(message)
    return DeviceRows.of(of_library(scores), "scores", _AXES, halves=True)


def _check_out(out: Any, shape: tuple[int, ...]) -> None:
    if answer_address(out, shape, _BOOL) is None:
        message = (
            f"out is not a writable C-ordered boolean array of shape {shape} on the device of w"
        )
        raise InputError(message)


def _address(array: Any) -> int:
    return int(array.__cuda_array_interface__["data"][0])
