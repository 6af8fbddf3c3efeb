"""A ``.cord`` file taken apart, so that tests can break one thing and seal the rest again.

Written from ``docs/format.md`` alone: it shares no line with the writer that it helps to judge.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

import numpy as np

MAGIC = b"\x89CORD1\r\n"
PROGRAM, OPERANDS, ATTRIBUTES, VALUES, TENSORS, PAYLOAD, NAMES, CLASSES, PROVENANCE = range(1, 10)
CATEGORIES = 12
NO_TENSOR = 0xFFFFFFFF
ALIGNMENT = 64

HEADER = struct.Struct("<8sHHIQII32s")
SECTION = struct.Struct("<IHHIIQQ")
OPERATOR = struct.Struct("<HHHHIIII")
VALUE = struct.Struct("<BBB5s8B6Q")
TENSOR = struct.Struct("<BBBBIIIII6QQQ")
TREES = struct.Struct("<IIIIQQIBBBBBBBB4xddd")

BIT, INT8, UINT8, INT16, UINT32, INT64, FLOAT32, FLOAT64 = 1, 5, 6, 7, 10, 11, 15, 16
RAW, PLANES, DIFFERENCES = range(3)
NUMPY_TYPES = {INT8: "<i1", UINT8: "<u1", INT16: "<i2", UINT32: "<u4"}
NUMPY_TYPES |= {INT64: "<i8", FLOAT32: "<f4", FLOAT64: "<f8"}

# Names of the tensors of a tree_ensemble, in the order of its operands.
STRUCTURE, COLUMN_FEATURE, COLUMN_KIND, COLUMN_SIZE, CUTS, CATEGORY_COUNT = range(6)
CATEGORY_VALUES, SET_BITS, NODE_COLUMN, NODE_RANK, MISSING_LEFT, OUTPUT = range(6, 12)
BASE_VALUE, LEAF_ROW, LEAF_VALUES, LEAF_NUMBER, TREE_WEIGHT = range(12, 17)
LINEAR_COUNT, LINEAR_FEATURE, LINEAR_COEFFICIENT, LINEAR_CONSTANT = range(17, 21)
TREE_TENSORS = 21

# Where the attributes of `tree_file` begin, and the operands of its link.
LINK, DECIDE = TREES.size, TREES.size + 24
LINK_OPERANDS = 2 + TREE_TENSORS


@dataclass
class Section:
    """One section; what is None is worked out when the file is sealed."""

    kind: int
    data: bytearray
    flags: int = 1
    version: int = 1
    encoding: int = 0
    offset: int | None = None
    length: int | None = None
    checksum: int | None = None
    padding: bytes | None = None


@dataclass
class CordFile:
    """A file as header fields and sections."""

    sections: list[Section] = field(default_factory=list)
    magic: bytes = MAGIC
    major: int = 1
    minor: int = 0
    profile: int = 0
    reserved: bytes = bytes(32)
    checksum: int | None = None
    file_bytes: int | None = None
    section_count: int | None = None
    tail: bytes = b""

    def __getitem__(self, kind: int) -> Section:
        return next(section for section in self.sections if section.kind == kind)

    def drop(self, kind: int) -> None:
        self.sections.remove(self[kind])

    def patch(self, kind: int, offset: int, layout: str, *values: float) -> None:
        """Overwrite a few fields of one section."""
        struct.pack_into("<" + layout, self[kind].data, offset, *values)

    def seal(self) -> bytes:
        """Return the file's bytes, with every checksum that is not given made right."""
        at = HEADER.size + SECTION.size * len(self.sections)
        table, parts = b"", b""
        for section in self.sections:
            padding = bytes(-at % ALIGNMENT) if section.padding is None else section.padding
            at += len(padding)
            offset = at if section.offset is None else section.offset
            length = len(section.data) if section.length is None else section.length
            checksum = zlib.crc32(section.data) if section.checksum is None else section.checksum
            table += SECTION.pack(
                *(section.kind, section.version, section.flags, section.encoding),
                *(checksum, offset, length),
            )
            parts += padding + bytes(section.data)
            at += len(section.data)
        total = at + len(self.tail) if self.file_bytes is None else self.file_bytes
        count = len(self.sections) if self.section_count is None else self.section_count

        def header(checksum: int) -> bytes:
            return HEADER.pack(
                *(self.magic, self.major, self.minor, checksum, total, count),
                *(self.profile, self.reserved),
            )

        checksum = self.checksum
        if checksum is None:
            checksum = zlib.crc32(header(0) + table)
        return header(checksum) + table + parts + self.tail

    def add_tensor(self, which: int, dtype: int, values: object) -> None:
        """Give the first operator a tensor that it lacks, or another one in its place."""
        records, payloads = read_tensors(self)
        operand = 4 * (2 + which)
        (number,) = struct.unpack_from("<I", self[OPERANDS].data, operand)
        if number == NO_TENSOR:
            number = len(records)
            records.append(())
            payloads.append(b"")
            self.patch(OPERANDS, operand, "I", number)
        shape, data = to_elements(dtype, values)
        records[number] = record(dtype, shape)
        payloads[number] = data
        write_tensors(self, records, payloads)

    def drop_tensor(self, which: int) -> None:
        """Take a tensor from the first operator; the later ones move up."""
        records, payloads = read_tensors(self)
        operands = struct.unpack_from(f"<{TREE_TENSORS}I", self[OPERANDS].data, 8)
        gone = operands[which]
        del records[gone], payloads[gone]
        left = [NO_TENSOR if i in (gone, NO_TENSOR) else i - (i > gone) for i in operands]
        self.patch(OPERANDS, 8, f"{TREE_TENSORS}I", *left)
        write_tensors(self, records, payloads)

    def set_tensor(self, which: int, values: object, dtype: int | None = None) -> None:
        """Replace the elements of a raw tensor and lay the payload out anew."""
        records, payloads = read_tensors(self)
        old = records[which]
        dtype = old[0] if dtype is None else dtype
        shape, data = to_elements(dtype, values)
        records[which] = (dtype, len(shape), 0, *old[3:9], *shape, *[0] * (6 - len(shape)), 0, 0)
        payloads[which] = data
        write_tensors(self, records, payloads)

    def set_encoded(self, which: int, encoded: bytes, encoding: int = PLANES) -> None:
        """Replace a tensor's payload by a coded one; its type and shape stay."""
        records, payloads = read_tensors(self)
        record = list(records[which])
        record[2] = encoding
        records[which] = tuple(record)
        payloads[which] = encoded
        write_tensors(self, records, payloads)


