"""Sparse products as people call them: formats, shapes, types, and what is refused."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_products as oracle
from cordwood import _core

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

N_OUTPUTS = 96
N_INPUTS = 256


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(23)


def draw_mask(rng: np.random.Generator, kind: str) -> NDArray[np.bool_]:
    shape = (N_OUTPUTS, N_INPUTS)
    if kind == "2:4":
        order = rng.random((*shape[:1], N_INPUTS // 4, 4)).argsort(axis=2).argsort(axis=2)
        return (order < 2).reshape(shape)
    if kind == "blocks":
        return np.repeat(rng.random((N_OUTPUTS // 16, N_INPUTS)) < 0.1, 16, axis=0)
    return rng.random(shape) < {"slots": 0.08, "dense": 0.6}[kind]


def draw_rows(rng: np.random.Generator, n_rows: int = 9) -> NDArray[np.float32]:
    return rng.standard_normal((n_rows, N_INPUTS), dtype=np.float32)


def draw_tensor(rng: np.random.Generator, kind: str = "blocks") -> cw.ops.SparseTensor:
    return cw.ops.pack_sparse(rng.standard_normal((N_OUTPUTS, N_INPUTS)), draw_mask(rng, kind))


@pytest.mark.parametrize("kind", ["2:4", "blocks", "slots", "dense"])
def test_the_format_follows_the_mask_and_changes_no_bit(
    rng: np.random.Generator, kind: str
) -> None:
    mask, w = draw_mask(rng, kind), rng.standard_normal((N_OUTPUTS, N_INPUTS))
    x, bias = draw_rows(rng), rng.standard_normal(N_OUTPUTS, dtype=np.float32)
    residual = rng.standard_normal((len(x), N_OUTPUTS), dtype=np.float32)
    s = cw.ops.pack_sparse(w, mask)
    assert s.format == kind
    assert f"format {kind}" in repr(s)
    ending: dict[str, Any] = {"bias": bias, "residual": residual, "activation": "relu"}
    y = cw.ops.sparse_matmul(x, s, **ending)
    np.testing.assert_array_equal(y, cw.ops.qmatmul(x, s.to_dense(), **ending))
    want = oracle.multiply(
        oracle.quantize_rows(x),
        (s.codes.astype(np.int16) + 128).astype(np.uint8),
        s.scales,
        np.full((N_OUTPUTS, 1), 128, dtype=np.uint8),
        None,
        bias=bias,
        residual=residual,
        cut=(0.0, np.inf),
    )
    np.testing.assert_array_equal(y, want)
    for forced in ("blocks", "slots", "dense"):
        again = cw.ops.pack_sparse(w, mask, format=forced)
        assert again.format == forced
        np.testing.assert_array_equal(cw.ops.sparse_matmul(x, again, **ending), y)


def test_codes_are_those_of_the_definition(rng: np.random.Generator) -> None:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS)).astype(np.float32)
    mask = draw_mask(rng, "slots")
    mask[3] = False
    w[4] = 2.0**-110
    mask[5] = w[5] < 0
    s = cw.ops.pack_sparse(w, mask)
    np.testing.assert_array_equal(s.mask, mask)
    assert s.density == mask.mean()
    for output in range(N_OUTPUTS):
        own = np.where(mask[output], w[output], np.float32(0))
        scale = max(max(own.max(), 0) / np.float32(127), -min(own.min(), 0) / np.float32(128))
        codes = np.zeros(N_INPUTS)
        if scale >= 2.0**-100:
            codes = np.clip(np.rint(own * (np.float32(1) / np.float32(scale))), -128, 127)
        np.testing.assert_array_equal(s.codes[output], codes)
        assert s.scales[output, 0] == (scale if scale >= 2.0**-100 else 0)
    assert s.codes[5].min() == -128
    exact = draw_rows(rng, 20)
    y = exact.astype(np.float64) @ np.where(mask, w, 0).T
    assert np.abs(cw.ops.sparse_matmul(exact, s) - y).max() / np.abs(y).max() < 0.02


@pytest.mark.parametrize("n_rows", [1, 2, 40, 1100])
@pytest.mark.parametrize("kind", ["2:4", "blocks", "slots"])
def test_threads_change_no_bit(rng: np.random.Generator, kind: str, n_rows: int) -> None:
    s, x = draw_tensor(rng, kind), draw_rows(rng, n_rows)
    one = cw.ops.sparse_matmul(x, s, threads=1)
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x, s, threads=2), one)
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x[-1:], s), one[-1:])


def test_callers_side_by_side(rng: np.random.Generator) -> None:
    s = draw_tensor(rng)
    batches = [draw_rows(rng, n) for n in (1, 5, 30, 64) * 8]
    alone = [cw.ops.sparse_matmul(x, s) for x in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda x: cw.ops.sparse_matmul(x, s), batches))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.astype(np.float64) if a.dtype != bool else a,
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: a.tolist(),
        lambda a: np.lib.stride_tricks.as_strided(a, writeable=False),
    ],
    ids=["float64", "fortran", "strided", "list", "read-only"],
)
def test_arrays_may_come_in_any_form(
    rng: np.random.Generator, change: Callable[[NDArray[Any]], Any]
) -> None:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS), dtype=np.float32)
    mask, x = draw_mask(rng, "blocks"), draw_rows(rng)
    want = cw.ops.sparse_matmul(x, cw.ops.pack_sparse(w, mask))
    s = cw.ops.pack_sparse(change(w), change(mask))
    np.testing.assert_array_equal(cw.ops.sparse_matmul(change(x), s), want)


def test_outputs_may_be_columns(rng: np.random.Generator) -> None:
    w = rng.standard_normal((N_OUTPUTS, N_INPUTS), dtype=np.float32)
    mask, x = draw_mask(rng, "2:4"), draw_rows(rng)
    turned = cw.ops.pack_sparse(w.T, mask.T, axis=1)
    assert turned.shape == (N_INPUTS, N_OUTPUTS)
    assert turned.to_dense().shape == turned.shape
    want = cw.ops.sparse_matmul(x, cw.ops.pack_sparse(w, mask))
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x, turned), want)


def test_leading_dimensions_and_out(rng: np.random.Generator) -> None:
    s, x = draw_tensor(rng), draw_rows(rng, 12)
    flat = cw.ops.sparse_matmul(x, s)
    deep = cw.ops.sparse_matmul(x.reshape(2, 3, 2, N_INPUTS), s)
    np.testing.assert_array_equal(deep, flat.reshape(2, 3, 2, N_OUTPUTS))
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x[0], s), flat[0])
    assert cw.ops.sparse_matmul(x[:0], s).shape == (0, N_OUTPUTS)
    out = np.full_like(flat, np.nan)
    assert cw.ops.sparse_matmul(x, s, out=out) is out
    np.testing.assert_array_equal(out, flat)
    fixed = cw.ops.sparse_matmul(x, s, activation_scale=0.01)
    np.testing.assert_array_equal(fixed, cw.ops.qmatmul(x, s.to_dense(), activation_scale=0.01))


@pytest.mark.parametrize("kind", ["2:4", "blocks", "slots", "dense"])
def test_a_tensor_survives_pickle(rng: np.random.Generator, kind: str) -> None:
    s, x = draw_tensor(rng, kind), draw_rows(rng)
    y = cw.ops.sparse_matmul(x, s)
    again = pickle.loads(pickle.dumps(s))
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x, again), y)
    assert repr(again) == repr(s)
    for array in (s.values, s.scales, s.mask_bits):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_what_keeps_nothing_or_everything(rng: np.random.Generator) -> None:
    w, x = rng.standard_normal((20, 30)), rng.standard_normal((3, 30))
    nothing = cw.ops.pack_sparse(w, np.zeros((20, 30), dtype=bool))
    bias = np.arange(20, dtype=np.float32)
    np.testing.assert_array_equal(
        cw.ops.sparse_matmul(x, nothing, bias=bias), np.tile(bias, (3, 1))
    )
    everything = cw.ops.pack_sparse(w, np.ones((20, 30), dtype=bool))
    assert everything.format == "dense"
    single = cw.ops.pack_sparse([[2.0]], [[True]])
    np.testing.assert_array_equal(cw.ops.sparse_matmul([[3.0]], single), [[6.0]])


def test_long_outputs_are_dense(rng: np.random.Generator) -> None:
    mask = np.zeros((2, 65600), dtype=bool)
    mask[:, ::64] = True
    w = rng.standard_normal(mask.shape)
    s = cw.ops.pack_sparse(w, mask)
    assert s.format == "dense"
    x = rng.standard_normal((2, 65600), dtype=np.float32)
    np.testing.assert_array_equal(cw.ops.sparse_matmul(x, s), cw.ops.qmatmul(x, s.to_dense()))
    with pytest.raises(cw.InputError, match="beyond 65536 inputs only 'dense'"):
        cw.ops.pack_sparse(w, mask, format="slots")


def test_the_processor_keeps_fewer_bytes_than_dense(rng: np.random.Generator) -> None:
    codes = np.where(draw_mask(rng, "2:4"), 1, 0).astype(np.int8)
    scales = np.ones(N_OUTPUTS, dtype=np.float32)
    pairs = _core.SparseMatrix(codes, scales, kind="pairs")
    assert pairs.nbytes == N_OUTPUTS * N_INPUTS * 5 // 8 + N_OUTPUTS * 8


def test_masks_are_refused_by_name(rng: np.random.Generator) -> None:
    w, mask = rng.standard_normal((4, 16)), np.ones((4, 16), dtype=bool)
    with pytest.raises(cw.InputTypeError, match="mask has dtype int64"):
        cw.ops.pack_sparse(w, mask.astype(np.int64))
    with pytest.raises(cw.InputError, match=r"mask has shape \(16,\)"):
        cw.ops.pack_sparse(w, mask[0])
    with pytest.raises(cw.InputError, match="output 0 keeps more than two of the four"):
        cw.ops.pack_sparse(w, mask, format="2:4")
    mask[:, ::2] = False
    mask[2, 8:11] = True
    with pytest.raises(cw.InputError, match=r"output 2 keeps more than two .* from 8 on"):
        cw.ops.pack_sparse(w, mask, format="2:4")


def test_weights_are_refused_by_name(rng: np.random.Generator) -> None:
    w, mask = rng.standard_normal((4, 16)), np.ones((4, 16), dtype=bool)
    with pytest.raises(cw.InputError, match="bits is 4"):
        cw.ops.pack_sparse(w, mask, bits=4)  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="format is 'csr'"):
        cw.ops.pack_sparse(w, mask, format="csr")  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="expected a matrix"):
        cw.ops.pack_sparse(w[0], mask[0])
    with pytest.raises(cw.InputError, match="axis is 2"):
        cw.ops.pack_sparse(w, mask, axis=2)
    with pytest.raises(cw.InputTypeError, match="w has dtype"):
        cw.ops.pack_sparse(w.astype(str), mask)
    for value in (np.nan, np.inf, 1e300):
        w[1, 7] = value
        with pytest.raises(cw.InputError, match="output 1 and input 7"):
            cw.ops.pack_sparse(w, mask)


@pytest.mark.parametrize("kind", ["blocks", "dense"])
def test_products_are_refused_by_name(rng: np.random.Generator, kind: str) -> None:
    s, x = draw_tensor(rng, kind), draw_rows(rng)
    with pytest.raises(cw.InputTypeError, match="weights is a QuantizedTensor"):
        cw.ops.sparse_matmul(x, s.to_dense())  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="the last of 255"):
        cw.ops.sparse_matmul(x[:, :-1], s)
    with pytest.raises(cw.InputError, match="expected one of None, 'relu', 'relu6', 'gelu'"):
        cw.ops.sparse_matmul(x, s, activation="swish")  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="activation_scale is -1"):
        cw.ops.sparse_matmul(x, s, activation_scale=-1)
    with pytest.raises(cw.InputError, match="bias"):
        cw.ops.sparse_matmul(x, s, bias=np.ones(3))
    with pytest.raises(cw.InputError, match="residual"):
        cw.ops.sparse_matmul(x, s, residual=np.ones((1, N_OUTPUTS)))
    with pytest.raises(cw.InputError, match="float32 array of shape"):
        cw.ops.sparse_matmul(x, s, out=np.empty((9, N_OUTPUTS)))  # type: ignore[arg-type]
    with pytest.raises(cw.InputError, match="threads"):
        cw.ops.sparse_matmul(x, s, threads=-1)
    x[3, 9] = np.nan
    with pytest.raises(cw.InputError, match="row 3 holds NaN or an infinity"):
        cw.ops.sparse_matmul(x, s)
