"""Attention on integers: every row gives the oracle's bits, and what it loses is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import oracle_attention
import oracle_coded_attention as oracle
from attention_checks import EDGES, ISAS, Attention, bits, draw
from cordwood import _core
from oracle_attention import Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

KERNELS = Attention(oracle.attend, coded=True)
attend, check, check_shape = KERNELS.attend, KERNELS.check, KERNELS.check_shape


@pytest.mark.parametrize("size", EDGES)
def test_each_edge_of_a_block(size: int) -> None:
    check_shape(size, 33, 5, 6, options=Options(scale=0.5))
    check_shape(5, size, 8, 33, options=Options(scale=0.25))
    check_shape(3, 20, size, 5, options=Options(scale=0.125))
    check_shape(4, 18, 3, size)


@pytest.mark.parametrize("mask", ["", "flags", "numbers"])
@pytest.mark.parametrize("window", [0, 1, 3, 17])
@pytest.mark.parametrize("causal", [False, True])
def test_what_a_query_sees(mask: str, window: int, causal: bool) -> None:
    options = Options(scale=0.3, causal=causal, window=window)
    for n, m in ((1, 1), (1, 40), (40, 1), (40, 13), (13, 40), (60, 60), (70, 33), (33, 70)):
        check_shape(n, m, 4, 9, mask, options)


@pytest.mark.parametrize("soft_cap", [0.5, 5.0, 50.0])
def test_soft_cap(soft_cap: float) -> None:
    check_shape(13, 37, 6, 8, options=Options(scale=2.0, soft_cap=soft_cap))
    check_shape(13, 37, 6, 8, "numbers", Options(scale=2.0, soft_cap=soft_cap, causal=True))


def test_long_rows_are_added_in_parts() -> None:
    check_shape(2, 1100, 4, 3, options=Options(scale=0.5))
    check_shape(27, 2100, 3, 2, "flags", Options(causal=True))
    check_shape(600, 1030, 8, 33, options=Options(window=540))


def test_sums_at_their_largest() -> None:
    k = np.ones((1030, 64), np.float32)
    check(k[:3], k, np.full((1030, 5), np.float32(-3)))
    check(-k[:3] * np.float32(1e-3), k, k[:, :7])


def test_rows_that_see_nothing_are_zero() -> None:
    rng = np.random.default_rng(1)
    q, k, v = draw(rng, 9, 4), draw(rng, 20, 4), draw(rng, 20, 5)
    for mask in (np.zeros((9, 20), bool), np.full((9, 20), -np.inf, np.float32)):
        mask[4, 6] = 1
        wanted = check(q, k, v, mask)
        assert not wanted[[0, 8]].any()
        np.testing.assert_allclose(wanted[4], v[6], atol=np.abs(v[6]).max() / 250)
    assert not check(q, k[:0], v[:0]).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [Options(), Options(causal=True), Options(soft_cap=3.0)])
def test_numbers_that_are_not_finite(value: float, options: Options) -> None:
    rng = np.random.default_rng(2)
    odd = np.float32(value)
    for width, place in ((4, 0), (16, 5), (32, 16), (64, 32), (5, 36)):
        arrays = [draw(rng, 37, width), draw(rng, 37, width), draw(rng, 37, width)]
        for index, array in enumerate(arrays):
            kept = array[place, 1]
            array[place, 1] = odd
            wanted = check(*arrays, options=options)
            touched = slice(place, place + 1) if index == 0 else slice(place, None)
            assert np.isnan(wanted[touched]).all()
            array[place, 1] = kept
        numbers = draw(rng, 37, 37)
        numbers[place] = odd
        numbers[3, place] = odd
        check(*arrays, numbers, options)
        flags = np.ones((37, 37), bool)
        flags[:, place] = False
        arrays[1][place] = odd
        arrays[2][place] = odd
        finite = check(*arrays, flags, options)
        assert np.isfinite(finite).all(), "a key that takes no part does no harm"
    large = np.full((3, 4), np.float32(3e38))
    for scale in (1e10, -1e10, 0.0, -1.0):
        assert check(large, -large, draw(rng, 3, 3), options=Options(scale=scale)).size


def test_a_key_that_takes_no_part_changes_nothing() -> None:
    rng = np.random.default_rng(8)
    q, k, v = draw(rng, 7, 32), draw(rng, 40, 32), draw(rng, 40, 32)
    flags = np.ones((7, 40), bool)
    flags[:, 30:] = False
    small = check(q, k, v, flags)
    k[30:], v[30:] = np.float32(1e6), np.float32(-1e30)
    np.testing.assert_array_equal(bits(check(q, k, v, flags)), bits(small))


def test_small_numbers_count_as_zeros() -> None:
    rng = np.random.default_rng(9)
    tiny = np.full((20, 8), np.float32(2.0**-101))
    q, k, v = draw(rng, 5, 8), draw(rng, 20, 8), draw(rng, 20, 8)
    assert not check(q, k, tiny).any()
    np.testing.assert_array_equal(check(q, tiny, v), check(q, np.zeros_like(tiny), v))
    v[::2] = 0
    check(q, k, v)
    check(q, k, v * np.float32(2.0**120))


@pytest.mark.parametrize("kv_heads", [1, 2, 6])
@pytest.mark.parametrize("isa", ISAS)
def test_heads_in_one_buffer(isa: str, kv_heads: int) -> None:
    rng = np.random.default_rng(4)
    batch, heads, n, m, d = 2, 6, 14, 19, 8
    q = draw(rng, batch, n, heads, d).transpose(0, 2, 1, 3)
    k = draw(rng, batch, m, kv_heads, d).transpose(0, 2, 1, 3)
    v = draw(rng, batch, m, kv_heads, d).transpose(0, 2, 1, 3)
    mask = np.broadcast_to(rng.random((batch, 1, 1, m)) < 0.8, (batch, heads, n, m))
    options = Options(scale=0.4, causal=True)
    out = np.zeros((batch, n, heads, d), dtype=np.float32).transpose(0, 2, 1, 3)
    _core.attention(q, k, v, mask, out, scale=0.4, causal=True, coded=True, isa=isa)
    for at in np.ndindex(batch, heads):
        kv = (at[0], at[1] * kv_heads // heads)
        wanted = oracle.attend(q[at], k[kv], v[kv], mask[at], options)
        np.testing.assert_array_equal(bits(out[at]), bits(wanted), str(at))


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    rng = np.random.default_rng(5)
    q, k, v = draw(rng, 1, 4, 300, 16), draw(rng, 1, 2, 300, 16), draw(rng, 1, 2, 300, 16)
    outs = [np.empty_like(q) for _ in range(2)]
    _core.attention(q, k, v, None, outs[0], scale=0.25, coded=True, threads=1)
    _core.attention(q, k, v, None, outs[1], scale=0.25, coded=True, threads=threads)
    np.testing.assert_array_equal(bits(outs[0]), bits(outs[1]))


def test_powers_are_within_two_units_in_the_last_place() -> None:
    x = np.linspace(-40, 0, 400_001).astype(np.float32)
    exact = np.exp2(x.astype(np.float64))
    error = np.abs(oracle.exp2(x) - exact) / np.spacing(exact.astype(np.float32))
    assert error.max() < 2


@pytest.mark.parametrize("spread", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("sink", [False, True])
def test_what_codes_cost(spread: float, sink: bool) -> None:
    """Also where a thousand small weights stand beside a large one: 15 bits keep them."""
    rng = np.random.default_rng(10)
    q, k, v = (rng.standard_normal((n, 32)).astype(np.float32) for n in (20, 1000, 1000))
    q *= np.float32(spread)
    if sink:
        k[0] = 0
        q[:, 0], k[:, 0], k[0, 0] = 4, 0, 9
    options = Options(scale=1 / np.sqrt(32))
    exact = oracle_attention.attend(q, k, v, None, options)
    found = attend(ISAS[0], q[None, None], k[None, None], v[None, None], None, options)[0, 0]
    assert np.linalg.norm(found - exact) < 0.01 * (1 + spread) * np.linalg.norm(exact)
