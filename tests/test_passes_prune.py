"""Weights and channels that go: what stays, what makes up for it, what is told of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.errors import InputError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_arrays import Reduce, Reshape
from cordwood.ir_nets import Activation, BatchNorm, Conv, Linear, Pool, Quantized
from cordwood.pack import pack
from cordwood.passes.prune_channels import judged_values, prune_channels
from cordwood.passes.prune_products import hold_sparse, prune_products, prune_weights
from cordwood.passes.quantize_products import quantize_products
from cordwood.recipe import Recipe
from oracle_nets import run

PATTERNS = ("2:4", "1:4", "4:8", "block:16x1:0.75", "block:32x4:0.5", 0.8)


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mixed(seed: int, rows: int, columns: int) -> np.ndarray:
    """Rows of inputs that depend on one another, so that some can stand for others."""
    return drawn(seed, rows, columns // 4) @ drawn(seed + 1, columns // 4, columns) + 0.3


def net(steps: list[Any], shapes: dict[str, tuple[Any, ...]], *outputs: str) -> Graph:
    made = {name for step in steps for name in step.outputs}
    values = tuple(
        Value(
            name,
            "float32",
            ("batch", *shape),
            Role.OUTPUT if name in outputs else Role.NONE if name in made else Role.INPUT,
        )
        for name, shape in shapes.items()
    )
    form = "single" if len(outputs) == 1 else "tuple"
    return Graph(values=values, operators=tuple(steps), form=form)


def linear(source: str, target: str, outputs: int, inputs: int, **more: Any) -> Linear:
    return Linear(inputs=(source,), outputs=(target,), weight=drawn(outputs, outputs, inputs),
                  bias=drawn(inputs, outputs), place=target, **more)  # fmt: skip


def conv(source: str, target: str, *shape: int, groups: int = 1, pad: int = 0) -> Conv:
    two = (1, 1)
    return Conv(inputs=(source,), outputs=(target,), weight=drawn(sum(shape), *shape), stride=two,
                bias=drawn(9, shape[0]), dilation=two, pad_before=(pad, pad), pad_after=(pad, pad),
                output_padding=(0, 0), groups=groups, place=target)  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
def test_least_squares_beat_magnitudes(pattern: str | float) -> None:
    weight, seen = drawn(0, 64, 128), mixed(1, 500, 128)
    plain, fitted = prune_weights(weight, pattern, None), prune_weights(weight, pattern, seen)
    errors = [np.linalg.norm(seen @ (w - weight).T) for w in (plain, fitted)]
    assert errors[1] < (0.5 if pattern in ("2:4", "4:8", "block:32x4:0.5") else 1.0) * errors[0]
    for pruned in (plain, fitted):
        again = prune_weights(pruned, pattern, seen)
        assert again.tobytes() == pruned.tobytes(), "a layer that holds the pattern keeps its bits"
        gone = np.count_nonzero(pruned == 0) / pruned.size
        assert gone == pytest.approx({"2:4": 0.5, "1:4": 0.75, "4:8": 0.5}.get(str(pattern), gone))
        assert gone >= 0.5 - 1e-9


@pytest.mark.parametrize("method", ["rtn", "mse", "gptq"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_codes_keep_the_pattern(pattern: str | float, method: Any) -> None:
    graph = net([linear("x", "y", 64, 128)], {"x": (128,), "y": (64,)}, "y")
    seen = {"x": mixed(1, 300, 128)}
    recipe = Recipe(weights="int8", sparsity=pattern, method=method)
    pruned, losses = prune_products(graph, pattern, seen)
    small, _ = quantize_products(pruned, recipe, seen)
    step: Any = hold_sparse(small, pattern).operators[0]
    assert isinstance(step.weight, Quantized)
    assert step.weight.mask is not None
    before: Any = pruned.operators[0]
    assert not (step.weight.mask & (before.weight == 0)).any()
    assert 0 < losses[0].error < 0.6
    assert losses[0].place == "y"


def test_layers_that_take_no_pattern_stay() -> None:
    steps = [linear("x", "h", 64, 30), linear("h", "i", 8, 64), linear("i", "y", 32, 8)]
    graph = net(steps, {"x": (30,), "h": (64,), "i": (8,), "y": (32,)}, "y")
    pruned, losses = prune_products(graph, "2:4", {})
    assert [loss.place for loss in losses] == ["y"]
    for old, new in zip(graph.operators[:2], pruned.operators[:2], strict=True):
        assert new is old


@pytest.mark.parametrize(
    "options",
    [
        {"sparsity": "4:2"}, {"sparsity": "2:65"}, {"sparsity": 1.0}, {"sparsity": 2},
        {"sparsity": "block:16x1"}, {"sparsity": "block:0x1:0.5"}, {"sparsity": "channels:0.5"},
        {"channels": 1.0}, {"channels": 0}, {"channels": "half"},
    ],
)  # fmt: skip
def test_other_words_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} is .*expected"):
        Recipe(weights="int8", **options)


def test_recipes_carry_what_goes() -> None:
    recipe = Recipe(sparsity="2:4")
    assert (recipe.weights, recipe.activations, recipe.method) == ("int8", "uint8-dynamic", "mse")
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert Recipe(channels=0.5).weights == "float32"
    with pytest.raises(InputError, match="integer weights alone"):
        Recipe(weights="float16", sparsity="2:4")
    with pytest.raises(InputError, match="takes no sparsity"):
        Recipe("trees-small", sparsity="2:4")


def dense_relu_dense() -> Graph:
    steps = [
        linear("x", "a", 64, 32, activation="relu"),
        linear("a", "b", 40, 64),
        Activation(inputs=("b",), outputs=("c",), kind="gelu"),
        linear("c", "y", 10, 40),
    ]
    shapes = {"x": (32,), "a": (64,), "b": (40,), "c": (40,), "y": (10,)}
    return net(steps, shapes, "y")


def convolutions(pad: int) -> Graph:
    """conv, norm, relu, depthwise, pool, conv, mean, dense; and conv, flatten, dense beside it."""
    size = 12 + 2 * pad
    steps = [
        conv("x", "a", 32, 3, 3, 3, pad=pad),
        BatchNorm(inputs=("a",), outputs=("b",), factor=drawn(1, 32), offset=drawn(2, 32)),
        Activation(inputs=("b",), outputs=("c",), kind="prelu", slope=drawn(3, 32)),
        conv("c", "d", 32, 1, 3, 3, groups=32, pad=1),
        Pool(inputs=("d",), outputs=("e",), kind="max", kernel=(2, 2), stride=(2, 2),
             dilation=(1, 1), pad_before=(0, 0), pad_after=(0, 0)),
        conv("e", "f", 16, 32, 3, 3, pad=pad),
        Reduce(inputs=("f",), outputs=("g",), kind="mean", axes=(2, 3)),
        linear("g", "y", 10, 16),
        conv("e", "h", 16, 32, 3, 3, pad=pad),
    ]  # fmt: skip
    big, half = (size - 2, size - 2), ((size - 2) // 2,) * 2
    last = (half[0] - 2 + 2 * pad,) * 2
    flat = 16 * last[0] ** 2
    steps.append(Reshape(inputs=("h",), outputs=("i",), shape=(None, flat)))
    steps.append(linear("i", "z", 10, flat))
    shapes = {"x": (3, 12, 12), "a": (32, *big), "b": (32, *big), "c": (32, *big), "d": (32, *big),
              "e": (32, *half), "f": (16, *last), "g": (16,), "y": (10,), "h": (16, *last),
              "i": (flat,), "z": (10,)}  # fmt: skip
    return net(steps, shapes, "y", "z")


def seen_by(graph: Graph, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rows of all values whose channels may go, by the oracle."""
    axes = judged_values(graph)
    values = tuple(
        Value(v.name, v.dtype, v.shape, Role.OUTPUT if v.name in axes else v.role)
        for v in graph.values
    )
    answers = run(Graph(values=values, operators=graph.operators, form="dict"), inputs)
    moved = {name: np.moveaxis(answers[name], axis, -1) for name, axis in axes.items()}
    return {name: rows.reshape(-1, rows.shape[-1]) for name, rows in moved.items()}


