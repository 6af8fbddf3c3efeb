"""Pruning masks: made, combined, described, applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood._device_rows import is_on_device
from cordwood._ops_checks import MATRIX, as_real, check_axis, check_on_host
from cordwood._ops_mask_choice import HostChoice, Per
from cordwood._ops_mask_there import mask_there
from cordwood._threads import check_threads
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Mask = NDArray[np.bool_]

_KNOWN_GROUPS = ((1, 4), (2, 4), (2, 8), (4, 8))
_KNOWN_BLOCKS = ((16, 1), (16, 4), (32, 1), (1, 16))


def prune_mask(
    w: ArrayLike,
    pattern: str | float,
    *,
    share: float | None = None,
    scores: ArrayLike | None = None,
    per: Per = "matrix",
    axis: int = 0,
    out: Mask | None = None,
    threads: int | None = None,
) -> Mask:
    """Choose which weights stay.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
        Weights; with ``axis=1`` of shape (n_inputs, n_outputs). Compared as float32. Or an array of
        a CUDA device, CuPy's or torch's, whose mask is made there.
    pattern : str or float
        ``"n:m"`` keeps the `n` best of every `m` neighbouring inputs, `m` up to 64; a number is the
        share that goes, ``0.9`` nine of ten; ``"block:16x1"`` drops `share` of the blocks of 16
        outputs and 1 input (also ``"block:16x1:0.9"``); ``"channels:0.5"`` drops half of the
        outputs.
    share : float, optional
        Share of the blocks that goes, for ``"block:RxC"``.
    scores : array_like of `w`'s shape, optional
        What to judge by; the highest stay. Magnitudes of `w` where left out. They lie where
        `w` does.
    per : {"matrix", "output"}
        Whether a share is taken of the whole matrix or of each output (each strip of outputs of a
        block pattern).
    axis : {0, 1}
        Axis of the outputs.
    out : ndarray of bool, of `w`'s shape, optional
        C-ordered array to write to.
    threads : int, optional
        Most threads that may work; all permitted cores where left out.

    Returns
    -------
    ndarray of bool, of `w`'s shape
        True where a weight stays. Of equal scores the one with the lower index stays, whatever the
        number of threads. An array of `w`'s library where that lies on a device.

    Raises
    ------
    InputTypeError
        If `w` or `scores` do not hold real numbers.
    InputError
        If shapes do not fit, a score is NaN, or the pattern is none of those above.

    Notes
    -----
    ``docs/quantization.md`` defines the order, the rounding of shares and how block scores are
    added. Getting memory for a new mask takes about as long as filling it: `out` spares that.

    References
    ----------
    N:M sparsity: Mishra et al., "Accelerating Sparse Deep Neural Networks", 2021. Magnitude
    pruning: Han et al., "Learning both Weights and Connections for Efficient Neural Networks",
    2015.

    Examples
    --------
    >>> import cordwood as cw
    >>> cw.ops.prune_mask([[4.0, -3.0, 2.0, 1.0]], "2:4")
    array([[ True,  True, False, False]])
    """
    if per not in ("matrix", "output"):
        message = f"per is {per!r}; expected 'matrix' or 'output'"
        raise InputError(message)
    if is_on_device(w):
        check_threads(threads)
        there: Mask = mask_there(
            w, pattern, share=share, scores=scores, per=per, axis=axis, out=out
        )
        return there
    judged = _scores_of(w, scores, axis)
    if out is not None:
        _check_out(out, np.shape(w))
    own = out if axis == 0 else None
    run = HostChoice(judged, scores is not None, per, own, check_threads(threads) or 0)
    mask: Mask = run.by_pattern(pattern, share)
    if axis == 0:
        return mask
    if out is None:
        return np.ascontiguousarray(mask.T)
    out[...] = mask.T
    return out


def apply_mask(w: ArrayLike, mask: Mask) -> NDArray[Any]:
    """Set weights that go to zero, NaN and infinities among them too.

    Parameters
    ----------
    w : array_like
        Weights.
    mask : ndarray of bool, of `w`'s shape
        True where a weight stays.

    Returns
    -------
    ndarray of `w`'s dtype
        A new array.

    Raises
    ------
    InputError
        If `mask` is not boolean or has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> cw.ops.apply_mask(np.float32([1, np.nan]), np.array([True, False]))
    array([1., 0.], dtype=float32)
    """
    check_on_host(w, "w")
    weights = np.asarray(w)
    check_mask(mask, weights.shape)
    return np.where(mask, weights, weights.dtype.type(0))


def combine_masks(*masks: Mask, how: Literal["all", "any"] = "all") -> Mask:
    """Keep what all masks keep, or what any of them keeps.

    Parameters
    ----------
    *masks : ndarray of bool
        At least one, all of one shape.
    how : {"all", "any"}
        Which.

    Returns
    -------
    ndarray of bool

    Raises
    ------
    InputError
        If there is no mask, shapes differ, or `how` is another word.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> cw.ops.combine_masks(np.array([True, True]), np.array([False, True]))
    array([False,  True])
    """
    if not masks or how not in ("all", "any"):
        message = f"{len(masks)} masks and how={how!r}; expected at least one, and 'all' or 'any'"
        raise InputError(message)
    for mask in masks:
        check_mask(mask, np.shape(masks[0]))
    function = np.logical_and if how == "all" else np.logical_or
    return np.asarray(function.reduce(masks), dtype=bool)


@dataclass(frozen=True)
class MaskFacts:
    """What a mask keeps, and which patterns it satisfies.

    Attributes
    ----------
    kept, total : int
        Weights that stay, and all.
    share : float
        Share that goes.
    least, most : int
        Weights that the emptiest and the fullest output keep.
    empty_outputs, empty_inputs : int
        Outputs and inputs that keep nothing.
    patterns : tuple of str
        Of ``"1:4"``, ``"2:4"``, ``"2:8"``, ``"4:8"`` those that no group exceeds, and of the blocks
        16x1, 16x4, 32x1 and 1x16 those that are kept or dropped whole.
    """

    kept: int
    total: int
    share: float
    least: int
    most: int
    empty_outputs: int
    empty_inputs: int
    patterns: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)


def describe_mask(mask: Mask, *, axis: int = 0) -> MaskFacts:
    """Count what a mask keeps and name the patterns that it satisfies.

    Parameters
    ----------
    mask : ndarray of bool, shape (n_outputs, n_inputs)
        With ``axis=1`` of shape (n_inputs, n_outputs).
    axis : {0, 1}
        Axis of the outputs.

    Returns
    -------
    MaskFacts

    Raises
    ------
    InputError
        If `mask` is not a boolean matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> cw.ops.describe_mask(np.array([[True, False, False, True]])).patterns
    ('2:4', '2:8', '4:8', 'block:1x16')
    """
    if np.ndim(mask) != MATRIX or not np.size(mask):
        message = f"mask has shape {np.shape(mask)}; expected a matrix that is not empty"
        raise InputError(message)
    check_axis(axis)
    check_mask(mask, np.shape(mask))
    rows = mask if axis == 0 else mask.T
    by_output = np.count_nonzero(rows, axis=1)
    patterns = [f"{n}:{m}" for n, m in _KNOWN_GROUPS if int(_window_counts(rows, 1, m).max()) <= n]
    for height, width in _KNOWN_BLOCKS:
        sizes = _window_counts(np.ones_like(rows), height, width)
        counts = _window_counts(rows, height, width)
        if ((counts == 0) | (counts == sizes)).all():
            patterns.append(f"block:{height}x{width}")
    kept = int(by_output.sum())
    return MaskFacts(
        kept=kept,
        total=rows.size,
        share=1.0 - kept / rows.size,
        least=int(by_output.min()),
        most=int(by_output.max()),
        empty_outputs=int(np.count_nonzero(by_output == 0)),
        empty_inputs=int(np.count_nonzero(~rows.any(axis=0))),
        patterns=tuple(patterns),
    )


def check_mask(mask: Any, shape: tuple[int, ...]) -> None:
    """Raise unless `mask` is boolean and of this shape."""
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != shape:
        kind = f"{mask.dtype} {mask.shape}" if isinstance(mask, np.ndarray) else type(mask).__name__
        message = f"mask is {kind}; expected a boolean array of shape {shape}"
        raise InputError(message)


def _check_out(out: Any, shape: tuple[int, ...]) -> None:
    fits = isinstance(out, np.ndarray) and (out.dtype, out.shape) == (np.bool_, shape)
    if fits and out.flags.c_contiguous and out.flags.writeable:
        return
    message = f"out is not a writable C-ordered boolean array of shape {shape}"
    raise InputError(message)


def _scores_of(w: ArrayLike, scores: ArrayLike | None, axis: int) -> NDArray[np.float32]:
    weights = as_real(w, "w")
    judged = weights if scores is None else as_real(scores, "scores")
    if weights.ndim != MATRIX or not weights.size or judged.shape != weights.shape:
        message = (
            f"w has shape {weights.shape} and scores {judged.shape}; "
            "expected a matrix that is not empty, and scores of its shape"
        )
        raise InputError(message)
    check_axis(axis)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(judged if axis == 0 else judged.T, dtype=np.float32)


def _window_counts(rows: Mask, height: int, width: int) -> NDArray[np.int64]:
    """Weights that stay in each window of so many outputs and inputs; the last may be cut."""
    by_input = np.add.reduceat(rows, np.arange(0, rows.shape[1], width), axis=1, dtype=np.int64)
    return np.add.reduceat(by_input, np.arange(0, rows.shape[0], height), axis=0)
