"""Where a trace lies: a folder, a zip file or an fsspec URL, as a Zarr store."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hwsim.errors import TraceError
from hwsim.trace.archive import zip_folder

if TYPE_CHECKING:
    from zarr.abc.store import Store

ROOT = "zarr.json"
Unfinished = Literal["discard", "keep", "resume"]
COPY_AGAIN = "copy or capture the trace again"
CHECK_PLACE = "check the path or URL, its permissions and free space"


@contextmanager
def trouble(title: str, what: str, advice: str = COPY_AGAIN) -> Iterator[None]:
    """Turn whatever Zarr, its codecs or a file system raise for bad data into one line.

    Raises:
        TraceError: in place of any other exception.
    """
    try:
        yield
    except TraceError:
        raise
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}")
        raise TraceError(f"{title}: {what} failed ({reason}): {advice}") from error


def one_line(text: object) -> str:
    """Printable text for a message, of whatever a damaged file holds."""
    words = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else "?" for letter in words[:200])


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
    from zarr.core.sync import sync
    from zarr.storage import FsspecStore, LocalStore, ZipStore

    title, path = os.fspath(place), local_path(place)
    with trouble(title, "opening", CHECK_PLACE):
        if path is None:
            url = f"zip::{title}" if title.endswith(".zip") and "::" not in title else title
            return FsspecStore.from_url(url, read_only=True)
        if path.is_dir():
            return LocalStore(path, read_only=True)
        if not path.is_file():
            raise TraceError(f"there is no trace at {title}: check the path")
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                if file.read(2) == b"PK":
                    raise TraceError(f"{title} is a truncated zip file: copy or capture the trace again")
            raise TraceError(f"{title} is neither a folder nor a zip file: give the path of a trace")
        return sync(ZipStore.open(path, mode="r"))


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

    A folder or zip file grows under the name ``NAME.partial`` beside its own and is renamed in the end. What
    may be taken up again grows as a folder, and is zipped in the end.

    Attributes:
        store: the Zarr store to fill.
        resumed: it goes on from what was there.

    Raises:
        TraceError: something is there already and ``overwrite`` is not set, or it is not a trace; or a trace
            that is not local is to be kept unfinished.
    """

    def __init__(
        self, place: str | os.PathLike[str], overwrite: bool, unfinished: Unfinished = "discard"
    ) -> None:
        self.title = os.fspath(place)
        self.path = local_path(place)
        self.resumed = False
        self._unfinished = unfinished
        if self.path is None and unfinished != "discard":
            raise TraceError(
                f"{self.title}: only a local trace can be taken up again: write it there, then copy it"
            )
        with trouble(self.title, "writing", CHECK_PLACE):
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
            sync(store.delete(ROOT))  # first, so that what is left of it, if we stop here, is no trace
            _remove_remote(store)
        return store

    def _begin_local(self, overwrite: bool) -> Store:
        from zarr.core.sync import sync
        from zarr.storage import LocalStore, ZipStore

        assert self.path is not None
        if self.path.exists():
            if not overwrite:
                raise TraceError(f"{self.title} exists: remove it, give another name or overwrite it")
            if not (self.path / ROOT).is_file() and not zipfile.is_zipfile(self.path):
                raise TraceError(
                    f"{self.title} exists and is not a trace, it is left alone: give another name"
                )
        if self.partial.is_dir() and self._unfinished == "resume":
            self.resumed = True
            return LocalStore(self.partial)
        if self.partial.exists():
            if not overwrite:
                raise TraceError(
                    f"{self.partial} exists, another capture is under way or was interrupted: "
                    "resume it, remove it or overwrite it"
                )
            _remove(self.partial)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.zipped and self._unfinished == "discard":
            return sync(ZipStore.open(self.partial, mode="x"))
        self.partial.mkdir()
        return LocalStore(self.partial)

    @property
    def zipped(self) -> bool:
        """Whether the trace is to be a zip file."""
        return self.path is not None and self.path.suffix.lower() == ".zip"

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
        with trouble(self.title, "renaming", CHECK_PLACE):
            if self.zipped and self.partial.is_dir():
                whole = self.path.with_name(f"{self.path.name}.whole")
                zip_folder(self.partial, whole)
                _remove(self.partial)
                whole.replace(self.partial)
            old = self.path.with_name(f"{self.path.name}.old")
            if self.path.exists() and (self.path.is_dir() or self.partial.is_dir()):
                _remove(old)
                self.path.rename(old)
            self.partial.replace(self.path)
            _remove(old)

    def abort(self) -> None:
        """Remove what was written, or leave it to be taken up again."""
        with suppress(Exception):  # the error that led here is the one to tell
            if self._unfinished != "discard":
                self.store.close()
                return
            if self.path is None:
                _remove_remote(self.store)
            self.store.close()
            if self.path is not None:
                _remove(self.partial)


def _remove_remote(store: Store) -> None:
    """Remove all that lies below a store's URL. (``FsspecStore.clear`` stops at the first nested folder.)"""
    from zarr.core.sync import sync
    from zarr.storage import FsspecStore

    assert isinstance(store, FsspecStore)
    sync(store.fs._rm(store.path, recursive=True))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
