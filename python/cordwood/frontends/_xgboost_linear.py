"""XGBoost's gblinear as a ``tree_ensemble``: a tree of one linear leaf for each coefficient.

XGBoost starts from the base score's margin plus the bias and adds coefficient times value, feature
by feature, each product and sum rounded to float32; a missing value is skipped. A leaf's product is
exact in float64 and then rounded once to float32, which is the same. Where nothing is to be added a
leaf gives ``-0.0``, the only number that leaves every sum unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood import ir
from cordwood.errors import UnsupportedModelError

if TYPE_CHECKING:
    from cordwood.frontends._xgboost_file import Document

__all__ = ["read_linear"]


def read_linear(
    document: Document, base_value: np.ndarray, missing_value: float | None
) -> ir.TreeEnsemble:
    """Turn the coefficients of a document into trees.

    Parameters
    ----------
    document : Document
        The model; its booster is gblinear.
    base_value : ndarray of float32, shape (n_outputs,)
        Margin of the base score.
    missing_value : float, optional
        What counts as missing besides NaN; a number that float32 holds.

    Returns
    -------
    TreeEnsemble
        One tree for each feature and output, features of one output after one another.

    Raises
    ------
    UnsupportedModelError
        A bias and the base score add up to infinity.
    """
    weights = document.linear_weights
    assert weights is not None
    n_features, n_outputs = document.n_features, document.n_outputs
    with np.errstate(over="ignore"):
        start = base_value[0] + weights[-1]  # XGBoost takes the first base score for all outputs
    if not np.isfinite(start).all():
        message = f"biases {weights[-1].tolist()} and base scores add up to {start.tolist()}"
        raise UnsupportedModelError(message)
    n_trees = n_features * n_outputs
    leaf = np.full(n_trees, -1, np.int32)
    nothing = np.full((n_trees, 1), -0.0, np.float32)
    return ir.TreeEnsemble(
        source="rows",
        target="margin",
        n_features=n_features,
        n_outputs=n_outputs,
        input_type="float32",
        comparison="lt",
        accumulate_type="float32",
        missing_value=missing_value,
        accepts_nan=True,
        accepts_infinity=False,  # every call goes through a DMatrix, which refuses it
        base_value=start,
        tree_start=np.arange(n_trees + 1, dtype=np.int64),
        tree_output=np.repeat(np.arange(n_outputs, dtype=np.int32), n_features),
        tree_weight=np.ones(n_trees),
        left=leaf,
        right=leaf,
        feature=leaf,
        threshold=np.zeros(n_trees),
        category_set=leaf,
        missing_left=np.zeros(n_trees, np.bool_),
        zero_missing=np.zeros(n_trees, np.bool_),
        leaf_row=np.arange(n_trees, dtype=np.int32),
        leaf_id=np.zeros(n_trees, np.int32),
        leaf_values=nothing,
        set_start=np.zeros(1, np.int64),
        set_members=np.zeros(0, np.int32),
        category_start=np.zeros(n_features + 1, np.int64),
        category_values=np.zeros(0),
        linear_start=np.arange(n_trees + 1, dtype=np.int64),
        linear_feature=np.tile(np.arange(n_features, dtype=np.int32), n_outputs),
        linear_coefficient=weights[:-1].T.astype(np.float64).ravel(),
        linear_constant=np.full(n_trees, -0.0),
    )
