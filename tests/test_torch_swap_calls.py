"""Calls of `quantize_` as people make them: modes, recipes, calibration, what is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw

torch = pytest.importorskip("torch")
nn = torch.nn

SEED = 5


def rows(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(SEED).normal(size=shape).astype(np.float32))


def mlp() -> Any:
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, 10)).eval()


def test_modules_inside_in_training_mode_are_refused() -> None:
    net = mlp()
    net[2].train()
    with pytest.raises(cw.InputError, match="'2' in the module is in training mode"):
        cw.quantize_(net)
    assert type(net[0]) is nn.Linear


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity": "2:4"},
        {"channels": 0.5},
        {"max_error": 0.1},
        {"max_bytes": 9},
        {"equalize": True},
    ],
)
def test_options_of_whole_nets_are_refused(options: dict[str, Any]) -> None:
    (name,) = options
    words = f"the recipe has {name} .*, which layers by themselves cannot follow"
    with pytest.raises(cw.InputError, match=words):
        cw.quantize_(mlp(), cw.Recipe("int8", **options), calibration=rows(8, 96))


def test_calibration_may_be_arrays() -> None:
    x = rows(64, 96)
    wanted = cw.quantize_(mlp(), "int4", calibration=x)
    for given in (x.numpy(), [x.numpy().astype(np.float64)], ({"input": x.numpy()},)):
        assert cw.quantize_(mlp(), "int4", calibration=given) == wanted


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (5, "calibration is of type int, expected a list of batches"),
        ([rows(4, 95)], "does not take calibration batch 0: mat1 and mat2 shapes"),
        (
            [rows(4, 96), (rows(4, 96), torch.zeros(4))],
            "batch 1: .*Leave out labels",
        ),
    ],
)
def test_calibration_that_is_refused(given: Any, words: str) -> None:
    for change in (cw.quantize_, lambda net, **options: cw.prune_(net, 0.5, **options)):
        net = mlp()
        with pytest.raises(cw.InputError, match=words):
            change(net, calibration=given)
        assert type(net[0]) is nn.Linear
        assert not net[0]._forward_pre_hooks


def test_packed_layers_and_hooks_of_gradients_are_told() -> None:
    net = mlp()
    net[2].register_full_backward_hook(lambda *_: None)
    report = cw.quantize_(net)
    assert [(each.name, each.reason) for each in report.left] == [
        ("2", "it has hooks, which would be lost")
    ]
    again = cw.quantize_(net)
    assert again.layers == ()
    assert ("0", "PackedLinear", "its weights are packed already") in [
        (each.name, each.kind, each.reason) for each in again.left
    ]


def test_layers_packed_in_inference_mode_take_a_state_dict() -> None:
    one, other, x = mlp(), mlp(), rows(3, 96)
    with torch.inference_mode():
        cw.quantize_(one)
    cw.quantize_(other)
    other[0].scales.mul_(2)
    one.load_state_dict(other.state_dict())
    assert torch.equal(one(x), other(x))
