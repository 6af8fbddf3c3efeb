"""HistGradientBoosting of scikit-learn: float64 rows, raw thresholds, an internal category encoder.

Where a model has categorical features, scikit-learn first turns each of their values into its
position among the sorted values seen in training, NaN where there is none, and moves those columns
to the front. The Graph keeps the original columns and lists the values instead; of a column of text
it lists the labels, and the value is a label's position.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError
from cordwood.frontends._sklearn_graph import (
    Outcome,
    Step,
    build_graph,
    class_labels,
    margin_steps,
)
from cordwood.frontends._sklearn_nodes import (
    TREES,
    CategoryTable,
    NodeTable,
    RowRules,
    Sum,
    build_ensemble,
    check_depth,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import AnyArray, Float64Array, Int64Array

__all__ = ["read_hist"]

LARGEST_CODE = 2**53
"""Integer categories stay below: there every int64 and its float64 are one and the same."""


def read_hist(estimator: Any, kind: str) -> ir.Graph:
    """Read a fitted HistGradientBoostingClassifier or HistGradientBoostingRegressor.

    Parameters
    ----------
    estimator : object
        The fitted estimator.
    kind : str
        Name of its scikit-learn class.

    Returns
    -------
    Graph
        The baseline, then each leaf, added iteration by iteration.

    Raises
    ------
    UnsupportedModelError
        Categories are neither numbers nor text, or the loss, its link or the labels are not
        supported.
    """
    trees = [tree for iteration in estimator._predictors for tree in iteration]
    records = [tree.nodes for tree in trees]
    check_depth(estimator, max(int(nodes["depth"].max()) for nodes in records))
    columns = _encoded_columns(estimator, kind)
    nodes = _stack_nodes(records, columns.order)
    n_outputs = int(estimator.n_trees_per_iteration_)
    n_features = int(estimator.n_features_in_)
    rows = RowRules(n_features, "float64", accepts_nan=True, accepts_infinity=True)
    total = Sum(
        base_value=_baseline(estimator, kind, n_outputs),
        tree_output=np.tile(np.arange(n_outputs, dtype=np.int32), len(records) // n_outputs),
    )
    table = None if columns.values is None else _category_table(trees, nodes, columns.values)
    ensemble = build_ensemble(nodes, rows, total, table)
    loss = estimator.loss if isinstance(estimator.loss, str) else type(estimator.loss).__name__
    facts: dict[str, Any] = {"kind": kind, "loss": loss}
    outcome = replace(
        _outcome(estimator, kind, n_outputs),
        trees_per_iteration=n_outputs,
        sparse="refused",
        categories=columns.labels,
    )
    return build_graph(estimator, ensemble, outcome, facts)


def _outcome(estimator: Any, kind: str, n_outputs: int) -> Outcome:
    from sklearn._loss import link as links

    if hasattr(estimator, "classes_"):
        return Outcome(
            ir.Role.MARGIN,
            ("predict", "predict_proba", "decision_function"),
            # Unlike GradientBoosting, a margin of zero is the first class. A lone class is always
            # the answer, although probabilities keep a column for a second one.
            steps=margin_steps(n_outputs, "greater" if len(estimator.classes_) > 1 else "argmax"),
            classes=class_labels(estimator),
        )
    link = type(estimator._loss.link)
    if link is links.IdentityLink:
        return Outcome(ir.Role.RESPONSE, ("predict",))
    if link is links.LogLink:
        exp = ir.Link(source=TREES, target="response", kind="exp")
        return Outcome(ir.Role.MARGIN, ("predict",), steps=(Step(exp, (1,), ir.Role.RESPONSE),))
    message = (
        f"{kind} was fitted with loss {estimator.loss!r}, whose link is {link.__name__}; supported "
        f"are losses with the identity or the log link"
    )
    raise UnsupportedModelError(message)


def _baseline(estimator: Any, kind: str, n_outputs: int) -> Float64Array:
    baseline = np.asarray(estimator._baseline_prediction)
    if baseline.dtype != np.float64:
        message = (
            f"{kind} holds a baseline of {baseline.dtype}; supported is float64. Fit it "
            f"again with a later scikit-learn"
        )
        raise UnsupportedModelError(message)
    # The source adds the baseline to zeros, which turns -0.0 into 0.0.
    raw: Float64Array = np.zeros(n_outputs) + baseline.reshape(n_outputs)
    return raw


@dataclass(frozen=True, eq=False)
class _Columns:
    """The internal encoder, undone.

    Parameters
    ----------
    order : ndarray of int64, shape (n_features,)
        Original column of each encoded one.
    values : list of ndarray of float64, optional
        For each original column its categories in code order, empty where it is numeric; None
        where the model has no categorical features.
    labels : dict of int to ndarray
        For each original column of text its labels; its values are their positions.
    """

    order: Int64Array
    values: list[Float64Array] | None = None
    labels: dict[int, AnyArray] = field(default_factory=dict)


def _encoded_columns(estimator: Any, kind: str) -> _Columns:
    """Undo the internal encoder."""
    n_features = int(estimator.n_features_in_)
    if estimator.is_categorical_ is None:
        return _Columns(np.arange(n_features, dtype=np.int64))
    if not hasattr(estimator, "_preprocessor"):
        message = (
            f"{kind} has categorical features of scikit-learn 1.3, which wraps categories of 256 "
            f"and above; supported is what 1.4 and later fit. Upgrade and fit again"
        )
        raise UnsupportedModelError(message)
    categorical = np.asarray(estimator.is_categorical_, np.bool_)
    listed = np.flatnonzero(categorical)
    encoder = estimator._preprocessor.named_transformers_["encoder"]
    values = [np.zeros(0)] * n_features
    labels: dict[int, AnyArray] = {}
    for feature, found in zip(listed.tolist(), encoder.categories_, strict=True):
        categories = _known_categories(np.asarray(found))
        if categories.dtype.kind == "U":
            labels[feature] = categories
            values[feature] = np.arange(len(categories), dtype=np.float64)
        else:
            values[feature] = _category_values(kind, feature, categories)
    return _Columns(np.concatenate((listed, np.flatnonzero(~categorical))), values, labels)


def _known_categories(found: AnyArray) -> AnyArray:
    """Return one feature's categories in code order, without the NaN that the encoder puts last.

    Objects that are all text, or all numbers, come back as such.
    """
    if found.dtype.kind != "O":
        return found
    listed = found.tolist()
    if listed and isinstance(listed[-1], float) and np.isnan(listed[-1]):
        listed.pop()
    if listed and all(isinstance(value, str) for value in listed):
        return np.array(listed, np.str_)
    if all(isinstance(value, (bool, int, float, np.number)) for value in listed):
        return np.array(listed, np.float64 if not listed else None)
    return found


def _category_values(kind: str, feature: int, categories: AnyArray) -> Float64Array:
    """Return one feature's numeric categories in code order, NaN dropped."""
    numbers = categories.dtype.kind in "iufb" and categories.dtype.itemsize <= np.float64().itemsize
    if not numbers:
        message = (
            f"{kind} has categories of {categories.dtype} in feature {feature}, such as "
            f"{categories[-1]!r}; supported are numbers, or text alone. Encode that column, then "
            f"fit on numeric codes"
        )
        raise UnsupportedModelError(message)
    values = categories.astype(np.float64)
    if categories.dtype.kind in "iu" and np.any(np.abs(values) >= LARGEST_CODE):
        message = (
            f"{kind} has the integer category {categories[np.argmax(np.abs(values))]} in feature "
            f"{feature}; supported are integers between -2**53 and 2**53, both excluded. Fit on "
            f"smaller codes"
        )
        raise UnsupportedModelError(message)
    return values[~np.isnan(values)]


