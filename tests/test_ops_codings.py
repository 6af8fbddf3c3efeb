"""Products in 8-bit codes as people call them: integers in, integers out, and what is refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_products as oracle

if TYPE_CHECKING:
    from numpy.typing import NDArray

N_OUTPUTS = 70
N_INPUTS = 200


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(6)


@pytest.fixture
def x(rng: np.random.Generator) -> NDArray[np.float32]:
    """Activations behind a relu, for which a zero point is made."""
    return np.maximum(rng.standard_normal((9, N_INPUTS), dtype=np.float32), np.float32(-0.2))


@pytest.fixture
def weights(rng: np.random.Generator) -> cw.ops.QuantizedTensor:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS), dtype=np.float32)
    return cw.ops.quantize(w, bits=4, group_size=32, symmetric=False)


@pytest.fixture
def sparse(rng: np.random.Generator) -> cw.ops.SparseTensor:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS), dtype=np.float32)
    return cw.ops.pack_sparse(w, cw.ops.prune_mask(w, "2:4"))


def expected(
    coded: oracle.Codes, weights: cw.ops.QuantizedTensor, **ending: Any
) -> NDArray[np.float32]:
    zeros = weights.zero_points
    if zeros is None:
        zeros = np.full(weights.scales.shape, 1 << (weights.bits - 1), dtype=np.uint8)
    return oracle.multiply(
        coded, weights.codes, weights.scales, zeros, weights.group_size, **ending
    )


def test_uint8_activations(x: NDArray[np.float32], weights: cw.ops.QuantizedTensor) -> None:
    y = cw.ops.qmatmul(x, weights, activations="uint8", activation="relu")
    wanted = expected(oracle.quantize_rows_unsigned(x), weights, cut=(0.0, np.inf))
    np.testing.assert_array_equal(y, wanted)
    y = cw.ops.qmatmul(x, weights, activations="uint8", activation_group=32)
    np.testing.assert_array_equal(y, expected(oracle.quantize_rows_unsigned(x, 32), weights))
    y = cw.ops.qmatmul(x, weights, activations="uint8", activation_scale=0.015, activation_zero=14)
    coded = oracle.quantize_rows_unsigned(x, None, 0.015, 14)
    np.testing.assert_array_equal(y, expected(coded, weights))


def test_a_zero_point_halves_the_error_of_what_has_one_sign(
    x: NDArray[np.float32], weights: cw.ops.QuantizedTensor
) -> None:
    exact = cw.ops.qmatmul(x, weights, activations="float32")
    signed = np.abs(cw.ops.qmatmul(x, weights) - exact).mean()
    unsigned = np.abs(cw.ops.qmatmul(x, weights, activations="uint8") - exact).mean()
    assert unsigned < 0.65 * signed


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_integers_in_integers_out(
    x: NDArray[np.float32],
    weights: cw.ops.QuantizedTensor,
    sparse: cw.ops.SparseTensor,
    dtype: Any,
) -> None:
    zero = 14 if dtype == "uint8" else -114
    codes = oracle.requantize(x, dtype, 0.015, zero)
    into = {"activations": dtype, "activation_scale": 0.015, "activation_zero": zero}
    out_of = {"output_type": dtype, "output_scale": 0.25, "output_zero": zero + 3}
    coded = oracle.given_codes(codes, 0.015, zero)
    for wanted, product in (
        (expected(coded, weights), lambda *a, **k: cw.ops.qmatmul(a[0], weights, **k)),
        (
            expected(coded, sparse.to_dense()),
            lambda *a, **k: cw.ops.sparse_matmul(a[0], sparse, **k),
        ),
    ):
        answers = oracle.requantize(wanted, dtype, 0.25, zero + 3)
        np.testing.assert_array_equal(product(codes, **into), wanted)
        y = product(codes, **into, **out_of)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, answers)
        deep = product(codes.reshape(3, 3, N_INPUTS), **into, **out_of)
        np.testing.assert_array_equal(deep, answers.reshape(3, 3, N_OUTPUTS))
        np.testing.assert_array_equal(product(codes[::2], **into), wanted[::2])
        np.testing.assert_array_equal(product(np.asfortranarray(codes), **into), wanted)
        out = np.zeros_like(answers)
        assert product(codes, **into, **out_of, out=out) is out
        np.testing.assert_array_equal(out, answers)
        assert product(codes[:0], **into, **out_of).shape == (0, N_OUTPUTS)


def test_every_sparse_format_takes_uint8(rng: np.random.Generator, x: NDArray[np.float32]) -> None:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS), dtype=np.float32)
    mask = cw.ops.prune_mask(w, "2:4")
    for layout in ("2:4", "blocks", "slots", "dense"):
        packed = cw.ops.pack_sparse(w, mask, format=layout)
        y = cw.ops.sparse_matmul(x, packed, activations="uint8")
        wanted = cw.ops.qmatmul(x, packed.to_dense(), activations="uint8")
        np.testing.assert_array_equal(y, wanted, err_msg=layout)


def test_any_product_may_answer_in_codes(
    x: NDArray[np.float32], weights: cw.ops.QuantizedTensor, rng: np.random.Generator
) -> None:
    dense = cw.ops.pack_dense(rng.standard_normal((N_OUTPUTS, N_INPUTS)))
    for matrix in (weights, dense):
        for activations, activation in itertools.product(
            ("int8", "uint8", "float32"), ("relu", "silu")
        ):
            y = cw.ops.qmatmul(x, matrix, activations=activations, activation=activation)  # type: ignore[arg-type]
            codes = cw.ops.qmatmul(
                x, matrix, activations=activations, activation=activation,  # type: ignore[arg-type]
                output_type="uint8", output_scale=0.1, output_zero=9,
            )  # fmt: skip
            np.testing.assert_array_equal(codes, oracle.requantize(y, "uint8", 0.1, 9))


def test_bytes_without_a_scale_are_numbers(weights: cw.ops.QuantizedTensor) -> None:
    pixels = np.arange(N_INPUTS, dtype=np.uint8)[None]
    y = cw.ops.qmatmul(pixels, weights, activations="uint8")
    wanted = cw.ops.qmatmul(pixels.astype(np.float32), weights, activations="uint8")
    np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"activation_zero": 3}, "activation_zero is 3 without an activation_scale"),
        ({"activation_scale": 1.0, "activation_zero": 3}, "int8 has none"),
        ({"activations": "uint8", "activation_scale": 0.0}, "activation_scale is 0.0"),
        ({"activations": "uint8", "activation_scale": np.inf}, "activation_scale is inf"),
        ({"activations": "uint8", "activation_scale": 1e39}, "activation_scale is 1e[+]39"),
        ({"activations": "uint8", "activation_scale": -1.0}, "activation_scale is -1.0"),
        (
            {"activations": "uint8", "activation_scale": 1.0, "activation_zero": 256},
            "activation_zero is 256; expected one of uint8, 0 to 255",
        ),
        (
            {"activations": "uint8", "activation_scale": 1.0, "activation_zero": -1},
            "activation_zero is -1",
        ),
        ({"activations": "float32", "activation_scale": 1.0}, "x meets the weights as float32"),
        ({"output_type": "int4"}, "output_type is 'int4'"),
        ({"output_type": "int8"}, "without an output_scale"),
        ({"output_type": "int8", "output_scale": np.nan}, "output_scale is nan"),
        ({"output_type": "int8", "output_scale": 0}, "output_scale is 0"),
        (
            {"output_type": "int8", "output_scale": 1.0, "output_zero": 128},
            "output_zero is 128; expected one of int8, -128 to 127",
        ),
        ({"output_scale": 1.0}, "output_scale is 1.0; it belongs"),
        ({"output_zero": 0}, "output_zero is 0; it belongs"),
        (
            {"output_type": "int8", "output_scale": 1.0, "out": np.zeros((9, N_OUTPUTS), "uint8")},
            "out is uint8 .* int8 array of shape",
        ),
        ({"out": np.zeros((9, N_OUTPUTS), "int8")}, "float32 array of shape"),
    ],
)
def test_options_are_refused_by_name(
    x: NDArray[np.float32], weights: cw.ops.QuantizedTensor, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(cw.InputError, match=words):
        cw.ops.qmatmul(x, weights, **options)


def test_codes_of_another_type_are_refused(
    weights: cw.ops.QuantizedTensor, sparse: cw.ops.SparseTensor
) -> None:
    codes = np.zeros((2, N_INPUTS), dtype=np.uint8)
    with pytest.raises(cw.InputError, match="x holds uint8 codes and activations is 'int8'"):
        cw.ops.qmatmul(codes, weights, activation_scale=1.0)
    with pytest.raises(cw.InputError, match="x holds int8 codes and activations is 'uint8'"):
        cw.ops.sparse_matmul(
            codes.astype(np.int8), sparse, activations="uint8", activation_scale=1.0
        )
    with pytest.raises(cw.InputError, match="x meets the weights as float32"):
        cw.ops.qmatmul(
            codes, cw.ops.pack_dense(np.eye(N_INPUTS)), activations="uint8", activation_scale=1.0
        )
    with pytest.raises(cw.InputError, match="the last of 199"):
        cw.ops.qmatmul(codes[:, 1:], weights, activations="uint8", activation_scale=1.0)
    with pytest.raises(cw.InputError, match="expected 'int8' or 'uint8'"):
        cw.ops.sparse_matmul(codes, sparse, activations="float32")  # type: ignore[arg-type]
    with pytest.raises(cw.InputTypeError, match=r"activation_zero is 1\.5; expected an integer"):
        cw.ops.qmatmul(
            codes, weights, activations="uint8", activation_scale=1.0,
            activation_zero=1.5,  # type: ignore[arg-type]
        )  # fmt: skip
