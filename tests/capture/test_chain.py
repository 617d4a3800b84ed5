import numpy as np
import pytest
import reference_lenet5
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsim import codec, open_trace
from hwsim.capture import lenet5
from hwsim.capture.chain import max_pool, quantize_chain, write_chain
from hwsim.quantize import integers as integers_of
from hwsim.reference import run_network

PICTURES = 6


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(1)
    pictures = random.random((PICTURES, 1, 32, 32)) * (random.random((PICTURES, 1, 32, 32)) < 0.5)
    return pictures.astype(np.float32)


def quantized(parameters, images, bits=16):
    runs = [reference_lenet5.forward(parameters, image) for image in images]
    samples = {name: np.stack([maps[name] for maps, _ in runs]) for name in runs[0][0]}
    logits = np.stack([logits for _, logits in runs])
    return quantize_chain(lenet5.LAYERS, lenet5.POOL, parameters, samples, logits, bits), samples, logits


@pytest.mark.parametrize("bits", [16, 8])
def test_a_quantized_network_does_what_the_real_one_does_within_quantization_error(images, bits):
    chain, samples, logits = quantized(lenet5.initial(3), images, bits)
    for number, image in enumerate(images):
        maps, integers = chain.run(image)
        for name, info in chain.maps.items():
            assert maps[name].max() < 1 << bits
            peak = samples[name].max()
            np.testing.assert_allclose(maps[name] * info.scale, samples[name][number], atol=0.03 * peak)
        peak = np.abs(logits).max()
        np.testing.assert_allclose(integers * chain.logits_scale, logits[number], atol=0.03 * peak)


def test_orders_are_the_best_for_all_calibration_pictures_together(images):
    chain = quantized(lenet5.initial(4), images)[0].with_orders(images)
    for name, info in chain.maps.items():
        codes = np.stack([chain.run(image)[0][name] for image in images])
        sizes = [codec.encoded_bits(codes, order) for order in range(16)]
        assert sizes[info.order] == min(sizes)
    for layer in chain.layers[:-1]:
        assert chain.requantize[layer.name].order == chain.maps[layer.output].order


def test_a_written_chain_holds_all_that_runs_it(images, tmp_path):
    chain = quantized(lenet5.initial(5), images)[0].with_orders(images)
    write_chain(
        tmp_path / "t.zarr", chain, images[:2], network="lenet5", variant="v", provenance={}, metrics={"a": 1}
    )
    trace = open_trace(tmp_path / "t.zarr")
    trace.check()
    assert trace.layers == lenet5.LAYERS
    assert trace.maps == chain.maps
    assert trace.metrics == {"a": 1}
    for number in range(2):
        for name, codes in chain.run(images[number])[0].items():
            np.testing.assert_array_equal(trace.map(name, number), codes)
    for layer in trace.layers:
        real = lenet5.initial(5)[f"{layer.name}.weight"]
        scale = np.asarray(trace.weight_scale(layer)).reshape(-1, 1, 1, 1)
        assert np.abs(trace.weights(layer) * scale - real).max() <= scale.max() / 2 * 1.0001
        np.testing.assert_array_equal(
            trace.requantize(layer).multiplier, chain.requantize[layer.name].multiplier
        )


@pytest.mark.parametrize("bits", [8, 16])
def test_the_flow_of_a_chain_makes_what_the_chain_makes(images, tmp_path, bits):
    chain = quantized(lenet5.initial(7), images, bits)[0]
    write_chain(
        tmp_path / "t.zarr", chain, images[:2], images[2:], network="lenet5", variant="v", provenance={}
    )
    with open_trace(tmp_path / "t.zarr") as trace:
        for number in range(2):
            maps, logits = chain.run(images[number])
            made = run_network(trace, number)
            assert set(made) == {*maps, "fc3.result"}
            for name, codes in maps.items():
                np.testing.assert_array_equal(made[name], codes)
            np.testing.assert_array_equal(integers_of(made["fc3.result"].ravel(), True), logits)
        assert trace.calibration_pictures == len(images) - 2
        for name in chain.maps:
            expected = sum((chain.run(image)[0][name] > 0).sum(axis=2) for image in images[2:])
            np.testing.assert_array_equal(trace.row_counts(name), expected)


@settings(max_examples=30)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_max_pooling_takes_the_largest_of_each_window(channels, rows, columns, size, seed):
    codes = np.random.default_rng(seed).integers(
        0, 1 << 16, (channels, rows * size, columns * size), np.uint16
    )
    pooled = max_pool(codes, size)
    assert pooled.shape == (channels, rows, columns)
    for c, y, x in np.ndindex(pooled.shape):
        window = [codes[c, y * size + i, x * size + j] for i in range(size) for j in range(size)]
        assert pooled[c, y, x] == max(window)
