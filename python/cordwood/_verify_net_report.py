"""What verification of a net found: each output beside its source's, one screen of text, JSON."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from cordwood.errors import ModelDiffersError

__all__ = ["NetReport", "OutputProof"]


@dataclass(frozen=True, kw_only=True)
class OutputProof:
    """One output of a net beside its source's, over all batches.

    Parameters
    ----------
    name : str
        Output.
    elements : int
        Elements compared.
    largest_error : float
        Largest difference of an element, by the largest magnitude of the source's answer; of
        integers and bools 1 where any differs.
    error : float
        Norm of all differences, by the norm of the source's answers; of integers and bools the root
        of the share that differs.
    n_differences : int
        Elements that are further apart than allowed, or NaN or infinite on one side alone.
    place : str or None
        The first of these: its batch and index, what was given and what was expected.
    """

    name: str
    elements: int
    largest_error: float
    error: float
    n_differences: int
    place: str | None = None


@dataclass(frozen=True, kw_only=True)
class NetReport:
    """The result of `cordwood.verify` for a net.

    Parameters
    ----------
    source, model : str
        What was compared.
    batches : int
        Calls of both sides.
    outputs : tuple of OutputProof
        By output, in order.
    error : float
        That of all outputs of floats together.
    bound : float or None
        Largest error that passes: of each element for a lossless net, of `error` for a lossy one;
        None where the file states no loss to hold it to.
    lossy : str or None
        Recipe of a net that is not meant to be equal.
    drawn : bool
        Whether inputs were drawn, because none were given.
    seed : int
        Seed of the draw.
    """

    source: str
    model: str
    batches: int
    outputs: tuple[OutputProof, ...]
    error: float
    bound: float | None
    lossy: str | None = None
    drawn: bool = False
    seed: int = 0

    @property
    def passed(self) -> bool:
        """Whether every output is within the bound."""
        within = self.lossy is None or self.bound is None or self.error <= self.bound
        return within and self.n_differences == 0

    @property
    def n_differences(self) -> int:
        """Differences of all outputs together."""
        return sum(proof.n_differences for proof in self.outputs)

    def raise_if_different(self) -> None:
        """Do nothing where every output is within its bound.

        Raises
        ------
        ModelDiffersError
            One is not; the message names the first place.
        """
        for proof in self.outputs:
            if proof.n_differences:
                message = (
                    f"{self.model} differs from {self.source}: output {proof.name!r} at "
                    f"{proof.place} ({proof.n_differences:,} of {proof.elements:,} elements); do "
                    f"not use these bytes, compress the source again"
                )
                raise ModelDiffersError(message)
        if not self.passed:
            message = (
                f"{self.model} is further from {self.source} than {self.lossy} stated: its relative"
                f" error is {self.error:.3g}, expected {self.bound:.3g} at most; calibrate with"
                f" inputs like these"
            )
            raise ModelDiffersError(message)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        verdict = {"passed": self.passed, "n_differences": self.n_differences}
        return {**verdict, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """Describe the report on one screen."""
        if self.n_differences:
            verdict = f"DIFFERENT in {self.n_differences:,} places"
        elif not self.passed:
            verdict = f"FURTHER APART than {self.lossy} stated"
        elif self.lossy is None:
            verdict = "equal but for rounding"
        elif self.bound is None:
            verdict = f"apart as {self.lossy} leaves it; the file states no loss to hold it to"
        else:
            verdict = f"within the bound of {self.lossy}, not equal"
        made = f"drawn (seed {self.seed})" if self.drawn else "yours"
        lines = [
            f"{self.model} against {self.source}: {verdict}",
            f"  inputs    {self.batches:,} batches, {made}",
        ]
        for proof in self.outputs:
            lines.append(
                f"  output    {proof.name}: {proof.elements:,} elements, relative error "
                f"{proof.error:.3g}, largest {proof.largest_error:.3g}"
            )
            if proof.place is not None:
                lines.append(f"  differs   {proof.n_differences:,} elements, first {proof.place}")
        if self.bound is not None:
            what = "of each element" if self.lossy is None else "of all together"
            lines.append(f"  error     {self.error:.3g}; bound {self.bound:.3g} {what}")
        return "\n".join(lines)
