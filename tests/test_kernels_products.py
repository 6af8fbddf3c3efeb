"""Products with quantised, half and float32 weights: every row gives the oracle's bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cordwood
import oracle_products as oracle
from cordwood import _core
from drawn_products import Case, Weights, draw_numbers, draw_rows, draw_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ISAS = cordwood.available_isas()
KINDS: tuple[Literal["bfloat16", "float16", "float32"], ...] = ("bfloat16", "float16", "float32")


def assert_same(got: Floats, wanted: Floats, *where: object) -> None:
    """Check for the same bits, whatever those of a NaN are."""
    np.testing.assert_array_equal(got, wanted, err_msg=str(where))
    zero = wanted == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(wanted[zero]), str(where))


def check_codes(case: Case) -> None:
    """Compare all rows with the oracle, for int8 activations and for float32 ones."""
    rng = np.random.default_rng(case.seed)
    weights = draw_weights(case, rng)
    x = draw_rows(case, rng)
    bias = rng.standard_normal(case.n_outputs).astype(np.float32) if case.bias else None
    shape = (case.n_rows, case.n_outputs)
    residual = rng.standard_normal(shape).astype(np.float32) if case.residual else None
    x_group = case.group if case.x_groups else None
    with np.errstate(all="ignore"):
        wanted = oracle.multiply(
            oracle.quantize_rows(x, x_group, case.static_scale), weights.codes, weights.scales,
            weights.zero_points(), case.group, bias=bias, residual=residual, cut=case.cut,
        )  # fmt: skip
        floats = oracle.multiply_floats(
            x, weights.numbers(), bias=bias, residual=residual, cut=case.cut
        )
    matrix = weights.matrix()
    cut = None if case.cut is None else _core.Cut(*case.cut)
    for isa in ISAS:
        got = matrix.matmul(x, bias, residual, cut, scale_group=x_group or 0,
                            static_scale=case.static_scale or 0.0, isa=isa)  # fmt: skip
        assert_same(got, wanted, isa, case)
        assert_same(matrix.matmul(x, bias, residual, cut, float_rows=True, isa=isa), floats, isa)


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("group", [None, 32, 64, 96, 256])
@pytest.mark.parametrize("symmetric", [True, False])
def test_each_width_and_group(bits: int, group: int | None, symmetric: bool) -> None:
    for n_outputs, n_inputs in ((1, 1), (33, 100), (64, 512), (5, 1000), (70, 33)):
        for n_rows in (1, 2, 3, 4, 7, 13):
            check_codes(Case(bits, group, n_outputs, n_inputs, n_rows, symmetric, seed=n_rows))


@pytest.mark.parametrize("bits", [8, 4, 3])
@pytest.mark.parametrize("n_rows", range(1, 31))
def test_each_number_of_rows(bits: int, n_rows: int) -> None:
    check_codes(Case(bits, 64, 40, 200, n_rows, symmetric=n_rows % 2 == 0, bias=True))
    check_codes(Case(bits, None, 40, 70, n_rows, symmetric=n_rows % 2 == 1))


@given(
    st.builds(
        Case,
        bits=st.sampled_from([8, 4, 3, 2]),
        group=st.sampled_from([None, 32, 64, 96, 160, 256, 1024]),
        n_outputs=st.integers(1, 100),
        n_inputs=st.integers(1, 700),
        n_rows=st.integers(1, 30),
        symmetric=st.booleans(),
        bias=st.booleans(),
        residual=st.booleans(),
        cut=st.sampled_from([None, (0.0, np.inf), (-0.5, 0.75), (-0.0, 6.0)]),
        x_groups=st.booleans(),
        static_scale=st.sampled_from([None, None, 0.01, 3.0]),
        seed=st.integers(0, 99),
    )
)
@example(Case(4, 64, bias=True, residual=True, cut=(0.0, np.inf), x_groups=True))
@example(Case(8, 32, symmetric=False, bias=True, x_groups=True))
@example(Case(8, None, static_scale=0.01, residual=True))
def test_endings_and_activation_scales(case: Case) -> None:
    check_codes(case)


@pytest.mark.parametrize("n_inputs", [65536, 65536 + 32, 200_000])
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_are_exact_at_the_extremes(n_inputs: int, sign: int) -> None:
    rng = np.random.default_rng(0)
    x = np.full((7, n_inputs), sign, dtype=np.float32)
    x[2:4] *= rng.choice([-1, 1], (2, n_inputs))
    x[4:] = rng.standard_normal((3, n_inputs))
    for bits in (8, 4):
        top = (1 << bits) - 1
        codes = np.zeros((6, n_inputs), dtype=np.uint8)
        codes[1:4] = top
        codes[4] = rng.integers(0, 2, n_inputs) * top
        codes[5] = rng.integers(0, top + 1, n_inputs)
        scales = np.full((6, 1), 0.5, dtype=np.float32)
        for zeros in (None, np.array([[top], [0], [top // 2], [top], [0], [3]], dtype=np.uint8)):
            weights = Weights(codes, scales, zeros, bits, None)
            wanted = oracle.multiply(
                oracle.quantize_rows(x), codes, scales, weights.zero_points(), None,
                piece=weights.piece(),
            )  # fmt: skip
            matrix = weights.matrix()
            for isa in ISAS:
                assert_same(matrix.matmul(x, isa=isa), wanted, isa, bits)
                assert_same(matrix.matmul(x[:1], isa=isa), wanted[:1], isa, bits)


@pytest.mark.parametrize("bits", [8, 4])
def test_long_groups_are_exact_at_the_extremes(bits: int) -> None:
    top = (1 << bits) - 1
    codes = np.repeat(np.array([[0], [top]], dtype=np.uint8), 4096, axis=1)
    zeros = np.array([[top, 0], [0, top]], dtype=np.uint8)
    weights = Weights(codes, np.ones((2, 2), dtype=np.float32), zeros, bits, 2048)
    x = np.array([[1.0], [-1.0]], dtype=np.float32).repeat(4096, axis=1)
    wanted = oracle.multiply(oracle.quantize_rows(x), codes, weights.scales, zeros, 2048)
    for isa in ISAS:
        assert_same(weights.matrix().matmul(x, isa=isa), wanted, isa)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 6, 7, 12, 13, 30])
def test_weights_of_16_and_32_bits(kind: Literal["float16"], n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    for n_outputs, n_inputs in ((1, 1), (33, 100), (64, 130), (7, 1030)):
        stored, wide = draw_numbers(kind, (n_outputs, n_inputs), n_inputs)
        x = draw_rows(Case(n_inputs=n_inputs, n_rows=n_rows), rng)
        bias = rng.standard_normal(n_outputs).astype(np.float32) if n_rows % 2 else None
        residual = rng.standard_normal((n_rows, n_outputs)).astype(np.float32)
        with np.errstate(all="ignore"):
            wanted = oracle.multiply_floats(x, wide, bias=bias, residual=residual)
        matrix = _core.QuantizedMatrix(stored, kind=kind)
        for isa in ISAS:
            assert_same(matrix.matmul(x, bias, residual, isa=isa), wanted, isa, n_outputs)


def check_bfloat16(x: Floats, stored: NDArray[np.uint16], rng: np.random.Generator) -> None:
    """Compare all rows with the oracle of bfloat16 on both sides."""
    bias = rng.standard_normal(len(stored)).astype(np.float32) if len(x) % 2 else None
    residual = rng.standard_normal((len(x), len(stored))).astype(np.float32)
    cut = (-0.5, 2.0) if len(x) % 3 == 0 else None
    wide = (stored.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(all="ignore"):
        wanted = oracle.multiply_bfloat16(x, wide, bias=bias, residual=residual, cut=cut)
    matrix = _core.QuantizedMatrix(stored, kind="bfloat16")
    for isa in ISAS:
        got = matrix.matmul(
            x, bias, residual, None if cut is None else _core.Cut(*cut), bf16_rows=True, isa=isa
        )
        assert_same(got, wanted, isa, stored.shape, len(x))


@pytest.mark.parametrize("n_rows", [1, 2, 3, 6, 11, 12, 13, 25, 30, 130])
def test_bfloat16_on_both_sides(n_rows: int) -> None:
    rng = np.random.default_rng(n_rows)
    for n_outputs, n_inputs in ((1, 1), (33, 100), (64, 31), (7, 1031)):
        stored = draw_numbers("bfloat16", (n_outputs, n_inputs), n_inputs)[0]
        check_bfloat16(draw_rows(Case(n_inputs=n_inputs, n_rows=n_rows), rng), stored, rng)
        plain = (rng.standard_normal(stored.shape).astype(np.float32).view(np.uint32) >> 16).astype(
            np.uint16
        )
        check_bfloat16(rng.standard_normal((n_rows, n_inputs)).astype(np.float32), plain, rng)


def test_bfloat16_flushes_as_the_instruction_does() -> None:
    """Operands and sums on both sides of 2**-126, where rounding decides what is subnormal."""
    rng = np.random.default_rng(0)
    matrix_bits = rng.integers(0, 1 << 16, (96, 48)).astype(np.uint16)
    exponents = rng.integers(40, 72, matrix_bits.shape).astype(np.uint16)
    stored = (matrix_bits & 0x807F) | (exponents << 7).astype(np.uint16)
    bits = rng.integers(0, 1 << 32, (60, 48)).astype(np.uint32)
    exponents = rng.integers(40, 90, bits.shape).astype(np.uint32)
    x = ((bits & 0x807FFFFF) | exponents << 23).view(np.float32)
    x[::7] = (bits[::7] & 0x80FFFFFF).view(np.float32)  # subnormal, or the least normal ones
    stored[::5] = (matrix_bits[::5] & 0x80FF) | 0
    with np.errstate(all="ignore"):
        wanted = oracle.multiply_bfloat16(x, (stored.astype(np.uint32) << 16).view(np.float32))
    kept = _core.QuantizedMatrix(stored, kind="bfloat16")
    for isa in ISAS:
        assert_same(kept.matmul(x, bf16_rows=True, isa=isa), wanted, isa)


def test_sums_of_bfloat16_just_below_the_least_normal_number() -> None:
    """2**-126 less half of the last bit rounds to it, less three quarters of it is flushed."""
    for quarters, wanted in ((2, 2.0**-126), (3, 0.0), (4, 0.0), (1, 2.0**-126)):
        x = np.float32([[-quarters * 2.0**-26, 1.0]])
        w = np.float32([[2.0**-126, 2.0**-126]])
        kept = cordwood.ops.pack_dense(w)
        matrix = _core.QuantizedMatrix(kept.numbers, kind="bfloat16")
        for isa in ISAS:
            assert matrix.matmul(x, bf16_rows=True, isa=isa)[0, 0] == wanted, (isa, quarters)


def test_bfloat16_activations_need_bfloat16_weights() -> None:
    matrix = _core.QuantizedMatrix(np.ones((2, 2), dtype=np.float16), kind="float16")
    with pytest.raises(TypeError, match="bfloat16 weights only"):
        matrix.matmul(np.ones((1, 2), dtype=np.float32), bf16_rows=True)


def test_float16_weights_are_exact_one_by_one() -> None:
    halves = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)][:, None]
    matrix = _core.QuantizedMatrix(np.ascontiguousarray(finite), kind="float16")
    for isa in ISAS:
        got = matrix.matmul(np.ones((1, 1), dtype=np.float32), isa=isa)
        np.testing.assert_array_equal(got[0], finite[:, 0].astype(np.float32))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_with_their_row(isa: str, bad: float) -> None:
    weights = draw_weights(Case(group=32), np.random.default_rng(0))
    for column in (0, 31, 50, 99):
        x = np.ones((40, 100), dtype=np.float32)
        x[[3, 20], column] = bad
        for scale in (0.0, 0.1):
            with pytest.raises(ValueError, match="row 3 holds NaN or an infinity"):
                weights.matrix().matmul(x, static_scale=scale, isa=isa)


@pytest.mark.parametrize("isa", ISAS)
def test_strides_and_threads_change_no_bit(isa: str) -> None:
    rng = np.random.default_rng(0)
    for bits, group in ((8, None), (4, 64)):
        matrix = draw_weights(Case(bits, group, 700, 512), rng).matrix()
        wide = rng.standard_normal((150, 1024)).astype(np.float32)
        one = matrix.matmul(np.ascontiguousarray(wide[:, ::2]), threads=1, isa=isa)
        for float_rows in (False, True) if isa != "scalar" else (False,):
            one = matrix.matmul(wide[:, ::2].copy(), float_rows=float_rows, threads=1, isa=isa)
            two = matrix.matmul(wide[:, ::2], float_rows=float_rows, threads=2, isa=isa)
            assert_same(one, two, isa, bits)


CUTS = [(0.0, np.inf), (0.0, 6.0), (-1.0, 0.0)]


@pytest.mark.parametrize("cut", CUTS)
def test_cuts_leave_nan_and_take_zeros_to_a_bound_of_zero(cut: tuple[float, float]) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((7, 64)).astype(np.float32)
    x[0] = 0.0
    residual = rng.standard_normal((7, 70)).astype(np.float32)
    residual[0] = -0.0
    residual[1:, ::9] = np.nan
    bias = np.full(70, -0.0, np.float32)
    ending = {"bias": bias, "residual": residual, "cut": cut}
    with np.errstate(invalid="ignore"):
        for bits in (8, 4):
            for group in (None, 32):
                weights = draw_weights(Case(bits, group, 70, 64), rng)
                coded = oracle.multiply(
                    oracle.quantize_rows(x), weights.codes, weights.scales,
                    weights.zero_points(), group, **ending,
                )  # fmt: skip
                floats = oracle.multiply_floats(x, weights.numbers(), **ending)
                assert np.isnan(coded).sum() == np.isnan(residual).sum()
                for isa in ISAS:
                    for wanted, options in ((coded, {}), (floats, {"float_rows": True})):
                        got = weights.matrix().matmul(
                            x, bias, residual, _core.Cut(*cut), isa=isa, **options
                        )
                        assert_same(got, wanted, isa, bits, group, options)


@pytest.mark.parametrize("kind", KINDS)
def test_float_rows_pass_nan_through_a_cut(kind: Literal["bfloat16", "float16", "float32"]) -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((9, 64)).astype(np.float32)
    x[3, 5] = np.nan
    packed = cordwood.ops.pack_dense(rng.standard_normal((70, 64)).astype(np.float32), kind)
    for activation in ("relu", "relu6"):
        got = cordwood.ops.qmatmul(x, packed, activation=activation)
        assert np.isnan(got[3]).all()
        assert np.isfinite(np.delete(got, 3, axis=0)).all()
    if kind == "bfloat16":
        got = cordwood.ops.qmatmul(x, packed, activation="relu", activations="bfloat16")
        assert np.isnan(got[3]).all()
