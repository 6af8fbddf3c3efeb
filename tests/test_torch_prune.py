"""Masks on the layers of torch modules: chosen, honoured by training, read by compress."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.frontends import read_module
from cordwood.ir_nets import Product

torch = pytest.importorskip("torch")
nn = torch.nn
parametrize = torch.nn.utils.parametrize
torch_prune = pytest.importorskip("torch.nn.utils.prune")

SEED = 5


def rows(*shape: int) -> Any:
    return torch.from_numpy(np.random.default_rng(SEED).normal(size=shape).astype(np.float32))


def mlp() -> Any:
    torch.manual_seed(SEED)
    return nn.Sequential(
        nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 4)
    )


def images() -> Any:
    torch.manual_seed(SEED)
    return nn.Sequential(nn.Conv2d(4, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4))


def zeros_of(layer: Any) -> np.ndarray:
    return layer.weight.detach().numpy() == 0


@pytest.mark.parametrize("pattern", ["2:4", "1:4", 0.7, "block:16x1:0.5", "channels:0.25"])
def test_masks_are_those_of_the_arrays(pattern: Any) -> None:
    net = mlp()
    weights = [layer.weight.detach().numpy().copy() for layer in net[::2]]
    report = cw.prune_(net, pattern)
    assert [layer.name for layer in report.layers] == ["0", "2", "4"]
    for layer, weight, told in zip(net[::2], weights, report.layers, strict=True):
        mask = cw.ops.prune_mask(weight, pattern)
        np.testing.assert_array_equal(layer.weight.detach().numpy(), np.where(mask, weight, 0))
        assert told.share == pytest.approx(1 - mask.mean())
        lost = np.linalg.norm(weight[~mask]) / np.linalg.norm(weight)
        assert told.loss == pytest.approx(lost, rel=1e-5)


def test_scores_weigh_inputs_within_an_output() -> None:
    net, x = mlp(), rows(200, 48) * torch.linspace(0.01, 3, 48)
    weight = net[0].weight.detach().numpy().copy()
    report = cw.prune_(net, 0.5, calibration=[x[:90], x[90:]], skip=["2", "4"])
    scores = cw.ops.wanda_scores(weight, x.numpy())
    mask = cw.ops.prune_mask(weight, 0.5, scores=scores, per="output")
    np.testing.assert_array_equal(zeros_of(net[0]), ~mask)
    assert report.layers[0].loss == pytest.approx(
        np.linalg.norm(scores[~mask]) / np.linalg.norm(scores), rel=1e-4
    )
    assert not zeros_of(net[2]).any()
    by_size = mlp()
    told = cw.prune_(by_size, 0.5, calibration=x, score="magnitude").layers[0]
    np.testing.assert_array_equal(zeros_of(by_size[0]), ~cw.ops.prune_mask(weight, 0.5))
    assert told.loss > report.layers[0].loss


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(4, 6, 3, padding=1),
        lambda: nn.Conv2d(4, 6, (3, 2), stride=2, dilation=(1, 2), groups=2),
        lambda: nn.Conv1d(4, 6, 3, padding="same", padding_mode="circular"),
        lambda: nn.Conv3d(4, 6, 2, padding=(0, 1, 0)),
    ],
)
def test_norms_of_what_a_convolution_reads(make: Any) -> None:
    torch.manual_seed(SEED)
    layer = make()
    net, x = nn.Sequential(layer), rows(5, 4, *(7, 6, 5)[: len(layer.kernel_size)])
    weight = layer.weight.detach().clone()
    # One weight alone answers with its input, whose norm is then that of the output.
    norms = torch.zeros_like(weight)
    probe = copy.deepcopy(layer)
    probe.bias.data.zero_()
    for at in np.ndindex(*weight.shape):
        probe.weight.data.zero_()
        probe.weight.data[at] = 1.0
        norms[at] = probe(x).detach().norm()
    scores = (weight.abs() * norms).numpy().reshape(6, -1)
    cw.prune_(net, 0.5, calibration=x)
    mask = cw.ops.prune_mask(
        weight.numpy().reshape(6, -1), 0.5, scores=scores, per="output"
    ).reshape(weight.shape)
    np.testing.assert_array_equal(zeros_of(layer), ~mask)


@pytest.mark.parametrize(
    "make_optimizer",
    [
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    ],
)
def test_training_keeps_zeros(make_optimizer: Any) -> None:
    net, x, y = images(), rows(64, 4, 6, 6), torch.arange(64) % 4
    cw.prune_(net, "2:4", calibration=x)
    zeros, first = zeros_of(net[0]), net[0].weight.detach().clone()
    optimizer = make_optimizer(net.parameters())
    losses = []
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        for layer in (net[0], net[3]):
            gradient = layer.parametrizations.weight.original.grad.numpy()
            assert not gradient[zeros_of(layer)].any()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    np.testing.assert_array_equal(zeros_of(net[0]), zeros)
    assert not torch.equal(net[0].weight, first)
    assert zeros_of(net[3]).mean() == 0.5


def test_compress_reads_the_zeros() -> None:
    net, x = images().eval(), rows(8, 4, 6, 6)
    cw.prune_(net, "2:4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed = cw.compress(net, example_inputs=(x,))
    wanted = net(x).detach().numpy()
    np.testing.assert_allclose(packed(x), wanted, rtol=1e-4, atol=1e-5)
    products = [step for step in read_module(net, (x,)).operators if isinstance(step, Product)]
    for step, layer in zip(products, (net[0], net[3]), strict=True):
        np.testing.assert_array_equal(step.weight, layer.weight.detach().numpy())
        assert (step.weight == 0).mean() == 0.5


def test_pruning_again_goes_further() -> None:
    net = mlp()
    cw.prune_(net, 0.3)
    earlier = zeros_of(net[0])
    report = cw.prune_(net, 0.6)
    assert len(net[0].parametrizations.weight) == 1
    assert (zeros_of(net[0]) >= earlier).all()
    assert report.layers[0].share == pytest.approx(0.6, abs=0.01)
    cw.prune_(net, "2:4")
    assert (zeros_of(net[0]).reshape(32, 12, 4).sum(2) >= 2).all()


def test_copies_and_state_dicts_and_the_end() -> None:
    net, twin, x = mlp(), mlp(), rows(3, 48)
    cw.prune_(net, 0.5)
    cw.prune_(twin, "2:4")
    twin.load_state_dict(net.state_dict())
    assert torch.equal(twin(x), net(x))
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    wanted = net(x)
    for layer in net[::2]:
        parametrize.remove_parametrizations(layer, "weight")
    assert type(net[0]) is nn.Linear
    assert zeros_of(net[0]).mean() == 0.5
    assert torch.equal(net(x), wanted)


def test_a_new_weight_takes_the_zeros() -> None:
    net = mlp()
    cw.prune_(net, 0.5)
    mask = ~zeros_of(net[0])
    net[0].weight = torch.full((32, 48), torch.inf)
    np.testing.assert_array_equal(zeros_of(net[0]), ~mask)


def test_packed_layers_take_masked_weights() -> None:
    net, x = mlp().eval(), rows(6, 48)
    cw.prune_(net, 0.5)
    wanted, zeros = net(x).detach(), zeros_of(net[0])
    report = cw.quantize_(net, "int8")
    assert [layer.kind for layer in report.layers] == ["Linear"] * 3
    assert (net[0].weight.numpy()[zeros] == 0).all()
    with torch.no_grad():
        assert float((net(x) - wanted).norm() / wanted.norm()) < 0.05


def test_modes_stay() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.9), nn.BatchNorm1d(8), nn.Linear(8, 2))
    net[2].eval()
    cw.prune_(net, 0.5, calibration=rows(30, 8))
    assert [module.training for module in net] == [True, True, False, True]
    assert torch.equal(net[2].running_mean, torch.zeros(8))


def test_what_is_left_alone_is_told() -> None:
    net = nn.ModuleDict({"up": nn.ConvTranspose1d(3, 3, 2), "own": nn.Linear(8, 8)})
    report = cw.prune_(net, 0.5)
    assert report.left == (("up", "ConvTranspose1d is none of Linear, Conv1d, Conv2d and Conv3d"),)
    assert "50.0% gone, loss" in str(report)
    assert "left: ConvTranspose1d" in str(report)


@pytest.mark.parametrize(
    ("sparsity", "options", "words"),
    [
        ("2 of 4", {}, "pattern is '2 of 4'"),
        (1.5, {}, "has share 1.5"),
        (0.5, {"score": "size"}, "score is 'size', expected 'magnitude' or 'wanda'"),
        (0.5, {"score": "wanda"}, "pass calibration="),
        (0.5, {"calibration": []}, "calibration holds no batches"),
        (0.5, {"calibration": rows(2, 48) / 0}, "layer '0' has read NaN or an infinity"),
        (0.5, {"skip": ["7"]}, "skip names '7'"),
    ],
)
def test_calls_that_are_refused(sparsity: Any, options: dict[str, Any], words: str) -> None:
    net = mlp()
    with pytest.raises(cw.InputError, match=words):
        cw.prune_(net, sparsity, **options)
    assert not any(parametrize.is_parametrized(layer) for layer in net)


def test_weights_and_objects_that_are_refused() -> None:
    net = mlp()
    net[2].weight.data[0, 0] = torch.nan
    with pytest.raises(cw.InputError, match="layer '2' has weights that are NaN"):
        cw.prune_(net, 0.5)
    assert not parametrize.is_parametrized(net[0])
    with pytest.raises(cw.InputTypeError, match=r"prune_ takes a torch\.nn\.Module, not dict"):
        cw.prune_({}, 0.5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_floating_point_type(dtype: Any) -> None:
    net = mlp().to(dtype)
    weight = net[0].weight.detach().float().numpy()
    cw.prune_(net, "2:4")
    assert net[0].weight.dtype == dtype
    zeros = (net[0].weight == 0).numpy()
    np.testing.assert_array_equal(zeros, ~cw.ops.prune_mask(weight, "2:4"))


class Tied(nn.Module):
    """An embedding and a layer that have one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head, self.own = nn.Embedding(50, 32), nn.Linear(32, 50), nn.Linear(32, 32)
        self.head.weight = self.table.weight

    def forward(self, ids: Any) -> Any:
        return self.head(self.own(self.table(ids)))


