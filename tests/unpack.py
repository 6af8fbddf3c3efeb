"""A second reader of the format, plain Python from ``docs/format.md``, to hold the writer to it.

It trusts nothing that it can compute: offsets, padding and checksums are asserted, and the trees
come back as a `TreeEnsemble`, so that the NumPy oracle can answer from the bytes alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood.ir import Decide, Graph, Link, Operator, Role, TreeEnsemble, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTIONS = (
    "", "program", "operands", "attributes", "values", "tensors", "payload", "names", "classes",
    "provenance",
)  # fmt: skip
DTYPES = {5: "i1", 6: "u1", 7: "i2", 8: "u2", 9: "i4", 10: "u4", 11: "i8", 12: "u8"}
DTYPES |= {13: "f2", 15: "f4", 16: "f8"}
FLOATS = {15: "float32", 16: "float64"}
VALUE_TYPES = {**FLOATS, 11: "int64"}
LINKS = ("identity", "sigmoid", "exp", "softmax")
RULES = ("argmax", "greater", "greater_equal")
NO_TENSOR = 0xFFFFFFFF


@dataclass(frozen=True)
class Unpacked:
    """What a file says."""

    sections: dict[str, bytes]
    tensors: list[np.ndarray]
    operators: list[tuple[int, list[int], list[int], list[int], bytes]]

    @property
    def provenance(self) -> Any:
        return json.loads(self.sections["provenance"].decode("utf-8"))

    @property
    def names(self) -> tuple[str, ...]:
        return strings(self.sections["names"])

    @property
    def classes(self) -> list[Any]:
        data = self.sections["classes"]
        kind, count = struct.unpack_from("<II", data)
        if kind == 4:
            return list(strings(data[8:]))
        array = np.frombuffer(data[8:], {1: "<i8", 2: "<f8", 3: "?"}[kind])
        assert len(array) == count
        return array.tolist()


def read(data: bytes) -> Unpacked:
    """Take a file apart, and check header, section table, padding and checksums."""
    magic, major, minor, checksum, file_bytes, count, profile = struct.unpack_from(
        "<8sHHIQII", data
    )
    assert (magic, major, minor, profile) == (b"\x89CORD1\r\n", 1, 0, 0)
    assert file_bytes == len(data)
    table_end = 64 + 32 * count
    assert checksum == zlib.crc32(data[:12] + bytes(4) + data[16:table_end])
    sections, at = {}, table_end
    for index in range(count):
        kind, version, flags, encoding, crc, offset, length = struct.unpack_from(
            "<IHHIIQQ", data, 64 + 32 * index
        )
        assert (version, encoding, offset % 64) == (1, 0, 0)
        assert flags == (kind <= 6)
        assert 0 <= offset - at < 64
        assert not any(data[at:offset])
        sections[SECTIONS[kind]] = data[offset : offset + length]
        assert crc == zlib.crc32(sections[SECTIONS[kind]])
        at = offset + length
    assert at == file_bytes
    return Unpacked(
        sections,
        list(_tensors(sections["tensors"], sections["payload"])),
        list(_operators(sections)),
    )


def _tensors(table: bytes, payload: bytes) -> Iterator[np.ndarray]:
    """Yield every tensor; bit tensors as arrays of 0 and 1."""
    at = 0
    for record in struct.iter_unpack("<BBBBIIIII6QQQ", table):
        dtype, rank, encoding, sparsity, *quantised = record[:9]
        shape, (offset, length) = record[9:15], record[15:]
        assert [sparsity, *quantised] == [0, NO_TENSOR, 0, NO_TENSOR, NO_TENSOR, NO_TENSOR]
        assert not any(shape[rank:])
        assert 0 <= offset - at < 64
        assert offset % 64 == 0
        at = offset + length
        count = int(np.prod(shape[:rank], dtype=np.int64))
        width = 1 if dtype == 1 else np.dtype(DTYPES[dtype]).itemsize
        elements = (count + 7) // 8 if dtype == 1 else count
        stored = payload[offset:at]
        raw = _core.decode_planes(stored, width, elements) if encoding else stored
        if encoding == 2:
            raw = _sum_differences(np.frombuffer(raw, f"<u{width}")).tobytes()
        assert len(raw) == elements * width
        if dtype == 1:
            bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
            assert not bits[count:].any()
            yield bits[:count]
        else:
            yield np.frombuffer(raw, "<" + DTYPES[dtype]).reshape(shape[:rank])
    assert at == len(payload)


def _sum_differences(differences: np.ndarray) -> np.ndarray:
    """Return the bits of floats whose ordered keys have these differences."""
    keys = np.cumsum(differences, dtype=differences.dtype)  # wraps
    sign = keys.dtype.type(1 << 8 * keys.itemsize - 1)
    return np.where(keys & sign, keys ^ sign, ~keys)


def _operators(
    sections: dict[str, bytes],
) -> Iterator[tuple[int, list[int], list[int], Any, bytes]]:
    """Yield opcode, inputs, outputs, tensors and attributes of each operator."""
    operands = np.frombuffer(sections["operands"], "<u4").tolist()
    for record in struct.iter_unpack("<HHHHIIII", sections["program"]):
        opcode, version, n_inputs, n_outputs, n_tensors, first, offset, length = record
        assert version == 1
        runs = np.cumsum([first, n_inputs, n_outputs, n_tensors])
        parts = [operands[a:b] for a, b in itertools.pairwise(runs)]
        yield opcode, *parts, sections["attributes"][offset : offset + length]


def strings(table: bytes) -> tuple[str, ...]:
    """Read a string table."""
    (count,) = struct.unpack_from("<I", table)
    ends = struct.unpack_from(f"<{count}I", table, 4)
    text = table[4 + 4 * count :]
    assert len(text) == (ends[-1] if ends else 0)
    return tuple(text[a:b].decode("utf-8") for a, b in itertools.pairwise((0, *ends)))


@dataclass
class Trees:
    """A tree_ensemble as it lies in the file: its attributes and tensors by name."""

    attributes: dict[str, Any]
    tensors: dict[str, np.ndarray | None]

    def __getattr__(self, name: str) -> Any:
        return self.attributes[name] if name in self.attributes else self.tensors[name]


ATTRIBUTES = (
    "n_features", "n_outputs", "n_trees", "n_columns", "n_inner", "n_leaf_rows", "leaf_width",
    "input_type", "accumulate_type", "integer_cast", "category_rule", "aggregate",
    "leaf_numbering", "tree_encoding", "flags", "divisor", "zero_band", "missing_value",
)  # fmt: skip
TENSORS = (
    "structure", "column_feature", "column_kind", "column_size", "cuts", "category_count",
    "category_values", "set_bits", "node_column", "node_rank", "missing_left", "tree_output",
    "base_value", "leaf_row", "leaf_values", "leaf_number", "tree_weight", "linear_count",
    "linear_feature", "linear_coefficient", "linear_constant",
)  # fmt: skip


def trees_of(file: Unpacked) -> Trees:
    """Return attributes and tensors of the file's tree_ensemble."""
    opcode, _, _, tensor_ids, attributes = file.operators[0]
    assert opcode == 1
    given = [None if i == NO_TENSOR else file.tensors[i] for i in tensor_ids]
    numbers = struct.unpack("<IIIIQQI8B4xddd", attributes)
    return Trees(
        dict(zip(ATTRIBUTES, numbers, strict=True)), dict(zip(TENSORS, given, strict=True))
    )


