"""Whole modules of torch: their Graphs answer alike, for batches and sequences of any length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import minilm
from cordwood import ir_nets
from cordwood.frontends.torch import read_module
from oracle_nets import run
from torch_nets import agree, torch
from torch_zoo import NAMES, Bert, zoo

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", NAMES)
def test_module(name: str) -> None:
    module, examples, others = zoo()[name]
    graph = agree(module, examples, others)
    assert graph.values[0].shape[0] == "batch"
    assert graph.provenance["library"] == "torch"
    again = read_module(module, examples)
    assert [value.name for value in again.values] == [value.name for value in graph.values]


def test_one_example_is_enough() -> None:
    """A batch and a sequence of one are lengthened for the export: neither becomes constant."""
    module, (ids, mask), others = zoo()["bert"]
    graph = agree(module, {"input_ids": ids[:1, :1], "attention_mask": mask[:1, :1]})
    assert graph.values[0].shape == ("batch", "sequence")
    assert graph.values[0].name == "input_ids"
    assert graph.maxima == {"sequence": 4096}
    names = ("input_ids", "attention_mask")
    inputs = {name: x.numpy() for name, x in zip(names, others, strict=True)}
    wanted = module(*others)["sentence"].detach().numpy()
    np.testing.assert_allclose(run(graph, inputs)["sentence"], wanted, rtol=1e-5, atol=1e-6)


def test_minilm() -> None:
    """A trained encoder of sentences, against another implementation of it in NumPy."""
    known = minilm.MiniLM(minilm.folder())
    module = Bert(30522, 512, 384, 12, 6, 1536).eval()
    with torch.no_grad():
        state = {name: torch.tensor(array) for name, array in known.tensors.items()}
        missing, _ = module.load_state_dict(state, strict=False)
    assert not missing
    texts = minilm.sentences(ROOT, 3)
    numbers = [known.tokens(text) for text in texts]
    longest = max(map(len, numbers))
    ids = np.zeros((len(texts), longest), np.int64)
    mask = np.zeros_like(ids)
    for row, own in enumerate(numbers):
        ids[row, : len(own)], mask[row, : len(own)] = own, 1
    graph = read_module(module, (torch.ones(1, 8, dtype=torch.long),) * 2)
    assert sum(isinstance(op, ir_nets.Linear) for op in graph.operators) == 36
    assert sum(isinstance(op, ir_nets.Attention) for op in graph.operators) == 6
    found = run(graph, {"input_ids": ids, "attention_mask": mask})["sentence"]
    wanted = np.stack([known.encode(text) for text in texts])
    np.testing.assert_allclose(found, wanted, atol=2e-6)
