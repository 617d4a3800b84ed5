"""Maps of a trace at several widths, under every coder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hwsim import codec, open_trace, simulate
from hwsim.quantize import code_limit, dequantize, quantize_map
from hwsim.reproduce.from_trace import measure_trace, stored_accuracy
from hwsim.reproduce.sizes import all_widths, narrowed, sizes_of
from hwsim.reproduce.sources import Wanted, trace_entry
from hwsim.trace import MapInfo
from traces import Tiny


def info_of(bits, signed=False, order=2, shape=(4, 3, 5)):
    return MapInfo("map", shape, bits, order, signed, 0.25)


def codes_of(bits, seed=0, images=3):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1 << bits, (images, 4, 3, 5)) * rng.integers(0, 2, (images, 4, 3, 5))
    return values.astype(np.uint16)


@given(arrays(np.uint16, 30), st.integers(2, 16), st.integers(2, 16), st.booleans())
def test_fewer_bits_are_what_quantization_of_the_real_values_gives(values, bits, fewer, signed):
    bits, fewer = max(bits, fewer), min(bits, fewer)
    codes = values & np.uint16((1 << bits) - 1)
    if signed:
        codes = np.minimum(codes, np.uint16(2 * code_limit(bits, True)))  # the range is symmetric
    info = info_of(bits, signed)
    scale = info.scale * code_limit(bits, signed) / code_limit(fewer, signed)
    real = dequantize(codes, info.scale, signed)
    beside_a_tie = np.abs(np.abs(real / scale - np.rint(real / scale)) - 0.5) < 1e-9
    made = narrowed(codes, info, fewer)
    expected = quantize_map(real, scale, fewer, signed)
    np.testing.assert_array_equal(made[~beside_a_tie], expected[~beside_a_tie])


@pytest.mark.parametrize("bits", [16, 12, 8])
def test_sizes_are_the_lengths_of_what_is_encoded(bits):
    codes, info = codes_of(bits), info_of(bits)
    found = sizes_of(codes, info, bits)
    assert found.bits["raw"] == codes.size * bits
    assert found.bits["seg"] == codec.get("seg", bits=bits).encoded_bits(codes, info.order)
    for name in ("exp_golomb", "zvc", "huffman", "ebpc", "aseg"):
        coder = codec.get(name, bits=bits)
        encoded = coder.encode(codes, coder.best_order(codes))
        assert -(-found.bits[name] // 8) == len(encoded), name
    assert found.nonzeros == np.count_nonzero(codes)
    assert found.distinct == len(np.unique(codes))


@pytest.mark.parametrize(("bits", "bytes_each"), [(8, 1), (16, 2)])
def test_zstd_keeps_the_bytes_of_noise_and_adds_a_few(bits, bytes_each):
    noise = np.random.default_rng(1).integers(0, 1 << bits, (1, 1, 64, 64)).astype(np.uint16)
    found = sizes_of(noise, info_of(bits, shape=(1, 64, 64)), bits).bits["zstd"]
    assert 0 <= found / 8 - noise.size * bytes_each < 32


def test_all_coders_zstd_and_the_bound_are_there():
    found = sizes_of(codes_of(8), info_of(8), 8)
    assert set(found.bits) == {"raw", *codec.names(), "zstd"}
    assert list(found.bits)[-1] == "entropy"
    assert found.bits["entropy"] <= found.bits["huffman"]


@pytest.mark.parametrize(
    ("bits", "widths"), [(16, ["16", "12", "8"]), (12, ["12", "8"]), (10, ["10", "8"]), (6, ["6"])]
)
def test_widths_are_those_that_a_map_has_bits_for(bits, widths):
    assert list(all_widths(codes_of(bits), info_of(bits))) == widths


def test_the_order_of_the_trace_holds_at_its_own_width_alone():
    codes, bad = codes_of(16), info_of(16, order=0)
    found = all_widths(codes, bad)
    seg = codec.get("seg", bits=16)
    assert found["16"].bits["seg"] == seg.encoded_bits(codes, 0)
    fewer = narrowed(codes, bad, 8)
    assert found["8"].bits["seg"] == seg.encoded_bits(fewer, seg.best_order(fewer))


def test_a_trace_is_measured_as_the_simulation_has_it(tmp_path):
    with open_trace(Tiny().write(tmp_path / "tiny.zarr")) as trace:
        found, result = measure_trace(trace), simulate(trace)
        steps = []
        one = measure_trace(trace, 1, lambda done, total: steps.append((done, total)))
    assert (found.images, one.images, found.bits, found.trace) == (2, 1, 16, "tiny.zarr")
    assert sum(layer.cycles for layer in found.layers) == result.total("skipping")
    assert sum(layer.dense_cycles for layer in found.layers) == result.total("dense")
    assert sum(layer.macs for layer in found.layers) / sum(la.nonzero_macs for la in found.layers) == (
        pytest.approx(result.mac_ratio)
    )
    assert [known.picture for known in found.maps] == [True, False]
    for known in found.maps:
        codes = np.stack([Tiny().codes(known.name, image) for image in range(2)])
        own = known.widths[max(known.widths, key=int)]
        assert (known.values, own.nonzeros) == (codes.size, np.count_nonzero(codes))
    assert steps[-1] == (3, 3)


def test_accuracy_of_a_trace_is_taken_over_only_with_its_number_of_pictures(tmp_path):
    # 0.57 and 0.58 of 100 are a little less than 57 and 58 in floats.
    metrics = {"accuracy": 0.57, "accuracy_float": 0.58, "test_images": 100, "accuracy_pictures": "others"}
    place = Tiny().write(tmp_path / "a.zarr", metrics=metrics)
    with open_trace(place) as trace:
        found = stored_accuracy(trace)
    assert {width: (score.correct, score.pictures) for width, score in found.items()} == {
        "float": (58, 100),
        "16": (57, 100),
    }
    (note,) = trace_entry(str(place), Wanted()).notes
    assert note == "Accuracy as the trace says: others."
    with open_trace(Tiny().write(tmp_path / "b.zarr", metrics={"accuracy": 0.9})) as trace:
        assert stored_accuracy(trace) == {}
