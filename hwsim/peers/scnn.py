"""SCNN: a Cartesian product of non-zero activations and non-zero weights, on a grid of elements."""

from __future__ import annotations

from functools import cached_property
from math import isqrt
from typing import NamedTuple

import numpy as np

from hwsim.errors import PeerError
from hwsim.layer import Layer
from hwsim.peers.geometry import useful_macs
from hwsim.peers.peer import PeerRun, register
from hwsim.peers.scnn_loops import conflict_cycles

ACTIVATIONS = 4  # I: activations that an element takes a cycle
WEIGHTS = 4  # F: weights that it takes
BANKS = 2 * ACTIVATIONS * WEIGHTS  # of accumulators of an element
ACCUMULATORS = 1024  # of an element: 32 banks of 32
PRODUCTS = ACTIVATIONS * WEIGHTS


class Scnn:
    """``rows`` x ``columns`` elements of 4 x 4 multipliers (Parashar et al., ISCA 2017; docs/peers.md).

    The plane of the input map is cut into tiles, one an element. For a group of output channels (as many as
    the accumulators hold of a tile with its halo), channel by channel, an element multiplies every non-zero
    activation of its tile with every non-zero weight of the group, four of each a cycle. All elements wait
    for each other at the end of a group. With a stride, activations and weights of the same remainder meet.
    What is computed outside the output map is dropped. The exchange of halos is taken as hidden.

    With ``conflicts``, the sixteen products of a cycle go to 32 banks (an accumulator's address modulo 32),
    and the cycle lasts as long as the fullest bank needs; the paper's queues would hide a part of that.
    Without, banks are ideal: the two are a bracket.

    Raises:
        PeerError: no element.
    """

    citation = (
        "Parashar et al., SCNN: An Accelerator for Compressed-sparse Convolutional Neural Networks "
        "(ISCA 2017)"
    )

    def __init__(self, rows: int, columns: int, conflicts: bool) -> None:
        if min(rows, columns) < 1:
            raise PeerError(f"SCNN has one element or more (got {rows} x {columns})")
        self.rows, self.columns, self.conflicts = rows, columns, conflicts
        self.multipliers = rows * columns * PRODUCTS
        self.title = "SCNN, " + ("bank conflicts without queues" if conflicts else "ideal banks")

    def run(self, layer: Layer, nonzero: np.ndarray, weights: np.ndarray | None = None) -> PeerRun:
        """See :meth:`hwsim.peers.Peer.run`."""
        if weights is None:
            shape = (layer.out_shape[0], 1 if layer.kind == "depthwise" else layer.in_shape[0], *layer.kernel)
            weights = np.ones(shape, np.bool_)
        plan = Tiling(layer, self.rows, self.columns)
        issued = plan.issued(nonzero, weights != 0)  # (groups, elements)
        lasts = issued
        if self.conflicts:
            lasts = plan.lasts(nonzero, weights != 0)
        cycles = int(lasts.max(axis=1).sum())
        useful = useful_macs(layer, nonzero, weights)
        return PeerRun(
            cycles=cycles,
            useful=useful,
            fragmentation=int(issued.sum()) * PRODUCTS - useful,
            synchronisation=(cycles * self.rows * self.columns - int(lasts.sum())) * PRODUCTS,
            conflicts=int(lasts.sum() - issued.sum()) * PRODUCTS,
        )


class Tile(NamedTuple):
    """An element's part of the plane along one axis: inputs, first output that they reach, and how many."""

    begin: int
    end: int
    first_out: int
    outs: int


