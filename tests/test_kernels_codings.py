"""Activations in uint8 or given as codes, and answers as codes: all rows give the same bits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cordwood
import oracle_products as oracle
from cordwood import _core
from drawn_products import Case, Weights, draw_rows, draw_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.int8] | NDArray[np.uint8]

ISAS = cordwood.available_isas()
TYPES: tuple[Literal["int8", "uint8"], ...] = ("int8", "uint8")
LEAST = {"int8": -128, "uint8": 0}
DYNAMIC = _core.Coding("uint8", 0.0, 0)
"""Scales and zero points of the rows' own."""


def draw_codes(rng: np.random.Generator, dtype: str, shape: tuple[int, int]) -> Bytes:
    """Draw codes of the whole range, its ends often."""
    least = LEAST[dtype]
    codes = rng.integers(least, least + 256, shape)
    ends = rng.choice([least, least + 255], shape)
    return np.where(rng.random(shape) < 0.3, ends, codes).astype(dtype)


def product(x: oracle.Codes, weights: Weights, **ending: Any) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        return oracle.multiply(
            x, weights.codes, weights.scales, weights.zero_points(), weights.group,
            piece=weights.piece(), **ending,
        )  # fmt: skip


def check(case: Case, zero: int) -> None:
    """Compare all rows with the oracle, for uint8, for codes that are given, and codes answered."""
    rng = np.random.default_rng(case.seed)
    weights, x = draw_weights(case, rng), draw_rows(case, rng)
    bias = rng.standard_normal(case.n_outputs).astype(np.float32) if case.bias else None
    shape = (case.n_rows, case.n_outputs)
    residual = rng.standard_normal(shape).astype(np.float32) if case.residual else None
    group, scale = case.group if case.x_groups else None, case.static_scale
    ending = {"bias": bias, "residual": residual, "cut": case.cut}
    with np.errstate(all="ignore"):
        coded = oracle.quantize_rows_unsigned(x, group, scale, zero if scale else 0)
    wanted = product(coded, weights, **ending)
    answer_scale = float(np.float32(np.median(np.abs(wanted)) / 50 + 1e-6))
    cut = None if case.cut is None else _core.Cut(*case.cut)
    matrix = weights.matrix()
    given = {dtype: draw_codes(rng, dtype, x.shape) for dtype in TYPES}
    for isa in ISAS:
        how = {"scale_group": group or 0, "isa": isa, "x_coding": DYNAMIC}
        if scale:
            how["x_coding"] = _core.Coding("uint8", scale, zero)
        y = matrix.matmul(x, bias, residual, cut, **how)
        np.testing.assert_array_equal(y, wanted, err_msg=str((isa, case)))
        for dtype in TYPES:
            own = zero + LEAST[dtype]
            y = matrix.matmul(
                x, bias, residual, cut, coding=_core.Coding(dtype, answer_scale, own), **how
            )
            assert y.dtype == dtype
            with np.errstate(all="ignore"):
                want = oracle.requantize(wanted, dtype, answer_scale, own)
            np.testing.assert_array_equal(y, want, err_msg=str((isa, dtype, case)))
            coding = _core.Coding(dtype, 0.03, own)
            y = matrix.matmul(given[dtype], bias, residual, cut, x_coding=coding, isa=isa)
            codes = product(oracle.given_codes(given[dtype], 0.03, own), weights, **ending)
            np.testing.assert_array_equal(y, codes, err_msg=str((isa, dtype, case)))


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("group", [None, 32, 96])
@pytest.mark.parametrize("symmetric", [True, False])
def test_each_width_and_group(bits: int, group: int | None, symmetric: bool) -> None:
    for n_outputs, n_inputs in ((1, 1), (33, 100), (64, 512), (70, 33)):
        for n_rows in (1, 2, 3, 4, 7):
            check(Case(bits, group, n_outputs, n_inputs, n_rows, symmetric, seed=n_rows), 7)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("n_rows", range(1, 31))
def test_each_number_of_rows(bits: int, n_rows: int) -> None:
    symmetric = n_rows % 2 == 0
    check(Case(bits, 64, 40, 200, n_rows, symmetric=symmetric, bias=True, x_groups=True), 0)
    check(Case(bits, None, 40, 70, n_rows, symmetric=not symmetric, static_scale=0.02), 255)


