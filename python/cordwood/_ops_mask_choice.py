"""Patterns of pruning masks, and how each is chosen, wherever the scores lie."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _core
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Per = Literal["matrix", "output"]

GROUP_MOST = 64
_GROUPS = re.compile(r"(\d+):(\d+)")
_BLOCKS = re.compile(r"block:(\d+)x(\d+)(?::([0-9.]+))?")
_CHANNELS = re.compile(r"channels:([0-9.]+)")


@dataclass(frozen=True)
class Choice(ABC):
    """Scores with outputs first, and how to choose among them.

    Attributes
    ----------
    scores : array of float32, shape (n_outputs, n_inputs)
        C-ordered.
    signed : bool
        Whether scores count as they are; else their magnitudes do.
    per : {"matrix", "output"}
        What a share is taken of.
    out : array of bool, optional
        Where the mask goes.
    """

    scores: Any
    signed: bool
    per: Per
    out: Any

    def by_pattern(self, pattern: str | float, share: float | None) -> Any:
        """Return the mask of a pattern."""
        if not isinstance(pattern, str):
            goes = _check_share(pattern, pattern)
            return self.top(self.scores, self.whole_mask(), goes, signed=self.signed)
        if found := _GROUPS.fullmatch(pattern):
            return self.groups(int(found[1]), int(found[2]))
        if found := _BLOCKS.fullmatch(pattern):
            given = share if found[3] is None else _number(found[3])
            return self.blocks(int(found[1]), int(found[2]), _check_share(given, pattern))
        if found := _CHANNELS.fullmatch(pattern):
            return self.channels(_check_share(_number(found[1]), pattern))
        message = (
            f"pattern is {pattern!r}; expected 'n:m', a share that goes, 'block:RxC' with share=, "
            "'block:RxC:share' or 'channels:share'"
        )
        raise InputError(message)

    def groups(self, keep: int, of: int) -> Any:
        """Choose of every `of` neighbours the best."""
        if not 1 <= keep <= of <= GROUP_MOST:
            message = f"pattern is '{keep}:{of}'; expected 1 <= n <= m <= {GROUP_MOST}"
            raise InputError(message)
        mask = self.whole_mask()
        self.run_groups(mask, keep, of)
        return mask

    def whole_mask(self) -> Any:
        """Return the array that the mask goes to."""
        return self.empty_mask(self.scores.shape) if self.out is None else self.out

    def top(self, scores: Any, mask: Any, share: float, *, signed: bool) -> Any:
        """Choose what is left of the matrix, or of each row, when a share has gone."""
        whole = self.per == "matrix"
        n_rows, n_columns = scores.shape
        keep = _kept(n_rows * n_columns if whole else n_columns, share)
        self.run_top(scores, mask, keep, whole=whole, signed=signed)
        return mask

    def blocks(self, height: int, width: int, share: float) -> Any:
        """Choose among blocks by the sums of their scores."""
        if height < 1 or width < 1:
            message = f"a block of {height}x{width} holds nothing; expected at least 1x1"
            raise InputError(message)
        sums = self.sums(height, width)
        chosen = self.top(sums, self.empty_mask(sums.shape), share, signed=True)
        mask = self.whole_mask()
        self.spread(chosen, mask, height, width)
        return mask

    def channels(self, share: float) -> Any:
        """Choose among outputs by the sums of their scores."""
        n_outputs, n_inputs = self.scores.shape
        sums = self.sums(1, n_inputs).reshape(1, -1)
        stays = self.empty_mask(sums.shape)
        self.run_top(sums, stays, _kept(n_outputs, share), whole=False, signed=True)
        mask = self.whole_mask()
        self.spread(stays.reshape(-1, 1), mask, 1, n_inputs)
        return mask

    @abstractmethod
    def empty_mask(self, shape: tuple[int, ...]) -> Any:
        """Return a fresh C-ordered array of bool."""

    @abstractmethod
    def run_groups(self, mask: Any, keep: int, of: int) -> None:
        """Write the mask of a pattern n:m."""

    @abstractmethod
    def run_top(self, scores: Any, mask: Any, keep: int, *, whole: bool, signed: bool) -> None:
        """Write the mask of the best."""

    @abstractmethod
    def sums(self, height: int, width: int) -> Any:
        """Return the sums of blocks, float32."""

    @abstractmethod
    def spread(self, chosen: Any, mask: Any, height: int, width: int) -> None:
        """Write what a mask of blocks says of each weight."""


@dataclass(frozen=True)
class HostChoice(Choice):
    """Scores of the host."""

    scores: NDArray[np.float32]
    threads: int

    def empty_mask(self, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return a fresh array."""
        return np.empty(shape, dtype=bool)

    def run_groups(self, mask: NDArray[np.bool_], keep: int, of: int) -> None:
        """Write the mask of a pattern n:m."""
        _core.mask_groups(
            self.scores, mask, keep=keep, of=of, signed=self.signed, threads=self.threads
        )

    def run_top(
        self,
        scores: NDArray[np.float32],
        mask: NDArray[np.bool_],
        keep: int,
        *,
        whole: bool,
        signed: bool,
    ) -> None:
        """Write the mask of the best."""
        _core.mask_top(scores, mask, keep=keep, whole=whole, signed=signed, threads=self.threads)

    def sums(self, height: int, width: int) -> NDArray[np.float32]:
        """Return the sums of blocks."""
        return _core.mask_sums(
            self.scores,
            block_rows=height,
            block_inputs=width,
            signed=self.signed,
            threads=self.threads,
        )

    def spread(
        self, chosen: NDArray[np.bool_], mask: NDArray[np.bool_], height: int, width: int
    ) -> None:
        """Write what a mask of blocks says of each weight."""
        n_inputs = self.scores.shape[1]
        if height == 1 and width >= n_inputs:
            mask[...] = chosen
            return
        for strip, kept in enumerate(chosen):
            wide = np.repeat(kept, min(width, n_inputs))[:n_inputs]
            mask[strip * height : (strip + 1) * height] = wide


def _kept(total: int, share: float) -> int:
    """How many stay: what is left when the share, rounded half to even, is gone."""
    return total - round(total * share)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check_share(share: Any, pattern: Any) -> float:
    number = share if isinstance(share, int | float | np.number) else float("nan")
    if not 0.0 <= number <= 1.0:
        message = f"pattern {pattern!r} has share {share}; expected a number from 0 to 1 that goes"
        raise InputError(message)
    return float(number)
