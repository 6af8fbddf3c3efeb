"""Nets as they run: every operator against its NumPy meaning, whole modules against torch."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.errors import CordwoodError, InputError, InputTypeError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Linear, Quantized, RowCoding
from cordwood.pack import pack
from cordwood.passes.quantize_products import as_float
from cordwood.recipe import Recipe
from oracle_nets import run

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")

if TYPE_CHECKING:
    from pathlib import Path

from cordwood.frontends.torch import read_module  # noqa: E402 - after torch is known to be there
from cordwood.passes.simplify_net import simplify_net  # noqa: E402
from torch_zoo import NAMES, zoo  # noqa: E402

MODULES = NAMES


def flat(answers: Any) -> list[np.ndarray]:
    if isinstance(answers, dict):
        return list(answers.values())
    return list(answers) if isinstance(answers, tuple) else [answers]


def arrays(given: Any) -> list[np.ndarray]:
    if torch.is_tensor(given):
        return [given.detach().numpy()]
    every = given.values() if isinstance(given, dict) else given
    return [array for part in every for array in arrays(part)]


@pytest.mark.parametrize("name", MODULES)
def test_modules_answer_as_torch_does(name: str) -> None:
    module, examples, others = zoo()[name]
    net = cw.compress(module, example_inputs=examples)
    for given in (examples, others):
        with torch.no_grad():
            wanted = arrays(module(*given))
        found = flat(net(*(x.numpy() for x in given)))
        assert len(found) == len(wanted)
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", MODULES)
def test_threads_and_copies_change_no_bit(name: str, tmp_path: Path) -> None:
    module, examples, others = zoo()[name]
    one = cw.compress(module, example_inputs=examples)
    one.save(tmp_path / "m.cord")
    many = cw.load(tmp_path / "m.cord", threads=4)
    again = pickle.loads(pickle.dumps(cw.load(tmp_path / "m.cord", threads=1)))
    given = [x.numpy() for x in others]
    first = flat(cw.load(one.to_bytes(), threads=1)(*given))
    for net in (many, again):
        for _ in range(2):
            for ours, theirs in zip(flat(net(*given)), first, strict=True):
                assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("recipe", ["int8", "int4", "float16", "bfloat16"])
def test_recipes_shrink_and_tell_their_loss(recipe: str) -> None:
    module, examples, _ = zoo()["bert"]
    given = tuple(x.numpy() for x in examples)
    exact = cw.compress(module, example_inputs=examples)
    chosen = Recipe(weights="float16") if recipe == "float16" else (
        Recipe(weights="bfloat16") if recipe == "bfloat16" else Recipe(recipe))  # fmt: skip
    small = cw.compress(module, chosen, example_inputs=examples, calibration=[given])
    assert small.nbytes < 0.75 * exact.nbytes
    told = small.metadata["recipe"]["loss"]["output_error"]
    error = size = 0.0
    for ours, theirs in zip(flat(small(*given)), flat(exact(*given)), strict=True):
        error += float(np.square(ours - theirs).sum())
        size += float(np.square(theirs).sum())
    assert told == pytest.approx((error / size) ** 0.5, rel=1e-3)
    assert 0.0 < told < {"int8": 0.05, "int4": 0.5, "float16": 0.01, "bfloat16": 0.05}[recipe]
    assert chosen.name in small.summary()


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("weights", ["int8", "int4", "bfloat16"])
def test_every_module_takes_every_type_of_weights(name: str, weights: Any) -> None:
    module, examples, others = zoo()[name]
    rows = "float32" if weights == "bfloat16" else "uint8-dynamic"
    recipe = Recipe(weights=weights, activations=rows)  # type: ignore[arg-type]
    net = cw.compress(module, recipe, example_inputs=examples)
    given = [x.numpy() for x in others]
    exact = flat(cw.compress(module, example_inputs=examples)(*given))
    for ours, theirs in zip(flat(net(*given)), exact, strict=True):
        assert ours.shape == theirs.shape
        if theirs.dtype.kind == "f":
            assert np.isfinite(ours).all()
            error = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
            assert error < {"int8": 0.1, "int4": 1.0, "bfloat16": 0.05}[weights]
    strided = [np.repeat(x, 2, axis=0)[::2] for x in given]
    for ours, theirs in zip(flat(net(*strided)), flat(net(*given)), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_nan_passes_through_float_nets() -> None:
    module, examples, _ = zoo()["mlp"]
    x = examples[0].numpy().copy()
    x[0] = np.nan
    with torch.no_grad():
        wanted = np.isnan(module(torch.from_numpy(x)).numpy())
    net = cw.compress(module, example_inputs=examples)
    assert np.array_equal(np.isnan(flat(net(x))[0]), wanted)
    assert wanted[0].all()
    assert not wanted[1:].any()


def coded_linear(rows: str, group: int = 0) -> tuple[Graph, Linear]:
    rng = np.random.default_rng(0)
    groups = 1 if group == 0 else 96 // group
    weight = Quantized(
        codes=rng.integers(0, 256, (40, 96)).astype(np.uint8),
        scale=rng.uniform(0.01, 0.1, (40, groups)).astype(np.float32),
        bits=8,
        group_size=group,
    )
    linear = Linear(
        inputs=("x",),
        outputs=("y",),
        weight=weight,
        bias=rng.normal(size=40).astype(np.float32),
        rows=RowCoding(rows, group_size=group),  # type: ignore[arg-type]
    )
    values = (
        Value("x", "float32", ("batch", 96), Role.INPUT),
        Value("y", "float32", ("batch", 40), Role.OUTPUT),
    )
    return Graph(values=values, operators=(linear,)), linear


@pytest.mark.parametrize("rows", ["int8-dynamic", "uint8-dynamic"])
@pytest.mark.parametrize("group", [0, 32])
def test_coded_layers_are_the_products_of_ops(rows: str, group: int) -> None:
    """A layer of a net and `ops.qmatmul` are one thing: the same bits."""
    graph, linear = coded_linear(rows, group)
    weight = linear.weight
    assert isinstance(weight, Quantized)
    x = np.random.default_rng(1).normal(size=(7, 96)).astype(np.float32)
    tensor = cw.ops.QuantizedTensor.from_codes(
        weight.codes, weight.scale, bits=8, group_size=group or None
    )
    wanted = cw.ops.qmatmul(
        x,
        tensor,
        bias=linear.bias,
        activations=rows.split("-", maxsplit=1)[0],
        activation_group=group or None,
    )
    found = cw.load(pack(graph))(x)
    assert found.tobytes() == wanted.tobytes()
    exact = x @ as_float(weight).T + linear.bias
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


def test_graphs_answer_as_their_meaning_says() -> None:
    """A recurrent and a convolutional Graph of the zoo against NumPy, not torch."""
    for name in ("lstm", "unet"):
        found = [known for known in NAMES if name in known]
        for known in found:
            module, examples, _ = zoo()[known]
            graph = simplify_net(read_module(module, examples))
            names = [value.name for value in graph.values if value.role is Role.INPUT]
            given = dict(zip(names, (x.numpy() for x in examples), strict=True))
            wanted = list(run(graph, given).values())
            for ours, theirs in zip(flat(cw.load(pack(graph))(given)), wanted, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("rows", ["float32", "uint8-dynamic"])
def test_blocks_of_rows_change_no_bit(rows: str) -> None:
    """Wide layers in a row run through blocks; a row by itself has the same bits."""
    layers = torch.nn
    torch.manual_seed(0)

    class Wide(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = layers.Linear(64, 4096), layers.Linear(4096, 64)
            self.norm, self.third = layers.LayerNorm(64), layers.Linear(64, 4096)
            self.fourth, self.fifth = layers.Linear(4096, 64), layers.Linear(64, 9)

        def forward(self, x: Any) -> Any:
            y = self.norm(self.second(layers.functional.gelu(self.first(torch.sin(x)))))
            z = y + self.fourth(layers.functional.silu(self.third(y)))
            return self.fifth(z), y, z

    recipe = Recipe(weights="int8" if rows != "float32" else "float32", activations=rows)  # type: ignore[arg-type]
    net = cw.compress(Wide().eval(), recipe, example_inputs=(torch.ones(2, 64),))
    x = np.random.default_rng(0).normal(size=(500, 64)).astype(np.float32)
    for threads in (1, 3):
        run_by = cw.load(net.to_bytes(), threads=threads)
        whole = run_by(x)
        for row in (0, 47, 48, 49, 150, 499):
            alone = run_by(x[row : row + 1])
            for ours, theirs in zip(alone, whole, strict=True):
                assert ours[0].tobytes() == theirs[row].tobytes()


def test_what_a_caller_gets_wrong_is_named() -> None:
    graph, _ = coded_linear("int8-dynamic")
    net = cw.load(pack(graph))
    assert isinstance(net, cw.Net)
    x = np.zeros((2, 96), np.float32)
    for wrong, words in (
        (lambda: net(x[:, :95]), "axis 1: its size is 95, expected 96"),
        (lambda: net(x[0]), "1 axes, expected 2"),
        (net, "Missing: x"),
        (lambda: net(x, x), "inputs are x; 2 were given"),
        (lambda: net(z=x), "unknown: z"),
        (lambda: net(x, x=x), "given twice: x"),
        (lambda: net(np.full_like(x, np.nan)), "row 0 holds NaN"),
    ):
        with pytest.raises(InputError, match=words):
            wrong()
    with pytest.raises(InputTypeError, match="dtype complex128"):
        net(x.astype(complex))
    assert net(x[:0]).shape == (0, 40)
    assert net(x.tolist()).dtype == np.float32
    assert net(np.asfortranarray(x)).tobytes() == net({"x": x}).tobytes() == net(x=x).tobytes()


def test_what_compress_is_asked_wrongly_is_named() -> None:
    module, examples, _ = zoo()["mlp"]
    for options, words in (
        ({}, "pass example_inputs="),
        ({"example_inputs": examples, "recipe": "trees-small"}, "is for tree models"),
        ({"example_inputs": examples, "recipe": Recipe(weights="int4", method="gptq")}, "pass cal"),
        ({"example_inputs": examples, "recipe": "int8", "calibration": []}, "holds no batches"),
        ({"example_inputs": examples, "calibration": [1]}, "needs no calibration"),
    ):
        with pytest.raises(CordwoodError, match=words):
            cw.compress(module, **options)
    bad = examples[0].numpy().copy()
    bad.flat[0] = np.nan
    with pytest.raises(InputError, match="holds NaN"):
        cw.compress(module, "int8", example_inputs=examples, calibration=[bad])