def graph(data: bytes) -> Graph:
    """Read a file back into a Graph that answers as the file does; labels stay class indices."""
    file = read(data)
    values = [
        Value(f"value {index}", VALUE_TYPES[dtype], ("batch", *rest[9 : 8 + rank]), Role(role))
        for index, (dtype, role, rank, *rest) in enumerate(
            struct.iter_unpack("<BBB5x8B6Q", file.sections["values"])
        )
    ]
    operators: list[Operator] = []
    for opcode, (source,), (target,), _, attributes in file.operators:
        names = {"source": values[source].name, "target": values[target].name}
        if opcode == 1:
            operators.append(dataclasses.replace(ensemble(trees_of(file)), **names))
        elif opcode == 2:
            kind, complement, scale, offset = struct.unpack("<IIdd", attributes)
            form = {"kind": LINKS[kind], "complement": bool(complement)}
            operators.append(Link(**names, **form, scale=scale, offset=offset))
        else:
            rule, _, cut = struct.unpack("<IId", attributes)
            operators.append(Decide(**names, rule=RULES[rule], cut=cut))
    labels = np.array(file.classes) if "classes" in file.sections else None
    return Graph(
        values=tuple(values),
        operators=tuple(operators),
        feature_names=file.names if "names" in file.sections else None,
        classes=labels,
        methods=tuple(file.provenance["methods"]),
        provenance=file.provenance["source"],
    )


