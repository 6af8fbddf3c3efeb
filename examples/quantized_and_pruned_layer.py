"""A weight matrix in 4 bits, and another one pruned: how much smaller, how far off."""

from __future__ import annotations

import numpy as np

import cordwood as cw

rng = np.random.default_rng(0)
w = rng.standard_normal((512, 1024), dtype=np.float32) / 32  # outputs x inputs
bias = rng.standard_normal(512, dtype=np.float32)

# Inputs of a layer hang together: these come from 128 numbers each, and a little noise.
mix = rng.standard_normal((128, 1024), dtype=np.float32) / 11
seen, x = (
    rng.standard_normal((n, 128), dtype=np.float32) @ mix
    + 0.2 * rng.standard_normal((n, 1024), dtype=np.float32)
    for n in (4096, 64)
)
exact = np.maximum(x @ w.T + bias, 0)


def error(y: np.ndarray) -> float:
    return float(np.linalg.norm(y - exact) / np.linalg.norm(exact))


# Four bits, a scale for every 64 inputs; GPTQ moves the error to where inputs like these feel it
# least.
plain = cw.ops.quantize(w, bits=4, group_size=64)
tuned = cw.ops.quantize(w, bits=4, group_size=64, method="gptq", inputs=seen)
for name, packed in (("round to nearest", plain), ("GPTQ", tuned)):
    y = cw.ops.qmatmul(x, packed, bias=bias, activation="relu")
    print(f"{name:<17} {w.nbytes / packed.nbytes:.1f}x smaller, {error(y):.1%} off")

# Two of every four weights, chosen by magnitude times how large their inputs are (Wanda).
mask = cw.ops.prune_mask(w, "2:4", scores=cw.ops.wanda_scores(w, seen))
sparse = cw.ops.pack_sparse(w, mask)
y = cw.ops.sparse_matmul(x, sparse, bias=bias, activation="relu")
print(f"{'2:4, Wanda':<17} {w.nbytes / sparse.nbytes:.1f}x smaller, {error(y):.1%} off")

assert error(cw.ops.qmatmul(x, tuned, bias=bias, activation="relu")) < 0.1
assert np.array_equal(y, cw.ops.qmatmul(x, sparse.to_dense(), bias=bias, activation="relu")), (
    "a sparse product is that of its weights, bit for bit"
)
