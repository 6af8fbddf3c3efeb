"""What each CUDA intrinsic gives, in NumPy, for the words that the emulator's self-test prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Wide = npt.NDArray[np.int64]


def numbers(count: int) -> Wide:
    """Draw the self-test's input values."""
    state, values = 12345, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 16) - 32768)
    return np.array(values)


def mixed(values: Wide, salt: int) -> Words:
    """Scramble values as the kernels do."""
    word = values.astype(np.uint32) * np.uint32(2654435761) + np.uint32(salt)
    word ^= word >> np.uint32(15)
    word *= np.uint32(2246822519)
    return word ^ word >> np.uint32(13)


def lanes(word: Words, dtype: type[np.generic]) -> Wide:
    """Split words into lanes of a type, one row for each word."""
    width = 4 // np.dtype(dtype).itemsize
    return word.view(dtype).reshape(-1, width).astype(np.int64)


def joined(values: Wide, dtype: type[np.generic]) -> Words:
    """Put lanes back into words; what does not fit is cut off."""
    unsigned = np.uint8 if np.dtype(dtype).itemsize == 1 else np.uint16
    return np.ascontiguousarray(values.astype(unsigned)).view(np.uint32).ravel()


def split(values: npt.ArrayLike, bits: int) -> Iterator[Words]:
    """Yield one word, or the low and the high one of 64 bits."""
    wide = np.asarray(values).astype(np.uint64)
    yield wide.astype(np.uint32)
    if bits == 64:
        yield (wide >> np.uint64(32)).astype(np.uint32)


