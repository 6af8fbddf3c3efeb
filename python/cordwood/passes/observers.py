"""Observers: what range of numbers the codes of an activation shall span.

Four methods choose it from what calibration showed (``docs/recipes.md``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from cordwood.ir_base import Coding

if TYPE_CHECKING:
    from collections.abc import Callable

    Judge = Callable[[float, float], float]

__all__ = ["OBSERVERS", "Seen", "code_range", "coding_of", "decoded", "fixed_error"]

CODES = 255
_CANDIDATES = 64
_BINS = 2048
_TAIL = 1e-4
_LEAST_SCALE = 2.0**-100
_MOST_SIGNED = 127


@dataclass(frozen=True)
class Seen:
    """What a value held: a sample of its numbers, the extremes of all, some entries by themselves.

    Each row of `entries` is a sample of one entry of the batch; `tops` has the largest magnitude of
    all its numbers.
    """

    sample: np.ndarray
    low: float
    high: float
    entries: np.ndarray
    tops: np.ndarray


def code_range(seen: Seen, observer: str) -> tuple[float, float]:
    """Choose the lowest and the highest number that codes span; zero lies between.

    Parameters
    ----------
    seen : Seen
        What calibration showed.
    observer : {"min-max", "percentile", "mse", "entropy"}
        The extremes; all but a ten-thousandth at either end; the least squared error of the codes
        over the sample; the least divergence of the codes' histogram from the sample's (Migacz,
        8-bit inference with TensorRT, 2017).

    Returns
    -------
    float, float
    """
    return OBSERVERS[observer](seen)


def fixed_error(seen: Seen, coding: Coding) -> float:
    """Return by how much more fixed codes err than codes of each entry's own range, on average.

    Entries count alike, loud or quiet: where their sizes differ widely, as those of sound do, fixed
    codes leave little of the quiet ones.
    """
    size = np.linalg.norm(seen.entries, axis=1)
    entries, size = seen.entries[size > 0], size[size > 0]
    if not len(entries):
        return 1.0
    scale = seen.tops[np.linalg.norm(seen.entries, axis=1) > 0, None] / _MOST_SIGNED
    own = np.linalg.norm(np.rint(entries / scale) * scale - entries, axis=1) / size
    fixed = np.linalg.norm(decoded(entries, coding) - entries, axis=1) / size
    return float(fixed.mean() / max(float(own.mean()), _LEAST_SCALE))


def decoded(numbers: np.ndarray, coding: Coding) -> np.ndarray:
    """Return what is left of numbers that are held as codes."""
    scale = np.float32(coding.scale)
    codes = np.clip(np.rint(numbers / scale) + coding.zero, 0, CODES)
    left: np.ndarray = (codes - coding.zero) * scale
    return left


def coding_of(low: float, high: float) -> Coding:
    """Return the scale and the zero point of 256 codes from `low` to `high`."""
    scale = float(np.float32(max((high - low) / CODES, _LEAST_SCALE)))
    if high == low:
        scale = 1.0
    return Coding(scale, int(np.clip(np.rint(-low / scale), 0, CODES)))


def _extremes(seen: Seen) -> tuple[float, float]:
    return min(seen.low, 0.0), max(seen.high, 0.0)


def _percentile(seen: Seen) -> tuple[float, float]:
    low, high = np.quantile(seen.sample, [_TAIL, 1.0 - _TAIL])
    return min(float(low), 0.0), max(float(high), 0.0)


def _least_error(seen: Seen) -> tuple[float, float]:
    return _shrink(_extremes(seen), partial(_squared_error, seen.sample))


def _least_divergence(seen: Seen) -> tuple[float, float]:
    """Compare histograms with bins of one width, of at least as many bins as there are codes."""
    low, high = _extremes(seen)
    if high == low:
        return low, high
    counts, edges = np.histogram(seen.sample, bins=_BINS, range=(low, high))
    return _shrink((low, high), partial(_divergence, counts, edges))


def _shrink(extremes: tuple[float, float], judge: Judge) -> tuple[float, float]:
    """Bring one end closer to zero while the other stays, then the other; keep the best."""
    low, high = extremes
    shares = np.arange(_CANDIDATES, 0, -1) / _CANDIDATES
    high = min((high * float(share) for share in shares), key=lambda end: judge(low, end))
    low = min((low * float(share) for share in shares), key=lambda end: judge(end, high))
    return low, high


def _squared_error(sample: np.ndarray, low: float, high: float) -> float:
    left = decoded(sample, coding_of(low, high))
    return float(np.square(left - sample, dtype=np.float64).sum())


def _divergence(counts: np.ndarray, edges: np.ndarray, low: float, high: float) -> float:
    """Kullback and Leibler's, of what 256 codes tell of the bins between from all clipped there."""
    first = int(np.searchsorted(edges, low, side="right")) - 1
    last = int(np.searchsorted(edges, high, side="left"))
    if last - first <= CODES:
        return np.inf
    inner = counts[first:last].astype(np.float64)
    clipped = inner.copy()
    clipped[0] += counts[:first].sum()
    clipped[-1] += counts[last:].sum()
    code = np.arange(len(inner)) * (CODES + 1) // len(inner)
    filled = np.bincount(code, inner > 0)
    mean = np.bincount(code, inner) / np.maximum(filled, 1)
    told = np.where(inner > 0, mean[code], 0.0)
    p, q = clipped / clipped.sum(), told / max(told.sum(), 1.0)
    least = 1e-9
    ratio = np.log(np.maximum(p, least) / np.maximum(q, least))
    return float(np.sum(np.where(p > 0, p * ratio, 0.0)))


OBSERVERS = {
    "min-max": _extremes,
    "percentile": _percentile,
    "mse": _least_error,
    "entropy": _least_divergence,
}
"""By name: a function of what was seen to the range of its codes."""
