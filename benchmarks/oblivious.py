"""CatBoost's oblivious trees as a Graph: what ``save_model(format="json")`` writes, read by hand.

All nodes of one level ask the same question. Cordwood has no front end for CatBoost; this file is
how someone who holds trees of their own makes a Graph of them.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cordwood.ir import Graph, Role, TreeEnsemble, Value


def document(source: Any) -> dict[str, Any]:
    """Return a model of CatBoost as the JSON that it saves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        source.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def graph(found: dict[str, Any]) -> Graph:
    """Return the margin (``RawFormulaVal``) of a model with one output and numeric features.

    CatBoost compares float32: ``value > border`` sets bit ``i`` of the leaf's index for split
    ``i``, so the last split is asked at the root and leaves stand in the order of their index. Leaf
    values add up in float64. The bias is where the sum starts here, and added last there.
    """
    features = found["features_info"]["float_features"]
    n_features = 1 + max(feature["flat_feature_index"] for feature in features)
    column = {feature["feature_index"]: feature["flat_feature_index"] for feature in features}
    nan_left = np.array([feature["nan_value_treatment"] != "AsTrue" for feature in features])
    scale, (bias,) = found["scale_and_bias"]
    trees = [_tree(tree) for tree in found["oblivious_trees"]]
    depth = np.array([len(splits) for splits, _, _ in trees])
    n_leaves = 1 << depth
    first_leaf = np.concatenate([[0], np.cumsum(n_leaves)])
    nodes = [_nodes(*tree, first) for tree, first in zip(trees, first_leaf[:-1], strict=True)]
    parts = {name: np.concatenate([part[name] for part in nodes]) for name in nodes[0]}
    asks = parts["feature"] >= 0
    missing_left = asks & nan_left[parts["feature"]]
    columns = np.array([column[index] for index in range(len(features))], np.int32)
    parts["feature"] = np.where(asks, columns[parts["feature"]], -1).astype(np.int32)
    n_nodes, n_trees = len(asks), len(trees)
    ensemble = TreeEnsemble(
        source="rows",
        target="margin",
        n_features=n_features,
        n_outputs=1,
        input_type="float32",
        comparison="le",
        accumulate_type="float64",
        accepts_nan=True,
        accepts_infinity=True,
        base_value=np.array([bias], np.float64),
        tree_start=np.concatenate([[0], np.cumsum(2 * n_leaves - 1)]).astype(np.int64),
        tree_output=np.zeros(n_trees, np.int32),
        tree_weight=np.full(n_trees, scale, np.float64),
        category_set=np.full(n_nodes, -1, np.int32),
        missing_left=missing_left,
        zero_missing=np.zeros(n_nodes, np.bool_),
        leaf_values=np.concatenate([leaves for _, _, leaves in trees]).reshape(-1, 1),
        set_start=np.zeros(1, np.int64),
        set_members=np.zeros(0, np.int32),
        category_start=np.zeros(n_features + 1, np.int64),
        category_values=np.zeros(0, np.float64),
        **parts,
    )
    return Graph(
        values=(
            Value("rows", "float32", ("batch", n_features), Role.ROWS),
            Value("margin", "float64", ("batch", 1), Role.MARGIN),
        ),
        operators=(ensemble,),
        provenance={"library": "catboost", "version": _version(found), "kind": "CatBoost"},
    )


def _version(found: dict[str, Any]) -> str:
    told = re.search(r"tags/v(\S+)", found["model_info"].get("catboost_version_info", ""))
    return told[1] if told else "unknown"


def _tree(tree: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feature and border of each split, and the leaf values."""
    splits, leaves = tree["splits"] or [], np.array(tree["leaf_values"], np.float64)
    kinds = {split["split_type"] for split in splits} - {"FloatFeature"}
    if kinds or len(leaves) != 1 << len(splits):
        message = f"expected numeric splits and one output, got {kinds}, {len(leaves)} leaf values"
        raise ValueError(message)
    features = np.array([split["float_feature_index"] for split in splits], np.int32)
    # Borders are float32; the file has their decimal digits.
    borders = np.array([split["border"] for split in splits], np.float32)
    return features, borders.astype(np.float64), leaves


def _nodes(
    features: np.ndarray, borders: np.ndarray, leaves: np.ndarray, first_leaf: int
) -> dict[str, np.ndarray]:
    """Lay a tree out level by level: the children of node ``k`` are ``2 k + 1`` and ``2 k + 2``."""
    n_inner = len(leaves) - 1
    inner = np.arange(n_inner, dtype=np.int32)
    at_leaf = np.full(len(leaves), -1, np.int32)
    at_inner = np.full(n_inner, -1, np.int32)
    levels = np.repeat(np.arange(len(features))[::-1], 1 << np.arange(len(features)))
    number = np.arange(len(leaves), dtype=np.int32)
    return {
        "left": np.concatenate([2 * inner + 1, at_leaf]),
        "right": np.concatenate([2 * inner + 2, at_leaf]),
        "feature": np.concatenate([features[levels], at_leaf]),
        "threshold": np.concatenate([borders[levels], np.zeros(len(leaves))]),
        "leaf_row": np.concatenate([at_inner, number + np.int32(first_leaf)]),
        "leaf_id": np.concatenate([at_inner, number]),
    }
