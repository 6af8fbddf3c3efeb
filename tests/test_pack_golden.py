"""Files of every released format version stay readable, and answer what they always answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cordwood
import oracle
import unpack
from cordwood import _core
from cordwood.ir import Link, Role

if TYPE_CHECKING:
    from cordwood.ir import Graph

GOLDEN = Path(__file__).resolve().parent / "golden"
FILES = sorted(GOLDEN.glob("*.cord"))
LINKED = ("response", "probability")


def _answers(path: Path) -> dict[str, np.ndarray]:
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        return dict(stored)


def test_files_cover_the_format() -> None:
    graphs = [unpack.graph(path.read_bytes()) for path in FILES]
    trees = [unpack.trees_of(unpack.read(path.read_bytes())) for path in FILES]
    assert {t.input_type for t in trees} == {t.accumulate_type for t in trees} == {15, 16}
    assert {t.category_rule for t in trees} == {0, 1, 2, 3}
    assert {int(kind) for t in trees for kind in t.column_kind} == {0, 1, 2}
    assert {t.aggregate for t in trees} == {t.integer_cast for t in trees} == {0, 1}
    assert {t.leaf_numbering for t in trees} == {0, 1, 2}
    assert {t.leaf_width for t in trees} > {1}
    assert {t.n_trees == 0 for t in trees} == {t.leaf_row is None for t in trees} == {False, True}
    assert max(int(t.column_size.max(initial=0)) for t in trees) > 256
    links = {op.kind for graph in graphs for op in graph.operators if isinstance(op, Link)}
    assert links == {"exp", "sigmoid", "softmax"}
    roles = {value.role for graph in graphs for value in graph.values}
    assert roles >= {Role.MARGIN, Role.RESPONSE, Role.PROBABILITY, Role.LABEL}


def test_files_hold_every_encoding() -> None:
    tensors = [tensor for path in FILES for tensor in _core.inspect(path.read_bytes())["tensors"]]
    assert {tensor["encoding"] for tensor in tensors} == {"raw", "planes", "differences"}


def _agree(graph: Graph, role: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Compare bits, or for what a link made the two units in the last place of its bound."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    links = [op for op in graph.operators if isinstance(op, Link)]
    if role not in LINKED or not links:
        np.testing.assert_array_equal(found, expected, err_msg=role)
        return
    if links[0].complement:
        np.testing.assert_array_equal(found[:, 0], 1 - found[:, 1])
        found, expected = found[:, 1], expected[:, 1]
    bound = 2 * np.finfo(expected.dtype).eps
    np.testing.assert_allclose(found, expected, rtol=bound, atol=0, err_msg=role)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bytes_say_what_they_always_said(path: Path) -> None:
    expected = _answers(path)
    rows, graph = expected.pop("rows"), unpack.graph(path.read_bytes())
    np.testing.assert_array_equal(oracle.apply(graph, rows), expected.pop("leaves"))
    assert set(expected) == {v.role.name.lower() for v in graph.values} - {"rows", "none"}
    for role, answer in expected.items():
        _agree(graph, role, oracle.run(graph, rows, Role[role.upper()]), answer)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_runtime_answers_what_it_always_answered(path: Path) -> None:
    expected = _answers(path)
    rows, graph = expected.pop("rows"), unpack.graph(path.read_bytes())
    model = cordwood.load(path)
    np.testing.assert_array_equal(model.apply(rows), expected.pop("leaves"))
    for role, answer in expected.items():
        _agree(graph, role, model._run(rows, role).reshape(answer.shape), answer)
