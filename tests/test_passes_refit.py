"""Layers refitted one after the other, layers that stay in float, and channels equalised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cordwood._api_nets import compress_net
from cordwood._api_refit import refit_products, refittable
from cordwood._api_watch import output_error, rows_of
from cordwood._model_net import Net
from cordwood.errors import InputError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Activation, Conv, Embedding, Linear, Quantized
from cordwood.pack import pack
from cordwood.passes import refit_linear as refit_module
from cordwood.passes.equalize_layers import equalize_layers
from cordwood.passes.quantize_products import as_float, quantize_products
from cordwood.passes.refit_linear import Met, refit_linear
from cordwood.recipe import Recipe
from oracle_nets import run

INT4 = Recipe("int4", group_size=32)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def layer(source: str, target: str, inputs: int, outputs: int, seed: int, **more: Any) -> Linear:
    weight = drawn(outputs, inputs, seed=seed) / np.float32(inputs**0.5)
    names = (source, *more.pop("added", ()))
    bias = more.pop("bias", drawn(outputs, seed=seed + 50))
    place = f"net.{target}"
    return Linear(inputs=names, outputs=(target,), weight=weight, bias=bias, place=place, **more)


def net(operators: list[Any], shapes: dict[str, tuple[Any, ...]], dtype: str = "float32") -> Graph:
    made = [name for step in operators for name in step.outputs]
    values = tuple(
        Value(
            name,
            dtype if name == "x" else "float32",
            shape,
            Role.OUTPUT if name == made[-1] else Role.NONE if name in made else Role.INPUT,
        )
        for name, shape in shapes.items()
    )
    return Graph(values=values, operators=tuple(operators), form="single")


def deep() -> Graph:
    """Four layers, the third with a residual."""
    steps = [
        layer("x", "a", 32, 64, 1, activation="relu"),
        layer("a", "b", 64, 64, 2, activation="gelu"),
        layer("b", "c", 64, 64, 3, added=("a",)),
        layer("c", "y", 64, 8, 4),
    ]
    wide = ("batch", 64)
    shapes: dict[str, tuple[Any, ...]] = {"x": ("batch", 32), "a": wide, "b": wide, "c": wide}
    return net(steps, {**shapes, "y": ("batch", 8)})


def mixed(count: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Rows whose features depend on few numbers, and do not lie around zero."""
    source = drawn(12, 32, seed=99)
    return [{"x": drawn(64, 12, seed=seed + i) @ source + 1} for i in range(count)]


@pytest.mark.parametrize("name", ["int4", "int8"])
def test_refitting_makes_good_what_was_lost(name: str) -> None:
    graph, seen, new = deep(), mixed(16, 0), mixed(4, 1000)
    recipe = Recipe(name, method="gptq" if name == "int4" else "mse")
    plain, _ = quantize_products(graph, recipe, rows_of(graph, seen, ("x", "a", "b", "c")))
    names = refittable(graph, ())
    assert names == ("a", "b", "c", "y")
    fitted, losses = refit_products(graph, graph, recipe, seen, names)
    assert output_error(graph, fitted, new) < 0.9 * output_error(graph, plain, new)
    assert [loss.place for loss in losses] == ["net.a", "net.b", "net.c", "net.y"]
    assert losses[-1].error == pytest.approx(output_error(graph, fitted, seen), rel=0.1)


def test_each_part_of_the_fit_counts() -> None:
    """Weights, residual and bias each take away error that the others leave."""
    exact = drawn(4000, 32) + 1
    given = exact * np.float32(0.9) + drawn(4000, 32, seed=1) * np.float32(0.05) + np.float32(0.2)
    lacking = given[:, :16] * np.float32(0.3)
    step = layer("x", "y", 32, 16, 3)
    assert isinstance(step.weight, np.ndarray)
    target = exact @ step.weight.T + step.bias + lacking
    coded, loss = refit_linear(step, Recipe("int8"), Met(exact, given, lacking))
    found = given @ as_float(coded.weight).T + coded.bias
    error = np.linalg.norm(found - target) / np.linalg.norm(target)
    lone = np.linalg.norm(given @ step.weight.T + step.bias - target) / np.linalg.norm(target)
    assert error < 0.5 * lone
    assert np.abs((found - target).mean(0)).max() < 1e-3, "means are kept"
    size = np.linalg.norm(exact @ step.weight.T)
    assert loss.error == pytest.approx(np.linalg.norm(found - target) / size, rel=0.05)


