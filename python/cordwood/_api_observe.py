"""What values of a net hold while calibration runs through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._api_calibration import check_read, joined
from cordwood._api_watch import values_of
from cordwood.passes.observers import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood.ir import Graph

__all__ = ["observe"]

MOST_NUMBERS = 1 << 17
"""Numbers that are kept of a value: more move a range by less than a code."""

MOST_ENTRIES, ENTRY_NUMBERS = 256, 256
"""Entries of batches that are kept by themselves, and numbers of each."""


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
    seen = {name: _Watcher(max(1, MOST_NUMBERS // len(batches))) for name in wanted}
    for number, held in enumerate(values_of(graph, batches, wanted)):
        for name, watcher in seen.items():
            array = np.asarray(held[name], np.float32)
            check_read(array, name, number)
            watcher.add(array)
    return {name: watcher.seen(name) for name, watcher in seen.items()}


class _Watcher:
    """What is kept of one value, batch by batch."""

    def __init__(self, most: int) -> None:
        """Keep at most so many numbers of a batch."""
        self._most = most
        self._generator = np.random.default_rng(0)
        self._sample: list[np.ndarray] = []
        self._entries: list[np.ndarray] = []
        self._tops: list[float] = []
        self._low = self._high = 0.0

    def add(self, array: np.ndarray) -> None:
        flat = array.reshape(-1)
        if not flat.size:
            return
        self._low = min(self._low, float(flat.min()))
        self._high = max(self._high, float(flat.max()))
        if flat.size > self._most:
            flat = flat[self._generator.integers(0, flat.size, self._most)]
        self._sample.append(np.array(flat))
        for entry in array.reshape(len(array), -1)[: MOST_ENTRIES - len(self._entries)]:
            drawn = self._generator.integers(0, entry.size, ENTRY_NUMBERS)
            self._entries.append(entry[drawn])
            self._tops.append(float(np.abs(entry).max()))

    def seen(self, name: str) -> Seen:
        return Seen(
            np.concatenate([np.zeros(1, np.float32), joined(self._sample, name)]),
            self._low,
            self._high,
            np.array(self._entries, np.float32).reshape(-1, ENTRY_NUMBERS),
            np.array(self._tops, np.float32),
        )