@given(
    st.builds(
        Case,
        bits=st.sampled_from([8, 4, 3, 2]),
        group=st.sampled_from([None, 32, 64, 160, 1024]),
        n_outputs=st.integers(1, 100),
        n_inputs=st.integers(1, 700),
        n_rows=st.integers(1, 30),
        symmetric=st.booleans(),
        bias=st.booleans(),
        residual=st.booleans(),
        cut=st.sampled_from([None, (0.0, np.inf), (-0.5, 0.75)]),
        x_groups=st.booleans(),
        static_scale=st.sampled_from([None, None, 0.01, 3.0, 2.0**-100, 1e30]),
        seed=st.integers(0, 99),
    ),
    st.integers(0, 255),
)
@example(Case(4, 64, bias=True, residual=True, cut=(0.0, np.inf), x_groups=True), 128)
@example(Case(8, 32, symmetric=False, bias=True, x_groups=True, static_scale=0.01), 0)
def test_endings_and_scales(case: Case, zero: int) -> None:
    check(case, zero)


@pytest.mark.parametrize("n_inputs", [32768, 65536, 65536 + 32, 140_000])
@pytest.mark.parametrize("bits", [8, 4])
def test_integers_are_exact_at_the_extremes(n_inputs: int, bits: int) -> None:
    rng = np.random.default_rng(0)
    top = (1 << bits) - 1
    codes = np.zeros((5, n_inputs), dtype=np.uint8)
    codes[1] = codes[2] = top
    codes[3] = rng.integers(0, 2, n_inputs) * top
    codes[4] = rng.integers(0, top + 1, n_inputs)
    x = np.zeros((5, n_inputs), dtype=np.uint8)
    x[1:3] = 255
    x[3] = rng.integers(0, 2, n_inputs) * 255
    x[4] = rng.integers(0, 256, n_inputs)
    scales = np.full((5, 1), 0.5, dtype=np.float32)
    ends = np.array([[top], [0], [top], [0], [3]], dtype=np.uint8)
    for zeros, zero in itertools.product((None, ends, top - ends), (0, 255, 128)):
        weights = Weights(codes, scales, zeros, bits, None)
        wanted = product(oracle.given_codes(x, 0.5, zero), weights)
        matrix = weights.matrix()
        for isa in ISAS:
            for dtype in TYPES:
                own = x if dtype == "uint8" else (x ^ 128).view(np.int8)
                how = {"isa": isa, "x_coding": _core.Coding(dtype, 0.5, zero + LEAST[dtype])}
                for rows in (slice(0, 5), slice(0, 1), slice(1, 2), slice(3, 5)):
                    y = matrix.matmul(np.ascontiguousarray(own[rows]), **how)
                    np.testing.assert_array_equal(y, wanted[rows], err_msg=str((isa, dtype)))