def simd() -> Iterator[tuple[str, Words]]:
    """Name and words of each SIMD video instruction, in the kernel's order."""
    values = numbers(1024)
    x = mixed(values, 4)
    y = mixed(values, 5) & np.uint32(0x00FFFFFF) | x & np.uint32(0xFF000000)

    def two(name: str, signed: bool, operation: Callable[[Wide, Wide, type], Wide]) -> Iterator:
        for width, dtype in ((4, (np.uint8, np.int8)), (2, (np.uint16, np.int16))):
            lane = dtype[signed]
            result = operation(lanes(x, lane), lanes(y, lane), lane)
            if result.ndim == 1:
                yield f"{name}{width}", result.astype(np.uint32)
            else:
                yield f"{name}{width}", joined(result, lane)

    def clipped(values: Wide, lane: type) -> Wide:
        return np.clip(values, np.iinfo(lane).min, np.iinfo(lane).max)

    yield from two("vadd", False, lambda a, b, _: a + b)
    yield from two("vsub", False, lambda a, b, _: a - b)
    yield from two("vaddss", True, lambda a, b, t: clipped(a + b, t))
    yield from two("vsubss", True, lambda a, b, t: clipped(a - b, t))
    yield from two("vaddus", False, lambda a, b, t: clipped(a + b, t))
    yield from two("vsubus", False, lambda a, b, t: clipped(a - b, t))
    yield from two("vmaxs", True, lambda a, b, _: np.maximum(a, b))
    yield from two("vmins", True, lambda a, b, _: np.minimum(a, b))
    yield from two("vmaxu", False, lambda a, b, _: np.maximum(a, b))
    yield from two("vminu", False, lambda a, b, _: np.minimum(a, b))
    yield from two("vavgu", False, lambda a, b, _: (a + b + 1) // 2)
    yield from two("vhaddu", False, lambda a, b, _: (a + b) // 2)
    yield from two("vabsdiffu", False, lambda a, b, _: abs(a - b))
    yield from two("vabsdiffs", True, lambda a, b, _: abs(a - b))
    yield from two("vsadu", False, lambda a, b, _: abs(a - b).sum(axis=1))
    yield from two("vsads", True, lambda a, b, _: abs(a - b).sum(axis=1))
    yield from two("vneg", False, lambda a, _, __: -a)
    yield from two("vabs", True, lambda a, _, __: abs(a))
    yield from two("vnegss", True, lambda a, _, t: clipped(-a, t))
    yield from two("vabsss", True, lambda a, _, t: clipped(abs(a), t))
    tests: dict[str, tuple[bool, np.ufunc]] = {
        "eq": (False, np.equal),
        "ne": (False, np.not_equal),
        "ges": (True, np.greater_equal),
        "gts": (True, np.greater),
        "les": (True, np.less_equal),
        "lts": (True, np.less),
        "geu": (False, np.greater_equal),
        "gtu": (False, np.greater),
        "leu": (False, np.less_equal),
        "ltu": (False, np.less),
    }
    for kind, one in (("vcmp", -1), ("vset", 1)):
        for name, (signed, test) in tests.items():
            yield from two(kind + name, signed, lambda a, b, _, f=test, o=one: f(a, b) * o)


def bits() -> Iterator[tuple[str, Words]]:
    """Name and words of each integer intrinsic, in the kernel's order."""
    values = numbers(1024)
    threads = np.arange(1024, dtype=np.uint32)
    xs = mixed(values, 2) >> threads % np.uint32(32)
    ys = mixed(values, 3)
    wides = ys.astype(np.uint64) << (threads % 33).astype(np.uint64) | xs.astype(np.uint64)
    inputs = [(int(x), int(y), int(w)) for x, y, w in zip(xs, ys, wides, strict=True)]

    def signed(word: int) -> int:
        return word - 2**32 if word >= 2**31 else word

    def lowest(word: int) -> int:
        return (word & -word).bit_length()

    def permuted(x: int, y: int, selectors: int) -> int:
        source = x.to_bytes(4, "little") + y.to_bytes(4, "little")
        return int.from_bytes(bytes(source[selectors >> 4 * i & 7] for i in range(4)), "little")

    def dot(x: int, y: int, total: int, is_signed: bool) -> int:
        dtype = np.int8 if is_signed else np.uint8
        pair = (np.array([word], np.uint32).view(dtype).astype(np.int64) for word in (x, y))
        return int(np.dot(*pair)) + total

    def shift_left(low: int, high: int, count: int) -> int:
        return (high << 32 | low) << count >> 32

    def shift_right(low: int, high: int, count: int) -> int:
        return (high << 32 | low) >> count

    half = 0x3FFFFFFF
    table: list[tuple[str, int, list[int]]] = [
        ("popc", 32, [bin(x).count("1") for x, y, w in inputs]),
        ("popcll", 32, [bin(w).count("1") for x, y, w in inputs]),
        ("clz", 32, [32 - x.bit_length() for x, y, w in inputs]),
        ("clzll", 32, [64 - w.bit_length() for x, y, w in inputs]),
        ("ffs", 32, [lowest(x) for x, y, w in inputs]),
        ("ffsll", 32, [lowest(w) for x, y, w in inputs]),
        ("brev", 32, [int(f"{x:032b}"[::-1], 2) for x, y, w in inputs]),
        ("brevll", 64, [int(f"{w:064b}"[::-1], 2) for x, y, w in inputs]),
        ("byte_perm", 32, [permuted(x, y, y >> 7) for x, y, w in inputs]),
        ("byte_perm", 32, [permuted(x, y, 0x7531) for x, y, w in inputs]),
        ("funnelshift_l", 32, [shift_left(x, y, y >> 9 & 31) for x, y, w in inputs]),
        ("funnelshift_r", 32, [shift_right(x, y, y >> 9 & 31) for x, y, w in inputs]),
        ("funnelshift_lc", 32, [shift_left(x, y, min(y >> 26, 32)) for x, y, w in inputs]),
        ("funnelshift_rc", 32, [shift_right(x, y, min(y >> 26, 32)) for x, y, w in inputs]),
        ("umulhi", 32, [x * y >> 32 for x, y, w in inputs]),
        ("mulhi", 32, [signed(x) * signed(y) >> 32 for x, y, w in inputs]),
        ("umul64hi", 64, [w * (w * y % 2**64) >> 64 for x, y, w in inputs]),
        ("umul24", 32, [(x & 0xFFFFFF) * (y & 0xFFFFFF) for x, y, w in inputs]),
        ("usad", 32, [abs(x - y) + 77 for x, y, w in inputs]),
        ("dp4a unsigned", 32, [dot(x, y, y, is_signed=False) for x, y, w in inputs]),
        ("dp4a signed", 32, [dot(x, y, x, is_signed=True) for x, y, w in inputs]),
        ("double2hiint", 32, [x & half for x, y, w in inputs]),
        ("double2loint", 32, [w & 0xFFFFFFFF for x, y, w in inputs]),
        ("min", 32, [min(signed(x), signed(y)) for x, y, w in inputs]),
        ("max", 32, [max(x, y) for x, y, w in inputs]),
    ]
    for name, size, results in table:
        in_range = [result % 2**size for result in results]
        for words in split(np.array(in_range, np.uint64), size):
            yield name, words


def warp() -> Iterator[tuple[str, Words]]:
    """Name and words of each primitive of warps and blocks, in the kernel's order."""
    values = numbers(128)
    words = mixed(values, 1)
    thread = np.arange(128)
    first, lane = thread // 32 * 32, thread % 32
    in_warps = values.reshape(4, 32)
    words_in_warps = words.reshape(4, 32)

    def each(of_warps: npt.ArrayLike) -> Words:
        return np.repeat(np.asarray(of_warps).astype(np.int64).astype(np.uint32), 32)

    def word(values: npt.ArrayLike) -> Words:
        return np.asarray(values).astype(np.int64).astype(np.uint32)

    yield "shfl", word(values[first + values % 32])
    yield "shfl of 8", word(values[first + lane // 8 * 8 + 5])
    yield "shfl_up", words[np.where(lane >= 3, thread - 3, thread)]
    yield "shfl_up of 16", words[np.where(lane % 16 >= 3, thread - 3, thread)]
    wide = words.astype(np.uint64) << np.uint64(20) | thread.astype(np.uint64)
    for half in split(wide[np.where(lane + 7 < 32, thread + 7, thread)], 64):
        yield "shfl_down of 8 bytes", half
    double = values[np.where(lane % 4 + 2 < 4, thread + 2, thread)].astype(np.float64)
    for half in split(double.view(np.uint64), 64):
        yield "shfl_down of a double", half
    yield "shfl_xor of a float", values[thread ^ 9].astype(np.float32).view(np.uint32)
    yield "shfl_xor of 8", words[np.where((lane ^ 9) <= (lane | 7), thread ^ 9, thread)]
    yield "ballot", each(((in_warps & 1) << np.arange(32)).sum(axis=1))
    yield "any", each((words_in_warps % 64 == 0).any(axis=1))
    yield "all", each((words_in_warps % 64 != 0).all(axis=1))
    yield "reduce_add", each(in_warps.sum(axis=1))
    yield "reduce_min", each(in_warps.min(axis=1))
    yield "reduce_max", each(words_in_warps.max(axis=1))
    yield "reduce_or", each(np.bitwise_or.reduce(words_in_warps & 0x01010101, axis=1))
    yield "reduce_and", each(np.bitwise_and.reduce(words_in_warps | 0x7FFFFFFF, axis=1))
    yield "reduce_xor", each(np.bitwise_xor.reduce(words_in_warps, axis=1))
    yield "shfl_xor of 11 lanes", word(np.where(lane < 8, values[thread ^ 2], 0))
    yield "syncthreads_count", word(np.full(128, (values > 0).sum()))
    yield "syncthreads_and", word(np.full(128, (values > -30000).all()))
    yield "syncthreads_or", word(np.full(128, 1))
