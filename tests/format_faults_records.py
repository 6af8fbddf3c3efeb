"""Faults of values, tensors, strings and provenance."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

import cord_file as cf
from cordwood import _core
from format_faults import breaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cord_file import CordFile


# ---- values


@breaks("operator_shape_mismatch")
def value_of_bits(file: CordFile) -> None:
    file.patch(cf.VALUES, 64, "B", cf.BIT)


@breaks("value_dtype_unknown")
def value_of_no_type(file: CordFile) -> None:
    file.patch(cf.VALUES, 64, "B", 17)


@breaks("value_role_unknown")
def role_nine(file: CordFile) -> None:
    file.patch(cf.VALUES, 65, "B", 9)


@breaks("value_role_duplicate")
def two_margins(file: CordFile) -> None:
    file.patch(cf.VALUES, 129, "B", 2)


@breaks("value_rows_missing")
def no_rows(file: CordFile) -> None:
    file.patch(cf.VALUES, 1, "B", 0)


@breaks("value_shape_invalid")
def seven_axes(file: CordFile) -> None:
    file.patch(cf.VALUES, 66, "B", 7)


@breaks("value_shape_invalid")
def reserved_value_byte(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 7, "B", 1)


@breaks("operator_shape_mismatch")
def symbol_of_a_net(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 8, "B", 3)


@breaks("value_shape_invalid")
def unused_axis_has_a_size(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 16 + 16, "Q", 1)


@breaks("value_shape_invalid")
def no_columns(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 16 + 8, "Q", 0)


@breaks("value_shape_invalid")
def too_many_columns(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 16 + 8, "Q", 2**63)


@breaks("value_shape_invalid")
def rows_without_a_batch(file: CordFile) -> None:
    file.patch(cf.VALUES, 8, "B", 0)
    file.patch(cf.VALUES, 16, "Q", 5)


# ---- tensors


def _tensor(file: CordFile, which: int, offset: int, layout: str, *values: float) -> None:
    file.patch(cf.TENSORS, which * cf.TENSOR.size + offset, layout, *values)


@breaks("tensor_dtype_unknown")
def tensor_of_no_type(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 0, "B", 0)


@breaks("tensor_shape_invalid")
def tensor_of_seven_axes(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 1, "B", 7)


@breaks("tensor_shape_invalid")
def size_wraps(file: CordFile) -> None:
    _tensor(file, cf.LEAF_VALUES, 24, "QQ", 2**62, 2**3)


@breaks("tensor_shape_invalid")
def unused_tensor_axis_has_a_size(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 24 + 8, "Q", 1)


@breaks("tensor_shape_invalid")
def cuts_of_two_axes(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 1, "B", 2)
    _tensor(file, cf.CUTS, 24, "QQ", 2, 2)


@breaks("tensor_shape_invalid")
def one_cut_too_many(file: CordFile) -> None:
    file.set_tensor(cf.CUTS, [-1.0, 0.5, np.inf, 2.0, 3.0])


@breaks("tensor_encoding_unknown")
def encoding_three(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 2, "B", 3)


@breaks("tensor_encoding_unknown")
def planes_of_nothing(file: CordFile) -> None:
    file.set_tensor(cf.LEAF_NUMBER, [])
    _tensor(file, cf.LEAF_NUMBER, 2, "B", cf.PLANES)


@breaks("tensor_encoding_unknown")
def differences_of_nothing(file: CordFile) -> None:
    file.set_tensor(cf.CATEGORY_VALUES, [])
    _tensor(file, cf.CATEGORY_VALUES, 2, "B", cf.DIFFERENCES)


@breaks("tensor_encoding_unknown")
def differences_of_integers(file: CordFile) -> None:
    file.set_encoded(cf.COLUMN_SIZE, struct.pack("<II", 0, 1) + b"\0", cf.DIFFERENCES)


@breaks("tensor_encoding_unknown")
def sparse_tensor(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 3, "B", 1)


@breaks("tensor_encoding_unknown")
def quantised_tensor(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 4, "I", 0)


@breaks("tensor_payload_out_of_bounds")
def tensor_past_the_payload(file: CordFile) -> None:
    _tensor(file, cf.LEAF_NUMBER, 72, "Q", 2**40)


@breaks("tensor_payload_out_of_bounds")
def tensor_end_wraps(file: CordFile) -> None:
    _tensor(file, cf.LEAF_NUMBER, 72, "QQ", 960, 2**64 - 960)


@breaks("tensor_payload_length_mismatch")
def raw_tensor_too_long(file: CordFile) -> None:
    _tensor(file, cf.CUTS, 80, "Q", 17)


@breaks("tensor_payload_hole")
def hole_between_tensors(file: CordFile) -> None:
    records, payloads = cf.read_tensors(file)
    file[cf.PAYLOAD].data += bytes(64)
    _tensor(file, cf.LEAF_NUMBER, 72, "Q", records[cf.LEAF_NUMBER][-2] + 64)
    file[cf.PAYLOAD].data[-len(payloads[-1]) :] = payloads[-1]


@breaks("tensor_payload_hole")
def payload_has_a_tail(file: CordFile) -> None:
    file[cf.PAYLOAD].data += bytes(1)


@breaks("tensor_payload_hole")
def tensors_share_bytes(file: CordFile) -> None:
    _tensor(file, cf.OUTPUT, 72, "Q", cf.read_tensors(file)[0][cf.BASE_VALUE][-2])


@breaks("tensor_padding_not_zero")
def padding_between_tensors(file: CordFile) -> None:
    file.patch(cf.PAYLOAD, 63, "B", 1)


@breaks("tensor_padding_not_zero")
def bits_after_the_last_element(file: CordFile) -> None:
    file.patch(cf.PAYLOAD, cf.read_tensors(file)[0][cf.NODE_RANK][-2], "B", 0b10111)


@breaks("tensor_too_large")
def eight_bytes_that_claim_a_terabyte(file: CordFile) -> None:
    file.set_encoded(cf.LEAF_NUMBER, struct.pack("<II", 0, 1) + b"\0")
    _tensor(file, cf.LEAF_NUMBER, 24, "Q", 2**40)


@breaks("tensor_too_large")
def differences_that_claim_a_terabyte(file: CordFile) -> None:
    file.set_encoded(cf.LEAF_VALUES, 8 * (struct.pack("<II", 0, 1) + b"\0"), cf.DIFFERENCES)
    _tensor(file, cf.LEAF_VALUES, 24, "Q", 2**37)


@breaks("tensor_stream_corrupt")
def differences_of_too_few_planes(file: CordFile) -> None:
    file.set_encoded(cf.LEAF_VALUES, 7 * (struct.pack("<II", 0, 1) + b"\0"), cf.DIFFERENCES)


@breaks("tree_cuts_not_ascending")
def differences_that_sum_to_nan(file: CordFile) -> None:
    nan = _core.encode_differences(np.array([-1, 0.5, np.nan, 2], "<f4").tobytes(), 4)
    file.set_encoded(cf.CUTS, nan, cf.DIFFERENCES)


@breaks("tensor_stream_corrupt")
def planes_end_early(file: CordFile) -> None:
    file.set_encoded(cf.CUTS, struct.pack("<II", 0, 1) + b"\0")


@breaks("tensor_stream_corrupt")
def planes_go_on(file: CordFile) -> None:
    file.set_encoded(cf.OUTPUT, struct.pack("<II", 0, 1) + b"\0\0")


@breaks("tensor_stream_corrupt")
def plane_of_unknown_mode(file: CordFile) -> None:
    file.set_encoded(cf.OUTPUT, struct.pack("<II", 3, 1) + b"\0")


@breaks("tensor_stream_corrupt")
def plane_longer_than_the_tensor(file: CordFile) -> None:
    file.set_encoded(cf.OUTPUT, struct.pack("<II", 1, 2**32 - 1) + b"\0\0")


# ---- strings, provenance


@breaks("string_table_invalid")
def names_without_a_count(file: CordFile) -> None:
    file[cf.NAMES].data = bytearray(b"\0\0")


@breaks("string_table_invalid")
def names_end_before_they_start(file: CordFile) -> None:
    file.patch(cf.NAMES, 4, "II", 7, 3)


@breaks("string_table_invalid")
def names_in_latin_1(file: CordFile) -> None:
    file[cf.NAMES].data = bytearray(cf.strings([b"age", "größe".encode("latin-1"), b""]))


@breaks("string_table_invalid")
def name_cut_within_a_character(file: CordFile) -> None:
    file.patch(cf.NAMES, 8, "I", 6)


@breaks("string_table_invalid")
def half_a_surrogate_pair(file: CordFile) -> None:
    file[cf.NAMES].data = bytearray(cf.strings([b"\xed\xa0\x80", b"b", b"c"]))


@breaks("string_table_invalid")
def names_have_a_tail(file: CordFile) -> None:
    file[cf.NAMES].data += b"x"


@breaks("string_table_invalid")
def more_names_than_bytes(file: CordFile) -> None:
    file.patch(cf.NAMES, 0, "I", 2**32 - 1)


@breaks("string_table_invalid")
def fewer_names_than_columns(file: CordFile) -> None:
    file[cf.NAMES].data = bytearray(cf.strings([b"age", b"size"]))


def _provenance(text: bytes) -> Callable[[CordFile], None]:
    def replace(file: CordFile) -> None:
        file[cf.PROVENANCE].data = bytearray(text)

    replace.__name__ = f"provenance_is_{text[:20]!r}"
    return replace


for text in (
    b"", b"[]", b"{", b"{}{}", b'{"a"}', b'{"a":}', b'{"a":1,}', b'{"a":01}', b'{"a":1.}',
    b'{"a":+1}', b'{"a":NaN}', b'{"a":"\n"}', b'{"a":"\\x"}', b'{"a":"\\ud800"}', b'{"a":"\xff"}',
    b"{1:2}", b'{"a":[1 2]}', b'{"a":tru}', b'{"a":"b}', b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a":[}]',
):  # fmt: skip
    breaks("provenance_invalid")(_provenance(text))
