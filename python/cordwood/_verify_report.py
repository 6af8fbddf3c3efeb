"""What verification found: counts, first differences, one screen of text, JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from cordwood.errors import ModelDiffersError

__all__ = ["Difference", "Report", "RowProof", "StructureProof"]

SHOWN = 5
"""Differences that a printed report lists; `Report.to_dict` has all that were kept."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One place where the packed model is not its source.

    Parameters
    ----------
    kind : str
        What differs: ``"threshold"``, ``"missing route"``, ``"margin"`` and so on.
    given, expected : str
        What the packed model has; what its source has.
    tree : int, optional
        Tree, counted from 0.
    region : str, optional
        The part of the feature space where it matters, as the conditions that lead there.
    feature : str, optional
        Feature tested: its number, and its name where the source knows one.
    row : str, optional
        Row that shows it: its position, and what it was made to probe.
    column : int, optional
        Output, where there are several.
    """

    kind: str
    given: str
    expected: str
    tree: int | None = None
    region: str | None = None
    feature: str | None = None
    row: str | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Name the place, then what is there and what should be."""
        places = [
            f"tree {self.tree}" if self.tree is not None else "",
            f"region {self.region}" if self.region else "",
            f"feature {self.feature}" if self.feature else "",
            f"row {self.row}" if self.row else "",
            f"output {self.column}" if self.column is not None else "",
        ]
        place = ", ".join(part for part in places if part)
        where = f" at {place}" if place else ""
        return f"{self.kind}{where}: given {self.given}, expected {self.expected}"


