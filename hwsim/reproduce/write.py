"""The files of ``hwsim reproduce``."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from hwsim.report.write import write_files
from hwsim.reproduce.entry import Entry, to_json
from hwsim.reproduce.markdown import markdown
from hwsim.reproduce.plots import layer_plots

LIBRARIES = ("hwsim", "numpy", "torch", "onnxruntime")


def write_tables(entries: Sequence[Entry], folder: str | os.PathLike[str]) -> list[Path]:
    """Write one plot for each network and data set, ``tables.md``, and last ``tables.json``.

    Raises:
        OutputError: the folder cannot be made or written.
    """
    return write_files(
        folder,
        {
            **{f"{plot.name}.png": plot.png for plot in layer_plots(entries)},
            "tables.md": markdown(entries),
            "tables.json": to_json(entries, made_with()),
        },
    )


def made_with() -> dict[str, str]:
    """Versions of what the numbers may depend on; a library that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
