"""Topologies of SCALE-Sim (https://github.com/scalesim-project): CSV files of layer sizes, in and out.

Two formats, a line a layer:

- convolution: ``Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter,
  Strides,``. The sizes of a map include its padding, so layers read here have padding 0. A layer with ``DP``
  in its name is depthwise, with one filter or more a channel.
- matrix product: ``Layer, M, N, K,`` multiplies (M, K) activations by (K, N) weights: a layer over M vectors,
  which lie on a grid as square as their number allows.

Titles and further columns: :mod:`hwsim.networks.topology_table`. A topology has no edges. A layer reads what
the layer before it makes if the sizes are equal, and a map of its own otherwise.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hwsim.errors import NetworkError, one_line, shown
from hwsim.files import csv_cell, read_text, whole_file
from hwsim.layer import MAX_TAPS, Kind, Layer, Pair
from hwsim.networks import Network
from hwsim.networks.network import some, unique
from hwsim.networks.topology_table import COLUMNS, Further, Row, TopologyTable, further_of, read_table, whole

MAX_NAME = 200
MAX_WORDS = 600  # of an error or a note; cells may have any length
WIDEST = 512  # vectors side by side: the default machine has accumulators for two rows of them
_DEPTHWISE = "DP"
_CALLED_DEPTHWISE = re.compile(r"depth.?wise|(?<![a-z])dw", re.IGNORECASE)


def read_topology(path: str | os.PathLike[str]) -> Network:
    """Geometry from a topology file; the network bears the file's name.

    Names that come more than once are numbered. The notes of the network say what was not taken as it stands.

    Raises:
        NetworkError: no such file, another format, a line that is no layer, or one that asks for what is not
            modelled; the message names the line.
    """
    path = Path(path)
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}; give a SCALE-Sim topology (.csv)") from None
    except ValueError as error:
        raise NetworkError(f"{path}: {error}; give a SCALE-Sim topology (.csv)") from None
    try:
        table = read_table(lines)
    except ValueError as error:
        raise NetworkError(f"{path}, {one_line(error, MAX_WORDS)}") from None
    if not table.rows:
        raise NetworkError(f"{path}: no layer follows the first line")
    layers: list[Layer] = []
    numbered = _numbered([row.name for row in table.rows])
    maps = set(numbered)  # a map of its own must not bear the name of one that a layer makes
    fewer: list[str] = []
    wide: list[str] = []
    for row, name in zip(table.rows, numbered, strict=True):
        try:
            layer = _layer(row, name, table)
        except ValueError as error:
            raise NetworkError(f"{path}, line {row.number}: {one_line(error, MAX_WORDS)}") from None
        fewer += _fewer_outputs(layer)
        if table.format == "conv" and layer.in_shape[0] != int(row.cells[4]):
            wide.append(f"{layer.name} ({layer.in_shape[0]})")
        if layers and layers[-1].out_shape == layer.in_shape:
            layers[-1] = replace(layers[-1], output=layers[-1].name)
            layer = replace(layer, input=layers[-1].name)
        else:
            layer = replace(layer, input=unique(layer.input, maps))
            maps.add(layer.input)
        layers.append(layer)
    notes = [one_line(note, MAX_WORDS) for note in (*table.notes, *_renamed(table.rows, numbered))]
    if wide:
        notes.append(
            f"a side of the map that the kernel covers, of more than {MAX_TAPS} pixels, is read as channels: "
            f"{some(wide)}"
        )
    single = [
        layer.name
        for layer in layers
        if (table.format, layer.groups, layer.kind) == ("conv", 1, "conv")
        and _CALLED_DEPTHWISE.search(layer.name)
    ]
    if single:
        notes.append(
            f"not depthwise, for want of {_DEPTHWISE} in the name; every filter sees all channels: "
            f"{some(single)}"
        )
    if fewer:
        notes.append(f"a window that would begin behind the map is not counted: {some(fewer)}")
    return Network(path.stem, tuple(layers), f"SCALE-Sim topology {path.name}", tuple(notes))


def write_topology(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network in the convolution format.

    A map's size is what the taps reach, (outputs - 1) x stride + kernel, padding included, so that SCALE-Sim
    counts the same outputs. Depthwise layers get ``_DP`` behind their name, and a name that a spreadsheet
    would run an apostrophe before it.

    Raises:
        NetworkError: a name that the format cannot hold, or a file that cannot be written.
    """
    lines = [", ".join(COLUMNS["conv"]) + ","]
    for layer in network.layers:
        depthwise = layer.kind == "depthwise"
        if layer.special:
            raise NetworkError(f"layer {layer.name}: a topology has no {layer.special}")
        if "," in layer.name or (_DEPTHWISE in layer.name and not depthwise):
            raise NetworkError(
                f"layer {layer.name}: a name in a topology has no comma, "
                f"and {_DEPTHWISE} in it means depthwise; rename it"
            )
        name = layer.name if _DEPTHWISE in layer.name or not depthwise else f"{layer.name}_{_DEPTHWISE}"
        reached = [
            (outputs - 1) * stride + kernel
            for outputs, kernel, stride in zip(layer.out_shape[1:], layer.kernel, layer.stride, strict=True)
        ]
        sizes = (*reached, *layer.kernel, layer.in_shape[0], layer.filters, layer.stride[0])
        lines.append(", ".join([csv_cell(name), *map(str, sizes)]) + ",")
    try:
        with whole_file(path) as partial:
            partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise NetworkError(f"{path}: {error.strerror}") from None


def _numbered(names: list[str]) -> list[str]:
    """The names, with a number behind those that were met before."""
    chosen: list[str] = []
    for name in names:
        chosen.append(unique(name, {*names, *chosen}) if name in chosen else name)
    return chosen


