from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from hwsim.capture.plan import plan  # noqa: E402
from hwsim.capture.sources import open_network  # noqa: E402
from hwsim.capture.torch_network import TorchNetwork  # noqa: E402
from hwsim.errors import HwsimError  # noqa: E402
from hwsim.networks import get  # noqa: E402
from hwsim.sparsify.networks import NETWORKS, FatReLU, make_network, preprocessing_of  # noqa: E402

SHAPES = {"lenet5": (1, 28, 28), "mobilenet_v1": (3, 32, 32), "resnet18": (3, 32, 32)}


def planned(module, shape):
    return plan(TorchNetwork(module, "network").graph(np.zeros(shape, np.float32)))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_map_but_the_picture_has_a_relu_of_its_own(name):
    module = make_network(name, 10, 0.25)
    relus = [part for part in module.modules() if isinstance(part, FatReLU)]
    assert len(planned(module, SHAPES[name]).maps) == 1 + len(relus)


@pytest.mark.parametrize("name", ["mobilenet_v1", "resnet18"])
def test_layers_have_the_filters_of_the_full_networks(name):
    full = {layer.name: layer for layer in get(name).layers}
    found = [known.layer for known in planned(make_network(name, 1000, 1.0), SHAPES[name]).layers]
    assert len(found) == len(full)
    for layer in found:
        expected = full[layer.name.removesuffix(".0") if "downsample" in layer.name else layer.name]
        assert (layer.kind, layer.filters, layer.in_shape[0]) == (
            expected.kind,
            expected.filters,
            expected.in_shape[0],
        )
        if layer.name not in ("conv0", "conv1"):  # of stride 1 here, for small pictures
            assert (layer.kernel, layer.stride) == (expected.kernel, expected.stride)


def test_lenet_has_the_geometry_of_the_paper():
    found = [known.layer for known in planned(make_network("lenet5", 10), SHAPES["lenet5"]).layers]
    for layer, expected in zip(found, get("lenet5").layers, strict=True):
        assert layer.out_shape == expected.out_shape
    assert found[0].padding == (2, 2)  # 28x28 to 32x32


@pytest.mark.parametrize(("name", "filters"), [("lenet5", 3), ("mobilenet_v1", 8), ("resnet18", 16)])
def test_the_width_scales_filters(name, filters):
    module = make_network(name, 10, {"lenet5": 0.5}.get(name, 0.25))
    first = next(part for part in module.modules() if isinstance(part, nn.Conv2d))
    assert first.out_channels == filters
    assert next(part for part in module.modules() if isinstance(part, nn.Linear) and part.out_features == 10)


def test_a_capture_takes_them_by_their_factory_with_thresholds_from_the_checkpoint(tmp_path):
    from safetensors.torch import save_file

    module = make_network("lenet5", 10, 1.0)
    tensors = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    tensors["relu1.threshold"] = torch.tensor(0.3)
    save_file(tensors, tmp_path / "w.safetensors")
    network, preprocessing = open_network("hwsim.sparsify.networks:LeNet5", tmp_path / "w.safetensors")
    assert preprocessing == preprocessing_of(module)
    image = np.random.default_rng(0).random((1, 28, 28), np.float32)
    known = plan(network.graph(image))
    (value,) = (one.value for one in known.maps if one.name == "conv1")
    seen = network.run(image, {value})[value]
    assert seen[seen > 0].min() > 0.3
    assert (seen == 0).any()
    assert [made.direct for made in known.layers] == [False, True, True, True, False]  # thresholded, logits


def test_what_is_no_network_is_told():
    with pytest.raises(HwsimError, match="'alexnet' is no network: give lenet5"):
        make_network("alexnet", 10)
