"""Convolutions of a small residual network: codes and float32, beside ONNX Runtime where installed.

    CORDWOOD_THREADS=1 python benchmarks/bench_conv.py [--batches 1 64]

One thread's CPU time, medians of turns in one process. Shares are of the arithmetic that this
machine does in registers (``multiply_adds``), for float32 of a quarter of it: a register holds a
quarter as many. Codes go in and come out channels last; ours are checked against the
scalar row, ONNX Runtime's float32 answers against ours, before their time counts.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_SECONDS = 1e-3
SECONDS = 0.4
SCALE, ZERO = 0.02, 7
LAYERS = (
    (3, 16, 32, 1), (16, 16, 32, 1), (16, 32, 32, 2), (32, 32, 16, 1), (32, 64, 16, 2),
    (64, 64, 8, 1), (32, 32, 32, 1), (64, 64, 32, 1),
)  # fmt: skip
"""Channels, outputs, size, stride."""


def thread_seconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median CPU time of each call, made in turns."""
    first = next(iter(calls.values()))
    first()
    start = time.thread_time()
    first()
    repeats = max(1, int(TURN_SECONDS / max(time.thread_time() - start, 1e-6)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + SECONDS * len(calls)
    while time.perf_counter() < end:
        for name, call in calls.items():
            start = time.thread_time()
            for _ in range(repeats):
                call()
            taken[name].append((time.thread_time() - start) / repeats)
    return {name: float(np.median(times)) for name, times in taken.items()}


def peak() -> float:
    """Operations on bytes in a second of this thread."""
    rates = []
    for _ in range(5):
        start = time.thread_time()
        done = _core.multiply_adds(2_000_000)
        rates.append(done / (time.thread_time() - start))
    return max(rates)


def convolution(weights: Any, scales: Any, stride: int) -> _core.Convolution:
    """Lay out a 3x3 convolution with a border of one."""
    return _core.Convolution(
        weights, scales, stride=[stride] * 2, dilation=[1, 1], pad_before=[1, 1],
        pad_after=[1, 1], output_padding=[0, 0], rows=0 if scales is None else 4,
        row_scale=0.0 if scales is None else SCALE, row_zero=0 if scales is None else ZERO,
    )  # fmt: skip


def onnx_session(weights: Any, stride: int) -> Any | None:
    """Build a session of one float32 convolution, on one thread."""
    try:
        import onnx
        import onnxruntime
    except ImportError:
        return None
    h = onnx.helper
    node = h.make_node("Conv", ["x", "w"], ["y"], strides=[stride] * 2, pads=[1] * 4)
    graph = h.make_graph(
        [node], "conv",
        [h.make_tensor_value_info("x", 1, [None, weights.shape[1], None, None])],
        [h.make_tensor_value_info("y", 1, None)],
        [onnx.numpy_helper.from_array(weights, "w")],
    )  # fmt: skip
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 13)])
    model.ir_version = 8
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def calls_of(layer: tuple[int, int, int, int], batch: int) -> dict[str, Callable[[], object]]:
    """Give what is timed, each answer checked."""
    channels, outputs, size, stride = layer
    rng = np.random.default_rng(0)
    shape = (outputs, channels, 3, 3)
    codes = rng.integers(0, 256, shape).astype(np.uint8)
    numbers = rng.standard_normal(shape).astype(np.float32)
    x_codes = rng.integers(0, 256, (batch, size, size, channels)).astype(np.uint8)
    x = rng.standard_normal((batch, channels, size, size)).astype(np.float32)
    whole = convolution(codes, np.full(outputs, 1e-3, np.float32), stride)
    run_codes = partial(
        whole.run, x_codes, kind="uint8", channels_first=False, scale=SCALE, zero=ZERO,
        out_kind="uint8", out_channels_first=False, out_scale=0.05, out_zero=ZERO,
        cut=_core.Cut(0.0, np.inf), threads=1,
    )  # fmt: skip
    x_last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    plan = convolution(numbers, None, stride)
    run_floats = partial(
        plan.run, x_last, channels_first=False, out_channels_first=False, threads=1
    )
    np.testing.assert_array_equal(run_codes(), run_codes(isa="scalar"))
    np.testing.assert_array_equal(run_floats(), run_floats(isa="scalar"))
    # Answers go where the last ones went, as they do inside a run.
    calls: dict[str, Callable[[], object]] = {
        "codes": partial(run_codes, out=run_codes()),
        "float32": partial(run_floats, out=run_floats()),
    }
    session = onnx_session(numbers, stride)
    if session is not None:
        other = partial(session.run, None, {"x": x})
        np.testing.assert_allclose(
            np.moveaxis(run_floats(), -1, 1), other()[0], rtol=1e-3, atol=1e-3
        )
        calls["ONNX Runtime float32"] = other
    return calls


def main() -> None:
    """Print a line for each layer and batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 64])
    batches = parser.parse_args().batches
    top = peak()
    print(f"{top / 1e9:.0f} GOP/s of bytes in registers")
    for batch in batches:
        for layer in LAYERS:
            channels, outputs, size, stride = layer
            work = 2.0 * batch * (size // stride) ** 2 * channels * outputs * 9
            seconds = thread_seconds(calls_of(layer, batch))
            line = f"batch {batch:3} {channels:3} -> {outputs:3} {size}x{size} /{stride}:"
            for name, each in seconds.items():
                share = work / each / (top if name == "codes" else top / 4)
                line += f"  {name} {each * 1e6:.1f} us ({share:.2f})"
            print(line)


if __name__ == "__main__":
    main()
