"""Products as people call them: shapes, types, options, and what is refused."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_products as oracle

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_OUTPUTS = 70
N_INPUTS = 200


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def draw_codes(
    rng: np.random.Generator, bits: Any = 8, group_size: int | None = None, axis: int = 0
) -> cw.ops.QuantizedTensor:
    n_groups = 1 if group_size is None else -(-N_INPUTS // group_size)
    return cw.ops.QuantizedTensor.from_codes(
        rng.integers(0, 1 << bits, (N_OUTPUTS, N_INPUTS), dtype=np.uint8),
        rng.random((N_OUTPUTS, n_groups), dtype=np.float32),
        bits=bits,
        group_size=group_size,
        axis=axis,
    )


def draw_rows(rng: np.random.Generator, n_rows: int = 9) -> NDArray[np.float32]:
    return rng.standard_normal((n_rows, N_INPUTS), dtype=np.float32)


def expected(
    x: NDArray[np.float32],
    weights: cw.ops.QuantizedTensor,
    *,
    group: int | None = None,
    scale: float | None = None,
    **ending: Any,
) -> NDArray[np.float32]:
    zeros = np.full(weights.scales.shape, 1 << (weights.bits - 1), dtype=np.uint8)
    return oracle.multiply(
        oracle.quantize_rows(x, group, scale),
        weights.codes,
        weights.scales,
        zeros if weights.zero_points is None else weights.zero_points,
        weights.group_size,
        **ending,
    )


@pytest.mark.parametrize(("bits", "group_size"), [(8, None), (4, 64), (3, 32), (2, 128), (4, None)])
def test_a_product_is_what_the_definition_says(
    rng: np.random.Generator, bits: int, group_size: int | None
) -> None:
    weights = draw_codes(rng, bits, group_size)
    x, bias = draw_rows(rng), rng.standard_normal(N_OUTPUTS, dtype=np.float32)
    residual = rng.standard_normal((len(x), N_OUTPUTS), dtype=np.float32)
    y = cw.ops.qmatmul(x, weights, bias=bias, residual=residual, activation="relu")
    want = expected(x, weights, bias=bias, residual=residual, cut=(0.0, np.inf))
    np.testing.assert_array_equal(y, want)


def test_it_is_close_to_the_product_of_the_weights_it_stands_for(rng: np.random.Generator) -> None:
    weights = draw_codes(rng, 4, 32)
    steps = weights.codes.astype(np.float64) - 8.0
    w = steps * np.repeat(weights.scales, 32, axis=1)[:, :N_INPUTS]
    x = draw_rows(rng, 40)
    exact = x.astype(np.float64) @ w.T
    error = np.abs(cw.ops.qmatmul(x, weights) - exact).max() / np.abs(exact).max()
    kept = np.abs(cw.ops.qmatmul(x, weights, activations="float32") - exact).max()
    assert error < 0.02
    assert kept / np.abs(exact).max() < 1e-6


def test_options_of_activations(rng: np.random.Generator) -> None:
    weights, x = draw_codes(rng, 4, 64), draw_rows(rng)
    grouped = cw.ops.qmatmul(x, weights, activation_group=64)
    np.testing.assert_array_equal(grouped, expected(x, weights, group=64))
    fixed = cw.ops.qmatmul(x, weights, activation_scale=0.01)
    np.testing.assert_array_equal(fixed, expected(x, weights, scale=0.01))
    cut = cw.ops.qmatmul(x, weights, activation="relu6")
    np.testing.assert_array_equal(cut, expected(x, weights, cut=(0.0, 6.0)))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.astype(np.float64),
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=0)[::2],
        lambda x: x.tolist(),
    ],
    ids=["float64", "fortran", "strided", "list"],
)
def test_rows_may_come_in_any_form(
    rng: np.random.Generator, change: Callable[[NDArray[np.float32]], Any]
) -> None:
    weights, x = draw_codes(rng), draw_rows(rng)
    np.testing.assert_array_equal(cw.ops.qmatmul(change(x), weights), cw.ops.qmatmul(x, weights))


def test_integers_and_read_only_rows(rng: np.random.Generator) -> None:
    weights = draw_codes(rng)
    x = rng.integers(-50, 50, (4, N_INPUTS))
    floats = x.astype(np.float32)
    floats.flags.writeable = False
    np.testing.assert_array_equal(cw.ops.qmatmul(x, weights), cw.ops.qmatmul(floats, weights))


def test_leading_dimensions_stay(rng: np.random.Generator) -> None:
    weights, x = draw_codes(rng), draw_rows(rng, 12)
    flat = cw.ops.qmatmul(x, weights)
    deep = x.reshape(2, 3, 2, N_INPUTS)
    np.testing.assert_array_equal(cw.ops.qmatmul(deep, weights), flat.reshape(2, 3, 2, N_OUTPUTS))
    np.testing.assert_array_equal(cw.ops.qmatmul(x[0], weights), flat[0])
    residual = np.ones((2, 3, 2, N_OUTPUTS), dtype=np.float32)
    np.testing.assert_array_equal(
        cw.ops.qmatmul(deep, weights, residual=residual).reshape(12, -1), flat + np.float32(1)
    )
    assert cw.ops.qmatmul(x[:0], weights).shape == (0, N_OUTPUTS)


def test_out_is_written_and_returned(rng: np.random.Generator) -> None:
    weights, x = draw_codes(rng), draw_rows(rng)
    out = np.full((len(x), N_OUTPUTS), np.nan, dtype=np.float32)
    assert cw.ops.qmatmul(x, weights, out=out) is out
    np.testing.assert_array_equal(out, cw.ops.qmatmul(x, weights))


@pytest.mark.parametrize("n_rows", [1, 40, 1100])
def test_threads_change_no_bit(rng: np.random.Generator, n_rows: int) -> None:
    w = rng.standard_normal((640, 1024), dtype=np.float32)
    weights = cw.ops.QuantizedTensor.from_codes(
        rng.integers(0, 256, w.shape, dtype=np.uint8), np.ones((640, 1), np.float32), bits=8
    )
    x = rng.standard_normal((n_rows, 1024), dtype=np.float32)
    for matrix in (weights, cw.ops.pack_dense(w)):
        one = cw.ops.qmatmul(x, matrix, threads=1)
        np.testing.assert_array_equal(cw.ops.qmatmul(x, matrix, threads=2), one)
        np.testing.assert_array_equal(cw.ops.qmatmul(x[-1:], matrix), one[-1:])


def test_callers_side_by_side(rng: np.random.Generator) -> None:
    weights = draw_codes(rng, 4, 32)
    batches = [draw_rows(rng, n) for n in (1, 5, 30, 64) * 8]
    alone = [cw.ops.qmatmul(x, weights) for x in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda x: cw.ops.qmatmul(x, weights), batches))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dense_weights(rng: np.random.Generator) -> None:
    w, x = rng.standard_normal((N_OUTPUTS, N_INPUTS)), draw_rows(rng)
    exact = x.astype(np.float64) @ w.T
    for dtype, bound in (("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)):
        packed = cw.ops.pack_dense(w, dtype)
        error = np.abs(cw.ops.qmatmul(x, packed) - exact).max()
        assert error / np.abs(exact).max() < bound
        turned = cw.ops.pack_dense(w.T, dtype, axis=1)
        assert turned.shape == (N_INPUTS, N_OUTPUTS)
        np.testing.assert_array_equal(cw.ops.qmatmul(x, turned), cw.ops.qmatmul(x, packed))


def test_bfloat16_activations_keep_their_bound(rng: np.random.Generator) -> None:
    w, x = rng.standard_normal((N_OUTPUTS, N_INPUTS)), draw_rows(rng)
    bias = rng.standard_normal(N_OUTPUTS, dtype=np.float32)
    packed = cw.ops.pack_dense(w, "bfloat16")
    wide = (packed.numbers.astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    exact = x.astype(np.float64) @ wide.T
    bound = (2.0**-8 + 1.01 * N_INPUTS * 2.0**-24) * (np.abs(x) @ np.abs(wide).T)
    y = cw.ops.qmatmul(x, packed, activations="bfloat16")
    assert (np.abs(y - exact) <= bound).all()
    ended = cw.ops.qmatmul(x, packed, bias=bias, activation="relu", activations="bfloat16")
    np.testing.assert_array_equal(ended, np.maximum(y + bias, 0))
    with pytest.raises(cw.InputError, match="the weights are float32; expected weights of"):
        cw.ops.qmatmul(x, cw.ops.pack_dense(w, "float32"), activations="bfloat16")


def test_bfloat16_rounds_half_to_even() -> None:
    up, down = np.float32(1.0 + 3 * 2.0**-8), np.float32(1.0 + 2.0**-8)
    packed = cw.ops.pack_dense([[up, down]])
    y = cw.ops.qmatmul(np.eye(2), packed).ravel()
    np.testing.assert_array_equal(y, np.float32([1.0 + 2.0**-6, 1.0]))
    turned = cw.ops.qmatmul([[up, down]], cw.ops.pack_dense(np.eye(2)), activations="bfloat16")
    np.testing.assert_array_equal(turned.ravel(), y)


def test_a_tensor_survives_pickle(rng: np.random.Generator) -> None:
    weights, x = draw_codes(rng, 3, 96), draw_rows(rng)
    y = cw.ops.qmatmul(x, weights)
    again = pickle.loads(pickle.dumps(weights))
    np.testing.assert_array_equal(cw.ops.qmatmul(x, again), y)
    assert repr(again) == repr(weights)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation": "swish"}, "expected one of None, 'relu', 'relu6', 'gelu'"),
        ({"activations": "int4"}, "expected 'int8', 'uint8', 'float32' or 'bfloat16'"),
        ({"activations": "bfloat16"}, "the weights are 4-bit codes; expected weights of"),
        ({"activation_group": 64}, "group_size is 32"),
        ({"activation_scale": 0.0}, "activation_scale is 0.0"),
        ({"activation_scale": np.nan}, "activation_scale is nan"),
        ({"bias": np.ones(3)}, "bias"),
        ({"residual": np.ones((1, N_OUTPUTS))}, "residual"),
        ({"out": np.empty((9, N_OUTPUTS))}, "float32 array of shape"),
        ({"out": np.empty((N_OUTPUTS, 9), np.float32).T}, "C-ordered"),
        ({"threads": -1}, "threads"),
    ],
)
def test_options_are_refused_by_name(
    rng: np.random.Generator, options: dict[str, Any], words: str
) -> None:
    weights, x = draw_codes(rng, 4, 32), draw_rows(rng)
    with pytest.raises(cw.InputError, match=words):
        cw.ops.qmatmul(x, weights, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused_with_its_row(rng: np.random.Generator, value: float) -> None:
    weights, x = draw_codes(rng), draw_rows(rng, 1200).astype(np.float64)
    x[1101, 7] = value
    x[1150, 0] = np.nan
    with pytest.raises(cw.InputError, match="row 1101 holds NaN or an infinity"):
        cw.ops.qmatmul(x, weights)


def test_wrong_kinds_are_refused(rng: np.random.Generator) -> None:
    weights, x = draw_codes(rng), draw_rows(rng)
    with pytest.raises(cw.InputError, match="the last of 199"):
        cw.ops.qmatmul(x[:, :-1], weights)
    with pytest.raises(cw.InputError, match="no dimension"):
        cw.ops.qmatmul(1.0, weights)
    with pytest.raises(cw.InputTypeError, match="x has dtype"):
        cw.ops.qmatmul(x.astype(str), weights)
    with pytest.raises(cw.InputTypeError, match="weights is a ndarray"):
        cw.ops.qmatmul(x, x)  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="no finite float16"):
        cw.ops.pack_dense([[1e6]], "float16")
    with pytest.raises(cw.InputError, match="no finite bfloat16"):
        cw.ops.pack_dense([[np.nan]])
    with pytest.raises(cw.InputError, match="expected a matrix"):
        cw.ops.pack_dense(np.ones(3))
    with pytest.raises(cw.InputError, match="dtype is 'int8'"):
        cw.ops.pack_dense(x, "int8")  # type: ignore[arg-type]


def test_codes_are_checked() -> None:
    codes, scales = np.zeros((2, 64), np.uint8), np.ones((2, 1), np.float32)
    make = cw.ops.QuantizedTensor.from_codes
    with pytest.raises(cw.InputError, match="bits is 5"):
        make(codes, scales, bits=5)  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="group_size is 48"):
        make(codes, scales, bits=4, group_size=48)
    with pytest.raises(cw.InputError, match="reaches 200"):
        make(codes + np.uint8(200), scales, bits=4)
    with pytest.raises(cw.InputError, match="scales has dtype"):
        make(codes, scales, bits=4, group_size=32)
    with pytest.raises(cw.InputError, match="negative, infinite or NaN"):
        make(codes, -scales, bits=8)
    with pytest.raises(cw.InputError, match="zero_points has shape"):
        make(codes, scales, np.full((2, 1), 16, np.uint8), bits=4)
    with pytest.raises(cw.InputError, match="neither of them 0"):
        make(codes[:0], scales, bits=8)
