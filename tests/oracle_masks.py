"""What a pruning mask is, in plain Python and NumPy, from docs/quantization.md alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 16


def best(scores: NDArray[np.float32], keep: int) -> NDArray[np.bool_]:
    """Keep the highest of a flat array; of equal ones those with the lower index."""
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    mask = np.zeros(scores.shape, dtype=bool)
    mask[order[:keep]] = True
    return mask


def groups(scores: NDArray[np.float32], keep: int, of: int) -> NDArray[np.bool_]:
    """n:m along the inputs; a shorter tail keeps as large a share, rounded up."""
    mask = np.zeros(scores.shape, dtype=bool)
    for row in range(scores.shape[0]):
        for first in range(0, scores.shape[1], of):
            part = scores[row, first : first + of]
            mask[row, first : first + of] = best(part, -(-len(part) * keep // of))
    return mask


def kept(total: int, share: float) -> int:
    """How many stay: what is left when the share, rounded half to even, is gone."""
    return total - round(total * share)


def block_sums(scores: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Columns down the rows, then dealt to 16 sums in turn, and these folded by halves."""
    n_rows, n_inputs = scores.shape
    sums = np.zeros((-(-n_rows // height), -(-n_inputs // width)), dtype=np.float32)
    for i, top in enumerate(range(0, n_rows, height)):
        columns = np.zeros(n_inputs, dtype=np.float32)
        for row in scores[top : top + height]:
            columns = columns + row
        for j, left in enumerate(range(0, n_inputs, width)):
            part = columns[left : left + width]
            lanes = np.zeros(LANES, dtype=np.float32)
            for first in range(0, len(part), LANES):
                chunk = part[first : first + LANES]
                lanes[: len(chunk)] = lanes[: len(chunk)] + chunk
            while len(lanes) > 1:
                half = len(lanes) // 2
                lanes = lanes[:half] + lanes[half:]
            sums[i, j] = lanes[0]
    return sums
