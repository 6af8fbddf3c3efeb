"""Layers of a net that take more bits: within an error of the answers, or the bytes of a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cordwood._api_nets import compress_net
from cordwood._api_watch import output_error, rows_of
from cordwood._model_net import Net
from cordwood.errors import InputError
from cordwood.ir_nets import Embedding
from cordwood.pack import pack
from cordwood.passes.quantize_products import in_eight_bits, quantize_products
from cordwood.recipe import Recipe
from oracle_nets import run
from test_passes_refit import drawn, layer, net

if TYPE_CHECKING:
    from cordwood.ir import Graph

INT4 = Recipe("int4")
WIDTHS = {"a": 256, "b": 256, "c": 64, "y": 256}


def uneven() -> Graph:
    """Four layers; weights of the second have outliers, which few bits of its groups bear badly."""
    steps = [
        layer("x", "a", 32, 256, 1, activation="relu"),
        layer("a", "b", 256, 256, 2, activation="gelu"),
        layer("b", "c", 256, 64, 3),
        layer("c", "y", 64, 256, 4),
    ]
    weight = steps[1].weight
    assert isinstance(weight, np.ndarray)
    weight[:, ::64] *= 12
    shapes: dict[str, tuple[Any, ...]] = {"x": ("batch", 32)}
    return net(steps, {**shapes, **{name: ("batch", width) for name, width in WIDTHS.items()}})


def batches(count: int = 6) -> list[dict[str, np.ndarray]]:
    return [{"x": drawn(96, 32, seed=200 + number)} for number in range(count)]


def told(made: Any, verb: str) -> list[str]:
    loss = made.metadata["recipe"]["loss"]
    return sorted(name.removeprefix(f"{verb} ") for name in loss if name.startswith(f"{verb} "))


def error(made: Any) -> float:
    return float(made.metadata["recipe"]["loss"]["output_error"])


def test_eight_bits_come_before_float() -> None:
    graph, seen = uneven(), batches()
    plain = compress_net(graph, INT4, seen)
    near = compress_net(graph, replace(INT4, max_error=0.6 * error(plain)), seen)
    assert error(near) <= 0.6 * error(plain)
    assert told(near, "raised") == ["net.a", "net.b"], "those that lose most for their bytes"
    assert not told(near, "kept")
    eight = compress_net(graph, in_eight_bits(INT4), seen)
    beyond = compress_net(graph, replace(INT4, max_error=0.5 * error(eight)), seen)
    assert error(beyond) <= 0.5 * error(eight)
    assert told(beyond, "kept")
    assert len(told(beyond, "kept")) + len(told(beyond, "raised")) == 4, "eight bits did not do"
    whole = compress_net(graph, replace(INT4, max_error=1e-9), seen)
    assert told(whole, "kept") == ["net.a", "net.b", "net.c", "net.y"]
    assert error(whole) == 0.0


def test_sizes_follow_the_error() -> None:
    graph, seen = uneven(), batches()
    whole = error(compress_net(graph, INT4, seen))
    made = [
        compress_net(graph, replace(INT4, max_error=share * whole), seen) for share in (0.8, 0.3)
    ]
    assert compress_net(graph, INT4, seen).nbytes < made[0].nbytes < made[1].nbytes


def test_bytes_are_spent_where_they_help_most() -> None:
    graph, seen = uneven(), batches()
    plain = compress_net(graph, INT4, seen)
    found = [plain]
    for more in (9_000, 42_000, 600_000):
        made = compress_net(graph, replace(INT4, max_bytes=plain.nbytes + more), seen)
        assert made.nbytes <= plain.nbytes + more
        assert error(made) < error(found[-1])
        found.append(made)
    assert told(found[1], "raised") == ["net.a"], "few weights, which lose much"
    assert told(found[2], "raised") == ["net.a", "net.b"]
    assert len(told(found[3], "kept")) == 4, "there is room for all of it"
    assert error(found[3]) == 0.0


def test_layers_are_ranked_on_batches_that_lie_apart() -> None:
    """The first batches may be unlike the others: here the first layer loses nothing on them."""
    graph, seen = uneven(), batches()
    seen[:2] = [{"x": np.zeros((96, 32), np.float32)}] * 2
    plain = compress_net(graph, INT4, seen)
    made = compress_net(graph, replace(INT4, max_bytes=plain.nbytes + 9_000), seen)
    assert told(made, "raised") == ["net.a"]


def test_bytes_that_do_not_do() -> None:
    graph, seen = uneven(), batches(2)
    with pytest.raises(InputError, match=r"max_bytes is 5000, but the net takes .* allow more"):
        compress_net(graph, replace(INT4, max_bytes=5000), seen)
    with pytest.raises(InputError, match=r"layers have seen \(.*max_bytes 90000\)"):
        compress_net(graph, Recipe("int8", max_bytes=90_000), None)
    with pytest.raises(InputError, match="expected one of them"):
        Recipe("int8", max_bytes=90_000, max_error=0.1)


@pytest.mark.parametrize("most", [0, -1, True, "9", float("nan"), float("inf")])
def test_bytes_are_checked(most: Any) -> None:
    with pytest.raises(InputError, match=r"max_bytes is .*, expected a number of bytes above 0"):
        Recipe("int4", max_bytes=most)


def test_bytes_survive_json() -> None:
    recipe = Recipe("int4", max_bytes=14e6)  # type: ignore[arg-type] - as one writes it
    assert recipe.max_bytes == 14_000_000
    assert type(recipe.max_bytes) is int
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_eight_bits_are_raised_to_groups() -> None:
    """Scales of groups keep outliers of a row from its other weights."""
    graph, seen = uneven(), batches()
    plain = compress_net(graph, Recipe("int8"), seen)
    near = compress_net(graph, Recipe("int8", max_error=0.9 * error(plain)), seen)
    assert "net.b" in told(near, "raised")
    assert not told(near, "kept")
    assert near.nbytes < 1.2 * plain.nbytes


@pytest.mark.parametrize("name", ["int4", "int8"])
def test_answers_of_layers_with_unlike_weights(name: str) -> None:
    graph, seen = uneven(), batches(2)
    inputs = {step.inputs[0] for step in graph.operators}
    recipe = Recipe(name, activations="float32")
    mixed, losses = quantize_products(
        graph, recipe, rows_of(graph, seen, inputs), ("c",), ("b", "y")
    )
    held: list[Any] = [getattr(step, "weight", None) for step in mixed.operators]
    bits, groups = (4, 64) if name == "int4" else (8, 0)
    assert isinstance(held[2], np.ndarray)
    assert [(one.bits, one.group_size) for one in (held[0], held[1], held[3])] == [
        (bits, groups), (8, 64), (8, 64)
    ]  # fmt: skip
    assert [loss.place for loss in losses] == ["net.a", "net.b", "net.y"]
    answer = Net(pack(mixed), threads=1)(seen[0])
    np.testing.assert_allclose(answer, run(mixed, seen[0])["y"], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe("int4", group_size=32), ("int8", 32)),
        (Recipe(weights="int2"), ("int8", 64)),
        (Recipe("int8"), ("int8", 64)),
        (Recipe("int8", activations="int8-static"), ("int8", None)),
        (Recipe(weights="float16"), ("float16", None)),
    ],
)
def test_what_layers_are_raised_to(recipe: Recipe, expected: tuple[Any, ...]) -> None:
    raised = in_eight_bits(recipe)
    assert (raised.weights, raised.group_size) == expected
    assert raised.activations == recipe.activations


def test_tables_are_raised_and_small_ones_are_not() -> None:
    """A small table is in 16 bits already: eight would be no gain."""
    steps = [
        Embedding(inputs=("x",), outputs=("p",), table=drawn(16, 64), place="small"),
        Embedding(inputs=("x",), outputs=("q",), table=drawn(2000, 64, seed=1), place="large"),
        layer("p", "y", 64, 64, 3, added=("q",)),
    ]
    wide = ("batch", 64)
    graph = net(steps, {"x": ("batch",), "p": wide, "q": wide, "y": wide}, "int64")
    seen = [{"x": np.arange(16)}]
    whole = replace(INT4, frequent_rows=False)
    plain = compress_net(graph, whole, seen)
    made = compress_net(graph, replace(whole, max_error=0.5 * error(plain)), seen)
    assert "large" in told(made, "raised")
    assert "small" not in told(made, "raised") + told(made, "kept")
    mixed, _ = quantize_products(graph, INT4, {}, (), ("p", "q"))
    small, large = (getattr(step, "table", None) for step in mixed.operators[:2])
    assert small is not None
    assert small.dtype == np.float16
    assert large is not None
    assert large.bits == 8
    four, _ = quantize_products(graph, INT4, {})
    assert output_error(graph, mixed, seen) < output_error(graph, four, seen)


def test_the_same_calibration_gives_the_same_file() -> None:
    graph, seen = uneven(), batches(2)
    recipe = replace(INT4, max_bytes=90_000)
    one, other = (compress_net(graph, recipe, seen).to_bytes() for _ in range(2))
    assert one == other
