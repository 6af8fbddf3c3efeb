"""Files of nets: they say what Graphs mean, and a damaged one is refused or answers, never more."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cord_file as cf
import cordwood as cw
import net_graphs
import oracle_nets
from cordwood.cli import main
from cordwood.errors import (
    CordwoodError,
    FormatError,
    InputError,
    UnsupportedModelError,
)
from cordwood.pack import pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cordwood.ir import Graph

DATA = pack(net_graphs.everything())
GIVEN = net_graphs.given()
KINDS = (cf.PROGRAM, cf.OPERANDS, cf.ATTRIBUTES, cf.VALUES, cf.TENSORS, cf.PAYLOAD)


def parse(data: bytes) -> cf.CordFile:
    """Take a sound file apart."""
    count = cf.HEADER.unpack_from(data)[5]
    file = cf.CordFile()
    for number in range(count):
        at = cf.HEADER.size + cf.SECTION.size * number
        kind, version, flags, encoding, _, offset, length = cf.SECTION.unpack_from(data, at)
        content = bytearray(data[offset : offset + length])
        file.sections.append(
            cf.Section(kind, content, version=version, flags=flags, encoding=encoding)
        )
    return file


def names(graph: Graph) -> list[str]:
    return [op.opcode.name.lower() for op in graph.operators]


def attributes_of(name: str) -> int:
    """Where the attributes of the first operator of this name begin."""
    file = parse(DATA)
    number = names(net_graphs.everything()).index(name)
    record = cf.chunks(file[cf.PROGRAM].data, 24)[number]
    return struct.unpack("<HHHHIIII", record)[6]


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 5), (3, 64)])
def test_every_operator_answers_as_it_is_meant(batch: int, length: int) -> None:
    """The oracle codes no rows, so that here they stay float32."""
    graph, inputs = net_graphs.everything("float32"), net_graphs.given(batch, length)
    wanted = oracle_nets.run(graph, inputs)
    found = cw.load(pack(graph))(inputs)
    assert set(found) == set(wanted)
    for name, answer in found.items():
        assert answer.dtype == wanted[name].dtype
        assert answer.shape == wanted[name].shape
        np.testing.assert_allclose(answer, wanted[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_the_same_graph_gives_the_same_bytes() -> None:
    assert pack(net_graphs.everything()) == DATA


FAULTS: dict[str, tuple[str, Callable[[cf.CordFile], None]]] = {
    "unknown activation": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("linear") + 1, "B", 77),
    ),
    "prelu in a product": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("linear") + 1, "B", 2),
    ),
    "unknown coding of rows": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("linear"), "B", 9),
    ),
    "conv without strides": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("conv") + 12, "I", 0),
    ),
    "groups that do not divide": (
        "operator_shape_mismatch",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("conv") + 4, "I", 5),
    ),
    "pool wider than its padding allows": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("pool") + 52, "I", 9),
    ),
    "softmax along no axis": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("softmax"), "I", 3),
    ),
    "attention of rows that it has no products for": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("attention") + 20, "B", 2),
    ),
    "attention with a byte that means nothing": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("attention") + 23, "B", 1),
    ),
    "no permutation": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("transpose"), "BBB", 0, 0, 1),
    ),
    "slice without steps": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("slice") + 192, "q", 0),
    ),
    "a size of no input": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("slice") + 96 + 9, "B", 7),
    ),
    "negative epsilon": (
        "operator_attributes_invalid",
        lambda file: file.patch(cf.ATTRIBUTES, attributes_of("layer_norm") + 4, "f", -1.0),
    ),
    "scales of another shape": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, 8, "I", 16),
    ),
    "a margin in a net": (
        "value_role_unknown",
        lambda file: file.patch(cf.VALUES, 2 * 64 + 1, "B", 2),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_by_name(fault: str) -> None:
    status, break_it = FAULTS[fault]
    file = parse(DATA)
    break_it(file)
    with pytest.raises(FormatError) as refusal:
        cw.Net(file.seal())
    assert refusal.value.code == status


def test_shapes_of_calls_are_judged() -> None:
    net = cw.load(DATA)
    ids, x = GIVEN["ids"], GIVEN["x"]
    for wrong, words in (
        ((np.zeros((2, 65), np.int64), x), "its size is 65, expected at most 64"),
        ((ids[:1], x), "another input's like axis has 1"),
        ((ids + 50, x), "embedding: index 0 is .*expected one of the axis' 50 entries"),
        ((ids, x[:, :, :8]), "its size is 8, expected 9"),
    ):
        with pytest.raises(InputError, match=words):
            net(*wrong)
    assert net(ids, x)["out_w"].shape == (2, 6, 8)


def test_inspect_tells_of_a_net(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.cord"
    path.write_bytes(DATA)
    assert main(["inspect", str(path)]) == 0
    told = capsys.readouterr().out
    for words in (
        "int8 [32, 32]; float32 [32]; rows uint8-dynamic in groups of 32",
        "float32 [6, 4, 3]; float32 [6]; relu",
        "input     ids: int64[?, ?]",
        "output    out_w: float32[?, 6, 8]",
    ):
        assert words in told
    assert main(["inspect", "--json", str(path)]) == 0
    assert '"name": "lstm"' in capsys.readouterr().out


def test_what_is_for_rows_refuses_a_net_by_name() -> None:
    with pytest.raises(UnsupportedModelError, match="load gives a Net"):
        cw.Model(DATA)


@settings(deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_answers(data: st.DataObject) -> None:
    """Any bytes of any section, checksums made right: a named error, or an answer."""
    file = parse(DATA)
    for _ in range(data.draw(st.integers(1, 3))):
        section = file[data.draw(st.sampled_from(KINDS))]
        at = data.draw(st.integers(0, len(section.data) - 1))
        section.data[at] = data.draw(st.integers(0, 255))
    try:
        net = cw.Net(file.seal(), threads=1)
        net(GIVEN)
    except (CordwoodError, MemoryError):
        return
