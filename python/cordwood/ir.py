"""The Graph: one meaning for every source, as a closed list of operators over flat arrays.

``docs/graph.md`` is the table of all operators with their numeric contracts. This module numbers
them all and holds the ones that front ends produce today; an operator outside the list has no
opcode and cannot be packed. A Graph is immutable: its arrays are kept as read-only views, and its
rules are checked once, on construction, by ``cordwood.ir_checks``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cordwood.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood._typing import (
        AnyArray,
        BoolArray,
        Float64Array,
        FloatArray,
        Int32Array,
        Int64Array,
    )

__all__ = [
    "MAX_DEPTH",
    "Decide",
    "Graph",
    "Link",
    "Opcode",
    "Operator",
    "Role",
    "TreeEnsemble",
    "Value",
]

FloatName = Literal["float32", "float64"]
Comparison = Literal["le", "lt"]
IntegerCast = Literal["direct", "float32"]
CategoryRule = Literal["none", "floor", "truncate", "exact"]
Side = Literal["left", "right"]
Aggregate = Literal["sum", "average"]
LinkKind = Literal["identity", "sigmoid", "exp", "softmax"]
DecideRule = Literal["argmax", "greater", "greater_equal"]

MAX_DEPTH = 4096
"""Most edges between a root and a leaf: bounds every stack below the border."""


class Opcode(enum.IntEnum):
    """Numbers of the operators, fixed for ever (``docs/graph.md``)."""

    TREE_ENSEMBLE = 1
    LINK = 2
    DECIDE = 3
    # Preprocessing
    CAST = 16
    SCALE = 17
    IMPUTE = 18
    ONE_HOT = 19
    ORDINAL = 20
    SELECT = 21
    CONCAT = 22
    BIN = 23
    POLYNOMIAL = 24
    NORMALIZE = 25
    PROJECT = 26
    # Nets: layers
    LINEAR = 32
    MATMUL = 33
    CONV = 34
    POOL = 35
    BATCH_NORM = 36
    LAYER_NORM = 37
    RMS_NORM = 38
    GROUP_NORM = 39
    ACTIVATION = 40
    SOFTMAX = 41
    ATTENTION = 42
    EMBEDDING = 43
    LSTM = 44
    GRU = 45
    # Nets: elementwise and reductions
    UNARY = 48
    BINARY = 49
    COMPARE = 50
    WHERE = 51
    QUANTIZE = 52
    DEQUANTIZE = 53
    REDUCE = 56
    ARG_REDUCE = 57
    # Nets: shape and gather
    CONSTANT = 64
    RESHAPE = 65
    TRANSPOSE = 66
    SLICE = 67
    PAD = 68
    EXPAND = 69
    RESIZE = 70
    GATHER = 71


class Role(enum.IntEnum):
    """What a Value is to the caller; each role stands at most once in a Graph."""

    NONE = 0
    ROWS = 1
    MARGIN = 2
    RESPONSE = 3
    PROBABILITY = 4
    LABEL = 5


@dataclass(frozen=True)
class Value:
    """A named array that flows between operators.

    Parameters
    ----------
    name : str
        Unique in its Graph.
    dtype : str
        NumPy name of the element type; for ``Role.ROWS`` the type that the rows are cast to.
    shape : tuple of int or str
        Dimensions; a string is a symbol such as ``"batch"``.
    role : Role
        What the value means to the caller.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    role: Role = Role.NONE


