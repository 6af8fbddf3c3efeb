"""Reads LightGBM's text format of a model: its header, its trees and its trailer.

The file is cut as LightGBM cuts it, by ``tree_sizes``. A file that does not fit its own sizes is
refused, so that one cut short in transfer is never taken for a smaller model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._lightgbm_fields import LARGEST_COUNT, Fields, Text, fields_of
from cordwood.frontends._lightgbm_labels import features_with_labels
from cordwood.frontends._lightgbm_nodes import Trees, join, read_tree

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Int64Array

__all__ = ["Header", "TextModel", "parse"]

VERSIONS = ("v2", "v3", "v4")
"""Format versions that carry ``tree_sizes`` and so can be checked: LightGBM 2, 3 and 4."""

ENDS_OF_TREES = (b"end of trees\n", b"\nfeature importances:\n")
"""What follows the trees; the latter before LightGBM 2.2."""


@dataclass(frozen=True, eq=False)
class Header:
    """What stands before the trees, and the facts of the trailer that matter.

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
    label_counts : tuple of int
        Number of labels of each category column of the data frame it was trained on.
    labels : dict of int to ndarray
        These labels by feature, where the text tells which features they belong to.
    """

    version: str
    n_features: int
    n_outputs: int
    objective: str | None
    average_output: bool
    feature_names: tuple[str, ...]
    boosting: str | None
    label_counts: tuple[int, ...]
    labels: dict[int, AnyArray]


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
        Its format is older than version 2, or newer than version 4.
    """
    return _ModelText(data, name).read()


class _ModelText(Text):
    """Walks through one text and knows where it stands."""

    def read(self) -> TextModel:
        fields, body = self.read_header()
        self.check_version(fields.get(b"version", b"none"))
        sizes = self.integers("header", "tree_sizes", fields, None)
        end = self.check_sizes(sizes, body)
        header = self.make_header(fields, end)
        if len(sizes) % header.n_outputs:
            self.fail(f"{len(sizes)} trees, expected a multiple of num_tree_per_iteration = "
                      f"{header.n_outputs}", body)  # fmt: skip
        starts = body + np.concatenate(([0], np.cumsum(sizes)))
        trees = [
            read_tree(self, number, int(starts[number]), int(starts[number + 1]), header.n_features)
            for number in range(len(sizes))
        ]
        return TextModel(header, join(trees))

    def read_header(self) -> tuple[Fields, int]:
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
        return fields_of(self.data[: body - 2].split(b"\n")), body

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
        if not self.data.startswith(ENDS_OF_TREES, end):
            self.fail(f"{self.data[end : end + 20]!r} follows the trees, expected 'end of "
                      f"trees': the file is cut short, or was edited without its tree_sizes",
                      end)  # fmt: skip
        return end

    def make_header(self, fields: Fields, end: int) -> Header:
        outputs = self.count(fields, b"num_tree_per_iteration", 1)
        n_features = self.count(fields, b"max_feature_idx", 0) + 1
        names = tuple(self.text(fields, b"feature_names").split(" "))
        if len(names) != n_features:
            self.fail(f"feature_names has {len(names)} names, expected {n_features} by "
                      f"max_feature_idx", self.data.find(b"\nfeature_names=") + 1)  # fmt: skip
        lists = self.read_label_lists(end)
        infos = tuple(fields.get(b"feature_infos", b"").decode("utf-8", "replace").split(" "))
        labels = {}
        if lists and len(infos) == n_features:
            labels = features_with_labels(lists, infos, self.read_declared(end, n_features))
        return Header(
            version=fields[b"version"].decode(),
            n_features=n_features,
            n_outputs=outputs,
            objective=self.text(fields, b"objective") if b"objective" in fields else None,
            average_output=b"average_output" in fields,
            feature_names=names,
            boosting=self.read_parameter(b"boosting", end),
            label_counts=tuple(len(labels) for labels in lists),
            labels=labels,
        )

    def text(self, fields: Fields, key: bytes) -> str:
        if key not in fields:
            self.fail(f"the header has no {key.decode()}, expected one", 0)
        try:
            return fields[key].decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{key.decode()} is not UTF-8 text", self.data.find(b"\n" + key + b"=") + 1)

    def count(self, fields: Fields, key: bytes, least: int) -> int:
        text = self.text(fields, key)
        if not text.isascii() or not text.isdigit() or not least <= int(text[:20]) < LARGEST_COUNT:
            self.fail(f"{key.decode()} is {text[:40]!r}, expected an integer of at least {least}",
                      self.data.find(b"\n" + key + b"=") + 1)  # fmt: skip
        return int(text)

    def read_parameter(self, key: bytes, end: int) -> str | None:
        """Return a parameter of the training, such as ``[boosting: gbdt]``, where it is kept."""
        start = self.data.find(b"\n[" + key + b": ", end)
        if start < 0:
            return None
        start += len(key) + 4
        return self.data[start : self.data.find(b"]", start)].decode("utf-8", "replace")

    def read_declared(self, end: int, n_features: int) -> frozenset[int] | None:
        """Return the features that training was told to split as categories, where it is kept."""
        words = (self.read_parameter(b"categorical_feature", end) or "").split(",")
        if not all(word.isascii() and word.isdigit() for word in words):
            return None
        declared = (int(word[:20]) for word in words)
        return frozenset(feature for feature in declared if feature < n_features)

    def read_label_lists(self, end: int) -> list[list[Any]]:
        start = self.data.rfind(b"\npandas_categorical:", end)
        if start < 0:
            return []
        line = self.data[start + 20 :].strip()
        try:
            lists = json.loads(line)
        except ValueError:
            lists = ()
        if lists is None:
            return []
        if not isinstance(lists, list) or not all(isinstance(labels, list) for labels in lists):
            self.fail(f"pandas_categorical is {line[:40]!r}, expected a JSON list of lists or "
                      f"null: the file is cut short", start + 1)  # fmt: skip
        return lists
