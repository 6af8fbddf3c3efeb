"""Masks as people make them: patterns, shares, axes, and what is refused."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

import cordwood as cw
import oracle_masks as oracle


@pytest.fixture
def w() -> NDArray[np.float32]:
    return np.random.default_rng(4).standard_normal((48, 70), dtype=np.float32)


def test_groups_of_neighbours(w: NDArray[np.float32]) -> None:
    mask = cw.ops.prune_mask(w, "2:4")
    np.testing.assert_array_equal(mask, oracle.groups(np.abs(w), 2, 4))
    facts = cw.ops.describe_mask(mask)
    assert {"2:4", "4:8"} <= set(facts.patterns)
    assert facts.kept == 48 * 35
    assert (facts.least, facts.most) == (35, 35)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
def test_shares(w: NDArray[np.float32], share: float) -> None:
    mask = cw.ops.prune_mask(w, share)
    want = oracle.best(np.abs(w).ravel(), oracle.kept(w.size, share))
    np.testing.assert_array_equal(mask.ravel(), want)
    rows = cw.ops.prune_mask(w, share, per="output")
    keep = oracle.kept(70, share)
    np.testing.assert_array_equal(rows, [oracle.best(row, keep) for row in np.abs(w)])


def test_blocks_and_channels(w: NDArray[np.float32]) -> None:
    mask = cw.ops.prune_mask(w, "block:16x1", share=0.8)
    sums = oracle.block_sums(np.abs(w), 16, 1)
    want = oracle.best(sums.ravel(), oracle.kept(sums.size, 0.8)).reshape(sums.shape)
    np.testing.assert_array_equal(mask, np.repeat(want, 16, axis=0))
    np.testing.assert_array_equal(cw.ops.prune_mask(w, "block:16x1:0.8"), mask)
    assert "block:16x1" in cw.ops.describe_mask(mask).patterns
    cut = cw.ops.prune_mask(w, "block:5x9", share=0.5, per="output")
    assert cut.shape == w.shape
    assert cw.ops.describe_mask(cw.ops.prune_mask(w, "channels:0.5")).empty_outputs == 24


def test_scores_decide_instead_of_magnitudes(w: NDArray[np.float32]) -> None:
    scores = -np.arange(w.size, dtype=np.float64).reshape(w.shape)
    mask = cw.ops.prune_mask(w, 0.75, scores=scores)
    assert mask.ravel()[: w.size // 4].all()
    assert mask.sum() == w.size // 4


def test_outputs_may_be_columns(w: NDArray[np.float32]) -> None:
    for pattern in ("2:4", "block:16x1:0.5", "channels:0.25"):
        turned = cw.ops.prune_mask(w.T, pattern, axis=1)
        np.testing.assert_array_equal(turned, cw.ops.prune_mask(w, pattern).T)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int8, bool])
def test_types_and_layouts(w: NDArray[np.float32], dtype: Any) -> None:
    given = np.asfortranarray((w * 3).astype(dtype))
    given.flags.writeable = False
    plain = np.ascontiguousarray(given, dtype=np.float32)
    np.testing.assert_array_equal(cw.ops.prune_mask(given, "2:4"), cw.ops.prune_mask(plain, "2:4"))
    np.testing.assert_array_equal(
        cw.ops.prune_mask(given[::3, ::2], 0.5), cw.ops.prune_mask(plain[::3, ::2].copy(), 0.5)
    )


def test_threads_change_nothing() -> None:
    w = np.round(np.random.default_rng(6).standard_normal((700, 900)) * 3)
    for pattern in ("2:4", 0.5, "block:16x4:0.9", "channels:0.1"):
        for per in ("matrix", "output"):
            one = cw.ops.prune_mask(w, pattern, per=per, threads=1)  # type: ignore[arg-type]
            two = cw.ops.prune_mask(w, pattern, per=per, threads=2)  # type: ignore[arg-type]
            np.testing.assert_array_equal(one, two)


def test_masks_combine_and_apply(w: NDArray[np.float32]) -> None:
    a, b = cw.ops.prune_mask(w, "2:4"), cw.ops.prune_mask(w, "block:16x1:0.5")
    np.testing.assert_array_equal(cw.ops.combine_masks(a, b), a & b)
    np.testing.assert_array_equal(cw.ops.combine_masks(a, b, how="any"), a | b)
    spoiled = w.copy()
    spoiled[~a] = np.nan
    pruned = cw.ops.apply_mask(spoiled, a)
    np.testing.assert_array_equal(pruned, np.where(a, w, 0))
    assert pruned.dtype == np.float32


def test_facts_of_empty_and_full_masks() -> None:
    facts = cw.ops.describe_mask(np.zeros((3, 5), dtype=bool))
    assert (facts.share, facts.empty_outputs, facts.empty_inputs) == (1.0, 3, 5)
    full = cw.ops.describe_mask(np.ones((5, 3), dtype=bool), axis=1)
    assert (full.kept, full.least, full.most) == (15, 5, 5)
    assert "2:4" not in full.patterns
    assert full.to_dict()["total"] == 15


@pytest.mark.parametrize(
    ("pattern", "options", "words"),
    [
        ("5:4", {}, "1 <= n <= m <= 64"),
        ("0:4", {}, "1 <= n <= m <= 64"),
        ("4:65", {}, "1 <= n <= m <= 64"),
        ("half", {}, "expected 'n:m'"),
        (1.5, {}, "expected a number from 0 to 1"),
        (np.nan, {}, "expected a number from 0 to 1"),
        ("block:16x1", {}, "share None"),
        ("block:0x1:0.5", {}, "holds nothing"),
        ("block:2x1:1.2.3", {}, "share nan"),
        ("channels:2", {}, "share 2.0"),
        (0.5, {"per": "row"}, "'matrix' or 'output'"),
        (0.5, {"axis": 2}, "axis is 2"),
        (0.5, {"scores": np.ones((2, 2))}, "scores of its shape"),
        (0.5, {"threads": 0}, "threads is 0"),
    ],
)
def test_what_is_no_pattern_is_refused(
    w: NDArray[np.float32], pattern: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(cw.InputError, match=words):
        cw.ops.prune_mask(w, pattern, **options)


def test_what_is_no_matrix_is_refused(w: NDArray[np.float32]) -> None:
    for bad in (np.ones(3), np.ones((0, 4)), 1.0):
        with pytest.raises(cw.InputError, match="expected a matrix"):
            cw.ops.prune_mask(bad, 0.5)
    with pytest.raises(cw.InputTypeError, match="w has dtype"):
        cw.ops.prune_mask(w.astype(str), 0.5)
    with pytest.raises(cw.InputError, match="NaN"):
        cw.ops.prune_mask(np.where(w > 2, np.nan, w), "2:4")
    with pytest.raises(cw.InputError, match="expected a boolean array"):
        cw.ops.apply_mask(w, w)  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="0 masks"):
        cw.ops.combine_masks()
    with pytest.raises(cw.InputError, match="expected a matrix"):
        cw.ops.describe_mask(np.ones(3, dtype=bool))


@pytest.mark.parametrize("pattern", ["2:4", 0.5, "block:16x1:0.5", "block:3x5:0.3", "channels:0.5"])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_mask_is_written_where_it_is_wanted(
    w: NDArray[np.float32], pattern: str | float, axis: Literal[0, 1]
) -> None:
    wanted = cw.ops.prune_mask(w, pattern, axis=axis)
    out = np.full(w.shape, True)
    assert cw.ops.prune_mask(w, pattern, axis=axis, out=out) is out
    np.testing.assert_array_equal(out, wanted)
    for bad in (out[:-1], out.astype(np.uint8), np.asfortranarray(out), out.tolist()):
        with pytest.raises(cw.InputError, match="out is not a writable C-ordered boolean array"):
            cw.ops.prune_mask(w, pattern, axis=axis, out=bad)
    out.flags.writeable = False
    with pytest.raises(cw.InputError, match="out is not a writable"):
        cw.ops.prune_mask(w, pattern, axis=axis, out=out)
