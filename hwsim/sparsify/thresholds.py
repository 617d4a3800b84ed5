"""Thresholds behind the ReLUs, without training: FATReLU.

Kurtz et al., *Inducing and exploiting activation sparsity for fast neural network inference*, ICML 2020.
Which map gets which threshold is chosen as in rate-distortion optimization: for a price of cost, every ReLU
takes the threshold with the least sum of cross-entropy and priced cost, measured alone on training pictures;
the price is then raised as far as validation accuracy allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.sparsify.datasets import DataSet, Part
from hwsim.sparsify.maps import Map
from hwsim.sparsify.networks import FatReLU
from hwsim.sparsify.search import accepted, cost
from hwsim.sparsify.training import Score, Tensors, evaluate

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.6)  # of a map's non-zero elements, what a threshold takes away
SENSED = 300  # training pictures for what every threshold does alone
SAMPLED = 100  # training pictures for the distribution of values
PRICES = 6  # bisections of the price of cost, in nats, between these
LOWEST_PRICE, HIGHEST_PRICE = 1e-2, 1e1


@dataclass(frozen=True)
class Sensed:
    """What every threshold does alone.

    Attributes:
        levels: thresholds to choose from, by the path of the ReLU; the first leaves the ReLU as it is.
        alone: (cross-entropy, cost) of the network with that one threshold.
    """

    levels: dict[str, list[float]]
    alone: dict[str, list[tuple[float, float]]]

    def thresholds(self, price: float) -> dict[str, float]:
        """For every ReLU the threshold of the least cross-entropy + price * cost.

        Those that are left as they are are not in it.
        """
        chosen = {}
        for relu, measured in self.alone.items():
            level = min(
                range(len(measured)), key=lambda level: measured[level][0] + price * measured[level][1]
            )
            if level:
                chosen[relu] = self.levels[relu][level]
        return chosen


@dataclass(frozen=True)
class Thresholded:
    """A network with thresholds.

    Attributes:
        network: with the thresholds among its tensors.
        score: on the validation part.
        tried: (price, cost, right answers, kept) of every bisection.
    """

    network: Tensors
    score: Score
    tried: list[tuple[float, float, int, bool]]


def sense(module: nn.Module, network: Tensors, data: Part, maps: Sequence[Map]) -> Sensed:
    """Try every threshold alone, on training pictures.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    relus = [name for name, part in module.named_modules() if isinstance(part, FatReLU)]
    if not relus:
        raise HwsimError("the network has no FatReLU, whose threshold could be raised: use --method l1")
    levels, few = _levels(module, network, data[:SAMPLED], relus), data[:SENSED]

    def measured(changed: Tensors) -> tuple[float, float]:
        score = evaluate(module, changed, few, maps)
        return score.loss, cost(score.density, maps)

    plain = measured(network)
    alone = {
        relu: [plain, *(measured(with_thresholds(network, {relu: value})) for value in values[1:])]
        for relu, values in levels.items()
    }
    return Sensed(levels, alone)


def raise_thresholds(
    module: nn.Module,
    network: Tensors,
    floor: Score,
    data: DataSet,
    maps: Sequence[Map],
    tell: Callable[[str], None],
) -> Thresholded:
    """Threshold a network's maps, without training, as far as validation accuracy stays at ``floor``.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    sensed = sense(module, network, data.train, maps)
    best = Thresholded(network, evaluate(module, network, data.validation, maps), [])
    low, high = LOWEST_PRICE, HIGHEST_PRICE
    for _ in range(PRICES):
        price = (low * high) ** 0.5
        tried = with_thresholds(network, sensed.thresholds(price))
        score = evaluate(module, tried, data.validation, maps)
        kept = accepted(score, best.score, floor, maps)
        note = (price, cost(score.density, maps), score.correct, kept)
        tell(f"thresholds: price {price:.3g}, cost {note[1]:.3f}, validation {score.accuracy:.2%}")
        best = Thresholded(*((tried, score) if kept else (best.network, best.score)), [*best.tried, note])
        low, high = (price, high) if score.correct >= floor.correct else (low, price)
    return best


def with_thresholds(network: Tensors, thresholds: Mapping[str, float]) -> Tensors:
    """The network with other thresholds, by the path of the ReLU."""
    return network | {f"{relu}.threshold": torch.tensor(value) for relu, value in thresholds.items()}


def thresholds_of(network: Tensors) -> dict[str, float]:
    """The thresholds of a network that are not 0, by the path of the ReLU."""
    ends = ".threshold"
    found = {name.removesuffix(ends): float(t) for name, t in network.items() if name.endswith(ends)}
    return {relu: value for relu, value in found.items() if value}


def _levels(module: nn.Module, network: Tensors, data: Part, relus: Sequence[str]) -> dict[str, list[float]]:
    """For every ReLU, the thresholds that take the :data:`LEVELS` of its non-zero values away.

    Those of one that gives nothing but zeros are all 0.
    """
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        module.get_submodule(name).register_forward_hook(
            lambda _, __, made, name=name: seen.update({name: made})
        )
        for name in relus
    ]
    try:
        evaluate(module, network, data)
    finally:
        for hook in hooks:
            hook.remove()
    found = {}
    for name in relus:
        values = seen[name][seen[name] > 0].sort().values
        places = [int(level * len(values)) for level in LEVELS]
        found[name] = [float(values[place - 1]) if place else 0.0 for place in places]
    return found
