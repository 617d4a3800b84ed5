"""Pictures from local files: folders, IDX, CIFAR's binary version, .npy, .npz. No file's code is run."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from hwsim.errors import CaptureError, HwsimError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm"})
IDX_BYTES, IDX_PICTURES = 0x08, (3, 4)  # type and dimensions in the magic number, yann.lecun.com/exdb/mnist
CIFAR_PIXELS = 3 * 32 * 32
CIFAR_LABELS = {1: "CIFAR-10", 2: "CIFAR-100"}  # bytes before the pixels of a record


@dataclass(frozen=True)
class RawPictures:
    """Pictures as they are stored: uint8, or floats that are taken as they are.

    Attributes:
        title: the path, for messages and provenance.
        kind: of the source.
        names: of every picture.
        read: the array of one, (C, H, W).
    """

    title: str
    kind: str
    names: Sequence[str]
    read: Callable[[int], np.ndarray]

    def __len__(self) -> int:
        return len(self.names)


def open_pictures(place: str | os.PathLike[str]) -> RawPictures:
    """Pictures of a path.

    A folder: all pictures below it, in the order of their paths (Pillow reads them). A file: a picture,
    MNIST's IDX (also ``.gz``), CIFAR-10's or CIFAR-100's binary version (``.bin``), ``.npy``, or ``.npz``,
    where ``FILE.npz#NAME`` names the array if there are several. Arrays are (N, C, H, W),
    (N, H, W, C) with 1 or 3 channels, or (N, H, W).

    Raises:
        CaptureError: there is nothing that could be read as pictures.
    """
    title = os.fspath(place)
    file, _, array = title.partition("#") if ".npz#" in title else (title, "", "")
    path = Path(file)
    if path.is_dir():
        return _folder(path)
    if not path.is_file():
        raise CaptureError(f"there is nothing at {path}: check the path of the pictures")
    try:
        return _file(path, array)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise CaptureError(f"{path} cannot be read as pictures ({error}): check the file") from error


def _file(path: Path, array: str) -> RawPictures:
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return RawPictures(str(path), "picture", [path.name], lambda _: _open_picture(path))
    if suffix == ".npy":
        return _array(str(path), path.stem, np.load(path, mmap_mode="r", allow_pickle=False))
    if suffix == ".npz":
        return _npz(path, array)
    if suffix == ".bin":
        return _cifar(path)
    with (gzip.open if suffix == ".gz" else open)(path, "rb") as file:
        start = file.read(4)
        if start[:2] == b"\0\0":
            return _idx(path, start + file.read())
    if start[:1] == b"\x80":
        raise ValueError("it is a pickle, which can run code: take the binary version of the data set")
    raise ValueError(f"give a folder, {', '.join(sorted(SUFFIXES))}, IDX, .bin of CIFAR, .npy or .npz")


def _folder(folder: Path) -> RawPictures:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        packed = sorted(path.name for path in folder.glob("*.bin"))
        advice = f"give one of its files: {', '.join(packed)}" if packed else "give another folder"
        raise CaptureError(f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}): {advice}")
    names = [path.relative_to(folder).as_posix() for path in files]
    return RawPictures(str(folder), "folder", names, lambda number: _open_picture(files[number]))


def _open_picture(path: Path) -> np.ndarray:
    """RGB or grey, uint8 (C, H, W)."""
    image = pillow()
    try:
        with image.open(path) as picture:
            grey = picture.mode in ("1", "L")
            pixels = np.asarray(picture.convert("L" if grey else "RGB"))
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise CaptureError(f"{path} cannot be read as a picture ({error}): check the file") from error
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def pillow() -> ModuleType:
    """Its module ``Image``.

    Raises:
        HwsimError: it is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as missing:
        raise HwsimError(
            "picture files, and --size, need Pillow, which is not installed: pip install 'hwsim[train]'"
        ) from missing
    return Image


def _idx(path: Path, data: bytes) -> RawPictures:
    """The format of MNIST: two zero bytes, type, number of dimensions, sizes (big-endian), pixels."""
    if len(data) < 4 or data[2] != IDX_BYTES:
        raise ValueError("an IDX file of unsigned bytes is read, no other type")
    dimensions = data[3]
    if dimensions not in IDX_PICTURES:
        what = "labels" if dimensions == 1 else f"arrays of {dimensions} dimensions"
        raise ValueError(f"the IDX file holds {what}, not pictures")
    if len(data) < 4 + 4 * dimensions:
        raise ValueError("the IDX file ends in its header")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, 4))
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions)
    if len(pixels) != np.prod(shape, dtype=object):
        raise ValueError(f"the IDX file says {shape} pixels and has {len(pixels)}")
    return _array(str(path), path.stem, pixels.reshape(shape), "IDX")


def _cifar(path: Path) -> RawPictures:
    """Records of one label byte (CIFAR-100: two) and 3072 pixels, the planes of red, green and blue."""
    size = path.stat().st_size
    for labels, kind in CIFAR_LABELS.items():
        record = labels + CIFAR_PIXELS
        if size and size % record == 0:
            records = np.memmap(path, np.uint8, "r").reshape(-1, record)
            return _array(str(path), path.stem, records[:, labels:].reshape(-1, 3, 32, 32), kind)
    raise ValueError(f"{size} bytes are no whole number of CIFAR's records of {1 + CIFAR_PIXELS} bytes")


def _npz(path: Path, name: str) -> RawPictures:
    with np.load(path, allow_pickle=False) as arrays:
        if name and name not in arrays:
            raise ValueError(f"it has no array {name}, but {', '.join(arrays)}")
        shapes = {known: _shape_in_zip(path, known) for known in ([name] if name else arrays)}
        chosen = [known for known, shape in shapes.items() if len(shape) in (3, 4)]
        if len(chosen) != 1:
            found = ", ".join(f"{known} {shape}" for known, shape in shapes.items())
            raise ValueError(f"name the array of pictures as {path.name}#NAME; it has {found}")
        return _array(f"{path}#{chosen[0]}", chosen[0], arrays[chosen[0]])


def _shape_in_zip(path: Path, name: str) -> tuple[int, ...]:
    """Of an array of an .npz, from its header alone."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        return read(file)[0]


def _array(title: str, name: str, pixels: np.ndarray, kind: str = "array") -> RawPictures:
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise ValueError(f"pictures are of uint8 or floats, not {pixels.dtype}")
    if pixels.ndim not in (3, 4) or not pixels.size:
        raise ValueError(f"pictures are (N, C, H, W), (N, H, W, C) or (N, H, W), not {pixels.shape}")
    last = pixels.ndim == 4 and pixels.shape[3] in (1, 3) and pixels.shape[1] not in (1, 3)

    def read(number: int) -> np.ndarray:
        picture = np.asarray(pixels[number])
        return picture.transpose(2, 0, 1) if last else picture.reshape(-1, *picture.shape[-2:])

    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return RawPictures(title, kind, [f"{name}[{number}]" for number in range(len(pixels))], read)
