"""Training, with the L1 norm of activation maps in the loss, one epoch after the other.

An epoch depends on its start, the data and the seed alone: nothing but tensors has to be kept between epochs.
Sparsification follows Georgiadis, CVPR 2019 (arXiv 1812.04056), section 3.1: the loss of a picture is its
cross-entropy plus, for every map l, alpha_l times the L1 norm of the map.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwsim.capture.training import deterministic, shifted
from hwsim.errors import HwsimError
from hwsim.sparsify.datasets import Part
from hwsim.sparsify.maps import Map, watched
from hwsim.sparsify.networks import preprocessing_of

MOMENTUM = 0.9
WARM_UP = 0.2  # of all steps: the rate rises, then falls to zero
EVALUATED = 250  # pictures at once
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train: SGD with Nesterov momentum, one rise and fall of the rate.

    Attributes:
        epochs: 1 or more.
        rate: the highest learning rate.
        decay: weight decay.
        batch: pictures in a step.
        seed: of the order of the pictures, their shifts and mirrors.
        bfloat16: run forward and backward in bfloat16 (automatic mixed precision).
    """

    epochs: int
    rate: float = 0.1
    decay: float = 5e-4
    batch: int = 128
    seed: int = 0
    bfloat16: bool = False

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step of 0 .. steps - 1."""
        done = (step + 1) / steps
        return self.rate * min(done / WARM_UP, (1 - step / steps) / (1 - WARM_UP))


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        epoch: epochs done.
        network: the module's state dict.
        momentum: of the optimizer, by parameter; empty before the first epoch.
    """

    epoch: int
    network: Tensors
    momentum: Tensors


@dataclass(frozen=True)
class Score:
    """A network on a part of the data, in 32-bit floats.

    Attributes:
        images: pictures.
        correct: right answers.
        loss: mean cross-entropy.
        density: non-zero elements / elements of every map.
        magnitude: mean of the non-zero magnitudes of every map; 0 for a map of zeros.
    """

    images: int
    correct: int
    loss: float
    density: dict[str, float]
    magnitude: dict[str, float]

    @property
    def accuracy(self) -> float:
        return self.correct / self.images


