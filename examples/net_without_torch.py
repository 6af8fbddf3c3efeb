"""A PyTorch net in 8-bit integers, and in a process that has no PyTorch.

Needs torch to make the file (``pip install cordwood[torch]``), NumPy alone to run it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import cordwood as cw


def trained() -> torch.nn.Module:
    """Teach a small net to tell two rings from one another."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        *(torch.nn.Linear(2, 64), torch.nn.GELU(), torch.nn.Linear(64, 64), torch.nn.GELU()),
        torch.nn.Linear(64, 2),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(200):
        x = torch.randn(256, 2)
        loss = torch.nn.functional.cross_entropy(net(x), (x.norm(dim=1) > 1.2).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


module = trained()
points = np.random.default_rng(0).normal(size=(1000, 2)).astype(np.float32)
net = cw.compress(module, "int8", example_inputs=(torch.ones(1, 2),), calibration=[points])
print(net.summary())

with torch.no_grad():
    wanted = module(torch.from_numpy(points)).argmax(1).numpy()
agree = float((net(points).argmax(1) == wanted).mean())
print(f"\n{agree:.1%} of the points fall on the same side")

ALONE = """
import sys, numpy, cordwood
net = cordwood.load(sys.argv[1])
print(net(numpy.zeros((3, 2), numpy.float32)).shape, "torch" in sys.modules)
"""
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "rings.cord"
    net.save(path)
    subprocess.run([sys.executable, "-c", ALONE, str(path)], check=True)
