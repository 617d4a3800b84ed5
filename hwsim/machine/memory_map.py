"""Where everything lies in DRAM: one map of addresses, for compiled memory images and exported requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hwsim.machine.additions import output_name
from hwsim.machine.rows import rows_read
from hwsim.machine.workload import LayerJob

PAGE_BYTES = 4096  # a region begins at a page
PROGRAMS = "programs"


class Region(NamedTuple):
    """A part of DRAM: its first address, and its size in bytes."""

    first: int
    size: int

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.first + self.size


def weights_of(layer: str) -> str:
    """Name of the region with a layer's weights and scales."""
    return f"weights of {layer}"


def map_of(name: str | None, layer: str) -> str:
    """Name of the region with the segments of a map, or with the result of a layer that is none."""
    return f"map {name or output_name(layer)}"


def index_of(name: str | None, layer: str) -> str:
    """Name of the region with the index of a map."""
    return f"index of {name or output_name(layer)}"


def weights_stride(job: LayerJob) -> int:
    """Bytes from the scales of a unit to those of the next one: as many as the largest unit takes."""
    return max(unit.size + unit.scales for unit in job.weights)


def program_places(jobs: Sequence[LayerJob]) -> dict[str, int]:
    """By layer, where its program begins among all of them: they follow each other."""
    places, at = {}, 0
    for job in jobs:
        places[job.layer.name] = at
        at += job.program_size
    return places


def memory_map(jobs: Sequence[LayerJob]) -> dict[str, Region]:
    """The regions of DRAM that a network uses, by name, each from a page on.

    First come all programs, then the weights of each layer, then every map that crosses the channel and its
    index, in the order in which layers read or make them. In a region everything lies as
    docs/architecture.md, *Memory* says. Nothing here depends on a picture.
    """
    sizes = {PROGRAMS: sum(job.program_size for job in jobs)}
    for job in jobs:
        last = job.weights[-1]
        units = job.mapping.units
        sizes[weights_of(job.layer.name)] = (units - 1) * weights_stride(job) + last.size + last.scales
    for job in jobs:
        name, layer = job.layer.input, job.layer.name
        if (rows_read(job.layer) & ~job.traffic.held).any():
            sizes[map_of(name, layer)] = job.stored.place_size
            sizes[index_of(name, layer)] = job.traffic.index_size
        for made in job.traffic.made:
            if len(made.segments):
                sizes[map_of(made.name, layer)] = made.map.place_size
                index = index_of(made.name, layer)
                sizes[index] = max(sizes.get(index, 0), made.index_at + made.index_size)
        for added in job.traffic.adds:
            if added.fetched.any():
                sizes.setdefault(map_of(added.name, layer), added.map.place_size)
                sizes.setdefault(index_of(added.name, layer), added.index_size)
    regions, address = {}, 0
    for name, size in sizes.items():
        if size:
            regions[name] = Region(address, size)
            address += -(-size // PAGE_BYTES) * PAGE_BYTES
    return regions
