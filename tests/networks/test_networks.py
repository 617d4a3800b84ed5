"""Geometries hold against published totals: multiply-adds and parameters."""

from dataclasses import replace
from math import prod

import pytest

from hwsim import networks
from hwsim.arch import Arch
from hwsim.errors import NetworkError
from hwsim.layer import Layer
from hwsim.machine.mapping import channel_group
from hwsim.networks import Network

# Multiply-adds of a forward pass, batch normalization and pooling left out.
MACS = {
    # Layer by layer from figure 2 of the paper: 28^2 6 25, 10^2 16 150, 120 400, 84 120, 10 84.
    "lenet5": (117_600 + 240_000 + 48_000 + 10_080 + 840, 1),
    "mobilenet_v1": (568_740_352, 1),  # arXiv 1704.04861 gives 569 M; the models of TensorFlow 568.74 M
    "resnet18": (1.814e9, 1e6),  # torchvision, ResNet18_Weights.meta["_ops"]
    "resnet34": (3.664e9, 1e6),  # torchvision, ResNet34_Weights.meta["_ops"]
    "inception_v3": (5.713e9, 1e6),  # torchvision, Inception_V3_Weights.meta["_ops"]
}


def parameters(network: Network, batch_norm: bool) -> int:
    """Trainable parameters: weights, biases of linear layers, and scale and shift (or a bias) a filter."""
    per_filter = 2 if batch_norm else 1
    biases = sum(la.out_shape[0] * (1 if la.kind == "linear" else per_filter) for la in network.layers)
    return sum(prod(la.weight_shape) for la in network.layers) + biases


@pytest.mark.parametrize("name", networks.names())
def test_multiply_adds_are_the_published_ones(name):
    published, unit = MACS[name]
    assert abs(networks.get(name).macs - published) < unit


def test_parameters_are_the_published_ones():
    # LeCun et al. 1998 leave 900 connections of C3 out, for 60 000; with all, and trainable S2 and S4 left
    # out, they are these: 156 + 2416 + 48120 + 10164 + 850.
    assert parameters(networks.get("lenet5"), batch_norm=False) == 61_706
    # torchvision, meta["num_params"]; of Inception-V3 less its auxiliary head.
    assert parameters(networks.get("resnet18"), batch_norm=True) == 11_689_512
    assert parameters(networks.get("resnet34"), batch_norm=True) == 21_797_672
    auxiliary = 128 * 768 + 768 * 128 * 25 + 2 * (128 + 768) + 1000 * 768 + 1000
    assert parameters(networks.get("inception_v3"), batch_norm=True) == 27_161_264 - auxiliary
    # Keras, MobileNet().summary(): trainable parameters.
    assert parameters(networks.get("mobilenet_v1"), batch_norm=True) == 4_231_976


@pytest.mark.parametrize("name", networks.names())
def test_every_map_is_the_image_or_fed_by_a_layer(name):
    network = networks.get(name)
    image, *others = network.maps
    made = {layer.output for layer in network.layers}
    assert network.layers[0].input == image
    assert image not in made
    assert {other.removesuffix(".pooled") for other in others} <= made
    assert made - {None} <= set(others)
    for position, layer in enumerate(network.layers):
        earlier = {before.output for before in network.layers[:position]}
        assert layer.input == image or layer.input.removesuffix(".pooled") in earlier


@pytest.mark.parametrize("name", networks.names())
def test_the_default_machine_takes_every_layer(name):
    for layer in networks.get(name).layers:
        assert channel_group(layer, Arch()) >= 1


def test_padding_of_mobilenet_is_at_the_bottom_and_on_the_right():
    layers = {layer.name: layer for layer in networks.get("mobilenet_v1").layers}
    assert layers["conv0"].padding == (0, 0)
    assert layers["conv0"].out_shape == (32, 112, 112)  # reaches row 111 * 2 + 2 = 224, one below the last
    assert layers["conv1.dw"].padding == (1, 1)
    assert layers["conv2.dw"].padding == (0, 0)  # of stride 2: 55 * 2 + 2 = 112, one below the last
    assert layers["conv12.dw"].out_shape == (512, 7, 7)
    assert [la.kind for la in layers.values()].count("depthwise") == 13


def test_shortcuts_read_the_map_of_their_block():
    layers = {layer.name: layer for layer in networks.get("resnet18").layers}
    assert layers["layer2.0.downsample"].input == layers["layer2.0.conv1"].input == "layer1.1"
    assert layers["layer2.0.downsample"].output is None
    assert layers["layer2.0.conv2"].output == layers["layer2.1.conv1"].input == "layer2.0"
    assert list(layers)[5:8] == ["layer2.0.downsample", "layer2.0.conv1", "layer2.0.conv2"]


