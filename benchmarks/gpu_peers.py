"""Who else runs trees on a GPU, each ready to answer rows that lie there, or the reason why not."""

from __future__ import annotations

import functools
import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gpu_arrays import Place
from gpu_models import Shape

Answer = Callable[[Any], Any]

LAYOUTS = ("depth_first", "breadth_first", "layered")
CHUNKS = (1, 2, 4, 8, 16, 32)

TOLERANCE = 1e-4
"""Of the largest answer: peers add in float32, in an order of their own."""

MAY_DIFFER = 0.01
"""Rows that may be further off: thresholds become float32."""


class AbsentError(Exception):
    """A peer is not installed, or does not take the model; says why."""


@functools.lru_cache(maxsize=1)
def _forests(shape: Shape) -> tuple[str, dict[str, Any]]:
    """Load nvForest's forest of a model in each layout."""
    try:
        # libnvforest's loader begins with libraft, which it does not need: load what it needs.
        for name in ("rapids_logger", "librmm"):
            importlib.import_module(name).load_library()
        import nvforest as library
        import treelite
    except (ImportError, OSError) as error:
        message = f"nvforest: {error}; scripts/gpu_wheels.sh gets it"
        raise AbsentError(message) from error
    checkpoint = shape.checkpoint()
    if checkpoint is None:
        message = f"nvforest: no treelite checkpoint of {shape.name}"
        raise AbsentError(message)
    model = treelite.Model.deserialize_bytes(checkpoint)
    load = functools.partial(library.load_from_treelite_model, device="gpu", precision="single")
    return library.__version__, {layout: load(model, layout=layout) for layout in LAYOUTS}


def nvforest(shape: Shape, rows: Any, place: Place) -> tuple[str, Answer]:
    """NvForest in single precision, its fastest, with the layout and chunk that suit the batch.

    They are chosen here, by the device's events: its own `optimize` reads the host's clock.
    """
    version, forests = _forests(shape)
    timed: dict[tuple[str, int], float] = {}
    for layout, forest in forests.items():
        ask = _ask(forest)
        for chunk in (size for size in CHUNKS if size == 1 or size <= rows.shape[0]):
            ask(rows, chunk_size=chunk)
            place.wait()
            call = functools.partial(ask, rows, chunk_size=chunk)
            timed[layout, chunk] = min(place.seconds(call, 1) for _ in range(3))
    layout, chunk = min(timed, key=lambda key: timed[key])
    answer = functools.partial(_ask(forests[layout]), chunk_size=chunk)
    return f"nvforest {version}, {layout}, chunk {chunk}", answer


def _ask(forest: Any) -> Any:
    return forest.predict_proba if hasattr(forest, "predict_proba") else forest.predict


def xgboost(shape: Shape, _rows: Any, _place: Place) -> tuple[str, Answer]:
    """XGBoost's own predictor, in place on the device's rows."""
    booster = shape.booster()
    if booster is None:
        message = f"xgboost: {shape.name} is another library's model"
        raise AbsentError(message)
    try:
        import xgboost as library
    except ImportError as error:
        message = "xgboost: not installed; pip install xgboost"
        raise AbsentError(message) from error
    if not library.build_info().get("USE_CUDA", False):
        message = "xgboost: this build has no CUDA; pip install xgboost"
        raise AbsentError(message)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ubj"
        path.write_bytes(booster)
        model = library.Booster(model_file=path)
    model.set_param({"device": "cuda"})
    return f"xgboost {library.__version__}", model.inplace_predict


def hummingbird(shape: Shape, rows: Any, _place: Place) -> tuple[str, Answer]:
    """Hummingbird's tensor program in torch, of the models that it reads without their library."""
    try:
        from hummingbird import ml as library
    except ImportError as error:
        message = "hummingbird: not installed; pip install hummingbird-ml"
        raise AbsentError(message) from error
    booster = shape.booster()
    if booster is None:
        message = f"hummingbird: no file of {shape.name} that it reads"
        raise AbsentError(message)
    try:
        import torch
        import xgboost as source

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.ubj"
            path.write_bytes(booster)
            model = source.XGBClassifier()
            model.load_model(path)
        net = library.convert(model, "torch", np.zeros((2, rows.shape[1]), np.float32), "cuda")
    except Exception as error:
        message = f"hummingbird: {error}"
        raise AbsentError(message) from error

    def answer(given: Any) -> Any:
        with torch.no_grad():
            return net.model(torch.as_tensor(given, device="cuda"))[1]

    return f"hummingbird {library.__version__}", answer


PEERS: dict[str, Callable[[Shape, Any, Place], tuple[str, Answer]]] = {
    "nvforest": nvforest,
    "xgboost": xgboost,
    "hummingbird": hummingbird,
}


def rows_off(ours: np.ndarray, theirs: np.ndarray) -> int:
    """Count rows in which a peer's answer is another one.

    Of two classes one library answers with both probabilities and another with the second's.
    """
    first = np.asarray(ours, np.float64).reshape(len(ours), -1)
    second = np.asarray(theirs, np.float64).reshape(len(theirs), -1)
    if first.shape[1] != second.shape[1]:
        first, second = first[:, -1:], second[:, -1:]
    worst = np.abs(first - second).max(axis=1, initial=0.0)
    # not <=: NaN is off
    return int(np.count_nonzero(~(worst <= TOLERANCE * max(1.0, float(np.abs(first).max())))))
