"""Where the bytes of a packed tree model are, for `inspect` and for benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TreeSizes", "tree_sizes"]

_PARTS = {
    "node_bytes": ("structure", "node_column", "node_rank", "missing_left"),
    "cut_bytes": ("column_feature", "column_kind", "column_size", "cuts"),
    "category_bytes": ("category_count", "category_values", "set_bits"),
    "leaf_bytes": (
        "leaf_row",
        "leaf_values",
        "leaf_number",
        "tree_weight",
        "tree_output",
        "base_value",
        "linear_count",
        "linear_feature",
        "linear_coefficient",
        "linear_constant",
    ),
}
_PART_OF = {name: part for part, names in _PARTS.items() for name in names}


@dataclass(frozen=True)
class TreeSizes:
    """Encoded bytes of a model's trees, by what they hold.

    Parameters
    ----------
    n_inner : int
        Inner nodes of all trees.
    node_bytes : int
        Structure, column, rank and missing route of the inner nodes.
    cut_bytes : int
        Columns and their cuts.
    category_bytes : int
        Category values and sets.
    leaf_bytes : int
        Leaves with their terms, their numbers, and what each tree adds to.
    """

    n_inner: int
    node_bytes: int
    cut_bytes: int
    category_bytes: int
    leaf_bytes: int

    @property
    def bytes_per_node(self) -> float:
        """`node_bytes` for each inner node; 0.0 where there is none."""
        return self.node_bytes / self.n_inner if self.n_inner else 0.0

    def __str__(self) -> str:
        """Say the sizes in one line."""
        return (
            f"{self.bytes_per_node:.2f} bytes per inner node ({self.n_inner} nodes); bytes of nodes"
            f" {self.node_bytes}, cuts {self.cut_bytes}, categories {self.category_bytes},"
            f" leaves {self.leaf_bytes}"
        )


def tree_sizes(facts: Mapping[str, Any]) -> TreeSizes | None:
    """Add up the tensors of a file's tree ensembles.

    Parameters
    ----------
    facts : mapping
        What ``_core.inspect`` says of the file.

    Returns
    -------
    TreeSizes or None
        None where the file holds no trees.
    """
    ensembles = [op for op in facts["operators"] if op["name"] == "tree_ensemble"]
    if not ensembles:
        return None
    size = dict.fromkeys(_PARTS, 0)
    for ensemble in ensembles:
        for tensor in (facts["tensors"][i] for i in ensemble["tensors"] if i is not None):
            size[_PART_OF[tensor["name"]]] += int(tensor["encoded_bytes"])
    n_inner = sum(int(ensemble["attributes"]["n_inner"]) for ensemble in ensembles)
    return TreeSizes(n_inner=n_inner, **size)
