"""Models and rows for `bench_gpu.py`, made where sources train and read where nothing does.

    python benchmarks/gpu_models.py FOLDER [--smoke]

A, B, C and F are those of `models.py`. W31, W32 and W100 are LightGBM's, 500 trees of 31 leaves on
as many features: what differs is the width of a row alone. For each the folder gets the packed
model, a sample of rows, and what peers read: treelite's checkpoint without statistics of training,
XGBoost's own file. A forest's checkpoint would not travel, so C has a second entry, C10, of its
first 10 trees.
"""

from __future__ import annotations

import argparse
import copy
import json
import lzma
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("A", "B", "C", "C10", "F", "W31", "W32", "W100")
SAMPLE_ROWS = {"A": 4_096, "B": 4_096, "C": 16_384, "C10": 16_384, "F": 16_384}
"""Of which a batch is drawn: real rows, so that walks part as they do on real rows.

More of flights, whose rows compress and whose forest is deep.
"""

SAMPLE_OF_WIDTHS = 2_048

ROWS_OF = {"B": "A", "C10": "C", "F": "C"}
"""Models that answer the rows of another, which lie there once."""

STATISTICS = ("data_count", "sum_hess", "gain")
"""What treelite's checkpoints say of training: half their bytes, which no one answers with."""

PART_OF_C = 10
WIDTH_TREES = 500
WIDTH_ROWS = 50_000


@dataclass(frozen=True, eq=False)
class Shape:
    """One prepared model.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    packed : bytes
        The model's file.
    rows : ndarray of float32, shape (n_rows, n_features)
        Rows that it was not trained on.
    folder : Path
        Where what peers read lies.
    """

    name: str
    packed: bytes
    rows: np.ndarray
    folder: Path

    def checkpoint(self) -> bytes | None:
        """Return treelite's checkpoint, None where there is none."""
        path = self.folder / f"{self.name}.treelite.xz"
        return lzma.decompress(path.read_bytes()) if path.exists() else None

    def booster(self) -> bytes | None:
        """Return XGBoost's own file, None where the source is another library."""
        path = self.folder / f"{self.name}.ubj.xz"
        return lzma.decompress(path.read_bytes()) if path.exists() else None


def names_in(folder: Path) -> list[str]:
    """Return the names of the prepared models, in the order of `NAMES`."""
    return [name for name in NAMES if (folder / f"{name}.cord").exists()]


def _rows_file(name: str) -> str:
    return f"{ROWS_OF.get(name, name)}.npz"


def load(folder: Path, name: str) -> Shape:
    """Read a prepared model."""
    with np.load(folder / _rows_file(name), allow_pickle=False) as kept:
        rows = kept["rows"]
    return Shape(name, (folder / f"{name}.cord").read_bytes(), rows, folder)


def _of_width(n_features: int, *, smoke: bool) -> tuple[Any, np.ndarray]:
    import lightgbm

    draw = np.random.default_rng(n_features)
    n_rows = 2_000 if smoke else WIDTH_ROWS
    rows = draw.standard_normal((n_rows + SAMPLE_OF_WIDTHS, n_features)).astype(np.float32)
    weights = draw.standard_normal(n_features)
    target = np.tanh(rows) @ weights + draw.standard_normal(len(rows))
    settings = {"objective": "regression", "num_leaves": 31, "verbose": -1, "seed": 0}
    data = lightgbm.Dataset(rows[:n_rows], target[:n_rows])
    trees = WIDTH_TREES // 20 if smoke else WIDTH_TREES
    return lightgbm.train({**settings, "deterministic": True}, data, trees), rows[n_rows:]


def _source(name: str, *, smoke: bool) -> tuple[Any, np.ndarray]:
    if name.startswith("W"):
        return _of_width(int(name[1:]), smoke=smoke)
    import models

    case = models.load(name[0], models.SMOKE if smoke else models.FULL)
    source = case.source
    if name == "C10":
        source = copy.copy(source)
        source.estimators_ = source.estimators_[:PART_OF_C]
        source.n_estimators = len(source.estimators_)
    return source, case.rows


def _treelite(source: Any) -> bytes:
    import treelite

    module = type(source).__module__.partition(".")[0]
    if module == "lightgbm":
        model = treelite.frontend.from_lightgbm(source)
    elif module == "xgboost":
        model = treelite.frontend.from_xgboost(source)
    else:
        model = treelite.sklearn.import_model(source)
    return bytes(without_statistics(model).serialize_bytes())


def without_statistics(model: Any) -> Any:
    """Set a treelite model's statistics of training to zero, and return it."""
    for number in range(model.num_tree):
        tree = model.get_tree_accessor(number)
        for name in STATISTICS:
            kept = tree.get_field(name)
            if kept.size:
                tree.set_field(name, np.zeros_like(kept))
    return model


def _booster(source: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        source.save_model(path)
        return path.read_bytes()


def prepare(folder: Path, name: str, *, smoke: bool) -> dict[str, Any]:
    """Train one model, or take it from the cache of `models.py`, and write what is read later."""
    import cordwood as cw

    source, rows = _source(name, smoke=smoke)
    model = cw.compress(source)
    model.save(folder / f"{name}.cord")
    sample = np.ascontiguousarray(rows[: SAMPLE_ROWS.get(name, SAMPLE_OF_WIDTHS)], np.float32)
    np.savez_compressed(folder / _rows_file(name), rows=sample)
    if name != "C":
        packed = lzma.compress(_treelite(source), preset=9 | lzma.PRESET_EXTREME)
        (folder / f"{name}.treelite.xz").write_bytes(packed)
    if type(source).__module__.startswith("xgboost"):
        (folder / f"{name}.ubj.xz").write_bytes(
            lzma.compress(_booster(source), preset=9 | lzma.PRESET_EXTREME)
        )
    return {"trees": model.n_trees, "features": int(sample.shape[1]), "bytes": model.nbytes}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--names", default=",".join(NAMES), help="comma-separated")
    parser.add_argument("--smoke", action="store_true", help="small models, for tests")
    given = parser.parse_args(arguments)
    unknown = set(given.names.split(",")) - set(NAMES)
    if unknown:
        parser.error(f"no model {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    say: Callable[..., None] = print
    for name in given.names.split(","):
        say(name, json.dumps(prepare(given.folder, name, smoke=given.smoke)), flush=True)


if __name__ == "__main__":
    main()
