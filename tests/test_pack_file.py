"""Everything in a file beside its trees: records, names, labels, provenance."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
from hypothesis import given

import unpack
from cordwood import _core
from cordwood._pack_tensors import Tensor, encode_all
from cordwood.errors import GraphError
from cordwood.ir import Decide, Graph, Link, Role, TreeEnsemble
from cordwood.pack import pack
from cordwood.recipe import Recipe
from drawn import Shape, make_graph
from strategies import graphs

BINARY = make_graph(Shape(head="binary"))


@given(graph=graphs())
def test_program_is_the_graph(graph: Graph) -> None:
    file = unpack.read(pack(graph))
    names = [value.name for value in graph.values]
    values = list(struct.iter_unpack("<BBB5x8B6Q", file.sections["values"]))
    assert len(values) == len(names)
    for value, (dtype, role, rank, *rest) in zip(graph.values, values, strict=True):
        assert unpack.VALUE_TYPES[dtype] == value.dtype
        assert (Role(role), rank) == (value.role, len(value.shape))
        assert rest[:8] == [1, *[0] * 7]
        assert rest[8:] == [0, *value.shape[1:], *[0] * (6 - rank)]
    assert len(file.operators) == len(graph.operators)
    for operator, record in zip(graph.operators, file.operators, strict=True):
        opcode, inputs, outputs, tensors, attributes = record
        assert opcode == operator.opcode
        start = operator.start if isinstance(operator, TreeEnsemble) else None
        expected = [operator.source] if start is None else [operator.source, start]
        assert [names[i] for i in inputs] == expected
        assert [names[i] for i in outputs] == [operator.target]
        if isinstance(operator, Link):
            kind, complement, scale, offset = struct.unpack("<IIdd", attributes)
            assert unpack.LINKS[kind] == operator.kind
            assert (bool(complement), scale) == (operator.complement, operator.scale)
            assert offset == operator.offset
        elif isinstance(operator, Decide):
            rule, count, cut = struct.unpack("<IId", attributes)
            assert (unpack.RULES[rule], cut) == (operator.rule, operator.cut)
            assert (count, len(tensors)) == (len(operator.groups), int(count > 0))
            assert not tensors or file.tensors[tensors[0]].tolist() == list(operator.groups)


@given(graph=graphs())
def test_names_and_methods_come_back(graph: Graph) -> None:
    file = unpack.read(pack(graph))
    assert ("names" in file.sections) == (graph.feature_names is not None)
    if graph.feature_names is not None:
        assert file.names == graph.feature_names
    assert file.provenance == {
        "format": "1.0",
        "methods": list(graph.methods),
        "recipe": Recipe().to_dict(),
        "source": dict(graph.provenance),
        "sparse": "refused",
    }


@pytest.mark.parametrize(
    "labels",
    [
        np.array([-(2**63), 2**63 - 1]),
        np.array([0.5, -np.inf]),
        np.array([False, True]),
        np.array(["", "Bäume \N{EVERGREEN TREE}"]),
        np.array(["object", "strings"], dtype=object),
    ],
    ids=["int64", "float64", "bool", "str", "object"],
)
def test_labels_keep_their_type(labels: np.ndarray) -> None:
    file = unpack.read(pack(dataclasses.replace(BINARY, classes=labels)))
    assert file.classes == [labels.tolist()]
    (found,) = file.classes
    assert [type(label) for label in found] == [type(label) for label in labels.tolist()]


LABELS = {
    "int64": np.array([-(2**63), 7]),
    "float64": np.array([0.5, -np.inf]),
    "bool": np.array([True, False]),
    "str": np.array(["", "Bäume \N{EVERGREEN TREE}"]),
}


@pytest.mark.parametrize("first", LABELS)
@pytest.mark.parametrize("second", LABELS)
def test_each_output_has_its_labels(first: str, second: str) -> None:
    graph = make_graph(Shape(head="multilabel", n_outputs=2))
    classes = (LABELS[first], LABELS[second])
    data = pack(dataclasses.replace(graph, classes=classes))
    expected = [labels.tolist() for labels in classes]
    assert unpack.read(data).classes == expected
    assert _core.inspect(data)["classes"] == tuple(expected)
    found = unpack.graph(data).classes
    assert isinstance(found, tuple)
    assert [labels.dtype.kind for labels in found] == [labels.dtype.kind for labels in classes]


@pytest.mark.parametrize("unseen", ["missing", "refused", "other"])
def test_categories_come_back(unseen: str) -> None:
    labels = dict(zip((2, 0, 1), (LABELS["str"], LABELS["bool"], np.empty(0)), strict=True))
    data = pack(dataclasses.replace(BINARY, categories=labels, unseen=unseen))
    found = unpack.graph(data)
    assert list(found.categories) == [0, 1, 2]
    for feature, listed in labels.items():
        assert found.categories[feature].tolist() == listed.tolist()
    assert found.unseen == unseen
    facts = _core.inspect(data)
    assert facts["categories"] == {feature: listed.tolist() for feature, listed in labels.items()}
    assert facts["unseen"] == unseen
    assert "categories" not in unpack.read(pack(BINARY)).sections


def test_category_that_equals_nothing_is_refused() -> None:
    with pytest.raises(GraphError, match=r"categories\[1\] holds NaN"):
        dataclasses.replace(BINARY, categories={1: np.array([0.5, np.nan])})


@pytest.mark.parametrize("staged", [False, True])
def test_iterations_and_sparse_rows_are_in_the_provenance(staged: bool) -> None:
    graph = make_graph(Shape(n_trees=6))
    graph = dataclasses.replace(graph, trees_per_iteration=2, staged=staged, sparse="zero")
    facts = unpack.read(pack(graph)).provenance
    assert facts["iterations"] == {"staged": staged, "trees": 2}
    assert facts["sparse"] == "zero"
    found = unpack.graph(pack(graph))
    assert (found.trees_per_iteration, found.staged, found.sparse) == (2, staged, "zero")


def _zeros(count: int) -> Tensor:
    return Tensor.of(np.zeros(count))


def test_each_tensor_takes_its_shortest_encoding() -> None:
    rng = np.random.default_rng(5)
    tensors = [
        Tensor.of(np.sort(rng.normal(size=1000))),
        Tensor.of(rng.integers(0, 9, 1000)),
        Tensor.of(rng.normal(size=3)),
        Tensor.of(np.empty(0)),
        _zeros(1000),
    ]
    expected = ["DIFFERENCES", "PLANES", "RAW", "RAW", "PLANES"]
    assert [encoding.name for encoding, _ in encode_all(tensors)] == expected


def test_what_would_decode_past_the_limit_is_raw() -> None:
    short, long = _zeros(1 << 20), _zeros((1 << 20) + 1)  # 8 MiB, and 8 bytes more
    assert [encoding.name for encoding, _ in encode_all([short, long])] == ["PLANES", "PLANES"]
    names = [encoding.name for encoding, _ in encode_all([short, long, _zeros(2000)])]
    assert names == ["PLANES", "RAW", "PLANES"]


def test_model_of_a_few_repeated_bytes_is_within_the_limit() -> None:
    graph = make_graph(Shape(n_trees=0, n_outputs=2_200_000))
    trees = dataclasses.replace(graph.trees, base_value=np.zeros(graph.trees.n_outputs))
    data = pack(dataclasses.replace(graph, operators=(trees, *graph.operators[1:])))
    _core.validate(data)
    (base,) = (t for t in _core.inspect(data)["tensors"] if t["name"] == "base_value")
    assert (base["encoding"], base["encoded_bytes"]) == ("raw", 8 * 2_200_000)


def test_provenance_is_canonical() -> None:
    graph = dataclasses.replace(BINARY, provenance={"b": "ä", "a": [1, 2.5, None, True]})
    text = unpack.read(pack(graph)).sections["provenance"]
    assert b'"source":{"a":[1,2.5,null,true],"b":"\xc3\xa4"}' in text
    assert b" " not in text


@pytest.mark.parametrize("fact", [float("nan"), {1, 2}, np.float32(1.0), object()])
def test_provenance_that_is_not_json_is_refused(fact: object) -> None:
    graph = dataclasses.replace(BINARY, provenance={"fact": fact})
    with pytest.raises(GraphError, match="provenance"):
        pack(graph)


def test_name_that_utf8_cannot_hold_is_refused() -> None:
    names = ("a", "\ud800", "c")
    with pytest.raises(GraphError, match="feature_names"):
        pack(dataclasses.replace(BINARY, feature_names=names))
