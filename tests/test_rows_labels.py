"""Columns of labels: their codes are positions in the list that the model was trained with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cordwood._rows import RowsDoor
from cordwood.errors import InputError, InputTypeError

KNOWN = np.array(["red", "green", "blue"])


def door(**options: Any) -> RowsDoor:
    settings: dict[str, Any] = {"feature_names": ("colour", "size"), "labels": {0: KNOWN}}
    return RowsDoor(2, **settings | options)


def _pandas(colours: list[Any]) -> pd.DataFrame:
    sizes = np.arange(len(colours), dtype=float)
    return pd.DataFrame({"colour": pd.Categorical(colours), "size": sizes})


def _text(colours: list[Any]) -> pd.DataFrame:
    return _pandas(colours).astype({"colour": object})


def _polars(colours: list[Any]) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = polars.DataFrame({"colour": colours, "size": [float(i) for i in range(len(colours))]})
    return frame.with_columns(polars.col("colour").cast(polars.Categorical))


def _polars_text(colours: list[Any]) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame({"colour": colours, "size": [float(i) for i in range(len(colours))]})


def _arrow(colours: list[Any]) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    sizes = [float(i) for i in range(len(colours))]
    return arrow.table({"colour": arrow.array(colours).dictionary_encode(), "size": sizes})


def _arrow_text(colours: list[Any]) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return arrow.table({"colour": colours, "size": [float(i) for i in range(len(colours))]})


def _objects(colours: list[Any]) -> np.ndarray:
    return np.array([[colour, float(i)] for i, colour in enumerate(colours)], dtype=object)


def _lists(colours: list[Any]) -> list[list[Any]]:
    return [[colour, float(i)] for i, colour in enumerate(colours)]


FRAMES = [_pandas, _text, _polars, _polars_text, _arrow, _arrow_text, _objects, _lists]


@pytest.mark.parametrize("frame", FRAMES)
def test_labels_become_positions_in_the_models_list(frame: Any) -> None:
    given = ["blue", "red", None, "pink", "green", "blue"]
    rows = door()(frame(given))
    np.testing.assert_array_equal(rows[:, 0], [2, 0, np.nan, np.nan, 1, 2])
    np.testing.assert_array_equal(rows[:, 1], np.arange(6))


@pytest.mark.parametrize("frame", FRAMES)
def test_an_unseen_label_may_be_refused(frame: Any) -> None:
    with pytest.raises(InputError, match=r"label 'pink'.*knows 'red', 'green', 'blue'"):
        door(unseen="refused")(frame(["red", "pink"]))


def test_a_label_that_is_listed_but_not_held_is_not_refused() -> None:
    frame = _pandas(["red", "pink"]).iloc[:1]
    assert "pink" in frame["colour"].cat.categories
    strict = door(unseen="refused")
    assert strict(frame)[0, 0] == 0
    with pytest.raises(InputError, match="pink"):
        strict(_pandas(["red", "pink"]))


def test_an_unseen_label_may_be_a_code_in_no_set() -> None:
    rows = door(unseen="other")(_pandas(["pink", None, "green"]))
    np.testing.assert_array_equal(rows[:, 0], [-1, np.nan, 1])


def test_the_order_of_a_frames_own_categories_does_not_matter() -> None:
    frame = _pandas(["red", "blue"])
    frame["colour"] = frame["colour"].cat.set_categories(["blue", "green", "red"])
    np.testing.assert_array_equal(door()(frame)[:, 0], [0, 2])


def test_labels_that_are_numbers_match_by_value() -> None:
    labels = {0: np.array([10, 20, 30])}
    frame = pd.DataFrame({"colour": pd.Categorical([30.0, 10.0, 11.0]), "size": [0.0, 0, 0]})
    np.testing.assert_array_equal(door(labels=labels)(frame)[:, 0], [2, 0, np.nan])


class _Counted(str):
    """Text that counts how often it is looked up."""

    __slots__ = ()
    looked_up = 0

    def __hash__(self) -> int:
        _Counted.looked_up += 1
        return super().__hash__()


def test_one_list_of_categories_is_looked_up_once() -> None:
    frame = _pandas(["red", "blue"] * 50)
    kind = pd.CategoricalDtype([_Counted("red"), _Counted("blue")])
    frame["colour"] = pd.Categorical.from_codes([0, 1] * 50, dtype=kind)
    mine = door()
    mine(frame)
    before = _Counted.looked_up
    for start in range(0, 100, 10):
        rows = mine(frame.iloc[start : start + 10])
        np.testing.assert_array_equal(rows[:, 0], [0, 2] * 5)
    assert _Counted.looked_up == before


def test_numbers_where_labels_belong_are_refused() -> None:
    frame = pd.DataFrame({"colour": [0, 1], "size": [0.5, 0.5]})
    with pytest.raises(InputTypeError, match=r"'colour' holds int64.*labels.*category column"):
        door()(frame)


def test_an_array_of_codes_is_taken_as_it_is() -> None:
    codes = np.array([[2.0, 0.5], [7.0, 0.5]])
    assert np.shares_memory(door()(codes), codes)


@pytest.mark.parametrize("library", ["xgboost", "lightgbm", "sklearn"])
def test_categories_of_a_model_without_labels(library: str) -> None:
    """XGBoost's older models take a frame's own codes; for the others there is nothing to map."""
    plain = door(labels={}, library=library)
    frame = _pandas(["red", None, "blue"])
    if library == "xgboost":
        np.testing.assert_array_equal(plain(frame)[:, 0], [1, np.nan, 0])
    else:
        with pytest.raises(InputTypeError, match="column 'colour' has dtype category"):
            plain(frame)
