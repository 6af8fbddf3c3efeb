"""Observers: what range of numbers the codes of an activation shall span.

`observe` runs a net and keeps a sample of what values held; `code_range` chooses by one of four
methods from it (``docs/quantization.md``, activations).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood._model_net import Net
from cordwood.ir import Coding, Role, Value
from cordwood.pack import pack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood.ir import Graph

__all__ = ["OBSERVERS", "Seen", "code_range", "coding_of", "observe"]

MOST_NUMBERS = 1 << 17
"""Numbers that are kept of a value: more move a range by less than a code."""

CODES = 255
_CANDIDATES = 64
_BINS = 2048
_TAIL = 1e-4
_LEAST_SCALE = 2.0**-100


@dataclass(frozen=True)
class Seen:
    """What a value held: a sample of its numbers, and the extremes of all."""

    sample: np.ndarray
    low: float
    high: float


def observe(
    graph: Graph, batches: list[dict[str, np.ndarray]], names: Iterable[str]
) -> dict[str, Seen]:
    """Run a net, and keep what the named values held.

    Parameters
    ----------
    graph : Graph
        A net.
    batches : list of dict
        Inputs by name.
    names : iterable of str
        Values of type float32.

    Returns
    -------
    dict of str to Seen
    """
    wanted = set(names)
    values = tuple(
        Value(value.name, value.dtype, value.shape, Role.OUTPUT)
        if value.name in wanted and value.role is Role.NONE
        else value
        for value in graph.values
    )
    net = Net(pack(replace(graph, values=values, form="dict", classes=None)))
    kept: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    low, high = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    most = max(1, MOST_NUMBERS // len(batches))
    generator = np.random.default_rng(0)
    for batch in batches:
        answers = {**batch, **net(batch)}
        for name in wanted:
            flat = np.asarray(answers[name], np.float32).reshape(-1)
            if not flat.size:
                continue
            low[name] = min(low[name], float(flat.min()))
            high[name] = max(high[name], float(flat.max()))
            if flat.size > most:
                flat = flat[generator.integers(0, flat.size, most)]
            kept[name].append(np.array(flat))
    return {
        name: Seen(np.concatenate(parts or [np.zeros(1, np.float32)]), low[name], high[name])
        for name, parts in kept.items()
    }


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
    return _best(seen, _squared_error)


def _least_divergence(seen: Seen) -> tuple[float, float]:
    return _best(seen, _divergence)


def _best(seen: Seen, judge: _Judge) -> tuple[float, float]:
    """Shrink the extremes step by step, and keep the best."""
    low, high = _extremes(seen)
    shares = np.arange(_CANDIDATES, 0, -1) / _CANDIDATES
    errors = [judge(seen.sample, low * share, high * share) for share in shares]
    share = float(shares[int(np.argmin(errors))])
    return low * share, high * share


def _squared_error(sample: np.ndarray, low: float, high: float) -> float:
    coding = coding_of(low, high)
    codes = np.clip(np.rint(sample / np.float32(coding.scale)) + coding.zero, 0, CODES)
    back = (codes - coding.zero) * np.float32(coding.scale)
    return float(np.square(back - sample, dtype=np.float64).sum())


def _divergence(sample: np.ndarray, low: float, high: float) -> float:
    """Kullback and Leibler's, of the histogram that 256 codes can tell from the clipped one."""
    if high == low:
        return 0.0
    clipped = np.clip(sample, low, high)
    counts = np.histogram(clipped, bins=_BINS, range=(low, high))[0].astype(np.float64)
    inner = np.histogram(sample, bins=_BINS, range=(low, high))[0].astype(np.float64)
    groups = inner.reshape(CODES + 1, -1)
    filled = groups > 0
    mean = groups.sum(1, keepdims=True) / np.maximum(filled.sum(1, keepdims=True), 1)
    told = np.where(filled, mean, 0.0).reshape(-1)
    p, q = counts / counts.sum(), told / max(told.sum(), 1.0)
    least = 1e-9
    return float(
        np.sum(np.where(p > 0, p * np.log(np.maximum(p, least) / np.maximum(q, least)), 0))
    )


if TYPE_CHECKING:
    from collections.abc import Callable

    _Judge = Callable[[np.ndarray, float, float], float]

OBSERVERS = {
    "min-max": _extremes,
    "percentile": _percentile,
    "mse": _least_error,
    "entropy": _least_divergence,
}
"""By name: a function of what was seen to the range of its codes."""
