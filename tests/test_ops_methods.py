"""Methods that look at inputs: their definitions, and what they keep of a layer's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import oracle_ops as oracle
from cordwood import ops
from cordwood._ops_hessian import inverse_factor
from cordwood.errors import InputError


def _layer(n_outputs: int, n_inputs: int, n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and inputs of different size that know of each other."""
    rng = np.random.default_rng(seed)
    mix = np.eye(n_inputs) + rng.normal(size=(n_inputs, n_inputs)) * 0.6 / np.sqrt(n_inputs)
    inputs = rng.normal(size=(n_rows, n_inputs)) @ mix * np.exp(rng.normal(size=n_inputs) * 0.7)
    w = rng.normal(size=(n_outputs, n_inputs)) * 0.05
    return w.astype(np.float32), inputs.astype(np.float32)


def _error(w: np.ndarray, found: np.ndarray, inputs: np.ndarray) -> float:
    """Relative error of the outputs, Frobenius."""
    return float(np.linalg.norm(inputs @ (found - w).T) / np.linalg.norm(inputs @ w.T))


def test_the_hessian_is_the_mean_of_second_moments() -> None:
    _, inputs = _layer(1, 50, 9001, 0)
    wide = inputs.astype(np.float64)
    np.testing.assert_allclose(ops.hessian(inputs), wide.T @ wide / 9001, rtol=1e-9, atol=1e-9)
    parts = [inputs[:4000], inputs[4000:]]
    together = sum(ops.hessian(part) * len(part) for part in parts) / 9001
    np.testing.assert_allclose(ops.hessian(inputs), together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [1, 2, 64, 65, 130, 257])
def test_the_factor_is_of_the_damped_inverse(size: int) -> None:
    _, inputs = _layer(1, size, 2 * size + 3, size)
    moments = ops.hessian(inputs)
    factor = inverse_factor(moments, 0.01)
    damped = moments + 0.01 * np.diagonal(moments).mean() * np.eye(size)
    np.testing.assert_allclose(factor.T @ factor @ damped, np.eye(size), atol=1e-8)
    np.testing.assert_array_equal(factor, np.triu(factor))
    assert (np.diagonal(factor) > 0).all()


@pytest.mark.parametrize("bits", [4, 3, 2])
@pytest.mark.parametrize(("n_inputs", "group_size"), [(150, None), (300, 32), (200, 192), (40, 64)])
def test_gptq_is_its_definition(bits: Any, n_inputs: int, group_size: int | None) -> None:
    w, inputs = _layer(17, n_inputs, 500, bits)
    inputs[:, 5] = 0
    found = ops.gptq(
        w, inputs=inputs, bits=bits, group_size=group_size, clip=False, act_order=False
    )
    np.testing.assert_array_equal(found.codes, oracle.gptq(w, inputs, bits, group_size))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("act_order", [True, False])
def test_gptq_of_inputs_that_know_nothing_of_each_other_rounds(
    symmetric: bool, act_order: bool
) -> None:
    w, _ = _layer(30, 200, 1, 4)
    form: dict[str, Any] = {"bits": 4, "group_size": 64, "symmetric": symmetric}
    for method in ("rtn", "mse"):
        found = ops.gptq(
            w, hessian=np.diag(np.arange(200.0)), clip=method == "mse", act_order=act_order, **form
        )
        plain = ops.quantize(w, method=method, **form)
        np.testing.assert_array_equal(found.payload, plain.payload)
        np.testing.assert_array_equal(found.scales, plain.scales)


def test_gptq_in_order_of_size_does_not_mind_the_order_of_inputs() -> None:
    w, inputs = _layer(20, 140, 600, 9)
    order = np.random.default_rng(0).permutation(140)
    first = ops.gptq(w, inputs=inputs, bits=4)
    second = ops.gptq(w[:, order], inputs=inputs[:, order], bits=4)
    np.testing.assert_array_equal(first.codes[:, order], second.codes)


def test_each_calibrated_method_beats_rounding() -> None:
    w, inputs = _layer(96, 256, 2000, 1)
    seen, new = inputs[:1500], inputs[1500:]
    for bits in (4, 3):
        form: dict[str, Any] = {"bits": bits, "group_size": 64}
        plain = _error(w, ops.dequantize(ops.quantize(w, **form)), new)
        for method in ("mse", "gptq"):
            q = ops.quantize(w, method=method, inputs=seen, **form)
            assert _error(w, ops.dequantize(q), new) < 0.95 * plain, (bits, method)
        scaled = ops.awq(w, seen, **form)
        assert _error(w, ops.dequantize(scaled.quantized) / scaled.scales, new) < 0.95 * plain


