"""Weights to packed codes and back: every instruction set equals docs/quantization.md."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import cordwood
import oracle_ops as oracle
from cordwood import _core
from cordwood.errors import DeviceError, InputError, InputTypeError

isas = pytest.mark.parametrize("isa", cordwood.available_isas())
BITS = (8, 4, 3, 2)
GROUPS = (None, 32, 64, 256)


def _weights(n_outputs: int, n_inputs: int, seed: int = 0) -> np.ndarray:
    """Weights of many magnitudes, with outputs of zeros, of one sign, of ties and of denormals."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(n_outputs, n_inputs))
    w *= 10.0 ** rng.integers(-9, 6, (n_outputs, 1))
    w = w.astype(np.float32)
    w[0] = 0
    w[1] = np.abs(w[1])
    w[2] = -np.abs(w[2])
    w[3] = rng.integers(-127, 128, n_inputs) / 2  # halves between two codes
    w[4] *= 1e-38
    w[5] = -0.0
    return w


def _check(
    w: np.ndarray,
    isa: str,
    bits: int,
    group: int | None,
    symmetric: bool,
    half: bool,
    axis: int = 0,
) -> None:
    plain = (w if axis == 0 else w.T).astype(np.float32)
    codes, scales, zeros = oracle.quantize(
        plain, bits, group, symmetric, "float16" if half else "float32"
    )
    payload, found_scales, found_zeros = _core.quantize_weights(
        w,
        axis=axis,
        bits=bits,
        group_size=group or 0,
        symmetric=symmetric,
        half_scales=half,
        isa=isa,
    )
    assert found_scales.tobytes() == scales.tobytes()
    assert (found_zeros is None) == symmetric
    if not symmetric:
        np.testing.assert_array_equal(found_zeros, zeros)
    np.testing.assert_array_equal(payload, oracle.pack(codes, bits))
    again = _core.encode_weights(
        w, found_scales, found_zeros, axis=axis, bits=bits, group_size=group or 0, isa=isa
    )
    np.testing.assert_array_equal(again, payload)
    out = np.full(plain.shape, np.nan, np.float32)
    _core.decode_weights(
        payload, found_scales, found_zeros, out, bits=bits, group_size=group or 0, isa=isa
    )
    assert out.tobytes() == oracle.dequantize(codes, scales, zeros, group).tobytes()


@isas
@pytest.mark.parametrize("n_inputs", [1, 2, 7, 31, 32, 33, 63, 65, 100, 257, 1030])
def test_all_forms_equal_the_oracle(isa: str, n_inputs: int) -> None:
    w = _weights(9, n_inputs, seed=n_inputs)
    for bits, group, symmetric, half in itertools.product(BITS, GROUPS, (True, False), (0, 1)):
        _check(w, isa, bits, group, symmetric, bool(half))


@isas
def test_long_outputs_and_long_groups(isa: str) -> None:
    w = _weights(6, 100_003)
    for bits, group in ((8, None), (3, 65536), (4, 2080), (2, 32)):
        _check(w, isa, bits, group, symmetric=bits != 4, half=False)


@isas
def test_huge_and_tiny_weights(isa: str) -> None:
    top = np.finfo(np.float32).max
    tiny = np.float32(2.0**-97)  # near the bound below which weights count as zero
    rows = [[top, -top], [top, 0], [-top, top / 3], [tiny, -tiny], [tiny / 4, tiny / 300],
            [1e-45, -1e-45], [70000, -65504], [1e-7, -3e-8], [1e-5, 2e-8]]  # fmt: skip
    w = np.tile(np.array(rows, np.float32), 35)
    for bits, group, symmetric, half in itertools.product(BITS, GROUPS, (True, False), (0, 1)):
        _check(w, isa, bits, group, symmetric, bool(half))


@isas
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_strides_are_read_in_place(isa: str, dtype: str) -> None:
    big = np.random.default_rng(1).normal(size=(140, 300)).astype(dtype)
    big.flags.writeable = False
    views = (
        big,
        big.T,
        big[::2],
        big[:, ::3],
        big[::-1, 5:],
        big[3:, ::-1],
        np.asfortranarray(big),
    )
    for view, axis in itertools.product(views, (0, 1)):
        _check(view, isa, 4, 64, symmetric=False, half=False, axis=axis)


