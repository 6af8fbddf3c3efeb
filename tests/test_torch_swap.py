"""Layers of torch modules are swapped in place, and any program keeps running."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

import cordwood as cw

torch = pytest.importorskip("torch")
from torch_zoo import NAMES, zoo  # noqa: E402

nn = torch.nn

SEED = 3


def rows(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(SEED).normal(size=shape).astype(np.float32))


def mlp() -> Any:
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Linear(96, 64), nn.GELU(), nn.Linear(64, 10, bias=False)).eval()


def asked(net: Any, *given: Any) -> Any:
    with torch.no_grad():
        return net(*given)


def relative(found: Any, wanted: Any) -> float:
    return float((found - wanted).norm() / wanted.norm())


RECIPES = {
    "int8": 0.02,
    "int4": 0.15,
    cw.Recipe(weights="int8", method="rtn"): 0.01,
    cw.Recipe(weights="int8", group_size=32, activations="int8-dynamic", method="mse"): 0.02,
    cw.Recipe(weights="int3", group_size=32, method="gptq", activations="uint8-dynamic"): 0.25,
    cw.Recipe(weights="int2", group_size=32, method="mse"): 0.8,
    cw.Recipe(weights="float16"): 1e-3,
    cw.Recipe(weights="bfloat16"): 5e-3,
    cw.Recipe(weights="float32"): 1e-6,
}


@pytest.mark.parametrize(("recipe", "most"), RECIPES.items(), ids=str)
def test_linear_layers(recipe: Any, most: float) -> None:
    net, x = mlp(), rows(40, 96)
    wanted = asked(net, x)
    report = cw.quantize_(net, recipe, calibration=[x])
    found = asked(net, x)
    assert (found.dtype, found.shape) == (torch.float32, wanted.shape)
    assert relative(found, wanted) < most
    assert [layer.name for layer in report.layers] == ["0", "2"]
    for layer in report.layers:
        assert 0.0 <= layer.error < most
    weights = 4 * (96 * 64 + 64 * 10)
    assert report.bytes_before == weights + 4 * 64
    name = cw.Recipe.of(recipe).weights
    assert (report.bytes_after < report.bytes_before) == (name != "float32")


def test_bits_are_those_of_the_kernel() -> None:
    net, x = mlp(), rows(7, 96)
    weight, bias = net[0].weight.detach().numpy(), net[0].bias.detach().numpy()
    cw.quantize_(net, cw.Recipe(weights="int8", method="rtn", activations="uint8-dynamic"))
    coded = cw.ops.quantize(weight, bits=8)
    wanted = cw.ops.qmatmul(x.numpy(), coded, bias=bias, activations="uint8")
    np.testing.assert_array_equal(asked(net[0], x).numpy(), wanted)
    np.testing.assert_array_equal(net[0].weight.numpy(), cw.ops.dequantize(coded))


@pytest.mark.parametrize("lead", [(), (1,), (5,), (2, 3), (2, 1, 3, 2), (0,), (2, 0)])
def test_any_leading_axes(lead: tuple[int, ...]) -> None:
    net, x = mlp(), rows(*lead, 96)
    cw.quantize_(net, "int8")
    found = asked(net, x)
    assert found.shape == (*lead, 10)
    flat = asked(net, x.reshape(-1, 96))
    assert torch.equal(found.reshape(-1, 10), flat)


def test_strides_of_any_kind() -> None:
    net, x = mlp(), rows(96, 6)
    cw.quantize_(net, "int8")
    for other in (x.T, rows(12, 192)[::2, ::2], rows(1, 96).expand(4, 96)):
        assert torch.equal(asked(net, other), asked(net, other.clone().contiguous()))


CONVOLUTIONS = {
    "plain": (lambda: nn.Conv2d(3, 8, 3), (2, 3, 9, 8)),
    "one axis": (lambda: nn.Conv1d(4, 6, 5, stride=2, padding=2, bias=False), (2, 4, 17)),
    "three axes": (lambda: nn.Conv3d(2, 4, 2, padding=1), (2, 2, 5, 4, 3)),
    "groups": (lambda: nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding="same"), (2, 8, 9, 9)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 3, groups=8, padding=1), (2, 8, 9, 9)),
    "same, even": (lambda: nn.Conv1d(3, 4, 4, padding="same"), (2, 3, 11)),
    "valid": (lambda: nn.Conv1d(3, 4, 4, padding="valid"), (2, 3, 11)),
    "reflect": (lambda: nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect"), (2, 3, 7, 6)),
    "circular": (lambda: nn.Conv1d(3, 4, 3, padding=2, padding_mode="circular"), (2, 3, 7)),
    "one image": (lambda: nn.Conv2d(3, 4, 3), (3, 7, 6)),
    "no images": (lambda: nn.Conv2d(3, 4, 3), (0, 3, 7, 6)),
}


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("name", CONVOLUTIONS)
@pytest.mark.parametrize(
    ("recipe", "most"),
    [
        (cw.Recipe(weights="float32"), 1e-6),
        (cw.Recipe(weights="int8"), 0.01),
        (cw.Recipe(weights="int8", activations="uint8-dynamic"), 0.03),
        (cw.Recipe(weights="int4", group_size=32, activations="uint8-dynamic"), 0.2),
    ],
    ids=str,
)
def test_convolutions(name: str, recipe: Any, most: float) -> None:
    make, shape = CONVOLUTIONS[name]
    torch.manual_seed(SEED)
    net, x = nn.Sequential(make()).eval(), rows(*shape)
    wanted = asked(net, x)
    report = cw.quantize_(net, recipe)
    found = asked(net, x)
    assert found.shape == wanted.shape
    assert not found.numel() or relative(found, wanted) < most
    assert report.layers[0].kind == type(make()).__name__
    assert torch.equal(asked(copy.deepcopy(net), x), found)


@pytest.mark.parametrize("recipe", ["int4", "int8"])
def test_convolutions_of_many_inputs_have_one_scale_an_output(recipe: str) -> None:
    torch.manual_seed(SEED)
    net, x = nn.Sequential(nn.Conv2d(16, 8, 3)).eval(), rows(2, 16, 6, 6)
    wanted = asked(net, x)
    packed = cw.compress(net, recipe, example_inputs=(x,), calibration=[x.numpy()])
    cw.quantize_(net, recipe, calibration=x)
    assert net[0].scales.shape == (8, 1)
    for found in (asked(net, x), torch.from_numpy(packed(x))):
        assert relative(found, wanted) < 0.15


@pytest.mark.parametrize("name", NAMES)
def test_whole_modules_keep_running(name: str) -> None:
    net, given, _ = zoo()[name]
    wanted = asked(net, *given)
    report = cw.quantize_(net, "int8", calibration=[given])
    found = asked(net, *given)
    assert report.layers
    every = [wanted] if torch.is_tensor(wanted) else [wanted[name] for name in wanted]
    again = [found] if torch.is_tensor(found) else [found[name] for name in wanted]
    for one, other in zip(again, every, strict=True):
        assert one.shape == other.shape
        assert not other.is_floating_point() or relative(one, other) < 0.03


def test_four_bits_meet_images_as_the_same_numbers() -> None:
    torch.manual_seed(SEED)
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3)).eval(), rows(2, 3, 6, 6)
    cw.quantize_(net, cw.Recipe(weights="int4", method="rtn", activations="int8-dynamic"))
    numbers = net[0].weight
    whole = cw.ops.QuantizedTensor.from_codes(
        np.round(numbers.numpy().reshape(4, -1) / net[0].scales.numpy() + 128).astype(np.uint8),
        net[0].scales.numpy(),
        bits=8,
    )
    wanted = cw.ops.conv(x.numpy(), whole, kernel=(3, 3), bias=net[0].bias.numpy())
    np.testing.assert_array_equal(asked(net, x).numpy(), wanted)


@pytest.mark.parametrize("recipe", ["int8", "int4", cw.Recipe(weights="bfloat16")], ids=str)
def test_copies_pickles_and_state_dicts(recipe: Any) -> None:
    torch.manual_seed(SEED)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 5)).eval()
    twin, x = copy.deepcopy(net), rows(3, 2, 6, 6)
    for parameter in twin.parameters():
        parameter.data.mul_(3.0)
    for module in (net, twin):
        cw.quantize_(module, recipe, calibration=[x])
    wanted = asked(net, x)
    assert not torch.equal(asked(twin, x), wanted)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(asked(other, x), wanted)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    twin.load_state_dict(torch.load(buffer))
    assert torch.equal(asked(twin, x), wanted)
    twin.load_state_dict(net.state_dict(), assign=True)
    assert torch.equal(asked(twin, x), wanted)


def test_conversions_of_the_whole_module() -> None:
    net, x = mlp(), rows(3, 96)
    cw.quantize_(net, cw.Recipe(weights="bfloat16"))
    wanted = asked(net, x)
    assert torch.equal(asked(net.float(), x), wanted)
    assert torch.equal(asked(net.double().to("cpu"), x), wanted)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(32, 32)
        self.block = nn.ModuleDict({"again": self.first, "own": nn.Linear(32, 32)})
        self.head = nn.Linear(32, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.block["own"](self.block["again"](self.first(x))))


def test_shared_layers_are_swapped_once() -> None:
    torch.manual_seed(SEED)
    net, x = Shared().eval(), rows(4, 32)
    wanted = asked(net, x)
    report = cw.quantize_(net, "int8", calibration=[(x,)])
    assert [layer.name for layer in report.layers] == ["first", "block.own", "head"]
    assert net.first is net.block["again"]
    assert type(net.first).__name__ == "PackedLinear"
    assert relative(asked(net, x), wanted) < 0.03


def test_skip() -> None:
    net = Shared().eval()
    report = cw.quantize_(net, "int8", skip=["head", "block"])
    assert report.layers == ()  # the shared layer has a place inside the block
    assert type(net.first) is nn.Linear
    report = cw.quantize_(net, "int8", skip="head")
    assert [layer.name for layer in report.layers] == ["first", "block.own"]
    with pytest.raises(cw.InputError, match=r"skip names 'hed', expected .*: first, block"):
        cw.quantize_(net, skip=["hed"])


def test_transformers_keep_running() -> None:
    torch.manual_seed(SEED)
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    net, x = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval(), rows(2, 7, 32)
    wanted = asked(net, x)
    report = cw.quantize_(net, "int8", calibration=[{"src": x}])
    assert [layer.name.split(".")[2] for layer in report.layers] == ["linear1", "linear2"] * 2
    assert [entry.name for entry in report.left] == [
        f"layers.{number}.self_attn.out_proj" for number in range(2)
    ]
    assert "NonDynamicallyQuantizableLinear is none of Linear" in str(report)
    calls = []
    for module in net.modules():
        if type(module).__name__ == "PackedLinear":
            module.register_forward_hook(lambda *_: calls.append(1))
            break
    assert relative(asked(net, x), wanted) < 0.03
    assert calls == [1]
    assert not any(layer.activation_relu_or_gelu for layer in net.layers)


def test_layers_that_are_left_alone() -> None:
    hooked, half = nn.Linear(32, 32), nn.Linear(32, 32).half()
    hooked.register_forward_hook(lambda *_: None)
    net = nn.ModuleDict(
        {
            "hooked": hooked,
            "narrow": half,
            "far": nn.Linear(32, 32, device="meta"),
            "up": nn.ConvTranspose1d(3, 3, 2),
            "table": nn.Embedding(4, 8),
        }
    ).eval()
    before = {name: id(module) for name, module in net.named_modules()}
    report = cw.quantize_(net)
    assert report.layers == ()
    assert {entry.name: entry.reason for entry in report.left} == {
        "hooked": "it has hooks, which would be lost",
        "narrow": "its weight is torch.float16, expected torch.float32",
        "far": "its weight is on meta, where there are no numbers",
        "up": "ConvTranspose1d is none of Linear, Conv1d, Conv2d and Conv3d",
    }
    assert {name: id(module) for name, module in net.named_modules()} == before


def test_gptq_loses_less_than_rounding() -> None:
    generator = np.random.default_rng(SEED)
    mixing = generator.normal(size=(12, 96))
    x = torch.from_numpy((generator.normal(size=(400, 12)) @ mixing).astype(np.float32))
    errors = {}
    for method in ("rtn", "mse", "gptq"):
        recipe = cw.Recipe(weights="int4", group_size=32, method=method)
        errors[method] = cw.quantize_(mlp(), recipe, calibration=x).layers[0].error
    assert errors["gptq"] < errors["mse"] < errors["rtn"]


def test_gradients_are_refused() -> None:
    net, x = mlp(), rows(3, 96)
    cw.quantize_(net)
    assert net(x).requires_grad is False
    for given in (x.clone().requires_grad_(), nn.Linear(96, 96)(x)):
        with pytest.raises(cw.InputError, match="and packed weights have none to give"):
            net(given)
        assert asked(net, given).shape == (3, 10)
    with torch.inference_mode():
        assert net(x).shape == (3, 10)


def test_tensors_that_are_refused() -> None:
    net = mlp()
    cw.quantize_(net)
    with pytest.raises(cw.InputTypeError, match=r"given torch.float64, expected torch.float32"):
        asked(net, rows(3, 96).double())
    with pytest.raises(cw.InputError, match=r"x has shape \(3, 95\), expected \(\.\.\., 96\)"):
        asked(net, rows(3, 95))
    with pytest.raises(cw.DeviceError, match="has a tensor on meta, expected the CPU"):
        asked(net, rows(3, 96).to("meta"))
    with pytest.raises(cw.InputError, match="NaN"):
        asked(net, torch.full((2, 96), torch.nan))
    images = nn.Sequential(nn.Conv2d(3, 4, 3)).eval()
    cw.quantize_(images)
    with pytest.raises(cw.InputError, match=r"x has shape \(2, 4, 5, 5\), expected \(batch, 3"):
        asked(images, rows(2, 4, 5, 5))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_traces_are_refused_and_compiled_modules_run() -> None:
    net, x = mlp(), rows(3, 96)
    cw.quantize_(net)
    for make in (torch.jit.trace, lambda net, x: cw.compress(net, example_inputs=(x,))):
        with pytest.raises(cw.UnsupportedModelError, match="before its layers are swapped"):
            make(net, x)
    compiled = torch.compile(net, backend="eager")
    assert torch.equal(asked(compiled, x), asked(net, x))


@pytest.mark.parametrize(
    ("net", "options", "words"),
    [
        (lambda: mlp().train(), {}, r"in training mode; call net\.eval\(\)"),
        (lambda: nn.Linear(32, 4).eval(), {}, "is itself a Linear, which cannot be swapped"),
        (mlp, {"recipe": "lossless"}, "recipe 'lossless' is not for layers"),
        (mlp, {"recipe": cw.Recipe(activations="int8-static")}, "layers by themselves do not take"),
        (mlp, {"recipe": "trees-small"}, "recipe 'trees-small' is not for layers"),
        (mlp, {"recipe": "int4"}, "method 'gptq' looks at what layers have seen"),
        (mlp, {"calibration": []}, "calibration holds no batches"),
        (mlp, {"calibration": rows(2, 96) / 0}, "layer '0' has read NaN or an infinity"),
    ],
)
def test_calls_that_are_refused(net: Any, options: dict[str, Any], words: str) -> None:
    module = net()
    with pytest.raises(cw.InputError, match=words):
        cw.quantize_(module, **options)
    assert not any(type(part).__name__.startswith("Packed") for part in module.modules())


def test_weights_that_are_refused() -> None:
    net = mlp()
    net[2].weight.data[0, 0] = torch.nan
    with pytest.raises(cw.InputError, match="layer '2' has weights that are NaN or infinite"):
        cw.quantize_(net)
    assert type(net[0]) is nn.Linear
    with pytest.raises(cw.InputTypeError, match=r"quantize_ takes a torch\.nn\.Module, not list"):
        cw.quantize_([])
