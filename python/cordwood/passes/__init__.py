"""Compression passes: each takes a Graph and returns a Graph together with its `Loss`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Loss"]


@dataclass(frozen=True)
class Loss:
    """What a pass may have changed in the answers of a model.

    Parameters
    ----------
    step : str
        Name of the pass.
    margin_bound : float
        Largest change of any margin of any row, were sums exact; 0.0 where every margin keeps its
        bits. What the rounding of sums may add is bounded apart, by
        `cordwood.passes.summation.summation_bound`.
    """

    step: str
    margin_bound: float = 0.0

    @property
    def lossless(self) -> bool:
        """Whether every answer keeps its bits."""
        return self.margin_bound == 0.0
