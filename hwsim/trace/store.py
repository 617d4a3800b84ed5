"""Where a trace lies, and what is said when it cannot be read or written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hwsim.errors import TraceError, one_line

ROOT = "zarr.json"
COPY_AGAIN = "copy or capture the trace again"
CHECK_PLACE = "check the path or URL, its permissions and free space"


@contextmanager
def trouble(title: str, what: str, advice: str = COPY_AGAIN) -> Iterator[None]:
    """Turn whatever a codec or a file system raises for bad data into one line.

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


def local_path(place: str | os.PathLike[str]) -> Path | None:
    """The path of a trace in the local file system; None for a URL of another kind."""
    text = os.fspath(place)
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return None if "://" in text or "::" in text else Path(text)