@pytest.mark.parametrize("clip", [True, False])
def test_awq_tells_the_error_that_it_leaves(clip: bool) -> None:
    w, inputs = _layer(40, 128, 700, 2)
    form: dict[str, Any] = {"bits": 3, "group_size": 32, "symmetric": False}
    scaled = ops.awq(w, inputs, clip=clip, **form)
    rounded = ops.dequantize(ops.quantize(w, **form))
    total = float(np.square(inputs.astype(np.float64) @ w.T).sum(axis=1).mean())
    for error, found in (
        (scaled.error, ops.dequantize(scaled.quantized) / scaled.scales),
        (scaled.error_nearest, rounded),
    ):
        assert np.sqrt(error / total) == pytest.approx(_error(w, found, inputs), rel=1e-4)
    assert scaled.error < scaled.error_nearest
    assert 0 < scaled.exponent <= 1
    assert np.sqrt(scaled.scales.max() * scaled.scales.min()) == pytest.approx(1, rel=1e-5)


def test_smoothing_meets_in_the_middle() -> None:
    w, inputs = _layer(30, 80, 400, 3)
    inputs[:, 7] *= 60
    inputs[:, 11] = 0
    top = np.abs(inputs).max(axis=0)
    scales = ops.smooth_scales(w, top)
    smooth_inputs, smooth_w = inputs / scales, w * scales
    np.testing.assert_allclose(smooth_inputs @ smooth_w.T, inputs @ w.T, rtol=1e-3, atol=1e-3)
    reached = np.abs(smooth_inputs).max(axis=0)
    np.testing.assert_allclose(reached[:11], np.abs(smooth_w).max(axis=0)[:11], rtol=1e-5)
    assert scales[11] == 1
    np.testing.assert_allclose(
        np.delete(ops.smooth_scales(w, top, alpha=1.0), 11), np.delete(top, 11)
    )
    alone = np.delete(ops.smooth_scales(w, top, alpha=0.0), 11)
    np.testing.assert_allclose(alone, np.delete(1 / np.abs(w).max(axis=0), 11), rtol=1e-6)


@pytest.mark.parametrize("axis", [0, 1])
def test_bias_correction_keeps_the_mean_output(axis: int) -> None:
    w, inputs = _layer(25, 100, 900, 6)
    inputs += 0.5
    bias = np.linspace(-1, 1, 25)
    given = w if axis == 0 else w.T
    q = ops.quantize(given, bits=3, group_size=32, axis=axis)
    found = ops.dequantize(q) if axis == 0 else ops.dequantize(q).T
    mean = inputs.mean(axis=0, dtype=np.float64)
    corrected = ops.correct_bias(given, q, mean, bias=bias)
    assert corrected.dtype == np.float32
    np.testing.assert_allclose((inputs @ found.T + corrected).mean(axis=0),
                               (inputs @ w.T + bias).mean(axis=0), atol=1e-4)  # fmt: skip
    np.testing.assert_allclose(ops.correct_bias(w, found, mean), corrected - bias, atol=1e-6)


def test_wanda_is_magnitude_times_norm() -> None:
    w, inputs = _layer(8, 40, 300, 7)
    norms = np.sqrt((inputs.astype(np.float64) ** 2).sum(axis=0))
    expected = (np.abs(w) * norms).astype(np.float32)
    np.testing.assert_allclose(ops.wanda_scores(w, inputs), expected, rtol=1e-6)
    np.testing.assert_array_equal(
        ops.wanda_scores(w, norms=norms), ops.wanda_scores(w.astype(np.float64), norms=norms)
    )


def test_scores_are_of_the_inverse_diagonal() -> None:
    w, inputs = _layer(8, 90, 300, 8)
    moments = ops.hessian(inputs)
    damped = moments + 0.01 * np.diagonal(moments).mean() * np.eye(90)
    expected = w.astype(np.float64) ** 2 / np.diagonal(np.linalg.inv(damped))
    found = ops.sparsegpt_scores(w, inputs=inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_array_equal(found, ops.sparsegpt_scores(w, hessian=moments))


@pytest.mark.parametrize(
    ("keep", "of", "n_inputs"), [(2, 4, 150), (1, 4, 130), (3, 7, 45), (4, 4, 9)]
)
def test_sparsegpt_is_its_definition(keep: int, of: int, n_inputs: int) -> None:
    w, inputs = _layer(12, n_inputs, 500, keep)
    weights, mask = ops.sparsegpt(w, f"{keep}:{of}", inputs=inputs)
    expected, expected_mask = oracle.sparsegpt(w, inputs, keep, of)
    np.testing.assert_array_equal(mask, expected_mask)
    np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-8)
    assert (weights[~mask] == 0).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 1.0])
