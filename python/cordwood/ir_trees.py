"""The tree_ensemble operator: decision trees over flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from cordwood.ir_base import Opcode, RowOperator

if TYPE_CHECKING:
    from cordwood._typing import (
        BoolArray,
        Float64Array,
        FloatArray,
        Int32Array,
        Int64Array,
    )

__all__ = ["MAX_DEPTH", "TreeEnsemble"]

FloatName = Literal["float32", "float64"]
Comparison = Literal["le", "lt"]
IntegerCast = Literal["direct", "float32"]
CategoryRule = Literal["none", "floor", "truncate", "exact"]
Side = Literal["left", "right"]
Aggregate = Literal["sum", "average", "weighted_median"]

MAX_DEPTH = 4096
"""Most edges between a root and a leaf: bounds every stack below the border."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeEnsemble(RowOperator):
    """Decision trees whose leaves add up, in tree order, onto a base value.

    The split rule is the source's own. A value is cast to `input_type`; where it then equals
    `missing_value` it becomes NaN. At a numeric node, values within `zero_band` of zero become
    zero, and ``x <= threshold`` (``"le"``) or ``x < threshold`` (``"lt"``) goes to the left,
    compared in float64. NaN goes where `missing_left` says; where `zero_missing` is set, so does
    zero.

    A category node first turns the value into a code by `category_rule`: ``"floor"`` takes
    ``floor(x)`` and ``"truncate"`` drops the fraction towards zero, both for results in
    ``[0, 2**31)``; ``"exact"`` takes the position of `x` among the feature's `category_values`
    and treats an unlisted value as missing. A code in the node's set goes to the side
    `category_members`; any other value goes to the opposite side, NaN where `missing_left` says.

    Nodes are flat arrays over all trees, root first within each tree; ``left`` and ``right`` count
    from the tree's first node. A leaf has ``left == right == -1``. Arrays are C-contiguous and are
    kept as read-only views of what was given (no copy).

    With linear leaves (`linear_start` is given), a leaf answers with its `linear_constant` plus,
    in the order listed, each coefficient times the value of its feature, every product and sum
    rounded in float64; where one of these values is NaN, its plain leaf value stands. The values
    are as cast, and within the zero band they are zero.

    Parameters
    ----------
    n_features, n_outputs : int
        Columns of the rows; columns of the margin.
    input_type : {"float32", "float64"}
        Type that rows are cast to before any comparison.
    integer_cast : {"direct", "float32"}
        How integer rows reach `input_type`: at once, or through float32 first.
    comparison : {"le", "lt"}
        Which comparison sends a numeric value to the left.
    zero_band : float
        Values with ``abs(x) <= zero_band`` are zero before a numeric node compares; 0.0 for none.
    category_rule : {"none", "floor", "truncate", "exact"}
        How a value becomes a category code.
    category_members : {"left", "right"}
        Where the members of a node's set go.
    accumulate_type : {"float32", "float64"}
        Type of the running sum; the leaf times its tree's weight is rounded to it before adding.
    aggregate : {"sum", "average", "weighted_median"}
        ``"average"`` divides the finished sum by `divisor`. ``"weighted_median"`` sorts the plain
        leaf values of a row ascending, adds up their trees' weights in that order in float64, and
        answers with the first value whose running sum is at least half the last; equal values
        stand in tree order. It needs one output, scalar leaves and a base value of 0.
    divisor : float
        Number that an average divides by; 1.0 elsewhere.
    missing_value : float or None
        Value that counts as NaN besides NaN itself; compared after the cast.
    accepts_nan, accepts_infinity : bool
        Whether the source takes such rows; where not, they are refused by name. Infinity is judged
        after the cast to `input_type`.
    base_value : ndarray of accumulate_type, shape (n_outputs,)
        What the sum starts from; all 0 where `start` is given.
    tree_start : ndarray of int64, shape (n_trees + 1,)
        First node of each tree; the last entry is the number of nodes.
    tree_output : ndarray of int32, shape (n_trees,)
        Output that the tree adds to; 0 where leaves are vectors of all outputs.
    tree_weight : ndarray of float64, shape (n_trees,)
        Factor on the tree's leaves; the product is taken in float64. Positive for a weighted
        median, where it is no factor; 1.0 with linear leaves.
    left, right : ndarray of int32, shape (n_nodes,)
        Children, counted from the tree's first node; -1 at a leaf.
    feature : ndarray of int32, shape (n_nodes,)
        Feature tested; -1 at a leaf.
    threshold : ndarray of float64, shape (n_nodes,)
        Threshold of a numeric node, never NaN; 0.0 elsewhere.
    category_set : ndarray of int32, shape (n_nodes,)
        Set of a category node; -1 elsewhere.
    missing_left, zero_missing : ndarray of bool, shape (n_nodes,)
        Whether NaN goes left; whether zero counts as NaN (numeric nodes only). False at leaves.
    leaf_row : ndarray of int32, shape (n_nodes,)
        Row of `leaf_values` at a leaf; -1 at an inner node.
    leaf_id : ndarray of int32, shape (n_nodes,)
        What the source's ``apply`` returns for this leaf, distinct within a tree; -1 at an inner
        node.
    leaf_values : ndarray of float32 or float64, shape (n_leaf_rows, leaf_width)
        Finite. ``leaf_width`` is 1, or `n_outputs` where leaves are vectors.
    set_start : ndarray of int64, shape (n_sets + 1,)
        First member of each category set.
    set_members : ndarray of int32, shape (n_members,)
        Category codes, strictly ascending within a set.
    category_start : ndarray of int64, shape (n_features + 1,)
        First category value of each feature; all equal unless `category_rule` is ``"exact"``.
    category_values : ndarray of float64, shape (n_category_values,)
        Values of each feature's categories in code order, distinct and not NaN; the code is the
        position.
    start : str or None
        Name of an earlier value of the output's type and shape that each row's sum starts from.
    linear_start : ndarray of int64, shape (n_leaf_rows + 1,), or None
        First linear term of each leaf row. With linear leaves `leaf_width` is 1.
    linear_feature : ndarray of int32, shape (n_terms,), or None
        Feature of each term.
    linear_coefficient : ndarray of float64, shape (n_terms,), or None
        Coefficient of each term; finite.
    linear_constant : ndarray of float64, shape (n_leaf_rows,), or None
        What a linear leaf starts from; finite.

    Raises
    ------
    GraphError
        An array has the wrong type or length, or an invariant above does not hold.
    """

    opcode: ClassVar[Opcode] = Opcode.TREE_ENSEMBLE

    n_features: int
    n_outputs: int
    input_type: FloatName
    integer_cast: IntegerCast = "direct"
    comparison: Comparison
    zero_band: float = 0.0
    category_rule: CategoryRule = "none"
    category_members: Side = "left"
    accumulate_type: FloatName
    aggregate: Aggregate = "sum"
    divisor: float = 1.0
    missing_value: float | None = None
    accepts_nan: bool
    accepts_infinity: bool
    base_value: FloatArray
    tree_start: Int64Array
    tree_output: Int32Array
    tree_weight: Float64Array
    left: Int32Array
    right: Int32Array
    feature: Int32Array
    threshold: Float64Array
    category_set: Int32Array
    missing_left: BoolArray
    zero_missing: BoolArray
    leaf_row: Int32Array
    leaf_id: Int32Array
    leaf_values: FloatArray
    set_start: Int64Array
    set_members: Int32Array
    category_start: Int64Array
    category_values: Float64Array
    start: str | None = None
    linear_start: Int64Array | None = None
    linear_feature: Int32Array | None = None
    linear_coefficient: Float64Array | None = None
    linear_constant: Float64Array | None = None

    def reads(self) -> tuple[str, ...]:
        """Names of the values that it reads."""
        return (self.source,) if self.start is None else (self.source, self.start)

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.tree_output)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.left)

    @property
    def is_linear(self) -> bool:
        """Whether leaves are linear in features."""
        return self.linear_start is not None

    @property
    def leaf_width(self) -> int:
        """Values that a leaf holds."""
        return int(self.leaf_values.shape[1])

    def __post_init__(self) -> None:
        """Check the rules."""
        from cordwood import ir_checks_trees

        ir_checks_trees.check_tree_ensemble(self)
        ir_checks_trees.freeze_arrays(self)
