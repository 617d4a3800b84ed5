"""A folder as a zip file whose bytes depend on nothing but the files' names and contents."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip file can hold


def zip_folder(folder: str | os.PathLike[str], place: str | os.PathLike[str]) -> None:
    """Store all files of a folder, in the order of their names, uncompressed and with a fixed date.

    Args:
        folder: for example a trace.
        place: the zip file; it is replaced only once the new one is complete.
    """
    folder, place = Path(folder), Path(place)
    partial = place.with_name(f"{place.name}.partial")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, a plain file
            archive.writestr(entry, path.read_bytes())
    partial.replace(place)