def test_dense_layers_shrink() -> None:
    graph, x = dense_relu_dense(), {"x": mixed(5, 400, 32)}
    exact = run(graph, x)["y"]
    errors = []
    for seen in ({}, seen_by(graph, x)):
        small, losses = prune_channels(graph, 0.75, seen)
        shapes = [step.weight.shape for step in small.operators if isinstance(step, Linear)]
        assert shapes == [(48, 32), (32, 48), (10, 32)]
        assert small.value("c").shape == ("batch", 32)
        assert [loss.place for loss in losses] == ["b", "y"]
        found = run(small, x)["y"]
        errors.append(float(np.linalg.norm(found - exact) / np.linalg.norm(exact)))
        np.testing.assert_allclose(
            np.asarray(cw.Net(pack(small))(x["x"])), found, rtol=1e-3, atol=1e-3
        )
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 2 * max(loss.error for loss in losses)


@pytest.mark.parametrize("pad", [0, 1])
def test_convolutions_shrink_with_all_between_them(pad: int) -> None:
    graph, x = convolutions(pad), {"x": drawn(5, 6, 3, 12, 12)}
    exact = run(graph, x)
    small, losses = prune_channels(graph, 0.5, seen_by(graph, x))
    shapes = {s.outputs[0]: s.weight.shape for s in small.operators if isinstance(s, Linear | Conv)}
    flat = graph.value("i").shape[1] // 2
    assert shapes == {
        "a": (16, 3, 3, 3), "d": (16, 1, 3, 3), "f": (8, 16, 3, 3), "y": (10, 8),
        "h": (8, 16, 3, 3), "z": (10, flat),
    }  # fmt: skip
    assert small.value("e").shape[1] == 16
    assert {loss.place for loss in losses} == {"f", "h", "y", "z"}
    found = run(small, x)
    plain = run(prune_channels(graph, 0.5, {})[0], x)
    for name in ("y", "z"):
        ours, theirs = (np.linalg.norm(a[name] - exact[name]) for a in (found, plain))
        assert ours < theirs