@dataclass(frozen=True, eq=False, kw_only=True)
class Operator:
    """One step of a Graph: reads named values, writes one."""

    opcode: ClassVar[Opcode]
    source: str
    """Name of the input value."""
    target: str
    """Name of the output value."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TreeEnsemble(Operator):
    """Decision trees whose leaves add up, in tree order, onto a base value.

    The split rule is the source's own. A value is cast to `input_type`. At a numeric node, values
    within `zero_band` of zero then become zero, and ``x <= threshold`` (``"le"``) or
    ``x < threshold`` (``"lt"``) goes to the left, compared in float64. NaN goes where
    `missing_left` says; where `zero_missing` is set, so does zero.

    A category node first turns the value into a code by `category_rule`: ``"floor"`` takes
    ``floor(x)`` and ``"truncate"`` drops the fraction towards zero, both for results in
    ``[0, 2**31)``; ``"exact"`` takes the position of `x` among the feature's `category_values`
    and treats an unlisted value as missing. A code in the node's set goes to the side
    `category_members`; any other value goes to the opposite side, NaN where `missing_left` says.

    Nodes are flat arrays over all trees, root first within each tree; ``left`` and ``right`` count
    from the tree's first node. A leaf has ``left == right == -1``. Arrays are C-contiguous and are
    kept as read-only views of what was given (no copy).

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
    aggregate : {"sum", "average"}
        ``"average"`` divides the finished sum by `divisor`.
    divisor : float
        Number that an average divides by; 1.0 for a sum.
    accepts_nan, accepts_infinity : bool
        Whether the source takes such rows; where not, they are refused by name. Infinity is judged
        after the cast to `input_type`.
    base_value : ndarray of accumulate_type, shape (n_outputs,)
        What the sum starts from.
    tree_start : ndarray of int64, shape (n_trees + 1,)
        First node of each tree; the last entry is the number of nodes.
    tree_output : ndarray of int32, shape (n_trees,)
        Output that the tree adds to; 0 where leaves are vectors of all outputs.
    tree_weight : ndarray of float64, shape (n_trees,)
        Factor on the tree's leaves; the product is taken in float64.
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

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.tree_output)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, leaves included."""
        return len(self.left)

    @property
    def leaf_width(self) -> int:
        """Values that a leaf holds."""
        return int(self.leaf_values.shape[1])

    def __post_init__(self) -> None:
        """Check the rules."""
        from cordwood import ir_checks

        ir_checks.check_tree_ensemble(self)
        ir_checks.freeze_arrays(self)


@dataclass(frozen=True, eq=False, kw_only=True)
class Link(Operator):
    """Turns a margin into the response: the inverse link of the source's objective.

    Parameters
    ----------
    kind : {"identity", "sigmoid", "exp", "softmax"}
        ``sigmoid`` is ``1 / (1 + exp(-scale * x))``, ``exp`` is ``exp(x)``, ``softmax`` works along
        the last axis after subtracting its maximum. All are computed in float64 and rounded once
        to the output's type (``docs/exactness.md`` states the bound).
    scale : float
        Factor on the margin, for ``sigmoid`` only; 1.0 elsewhere.
    complement : bool
        For one-column margins: the output has two columns, ``1 - p`` (rounded in the output's type)
        and ``p``.
    """

    opcode: ClassVar[Opcode] = Opcode.LINK

    kind: LinkKind
    scale: float = 1.0
    complement: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Decide(Operator):
    """Picks a class index for each row, as the source's ``predict`` does.

    Parameters
    ----------
    rule : {"argmax", "greater", "greater_equal"}
        ``argmax`` takes the first of the largest columns; the others give class 1 where the last
        column is greater than (or equal to) `cut`, and class 0 elsewhere.
    cut : float
        Compared with the value in the value's own type; 0.0 for ``argmax``.
    """

    opcode: ClassVar[Opcode] = Opcode.DECIDE

    rule: DecideRule
    cut: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph:
    """A whole model: values, the operators that make them, and what a caller knows it by.

    Parameters
    ----------
    values : tuple of Value
        Exactly one has ``Role.ROWS``; every other is the target of exactly one operator.
    operators : tuple of Operator
        In execution order: an operator's source is the rows or an earlier target.
    feature_names : tuple of str, optional
        Names of the columns, where the source knows them.
    classes : ndarray, optional
        Labels by class index: int64, float64, bool or str; other integers and floats widen to
        these, and object arrays of str are converted.
    methods : tuple of str
        Methods that the source offers, among ``predict``, ``predict_proba``, ``decision_function``
        and ``apply``, in that order.
    provenance : mapping
        JSON-ready facts: ``library``, ``version``, ``kind`` and whatever else names the source;
        no clock, no host name.

    Raises
    ------
    GraphError
        One of these rules is broken.
    """

    values: tuple[Value, ...]
    operators: tuple[Operator, ...]
    feature_names: tuple[str, ...] | None = None
    classes: AnyArray | None = None
    methods: tuple[str, ...] = ("predict",)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the rules."""
        from cordwood import ir_checks

        ir_checks.normalize_classes(self)
        ir_checks.check_graph(self)

    def value(self, name: str) -> Value:
        """Return the value of this name."""
        return next(value for value in self.values if value.name == name)

    def by_role(self, role: Role) -> Value | None:
        """Return the value that plays `role`, or None."""
        return next((value for value in self.values if value.role is role), None)

    @property
    def trees(self) -> TreeEnsemble:
        """The tree ensemble of a tree model.

        Raises
        ------
        GraphError
            The Graph holds none.
        """
        for operator in self.operators:
            if isinstance(operator, TreeEnsemble):
                return operator
        message = "this Graph holds no tree_ensemble operator"
        raise GraphError(message)
