"""What is added to a layer's result is told by name: the map, or the layer whose result is no map."""

import pytest
import torch
from small_networks import pictures
from torch import nn
from torch.nn import functional

from hwsim.capture.onnx_network import OnnxNetwork
from hwsim.capture.plan import plan
from hwsim.capture.torch_network import TorchNetwork


class Network(nn.Module):
    """Convolutions a, b, c, d of four channels that keep the size of the picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b, self.c, self.d = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))


class Identity(Network):
    """A map is added two layers later."""

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.d(functional.relu(x + self.c(functional.relu(self.b(x)))))


class Projection(Network):
    """Two branches of a layer each; the results of neither are a map."""

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.d(functional.relu(self.b(x) + self.c(x)))


class PreActivation(Network):
    """The sum goes on as it is, and only behind a ReLU is it a map."""

    def forward(self, x):
        x = self.a(x)
        x = x + self.b(functional.relu(x))
        x = x + self.c(functional.relu(x))
        return self.d(functional.relu(x))


class OfThePicture(nn.Module):
    """The picture is added to what is made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.b(x - self.a(x))


class TopDown(Network):
    """A smaller map, made larger, is added to a larger one, as in feature pyramids."""

    def forward(self, x):
        x = functional.relu(self.a(x))
        small = self.b(functional.max_pool2d(x, 2))
        return self.d(self.c(x) + functional.interpolate(small, scale_factor=2)), self.d(small)


class Three(Network):
    """A map and the results of two layers."""

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.d(functional.relu(x + self.b(x) + self.c(x)))


class Gates(Network):
    """Factors of whole channels are no map; a product with one's own function needs nothing that was kept."""

    def forward(self, x):
        x = functional.silu(self.a(x))
        x = functional.relu(self.b(x)) * torch.sigmoid(self.c(x.mean((2, 3), keepdim=True)))
        return self.d(x)


class Joined(Network):
    """A concatenation adds nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(8, 4, 1)

    def forward(self, x):
        x = functional.relu(self.a(x))
        return self.wide(torch.cat((x, functional.relu(self.b(x))), 1))


EXPECTED = {
    # layer: (maps, layers)
    Identity: {"c": (("a",), ())},
    Projection: {"c": ((), ("b",))},
    PreActivation: {"b": ((), ("a",)), "c": ((), ("b",))},
    OfThePicture: {"a": (("image",), ())},
    TopDown: {"b": ((), ("c",))},  # c comes first: its result waits for b
    Three: {"b": (("a",), ()), "c": ((), ("b",))},  # c adds the sum that b completes
    Gates: {},
    Joined: {},
}


def added(network) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    (picture,) = pictures(1, shape=(3, 8, 8))
    layers = [known.layer for known in plan(network.graph(picture)).layers]
    names = {layer.input: layer.input.removesuffix(".input") for layer in layers}
    return {
        layer.name: (tuple(names[name] for name in layer.adds), layer.adds_results)
        for layer in layers
        if layer.adds or layer.adds_results
    }


@pytest.mark.parametrize("make", EXPECTED)
def test_what_is_added_is_named(make):
    assert added(TorchNetwork(make().eval(), "n")) == EXPECTED[make]


@pytest.mark.parametrize("make", [Identity, Projection, PreActivation, Three])
def test_an_exported_network_adds_the_same(make, tmp_path):
    module = make().eval()
    torch.onnx.export(module, (torch.zeros(1, 3, 8, 8),), str(tmp_path / "n.onnx"), dynamo=False)
    assert added(OnnxNetwork(tmp_path / "n.onnx")) == EXPECTED[make]