def train_epoch(
    module: nn.Module,
    state: State,
    data: Part,
    schedule: Schedule,
    maps: Sequence[Map] = (),
    alpha: Mapping[str, float] | None = None,
) -> tuple[State, dict[str, float]]:
    """One epoch.

    Args:
        module: the network's form; its tensors are overwritten.
        state: where to start.
        data: the training pictures.
        schedule: the whole training's.
        maps: the network's maps, those of ``alpha`` among them.
        alpha: weight of the L1 norm of the maps it names.

    Returns:
        The state behind the epoch, and its means: ``loss`` (cross-entropy), ``penalty`` (the L1 term),
        ``accuracy`` on the training pictures as they were shown.

    Raises:
        HwsimError: the loss is no number any more.
    """
    weights = alpha or {}
    weighed = [one for one in maps if one.name in weights]
    with deterministic(), _norms_held(module, bool(weighed)):
        optimizer = _restore(module, state, schedule)
        module.train()
        random = np.random.default_rng([schedule.seed, state.epoch])
        torch.manual_seed(schedule.seed + state.epoch)  # dropout, where a network has it
        order = random.permutation(len(data))
        batches = -(-len(data) // schedule.batch)
        totals = np.zeros(3)
        with watched(module, weighed) as values:
            for number, chosen in enumerate(np.array_split(order, batches)):
                step = state.epoch * batches + number
                optimizer.param_groups[0]["lr"] = schedule.rate_at(step, schedule.epochs * batches)
                images = prepared(module, augmented(data.images[chosen], random))
                labels = torch.from_numpy(data.labels[chosen])
                with torch.autocast("cpu", torch.bfloat16, enabled=schedule.bfloat16):
                    logits = module(images).float()
                loss = functional.cross_entropy(logits, labels)
                penalty = torch.zeros(())
                for one in weighed:
                    norm = torch.linalg.vector_norm(values[one.name], 1, dtype=torch.float32)
                    penalty = penalty + weights[one.name] * norm / len(chosen)
                optimizer.zero_grad()
                (loss + penalty).backward()
                optimizer.step()
                right = (logits.argmax(1) == labels).sum()
                totals += len(chosen) * np.array([loss.item(), penalty.item(), right.item() / len(chosen)])
        means = dict(zip(("loss", "penalty", "accuracy"), (totals / len(data)).tolist(), strict=True))
        if not np.isfinite(means["loss"] + means["penalty"]):
            raise HwsimError(
                "the training lost its way: the loss is no number; lower the learning rate or alpha"
            )
        return _state(module, optimizer, state.epoch + 1), means


def evaluate(module: nn.Module, network: Tensors, data: Part, maps: Sequence[Map] = ()) -> Score:
    """Score a network; the module's tensors are overwritten."""
    correct, loss = 0, 0.0
    nonzero, total = (
        dict.fromkeys((one.name for one in maps), 0),
        dict.fromkeys((one.name for one in maps), 0.0),
    )
    with deterministic(), torch.no_grad(), watched(module, maps) as values:
        module.load_state_dict(network)
        module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        for start in range(0, len(data), EVALUATED):
            part = data[start : start + EVALUATED]
            labels = torch.from_numpy(part.labels)
            logits = module(prepared(module, part.images))
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            correct += int((logits.argmax(1) == labels).sum())
            for name, seen in values.items():
                nonzero[name] += int(torch.count_nonzero(seen))
                total[name] += float(torch.linalg.vector_norm(seen, 1, dtype=torch.float64))
    return Score(
        images=len(data),
        correct=correct,
        loss=loss / len(data),
        density={one.name: nonzero[one.name] / (one.elements * len(data)) for one in maps},
        magnitude={name: total[name] / max(count, 1) for name, count in nonzero.items()},
    )


def rounded(network: Tensors) -> Tensors:
    """The network with weights in half precision, as checkpoints hold them; vectors stay as they are."""
    return {name: t.half().float() if t.ndim > 1 else t.clone() for name, t in network.items()}


def prepared(module: nn.Module, images: np.ndarray) -> torch.Tensor:
    """Pictures of uint8 (N, C, H, W), normalized as the module's ``preprocessing`` says."""
    known = preprocessing_of(module)
    mean, std = (torch.tensor(numbers).reshape(-1, 1, 1) for numbers in (known.mean, known.std))
    values = (torch.from_numpy(images).float() / 255 - mean) / std
    return values.contiguous(memory_format=torch.channels_last)


def augmented(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Each picture of (N, C, H, W) moved by up to an eighth of its size; colour ones mirrored by chance.

    Black comes in at the borders.
    """
    moved = shifted(images, images.shape[2] // 8, random)
    if images.shape[1] == 3:
        mirrored = random.random(len(images)) < 0.5
        moved[mirrored] = moved[mirrored, ..., ::-1]
    return moved


@contextmanager
def _norms_held(module: nn.Module, held: bool) -> Iterator[None]:
    """The factors of batch normalization stand still under an L1 term.

    Else a map can escape the term by getting smaller instead of sparser, and the normalization behind the
    layers that read it makes good for that.
    """
    factors = [
        part.weight
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.affine and held
    ]
    for factor in factors:
        factor.requires_grad_(False)
    try:
        yield
    finally:
        for factor in factors:
            factor.requires_grad_(True)


def _restore(module: nn.Module, state: State, schedule: Schedule) -> torch.optim.SGD:
    module.load_state_dict(state.network)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        module.parameters(), schedule.rate, MOMENTUM, weight_decay=schedule.decay, nesterov=True
    )
    for name, parameter in module.named_parameters():
        if name in state.momentum:
            buffer = torch.empty_like(parameter, requires_grad=False).copy_(state.momentum[name])
            optimizer.state[parameter]["momentum_buffer"] = buffer
    return optimizer


def _state(module: nn.Module, optimizer: torch.optim.SGD, epoch: int) -> State:
    def kept(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.detach().clone(memory_format=torch.contiguous_format)

    network = {name: kept(tensor) for name, tensor in module.state_dict().items()}
    momentum = {
        name: kept(optimizer.state[parameter]["momentum_buffer"])
        for name, parameter in module.named_parameters()
        if optimizer.state[parameter]
    }
    return State(epoch, network, momentum)