def test_sparsegpt_meets_a_share(share: float) -> None:
    w, inputs = _layer(15, 301, 700, 3)
    weights, mask = ops.sparsegpt(w, share, inputs=inputs)
    assert np.count_nonzero(~mask) == round(share * w.size)
    assert (weights[~mask] == 0).all()
    if share == 0:
        np.testing.assert_array_equal(weights, w)


@pytest.mark.parametrize("pattern", ["2:4", 0.5])
def test_scores_beat_magnitude(pattern: str | float) -> None:
    w, inputs = _layer(64, 256, 2000, 5)
    seen, new = inputs[:1500], inputs[1500:]

    def pruned(scores: np.ndarray) -> np.ndarray:
        return np.where(keep(scores, pattern), w, 0)

    plain = _error(w, pruned(np.abs(w)), new)
    wanda = _error(w, pruned(ops.wanda_scores(w, seen)), new)
    made_good = _error(w, ops.sparsegpt(w, pattern, inputs=seen)[0], new)
    assert made_good < wanda < plain


def keep(scores: np.ndarray, pattern: str | float) -> np.ndarray:
    """Mark the largest half of each output's weights, or of every four neighbours."""
    groups = scores.reshape(-1, 4 if pattern == "2:4" else scores.shape[1])
    order = np.argsort(-groups, axis=1, kind="stable")
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, order[:, : groups.shape[1] // 2], values=True, axis=1)
    return mask.reshape(scores.shape)


def test_what_methods_look_at_is_judged() -> None:
    w, inputs = _layer(4, 40, 50, 0)
    bad = inputs.copy()
    bad[3, 4] = np.inf
    for call in (
        lambda x: ops.gptq(w, inputs=x),
        lambda x: ops.awq(w, x, group_size=32),
        lambda x: ops.wanda_scores(w, x),
        lambda x: ops.sparsegpt(w, 0.5, inputs=x),
        lambda x: ops.sparsegpt_scores(w, inputs=x),
    ):
        with pytest.raises(InputError, match="inputs holds inf at row 3, column 4"):
            call(bad)
        for shape in ((0, 40), (50,), (50, 39)):
            with pytest.raises(InputError, match="inputs has shape"):
                call(np.zeros(shape))
    for call, match in (
        (lambda: ops.smooth_scales(w, np.ones(40), alpha=-0.1), "alpha is -0.1"),
        (lambda: ops.smooth_scales(w, np.ones(40), alpha=1.5), "alpha is 1.5"),
        (lambda: ops.smooth_scales(w, -np.ones(40)), "input_max is -1.0"),
        (lambda: ops.smooth_scales(w, np.ones(39)), "input_max has shape"),
        (lambda: ops.correct_bias(w, w, np.full(40, np.nan)), "mean_inputs holds nan at 0"),
        (lambda: ops.correct_bias(w, w[:2], np.ones(40)), "and quantized"),
        (lambda: ops.correct_bias(w, w, np.ones(40), bias=np.ones(3)), "bias has shape"),
        (lambda: ops.wanda_scores(w), "expected inputs or norms"),
        (lambda: ops.wanda_scores(w, inputs, norms=np.ones(40)), "expected inputs or norms"),
        (lambda: ops.wanda_scores(w, norms=-np.ones(40)), "norms is -1.0"),
        (lambda: ops.sparsegpt(w, "4:2", inputs=inputs), "pattern is '4:2'"),
        (lambda: ops.sparsegpt(w, "half", inputs=inputs), "pattern is 'half'"),
        (lambda: ops.sparsegpt(w, 1.5, inputs=inputs), "pattern is 1.5"),
        (lambda: ops.gptq(w, inputs=inputs, damping=0.0), "damping is 0.0"),
        (lambda: ops.gptq(np.full((2, 40), np.nan), inputs=inputs), "w holds nan at row 0"),
    ):
        with pytest.raises(InputError, match=match):
            call()
