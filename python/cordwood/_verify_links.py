"""Responses, probabilities and labels: against the exact link of the margin, and the source's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._verify_report import Difference
from cordwood._verify_tally import KEPT
from cordwood.ir import Decide, Link, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from cordwood._typing import AnyArray, BoolArray, Float64Array, FloatArray
    from cordwood._verify_tally import Tally
    from cordwood.ir import Graph
    from cordwood.model import Model

    LongArray = npt.NDArray[np.longdouble]

__all__ = ["compare_links", "compare_outputs", "link_bound"]

BOUND = 2.0
"""Units in the last place that a link may be off (``docs/exactness.md``)."""

SCALED_BOUND = 4.0
"""The same for a softmax of margins that are scaled first."""

SOURCE_UNITS = 256
"""Units in the last place that a source's own link may be off, all float32 softmaxes included.

It is no promise about them: a link of the wrong kind or scale is off by far more.
"""

TARGETS = {Role.RESPONSE: "response", Role.PROBABILITY: "probability", Role.SCORE: "score"}


def link_bound(link: Link | None = None) -> float:
    """Return what is allowed here: more where no type is finer than float64 to measure with."""
    finer = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
    scaled = link is not None and link.kind == "softmax" and link.scale != 1.0
    bound = SCALED_BOUND if scaled else BOUND
    return bound if finer else 2 * bound


def exact_link(link: Link, margin: FloatArray) -> LongArray:
    """Return the link of a margin in the widest type there is; same shape."""
    x = margin.astype(np.longdouble)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if link.kind == "sigmoid":
            x = np.asarray(1 / (1 + np.exp(-np.longdouble(link.scale) * x)))
        elif link.kind == "sigmoid_pair":
            scaled = np.longdouble(link.scale) * x
            x = np.asarray(1 / (1 + np.exp(np.hstack((scaled, -scaled)))))
        elif link.kind == "negative_exp2":
            x = np.asarray(-np.exp2(-x))
        elif link.kind == "exp":
            x = np.asarray(np.exp(x))
        elif link.kind == "softplus":
            x = np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
        elif link.kind == "signed_square":
            x = np.asarray(x * np.abs(x))
        elif link.kind == "step":
            x = np.asarray(x > 0, np.longdouble)
        elif link.kind == "softmax":
            raised = np.exp(np.longdouble(link.scale) * (x - x.max(axis=1, keepdims=True)))
            x = np.asarray(raised / raised.sum(axis=1, keepdims=True))
    return x


def distance(ours: FloatArray, exact: LongArray) -> Float64Array:
    """Return how far values are from exact ones, in units in the last place of their type."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        rounded = exact.astype(ours.dtype)
        unit = np.spacing(np.abs(rounded)).astype(np.longdouble)
        away = np.abs(ours.astype(np.longdouble) - exact) / unit
    same = (ours == rounded) & ~np.isfinite(rounded)
    same |= np.isnan(ours) & np.isnan(rounded)
    return np.asarray(np.where(same, 0.0, np.where(np.isnan(away), np.inf, away)), np.float64)


def compare_links(
    model: Model, graph: Graph, rows: AnyArray, margin: FloatArray, tally: Tally,
    name: Callable[[int], str],
) -> None:  # fmt: skip
    """Compare every link of the trees' output with the exact link of the packed margin."""
    for link in graph.operators:
        if not isinstance(link, Link) or link.source != graph.trees.target:
            continue
        target = TARGETS.get(graph.value(link.target).role)
        if target is None:
            continue
        ours = model._run(rows, target)
        exact = exact_link(link, margin)
        off = distance(ours[:, -exact.shape[1] :], exact)
        if link.complement:
            other = _different(ours[:, :1], 1 - ours[:, 1:])
            off = np.hstack((np.where(other, np.inf, 0.0), off))
        bound = link_bound(link)
        tally.add(link_values=ours.size)
        tally.worst(float(off.max(initial=0.0)), bound)
        wrong = off > bound
        tally.differ(
            int(wrong.sum()),
            (
                Difference(
                    kind=target, given=repr(float(ours[row, column])), row=name(int(row)),
                    expected=f"within {bound:g} units in the last place of the exact {link.kind} "
                    f"of the margin, found {off[row, column]:.3g}", column=int(column),
                )
                for row, column in np.argwhere(wrong)[:KEPT]
            ),
        )  # fmt: skip


def _different(ours: AnyArray, theirs: AnyArray) -> AnyArray:
    """Tell where numbers differ; NaN equals NaN."""
    return np.asarray((ours != theirs) & ~(np.isnan(ours) & np.isnan(theirs)))


def joined(answer: Any) -> AnyArray:
    """Return an answer as one array; the columns of several outputs side by side."""
    return np.concatenate(answer, axis=1) if isinstance(answer, list) else np.asarray(answer)


def compare_outputs(
    model: Model, graph: Graph, rows: AnyArray, outputs: dict[str, AnyArray], tally: Tally,
    name: Callable[[int], str],
) -> None:  # fmt: skip
    """Compare what people call: ``predict`` and ``predict_proba``."""
    for method, theirs in outputs.items():
        if method not in model.methods:
            continue
        ours = joined(getattr(model, method)(rows))
        is_label = method == "predict" and graph.by_role(Role.LABEL) is not None
        if theirs.size != ours.size or not (is_label or ours.dtype.kind == theirs.dtype.kind):
            given, expected = (f"{array.dtype} of shape {array.shape}" for array in (ours, theirs))
            tally.differ(1, [Difference(kind=method, given=given, expected=expected)])
            continue
        sources = theirs.reshape(ours.shape)
        if is_label:
            wrong, tied = _compare_labels(model, graph, rows, np.asarray(ours != sources))
            tally.add(labels=len(ours), ties=int(tied.sum()))
        else:
            unit = float(np.finfo(ours.dtype.name).eps)
            wrong = ~np.isclose(ours, sources, SOURCE_UNITS * unit, 4 * unit, equal_nan=True)
        tally.differ(
            int(wrong.sum()),
            (
                Difference(
                    kind=method, given=repr(ours[place].item()), row=name(int(place[0])),
                    expected=repr(sources[place].item()),
                )
                for place in list(zip(*np.nonzero(wrong), strict=True))[:KEPT]
            ),
        )  # fmt: skip


def _compare_labels(
    model: Model, graph: Graph, rows: AnyArray, differs: BoolArray
) -> tuple[BoolArray, BoolArray]:
    """Return which labels differ in earnest, and which by nothing but a tie of probabilities."""
    tied = np.zeros(len(differs), np.bool_)
    decide = next(op for op in graph.operators if isinstance(op, Decide))
    logarithm = any(isinstance(op, Link) and op.kind == "logit" for op in graph.operators)
    if not differs.any() or (decide.source == graph.trees.target and not logarithm):
        return differs, tied  # decided on the margin, which is equal bit for bit
    probability: Any = np.sort(model._run(rows[differs], "probability"), axis=1)
    unit = SOURCE_UNITS * float(np.finfo(probability.dtype).eps)
    tied[differs] = probability[:, -1] - probability[:, -2] <= unit * probability[:, -1]
    return differs & ~tied, tied
