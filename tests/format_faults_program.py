"""Faults of operators and of the trees behind them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import cord_file as cf
import cord_variants as cv
from format_faults import breaks

if TYPE_CHECKING:
    from cord_file import CordFile


# ---- operators


@breaks("operator_unknown")
def opcode_of_the_future(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 0, "H", 999)


@breaks("operator_version_not_supported")
def operator_of_version_two(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 2, "H", 2)


@breaks("operator_operands_invalid")
def operand_run_past_the_section(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 8, "I", 2**32 - 1)


@breaks("operator_operands_invalid")
def operand_run_elsewhere(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 24 + 12, "I", 0)


@breaks("operator_operands_invalid")
def two_inputs_no_output(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 4, "HH", 2, 0)


@breaks("operator_operands_invalid")
def tensor_that_is_not_there(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 8, "I", 16)  # the file has sixteen


@breaks("operator_operands_invalid")
def tensor_named_twice(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 8, "I", 1)


@breaks("operator_operands_invalid")
def tensor_named_by_nobody(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 4 * (2 + cf.LEAF_NUMBER), "I", cf.NO_TENSOR)


@breaks("operator_operands_invalid")
def value_that_is_not_there(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 4, "I", 4)


@breaks("operator_operands_invalid")
def operand_of_nobody(file: CordFile) -> None:
    file[cf.OPERANDS].data += bytes(4)


@breaks("operator_operands_invalid")
def structure_is_absent(file: CordFile) -> None:
    file.drop_tensor(cf.STRUCTURE)


@breaks("operator_operands_invalid")
def cuts_of_another_type(file: CordFile) -> None:
    file.set_tensor(cf.CUTS, [-1.0, 0.5, np.inf, 2.0], cf.FLOAT64)


@breaks("operator_attributes_invalid")
def attributes_past_the_section(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 20, "I", 2**32 - 8)


@breaks("operator_attributes_invalid")
def attributes_elsewhere(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 16, "I", 8)


@breaks("operator_attributes_invalid")
def attributes_too_short(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 20, "I", 56)


@breaks("operator_attributes_invalid")
def attributes_of_nobody(file: CordFile) -> None:
    file[cf.ATTRIBUTES].data += bytes(8)


@breaks("operator_order_invalid")
def value_read_before_it_is_made(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 0, "I", 2)


@breaks("operator_order_invalid")
def value_made_twice(file: CordFile) -> None:
    file.patch(cf.OPERANDS, 4 * (cf.LINK_OPERANDS + 1), "I", 1)


@breaks("operator_order_invalid")
def value_made_by_nobody(file: CordFile) -> None:
    file[cf.VALUES].data += cf.value(cf.FLOAT64, 0, 1)


@breaks("operator_shape_mismatch")
def rows_of_another_type(file: CordFile) -> None:
    file.patch(cf.VALUES, 0, "B", cf.FLOAT64)


@breaks("operator_shape_mismatch")
def margin_of_two_columns(file: CordFile) -> None:
    file.patch(cf.VALUES, 64 + 16 + 8, "Q", 2)


@breaks("operator_shape_mismatch")
def complement_of_three_columns(file: CordFile) -> None:
    file.patch(cf.VALUES, 128 + 16 + 8, "Q", 3)


@breaks("operator_shape_mismatch")
def sigmoid_pair_of_one_column(file: CordFile) -> None:
    cv.link(file, 8, 1)


@breaks("operator_shape_mismatch")
def logit_of_two_columns(file: CordFile) -> None:
    cv.link(file, 12, 2, offset=0.25)


@breaks("operator_shape_mismatch")
def start_of_two_columns(file: CordFile) -> None:
    cv.start(file)
    file.patch(cf.ATTRIBUTES, 4, "I", 2)  # outputs of the first ensemble
    file.patch(cf.VALUES, 4 * cf.VALUE.size + 16 + 8, "Q", 2)


@breaks("operator_operands_invalid")
def three_inputs(file: CordFile) -> None:
    file.patch(cf.PROGRAM, 4, "HHI", 3, 1, 19)


@breaks("operator_order_invalid")
def start_that_comes_later(file: CordFile) -> None:
    cv.start(file)
    file.patch(cf.OPERANDS, 4 * (2 + cf.TREE_TENSORS + 1), "I", 2)


@breaks("operator_operands_invalid")
def groups_without_a_tensor(file: CordFile) -> None:
    cv.groups(file)
    file.patch(cf.OPERANDS, len(file[cf.OPERANDS].data) - 4, "I", cf.NO_TENSOR)


@breaks("operator_operands_invalid")
def argmax_of_no_groups_with_a_tensor(file: CordFile) -> None:
    cv.groups(file)
    file.patch(cf.ATTRIBUTES, cf.DECIDE + 4, "I", 0)
    file[cf.VALUES].data[3 * cf.VALUE.size :] = cf.value(cf.INT64, 5)


@breaks("operator_operands_invalid")
def groups_of_another_type(file: CordFile) -> None:
    cv.groups(file)
    _groups_tensor(file, 0, "B", cf.INT64)
    _groups_tensor(file, 24, "Q", 1)


@breaks("tensor_shape_invalid")
def groups_of_another_number(file: CordFile) -> None:
    cv.groups(file, (3, 1, 0))


def _groups_tensor(file: CordFile, offset: int, layout: str, *values: float) -> None:
    last = len(file[cf.TENSORS].data) - cf.TENSOR.size
    file.patch(cf.TENSORS, last + offset, layout, *values)


@breaks("decide_groups_invalid")
def groups_of_five_columns_in_four(file: CordFile) -> None:
    cv.groups(file, (3, 2))


@breaks("decide_groups_invalid")
def empty_group(file: CordFile) -> None:
    cv.groups(file, (4, 0))


@breaks("operator_shape_mismatch")
def two_groups_in_one_column(file: CordFile) -> None:
    cv.groups(file)
    file.patch(cf.VALUES, 3 * cf.VALUE.size + 16 + 8, "Q", 1)


@breaks("operator_shape_mismatch")
def each_greater_in_one_column(file: CordFile) -> None:
    cv.each_greater(file)
    file.patch(cf.VALUES, 3 * cf.VALUE.size + 16 + 8, "Q", 1)


@breaks("operator_attributes_invalid")
def missing_value_that_the_rows_cannot_hold(file: CordFile) -> None:
    cv.missing_value(file)
    file.patch(cf.ATTRIBUTES, cv.MISSING_VALUE, "d", 0.1)


@breaks("operator_attributes_invalid")
def median_of_two_outputs(file: CordFile) -> None:
    cv.weighted_median(file)
    file.patch(cf.ATTRIBUTES, 4, "I", 2)


@breaks("operator_attributes_invalid")
def median_with_a_divisor(file: CordFile) -> None:
    cv.weighted_median(file)
    file.patch(cf.ATTRIBUTES, cv.DIVISOR, "d", 2.0)


@breaks("operator_shape_mismatch")
def label_of_a_float(file: CordFile) -> None:
    file.patch(cf.VALUES, 192, "B", cf.FLOAT64)


def _attribute(name: str, offset: int, layout: str, *values: float) -> None:
    def change(file: CordFile) -> None:
        file.patch(cf.ATTRIBUTES, offset, layout, *values)

    change.__name__ = name
    breaks("operator_attributes_invalid")(change)


_attribute("no_features", 0, "I", 0)
_attribute("inner_nodes_past_the_limit", 16, "Q", 2**49)
_attribute("leaf_rows_past_the_limit", 24, "Q", 2**49)
_attribute("leaves_of_two_numbers_for_one_output", 32, "I", 2)
_attribute("input_of_integers", 36, "B", cf.INT64)
_attribute("sum_of_integers", 37, "B", cf.INT64)
_attribute("integer_cast_two", 38, "B", 2)
_attribute("category_rule_four", 39, "B", 4)
_attribute("aggregate_two", 40, "B", 2)
_attribute("aggregate_four", 40, "B", 4)
_attribute("leaf_numbering_three", 41, "B", 3)
_attribute("walkable_trees", 42, "B", 1)
_attribute("tree_flag_sixteen", 43, "B", 16)
_attribute("reserved_attribute_byte", 44, "B", 1)
_attribute("sum_with_a_divisor", 48, "d", 2.0)
_attribute("divisor_nan", 48, "d", math.nan)
_attribute("zero_band_below_zero", 56, "d", -1e-35)
_attribute("zero_band_infinite", 56, "d", math.inf)
_attribute("missing_value_without_its_flag", 64, "d", 1.0)
_attribute("missing_value_minus_zero_without_its_flag", 64, "d", -0.0)
_attribute("link_kind_six", cf.LINK, "I", 6)
_attribute("link_kind_seven", cf.LINK, "I", 7)
_attribute("link_kind_thirteen", cf.LINK, "I", 13)
_attribute("complement_two", cf.LINK + 4, "I", 2)
_attribute("link_scale_zero", cf.LINK + 8, "d", 0.0)
_attribute("link_scale_infinite", cf.LINK + 8, "d", math.inf)
_attribute("link_scale_of_an_identity", cf.LINK, "IId", 0, 1, 2.0)
_attribute("link_scale_of_a_softplus", cf.LINK, "IId", 4, 0, 2.0)
_attribute("complement_of_a_softmax", cf.LINK, "II", 3, 1)
_attribute("complement_of_a_sigmoid_pair", cf.LINK, "II", 8, 1)
_attribute("link_offset_of_a_sigmoid", cf.LINK + 16, "d", 0.5)
_attribute("link_offset_of_minus_zero", cf.LINK + 16, "d", -0.0)
_attribute("shift_by_nan", cf.LINK, "IIdd", 10, 0, 1.0, math.nan)
_attribute("logit_clips_at_nothing", cf.LINK, "IIdd", 12, 0, 1.0, 0.0)
_attribute("logit_clips_at_a_half", cf.LINK, "IIdd", 12, 0, 1.0, 0.5)
_attribute("decide_rule_four", cf.DECIDE, "I", 4)
_attribute("groups_of_each_greater", cf.DECIDE, "II", 3, 1)
_attribute("argmax_with_a_cut", cf.DECIDE + 8, "d", 0.5)
_attribute("cut_nan", cf.DECIDE, "IId", 1, 0, math.nan)
_attribute("no_leaf_rows", 24, "Q", 0)
_attribute("more_leaf_rows_than_leaves", 24, "Q", 7)


# ---- trees


def _tree_tensor(status: str, name: str, which: int, values: object) -> None:
    def change(file: CordFile) -> None:
        file.set_tensor(which, values)

    change.__name__ = name
    breaks(status)(change)


def _structure(name: str, values: list[int]) -> None:
    _tree_tensor("tree_structure_invalid", name, cf.STRUCTURE, values)


_structure("depth_goes_on_past_the_nodes", [1, 1, 1, 0, 0, 1, 1, 0, 0, 0])
_structure("trees_end_before_the_nodes", [1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
_structure("roots_are_leaves", [0, 0, 1, 1, 1, 1, 0, 0, 0, 0])


@breaks("tree_too_deep")
def tree_of_five_thousand_levels(file: CordFile) -> None:
    depth = 5000
    file.patch(cf.ATTRIBUTES, 8, "IIQ", 1, 3, depth)
    file.set_tensor(cf.STRUCTURE, [1] + [1, 0] * (depth - 1) + [0, 0])
    file.set_tensor(cf.NODE_COLUMN, [1] * depth)
    file.set_tensor(cf.NODE_RANK, [])
    file.set_tensor(cf.MISSING_LEFT, [0] * depth)
    file.set_tensor(cf.OUTPUT, [0])
    file.set_tensor(cf.LEAF_ROW, [0] * 3 * (depth + 1))
    file.set_tensor(cf.LEAF_NUMBER, [0] * (depth + 1))


_COLUMN, _CUTS, _SET = "tree_column_invalid", "tree_cuts_not_ascending", "tree_set_invalid"
_tree_tensor(_COLUMN, "feature_three_of_three", cf.COLUMN_FEATURE, [0, 1, 3])
_tree_tensor(_COLUMN, "columns_not_in_order", cf.COLUMN_FEATURE, [1, 0, 2])
_tree_tensor(_COLUMN, "columns_repeat", cf.COLUMN_KIND, [0, 3, 2])
_tree_tensor(_COLUMN, "column_without_cuts", cf.COLUMN_SIZE, [0, 4, 2])
_tree_tensor(_COLUMN, "numeric_column_with_categories", cf.CATEGORY_COUNT, [3, 0, 0])
_tree_tensor(_COLUMN, "node_of_no_column", cf.NODE_COLUMN, [0, 3, 1, 0])


@breaks(_COLUMN)
def same_feature_and_kind_twice(file: CordFile) -> None:
    file.set_tensor(cf.COLUMN_FEATURE, [0, 0, 2])
    file.set_tensor(cf.COLUMN_KIND, [0, 0, 2])


@breaks(_COLUMN)
def categories_without_a_rule(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, 39, "B", 0)


_tree_tensor(_CUTS, "cuts_descend", cf.CUTS, [0.5, -1.0, np.inf, 2.0])
_tree_tensor(_CUTS, "cuts_repeat", cf.CUTS, [-1.0, -1.0, np.inf, 2.0])
_tree_tensor(_CUTS, "cut_nan", cf.CUTS, [-1.0, 0.5, np.nan, 2.0])
_tree_tensor(_CUTS, "cut_of_minus_zero", cf.CUTS, [-1.0, -0.0, np.inf, 2.0])
_tree_tensor("tensor_shape_invalid", "one_rank_bit_too_many", cf.NODE_RANK, [1, 1, 1, 0, 0])
_tree_tensor("tensor_shape_invalid", "ranks_end_too_soon", cf.NODE_RANK, [1, 1])
_tree_tensor(_COLUMN, "column_of_categories_nests", cf.COLUMN_KIND, [0, 1, 6])


@breaks("tree_rank_out_of_range")
def ancestors_leave_no_rank(file: CordFile) -> None:
    file.set_tensor(cf.COLUMN_KIND, [0, 5, 2])
    file.set_tensor(cf.NODE_COLUMN, [0, 2, 1, 1])


_tree_tensor(_SET, "categories_descend", cf.CATEGORY_VALUES, [0.0, 7.0, 3.0])
_tree_tensor(_SET, "category_nan", cf.CATEGORY_VALUES, [0.0, 3.0, np.nan])
_tree_tensor(_SET, "category_code_not_whole", cf.CATEGORY_VALUES, [0.0, 3.5, 7.0])
_tree_tensor(_SET, "category_code_too_high", cf.CATEGORY_VALUES, [0.0, 3.0, 2.0**31])
_tree_tensor(_SET, "category_code_below_zero", cf.CATEGORY_VALUES, [-1.0, 3.0, 7.0])


@breaks(_SET)
def unlisted_values_go_right_under_the_exact_rule(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, 39, "B", 3)
    file.set_tensor(cf.SET_BITS, [1, 0, 1, 0, 0, 1, 1, 1])


@breaks(_SET)
def exact_category_that_the_rows_cannot_hold(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, 39, "B", 3)
    file.set_tensor(cf.CATEGORY_VALUES, [0.1, 3.0, 7.0])
    file.set_tensor(cf.SET_BITS, [1, 0, 1, 0, 0, 1, 1, 0])


_tree_tensor("tree_output_out_of_range", "output_one_of_one", cf.OUTPUT, [0, 1])
_tree_tensor("tree_value_not_finite", "leaf_nan", cf.LEAF_VALUES, [[1], [2], [np.nan], [4], [5]])
_tree_tensor(
    "tree_value_not_finite", "leaf_infinite", cf.LEAF_VALUES, [[1], [2], [3], [4], [np.inf]]
)
_tree_tensor("tree_value_not_finite", "base_value_nan", cf.BASE_VALUE, [np.nan])
_tree_tensor(
    "tree_leaf_row_out_of_range", "leaf_row_five_of_five", cf.LEAF_ROW, [1, 0, 1] + [0] * 15
)


@breaks("tree_leaf_row_out_of_range")
def leaves_without_rows_of_their_own(file: CordFile) -> None:
    file.drop_tensor(cf.LEAF_ROW)


@breaks("tree_leaf_number_invalid")
def leaf_numbers_in_preorder(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, 41, "B", 0)


@breaks("tree_leaf_number_invalid")
def leaf_number_past_int32(file: CordFile) -> None:
    file.set_tensor(cf.LEAF_NUMBER, [9, 7, 5, 3, 1, 2**31], cf.UINT32)
