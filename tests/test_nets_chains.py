"""Chains of a net's operators, run in blocks: no block sees what another has left behind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood.recipe import Recipe

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")

from torch_zoo import Residual, settled  # noqa: E402 - needs torch

ROWS = 4000
"""Two blocks of one thread."""


class Apart(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Two products of one value; a maximum between them ends a chain, so the second begins one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(width, 8)
        self.second = torch.nn.Linear(width, width)
        self.third = torch.nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return self.first(x).amax(0), self.third(torch.tanh(self.second(x)))


@pytest.mark.parametrize("rows", ["int8-dynamic", "uint8-dynamic"])
def test_blocks_do_not_take_over_codes_of_rows(rows: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(ROWS, 64)
    recipe = Recipe(weights="int8", activations=rows)
    made = cw.compress(Apart(64).eval(), recipe, example_inputs=(x[:5],))
    net = cw.Net(made.to_bytes(), threads=1)
    answers = net(x)[1]
    for start in range(0, ROWS, 1000):
        alone = net(x[start : start + 1000])[1]
        assert alone.tobytes() == answers[start : start + 1000].tobytes()


class Long(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Layers over (batch, 512, 64): a block holds one entry, and values of several widths."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (64, 256, 96, 256, 32)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(*pair) for pair in pairwise(sizes))
        self.norm = torch.nn.LayerNorm(48)

    def forward(self, x: Any) -> Any:
        for at, layer in enumerate(self.layers):
            x = layer(x)
            if at == 1:  # entries stay, rows do not
                x = self.norm(x.view(-1, 512, 2, 48)).view(-1, 512, 96)
        return x


@pytest.mark.parametrize("threads", [2, 3, 8, 11])
@pytest.mark.parametrize("recipe", ["lossless", "int8"])
def test_blocks_on_several_threads_keep_out_of_each_others_memory(
    threads: int, recipe: str
) -> None:
    """Threads stand at different steps of the chain at once."""
    torch.manual_seed(1)
    x = torch.randn(23, 512, 64)
    packed = cw.compress(Long().eval(), recipe, example_inputs=(x[:2],)).to_bytes()
    wanted = cw.load(packed, threads=1)(x)
    net = cw.load(packed, threads=threads)
    for n in (23, 23, 5, 1, 17, 23):
        assert net(x[:n]).tobytes() == wanted[:n].tobytes()


def test_images_on_several_threads_keep_out_of_each_others_memory() -> None:
    layers = torch.nn
    module = settled(
        layers.Sequential(
            *(layers.Conv2d(3, 32, 3, padding=1), layers.ReLU(), Residual(32, 32, 1)),
            *(Residual(32, 48, 2), layers.AdaptiveAvgPool2d(1), layers.Flatten()),
            layers.Linear(48, 5),
        )
    ).eval()
    x = np.random.default_rng(1).random((50, 3, 32, 32), np.float32)
    for recipe, calibration in (("lossless", None), ("int8", [x[:8]])):
        packed = cw.compress(
            module, recipe, example_inputs=(torch.tensor(x[:2]),), calibration=calibration
        ).to_bytes()
        wanted = cw.load(packed, threads=1)(x)
        net = cw.load(packed, threads=4)
        with ThreadPoolExecutor(3) as callers:
            for answer in callers.map(net, [x] * 6):
                assert answer.tobytes() == wanted.tobytes()
        hurt = x.copy()
        hurt[37, 0, 3, 3] = np.nan
        if recipe == "int8":
            for threads in (1, 4):
                with pytest.raises(cw.InputError, match="image 37 holds NaN or an infinity"):
                    cw.load(packed, threads=threads)(hurt)
        assert net(x).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_row_inside_blocks_is_named_by_its_place_in_the_batch(threads: int) -> None:
    """In a block of rows, in a block of entries, and in one inside the other."""
    torch.manual_seed(2)
    x = np.random.default_rng(2).standard_normal((23, 512, 64), np.float32)
    shape = (torch.tensor(x[:2]),)
    entries = cw.load(
        cw.compress(Long().eval(), "int8", example_inputs=shape).to_bytes(), threads=threads
    )
    x[18, 301, 7] = np.nan
    with pytest.raises(cw.InputError, match=f"row {18 * 512 + 301} holds NaN or an infinity"):
        entries(x)

    flat = x.reshape(-1, 64)
    layers = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64))
    made = cw.compress(layers.eval(), "int8", example_inputs=(torch.tensor(flat[:5]),))
    with pytest.raises(cw.InputError, match=f"row {18 * 512 + 301} holds NaN or an infinity"):
        cw.load(made.to_bytes(), threads=threads)(flat)
