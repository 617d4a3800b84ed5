"""Trainings that are kept on disk epoch by epoch, so that an interruption costs one epoch at most."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from hwsim.errors import HwsimError
from hwsim.files import plain_file
from hwsim.sparsify.datasets import DataSet
from hwsim.sparsify.maps import Map
from hwsim.sparsify.training import Score, State, Tensors, TrainingSchedule, evaluate, rounded, train_epoch

GLANCED = 2000  # validation pictures for the history; all of them where a stage ends


@dataclass(frozen=True)
class Stage:
    """A network that is done.

    Attributes:
        name: of the stage, and of its file.
        network: rounded to half precision.
        score: on the validation part, of what was rounded.
        history: of every epoch: ``loss``, ``penalty``, ``accuracy``, ``validation``, ``bfloat16`` and
            ``seconds``.
    """

    name: str
    network: Tensors
    score: Score
    history: list[dict[str, float]]


class Stages:
    """Runs stages, or finds them done, in a folder.

    Args:
        folder: of the stages' files, ``NAME.safetensors`` each.
        module: the network's form.
        data: the data set.
        maps: the network's maps.
        tell: called with a line after every epoch.
        device: where to train.
    """

    def __init__(
        self,
        folder: Path,
        module: nn.Module,
        data: DataSet,
        maps: Sequence[Map],
        tell: Callable[[str], None],
        device: str = "cpu",
    ) -> None:
        self.folder, self.module, self.data, self.maps, self.tell = folder, module, data, maps, tell
        self.device = device

    def run(
        self,
        name: str,
        start: Tensors,
        schedule: TrainingSchedule,
        alpha: Mapping[str, float] | None = None,
        teacher: Tensors | None = None,
    ) -> Stage:
        """Train to the end of the schedule, from ``start`` or from where the stage's file stands.

        Raises:
            HwsimError: the file is damaged or cannot be written, or the training lost its way.
        """
        file = self.folder / f"{name}.safetensors"
        state, history, score = read_state(file) if file.is_file() else (State(0, start, {}), [], None)
        while score is None:
            began = time.perf_counter()
            state, means = train_epoch(
                self.module, state, self.data.train, schedule, self.maps, alpha, teacher, self.device
            )
            done = state.epoch == schedule.epochs
            if done:
                state = State(state.epoch, rounded(state.network), {})
            seen = self.score(state.network, GLANCED if not done else None)
            seconds = round(time.perf_counter() - began, 1)
            more = {"validation": seen.accuracy, "bfloat16": schedule.bfloat16, "seconds": seconds}
            history.append({**means, **more})
            score = seen if done else None
            write_state(file, state, history, score)
            self.tell(
                f"{name}: epoch {state.epoch} of {schedule.epochs}, loss {means['loss']:.3f}, "
                f"L1 term {means['penalty']:.3f}, training {means['accuracy']:.2%}, "
                f"validation {seen.accuracy:.2%}, {seconds:.0f} s"
            )
        return Stage(name, state.network, score, history)

    def once(self, name: str, make: Callable[[], Tensors]) -> Stage:
        """A network that is made without training, or found made.

        Raises:
            HwsimError: the file is damaged or cannot be written.
        """
        file = self.folder / f"{name}.safetensors"
        if file.is_file():
            state, _, score = read_state(file)
            if score is not None:
                return Stage(name, state.network, score, [])
        network = make()
        score = self.score(network)
        write_state(file, State(0, network, {}), [], score)
        return Stage(name, network, score, [])

    def done(self, name: str) -> Stage:
        """A stage that is done.

        Raises:
            HwsimError: it is not, or its file is damaged.
        """
        file = self.folder / f"{name}.safetensors"
        if file.is_file():
            state, history, score = read_state(file)
            if score is not None:
                return Stage(name, state.network, score, history)
        raise HwsimError(f"{self.folder} has no {name} that is done: go on with 'hwsim sparsify --resume'")

    def score(self, network: Tensors, pictures: int | None = None) -> Score:
        """A network on the validation part, or on the first pictures of it."""
        part = self.data.validation[:pictures]
        return evaluate(self.module, network, part, self.maps, self.device)


def write_state(file: Path, state: State, history: list[dict[str, float]], score: Score | None) -> None:
    """Write where a training stands, in one step: the file is there whole or not at all.

    Raises:
        HwsimError: it cannot be written.
    """
    tensors = {f"network/{name}": tensor for name, tensor in state.network.items()}
    tensors |= {f"momentum/{name}": tensor for name, tensor in state.momentum.items()}
    about: dict[str, Any] = {"epoch": state.epoch, "history": history, "score": None}
    if score is not None:
        tensors |= {
            "score/right": torch.from_numpy(score.right),
            "score/losses": torch.from_numpy(score.losses),
        }
        about["score"] = {"density": score.density, "magnitude": score.magnitude}
    write_tensors(file, tensors, {"state": json.dumps(about)})


def write_tensors(file: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> None:
    """Write a ``.safetensors`` file, in one step.

    Raises:
        HwsimError: it cannot be written.
    """
    unfinished = file.with_name(f"{file.name}.partial")
    try:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, unfinished, metadata)
        os.replace(unfinished, file)
    except (OSError, SafetensorError) as error:
        raise HwsimError(f"{file} cannot be written ({error}): make room, or choose another --out") from error


def read_state(file: Path) -> tuple[State, list[dict[str, float]], Score | None]:
    """What :func:`write_state` wrote.

    Raises:
        HwsimError: the file is damaged.
    """
    try:
        with safe_open(plain_file(file), "pt") as stored:
            about: dict[str, Any] = json.loads(stored.metadata()["state"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118, no mapping
        parts: dict[str, Tensors] = {"network": {}, "momentum": {}, "score": {}}
        for name, tensor in tensors.items():
            part, _, inner = name.partition("/")
            parts[part][inner] = tensor
        score = None
        if about["score"]:
            seen = parts["score"]
            score = Score(seen["right"].numpy(), seen["losses"].numpy(), **about["score"])
        return State(about["epoch"], parts["network"], parts["momentum"]), about["history"], score
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        words = " ".join(str(error).split())[:160]
        raise HwsimError(
            f"{file} is no state of a training ({words}): remove it to train this stage anew"
        ) from error


def initial(module: nn.Module, seed: int) -> Tensors:
    """The tensors of a module as its layers make them, from a seed.

    Weights of convolutions are normal with variance 2 / fan-in (He et al., ICCV 2015).
    """
    module.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload] # else the layout counts
    torch.manual_seed(seed)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif callable(reset := getattr(layer, "reset_parameters", None)):
            reset()
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
