"""The best of rows and matrices, where a sample or the row before helps, misleads or overflows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import cordwood as cw
import oracle_masks as oracle
from cordwood import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIECE = 1 << 17  # scores that one thread takes at a time

isas = pytest.mark.parametrize("isa", cw.available_isas())


def _draw(shape: tuple[int, ...], seed: int, levels: int = 0) -> NDArray[np.float32]:
    """Draw normal numbers, rounded to a few levels where ties are wanted."""
    x = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    return np.round(x * np.float32(levels)) if levels else x


def _check(scores: NDArray[np.float32], keep: int, isa: str, *, whole: bool = False) -> None:
    for signed in (True, False):
        judged = scores if signed else np.abs(scores)
        rows = judged.reshape(1, -1) if whole else judged
        want = np.array([oracle.best(row, keep) for row in rows]).reshape(scores.shape)
        for threads in (1, 2):
            mask = np.full(scores.shape, True)
            _core.mask_top(
                scores, mask, keep=keep, whole=whole, signed=signed, threads=threads, isa=isa
            )
            np.testing.assert_array_equal(mask.view(np.uint8), want.view(np.uint8))


@isas
@pytest.mark.parametrize("length", [1, 17, 511, 513, 1024, 4096, 5003])
@pytest.mark.parametrize("levels", [0, 1, 20])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.93, 1.0])
def test_rows_like_and_unlike_the_one_before(
    isa: str, length: int, levels: int, share: float
) -> None:
    scores = _draw((9, length), length, levels)
    scores[4:6] *= 100
    scores[7] = 1.0
    scores[8] = np.sort(scores[8])
    _check(scores, int(share * length), isa)


@isas
@pytest.mark.parametrize("kind", ["many levels", "mostly zero", "two halves", "denormal"])
@pytest.mark.parametrize("share", [1e-5, 0.1, 0.5, 0.9])
def test_long_rows_of_every_kind(isa: str, kind: str, share: float) -> None:
    n = 2 * PIECE + 77
    scores = _draw((1, n), 1)
    if kind == "many levels":
        scores = np.round(scores * np.float32(3000))
    elif kind == "mostly zero":
        scores[scores < 1.5] = 0
    elif kind == "two halves":
        scores[0, n // 2 :] = np.sort(scores[0, n // 2 :]) * 50
    else:
        scores *= np.float32(1e-42)
    _check(scores, int(share * n), isa)


@isas
def test_a_sample_that_misleads_changes_nothing(isa: str) -> None:
    # Large scores fill few pieces, so that more of one are candidates than there is room for; and
    # ties reach across the ends of pieces.
    scores = _draw((1, 3 * PIECE), 5) * np.float32(1e-3)
    scores[0, PIECE // 2 : PIECE] += np.float32(7)
    scores[0, 2 * PIECE - 9 :] = 7
    for keep in (10, PIECE // 4, PIECE // 2, PIECE, 2 * PIECE):
        _check(scores, keep, isa)


@isas
@pytest.mark.parametrize("shape", [(30, 40), (700, 300)])
def test_a_whole_matrix(isa: str, shape: tuple[int, int]) -> None:
    scores = _draw(shape, 11, 30)
    _check(scores, scores.size // 3, isa, whole=True)
    mask = np.empty(shape, dtype=bool)
    scores[20, 7] = np.nan
    for keep in (0, 9, scores.size):
        with pytest.raises(cw.InputError, match="output 20, input 7 is NaN"):
            _core.mask_top(scores, mask, keep=keep, whole=True, signed=True, isa=isa)
    with pytest.raises(cw.InputError, match=f"{scores.size + 1} of {scores.size} cannot be kept"):
        _core.mask_top(scores, mask, keep=scores.size + 1, whole=True, signed=True, isa=isa)


@isas
@pytest.mark.parametrize("inputs", [1, 2, 3, 4, 5, 8, 15, 16, 17, 48, 100])
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_sums_of_narrow_and_wide_blocks(isa: str, rows: int, inputs: int) -> None:
    for shape in ((1, 1), (5, 130), (33, 95), (16, 64)):
        scores = _draw(shape, rows * inputs)
        scores[0, 0] = -0.0
        for signed in (True, False):
            found = _core.mask_sums(
                scores, block_rows=rows, block_inputs=inputs, signed=signed, isa=isa
            )
            want = oracle.block_sums(scores if signed else np.abs(scores), rows, inputs)
            np.testing.assert_array_equal(found.view(np.uint32), want.view(np.uint32))