@pytest.mark.parametrize("isa", ISAS)
def test_scales_and_zero_points_of_hard_rows(isa: str) -> None:
    largest = np.finfo(np.float32).max
    rows = [
        [0, 0, 0], [-0.0, 0, 0], [1, 2, 3], [-1, -2, -3], [largest, -largest, 0],
        [largest, largest, 1], [-largest, 0, 0], [2.0**-100, 0, 0], [2.0**-101, 0, 0],
        [2.0**-100, -(2.0**-149), 0], [1e-45, -1e-45, 0], [1, -1e-30, 0], [0.5, 1.5, 254.0],
        [-127.5, 127.5, 0.5], [-1, 254, 0.5], [-254.49, 0.51, 0.0], [-1e-3, 1, 0.1],
    ]  # fmt: skip
    x = np.array(rows, dtype=np.float32)
    weights = Weights(np.eye(3, dtype=np.uint8), np.ones((3, 1), np.float32), None, 8, None)
    weights = Weights(weights.codes + np.uint8(128), weights.scales, None, 8, None)
    with np.errstate(all="ignore"):
        coded = oracle.quantize_rows_unsigned(x)
    wanted = product(coded, weights)
    np.testing.assert_array_equal(weights.matrix().matmul(x, x_coding=DYNAMIC, isa=isa), wanted)
    near = coded.scales[:, :1].astype(np.float64) * (0.5 + 1e-5) + 2.0**-100
    close = np.abs(wanted.astype(np.float64) - x) <= near
    assert (close | np.isinf(wanted)).all()  # next to the largest float32 a code may stand for more


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("dtype", TYPES)
def test_answers_round_half_to_even_and_saturate(isa: str, dtype: str) -> None:
    largest = np.finfo(np.float32).max
    wanted = np.array([-np.inf, -largest, -129, -128.5, -128, -2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5,
                       126.5, 127, 127.5, 128, 255, 255.5, 256, largest, np.inf])  # fmt: skip
    bias = np.concatenate([np.tile(wanted, 5), [np.inf]]).astype(np.float32)
    matrix = _core.QuantizedMatrix(np.zeros((len(bias), 1), np.float32), kind="float32")
    residual = np.zeros((3, len(bias)), dtype=np.float32)
    residual[:, -1] = -np.inf
    x = np.ones((3, 1), dtype=np.float32)
    for scale, zero in itertools.product((1.0, 0.5, 2.0**-100, largest), (0, 1, 128, 254, 255)):
        coding = _core.Coding(dtype, scale, zero + LEAST[dtype])
        y = matrix.matmul(x, bias, residual, coding=coding, isa=isa)
        with np.errstate(all="ignore"):
            want = oracle.requantize(bias + residual, dtype, scale, zero + LEAST[dtype])
        np.testing.assert_array_equal(y, want)
        assert (y[:, -1] == LEAST[dtype]).all()


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_of_answers_change_no_code(isa: str, threads: int) -> None:
    rng = np.random.default_rng(3)
    weights = draw_weights(Case(8, None, 1300, 40), rng)
    matrix = weights.matrix()
    for n_rows in (1, 3, 128, 150) if isa != "scalar" else (1, 150):
        x = rng.standard_normal((n_rows, 40)).astype(np.float32)
        wanted = oracle.requantize(matrix.matmul(x, isa=isa), "uint8", 0.05, 100)
        out = np.empty(wanted.shape, dtype=np.uint8)
        coding = _core.Coding("uint8", 0.05, 100)
        y = matrix.matmul(x, out=out, coding=coding, threads=threads, isa=isa)
        assert y is out
        np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_row(isa: str, bad: float) -> None:
    matrix = draw_weights(Case(group=32), np.random.default_rng(0)).matrix()
    for column in (0, 31, 50, 99):
        x = np.ones((40, 100), dtype=np.float32)
        x[[3, 20], column] = bad
        for coding in (DYNAMIC, _core.Coding("uint8", 0.1, 3)):
            with pytest.raises(ValueError, match="row 3 holds NaN or an infinity"):
                matrix.matmul(x, x_coding=coding, isa=isa)


def test_what_kernels_cannot_take_is_refused() -> None:
    matrix = draw_weights(Case(), np.random.default_rng(0)).matrix()
    dense = _core.QuantizedMatrix(np.zeros((2, 100), np.float32), kind="float32")
    x = np.zeros((2, 100), dtype=np.int8)
    with pytest.raises(ValueError, match="codes of another type"):
        matrix.matmul(x, x_coding=_core.Coding("uint8", 1.0, 0))
    with pytest.raises(ValueError, match="takes float32"):
        dense.matmul(x, x_coding=_core.Coding("int8", 1.0, 0))
    with pytest.raises(ValueError, match="out"):
        matrix.matmul(x, out=np.zeros((2, 33), np.int8))
    with pytest.raises(ValueError, match="out"):
        matrix.matmul(x, out=np.zeros((33, 2), np.float32).T)
    for dtype, scale, zero in (("int8", 1.0, 128), ("uint8", 1.0, -1), ("uint8", -1.0, 0),
                               ("int4", 1.0, 0), ("int8", np.nan, 0)):  # fmt: skip
        with pytest.raises(ValueError, match="codes"):
            _core.Coding(dtype, scale, zero)
