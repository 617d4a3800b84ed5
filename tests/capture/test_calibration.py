"""Scales, orders and drains: integers make what the network makes, within the error of quantization."""

import numpy as np
import pytest

from hwsim.capture.calibration import calibrate_network
from hwsim.capture.plan import plan
from hwsim.codec import best_order, encoded_bits
from hwsim.codec.seg_lengths import best_order_of
from hwsim.errors import CaptureError
from hwsim.quantize import code_limit, integers, quantize_map
from hwsim.reference import accumulate, run_layer

torch = pytest.importorskip("torch")
from small_networks import Everything, Kinds, pictures, seen_by_hooks  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from hwsim.capture.torch_network import TorchNetwork  # noqa: E402

FLOAT32 = 1e-5  # of a layer's largest result: what rounding in float32 does to it
RESULTS = {  # where the network itself shows a layer's result, batch normalization done
    "stem": "stem",
    "same.conv1": "same.bn1",
    "down.conv1": "down.bn1",
    "down.shortcut.0": "down.shortcut.1",
    "branches.one": "branches.one",
    "branches.three.0": "branches.three.1",
    "depthwise": "norm",
    "point": "point",
    "hidden": "hidden",
    "last": "last",
}


def calibrated(module, images, **options):
    network = TorchNetwork(module, "net")
    found = plan(network.graph(images[0]))
    return network, found, calibrate_network(network, found, images, **options)


def real_maps(network, found, image):
    values = network.run(image, {known.value for known in found.maps})
    return {known.name: values[known.value].reshape(known.shape) for known in found.maps}


def codes_of(real, info):
    return quantize_map(real, info.scale, info.bits, info.signed)


def made_by_integers(layer, done, codes):
    """What the integer reference makes of a layer, as real values."""
    made = done.layers[layer.name]
    out = run_layer(layer, codes, made.weights, made.requantize, done.maps[layer.input].signed)
    return integers(out, made.requantize.signed) * made.out_scale


def convolved(layer, values, weights):
    """A layer without bias on real values, by torch, in float64; padding as far as outputs reach."""
    margins = []
    for axis in (1, 0):
        reached = (layer.out_shape[axis + 1] - 1) * layer.stride[axis] + layer.reach(axis) + 1
        spare = reached - layer.padding[axis]
        margins += [layer.padding[axis], max(0, spare - layer.in_shape[axis + 1])]
    padded = functional.pad(torch.from_numpy(np.asarray(values, np.float64))[None], margins)
    kernels = torch.from_numpy(np.asarray(weights, np.float64))
    made = functional.conv2d(
        padded, kernels, None, layer.stride, dilation=layer.dilation, groups=layer.groups
    )
    return made[0, :, : layer.out_shape[1], : layer.out_shape[2]].numpy()


def error_bound(known, done, codes):
    """Half a step of map, weight, bias and result each, times what it is multiplied with."""
    layer, made, info = known.layer, done.layers[known.layer.name], done.maps[known.layer.input]
    scales, drain = made.scales[:, None, None], made.requantize
    met = np.abs(integers(codes, info.signed)) * info.scale
    sums = accumulate(layer, codes, made.weights, info.signed) + drain.bias[:, None, None].astype(np.int64)
    return (
        convolved(layer, np.full(layer.in_shape, info.scale / 2), np.abs(known.mac.weights))
        + convolved(layer, met, np.ones(layer.weight_shape)) * scales / 2
        + info.scale * scales / 2
        + made.out_scale * (0.5 + np.abs(sums) * 0.5 / 2.0**drain.shift)
    )


