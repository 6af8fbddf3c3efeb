"""Images held as codes between convolutions: which ones, by what range; no bit moves by it."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_nets
from cordwood.errors import FormatError, GraphError, InputError
from cordwood.ir import Coding, Graph, Role, Value
from cordwood.ir_nets import Conv, Linear, Pool, Quantized, RowCoding
from cordwood.pack import pack
from cordwood.passes.code_images import code_images, static_inputs
from cordwood.passes.observers import OBSERVERS, Seen, code_range, coding_of, decoded
from cordwood.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = np.random.default_rng(3)


def quantized(outputs: int, *inputs: int) -> Quantized:
    shape = (outputs, *inputs)
    return Quantized(
        codes=RNG.integers(64, 193, shape).astype(np.uint8),
        scale=RNG.uniform(0.002, 0.006, (outputs, 1)).astype(np.float32),
        zero=None,
        bits=8,
        group_size=0,
    )


def conv(x: str, out: str, weight: Quantized, kernel: int = 3, **more: Any) -> Conv:
    same = (kernel // 2,) * 2
    told: dict[str, Any] = {"stride": (1, 1), "activation": "relu", **more}
    residual = told.pop("residual", None)
    return Conv(
        inputs=(x,) if residual is None else (x, residual),
        outputs=(out,),
        weight=weight,
        bias=RNG.normal(size=len(weight.codes)).astype(np.float32) / 4,
        rows=RowCoding("int8-dynamic"),
        dilation=(1, 1),
        pad_before=same,
        pad_after=same,
        output_padding=(0, 0),
        **told,
    )


def pool(x: str, out: str, kind: str = "max") -> Pool:
    window: dict[str, Any] = {"kernel": (3, 3), "stride": (2, 2), "dilation": (1, 1)}
    pads: dict[str, Any] = {"pad_before": (1, 1), "pad_after": (1, 1), "count_padding": False}
    return Pool(inputs=(x,), outputs=(out,), kind=kind, **window, **pads)  # type: ignore[arg-type]


def image(name: str, channels: int, size: int, role: Role = Role.NONE) -> Value:
    return Value(name, "float32", ("batch", channels, size, size), role)


def net(skip: bool = False) -> Graph:
    """Seven layers: whole and depthwise windows, a maximum, several activations, odd channels."""
    values = (
        image("x", 3, 16, Role.INPUT), image("a", 20, 16), image("b", 20, 8), image("c", 20, 8),
        image("d", 20, 8), image("e", 35, 4), image("y", 7, 4, Role.OUTPUT),
    )  # fmt: skip
    operators = (
        conv("x", "a", quantized(20, 3, 3, 3)),
        pool("a", "b"),
        conv("b", "c", quantized(20, 1, 3, 3), groups=20, activation="hard_swish"),
        conv("c", "d", quantized(20, 20, 1, 1), 1, activation="clip", alpha=-1.5, beta=2.0,
             residual="b" if skip else None),
        conv("d", "e", quantized(35, 20, 3, 3), stride=(2, 2), activation=None),
        conv("e", "y", quantized(7, 35, 3, 3), activation=None),
    )  # fmt: skip
    return Graph(values=values, operators=operators, form="single")


def images(n: int) -> np.ndarray:
    return RNG.normal(size=(n, 3, 16, 16)).astype(np.float32)


def seen_in(graph: Graph, x: np.ndarray, recipe: Recipe) -> dict[str, Seen]:
    """Return what values of the exact net hold, by NumPy."""
    wanted = static_inputs(graph, recipe)
    told = tuple(
        replace(value, role=Role.OUTPUT)
        if value.name in wanted and value.role is Role.NONE
        else value
        for value in graph.values
    )
    held = {"x": x, **oracle_nets.run(replace(graph, values=told, form="dict"), {"x": x})}
    return {name: seen_of(held[name]) for name in wanted}


def seen_of(array: np.ndarray) -> Seen:
    entries = array.reshape(len(array), -1)
    return Seen(array.ravel(), min(float(array.min()), 0.0), max(float(array.max()), 0.0), entries,
                np.abs(entries).max(1))  # fmt: skip


def coded(skip: bool = False) -> Graph:
    graph, recipe = net(skip), Recipe("int8")
    return code_images(graph, recipe, seen_in(graph, images(4), recipe))[0]


def plain(graph: Graph) -> Graph:
    """Return the same net with float32 images between its layers."""
    values = tuple(
        replace(value, dtype="float32", coding=None) if value.coding else value
        for value in graph.values
    )
    return replace(graph, values=values)


def test_what_is_held_as_codes() -> None:
    graph = coded()
    held = {value.name for value in graph.values if value.coding}
    assert held == {"a", "b", "c", "d", "e"}
    assert graph.value("a").coding == graph.value("b").coding
    for operator in graph.operators:
        if isinstance(operator, Conv):
            assert operator.rows.kind == "uint8-static"
            coding = graph.value(operator.inputs[0]).coding
            if coding:
                assert (operator.rows.scale, operator.rows.zero) == (coding.scale, coding.zero)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("n", [1, 2, 37])
def test_codes_between_layers_change_no_bit(n: int, threads: int) -> None:
    """A code is what the next layer would have made of the number."""
    graph, x = coded(), images(n)
    wanted = cw.load(pack(plain(graph)), threads=1)(x)
    found = cw.load(pack(graph), threads=threads)(x)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("skip", [False, True])
def test_codes_mean_what_the_graph_says(skip: bool) -> None:
    """Layers that the oracle computes with the numbers that codes stand for, inputs included."""
    graph, x = coded(skip), images(3)
    first = graph.operators[0]
    assert isinstance(first, Conv)
    rows = Coding(first.rows.scale, first.rows.zero)
    wanted = oracle_nets.run(graph, {"x": oracle_nets.coded(x, rows).astype(np.float32)})["y"]
    found = cw.load(pack(graph))(x)
    # A sum that lies between two codes may fall to either: few do, and by one code.
    near = np.isclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert near.mean() > 0.9
    assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max()


def test_what_others_read_stays_in_numbers() -> None:
    graph = net()
    more = (*graph.values, image("mean", 20, 4, Role.OUTPUT))
    wide = replace(graph, values=more, operators=(*graph.operators, pool("d", "mean", "average")),
                   form="tuple")  # fmt: skip
    recipe = Recipe("int8")
    held = code_images(wide, recipe, seen_in(wide, images(2), recipe))[0]
    assert {value.name for value in held.values if value.coding} == {"a", "b", "c", "e"}
    x = images(5)
    for ours, theirs in zip(cw.load(pack(held))(x), cw.load(pack(plain(held)))(x), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_nan_is_refused_where_it_is_coded() -> None:
    x = images(2)
    x[1, 0, 3, 3] = np.nan
    with pytest.raises(InputError, match="image 1 holds NaN"):
        cw.load(pack(coded()))(x)


@pytest.mark.parametrize("observer", OBSERVERS)
def test_observers_span_what_matters(observer: str) -> None:
    """All but the plainest leave an outlier to be clipped."""
    sample = np.concatenate([RNG.normal(size=100_000), [60.0]]).astype(np.float32)
    seen = seen_of(sample[None])
    low, high = code_range(seen, observer)
    assert low < 0.0 < high
    if observer == "min-max":
        assert (low, high) == (seen.low, 60.0)
    else:
        assert high < {"percentile": 5.0, "mse": 60.0, "entropy": 30.0}[observer]
    if observer == "mse":
        errors = {
            name: np.square(back(sample, *code_range(seen, name)) - sample).sum()
            for name in ("min-max", "mse")
        }
        assert errors["mse"] < errors["min-max"]


def back(sample: np.ndarray, low: float, high: float) -> np.ndarray:
    return decoded(sample, coding_of(low, high))


def test_images_of_very_different_sizes_keep_their_own_scale() -> None:
    """A quiet one would be left with a few codes."""
    graph, recipe = net(), Recipe("int8")
    x = images(8) * np.float32(10.0) ** -np.arange(8, dtype=np.float32)[:, None, None, None]
    held = code_images(graph, recipe, seen_in(graph, x, recipe))[0]
    first = held.operators[0]
    assert isinstance(first, Conv)
    assert first.rows.kind == "int8-dynamic"
    even = code_images(graph, recipe, seen_in(graph, images(8), recipe))[0].operators[0]
    assert isinstance(even, Conv)
    assert even.rows.kind == "uint8-static"


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_constant_values_keep_their_number(observer: str, value: float) -> None:
    seen = seen_of(np.full((1, 1000), value, np.float32))
    found = back(seen.sample, *code_range(seen, observer))
    np.testing.assert_allclose(found, value, rtol=0.005)


@pytest.mark.parametrize("rows", ["uint8-static", "int8-static"])
@pytest.mark.parametrize("observer", ["min-max", "mse"])
def test_linear_layers_take_fixed_codes(rows: Any, observer: Any) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layers = torch.nn
    module = layers.Sequential(layers.Linear(40, 64), layers.GELU(), layers.Linear(64, 5)).eval()
    x = RNG.normal(size=(200, 40)).astype(np.float32)
    recipe = Recipe(weights="int8", activations=rows, observer=observer)
    small = cw.compress(module, recipe, example_inputs=(torch.tensor(x),), calibration=[x])
    exact = cw.compress(module, example_inputs=(torch.tensor(x),))(x)
    assert np.linalg.norm(small(x) - exact) < 0.03 * np.linalg.norm(exact)
    assert rows in small.summary()
    one = small(x[:1])
    assert one.tobytes() == small(x)[:1].tobytes()
    with pytest.raises(InputError, match="calibration"):
        cw.compress(module, recipe, example_inputs=(torch.tensor(x),))


def test_recipes_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match="fixed codes have one scale"):
        Recipe(weights="int8", activations="uint8-static", group_size=64)
    with pytest.raises(InputError, match="observer"):
        Recipe(weights="int8", observer="median")  # type: ignore[arg-type]
    told = Recipe(weights="int8", activations="uint8-static", observer="entropy")
    assert Recipe.from_json(told.to_json()) == told


FAULTS: dict[str, Callable[[Value], Value]] = {
    "codes of floats": lambda value: replace(value, dtype="float32"),
    "a scale of nothing": lambda value: replace(value, coding=Coding(0.0, 3)),
    "a zero point that is no code": lambda value: replace(value, coding=Coding(0.1, 256)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_graphs_with_false_codings_are_refused(fault: str) -> None:
    graph = coded()
    values = tuple(FAULTS[fault](v) if v.name == "c" else v for v in graph.values)
    with pytest.raises(GraphError, match="'c'"):
        pack(replace(graph, values=values))


def of_values(change: Callable[[Value], Value], *names: str) -> Callable[[Graph], Graph]:
    """Change some values of a graph."""

    def changed(graph: Graph) -> Graph:
        values = tuple(change(v) if v.name in names else v for v in graph.values)
        return replace(graph, values=values)

    return changed


def of_operators(which: type, **changes: Any) -> Callable[[Graph], Graph]:
    """Change every operator of a kind."""

    def changed(graph: Graph) -> Graph:
        operators = tuple(
            replace(op, **changes) if isinstance(op, which) else op for op in graph.operators
        )
        return replace(graph, operators=operators)

    return changed


HOSTILE: dict[str, Callable[[Graph], Graph]] = {
    "rows of another scale": of_values(lambda v: replace(v, coding=Coding(0.5, 7)), "d"),
    "a maximum of other codes": of_values(lambda v: replace(v, coding=Coding(0.5, 7)), "a"),
    "an average of codes": of_operators(Pool, kind="average"),
    "a maximum of codes to numbers": of_values(
        lambda v: replace(v, dtype="float32", coding=None), "b"
    ),
    "rows of their own": of_operators(Conv, rows=RowCoding("int8-dynamic")),
}


@pytest.mark.parametrize("fault", HOSTILE)
def test_files_with_codes_out_of_place_are_refused(fault: str) -> None:
    with pytest.raises(FormatError, match="values held as codes"):
        cw.load(pack(HOSTILE[fault](coded())))


def test_a_scale_that_makes_no_codes_is_refused() -> None:
    data = pack(coded())
    for scale in (np.nan, np.inf, -0.1, 1e-40):
        values = data.index(struct.pack("<f", coded().value("c").coding.scale))  # type: ignore[union-attr]
        hostile = data[:values] + struct.pack("<f", scale) + data[values + 4 :]
        with pytest.raises(FormatError):
            cw.load(hostile)


def test_int8_of_a_residual_net_stays_close() -> None:
    torch = pytest.importorskip("torch")
    from torch_zoo import resnet, settled

    module = settled(resnet()).eval()
    x = RNG.random((64, 3, 32, 32), np.float32)
    with torch.no_grad():
        exact = module(torch.tensor(x)).numpy()
    small = cw.compress(module, "int8", example_inputs=(torch.tensor(x),), calibration=[x])
    assert np.linalg.norm(small(x) - exact) < 0.02 * np.linalg.norm(exact)
    assert "uint8-static" in small.summary()
    assert isinstance(small.metadata["recipe"]["loss"]["output_error"], float)


def test_linear_is_left_alone_by_the_preset() -> None:
    graph = replace(
        net(),
        values=(Value("x", "float32", ("batch", 40), Role.INPUT),
                Value("y", "float32", ("batch", 6), Role.OUTPUT)),
        operators=(Linear(inputs=("x",), outputs=("y",), weight=quantized(6, 40), bias=None,
                          rows=RowCoding("uint8-dynamic")),),
    )  # fmt: skip
    assert not static_inputs(graph, Recipe("int8"))
    assert static_inputs(graph, Recipe(weights="int8", activations="uint8-static")) == {"x"}
