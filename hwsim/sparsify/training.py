"""Training, with the L1 norm of activation maps in the loss, one epoch after the other.

An epoch depends on its start, the data and the seed alone: nothing but tensors has to be kept between epochs.
Sparsification follows Georgiadis, CVPR 2019 (arXiv 1812.04056), section 3.1: the loss of a picture is its
cross-entropy plus, for every map l, alpha_l times the L1 norm of the map. A teacher can be learnt from beside
the labels (Hinton et al., *Distilling the knowledge in a neural network*, 2015).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hwsim.errors import HwsimError
from hwsim.sparsify.datasets import Part
from hwsim.sparsify.maps import Map, watched
from hwsim.sparsify.networks import preprocessing_of
from hwsim.sparsify.schedule import TrainingSchedule

MOMENTUM = 0.9
EVALUATED = 250  # pictures at once
LABELS_SHARE, TEMPERATURE = 0.3, 3.0  # of a loss with a teacher
TIMED_STEPS = 3
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class State:
    """Where a training stands.

    Attributes:
        epoch: epochs done.
        network: the module's state dict.
        momentum: of the optimizer, by parameter; empty before the first epoch. It is kept in bfloat16, so
            that a state is small, and an epoch starts from what was kept: resumed or not, the bits are equal.
    """

    epoch: int
    network: Tensors
    momentum: Tensors


@dataclass(frozen=True, eq=False)
class Score:
    """A network on a part of the data, in 32-bit floats.

    Attributes:
        right: bool (N,), whether each picture is answered right.
        losses: float32 (N,), cross-entropy of each picture.
        density: non-zero elements / elements of every map.
        magnitude: mean of the non-zero magnitudes of every map; 0 for a map of zeros.
    """

    right: np.ndarray
    losses: np.ndarray
    density: dict[str, float]
    magnitude: dict[str, float]

    @property
    def images(self) -> int:
        """How many pictures there are."""
        return len(self.right)

    @property
    def correct(self) -> int:
        """How many pictures are answered right."""
        return int(self.right.sum())

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.correct / self.images

    @property
    def loss(self) -> float:
        """The mean cross-entropy."""
        return float(self.losses.mean(dtype=np.float64))


def train_epoch(
    module: nn.Module,
    state: State,
    data: Part,
    schedule: TrainingSchedule,
    maps: Sequence[Map] = (),
    alpha: Mapping[str, float] | None = None,
    teacher: Tensors | None = None,
    device: str = "cpu",
) -> tuple[State, dict[str, float]]:
    """Train for one epoch.

    Args:
        module: the network's form; its tensors are overwritten.
        state: where to start.
        data: the training pictures.
        schedule: the whole training's.
        maps: the network's maps, those of ``alpha`` among them.
        alpha: weight of the L1 norm of the maps it names.
        teacher: tensors of a network of the same form. The loss of a picture is then 0.3 times its
            cross-entropy and 0.7 times the divergence from the teacher's answer, as :func:`distilled` has it.
        device: where to train, in PyTorch's words.

    Returns:
        The state behind the epoch, and its means: ``loss`` (cross-entropy), ``penalty`` (the L1 term),
        ``accuracy`` on the training pictures as they were shown.

    Raises:
        HwsimError: the loss is no number any more.
    """
    weights = alpha or {}
    weighed = [one for one in maps if one.name in weights]
    with deterministic(), _norms_held(module, bool(weighed)):
        taught = None if teacher is None else _teacher(module, teacher, device)
        optimizer = _restore(module, state, schedule, device)
        module.train()
        random = np.random.default_rng([schedule.seed, state.epoch])
        torch.manual_seed(schedule.seed + state.epoch)  # dropout, where a network has it
        pictures, answers = (torch.from_numpy(values).to(device) for values in (data.images, data.labels))
        batches = -(-len(data) // schedule.batch)
        totals = torch.zeros(3, dtype=torch.float64, device=device)
        with watched(module, weighed) as values:
            for number, chosen in enumerate(np.array_split(random.permutation(len(data)), batches)):
                step = state.epoch * batches + number
                optimizer.param_groups[0]["lr"] = schedule.rate_at(step, schedule.epochs * batches)
                places = torch.from_numpy(chosen).to(device)
                images, labels = prepared(module, augmented(pictures[places], random)), answers[places]
                with torch.autocast(images.device.type, torch.bfloat16, enabled=schedule.bfloat16):
                    logits = module(images).float()
                entropy = functional.cross_entropy(logits, labels)
                loss = entropy if taught is None else distilled(entropy, logits, taught(images, schedule))
                penalty = torch.zeros((), device=device)
                for one in weighed:
                    norm = torch.linalg.vector_norm(values[one.name], 1, dtype=torch.float32)
                    penalty = penalty + weights[one.name] * norm / len(chosen)
                optimizer.zero_grad()
                (loss + penalty).backward()
                optimizer.step()
                right = (logits.argmax(1) == labels).double().mean()
                totals += len(chosen) * torch.stack([entropy.detach(), penalty.detach(), right])
        means = dict(zip(("loss", "penalty", "accuracy"), (totals / len(data)).tolist(), strict=True))
        if not np.isfinite(means["loss"] + means["penalty"]):
            raise HwsimError(
                "the training lost its way: the loss is no number; lower the learning rate or alpha"
            )
        return _state(module, optimizer, state.epoch + 1), means


def distilled(entropy: torch.Tensor, logits: torch.Tensor, taught: torch.Tensor) -> torch.Tensor:
    """The loss with a teacher: 0.3 of the labels' cross-entropy and 0.7 of the teacher's divergence.

    The divergence is Kullback and Leibler's at temperature 3, times the temperature's square, as Hinton et
    al. (2015, section 2) have it, so that its gradient keeps its size.
    """
    answer, wanted = (functional.log_softmax(one / TEMPERATURE, 1) for one in (logits, taught))
    divergence = functional.kl_div(answer, wanted, reduction="batchmean", log_target=True)
    return LABELS_SHARE * entropy + (1 - LABELS_SHARE) * TEMPERATURE**2 * divergence


def evaluate(
    module: nn.Module, network: Tensors, data: Part, maps: Sequence[Map] = (), device: str = "cpu"
) -> Score:
    """Score a network; the module's tensors are overwritten."""
    right, losses = np.empty(len(data), bool), np.empty(len(data), np.float32)
    nonzero, total = (dict.fromkeys((one.name for one in maps), zero) for zero in (0, 0.0))
    with deterministic(), torch.no_grad(), watched(module, maps) as values:
        module.load_state_dict(network)
        module.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        for start in range(0, len(data), EVALUATED):
            part = slice(start, start + EVALUATED)
            images, labels = (torch.from_numpy(of[part]).to(device) for of in (data.images, data.labels))
            logits = module(prepared(module, images))
            losses[part] = functional.cross_entropy(logits, labels, reduction="none").cpu()
            right[part] = (logits.argmax(1) == labels).cpu()
            for name, seen in values.items():
                nonzero[name] += int(torch.count_nonzero(seen))
                total[name] += float(torch.linalg.vector_norm(seen, 1, dtype=torch.float64))
    return Score(
        right,
        losses,
        density={one.name: nonzero[one.name] / (one.elements * len(data)) for one in maps},
        magnitude={name: total[name] / max(count, 1) for name, count in nonzero.items()},
    )


