"""Saving into places that are no ordinary file, and paths that are none."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from sklearn.tree import DecisionTreeRegressor

import cordwood
from cordwood._cli_sources import read_rows


@pytest.fixture(scope="module")
def model() -> cordwood.Model:
    return cordwood.compress(DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]))


def test_a_pipe_is_written_into_and_stays_a_pipe(model: cordwood.Model, tmp_path: Path) -> None:
    """A device in its place would be lost in the same way, for the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    model.save(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    reader.join(timeout=10)
    assert received == [model.to_bytes()]


@pytest.mark.parametrize("path", [None, 5, 1.5, ["a"]])
def test_what_is_no_path_is_refused(model: cordwood.Model, path: object) -> None:
    with pytest.raises(cordwood.InputTypeError, match=f"path is a {type(path).__name__}, expected"):
        model.save(path)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a\0b", "loop", "x" * 300])
def test_paths_that_cannot_exist(model: cordwood.Model, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(cordwood.FileAccessError, match="cannot write"):
        model.save(tmp_path / name)
    with pytest.raises(cordwood.FileAccessError, match="cannot read"):
        cordwood.load(tmp_path / name)


def test_the_longest_name_can_be_saved(model: cordwood.Model, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".cord")
    model.save(path)
    assert path.read_bytes() == model.to_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_of_bytes(model: cordwood.Model, tmp_path: Path) -> None:
    path = tmp_path / "m.cord"
    model.save(os.fsencode(path))  # type: ignore[arg-type]
    assert path.read_bytes() == model.to_bytes()


@pytest.mark.parametrize("suffix", ["json", "ubj", "txt"])
@pytest.mark.parametrize("stem", ["a\0b", "loop", "missing"])
def test_model_files_that_cannot_be_read(tmp_path: Path, stem: str, suffix: str) -> None:
    path = tmp_path / f"{stem}.{suffix}"
    if stem == "loop":
        path.symlink_to(path)
    with pytest.raises(cordwood.FileAccessError, match="cannot read '.*" + suffix) as caught:
        cordwood.compress(path)
    with pytest.raises(cordwood.FileAccessError) as loading:
        cordwood.load(path)
    assert str(caught.value) == str(loading.value)


def test_rows_that_cannot_be_read() -> None:
    with pytest.raises(cordwood.FileAccessError, match="cannot read"):
        read_rows("a\0b.npy")


def test_an_empty_path() -> None:
    with pytest.raises(cordwood.InputError, match="path is empty, expected that of a model file"):
        cordwood.compress("")
