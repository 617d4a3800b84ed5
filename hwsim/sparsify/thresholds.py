"""Thresholds behind the ReLUs, without training: FATReLU.

Kurtz et al., *Inducing and exploiting activation sparsity for fast neural network inference*, ICML 2020.
Which map gets which threshold is chosen as in rate-distortion optimization: for a price of cost, every ReLU
takes the threshold with the least sum of cross-entropy and priced cost, measured alone on training pictures;
the price is then raised as far as validation accuracy allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from hwsim.errors import HwsimError
from hwsim.sparsify.datasets import DataSet, Part
from hwsim.sparsify.maps import Map
from hwsim.sparsify.networks import FatReLU
from hwsim.sparsify.search import accepted, cost
from hwsim.sparsify.training import Score, Tensors, evaluate

LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # of a map's non-zero elements, what a threshold takes away
SENSED = 500  # training pictures for what every threshold does alone
SAMPLED = 100  # training pictures for the distribution of values
PRICES = 8  # bisections of the price of cost, in nats, between these
LOWEST_PRICE, HIGHEST_PRICE = 1e-3, 1e2


@dataclass(frozen=True)
class Thresholded:
    """A network with thresholds.

    Attributes:
        network: with the thresholds among its tensors.
        thresholds: by the path of the ReLU; those of 0 are left out.
        score: on the validation part.
        tried: (price, cost, right answers, kept) of every bisection.
    """

    network: Tensors
    thresholds: dict[str, float]
    score: Score
    tried: list[tuple[float, float, int, bool]]


def raise_thresholds(
    module: nn.Module,
    network: Tensors,
    floor: Score,
    data: DataSet,
    maps: Sequence[Map],
    tell: Callable[[str], None],
) -> Thresholded:
    """Threshold a network's maps as far as validation accuracy does not fall below ``floor``.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    relus = [name for name, part in module.named_modules() if isinstance(part, FatReLU)]
    if not relus:
        raise HwsimError("the network has no FatReLU, whose threshold could be raised: use --method l1")
    levels = _levels(module, network, data.train[:SAMPLED], relus)
    sensed = _alone(module, network, data.train[:SENSED], maps, levels, tell)
    best = Thresholded(network, {}, evaluate(module, network, data.validation, maps), [])
    low, high = LOWEST_PRICE, HIGHEST_PRICE
    for _ in range(PRICES):
        price = (low * high) ** 0.5
        chosen = {
            relu: min(
                range(len(values)), key=lambda level: sensed[relu][level][0] + price * sensed[relu][level][1]
            )
            for relu, values in levels.items()
        }
        thresholds = {relu: levels[relu][level] for relu, level in chosen.items() if levels[relu][level] > 0}
        tried = with_thresholds(network, thresholds)
        score = evaluate(module, tried, data.validation, maps)
        kept = accepted(score, best.score, floor, maps)
        note = (price, cost(score.density, maps), score.correct, kept)
        tell(f"thresholds: price {price:.3g}, cost {note[1]:.3f}, validation {score.accuracy:.2%}")
        if kept:
            best = Thresholded(tried, thresholds, score, [*best.tried, note])
        else:
            best = Thresholded(best.network, best.thresholds, best.score, [*best.tried, note])
        low, high = (price, high) if score.correct >= floor.correct else (low, price)
    return best


def with_thresholds(network: Tensors, thresholds: dict[str, float]) -> Tensors:
    """The network with other thresholds, by the path of the ReLU."""
    return network | {f"{relu}.threshold": torch.tensor(value) for relu, value in thresholds.items()}


def _levels(module: nn.Module, network: Tensors, data: Part, relus: Sequence[str]) -> dict[str, list[float]]:
    """For every ReLU, the thresholds that take the :data:`LEVELS` of its non-zero values away."""
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


def _alone(
    module: nn.Module,
    network: Tensors,
    data: Part,
    maps: Sequence[Map],
    levels: dict[str, list[float]],
    tell: Callable[[str], None],
) -> dict[str, list[tuple[float, float]]]:
    """(cross-entropy, cost) of the network with one threshold, for every level of every ReLU."""

    def measured(changed: Tensors) -> tuple[float, float]:
        score = evaluate(module, changed, data, maps)
        return score.loss, cost(score.density, maps)

    plain = measured(network)
    found = {
        relu: [plain, *(measured(with_thresholds(network, {relu: value})) for value in values[1:])]
        for relu, values in levels.items()
    }
    tell(
        f"thresholds: {len(levels)} ReLUs, {len(LEVELS)} levels each, measured alone on {len(data)} pictures"
    )
    return found
