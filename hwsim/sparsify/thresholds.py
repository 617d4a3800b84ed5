"""Thresholds behind the ReLUs, without training: FATReLU.

Kurtz et al., *Inducing and exploiting activation sparsity for fast neural network inference*, ICML 2020.
Every threshold is tried alone on training pictures. They are raised in the order of their marginal slope: the
cross-entropy that a step loses by the cost that it saves. Behind a training with an L1 term, that term says
what may be paid: it is alpha times the cost, so training stopped where a further saving loses alpha times as
much, and steps that lose less are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.sparsify.cost import cost
from hwsim.sparsify.datasets import Part
from hwsim.sparsify.maps import Map
from hwsim.sparsify.networks import FatReLU
from hwsim.sparsify.training import Score, Tensors, evaluate

LEVELS = (0.1, 0.2, 0.3, 0.45, 0.6)  # of a map's non-zero elements, what a threshold takes away
SENSED = 1000  # training pictures for what every threshold does alone
SAMPLED = 100  # training pictures for the distribution of values


@dataclass(frozen=True)
class Raise:
    """A step up for the threshold of a ReLU.

    Attributes:
        relu: path of the ReLU.
        threshold: its new one.
        slope: cross-entropy lost by cost saved, in this step alone. Along the steps of a ReLU it rises.
    """

    relu: str
    threshold: float
    slope: float


def worth(raises: Sequence[Raise], price: float) -> Sequence[Raise]:
    """The raises, least slope first, whose slope is below a price."""
    return [one for one in raises if one.slope < price]


def most(raises: Sequence[Raise], holds: Callable[[Sequence[Raise]], bool]) -> Sequence[Raise]:
    """As many of the raises, in their order, as hold together: their number is bisected."""
    low, high = 0, len(raises) + 1
    while high - low > 1:
        count = (low + high) // 2
        low, high = (count, high) if holds(raises[:count]) else (low, count)
    return raises[:low]


def sense(
    module: nn.Module, network: Tensors, data: Part, maps: Sequence[Map], device: str = "cpu"
) -> list[Raise]:
    """Try every threshold alone, on training pictures; the steps that save cost, the least slope first.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    relus = [name for name, part in module.named_modules() if isinstance(part, FatReLU)]
    if not relus:
        raise HwsimError("the network has no FatReLU, whose threshold could be raised: use --method l1")
    found, seen = list[Raise](), data[:SENSED]
    plain = evaluate(module, network, seen, maps, device)
    for relu, levels in _levels(module, network, data[:SAMPLED], relus, device).items():
        changed = [with_thresholds(network, {relu: level}) for level in levels]
        scores = [evaluate(module, one, seen, maps, device) for one in changed]
        found += _steps(relu, list(zip([0.0, *levels], [plain, *scores], strict=True)), maps)
    return sorted(found, key=lambda one: one.slope)


def _steps(relu: str, tried: Sequence[tuple[float, Score]], maps: Sequence[Map]) -> list[Raise]:
    """The steps along the lower convex hull of loss over saving: each the flattest from where it starts."""
    at, steps = 0, list[Raise]()
    while True:
        here, ahead = tried[at][1], range(at + 1, len(tried))
        saved = {i: cost(here.density, maps) - cost(tried[i][1].density, maps) for i in ahead}
        slopes = {i: (tried[i][1].loss - here.loss) / saved[i] for i in ahead if saved[i] > 0}
        if not slopes:
            return steps
        at = min(slopes, key=lambda i: (slopes[i], -i))
        steps.append(Raise(relu, tried[at][0], slopes[at]))


def highest(raises: Sequence[Raise]) -> dict[str, float]:
    """The highest threshold that every ReLU gets, by its path."""
    found: dict[str, float] = {}
    for one in raises:
        found[one.relu] = max(one.threshold, found.get(one.relu, 0.0))
    return found


def with_thresholds(network: Tensors, thresholds: Mapping[str, float]) -> Tensors:
    """The network with other thresholds, by the path of the ReLU."""
    return network | {f"{relu}.threshold": torch.tensor(value) for relu, value in thresholds.items()}


def thresholds_of(network: Tensors) -> dict[str, float]:
    """The thresholds of a network that are not 0, by the path of the ReLU."""
    ends = ".threshold"
    found = {name.removesuffix(ends): float(t) for name, t in network.items() if name.endswith(ends)}
    return {relu: value for relu, value in found.items() if value}


def _levels(
    module: nn.Module, network: Tensors, data: Part, relus: Sequence[str], device: str
) -> dict[str, list[float]]:
    """For every ReLU, the thresholds that take the :data:`LEVELS` of its non-zero values away."""
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.get_submodule(name).register_forward_hook(
            lambda _, __, made, name=name: seen.update({name: made})
        )
        for name in relus
    ]
    try:
        evaluate(module, network, data, device=device)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for name in relus:
        values = seen[name][seen[name] > 0].sort().values
        places = [int(level * len(values)) for level in LEVELS]
        found[name] = [float(values[place - 1]) for place in places if place]
    return found
