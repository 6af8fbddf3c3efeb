"""Rows answered twice: by the source library, and by the packed model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._verify_links import compare_links, compare_outputs
from cordwood._verify_report import Difference
from cordwood._verify_rules import region_of
from cordwood._verify_tally import KEPT
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood._typing import AnyArray, BoolArray, FloatArray
    from cordwood._verify_lossy import Allowance
    from cordwood._verify_probes import Batch
    from cordwood._verify_sources import Reference
    from cordwood._verify_tally import Tally
    from cordwood.ir import Graph
    from cordwood.model import Model

__all__ = ["prove_refusals", "prove_rows"]

STEP = 8_192
"""Rows answered at a time: bounds the memory that leaves take."""


def prove_rows(
    reference: Reference,
    model: Model,
    graph: Graph,
    batches: Iterable[Batch],
    tally: Tally,
    allowance: Allowance | None = None,
) -> None:
    """Compare leaves, margins, links, outputs and labels on rows that the source takes.

    Parameters
    ----------
    reference : Reference
        The source library.
    model : Model
        The packed model.
    graph : Graph
        What the front end read: which links and labels follow the margin, and words for messages.
    batches : iterable of Batch
        The rows.
    tally : Tally
        Gets the counts and the differences.
    allowance : Allowance, optional
        What a lossy recipe may have changed. Margins are then held against its bound, and labels
        and responses against the model's own margin alone.
    """
    for batch in batches:
        for begin in range(0, len(batch.rows), STEP):
            rows = batch.rows[begin : begin + STEP]
            node = None if batch.node is None else batch.node[begin : begin + STEP]
            _Rows(reference, model, graph, rows, node, begin, tally, allowance).compare()


class _Rows:
    """One piece of a batch, small enough to hold every answer."""

    def __init__(
        self, reference: Reference, model: Model, graph: Graph, rows: AnyArray,
        node: AnyArray | None, begin: int, tally: Tally, allowance: Allowance | None,
    ) -> None:  # fmt: skip
        self.reference = reference
        self.model = model
        self.graph = graph
        self.rows = rows
        self.node = node
        self.begin = begin
        self.tally = tally
        self.allowance = allowance

    def compare(self) -> None:
        """Compare everything that both sides answer."""
        self.tally.add(rows=len(self.rows))
        answers = self._ask_both()
        if answers is None:
            return
        margin, theirs, outputs = answers
        if self.allowance is None or self.allowance.same_trees:
            self._compare_leaves()
        if theirs is not None:
            self._compare_margins(margin, theirs)
        compare_links(self.model, self.graph, self.rows, margin, self.tally, self._name)
        if self.allowance is not None:
            return  # the library's own labels and responses follow from another margin
        compare_outputs(self.model, self.graph, self.rows, outputs, self.tally, self._name)

    def _ask_both(self) -> tuple[FloatArray, AnyArray | None, dict[str, AnyArray]] | None:
        """Return our margin, theirs, and their outputs; None where only one side answers.

        Raises
        ------
        InputError
            Both refuse the rows: then there is nothing to compare.
        """
        refused = None
        try:
            ours = self.model._run(self.rows, "margin")
        except InputError as error:
            refused = error
        try:
            theirs = self.reference.margin(self.rows)
            outputs = self.reference.outputs(self.rows)
        except ValueError as error:  # of the source library
            if refused is not None:
                raise refused from error
            self._differ_in_refusal("an answer", f"a refusal, as the source's: {error}")
            return None
        if refused is not None:
            self._differ_in_refusal(str(refused), "an answer, as the source's")
            return None
        return ours, theirs, outputs

    def _differ_in_refusal(self, given: str, expected: str) -> None:
        text = expected.partition("\n")[0]
        first = Difference(kind="refusal", given=given, expected=text, row=self._name(0))
        self.tally.differ(len(self.rows), [first])

    def _compare_leaves(self) -> None:
        theirs = self.reference.leaves(self.rows)
        if theirs is None:
            return
        ours = self.model._run(self.rows, "leaves").astype(np.int64)
        if ours.shape != theirs.shape:
            self._differ_in_shape("leaf", ours, theirs)
            return
        self.tally.add(leaves=ours.size)
        differs = ours != theirs
        self.tally.differ(
            int(differs.sum()),
            (
                Difference(
                    kind="leaf", given=str(ours[row, tree]), expected=str(theirs[row, tree]),
                    tree=int(tree), row=self._name(int(row)), region=self._region(row, tree),
                )
                for row, tree in np.argwhere(differs)[:KEPT]
            ),
        )  # fmt: skip

    def _compare_margins(self, ours: FloatArray, theirs: AnyArray) -> None:
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            self._differ_in_shape("margin", ours, theirs)
            return
        self.tally.add(margins=ours.size)
        if self.allowance is None:
            differs = different_bits(ours, theirs)
        else:
            error = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
            self.tally.worst_margin(float(error.max(initial=0.0)), self.allowance.margin)
            differs = ~(error <= self.allowance.margin)
        self.tally.differ(
            int(differs.sum()),
            (
                Difference(
                    kind="margin", given=_with_bits(ours[row, column]), row=self._name(int(row)),
                    expected=_with_bits(theirs[row, column]), column=int(column),
                )
                for row, column in np.argwhere(differs)[:KEPT]
            ),
        )  # fmt: skip

    def _differ_in_shape(self, kind: str, ours: AnyArray, theirs: AnyArray) -> None:
        given, expected = (f"{array.dtype} of shape {array.shape}" for array in (ours, theirs))
        self.tally.differ(1, [Difference(kind=kind, given=given, expected=expected)])

    def _name(self, row: int) -> str:
        """Name a row by its place and, of a probe, by the node and value that it probes."""
        place = f"{self.begin + row} ({self.rows.dtype})"
        if self.node is None:
            return place
        trees = self.graph.trees
        node = int(self.node[row])
        tree = self._tree_of(node)
        feature = int(trees.feature[node])
        return (
            f"{place} probing node {node - int(trees.tree_start[tree])} of tree {tree} "
            f"with x{feature} = {float(self.rows[row, feature])!r}"
        )

    def _tree_of(self, node: int) -> int:
        return int(np.searchsorted(self.graph.trees.tree_start, node, side="right")) - 1

    def _region(self, row: int, tree: int) -> str | None:
        if self.node is None or self._tree_of(int(self.node[row])) != tree:
            return None
        return region_of(self.graph.trees, int(self.node[row]), int(tree))


def different_bits(ours: AnyArray, theirs: AnyArray) -> BoolArray:
    """Tell where two float arrays of one type differ in any bit; NaN equals NaN."""
    whole = np.dtype(f"i{ours.dtype.itemsize}")
    bits = [np.ascontiguousarray(array).view(whole) for array in (ours, theirs)]
    differs: BoolArray = (bits[0] != bits[1]) & ~(np.isnan(ours) & np.isnan(theirs))
    return differs


def _with_bits(number: Any) -> str:
    return f"{float(number)!r} ({float(number).hex()})"


def prove_refusals(reference: Reference, model: Model, graph: Graph, tally: Tally) -> None:
    """Check that both sides take, or both refuse, NaN and infinity in a numeric column."""
    trees = graph.trees
    tested = trees.feature[(trees.left >= 0) & (trees.category_set < 0)]
    if not len(tested):
        return
    for value in (np.nan, np.inf):
        row = np.zeros((1, trees.n_features), trees.input_type)
        row[0, tested[0]] = value
        ours = _takes(lambda x: model._run(x, "margin"), row)
        theirs = _takes(reference.outputs, row)
        if ours != theirs:
            names = ("refused", "taken")
            self_name = f"one row, all zero but x{int(tested[0])} = {value}"
            tally.differ(
                1,
                [Difference(kind="refusal", given=names[ours], expected=names[theirs],
                            row=self_name)],
            )  # fmt: skip


def _takes(answer: Any, row: AnyArray) -> bool:
    try:
        answer(row)
    except ValueError:  # what cordwood, scikit-learn and XGBoost raise for such rows
        return False
    return True