def test_tied_weights_are_left_alone() -> None:
    net = Tied()
    before = net.table.weight.detach().clone()
    for _ in range(2):
        report = cw.prune_(net, 0.5)
        assert [layer.name for layer in report.layers] == ["own"]
        assert dict(report.left)["head"].startswith("its weight is table.weight as well")
    assert torch.equal(net.table.weight, before)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_hooks_make_are_left_alone() -> None:
    net = mlp()
    nn.utils.weight_norm(net[2])
    torch_prune.l1_unstructured(net[4], "weight", 0.5)
    report = cw.prune_(net, 0.5)
    assert [layer.name for layer in report.layers] == ["0"]
    assert [reason.split(",")[0] for _, reason in report.left] == ["a hook makes its weight"] * 2


def test_packed_layers_are_told() -> None:
    net = nn.Sequential(nn.Linear(32, 32)).eval()
    cw.quantize_(net)
    assert cw.prune_(net, 0.5).left == (("0", "its weights are packed already"),)


def test_masks_of_inference_mode_may_be_trained() -> None:
    net = mlp()
    with torch.inference_mode():
        cw.prune_(net, 0.5, calibration=rows(20, 48))
        made = nn.Sequential(nn.Linear(32, 32))
        ((_, reason),) = cw.prune_(made, 0.5).left
    assert reason.startswith("its weight was made under torch.inference_mode()")
    net(rows(4, 48)).sum().backward()
    assert (net[0].weight == 0).float().mean() == 0.5


