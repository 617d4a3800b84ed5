"""Where a trace lies: a folder, a zip file or an fsspec URL, as a Zarr store."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import TraceError

if TYPE_CHECKING:
    from zarr.abc.store import Store

ROOT = "zarr.json"


@contextmanager
def trouble(title: str, what: str) -> Iterator[None]:
    """Turn whatever Zarr, its codecs or a file system raise for bad data into one line.

    Raises:
        TraceError: in place of any other exception.
    """
    try:
        yield
    except TraceError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise TraceError(f"{title}: {what} failed ({reason}): copy or capture the trace again") from error


def local_path(place: str | os.PathLike[str]) -> Path | None:
    """The path of a trace in the local file system; None for a URL of another kind."""
    text = os.fspath(place)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return None if "://" in text or "::" in text else Path(text)


def open_store(place: str | os.PathLike[str]) -> Store:
    """Open a trace's store for reading.

    Raises:
        TraceError: there is nothing, or nothing that could be a trace.
    """
    from zarr.storage import FsspecStore, LocalStore

    title, path = os.fspath(place), local_path(place)
    if path is None:
        with trouble(title, "opening the URL"):
            url = f"zip::{title}" if title.endswith(".zip") and "::" not in title else title
            return FsspecStore.from_url(url, read_only=True)
    if path.is_dir():
        return LocalStore(path, read_only=True)
    if not path.exists():
        raise TraceError(f"there is no trace at {title}: check the path")
    return _open_zip(path, title)


def _open_zip(path: Path, title: str) -> Store:
    from zarr.storage import ZipStore

    try:
        store = ZipStore(path, mode="r")
        store._sync_open()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        with suppress(OSError), path.open("rb") as file:
            if file.read(2) == b"PK":
                raise TraceError(
                    f"{title} is a truncated or damaged zip file: copy or capture it again"
                ) from None
        raise TraceError(f"{title} is not a trace (neither a folder nor a zip file): give a trace") from None
    return store


def read(store: Store, key: str) -> bytes | None:
    """A key's bytes, None if it is not there."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    buffer = sync(store.get(key, default_buffer_prototype()))
    return None if buffer is None else buffer.to_bytes()


def write(store: Store, key: str, data: bytes) -> None:
    """Set a key's bytes."""
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    sync(store.set(key, default_buffer_prototype().buffer.from_bytes(data)))


class Target:
    """A place to write a trace to; what is there before :meth:`commit` is no trace.

    A folder or zip file grows under the name ``NAME.partial`` beside its own and is renamed in the end.

    Attributes:
        store: the Zarr store to fill.

    Raises:
        TraceError: something is there already and ``overwrite`` is not set, or it is not a trace.
    """

    def __init__(self, place: str | os.PathLike[str], overwrite: bool) -> None:
        self.title = os.fspath(place)
        self.path = local_path(place)
        with trouble(self.title, "writing"):
            self.store = self._begin_remote(overwrite) if self.path is None else self._begin_local(overwrite)

    def _begin_remote(self, overwrite: bool) -> Store:
        from zarr.core.sync import sync
        from zarr.storage import FsspecStore

        if self.title.endswith(".zip") or "::" in self.title:
            raise TraceError(
                f"{self.title}: a zip file is written to a local path: write it there, then copy it"
            )
        store = FsspecStore.from_url(self.title)
        if not sync(store.is_empty("")):
            if not overwrite:
                raise TraceError(f"{self.title} exists: remove it, give another name or overwrite it")
            if read(store, ROOT) is None and read(store, f"maps/{ROOT}") is None:
                raise TraceError(
                    f"{self.title} exists and is not a trace, it is left alone: give another name"
                )
            sync(store.clear())
        return store

    def _begin_local(self, overwrite: bool) -> Store:
        from zarr.storage import LocalStore, ZipStore

        assert self.path is not None
        if self.path.exists():
            if not overwrite:
                raise TraceError(f"{self.title} exists: remove it, give another name or overwrite it")
            if not (self.path / ROOT).is_file() and not zipfile.is_zipfile(self.path):
                raise TraceError(
                    f"{self.title} exists and is not a trace, it is left alone: give another name"
                )
        if self.partial.exists():
            if not overwrite:
                raise TraceError(
                    f"{self.partial} exists, another capture is under way or was interrupted: "
                    "remove it or overwrite it"
                )
            _remove(self.partial)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.suffix.lower() == ".zip":
            return ZipStore(self.partial, mode="x")
        self.partial.mkdir()
        return LocalStore(self.partial)

    @property
    def partial(self) -> Path:
        """Where a local trace grows."""
        assert self.path is not None
        return self.path.with_name(f"{self.path.name}.partial")

    def commit(self) -> None:
        """Give a finished trace its name."""
        self.store.close()
        if self.path is None:
            return
        with trouble(self.title, "renaming"):
            old = self.path.with_name(f"{self.path.name}.old")
            if self.path.exists():
                self.path.rename(old)
            self.partial.rename(self.path)
            _remove(old)

    def abort(self) -> None:
        """Remove what was written."""
        from zarr.core.sync import sync

        with suppress(Exception):  # the error that led here is the one to tell
            if self.path is None:
                sync(self.store.clear())
            self.store.close()
            if self.path is not None:
                _remove(self.partial)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