def test_held_out_rows_choose_the_ridge() -> None:
    """What the inputs tell of the error is taken, noise is not."""
    varied, change = drawn(640, 64), drawn(8, 64, seed=1)
    noise = drawn(640, 8, seed=2) * np.float32(20)
    moments, none = refit_module._correction(varied, noise)
    assert not none.any(), "nothing can be told: weights stay"
    np.testing.assert_allclose(moments, varied.T @ varied / len(varied), rtol=1e-4, atol=1e-5)
    _, most = refit_module._correction(varied, varied @ change.T)
    assert np.linalg.norm(most - change) < 0.75 * np.linalg.norm(change)
    change = drawn(256, 64, seed=3)
    both = varied @ change.T + drawn(640, 256, seed=4) * np.float32(80)
    _, some = refit_module._correction(varied, both)
    least = refit_module._solved(moments, varied.T @ both / len(varied), refit_module.RIDGES[0])
    assert 0 < np.linalg.norm(some - change) < 0.9 * np.linalg.norm(least.T - change)


def test_layers_without_bias_take_none() -> None:
    step = layer("x", "y", 32, 16, 3, bias=None)
    rows = drawn(200, 32) + 1
    coded, loss = refit_linear(step, Recipe("int8"), Met(rows, rows))
    assert coded.bias is None
    assert loss.error < 0.02


@pytest.mark.parametrize("method", ["rtn", "mse", "gptq"])
@pytest.mark.parametrize("name", ["int8", "int4"])
def test_constant_and_empty_inputs(name: str, method: Any) -> None:
    step = layer("x", "y", 32, 16, 3)
    recipe = Recipe(name, method=method, group_size=32)
    constant = np.full((50, 32), 0.5, np.float32)
    coded, loss = refit_linear(step, recipe, Met(constant, constant))
    assert loss.error < 1e-5, "the bias takes all of it"
    for rows in (np.zeros((50, 32), np.float32), drawn(50, 32) * (np.arange(32) < 9)):
        coded, _ = refit_linear(step, recipe, Met(rows, rows))
        assert np.isfinite(as_float(coded.weight)).all()
        assert np.isfinite(coded.bias).all()


def test_a_channel_of_zero_weights() -> None:
    step = layer("x", "y", 32, 16, 3)
    assert isinstance(step.weight, np.ndarray)
    step.weight[:, 4] = 0
    step.weight[5] = 0
    rows = drawn(200, 32)
    coded, loss = refit_linear(step, Recipe("int8"), Met(rows, rows))
    assert loss.error < 0.05
    assert not as_float(coded.weight)[5].any()


