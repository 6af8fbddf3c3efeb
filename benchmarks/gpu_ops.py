"""Masks and quantised weights of arrays that lie on a device: bytes a second, against a copy's.

One matrix, whose bytes no cache holds. A call also takes the host's time, and where it says whether
a weight is NaN it waits: the kernels' own time stands beside the call's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gpu_arrays import Entrant, Place, race, spread

from cordwood import ops

CHECKED_OUTPUTS = 1024
"""Answers of the first so many outputs, and of the last, are compared with the CPU's."""


@dataclass(frozen=True)
class Operation:
    """Something to time.

    Attributes
    ----------
    call : callable
        Does it once.
    shape : tuple of int
        Of the weights.
    n_bytes : float
        That it must read and write.
    """

    call: Callable[[], Any]
    shape: tuple[int, int]
    n_bytes: float


def _cases() -> dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]]:
    """By name: what makes the input of a matrix, what is timed, and the bytes of a weight."""

    def as_it_is(weights: Any) -> Any:
        return weights

    cases: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float]] = {
        "mask 2:4": (as_it_is, lambda w: ops.prune_mask(w, "2:4"), 5.0),
    }
    for bits in (8, 4):

        def quantized(weights: Any, bits: Any = bits) -> Any:
            return ops.quantize(weights, bits=bits, group_size=64)

        cases[f"quantize int{bits}"] = (as_it_is, quantized, 4 + bits / 8)
        cases[f"dequantize int{bits}"] = (quantized, ops.dequantize, 4 + bits / 8)
    return cases


def _values(answer: Any) -> Any:
    return ops.dequantize(answer) if isinstance(answer, ops.QuantizedTensor) else answer


def prepare(place: Place, device: str, *, side: int) -> dict[str, Operation | str]:
    """Bring a square matrix there, and compare each operation's answer with the CPU's.

    Returns
    -------
    dict
        By name: the operation, or in words why it is not timed.
    """
    weights = np.random.default_rng(0).standard_normal((side, side), np.float32)
    there = place.put(weights)
    ends = (slice(0, CHECKED_OUTPUTS), slice(-CHECKED_OUTPUTS, None))
    found: dict[str, Operation | str] = {}
    for name, (make, call, weight_bytes) in _cases().items():
        try:
            given = make(there)
            answer = _values(call(given))
            alike = all(
                place.get(answer[end]).tobytes() == _values(call(make(weights[end]))).tobytes()
                for end in ends
            )
        except Exception as error:
            found[name] = f"not on {device}: {type(error).__name__}: {error}"
            continue
        if alike:
            once = functools.partial(call, given)
            found[name] = Operation(once, weights.shape, weights.size * weight_bytes)
        else:
            found[name] = "answers otherwise than the CPU"
    return found


def measure(
    operations: dict[str, Operation | str], place: Place, *, seconds: float
) -> dict[str, Any]:
    """Time each operation by itself.

    Returns
    -------
    dict
        By name: shape, bytes and seconds of a call; or in words why there are none.
    """
    found: dict[str, Any] = {}
    for name, operation in operations.items():
        if isinstance(operation, str):
            found[name] = operation
            continue
        entrant = Entrant(name, lambda _, call=operation.call: call())
        sample = race([entrant], place, buffers=1, budget_s=seconds)[name]
        found[name] = {
            "shape": list(operation.shape),
            "bytes": operation.n_bytes,
            "seconds": spread(sample),
        }
    return found
