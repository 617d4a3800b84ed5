"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A file that gets its name by one renaming, once the block has written it.

    Yields:
        The path to write to: ``NAME.partial`` beside it, or the path itself if it is no plain file, as
        ``/dev/stdout``.

    Raises:
        OSError: it cannot be renamed; what an error leaves unfinished is removed.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
