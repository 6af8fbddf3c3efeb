"""The Graph: one meaning for every source, as a closed list of operators over flat arrays.

``docs/graph.md`` is the table of all operators with their numeric contracts. This module holds the
ones that front ends produce today; an operator outside the list has no opcode and cannot be packed.
A Graph is immutable: its arrays are kept as read-only views, and its rules are checked once, on
construction, by ``cordwood.ir_checks``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from cordwood.errors import GraphError
from cordwood.ir_base import Coding, Opcode, Operator, Role, RowOperator, Value
from cordwood.ir_trees import MAX_DEPTH, TreeEnsemble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood._typing import AnyArray

__all__ = [
    "MAX_DEPTH",
    "Coding",
    "Decide",
    "Graph",
    "Link",
    "Opcode",
    "Operator",
    "Role",
    "RowOperator",
    "TreeEnsemble",
    "Value",
]

LinkKind = Literal[
    "identity",
    "sigmoid",
    "exp",
    "softmax",
    "softplus",
    "signed_square",
    "sigmoid_pair",
    "negative_exp2",
    "shift",
    "step",
    "logit",
]
DecideRule = Literal["argmax", "greater", "greater_equal", "each_greater"]
Unseen = Literal["missing", "refused", "other"]
Absent = Literal["zero", "missing", "refused"]
Form = Literal["single", "tuple", "dict"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Link(RowOperator):
    """Turns a margin into the response: the inverse link of the source's objective.

    Parameters
    ----------
    kind : str
        One of the kinds of ``docs/graph.md``, which has their formulas: ``identity``, ``sigmoid``,
        ``exp``, ``softmax``, ``softplus``, ``signed_square``, ``sigmoid_pair``, ``negative_exp2``,
        ``shift``, ``step``, ``logit``. Those that are not exact are computed in float64 and
        rounded once to the output's type (``docs/exactness.md`` states the bound).
    scale : float
        Factor of ``sigmoid``, ``sigmoid_pair``, ``softmax`` and ``logit``; 1.0 elsewhere.
    offset : float
        What ``shift`` subtracts; how far from 0 and 1 ``logit`` keeps its probabilities, above 0
        and below 1/2. A number of the margin's type; 0.0 elsewhere.
    complement : bool
        For one-column margins: the output has two columns, ``1 - p`` (rounded in the output's type)
        and ``p``.
    """

    opcode: ClassVar[Opcode] = Opcode.LINK

    kind: LinkKind
    scale: float = 1.0
    offset: float = 0.0
    complement: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Decide(RowOperator):
    """Picks a class index for each row, as the source's ``predict`` does.

    Parameters
    ----------
    rule : {"argmax", "greater", "greater_equal", "each_greater"}
        ``argmax`` takes the first of the largest columns; ``greater`` and ``greater_equal`` give
        class 1 where the last column is greater than (or equal to) `cut`, and class 0 elsewhere;
        ``each_greater`` does so for every column on its own.
    cut : float
        Compared with the value in the value's own type; 0.0 for ``argmax``.
    groups : tuple of int
        For ``argmax`` over several outputs: the number of columns of each, in order. Empty for one
        output.
    """

    opcode: ClassVar[Opcode] = Opcode.DECIDE

    rule: DecideRule
    cut: float = 0.0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Graph:
    """A whole model: values, the operators that make them, and what a caller knows it by.

    A tree model reads one value, its rows. A net reads values with the role ``INPUT`` and
    answers with those of the role ``OUTPUT``, as they stand; their names are the caller's.

    Parameters
    ----------
    values : tuple of Value
        Exactly one has ``Role.ROWS``, or some have ``Role.INPUT``; each other is the target of
        exactly one operator.
    operators : tuple of Operator
        In execution order: an operator's source is the rows or an earlier target.
    feature_names : tuple of str, optional
        Names of the columns, where the source knows them.
    classes : ndarray or tuple of ndarray, optional
        Labels by class index: int64, float64, bool or str; other integers and floats widen to
        these, and object arrays of str are converted. A tuple has one array for each output of a
        decide that writes several. Of a net: a label for each column of its first output.
    categories : mapping of int to ndarray
        By feature, labels in code order: where a frame's column holds labels instead of numbers,
        the row's value is the label's position. Types as of `classes`.
    unseen : {"missing", "refused", "other"}
        What a label that is not listed means: NaN, an error, or -1, a code in no set.
    sparse : {"zero", "missing", "refused"}
        What an entry that a sparse matrix does not store means.
    trees_per_iteration : int
        Trees that one boosting iteration adds, where a caller may choose iterations; else 0.
    staged : bool
        Whether the source offers staged prediction, one stage an iteration.
    methods : tuple of str
        Methods that the source offers, among ``predict``, ``predict_proba``,
        ``decision_function``, ``score_samples``, ``transform`` and ``apply``, in that order.
    maxima : mapping of str to int
        Of a net: the largest size that a symbol of its inputs may have, where that is bounded.
    form : {"single", "tuple", "dict"}
        Of a net: how its outputs reach the caller.
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
    classes: AnyArray | tuple[AnyArray, ...] | None = None
    categories: Mapping[int, AnyArray] = field(default_factory=dict)
    unseen: Unseen = "missing"
    sparse: Absent = "refused"
    trees_per_iteration: int = 0
    staged: bool = False
    methods: tuple[str, ...] = ("predict",)
    maxima: Mapping[str, int] = field(default_factory=dict)
    form: Form = "single"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the rules."""
        from cordwood import ir_checks

        ir_checks.normalize_labels(self)
        ir_checks.check_graph(self)

    def value(self, name: str) -> Value:
        """Return the value of this name."""
        return next(value for value in self.values if value.name == name)

    def by_role(self, role: Role) -> Value | None:
        """Return the value that plays `role`, or None."""
        return next((value for value in self.values if value.role is role), None)

    def row_operators(self) -> tuple[RowOperator, ...]:
        """Return the operators of a tree model."""
        return tuple(step for step in self.operators if isinstance(step, RowOperator))

    @property
    def is_net(self) -> bool:
        """Whether it reads inputs instead of rows."""
        return any(value.role is Role.INPUT for value in self.values)

    @property
    def trees(self) -> TreeEnsemble:
        """The tree ensemble of a tree model; of several, the one that answers last.

        Raises
        ------
        GraphError
            The Graph holds none.
        """
        for operator in reversed(self.operators):
            if isinstance(operator, TreeEnsemble):
                return operator
        message = "this Graph holds no tree_ensemble operator"
        raise GraphError(message)
