"""Mask kernels of every instruction set against the definition: ties, tails, odd values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import cordwood as cw
import oracle_masks as oracle
from cordwood import _core

ISAS = cw.available_isas()

VALUES = st.sampled_from(
    [0.0, -0.0, 1.0, -1.0, 1.5, -1.5, 2.0, 1e-45, -1e-45, 1e38, -3e38, np.inf, -np.inf]
)


@st.composite
def matrices(draw: st.DrawFn) -> NDArray[np.float32]:
    """Few different scores, so that most of them tie."""
    n_rows, n_inputs = draw(st.integers(1, 5)), draw(st.integers(1, 140))
    some = draw(st.lists(VALUES, min_size=1, max_size=6))
    picks = draw(st.lists(st.integers(0, 5), min_size=n_inputs, max_size=n_inputs))
    rows = [[some[(p + row) % len(some)] for p in picks] for row in range(n_rows)]
    return np.array(rows, dtype=np.float32)


def judged(scores: NDArray[np.float32], *, signed: bool) -> NDArray[np.float32]:
    return scores if signed else np.abs(scores)


def groups(scores: NDArray[np.float32], keep: int, of: int, **options: object) -> np.ndarray:
    mask = np.empty(scores.shape, dtype=bool)
    _core.mask_groups(scores, mask, keep=keep, of=of, **options)  # type: ignore[arg-type]
    return mask


def top(scores: NDArray[np.float32], keep: int, **options: object) -> np.ndarray:
    mask = np.empty(scores.shape, dtype=bool)
    _core.mask_top(scores, mask, keep=keep, **options)  # type: ignore[arg-type]
    return mask


@pytest.mark.parametrize("isa", ISAS)
@given(scores=matrices(), shape=st.sampled_from([(2, 4), (1, 4), (4, 8), (1, 2), (3, 7), (5, 64)]))
def test_groups(isa: str, scores: NDArray[np.float32], shape: tuple[int, int]) -> None:
    for signed in (False, True):
        want = oracle.groups(judged(scores, signed=signed), *shape)
        np.testing.assert_array_equal(groups(scores, *shape, signed=signed, isa=isa), want)


@pytest.mark.parametrize("isa", ISAS)
@given(scores=matrices(), share=st.floats(0, 1))
def test_top(isa: str, scores: NDArray[np.float32], share: float) -> None:
    keep = oracle.kept(scores.shape[1], share)
    for signed in (False, True):
        want = [oracle.best(row, keep) for row in judged(scores, signed=signed)]
        np.testing.assert_array_equal(top(scores, keep, signed=signed, isa=isa), want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 1), (3, 5), (4, 33), (2, 1000)])
def test_block_sums(isa: str, height: int, width: int) -> None:
    scores = np.random.default_rng(2).standard_normal((37, 213), dtype=np.float32)
    got = _core.mask_sums(scores, block_rows=height, block_inputs=width, signed=False, isa=isa)
    np.testing.assert_array_equal(got, oracle.block_sums(np.abs(scores), height, width))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.999, 1.0])
def test_long_rows(isa: str, share: float) -> None:
    """Rows of more than one piece, with and without ties, on one thread and on two."""
    generator = np.random.default_rng(3)
    plain = generator.standard_normal((1, 600_011), dtype=np.float32)
    for scores in (plain, np.round(plain * 4), np.sort(plain), np.zeros_like(plain)):
        keep = oracle.kept(scores.size, share)
        want = oracle.best(np.abs(scores[0]), keep)
        for threads in (1, 2):
            got = top(scores, keep, signed=False, isa=isa, threads=threads)
            np.testing.assert_array_equal(got[0], want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("place", [(0, 0), (3, 77), (8, 140)])
def test_nan_is_named(isa: str, place: tuple[int, int]) -> None:
    scores = np.ones((9, 141), dtype=np.float32)
    scores[place] = np.nan
    words = f"output {place[0]}, input {place[1]}"
    with pytest.raises(cw.InputError, match=words):
        groups(scores, 2, 4, signed=False, isa=isa)
    with pytest.raises(cw.InputError, match=words):
        top(scores, 7, signed=True, isa=isa)
    with pytest.raises(cw.InputError, match=words):
        _core.mask_sums(scores, block_rows=4, block_inputs=4, signed=False, isa=isa)
