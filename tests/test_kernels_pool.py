"""Pools of windows and normalisation by channel: every row gives the oracle's bits."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cordwood
from cordwood import _core
from oracle_products import fma

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

ISAS = cordwood.available_isas()


@dataclass(frozen=True)
class Case:
    """A pool; axes beyond ``axes`` are not used."""

    seed: int = 0
    batch: int = 1
    axes: int = 2
    channels: int = 5
    size: tuple[int, int, int] = (6, 5, 4)
    kernel: tuple[int, int, int] = (2, 3, 2)
    stride: tuple[int, int, int] = (1, 2, 1)
    dilation: tuple[int, int, int] = (1, 1, 1)
    before: tuple[int, int, int] = (1, 0, 1)
    after: tuple[int, int, int] = (0, 1, 1)
    ceil_mode: bool = False
    count_padding: bool = False
    odd: bool = False

    def outputs(self) -> tuple[int, ...]:
        """Give the sizes of the answer; 0 or less where a window is larger than the image."""
        sizes = []
        for a in range(self.axes):
            room = self.size[a] + self.before[a] + self.after[a]
            steps = room - self.dilation[a] * (self.kernel[a] - 1) - 1
            if steps < 0:
                return (0,)
            n = (math.ceil if self.ceil_mode else math.floor)(steps / self.stride[a]) + 1
            if self.ceil_mode and (n - 1) * self.stride[a] >= self.size[a] + self.before[a]:
                n -= 1
            sizes.append(n)
        return tuple(sizes)


small = st.integers(1, 3)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw pools of every form."""
    triple = st.tuples(small, small, small)
    pads = st.tuples(*[st.integers(0, 2)] * 3)
    return Case(
        seed=draw(st.integers(0, 1000)),
        batch=draw(st.integers(1, 3)),
        axes=draw(st.integers(1, 3)),
        channels=draw(st.sampled_from([1, 3, 8, 15, 16, 17, 64, 70, 130])),
        size=draw(st.tuples(*[st.integers(1, 7)] * 3)),
        kernel=draw(triple),
        stride=draw(triple),
        dilation=draw(triple),
        before=draw(pads),
        after=draw(pads),
        ceil_mode=draw(st.booleans()),
        count_padding=draw(st.booleans()),
        odd=draw(st.booleans()),
    )


def draw_images(case: Case) -> Floats:
    """Draw images, with the odd numbers of float32 where the case wants them."""
    rng = np.random.default_rng(case.seed)
    x = rng.standard_normal((case.batch, case.channels, *case.size[: case.axes]))
    x = x.astype(np.float32)
    if case.odd:
        odd = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45], dtype=np.float32)
        x = np.where(rng.random(x.shape) < 0.5, rng.choice(odd, x.shape), x)
    return x


def pool(case: Case, x: Floats, *, mean: bool) -> Floats:
    """Pool as docs/graph.md says."""
    out = np.zeros((*x.shape[:2], *case.outputs()), dtype=np.float32)
    kernel = case.kernel[: case.axes]
    for place in np.ndindex(*case.outputs()):
        y = np.full(x.shape[:2], 0.0 if mean else -np.inf, dtype=np.float32)
        count = 0
        for position in itertools.product(*map(range, kernel)):
            at = [
                o * case.stride[a] + p * case.dilation[a] - case.before[a]
                for a, (o, p) in enumerate(zip(place, position, strict=True))
            ]
            if not all(0 <= p < n for p, n in zip(at, x.shape[2:], strict=True)):
                continue
            own = x[(slice(None), slice(None), *at)]
            count += 1
            y = y + own if mean else np.where((own > y) | np.isnan(own), own, y)
        if mean:
            y = y / np.float32(math.prod(kernel) if case.count_padding else count)
        out[(slice(None), slice(None), *place)] = np.where(np.isnan(y), np.float32(np.nan), y)
    return out


@given(cases())
@example(Case(size=(7, 7, 1), kernel=(7, 7, 1), before=(0, 0, 0), after=(0, 0, 0), channels=64))
@example(Case(odd=True, channels=33))
def test_pools_give_the_oracles_bits(case: Case) -> None:
    x = draw_images(case)
    n = case.axes
    window = {
        "kernel": case.kernel[:n], "stride": case.stride[:n], "dilation": case.dilation[:n],
        "pad_before": case.before[:n], "pad_after": case.after[:n], "ceil_mode": case.ceil_mode,
        "count_padding": case.count_padding,
    }  # fmt: skip
    if min(case.outputs()) <= 0:
        with pytest.raises(cordwood.CordwoodError, match="larger than the image"):
            _core.pool_images(x, mean=True, **window)
        return
    last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
    codes = np.random.default_rng(case.seed).integers(0, 256, last.shape).astype(np.uint8)
    with np.errstate(all="ignore"):
        most_codes = pool(case, np.moveaxis(codes, -1, 1).astype(np.float32), mean=False)
    most_codes = np.maximum(most_codes, 0).astype(np.uint8)
    for isa in ISAS:
        for mean in (False, True):
            with np.errstate(all="ignore"):
                wanted = pool(case, x, mean=mean).view(np.uint32)
            got = _core.pool_images(x, mean=mean, isa=isa, **window)
            np.testing.assert_array_equal(got.view(np.uint32), wanted, str((isa, mean, case)))
            got = _core.pool_images(
                last, mean=mean, channels_first=False, isa=isa, threads=2, **window
            )
            got = np.ascontiguousarray(np.moveaxis(got, -1, 1)).view(np.uint32)
            np.testing.assert_array_equal(got, wanted, str((isa, mean, case)))
        got = _core.pool_images(
            codes, mean=False, kind="uint8", channels_first=False, isa=isa, **window
        )
        np.testing.assert_array_equal(np.moveaxis(got, -1, 1), most_codes, str((isa, case)))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("channels", [1, 7, 8, 17, 40])
@pytest.mark.parametrize("first", [True, False])
def test_batch_norm_gives_the_oracles_bits(isa: str, channels: int, first: bool) -> None:
    rng = np.random.default_rng(channels)
    x = rng.standard_normal((2, channels, 3, 11)).astype(np.float32)
    factor, offset = rng.standard_normal((2, channels)).astype(np.float32)
    each = (1, -1, 1, 1)
    wanted = fma(
        x,
        np.broadcast_to(factor.reshape(each), x.shape),
        np.broadcast_to(offset.reshape(each), x.shape),
    )
    given_x = x if first else np.ascontiguousarray(np.moveaxis(x, 1, -1))
    got = _core.batch_norm(given_x, factor, offset, channels_first=first, threads=2, isa=isa)
    np.testing.assert_array_equal(got if first else np.moveaxis(got, -1, 1), wanted)


def test_what_does_not_fit_is_refused() -> None:
    x = np.zeros((1, 3, 4, 4), dtype=np.float32)
    each = {"stride": [1, 1], "dilation": [1, 1], "pad_before": [0, 0], "pad_after": [0, 0]}
    with pytest.raises(cordwood.CordwoodError, match="a number for each space axis"):
        _core.pool_images(x, mean=False, kernel=[2], **each)
    codes = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    with pytest.raises(cordwood.CordwoodError, match="for a maximum"):
        _core.pool_images(
            codes, mean=True, kernel=[2, 2], kind="uint8", channels_first=False, **each
        )
    with pytest.raises(cordwood.CordwoodError, match="2 factors and 3 offsets"):
        _core.batch_norm(x, np.ones(2, np.float32), np.ones(3, np.float32))
