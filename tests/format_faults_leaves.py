"""Faults of leaves, their terms and their trees' weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import cord_file as cf
import cord_variants as cv
from format_faults import breaks

if TYPE_CHECKING:
    from collections.abc import Callable

    from cord_file import CordFile


def _tensor(
    status: str,
    name: str,
    form: Callable[[CordFile], None],
    which: int,
    dtype: int,
    values: object,
) -> None:
    """Register a form of the file in which one tensor is another."""

    def change(file: CordFile) -> None:
        form(file)
        file.add_tensor(which, dtype, values)

    change.__name__ = name
    breaks(status)(change)


def _absent(status: str, name: str, form: Callable[[CordFile], None], which: int) -> None:
    """Register a form of the file that lacks one tensor."""

    def change(file: CordFile) -> None:
        form(file)
        file.drop_tensor(which)

    change.__name__ = name
    breaks(status)(change)


# ---- start and base value


@breaks("operator_order_invalid")
def start_from_the_rows(file: CordFile) -> None:
    file.patch(cf.ATTRIBUTES, 4, "I", 3)  # as many outputs as features, of the same type
    file.patch(cf.ATTRIBUTES, 37, "B", cf.FLOAT32)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT32, [0.0] * 3)
    file.add_tensor(cf.LEAF_VALUES, cf.FLOAT32, [[1.0], [2.0], [3.0], [-4.0], [0.5]])
    file.patch(cf.ATTRIBUTES, cf.LINK, "II", 0, 0)
    made = cf.value(cf.FLOAT32, 2, 3) + cf.value(cf.FLOAT32, 4, 3)
    file[cf.VALUES].data[cf.VALUE.size : 3 * cf.VALUE.size] = made
    file.drop(cf.CLASSES)
    file[cf.OPERANDS].data[4:4] = bytes(4)
    file.patch(cf.PROGRAM, 4, "H", 2)
    for number in (1, 2):
        first = cf.LINK_OPERANDS + 2 * number - 1
        file.patch(cf.PROGRAM, number * cf.OPERATOR.size + 12, "I", first)


_BASE = "tree_base_value_not_zero"
_tensor(_BASE, "median_with_a_base", cv.weighted_median, cf.BASE_VALUE, cf.FLOAT64, [0.5])


@breaks(_BASE)
def start_with_a_base(file: CordFile) -> None:
    cv.start(file)
    file.set_tensor(cf.BASE_VALUE, [0.5])  # of the ensemble that starts elsewhere


# ---- weights

_WEIGHT = "tree_weight_invalid"
for form in (cv.weighted_median, cv.integer_leaves):
    name = form.__name__
    _absent(_WEIGHT, f"{name}_without_weights", form, cf.TREE_WEIGHT)
    for wrong in (0.0, -1.0, np.nan, np.inf):
        weights = [1.0, wrong]
        _tensor(_WEIGHT, f"{name}_weight_{wrong}", form, cf.TREE_WEIGHT, cf.FLOAT64, weights)
    number = "tensor_shape_invalid"
    _tensor(number, f"{name}_of_one_weight", form, cf.TREE_WEIGHT, cf.FLOAT64, [1.0])
    type_ = "operator_operands_invalid"
    _tensor(type_, f"{name}_narrow_weights", form, cf.TREE_WEIGHT, cf.FLOAT32, [1.0, 1.0])
_tensor(_WEIGHT, "weights_of_a_sum", cv.own_rows, cf.TREE_WEIGHT, cf.FLOAT64, [1.0, 1.0])


@breaks(_WEIGHT)
def integer_leaves_that_share_rows(file: CordFile) -> None:
    file.add_tensor(cf.LEAF_VALUES, cf.INT16, [[1], [2], [3], [-4], [300]])
    file.add_tensor(cf.TREE_WEIGHT, cf.FLOAT64, [0.1, 3.0])


_tensor(
    "tree_value_not_finite",
    "weight_that_makes_a_leaf_infinite",
    cv.integer_leaves,
    cf.TREE_WEIGHT,
    cf.FLOAT64,
    [1e308, 1.0],
)
_tensor(
    "operator_operands_invalid",
    "leaves_of_int64",
    cv.integer_leaves,
    cf.LEAF_VALUES,
    cf.INT64,
    [[1], [2], [3], [4], [5], [6]],
)


@breaks("operator_operands_invalid")
def median_of_integers(file: CordFile) -> None:
    cv.integer_leaves(file)
    file.patch(cf.ATTRIBUTES, cv.AGGREGATE, "B", 3)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT64, [0.0])


# ---- linear leaves

_LINEAR = "tree_linear_invalid"
_COEFFICIENTS = [0.5, -1.0, 2.0, 3.0, 4.0, 5.0]
for which in (cf.LINEAR_COUNT, cf.LINEAR_FEATURE, cf.LINEAR_COEFFICIENT, cf.LINEAR_CONSTANT):
    _absent(_LINEAR, f"linear_leaves_without_tensor_{which}", cv.linear_leaves, which)
for name, which, dtype, values in (
    ("term_of_feature_three_of_three", cf.LINEAR_FEATURE, cf.UINT8, [2, 0, 1, 0, 1, 3]),
    ("a_feature_too_few", cf.LINEAR_FEATURE, cf.UINT8, [2, 0, 1, 0, 1]),
    ("a_coefficient_too_many", cf.LINEAR_COEFFICIENT, cf.FLOAT64, [*_COEFFICIENTS, 1.0]),
    ("a_term_too_many", cf.LINEAR_COUNT, cf.UINT8, [2, 0, 1, 1, 0, 3]),
):
    _tensor(_LINEAR, name, cv.linear_leaves, which, dtype, values)
for name, which, dtype, values in (
    ("counts_of_five_leaves", cf.LINEAR_COUNT, cf.UINT8, [2, 0, 1, 0, 3]),
    ("constants_of_five_leaves", cf.LINEAR_CONSTANT, cf.FLOAT64, [1.0] * 5),
):
    _tensor("tensor_shape_invalid", name, cv.linear_leaves, which, dtype, values)
for name, which in (("coefficient", cf.LINEAR_COEFFICIENT), ("constant", cf.LINEAR_CONSTANT)):
    for wrong in (np.nan, -np.inf):
        values = [*_COEFFICIENTS[:-1], wrong]
        status, what = "tree_value_not_finite", f"{name}_{wrong}"
        _tensor(status, what, cv.linear_leaves, which, cf.FLOAT64, values)


@breaks(_LINEAR)
def linear_leaves_that_share_rows(file: CordFile) -> None:
    file.add_tensor(cf.LINEAR_COUNT, cf.UINT8, [0] * 5)
    file.add_tensor(cf.LINEAR_FEATURE, cf.UINT8, [])
    file.add_tensor(cf.LINEAR_COEFFICIENT, cf.FLOAT64, [])
    file.add_tensor(cf.LINEAR_CONSTANT, cf.FLOAT64, [1.0] * 5)


@breaks(_LINEAR)
def median_of_linear_leaves(file: CordFile) -> None:
    cv.linear_leaves(file)
    cv.weighted_median(file)


@breaks(_LINEAR)
def linear_leaves_of_two_numbers(file: CordFile) -> None:
    cv.linear_leaves(file)
    file.patch(cf.ATTRIBUTES, 4, "I", 2)
    file.patch(cf.ATTRIBUTES, 32, "I", 2)
    file.add_tensor(cf.BASE_VALUE, cf.FLOAT64, [0.0, 0.0])
    file.add_tensor(cf.LEAF_VALUES, cf.FLOAT64, [[1.0, 2.0]] * cv.N_LEAVES)
    values = cf.value(cf.FLOAT32, 1, 3) + cf.value(cf.FLOAT64, 2, 2) + cf.value(cf.FLOAT64, 4, 2)
    file[cf.VALUES].data[: len(values)] = values
    file.patch(cf.ATTRIBUTES, cf.LINK, "II", 0, 0)


@breaks("operator_operands_invalid")
def linear_leaves_of_integers(file: CordFile) -> None:
    cv.linear_leaves(file)
    file.add_tensor(cf.LEAF_VALUES, cf.INT8, [[1], [2], [3], [4], [5], [6]])
