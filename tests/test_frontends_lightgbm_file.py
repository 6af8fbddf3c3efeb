"""LightGBM's text format: each way a file can be wrong has its message; LightGBM is not needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest

import oracle
from cordwood.errors import FileAccessError, SourceFileError, UnsupportedModelError
from cordwood.frontends.lightgbm import read_file
from cordwood.ir import Link, Role

if TYPE_CHECKING:
    from pathlib import Path

TREES = (
    """num_leaves=3
num_cat=1
split_feature=0 1
threshold=0.5 0
decision_type=2 1
left_child=1 -1
right_child=-2 -3
leaf_value=0.25 -0.5 1
cat_boundaries=0 2
cat_threshold=5 2147483648
is_linear=0
shrinkage=1
""",
    """num_leaves=1
num_cat=0
leaf_value=0.125
is_linear=0
shrinkage=1
""",
)
LINEAR = """num_leaves=2
num_cat=0
split_feature=0
threshold=0.5
decision_type=2
left_child=-1
right_child=-2
leaf_value=7 -7
is_linear=1
leaf_const=1 -2
num_features=2 0
leaf_features=1 0
leaf_coeff=0.5 -4
shrinkage=1
"""
HEADER = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=1
objective=binary sigmoid:2
feature_names=girth kind
feature_infos=[0:1] 0:2:63
"""
TRAILER = """end of trees

feature_importances:

parameters:
[boosting: gbdt]
end of parameters

pandas_categorical:null
"""


def text(header: str = HEADER, trees: tuple[str, ...] = TREES, trailer: str = TRAILER) -> str:
    """Put a file together, with the tree sizes that belong to it."""
    blocks = [f"Tree={number}\n{tree}\n\n" for number, tree in enumerate(trees)]
    sizes = " ".join(str(len(block.encode())) for block in blocks)
    return f"{header}tree_sizes={sizes}\n\n{''.join(blocks)}{trailer}"


def write(path: Path, content: str) -> Path:
    file = path / "model.txt"
    file.write_bytes(content.encode())
    return file


def test_small_file_by_hand(tmp_path: Path) -> None:
    graph = read_file(write(tmp_path, text()))
    X = np.array([[0.5, 0.0], [0.0, 2.9], [-1, 1], [0, 63], [np.nan, -0.5], [0.6, 0], [0, np.nan]])
    expected = [[0, 0], [0, 0], [2, 0], [0, 0], [0, 0], [1, 0], [2, 0]]
    assert oracle.apply(graph, X).tolist() == expected
    margin = oracle.predict_margin(graph, X)[:, 0]
    assert margin.tolist() == [0.375, 0.375, 1.125, 0.375, 0.375, -0.375, 1.125]
    assert graph.trees.set_members.tolist() == [0, 2, 63]
    assert graph.feature_names == ("girth", "kind")
    assert [op.scale for op in graph.operators if isinstance(op, Link)] == [2.0, 2.0]
    assert graph.value("probability").role is Role.PROBABILITY
    assert graph.provenance["iterations"] == 2


def test_missing_types_by_hand(tmp_path: Path) -> None:
    """None compares NaN as zero; Zero sends zero where NaN goes; NaN has its own way."""
    for decision, threshold, nan_left, zero_left in (
        (0, 0.5, True, True), (2, -0.5, False, False), (4, 0.5, False, False),
        (6, -0.5, True, True), (8, 0.5, False, True), (10, -0.5, True, False),
    ):  # fmt: skip
        tree = (
            f"num_leaves=2\nnum_cat=0\nsplit_feature=0\nthreshold={threshold}\n"
            f"decision_type={decision}\nleft_child=-1\nright_child=-2\nleaf_value=1 2\n"
        )
        graph = read_file(write(tmp_path, text(trees=(tree,))))
        leaf = oracle.apply(graph, np.array([[np.nan, 0], [0, 0], [-1e-36, 0]]))[:, 0]
        assert leaf.tolist() == [int(not nan_left)] + 2 * [int(not zero_left)]


def test_random_forest_divides_by_its_iterations(tmp_path: Path) -> None:
    header = HEADER.replace("objective=binary sigmoid:2", "objective=regression\naverage_output")
    graph = read_file(write(tmp_path, text(header)))
    assert graph.methods == ("predict", "apply")
    response = oracle.run(graph, np.array([[0.0, 0.0], [1.0, 0.0]]), Role.RESPONSE)
    assert response[:, 0].tolist() == [0.375 / 2, -0.375 / 2]


