"""The door: each way a file can be wrong has its own name, and no damage passes unseen."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

import cord_file as cf
import format_faults_file
import format_faults_labels
import format_faults_leaves
import format_faults_program
import format_faults_records
from cord_file import CordFile, Section, tree_file
from cord_variants import LINKS, VARIANTS, variant
from cordwood import _core
from cordwood.errors import FormatError
from format_faults import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable


# Importing them fills FAULTS.
FAULT_MODULES = (
    format_faults_file,
    format_faults_records,
    format_faults_labels,
    format_faults_program,
    format_faults_leaves,
)


def load(data: bytes | memoryview, check: str = "all") -> None:
    """Pass both halves of the door."""
    _core.validate(data, check)
    for number, operator in enumerate(_core.inspect(data)["operators"]):
        if operator["name"] == "tree_ensemble":
            _core.expand_trees(data, number)


def test_the_sound_file_passes() -> None:
    load(tree_file().seal())


@pytest.mark.parametrize("name", VARIANTS)
def test_each_form_of_it_passes(name: str) -> None:
    load(variant(name).seal())


@pytest.mark.parametrize(
    ("status", "fault"), [pytest.param(s, f, id=f"{s}-{f.__name__}") for s, f in FAULTS]
)
def test_fault_has_its_own_status(status: str, fault: Callable[[CordFile], bytes | None]) -> None:
    file = tree_file()
    data = fault(file)
    with pytest.raises(FormatError) as caught:
        load(file.seal() if data is None else data)
    assert caught.value.code == status
    assert "{" not in str(caught.value)


def test_every_status_of_the_format_has_a_fault() -> None:
    codes = {name for name, number in _core.status_codes().items() if 100 <= number < 300}
    assert codes == {status for status, _ in FAULTS}


def test_every_flipped_bit_is_refused() -> None:
    data = bytearray(tree_file().seal())
    for position in range(len(data) * 8):
        data[position // 8] ^= 1 << position % 8
        with pytest.raises(FormatError):
            _core.validate(data)
        data[position // 8] ^= 1 << position % 8
    _core.validate(data)


def test_every_truncation_is_refused() -> None:
    data = memoryview(tree_file().seal())
    for length in range(len(data)):
        with pytest.raises(FormatError):
            _core.validate(data[:length])


def test_structure_check_skips_the_checksum_of_the_payload_alone() -> None:
    for section in tree_file().sections:
        file = tree_file()
        file[section.kind].checksum = 1
        data = file.seal()
        with pytest.raises(FormatError):
            _core.validate(data)
        if section.kind == cf.PAYLOAD:
            _core.validate(data, "structure")
        else:
            with pytest.raises(FormatError):
                _core.validate(data, "structure")


def test_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="'most', expected 'all' or 'structure'"):
        _core.validate(tree_file().seal(), "most")


def test_newer_minor_version_with_skippable_sections_is_read() -> None:
    file = tree_file()
    file.minor = 7
    file.sections.insert(2, Section(77, bytearray(b"news"), flags=0, version=9, encoding=5))
    file.sections.append(Section(78, bytearray(), flags=0))
    load(file.seal())


def test_optional_sections_may_be_absent() -> None:
    file = tree_file()
    for kind in (cf.NAMES, cf.CLASSES, cf.PROVENANCE):
        file.drop(kind)
    found = _core.inspect(file.seal())
    assert found["feature_names"] is None
    assert found["classes"] is None
    assert found["provenance"] == ""


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (struct.pack("<II2q", 1, 2, -(2**63), 2**63 - 1), [-(2**63), 2**63 - 1]),
        (struct.pack("<II2d", 2, 2, -0.5, 2.0), [-0.5, 2.0]),
        (struct.pack("<II2B", 3, 2, 0, 1), [False, True]),
        (struct.pack("<II", 4, 2) + cf.strings([b"no", "já".encode()]), ["no", "já"]),
    ],
)
def test_labels_of_each_type(data: bytes, labels: list[object]) -> None:
    file = tree_file()
    file[cf.CLASSES].data = bytearray(data)
    assert _core.inspect(file.seal())["classes"] == labels


def test_bytes_need_no_alignment() -> None:
    data = tree_file().seal()
    for shift in range(1, 8):
        load(memoryview(bytes(shift) + data)[shift:])


def test_deepest_legal_tree_passes() -> None:
    depth = 4096
    file = tree_file(n_trees=1, n_inner=depth)
    file.set_tensor(cf.STRUCTURE, [1] + [1, 0] * (depth - 1) + [0, 0])
    file.set_tensor(cf.NODE_COLUMN, [1] * depth)
    file.set_tensor(cf.NODE_RANK, [])
    file.set_tensor(cf.MISSING_LEFT, [0] * depth)
    file.set_tensor(cf.OUTPUT, [0])
    file.set_tensor(cf.LEAF_ROW, [0] * 3 * (depth + 1))
    file.set_tensor(cf.LEAF_NUMBER, [0] * (depth + 1))
    trees = _core.expand_trees(file.seal(), 0)
    assert np.array_equal(trees["right"][:depth], 2 * depth - 2 * np.arange(depth))


def test_expansion_of_the_sound_file() -> None:
    trees = _core.expand_trees(tree_file().seal(), 0)
    expected = {
        "tree_start": [0, 5, 10],
        "right": [4, 2, 0, 0, 0, 2, 0, 2, 0, 0],
        "column": [0, 2, 0, 0, 0, 1, 0, 0, 0, 0],
        "rank": [2, 1, 0, 1, 2, 0, 3, 0, 4, 0],
        "missing_left": [1, 1, 0, 0, 0, 1, 0, 1, 0, 0],
        "leaf_values": [1.0, 2.0, 3.0, -4.0, 0.5],
        "leaf_number": [9, 7, 5, 3, 1, 0],
        "set_bits": [0b01101101],
    }
    assert {name: trees[name].tolist() for name in expected} == expected
    assert trees["columns"]["size"].tolist() == [3, 1, 2]


def test_integer_leaves_are_expanded() -> None:
    file = variant("integer_leaves")
    trees = _core.expand_trees(file.seal(), 0)
    tenth = np.float64(0.1)
    assert trees["leaf_values"].tolist() == [tenth, -128 * tenth, 127 * tenth, -12.0, 0.0, 18.0]
    assert trees["tree_weight"].size == 0
    file.patch(cf.ATTRIBUTES, 37, "B", cf.FLOAT32)
    file.patch(cf.VALUES, 64, "B", cf.FLOAT32)
    file.patch(cf.VALUES, 128, "B", cf.FLOAT32)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT32, [0.25])
    trees = _core.expand_trees(file.seal(), 0)
    assert trees["leaf_values"][:2].tolist() == [np.float32(0.1), np.float32(-128 * tenth)]
    assert trees["leaf_values"].dtype == np.float64


def test_linear_leaves_are_expanded() -> None:
    trees = _core.expand_trees(variant("linear_leaves").seal(), 0)
    expected = {
        "linear_start": [0, 2, 2, 3, 3, 3, 6],
        "linear_feature": [2, 0, 1, 0, 1, 2],
        "linear_coefficient": [0.5, -1.0, 2.0, 3.0, 4.0, 5.0],
        "linear_constant": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
    }
    assert {name: trees[name].tolist() for name in expected} == expected
    plain = _core.expand_trees(tree_file().seal(), 0)
    assert [plain[name].size for name in expected] == [0] * 4


def test_weights_of_a_median_are_kept() -> None:
    trees = _core.expand_trees(variant("weighted_median").seal(), 0)
    assert trees["tree_weight"].tolist() == [0.1, 3.0]


def test_inspect_names_what_each_form_holds() -> None:
    def operators(name: str) -> list[dict[str, object]]:
        return _core.inspect(variant(name).seal())["operators"]

    for name in LINKS:
        assert name.startswith(operators(name)[1]["attributes"]["kind"])
    assert operators("shift")[1]["attributes"]["offset"] == -0.5
    assert operators("start")[1]["inputs"] == (0, 4)
    assert operators("groups")[2]["attributes"]["groups"] == (3, 1)
    assert operators("each_greater")[2]["attributes"]["rule"] == "each_greater"
    assert operators("missing_value")[0]["attributes"]["missing_value"] == -999.0
    assert operators("step")[0]["attributes"]["missing_value"] is None
    tensors = {tensor["name"] for tensor in _core.inspect(variant("groups").seal())["tensors"]}
    assert "groups" in tensors


def test_inspect_shows_tables_of_labels() -> None:
    assert _core.inspect(variant("groups").seal())["classes"] == (["a", "bc", "def"], [7])
    found = _core.inspect(variant("each_greater").seal())["classes"]
    assert found == ([False, True],) * 3 + ([-0.5, 0.5],)
    found = _core.inspect(variant("categories").seal())
    assert found["categories"] == {0: ["red", "green"], 2: [True]}
    assert found["unseen"] == "refused"


def test_planes_may_decode_to_the_stated_limit_and_no_further() -> None:
    file = tree_file()
    file.set_encoded(cf.LEAF_NUMBER, struct.pack("<II", 0, 1) + b"\0")
    limit = 16 * 2**20 + 64 * len(file.seal())
    for count in (limit, limit + 1):
        file.patch(cf.TENSORS, cf.LEAF_NUMBER * cf.TENSOR.size + 24, "Q", count)
        with pytest.raises(FormatError) as caught:
            load(file.seal())
        passed = caught.value.code == "tensor_shape_invalid"  # the operator has six leaves
        assert caught.value.code in ("tensor_shape_invalid", "tensor_too_large")
        assert passed == (count == limit)


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [(cf.PLANES, _core.encode_planes), (cf.DIFFERENCES, _core.encode_differences)],
)
def test_coded_tensors_count_together(encoding: int, encode: Callable[[bytes, int], bytes]) -> None:
    file = tree_file()
    file.set_encoded(cf.LEAF_NUMBER, struct.pack("<II", 0, 1) + b"\0")
    file.set_encoded(cf.LEAF_VALUES, encode(bytes(40), 8), encoding)
    limit = 16 * 2**20 + 64 * len(file.seal())
    for count in (limit - 40, limit - 39):  # and the five leaf values
        file.patch(cf.TENSORS, cf.LEAF_NUMBER * cf.TENSOR.size + 24, "Q", count)
        with pytest.raises(FormatError) as caught:
            load(file.seal())
        within = count == limit - 40
        assert caught.value.code == ("tensor_shape_invalid" if within else "tensor_too_large")


def test_differences_are_the_floats_they_came_from() -> None:
    file = tree_file()
    cuts = np.array([-1.0, 0.5, np.inf, 2.0], "<f4")
    file.set_encoded(cf.CUTS, _core.encode_differences(cuts.tobytes(), 4), cf.DIFFERENCES)
    leaves = np.array([1.0, 2.0, 3.0, -4.0, 0.5])
    file.set_encoded(cf.LEAF_VALUES, _core.encode_differences(leaves.tobytes(), 8), cf.DIFFERENCES)
    data = file.seal()
    _core.validate(data)
    trees, plain = _core.expand_trees(data, 0), _core.expand_trees(tree_file().seal(), 0)
    for name in ("cuts", "leaf_values"):
        assert trees[name].tobytes() == plain[name].tobytes()
    encodings = {tensor["name"]: tensor["encoding"] for tensor in _core.inspect(data)["tensors"]}
    assert encodings["cuts"] == encodings["leaf_values"] == "differences"
    assert encodings["category_values"] == "raw"


def test_operator_that_holds_no_trees_is_not_expanded() -> None:
    with pytest.raises(FormatError, match="expected one that is a tree_ensemble") as caught:
        _core.expand_trees(tree_file().seal(), 1)
    assert caught.value.code == "operator_unknown"


def test_messages_say_what_where_and_what_else() -> None:
    file = tree_file()
    file[cf.VALUES].checksum = 0x1234
    with pytest.raises(FormatError, match="section values: section 3: checksum 0x1234 stored, 0x"):
        _core.validate(file.seal())
