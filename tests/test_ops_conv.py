"""``cordwood.ops.conv``: the oracle's bits, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import cordwood as cw
import oracle_images as oracle
from oracle_images import Window


def draw(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_numbers_and_codes_give_the_oracles_bits() -> None:
    x, w, bias = draw((2, 6, 9, 8)), draw((10, 3, 3, 2), 1), draw((10,), 2)
    window = Window((2, 1), (1, 2), (1, 0), (1, 0), (0, 0), groups=2)
    options = {"stride": (2, 1), "dilation": (1, 2), "padding": (1, 0), "groups": 2}
    y = oracle.convolve_floats(x, w, window) + oracle.spread(bias, 4)
    residual = draw(y.shape, 3)
    wanted = oracle.finish(y, residual, (0.0, np.inf))
    got = cw.ops.conv(x, w, bias=bias, residual=residual, activation="relu", **options)
    np.testing.assert_array_equal(got, wanted)
    q = cw.ops.quantize(w.reshape(10, -1), bits=8)
    codes, scales = oracle.encode_images(x)
    whole = q.payload.astype(np.int64).reshape(w.shape) - 128
    sums = oracle.convolve_codes(codes, whole, window, 0)
    wanted = oracle.finish_codes(sums, q.scales.reshape(-1), scales, None)
    for _ in range(2):  # the second time as it was laid out
        got = cw.ops.conv(x, q, kernel=(3, 2), **options)
        np.testing.assert_array_equal(got, wanted)


def test_one_and_three_space_axes() -> None:
    x, w = draw((1, 2, 9)), draw((3, 2, 4), 1)
    window = Window((3,), (1,), (2,), (2,), (0,))
    wanted = oracle.convolve_floats(x, w, window)
    np.testing.assert_array_equal(cw.ops.conv(x, w, stride=3, padding=2), wanted)
    x, w = draw((1, 2, 3, 4, 5)), draw((3, 2, 2, 2, 2), 1)
    window = Window((1,) * 3, (1,) * 3, (0,) * 3, (0,) * 3, (0,) * 3)
    np.testing.assert_array_equal(cw.ops.conv(x, w), oracle.convolve_floats(x, w, window))


def test_what_does_not_fit_is_refused() -> None:
    x, w = draw((1, 2, 5, 5)), draw((3, 2, 3, 3))
    q = cw.ops.quantize(w.reshape(3, -1), bits=8)
    for options, words in (
        ({"stride": (1, 2, 3)}, "stride is"),
        ({"stride": 0}, "stride is 0"),
        ({"padding": -1}, "padding is -1"),
        ({"activation": "gelu"}, "activation is 'gelu'"),
        ({"groups": 3}, "of which 6 channels"),
        ({"residual": np.zeros((1, 3, 5, 5))}, "residual"),
        ({"bias": np.zeros(4)}, "bias"),
    ):
        with pytest.raises(cw.errors.InputError, match=words):
            cw.ops.conv(x, w, **options)
    with pytest.raises(cw.errors.InputError, match="3 to 5 of them"):
        cw.ops.conv(x[0, 0], w)
    with pytest.raises(cw.errors.InputError, match="2 space axes"):
        cw.ops.conv(x, w[0])
    with pytest.raises(cw.errors.InputError, match="the kernel is None"):
        cw.ops.conv(x, q)
    with pytest.raises(cw.errors.InputError, match="have 4 bits"):
        cw.ops.conv(x, cw.ops.quantize(w.reshape(3, -1), bits=4), kernel=(3, 3))
    with pytest.raises(cw.errors.InputError, match="image 0 holds NaN"):
        cw.ops.conv(np.full_like(x, np.nan), q, kernel=(3, 3))
