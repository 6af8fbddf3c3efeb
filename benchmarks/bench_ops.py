"""Arrays: products with quantised weights beside their peers, and what is held against our own.

    python benchmarks/bench_ops.py [--smoke] [--threads 1,2] [--seconds 1.5] [--save]

Products with int8 and int4 weights take turns with ONNX Runtime, OpenVINO and torch in one
process, each answer checked before its time counts, quantising the activations included; the share
of peak is of this machine's own byte multiply-adds on registers. With ``--save`` the run goes to
``benchmarks/results/ops.json``.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

from cordwood.bench import ops_peers
from cordwood.bench.ops import render_ops, run_ops

RESULT = Path(__file__).resolve().parent / "results" / "ops.json"
SHAPES = ((1024, 1024), (4096, 4096), (11008, 4096))
SMOKE_SHAPES = ((128, 256),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small matrix, a few milliseconds")
    parser.add_argument("--threads", default="1,2", help="comma-separated")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each product")
    parser.add_argument("--save", action="store_true", help=f"write {RESULT.name}")
    arguments = parser.parse_args()
    runs: dict[str, Any] = {}
    for threads in map(int, arguments.threads.split(",")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch announces what it will remove
            result = run_ops(
                shapes=SMOKE_SHAPES if arguments.smoke else SHAPES,
                peers=ops_peers.NAMES,
                threads=threads,
                budget_s=0.01 if arguments.smoke else arguments.seconds,
            )
        print(render_ops(result), flush=True)
        runs[str(threads)] = result.to_dict()
    if arguments.save:
        RESULT.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
