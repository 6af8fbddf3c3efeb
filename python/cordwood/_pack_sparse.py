"""Masks of sparse tensors on their way into a file: a bit for each weight or block."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

__all__ = ["Mask", "Sparsity"]

BLOCK_OUTPUTS = 16
"""Outputs that share an input's bit where all of them keep it or none does."""

MOST_WEIGHTS = 32
"""Weights that each one that stays may stand for: half of what the format allows."""


class Sparsity(enum.IntEnum):
    """What a bit of a mask means, as ``enum cordwood_sparsity`` in ``csrc/format/layout.h``."""

    DENSE = 0
    BLOCKS = 2
    BITMAP = 3


@dataclass(frozen=True, eq=False)
class Mask:
    """Which weights of a matrix a file holds.

    Parameters
    ----------
    stays : ndarray of bool, shape (outputs, inputs)
        True where a weight is held.
    sparsity : Sparsity
        How the file says so.
    bits : ndarray of bool
        What it writes.
    """

    stays: np.ndarray
    sparsity: Sparsity
    bits: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> Mask | None:
        """Take blocks where the mask is made of them, else a bit for each weight.

        None where so few weights stay that a file may not stand for all of them.
        """
        if np.count_nonzero(mask) * MOST_WEIGHTS < mask.size:
            return None
        firsts = np.arange(0, len(mask), BLOCK_OUTPUTS)
        blocks = np.logical_or.reduceat(mask, firsts, axis=0)
        stays = np.repeat(blocks, BLOCK_OUTPUTS, axis=0)[: len(mask)]
        if (stays == mask).all():
            return cls(stays, Sparsity.BLOCKS, blocks)
        return cls(mask, Sparsity.BITMAP, mask)
