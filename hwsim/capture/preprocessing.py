"""From stored pictures to what a network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hwsim.capture.pictures import RawPictures, pillow
from hwsim.errors import CaptureError

WHITE = 255  # of stored pictures
FAR_MEAN, FAR_STD = 1.5, 4.0  # beyond these, numbers are meant for pictures of 0 .. 255


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a picture: resized, cropped, scaled from 8 bits to 0 .. white, normalized.

    Attributes:
        mean, std: of every channel, or one for all: (x - mean) / std; 8-bit pictures are 0 .. ``white`` by
            then, pictures of floats what they are. A grey picture becomes RGB if there are three of either.
        size: the shorter side is resized to it, bilinear, 8-bit pictures only; None leaves it as it is.
        crop: a square of so many pixels is cut from the centre; None leaves all.
        bgr: the channels are turned round; mean and std are then in that order.
        white: what the largest value of an 8-bit picture becomes: 1, or 255 for networks that take bytes.

    Raises:
        CaptureError: a value makes no sense.
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    size: int | None = None
    crop: int | None = None
    bgr: bool = False
    white: float = 1.0

    def __post_init__(self) -> None:
        if not all(np.isfinite([*self.mean, *self.std])) or min(self.std) <= 0:
            raise CaptureError(f"mean {self.mean} and std {self.std}: give finite numbers, and std above 0")
        if not (np.isfinite(self.white) and self.white > 0):
            raise CaptureError(f"--white {self.white}: give a finite number above 0")
        if min(self.size or 1, self.crop or 1) < 1:
            raise CaptureError("--size and --crop are 1 pixel or more")

    def to_dict(self) -> dict[str, Any]:
        """For the provenance."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def apply(self, picture: np.ndarray, name: str) -> np.ndarray:
        """float32 (C, H, W) from a stored picture of (C, H, W), uint8 or floats.

        Raises:
            CaptureError: the picture is too small for the crop, or its channels do not fit.
        """
        if self.size is not None:
            picture = _resize(picture, self.size, name)
        if self.crop is not None:
            picture = _crop(picture, self.crop, name)
        if len(picture) == 1:
            picture = np.repeat(picture, max(len(self.mean), len(self.std)), axis=0)
        real = picture.astype(np.float32)
        if picture.dtype == np.uint8:
            real = real * np.float32(self.white / WHITE) if self.white != 1 else real / np.float32(WHITE)
        for what, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, len(real)):
                raise CaptureError(f"{name} has {len(real)} channels, --{what} {len(values)} numbers")
        if picture.dtype == np.uint8:
            self._check_bytes()
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        return np.ascontiguousarray((real[::-1] if self.bgr else real) - mean) / std

    def _check_bytes(self) -> None:
        """Numbers that are meant for pictures of 0 .. 255 are not taken for those of 0 .. 1.

        Raises:
            CaptureError: they are.
        """
        for what, numbers, far in (("mean", self.mean, FAR_MEAN), ("std", self.std, FAR_STD)):
            worst = max(map(abs, numbers))
            if self.white == 1 and worst > far:
                raise CaptureError(
                    f"--{what} {worst:g} is far outside 0 .. 1, to which 8-bit pictures are scaled: "
                    "add --white 255 if it is meant for 0 .. 255"
                )


class Prepared:
    """Some pictures of a source, preprocessed one by one as they are asked for."""

    def __init__(self, pictures: RawPictures, numbers: Sequence[int], preprocessing: Preprocessing) -> None:
        self.pictures, self.numbers, self.preprocessing = pictures, numbers, preprocessing

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: int) -> np.ndarray:
        stored = self.numbers[number]
        return self.preprocessing.apply(self.pictures.read(stored), self.pictures.names[stored])

    @property
    def names(self) -> list[str]:
        """Of the pictures."""
        return [self.pictures.names[number] for number in self.numbers]


def _resize(picture: np.ndarray, size: int, name: str) -> np.ndarray:
    """The shorter side to ``size``, the longer one in proportion, rounded down as torchvision does."""
    if picture.dtype != np.uint8:
        raise CaptureError(f"{name} is of {picture.dtype}: --size takes 8-bit pictures")
    image = pillow()
    height, width = picture.shape[1:]
    short = min(height, width)
    target = (size * width // short, size * height // short)
    planes = [image.fromarray(plane).resize(target, image.Resampling.BILINEAR) for plane in picture]
    return np.stack([np.asarray(plane) for plane in planes])


def _crop(picture: np.ndarray, crop: int, name: str) -> np.ndarray:
    height, width = picture.shape[1:]
    if min(height, width) < crop:
        raise CaptureError(
            f"{name} is {height}x{width}, less than --crop {crop}: give --size, or a smaller crop"
        )
    top, left = round((height - crop) / 2), round((width - crop) / 2)
    return picture[:, top : top + crop, left : left + crop]
