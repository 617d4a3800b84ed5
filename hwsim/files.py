"""Files that are there whole or not at all, and files of other people, read with a bound."""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEXT_BYTES = 16 << 20
TOML_BYTES = 1 << 16
TOML_DOTS = 100  # of a line; reading a dotted key takes the square of its length


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


def plain_file(path: str | os.PathLike[str]) -> Path:
    """The path of a file that has an end: a file or a link to one, but no pipe, device or folder.

    A pipe that nobody writes to would be waited for without end, and a device may never end.

    Raises:
        OSError: it is another thing, or is not there.
    """
    path = Path(path)
    if not path.is_file():
        mode = path.stat().st_mode  # which says so of one that is missing
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "Is a pipe or a device, not a file", str(path))
    return path


def read_text(path: str | os.PathLike[str], most: int = TEXT_BYTES) -> str:
    """A text in UTF-8, with or without a byte order mark.

    Raises:
        OSError: it cannot be read, or is no :func:`plain_file`.
        ValueError: it has more than ``most`` bytes, or is no such text.
    """
    with plain_file(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"not a text file in UTF-8, at byte {error.start}") from None


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A TOML document.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large or too deep, or no TOML.
    """
    text = read_text(path, TOML_BYTES)
    for number, line in enumerate(text.splitlines(), 1):
        if line.count(".") > TOML_DOTS:
            raise ValueError(f"line {number} has more than {TOML_DOTS} dots: break it")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("not TOML: brackets within brackets, too deep") from None
    except ValueError as error:
        raise ValueError(f"not TOML: {error}") from None


def csv_cell(text: str) -> str:
    """A text as a cell of CSV that no spreadsheet takes for a formula.

    An apostrophe goes before one that begins with ``=``, ``+``, ``-`` or ``@``, in any width, spaces or none
    before it, or with a tab or a line's end. It goes before what would be one behind a semicolon or a tab,
    too, since some spreadsheets take these for the end of a cell (OWASP, *CSV Injection*).
    """
    return "".join(_no_formula(part) for part in re.split("(?<=[;\t])", text))


def _no_formula(text: str) -> str:
    first = unicodedata.normalize("NFKC", text.lstrip(" ")[:1])
    return f"'{text}" if first and first in "=+-@\t\r\n" else text
