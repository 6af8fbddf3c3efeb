"""Calibration for nets: what is taken for a batch, and what is refused, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.errors import InputError, InputTypeError
from cordwood.recipe import Recipe

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")

X = np.random.default_rng(0).normal(size=(24, 8)).astype(np.float32)
RECIPES = ("int8", "int4", "int8-auto", Recipe(weights="int8", activations="uint8-static"),
           Recipe(channels=0.5), Recipe(sparsity="2:4"))  # fmt: skip


def perceptron() -> Any:
    torch.manual_seed(0)
    layers = (torch.nn.Linear(8, 32), torch.nn.ReLU(), torch.nn.Linear(32, 4))
    return torch.nn.Sequential(*layers).eval()


def compressed(recipe: Any, calibration: Any, module: Any = None) -> cw.Net:
    net = cw.compress(
        module or perceptron(),
        recipe,
        example_inputs=(torch.tensor(X[:2]),),
        calibration=calibration,
    )
    assert isinstance(net, cw.Net)
    return net


def test_every_form_of_a_batch_is_the_same_batch() -> None:
    tensor = torch.tensor(X)
    forms = ([X], tensor, [tensor], (X,), [(X,)], {"input": X}, [{"input": tensor}], iter([X]),
             [X.astype(np.float64)], [X[:0], X])  # fmt: skip
    expected = compressed("int8", X)(X)
    for form in forms:
        assert compressed("int8", form)(X).tobytes() == expected.tobytes()


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_calibration_without_entries_is_refused(recipe: Any) -> None:
    with pytest.raises(InputError, match="no batches with entries"):
        compressed(recipe, [X[:0], X[:0]])


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_numbers_that_no_code_can_be_chosen_by_are_refused(recipe: Any) -> None:
    for factor in (np.float32(1e30), np.float32(np.inf)):
        with pytest.raises(InputError, match="batch 1 runs through the net, expected finite"):
            compressed(recipe, [X, X * factor])


@pytest.mark.parametrize(
    ("calibration", "words"),
    [
        (5, "calibration is of type int, expected a list of batches"),
        ("rows.npy", "calibration is of type str"),
        ([(X, X)], "batch 0 holds 2 arrays, expected 1: input"),
        ([X, X[:, :7]], r"batch 1, input 'input' has shape \(24, 7\), expected \(batch, 8\)"),
        ([X[0]], r"batch 0, input 'input' has shape \(8,\), expected \(batch, 8\)"),
        ([X * np.nan], "batch 0, input 'input' holds NaN"),
        ([{"x": X}], r"batch 0 has inputs \['x'\], expected \['input'\]"),
    ],
)
def test_what_fits_no_input_is_named(calibration: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        compressed("int8", calibration)


def test_what_is_no_array_of_numbers_is_named() -> None:
    net = compressed("int8", X)
    for wrong in ([[1.0, 2.0], [3.0]], torch.tensor(X).bfloat16()):
        with pytest.raises(InputTypeError, match="input 'input' is no array of float32"):
            net(wrong)
    with pytest.raises(InputTypeError, match="batch 0, input 'input' is no array of float32"):
        compressed("int8", [torch.tensor(X).bfloat16()])


def test_a_mask_may_hold_infinities() -> None:
    class Masked(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.mix = torch.nn.Linear(16, 16)

        def forward(self, x: Any, mask: Any) -> Any:
            heads = self.mix(x).unsqueeze(1)
            attend = torch.nn.functional.scaled_dot_product_attention
            return attend(heads, heads, heads, attn_mask=mask).squeeze(1), mask

    x, mask = torch.randn(3, 6, 16), torch.zeros(3, 1, 1, 6)
    mask[..., 4:] = -torch.inf
    module = Masked().eval()
    net = cw.compress(module, "int8", example_inputs=(x, mask), calibration=[(x, mask)])
    assert isinstance(net, cw.Net)
    assert net.metadata["recipe"]["loss"]["output_error"] < 0.02
    np.testing.assert_allclose(net(x, mask)[0], module(x, mask)[0].detach(), atol=0.05)


def test_weights_beyond_what_sums_hold_are_named() -> None:
    module = perceptron()
    with torch.no_grad():
        module[2].weight[0, :] = 3e38
    with pytest.raises(InputError, match=r"pass the range of float32|expected finite numbers"):
        compressed("int8", [X], module)
