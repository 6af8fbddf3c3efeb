"""Tables in two: rows that calibration reads take more bits, and no answer changes before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cordwood._api_nets import compress_net
from cordwood._api_watch import answers_of
from cordwood._model_net import Net
from cordwood.errors import CordwoodError, InputError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Embedding, Linear
from cordwood.pack import pack
from cordwood.passes.frequent_rows import split_tables
from cordwood.recipe import Recipe

ENTRIES, SIZE = 4000, 64


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bag(entries: int = ENTRIES, combine: Any = "none") -> Graph:
    """Return a table and a layer behind it."""
    table = drawn(entries, SIZE)
    steps = (
        Embedding(inputs=("ids",), outputs=("e",), table=table, combine=combine, place="words"),
        Linear(
            inputs=("e",),
            outputs=("y",),
            weight=drawn(8, SIZE, seed=1),
            bias=drawn(8, seed=2),
            place="last",
        ),
    )
    shape: tuple[Any, ...] = ("batch", 5)
    wide = shape if combine == "none" else shape[:1]
    values = (
        Value("ids", "int64", shape, Role.INPUT),
        Value("e", "float32", (*wide, SIZE), Role.NONE),
        Value("y", "float32", (*wide, 8), Role.OUTPUT),
    )
    return Graph(values=values, operators=steps, form="single")


def indices(low: int, high: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"ids": np.random.default_rng(seed).integers(low, high, (40, 5))}


def test_a_table_in_two_gives_the_same_bits() -> None:
    graph = bag()
    split, small = split_tables(graph, [{"ids": np.r_[100:150, 3000:3010]}])
    assert small == ["e.frequent"]
    table = next(step.table for step in split.operators if step.writes()[0] == "e.frequent")  # type: ignore[attr-defined]
    assert table.shape == (61, SIZE)
    assert not table[0].any()
    new = [indices(0, ENTRIES, 5), indices(100, 150, 6), {"ids": np.array([[0, 1, 2, 3, 3999]])}]
    for one, other in zip(answers_of(graph, new), answers_of(split, new), strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_the_most_read_rows_are_taken_where_they_are_many() -> None:
    often = {"ids": np.tile(np.arange(2000, 2005), (3, 1))}
    split, _ = split_tables(bag(), [indices(0, ENTRIES, seed) for seed in range(20)] + [often])
    table = next(step.table for step in split.operators if step.writes()[0] == "e.frequent")  # type: ignore[attr-defined]
    assert len(table) == ENTRIES // 8 + 1
    kept = {row.tobytes() for row in table}
    assert all(row.tobytes() in kept for row in drawn(ENTRIES, SIZE)[2000:2005])


@pytest.mark.parametrize(("entries", "combine"), [(1024, "none"), (ENTRIES, "sum")])
def test_other_tables_stay_whole(entries: int, combine: str) -> None:
    graph = bag(entries, combine)
    assert split_tables(graph, [indices(0, 50)]) == (graph, [])


def test_rows_that_were_read_err_less() -> None:
    graph, seen = bag(), [indices(100, 150, seed) for seed in range(4)]
    errors, sizes = {}, {}
    for frequent in (False, True):
        recipe = Recipe("int4", frequent_rows=frequent, activations="float32", refit=False)
        net = compress_net(graph, recipe, seen)
        for name, low, high in (("read", 100, 150), ("others", 1000, 2000)):
            given = indices(low, high, 9)
            exact = answers_of(graph, [given])[0][0]
            errors[name, frequent] = np.linalg.norm(net(given["ids"]) - exact)
        sizes[frequent] = net.nbytes
    assert errors["read", True] < 0.8 * errors["read", False], "the layer's own error stays"
    assert errors["others", True] < 1.2 * errors["others", False]
    assert sizes[True] - sizes[False] < 4 * ENTRIES + 51 * 2 * SIZE + 2048


def test_the_small_table_takes_eight_bits_or_those_of_its_step() -> None:
    graph, seen = bag(), [indices(100, 150, seed) for seed in range(4)]
    net = compress_net(graph, Recipe("int4"), seen)
    assert net.metadata["recipe"]["loss"]["layer words.frequent"] < 0.02
    assert net.metadata["recipe"]["loss"]["layer words.frequent"] > 0.001, "no float16"
    assert net.metadata["recipe"]["loss"]["layer words"] > 0.05
    raised = compress_net(graph, Recipe("int4", max_error=0.0005), seen)
    assert raised.metadata["recipe"]["loss"]["output_error"] <= 0.0005
    assert "kept words.frequent" in raised.metadata["recipe"]["loss"]


def test_an_index_outside_is_refused_with_the_table_in_two() -> None:
    split, _ = split_tables(bag(), [indices(100, 150)])
    net = Net(pack(split))
    for wrong in (-1, ENTRIES):
        with pytest.raises(CordwoodError, match=str(wrong)):
            net(np.full((1, 5), wrong))


def test_other_words_are_refused() -> None:
    with pytest.raises(InputError, match="frequent_rows is 1, expected True or False"):
        Recipe("int4", frequent_rows=1)  # type: ignore[arg-type]
    assert Recipe("int4").frequent_rows
    assert Recipe("int8").frequent_rows is None
