"""Functions of ops on arrays of a CUDA device: the host's bits, on the emulated device."""

from __future__ import annotations

import importlib
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
from cordwood.errors import CordwoodError, DeviceError, InputError, InputTypeError, ResourceError
from cuda_ops_cases import (
    BITS,
    DTYPES,
    LENGTHS,
    METHODS,
    PATTERNS,
    PERS,
    SCALES,
    SHAPES,
    SIZES,
    Arrays,
    check_codes,
    check_lengths,
    check_masks,
    check_targets,
    check_ties,
    check_types,
    coded_weights,
    extreme_weights,
    weights,
)
from emulated_cuda import MODULE, Emulator
from fake_cupy import ndarray

EMULATED = Arrays(ndarray, lambda array: array.get(), lambda array: isinstance(array, ndarray))


@pytest.fixture(autouse=True)
def cupy(monkeypatch: pytest.MonkeyPatch, emulator: Emulator) -> Iterator[None]:
    stream = emulator.create_stream()
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module(stream))
    monkeypatch.setitem(_model_devices._EXTENSIONS, "cuda", MODULE)
    yield
    emulator.destroy_stream(stream)


@pytest.mark.parametrize(("pattern", "share"), PATTERNS, ids=str)
@pytest.mark.parametrize("per", PERS)
def test_masks_are_those_of_the_host(pattern: str | float, share: float | None, per: Any) -> None:
    for shape in SHAPES:
        check_masks(EMULATED, pattern, share, per, shape)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("goes", [0.001, 0.5, 0.999])
def test_shares_of_many_weights_break_ties_by_place(size: int, goes: float) -> None:
    check_ties(EMULATED, size, goes)


def test_scratch_of_a_matrix_that_fills_its_lines_is_enough() -> None:
    """With 29 tiles of 4096 scores, a count too many would be written behind the block."""
    w = np.zeros((1, 29 * 4096), np.float32)
    EMULATED.same(cw.ops.prune_mask(ndarray(w), 0.5), cw.ops.prune_mask(w, 0.5))


@pytest.mark.parametrize(
    "block", ["1x4", "1x7", "2x3", "1x12", "4x15", "9x1", "1x16", "1x24", "3x33", "1x64"]
)
def test_sums_are_added_in_the_order_of_the_host(block: str) -> None:
    """Sums of small numbers beside a large one differ with the order, and masks with them."""
    rng = np.random.default_rng(0)
    w = np.float32(2.0**-24) * rng.integers(1, 5, (36, 420)).astype(np.float32)
    w[rng.random(w.shape) < 0.2] = 1
    for share in (0.2, 0.5, 0.8):
        options: Any = {"share": share}
        expected = cw.ops.prune_mask(w, f"block:{block}", **options)
        EMULATED.same(cw.ops.prune_mask(ndarray(w), f"block:{block}", **options), expected)


@pytest.mark.parametrize("per", PERS)
def test_scores_that_are_neighbours_are_told_apart(per: Any) -> None:
    """Keys of one prefix: the last digit of the cut decides, and all threads wait for it."""
    bits = np.random.default_rng(0).permutation(3 * 700).astype(np.int32)
    w = (bits + 0x3F800000).view(np.float32).reshape(3, 700)
    for goes in (0.2, 0.5, 0.8):
        expected = cw.ops.prune_mask(w, goes, per=per)
        EMULATED.same(cw.ops.prune_mask(ndarray(w), goes, per=per), expected)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_numbers_are_read_in_any_order(dtype: Any) -> None:
    check_types(EMULATED, dtype)


def test_arrays_of_other_libraries_are_read() -> None:
    w = weights((9, 40), 2)
    given = fake_cupy.Foreign(ndarray(w))
    EMULATED.same(cw.ops.prune_mask(given, "2:4"), cw.ops.prune_mask(w, "2:4"))
    EMULATED.same_codes(cw.ops.quantize(given, bits=4), cw.ops.quantize(w, bits=4))
    shared = fake_cupy.Shared(ndarray(w))
    EMULATED.same(cw.ops.prune_mask(shared, 0.5), cw.ops.prune_mask(w, 0.5))


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("scales", SCALES)
def test_codes_are_those_of_the_host(bits: Any, method: Any, symmetric: bool, scales: Any) -> None:
    options = {"bits": bits, "method": method, "symmetric": symmetric, "scale_dtype": scales}
    for w in coded_weights():
        check_codes(EMULATED, w, options)


