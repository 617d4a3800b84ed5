"""The sample traces that come with the package."""

from __future__ import annotations

import os
from pathlib import Path

from hwsim.errors import TraceError

PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (PACKAGE / "_traces", PACKAGE.parent / "traces")  # in a wheel; in a checkout
DEFAULT = "lenet5_digits/sparse"
BASELINE = "lenet5_digits/baseline"
SUFFIX = ".zarr.zip"


def shipped_traces() -> dict[str, Path]:
    """Paths of the traces by name, for example ``lenet5_digits/sparse``; empty if none came along."""
    for folder in FOLDERS:
        found = sorted(folder.glob(f"*/*{SUFFIX}"))
        if found:
            return {f"{path.parent.name}/{path.name.removesuffix(SUFFIX)}": path for path in found}
    return {}


def shipped_trace(name: str = DEFAULT) -> Path:
    """Path of one of the traces.

    Raises:
        TraceError: it did not come with this installation.
    """
    traces = shipped_traces()
    if name not in traces:
        raise TraceError(f"the sample trace {name} did not come with this installation: give the path of one")
    return traces[name]


def locate(place: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The path of a shipped trace, if ``place`` is the name of one and nothing lies there; else the place."""
    name = os.fspath(place)
    if "://" in name or os.path.exists(name):  # False for what no path can be, too
        return place
    return shipped_traces().get(name, place)
