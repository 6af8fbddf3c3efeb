"""Sparse linear layers: small in a file, answers bit for bit those of the same codes held dense."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cord_file as cf
import cordwood as cw
import oracle_nets
from cordwood import _core, _pack_sparse
from cordwood.errors import CordwoodError, FormatError, GraphError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_nets import Linear, Quantized
from cordwood.pack import pack
from sparse_nets import HIDDEN, INPUTS, MASKS, drawn, two_layers, without_masks
from test_format_nets import parse

if TYPE_CHECKING:
    from collections.abc import Callable


def answer(graph: Graph, x: np.ndarray, threads: int = 1) -> np.ndarray:
    return np.asarray(cw.load(pack(graph), threads=threads)(x))


@pytest.mark.parametrize("pattern", MASKS)
@pytest.mark.parametrize("rows", ["uint8-dynamic", "int8-dynamic"])
def test_masks_change_no_bit(pattern: str | float, rows: str) -> None:
    graph = two_layers(pattern, rows=rows)
    for n_rows in (1, 3, 17, 130, 1500):
        x = drawn(7, n_rows, INPUTS)
        dense = answer(without_masks(graph), x)
        assert answer(graph, x).tobytes() == dense.tobytes()
        assert answer(graph, x, threads=4).tobytes() == dense.tobytes()


@pytest.mark.parametrize(
    ("bits", "group", "rows"),
    [(8, 32, "uint8-dynamic"), (4, 0, "int8-dynamic"), (3, 32, "float32"), (8, 0, "float32")],
)
def test_other_codes_are_held_sparse_and_run_dense(bits: int, group: int, rows: str) -> None:
    graph = two_layers("2:4", bits, group, rows)
    x = drawn(7, 20, INPUTS)
    assert answer(graph, x).tobytes() == answer(without_masks(graph), x).tobytes()
    assert len(pack(graph)) < len(pack(without_masks(graph)))


@pytest.mark.parametrize("pattern", MASKS)
def test_answers_are_those_of_the_oracle(pattern: str | float) -> None:
    graph = two_layers(pattern, rows="float32")
    x = drawn(7, 20, INPUTS)
    wanted = oracle_nets.run(graph, {"x": x})["y"]
    np.testing.assert_allclose(answer(graph, x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pattern", ["2:4", "block:16x1:0.9", 0.92])
def test_a_layer_is_the_product_of_ops(pattern: str | float) -> None:
    graph = two_layers(pattern, rows="int8-dynamic")
    step: Any = graph.operators[0]
    values = (graph.values[0], replace(graph.values[1], role=graph.values[2].role))
    one = replace(graph, values=values, operators=(replace(step, activation="relu"),))
    packed = cw.ops.pack_sparse(step.weight.codes.astype(np.float32) - 128, step.weight.mask)
    packed = replace(packed, scales=step.weight.scale)
    assert packed.format != "dense"
    assert (packed.codes == step.weight.codes.astype(np.int16) - 128).all()
    x = drawn(7, 33, INPUTS)
    wanted = cw.ops.sparse_matmul(x, packed, bias=step.bias, activation="relu")
    assert answer(one, x).tobytes() == np.asarray(wanted).tobytes()


@pytest.mark.parametrize("isa", cw.available_isas())
def test_every_instruction_set_gives_these_bits(isa: str) -> None:
    code = """
import hashlib, numpy as np, cordwood as cw
from cordwood.pack import pack
from sparse_nets import INPUTS, MASKS, drawn, two_layers, without_masks
for pattern in MASKS:
    for rows in (1, 3, 40):
        x = drawn(7, rows, INPUTS)
        graph = two_layers(pattern)
        found = [np.asarray(cw.load(pack(g), threads=1)(x)) for g in (graph, without_masks(graph))]
        assert found[0].tobytes() == found[1].tobytes(), (pattern, rows)
        print(hashlib.sha256(found[0].tobytes()).hexdigest())
