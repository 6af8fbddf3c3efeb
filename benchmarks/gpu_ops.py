"""Masks and quantised weights of arrays that lie on a device: bytes a second, against a copy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gpu_arrays import Entrant, Place, race, spread

from cordwood import ops

BUFFERS = 4


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


def _values(place: Place, answer: Any) -> np.ndarray:
    if isinstance(answer, ops.QuantizedTensor):
        answer = ops.dequantize(answer)
    return place.get(answer)


def measure(place: Place, device: str, *, rows: int, seconds: float) -> dict[str, Any]:
    """Time each operation on matrices of `rows` by 4096.

    Returns
    -------
    dict
        By name: seconds and bytes a second, or in words why there are none. An operation whose
        answer is not the CPU's is not timed.
    """
    draw = np.random.default_rng(0)
    weights = [draw.standard_normal((rows, 4096), np.float32) for _ in range(BUFFERS)]
    there = [place.put(block) for block in weights]
    found: dict[str, Any] = {}
    for name, (prepare, call, weight_bytes) in _cases().items():
        try:
            inputs = [prepare(block) for block in there]
            given = _values(place, call(inputs[0]))
            expected = _values(place, call(prepare(weights[0])))
        except Exception as error:
            found[name] = f"not on {device}: {type(error).__name__}: {error}"
            continue
        if given.tobytes() != expected.tobytes():
            found[name] = "answers otherwise than the CPU"
            continue
        entrant = Entrant(name, lambda number, call=call, inputs=inputs: call(inputs[number]))
        sample = race([entrant], place, buffers=BUFFERS, budget_s=seconds)[name]
        rate = weights[0].size * weight_bytes / float(np.median(sample))
        found[name] = {"seconds": spread(sample), "bytes_per_s": rate}
    return found
