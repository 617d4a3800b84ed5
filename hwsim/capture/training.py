"""Training, and sparsification by the L1 norm of the activation maps. Needs the ``train`` extra.

Sparsification follows Georgiadis, CVPR 2019 (arXiv 1812.04056), section 3.1: the loss of a picture is its
cross-entropy plus, for every map l, alpha_l times the L1 norm of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from hwsim.capture.digits import Split
from hwsim.errors import HwsimError

try:
    import torch
    from torch.nn import functional
except ModuleNotFoundError as missing:
    raise HwsimError(
        "training needs PyTorch, which is not installed: pip install 'hwsim[train]'"
    ) from missing

SMALLEST_FACTOR = 1.5
Parameters = Mapping[str, np.ndarray]
Forward = Callable[[Mapping[str, torch.Tensor], torch.Tensor], tuple[torch.Tensor, dict[str, torch.Tensor]]]
"""(parameters, images) to (logits, maps by name), as :func:`hwsim.capture.lenet5.forward`."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: AdamW, the rate falling to zero along half a cosine.

    Attributes:
        rate: learning rate at the start.
        decay: weight decay. With an L1 term it keeps maps from being made small by large weights behind them.
        shift: every picture is moved by up to so many pixels in each direction, anew in every epoch.
        seed: of the order of the pictures and of their shifts.
    """

    epochs: int
    rate: float = 1e-3
    decay: float = 1e-2
    batch: int = 32
    shift: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """A network on a part of the data: correct answers, mean cross-entropy, density of every map."""

    images: int
    correct: int
    loss: float
    density: dict[str, float]

    @property
    def accuracy(self) -> float:
        return self.correct / self.images


def fit(
    forward: Forward,
    start: Parameters,
    data: Split,
    schedule: Schedule,
    alpha: Mapping[str, float] | None = None,
) -> dict[str, np.ndarray]:
    """Train from ``start``; ``alpha`` weighs the L1 norm of the maps it names.

    Returns:
        Parameters of the last epoch, float32, rounded to half precision, in which checkpoints are kept.
    """
    with deterministic():
        parameters = {name: torch.from_numpy(np.array(v)).requires_grad_() for name, v in start.items()}
        optimizer = torch.optim.AdamW(parameters.values(), lr=schedule.rate, weight_decay=schedule.decay)
        batches = -(-len(data.labels) // schedule.batch)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, schedule.epochs * batches)
        labels = torch.from_numpy(data.labels)
        random = np.random.default_rng(schedule.seed)
        for _ in range(schedule.epochs):
            for chosen in np.array_split(random.permutation(len(labels)), batches):
                images = torch.from_numpy(shifted(data.images[chosen], schedule.shift, random))
                logits, maps = forward(parameters, images)
                loss = functional.cross_entropy(logits, labels[chosen])
                for name, weight in (alpha or {}).items():
                    loss = loss + weight * maps[name].abs().sum() / len(chosen)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                cosine.step()
    return {name: v.detach().half().float().numpy() for name, v in parameters.items()}


def evaluate(forward: Forward, parameters: Parameters, data: Split) -> Score:
    """Score a network in 32-bit floats."""
    with deterministic(), torch.no_grad():
        tensors = {name: torch.from_numpy(v) for name, v in parameters.items()}
        logits, maps = forward(tensors, torch.from_numpy(data.images))
        labels = torch.from_numpy(data.labels)
        return Score(
            images=len(labels),
            correct=int((logits.argmax(1) == labels).sum()),
            loss=float(functional.cross_entropy(logits, labels)),
            density={name: float((values != 0).double().mean()) for name, values in maps.items()},
        )


@dataclass(frozen=True)
class Trial:
    """One step of the search: the weights of the L1 norms, what came out, whether it was kept."""

    alpha: dict[str, float]
    scores: tuple[Score, ...]
    kept: bool


def sparsify(
    forward: Forward,
    baseline: Parameters,
    data: Split,
    validation: Sequence[Split],
    maps: Sequence[str],
    schedule: Schedule,
    *,
    alpha: float = 5e-5,
    factor: float = 4.0,
) -> tuple[dict[str, np.ndarray], list[Trial]]:
    """Fine-tune with L1 norms as heavy as validation allows.

    Map after map, in turns, a weight is raised by a factor and the best network so far is trained on with it.
    The result is kept if the map is sparser than before, on the first part of ``validation``, and on no part
    fewer answers are right than the baseline gives; else that map's factor is replaced by its square root. A
    map is left alone once its factor is 1.5 or less.

    Args:
        baseline: where to start.
        maps: names of the maps that get an L1 term.
        schedule: of one trial; its seed is raised by one from trial to trial.
        alpha: weight of every map at the start.
        factor: by which a weight is raised at first.

    Returns:
        The last parameters that were kept, and all trials. If none was kept, the baseline itself.
    """
    start = [evaluate(forward, baseline, part) for part in validation]
    density = start[0].density
    best, weights = dict(baseline), dict.fromkeys(maps, alpha)
    factors, trials = dict.fromkeys(maps, factor), list[Trial]()
    while live := [name for name in maps if factors[name] > SMALLEST_FACTOR]:
        for name in live:
            tried = {**weights, name: weights[name] * factors[name]}
            seeded = replace(schedule, seed=schedule.seed + len(trials))
            network = fit(forward, best, data, seeded, tried)
            scores = tuple(evaluate(forward, network, part) for part in validation)
            right = all(score.correct >= floor.correct for score, floor in zip(scores, start, strict=True))
            kept = right and scores[0].density[name] < density[name]
            trials.append(Trial(tried, scores, kept))
            if kept:
                best, weights, density = network, tried, scores[0].density
            else:
                factors[name] **= 0.5
    return best, trials


def shifted(images: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Each picture of (N, C, H, W) moved by its own -most .. most pixels in y and x; black comes in."""
    padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    y, x = random.integers(0, 2 * most, (2, len(images)), endpoint=True)
    return windows[np.arange(len(images)), :, y, x]


@contextmanager
def deterministic() -> Iterator[None]:
    """The same bits in every run on one machine: deterministic kernels, one thread."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.set_num_threads(before[1])
