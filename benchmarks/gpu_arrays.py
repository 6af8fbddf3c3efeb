"""Where rows lie and what tells the time: CuPy's or torch's arrays and events, or the host's."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from cordwood.measure import Spread

Call = Callable[[int], Any]
"""Does the work on the buffer of this number."""

WARM_UP = 3
SLICE_SECONDS = 5e-3
FEWEST_TURNS = 5
MOST_TURNS = 200


class Place(Protocol):
    """A library of arrays, and its clock."""

    name: str

    def put(self, array: np.ndarray) -> Any:
        """Copy an array of the host there."""

    def get(self, array: Any) -> np.ndarray:
        """Copy one back."""

    def where(self, chosen: Any, first: Any, second: Any) -> Any:
        """Take elements of one array where another is true, and of a second elsewhere."""

    def wait(self) -> None:
        """Wait until all work is done."""

    def seconds(self, call: Callable[[], Any], repeats: int) -> float:
        """Time `repeats` calls, one after the other, and give the seconds of one."""


class Host:
    """NumPy and the wall clock: for a rehearsal where there is no device."""

    name = "numpy"

    def put(self, array: np.ndarray) -> Any:
        return array.copy()

    def get(self, array: Any) -> np.ndarray:
        return np.asarray(array)

    def where(self, chosen: Any, first: Any, second: Any) -> Any:
        return np.where(chosen, first, second)

    def wait(self) -> None:
        """Nothing is ever under way."""

    def seconds(self, call: Callable[[], Any], repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - start) / repeats


class CuPy:
    """CuPy's arrays and CUDA events on its current stream."""

    name = "cupy"

    def __init__(self) -> None:
        import cupy

        self._cupy: Any = cupy

    def put(self, array: np.ndarray) -> Any:
        return self._cupy.asarray(array)

    def get(self, array: Any) -> np.ndarray:
        return np.asarray(self._cupy.asnumpy(array))

    def where(self, chosen: Any, first: Any, second: Any) -> Any:
        return self._cupy.where(chosen, first, second)

    def wait(self) -> None:
        self._cupy.cuda.Device().synchronize()

    def seconds(self, call: Callable[[], Any], repeats: int) -> float:
        start, end = self._cupy.cuda.Event(), self._cupy.cuda.Event()
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return float(self._cupy.cuda.get_elapsed_time(start, end)) / 1000 / repeats


class Torch:
    """Tensors and CUDA events of torch on its current stream."""

    name = "torch"

    def __init__(self) -> None:
        import torch

        if not torch.cuda.is_available():
            message = "torch sees no CUDA device"
            raise ImportError(message)
        self._torch: Any = torch

    def put(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(array.copy()).cuda()

    def get(self, array: Any) -> np.ndarray:
        return np.asarray(array.cpu().numpy())

    def where(self, chosen: Any, first: Any, second: Any) -> Any:
        return self._torch.where(chosen, first, second)

    def wait(self) -> None:
        self._torch.cuda.synchronize()

    def seconds(self, call: Callable[[], Any], repeats: int) -> float:
        events = [self._torch.cuda.Event(enable_timing=True) for _ in range(2)]
        events[0].record()
        for _ in range(repeats):
            call()
        events[1].record()
        events[1].synchronize()
        return float(events[0].elapsed_time(events[1])) / 1000 / repeats


def place_for(device: str) -> Place:
    """Return CuPy's arrays where CuPy is installed, else torch's; the host's for other devices."""
    if device != "cuda":
        return Host()
    try:
        return CuPy()
    except ImportError:
        return Torch()


@dataclass(frozen=True)
class Entrant:
    """Something to time in turns with others."""

    name: str
    call: Call


def race(
    entrants: Sequence[Entrant], place: Place, *, buffers: int, budget_s: float
) -> dict[str, list[float]]:
    """Time all in turns; each call takes the next buffer, so that none finds its rows in a cache.

    A turn is some calls one after the other, `SLICE_SECONDS` long: the host prepares the next while
    the device is at work, as it does in use.

    Returns
    -------
    dict of str to list of float
        Seconds of a call by round: round k of all lies side by side.
    """
    steps, calls = {}, {}
    for entrant in entrants:
        numbers = itertools.cycle(range(buffers))
        step = functools.partial(_next, entrant.call, numbers)
        once = min(place.seconds(step, 1) for _ in range(WARM_UP))
        steps[entrant.name], calls[entrant.name] = step, max(1, min(100, int(SLICE_SECONDS / once)))
    sample: dict[str, list[float]] = {entrant.name: [] for entrant in entrants}
    end = time.perf_counter() + budget_s
    turn = 0
    while turn < FEWEST_TURNS or (time.perf_counter() < end and turn < MOST_TURNS):
        for shift in range(len(entrants)):
            name = entrants[(turn + shift) % len(entrants)].name
            sample[name].append(place.seconds(steps[name], calls[name]))
        turn += 1
    return sample


def _next(call: Call, numbers: Iterator[int]) -> Any:
    return call(next(numbers))


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Return median and quartiles, ready for JSON."""
    found = Spread.of(seconds)
    return {"median": found.median, "low": found.low, "high": found.high}


def latency(
    call: Callable[[], Any], place: Place, calls: int, *, in_a_queue: bool
) -> dict[str, Any]:
    """Time single calls by the host's clock, each followed by a wait for its answer.

    In a queue, too, where a call returns before its answer is there: by the device's clock, one
    call after the other. Of calls that wait by themselves that would be the same again.
    """
    for _ in range(WARM_UP):
        call()
    place.wait()
    wall = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        place.wait()
        wall.append(time.perf_counter() - start)
    found = {"wall_s": spread(wall)}
    if in_a_queue:
        queued = [place.seconds(call, 10) for _ in range(max(calls // 10, 3))]
        found["queued_s"] = spread(queued)
    return found
