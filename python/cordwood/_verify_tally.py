"""What is counted while rows are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cordwood._verify_report import Difference, RowProof

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["KEPT", "Tally"]

KEPT = 8
"""Differences that are kept from each batch and kind."""


@dataclass
class Tally:
    """Counts while rows are compared; `proof` returns them for good."""

    counts: dict[str, Any] = field(default_factory=dict)
    n_differences: int = 0
    differences: list[Difference] = field(default_factory=list)

    def add(self, **amounts: int) -> None:
        """Add to counts of `RowProof`, by name."""
        for name, amount in amounts.items():
            self.counts[name] = self.counts.get(name, 0) + amount

    def worst(self, error: float, bound: float) -> None:
        """Note the error of a link."""
        self.counts["link_error"] = max(self.counts.get("link_error", 0.0), error)
        self.counts["link_bound"] = bound

    def worst_margin(self, error: float, bound: float) -> None:
        """Note how far margins of a lossy model are off."""
        self.counts["margin_error"] = max(self.counts.get("margin_error", 0.0), error)
        self.counts["margin_bound"] = bound

    def differ(self, count: int, examples: Iterable[Difference]) -> None:
        """Note values that differ, and the first of them."""
        self.n_differences += count
        self.differences += list(examples)[:KEPT]

    def proof(self) -> RowProof:
        """Return what was counted."""
        return RowProof(
            n_differences=self.n_differences,
            differences=tuple(self.differences[:KEPT]),
            **self.counts,
        )
