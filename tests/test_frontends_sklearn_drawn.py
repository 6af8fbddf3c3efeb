"""Drawn estimators of every supported class, against themselves."""

from __future__ import annotations

import warnings

import hypothesis
import pytest
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from sklearn_checks import TREE_MODELS, assert_equal_to_source
from sklearn_drawn import cases

EXAMPLES = hypothesis.settings().max_examples // 5
"""Examples for each class: there are many of them."""


@pytest.mark.parametrize("name", TREE_MODELS)
@hypothesis.settings(max_examples=EXAMPLES)
@hypothesis.given(data=st.data())
def test_drawn_estimator_equals_source(name: str, data: st.DataObject) -> None:
    estimator, X, y = data.draw(cases(name))
    with threadpool_limits(1):
        with warnings.catch_warnings():
            # About targets that are hard to learn from, which the draw does not avoid.
            warnings.simplefilter("ignore")
            try:
                estimator.fit(X, y)
            except ValueError as error:
                hypothesis.assume("worse than random" not in str(error))
                raise
        assert_equal_to_source(estimator, X)
