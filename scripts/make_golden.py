"""Write the golden files that do not exist yet; those that exist are never touched.

Each is a small packed model. The answers that it must give for ever lie beside it in an ``.npz`` of
plain arrays: ``rows``, ``leaves``, and one array for each role of the Graph (``margin``, ...). They
come from the NumPy oracle of the tests, not from the runtime that they are to judge.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
GOLDEN_NETS = ROOT / "tests" / "golden_nets"
sys.path.insert(0, str(ROOT / "tests"))

import net_graphs  # noqa: E402 - found through the line above
import oracle  # noqa: E402
import oracle_nets  # noqa: E402
from cordwood.ir import Role  # noqa: E402
from cordwood.pack import pack  # noqa: E402
from drawn import LIGHTGBM_ZERO, Shape, make_graph, make_rows  # noqa: E402

if TYPE_CHECKING:
    from cordwood.ir import Graph

MODELS = {
    "regression_float32": Shape(
        seed=101, n_features=5, n_trees=6, max_leaves=20, input_type="float32", comparison="lt",
        accumulate_type="float32", leaf_type="float32", leaf_order="level",
    ),
    "regression_float64": Shape(
        seed=102, n_features=4, n_trees=6, max_leaves=20, leaf_order="preorder",
        aggregate="average", infinite_cuts=True,
    ),
    "binary_categories_truncate": Shape(
        seed=103, n_features=6, n_trees=8, max_leaves=20, head="binary", category_rule="truncate",
        zero_band=LIGHTGBM_ZERO, integer_cast="float32",
    ),
    "binary_categories_floor": Shape(
        seed=104, n_features=6, n_trees=8, max_leaves=20, head="binary_cut", category_rule="floor",
        category_members="right", input_type="float32", accumulate_type="float32", comparison="lt",
    ),
    "multiclass_categories_exact": Shape(
        seed=106, n_features=6, n_trees=9, max_leaves=20, head="multiclass", n_outputs=3,
        category_rule="exact",
    ),
    "forest_vector_leaves": Shape(
        seed=107, n_features=5, n_trees=6, max_leaves=20, head="forest", n_outputs=4,
        vector_leaves=True, aggregate="average", shared_leaves=True, leaf_order="preorder",
        input_type="float32", accepts_nan=False, accepts_infinity=False,
    ),
    "exponential_zero_missing": Shape(
        seed=108, n_features=4, n_trees=6, max_leaves=20, head="exponential", zero_missing=True,
        zero_band=LIGHTGBM_ZERO, weighted=True,
    ),
    "numbers_listed": Shape(seed=109, n_trees=4, max_leaves=20, leaf_order="shuffled"),
    "many_cuts": Shape(seed=110, n_features=2, n_trees=2, many_cuts=True, leaf_order="preorder"),
    "no_trees": Shape(seed=111, n_trees=0, n_outputs=2),
    "linear_leaves": Shape(
        seed=112, n_features=5, n_trees=6, max_leaves=20, linear=True, zero_band=LIGHTGBM_ZERO,
        head="square",
    ),
    "weighted_median": Shape(
        seed=113, n_features=4, n_trees=7, max_leaves=20, aggregate="weighted_median",
        weighted=True, leaf_order="preorder", accumulate_type="float32", leaf_type="float32",
    ),
    "start_logit": Shape(
        seed=114, n_features=4, n_trees=6, max_leaves=20, start="logit", head="binary",
        leaf_order="preorder",
    ),
    "outputs_in_groups": Shape(
        seed=115, n_features=5, n_trees=6, max_leaves=20, head="groups", n_outputs=5,
        vector_leaves=True, aggregate="average", shared_leaves=True, leaf_order="preorder",
    ),
    "outputs_each_greater": Shape(
        seed=116, n_features=5, n_trees=6, max_leaves=20, head="multilabel", n_outputs=3,
    ),
    "categories_by_label": Shape(
        seed=117, n_features=6, n_trees=9, max_leaves=20, head="scaled", n_outputs=3,
        category_rule="truncate",
    ),
    "integer_leaves": Shape(
        seed=118, n_features=5, n_trees=6, max_leaves=20, head="pair", integer_leaves=True,
        weighted=True,
    ),
    "missing_value": Shape(
        seed=119, n_features=5, n_trees=6, max_leaves=20, head="softplus", input_type="float32",
        missing_value=-999.0,
    ),
    "isolation": Shape(
        seed=120, n_features=5, n_trees=6, max_leaves=20, head="isolation", aggregate="average",
        leaf_order="preorder", infinite_cuts=True,
    ),
    "embedding": Shape(
        seed=121, n_features=5, n_trees=4, n_outputs=4, max_leaves=20, head="embedding",
        leaf_order="level",
    ),
    "hinge": Shape(seed=122, n_trees=6, max_leaves=20, n_outputs=2, head="hinge"),
}  # fmt: skip
"""The models by file name; a later format version adds files and changes none."""

AROUND: dict[str, dict[str, Any]] = {
    "categories_by_label": {
        "categories": {
            1: np.array(["red", "größe", "", "blue"]), 3: np.array([5, -7, 2**53 + 1]),
            4: np.array([0.5, np.inf]), 5: np.array([True, False]),
        },
        "unseen": "refused", "sparse": "zero", "trees_per_iteration": 3, "staged": True,
    },
}  # fmt: skip
"""What a model has besides its shape."""

NETS = {
    "coded_rows": (net_graphs.everything, net_graphs.given),
    "tokens_and_images": (lambda: net_graphs.everything("float32"), net_graphs.given),
    "functions": (
        net_graphs.functions,
        lambda: {"x": np.random.default_rng(4).normal(size=(2, 5, 6)).astype(np.float32)},
    ),
}
"""The nets by file name: their Graph and inputs; answers have ``answer_`` before their names."""

N_ROWS = 60


def answers(graph: Graph, seed: int) -> dict[str, np.ndarray]:
    """Return rows and what `graph` answers to them."""
    rows = make_rows(graph.trees, N_ROWS, "float64", seed)
    found = {"rows": rows, "leaves": oracle.apply(graph, rows)}
    for value in graph.values:
        if value.role not in (Role.ROWS, Role.NONE):
            found[value.role.name.lower()] = oracle.run(graph, rows, value.role)
    return found


def main() -> None:
    """Write what is missing, and say what was written."""
    GOLDEN.mkdir(exist_ok=True)
    for name, shape in MODELS.items():
        path = GOLDEN / f"{name}.cord"
        if path.exists():
            continue
        graph = dataclasses.replace(make_graph(shape), **AROUND.get(name, {}))
        np.savez_compressed(path.with_suffix(".npz"), **answers(graph, shape.seed))
        path.write_bytes(pack(graph))
        print(f"wrote {path.relative_to(ROOT)} and its answers")
    GOLDEN_NETS.mkdir(exist_ok=True)
    for name, (make, given) in NETS.items():
        path = GOLDEN_NETS / f"{name}.cord"
        if path.exists():
            continue
        graph, inputs = make(), given()
        found = oracle_nets.run(graph, inputs)
        found = {f"answer_{output}": answer for output, answer in found.items()}
        np.savez_compressed(path.with_suffix(".npz"), **inputs, **found)
        path.write_bytes(pack(graph))
        print(f"wrote {path.relative_to(ROOT)} and its answers")


if __name__ == "__main__":
    main()