@pytest.mark.parametrize(
    ("seed", "size", "row", "group_size"),
    [(1, 128, 42078, None), (1, 264, 96866, None), (0, 200, 27235, 256)],
)
def test_errors_are_added_in_the_order_of_the_host(
    seed: int, size: int, row: int, group_size: int | None
) -> None:
    """Rows where two shares of the range are a rounding apart: another order takes the other."""
    rng = np.random.default_rng(seed)
    for _ in range(row // 2000 + 1):
        some = rng.standard_normal((2000, size))
    options: Any = {"bits": 2, "method": "mse", "symmetric": False, "group_size": group_size}
    w = some[row % 2000 :][:1].astype(np.float32)
    EMULATED.same_codes(cw.ops.quantize(ndarray(w), **options), cw.ops.quantize(w, **options))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_inputs", LENGTHS)
def test_outputs_of_any_length_are_one_group(method: Any, n_inputs: int) -> None:
    check_lengths(EMULATED, method, n_inputs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("scales", SCALES)
def test_extreme_weights_are_coded_alike(method: Any, symmetric: bool, scales: Any) -> None:
    options = {"method": method, "symmetric": symmetric, "scale_dtype": scales}
    for bits in BITS:
        check_codes(EMULATED, extreme_weights(), {**options, "bits": bits})


def test_results_go_where_they_are_asked_to() -> None:
    check_targets(EMULATED)


def test_arrays_that_are_not_aligned_are_read() -> None:
    w = weights((5, 32))
    for offset in (1, 2, 4, 8, 12):
        given = ndarray(w, offset)
        for pattern in ("2:4", 0.5):
            EMULATED.same(cw.ops.prune_mask(given, pattern), cw.ops.prune_mask(w, pattern))
        EMULATED.same_codes(cw.ops.quantize(given, bits=4), cw.ops.quantize(w, bits=4))
        for pattern in ("4:8", 0.5):
            out = ndarray(np.ones(w.shape, bool), offset)
            EMULATED.same(
                cw.ops.prune_mask(ndarray(w), pattern, out=out), cw.ops.prune_mask(w, pattern)
            )


def test_a_tensor_of_the_device_comes_to_the_host() -> None:
    w = weights((4, 40))
    for symmetric in (True, False):
        there = cw.ops.quantize(ndarray(w), bits=3, symmetric=symmetric)
        here = cw.ops.quantize(w, bits=3, symmetric=symmetric)
        assert here.to_host() is here
        copied = there.to_host()
        assert not copied.payload.flags.writeable
        np.testing.assert_array_equal(copied.codes, here.codes)
        np.testing.assert_array_equal(cw.ops.qmatmul(w, copied), cw.ops.qmatmul(w, here))


def test_nothing_leaks(emulator: Emulator) -> None:
    w = ndarray(weights((8, 64)))
    before = emulator.used_bytes()
    cw.ops.dequantize(cw.ops.quantize(w, method="mse"))
    cw.ops.prune_mask(w, "block:2x3", share=0.5)
    cw.ops.prune_mask(w, 0.5, per="output")
    assert emulator.used_bytes() == before


def test_the_host_asks_no_device(emulator: Emulator) -> None:
    before = emulator.launches()
    w = weights((8, 64))
    cw.ops.prune_mask(w, 0.5)
    cw.ops.dequantize(cw.ops.quantize(w))
    assert emulator.launches() == before


def _words_of(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(CordwoodError) as caught:
        call(*arguments, **options)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 45), (6, 69)])
@pytest.mark.parametrize("method", ["rtn", "mse"])
def test_weights_that_are_not_finite_are_refused_alike(
    bad: float, place: tuple[int, int], method: Any
) -> None:
    w = weights((7, 70))
    w[place] = bad
    w[6, 69] = np.nan
    for axis in (0, 1):
        options: Any = {"method": method, "axis": axis, "group_size": 32}
        said = _words_of(cw.ops.quantize, ndarray(w), **options)
        assert said == _words_of(cw.ops.quantize, w, **options)
    assert "too large" in _words_of(cw.ops.quantize, ndarray(np.full((2, 2), 1e300)))


@pytest.mark.parametrize(("pattern", "share"), PATTERNS, ids=str)
def test_scores_that_are_nan_are_refused_alike(pattern: str | float, share: float | None) -> None:
    for n_inputs in (70, 72):  # with a group that is cut short, and without
        w = weights((5, n_inputs))
        w[3, 61] = w[4, 2] = np.nan
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
    there = ndarray(np.zeros((2, 2), np.float32))
    out = ndarray(np.zeros((2, 2), bool))
    out.address = held.ctypes.data
    for pattern in ("2:4", 0.5, "block:1x2"):
        share = 0.5 if pattern == "block:1x2" else None
        with pytest.raises(DeviceError, match="the host's memory"):
            cw.ops.prune_mask(there, pattern, share=share, out=out)
    for part in ("payload", "scales", "zero_points"):
        codes = cw.ops.quantize(there, symmetric=False)
        getattr(codes, part).address = held.ctypes.data
        with pytest.raises(DeviceError, match="the host's memory"):
            cw.ops.dequantize(codes)


def test_memory_that_cannot_be_had_is_named(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = np.zeros((3, 4096), np.float32)
    given, out = ndarray(w), ndarray(np.ones(w.shape, bool))
    used = emulator.used_bytes()
    monkeypatch.setenv("CORDWOOD_EMULATED_MEMORY", "1")
    with pytest.raises(ResourceError, match="bytes could not be had"):
        cw.ops.prune_mask(given, 0.5, out=out)
    monkeypatch.delenv("CORDWOOD_EMULATED_MEMORY")
    assert emulator.used_bytes() == used
    EMULATED.same(cw.ops.prune_mask(given, 0.5, out=out), cw.ops.prune_mask(w, 0.5))


def test_more_shares_of_a_range_than_a_block_takes_are_refused() -> None:
    functions = importlib.import_module(MODULE)
    places = dict.fromkeys(("payload", "scales", "zeros", "stream", "group_size"), 0)
    with pytest.raises(ValueError, match="1000 shares of a range, expected at most"):
        functions.quantize_weights(
            0, shape=(1, 32), bits=4, half_scales=False, ratios=[1.0] * 1000, **places
        )


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
    w = weights((4, 32))
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
    q = cw.ops.quantize(ndarray(weights((4, 64))), bits=4, group_size=32, symmetric=False)
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
        cw.ops.hessian(_Parameter())


def test_no_extension_is_a_device_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_model_devices._EXTENSIONS, "cuda", "cordwood._not_there")
    with pytest.raises(DeviceError, match="built without CUDA"):
        cw.ops.prune_mask(ndarray(np.zeros((2, 2), np.float32)), "2:4")
