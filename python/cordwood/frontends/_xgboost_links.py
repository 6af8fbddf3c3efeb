"""XGBoost's objectives: where a sum of trees starts from, and what becomes of it."""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cordwood.errors import UnsupportedModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood.ir import LinkKind

__all__ = ["HALF_CUTS", "Objective", "base_margin", "find_objective"]

HALF_CUTS = {
    "exp": float.fromhex("-0x1.62e42ep-1"),
    "identity": 0.5,
    "sigmoid": 1.5 * 2.0**-24,
    "step": 0.0,
}
"""By link: the largest margin whose response, as XGBoost computes it, is not above 0.5.

So a label is a comparison of the margin, free of the rounding of any link. XGBoost's sigmoid keeps
``expf(-x) + 1.0f`` at 2.0f up to its cut; that of ``expf`` is the first float32 above log(0.5).
"""

CLIP = np.float32(1e-6)
"""Least base_score of a logistic objective since 3.2, and the least distance from 1."""

CLIP_SINCE = (3, 2, 0)
RAW_LOGIT_UNTIL = (1, 3, 1)
CURRENT = (3, 2, 0)


class Objective(NamedTuple):
    """What an objective does to base scores and margins.

    Parameters
    ----------
    link : {"identity", "sigmoid", "exp", "softmax", "step"}
        How ``Booster.predict`` turns the margin into its answer.
    intercept : {"identity", "logit", "log"}
        How base_score becomes a margin.
    is_label : bool
        Whether ``Booster.predict`` answers with the class of the largest margin instead.
    """

    link: LinkKind
    intercept: Literal["identity", "logit", "log"] = "identity"
    is_label: bool = False


OBJECTIVES = {
    "binary:hinge": Objective("step"),
    "binary:logistic": Objective("sigmoid", "logit"),
    "binary:logitraw": Objective("identity"),
    "count:poisson": Objective("exp", "log"),
    "multi:softmax": Objective("softmax", is_label=True),
    "multi:softprob": Objective("softmax"),
    "rank:map": Objective("identity"),
    "rank:ndcg": Objective("identity"),
    "rank:pairwise": Objective("identity"),
    "reg:absoluteerror": Objective("identity"),
    "reg:gamma": Objective("exp", "log"),
    "reg:linear": Objective("identity"),
    "reg:logistic": Objective("sigmoid", "logit"),
    "reg:pseudohubererror": Objective("identity"),
    "reg:quantileerror": Objective("identity"),
    "reg:squarederror": Objective("identity"),
    "reg:squaredlogerror": Objective("identity"),
    "reg:tweedie": Objective("exp", "log"),
    "survival:aft": Objective("exp", "log"),
    "survival:cox": Objective("exp", "log"),
}


def find_objective(name: str) -> Objective:
    """Return the objective of this name.

    Raises
    ------
    UnsupportedModelError
        It is not in the table.
    """
    if name not in OBJECTIVES:
        message = f"objective {name!r} is not supported, expected one of {', '.join(OBJECTIVES)}"
        raise UnsupportedModelError(message)
    return OBJECTIVES[name]


def base_margin(
    name: str, base_score: np.ndarray, version: tuple[int, int, int], *, from_file: bool
) -> np.ndarray:
    """Turn base scores into margins, in float32 and with XGBoost's own operations.

    Parameters
    ----------
    name : str
        The objective.
    base_score : ndarray of float32, shape (n_outputs,)
        As the model stores them.
    version : tuple of int
        Version of XGBoost that wrote the model.
    from_file : bool
        Whether some other version may be the one that predicts.

    Returns
    -------
    ndarray of float32, shape (n_outputs,)
        What the sum of the trees starts from.

    Raises
    ------
    UnsupportedModelError
        The objective does not take such a base score, or versions of XGBoost disagree about it.
    """
    margin = _margin(name, base_score, version)
    if not np.isfinite(margin).all():
        message = f"base_score {base_score.tolist()} gives no finite margin under {name!r}"
        raise UnsupportedModelError(message)
    if from_file and not np.array_equal(margin, _margin(name, base_score, CURRENT)):
        message = (
            f"base_score {base_score.tolist()} of a {name!r} model written by XGBoost "
            f"{'.'.join(map(str, version))} means another margin since {CURRENT[0]}.{CURRENT[1]}; "
            "load the file with the XGBoost that is to be matched and pass its Booster"
        )
        raise UnsupportedModelError(message)
    return margin


def _margin(name: str, base_score: np.ndarray, version: tuple[int, int, int]) -> np.ndarray:
    intercept = OBJECTIVES[name].intercept
    if name == "binary:logitraw" and version < RAW_LOGIT_UNTIL:
        intercept = "logit"
    if intercept == "identity":
        return base_score
    one = np.float32(1.0)
    if intercept == "logit" and version >= CLIP_SINCE:
        base_score = np.minimum(np.maximum(base_score, CLIP), one - CLIP)
    with np.errstate(all="ignore"):  # a score out of range is refused by its margin
        argument = one / base_score - one if intercept == "logit" else base_score
    log = _logf()
    logs = np.array([log(float(value)) for value in argument], np.float32)
    return -logs if intercept == "logit" else logs


@functools.cache
def _logf() -> Callable[[float], float]:
    """Return the C library's ``logf``, which XGBoost calls and which may miss the nearest float."""
    try:
        logf = ctypes.CDLL(ctypes.util.find_library("m")).logf
    except (OSError, AttributeError):
        return _rounded_log
    logf.argtypes, logf.restype = [ctypes.c_float], ctypes.c_float
    call: Callable[[float], float] = logf
    return call


def _rounded_log(value: float) -> float:
    """Return the logarithm rounded to float32 once; NaN where there is none."""
    return float(np.float32(math.log(value))) if value > 0.0 else math.nan
