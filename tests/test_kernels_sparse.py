"""Kernels of sparse products: every instruction set gives the numbers of the NumPy oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_products as oracle
from cordwood import _core

if TYPE_CHECKING:
    from numpy.typing import NDArray

KINDS = ("pairs", "blocks", "slots")
ISAS = cw.available_isas()


def draw_weights(
    rng: np.random.Generator, kind: str, n_outputs: int, n_inputs: int, keep: float = 0.1
) -> NDArray[np.int8]:
    """Codes of a mask that `kind` is made for, extremes among them."""
    codes = rng.choice([-128, -127, -1, 1, 126, 127], (n_outputs, n_inputs)).astype(np.int8)
    if kind == "pairs":
        scores = np.pad(rng.random((n_outputs, n_inputs)), ((0, 0), (0, -n_inputs % 4)))
        order = scores.reshape(n_outputs, -1, 4).argsort(axis=2).argsort(axis=2)
        mask = (order >= 2).reshape(n_outputs, -1)[:, :n_inputs]
    elif kind == "blocks":
        blocks = rng.random((-(-n_outputs // 16), n_inputs)) < keep
        mask = np.repeat(blocks, 16, axis=0)[:n_outputs]
    else:
        mask = rng.random(codes.shape) < keep
    return np.where(mask, codes, np.int8(0)).astype(np.int8)


def expected(
    x: NDArray[np.float32] | oracle.Codes,
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    **ending: Any,
) -> NDArray[np.float32]:
    unsigned = (codes.astype(np.int16) + 128).astype(np.uint8)
    zeros = np.full((len(codes), 1), 128, dtype=np.uint8)
    scale = ending.pop("scale", None)
    return oracle.multiply(
        x if isinstance(x, oracle.Codes) else oracle.quantize_rows(x, None, scale),
        unsigned,
        scales[:, None],
        zeros,
        None,
        **ending,
    )


def check(
    rng: np.random.Generator, isa: str, kind: str, codes: NDArray[np.int8], rows: tuple[int, ...]
) -> None:
    n_outputs, n_inputs = codes.shape
    scales = rng.random(n_outputs, dtype=np.float32)
    matrix = _core.SparseMatrix(codes, scales, kind=kind)
    for n_rows in rows:
        x = rng.standard_normal((n_rows, n_inputs), dtype=np.float32)
        bias = rng.standard_normal(n_outputs, dtype=np.float32)
        residual = rng.standard_normal((n_rows, n_outputs), dtype=np.float32)
        np.testing.assert_array_equal(matrix.matmul(x, isa=isa), expected(x, codes, scales))
        y = matrix.matmul(x, bias, residual, _core.Cut(-1.0, 1.5), static_scale=0.02, isa=isa)
        want = expected(x, codes, scales, bias=bias, residual=residual, cut=(-1.0, 1.5), scale=0.02)
        np.testing.assert_array_equal(y, want)
        check_codings(matrix, isa, codes, scales, x)


def check_codings(
    matrix: Any,
    isa: str,
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    x: NDArray[np.float32],
) -> None:
    """Check uint8 with scales of its own and a given one, codes that are given, and answers."""
    y = matrix.matmul(x, x_coding=_core.Coding("uint8", 0.0, 0), isa=isa)
    want = expected(oracle.quantize_rows_unsigned(x), codes, scales)
    np.testing.assert_array_equal(y, want)
    answer = _core.Coding("int8", 0.5, -3)
    coding = _core.Coding("uint8", 0.02, 250)
    y = matrix.matmul(x, x_coding=coding, coding=answer, isa=isa)
    want = expected(oracle.quantize_rows_unsigned(x, None, 0.02, 250), codes, scales)
    np.testing.assert_array_equal(y, oracle.requantize(want, "int8", 0.5, -3))
    given = np.clip(np.rint(x * 60), -128, 127).astype(np.int8)
    y = matrix.matmul(given, x_coding=_core.Coding("int8", 0.1, 5), isa=isa)
    np.testing.assert_array_equal(y, expected(oracle.given_codes(given, 0.1, 5), codes, scales))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("n_outputs", "n_inputs"),
    [(1, 1), (15, 3), (16, 4), (17, 7), (31, 8), (32, 16), (33, 31), (70, 200), (48, 129)],
)
def test_odd_sizes(isa: str, kind: str, n_outputs: int, n_inputs: int) -> None:
    rng = np.random.default_rng(n_outputs * 1000 + n_inputs)
    codes = draw_weights(rng, kind, n_outputs, n_inputs, keep=0.3)
    check(rng, isa, kind, codes, (1, 2, 3, 8, 9, 16, 17))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_of_rows(isa: str, kind: str) -> None:
    rng = np.random.default_rng(7)
    check(rng, isa, kind, draw_weights(rng, kind, 40, 100), tuple(range(34)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", ["blocks", "slots"])
@pytest.mark.parametrize("keep", [0.01, 0.5, 1.0])
def test_any_mask_fits_blocks_and_slots(isa: str, kind: str, keep: float) -> None:
    rng = np.random.default_rng(11)
    check(rng, isa, kind, draw_weights(rng, "slots", 50, 260, keep), (1, 5, 20))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_pruned_outputs_and_empty_matrices(isa: str, kind: str) -> None:
    rng = np.random.default_rng(3)
    codes = draw_weights(rng, kind, 80, 130)
    codes[5] = codes[16:48] = 0
    codes[:, 64:] = 0
    check(rng, isa, kind, codes, (1, 4, 12))
    check(rng, isa, kind, np.zeros_like(codes), (1, 4, 12))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums(isa: str, kind: str, sign: int) -> None:
    n_inputs = 65536
    keep = np.arange(n_inputs) % 4 < 2 if kind == "pairs" else np.ones(n_inputs, dtype=bool)
    codes = np.tile(np.where(keep, -128, 0).astype(np.int8), (3, 1))
    codes[1] = np.where(keep, 127, 0)
    x = np.full((9, n_inputs), sign, dtype=np.float32)
    scales = np.ones(3, dtype=np.float32)
    matrix = _core.SparseMatrix(codes, scales, kind=kind)
    for rows in (x, x[:1]):
        np.testing.assert_array_equal(matrix.matmul(rows, isa=isa), expected(rows, codes, scales))
    for code, zero in ((0, 255), (255, 0), (0, 0), (255, 255)):
        given = np.full((9, n_inputs), code, dtype=np.uint8)
        coding = _core.Coding("uint8", 1.0, zero)
        for rows in (given, given[:1]):
            want = expected(oracle.given_codes(rows, 1.0, zero), codes, scales)
            y = matrix.matmul(rows, x_coding=coding, isa=isa)
            np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_batches_change_no_bit(isa: str, kind: str) -> None:
    rng = np.random.default_rng(19)
    plain = isa not in ("avx512icl", "avx512bf16")  # slow, so that it takes fewer rows
    codes = draw_weights(rng, kind, 300, 512)
    matrix = _core.SparseMatrix(codes, rng.random(300, dtype=np.float32), kind=kind)
    x = rng.standard_normal((150 if plain else 1300, 512), dtype=np.float32)
    one = matrix.matmul(x, threads=1, isa=isa)
    np.testing.assert_array_equal(matrix.matmul(x, threads=2, isa=isa), one)
    for part in (slice(0, 1), slice(7, 15), slice(100, 117)):
        np.testing.assert_array_equal(matrix.matmul(x[part], isa=isa), one[part])
    x[-3, 5] = np.inf
    with pytest.raises(cw.InputError, match=f"row {len(x) - 3} holds NaN or an infinity"):
        matrix.matmul(x, threads=2, isa=isa)


def test_sizes_are_judged() -> None:
    codes, scales = np.ones((2, 8), np.int8), np.ones(2, np.float32)
    with pytest.raises(cw.InputError, match="more than two of the four inputs from 0 on"):
        _core.SparseMatrix(codes, scales, kind="pairs")
    with pytest.raises(cw.InputError, match="16 codes and 1 scales"):
        _core.SparseMatrix(codes, scales[:1], kind="slots")
    with pytest.raises(cw.InputError, match="0 inputs"):
        _core.SparseMatrix(codes[:, :0], scales, kind="blocks")
    with pytest.raises(cw.InputError, match="65537 inputs"):
        _core.SparseMatrix(np.ones((1, 65537), np.int8), scales[:1], kind="blocks")


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [(0.0, np.inf), (0.0, 6.0), (-1.0, 0.0)])
def test_cuts_leave_nan_and_take_zeros_to_a_bound_of_zero(
    isa: str, kind: str, cut: tuple[float, float]
) -> None:
    rng = np.random.default_rng(8)
    codes = draw_weights(rng, kind, 70, 64, keep=0.3)
    scales = rng.random(70, dtype=np.float32)
    x = rng.standard_normal((7, 64), dtype=np.float32)
    x[0] = 0.0
    residual = rng.standard_normal((7, 70), dtype=np.float32)
    residual[0] = -0.0
    residual[1:, ::9] = np.nan
    bias = np.full(70, -0.0, np.float32)
    got = _core.SparseMatrix(codes, scales, kind=kind).matmul(
        x, bias, residual, _core.Cut(*cut), isa=isa
    )
    with np.errstate(invalid="ignore"):
        want = expected(x, codes, scales, bias=bias, residual=residual, cut=cut)
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(residual))
    np.testing.assert_array_equal(np.signbit(got[0]), np.signbit(want[0]))
