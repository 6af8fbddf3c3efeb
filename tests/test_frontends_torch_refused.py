"""What a Graph cannot be is refused with names: the operator, the module, and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from cordwood.errors import GraphError, InputError, UnsupportedModelError
from torch_nets import as_module, draw, read_module, torch

nn, F = torch.nn, torch.nn.functional


def refused(function: Any, *given: Any, **more: Any) -> str:
    module = function if isinstance(function, nn.Module) else as_module(function)
    with pytest.raises(UnsupportedModelError) as caught:
        read_module(module, given, **more)
    return str(caught.value)


def test_training_mode() -> None:
    told = refused(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), draw(2, 2))
    assert "in training mode" in told
    assert "1 (Dropout)" in told
    assert ".eval()" in told


def test_all_operators_are_listed_with_their_places() -> None:
    class Sorter(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.cummax(-1).values

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(4, 4), Sorter())

        def forward(self, x: Any) -> Any:
            return self.layers(x).cumprod(0), torch.fft.rfft(x).real

    told = refused(Odd().eval(), draw(3, 4))
    assert "Odd cannot be read; not supported (4):" in told
    assert "aten.cummax in layers.1: no operator of a Graph has its meaning" in told
    assert "aten.cumprod.default" not in told
    assert "aten.cumprod in the outermost module" in told
    assert "fft" in told


def test_settings_are_listed_too() -> None:
    net = nn.Sequential(nn.Conv1d(3, 3, 1), nn.AvgPool2d(2, divisor_override=3)).eval()
    told = refused(net, draw(2, 3, 7))
    assert "aten.avg_pool2d in 1: divisor_override is 3, expected None" in told
    told = refused(nn.MaxPool2d(2, return_indices=True).eval(), draw(2, 3, 8, 8))
    assert "an output: no operator has the answer 1 of aten.max_pool" in told


def test_branches_on_values() -> None:
    told = refused(lambda x: x if x.sum() > 0 else -x, draw(2, 3))
    assert "torch.export cannot follow Plain" in told
    assert "control flow does not depend on values" in told


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda x: x[x > 0], "known at run time only"),
        (lambda x: x.nonzero(), "depends on values, not on shapes alone"),
        (lambda x: torch.rand_like(x) + x, "aten.rand"),
        (lambda x: x.half(), "it rounds to float16"),
        (lambda x: x.double() @ x.double().T, "it computes in float64"),
        (lambda x: x.index_put((torch.tensor([0]),), x[:1]), "without a maximum (batch)"),
        (lambda x: x.index_add(1, torch.tensor([0]), x[:, :1]), "it adds to elements by index"),
        (lambda x: x.masked_scatter(x > 0, x), "write a slice, use torch.where"),
        (lambda x: x.T.sort(-1), "puts batch elements in order, expected a constant number"),
        (lambda x: x.double() ** 2.5, "it is a power of float64"),
        (lambda x: x + torch.arange(x.shape[0])[:, None], "without a maximum (batch)"),
        (lambda x: x.scatter(1, torch.zeros(1, 1, dtype=torch.long), 0.0), "its index is of shape"),
        (lambda x: F.avg_pool1d(x[None], 2, padding=1, ceil_mode=True), "divides by parts"),
        (lambda x: torch.fmod(x, 2.0), "no composition of other operators is as exact"),
    ],
)  # fmt: skip
def test_operator(function: Any, told: str) -> None:
    assert told in refused(function, draw(2, 3))


def test_state_that_is_kept() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("cache", torch.zeros(4, 3))

        def forward(self, x: Any) -> Any:
            self.cache[0] = x[0]
            return self.cache + 1

    told = refused(Counter().eval(), draw(2, 3))
    assert "writes into cache" in told
    assert "pass such a cache as an input, join it with torch.cat" in told


def test_recurrent_layers() -> None:
    x = draw(2, 5, 3)
    assert "torch.rnn_tanh is not supported" in refused(nn.RNN(3, 4).eval(), x)
    assert "proj_size" in refused(nn.LSTM(3, 4, proj_size=2).eval(), x)

    def packed(y: Any) -> Any:
        return layer(nn.utils.rnn.pack_padded_sequence(y, [5, 5]))[0].data

    layer = nn.LSTM(3, 4).eval()
    assert "PackedSequence" in refused(packed, draw(5, 2, 3))


def test_causal_attention_of_fewer_queries() -> None:
    def attend(q: Any, k: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, k, is_causal=True)

    assert "give attn_mask instead" in refused(attend, draw(2, 1, 3, 4), draw(2, 1, 5, 4))


def test_inputs() -> None:
    with pytest.raises(InputError, match="expected a tuple of tensors"):
        read_module(nn.Linear(2, 2).eval(), 3)
    with pytest.raises(InputError, match=r"got a int, expected a torch.nn.Module"):
        read_module(3, (draw(2, 2),))
    with pytest.raises(InputError, match=r"do not fit Linear.forward: too many positional"):
        read_module(nn.Linear(2, 2).eval(), (draw(2, 2), 1))
    told = refused(nn.Linear(2, 2).eval(), draw(2, 3))
    assert "called with example inputs that fit" in told


def test_weights_that_are_not_finite_are_told_with_their_module() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))
    layers[1].weight.data[2, 3] = torch.inf
    net = torch.nn.Sequential(layers).eval()
    with pytest.raises(GraphError, match=r"\(linear in '0\.1'\) has weights that are NaN or inf"):
        read_module(net, (draw(2, 4),))
