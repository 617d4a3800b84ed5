"""Speed of the coders on 16-bit maps, one core: MB/s of decoded data (uint16 bytes) in the column ``MB/s``.

Aims for SEG: encode and decode at least 1000 MB/s at density 0.15 and 400 MB/s at density 0.6. The column is
of the median round; the aim is asked of the fastest one, which other work on the machine does not slow down.
Run with ``python -m pytest benchmarks/test_codec_speed.py --benchmark-enable --benchmark-only``.
"""

import numpy as np
import pytest

from hwsim import codec
from hwsim.codec.segments import decode_segments, encode_segments, segment_bits

SHAPE = (64, 112, 112)  # 1.6 MB, about the largest map of ResNet-18
AIMS = {0.15: 1000, 0.6: 400}


def activation_map(density, clustered, scale=4000.0):
    """Half-normal magnitudes of 12 to 14 bits; zeros white, or clustered as in real maps."""
    random = np.random.default_rng(5)
    field = random.normal(size=SHAPE)
    if clustered:
        for axis in (1, 2):
            field = sum(np.roll(field, shift, axis) for shift in range(-2, 3))
    zero = field < np.quantile(field, 1 - density)
    magnitude = np.abs(random.normal(0, scale, SHAPE)).astype(np.int64).clip(1, 65535)
    return np.where(zero, 0, magnitude).astype(np.uint16)


def measure(benchmark, values, call, *args):
    result = benchmark.pedantic(call, args, rounds=25, warmup_rounds=3)
    if benchmark.enabled:
        stats = benchmark.stats.stats
        benchmark.extra_info["MB/s"] = round(values.nbytes / stats.median / 1e6)
    return result


@pytest.mark.parametrize("density", AIMS)
@pytest.mark.parametrize("zeros", ["white", "clustered"])
@pytest.mark.parametrize("what", ["encode", "decode"])
def test_seg(benchmark, what, zeros, density):
    values = activation_map(density, zeros == "clustered")
    benchmark.extra_info["aim, MB/s"] = AIMS[density]
    order = codec.best_order(values)
    data = codec.encode(values, order)
    if what == "encode":
        result = measure(benchmark, values, codec.encode, values, order)
        assert np.array_equal(result, data)
    else:
        result = measure(benchmark, values, codec.decode, data, values.size, order)
        assert np.array_equal(result, values.ravel())


@pytest.mark.parametrize("what", ["encoded_bits", "best_order"])
def test_seg_lengths(benchmark, what):
    values = activation_map(0.4, True)
    args = (values, codec.best_order(values))[: 2 if what == "encoded_bits" else 1]
    measure(benchmark, values, getattr(codec, what), *args)


@pytest.mark.parametrize("what", ["segment_bits", "encode_segments", "decode_segments"])
def test_segments(benchmark, what):
    values = activation_map(0.4, True)
    order = codec.best_order(values)
    if what == "decode_segments":
        stored = encode_segments(values, 16, order)
        result = measure(benchmark, values, decode_segments, *stored, SHAPE, 16, order)
        assert np.array_equal(result, values)
    else:
        call = segment_bits if what == "segment_bits" else encode_segments
        measure(benchmark, values, call, values, 16, order)


@pytest.mark.parametrize("name", [name for name in codec.names() if name not in ("seg", "entropy")])
@pytest.mark.parametrize("what", ["encode", "decode", "encoded_bits"])
def test_other_coders(benchmark, what, name):
    values = activation_map(0.4, True)
    coder = codec.get(name)
    order = coder.best_order(values)
    if what == "decode":
        data = coder.encode(values, order)
        result = measure(benchmark, values, coder.decode, data, values.size, order)
        assert np.array_equal(result, values.ravel())
    else:
        measure(benchmark, values, getattr(coder, what), values, order)
