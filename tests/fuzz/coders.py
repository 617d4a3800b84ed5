"""Hostile streams of every coder: one CodecError, or values in range that the encoder makes the stream of."""

from random import Random

import numpy as np

from fuzz import damage, refused
from hwsim import codec
from hwsim.codec import chunk, golden
from hwsim.codec.segments import INDEX_ENTRY, decode_segments
from hwsim.errors import CodecError

CODES = [name for name in codec.names() if name != "entropy"]
KINDS = (*CODES, "chunk", "segments")
HEADER = 8  # kind, bits, order, two choices, count
COUNTS = (0, 1, 2, 3, 8, 63, 64, 65, 300, 5000, 65535)
GOLDEN = 24  # bytes of a stream that the slow model reads, too
_CODERS = {(name, bits): codec.get(name, bits=bits) for name in CODES for bits in range(1, 17)}


def make(random: Random) -> bytes:
    """A stream: random, mostly alike, or a good one with a damage."""
    kind, bits, order = random.randrange(len(KINDS)), random.randrange(1, 17), random.randrange(16)
    count = random.choice((*COUNTS, random.randrange(100)))
    if kind < len(CODES) and random.randrange(2):
        values = _values(random, min(count, 400), bits)
        stream = _CODERS[CODES[kind], bits].encode(values, order).tobytes()
        count = len(values) + random.choice((0, 0, 0, 1, -1)) * (len(values) > 0)
        if random.randrange(4):
            stream = random.choice((damage.bits, damage.length))(random, stream)
    elif random.randrange(2):
        stream = random.randbytes(random.randrange(80))
    else:
        stream = random.choice((b"\0", b"\xff", b"\x01", b"\x80", b"\xaa")) * random.randrange(200)
        stream = damage.bits(random, stream)
    return bytes([kind, bits, order, random.randrange(256), random.randrange(256)]) + (
        count.to_bytes(3, "big") + stream
    )


def _values(random: Random, count: int, bits: int) -> np.ndarray:
    """Zeros in runs, and others of any size."""
    found: list[int] = []
    while len(found) < count:
        found += [0] * random.choice((0, 1, 5, 31, 32, 33, 200))
        found += [random.randrange(1 << random.randrange(1, bits + 1)) for _ in range(random.randrange(9))]
    return np.array(found[:count], np.uint16)


def check(data: bytes) -> bool:
    """Decode it, twice from memory that ends where it ends, and in the slow model."""
    if len(data) < HEADER or data[0] >= len(KINDS) or not 1 <= data[1] <= 16 or data[2] > 15:
        return False
    kind, bits, order = KINDS[data[0]], data[1], data[2]
    count, stream = int.from_bytes(data[5:HEADER], "big"), data[HEADER:]
    try:
        if kind == "chunk":
            _chunk(bytes([order]) + count.to_bytes(8, "big") + stream, chunk.DTYPES[data[3] % 4])
        elif kind == "segments":
            _segments(stream, data[3], data[4], order)
        else:
            _coder(kind, bits, order, count, stream)
    except CodecError as error:
        return refused(error)
    return True


def _coder(name: str, bits: int, order: int, count: int, stream: bytes) -> None:
    coder = _CODERS[name, bits]
    try:
        values = coder.decode(stream, count, order)
    except CodecError:
        assert not _is_good_seg(name, bits, order, count, stream), "the slow model reads it"
        raise
    assert values.shape == (count,)
    assert not values.max(initial=0) >> bits
    if name == "aseg":
        assert coder.encoded_bits(values, order) <= 8 * len(stream)
    else:
        again = coder.encode(values, order).tobytes()
        assert stream.startswith(again), "other bits for the same values"
        assert len(stream) - len(again) < 8
        assert not any(stream[len(again) :])


def _is_good_seg(name: str, bits: int, order: int, count: int, stream: bytes) -> bool:
    """Whether the slow model finds values in range, and nothing but padding behind them."""
    if name != "seg" or len(stream) > GOLDEN:
        return False
    text = golden.to_bits(stream)
    try:
        values = golden.decode(text, count, order)
    except ValueError:
        return False
    rest = text[len(golden.encode(values, order)) :]
    return max(values, default=0) < 1 << bits and "1" not in rest and len(rest) < 64


def _chunk(data: bytes, dtype: str) -> None:
    values = chunk.decode(data, dtype)
    again = chunk.encode(values, data[0])
    assert data.startswith(again)
    assert len(data) - len(again) < 8


def _segments(stream: bytes, height: int, width: int, order: int) -> None:
    """A map of one channel; the index is made of the stream's own words."""
    height, width = height % 5, width % 40
    words = np.frombuffer(stream[: len(stream) // 8 * 8], np.uint8)
    index = np.zeros((height, 1), INDEX_ENTRY)
    if height:
        index["words"] = len(words) // 8 // height
        index["words"][0] += len(words) // 8 % height
        index["nonzeros"] = stream[0] if stream else 0
    values = decode_segments(words, index, (1, height, width), 1, order)
    assert values.shape == (1, height, width)


KNOWN: dict = {}