def test_every_cut_is_refused(tmp_path: Path) -> None:
    whole = text()
    for length in range(whole.index("end of trees") + len("end of trees")):
        with pytest.raises((SourceFileError, UnsupportedModelError)):
            read_file(write(tmp_path, whole[:length]))


FAULTS = (
    ("tree\n", '{"name"\n', "expected the line 'tree'"),
    ("tree\nversion", "tree\r\nversion", "CR LF"),
    ("max_feature_idx=1", "max_feature_idx=-1", "max_feature_idx is '-1'"),
    ("max_feature_idx=1", "max_feature_idx=2", "feature_names has 2 names, expected 3"),
    ("num_tree_per_iteration=1", "num_tree_per_iteration=0", "num_tree_per_iteration is '0'"),
    ("num_tree_per_iteration=1", "num_tree_per_iteration=2", "has 1 outputs"),
    ("num_tree_per_iteration=1", "num_tree_per_iteration=3", "2 trees, expected a multiple"),
    ("feature_names=girth kind\n", "", "the header has no feature_names"),
    ("binary sigmoid:2", "binary", "expected it to give sigmoid"),
    ("binary sigmoid:2", "binary sigmoid:-1", "expected it to give sigmoid"),
    ("Tree=1", "Tree=7", "tree 1 begins with b'Tree=7', expected 'Tree=1'"),
    ("num_leaves=3", "num_leaves=x", "tree 0: num_leaves is not a list of integers"),
    ("num_leaves=3", "num_leaves=4", "tree 0: leaf_value has 3 numbers, expected 4"),
    ("split_feature=0 1", "split_feature=0 2", "tree 0: split_feature holds 2, expected 0 to 1"),
    ("split_feature=0 1\n", "", "tree 0 has no split_feature"),
    ("threshold=0.5 0", "threshold=0.5 1", "tree 0: a category node has threshold 1.0"),
    ("threshold=0.5 0", "threshold=nan 0", "tree 0: threshold holds nan"),
    ("threshold=0.5 0", "threshold=0,5 0", "tree 0: threshold is not a list of numbers"),
    ("decision_type=2 1", "decision_type=2 13", "tree 0: decision_type holds 13"),
    ("left_child=1 -1", "left_child=2 -1", "tree 0: left_child holds 2, expected -3 to 1"),
    ("left_child=1 -1", "left_child=1 -2", "do not name each node and leaf once"),
    ("left_child=1 -1", "left_child=0 -1", "do not name each node and leaf once"),
    ("leaf_value=0.25", "leaf_value=inf", "tree 0: leaf_value holds inf"),
    ("is_linear=0", "is_linear=2", "tree 0: is_linear holds 2, expected 0 to 1"),
    ("is_linear=0", "is_linear=1", "tree 0 has no leaf_const"),
    ("cat_boundaries=0 2", "cat_boundaries=0 3", "cat_threshold has 2 numbers, expected 3"),
    ("cat_boundaries=0 2", "cat_boundaries=1 2", "cat_boundaries does not rise from 0"),
    ("cat_threshold=5 2147483648", "cat_threshold=5 4294967296", "holds 4294967296"),
)


LINEAR_FAULTS = (
    ("leaf_const=1 -2", "leaf_const=1", "leaf_const has 1 numbers, expected 2"),
    ("leaf_const=1 -2", "leaf_const=1 nan", "leaf_const holds nan, expected finite"),
    ("num_features=2 0", "num_features=2 1", "leaf_features has 2 numbers, expected 3"),
    ("num_features=2 0", "num_features=3 -1", "num_features holds 3, expected 0 to 2"),
    ("leaf_features=1 0", "leaf_features=1 2", "leaf_features holds 2, expected 0 to 1"),
    ("leaf_coeff=0.5 -4", "leaf_coeff=0.5", "leaf_coeff has 1 numbers, expected 2"),
    ("leaf_coeff=0.5 -4", "leaf_coeff=0.5 -inf", "leaf_coeff holds -inf, expected finite"),
    ("leaf_coeff=0.5 -4\n", "", "tree 1 has no leaf_coeff, expected it"),
)


