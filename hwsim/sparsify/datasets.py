"""Labelled pictures from local files, cut in three: training, validation, test. No file's code is run."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np

from hwsim.capture.pictures import SUFFIXES, pillow
from hwsim.errors import DataError
from hwsim.files import plain_file
from hwsim.sparsify import digits

CIFAR_RECORD = 1 + 3 * 32 * 32  # bytes: label, pixels


@dataclass(frozen=True, eq=False)
class Part:
    """Pictures and what they show.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: int64 (N,), 0 .. classes - 1.
        numbers: int64 (N,), places of the pictures in the training or test pictures of the data set.
    """

    images: np.ndarray
    labels: np.ndarray
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, chosen: np.ndarray | slice) -> Part:
        return Part(self.images[chosen], self.labels[chosen], self.numbers[chosen])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set, cut in three.

    Attributes:
        name: of the format, the file or the folder.
        seed: that cut it.
        share: of the training pictures, that are for validation.
        classes: how many the pictures show.
    """

    name: str
    seed: int
    share: float
    classes: int
    train: Part
    validation: Part
    test: Part

    def digest(self) -> str:
        """SHA-256 of all labels and of some pictures, which tells data sets apart."""
        digest = sha256()
        for part in (self.train, self.validation, self.test):
            digest.update(part.labels.tobytes())
            digest.update(np.ascontiguousarray(part.images[:: max(1, len(part) // 16)]).tobytes())
        return digest.hexdigest()


def open_dataset(
    place: str | os.PathLike[str], seed: int = 0, validation: float = 0.2, size: int | None = None
) -> DataSet:
    """Read a data set and cut its validation part from the training pictures.

    Args:
        place: a folder with CIFAR-10's binary version (``data_batch_1.bin`` ... ``test_batch.bin``) or
            with MNIST's four IDX files (also ``.gz``); a folder with ``train`` and ``test`` or ``val`` in it,
            which have one folder of pictures a class; or an ``.npz`` of ``x_train``, ``y_train``, ``x_test``,
            ``y_test``, or of JPEG bytes end to end, ``jpeg_train`` cut at ``offset_train``, and so on. The
            name ``digits`` stands for the pictures that come with scikit-learn.
        seed: of the order of the training pictures, before they are cut.
        validation: its share of the training pictures.
        size: pictures of a folder are resized to it (shorter side) and cropped from the centre.

    Raises:
        DataError: there is no such data set, or it is damaged.
    """
    path = Path(place)
    try:
        name, train, test = _read(path, size)
        _check(train, test)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a data set ({_words(error)}): check the files") from error
    order = np.random.default_rng(seed).permutation(len(train))
    held = max(1, round(validation * len(train)))
    classes = int(max(train.labels.max(), test.labels.max())) + 1
    return DataSet(name, seed, validation, classes, train[order[held:]], train[order[:held]], test)


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _read(path: Path, size: int | None) -> tuple[str, Part, Part]:
    if path.suffix.lower() == ".npz" and path.is_file():
        return path.stem, *_npz(path)
    if not path.is_dir():
        if str(path) == digits.NAME:
            return digits.NAME, *_digits()
        raise DataError(f"there is no folder and no .npz at {path}: check --data")
    if (path / "test_batch.bin").is_file():
        return "cifar10", *_cifar(path)
    if (path / "data_batch_1").is_file() or (path / "test_batch").is_file():
        raise DataError(
            f"{path} holds the Python version of CIFAR-10: these are pickles, which can run code; "
            "take the binary version (cifar-10-batches-bin)"
        )
    if any(path.glob("t*-images*idx3-ubyte*")):
        return "mnist", _idx_pair(path, "train"), _idx_pair(path, "t10k")
    return path.name, *_class_folders(path, size)


def _part(images: np.ndarray, labels: np.ndarray) -> Part:
    return Part(images, labels.astype(np.int64), np.arange(len(labels)))


def _digits() -> tuple[Part, Part]:
    every = Part(*digits.read_digits())
    return every[: -digits.TEST], every[-digits.TEST :]


def _check(*parts: Part) -> None:
    for part in parts:
        if part.images.dtype != np.uint8 or part.images.ndim != 4:
            raise ValueError(
                f"pictures are uint8 (N, H, W) or (N, H, W, 3), not {part.images.dtype} {part.images.shape}"
            )
        if len(part.images) != len(part.labels) or part.labels.ndim != 1:
            raise ValueError(f"{len(part.images)} pictures with labels of shape {part.labels.shape}")
        if len(part) < 2 or part.labels.min() < 0:
            raise ValueError("there are fewer than 2 pictures, or labels below 0")
        if part.images.shape[1:] != parts[0].images.shape[1:]:
            raise ValueError(
                f"training pictures are {parts[0].images.shape[1:]}, test pictures {part.images.shape[1:]}"
            )


def _cifar(folder: Path) -> tuple[Part, Part]:
    """Records of one label byte and 3072 pixels, the planes of red, green and blue."""
    batches = sorted(folder.glob("data_batch_*.bin"))
    if not batches:
        raise ValueError("test_batch.bin is there, data_batch_1.bin is not")

    def part(files: list[Path]) -> Part:
        records = []
        for file in files:
            data = np.fromfile(plain_file(file), np.uint8)
            if not len(data) or len(data) % CIFAR_RECORD:
                raise ValueError(
                    f"{file.name} has {len(data)} bytes, no whole number of records of {CIFAR_RECORD}"
                )
            records.append(data.reshape(-1, CIFAR_RECORD))
        rows = np.concatenate(records)
        if rows[:, 0].max() > 9:
            raise ValueError(f"a label is {rows[:, 0].max()}, above 9")
        return _part(np.ascontiguousarray(rows[:, 1:]).reshape(-1, 3, 32, 32), rows[:, 0])

    return part(batches), part([folder / "test_batch.bin"])


def _idx_pair(folder: Path, prefix: str) -> Part:
    images, labels = (
        _idx(_idx_file(folder, f"{prefix}-{what}"), dimensions)
        for what, dimensions in (("images", 3), ("labels", 1))
    )
    return _part(images[:, None], labels)


def _idx_file(folder: Path, prefix: str) -> Path:
    """``train-images-idx3-ubyte``, as some unpack it ``train-images.idx3-ubyte``, or either with ``.gz``."""
    found = sorted(folder.glob(f"{prefix}[-.]idx?-ubyte*"))
    if not found:
        raise ValueError(f"there is no {prefix}-idx?-ubyte")
    return found[0]


def _idx(path: Path, dimensions: int) -> np.ndarray:
    """Two zero bytes, type 8 (unsigned bytes), number of dimensions, sizes (big-endian), values."""
    with (gzip.open if path.suffix == ".gz" else open)(plain_file(path), "rb") as file:
        data = file.read()
    header = 4 + 4 * dimensions
    if data[:4] != bytes((0, 0, 8, dimensions)) or len(data) < header:
        raise ValueError(f"{path.name} is no IDX file of {dimensions} dimensions of bytes")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    values = np.frombuffer(data, np.uint8, offset=header)
    if len(values) != np.prod(shape, dtype=object):
        raise ValueError(f"{path.name} says {shape} values and has {len(values)}")
    return values.reshape(shape)


def _npz(path: Path) -> tuple[Part, Part]:
    with np.load(path, allow_pickle=False) as arrays:
        names = set(arrays)
        read = _jpegs if "jpeg_train" in names else _pixels
        parts = []
        for which in ("train", "test"):
            if missing := {f"y_{which}"} - names:
                raise ValueError(f"it has no array {missing.pop()}, but {', '.join(sorted(names))}")
            parts.append(_part(read(arrays, which), arrays[f"y_{which}"]))
    return parts[0], parts[1]


def _pixels(arrays: Mapping[str, np.ndarray], which: str) -> np.ndarray:
    images = arrays[f"x_{which}"]
    if images.ndim == 3:
        return images[:, None]
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if images.shape[-1] in (1, 3) else images


def _jpegs(arrays: Mapping[str, np.ndarray], which: str) -> np.ndarray:
    data, offsets = arrays[f"jpeg_{which}"].tobytes(), arrays[f"offset_{which}"]
    if (
        offsets.ndim != 1
        or len(offsets) < 2
        or (np.diff(offsets) <= 0).any()
        or offsets[0] < 0
        or offsets[-1] > len(data)
    ):
        raise ValueError(f"offset_{which} does not rise from 0 to {len(data)}, the bytes of jpeg_{which}")
    return np.stack(
        [
            _decoded(io.BytesIO(data[a:b]), f"picture {i} of {which}")
            for i, (a, b) in enumerate(pairwise(offsets.tolist()))
        ]
    )


def _decoded(source: io.BytesIO | Path, what: str, size: int | None = None) -> np.ndarray:
    """RGB, uint8 (3, H, W)."""
    image = pillow()
    try:
        with image.open(source) as picture:
            rgb = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise ValueError(f"{what} is no picture: {error}") from error
    if size is not None:
        scale = size / min(rgb.size)
        rgb = rgb.resize([max(size, round(side * scale)) for side in rgb.size], image.Resampling.BILINEAR)
        left, top = ((side - size) // 2 for side in rgb.size)
        rgb = rgb.crop((left, top, left + size, top + size))
    return np.asarray(rgb).transpose(2, 0, 1)


def _class_folders(folder: Path, size: int | None) -> tuple[Part, Part]:
    """``train/CLASS/*.png`` and ``test/CLASS/*.png`` (or ``val``)."""
    held = next((folder / name for name in ("test", "val") if (folder / name).is_dir()), None)
    if held is None or not (folder / "train").is_dir():
        raise DataError(
            f"{folder} is no data set: give CIFAR-10's binary version, MNIST's IDX files, or folders train "
            "and test (or val) with one folder of pictures a class"
        )
    classes = sorted(entry.name for entry in (folder / "train").iterdir() if entry.is_dir())
    strangers = sorted({entry.name for entry in held.iterdir() if entry.is_dir()} - set(classes))
    if strangers:
        raise ValueError(f"{held.name} has a class {strangers[0]} that train has not")
    return _pictures_below(folder / "train", classes, size), _pictures_below(held, classes, size)


def _pictures_below(folder: Path, classes: list[str], size: int | None) -> Part:
    images, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted((folder / name).glob("*")):
            if file.suffix.lower() in SUFFIXES:
                images.append(_decoded(plain_file(file), str(file), size))
                labels.append(label)
    if len({image.shape for image in images}) > 1:
        raise ValueError("the pictures are of several sizes: give --size")
    if not images:
        raise ValueError(f"{folder} has no folder with pictures")
    return _part(np.stack(images), np.array(labels))
