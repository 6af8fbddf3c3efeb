"""Files of every released format version stay readable, and answer what they always answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest

import cordwood
import oracle
import unpack
from cordwood import _core
from cordwood.ir import Decide, Link, LinkKind, Role, TreeEnsemble

if TYPE_CHECKING:
    from cordwood.ir import Graph

GOLDEN = Path(__file__).resolve().parent / "golden"
FILES = sorted(GOLDEN.glob("*.cord"))
EXACT_LINKS = ("identity", "signed_square", "shift", "step")


def _answers(path: Path) -> dict[str, np.ndarray]:
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as stored:
        return dict(stored)


def test_files_cover_the_format() -> None:
    trees = [unpack.trees_of(unpack.read(path.read_bytes())) for path in FILES]
    assert {t.input_type for t in trees} == {t.accumulate_type for t in trees} == {15, 16}
    assert {t.category_rule for t in trees} == {0, 1, 2, 3}
    assert {int(kind) for t in trees for kind in t.column_kind} == {0, 1, 2}
    assert {t.aggregate for t in trees} == {0, 1, 3}
    assert {t.integer_cast for t in trees} == {0, 1}
    assert {t.leaf_numbering for t in trees} == {0, 1, 2}
    assert {t.leaf_width for t in trees} > {1}
    assert {t.n_trees == 0 for t in trees} == {t.leaf_row is None for t in trees} == {False, True}
    assert {t.linear_count is None for t in trees} == {bool(t.flags & 4) for t in trees}
    assert {t.leaf_values.dtype.kind for t in trees} == {"f", "i"}
    assert max(int(t.column_size.max(initial=0)) for t in trees) > 256


def test_graphs_cover_the_format() -> None:
    of_rows = set(Role) - {Role.INPUT, Role.OUTPUT}
    graphs = [unpack.graph(path.read_bytes()) for path in FILES]
    operators = [operator for graph in graphs for operator in graph.operators]
    links = {op.kind for op in operators if isinstance(op, Link)}
    assert links == set(get_args(LinkKind)) - {"identity"}
    decides = [op for op in operators if isinstance(op, Decide)]
    assert {op.rule for op in decides} >= {"argmax", "each_greater", "greater_equal"}
    assert {len(op.groups) for op in decides} == {0, 2}
    assert any(isinstance(op, TreeEnsemble) and op.start is not None for op in operators)
    assert {value.role for graph in graphs for value in graph.values} == of_rows
    assert {type(graph.classes).__name__ for graph in graphs} == {"NoneType", "ndarray", "tuple"}
    labels = [listed for graph in graphs for listed in graph.categories.values()]
    assert {listed.dtype.kind for listed in labels} == {"U", "i", "f", "b"}
    assert any(graph.trees_per_iteration and graph.staged for graph in graphs)


def test_files_hold_every_encoding() -> None:
    tensors = [tensor for path in FILES for tensor in _core.inspect(path.read_bytes())["tensors"]]
    assert {tensor["encoding"] for tensor in tensors} == {"raw", "planes", "differences"}


def _links_before(graph: Graph, name: str) -> int:
    """Count the links that round on the way to a value."""
    if graph.value(name).role is Role.ROWS:
        return 0
    operator = next(op for op in graph.operators if op.target == name)
    count = _links_before(graph, operator.source)
    if isinstance(operator, TreeEnsemble):
        return 0 if operator.start is None else 2 + _links_before(graph, operator.start)
    rounds = isinstance(operator, Link) and operator.kind not in EXACT_LINKS
    return count + (rounds or (count > 0 and not isinstance(operator, Decide)))


def _agree(graph: Graph, role: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Compare bits; two units in the last place after a link; more where more follows a link."""
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    value = graph.by_role(Role[role.upper()])
    assert value is not None
    operator = next(op for op in graph.operators if op.target == value.name)
    links = _links_before(graph, value.name)
    if links == 0 or isinstance(operator, Decide):
        np.testing.assert_array_equal(found, expected, err_msg=role)
        return
    if isinstance(operator, Link) and operator.complement:
        np.testing.assert_array_equal(found[:, 0], 1 - found[:, 1])
        found, expected = found[:, 1], expected[:, 1]
    eps = np.finfo(expected.dtype).eps
    if links == 1:
        units = 4 if operator.kind == "softmax" and operator.scale != 1.0 else 2
        np.testing.assert_allclose(found, expected, rtol=units * eps, atol=0, err_msg=role)
        return
    atol = 32 * eps * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol, err_msg=role)


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
        margin = graph.trees.target == graph.by_role(Role[role.upper()]).name
        found = model._run(rows, "margin" if margin else role)
        _agree(graph, role, found.reshape(answer.shape), answer)