def ensemble(trees: Trees) -> TreeEnsemble:
    """Give the file's trees the form of the Graph's operator, so that the oracle can run them."""
    inner = trees.structure.astype(bool)
    left, right, start = _children(inner, trees.n_trees)
    n_nodes, n_leaves = len(inner), int((~inner).sum())
    feature, threshold = np.full(n_nodes, -1), np.zeros(n_nodes)
    category_set, zero_missing = np.full(n_nodes, -1), np.zeros(n_nodes, bool)
    rank = _ranks(trees)
    nodes = np.flatnonzero(inner)
    sets: list[list[int]] = []
    values: list[list[float]] = [[] for _ in range(trees.n_features)]
    members_left = trees.category_rule == 3 or _other_goes_right(trees)
    first_cut = first_value = first_bit = 0
    for column in range(trees.n_columns):
        here = nodes[trees.node_column == column]
        at, size = int(trees.column_feature[column]), int(trees.column_size[column])
        feature[here] = at
        if trees.column_kind[column] == 2:
            count = int(trees.category_count[column])
            listed = trees.category_values[first_value : first_value + count]
            bits = trees.set_bits[first_bit : first_bit + size * (count + 1)].reshape(size, -1)
            codes = np.arange(count) if trees.category_rule == 3 else listed.astype(int)
            category_set[here] = len(sets) + rank[trees.node_column == column]
            sets += [codes[row[:-1] != members_left].tolist() for row in bits]
            values[at] = listed.tolist() if trees.category_rule == 3 else []
            first_value, first_bit = first_value + count, first_bit + bits.size
        else:
            cuts = trees.cuts[first_cut : first_cut + size]
            threshold[here] = cuts[rank[trees.node_column == column]]
            zero_missing[here] = trees.column_kind[column] == 1
            first_cut += size
    leaf_row, leaf_id = np.full(n_nodes, -1), np.full(n_nodes, -1)
    leaf_row[~inner] = (
        np.arange(n_leaves) if trees.leaf_row is None else _leaf_rows(trees, n_leaves)
    )
    leaf_id[~inner] = _leaf_ids(trees, inner, left, right, start)
    missing_left = np.zeros(n_nodes, bool)
    missing_left[nodes] = trees.missing_left
    return TreeEnsemble(
        source="rows",
        target="margin",
        n_features=trees.n_features,
        n_outputs=trees.n_outputs,
        input_type=FLOATS[trees.input_type],
        integer_cast=("direct", "float32")[trees.integer_cast],
        comparison="le",
        zero_band=trees.zero_band,
        category_rule=("none", "floor", "truncate", "exact")[trees.category_rule],
        category_members="left" if members_left else "right",
        accumulate_type=FLOATS[trees.accumulate_type],
        aggregate=("sum", "average")[trees.aggregate],
        divisor=trees.divisor,
        accepts_nan=bool(trees.flags & 1),
        accepts_infinity=bool(trees.flags & 2),
        base_value=trees.base_value,
        tree_start=start,
        tree_output=trees.tree_output.astype(np.int32),
        tree_weight=np.ones(trees.n_trees),
        left=left,
        right=right,
        feature=feature.astype(np.int32),
        threshold=threshold,
        category_set=category_set.astype(np.int32),
        missing_left=missing_left,
        zero_missing=zero_missing,
        leaf_row=leaf_row.astype(np.int32),
        leaf_id=leaf_id.astype(np.int32),
        leaf_values=trees.leaf_values,
        set_start=np.cumsum([0, *map(len, sets)]).astype(np.int64),
        set_members=np.array(list(itertools.chain(*sets)), dtype=np.int32),
        category_start=np.cumsum([0, *map(len, values)]).astype(np.int64),
        category_values=np.array(list(itertools.chain(*values)), dtype=np.float64),
    )


def _children(inner: np.ndarray, n_trees: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow the structure bits: node, left subtree, right subtree."""
    left, right = np.full(len(inner), -1, np.int32), np.full(len(inner), -1, np.int32)
    start, at = [0], 0
    for _ in range(n_trees):
        root, waiting = at, []
        while True:
            if inner[at]:
                left[at] = at + 1 - root
                waiting.append(at)
                at += 1
                continue
            at += 1
            if not waiting:
                break
            right[waiting.pop()] = at - root
        start.append(at)
    assert at == len(inner)
    return left, right, np.array(start, dtype=np.int64)


def _numbers(bits: np.ndarray, width: int) -> np.ndarray:
    return bits.reshape(-1, width).astype(np.int64) @ (1 << np.arange(width))


def _ranks(trees: Trees) -> np.ndarray:
    """Return the rank of every inner node."""
    rank, at = np.zeros(trees.n_inner, np.int64), 0
    for column in range(trees.n_columns):
        mine = np.flatnonzero(trees.node_column == column)
        width = int(trees.column_size[column] - 1).bit_length()
        if width:
            rank[mine] = _numbers(trees.node_rank[at : at + mine.size * width], width)
        at += mine.size * width
    assert at == trees.node_rank.size
    return rank


def _leaf_rows(trees: Trees, n_leaves: int) -> np.ndarray:
    width = int(trees.n_leaf_rows - 1).bit_length()
    assert trees.leaf_row.size == n_leaves * width
    return _numbers(trees.leaf_row, width) if width else np.zeros(n_leaves, np.int64)


def _other_goes_right(trees: Trees) -> bool:
    """Tell where values outside a set go; a writer sends them the same way for every set."""
    first, others = 0, []
    for size, count, kind in zip(
        trees.column_size, trees.category_count, trees.column_kind, strict=True
    ):
        if kind == 2:
            bits = trees.set_bits[first : first + int(size) * (int(count) + 1)]
            others += bits[int(count) :: int(count) + 1].tolist()
            first += bits.size
    assert len(set(others)) <= 1
    return bool(others and others[0])


def _leaf_ids(
    trees: Trees, inner: np.ndarray, left: np.ndarray, right: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """Return what ``apply`` says at each leaf, in preorder."""
    if trees.leaf_numbering == 2:
        return trees.leaf_number
    number = np.zeros(len(inner), np.int64)
    for begin, end in itertools.pairwise(start):
        waiting = list(range(begin, end)) if trees.leaf_numbering == 0 else [begin]
        for place, node in enumerate(waiting):
            number[node] = place
            if trees.leaf_numbering == 1 and inner[node]:
                waiting += [begin + left[node], begin + right[node]]
    return number[~inner]