@pytest.mark.parametrize(("good", "bad", "message"), LINEAR_FAULTS)
def test_fault_of_linear_leaves_has_its_message(
    tmp_path: Path, good: str, bad: str, message: str
) -> None:
    trees = (TREES[0], LINEAR.replace(good, bad))
    with pytest.raises(SourceFileError, match=re.escape(message)):
        read_file(write(tmp_path, text(trees=trees)))


def test_linear_leaves_by_hand(tmp_path: Path) -> None:
    """A missing value of a leaf's own terms brings back its plain value; infinity is a number."""
    single = "num_leaves=1\nnum_cat=0\nleaf_value=3\nis_linear=1\nleaf_const=0.25\n"
    single += "num_features=1\nleaf_features=1\nleaf_coeff=2\n"
    graph = read_file(write(tmp_path, text(trees=(LINEAR, single, TREES[1]))))
    X = np.array([[0.5, 2], [0.5, np.nan], [-np.inf, 0], [0.75, 1e-36], [np.nan, 0], [1, np.inf]])
    margin = oracle.predict_margin(graph, X)[:, 0]
    # First tree: 1 + 0.5 b - 4 a, or -2; second: 0.25 + 2 b; third: 0.125.
    assert margin[:4].tolist() == [4.375, 7 + 3 + 0.125, np.inf, -1.625]
    # NaN is compared as zero at this node, and is missing to the terms.
    assert margin[4:].tolist() == [7 + 0.25 + 0.125, np.inf]
    assert oracle.apply(graph, X).tolist() == [[i, 0, 0] for i in (0, 0, 0, 1, 0, 1)]


@pytest.mark.parametrize(("good", "bad", "message"), FAULTS)
def test_fault_has_its_message(tmp_path: Path, good: str, bad: str, message: str) -> None:
    header = HEADER.replace(good, bad)
    trees = tuple(tree.replace(good, bad) for tree in TREES)
    content = text(header, trees)
    if good.startswith("Tree="):
        content = content.replace(good, bad)
    assert content != text()
    with pytest.raises(SourceFileError, match=re.escape(message)) as caught:
        read_file(write(tmp_path, content))
    assert re.search(r"model\.txt(, line \d+)?: ", str(caught.value))


def test_sizes_and_trailer(tmp_path: Path) -> None:
    whole = text()
    longer = whole.replace("leaf_value=0.25", "leaf_value=0.2500")
    with pytest.raises(SourceFileError, match=r"line 33: .* expected 'end of trees'"):
        read_file(write(tmp_path, longer))
    with pytest.raises(SourceFileError, match="tree_sizes is empty"):
        read_file(write(tmp_path, text(trees=())))
    with pytest.raises(SourceFileError, match="pandas_categorical is"):
        read_file(write(tmp_path, whole.replace("categorical:null", 'categorical:[["a"')))


def test_end_of_trees_before_version_2_2(tmp_path: Path) -> None:
    old = TRAILER.replace("end of trees\n", "").replace("feature_imp", "feature imp")
    graph = read_file(write(tmp_path, text(HEADER.replace("v4", "v2"), trailer=old)))
    assert graph.trees.n_trees == 2
    assert graph.provenance["format"] == "v2"


@pytest.mark.parametrize("given", ["[1]", "{}", '"a"', "3", "[null]"])
def test_labels_that_are_no_lists(tmp_path: Path, given: str) -> None:
    broken = text().replace("categorical:null", f"categorical:{given}")
    with pytest.raises(SourceFileError, match="expected a JSON list of lists or null"):
        read_file(write(tmp_path, broken))


def test_names_of_objectives_before_version_2_3(tmp_path: Path) -> None:
    for old, kind in (("xentropy", "sigmoid"), ("xentlambda", "softplus")):
        graph = read_file(write(tmp_path, text(HEADER.replace("binary sigmoid:2", old))))
        assert [op.kind for op in graph.operators if isinstance(op, Link)] == [kind]


def test_what_has_no_counterpart(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="format version b'v1'"):
        read_file(write(tmp_path, HEADER.replace("v4", "v1") + "\n"))
    with pytest.raises(UnsupportedModelError, match="'survival', expected one of regression"):
        read_file(write(tmp_path, text(HEADER.replace("binary sigmoid:2", "survival"))))
    with pytest.raises(FileAccessError, match=r"cannot read .*absent\.txt"):
        read_file(tmp_path / "absent.txt")


def test_reading_needs_no_lightgbm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    assert read_file(write(tmp_path, text())).trees.n_trees == 2