@isas
@pytest.mark.parametrize("group", [None, 32])
def test_given_scales_saturate(isa: str, group: int | None) -> None:
    w = np.resize(np.array([1e38, -1e38, 0.4, -0.6, 2.5, 300.0], np.float32), (3, 64))
    n_groups = 1 if group is None else 2
    scales = np.resize(np.array([1.0, 1e-20, 0.0], np.float32)[:, None], (3, n_groups))
    zeros = np.resize(np.array([[0], [3], [7]], np.uint8), (3, n_groups))
    found = _core.encode_weights(w, scales, zeros, axis=0, bits=3, group_size=group or 0, isa=isa)
    parts = [oracle.encode(w[:, g], scales[:, i], zeros[:, i], 3)
             for i, g in enumerate(oracle.groups(64, group))]  # fmt: skip
    np.testing.assert_array_equal(found, oracle.pack(np.concatenate(parts, axis=1), 3))
    np.testing.assert_array_equal(found, _core.encode_weights(
        w, scales, zeros, axis=0, bits=3, group_size=group or 0, isa="scalar"
    ))  # fmt: skip


@isas
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_first_bad_weight_is_named(isa: str, dtype: str) -> None:
    for value, words in ((np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")):
        for order, column in itertools.product("CF", (0, 31, 1500, 2999)):
            w = np.zeros((400, 3000), dtype=dtype, order=order)
            w[390, 5] = w[17, 2999] = w[17, column] = value
            with pytest.raises(InputError, match=f"output 17, input {column} is {words}"):
                _core.quantize_weights(
                    w, axis=0, bits=4, group_size=64, symmetric=True, half_scales=False,
                    threads=2, isa=isa,
                )  # fmt: skip
    if dtype == "float64":
        w[17] = 1e300
        with pytest.raises(InputError, match="input 0 is infinite or too large for float32"):
            _core.quantize_weights(
                w[17:18], axis=0, bits=4, group_size=64, symmetric=True, half_scales=False, isa=isa
            )


def test_threads_change_nothing() -> None:
    w = _weights(700, 1000)
    for axis in (0, 1):
        form = {"axis": axis, "bits": 4, "group_size": 64}
        one, two = (
            _core.quantize_weights(w, **form, symmetric=False, half_scales=True, threads=threads)
            for threads in (1, 2)
        )
        assert [a.tobytes() for a in one] == [a.tobytes() for a in two]


@isas
@pytest.mark.parametrize("offset", [0, 1, 5, 15])
def test_large_results_go_past_the_caches(isa: str, offset: int) -> None:
    n_outputs, n_inputs = 1030, 2049
    w = np.random.default_rng(2).normal(size=(n_outputs, n_inputs)).astype(np.float32)
    payload, scales, _ = _core.quantize_weights(
        w, axis=0, bits=8, group_size=32, symmetric=True, half_scales=False
    )
    room = np.full(w.size + 32, np.nan, np.float32)
    out = room[offset : offset + w.size].reshape(w.shape)
    _core.decode_weights(payload, scales, None, out, bits=8, group_size=32, threads=2, isa=isa)
    zeros = np.full(scales.shape, 128, np.uint8)
    np.testing.assert_array_equal(out, oracle.dequantize(payload, scales, zeros, 32))
    assert np.isnan(room[:offset]).all()
    assert np.isnan(room[offset + w.size :]).all()


def test_what_kernels_cannot_take_is_refused() -> None:
    form = {"axis": 0, "bits": 4, "group_size": 0, "symmetric": True, "half_scales": False}
    w = np.zeros((2, 8), np.float32)
    for bad in (w.astype(np.float16), w.astype(">f4"), w.astype(np.int32), w[0]):
        with pytest.raises(InputTypeError, match="two dimensions, float32 or float64"):
            _core.quantize_weights(bad, **form)
    for changed in ({"bits": 5}, {"bits": 0}, {"group_size": 48}):
        with pytest.raises(InputError, match="expected 8, 4, 3 or 2"):
            _core.quantize_weights(w, **{**form, **changed})
    for empty in (w[:0], w[:, :0]):
        with pytest.raises(InputError, match="holds no weight"):
            _core.quantize_weights(empty, **form)
    with pytest.raises(InputError, match=r"scales: expected shape \(2, 1\)"):
        _core.encode_weights(w, np.zeros((1, 1), np.float32), None, axis=0, bits=4, group_size=0)
    with pytest.raises(InputError, match=r"payload: expected shape \(2, 4\)"):
        _core.decode_weights(
            np.zeros((2, 3), np.uint8), np.ones((2, 1), np.float32), None, w, bits=4, group_size=0
        )
    with pytest.raises(DeviceError, match="available_isas"):
        _core.quantize_weights(w, **form, isa="abacus")
