"""Layers of torch become operators of a Graph that answer alike."""

from __future__ import annotations

from typing import Any

import pytest

from cordwood import ir_nets
from torch_nets import agree, draw, torch

nn, F = torch.nn, torch.nn.functional

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(5, 7), (3, 5)),
    "linear-no-bias": (lambda: nn.Linear(5, 7, bias=False), (3, 4, 5)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, padding=1), (3, 4, 11)),
    "conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0)), (3, 4, 9, 8)),
    "conv2d-groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), (3, 4, 9, 8)),
    "conv2d-depthwise": (lambda: nn.Conv2d(4, 8, 3, groups=4, dilation=2), (3, 4, 9, 8)),
    "conv2d-same": (lambda: nn.Conv2d(3, 4, (2, 4), padding="same"), (3, 3, 9, 8)),
    "conv2d-reflect": (lambda: nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), (3, 3, 9, 8)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, padding=1), (3, 2, 4, 5, 6)),
    "transposed1d": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=2), (3, 4, 7)),
    "transposed2d": (
        lambda: nn.ConvTranspose2d(4, 6, 3, 2, padding=1, output_padding=1, groups=2, dilation=2),
        (3, 4, 5, 6),
    ),
    "batch-norm": (lambda: trained_norm(nn.BatchNorm2d(4)), (3, 4, 5, 6)),
    "batch-norm-plain": (lambda: trained_norm(nn.BatchNorm1d(4, affine=False)), (3, 4)),
    "layer-norm": (lambda: drawn(nn.LayerNorm(6)), (3, 4, 6)),
    "layer-norm-axes": (lambda: nn.LayerNorm((4, 6), bias=False), (3, 4, 6)),
    "layer-norm-plain": (lambda: nn.LayerNorm(6, elementwise_affine=False), (3, 4, 6)),
    "group-norm": (lambda: drawn(nn.GroupNorm(2, 6)), (3, 6, 4, 5)),
    "instance-norm": (lambda: drawn(nn.InstanceNorm2d(4, affine=True)), (3, 4, 5, 6)),
    "rms-norm": (lambda: drawn(nn.RMSNorm(6)), (3, 4, 6)),
    "rms-norm-epsilon": (lambda: nn.RMSNorm(6, eps=0.01, elementwise_affine=False), (3, 4, 6)),
    "max-pool": (lambda: nn.MaxPool2d(3, 2, padding=1), (3, 4, 9, 8)),
    "max-pool-ceil": (lambda: nn.MaxPool2d(2, 2, ceil_mode=True), (3, 4, 9, 8)),
    "max-pool-dilated": (lambda: nn.MaxPool1d(2, 1, dilation=2), (3, 4, 9)),
    "average-pool": (lambda: nn.AvgPool2d(3, 2, padding=1), (3, 4, 9, 8)),
    "average-pool-inside": (
        lambda: nn.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False),
        (3, 4, 9, 8),
    ),
    "average-pool3d": (lambda: nn.AvgPool3d(2), (3, 2, 4, 4, 4)),
    "adaptive-one": (lambda: nn.AdaptiveAvgPool2d(1), (3, 4, 9, 8)),
    "adaptive-divides": (lambda: nn.AdaptiveAvgPool2d((3, 4)), (3, 4, 9, 8)),
    "adaptive-max": (lambda: nn.AdaptiveMaxPool1d(3), (3, 4, 9)),
    "upsample-nearest": (lambda: nn.Upsample(scale_factor=2), (3, 2, 4, 5)),
    "upsample-size": (lambda: nn.Upsample(size=(7, 6)), (3, 2, 4, 5)),
    "upsample-exact": (lambda: nn.Upsample(size=(7, 3), mode="nearest-exact"), (3, 2, 4, 5)),
    "upsample-linear": (lambda: nn.Upsample(scale_factor=3, mode="linear"), (3, 2, 5)),
    "upsample-bilinear": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (3, 2, 4, 5)),
    "upsample-corners": (
        lambda: nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
        (3, 2, 4, 5),
    ),
    "softmax": (lambda: nn.Softmax(1), (3, 4, 5)),
    "log-softmax": (lambda: nn.LogSoftmax(-1), (3, 4, 5)),
    "dropout": (lambda: nn.Dropout(0.5), (3, 4)),
    "prelu": (lambda: drawn(nn.PReLU(4)), (3, 4, 5)),
    "prelu-one": (nn.PReLU, (3, 4, 5)),
    "glu": (nn.GLU, (3, 4, 6)),
    "flatten": (nn.Flatten, (3, 4, 5)),
    "pixel-shuffle": (lambda: nn.PixelShuffle(2), (3, 8, 4, 5)),
    "bilinear": (lambda: nn.CosineSimilarity(dim=1), (3, 4)),
}


