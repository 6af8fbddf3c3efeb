"""Faults of the file as a whole and of its section table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cord_file as cf
from cord_file import Section
from format_faults import breaks

if TYPE_CHECKING:
    from cord_file import CordFile


# ---- the file as a whole


@breaks("file_too_short")
def no_bytes(file: CordFile) -> bytes:
    del file
    return b""


@breaks("file_too_short")
def half_a_header(file: CordFile) -> bytes:
    return file.seal()[:40]


@breaks("bad_magic")
def another_format(file: CordFile) -> None:
    file.magic = b"\x89PNG\r\n\x1a\n"


@breaks("bad_magic")
def text_mode_transfer(file: CordFile) -> bytes:
    return file.seal().replace(b"\r\n", b"\n")


@breaks("bad_magic")
def magic_of_version_zero(file: CordFile) -> None:
    file.magic = b"\x89CORD0\r\n"


@breaks("newer_major_version")
def magic_of_version_two(file: CordFile) -> None:
    file.magic = b"\x89CORD2\r\n"


@breaks("newer_major_version")
def major_two(file: CordFile) -> None:
    file.major = 2


@breaks("file_length_mismatch")
def tail(file: CordFile) -> bytes:
    return file.seal() + b"\0"


@breaks("file_length_mismatch")
def wrong_length(file: CordFile) -> None:
    file.file_bytes = 2**63


@breaks("header_checksum_mismatch")
def wrong_header_checksum(file: CordFile) -> None:
    file.checksum = 0


@breaks("bad_header")
def major_zero(file: CordFile) -> None:
    file.major = 0


@breaks("bad_header")
def unknown_profile(file: CordFile) -> None:
    file.profile = 2


@breaks("bad_header")
def reserved_header_byte(file: CordFile) -> None:
    file.reserved = bytes(31) + b"\1"


@breaks("profile_not_supported")
def edge_profile(file: CordFile) -> None:
    file.profile = 1


# ---- the section table


@breaks("section_table_out_of_bounds")
def too_many_sections(file: CordFile) -> None:
    file.section_count = 65


@breaks("section_table_out_of_bounds")
def table_past_the_end(file: CordFile) -> bytes:
    file.sections = []
    file.section_count = 1
    return file.seal()


@breaks("section_unknown_required")
def unknown_required_section(file: CordFile) -> None:
    file.sections.append(Section(77, bytearray(b"news")))


@breaks("section_unknown_required")
def encrypted(file: CordFile) -> None:
    file.sections.append(Section(11, bytearray(b"key")))


@breaks("section_duplicate")
def two_programs(file: CordFile) -> None:
    file.sections.append(Section(cf.PROGRAM, bytearray(file[cf.PROGRAM].data)))


@breaks("section_duplicate")
def two_unknown_sections(file: CordFile) -> None:
    file.sections += [Section(77, bytearray(b"a"), flags=0), Section(77, bytearray(b"b"), flags=0)]


@breaks("section_missing")
def no_operands(file: CordFile) -> None:
    file.drop(cf.OPERANDS)


@breaks("section_missing")
def no_sections(file: CordFile) -> None:
    file.sections = []


@breaks("section_version_not_supported")
def newer_section(file: CordFile) -> None:
    file[cf.TENSORS].version = 2


@breaks("section_encoding_not_supported")
def encoded_section(file: CordFile) -> None:
    file[cf.VALUES].encoding = 1


@breaks("section_misaligned")
def misaligned_section(file: CordFile) -> None:
    file[cf.CLASSES].padding = bytes(4)


@breaks("section_out_of_bounds")
def section_past_the_end(file: CordFile) -> None:
    file[cf.PROVENANCE].length = 2**32


@breaks("section_out_of_bounds")
def section_end_wraps(file: CordFile) -> None:
    file[cf.PROVENANCE].length = 2**64 - 64


@breaks("section_overlap")
def overlapping_sections(file: CordFile) -> None:
    file[cf.OPERANDS].offset = 384


@breaks("section_hole")
def hole_between_sections(file: CordFile) -> None:
    file[cf.NAMES].padding = bytes(-len(file[cf.PAYLOAD].data) % 64 + 64)


@breaks("section_hole")
def bytes_after_the_last_section(file: CordFile) -> None:
    file.tail = bytes(64)


@breaks("section_padding_not_zero")
def padding_between_sections(file: CordFile) -> None:
    file[cf.OPERANDS].padding = bytes(55) + b"\1"


@breaks("section_checksum_mismatch")
def damaged_values(file: CordFile) -> None:
    file[cf.VALUES].checksum = 1


@breaks("section_size_not_whole")
def part_of_a_record(file: CordFile) -> None:
    file[cf.PROGRAM].data += bytes(4)


@breaks("section_flags_unknown")
def unknown_flag(file: CordFile) -> None:
    file[cf.NAMES].flags = 2
