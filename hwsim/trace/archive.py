"""A folder as a zip file whose bytes depend on nothing but the files' names and contents."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from pathlib import Path

from numcodecs.zstd import Zstd

from hwsim.files import whole_file

SMALLEST = 22  # Zstandard's highest level
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold


def zip_folder(folder: str | os.PathLike[str], place: str | os.PathLike[str], deflate: bool = False) -> None:
    """Store all files of a folder, in the order of their names, with a fixed date.

    Args:
        folder: for example a trace.
        place: the zip file; it is replaced only once the new one is complete.
        deflate: compress the files, which the metadata of many small arrays is worth.
    """
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    folder, place = Path(folder), Path(place)
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with whole_file(place) as partial, zipfile.ZipFile(partial, "w", method) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, a plain file
            archive.writestr(entry, path.read_bytes(), method, compresslevel=9)


def pack(folder: str | os.PathLike[str], place: str | os.PathLike[str]) -> None:
    """A trace as a small zip file: Zstandard's slowest level for the writer's fast one, metadata deflated.

    Args:
        folder: the trace, sealed; what is packed is read as it is, and has the same seal.
        place: the zip file; it is replaced only once the new one is complete.
    """
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "packed.zarr"
        shutil.copytree(folder, target)
        for path in target.rglob("c/**/*"):
            if path.is_file():
                path.write_bytes(Zstd(SMALLEST).encode(Zstd().decode(path.read_bytes())))
        zip_folder(target, place, deflate=True)
