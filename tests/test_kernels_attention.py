"""Attention and products of activations: every row gives the oracle's bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import oracle_attention as oracle
from attention_checks import EDGES, ISAS, Attention, bits, draw
from cordwood import _core
from oracle_attention import Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

KERNELS = Attention(oracle.attend, coded=False)
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


def test_long_rows_are_multiplied_in_parts() -> None:
    check_shape(2, 1100, 4, 3, options=Options(scale=0.5))
    check_shape(27, 2100, 3, 2, "flags", Options(causal=True))


def test_rows_that_see_nothing_are_zero() -> None:
    rng = np.random.default_rng(1)
    q, k, v = draw(rng, 9, 4), draw(rng, 20, 4), draw(rng, 20, 5)
    for value in (np.float32(1), np.float32(np.nan)):
        v[3] = value
        for mask in (np.zeros((9, 20), bool), np.full((9, 20), -np.inf, np.float32)):
            mask[4, 6] = 1
            wanted = check(q, k, v, mask)
            assert not wanted[[0, 8]].any()
            np.testing.assert_array_equal(wanted[4], v[6] + np.float32(0))
    assert not check(q, k[:0], v[:0]).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [Options(), Options(causal=True), Options(soft_cap=3.0)])
def test_numbers_that_are_not_finite(value: float, options: Options) -> None:
    rng = np.random.default_rng(2)
    odd = np.float32(value)
    for place in (0, 5, 16, 32, 36):
        arrays = [draw(rng, 37, 4), draw(rng, 37, 4), draw(rng, 37, 3)]
        for array in arrays:
            kept = array[place, 1]
            array[place, 1] = odd
            check(*arrays, options=options)
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
    negative = -np.abs(rng.standard_normal((4, 4)).astype(np.float32))
    check(np.full((3, 4), np.float32(1e38)), negative * np.float32(10), draw(rng, 4, 3))
    for scale in (1e10, -1e10, 0.0, -1.0):
        large = np.full((3, 4), np.float32(1e32))
        assert check(large, negative, draw(rng, 4, 3), options=Options(scale=scale)).size


def test_nans_have_one_form() -> None:
    rng = np.random.default_rng(3)
    v = draw(rng, 20, 40)
    v.view(np.uint32)[3] = 0xFFC12345
    assert set(np.unique(bits(check(draw(rng, 14, 4), draw(rng, 20, 4), v)))) == {0x7FC00000}


def test_a_zero_has_no_sign() -> None:
    k = np.zeros((8, 4), dtype=np.float32)
    v = np.full((8, 4), np.float32(-0.0))
    k[0], v[0] = -1, np.float32(-1e-45)  # its product with a small weight rounds to -0
    assert not bits(check(np.ones((8, 4), np.float32), k, v)).any()


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
    _core.attention(q, k, v, mask, out, scale=0.4, causal=True, isa=isa)
    for at in np.ndindex(batch, heads):
        kv = (at[0], at[1] * kv_heads // heads)
        wanted = oracle.attend(q[at], k[kv], v[kv], mask[at], options)
        np.testing.assert_array_equal(bits(out[at]), bits(wanted), str(at))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    rng = np.random.default_rng(5)
    q, k, v = draw(rng, 1, 4, 300, 16), draw(rng, 1, 2, 300, 16), draw(rng, 1, 2, 300, 16)
    outs = [np.empty_like(q) for _ in range(2)]
    _core.attention(q, k, v, None, outs[0], scale=0.25, threads=1)
    _core.attention(q, k, v, None, outs[1], scale=0.25, threads=threads)
    np.testing.assert_array_equal(bits(outs[0]), bits(outs[1]))


def test_no_batch_and_no_query() -> None:
    for batch, n in ((0, 3), (2, 0)):
        q, k = np.zeros((batch, 2, n, 4), np.float32), np.zeros((batch, 2, 5, 4), np.float32)
        for isa in ISAS:
            assert attend(isa, q, k, k, None, Options()).shape == (batch, 2, n, 4)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
def test_matmul(transpose_a: bool, transpose_b: bool) -> None:
    rng = np.random.default_rng(6)
    shapes = [(size, 17, 9) for size in EDGES] + [(5, size, 9) for size in EDGES]
    shapes += [(5, 9, size) for size in EDGES] + [(130, 600, 70), (1, 1, 1), (3, 0, 4), (0, 2, 3)]
    for n, k, m in shapes:
        a, b = draw(rng, n, k), draw(rng, k, m)
        if n > 2 and k > 2:
            a.view(np.uint32)[1, 2] = 0xFF800001
        with np.errstate(all="ignore"):
            wanted = oracle.matmul(a, b)
        left = np.ascontiguousarray(a.T) if transpose_a else a
        right = np.ascontiguousarray(b.T) if transpose_b else b
        for isa in ISAS:
            got = _core.matmul(
                left, right, transpose_a=transpose_a, transpose_b=transpose_b, isa=isa
            )
            np.testing.assert_array_equal(bits(got), bits(wanted), str((isa, n, k, m)))


@pytest.mark.parametrize("isa", ISAS)
def test_matmul_of_stacks(isa: str) -> None:
    rng = np.random.default_rng(7)
    for lead_a, lead_b in (((2, 3), (2, 3)), ((2, 1), (1, 3)), ((1, 3), (2, 3)), ((0, 3), (1, 3))):
        a, b = draw(rng, *lead_a, 5, 4), draw(rng, *lead_b, 4, 6)
        wanted = oracle.matmul(a, b)
        np.testing.assert_array_equal(bits(_core.matmul(a, b, isa=isa)), bits(wanted))
    a, b = draw(rng, 300, 40), draw(rng, 40, 500)
    one = _core.matmul(a, b, threads=1, isa=isa)
    np.testing.assert_array_equal(one, _core.matmul(a, b, threads=3, isa=isa))
