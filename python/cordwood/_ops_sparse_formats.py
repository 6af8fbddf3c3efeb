"""Which format of a sparse matrix costs least: a choice by measured break-even."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SparseFormat = Literal["2:4", "blocks", "slots", "dense"]

MOST_INPUTS = 65536

# What each format's unit of work costs, counted in dense steps (4 inputs of 16 outputs): the worst
# of 1 to 128 rows at 512 to 4096 square. docs/kernels.md, sparse_matmul, has the measurements.
STEP_INPUTS = 4
PAIRS_COST = 0.75  # of as many inputs dense
EIGHT_COST = 4.2  # 8 inputs that 16 outputs share
SLOT_COST = 2.35  # up to 4 of 64 inputs of each of 16 outputs
# A sparse format is taken where it costs at most so much of the dense product.
WORTHWHILE = 0.9

_GROUP = 16
_EIGHT = 8
_WINDOW = 64
_FOUR = 4
_PAIR = 2


def choose_format(mask: NDArray[np.bool_]) -> SparseFormat:
    """Choose the format that costs least for a mask of shape (n_outputs, n_inputs)."""
    if mask.shape[1] > MOST_INPUTS:
        return "dense"
    groups = _pad(mask, 0, _GROUP)
    n_groups = groups.shape[0] // _GROUP
    dense = n_groups * mask.shape[1] / STEP_INPUTS
    costs: dict[SparseFormat, float] = {
        "blocks": EIGHT_COST * _count_eights(groups),
        "slots": SLOT_COST * _count_slots(groups),
    }
    if first_misfit(mask) is None:
        costs["2:4"] = PAIRS_COST * dense
    best = min(costs, key=lambda name: costs[name])
    return best if costs[best] <= WORTHWHILE * dense else "dense"


def first_misfit(mask: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Output and first input of four weights of which more than two stay, if there are such."""
    fours = _pad(mask, 1, _FOUR).reshape(mask.shape[0], -1, _FOUR)
    crowded = np.count_nonzero(fours, axis=2) > _PAIR
    if not crowded.any():
        return None
    output, four = np.argwhere(crowded)[0]
    return int(output), int(four) * _FOUR


def _pad(mask: NDArray[np.bool_], axis: int, step: int) -> NDArray[np.bool_]:
    """Fill up with weights that do not stay."""
    missing = -mask.shape[axis] % step
    if missing == 0:
        return mask
    widths = [(0, 0), (0, 0)]
    widths[axis] = (0, missing)
    return np.pad(mask, widths)


def _count_eights(groups: NDArray[np.bool_]) -> int:
    shared = groups.reshape(-1, _GROUP, groups.shape[1]).any(axis=1)
    return int((-(-np.count_nonzero(shared, axis=1) // _EIGHT)).sum())


def _count_slots(groups: NDArray[np.bool_]) -> int:
    windows = _pad(groups, 1, _WINDOW).reshape(groups.shape[0], -1, _WINDOW)
    slots = -(-np.count_nonzero(windows, axis=2) // _FOUR)
    return int(slots.reshape(-1, _GROUP, slots.shape[1]).max(axis=1).sum())
