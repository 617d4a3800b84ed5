"""Thresholds behind the ReLUs, without training: FATReLU.

Kurtz et al., *Inducing and exploiting activation sparsity for fast neural network inference*, ICML 2020.
Which ReLU gets which threshold is chosen greedily: each one is tried alone on training pictures, and they are
raised in the order of lost cross-entropy by saved cost, as far as validation accuracy allows.
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

LEVELS = (0.1, 0.2, 0.3, 0.45, 0.6)  # of a map's non-zero elements, what a threshold takes away
SENSED = 500  # training pictures for what every threshold does alone
SAMPLED = 100  # training pictures for the distribution of values


@dataclass(frozen=True)
class Raise:
    """A threshold that a ReLU may get.

    Attributes:
        relu: path of the ReLU.
        threshold: its new one.
        slope: cross-entropy lost by cost saved, with this threshold alone.
    """

    relu: str
    threshold: float
    slope: float


@dataclass(frozen=True)
class Thresholded:
    """A network with thresholds.

    Attributes:
        network: with the thresholds among its tensors.
        score: on the validation part.
        tried: (thresholds raised, cost, right answers, kept) of every step of the bisection.
    """

    network: Tensors
    score: Score
    tried: list[tuple[int, float, int, bool]]


def raise_thresholds(
    module: nn.Module,
    network: Tensors,
    floor: Score,
    data: DataSet,
    maps: Sequence[Map],
    tell: Callable[[str], None],
) -> Thresholded:
    """Raise a network's thresholds, without training, as far as validation accuracy stays at ``floor``.

    How many of the raises, in their order, are taken is bisected.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    raises = sense(module, network, data.train, maps)
    best = Thresholded(network, evaluate(module, network, data.validation, maps), [])
    low, high = 0, len(raises) + 1
    while high - low > 1:
        count = (low + high) // 2
        tried = with_thresholds(network, highest(raises[:count]))
        score = evaluate(module, tried, data.validation, maps)
        kept = accepted(score, best.score, floor, maps)
        note = (count, cost(score.density, maps), score.correct, kept)
        tell(f"thresholds: {count} raised, cost {note[1]:.3f}, validation {score.accuracy:.2%}")
        best = Thresholded(*((tried, score) if kept else (best.network, best.score)), [*best.tried, note])
        low, high = (count, high) if score.correct >= floor.correct else (low, count)
    return best


def sense(module: nn.Module, network: Tensors, data: Part, maps: Sequence[Map]) -> list[Raise]:
    """Try every threshold alone, on training pictures; those that save cost, the least slope first.

    Raises:
        HwsimError: the network has no :class:`hwsim.sparsify.networks.FatReLU`.
    """
    relus = [name for name, part in module.named_modules() if isinstance(part, FatReLU)]
    if not relus:
        raise HwsimError("the network has no FatReLU, whose threshold could be raised: use --method l1")
    plain = evaluate(module, network, data[:SENSED], maps)
    found = []
    for relu, levels in _levels(module, network, data[:SAMPLED], relus).items():
        for threshold in levels:
            score = evaluate(module, with_thresholds(network, {relu: threshold}), data[:SENSED], maps)
            saved = cost(plain.density, maps) - cost(score.density, maps)
            if saved > 0:
                found.append(Raise(relu, threshold, (score.loss - plain.loss) / saved))
    return sorted(found, key=lambda one: one.slope)


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
        found[name] = [float(values[place - 1]) for place in places if place]
    return found