def test_branches_of_inception_share_their_input_and_make_one_map():
    network = networks.get("inception_v3")
    # torchvision's sizes of the modules' outputs, and the channels that maximum pooling adds.
    expected = {
        "Mixed_5b": ((256, 35, 35), 0),
        "Mixed_5c": ((288, 35, 35), 0),
        "Mixed_5d": ((288, 35, 35), 0),
        "Mixed_6a": ((768, 17, 17), 288),
        "Mixed_6b": ((768, 17, 17), 0),
        "Mixed_6e": ((768, 17, 17), 0),
        "Mixed_7a": ((1280, 8, 8), 768),
        "Mixed_7b": ((2048, 8, 8), 0),
    }
    for name, (shape, from_pooling) in expected.items():
        assert network.maps[name] == shape
        parts = [layer.out_shape for layer in network.layers if layer.output == name]
        assert sum(part[0] for part in parts) + from_pooling == shape[0]
        assert {part[1:] for part in parts} == {shape[1:]}
    readers = [layer.name for layer in network.layers if layer.input == "Mixed_6b"]
    assert readers == ["Mixed_6c.branch1x1", "Mixed_6c.branch7x7_1", "Mixed_6c.branch7x7dbl_1"]
    assert network.maps["Mixed_6b.pooled"] == network.maps["Mixed_6b"]


def test_factorized_kernels_of_inception_are_wide_or_tall_as_in_torchvision():
    layers = {layer.name: layer for layer in networks.get("inception_v3").layers}
    wide, tall = ((1, 7), (0, 3)), ((7, 1), (3, 0))
    expected = {
        "branch7x7_2": wide,
        "branch7x7_3": tall,
        "branch7x7dbl_2": tall,
        "branch7x7dbl_3": wide,
        "branch7x7dbl_4": tall,
        "branch7x7dbl_5": wide,
    }
    for name, form in expected.items():
        layer = layers[f"Mixed_6c.{name}"]
        assert (layer.kernel, layer.padding) == form
    for name, form in {"branch7x7x3_2": wide, "branch7x7x3_3": tall}.items():
        assert (layers[f"Mixed_7a.{name}"].kernel, layers[f"Mixed_7a.{name}"].padding) == form
    for branch in ("branch3x3_2", "branch3x3dbl_3"):
        a, b = layers[f"Mixed_7b.{branch}a"], layers[f"Mixed_7b.{branch}b"]
        assert (a.kernel, a.padding, b.kernel, b.padding) == ((1, 3), (0, 1), (3, 1), (1, 0))
        assert a.input == b.input


@pytest.mark.parametrize("spelling", ["resnet18", "ResNet-18", "RESNET_18"])
def test_a_network_is_found_however_it_is_spelt(spelling):
    assert networks.get(spelling).name == "resnet18"


def test_an_unknown_network_is_one_line_that_names_the_known_ones():
    with pytest.raises(NetworkError, match=r"^no network named 'vgg': give one of lenet5, .*resnet18.*$"):
        networks.get("vgg")


def test_layers_that_do_not_go_together_are_refused():
    a = Layer("a", "conv", "x", (1, 4, 4), (2, 4, 4))
    with pytest.raises(NetworkError, match="two layers named a"):
        Network("n", (a, a), "test")
    with pytest.raises(NetworkError, match="b reads map x in another shape"):
        Network("n", (a, Layer("b", "conv", "x", (2, 4, 4), (2, 4, 4))), "test")
    with pytest.raises(NetworkError, match="n has no layer"):
        Network("n", (), "test")
    sums = Layer("b", "conv", "x", (1, 4, 4), (2, 4, 4), adds=("y",))
    with pytest.raises(NetworkError, match="n: b adds y, which no layer reads"):
        Network("n", (a, sums), "test")
    with pytest.raises(NetworkError, match="n: layer a adds the result of b, no layer before it"):
        Network("n", (replace(a, adds_results=("b",)), replace(sums, adds=())), "test")


def test_a_resnet_adds_what_passes_its_blocks_by():
    """He et al., CVPR 2016, figure 5 and section 3.3: identity, or a projection."""
    layers = networks.get("resnet18").layers
    added = {
        layer.name: (layer.adds, layer.adds_results) for layer in layers if layer.adds or layer.adds_results
    }
    assert added == {
        "layer1.0.conv2": (("conv1",), ()),
        "layer1.1.conv2": (("layer1.0",), ()),
        **{f"layer{n}.0.conv2": ((), (f"layer{n}.0.downsample",)) for n in (2, 3, 4)},
        **{f"layer{n}.1.conv2": ((f"layer{n}.0",), ()) for n in (2, 3, 4)},
    }
