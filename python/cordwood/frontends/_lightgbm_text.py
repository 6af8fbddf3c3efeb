"""Reads LightGBM's text format of a model: its header, its trees and its trailer.

The file is cut as LightGBM cuts it, by ``tree_sizes``. A file that does not fit its own sizes is
refused, so that one cut short in transfer is never taken for a smaller model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from cordwood.errors import SourceFileError, UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood._typing import Float64Array, Int64Array

__all__ = ["Header", "TextModel", "Trees", "parse"]

VERSIONS = ("v2", "v3", "v4")
"""Format versions that carry ``tree_sizes`` and the end marker, and so can be checked."""

END_OF_TREES = b"end of trees"
LARGEST_COUNT = 2**31 - 1


@dataclass(frozen=True)
class Header:
    """What stands before the trees, and the two facts of the trailer that matter.

    Parameters
    ----------
    version : str
        Version of the text format.
    n_features, n_outputs : int
        Columns of the rows; trees of one iteration, which is one for each output.
    objective : str or None
        The objective with its settings, such as ``"binary sigmoid:1"``; None where LightGBM keeps
        none and returns raw scores.
    average_output : bool
        Whether the response is the mean over the iterations (random forests).
    feature_names : tuple of str
        One name for each feature.
    boosting : str or None
        Boosting method, where the file keeps its parameters.
    pandas_categories : tuple of int
        Number of categories of each categorical column of the data frame it was trained on.
    """

    version: str
    n_features: int
    n_outputs: int
    objective: str | None
    average_output: bool
    feature_names: tuple[str, ...]
    boosting: str | None
    pandas_categories: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Trees:
    """The arrays of all trees, one after another, as LightGBM numbers nodes and leaves.

    Parameters
    ----------
    n_leaves : ndarray of int64, shape (n_trees,)
        Leaves of each tree; it has one inner node less.
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
    """

    n_leaves: Int64Array
    feature: Int64Array
    decision: Int64Array
    left: Int64Array
    right: Int64Array
    threshold: Float64Array
    leaf_value: Float64Array
    n_sets: Int64Array
    set_words: Int64Array
    words: np.ndarray


@dataclass(frozen=True, eq=False)
class TextModel:
    """A whole model file.

    Parameters
    ----------
    header : Header
        Facts about the model.
    trees : Trees
        Its trees.
    """

    header: Header
    trees: Trees


def parse(data: bytes, name: str) -> TextModel:
    """Read the text of a model.

    Parameters
    ----------
    data : bytes
        The whole text.
    name : str
        What the text is, for messages: a path, or the object that it comes from.

    Returns
    -------
    TextModel
        Header and trees; ranges of all indices are checked.

    Raises
    ------
    SourceFileError
        The text is not a LightGBM model, is cut short, or contradicts itself.
    UnsupportedModelError
        The model has linear trees, or its format is older than version 2.
    """
    return _Reader(data, name).read()


class _Reader:
    """Walks through one text and knows where it stands."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name

    def fail(self, message: str, offset: int) -> NoReturn:
        line = self.data.count(b"\n", 0, offset) + 1
        text = f"{self.name}, line {line}: {message}"
        raise SourceFileError(text)

    def read(self) -> TextModel:
        fields, body = self.read_header()
        self.check_version(fields.get(b"version", b"none"))
        sizes = self.integers("header", "tree_sizes", fields.get(b"tree_sizes"), None)
        end = self.check_sizes(sizes, body)
        header = self.make_header(fields, end)
        if len(sizes) % header.n_outputs:
            self.fail(f"{len(sizes)} trees, expected a multiple of num_tree_per_iteration = "
                      f"{header.n_outputs}", body)  # fmt: skip
        starts = body + np.concatenate(([0], np.cumsum(sizes)))
        trees = [
            self.read_tree(number, int(starts[number]), int(starts[number + 1]), header.n_features)
            for number in range(len(sizes))
        ]
        return TextModel(header, _join(trees))

    def read_header(self) -> tuple[dict[bytes, bytes], int]:
        """Return the fields before the first tree, and where the trees begin."""
        if self.data[:5] == b"tree\r":
            self.fail("the lines end in CR LF, expected LF alone: the file was changed in "
                      "transfer; copy it as binary", 0)  # fmt: skip
        if self.data[:5] != b"tree\n":
            self.fail(f"begins with {self.data[:20]!r}, expected the line 'tree' of a model "
                      f"saved by LightGBM's save_model", 0)  # fmt: skip
        body = self.data.find(b"\n\n") + 2
        if body == 1:
            self.fail("the header does not end, expected an empty line before the trees: the file "
                      "is cut short", len(self.data))  # fmt: skip
        fields = {}
        for line in self.data[: body - 2].split(b"\n"):
            key, _, text = line.partition(b"=")
            fields[key] = text
        return fields, body

    def check_version(self, version: bytes) -> None:
        if version.decode("utf-8", "replace") not in VERSIONS:
            message = (
                f"{self.name} has format version {version[:20]!r}, expected one of "
                f"{', '.join(VERSIONS)}; load it with LightGBM and save it again"
            )
            raise UnsupportedModelError(message)

    def check_sizes(self, sizes: Int64Array, body: int) -> int:
        """Return where the trees end, after checking that the end marker stands there."""
        if len(sizes) == 0:
            self.fail("tree_sizes is empty, expected the bytes of at least one tree", body)
        rest = len(self.data) - body
        if np.any((sizes < 1) | (sizes > rest)) or sizes.sum() > rest:
            self.fail(f"{rest} bytes follow the header, expected {sum(sizes.tolist())} of trees by "
                      f"tree_sizes: the file is cut short", len(self.data))  # fmt: skip
        end = body + int(sizes.sum())
        if not self.data.startswith(END_OF_TREES + b"\n", end):
            self.fail(f"{self.data[end : end + 20]!r} follows the trees, expected 'end of "
                      f"trees': the file is cut short, or was edited without its tree_sizes",
                      end)  # fmt: skip
        return end

    def make_header(self, fields: dict[bytes, bytes], end: int) -> Header:
        outputs = self.count(fields, b"num_tree_per_iteration", 1)
        n_features = self.count(fields, b"max_feature_idx", 0) + 1
        names = tuple(self.text(fields, b"feature_names").split(" "))
        if len(names) != n_features:
            self.fail(f"feature_names has {len(names)} names, expected {n_features} by "
                      f"max_feature_idx", self.data.find(b"\nfeature_names=") + 1)  # fmt: skip
        return Header(
            version=fields[b"version"].decode(),
            n_features=n_features,
            n_outputs=outputs,
            objective=self.text(fields, b"objective") if b"objective" in fields else None,
            average_output=b"average_output" in fields,
            feature_names=names,
            boosting=self.read_boosting(end),
            pandas_categories=self.read_pandas_categories(end),
        )

    def text(self, fields: dict[bytes, bytes], key: bytes) -> str:
        if key not in fields:
            self.fail(f"the header has no {key.decode()}, expected one", 0)
        try:
            return fields[key].decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{key.decode()} is not UTF-8 text", self.data.find(b"\n" + key + b"=") + 1)

    def count(self, fields: dict[bytes, bytes], key: bytes, least: int) -> int:
        text = self.text(fields, key)
        if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) < LARGEST_COUNT:
            self.fail(f"{key.decode()} is {text[:40]!r}, expected an integer of at least {least}",
                      self.data.find(b"\n" + key + b"=") + 1)  # fmt: skip
        return int(text)

    def read_boosting(self, end: int) -> str | None:
        start = self.data.find(b"\n[boosting: ", end)
        if start < 0:
            return None
        return self.data[start + 12 : self.data.find(b"]", start)].decode("utf-8", "replace")

    def read_pandas_categories(self, end: int) -> tuple[int, ...]:
        start = self.data.rfind(b"\npandas_categorical:", end)
        if start < 0:
            return ()
        line = self.data[start + 20 :].strip()
        try:
            return tuple(len(column) for column in json.loads(line) or ())
        except (ValueError, TypeError):
            self.fail(f"pandas_categorical is {line[:40]!r}, expected a JSON list of lists or "
                      f"null: the file is cut short", start + 1)  # fmt: skip

    def read_tree(self, number: int, start: int, end: int, n_features: int) -> Trees:
        """Read the tree in ``data[start:end]``."""
        place = f"tree {number}"
        lines = self.data[start:end].split(b"\n")
        if lines[0] != b"Tree=%d" % number:
            self.fail(f"{place} begins with {lines[0][:40]!r}, expected 'Tree={number}'", start)
        fields = {}
        for line in lines[1:]:
            key, _, text = line.partition(b"=")
            fields[key] = text

        def integers(key: str, length: int | None, least: int, most: int) -> Int64Array:
            array = self.integers(place, key, fields.get(key.encode()), length, start)
            if np.any((array < least) | (array > most)):
                wrong = array[(array < least) | (array > most)][0]
                self.fail(f"{place}: {key} holds {wrong}, expected {least} to {most}", start)
            return array

        leaves = int(integers("num_leaves", 1, 1, LARGEST_COUNT)[0])
        n_sets = int(integers("num_cat", 1, 0, LARGEST_COUNT)[0])
        if b"is_linear" in fields and integers("is_linear", 1, 0, 1)[0]:
            message = (
                f"{self.name} has linear trees (linear_tree=True, first in {place}); expected "
                f"constant leaves: train with linear_tree=False"
            )
            raise UnsupportedModelError(message)
        value = self.floats(place, "leaf_value", fields.get(b"leaf_value"), leaves, start)
        if not np.isfinite(value).all():
            self.fail(f"{place}: leaf_value holds {value[~np.isfinite(value)][0]}, expected finite "
                      f"numbers", start)  # fmt: skip
        inner = leaves - 1
        if inner == 0:
            # LightGBM reads no more of a tree that is one leaf: there may be stale fields.
            return _single_leaf(value)
        boundaries = np.zeros(1, np.int64)
        words = np.zeros(0, np.int64)
        if n_sets:
            boundaries = integers("cat_boundaries", n_sets + 1, 0, LARGEST_COUNT)
            if boundaries[0] != 0 or np.any(np.diff(boundaries) < 0):
                self.fail(f"{place}: cat_boundaries does not rise from 0", start)
            words = integers("cat_threshold", int(boundaries[-1]), 0, 2**32 - 1)
        tree = Trees(
            n_leaves=np.array([leaves]),
            feature=integers("split_feature", inner, 0, n_features - 1),
            decision=integers("decision_type", inner, 0, 11),
            left=integers("left_child", inner, -leaves, inner - 1),
            right=integers("right_child", inner, -leaves, inner - 1),
            threshold=self.floats(place, "threshold", fields.get(b"threshold"), inner, start),
            leaf_value=value,
            n_sets=np.array([n_sets]),
            set_words=np.diff(boundaries),
            words=words.astype(np.uint32),
        )
        self.check_tree(tree, place, start)
        return tree

    def check_tree(self, tree: Trees, place: str, start: int) -> None:
        """Check that every node but the root has one parent, and that category nodes have sets."""
        inner = len(tree.feature)
        children = np.concatenate((tree.left, tree.right))
        times = np.bincount(np.where(children < 0, inner + ~children, children))
        if times[0] or len(times) != 2 * inner + 1 or np.any(times[1:] != 1):
            self.fail(f"{place}: left_child and right_child do not name each node and leaf once",
                      start)  # fmt: skip
        category = (tree.decision & 1) == 1
        number = tree.threshold[category]
        if not np.isin(number, np.arange(tree.n_sets[0])).all():
            self.fail(f"{place}: a category node has threshold {number.max()}, expected the number "
                      f"of one of its {tree.n_sets[0]} category sets", start)  # fmt: skip
        if np.isnan(tree.threshold).any():
            self.fail(f"{place}: threshold holds nan, expected numbers", start)

    def tokens(
        self, place: str, key: str, text: bytes | None, length: int | None, start: int
    ) -> list[bytes]:
        if text is None:
            self.fail(f"{place} has no {key}, expected it", start)
        tokens = text.split()
        if length is not None and len(tokens) != length:
            self.fail(f"{place}: {key} has {len(tokens)} numbers, expected {length}", start)
        return tokens

    def integers(
        self, place: str, key: str, text: bytes | None, length: int | None, start: int = 0
    ) -> Int64Array:
        tokens = self.tokens(place, key, text, length, start)
        try:
            return np.array(tokens, dtype=np.int64)
        except (ValueError, OverflowError) as error:
            self.fail(f"{place}: {key} is not a list of integers: {error}", start)

    def floats(
        self, place: str, key: str, text: bytes | None, length: int, start: int
    ) -> Float64Array:
        tokens = self.tokens(place, key, text, length, start)
        try:
            return np.array(tokens, dtype=np.float64)
        except ValueError as error:
            self.fail(f"{place}: {key} is not a list of numbers: {error}", start)


def _single_leaf(value: Float64Array) -> Trees:
    none = np.zeros(0, np.int64)
    empty = np.zeros(0, np.float64)
    words = np.zeros(0, np.uint32)
    return Trees(np.ones(1, np.int64), none, none, none, none, empty, value,
                 np.zeros(1, np.int64), none, words)  # fmt: skip


def _join(trees: Iterable[Trees]) -> Trees:
    """Put the arrays of single trees one after another."""
    columns = zip(*(vars(tree).values() for tree in trees), strict=True)
    return Trees(*(np.concatenate(column) for column in columns))
