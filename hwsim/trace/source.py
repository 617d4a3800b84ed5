"""The files of a trace, read with a bound each: from a folder, a zip file or an fsspec URL.

A trace may come from a stranger. A file is read only if it is a plain one: no link, which could lead out of
the trace, and nothing that never ends (a device) or never begins (a pipe).
"""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path
from typing import IO, Any, Protocol

from hwsim.errors import TraceError
from hwsim.trace.store import CHECK_PLACE, COPY_AGAIN, local_path, trouble

DIRECTORY_BYTES = 8 << 20  # of a zip file
ENTRY_BYTES = 46  # in it, of a file, and its name
_PIECE = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Source(Protocol):
    """Where a trace is read from."""

    def read(self, key: str, most: int) -> bytes | None:
        """A file's bytes, None if it is not there.

        Raises:
            ValueError: it has more than ``most`` bytes, or is no plain file.
        """
        ...

    def close(self) -> None:
        """Close the file or connection."""
        ...


def open_source(place: str | os.PathLike[str]) -> Source:
    """Open a place for reading.

    Raises:
        TraceError: there is nothing, or nothing that could be a trace.
    """
    title, path = os.fspath(place), local_path(place)
    with trouble(title, "opening", CHECK_PLACE):
        if path is None:
            return _remote(title)
        if path.is_dir():
            return Folder(path)
        if not path.is_file():
            hint = "check the path; 'hwsim traces' lists the shipped ones"
            if path.with_name(f"{path.name}.partial").is_dir():
                hint = "its capture was interrupted: go on with it by --resume"
            raise TraceError(f"there is no trace at {title}: {hint}")
        return _Zip(path.open("rb"), title)


class Folder:
    """A folder of the local file system."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._plain: set[str] = set()  # folders in it that are no links

    def read(self, key: str, most: int) -> bytes | None:
        names = key.split("/")
        for depth in range(1, len(names)):
            folder = "/".join(names[:depth])
            if folder not in self._plain:
                if (self._path / folder).is_symlink():
                    raise ValueError(f"{folder} is a link")
                self._plain.add(folder)
        try:
            if not stat.S_ISREG(os.lstat(self._path / key).st_mode):
                raise ValueError(f"{key} is no plain file")
            with (self._path / key).open("rb") as opened:
                return _bounded(opened, key, most)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        pass


class _Zip:
    def __init__(self, file: IO[bytes], title: str) -> None:
        self._file = file
        try:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                if file.read(2) == b"PK":
                    raise TraceError(f"{title} is a truncated zip file: {COPY_AGAIN}")
                raise TraceError(f"{title} is neither a folder nor a zip file: give the path of a trace")
            self._archive = zipfile.ZipFile(_InPieces(file))
            if len(self._archive.NameToInfo) < len(self._archive.filelist):
                raise TraceError(f"{title} has two files of one name: {COPY_AGAIN}")
        except BaseException:
            file.close()
            raise

    def read(self, key: str, most: int) -> bytes | None:
        member = self._archive.NameToInfo.get(key)
        if member is None:
            return None
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.compress_type not in _METHODS or member.flag_bits & 1:
            raise ValueError(f"{key} is no plain file, stored or deflated")
        if member.file_size > most:
            raise ValueError(f"{key} has {member.file_size} bytes, {most} are the most it may have")
        with self._archive.open(member) as opened:
            return _bounded(opened, key, most)

    def close(self) -> None:
        self._archive.close()
        self._file.close()


class _InPieces:
    """A file that gives so many bytes at a time: ``zipfile`` reads the directory of a zip file at once, and
    makes an object of every few bytes of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(min(size, DIRECTORY_BYTES + 1) if size >= 0 else DIRECTORY_BYTES + 1)
        if len(data) > DIRECTORY_BYTES:
            raise ValueError(f"its directory has more than {DIRECTORY_BYTES} bytes")
        return data


class _Remote:
    def __init__(self, files: Any, root: str) -> None:
        self._files, self._root = files, root

    def read(self, key: str, most: int) -> bytes | None:
        try:
            with self._files.open(f"{self._root}/{key}", "rb") as opened:
                return _bounded(opened, key, most)
        except FileNotFoundError:
            return None

    def close(self) -> None:
        pass


def _remote(url: str) -> Source:
    import fsspec

    if url.startswith("zip::") or (url.endswith(".zip") and "::" not in url):
        inner = url.removeprefix("zip::")
        try:
            return _Zip(fsspec.open(inner, "rb").open(), url)
        except FileNotFoundError:
            raise TraceError(f"there is no trace at {url}: check the URL") from None
    return _Remote(*fsspec.url_to_fs(url))


def _bounded(file: IO[bytes], key: str, most: int) -> bytes:
    pieces, size = [], 0
    while piece := file.read(min(_PIECE, most + 1 - size)):
        pieces.append(piece)
        size += len(piece)
        if size > most:
            raise ValueError(f"{key} has more than {most} bytes, the most it may have")
    return b"".join(pieces)