def step_seconds(
    module: nn.Module, network: Tensors, data: Part, schedule: TrainingSchedule, device: str
) -> float:
    """The shortest time of a training step; the module's tensors are overwritten.

    On a processor it is the time of the processor, which other work there does not lengthen.
    """
    clock = time.process_time if device == "cpu" else time.perf_counter
    few = data[: schedule.batch]
    once, seconds = replace(schedule, epochs=TIMED_STEPS + 1), []
    state = State(0, network, {})
    for _ in range(once.epochs):  # the first one compiles and allocates
        began = clock()
        state, _ = train_epoch(module, state, few, once, device=device)
        seconds.append(clock() - began)
    return min(seconds[1:])


def rounded(network: Tensors) -> Tensors:
    """The network with weights in half precision, as checkpoints hold them; vectors stay as they are."""
    return {name: t.half().float() if t.ndim > 1 else t.clone() for name, t in network.items()}


def prepared(module: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Pictures of uint8 (N, C, H, W), normalized as the module's ``preprocessing`` says."""
    known = preprocessing_of(module)
    mean, std = (
        torch.tensor(numbers, device=images.device).reshape(-1, 1, 1) for numbers in (known.mean, known.std)
    )
    values = (images.float() / 255 - mean) / std
    return values.contiguous(memory_format=torch.channels_last)


def augmented(images: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Each picture of (N, C, H, W) moved by up to an eighth of its size; colour ones mirrored by chance.

    Black comes in at the borders.
    """
    count, channels, height, width = images.shape
    most = height // 8
    y, x = random.integers(0, 2 * most, (2, count, 1), endpoint=True)
    rows, columns = y + np.arange(height), x + np.arange(width)
    if channels == 3:
        mirrored = random.random(count) < 0.5
        columns[mirrored] = columns[mirrored, ::-1]
    where = (torch.from_numpy(one).to(images.device) for one in (rows[:, :, None], columns[:, None]))
    padded = functional.pad(images, (most, most, most, most))
    number = torch.arange(count, device=images.device)[:, None, None]
    row, column = where
    return padded[number, :, row, column].permute(0, 3, 1, 2)


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


def _teacher(module: nn.Module, network: Tensors, device: str) -> _Teacher:
    other = deepcopy(module)
    other.load_state_dict(network)
    return _Teacher(other.to(device, memory_format=torch.channels_last).eval())  # type: ignore[call-overload]


@dataclass(frozen=True)
class _Teacher:
    module: nn.Module

    def __call__(self, images: torch.Tensor, schedule: TrainingSchedule) -> torch.Tensor:
        """Logits, in the precision of the training."""
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=schedule.bfloat16):
            return self.module(images).float()


def _restore(module: nn.Module, state: State, schedule: TrainingSchedule, device: str) -> torch.optim.SGD:
    module.load_state_dict(state.network)
    module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
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
        return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)

    network = {name: kept(tensor) for name, tensor in module.state_dict().items()}
    momentum = {
        name: kept(optimizer.state[parameter]["momentum_buffer"]).bfloat16()
        for name, parameter in module.named_parameters()
        if optimizer.state[parameter]
    }
    return State(epoch, network, momentum)
