"""``ops.attention``: shapes, layouts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import ops


def draw(*shape: int) -> Any:
    """Draw normal numbers."""
    return np.random.default_rng(list(shape)).standard_normal(shape).astype(np.float32)


Q, K, V = draw(2, 6, 5, 8), draw(2, 3, 7, 8), draw(2, 3, 7, 4)


def plainly(q: Any, k: Any, v: Any, mask: Any = 0.0) -> Any:
    """Attend in float64."""
    k, v = (np.repeat(x.astype(np.float64), q.shape[1] // x.shape[1], axis=1) for x in (k, v))
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[3]) + mask
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ v


def test_it_is_what_everyone_means() -> None:
    np.testing.assert_allclose(ops.attention(Q, K, V), plainly(Q, K, V), atol=1e-6)
    added = draw(6, 1, 7)
    np.testing.assert_allclose(
        ops.attention(Q, K, V, mask=added), plainly(Q, K, V, added), atol=1e-6
    )
    may = np.tril(np.ones((5, 7), bool), 2)
    hidden = np.where(may, 0, -np.inf)
    wanted = plainly(Q, K, V, hidden)
    np.testing.assert_allclose(ops.attention(Q, K, V, mask=may), wanted, atol=1e-6)
    np.testing.assert_array_equal(
        ops.attention(Q, K, V, causal=True), ops.attention(Q, K, V, mask=may)
    )


def test_layouts_and_types_make_no_difference() -> None:
    wanted = ops.attention(Q, K, V)
    q, k, v = (x.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3) for x in (Q, K, V))
    out = np.zeros((2, 5, 6, 4), dtype=np.float32).transpose(0, 2, 1, 3)
    assert ops.attention(q, k, v, out=out) is out
    np.testing.assert_array_equal(out, wanted)
    np.testing.assert_array_equal(ops.attention(Q.astype(np.float64), K, V.tolist()), wanted)
    np.testing.assert_array_equal(ops.attention(np.asfortranarray(Q), K[:, :, :, :], V), wanted)
    turned = ops.attention(Q, K[:, :, ::-1], V[:, :, ::-1])
    np.testing.assert_allclose(turned, wanted, atol=1e-6)
    column = np.full((2, 6, 5, 1), 3.0)
    np.testing.assert_allclose(ops.attention(Q, K, V, mask=column), wanted, atol=1e-6)


def test_a_window_of_one_and_rows_of_nothing() -> None:
    first = ops.attention(Q, K, V, window=1)
    np.testing.assert_array_equal(first, np.repeat(V[:, :, 2:], 2, axis=1))
    assert not ops.attention(Q, K, V, mask=np.zeros(7, bool)).any()
    assert ops.attention(Q[:0], K[:0], V[:0]).shape == (0, 6, 5, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"q": Q[0]}, r"q has shape \(6, 5, 8\)"),
        ({"q": Q[..., :0], "k": K[..., :0]}, "d above 0"),
        ({"k": K[..., :5]}, "axis 3 has 5 places; expected 8"),
        ({"v": V[:, :2]}, "axis 1 has 2 places; expected 3"),
        ({"q": Q[:, :4]}, "4 heads"),
        ({"q": Q[:1]}, "axis 0 has 2 places; expected 1"),
        ({"mask": np.zeros((3, 7))}, "broadcasts to"),
        ({"scale": np.nan}, "scale is nan"),
        ({"window": 0}, "window is 0"),
        ({"window": 1.5}, "window is 1.5"),
        ({"soft_cap": -1.0}, "soft_cap is -1.0"),
        ({"out": np.zeros((2, 6, 5, 4))}, "out is float64"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_what_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(cw.CordwoodError, match=said):
        ops.attention(**{"q": Q, "k": K, "v": V, **options})
    with pytest.raises(cw.errors.InputTypeError, match="dtype"):
        ops.attention(Q, K, np.full(V.shape, "a"))


def test_products_of_integers() -> None:
    wanted = ops.attention(Q, K, V)
    coded = ops.attention(Q, K, V, activations="int8-dynamic")
    assert (coded != wanted).any()
    np.testing.assert_allclose(coded, wanted, atol=0.02)
    with pytest.raises(cw.InputError, match="activations is 'int4', expected one of"):
        ops.attention(Q, K, V, activations="int4")  # type: ignore[arg-type]
    wide = np.zeros((1, 1, 1, 65_537), np.float32)
    with pytest.raises(cw.InputError, match="65537 inputs; sums of codes hold at most 65536"):
        ops.attention(wide, wide, wide, activations="int8-dynamic")