@dataclass(frozen=True, kw_only=True)
class StructureProof:
    """The packed bytes walked beside the source's own structure.

    Parameters
    ----------
    trees, nodes, regions : int
        Trees; pairs of nodes compared; pairs of leaves among them.
    n_differences : int
        How many places differ.
    differences : tuple of Difference
        The first of them, in tree order.
    """

    trees: int
    nodes: int
    regions: int
    n_differences: int = 0
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowProof:
    """Rows answered by the source library and by the packed model.

    Parameters
    ----------
    rows : int
        Rows given to both.
    leaves, margins, labels : int
        Leaves compared; margin values compared bit by bit; labels compared.
    ties : int
        Labels that differ because two classes are as probable as the source's own rounding can
        tell; they count as equal.
    link_values : int
        Responses and probabilities compared with the exact link of the same margin.
    link_error, link_bound : float
        Largest distance between them, and what is allowed, in units in the last place.
    margin_error, margin_bound : float
        Largest difference of a margin, and what a lossy recipe allows; 0.0 where bits are compared.
    n_differences : int
        How many values differ.
    differences : tuple of Difference
        The first of them.
    """

    rows: int = 0
    leaves: int = 0
    margins: int = 0
    labels: int = 0
    ties: int = 0
    link_values: int = 0
    link_error: float = 0.0
    link_bound: float = 2.0
    margin_error: float = 0.0
    margin_bound: float = 0.0
    n_differences: int = 0
    differences: tuple[Difference, ...] = ()

    def lines(self) -> list[str]:
        """Describe the counts."""
        parts = [
            f"{self.rows:,} rows",
            f"{self.leaves:,} leaves" if self.leaves else "",
            f"{self.margins:,} margins {self._how()}" if self.margins else "",
            f"{self.labels:,} labels" if self.labels else "",
        ]
        tied = f" ({self.ties:,} labels at a tie)" if self.ties else ""
        allowed = "all within it" if self.margin_bound else f"all equal{tied}"
        verdict = f"{self.n_differences:,} DIFFER" if self.n_differences else allowed
        lines = [f"{', '.join(part for part in parts if part)}: {verdict}"]
        if self.link_values:
            lines.append(
                f"{self.link_values:,} responses within {self.link_error:.2f} units in the last "
                f"place of the exact link (bound {self.link_bound:g})"
            )
        return lines

    def _how(self) -> str:
        if not self.margin_bound:
            return "bit by bit"
        return f"off by at most {self.margin_error:.3g} (bound {self.margin_bound:.3g})"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of `cordwood.verify`.

    Parameters
    ----------
    source, model : str
        What was compared.
    structure : StructureProof
        Proof of routing and leaves over all rows there can be.
    probes : RowProof or None
        Rows on the borders of the source's regions; None where its library was not asked.
    rows : RowProof or None
        The caller's own rows; None where there are none, or its library was not asked.
    probed_nodes, inner_nodes : int
        Inner nodes that probes reached; inner nodes that there are.
    sampled_nodes : int
        Inner nodes drawn for probing; all of them where the model is small.
    seed : int
        Seed of the draw.
    note : str or None
        Why the library was not asked.
    lossy : str or None
        Recipe of a model that is not meant to be equal; what is counted then are places beyond the
        bound that its file states.
    """

    source: str
    model: str
    structure: StructureProof
    probes: RowProof | None = None
    rows: RowProof | None = None
    probed_nodes: int = 0
    sampled_nodes: int = 0
    inner_nodes: int = 0
    seed: int = 0
    note: str | None = None
    lossy: str | None = None

    @property
    def identical(self) -> bool:
        """Whether no proof found a difference, and none is allowed."""
        return self.passed and self.lossy is None

    @property
    def passed(self) -> bool:
        """Whether the model is what its file says: equal, or within the bound of its recipe."""
        return self.n_differences == 0

    @property
    def n_differences(self) -> int:
        """Differences that all proofs found together."""
        return sum(proof.n_differences for proof in self._made())

    @property
    def differences(self) -> tuple[Difference, ...]:
        """The first differences of each proof, structure first."""
        return tuple(item for proof in self._made() for item in proof.differences)

    def _made(self) -> list[StructureProof | RowProof]:
        made = (self.structure, self.probes, self.rows)
        return [proof for proof in made if proof is not None]

    def raise_if_different(self) -> None:
        """Do nothing where the model equals its source, or a lossy one keeps its bound.

        Raises
        ------
        ModelDiffersError
            It differs; the message names the first difference.
        """
        if self.passed:
            return
        more = self.n_differences - 1
        rest = f" (and {more:,} more)" if more else ""
        message = (
            f"{self.model} differs from {self.source}: {self.differences[0]}{rest}; do not use "
            f"these bytes, compress the source again"
        )
        raise ModelDiffersError(message)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        verdict = {"identical": self.identical, "passed": self.passed}
        counts = {"n_differences": self.n_differences}
        return {**verdict, **counts, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """Describe the report on one screen."""
        kept = "equal" if self.lossy is None else f"within the bound of {self.lossy}, not equal"
        verdict = kept if self.passed else f"DIFFERENT in {self.n_differences:,} places"
        lines = [f"{self.model} against {self.source}: {verdict}", f"  routing   {self._routing()}"]
        if self.probes is not None:
            whole = self.sampled_nodes == self.inner_nodes
            drawn = "all" if whole else f"{self.sampled_nodes:,} (seed {self.seed}) of"
            lines.append(
                f"  probes    {drawn} {self.inner_nodes:,} inner nodes; rows can reach "
                f"{self.probed_nodes:,} of these"
            )
            lines += [f"            {line}" for line in self.probes.lines()]
        if self.rows is not None:
            first, *others = self.rows.lines()
            lines += [f"  your rows {first}", *(f"            {line}" for line in others)]
        if self.note is not None:
            lines.append(f"  note      {self.note}")
        lines += [f"  differs   {item}" for item in self.differences[:SHOWN]]
        return "\n".join(lines)

    def _routing(self) -> str:
        proof = self.structure
        counts = f"{proof.regions:,} regions in {proof.trees:,} trees"
        if proof.n_differences:
            return f"{proof.n_differences:,} differences among {counts}"
        if self.lossy is not None and not proof.regions:
            return f"not compared: {self.lossy} changes trees"
        leaves = "" if self.lossy is None else "; leaves differ within the bound"
        return f"routing proved identical, {counts}{leaves}"