def _renamed(rows: tuple[Row, ...], names: list[str]) -> Iterator[str]:
    changed = [
        f"{name} (line {row.number})" for row, name in zip(rows, names, strict=True) if row.name != name
    ]
    if changed:
        yield f"names that came before are numbered: {some(changed)}"


def _layer(row: Row, name: str, table: TopologyTable) -> Layer:
    """A row's layer, as if it read a map of its own."""
    if not name:
        raise ValueError("the layer has no name")
    if not name.isprintable() or len(name) > MAX_NAME:
        raise ValueError(
            f"the name of a layer is printable and has {MAX_NAME} letters at most, not {shown(name)}"
        )
    sizes = [whole(title, cell) for title, cell in zip(COLUMNS[table.format][1:], row.cells, strict=True)]
    asked = further_of(row)
    _refuse(asked)
    return _conv(name, sizes, table.stride, asked) if table.format == "conv" else _gemm(name, sizes, asked)


def _refuse(asked: Further) -> None:
    """Tell what is known and changes the layer, but is not modelled."""
    if asked.batch != 1:
        raise ValueError(
            f"a batch of {asked.batch} is not modelled: make it 1, and ask for more images (--images)"
        )
    if asked.sparsity != (1, 1):
        raise ValueError(
            f"weight sparsity {asked.sparsity[0]}:{asked.sparsity[1]} is not modelled; make it 1:1"
        )
    if asked.padding:
        raise ValueError(
            f"padding {asked.padding}: a map's size in a topology includes its padding; "
            "add it to the size, and make the padding 0"
        )


def _conv(name: str, sizes: list[int], direction: str, asked: Further) -> Layer:
    height, width, tall, wide, channels, filters, given = sizes
    stride = (asked.stride_height or given, asked.stride_width or given)
    if direction and stride[direction == "width"] != given:
        raise ValueError(f"two strides in {direction}, {given} and another")
    reached = [(taps - 1) * asked.dilation + 1 for taps in (tall, wide)]
    if reached[0] > height or reached[1] > width:
        raise ValueError(
            f"the filter of {reached[0]}x{reached[1]} is larger than the map of {height}x{width}"
        )
    groups = asked.groups
    if _DEPTHWISE not in name and asked.groups == asked.dilation == 1:
        channels, width, wide = _flattened(channels, width, wide)
        channels, height, tall = _flattened(channels, height, tall)
        reached = [tall, wide]
    if _DEPTHWISE in name:
        if groups not in (1, channels):
            raise ValueError(f"a depthwise layer ({_DEPTHWISE} in its name) has no {groups} groups")
        groups, filters = channels, channels * filters
    kind: Kind = "depthwise" if _DEPTHWISE in name and filters == channels else "conv"
    if (height, width, groups) == (1, 1, 1) and kind == "conv":
        kind, stride = "linear", (1, 1)  # a stride over one pixel means nothing
    outputs = [
        _outputs(length, reach, step)
        for length, reach, step in zip((height, width), reached, stride, strict=True)
    ]
    return Layer(
        name,
        kind,
        f"{name}.input",
        (channels, height, width),
        (filters, outputs[0], outputs[1]),
        (tall, wide),
        stride,
        groups=groups,
        dilation=(asked.dilation, asked.dilation),
    )


def _flattened(channels: int, length: int, taps: int) -> tuple[int, int, int]:
    """A side that a kernel covers at one stroke, and that is longer than a kernel's may be, as channels.

    So SCALE-Sim's files have matrix products: a row of K pixels under a kernel of K taps. It is the same sum.
    """
    return (channels * length, 1, 1) if taps == length > MAX_TAPS else (channels, length, taps)


def _outputs(length: int, kernel: int, stride: int) -> int:
    """SCALE-Sim counts a last window that only begins inside the map; it must begin inside."""
    return min(_outputs_of_scalesim(length, kernel, stride), -(-length // stride))


def _outputs_of_scalesim(length: int, kernel: int, stride: int) -> int:
    """topology_utils.topo_calc_hyperparams of scalesim 3.0.0: ceil((length - kernel + stride) / stride)."""
    return -(-(length - kernel) // stride) + 1


def _fewer_outputs(layer: Layer) -> Iterator[str]:
    """Where SCALE-Sim counts more outputs."""
    theirs = [
        _outputs_of_scalesim(layer.in_shape[axis + 1], layer.reach(axis) + 1, layer.stride[axis])
        for axis in (0, 1)
    ]
    if theirs != list(layer.out_shape[1:]):
        ours = "x".join(map(str, layer.out_shape[1:]))
        yield f"{layer.name} makes {ours} pixels, of SCALE-Sim's {theirs[0]}x{theirs[1]}"


def _gemm(name: str, sizes: list[int], asked: Further) -> Layer:
    for what in ("stride_height", "stride_width", "dilation", "groups"):
        if getattr(asked, what) not in (1, None):
            raise ValueError(f"a matrix product has no {what.partition('_')[0]}; make it 1")
    rows, columns, inner = sizes
    kind: Kind = "linear" if rows == 1 else "conv"
    grid = _grid(rows)
    return Layer(name, kind, f"{name}.input", (inner, *grid), (columns, *grid))


def _grid(vectors: int) -> Pair:
    """Rows and columns on which vectors lie that have no grid of their own: the squarest one.

    One to a row, their segments would be short, and save nothing; all in one row, cores would have no rows to
    share (docs/synthetic.md).
    """
    widths = [width for width in range(1, min(vectors, WIDEST) + 1) if vectors % width == 0]
    width = min(widths, key=lambda width: (max(width, vectors // width), -width))
    return vectors // width, width
