"""A second reader of the format, plain Python from ``docs/format.md``, to hold the writer to it.

It trusts nothing that it can compute: offsets, padding and checksums are asserted, and the trees
come back as a `TreeEnsemble`, so that the NumPy oracle can answer from the bytes alone.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood.ir import Decide, Graph, Link, Operator, Role, Value
from unpack_trees import FLOATS, NO_TENSOR, ensemble, trees_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unpack_trees import Trees

    Record = tuple[int, list[int], list[int], list[int], bytes]

SECTIONS = (
    "", "program", "operands", "attributes", "values", "tensors", "payload", "names", "classes",
    "provenance", "signature", "encryption", "categories",
)  # fmt: skip
DTYPES = {5: "i1", 6: "u1", 7: "i2", 8: "u2", 9: "i4", 10: "u4", 11: "i8", 12: "u8"}
DTYPES |= {13: "f2", 15: "f4", 16: "f8"}
VALUE_TYPES = {**FLOATS, 11: "int64"}
LINKS = (
    "identity", "sigmoid", "exp", "softmax", "softplus", "signed_square", "", "", "sigmoid_pair",
    "negative_exp2", "shift", "step", "logit",
)  # fmt: skip
RULES = ("argmax", "greater", "greater_equal", "each_greater")
UNSEEN = ("missing", "refused", "other")


@dataclass(frozen=True)
class Unpacked:
    """What a file says."""

    sections: dict[str, bytes]
    tensors: list[np.ndarray]
    operators: list[Record]

    @property
    def provenance(self) -> Any:
        return json.loads(self.sections["provenance"].decode("utf-8"))

    @property
    def names(self) -> tuple[str, ...]:
        return strings(self.sections["names"])

    @property
    def classes(self) -> list[list[Any]]:
        """Labels of each output that is decided."""
        data, at, tables = self.sections["classes"], 0, []
        while at < len(data):
            assert not any(data[at : at + -at % 8])
            table, at = labels(data, at + -at % 8)
            tables.append(table)
        return tables

    @property
    def categories(self) -> tuple[dict[int, list[Any]], str]:
        """Labels that stand for codes, by feature; what a label means that is not listed."""
        data = self.sections["categories"]
        count, unseen = struct.unpack_from("<II", data)
        by_feature, at = {}, 8
        for _ in range(count):
            feature, reserved = struct.unpack_from("<II", data, at)
            assert reserved == 0
            by_feature[feature], end = labels(data, at + 8)
            at = end + -end % 8
            assert not any(data[end:at])
        assert at == len(data)
        assert list(by_feature) == sorted(by_feature)
        return by_feature, UNSEEN[unseen]


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
) -> Iterator[Record]:
    """Yield opcode, inputs, outputs, tensors and attributes of each operator."""
    operands = np.frombuffer(sections["operands"], "<u4").tolist()
    for record in struct.iter_unpack("<HHHHIIII", sections["program"]):
        opcode, version, n_inputs, n_outputs, n_tensors, first, offset, length = record
        assert version == 1
        runs = np.cumsum([first, n_inputs, n_outputs, n_tensors])
        parts = [operands[a:b] for a, b in itertools.pairwise(runs)]
        yield opcode, *parts, sections["attributes"][offset : offset + length]


def labels(data: bytes, at: int) -> tuple[list[Any], int]:
    """Read one table of labels at `at`; return it and where it ends."""
    kind, count = struct.unpack_from("<II", data, at)
    at += 8
    if kind == 4:
        ends = struct.unpack_from(f"<{count + 1}I", data, at)[1:]
        end = at + 4 + 4 * count + (ends[-1] if ends else 0)
        return list(strings(data[at:end])), end
    dtype = np.dtype({1: "<i8", 2: "<f8", 3: "?"}[kind])
    end = at + count * dtype.itemsize
    return np.frombuffer(data[at:end], dtype).tolist(), end


def strings(table: bytes) -> tuple[str, ...]:
    """Read a string table."""
    (count,) = struct.unpack_from("<I", table)
    ends = struct.unpack_from(f"<{count}I", table, 4)
    text = table[4 + 4 * count :]
    assert len(text) == (ends[-1] if ends else 0)
    return tuple(text[a:b].decode("utf-8") for a, b in itertools.pairwise((0, *ends)))


def trees_of(file: Unpacked) -> Trees:
    """Return attributes and tensors of the tree_ensemble that answers last."""
    *_, (_, _, _, tensors, attributes) = (op for op in file.operators if op[0] == 1)
    return trees_record(attributes, [file.tensors[i] if i != NO_TENSOR else None for i in tensors])


def graph(data: bytes) -> Graph:
    """Read a file back into a Graph that answers as the file does."""
    file = read(data)
    values = [
        Value(f"value {index}", VALUE_TYPES[dtype], ("batch", *rest[9 : 8 + rank]), Role(role))
        for index, (dtype, role, rank, *rest) in enumerate(
            struct.iter_unpack("<BBB5x8B6Q", file.sections["values"])
        )
    ]
    iterations = file.provenance.get("iterations", {"trees": 0, "staged": False})
    categories, unseen = file.categories if "categories" in file.sections else ({}, "missing")
    return Graph(
        values=tuple(values),
        operators=tuple(_operator(file, record, values) for record in file.operators),
        feature_names=file.names if "names" in file.sections else None,
        classes=_classes(file, values),
        categories={feature: np.array(listed) for feature, listed in categories.items()},
        unseen=unseen,
        sparse=file.provenance["sparse"],
        trees_per_iteration=iterations["trees"],
        staged=iterations["staged"],
        methods=tuple(file.provenance["methods"]),
        provenance=file.provenance["source"],
    )


def _operator(file: Unpacked, record: Record, values: list[Value]) -> Operator:
    """Read one operator; each has one output."""
    opcode, inputs, (target,), tensors, attributes = record
    names = {"source": values[inputs[0]].name, "target": values[target].name}
    given = [None if i == NO_TENSOR else file.tensors[i] for i in tensors]
    if opcode == 1:
        start = values[inputs[1]].name if len(inputs) > 1 else None
        return ensemble(trees_record(attributes, given), **names, start=start)
    if opcode == 2:
        kind, complement, scale, offset = struct.unpack("<IIdd", attributes)
        form = {"kind": LINKS[kind], "complement": bool(complement)}
        return Link(**names, **form, scale=scale, offset=offset)
    rule, n_groups, cut = struct.unpack("<IId", attributes)
    groups = tuple(given[0].tolist()) if given else ()
    assert n_groups == len(groups)
    return Decide(**names, rule=RULES[rule], cut=cut, groups=groups)


def _classes(file: Unpacked, values: list[Value]) -> Any:
    """Return one array of labels, or a tuple of them where the label has several columns."""
    if "classes" not in file.sections:
        return None
    tables = tuple(np.array(table) for table in file.classes)
    (label,) = (value for value in values if value.role is Role.LABEL)
    return tables if len(label.shape) > 1 else tables[0]