@pytest.mark.parametrize("bits", [16, 8, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_integer_reference_makes_the_networks_own_results_within_quantization_error(bits, seed):
    images = pictures(3, seed)
    network, found, done = calibrated(Everything(seed), images, bits=bits)
    for image in images:
        _, own = seen_by_hooks(network.module, image, list(RESULTS.values()))
        reals = real_maps(network, found, image)
        for known in found.layers:
            layer = known.layer
            if layer.name in RESULTS:
                made = done.layers[layer.name]
                codes = codes_of(reals[layer.input], done.maps[layer.input])
                truth = own[RESULTS[layer.name]].astype(np.float64)
                top = code_limit(bits, made.requantize.signed) * made.out_scale
                bottom = -top if made.requantize.signed and not layer.relu else 0
                error = np.abs(made_by_integers(layer, done, codes) - np.clip(truth, bottom, top))
                allowed = error_bound(known, done, codes) + FLOAT32 * np.abs(truth).max()
                assert (error <= allowed).all(), layer.name


@pytest.mark.parametrize("seed", [0, 1])
def test_convolutions_of_every_kind_are_computed_by_the_integer_reference(seed):
    images = pictures(2, seed)
    network, found, done = calibrated(Kinds(seed), images)
    names = ["grouped", "resnext", "dilated", "strided", "up", "further", "deconv", "last"]
    assert [known.layer.name for known in found.layers] == names
    _, own = seen_by_hooks(network.module, images[1], names)
    reals = real_maps(network, found, images[1])
    for known in found.layers:
        layer = known.layer
        codes = codes_of(reals[layer.input], done.maps[layer.input])
        truth = own[layer.name].clip(0)
        error = np.abs(made_by_integers(layer, done, codes) - truth)
        assert truth.max() > 0
        assert error.max() < 0.02 * truth.max(), layer.name  # half a step of 8-bit weights, many times over


def test_sixteen_bits_come_close_to_the_network():
    """The bound is not all: against the range of the results, the error is that of 8-bit weights."""
    images = pictures(3)
    network, found, done = calibrated(Everything(), images)
    _, own = seen_by_hooks(network.module, images[0], ["last"])
    layer = found.layers[-1].layer
    codes = codes_of(real_maps(network, found, images[0])[layer.input], done.maps[layer.input])
    error = np.abs(made_by_integers(layer, done, codes) - own["last"])
    assert error.max() < 0.01 * np.abs(own["last"]).max()


def test_drains_that_make_a_map_make_its_codes():
    images = pictures(3)
    network, found, done = calibrated(Everything(), images, bits=12)
    reals = real_maps(network, found, images[1])
    codes = {name: codes_of(real, done.maps[name]) for name, real in reals.items()}
    compared = []
    for known in found.layers:
        layer, made = known.layer, done.layers[known.layer.name]
        if known.direct:
            info, read = done.maps[layer.output], done.maps[layer.input]
            drain = made.requantize
            assert (drain.bits, drain.signed, drain.order) == (12, info.signed, info.order)
            if layer.out_shape == info.shape:
                out = run_layer(layer, codes[layer.input], made.weights, drain, read.signed)
                difference = np.abs(out.astype(int) - codes[layer.output].astype(int))
                assert difference.max() < 0.02 * (1 << 12), layer.name
                compared.append(layer.name)
    assert compared == ["same.conv1", "down.conv1", "depthwise", "hidden"]


@pytest.mark.parametrize("bits", [16, 6])
def test_orders_are_the_optimum_of_all_pictures_together(bits):
    images = pictures(4, 3)
    network, found, done = calibrated(Everything(), images, bits=bits)
    values = [network.run(image, {known.value for known in found.maps}) for image in images]
    for known in found.maps:
        info = done.maps[known.name]
        codes = [quantize_map(each[known.value], info.scale, bits, info.signed) for each in values]
        assert info.order == best_order(np.concatenate([part.ravel() for part in codes]))


@pytest.mark.parametrize("seed", range(5))
def test_the_best_order_of_a_histogram_is_that_of_its_values(seed):
    rng = np.random.default_rng(seed)
    values = (rng.exponential(10.0**seed, 500).clip(0, 65535) * rng.integers(0, 2, 500)).astype(np.uint16)
    sizes = [encoded_bits(values, order) for order in range(16)]
    assert best_order_of(np.bincount(values)) == best_order(values) == sizes.index(min(sizes))


def test_maps_are_signed_where_they_have_negative_values():
    *_, done = calibrated(Everything(), pictures(2))
    assert {name for name, info in done.maps.items() if info.signed} == {"image"}
    assert done.layers["last"].requantize.signed
    assert not done.layers["point"].requantize.signed


def test_the_largest_value_has_the_largest_code_or_nearly():
    images = pictures(2)
    network, found, done = calibrated(Everything(), images, bits=16)
    for known in found.maps:
        peak = max(np.abs(network.run(image, [known.value])[known.value]).max() for image in images)
        info = done.maps[known.name]
        top = code_limit(16, info.signed)
        assert 0.999 * top <= peak / info.scale <= top


def test_a_percentile_clamps_outliers():
    images = pictures(2)
    images[0][0, 0, 0] = 1000
    _, _, whole = calibrated(Everything(), images)
    _, _, cut = calibrated(Everything(), images, percentile=99)
    assert whole.maps["image"].scale > 100 * cut.maps["image"].scale


def test_a_channel_of_tiny_or_no_weights_neither_overflows_nor_is_lost():
    conv = nn.Conv2d(3, 4, 1)
    with torch.no_grad():
        conv.weight[0] *= 1e-12
        conv.weight[1] = 0
        conv.bias[:] = torch.tensor([0.5, 0.25, -0.125, 0.0])
    images = pictures(2)
    _, found, done = calibrated(conv, images)
    _, own = seen_by_hooks(nn.Sequential(conv), images[0], ["0"])
    info, made, layer = done.maps["image"], done.layers["conv"], found.layers[0].layer
    codes = quantize_map(images[0], info.scale, 16, True)
    result = integers(run_layer(layer, codes, made.weights, made.requantize, True), True) * made.out_scale
    np.testing.assert_allclose(result, own["0"], atol=0.01 * np.abs(own["0"]).max())
    np.testing.assert_allclose(result[:2].mean(axis=(1, 2)), [0.5, 0.25], rtol=0.01)


def test_a_layer_whose_bias_is_far_above_its_weights_does_not_overflow():
    conv = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        conv.weight *= 1e-12
        conv.bias[:] = torch.tensor([0.5, -0.25])
    images = pictures(1)
    _, found, done = calibrated(conv, images)
    codes = codes_of(images[0], done.maps["image"])
    made = made_by_integers(found.layers[0].layer, done, codes)
    np.testing.assert_allclose(made.mean(axis=(1, 2)), [0.5, -0.25], rtol=0.01)


def test_a_layer_of_zeros_makes_zeros():
    conv = nn.Conv2d(3, 2, 1)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    _, found, done = calibrated(conv, pictures(1))
    made = done.layers["conv"]
    codes = np.full(found.maps[0].shape, 7, np.uint16)
    assert not run_layer(found.layers[0].layer, codes, made.weights, made.requantize, True).any()


def test_a_value_that_is_not_finite_is_named():
    conv = nn.Conv2d(3, 2, 1)
    conv.bias.data[0] = float("nan")
    with pytest.raises(CaptureError, match="conv has a NaN"):
        calibrated(conv, pictures(1))


def test_one_bit_cannot_hold_negative_values():
    with pytest.raises(CaptureError, match="2 bits or more"):
        calibrated(Everything(), pictures(1), bits=1)
