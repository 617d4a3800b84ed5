"""A place to write a trace to; what is there before it is sealed is no trace.

A local trace grows in a folder ``NAME.partial`` beside its own name. All that sealing needs lies in there:

    NAME.partial/journal.jsonl   what is there so far (hwsim.trace.journal)
    NAME.partial/trace/          the trace; its root metadata is written last
    NAME.partial/trace.zip       the same as a file, if it is to be one
    NAME.partial/old             the trace that is being replaced, for a moment

The trace gets its name by one renaming, so a process may be killed at any moment: what has the name is whole,
and what has not can be taken up again.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Literal

from hwsim.errors import TraceError
from hwsim.trace import journal
from hwsim.trace.archive import zip_folder
from hwsim.trace.journal import Journal, Overshoot
from hwsim.trace.source import Folder
from hwsim.trace.store import CHECK_PLACE, ROOT, local_path, trouble

Unfinished = Literal["discard", "keep", "resume"]


def target(
    place: str | os.PathLike[str],
    digest: str,
    overwrite: bool,
    unfinished: Unfinished,
    is_same: Callable[[Path], bool],
) -> LocalTarget | RemoteTarget:
    """Begin to write at a place.

    Args:
        place: folder, ``.zip`` file or fsspec URL.
        digest: of the header; only a trace that was begun with the same one is gone on with.
        overwrite: whether a trace that is there is replaced.
        unfinished: see :class:`hwsim.trace.TraceWriter`.
        is_same: whether a trace that is there is the one that is to be written; asked when resuming.

    Raises:
        TraceError: something is there already and ``overwrite`` is not set, or it is not a trace; or a trace
            that is not local is to be kept unfinished.
    """
    title, path = os.fspath(place), local_path(place)
    with trouble(title, "writing", CHECK_PLACE):
        if path is not None:
            return LocalTarget(title, path, digest, overwrite, unfinished, is_same)
        if unfinished != "discard":
            raise TraceError(
                f"{title}: only a local trace can be taken up again: write it there, then copy it"
            )
        return RemoteTarget(title, overwrite)


class LocalTarget:
    """A folder or a zip file of the local file system.

    Attributes:
        finished: the trace has its name already, nothing is left to be written.
    """

    def __init__(
        self,
        title: str,
        path: Path,
        digest: str,
        overwrite: bool,
        unfinished: Unfinished,
        is_same: Callable[[Path], bool],
    ) -> None:
        self._title, self._path = title, path
        self._keeps, resumes = unfinished != "discard", unfinished == "resume"
        self._partial = path.with_name(f"{path.name}.partial")
        there = self._partial.exists()
        if there:
            self._see_that_it_is_ours()
        elif path.exists() and not overwrite and not resumes:
            raise self._taken()
        else:
            self._partial.mkdir(parents=True)
        self._journal = Journal(self._partial)
        try:
            self._roll_back()
            self.finished = resumes and path.exists() and is_same(path)
            if not self.finished:
                self._see_that_it_may_be_written(overwrite, there and not resumes)
            self._ours = self._journal.take_up(digest)
            if not self._ours and not self.finished:
                raise TraceError(
                    f"{self._partial} is of another capture (network, pictures, options or version): "
                    "remove it, or give the options it was begun with"
                )
        except BaseException:
            if not there:
                self._remove_partial()
            self._journal.close()
            raise

    def _see_that_it_is_ours(self) -> None:
        names = [path.name for path in self._partial.iterdir()] if self._partial.is_dir() else [""]
        if names and journal.NAME not in names:
            raise TraceError(
                f"{self._partial} exists and is no unfinished trace, it is left alone: give another name"
            )

    def _see_that_it_may_be_written(self, overwrite: bool, in_the_way: bool) -> None:
        if self._path.exists():
            if not overwrite:
                raise self._taken()
            if not (self._path / ROOT).is_file() and not zipfile.is_zipfile(self._path):
                raise TraceError(
                    f"{self._title} exists and is not a trace, it is left alone: give another name"
                )
        if in_the_way:
            if not overwrite:
                raise TraceError(
                    f"{self._partial} exists, a capture was interrupted: resume it, remove it or overwrite it"
                )
            self._journal.clear()
            self._empty_partial()

    def _taken(self) -> TraceError:
        return TraceError(f"{self._title} exists: remove it, give another name or overwrite it")

    @property
    def images(self) -> Mapping[int, Mapping[str, int]]:
        """Of an earlier writing: by image that is whole, the CRC-32 of each of its maps."""
        return self._journal.images

    @property
    def clamped(self) -> Mapping[int, Mapping[str, Overshoot]]:
        """Of an earlier writing: by image that is whole, what was clamped in its maps."""
        return self._journal.clamped

    def add(self, image: int, crcs: Mapping[str, int], clamped: Mapping[str, Overshoot]) -> None:
        """Note that all maps of an image are there."""
        self._journal.add(image, crcs, clamped)

    def write(self, key: str, data: bytes) -> None:
        """Write a file of the trace."""
        path = self._partial / "trace" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def read(self, key: str, most: int) -> bytes | None:
        """A file of the trace, None if it is not there."""
        return Folder(self._partial / "trace").read(key, most)

    def keep(self, keys: Set[str]) -> None:
        """Remove all files of the trace but these."""
        trace = self._partial / "trace"
        for path in sorted(trace.rglob("*"), reverse=True):  # what is in a folder before the folder
            if path.is_dir():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path.relative_to(trace).as_posix() not in keys:
                path.unlink()

    def commit(self) -> None:
        """Give a trace that is whole its name."""
        with trouble(self._title, "renaming", CHECK_PLACE):
            if not self.finished:
                whole, old = self._whole, self._partial / "old"
                if whole.suffix:
                    zip_folder(self._partial / "trace", whole)
                if self._path.is_dir() or (self._path.exists() and whole.is_dir()):
                    _remove(old)
                    self._path.rename(old)
                whole.replace(self._path)
            if self._ours:
                self._remove_partial()
            self._journal.close()

    def abort(self) -> None:
        """Remove what was written, or leave it to be taken up again."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._roll_back()
            if not self._keeps or (self.finished and self._ours):
                self._remove_partial()
            self._journal.close()

    @property
    def _whole(self) -> Path:
        return self._partial / ("trace.zip" if self._path.suffix.lower() == ".zip" else "trace")

    def _roll_back(self) -> None:
        """Give the old trace its name back if a replacement was interrupted between its two renamings."""
        old = self._partial / "old"
        if old.exists() and self._whole.exists() and not self._path.exists():
            old.rename(self._path)

    def _empty_partial(self) -> None:
        for path in self._partial.iterdir():
            if path.name != journal.NAME:
                _remove(path)

    def _remove_partial(self) -> None:
        """The journal last: as long as anything is there, it says whose it is."""
        self._empty_partial()
        _remove(self._partial / journal.NAME)
        self._journal.close()
        self._partial.rmdir()


