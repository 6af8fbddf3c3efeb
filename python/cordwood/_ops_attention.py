"""Attention over arrays of heads."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _core
from cordwood._ops_calls import as_floats
from cordwood._threads import check_threads
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_HEADS = 4
"""Dimensions of an array of heads: batch, head, place and width."""

_MOST_CODED = 1 << 16
"""Inputs of a head whose products of 8-bit codes fit an int32."""


def attention(  # noqa: PLR0913 - what attention is made of, each by its name
    q: ArrayLike,
    k: ArrayLike,
    v: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    causal: bool = False,
    scale: float | None = None,
    window: int | None = None,
    soft_cap: float | None = None,
    activations: Literal["float32", "int8-dynamic"] = "float32",
    out: NDArray[np.float32] | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Attend: ``softmax(q @ k.T * scale + mask) @ v`` for each head.

    Parameters
    ----------
    q : array_like, shape (batch, heads, n, d)
        Queries. float32 whose last axis has no gaps is read in place, however the other axes lie,
        all else is converted once; so heads side by side in one buffer need no copy.
    k : array_like, shape (batch, kv_heads, m, d)
        Keys; `heads` is a multiple of `kv_heads`, and as many neighbours share one.
    v : array_like, shape (batch, kv_heads, m, e)
        Values.
    mask : array_like, broadcasts to (batch, heads, n, m), optional
        bool: whether a query may attend to a key; numbers: added to the scores.
    causal : bool
        Query ``i`` sees key ``j`` only where ``j <= i + m - n``.
    scale : float, optional
        What scores are multiplied by; ``1 / sqrt(d)`` where left out.
    window : int, optional
        Query ``i`` sees only keys less than `window` places from ``i + m - n``, on either side.
    soft_cap : float, optional
        Scores become ``soft_cap * tanh(scores / soft_cap)`` before the mask.
    activations : {"float32", "int8-dynamic"}
        How the two products are made. ``"int8-dynamic"`` codes each query, key and value in 8 bits
        by its own range and the weights in 15, and multiplies integers: about twice as fast, and
        off by about a thousandth of the values' range.
    out : ndarray of float32, shape (batch, heads, n, e), optional
        Array to write to; its last axis has no gaps.
    threads : int, optional
        Most threads that may work; all permitted cores where left out. Small calls use one.

    Returns
    -------
    ndarray of float32, shape (batch, heads, n, e)

    Raises
    ------
    InputTypeError
        If an array does not hold real numbers.
    InputError
        If shapes do not fit one another, or an option is not one of those above.

    Notes
    -----
    ``docs/graph.md`` (42, attention) defines every step; every instruction set, batch and number of
    threads gives the same bits. A query that sees no key gets zeros. A key that a query does not
    see, or whose score is -infinity, takes no part, whatever its numbers are. Scores are kept for a
    block of at most 48 queries.

    References
    ----------
    A. Vaswani et al., "Attention Is All You Need", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> q = k = np.zeros((1, 1, 2, 4), dtype=np.float32)
    >>> v = np.float32([[[[1.0], [3.0]]]])
    >>> cw.ops.attention(q, k, v, causal=True)
    array([[[[1.],
             [2.]]]], dtype=float32)
    """
    queries, keys, values = _heads(q, "q"), _heads(k, "k"), _heads(v, "v")
    shape = (*queries.shape[:3], values.shape[3])
    if queries.shape[3] == 0:
        message = f"q has shape {queries.shape}; expected (batch, heads, n, d) with d above 0"
        raise InputError(message)
    default_scale = 1.0 / math.sqrt(queries.shape[3])
    answer = np.empty(shape, dtype=np.float32) if out is None else _check_out(out, shape)
    _core.attention(
        queries,
        keys,
        values,
        None if mask is None else _mask(mask, (*queries.shape[:3], keys.shape[2])),
        answer,
        scale=default_scale if scale is None else _check_number(scale, "scale"),
        causal=bool(causal),
        window=0 if window is None else _check_window(window),
        soft_cap=0.0 if soft_cap is None else _check_cap(soft_cap),
        coded=_check_activations(activations, queries.shape[3]),
        threads=check_threads(threads) or 0,
    )
    return answer


def _check_activations(activations: object, inputs: int) -> bool:
    """Tell whether products are of integers; raise unless they can be what is asked for."""
    known = ("float32", "int8-dynamic")
    if activations not in known:
        message = f"activations is {activations!r}, expected one of {known}"
        raise InputError(message)
    coded = activations == "int8-dynamic"
    if coded and inputs > _MOST_CODED:
        message = (
            f"q has {inputs} inputs; sums of codes hold at most {_MOST_CODED}: take "
            "activations='float32'"
        )
        raise InputError(message)
    return coded


def _in_place(array: NDArray[Any]) -> bool:
    """Whether kernels can walk through an array as it lies."""
    size = array.itemsize
    steps = zip(array.shape, array.strides, strict=True)
    whole = all(n < 2 or (step >= 0 and step % size == 0) for n, step in steps)  # noqa: PLR2004
    return whole and array.flags.aligned and (array.shape[-1] < 2 or array.strides[-1] == size)  # noqa: PLR2004


def _heads(values: ArrayLike, name: str) -> NDArray[np.float32]:
    """Give an array of heads as kernels read it."""
    array = as_floats(values, name)
    if array.ndim != _HEADS:
        message = f"{name} has shape {array.shape}; expected (batch, heads, places, width)"
        raise InputError(message)
    return array if _in_place(array) else np.ascontiguousarray(array)


def _mask(mask: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """Give the mask for all scores: bool as it is, numbers in float32."""
    array = np.asarray(mask)
    if array.dtype != np.bool_:
        array = as_floats(array, "mask")
    try:
        whole = np.broadcast_to(array, shape)
    except ValueError:
        message = f"mask has shape {array.shape}; expected one that broadcasts to {shape}"
        raise InputError(message) from None
    return whole if _in_place(whole) else np.ascontiguousarray(whole)


def _check_out(out: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Raise unless `out` can take an answer of `shape`."""
    fits = isinstance(out, np.ndarray) and out.dtype == np.float32 and out.shape == shape
    if not fits or not out.flags.writeable or not _in_place(out):
        kind = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
        message = (
            f"out is {kind}; expected a writable float32 array of shape {shape} "
            "whose last axis has no gaps"
        )
        raise InputError(message)
    answer: NDArray[np.float32] = out
    return answer


def _check_number(value: float, name: str) -> float:
    """Raise unless `value` is finite in float32."""
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(value)):
            message = f"{name} is {value}; expected a finite number"
            raise InputError(message)
    return float(value)


def _check_cap(value: float) -> float:
    if not _check_number(value, "soft_cap") > 0 or np.float32(value) == 0:
        message = f"soft_cap is {value}; expected a number above 0, or None for no cap"
        raise InputError(message)
    return float(value)


def _check_window(window: Any) -> int:
    """Raise unless `window` counts keys."""
    try:
        count = 0 if isinstance(window, bool | np.bool_) else operator.index(window)
    except TypeError:
        count = 0
    if count < 1:
        message = f"window is {window!r}; expected a whole number above 0, or None for no window"
        raise InputError(message)
    return min(count, 2**62)
