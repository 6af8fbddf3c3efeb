"""Everything in a file beside its trees: records, names, labels, provenance."""

from __future__ import annotations

import dataclasses
import struct

import numpy as np
import pytest
from hypothesis import given

import unpack
from cordwood.errors import GraphError
from cordwood.ir import Decide, Graph, Link, Role
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
        opcode, inputs, outputs, _, attributes = record
        assert opcode == operator.opcode
        assert [names[i] for i in inputs] == [operator.source]
        assert [names[i] for i in outputs] == [operator.target]
        if isinstance(operator, Link):
            kind, complement, scale = struct.unpack("<IId", attributes)
            assert unpack.LINKS[kind] == operator.kind
            assert (bool(complement), scale) == (operator.complement, operator.scale)
        elif isinstance(operator, Decide):
            rule, reserved, cut = struct.unpack("<IId", attributes)
            assert (unpack.RULES[rule], reserved, cut) == (operator.rule, 0, operator.cut)


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
    assert file.classes == labels.tolist()
    assert [type(label) for label in file.classes] == [type(label) for label in labels.tolist()]


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