class RemoteTarget:
    """A folder at an fsspec URL; the root metadata, written last, makes a trace of it."""

    finished = False
    images: Mapping[int, Mapping[str, int]] = {}
    clamped: Mapping[int, Mapping[str, Overshoot]] = {}

    def __init__(self, title: str, overwrite: bool) -> None:
        import fsspec

        if title.endswith(".zip") or "::" in title:
            raise TraceError(f"{title}: a zip file is written to a local path: write it there, then copy it")
        self._fs, self._root = fsspec.url_to_fs(title)
        if self._there(""):
            if not overwrite:
                raise TraceError(f"{title} exists: remove it, give another name or overwrite it")
            if not self._there(ROOT) and not self._there(f"maps/{ROOT}"):
                raise TraceError(f"{title} exists and is not a trace, it is left alone: give another name")
            if self._there(ROOT):
                self._fs.rm_file(f"{self._root}/{ROOT}")  # first, so that what is left of it is no trace
            self._fs.rm(self._root, recursive=True)

    def _there(self, key: str) -> bool:
        return bool(self._fs.exists(f"{self._root}/{key}".rstrip("/")))

    def write(self, key: str, data: bytes) -> None:
        """Write a file of the trace."""
        path = f"{self._root}/{key}"
        try:
            self._fs.pipe_file(path, data)
        except FileNotFoundError:  # a file system whose folders must be made first
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(path, data)

    def read(self, key: str, most: int) -> bytes | None:
        """Nothing that was there is kept."""
        return None

    def add(self, image: int, crcs: Mapping[str, int], clamped: Mapping[str, Overshoot]) -> None:
        """What is not local cannot be taken up again."""

    def keep(self, keys: Set[str]) -> None:
        """There is nothing but what this writing writes."""

    def commit(self) -> None:
        """The trace has its name already."""

    def abort(self) -> None:
        """Remove what was written."""
        with suppress(Exception):  # the error that led here is the one to tell
            self._fs.rm(self._root, recursive=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
