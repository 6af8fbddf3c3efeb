"""Batches of distinct rows, made on the device from a sample that travels.

A row of the sample lends a quarter of its values, and one at least, each by chance, to another. So
every value is one that its feature has, missing where it is missing, and a batch goes on meeting
new leaves, as rows of the world do and rows drawn again do not. In 100 000 rows that C never saw a
tree of it meets 21 090 leaves; in as many of these 19 004; in as many drawn again from 16 384 it
meets 8 655. In a warp of 32 rows it meets as many as it does of real ones, within 4 percent. Of a
million, where features have few values, a handful are alike: 8 of C's, none of A's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gpu_arrays import Place

CHECKED_ROWS = 1 << 17
"""At most so many answers of a batch are compared with the CPU's: some of every tile."""

_LENT = 64
"""Of 256."""


def distinct_rows(place: Place, sample: Any, n_rows: int, seed: int) -> Any:
    """Make a batch; the same seed makes the same, whatever the library.

    Parameters
    ----------
    place : Place
    sample : array of float32, shape (n_sample, n_features)
        Lies there.
    n_rows : int
    seed : int

    Returns
    -------
    array of float32, shape (n_rows, n_features)
    """
    n_sample, n_features = sample.shape
    draw = np.random.default_rng(seed)
    taken = draw.integers(0, n_sample, n_rows)
    lender = (taken + draw.integers(1, max(n_sample, 2), n_rows)) % n_sample
    lent = draw.integers(0, 256, (n_rows, n_features), np.uint8) < _LENT
    lent[np.arange(n_rows), draw.integers(0, n_features, n_rows)] = True
    return place.where(place.put(lent), sample[place.put(lender)], sample[place.put(taken)])


def checked(rows: Any) -> Any:
    """Return every so many of a batch's rows, or of its answers: those that are compared."""
    return rows[:: -(-len(rows) // CHECKED_ROWS)]
