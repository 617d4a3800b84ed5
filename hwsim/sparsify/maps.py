"""The activation maps of a network, named as in its traces, and what is seen of them while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import nn

from hwsim.capture.plan import plan
from hwsim.capture.torch_network import TorchNetwork
from hwsim.errors import HwsimError

PICTURE = "image"  # the map that the first layer reads


@dataclass(frozen=True)
class Map:
    """An activation map that enters MAC layers.

    Attributes:
        name: as a capture names it.
        layers: that read it, by their paths in the module.
        elements: of one picture.
        macs: valid multiply-adds of these layers for one picture.
    """

    name: str
    layers: tuple[str, ...]
    elements: int
    macs: int


def find_maps(module: nn.Module, shape: Sequence[int]) -> tuple[Map, ...]:
    """All maps of a network, the picture among them, in the order in which they are first read.

    Args:
        module: the network.
        shape: (C, H, W) of a picture.

    Raises:
        CaptureError: the network cannot be followed.
        HwsimError: no layer reads a map.
    """
    planned = plan(TorchNetwork(module, "network").graph(np.zeros(tuple(shape), np.float32)))
    paths = {name for name, _ in module.named_modules()}
    maps = []
    for known in planned.maps:
        layers = [made.layer for made in planned.layers if made.layer.input == known.name]
        if strangers := [layer.name for layer in layers if layer.name not in paths]:
            raise HwsimError(f"layer {strangers[0]} is no module of its own: give every layer one")
        names = tuple(layer.name for layer in layers)
        maps.append(Map(known.name, names, prod(known.shape), sum(layer.macs for layer in layers)))
    if [one.name for one in maps] == [PICTURE]:
        raise HwsimError("the network has one layer, which reads the picture: there is no map to make sparse")
    return tuple(maps)


@contextmanager
def watched(module: nn.Module, maps: Sequence[Map]) -> Iterator[dict[str, torch.Tensor]]:
    """The values of every map, (N, ...), after each run of the network."""
    values: dict[str, torch.Tensor] = {}
    modules = dict(module.named_modules())

    def keep(name: str) -> object:
        def hook(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            values[name] = given[0]

        return hook

    hooks = [modules[one.layers[0]].register_forward_pre_hook(keep(one.name)) for one in maps]
    try:
        yield values
    finally:
        for hook in hooks:
            hook.remove()
