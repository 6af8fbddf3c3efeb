"""The NumPy meaning of attention, embeddings and recurrences of ``cordwood.ir_nets``."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from cordwood import ir_nets as ir
from oracle_attention import Options
from oracle_coded_attention import attend


def coded_attention(op: ir.Attention, inputs: list) -> np.ndarray:
    """Attend head by head on integers, to the last bit."""
    q, k, v = (
        np.swapaxes(x, 1, 2) if last else x
        for x, last in zip(inputs[:3], op.heads_last, strict=False)
    )
    options = Options(op.scale, op.causal, op.window, op.soft_cap)
    shape = (*q.shape[:3], k.shape[2])
    mask = None if len(inputs) < 4 or inputs[3] is None else np.broadcast_to(inputs[3], shape)
    y = np.empty((*q.shape[:3], v.shape[3]), np.float32)
    for entry, head in np.ndindex(*q.shape[:2]):
        own = head * k.shape[1] // q.shape[1]
        part = None if mask is None else mask[entry, head]
        y[entry, head] = attend(q[entry, head], k[entry, own], v[entry, own], part, options)
    return np.ascontiguousarray(np.swapaxes(y, 1, 2) if op.heads_last[3] else y)


def attention(op: ir.Attention, inputs: list, _: Any, __: Any) -> np.ndarray:
    if op.rows != "float32":
        return coded_attention(op, inputs)
    q, k, v = (
        np.swapaxes(x, 1, 2).astype(np.float64) if last else x.astype(np.float64)
        for x, last in zip(inputs[:3], op.heads_last, strict=False)
    )
    times = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, times, axis=1), np.repeat(v, times, axis=1)
    scores = (q @ np.swapaxes(k, 2, 3)) * op.scale
    if op.soft_cap:
        scores = op.soft_cap * np.tanh(scores / op.soft_cap)
    n, m = scores.shape[2:]
    may = np.ones((n, m), bool)
    apart = np.arange(n)[:, None] + (m - n) - np.arange(m)[None, :]
    if op.causal:
        may &= apart >= 0
    if op.window:
        may &= np.abs(apart) < op.window
    scores = np.where(may, scores, -np.inf)
    if len(inputs) > 3 and inputs[3] is not None:
        mask = inputs[3]
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    most = scores.max(-1, keepdims=True)
    shares = np.exp(scores - np.where(np.isfinite(most), most, 0.0))
    total = shares.sum(-1, keepdims=True)
    y = (shares / np.where(total == 0, 1, total)) @ v
    return np.ascontiguousarray(np.swapaxes(y, 1, 2) if op.heads_last[3] else y).astype(np.float32)


def embedding(op: ir.Embedding, inputs: list, coded: dict, _: Any) -> np.ndarray:
    index, table = inputs[0], coded["table"]
    assert (index >= 0).all(), "an index is outside the table"
    assert (index < len(table)).all(), "an index is outside the table"
    rows = table[index].astype(np.float32)
    if op.combine == "none":
        return rows
    return getattr(np, op.combine)(rows.astype(np.float64), axis=-2).astype(np.float32)


def _states(op: Any, inputs: list, number: int) -> list[np.ndarray]:
    """Return the initial states, each (directions, batch, hidden)."""
    x, hidden = inputs[0], op.weight_h[0].shape[1]
    if len(inputs) > 1:
        return [state.astype(np.float64) for state in inputs[1:]]
    return [np.zeros((len(op.weight_x), len(x), hidden))] * number


def _backward(op: Any, direction: int) -> bool:
    return op.direction == "reverse" or direction == 1


def _told(all_h: list, ends: list) -> tuple[np.ndarray, ...]:
    joined = np.concatenate(all_h, axis=2).astype(np.float32)
    return (joined, *(np.stack(end).astype(np.float32) for end in zip(*ends, strict=True)))


def lstm(op: ir.Lstm, inputs: list, _: Any, __: Any) -> tuple[np.ndarray, ...]:
    x = inputs[0].astype(np.float64)
    start = _states(op, inputs, 2)
    all_h, ends = [], []
    for direction, (wx, wh) in enumerate(zip(op.weight_x, op.weight_h, strict=True)):
        bias = op.bias[direction]
        h, c = (state[direction] for state in start)
        found = np.zeros((*x.shape[:2], h.shape[1]))
        steps = range(x.shape[1])
        for t in reversed(steps) if _backward(op, direction) else steps:
            gates = x[:, t] @ wx.T + (0 if bias is None else bias) + h @ wh.T
            i, f, g, o = np.split(gates, 4, axis=1)
            c = expit(f) * c + expit(i) * np.tanh(g)
            h = expit(o) * np.tanh(c)
            found[:, t] = h
        all_h.append(found)
        ends.append((h, c))
    return _told(all_h, ends)


def gru(op: ir.Gru, inputs: list, _: Any, __: Any) -> tuple[np.ndarray, ...]:
    x = inputs[0].astype(np.float64)
    start = _states(op, inputs, 1)
    all_h, ends = [], []
    for direction, (wx, wh) in enumerate(zip(op.weight_x, op.weight_h, strict=True)):
        bias_x, bias_h = (
            0 if b is None else b for b in (op.bias_x[direction], op.bias_h[direction])
        )
        h = start[0][direction]
        found = np.zeros((*x.shape[:2], h.shape[1]))
        steps = range(x.shape[1])
        for t in reversed(steps) if _backward(op, direction) else steps:
            rx, zx, nx = np.split(x[:, t] @ wx.T + bias_x, 3, axis=1)
            rh, zh, nh = np.split(h @ wh.T + bias_h, 3, axis=1)
            new = np.tanh(nx + expit(rx + rh) * nh)
            h = expit(zx + zh) * (h - new) + new
            found[:, t] = h
        all_h.append(found)
        ends.append((h,))
    return _told(all_h, ends)


SEQUENCE = {ir.Attention: attention, ir.Embedding: embedding, ir.Lstm: lstm, ir.Gru: gru}
