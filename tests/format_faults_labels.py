"""Faults of labels: of classes, and of the categories that codes stand for."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import cord_file as cf
import cord_variants as cv
from cord_file import Section
from format_faults import breaks

if TYPE_CHECKING:
    from cord_file import CordFile


# ---- classes


@breaks("labels_invalid")
def labels_of_no_type(file: CordFile) -> None:
    file.patch(cf.CLASSES, 0, "I", 5)


@breaks("labels_invalid")
def labels_without_a_head(file: CordFile) -> None:
    file[cf.CLASSES].data = bytearray(4)


@breaks("labels_invalid")
def labels_have_a_tail(file: CordFile) -> None:
    file[cf.CLASSES].data += bytes(8)


@breaks("labels_invalid")
def truth_that_is_two(file: CordFile) -> None:
    file[cf.CLASSES].data = bytearray(struct.pack("<II2B", 3, 2, 0, 2))


@breaks("labels_invalid")
def label_table_of_three(file: CordFile) -> None:
    file[cf.CLASSES].data = bytearray(struct.pack("<II", 4, 2) + cf.strings([b"a", b"b", b"c"]))


@breaks("labels_invalid")
def three_labels_for_two_classes(file: CordFile) -> None:
    file[cf.CLASSES].data = bytearray(struct.pack("<II3q", 1, 3, 0, 1, 2))


@breaks("labels_invalid")
def labels_of_no_decide(file: CordFile) -> None:
    file.patch(cf.VALUES, 3 * cf.VALUE.size + 1, "B", 0)


@breaks("labels_invalid")
def one_table_for_two_labels(file: CordFile) -> None:
    cv.groups(file)
    del file[cf.CLASSES].data[-16:]


@breaks("labels_invalid")
def three_tables_for_two_labels(file: CordFile) -> None:
    cv.groups(file)
    file[cf.CLASSES].data += struct.pack("<IIq", 1, 1, 7)


@breaks("labels_invalid")
def tables_in_another_order(file: CordFile) -> None:
    cv.groups(file)
    data = bytes(file[cf.CLASSES].data)
    file[cf.CLASSES].data = bytearray(data[-16:] + data[:-16])


@breaks("labels_invalid")
def padding_between_label_tables(file: CordFile) -> None:
    cv.groups(file)
    file[cf.CLASSES].data[-17] = 1


@breaks("labels_invalid")
def padding_after_the_last_label_table(file: CordFile) -> None:
    cv.each_greater(file)
    file[cf.CLASSES].data += bytes(8)


@breaks("labels_invalid")
def three_labels_of_each_greater(file: CordFile) -> None:
    cv.each_greater(file)
    file.patch(cf.CLASSES, 0, "II3B", 3, 3, 0, 1, 1)


# ---- categories


def _categories(file: CordFile, data: bytes) -> None:
    file.sections.append(Section(cf.CATEGORIES, bytearray(data), flags=0))


def _entry(feature: int, *labels: float, reserved: int = 0) -> bytes:
    return struct.pack(f"<IIII{len(labels)}d", feature, reserved, 2, len(labels), *labels)


@breaks("labels_invalid")
def categories_without_a_head(file: CordFile) -> None:
    _categories(file, bytes(4))


@breaks("labels_invalid")
def categories_of_nothing(file: CordFile) -> None:
    _categories(file, bytes(8))


@breaks("labels_invalid")
def unseen_labels_mean_three(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 1, 3) + _entry(0, 1.0))


@breaks("labels_invalid")
def categories_of_more_features_than_columns(file: CordFile) -> None:
    entries = [_entry(feature, 1.0) for feature in range(4)]
    _categories(file, struct.pack("<II", 4, 0) + b"".join(entries))


@breaks("labels_invalid")
def categories_of_feature_three_of_three(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 1, 0) + _entry(3, 1.0))


@breaks("labels_invalid")
def categories_descend(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 2, 0) + _entry(1, 1.0) + _entry(0, 1.0))


@breaks("labels_invalid")
def categories_of_one_feature_twice(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 2, 0) + _entry(1, 1.0) + _entry(1, 2.0))


@breaks("labels_invalid")
def reserved_field_of_categories(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 1, 0) + _entry(0, 1.0, reserved=1))


@breaks("labels_invalid")
def fewer_categories_than_stated(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 2, 0) + _entry(0, 1.0))


@breaks("labels_invalid")
def categories_have_a_tail(file: CordFile) -> None:
    cv.categories(file)
    file[cf.CATEGORIES].data += bytes(8)


@breaks("labels_invalid")
def categories_without_their_padding(file: CordFile) -> None:
    cv.categories(file)
    del file[cf.CATEGORIES].data[-1]


@breaks("labels_invalid")
def category_label_twice(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 1, 0) + _entry(0, 1.0, 0.0, -0.0))


@breaks("labels_invalid")
def category_label_nan(file: CordFile) -> None:
    _categories(file, struct.pack("<II", 1, 0) + _entry(0, 1.0, float("nan")))


def _same(kind: int, data: bytes) -> None:
    def change(file: CordFile) -> None:
        table = struct.pack("<IIII", 0, 0, kind, 2) + data
        _categories(file, struct.pack("<II", 1, 0) + table + bytes(-len(table) % 8))

    change.__name__ = f"same_category_labels_of_type_{kind}"
    breaks("labels_invalid")(change)


_same(1, struct.pack("<qq", 5, 5))
_same(3, b"\1\1")
_same(4, cf.strings([b"red", b"red"]))
