"""Classes of pictures from local files: CSV, IDX, ``.npy``, ``.npz``. No file's code is run."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hwsim.errors import CaptureError

IDX_LABELS = b"\0\0\x08\x01"  # unsigned bytes, one dimension: yann.lecun.com/exdb/mnist
IDX_HEADER = 8


def open_labels(place: str | os.PathLike[str], names: Sequence[str]) -> np.ndarray:
    """The classes of pictures, int64, in the order of their names.

    A CSV file has a header; its first column is a picture's path below the folder, its second one the class.
    IDX (also ``.gz``), ``.npy`` and ``.npz`` (``FILE.npz#NAME``) hold the classes in the pictures' order.

    Raises:
        CaptureError: there is no such file, it cannot be read as labels, or lacks that of a picture.
    """
    title = os.fspath(place)
    file, _, array = title.partition("#") if ".npz#" in title else (title, "", "")
    path = Path(file)
    if not path.is_file():
        raise CaptureError(f"there is no file {path}: check the path of the labels")
    try:
        if path.suffix.lower() == ".csv":
            return _csv(path, names)
        labels = np.asarray(_array(path, array))
    except (OSError, ValueError, EOFError, KeyError, csv.Error) as error:
        raise CaptureError(f"{path} cannot be read as labels ({error}): check the file") from error
    if labels.ndim != 1 or labels.dtype.kind not in "ui" or len(labels) != len(names):
        raise CaptureError(
            f"{path} holds {labels.dtype} {labels.shape}, not one whole number for each of the "
            f"{len(names)} pictures: give their labels"
        )
    return labels.astype(np.int64)


def _csv(path: Path, names: Sequence[str]) -> np.ndarray:
    with path.open(newline="", encoding="utf-8") as file:
        known = {row[0]: int(row[1]) for row in list(csv.reader(file))[1:] if len(row) > 1}
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"it lacks {len(missing)} of {len(names)} pictures, {missing[0]} first")
    return np.array([known[name] for name in names], np.int64)


def _array(path: Path, name: str) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            if not name and len(arrays.files) != 1:
                raise ValueError(f"name the array as {path.name}#NAME; it has {', '.join(arrays)}")
            return arrays[name or arrays.files[0]]
    with (gzip.open if path.suffix.lower() == ".gz" else open)(path, "rb") as file:
        data = file.read()
    if data[:4] != IDX_LABELS:
        raise ValueError("give .csv, IDX labels, .npy or .npz")
    labels = np.frombuffer(data, np.uint8, offset=IDX_HEADER)
    if len(labels) != int.from_bytes(data[4:IDX_HEADER], "big"):
        raise ValueError("the number of labels is not what the file says")
    return labels
