"""Hypothesis strategies that draw Graphs and rows.

Hypothesis draws the sizes and the choices; a drawn seed fills the arrays (``drawn.py``), so that a
Graph of hundreds of nodes costs a handful of draws and still shrinks to a small one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from drawn import LIGHTGBM_ZERO, Shape, make_graph, make_rows
from drawn_heads import HEADS, ONE_OUTPUT

if TYPE_CHECKING:
    import numpy.typing as npt

    from cordwood.ir import Graph

__all__ = ["ROW_TYPES", "graphs", "graphs_and_rows", "rows_for", "shapes"]

ROW_TYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")

_FLOATS = st.sampled_from(("float32", "float64"))

_CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "seed": st.integers(0, 2**32 - 1),
    "n_features": st.integers(1, 6),
    "n_outputs": st.integers(1, 4),
    "n_trees": st.integers(0, 12),
    "max_leaves": st.sampled_from((1, 2, 3, 5, 8, 31, 70)),
    "growth": st.sampled_from(("random", "level", "oblivious", "skewed")),
    "leaf_order": st.sampled_from(("node", "preorder", "level", "shuffled")),
    "head": st.sampled_from(HEADS),
    "input_type": _FLOATS,
    "accumulate_type": _FLOATS,
    "leaf_type": _FLOATS,
    "integer_cast": st.sampled_from(("direct", "float32")),
    "comparison": st.sampled_from(("le", "lt")),
    "zero_band": st.sampled_from((0.0, LIGHTGBM_ZERO)),
    "zero_missing": st.booleans(),
    "category_rule": st.sampled_from(("none", "floor", "truncate", "exact")),
    "category_members": st.sampled_from(("left", "right")),
    "aggregate": st.sampled_from(("sum", "average", "weighted_median")),
    "vector_leaves": st.booleans(),
    "weighted": st.booleans(),
    "integer_leaves": st.booleans(),
    "linear": st.booleans(),
    "start": st.sampled_from(("none", "none", "trees", "shift")),
    "missing_value": st.sampled_from((None, None, -999.0, 0.0, 0.5)),
    "shared_leaves": st.booleans(),
    "many_cuts": st.sampled_from((False, False, False, False, True)),
    "infinite_cuts": st.booleans(),
    "accepts_nan": st.booleans(),
    "accepts_infinity": st.booleans(),
}


@st.composite
def shapes(draw: st.DrawFn, **fixed: Any) -> Shape:
    """Draw the choices of a Graph; keyword arguments fix some of them."""
    chosen = {name: draw(choice) for name, choice in _CHOICES.items() if name not in fixed}
    chosen |= fixed
    wanted = chosen["head"]
    if wanted in ONE_OUTPUT:
        chosen["n_outputs"] = 1
    if wanted in ("forest", "groups"):
        chosen |= {"vector_leaves": True, "aggregate": "average", "linear": False}
    if wanted == "groups":
        chosen["n_outputs"] = max(2, chosen["n_outputs"])
    if wanted == "embedding":
        chosen["n_trees"] = chosen["n_outputs"] = max(1, chosen["n_trees"])
        chosen |= dict.fromkeys(("vector_leaves", "weighted", "linear", "shared_leaves"), False)
        chosen |= {"aggregate": "sum", "start": "none"}
    if chosen["aggregate"] == "weighted_median":
        if chosen["n_outputs"] > 1:
            chosen["aggregate"] = "sum"
        else:
            chosen |= {"start": "none", "linear": False}
    if chosen["missing_value"] is not None:
        chosen["accepts_nan"] = True
    if chosen["linear"]:
        chosen |= {"vector_leaves": False, "weighted": False, "integer_leaves": False}
    return Shape(**chosen)


def graphs(**fixed: Any) -> st.SearchStrategy[Graph]:
    """Draw a Graph; keyword arguments fix fields of its ``Shape``."""
    return shapes(**fixed).map(make_graph)


@st.composite
def rows_for(
    draw: st.DrawFn, graph: Graph, max_rows: int = 40, dtypes: tuple[str, ...] = ROW_TYPES
) -> npt.NDArray[Any]:
    """Draw rows on the borders of a Graph, in one of `dtypes`; none to `max_rows` of them."""
    n_rows = draw(st.integers(0, max_rows))
    dtype = draw(st.sampled_from(dtypes))
    return make_rows(graph.trees, n_rows, dtype, draw(st.integers(0, 2**32 - 1)))


@st.composite
def graphs_and_rows(
    draw: st.DrawFn, max_rows: int = 40, dtypes: tuple[str, ...] = ROW_TYPES, **fixed: Any
) -> tuple[Graph, npt.NDArray[Any]]:
    """Draw a Graph together with rows for it."""
    graph = draw(graphs(**fixed))
    return graph, draw(rows_for(graph, max_rows, dtypes))
