"""The small valid file of ``cord_file.py`` in its other forms: a function for each edits it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

import cord_file as cf
from cord_file import Section, tree_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from cord_file import CordFile

N_LEAVES = 6
AGGREGATE, LEAF_ROWS, FLAGS, DIVISOR, MISSING_VALUE = 40, 24, 43, 48, 64
"""Where attributes of the trees lie."""


def own_rows(file: CordFile) -> None:
    """Give each leaf a row of its own."""
    file.drop_tensor(cf.LEAF_ROW)
    file.patch(cf.ATTRIBUTES, LEAF_ROWS, "Q", N_LEAVES)
    file.add_tensor(cf.LEAF_VALUES, cf.FLOAT64, [[1.0], [2.0], [3.0], [-4.0], [0.5], [6.0]])


def integer_leaves(file: CordFile) -> None:
    own_rows(file)
    file.add_tensor(cf.LEAF_VALUES, cf.INT8, [[1], [-128], [127], [-4], [0], [6]])
    file.add_tensor(cf.TREE_WEIGHT, cf.FLOAT64, [0.1, 3.0])


def weighted_median(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, AGGREGATE, "B", 3)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT64, [0.0])
    file.add_tensor(cf.TREE_WEIGHT, cf.FLOAT64, [0.1, 3.0])


def linear_leaves(file: CordFile) -> None:
    own_rows(file)
    file.add_tensor(cf.LINEAR_COUNT, cf.UINT8, [2, 0, 1, 0, 0, 3])
    file.add_tensor(cf.LINEAR_FEATURE, cf.UINT8, [2, 0, 1, 0, 1, 2])
    file.add_tensor(cf.LINEAR_COEFFICIENT, cf.FLOAT64, [0.5, -1.0, 2.0, 3.0, 4.0, 5.0])
    file.add_tensor(cf.LINEAR_CONSTANT, cf.FLOAT64, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])


def missing_value(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, FLAGS, "B", 15)
    file.patch(cf.ATTRIBUTES, MISSING_VALUE, "d", -999.0)


def start(file: CordFile) -> None:
    """Put an ensemble without trees before the other, which starts from what it makes."""
    first = {
        cf.STRUCTURE: (cf.BIT, []),
        cf.COLUMN_FEATURE: (cf.UINT32, []),
        cf.COLUMN_KIND: (cf.UINT8, []),
        cf.COLUMN_SIZE: (cf.UINT32, []),
        cf.CUTS: (cf.FLOAT32, []),
        cf.CATEGORY_COUNT: (cf.UINT32, []),
        cf.CATEGORY_VALUES: (cf.FLOAT64, []),
        cf.SET_BITS: (cf.BIT, []),
        cf.NODE_COLUMN: (cf.UINT8, []),
        cf.NODE_RANK: (cf.BIT, []),
        cf.MISSING_LEFT: (cf.BIT, []),
        cf.OUTPUT: (cf.UINT8, []),
        cf.BASE_VALUE: (cf.FLOAT64, [0.5]),
        cf.LEAF_VALUES: (cf.FLOAT64, np.zeros((0, 1))),
    }
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT64, [0.0])
    records, payloads = cf.read_tensors(file)
    ids = [cf.NO_TENSOR] * cf.TREE_TENSORS
    for which, (dtype, values) in first.items():
        ids[which] = len(records)
        shape, data = cf.to_elements(dtype, values)
        records.append(cf.record(dtype, shape))
        payloads.append(data)
    cf.write_tensors(file, records, payloads)

    later = struct.unpack(f"<{cf.LINK_OPERANDS + 4}I", file[cf.OPERANDS].data)
    operands = [0, 4, *ids, 0, 4, *later[1:]]
    file[cf.OPERANDS].data = bytearray(struct.pack(f"<{len(operands)}I", *operands))
    at = len(operands) - len(later) - 1  # of the ensemble that was first
    program = [
        (1, 1, 1, 1, cf.TREE_TENSORS, 0, 0, cf.TREES.size),
        (1, 1, 2, 1, cf.TREE_TENSORS, at, cf.TREES.size, cf.TREES.size),
        (2, 1, 1, 1, 0, at + cf.LINK_OPERANDS + 1, 2 * cf.TREES.size, 24),
        (3, 1, 1, 1, 0, at + cf.LINK_OPERANDS + 3, 2 * cf.TREES.size + 24, 16),
    ]
    file[cf.PROGRAM].data = bytearray(b"".join(cf.OPERATOR.pack(*fields) for fields in program))
    empty = cf.TREES.pack(3, 1, 0, 0, 0, 0, 1, cf.FLOAT32, cf.FLOAT64, *[0] * 5, 3, 1.0, 0.0, 0.0)
    file[cf.ATTRIBUTES].data[:0] = empty
    file[cf.VALUES].data += cf.value(cf.FLOAT64, 0, 1)


def link(file: CordFile, kind: int, columns: int, scale: float = 1.0, offset: float = 0.0) -> None:
    """Change the kind of the link, without a complement, and the columns that it writes."""
    file.patch(cf.ATTRIBUTES, cf.LINK, "IIdd", kind, 0, scale, offset)
    file.patch(cf.VALUES, 2 * cf.VALUE.size + 16 + 8, "Q", columns)
    if columns == 1:
        file.drop(cf.CLASSES)


LINKS: dict[str, Callable[[CordFile], None]] = {
    "identity": lambda file: link(file, 0, 1),
    "exp": lambda file: link(file, 2, 1),
    "softmax_with_a_scale": lambda file: link(file, 3, 1, 0.5),
    "softplus": lambda file: link(file, 4, 1),
    "signed_square": lambda file: link(file, 5, 1),
    "sigmoid_pair": lambda file: link(file, 8, 2, 2.0),
    "negative_exp2": lambda file: link(file, 9, 1),
    "shift": lambda file: link(file, 10, 1, offset=-0.5),
    "step": lambda file: link(file, 11, 1),
    "logit": lambda file: link(file, 12, 1, 0.5, 2.0**-23),
}
"""The kinds of links."""


def several_labels(file: CordFile, rule: int, group_count: int, columns: int) -> None:
    """Let the decide write `columns` columns, of four outputs of the trees and the link."""
    file.patch(cf.ATTRIBUTES, 4, "I", 4)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT64, [0.25] * 4)
    file.patch(cf.ATTRIBUTES, cf.LINK, "IIdd", 0, 0, 1.0, 0.0)
    file.patch(cf.ATTRIBUTES, cf.DECIDE, "IId", rule, group_count, 0.0)
    values = cf.value(cf.FLOAT32, 1, 3) + cf.value(cf.FLOAT64, 2, 4) + cf.value(cf.FLOAT64, 4, 4)
    file[cf.VALUES].data = bytearray(values + cf.value(cf.INT64, 5, columns))


def groups(file: CordFile, sizes: tuple[int, ...] = (3, 1)) -> None:
    """Two classifiers: of three classes named by texts, and of one named by a number."""
    several_labels(file, 0, 2, 2)
    records, payloads = cf.read_tensors(file)
    shape, data = cf.to_elements(cf.UINT32, sizes)
    cf.write_tensors(file, [*records, cf.record(cf.UINT32, shape)], [*payloads, data])
    file.patch(cf.PROGRAM, 2 * cf.OPERATOR.size + 8, "I", 1)
    file[cf.OPERANDS].data += struct.pack("<I", len(records))
    texts = struct.pack("<II", 4, 3) + cf.strings([b"a", b"bc", b"def"])
    assert len(texts) % 8 != 0  # so that padding is seen
    texts += bytes(-len(texts) % 8)
    file[cf.CLASSES].data = bytearray(texts + struct.pack("<IIq", 1, 1, 7))


def each_greater(file: CordFile) -> None:
    """Four labels of two classes each."""
    several_labels(file, 3, 0, 4)
    tables = struct.pack("<II2B6x", 3, 2, 0, 1) * 3 + struct.pack("<II2d", 2, 2, -0.5, 0.5)
    file[cf.CLASSES].data = bytearray(tables)


def categories(file: CordFile) -> None:
    """Labels of features 0 and 2: two texts, and a truth."""
    texts = struct.pack("<II", 4, 2) + cf.strings([b"red", b"green"])
    texts += bytes(-len(texts) % 8)
    truths = struct.pack("<II1B7x", 3, 1, 1)
    data = struct.pack("<IIII", 2, 1, 0, 0) + texts + struct.pack("<II", 2, 0) + truths
    file.sections.append(Section(cf.CATEGORIES, bytearray(data), flags=0))


VARIANTS: dict[str, Callable[[CordFile], None]] = {
    "own_rows": own_rows,
    "integer_leaves": integer_leaves,
    "weighted_median": weighted_median,
    "linear_leaves": linear_leaves,
    "missing_value": missing_value,
    "start": start,
    "groups": groups,
    "each_greater": each_greater,
    "categories": categories,
    **LINKS,
}
"""All forms that are not the first, by name."""


def variant(name: str) -> CordFile:
    """Return the sound file in one of its forms."""
    file = tree_file()
    VARIANTS[name](file)
    return file
