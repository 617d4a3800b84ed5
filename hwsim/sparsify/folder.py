"""The folder of a run: ``run.json`` on everything, a checkpoint for every variant."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import HwsimError

if TYPE_CHECKING:
    import torch

FORMAT, VERSION = "hwsim sparsify run", 1
ABOUT = ("run.json", "metrics.json")  # the second where a run is shipped


@dataclass(frozen=True)
class Run:
    """What a run left behind.

    Attributes:
        folder: where it lies.
        about: contents of ``run.json``.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def variants(self) -> tuple[str, ...]:
        """Of the network, the baseline first."""
        return tuple(self.about["variants"])

    def checkpoint(self, variant: str) -> Path:
        """The file of a variant.

        Raises:
            HwsimError: there is no such variant.
        """
        if variant not in self.variants:
            raise HwsimError(
                f"{self.folder} has no variant {variant!r}: give one of {', '.join(self.variants)}"
            )
        return self.folder / self.about["variants"][variant]["checkpoint"]

    def module(self, variant: str) -> torch.nn.Module:
        """The network of a variant, in evaluation mode; thresholds are among its tensors.

        Raises:
            HwsimError: there is no such variant, or its checkpoint is missing or damaged.
        """
        from hwsim.sparsify.networks import make_network

        about = self.about
        return make_network(
            about["network"], about["classes"], about["width"], self.checkpoint(variant)
        ).eval()

    def preprocessing(self) -> Preprocessing:
        """What the network takes: 8-bit pictures scaled to 0 .. 1, then normalized."""
        known = self.about["preprocessing"]
        return Preprocessing(mean=tuple(known["mean"]), std=tuple(known["std"]))


def open_run(folder: str | os.PathLike[str]) -> Run:
    """A run by its folder.

    Raises:
        HwsimError: there is none, or its ``run.json`` is damaged.
    """
    place = Path(folder)
    file = next((place / name for name in ABOUT if (place / name).is_file()), None)
    if file is None:
        raise HwsimError(f"{place} is no folder of a run: it has no {ABOUT[0]}")
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        known = (
            about["format"] == FORMAT and about["version"] == VERSION and isinstance(about["variants"], dict)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HwsimError(f"{file} cannot be read ({error}): run 'hwsim sparsify' anew") from error
    if not known:
        raise HwsimError(
            f"{file} is not of {FORMAT!r}, version {VERSION}: take the version of hwsim that wrote it"
        )
    return Run(place, about)


def write_about(folder: Path, about: dict[str, Any]) -> None:
    """Write ``run.json``, in one step.

    Raises:
        HwsimError: it cannot be written.
    """
    file = folder / ABOUT[0]
    unfinished = file.with_name(f"{file.name}.partial")
    try:
        unfinished.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        os.replace(unfinished, file)
    except OSError as error:
        raise HwsimError(f"{file} cannot be written ({error}): make room, or choose another --out") from error