def drawn(module: Any) -> Any:
    """Give every parameter numbers that are not all 1 or 0."""
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(1 + 0.3 * draw(*parameter.shape, seed=number + 1))
    return module


def trained_norm(module: Any) -> Any:
    module.running_mean.copy_(draw(*module.running_mean.shape, seed=8))
    module.running_var.copy_(draw(*module.running_var.shape, seed=9).abs() + 0.1)
    return drawn(module)


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str) -> None:
    make, shape = LAYERS[name]
    torch.manual_seed(1)
    given = [draw(*shape)] * (2 if name == "bilinear" else 1)
    other = [x[:1] * 2 for x in given]
    agree(make(), tuple(given), tuple(other))


ACTIVATIONS = {
    "relu": F.relu, "relu6": F.relu6, "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": lambda x: F.elu(x, 0.7), "selu": F.selu, "celu": lambda x: F.celu(x, 1.3),
    "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
    "sigmoid": torch.sigmoid, "tanh": torch.tanh, "softplus": F.softplus,
    "softplus_sharp": lambda x: F.softplus(x, beta=2.0, threshold=30), "mish": F.mish,
    "hardsigmoid": F.hardsigmoid, "hardswish": F.hardswish, "logsigmoid": F.logsigmoid,
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.8), "softsign": F.softsign,
    "tanhshrink": F.tanhshrink, "clamp": lambda x: x.clamp(-1, 0.5),
}  # fmt: skip


def test_activations() -> None:
    graph = agree(
        lambda x: {name: function(x) for name, function in ACTIVATIONS.items()},
        (draw(40, 5) * 3,),
    )
    assert graph.form == "dict"
    found = [op.kind for op in graph.operators if isinstance(op, ir_nets.Activation)]
    assert {"relu", "gelu", "gelu_tanh", "silu", "mish", "hard_swish", "clip"} <= set(found)


def test_products_of_values() -> None:
    weight = draw(6, 4, seed=3)

    def products(a: Any, b: Any) -> tuple[Any, ...]:
        m = a.reshape(-1, 6)
        return (
            a @ b, torch.bmm(a[:, 0], b[:, 0]), m @ weight, F.linear(m, m[:3]),
            torch.addmm(weight[0], m, weight), torch.einsum("bhnd,bhdm->bhm", a, b),
            a @ b[0, 0, :, 0], a[0, 0, 0] @ b,
        )  # fmt: skip

    graph = agree(products, (draw(3, 2, 5, 6), draw(3, 2, 6, 4, seed=1)))
    assert any(isinstance(op, ir_nets.Matmul) for op in graph.operators)
    assert any(isinstance(op, ir_nets.Linear) for op in graph.operators)


def test_embedding() -> None:
    graph = agree(
        nn.Embedding(20, 6, padding_idx=0),
        (torch.arange(12).reshape(3, 4),),
        (torch.tensor([[0, 19]]),),
    )
    assert [value.shape for value in graph.values][-1] == ("batch", "sequence", 6)


def test_images_of_any_size() -> None:
    """A pool to one position is a mean where the sizes of images are not constant."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    height, width = torch.export.Dim("height", max=64), torch.export.Dim("width", max=64)
    shapes = ({0: torch.export.Dim("batch"), 2: height, 3: width},)
    graph = agree(net, (draw(2, 3, 8, 9),), (draw(1, 3, 5, 12),), dynamic_shapes=shapes)
    assert graph.values[0].shape == ("batch", 3, "height", "width")
    assert graph.maxima == {"height": 64, "width": 64}


def test_weights_of_bfloat16_stay_so() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(9, 4).bfloat16()

        def forward(self, ids: Any) -> Any:
            return self.table(ids).float()

    with pytest.raises(Exception, match=r"aten.embedding in table: it computes in bfloat16"):
        agree(Mixed(), (torch.zeros(2, 3, dtype=torch.long),))