def tiles(layer: Layer, axis: int, count: int) -> list[Tile]:
    """The tiles along an axis (0: y, 1: x): equal, the last ones smaller or empty."""
    size, stride = layer.in_shape[axis + 1], layer.stride[axis]
    padding, kernel = layer.padding[axis], layer.kernel[axis]
    step = -(-size // count)
    found = []
    for begin in range(0, step * count, step):
        begin, end = min(begin, size), min(begin + step, size)
        first, last = (begin + padding - kernel) // stride + 1, (end - 1 + padding) // stride
        found.append(Tile(begin, end, first, max(0, last - first + 1) if end > begin else 0))
    return found


class Tiling:
    """How a grid of elements shares a layer."""

    def __init__(self, layer: Layer, rows: int, columns: int) -> None:
        self.layer = layer
        self.tiles = [(y, x) for y in tiles(layer, 0, rows) for x in tiles(layer, 1, columns)]

    @cached_property
    def group(self) -> int:
        """Output channels whose sums an element holds at a time."""
        area = max(y.outs * x.outs for y, x in self.tiles)
        return min(max(1, ACCUMULATORS // area), self.layer.out_shape[0])

    @cached_property
    def groups(self) -> list[range]:
        """Output channels of every group."""
        filters = self.layer.out_shape[0]
        return [range(first, min(first + self.group, filters)) for first in range(0, filters, self.group)]

    def phase(self, axis: int, positions: np.ndarray) -> np.ndarray:
        """Remainder that a tap must have to meet an input position."""
        return (positions + self.layer.padding[axis]) % self.layer.stride[axis]

    def issued(self, nonzero: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Cycles in which an element multiplies, without conflicts: int64 (groups, elements)."""
        layer, (down, across) = self.layer, self.layer.stride
        phases = [(p, q) for p in range(down) for q in range(across)]
        activations = np.zeros((len(self.tiles), layer.in_shape[0], len(phases)), np.int64)
        for number, (y, x) in enumerate(self.tiles):
            part = nonzero[:, y.begin : y.end, x.begin : x.end]
            of_row, of_column = (
                self.phase(0, np.arange(y.begin, y.end)),
                self.phase(1, np.arange(x.begin, x.end)),
            )
            for k, (p, q) in enumerate(phases):
                met = part[:, of_row == p][:, :, of_column == q]
                activations[number, :, k] = np.count_nonzero(met, axis=(1, 2))
        fetched = -(-activations // ACTIVATIONS)
        cycles = np.zeros((len(self.groups), len(self.tiles)), np.int64)
        for number, group in enumerate(self.groups):
            own = weights[group.start : group.stop]
            met = np.stack(
                [np.count_nonzero(own[:, :, p::down, q::across], axis=(2, 3)) for p, q in phases], axis=-1
            )
            if layer.kind == "depthwise":  # a channel meets its own filter
                cycles[number] = (fetched[:, group.start : group.stop] * -(-met[:, 0] // WEIGHTS)).sum(
                    axis=(1, 2)
                )
            else:
                cycles[number] = np.einsum("ecp,cp->e", fetched, -(-met.sum(axis=0) // WEIGHTS))
        return cycles

    def lasts(self, nonzero: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Cycles in which an element multiplies, or waits for a bank: int64 (groups, elements)."""
        layer = self.layer
        bounds = np.array([(*y, *x) for y, x in self.tiles], np.int64)
        geometry = (
            *layer.out_shape[1:],
            *layer.stride,
            *layer.padding,
            layer.kind == "depthwise",
            self.group,
        )
        return conflict_cycles(
            np.ascontiguousarray(nonzero),
            np.ascontiguousarray(weights),
            bounds,
            np.array(geometry, np.int64),
            BANKS,
            ACTIVATIONS,
            WEIGHTS,
        )


def _bracket(multipliers: int) -> tuple[Scnn, Scnn]:
    if multipliers % PRODUCTS:
        raise PeerError(f"scnn has elements of {PRODUCTS} multipliers; {multipliers} is no multiple of that")
    elements = multipliers // PRODUCTS
    side = isqrt(elements)
    while elements % side:
        side -= 1
    return Scnn(side, elements // side, conflicts=False), Scnn(side, elements // side, conflicts=True)


register("scnn", _bracket)
