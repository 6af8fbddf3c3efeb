"""The codecs: what is encoded comes back, and nothing but a whole stream is taken."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cordwood import _core
from cordwood.errors import FormatError, InputError

SIZES = (1, 2, 4, 8)


def skewed(seed: int, count: int, spread: float) -> bytes:
    """Draw bytes whose entropy falls as `spread` does."""
    generator = np.random.default_rng(seed)
    return (generator.exponential(spread, count).astype(np.int64) % 256).astype("u1").tobytes()


def decode(stream: bytes | bytearray, element_bytes: int, count: int) -> bytes | None:
    """Decode, or return None where the stream is refused by its name."""
    try:
        return _core.decode_planes(stream, element_bytes, count)
    except FormatError as error:
        code = error.code
    assert code == "tensor_stream_corrupt"
    return None


@given(data=st.binary(max_size=200), previous=st.integers(0, 2**32 - 1))
def test_crc32_is_zlibs(data: bytes, previous: int) -> None:
    assert _core.crc32(data) == zlib.crc32(data)
    assert _core.crc32(data, previous) == zlib.crc32(data, previous)


@pytest.mark.parametrize("element_bytes", SIZES)
@given(data=st.binary(max_size=400))
@example(data=b"")
@example(data=bytes(64))
@example(data=bytes(range(256)) * 8)
def test_planes_round_trip(data: bytes, element_bytes: int) -> None:
    data = data[: len(data) // element_bytes * element_bytes]
    encoded = _core.encode_planes(data, element_bytes)
    assert _core.decode_planes(encoded, element_bytes, len(data) // element_bytes) == data
    assert _core.encode_planes(data, element_bytes) == encoded


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 5000),
    spread=st.sampled_from((0.05, 0.3, 1.0, 10.0, 100.0, 1e6)),
    element_bytes=st.sampled_from(SIZES),
)
def test_skewed_bytes_round_trip(seed: int, count: int, spread: float, element_bytes: int) -> None:
    data = skewed(seed, count * element_bytes, spread)
    encoded = _core.encode_planes(data, element_bytes)
    assert _core.decode_planes(encoded, element_bytes, count) == data
    assert len(encoded) <= len(data) + 8 * element_bytes


def test_coded_size_is_near_the_entropy() -> None:
    data = skewed(1, 200_000, 5.0)
    share = np.bincount(np.frombuffer(data, "u1")) / len(data)
    entropy_bytes = -(share[share > 0] * np.log2(share[share > 0])).sum() * len(data) / 8
    assert entropy_bytes < len(_core.encode_planes(data, 1)) < 1.005 * entropy_bytes + 200


def test_constant_planes_take_nine_bytes_each() -> None:
    assert len(_core.encode_planes(b"\1\2" * 1000, 2)) == 18


@pytest.mark.parametrize("element_bytes", SIZES)
def test_damaged_streams_raise_or_differ(element_bytes: int) -> None:
    data = skewed(2, 640, 3.0)
    count = len(data) // element_bytes
    encoded = bytearray(_core.encode_planes(data, element_bytes))
    for position in range(len(encoded) * 8):
        encoded[position // 8] ^= 1 << position % 8
        assert decode(encoded, element_bytes, count) != data
        encoded[position // 8] ^= 1 << position % 8
    assert _core.decode_planes(encoded, element_bytes, count) == data


@pytest.mark.parametrize("element_bytes", SIZES)
def test_streams_are_consumed_exactly(element_bytes: int) -> None:
    data = skewed(3, 1024, 3.0)
    count = len(data) // element_bytes
    encoded = _core.encode_planes(data, element_bytes)
    wrong = [(encoded[:length], count) for length in range(len(encoded))]
    wrong += [(encoded + b"\0", count), (encoded, count - 1), (encoded, count + 1), (encoded, 0)]
    for stream, wanted in wrong:
        assert decode(stream, element_bytes, wanted) is None


@given(
    data=st.binary(max_size=300), count=st.integers(0, 600), element_bytes=st.sampled_from(SIZES)
)
def test_any_bytes_decode_or_are_refused(data: bytes, count: int, element_bytes: int) -> None:
    decoded = decode(data, element_bytes, count)
    assert decoded is None or len(decoded) == count * element_bytes


FLOATS = {4: np.float32, 8: np.float64}


@pytest.mark.parametrize("element_bytes", FLOATS)
@given(data=st.binary(max_size=400))
@example(data=b"")
@example(data=np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 5e-324, -1.0]).tobytes())
@example(data=np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 1e-45, -1.0], "f4").tobytes())
def test_differences_round_trip(data: bytes, element_bytes: int) -> None:
    data = data[: len(data) // element_bytes * element_bytes]
    count = len(data) // element_bytes
    encoded = _core.encode_differences(data, element_bytes)
    assert _core.decode_differences(encoded, element_bytes, count) == data
    assert _core.encode_differences(data, element_bytes) == encoded


@pytest.mark.parametrize(("element_bytes", "float_type"), FLOATS.items())
def test_differences_count_the_floats_between(element_bytes: int, float_type: type) -> None:
    def differences(*floats: float) -> list[int]:
        encoded = _core.encode_differences(np.array(floats, float_type).tobytes(), element_bytes)
        stream = _core.decode_planes(encoded, element_bytes, len(floats))
        return np.frombuffer(stream, f"<i{element_bytes}").tolist()

    up, down = float_type(np.inf), float_type(-np.inf)
    for start in (float_type(-1), float_type(0), float_type(3)):
        assert differences(start, np.nextafter(start, up), start)[1:] == [1, -1]
        assert differences(start, np.nextafter(start, down))[1] == -1 - (start == 0)
    assert differences(-0.0, 0.0) == [2 ** (8 * element_bytes - 1) - 1, 1]


@pytest.mark.parametrize(("element_bytes", "float_type"), FLOATS.items())
def test_sorted_floats_are_shorter_as_differences(element_bytes: int, float_type: type) -> None:
    cuts = np.sort(np.random.default_rng(4).normal(size=4000).astype(float_type)).tobytes()
    differences = len(_core.encode_differences(cuts, element_bytes))
    assert differences < len(_core.encode_planes(cuts, element_bytes)) - 4000


@given(
    data=st.binary(max_size=300), count=st.integers(0, 60), element_bytes=st.sampled_from((4, 8))
)
def test_any_differences_decode_where_the_planes_do(
    data: bytes, count: int, element_bytes: int
) -> None:
    planes = decode(data, element_bytes, count)
    if planes is None:
        with pytest.raises(FormatError, match=r"plane|byte"):
            _core.decode_differences(data, element_bytes, count)
    else:
        floats = _core.decode_differences(data, element_bytes, count)
        again = _core.encode_differences(floats, element_bytes)
        assert _core.decode_planes(again, element_bytes, count) == planes


def plane(mode: int, coded: bytes) -> bytes:
    return mode.to_bytes(4, "little") + len(coded).to_bytes(4, "little") + coded


@given(table=st.binary(max_size=40), rest=st.binary(max_size=80), count=st.integers(1, 200))
def test_any_coded_plane_decodes_or_is_refused(table: bytes, rest: bytes, count: int) -> None:
    decoded = decode(plane(2, table + rest), 1, count)
    assert decoded is None or len(decoded) == count


def test_elements_of_three_bytes_are_refused() -> None:
    with pytest.raises(InputError, match="7 bytes given as elements of 3 bytes"):
        _core.encode_planes(bytes(7), 3)
    with pytest.raises(InputError, match="expected 1, 2, 4 or 8 bytes each"):
        _core.decode_planes(b"", 3, 0)
    with pytest.raises(InputError, match="7 bytes given as elements of 2 bytes"):
        _core.encode_planes(bytes(7), 2)


def test_differences_are_of_whole_floats() -> None:
    for width in (1, 2, 3, 16):
        with pytest.raises(InputError, match=f"48 bytes given as elements of {width} bytes"):
            _core.encode_differences(bytes(48), width)
        with pytest.raises(InputError, match="expected 4 or 8 bytes each"):
            _core.decode_differences(b"", width, 0)
    with pytest.raises(InputError, match="9 bytes given as elements of 4 bytes"):
        _core.encode_differences(bytes(9), 4)
