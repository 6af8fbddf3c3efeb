"""Pruned nets of torch, from a recipe to answers: how small, how right, what is told."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import _core
from cordwood.recipe import Recipe

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")
datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")


class Digits:
    """A perceptron that has learnt scikit-learn's digits, and rows that it has not seen."""

    def __init__(self) -> None:
        x, y = datasets.load_digits(return_X_y=True)
        x = (x / 16).astype(np.float32)
        self.seen, self.rows, self.labels = x[:1200], x[1200:], y[1200:]
        torch.manual_seed(0)
        self.module = torch.nn.Sequential(
            torch.nn.Linear(64, 128), torch.nn.ReLU(),
            torch.nn.Linear(128, 64), torch.nn.ReLU(),
            torch.nn.Linear(64, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(self.module.parameters(), 1e-2, weight_decay=1e-4)
        wanted = torch.tensor(y[:1200])
        for _ in range(60):
            answers = self.module(torch.tensor(self.seen))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(answers, wanted).backward()
            optimizer.step()
        self.module.eval()
        self.examples = (torch.tensor(x[:2]),)

    def compress(self, recipe: Any, *, calibrated: bool = True) -> cw.Net:
        calibration = [self.seen] if calibrated and recipe != "lossless" else None
        net = cw.compress(
            self.module, recipe, example_inputs=self.examples, calibration=calibration
        )
        assert isinstance(net, cw.Net)
        return net

    def score(self, net: cw.Net) -> float:
        return float((np.asarray(net(self.rows)).argmax(axis=1) == self.labels).mean())


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


@pytest.mark.parametrize(
    ("recipe", "calibrated", "margin", "share"),
    [
        (Recipe(weights="int8", sparsity="2:4"), True, 0.01, 0.72),
        (Recipe(weights="int8", sparsity="2:4"), False, 0.04, 0.72),
        (Recipe(weights="int8", sparsity="2:4", method="gptq"), True, 0.01, 0.72),
        (Recipe(weights="int4", sparsity="2:4", method="gptq"), True, 0.02, 0.55),
        (Recipe(sparsity="block:16x1:0.5"), True, 0.04, 0.72),
        (Recipe(sparsity=0.7), True, 0.03, 0.60),
        (Recipe("int8", channels=0.5), True, 0.02, 0.50),
        (Recipe("int8", channels=0.5, sparsity="2:4"), True, 0.03, 0.42),
    ],
    ids=str,
)
def test_digits_are_still_told_apart(
    digits: Digits, recipe: Recipe, calibrated: bool, margin: float, share: float
) -> None:
    dense = digits.compress("int8", calibrated=False)
    net = digits.compress(recipe, calibrated=calibrated)
    exact = digits.score(digits.compress("lossless"))
    assert exact > 0.92
    assert digits.score(net) >= exact - margin
    assert net.nbytes < share * dense.nbytes


def test_summaries_tell_what_went(digits: Digits) -> None:
    told = digits.compress(Recipe(sparsity="2:4", channels=0.75)).summary()
    for words in (
        "50.0% kept  0",
        "50.0% kept  2",
        "2 of 3 linear layers sparse, the others dense",
        "loss      channels removed: 48.0",
        "loss      layers pruned: 2.0",
        "loss      pruned 0: ",
        "loss      channels read by 2: ",
    ):
        assert words in told
    assert "kept" not in digits.compress("int8").summary()


def test_a_module_with_masks_loses_nothing(digits: Digits) -> None:
    """Weights that hold the pattern are held sparse, and answer as the same codes do dense."""
    digits = copy.deepcopy(digits)
    with torch.no_grad():
        for layer in (digits.module[0], digits.module[2]):
            weight = layer.weight.numpy()
            layer.weight.copy_(
                torch.tensor(np.where(cw.ops.prune_mask(weight, "2:4"), weight, np.float32(0)))
            )
    for calibrated in (False, True):
        dense = digits.compress(Recipe("int8", refit=False, method="mse"), calibrated=calibrated)
        sparse = digits.compress(Recipe("int8", sparsity="2:4"), calibrated=calibrated)
        losses = sparse.metadata["recipe"]["loss"]
        assert losses["pruned 0"] == losses["pruned 2"] == 0.0
        found = np.asarray(sparse(digits.rows))
        assert found.tobytes() == np.asarray(dense(digits.rows)).tobytes()
        assert _core.inspect(sparse.to_bytes())["tensors"][0]["sparsity"] == "bitmap"
        assert sparse.nbytes < dense.nbytes


def test_fitting_would_bring_weights_back() -> None:
    assert Recipe("int8", sparsity="2:4").refit is False
    with pytest.raises(cw.InputError, match="refit is True with sparsity '2:4'"):
        Recipe("int8", sparsity="2:4", refit=True)


def test_nothing_to_take_is_said() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(64, 32)).eval()
    examples = (torch.ones(2, 64),)
    net: Any = cw.compress(module, Recipe(channels=0.5), example_inputs=examples)
    plain: Any = cw.compress(module, example_inputs=examples)
    assert net.metadata["recipe"]["loss"]["channels removed"] == 0.0
    x = np.ones((3, 64), np.float32)
    assert np.asarray(net(x)).tobytes() == np.asarray(plain(x)).tobytes()


@pytest.mark.parametrize("pattern", ["2:4", 0.9, "block:16x1:0.5"])
def test_small_tables_stay_as_they_are_where_weights_go(pattern: Any) -> None:
    layers = (torch.nn.Embedding(50, 32), torch.nn.Linear(32, 32))
    module = torch.nn.Sequential(*layers).eval()
    ids = torch.arange(50).reshape(2, 25)
    net = cw.compress(module, Recipe(sparsity=pattern), example_inputs=(ids,))
    assert isinstance(net, cw.Net)
    assert net.metadata["recipe"]["small_tables"] == "float16"
    assert net(ids.numpy()).shape == (2, 25, 32)