"""
    told = []
    for row in (isa, "scalar"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CORDWOOD_ISA": row},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert run.returncode == 0, run.stderr
        told.append(run.stdout)
    assert told[0] == told[1]


def test_files_hold_what_stays() -> None:
    for pattern, sparsity, share in (("2:4", "bitmap", 0.5), ("block:16x1:0.9", "blocks", 0.1)):
        data = pack(two_layers(pattern))
        weight = _core.inspect(data)["tensors"][0]
        assert weight["sparsity"] == sparsity
        assert abs(weight["kept"] / (HIDDEN * INPUTS) - share) < 0.01
        assert weight["encoded_bytes"] <= share * HIDDEN * INPUTS * 1.02
        assert weight["decoded_bytes"] == HIDDEN * INPUTS
        assert f"{weight['kept'] / (HIDDEN * INPUTS):.1%} kept" in cw.load(data).summary()
    sizes = [len(pack(two_layers(pattern))) for pattern in ("2:4", "1:4", "block:16x1:0.9")]
    assert sizes == sorted(sizes, reverse=True)


def test_few_weights_in_many_are_held_dense() -> None:
    """A file may not stand for far more than its bytes."""
    graph = two_layers("block:16x1:0.99")
    assert _core.inspect(pack(graph))["tensors"][0]["sparsity"] == "dense"
    x = drawn(7, 5, INPUTS)
    assert answer(graph, x).tobytes() == answer(without_masks(graph), x).tobytes()


def test_a_small_file_cannot_stand_for_a_large_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pack_sparse, "MOST_WEIGHTS", 1 << 40)
    size = 1 << 13
    weight = Quantized(
        codes=np.full((size, size), 128, np.uint8),
        scale=np.ones((size, 1), np.float32),
        mask=np.arange(size) < np.where(np.arange(size) < 16, 1, 0)[:, None],
    )
    steps = (Linear(inputs=("x",), outputs=("y",), weight=weight),)
    values = (
        Value("x", "float32", ("batch", size), Role.INPUT),
        Value("y", "float32", ("batch", size), Role.OUTPUT),
    )
    data = pack(Graph(values=values, operators=steps, form="single"))
    with pytest.raises(FormatError, match="coded and sparse tensors") as refusal:
        cw.Net(data)
    assert refusal.value.code == "tensor_too_large"


def test_masks_are_judged_before_packing() -> None:
    graph = two_layers("2:4")
    step: Any = graph.operators[0]
    weight = step.weight
    for wrong, words in (
        ({"mask": weight.mask[:, :-1]}, "has a mask of bool and shape"),
        ({"mask": weight.mask.astype(np.uint8)}, "has a mask of uint8"),
        ({"codes": weight.codes | 1}, "a weight that is not zero"),
        ({"zero": np.zeros((HIDDEN, 1), np.uint8)}, "without zero points alone"),
    ):
        bad = replace(step, weight=replace(weight, **wrong))
        with pytest.raises(GraphError, match=words):
            pack(replace(graph, operators=(bad, graph.operators[1])))


BITMAP, BLOCKS = pack(two_layers("2:4")), pack(two_layers("block:16x1:0.5"))
SIZE = cf.TENSOR.size
SPARSITY, AXIS, ZERO, MASK, DIMENSION, LENGTH = 3, 4, 16, 20, 24, 80
ID_OF_MASK = 2  # weight, scale, mask, bias, ...


def set_bits(file: cf.CordFile, flip: int) -> None:
    """Change a bit of the first mask, which has to be stored as it is."""
    offset, length = struct.unpack_from("<QQ", file[cf.TENSORS].data, ID_OF_MASK * SIZE + 72)
    assert length == HIDDEN * INPUTS // 8 or length == HIDDEN * INPUTS // 128
    file[cf.PAYLOAD].data[offset] ^= flip


FAULTS: dict[str, tuple[str, Callable[[cf.CordFile], None]]] = {
    "runs of neighbours": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, SPARSITY, "B", 1),
    ),
    "an unknown sparsity": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, SPARSITY, "B", 4),
    ),
    "dense with a mask": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, SPARSITY, "B", 0),
    ),
    "a mask of the other kind": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, SPARSITY, "B", 5 - file[cf.TENSORS].data[SPARSITY]),
    ),
    "no mask": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, MASK, "I", cf.NO_TENSOR),
    ),
    "a mask that the file has not": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, MASK, "I", 77),
    ),
    "scales as a mask": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, MASK, "I", 1),
    ),
    "a mask of floats": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, MASK, "I", 3),
    ),
    "another layer's mask": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, MASK, "I", ID_OF_MASK + 4),
    ),
    "sparse and not quantised": (
        "tensor_encoding_unknown",
        lambda file: file.patch(cf.TENSORS, AXIS, "I", cf.NO_TENSOR),
    ),
    "fewer elements than the mask keeps": (
        "tensor_payload_hole",
        lambda file: file.patch(cf.TENSORS, LENGTH, "Q", 100),
    ),
}


@pytest.mark.parametrize("data", [BITMAP, BLOCKS], ids=["bitmap", "blocks"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_refused_by_name(fault: str, data: bytes) -> None:
    status, break_it = FAULTS[fault]
    file = parse(data)
    break_it(file)
    with pytest.raises(FormatError) as refusal:
        cw.Net(file.seal())
    assert refusal.value.code == status


def raw_file(keep_more: int) -> bytes:
    """Hold a layer of raw elements, and change bits of its mask."""
    graph = two_layers("2:4")
    step: Any = graph.operators[0]
    rng = np.random.default_rng(0)
    mask = rng.permutation(np.arange(HIDDEN * INPUTS) % 2 == 0).reshape(HIDDEN, INPUTS)
    codes = np.where(mask, rng.integers(0, 256, mask.shape), 128).astype(np.uint8)
    weight = replace(step.weight, codes=codes, mask=mask)
    one = replace(graph, operators=(replace(step, weight=weight), graph.operators[1]))
    file = parse(pack(one))
    record = cf.TENSOR.unpack_from(file[cf.TENSORS].data)
    assert record[2] == cf.RAW
    if keep_more:
        set_bits(file, keep_more)
    return file.seal()


def test_masks_that_keep_more_or_fewer_are_refused() -> None:
    assert cw.Net(raw_file(0)) is not None
    for flip in (1, 0x10):
        with pytest.raises(FormatError, match="elements that its mask keeps") as refusal:
            cw.Net(raw_file(flip))
        assert refusal.value.code == "tensor_payload_length_mismatch"


@settings(deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_answers(data: st.DataObject) -> None:
    """Any bytes of any section, checksums made right: a named error, or an answer."""
    file = parse(data.draw(st.sampled_from([BITMAP, BLOCKS])))
    for _ in range(data.draw(st.integers(1, 3))):
        section = file[data.draw(st.sampled_from([cf.TENSORS, cf.PAYLOAD, cf.OPERANDS]))]
        at = data.draw(st.integers(0, len(section.data) - 1))
        section.data[at] = data.draw(st.integers(0, 255))
    try:
        cw.Net(file.seal(), threads=1)(drawn(7, 3, INPUTS))
    except (CordwoodError, MemoryError):
        return
