"""Probes find a front end that misreads a model: the structure then agrees with itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import frontends
from cordwood.ir import Graph
from cordwood.model import Model
from cordwood.pack import pack
from test_verify_changes import nodes_for
from verify_changes import (
    CATEGORY,
    LEAF,
    MISSING,
    NUMERIC,
    ZERO,
    changed,
    head_changes,
    leaf_far_off,
)
from verify_models import MAKERS, trained, training_rows

FOUND_BY_ROWS = {**NUMERIC, **MISSING, **ZERO, **{f"category {name}": change
                 for name, change in CATEGORY.items()},
                 "leaf_number": LEAF["leaf_number"],
                 "leaf_far_off": (leaf_far_off, "")}  # fmt: skip

NODES = 2
"""Nodes at which each change is made; every one costs a whole verification."""


def misread(source: Any, wrong: Graph, monkeypatch: pytest.MonkeyPatch) -> cw.Report:
    """Verify as if the front end had read `wrong`; the model is packed from it, too."""
    with monkeypatch.context() as patch:
        patch.setattr(frontends, "read", lambda _: wrong)
        report = cw.verify(source, cw.compress(source))
    assert report.structure.n_differences == 0, "the structure cannot know"
    return report


@pytest.mark.parametrize("family", MAKERS)
def test_a_misread_node_is_found(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = trained(family)
    graph = frontends.read(source)
    found = 0
    for name, (change, _) in FOUND_BY_ROWS.items():
        for node in nodes_for(graph, name, NODES):
            report = misread(source, changed(graph, **change(graph.trees, int(node))), monkeypatch)
            assert not report.identical, (name, node)
            found += 1
    assert found >= 10


RULES = {
    "lightgbm_zero_as_missing": [{"zero_band": 0.0}],
    "lightgbm_large": [{"integer_cast": "direct"}],
    "lightgbm": [{"comparison": "lt"}, {"category_rule": "floor"}, {"category_members": "right"},
                 {"accepts_infinity": False}, {"accepts_nan": False}],
    "xgboost": [{"comparison": "le"}, {"category_rule": "truncate"}, {"accepts_infinity": True},
                {"category_members": "left"}, {"accepts_nan": False}],
    "hist_binary": [{"comparison": "lt"}, {"accepts_nan": False}, {"accepts_infinity": False}],
    "forest_classifier": [{"comparison": "lt"}, {"accepts_nan": False},
                          {"accepts_infinity": True}, {"divisor": 5.0}],
    "boosting_three": [{"accepts_nan": True}, {"base_value": np.zeros(3)}],
    "xgboost_dart": [{"tree_weight": np.ones(4)}],
}  # fmt: skip
"""Rules of whole ensembles, misread."""


@pytest.mark.parametrize(
    ("family", "fields"), [(name, fields) for name in RULES for fields in RULES[name]], ids=str
)
def test_a_misread_rule_is_found(
    family: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = trained(family)
    wrong = changed(frontends.read(source), **fields)
    assert not misread(source, wrong, monkeypatch).identical


@pytest.mark.parametrize("family", MAKERS)
def test_a_misread_answer_is_found(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = trained(family)
    changes = head_changes(frontends.read(source), by_one_bit=False)
    # What rows cannot tell: which names columns have, and which methods there might be.
    for kind in ("feature names", "methods"):
        del changes[kind]
    for kind, wrong in changes.items():
        assert not misread(source, wrong, monkeypatch).identical, kind


def test_own_rows_find_a_difference_where_they_reach_it() -> None:
    source = trained("hist_binary")
    graph = frontends.read(source)
    wrong = Model(pack(changed(graph, leaf_values=graph.trees.leaf_values * 1.5)))
    report = cw.verify(source, wrong, training_rows("hist_binary"), probes=0)
    assert report.rows is not None
    kinds = {difference.kind for difference in report.rows.differences}
    assert "margin" in kinds
    assert report.rows.n_differences >= report.rows.margins


def test_probes_reach_nodes_that_no_training_row_reaches() -> None:
    """A deep path of narrow conditions, NaN at one step, a category at another."""
    source = trained("lightgbm_zero_as_missing")
    report = cw.verify(source, cw.compress(source), X=None)
    assert report.identical
    assert report.probed_nodes == report.inner_nodes
    other = cw.verify(source, cw.compress(source), X=np.zeros((1, 5)))
    assert other.probed_nodes == other.inner_nodes