def test_channels_that_are_dead_go_without_loss() -> None:
    graph = dense_relu_dense()
    first: Any = graph.operators[0]
    first.weight[::2], first.bias[::2] = 0, -1
    x = {"x": drawn(5, 500, 32)}
    for seen in ({}, seen_by(graph, x)):
        small, losses = prune_channels(graph, 0.5, seen)
        left: Any = small.operators[0]
        assert left.weight.tobytes() == first.weight[1::2].tobytes()
        assert losses[0].place == "b"
        assert losses[0].error < 1e-6


def test_where_nothing_may_go_nothing_does() -> None:
    """Channels of residuals, of outputs, and of what mixes them."""
    joined = [
        linear("x", "a", 32, 32),
        Linear(inputs=("a", "x"), outputs=("y",), weight=drawn(1, 32, 32)),
    ]
    square = {"x": (32,), "a": (32,), "y": (32,)}
    residual = [
        linear("x", "a", 32, 32),
        Linear(inputs=("x", "a"), outputs=("y",), weight=drawn(1, 32, 32)),
    ]
    for graph in (
        net([linear("x", "y", 32, 32)], {"x": (32,), "y": (32,)}, "y"),
        net(residual, square, "y"),
        net([joined[0], linear("a", "y", 32, 32)], square, "a", "y"),
    ):  # fmt: skip
        same, losses = prune_channels(graph, 0.5, {})
        assert same is graph
        assert losses == []
    assert prune_channels(net(joined, square, "y"), 0.5, {})[1] != []