def test_inputs_that_are_all_zero_decide_nothing() -> None:
    for x in (torch.zeros(4, 48), torch.zeros(0, 48)):
        net, wanted = mlp(), mlp()
        cw.prune_(net, 0.5, calibration=x, skip=["2", "4"])
        weight = wanted[0].weight.detach().numpy()
        mask = cw.ops.prune_mask(weight, 0.5, scores=np.abs(weight), per="output")
        np.testing.assert_array_equal(zeros_of(net[0]), ~mask)


@pytest.mark.parametrize("pattern", [0.5, 0.33, 0.9, "2:4", "block:16x1:0.5", "block:4x4:0.7"])
@pytest.mark.parametrize("seen", [False, True])
def test_compress_keeps_a_mask_of_the_same_pattern(pattern: Any, seen: bool) -> None:
    # 33 inputs: the share of each output rounds otherwise than that of all.
    net = nn.Sequential(nn.Linear(36, 33), nn.ReLU(), nn.Linear(33, 40)).eval()
    x = rows(64, 36)
    cw.prune_(net, pattern, calibration=x if seen else None)
    facts: dict[str, Any] = {
        "weights": "int8", "method": "mse", "activations": "uint8-dynamic"
    }  # fmt: skip
    plain: Any = cw.compress(net, cw.Recipe(**facts), example_inputs=(x,), calibration=[x.numpy()])
    recipe = cw.Recipe(**facts, sparsity=pattern)
    sparse: Any = cw.compress(net, recipe, example_inputs=(x,), calibration=[x.numpy()])
    loss = sparse.metadata["recipe"]["loss"]
    names = [name for name in loss if name.startswith("pruned ")]
    assert names
    assert all(loss[name] == 0.0 for name in names)
    np.testing.assert_array_equal(sparse(x.numpy()), plain(x.numpy()))


def test_packed_layers_keep_the_zeros_of_a_mask() -> None:
    net, x = mlp().eval(), rows(200, 48)
    cw.prune_(net, "2:4", skip=["4"])
    zeros = [zeros_of(net[0]), zeros_of(net[2])]
    cw.quantize_(net, cw.Recipe("int4", group_size=32), calibration=x)
    for layer, gone in zip((net[0], net[2]), zeros, strict=True):
        assert not layer.weight.numpy()[gone].any()
