"""quantize and dequantize: the meaning of docs/quantization.md, and what is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import cordwood as cw
import oracle_ops as oracle
from cordwood import ops
from cordwood._ops_clip import clipped_scales
from cordwood._ops_form import Form, range_scales
from cordwood.errors import InputError, InputTypeError

FORMS = [
    {"bits": bits, "group_size": group, "symmetric": symmetric, "scale_dtype": dtype}
    for bits in (8, 4, 3, 2)
    for group in (None, 32, 128)
    for symmetric in (True, False)
    for dtype in ("float32", "float16")
]


def _weights(n_outputs: int = 24, n_inputs: int = 300, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_t(4, (n_outputs, n_inputs)).astype(np.float32) * np.float32(0.02)


def _oracle(w: np.ndarray, form: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return oracle.quantize(
        w, form["bits"], form["group_size"], form["symmetric"], form["scale_dtype"]
    )


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_round_to_nearest_is_the_page_s(form: dict[str, Any]) -> None:
    w = _weights()
    codes, scales, zeros = _oracle(w, form)
    q = ops.quantize(w, **form)
    np.testing.assert_array_equal(q.codes, codes)
    np.testing.assert_array_equal(q.payload, oracle.pack(codes, form["bits"]))
    np.testing.assert_array_equal(q.scales.astype(np.float32), scales)
    assert q.scales.dtype == form["scale_dtype"]
    assert q.symmetric == form["symmetric"]
    if not q.symmetric:
        np.testing.assert_array_equal(q.zero_points, zeros)
    expected = oracle.dequantize(codes, scales, zeros, form["group_size"])
    assert ops.dequantize(q).tobytes() == expected.tobytes()
    again = ops.QuantizedTensor.from_codes(
        q.codes, q.scales, q.zero_points, bits=q.bits, group_size=q.group_size
    )
    assert ops.dequantize(again).tobytes() == expected.tobytes()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_the_error_is_at_most_half_a_step(form: dict[str, Any]) -> None:
    w = _weights(seed=1)
    q = ops.quantize(w, **form)
    step = np.repeat(q.scales.astype(np.float32), form["group_size"] or 300, axis=1)[:, :300]
    # An asymmetric zero point is rounded, which moves one end by up to half a step more; a float16
    # scale may end short of the range by its own rounding, times the codes of that end.
    room = (0.5 if form["symmetric"] else 1.0) + (2**-11 * 2 ** form["bits"]) + 1e-4
    assert (np.abs(ops.dequantize(q) - w) <= room * step).all()


@pytest.mark.parametrize("method", ["rtn", "mse", "gptq"])
def test_axis_1_is_the_transpose(method: str) -> None:
    w = _weights()
    inputs = np.random.default_rng(3).normal(size=(500, 300)) if method == "gptq" else None
    form: dict[str, Any] = {"bits": 4, "group_size": 64, "symmetric": False, "method": method}
    q = ops.quantize(w, **form, inputs=inputs)
    for turned in (w.T, np.ascontiguousarray(w.T)):
        p = ops.quantize(turned, **form, axis=1, inputs=inputs)
        assert p.shape == turned.shape
        np.testing.assert_array_equal(p.payload, q.payload)
        np.testing.assert_array_equal(p.scales, q.scales)
        np.testing.assert_array_equal(ops.dequantize(p), ops.dequantize(q).T)
        out = np.empty(turned.shape, np.float32, order="F")
        assert ops.dequantize(p, out=out) is out
        np.testing.assert_array_equal(out, ops.dequantize(q).T)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", "int8", "int64", "bool"])
def test_numbers_of_any_type(dtype: str) -> None:
    w = (_weights() * 100).astype(dtype)
    expected = ops.quantize(w.astype(np.float32), bits=4, group_size=32)
    np.testing.assert_array_equal(ops.quantize(w, bits=4, group_size=32).payload, expected.payload)
    unaligned = np.zeros(w.nbytes + 1, np.uint8)[1:].view(w.dtype).reshape(w.shape)
    unaligned[:] = w
    np.testing.assert_array_equal(
        ops.quantize(unaligned, bits=4, group_size=32).payload, expected.payload
    )


def test_a_tensor_prints_travels_and_keeps_its_arrays() -> None:
    q = ops.quantize(_weights(), bits=3, group_size=64)
    assert "24 x 300, 3 bits symmetric in groups of 64, last group padded by 20" in repr(q)
    assert q.nbytes == 24 * 113 + 24 * 5 * 4
    with pytest.raises(ValueError, match="read-only"):
        q.payload[0] = 0
    zeros = np.ones((2, 1), np.uint8)
    made = ops.QuantizedTensor.from_codes(
        np.ones((2, 8), np.uint8), np.ones((2, 1), np.float32), zeros, bits=8
    )
    zeros[:] = 0  # the caller's arrays stay the caller's
    np.testing.assert_array_equal(ops.dequantize(made), 0)
    copy = pickle.loads(pickle.dumps(q))
    np.testing.assert_array_equal(ops.dequantize(copy), ops.dequantize(q))


def test_clipping_never_raises_the_squared_error() -> None:
    w = _weights(seed=5)
    w[3] = 0
    w[4] *= 1e36
    for form in FORMS:
        plain = ops.dequantize(ops.quantize(w, **form)).astype(np.float64)
        found = ops.dequantize(ops.quantize(w, method="mse", **form)).astype(np.float64)
        size = form["group_size"] or 300
        starts = range(0, 300, size)
        errors = [np.add.reduceat((v - w) ** 2, starts, axis=1) for v in (plain, found)]
        assert (errors[1] <= errors[0] * (1 + 1e-5)).all()
        if form["bits"] < 8:
            assert errors[1][:3].sum() < errors[0][:3].sum()


def test_clipping_weighs_errors_by_inputs() -> None:
    w = _weights(64, 256, seed=6)
    inputs = np.random.default_rng(7).normal(size=(400, 256)) * np.linspace(0.05, 4, 256) ** 2
    moments = ops.hessian(inputs)
    form: dict[str, Any] = {"bits": 3, "group_size": 64, "method": "mse"}
    with_rows = ops.quantize(w, **form, inputs=inputs)
    np.testing.assert_array_equal(
        with_rows.payload, ops.quantize(w, **form, hessian=moments).payload
    )
    plain = ops.quantize(w, **form)

    def error(q: ops.QuantizedTensor) -> float:
        return float((((ops.dequantize(q) - w) ** 2) @ np.diagonal(moments)).sum())

    assert error(with_rows) < error(plain)


def test_scales_in_python_are_the_kernels() -> None:
    w = _weights(200, 64, seed=8) * np.logspace(-40, 36, 200, dtype=np.float64)[:, None]
    w = w.astype(np.float32)
    low, high = np.minimum(w.min(axis=1), 0), np.maximum(w.max(axis=1), 0)
    for form in FORMS:
        kind = Form(form["bits"], None, form["symmetric"], form["scale_dtype"])
        scales, zeros = range_scales(low, high, kind)
        q = ops.quantize(w, **{**form, "group_size": None})
        np.testing.assert_array_equal(q.scales[:, 0].astype(np.float32), scales)
        if not q.symmetric:
            np.testing.assert_array_equal(q.zero_points[:, 0], zeros)
    whole, _ = clipped_scales(np.zeros((2, 40), np.float32), kind)
    np.testing.assert_array_equal(whole, 0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"bits": 5}, "bits is 5; weights take 8, 4, 3 or 2"),
        ({"group_size": 48}, "group_size is 48; expected a multiple of 32"),
        ({"group_size": 0}, "group_size is 0"),
        ({"scale_dtype": "float64"}, "scale_dtype is 'float64'"),
        ({"axis": 2}, "axis is 2"),
        ({"method": "awq"}, "cordwood.ops.awq scales inputs too"),
        ({"method": "gptq"}, "expected inputs or hessian, and not both"),
        ({"inputs": np.ones((2, 300))}, "method 'rtn' looks at no inputs"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": True}, "threads is True"),
        ({"method": "mse", "inputs": np.ones((2, 3))}, r"inputs has shape \(2, 3\)"),
        ({"method": "gptq", "inputs": np.full((2, 300), np.nan)}, "inputs holds nan at row 0"),
        ({"method": "gptq", "hessian": np.eye(3)}, r"hessian has shape \(3, 3\)"),
        ({"method": "gptq", "hessian": -np.eye(300)}, "hessian has a negative diagonal"),
        ({"method": "gptq", "hessian": np.tri(300)}, "hessian is not symmetric"),
        ({"method": "gptq", "hessian": 3 - np.eye(300)}, "not positive definite with damping"),
    ],
)
def test_options_are_judged(change: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        ops.quantize(_weights(), **change)


def test_weights_are_judged() -> None:
    for bad in (np.zeros(3), np.zeros((2, 0)), np.zeros((2, 2, 2))):
        with pytest.raises(InputError, match="w has shape"):
            ops.quantize(bad)
    for kind in (np.array([["a", "b"]]), np.zeros((2, 2), complex), np.zeros((2, 2), object)):
        with pytest.raises(InputTypeError, match="w has dtype"):
            ops.quantize(kind)
    w = _weights().astype(np.float64)
    w[5, 6] = 1e39
    for method in ("rtn", "mse"):
        with pytest.raises(InputError, match=r"output 5, input 6 is infinite|w holds inf at row 5"):
            ops.quantize(w, method=method)
    w[5, 6] = np.nan
    with pytest.raises(InputError, match="output 6, input 5 is NaN"):
        ops.quantize(w, axis=1)


def test_out_is_judged() -> None:
    q = ops.quantize(_weights(), bits=4)
    read_only = np.empty(q.shape, np.float32)
    read_only.flags.writeable = False
    for out in (np.empty((300, 24), np.float32), np.empty(q.shape, np.float32, "F"), read_only):
        with pytest.raises(InputError, match="out has shape"):
            ops.dequantize(q, out=out)
    for wrong in (np.empty(q.shape), [[0.0]]):
        with pytest.raises(InputTypeError, match="out is of"):
            ops.dequantize(q, out=wrong)
    with pytest.raises(InputTypeError, match="q is a ndarray"):
        ops.dequantize(np.zeros((2, 2)))


def test_ops_is_there_when_asked_for() -> None:
    assert cw.ops is ops
    assert all(hasattr(ops, name) for name in ops.__all__)
    code = """
import sys, cordwood as cw
assert "cordwood.ops" not in sys.modules
cw.ops.quantize([[1.0, 2.0]], bits=2)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
