"""Topologies of SCALE-Sim (https://github.com/scalesim-project): CSV files of layer sizes, in and out.

Two formats, told apart by their first line; a line a layer, with or without a comma at its end:

- convolution: ``Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,
  Strides,``. The sizes of a map include its padding, so layers read here have padding 0. A layer with ``DP``
  in its name is depthwise. Further cells are notes, but for a weight sparsity N:M.
- matrix product: ``Layer, M, N, K,`` multiplies (M, K) activations by (K, N) weights.

A topology has no edges. A layer reads what the layer before it makes if the sizes are equal, and a map of its
own otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hwsim.errors import NetworkError
from hwsim.layer import Kind, Layer
from hwsim.networks import Network

_CONV_HEADER = (
    "Layer name",
    "IFMAP Height",
    "IFMAP Width",
    "Filter Height",
    "Filter Width",
    "Channels",
    "Num Filter",
    "Strides",
)
_GEMM_HEADER = ("Layer", "M", "N", "K")
_DEPTHWISE = "DP"


def read_topology(path: str | os.PathLike[str]) -> Network:
    """Geometry from a topology file; the network bears the file's name.

    Raises:
        NetworkError: no such file, another format, or a line that is no layer; the message names the line.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}; give a SCALE-Sim topology (.csv)") from None
    except UnicodeDecodeError:
        raise NetworkError(f"{path}: not a text file in UTF-8; give a SCALE-Sim topology (.csv)") from None
    rows = list(_rows(lines))
    layers: list[Layer] = []
    lines_of: dict[str, int] = {}
    width = _columns(path, rows)
    for number, cells in rows[1:]:
        try:
            layer = _conv(cells) if width == len(_CONV_HEADER) else _gemm(cells)
            if layer.name in lines_of:
                raise ValueError(f"layer {layer.name} is on line {lines_of[layer.name]} already; rename one")
        except ValueError as error:
            raise NetworkError(f"{path}, line {number}: {error}") from None
        lines_of[layer.name] = number
        if layers and layers[-1].out_shape == layer.in_shape:
            layers[-1] = replace(layers[-1], output=layers[-1].name)
            layer = replace(layer, input=layers[-1].name)
        layers.append(layer)
    if not layers:
        raise NetworkError(f"{path}: no layer follows the first line")
    return Network(path.stem, tuple(layers), f"SCALE-Sim topology {path.name}")


def write_topology(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network in the convolution format.

    A map's size is what the taps reach, (outputs - 1) x stride + kernel, padding included, so that SCALE-Sim
    counts the same outputs. Depthwise layers get ``_DP`` behind their name.

    Raises:
        NetworkError: a name that the format cannot hold, or a file that cannot be written.
    """
    lines = [", ".join(_CONV_HEADER) + ","]
    for layer in network.layers:
        depthwise = layer.kind == "depthwise"
        if "," in layer.name or (_DEPTHWISE in layer.name and not depthwise):
            raise NetworkError(
                f"layer {layer.name}: a name in a topology has no comma, "
                f"and {_DEPTHWISE} in it means depthwise; rename it"
            )
        name = layer.name if _DEPTHWISE in layer.name or not depthwise else f"{layer.name}_{_DEPTHWISE}"
        reached = [
            (outputs - 1) * layer.stride + kernel
            for outputs, kernel in zip(layer.out_shape[1:], layer.kernel, strict=True)
        ]
        sizes = (*reached, *layer.kernel, layer.in_shape[0], layer.filters, layer.stride)
        lines.append(", ".join([name, *map(str, sizes)]) + ",")
    try:
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}") from None


def _rows(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of the lines that are not empty."""
    for number, row in enumerate(lines, 1):
        cells = [cell.strip() for cell in row.split(",")]
        if any(cells):
            yield number, cells


def _columns(path: Path, rows: list[tuple[int, list[str]]]) -> int:
    """Columns of the format that the first line announces."""
    first = [cell.lower() for cell in rows[0][1]] if rows else []
    for header in (_CONV_HEADER, _GEMM_HEADER):
        # The name of the first column differs between SCALE-Sim's own files.
        if first[1 : len(header)] == [title.lower() for title in header[1:]]:
            return len(header)
    raise NetworkError(
        f"{path}, line 1: no SCALE-Sim topology, which starts with "
        f"'{', '.join(_CONV_HEADER)}' or '{', '.join(_GEMM_HEADER)}'"
    )


def _conv(cells: list[str]) -> Layer:
    height, width, tall, wide, channels, filters, stride = _numbers(cells, _CONV_HEADER)
    if tall > height or wide > width:
        raise ValueError(f"the filter of {tall}x{wide} is larger than the map of {height}x{width}")
    for note in cells[len(_CONV_HEADER) :]:
        match = re.fullmatch(r"(\d+):(\d+)", note)
        if match and match[1] != match[2]:
            raise ValueError(f"weight sparsity {note} is not modelled; make it 1:1")
    name = cells[0]
    depthwise = _DEPTHWISE in name
    if depthwise and filters != 1:
        raise ValueError(
            f"a depthwise layer ({_DEPTHWISE} in its name) has 1 filter a channel, not {filters}"
        )
    out_shape = (
        channels if depthwise else filters,
        _outputs(height, tall, stride),
        _outputs(width, wide, stride),
    )
    kind: Kind = "depthwise" if depthwise else "conv"
    if (height, width) == (1, 1) and not depthwise:
        kind = "linear"
    return Layer(name, kind, f"{name}.input", (channels, height, width), out_shape, (tall, wide), stride)


def _outputs(length: int, kernel: int, stride: int) -> int:
    """SCALE-Sim counts a last window that only begins inside the map; it must begin inside."""
    return min(-(-(length - kernel) // stride) + 1, -(-length // stride))


def _gemm(cells: list[str]) -> Layer:
    rows, columns, inner = _numbers(cells, _GEMM_HEADER)
    name = cells[0]
    kind: Kind = "linear" if rows == 1 else "conv"
    return Layer(name, kind, f"{name}.input", (inner, rows, 1), (columns, rows, 1))


def _numbers(cells: list[str], header: tuple[str, ...]) -> list[int]:
    if not cells[0]:
        raise ValueError("the layer has no name")
    numbers = []
    for position, title in enumerate(header[1:], 1):
        cell = cells[position] if position < len(cells) else ""
        if not re.fullmatch(r"[0-9]{1,9}", cell) or int(cell) == 0:
            raise ValueError(f"{title} must be a whole number above 0, not {cell!r}")
        numbers.append(int(cell))
    return numbers
