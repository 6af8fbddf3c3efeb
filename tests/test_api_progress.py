"""The bar: on a terminal, after a second, and gone when the work is done."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import cordwood
from cordwood import _progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    # Not sys.stderr itself: pytest puts its own there between a fixture and the test.
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=stream))
    return stream


def test_long_work_is_drawn_and_wiped(terminal: Terminal, clock: list[float]) -> None:
    with _progress.bar():
        _progress.reached(0.0, "reading")
        assert terminal.getvalue() == ""
        clock[0] = 1.5
        _progress.reached(0.5, "ranking")
        drawn = terminal.getvalue()
        assert drawn == "\rcordwood [" + 15 * "#" + 15 * "." + "]  50% ranking"
        _progress.reached(0.6, "too soon to draw again")
        assert terminal.getvalue() == drawn
        clock[0] = 2.0
        _progress.reached(1.0, "x")
        last = terminal.getvalue()[len(drawn) :]
        assert last.rstrip() == "\rcordwood [" + 30 * "#" + "] 100% x"
        assert len(last) == len(drawn)
    assert terminal.getvalue().endswith("\r" + " " * (len(last.rstrip()) - 1) + "\r")


def test_short_work_and_plain_streams_stay_silent(
    terminal: Terminal, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with _progress.bar():
        _progress.reached(0.9, "soon done")
    assert terminal.getvalue() == ""
    plain = io.StringIO()
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=plain))
    with _progress.bar():
        clock[0] += 60
        _progress.reached(0.9, "late")
    _progress.reached(0.9, "outside")
    assert plain.getvalue() == ""


def test_one_bar_at_a_time(terminal: Terminal, clock: list[float]) -> None:
    with _progress.bar():
        with _progress.bar():
            clock[0] = 5.0
            _progress.reached(0.1, "inner")
        assert terminal.getvalue().count("\r") == 1
    assert terminal.getvalue().count("\r") == 3


def test_compress_draws_every_stage(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(_progress, "_BETWEEN_S", 0.0)
    X, y = load_iris(return_X_y=True)
    cordwood.compress(RandomForestClassifier(3, random_state=0).fit(X, y))
    lines = [line.rstrip() for line in terminal.getvalue().split("\r") if line.strip()]
    shares = [int(line.partition("] ")[2].partition("%")[0]) for line in lines]
    assert shares == sorted(shares)
    assert [line.partition("% ")[2] for line in lines] == [
        "reading the model", "folding thresholds", "ordering nodes", "ranking cuts",
        "sharing leaves", "coding", "loading",
    ]  # fmt: skip
