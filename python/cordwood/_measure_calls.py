"""Single calls: how long the slow ones take, and what several callers at once get out of a model.

A median hides what a service is judged by. Here each call is timed on its own, by the wall clock,
as whoever waits for the answer would; the clock itself adds about 0.1 microseconds.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cordwood._typing import Float64Array

__all__ = ["Calls", "time_calls"]

WARM_UP_CALLS = 100
"""Each caller makes so many before anything counts."""


@dataclass(frozen=True)
class Calls:
    """What callers saw who asked for one answer after the other.

    Attributes
    ----------
    callers : int
        Threads that asked at the same time.
    calls : int
        Calls of all of them.
    per_second : float
        Calls by the seconds of wall time that all took together.
    p50_s, p99_s, largest_s : float
        Wall seconds of a call: the median, what 99 in 100 stay below, the longest.
    """

    callers: int
    calls: int
    per_second: float
    p50_s: float
    p99_s: float
    largest_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)


def time_calls(
    call: Callable[[Any], Any], blocks: Sequence[Any], *, callers: int = 1, seconds: float = 1.0
) -> Calls:
    """Time each call on its own, from one thread or from several at once.

    Parameters
    ----------
    call : callable
        Takes one block; its answer is dropped. Several threads call it at the same time.
    blocks : sequence
        Arguments, handed out in turn; each caller has a part of its own.
    callers : int
        Threads that call.
    seconds : float
        How long they do.

    Returns
    -------
    Calls
        Rate and percentiles over all calls of all callers.

    Raises
    ------
    InputError
        There are no callers, or fewer blocks than callers.
    """
    if not 1 <= callers <= len(blocks):
        message = f"expected at least one caller and a block for each, got {callers}, {len(blocks)}"
        raise InputError(message)
    found: list[Float64Array] = []
    failures: list[BaseException] = []
    together = threading.Barrier(callers)

    def work(part: Sequence[Any]) -> None:
        try:
            found.append(_one_caller(call, part, seconds, together))
        except BaseException as error:
            failures.append(error)
            together.abort()

    threads = [threading.Thread(target=work, args=(blocks[k::callers],)) for k in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        first = (e for e in failures if not isinstance(e, threading.BrokenBarrierError))
        raise next(first, failures[0])
    every = np.concatenate(found)
    p50, p99 = np.quantile(every, [0.5, 0.99])
    # All callers start together and run equally long, so the longest of them is the wall time.
    wall = max(float(part.sum()) for part in found)
    rate = len(every) / wall
    return Calls(callers, len(every), rate, float(p50), float(p99), float(every.max()))


def _one_caller(
    call: Callable[[Any], Any], blocks: Sequence[Any], seconds: float, together: threading.Barrier
) -> Float64Array:
    """Wall seconds of each call."""
    for block in itertools.islice(itertools.cycle(blocks), WARM_UP_CALLS):
        call(block)
    turn, clock = itertools.cycle(blocks), time.perf_counter_ns
    stamps = []
    together.wait()
    stamps.append(clock())
    end = stamps[0] + int(seconds * 1e9)
    while stamps[-1] < end or len(stamps) == 1:
        call(next(turn))
        stamps.append(clock())
    seconds_each: Float64Array = np.diff(np.array(stamps, np.float64) - stamps[0]) * 1e-9
    return seconds_each