@pytest.mark.parametrize("kind", ["int8-dynamic", "uint8-dynamic"])
@pytest.mark.parametrize("group", [0, 32])
def test_rows_are_what_codes_leave_of_them(kind: Any, group: int) -> None:
    """A layer of ones on the diagonal answers with its rows as the runtime codes them."""
    rows = drawn(20, 64) + np.float32(0.5)
    rows[3] = 0
    weight = Quantized(
        codes=(128 + np.eye(64)).astype(np.uint8),
        scale=np.ones((64, 64 // group if group else 1), np.float32),
        group_size=group,
    )
    coding = refit_module.row_coding(
        Recipe(weights="int8", activations=kind, group_size=group or None)
    )
    step = Linear(inputs=("x",), outputs=("y",), weight=weight, rows=coding)
    shapes = {"x": ("batch", 64), "y": ("batch", 64)}
    answer = Net(pack(net([step], shapes)), threads=1)(rows)
    np.testing.assert_allclose(refit_module.as_coded(rows, coding), answer, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (0, "layers read inf in value 'a' when calibration batch 0 runs through the net"),
        (3, r"layer 'net\.y' reads or makes NaN or an infinity"),
    ],
)
def test_layers_that_meet_infinities_are_named(place: int, told: str) -> None:
    graph = deep()
    steps = list(graph.operators)
    step = steps[place]
    assert isinstance(step, Linear)
    assert isinstance(step.weight, np.ndarray)
    steps[place] = replace(step, weight=step.weight * np.float32(3e38))
    with pytest.raises(InputError, match=told):
        compress_net(replace(graph, operators=tuple(steps)), Recipe("int8"), mixed(2, 0))


def test_the_same_calibration_gives_the_same_bytes() -> None:
    one, other = (compress_net(deep(), INT4, mixed(3, 0)).to_bytes() for _ in range(2))
    assert one == other


def test_rows_of_inputs_and_of_what_is_made() -> None:
    graph, seen = deep(), mixed(3, 0)
    found = rows_of(graph, seen, ("x", "a"))
    np.testing.assert_array_equal(found["x"], np.concatenate([batch["x"] for batch in seen]))
    exact = np.maximum(found["x"] @ graph.operators[0].weight.T + graph.operators[0].bias, 0)
    np.testing.assert_allclose(found["a"], exact, atol=1e-4)


def tables() -> Graph:
    """Two tables, the first one small."""
    steps = [
        Embedding(inputs=("x",), outputs=("p",), table=drawn(16, 32), place="small"),
        Embedding(inputs=("x",), outputs=("q",), table=drawn(2000, 32, seed=1), place="large"),
        layer("p", "y", 32, 32, 3, added=("q",)),
    ]
    wide = ("batch", 32)
    return net(steps, {"x": ("batch",), "p": wide, "q": wide, "y": wide}, "int64")


def test_small_tables_keep_their_precision() -> None:
    found, _ = quantize_products(tables(), Recipe("int4"), {})
    small, large = (step.table for step in found.operators[:2])
    assert small.dtype == np.float16
    assert large.bits == 4
    found, _ = quantize_products(tables(), Recipe(weights="int4"), {})
    assert all(step.table.bits == 4 for step in found.operators[:2])


def test_layers_stay_until_the_error_is_kept() -> None:
    graph, seen = deep(), mixed(8, 0)
    loose = compress_net(graph, replace(INT4, max_error=0.9), seen)
    told = loose.metadata["recipe"]["loss"]
    whole = told["output_error"]
    assert not [name for name in told if name.startswith("kept")]
    errors, counts, raised = [], [], []
    for most in (0.7 * whole, 0.03 * whole, 1e-9):
        strict = compress_net(graph, replace(INT4, max_error=most), seen)
        told = strict.metadata["recipe"]["loss"]
        assert told["output_error"] <= most * 1.00001
        errors.append(told["output_error"])
        counts.append(sum(name.startswith("kept net.") for name in told))
        raised.append(sum(name.startswith("raised net.") for name in told))
    assert counts[0] == 0 < raised[0], "eight bits do"
    assert 0 < counts[1] <= counts[2] == 4
    assert counts[1] + raised[1] == 4, "no layer has four bits where one is in float"
    assert errors[2] == 0.0
    with pytest.raises(InputError, match="pass calibration="):
        compress_net(graph, Recipe("int8-auto"), None)


@pytest.mark.parametrize(
    "options",
    [
        {"refit": "yes"},
        {"refit": 1},
        {"equalize": "no"},
        {"small_tables": "int9"},
        {"max_error": 0.0},
        {"max_error": 1.0},
        {"max_error": float("nan")},
        {"max_error": True},
        {"max_error": "0.1"},
    ],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=rf"{next(iter(options))} is .*, expected"):
        Recipe("int8", **options)
    with pytest.raises(InputError, match="takes no"):
        Recipe("trees-small", **{next(iter(options)): True})


def test_options_survive_json() -> None:
    recipe = Recipe("int8-auto", refit=False, max_error=0.25)
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert eval(repr(recipe)) == recipe


def image_layer(source: str, target: str, weight: np.ndarray, groups: int = 1) -> Conv:
    return Conv(
        inputs=(source,), outputs=(target,), weight=weight, bias=drawn(len(weight), seed=8),
        stride=(1, 1), dilation=(1, 1), pad_before=(1, 1), pad_after=(1, 1), output_padding=(0, 0),
        groups=groups,
    )  # fmt: skip


def uneven(count: int) -> np.ndarray:
    return np.geomspace(0.01, 30, count).astype(np.float32)


def spread(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return log2 of the ratio of each channel's ranges before and after."""
    before = np.abs(first.reshape(len(first), -1)).max(1)
    after = np.abs(second.reshape(len(second), -1)).max(1)
    return np.asarray(np.log2(before / after))


@pytest.mark.parametrize("kind", ["linear", "conv", "depthwise", "apart"])
def test_equalising_changes_no_bit(kind: str) -> None:
    if kind in ("linear", "apart"):
        one, two = layer("x", "a", 8, 12, 1), layer("b" if kind == "apart" else "a", "y", 12, 5, 2)
        assert isinstance(one.weight, np.ndarray)
        one = replace(one, weight=one.weight * uneven(12)[:, None])
        rows: tuple[Any, ...] = ("batch",)
    else:
        one = image_layer("x", "a", drawn(12, 8, 3, 3) * uneven(12)[:, None, None, None])  # type: ignore[assignment]
        deepwise = kind == "depthwise"
        shape = (24, 1, 3, 3) if deepwise else (5, 12, 3, 3)
        two = image_layer("a", "y", drawn(*shape, seed=2), 12 if deepwise else 1)  # type: ignore[assignment]
        rows = ("batch",)
    tail: tuple[Any, ...] = () if kind in ("linear", "apart") else (6, 6)
    shapes = {
        "x": (*rows, 8, *tail), "a": (*rows, 12, *tail), "b": (*rows, 12, *tail),
        "y": (*rows, len(two.weight), *tail),
    }  # fmt: skip
    steps: list[Any] = [replace(one, activation="relu"), two]
    if kind == "apart":
        relu = Activation(inputs=("a",), outputs=("b",), kind="leaky_relu", alpha=0.1)
        steps = [one, relu, two]
    else:
        del shapes["b"]
    graph = net(steps, shapes)
    equal, loss = equalize_layers(graph)
    assert loss.lossless
    x = {"x": drawn(4, 8, *tail, seed=9)}
    assert run(graph, x)["y"].tobytes() == run(equal, x)["y"].tobytes()
    first, second = (equal.operators[at].weight for at in (0, -1))
    taken = second.reshape(12, -1) if kind == "depthwise" else np.moveaxis(second, 1, 0)
    assert np.abs(spread(first, taken)).max() <= 1.0, "ranges are equal up to powers of two"
    old = np.moveaxis(two.weight, 1, 0) if kind != "depthwise" else two.weight.reshape(12, -1)
    assert np.abs(spread(one.weight, old)).max() > 4


def test_equalising_by_recipe() -> None:
    """Few codes for channels of unlike sizes lose less once they are alike."""
    graph, seen = deep(), mixed(4, 0)
    first, second = graph.operators[0], layer("a", "b", 64, 64, 2)
    assert isinstance(first.weight, np.ndarray)
    assert isinstance(second.weight, np.ndarray)
    by = uneven(64)
    uneven_first = replace(first, weight=first.weight * by[:, None], bias=first.bias * by)
    uneven_second = replace(second, weight=second.weight / by)
    wide = ("batch", 64)
    apart = net([uneven_first, uneven_second], {"x": ("batch", 32), "a": wide, "b": wide})
    recipe = Recipe("int8", refit=False)
    errors = [
        compress_net(apart, replace(recipe, equalize=on), seen).metadata["recipe"]["loss"]
        for on in (False, True)
    ]
    assert errors[1]["output_error"] < 0.5 * errors[0]["output_error"]


def test_what_is_not_equalised() -> None:
    steep = layer("x", "a", 8, 8, 1)
    steep = replace(steep, weight=steep.weight * uneven(8)[:, None])  # type: ignore[operator]
    wide = ("batch", 8)
    shapes: dict[str, tuple[Any, ...]] = dict.fromkeys(("x", "a", "y"), wide)
    for steps in (
        [replace(steep, activation="gelu"), layer("a", "y", 8, 8, 2)],
        [replace(steep, inputs=("x", "x")), layer("a", "y", 8, 8, 2)],
        [steep, layer("a", "y", 8, 8, 2, added=("a",))],
    ):
        graph = net(steps, shapes)
        equal, _ = equalize_layers(graph)
        assert all(a is b for a, b in zip(equal.operators, graph.operators, strict=True))
    empty = replace(steep, weight=np.zeros((8, 8), np.float32))
    graph = net([empty, layer("a", "y", 8, 8, 2)], shapes)
    assert np.isfinite(equalize_layers(graph)[0].operators[1].weight).all()
