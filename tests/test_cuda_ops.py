"""Functions of ops on arrays of a CUDA device: the host's bits, on the emulated device."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cordwood as cw
import fake_cupy
from cordwood import _model_devices
from cordwood._device_rows import is_on_device
from cordwood.errors import CordwoodError, DeviceError, InputError, InputTypeError
from emulated_cuda import MODULE, Emulator
from fake_cupy import ndarray

SHAPES = [(1, 1), (3, 4), (1, 8), (5, 7), (4, 32), (7, 33), (2, 96), (16, 64), (3, 513), (33, 129)]
PATTERNS: list[tuple[str | float, float | None]] = [
    ("2:4", None), ("1:4", None), ("4:8", None), ("3:5", None), ("1:1", None), ("17:64", None),
    (0.0, None), (0.5, None), (0.9, None), (1.0, None),
    ("block:16x1", 0.5), ("block:16x4", 0.3), ("block:1x16", 0.5), ("block:4x40", 0.5),
    ("block:2x3:0.7", None), ("block:999x999:0.5", None), ("channels:0.5", None),
]  # fmt: skip


@pytest.fixture(autouse=True)
def cupy(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Iterator[None]:
    stream = emulator.create_stream()
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module(stream))
    monkeypatch.setitem(_model_devices._EXTENSIONS, "cuda", MODULE)
    yield
    emulator.destroy_stream(stream)


def _weights(shape: tuple[int, int], seed: int = 0, dtype: Any = np.float32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind != "f":
        return rng.integers(0, 2 if dtype == np.bool_ else 100, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def _same(got: ndarray, expected: np.ndarray) -> None:
    assert isinstance(got, ndarray)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.get().tobytes() == np.ascontiguousarray(expected).tobytes()


def _same_codes(got: cw.ops.QuantizedTensor, expected: cw.ops.QuantizedTensor) -> None:
    assert got.shape == expected.shape
    assert repr(got) == repr(expected)
    _same(got.payload, expected.payload)
    _same(got.scales, expected.scales)
    assert got.symmetric == expected.symmetric
    if expected.zero_points is not None:
        _same(got.zero_points, expected.zero_points)


@pytest.mark.parametrize(("pattern", "share"), PATTERNS, ids=str)
@pytest.mark.parametrize("per", ["matrix", "output"])
def test_masks_are_those_of_the_host(pattern: str | float, share: float | None, per: Any) -> None:
    for seed, shape in enumerate(SHAPES):
        w = _weights(shape, seed)
        expected = cw.ops.prune_mask(w, pattern, share=share, per=per)
        _same(cw.ops.prune_mask(ndarray(w), pattern, share=share, per=per), expected)
        few = np.round(w)  # many ties, zeros of both signs
        expected = cw.ops.prune_mask(w, pattern, share=share, per=per, scores=few)
        got = cw.ops.prune_mask(ndarray(w), pattern, share=share, per=per, scores=ndarray(few))
        _same(got, expected)


@pytest.mark.parametrize("size", [4095, 4096, 4097, 12_345])
@pytest.mark.parametrize("goes", [0.001, 0.5, 0.999])
def test_shares_of_many_weights_break_ties_by_place(size: int, goes: float) -> None:
    w = np.round(_weights((3, size), 5) * 2)
    for values in (
        w,
        np.zeros_like(w),
        np.full_like(w, np.inf),
        np.arange(w.size).reshape(w.shape),
    ):
        for per in ("matrix", "output"):
            expected = cw.ops.prune_mask(values, goes, per=per)
            _same(cw.ops.prune_mask(ndarray(values), goes, per=per), expected)


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float16, np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_]
)
def test_all_numbers_are_read_in_any_order(dtype: Any) -> None:
    w = _weights((9, 40), 2, dtype)
    if dtype == np.int64:
        w += 2**60 + 2**37  # rounded twice on the way to float32
    for given, host in ((ndarray(w), w), (ndarray(w).T, w.T), (fake_cupy.Foreign(ndarray(w)), w)):
        for axis in (0, 1):
            _same(
                cw.ops.prune_mask(given, "2:4", axis=axis),
                cw.ops.prune_mask(host, "2:4", axis=axis),
            )
            for method in ("rtn", "mse"):
                options: Any = {"bits": 4, "group_size": 32, "method": method, "axis": axis}
                _same_codes(cw.ops.quantize(given, **options), cw.ops.quantize(host, **options))
    _same(cw.ops.prune_mask(fake_cupy.Shared(ndarray(w)), 0.5), cw.ops.prune_mask(w, 0.5))


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
@pytest.mark.parametrize("method", ["rtn", "mse"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("scales", ["float32", "float16"])
def test_codes_are_those_of_the_host(bits: Any, method: Any, symmetric: bool, scales: Any) -> None:
    options: Any = {"bits": bits, "method": method, "symmetric": symmetric, "scale_dtype": scales}
    for seed, shape in enumerate(SHAPES):
        w = _weights(shape, seed) * np.float32(10.0 ** (seed - 5))
        w[:, ::5] = 0
        for group_size in (None, 32, 64, 128):
            options["group_size"] = group_size
            expected = cw.ops.quantize(w, **options)
            got = cw.ops.quantize(ndarray(w), **options)
            _same_codes(got, expected)
            _same(cw.ops.dequantize(got), cw.ops.dequantize(expected))


@pytest.mark.parametrize("method", ["rtn", "mse"])
@pytest.mark.parametrize("n_inputs", [7, 8, 127, 129, 1030, 2048, 20_001])
def test_outputs_of_any_length_are_one_group(method: Any, n_inputs: int) -> None:
    w = _weights((2, n_inputs), n_inputs)
    options: Any = {"bits": 3, "method": method, "symmetric": False}
    _same_codes(cw.ops.quantize(ndarray(w), **options), cw.ops.quantize(w, **options))
    if n_inputs > 1024:
        options["group_size"] = 1024 + 32
        _same_codes(cw.ops.quantize(ndarray(w), **options), cw.ops.quantize(w, **options))


@pytest.mark.parametrize("method", ["rtn", "mse"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("scales", ["float32", "float16"])
def test_extreme_weights_are_coded_alike(method: Any, symmetric: bool, scales: Any) -> None:
    largest = np.finfo(np.float32).max
    rows = [
        [0.0, -0.0], [largest, -largest], [largest, 0], [-largest, 0], [2.0**-101, 2.0**-140],
        [2.0**-95, 0], [2.0**-24, -(2.0**-22)], [70000, -1e9], [1e-45, 1.0], [-3.0, -1.0],
        [2.0**-14, 2.0**-15], [2.0**-100, -(2.0**-100)],
    ]  # fmt: skip
    w = np.float32(rows).repeat(20, axis=1)
    for bits in (8, 4, 3, 2):
        options: Any = {"bits": bits, "method": method, "symmetric": symmetric}
        options |= {"scale_dtype": scales, "group_size": 32}
        _same_codes(cw.ops.quantize(ndarray(w), **options), cw.ops.quantize(w, **options))


def test_results_go_where_they_are_asked_to() -> None:
    w = _weights((6, 40))
    for axis in (0, 1):
        out = ndarray(np.ones(w.shape, bool))
        assert cw.ops.prune_mask(ndarray(w), 0.5, axis=axis, out=out) is out
        _same(out, cw.ops.prune_mask(w, 0.5, axis=axis))
    q = cw.ops.quantize(ndarray(w), bits=4)
    out = ndarray(np.zeros_like(w))
    assert cw.ops.dequantize(q, out=out) is out
    _same(out, cw.ops.dequantize(cw.ops.quantize(w, bits=4)))
    turned = cw.ops.quantize(ndarray(w), bits=4, axis=1)
    made = cw.ops.dequantize(turned)
    _same(made.copy(), cw.ops.dequantize(cw.ops.quantize(w, bits=4, axis=1)))
    out = ndarray(np.zeros(w.shape[::-1], np.float32)).T
    assert cw.ops.dequantize(turned, out=out) is out
    _same(out.copy(), made.get())


def test_arrays_that_are_not_aligned_are_read() -> None:
    w = _weights((5, 32))
    for offset in (1, 2, 4, 8, 12):
        given = ndarray(w, offset)
        for pattern in ("2:4", 0.5):
            _same(cw.ops.prune_mask(given, pattern), cw.ops.prune_mask(w, pattern))
        _same_codes(cw.ops.quantize(given, bits=4), cw.ops.quantize(w, bits=4))
        out = ndarray(np.ones(w.shape, bool), offset)
        _same(cw.ops.prune_mask(ndarray(w), "4:8", out=out), cw.ops.prune_mask(w, "4:8"))


def test_a_tensor_of_the_device_comes_to_the_host() -> None:
    w = _weights((4, 40))
    for symmetric in (True, False):
        there = cw.ops.quantize(ndarray(w), bits=3, symmetric=symmetric)
        here = cw.ops.quantize(w, bits=3, symmetric=symmetric)
        assert here.to_host() is here
        copied = there.to_host()
        assert not copied.payload.flags.writeable
        np.testing.assert_array_equal(copied.codes, here.codes)
        np.testing.assert_array_equal(cw.ops.qmatmul(w, copied), cw.ops.qmatmul(w, here))


def test_nothing_leaks(emulator: Emulator) -> None:
    w = ndarray(_weights((8, 64)))
    before = emulator.used_bytes()
    cw.ops.dequantize(cw.ops.quantize(w, method="mse"))
    cw.ops.prune_mask(w, "block:2x3", share=0.5)
    cw.ops.prune_mask(w, 0.5, per="output")
    assert emulator.used_bytes() == before


def test_the_host_asks_no_device(emulator: Emulator) -> None:
    before = emulator.launches()
    w = _weights((8, 64))
    cw.ops.prune_mask(w, 0.5)
    cw.ops.dequantize(cw.ops.quantize(w))
    assert emulator.launches() == before


def _words_of(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(CordwoodError) as caught:
        call(*arguments, **options)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 33), (6, 69)])
@pytest.mark.parametrize("method", ["rtn", "mse"])
def test_weights_that_are_not_finite_are_refused_alike(
    bad: float, place: tuple[int, int], method: Any
) -> None:
    w = _weights((7, 70))
    w[place] = bad
    w[6, 69] = np.nan
    for axis in (0, 1):
        options: Any = {"method": method, "axis": axis, "group_size": 32}
        said = _words_of(cw.ops.quantize, ndarray(w), **options)
        assert said == _words_of(cw.ops.quantize, w, **options)
    assert "too large" in _words_of(cw.ops.quantize, ndarray(np.full((2, 2), 1e300)))


@pytest.mark.parametrize(("pattern", "share"), PATTERNS, ids=str)
def test_scores_that_are_nan_are_refused_alike(pattern: str | float, share: float | None) -> None:
    w = _weights((5, 70))
    w[3, 60] = w[4, 2] = np.nan
    for per in ("matrix", "output"):
        for scores in (None, w):
            said = _words_of(
                cw.ops.prune_mask, ndarray(w), pattern, share=share, per=per,
                scores=None if scores is None else ndarray(scores),
            )  # fmt: skip
            assert said == _words_of(
                cw.ops.prune_mask, w, pattern, share=share, per=per, scores=scores
            )


def test_infinities_of_both_signs_have_no_sum() -> None:
    w = np.zeros((2, 8), np.float32)
    w[1, 4:6] = np.inf, -np.inf
    options: Any = {"share": 0.5}
    said = _words_of(cw.ops.prune_mask, ndarray(w), "block:1x4", scores=ndarray(w), **options)
    assert said == _words_of(cw.ops.prune_mask, w, "block:1x4", scores=w, **options)


@pytest.mark.parametrize(
    ("w", "options", "error", "words"),
    [
        (np.zeros((0, 3)), {}, InputError, "not empty"),
        (np.zeros((3, 0)), {}, InputError, "not empty"),
        (np.zeros(3), {}, InputError, "1 axes"),
        (np.zeros((2, 2, 2)), {}, InputError, "3 axes"),
        (np.zeros((2, 2), complex), {}, InputTypeError, "complex128"),
        (np.zeros((2, 2)), {"axis": 2}, InputError, "axis is 2"),
        (np.zeros((2, 2)), {"per": "row"}, InputError, "per is 'row'"),
        (np.zeros((2, 2)), {"pattern": "5:4"}, InputError, "n <= m"),
        (np.zeros((2, 2)), {"pattern": 1.5}, InputError, "from 0 to 1"),
        (np.zeros((2, 2)), {"pattern": "block:0x1", "share": 0.5}, InputError, "holds nothing"),
        (np.zeros((2, 2)), {"scores": np.zeros((2, 2))}, InputTypeError, "host's memory"),
        (np.zeros((2, 2)), {"scores": ndarray}, InputError, "of its shape"),
        (np.zeros((2, 2)), {"out": np.zeros((2, 2), bool)}, InputError, "out is not"),
    ],
)
def test_masks_of_what_does_not_fit_are_refused(
    w: np.ndarray, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    if options.get("scores") is ndarray:
        options = {"scores": ndarray(np.zeros((3, 3)))}
    with pytest.raises(error, match=words):
        cw.ops.prune_mask(ndarray(w), **{"pattern": "2:4"} | options)


@pytest.mark.parametrize("shape", [(2, 3), (2,)])
@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_places_that_do_not_fit_are_refused(shape: tuple[int, ...], dtype: Any) -> None:
    w = ndarray(np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match="out"):
        cw.ops.prune_mask(w, "2:4", out=ndarray(np.zeros(shape, dtype)))
    with pytest.raises(InputError, match="out"):
        cw.ops.dequantize(cw.ops.quantize(w), out=ndarray(np.zeros(shape, np.float32)))
    for out in (ndarray(np.zeros((2, 2), bool), read_only=True), ndarray(np.zeros((2, 2), bool)).T):
        with pytest.raises(InputError, match="writable C-ordered"):
            cw.ops.prune_mask(w, "2:4", out=out)


def test_addresses_of_the_host_are_refused() -> None:
    w = ndarray(np.zeros((2, 2), np.float32))
    held = np.zeros((2, 2), np.float32)
    w.address = held.ctypes.data
    for call in (lambda: cw.ops.prune_mask(w, "2:4"), lambda: cw.ops.quantize(w)):
        with pytest.raises(DeviceError, match="the host's memory"):
            call()


@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_methods_of_the_host_alone_are_named(method: Any) -> None:
    w = ndarray(np.ones((2, 32), np.float32))
    with pytest.raises(InputError, match=f"'{method}'.*copy w to the host"):
        cw.ops.quantize(w, method=method)
    with pytest.raises(InputError, match="inputs or hessian"):
        cw.ops.quantize(w, method="mse", inputs=np.ones((3, 32)))
    with pytest.raises(InputError, match="group_size is 33"):
        cw.ops.quantize(w, group_size=33)
    with pytest.raises(InputError, match="neither of them 0"):
        cw.ops.quantize(ndarray(np.zeros((0, 3), np.float32)))


def test_functions_of_the_host_alone_say_so() -> None:
    w = _weights((4, 32))
    there, q = ndarray(w), cw.ops.quantize(ndarray(w))
    calls = [
        lambda: cw.ops.gptq(there, inputs=w),
        lambda: cw.ops.awq(there, inputs=w),
        lambda: cw.ops.hessian(there),
        lambda: cw.ops.apply_mask(there, np.ones(w.shape, bool)),
        lambda: cw.ops.pack_dense(there),
        lambda: cw.ops.qmatmul(there, cw.ops.quantize(w)),
        lambda: cw.ops.qmatmul(w, q),
        lambda: q.codes,
    ]
    for call in calls:
        with pytest.raises(InputTypeError, match="CUDA device's memory"):
            call()


def test_tensors_that_were_tampered_with_are_refused() -> None:
    q = cw.ops.quantize(ndarray(_weights((4, 64))), bits=4, group_size=32, symmetric=False)
    for change in (
        {"scales": q.to_host().scales},
        {"scales": ndarray(np.zeros((4, 3), np.float32))},
        {"scales": ndarray(np.zeros((4, 2), np.float64))},
        {"zero_points": ndarray(np.zeros((1, 2), np.uint8))},
        {"payload": ndarray(np.zeros((4, 31), np.uint8))},
        {"n_inputs": 4096},
        {"bits": 8},
    ):
        with pytest.raises(InputTypeError, match="C-ordered"):
            cw.ops.dequantize(replace(q, **change))


class _Parameter:
    """A parameter of torch, as far as anyone asks before it is detached."""

    is_cuda = True

    @property
    def __cuda_array_interface__(self) -> Any:
        message = "Can't get __cuda_array_interface__ on Variable that requires grad"
        raise RuntimeError(message)


def test_parameters_of_torch_are_seen_on_their_device() -> None:
    _Parameter.__module__ = "torch.nn.parameter"
    assert is_on_device(_Parameter())
    with pytest.raises(InputTypeError, match="CUDA device's memory"):
        cw.ops.hessian(_Parameter())  # type: ignore[arg-type]


def test_no_extension_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_model_devices._EXTENSIONS, "cuda", "cordwood._not_there")
    with pytest.raises(DeviceError, match="built without CUDA"):
        cw.ops.prune_mask(ndarray(np.zeros((2, 2), np.float32)), "2:4")
