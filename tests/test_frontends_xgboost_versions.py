"""Files of many XGBoost versions, with the answers that each version gave, read without it.

``scripts/make_xgboost_models.py`` makes the files and says how.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from cordwood.errors import UnsupportedModelError
from cordwood.frontends.xgboost import read_file
from cordwood.ir import Graph, Role

FOLDER = Path(__file__).parent / "models_xgboost"
FILES = sorted(path for path in FOLDER.glob("*/*") if path.suffix in (".json", ".ubj"))
KINDS = {"linear": "small", "linear_three": "small", "one_hot": "coded", "partition": "coded"}
KINDS["labelled"] = "labelled"
REFUSED = {("1.0.2", "logitraw"): r"another margin since 3\.2"}
BASE_LAST = {"1.0.2": ("gbtree", "dart"), "1.3.3": ("dart",)}
"""Boosters of versions that added the base score to the finished sum; later ones start from it."""


def graph_and_answers(path: Path) -> tuple[Graph, np.ndarray, dict[str, Any]]:
    """Return the Graph of a file, its rows, and what its version answered."""
    with np.load(path.parent / "answers.npz") as stored:
        given = {
            key.partition(".")[2]: stored[key] for key in stored if key.startswith(f"{path.stem}.")
        }
        rows = stored[KINDS.get(path.stem, "plain")]
    return read_file(path), rows, given


def base_added_last(graph: Graph, rows: np.ndarray) -> np.ndarray:
    """Add the leaves up from zero, and the base score to their sum."""
    op = graph.trees
    total = np.zeros((len(rows), op.n_outputs), np.float32)
    for tree, leaf in enumerate(oracle.leaves(op, rows).T):
        value = op.leaf_values[op.leaf_row[leaf], 0] * np.float32(op.tree_weight[tree])
        total[:, op.tree_output[tree]] += value
    return total + op.base_value


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_leaves_and_margins_are_those_of_the_version(path: Path) -> None:
    version = path.parent.name
    if (version, path.stem) in REFUSED:
        with pytest.raises(UnsupportedModelError, match=REFUSED[version, path.stem]):
            read_file(path)
        return
    graph, rows, given = graph_and_answers(path)
    assert graph.provenance["version"] == version
    if "leaves" in given:
        assert np.array_equal(oracle.apply(graph, rows), given["leaves"])
    margin = oracle.predict_margin(graph, rows)
    if graph.provenance["booster"] in BASE_LAST.get(version, ()):
        assert np.allclose(margin, base_added_last(graph, rows), rtol=1e-6, atol=1e-6)
        margin = base_added_last(graph, rows)
    assert margin.tobytes() == given["margin"].tobytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_answers_follow_from_the_margins(path: Path) -> None:
    version = path.parent.name
    if (version, path.stem) in REFUSED or version in BASE_LAST:
        return  # margins differ in the last bits, by the test above
    graph, rows, given = graph_and_answers(path)
    answer = given.get("answer", given["margin"])
    if graph.by_role(Role.LABEL) is not None:
        assert np.array_equal(graph.classes[oracle.run(graph, rows, Role.LABEL)], answer)
        return
    role = Role.PROBABILITY if graph.by_role(Role.RESPONSE) is None else Role.RESPONSE
    ours = oracle.run(graph, rows, role).reshape(answer.shape)
    assert np.all(np.abs(ours - answer) <= 4 * np.spacing(np.abs(answer)))


def test_every_version_has_files() -> None:
    versions = {path.parent.name for path in FILES}
    assert {"1.0.2", "1.3.3", "1.5.2", "1.6.2", "1.7.6", "2.0.3", "3.0.5", "3.1.3"} < versions
    assert sum(path.stat().st_size for path in FOLDER.glob("*/*")) < 400_000


def test_labels_of_a_frame_stand_in_code_order() -> None:
    for version in ("3.1.3", "3.2.0"):
        graph = read_file(FOLDER / version / "labelled.json")
        assert {feature: labels.tolist() for feature, labels in graph.categories.items()} == {
            2: ["teal", "blue", "", "red brick"],
            3: [30, -7, 12, 5],
        }
        assert graph.unseen == "refused"
    assert not read_file(FOLDER / "3.2.0" / "one_hot.ubj").categories
