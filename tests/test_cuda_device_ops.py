"""Masks and codes that a real device makes, of CuPy's arrays and torch's, are the host's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
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

LARGE = (3001, 4099)
"""More blocks of threads than a device holds at once, and rows that begin at every alignment."""

pytestmark = pytest.mark.gpu


def _cupy() -> Arrays:
    cupy = pytest.importorskip("cupy")
    return Arrays(
        put=cupy.asarray, get=cupy.asnumpy, owns=lambda array: isinstance(array, cupy.ndarray)
    )


def _torch() -> Arrays:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch sees no CUDA device")
    return Arrays(
        put=lambda array: torch.from_numpy(np.ascontiguousarray(array)).cuda(),
        get=lambda array: np.asarray(array.cpu().numpy()),
        owns=lambda array: isinstance(array, torch.Tensor) and array.is_cuda,
    )


@pytest.fixture(name="arrays", params=[_cupy, _torch], ids=["cupy", "torch"])
def arrays_fixture(request: pytest.FixtureRequest) -> Arrays:
    made: Arrays = request.param()
    return made


@pytest.mark.parametrize(("pattern", "share"), PATTERNS, ids=str)
@pytest.mark.parametrize("per", PERS)
def test_masks(arrays: Arrays, pattern: str | float, share: float | None, per: Any) -> None:
    for shape in SHAPES:
        check_masks(arrays, pattern, share, per, shape)


@pytest.mark.parametrize(
    ("pattern", "share"), [("2:4", None), (0.9, None), ("block:16x4", 0.3), ("block:4x40", 0.5)]
)
@pytest.mark.parametrize("per", PERS)
def test_large_masks(arrays: Arrays, pattern: str | float, share: float | None, per: Any) -> None:
    check_masks(arrays, pattern, share, per, LARGE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("goes", [0.001, 0.5, 0.999])
def test_ties(arrays: Arrays, size: int, goes: float) -> None:
    check_ties(arrays, size, goes)


@pytest.mark.parametrize("scales", SCALES)
@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", BITS, ids="int{}".format)
def test_codes(arrays: Arrays, bits: int, method: str, symmetric: bool, scales: str) -> None:
    options = {"bits": bits, "method": method, "symmetric": symmetric, "scale_dtype": scales}
    for w in (*coded_weights(), extreme_weights()):
        check_codes(arrays, w, options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", BITS, ids="int{}".format)
def test_large_codes(arrays: Arrays, bits: int, method: str) -> None:
    w = weights(LARGE)[: None if method == "rtn" else 301]  # the host tries 41 ranges a group
    options = {"bits": bits, "method": method, "symmetric": False}
    check_codes(arrays, w, options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_inputs", LENGTHS)
def test_groups_of_any_length(arrays: Arrays, method: str, n_inputs: int) -> None:
    check_lengths(arrays, method, n_inputs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_types(arrays: Arrays, dtype: Any) -> None:
    check_types(arrays, dtype)


def test_targets(arrays: Arrays) -> None:
    check_targets(arrays)


def test_a_parameter_is_read_where_it_lies() -> None:
    arrays = _torch()
    torch = pytest.importorskip("torch")
    w = weights((5, 64))
    parameter = torch.nn.Parameter(arrays.put(w))
    arrays.same(cw.ops.prune_mask(parameter, "2:4"), cw.ops.prune_mask(w, "2:4"))
    halves = arrays.put(w).to(torch.bfloat16)
    expected = cw.ops.quantize(arrays.get(halves.float()), bits=4)
    arrays.same_codes(cw.ops.quantize(halves, bits=4), expected)