def record(dtype: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Lay out the record of a raw dense tensor; its place follows when it is written."""
    unquantised = (0, NO_TENSOR, 0, NO_TENSOR, NO_TENSOR, NO_TENSOR)
    return (dtype, len(shape), 0, *unquantised, *shape, *[0] * (6 - len(shape)), 0, 0)


def bits(values: list[int] | np.ndarray) -> bytes:
    """Pack bits, least significant first."""
    return np.packbits(np.asarray(values, dtype=np.uint8), bitorder="little").tobytes()


def to_elements(dtype: int, values: object) -> tuple[tuple[int, ...], bytes]:
    """Return the shape and the stored bytes of a tensor."""
    if dtype == BIT:
        array = np.asarray(values, dtype=np.uint8)
        return array.shape, bits(array)
    array = np.asarray(values, dtype=NUMPY_TYPES[dtype])
    return array.shape, array.tobytes()


def read_tensors(file: CordFile) -> tuple[list[tuple[int, ...]], list[bytes]]:
    """Return the tensor records, and each tensor's encoded bytes."""
    records = [TENSOR.unpack(chunk) for chunk in chunks(file[TENSORS].data, TENSOR.size)]
    payload = bytes(file[PAYLOAD].data)
    return records, [payload[record[-2] : record[-2] + record[-1]] for record in records]


def write_tensors(file: CordFile, records: list[tuple[int, ...]], payloads: list[bytes]) -> None:
    """Write records and payloads, each tensor on the next multiple of the alignment."""
    table, payload = b"", b""
    for record, data in zip(records, payloads, strict=True):
        payload += bytes(-len(payload) % ALIGNMENT)
        table += TENSOR.pack(*record[:-2], len(payload), len(data))
        payload += data
    file[TENSORS].data = bytearray(table)
    file[PAYLOAD].data = bytearray(payload)


def chunks(data: bytes | bytearray, size: int) -> list[bytes]:
    """Cut bytes into records."""
    return [bytes(data[at : at + size]) for at in range(0, len(data), size)]


def strings(texts: list[bytes]) -> bytes:
    """Lay out a string table."""
    ends = np.cumsum([len(text) for text in texts]).tolist()
    return struct.pack(f"<{len(texts) + 1}I", len(texts), *ends) + b"".join(texts)


def value(dtype: int, role: int, *shape: int) -> bytes:
    """Lay out one value; the first axis is the batch."""
    symbols = [1] + [0] * 7
    dimensions = [0, *shape] + [0] * (5 - len(shape))
    return VALUE.pack(dtype, role, 1 + len(shape), bytes(5), *symbols, *dimensions)


def tree_tensors() -> list[tuple[int, object]]:
    """Return types and elements of the ensemble that `tree_file` holds.

    Tree 0 is ``column0[2] ? (column2[1] ? leaf : leaf) : leaf``, tree 1 is
    ``column1[0] ? leaf : (column0[0] ? leaf : leaf)``.
    """
    return [
        (BIT, [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]),  # two roots, four nodes below, four below those
        (UINT32, [0, 1, 2]),
        (UINT8, [0, 1, 2]),  # numeric, numeric with zero missing, category
        (UINT32, [3, 1, 2]),
        (FLOAT32, [-1.0, 0.5, np.inf, 2.0]),
        (UINT32, [0, 0, 3]),
        (FLOAT64, [0.0, 3.0, 7.0]),
        (BIT, [1, 0, 1, 1, 0, 1, 1, 0]),
        (UINT8, [0, 2, 1, 0]),
        (BIT, [1, 1, 1, 0]),  # ranks 2 of 3, 1 of 2, 0 of 1, 0 of 3; no column nests
        (BIT, [0, 1, 0, 1]),  # 1 where NaN parts from zero: in the category, and below cut -1
        (UINT8, [0, 0]),
        (FLOAT64, [0.25]),
        (
            BIT,
            np.unpackbits(
                np.array([[0], [1], [2], [3], [4], [0]], np.uint8), axis=1, bitorder="little"
            )[:, :3].ravel(),
        ),
        (FLOAT64, [[1.0], [2.0], [3.0], [-4.0], [0.5]]),
        (UINT8, [9, 7, 5, 3, 1, 0]),
    ]


def tree_file(**attributes: float) -> CordFile:
    """Return a small valid file with every section and every tensor; keywords change attributes."""
    tensors = [(dtype, *to_elements(dtype, values)) for dtype, values in tree_tensors()]
    trees = {
        "n_features": 3,
        "n_outputs": 1,
        "n_trees": 2,
        "n_columns": 3,
        "n_inner": 4,
        "n_leaf_rows": 5,
        "leaf_width": 1,
        "input_type": FLOAT32,
        "accumulate_type": FLOAT64,
        "integer_cast": 0,
        "category_rule": 1,
        "aggregate": 0,
        "leaf_numbering": 2,
        "tree_encoding": 0,
        "flags": 11,  # NaN, infinity, and missing routes told from zero
        "divisor": 1.0,
        "zero_band": 1e-35,
        "missing_value": 0.0,
    }
    trees.update(attributes)
    link, decide = struct.pack("<IIdd", 1, 1, 1.0, 0.0), struct.pack("<IId", 0, 0, 0.0)
    absent = [NO_TENSOR] * (TREE_TENSORS - len(tensors))
    program = OPERATOR.pack(1, 1, 1, 1, TREE_TENSORS, 0, 0, TREES.size)
    program += OPERATOR.pack(2, 1, 1, 1, 0, LINK_OPERANDS, LINK, 24)
    program += OPERATOR.pack(3, 1, 1, 1, 0, LINK_OPERANDS + 2, DECIDE, 16)
    operands = [0, 1, *range(len(tensors)), *absent, 1, 2, 2, 3]
    values = value(FLOAT32, 1, 3) + value(FLOAT64, 2, 1) + value(FLOAT64, 4, 2) + value(INT64, 5)
    file = CordFile()
    contents = {
        PROGRAM: program,
        OPERANDS: struct.pack(f"<{len(operands)}I", *operands),
        ATTRIBUTES: TREES.pack(*trees.values()) + link + decide,
        VALUES: values,
        TENSORS: b"",
        PAYLOAD: b"",
        NAMES: strings([b"age", "größe".encode(), b""]),
        CLASSES: struct.pack("<II2q", 1, 2, -1, 1),
        PROVENANCE: b'{"format":"1.0","list":[1,-2.5e3,null,true,{}],"text":"a\\n\\u0001"}',
    }
    for kind, data in contents.items():
        file.sections.append(Section(kind, bytearray(data), flags=1 if kind < NAMES else 0))
    records = [record(dtype, shape) for dtype, shape, _ in tensors]
    write_tensors(file, records, [data for *_, data in tensors])
    return file
