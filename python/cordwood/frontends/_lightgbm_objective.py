"""LightGBM's objectives, and what its ``predict`` makes of the raw score under each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cordwood.errors import SourceFileError, UnsupportedModelError

if TYPE_CHECKING:
    from cordwood.frontends._lightgbm_text import Header
    from cordwood.ir import LinkKind

__all__ = ["CLASSIFYING", "HASTY", "Objective", "last_of_first_class", "of_booster", "of_header"]

LINKS: dict[str, LinkKind] = {
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "custom": "identity",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "binary": "sigmoid",
    "cross_entropy": "sigmoid",
    "cross_entropy_lambda": "softplus",
    "multiclassova": "sigmoid",
    "multiclass": "softmax",
}
"""What LightGBM's ``predict`` does to the raw score, by objective."""

EARLIER_NAMES = {"xentropy": "cross_entropy", "xentlambda": "cross_entropy_lambda"}
"""Names that LightGBM wrote before version 2.3."""

SQUARE_ROOTED = ("regression", "regression_l1", "fair", "quantile", "mape")
"""Objectives that heed ``reg_sqrt``: trained on roots, they square the raw score."""

CLASSIFYING = ("binary", "multiclass", "multiclassova")
"""Objectives whose response is a probability of classes."""

HASTY = (*CLASSIFYING, "lambdarank", "rank_xendcg")
"""Objectives under which ``pred_early_stop`` may skip trees; it is without effect elsewhere."""

TIE = 1.5 * 2.0**-53
"""Largest scaled margin whose sigmoid is not above 0.5 in float64.

Up to it ``exp(-x)`` rounds to ``1 - 2**-53`` or more, and adding 1 to that rounds to 2.
"""

PROBE_ROWS = 64
"""Rows that tell two sigmoid scales apart; one with a margin other than zero is enough."""


class Objective(NamedTuple):
    """An objective by name, and the link that ``predict`` applies."""

    name: str
    link: LinkKind
    scale: float


def of_header(header: Header, name: str) -> Objective:
    """Return the objective that a model's text names.

    Parameters
    ----------
    header : Header
        What stands before the trees.
    name : str
        What the text is, for messages.

    Raises
    ------
    UnsupportedModelError
        The objective is not one of LightGBM's, or versions read the model in different ways.
    SourceFileError
        Its settings are missing, or contradict the trees.
    """
    if header.objective is None:
        return Objective("custom", "identity", 1.0)
    kind, *words = header.objective.split(" ")
    kind = EARLIER_NAMES.get(kind, kind)
    settings = dict(word.partition(":")[::2] for word in words)
    if kind not in LINKS:
        message = (
            f"{name} has the objective {header.objective!r}, expected one of {', '.join(LINKS)}"
        )
        raise UnsupportedModelError(message)
    link = "signed_square" if "sqrt" in settings and kind in SQUARE_ROOTED else LINKS[kind]
    scale = 1.0
    if kind in ("binary", "multiclassova"):
        scale = _setting(settings, "sigmoid", header, name)
    classes = 1
    if kind in ("multiclass", "multiclassova"):
        classes = int(_setting(settings, "num_class", header, name))
    if header.n_outputs != classes and link != "identity":
        message = (
            f"{name}: the objective {header.objective!r} has {classes} outputs, but "
            f"num_tree_per_iteration is {header.n_outputs}; expected the same number"
        )
        raise SourceFileError(message)
    if header.average_output and header.version == "v2" and link != "identity":
        message = (
            f"{name} is a random forest for {kind!r} in format v2: LightGBM 2.0 to 2.2 answered "
            f"with the mean of its trees, later versions apply the link to it; train it with "
            f"LightGBM 2.3 or later"
        )
        raise UnsupportedModelError(message)
    return Objective(kind, link, scale)


def _setting(settings: dict[str, str], key: str, header: Header, name: str) -> float:
    try:
        number = float(settings[key])
    except (KeyError, ValueError):
        number = 0.0
    if not 0.0 < number < np.inf:
        message = (
            f"{name}: the objective is {header.objective!r}, expected it to give {key} as a number "
            f"above 0"
        )
        raise SourceFileError(message)
    return number


def of_booster(booster: Any, header: Header, name: str) -> Objective:
    """Return the objective of a live model, with the scale that it really uses.

    The text gives six digits of ``sigmoid``. A freshly trained model uses all of them, and one that
    was saved or pickled since uses the six, while its `params` hold the full number in both
    cases. A few rows tell which it is.
    """
    objective = of_header(header, name)
    given = booster.params.get("sigmoid")
    if objective.name not in ("binary", "multiclassova") or not isinstance(given, (int, float)):
        return objective
    scales = np.array([objective.scale, float(given)])
    if scales[0] == scales[1] or f"{scales[1]:.6g}" != f"{scales[0]:.6g}":
        return objective
    rows = np.random.default_rng(0).normal(size=(PROBE_ROWS, header.n_features))
    options = {"num_threads": 1, "predict_disable_shape_check": True}
    margin = booster.predict(rows, raw_score=True, **options)
    if header.average_output:
        margin = margin / (booster.best_iteration if booster.best_iteration > 0
                           else booster.current_iteration())  # fmt: skip
    response = booster.predict(rows, **options)
    with np.errstate(over="ignore"):
        gap = [np.abs(1.0 / (1.0 + np.exp(-scale * margin)) - response).max() for scale in scales]
    return objective._replace(scale=float(scales[int(np.argmin(gap))]))


def last_of_first_class(scale: float) -> float:
    """Return the largest margin whose ``sigmoid(scale * margin)`` is not above 0.5."""
    margin = TIE / scale
    while scale * margin > TIE:
        margin = math.nextafter(margin, -math.inf)
    while scale * math.nextafter(margin, math.inf) <= TIE:
        margin = math.nextafter(margin, math.inf)
    return margin
