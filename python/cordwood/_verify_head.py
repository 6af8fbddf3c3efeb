"""Everything around the trees: operators, values, attributes, labels and names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._verify_report import Difference
from cordwood.ir import Decide, Link, TreeEnsemble

if TYPE_CHECKING:
    from cordwood._typing import AnyArray
    from cordwood._verify_packed import PackedTrees
    from cordwood.ir import Graph, Operator

__all__ = ["compare_head"]

INTEGER_CASTS = ("direct", "float32")
CATEGORY_RULES = ("none", "floor", "truncate", "exact")
AGGREGATES = {0: "sum", 1: "average", 3: "weighted_median"}

SHOWN = 6
"""Numbers of a long list that a message shows."""


class _Numbers:
    """Many integers that compare as a whole and print as the first few."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = np.asarray(numbers, np.int64)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Numbers) and np.array_equal(self.numbers, other.numbers)

    def __hash__(self) -> int:
        return hash(self.numbers.tobytes())

    def __repr__(self) -> str:
        shown = ", ".join(map(str, self.numbers[:SHOWN].tolist()))
        more = f", ... {len(self.numbers):,} in all" if len(self.numbers) > SHOWN else ""
        return f"[{shown}{more}]"


def compare_head(
    graph: Graph, trees: TreeEnsemble, packed: PackedTrees, file: dict[str, Any]
) -> list[Difference]:
    """Compare a file with a Graph, trees apart.

    Parameters
    ----------
    graph : Graph
        The source.
    trees : TreeEnsemble
        One of its ensembles. What concerns no ensemble is compared with the last one.
    packed : PackedTrees
        The file's trees of that ensemble.
    file : dict
        The file as the extension's ``inspect`` describes it.
    """
    given, expected = _ensemble_given(packed), _ensemble_expected(trees)
    if trees is graph.trees:
        given |= _file_given(file)
        expected |= _graph_expected(graph)
    if not (trees.zero_missing.any() or trees.is_linear):
        # Thresholds have the band folded in; zeros that are missing and linear terms still need it.
        del given["zero_band"], expected["zero_band"]
    return [
        Difference(kind=name, given=repr(given[name]), expected=repr(value))
        for name, value in expected.items()
        if given[name] != value
    ]


def _ensemble_given(packed: PackedTrees) -> dict[str, Any]:
    stated = packed.attributes
    same = ("n_features", "n_outputs", "n_trees", "leaf_width", "input_type", "accumulate_type",
            "accepts_nan", "accepts_infinity", "divisor", "zero_band", "missing_value")  # fmt: skip
    return {
        **{name: stated[name] for name in same},
        "integer_cast": INTEGER_CASTS[stated["integer_cast"]],
        "category_rule": CATEGORY_RULES[stated["category_rule"]],
        "aggregate": AGGREGATES[stated["aggregate"]],
        "base value": [float(value).hex() for value in packed.base_value],
        "nodes of each tree": _Numbers(np.diff(packed.tree_start)),
        "output of each tree": _Numbers(packed.tree_output),
    }


def _ensemble_expected(trees: TreeEnsemble) -> dict[str, Any]:
    same = ("n_features", "n_outputs", "n_trees", "leaf_width", "input_type", "accumulate_type",
            "accepts_nan", "accepts_infinity", "divisor", "zero_band", "missing_value",
            "integer_cast", "category_rule", "aggregate")  # fmt: skip
    return {
        **{name: getattr(trees, name) for name in same},
        "base value": [float(value).hex() for value in trees.base_value],
        "nodes of each tree": _Numbers(np.diff(trees.tree_start)),
        "output of each tree": _Numbers(trees.tree_output),
    }


def _file_given(file: dict[str, Any]) -> dict[str, Any]:
    return {
        "operators": [
            (record["name"], *record["inputs"], *record["outputs"]) for record in file["operators"]
        ],
        "links and decisions": [
            record["attributes"]
            for record in file["operators"]
            if record["name"] != "tree_ensemble"
        ],
        "values": [(value["dtype"], value["role"], value["shape"]) for value in file["values"]],
        "classes": _typed_classes(file["classes"]),
        "feature names": file["feature_names"],
        "methods": json.loads(file["provenance"])["methods"],
    }


def _graph_expected(graph: Graph) -> dict[str, Any]:
    number = {value.name: index for index, value in enumerate(graph.values)}
    return {
        "operators": [
            (operator.opcode.name.lower(), *(number[name] for name in _operands(operator)))
            for operator in graph.operators
        ],
        "links and decisions": [
            _attributes(operator)
            for operator in graph.operators
            if not isinstance(operator, TreeEnsemble)
        ],
        "values": [(value.dtype, value.role.name.lower(), value.shape) for value in graph.values],
        "classes": _typed_classes(_listed(graph.classes)),
        "feature names": None if graph.feature_names is None else list(graph.feature_names),
        "methods": list(graph.methods),
    }


def _attributes(operator: Operator) -> dict[str, Any]:
    if isinstance(operator, Link):
        return {
            "kind": operator.kind, "complement": operator.complement, "scale": operator.scale,
            "offset": operator.offset,
        }  # fmt: skip
    if isinstance(operator, Decide):
        return {"rule": operator.rule, "cut": operator.cut, "groups": operator.groups}
    return {"name": type(operator).__name__}


def _operands(operator: Operator) -> list[str]:
    return [*operator.reads(), *operator.writes()]


def _listed(classes: AnyArray | tuple[AnyArray, ...] | None) -> object:
    if isinstance(classes, tuple):
        return tuple(labels.tolist() for labels in classes)
    return None if classes is None else classes.tolist()


def _typed_classes(classes: object) -> object:
    """Give each label its type; several tables stay a tuple."""
    if isinstance(classes, tuple):
        return tuple(_typed_classes(labels) for labels in classes)
    return [_typed(label) for label in classes] if isinstance(classes, list) else None


def _typed(label: object) -> tuple[str, object]:
    """Keep True and 1 apart."""
    return type(label).__name__, label
