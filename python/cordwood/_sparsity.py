"""Patterns of weights that go, as ``cordwood.ops.prune_mask`` names them and recipes hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cordwood.errors import InputError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Pattern", "read_pattern"]

_GROUPS = re.compile(r"(\d+):(\d+)")
_BLOCKS = re.compile(r"block:(\d+)x(\d+):(0?\.\d+)")
_MOST_NEIGHBOURS = 64


@dataclass(frozen=True)
class Pattern:
    """Which weights of a layer may go.

    Parameters
    ----------
    share : float
        Of all weights, what goes.
    keep, of : int
        Of so many neighbouring inputs so many stay; 0 where the pattern is none of neighbours.
    height, width : int
        Outputs and inputs of a block; 1 and 1 where weights go one by one.
    """

    share: float
    keep: int = 0
    of: int = 0
    height: int = 1
    width: int = 1

    def fits(self, weight: np.ndarray, least_outputs: int) -> bool:
        """Whether a layer of this shape can be pruned so: whole runs and blocks, some outputs."""
        outputs, inputs = weight.shape
        whole = inputs % self.of == 0 if self.of else inputs >= self.width
        return bool(whole and outputs >= max(least_outputs, self.height))


def read_pattern(given: object) -> Pattern:
    """Read the option of a recipe.

    Parameters
    ----------
    given : object
        ``"n:m"``, ``"block:RxC:share"``, or the share of the weights that goes.

    Raises
    ------
    InputError
        It is none of those, or keeps all weights or none.
    """
    if isinstance(given, str):
        if found := _GROUPS.fullmatch(given):
            keep, of = int(found[1]), int(found[2])
            if 0 < keep < of <= _MOST_NEIGHBOURS:
                return Pattern(1.0 - keep / of, keep=keep, of=of)
        elif found := _BLOCKS.fullmatch(given):
            height, width, share = int(found[1]), int(found[2]), float(found[3])
            if height and width and 0.0 < share < 1.0:
                return Pattern(share, height=height, width=width)
    elif isinstance(given, float) and 0.0 < given < 1.0:
        return Pattern(given)
    message = (
        f"sparsity is {given!r}, expected 'n:m' with n below m, such as '2:4', up to"
        f" m = {_MOST_NEIGHBOURS}, 'block:16x1:0.9' with the share of the blocks that goes, or that"
        " share of the weights, above 0 and below 1"
    )
    raise InputError(message)
