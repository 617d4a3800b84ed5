"""The folder of a run: ``run.json`` on everything, a checkpoint for every variant."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.capture.preprocessing import Preprocessing
from hwsim.errors import HwsimError
from hwsim.files import read_text

if TYPE_CHECKING:
    import torch

    from hwsim.sparsify.datasets import DataSet

FORMAT, VERSION = "hwsim sparsify run", 2
READABLE = (1, 2)  # versions; the first has a search of another kind, and no answers by picture
OLDER_SHARE = 0.1  # for validation, in version 1
FREE = ("bfloat16",)  # settings that a run may be gone on with in another way
PICTURES_FILE = "per_picture.npz"
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

    def data(self, place: str | os.PathLike[str]) -> DataSet:
        """The data set of the run, cut as it was.

        Raises:
            HwsimError: it cannot be read, or is another one.
        """
        from hwsim.sparsify.datasets import open_dataset

        known = self.about["data"]
        found = open_dataset(place, known["split_seed"], known.get("validation_share", OLDER_SHARE))
        if found.digest() != known["sha256"]:
            raise HwsimError(f"{place} is not the data set {known['name']} of the run: give the one it names")
        return found

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
        about = json.loads(read_text(file))
        known = (
            about["format"] == FORMAT and about["version"] in READABLE and isinstance(about["variants"], dict)
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HwsimError(f"{file} cannot be read ({error}): run 'hwsim sparsify' anew") from error
    if not known:
        raise HwsimError(
            f"{file} is not of {FORMAT!r}, version {VERSION}: take the version of hwsim that wrote it"
        )
    return Run(place, about)


def claim(folder: Path, about: dict[str, Any], resume: bool) -> None:
    """Make the folder, or see that what is in it is of the same run.

    Raises:
        HwsimError: it is of another run, or has one and ``resume`` is not given, or cannot be made.
    """
    file = folder / ABOUT[0]
    if file.exists():
        if not resume:
            raise HwsimError(f"{folder} has a run already: give --resume to go on with it, or another --out")
        known = open_run(folder).about
        for what in ("settings", "data"):
            for name, value in about[what].items():
                if name not in FREE and (before := known[what].get(name)) != value:
                    raise HwsimError(
                        f"{folder} is of a run with another {name} ({before}, now {value}): "
                        "give the same options, or another --out"
                    )
    try:
        (folder / "stages").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HwsimError(f"{folder} cannot be made ({error.strerror}): choose another --out") from error
    write_about(folder, about)


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
