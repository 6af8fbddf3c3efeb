"""The device's own time of each kernel of a call, as torch's profiler hears it from the driver.

It listens to every library of the process. From then on calls may take longer, even when it has
let go: whatever else is to be timed comes before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

CALLS = 5
_MARKS = "ProfilerStep"
"""The profiler's own entries, one for each turn."""


def kernel_seconds(call: Callable[[], Any], device: str) -> dict[str, float] | str:
    """Return the device's seconds of each kernel of a call, or in words why they are not known.

    One more call comes first, which the profiler hears and forgets: the first one that it hears
    pays for its start.
    """
    if device != "cuda":
        return "kernels are timed on a CUDA device alone"
    os.environ.setdefault("TEARDOWN_CUPTI", "1")
    try:
        import torch
        from torch.profiler import ProfilerActivity, profile, schedule
    except ImportError:
        return "torch is not installed, whose profiler times kernels"
    turns = schedule(wait=0, warmup=1, active=CALLS, repeat=1)
    try:
        with profile(activities=[ProfilerActivity.CUDA], schedule=turns) as seen:
            for _ in range(1 + CALLS):
                call()
                torch.cuda.synchronize()
                seen.step()
        found = by_kernel(seen.key_averages(), CALLS)
    except Exception as error:
        return f"torch's profiler: {error}"
    return found or "torch's profiler saw no kernel"


def by_kernel(events: Iterable[Any], calls: int) -> dict[str, float]:
    """Add up what the profiler saw of several calls, and give the seconds of one."""
    found: dict[str, float] = {}
    for event in events:
        spent = getattr(event, "self_device_time_total", 0.0)
        if spent > 0 and not event.key.startswith(_MARKS):
            name = kernel_name(event.key)
            found[name] = found.get(name, 0.0) + spent * 1e-6 / calls
    return found


def kernel_name(symbol: str) -> str:
    """Return a kernel's own name without namespaces, return type and parameters, not its template.

    Examples
    --------
    >>> kernel_name("void cordwood::cuda::(anonymous namespace)::slice_kernel<32u>(Tables, int)")
    'slice_kernel<32u>'
    """
    text = symbol.replace("(anonymous namespace)::", "").removeprefix("void ")
    depth = 0
    start = 0
    for at, letter in enumerate(text):
        if letter == "(" and depth == 0 and at > 0:
            return text[start:at]
        depth += (letter == "<") - (letter == ">")
        if letter == ":" and depth == 0:
            start = at + 1
    return text[start:]
