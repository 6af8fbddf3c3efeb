from collections.abc import Sequence

__version__: str

def mask_groups(
    scores: int,
    mask: int,
    *,
    shape: tuple[int, int],
    keep: int,
    of: int,
    signed: bool,
    stream: int,
) -> int | None: ...
def mask_top(
    scores: int,
    mask: int,
    *,
    shape: tuple[int, int],
    keep: int,
    whole: bool,
    signed: bool,
    stream: int,
) -> int | None: ...
def mask_sums(
    scores: int,
    sums: int,
    *,
    shape: tuple[int, int],
    blocks: tuple[int, int],
    signed: bool,
    stream: int,
) -> tuple[int | None, int | None]: ...
def mask_spread(
    chosen: int, mask: int, *, shape: tuple[int, int], blocks: tuple[int, int], stream: int
) -> None: ...
def quantize_weights(
    w: int,
    *,
    shape: tuple[int, int],
    payload: int,
    scales: int,
    zeros: int,
    bits: int,
    group_size: int,
    half_scales: bool,
    ratios: Sequence[float],
    stream: int,
) -> int | None: ...
def dequantize_weights(
    payload: int,
    scales: int,
    zeros: int,
    out: int,
    *,
    shape: tuple[int, int],
    bits: int,
    group_size: int,
    half_scales: bool,
    stream: int,
) -> None: ...
