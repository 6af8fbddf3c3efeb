"""Which format of a sparse matrix costs least: a choice by measured break-even."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cordwood import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

SparseFormat = Literal["2:4", "blocks", "slots", "dense"]

MOST_INPUTS = 65536
KINDS: dict[SparseFormat, str] = {"2:4": "pairs", "blocks": "blocks", "slots": "slots"}
"""Names of the formats that leave weights out, as the kernels have them."""

_FORMATS = {kind: name for name, kind in KINDS.items()}
_FOUR = 4
_PAIR = 2


def choose_format(mask: NDArray[np.bool_]) -> SparseFormat:
    """Choose the format that costs least for a mask of shape (n_outputs, n_inputs)."""
    kind = _core.choose_sparse_kind(np.ascontiguousarray(mask))
    return "dense" if kind is None else _FORMATS[kind]


def first_misfit(mask: NDArray[np.bool_]) -> tuple[int, int] | None:
    """Output and first input of four weights of which more than two stay, if there are such."""
    missing = -mask.shape[1] % _FOUR
    whole = np.pad(mask, [(0, 0), (0, missing)]) if missing else mask
    fours = whole.reshape(mask.shape[0], -1, _FOUR)
    crowded = np.count_nonzero(fours, axis=2) > _PAIR
    if not crowded.any():
        return None
    output, four = np.argwhere(crowded)[0]
    return int(output), int(four) * _FOUR
