"""Reads one tree of LightGBM's text format after another, and checks that it is a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood.frontends._lightgbm_fields import LARGEST_COUNT, Fields, Text, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood._typing import Float64Array, Int64Array

__all__ = ["Trees", "join", "read_tree"]

LARGEST_DECISION = 11
"""All bits of a decision: categorical, default left, and the missing types None, Zero and NaN."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The arrays of all trees, one after another, as LightGBM numbers nodes and leaves.

    Parameters
    ----------
    n_leaves : ndarray of int64, shape (n_trees,)
        Leaves of each tree; it has one inner node less.
    linear : ndarray of int64, shape (n_trees,)
        1 for a tree with linear leaves, 0 for one without.
    feature, decision, left, right : ndarray of int64, shape (n_inner,)
        Feature tested, decision bits and children; a negative child ``c`` is the leaf ``~c``.
    threshold : ndarray of float64, shape (n_inner,)
        Threshold, or the number of the node's category set within its tree.
    leaf_value : ndarray of float64, shape (n_leaves.sum(),)
        Values of the leaves.
    n_sets : ndarray of int64, shape (n_trees,)
        Category sets of each tree.
    set_words : ndarray of int64, shape (n_sets.sum(),)
        Words of each category set.
    words : ndarray of uint32, shape (set_words.sum(),)
        Bits of the category sets, lowest code first.
    leaf_constant : ndarray of float64, shape (n_leaves.sum(),)
        What a linear leaf starts from; the leaf's value in trees without linear leaves.
    leaf_terms : ndarray of int64, shape (n_leaves.sum(),)
        Terms of each leaf.
    term_feature : ndarray of int64, shape (leaf_terms.sum(),)
        Feature of each term.
    term_coefficient : ndarray of float64, shape (leaf_terms.sum(),)
        Factor of each term.
    """

    n_leaves: Int64Array
    linear: Int64Array
    feature: Int64Array
    decision: Int64Array
    left: Int64Array
    right: Int64Array
    threshold: Float64Array
    leaf_value: Float64Array
    n_sets: Int64Array
    set_words: Int64Array
    words: np.ndarray
    leaf_constant: Float64Array
    leaf_terms: Int64Array
    term_feature: Int64Array
    term_coefficient: Float64Array


def join(trees: Iterable[Trees]) -> Trees:
    """Put the arrays of single trees one after another."""
    columns = zip(*(vars(tree).values() for tree in trees), strict=True)
    return Trees(*(np.concatenate(column) for column in columns))


def read_tree(text: Text, number: int, start: int, end: int, n_features: int) -> Trees:
    """Read one tree.

    Parameters
    ----------
    text : Text
        The whole model.
    number : int
        The tree's number, counted from 0.
    start, end : int
        Where the tree's text begins and ends.
    n_features : int
        Columns of the rows.

    Returns
    -------
    Trees
        This tree alone; ranges of all indices are checked.

    Raises
    ------
    SourceFileError
        The tree contradicts itself.
    """
    lines = text.data[start:end].split(b"\n")
    if lines[0] != b"Tree=%d" % number:
        text.fail(f"tree {number} begins with {lines[0][:40]!r}, expected 'Tree={number}'", start)
    return _TreeText(text, f"tree {number}", start, fields_of(lines[1:])).read(n_features)


class _TreeText:
    """The fields of one tree."""

    def __init__(self, text: Text, place: str, start: int, fields: Fields) -> None:
        self.text = text
        self.place = place
        self.start = start
        self.fields = fields

    def fail(self, message: str) -> None:
        self.text.fail(f"{self.place}: {message}", self.start)

    def integers(self, key: str, length: int, least: int, most: int) -> Int64Array:
        array = self.text.integers(self.place, key, self.fields, length, self.start)
        if np.any((array < least) | (array > most)):
            wrong = array[(array < least) | (array > most)][0]
            self.fail(f"{key} holds {wrong}, expected {least} to {most}")
        return array

    def floats(self, key: str, length: int) -> Float64Array:
        array = self.text.floats(self.place, key, self.fields, length, self.start)
        if key != "threshold" and not np.isfinite(array).all():
            wrong = array[~np.isfinite(array)][0]
            self.fail(f"{key} holds {wrong}, expected finite numbers")
        if np.isnan(array).any():
            self.fail(f"{key} holds nan, expected numbers")
        return array

    def read(self, n_features: int) -> Trees:
        leaves = int(self.integers("num_leaves", 1, 1, LARGEST_COUNT)[0])
        n_sets = int(self.integers("num_cat", 1, 0, LARGEST_COUNT)[0])
        linear = np.zeros(1, np.int64)
        if b"is_linear" in self.fields:  # since LightGBM 3.2
            linear = self.integers("is_linear", 1, 0, 1)
        value = self.floats("leaf_value", leaves)
        terms = self.read_terms(leaves, n_features) if linear[0] else _no_terms(value)
        inner = leaves - 1
        if inner == 0:
            # Of a tree that is one leaf LightGBM reads no splits: there may be stale fields.
            none = np.zeros(0, np.int64)
            return Trees(np.ones(1, np.int64), linear, none, none, none, none,
                         np.zeros(0, np.float64), value, np.zeros(1, np.int64), none,
                         np.zeros(0, np.uint32), *terms)  # fmt: skip
        set_words, words = self.read_sets(n_sets)
        tree = Trees(
            n_leaves=np.array([leaves]),
            linear=linear,
            feature=self.integers("split_feature", inner, 0, n_features - 1),
            decision=self.integers("decision_type", inner, 0, LARGEST_DECISION),
            left=self.integers("left_child", inner, -leaves, inner - 1),
            right=self.integers("right_child", inner, -leaves, inner - 1),
            threshold=self.floats("threshold", inner),
            leaf_value=value,
            n_sets=np.array([n_sets]),
            set_words=set_words,
            words=words,
            leaf_constant=terms[0],
            leaf_terms=terms[1],
            term_feature=terms[2],
            term_coefficient=terms[3],
        )
        self.check(tree)
        return tree

    def read_sets(self, n_sets: int) -> tuple[Int64Array, np.ndarray]:
        """Return the words of each category set, counted and listed."""
        if n_sets == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.uint32)
        boundaries = self.integers("cat_boundaries", n_sets + 1, 0, LARGEST_COUNT)
        if boundaries[0] != 0 or np.any(np.diff(boundaries) < 0):
            self.fail("cat_boundaries does not rise from 0")
        words = self.integers("cat_threshold", int(boundaries[-1]), 0, 2**32 - 1)
        return np.diff(boundaries), words.astype(np.uint32)

    def read_terms(
        self, leaves: int, n_features: int
    ) -> tuple[Float64Array, Int64Array, Int64Array, Float64Array]:
        """Return constant and number of terms of each leaf; feature and coefficient of each."""
        constant = self.floats("leaf_const", leaves)
        counts = self.integers("num_features", leaves, 0, n_features)
        total = int(counts.sum())
        feature = self.integers("leaf_features", total, 0, n_features - 1)
        return constant, counts, feature, self.floats("leaf_coeff", total)

    def check(self, tree: Trees) -> None:
        """Check that every node but the root has one parent, and that category nodes have sets."""
        inner = len(tree.feature)
        children = np.concatenate((tree.left, tree.right))
        times = np.bincount(np.where(children < 0, inner + ~children, children))
        if times[0] or len(times) != 2 * inner + 1 or np.any(times[1:] != 1):
            self.fail("left_child and right_child do not name each node and leaf once")
        number = tree.threshold[(tree.decision & 1) == 1]
        if not np.isin(number, np.arange(tree.n_sets[0])).all():
            self.fail(f"a category node has threshold {number.max()}, expected the number of one "
                      f"of its {tree.n_sets[0]} category sets")  # fmt: skip


def _no_terms(
    value: Float64Array,
) -> tuple[Float64Array, Int64Array, Int64Array, Float64Array]:
    """Return the terms of leaves that answer with their value."""
    return value, np.zeros(len(value), np.int64), np.zeros(0, np.int64), np.zeros(0, np.float64)
