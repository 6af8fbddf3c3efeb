"""Attention of one head on every row of kernels beside an oracle: on floats, or on integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cordwood
from cordwood import _core
from oracle_attention import Options

Floats = NDArray[np.float32]

ISAS = cordwood.available_isas()
PLAIN = Options()
EDGES = (1, 2, 3, 4, 7, 8, 9, 11, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33, 47, 48, 49, 64, 65, 70)


def bits(array: Floats) -> NDArray[np.uint32]:
    """Return the numbers as they are stored."""
    return np.ascontiguousarray(array, dtype=np.float32).view(np.uint32)


def draw(rng: np.random.Generator, *shape: int) -> Floats:
    """Draw normal numbers, a few of them zeros and a few large."""
    x = rng.standard_normal(shape).astype(np.float32)
    x[rng.random(shape) < 0.05] = 0
    return x * np.where(rng.random(shape) < 0.05, np.float32(8), np.float32(1))


@dataclass(frozen=True)
class Attention:
    """The kernels of one kind, and what they are held to.

    Attributes
    ----------
    oracle : callable
        Answers one head by itself: queries, keys, values, a mask or None, options.
    coded : bool
        Whether the kernels multiply integers.
    """

    oracle: Callable[..., Floats]
    coded: bool

    def attend(
        self, isa: str, q: Floats, k: Floats, v: Floats, mask: NDArray[Any] | None, options: Options
    ) -> Floats:
        """Run one row on arrays of all heads."""
        out = np.full((*q.shape[:3], v.shape[3]), 7, dtype=np.float32)
        _core.attention(
            q, k, v, mask, out, scale=options.scale, causal=options.causal, window=options.window,
            soft_cap=options.soft_cap, coded=self.coded, isa=isa,
        )  # fmt: skip
        return out

    def check(
        self,
        q: Floats,
        k: Floats,
        v: Floats,
        mask: NDArray[Any] | None = None,
        options: Options = PLAIN,
    ) -> Floats:
        """Compare all rows with the oracle; the arrays are of one head."""
        with np.errstate(all="ignore"):
            wanted = self.oracle(q, k, v, mask, options)
        for isa in ISAS:
            heads = (x[None, None] for x in (q, k, v))
            got = self.attend(isa, *heads, None if mask is None else mask[None, None], options)
            np.testing.assert_array_equal(bits(got[0, 0]), bits(wanted), str((isa, options)))
        return wanted

    def check_shape(
        self, n: int, m: int, d: int, e: int, mask: str = "", options: Options = PLAIN
    ) -> None:
        """Draw one head and compare."""
        rng = np.random.default_rng([n, m, d, e])
        drawn: NDArray[Any] | None = None
        if mask == "flags":
            drawn = rng.random((n, m)) < 0.7
        elif mask == "numbers":
            drawn = draw(rng, n, m)
            drawn[rng.random((n, m)) < 0.2] = -np.inf
        self.check(draw(rng, n, d), draw(rng, m, d), draw(rng, m, e), drawn, options)