def _stack_nodes(records: Sequence[np.ndarray], column_order: Int64Array) -> NodeTable:
    """Lay the node records of all trees end to end, field by field."""

    def stack(name: str) -> AnyArray:
        return np.concatenate([nodes[name] for nodes in records])

    leaf = stack("is_leaf").astype(np.bool_)
    return NodeTable(
        sizes=np.array([len(nodes) for nodes in records], np.int64),
        leaf=leaf,
        left=stack("left"),
        right=stack("right"),
        feature=column_order[stack("feature_idx").astype(np.int64)],
        threshold=stack("num_threshold").astype(np.float64),
        missing_left=stack("missing_go_to_left").astype(np.bool_),
        leaf_values=stack("value")[leaf].astype(np.float64).reshape(-1, 1),
    )


def _category_table(
    trees: Sequence[Any], nodes: NodeTable, values: list[Float64Array]
) -> CategoryTable:
    """Make one set of left-going codes for each category node, in node order.

    The node names its set by ``bitset_idx``. That is followed to the letter: where a feature knows
    one category only, scikit-learn leaves the index at 0, so that the node shares the tree's first
    set, whatever feature that was made for. Codes which the feature does not have are dropped.
    """
    categorical = np.concatenate([tree.nodes["is_categorical"] for tree in trees]).astype(np.bool_)
    chosen = np.flatnonzero(categorical & ~nodes.leaf)
    rows = [len(tree.raw_left_cat_bitsets) for tree in trees]
    first_row = np.repeat(np.cumsum([0, *rows[:-1]], dtype=np.int64), nodes.sizes)
    bitsets = np.concatenate([tree.raw_left_cat_bitsets for tree in trees]).astype("<u4")
    index = np.concatenate([tree.nodes["bitset_idx"] for tree in trees]).astype(np.int64)
    bits = np.unpackbits(
        bitsets[(first_row + index)[chosen]].view(np.uint8), axis=1, bitorder="little"
    )
    known = np.array([len(listed) for listed in values])[nodes.feature[chosen]]
    members = bits.astype(np.bool_) & (np.arange(bits.shape[1]) < known[:, None])
    node_set = np.full(len(nodes.leaf), -1, np.int32)
    node_set[chosen] = np.arange(len(chosen), dtype=np.int32)
    return CategoryTable(
        node_set=node_set,
        set_start=np.cumsum([0, *members.sum(axis=1)], dtype=np.int64),
        set_members=np.nonzero(members)[1].astype(np.int32),
        values=values,
    )
