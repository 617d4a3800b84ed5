"""Requests to DRAM, burst by burst, as Ramulator 2 and DRAMsim3 read them.

- Ramulator 2, front end ``LoadStoreTrace``: a line a request, ``LD 0x40`` or ``ST 0x40``, in order, without
  times.
- DRAMsim3, ``-t``: a line a request, ``0x40 READ 123`` or ``0x40 WRITE 123``; 123 is the cycle from which it
  may be issued. Cycles are the machine's: give the simulated channel the same clock, or scale them.

A request is one burst of 64 bytes, two beats of our channel; beats that follow each other in one burst make
one request. It is made when the first of them takes its turn on the channel of our model. Weights, programs,
maps and indices have regions of their own, of whole pages (:mod:`hwsim.machine.memory_map`); in them
everything lies where the machine keeps it (docs/architecture.md, *Memory*).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import BEAT_BYTES, BURST_BYTES, Arch
from hwsim.export.files import schedule_of, write_lines
from hwsim.machine.dram import FreeTime, equal_parts, occupancy
from hwsim.machine.memory_map import (
    PROGRAMS,
    Region,
    index_of,
    map_of,
    memory_map,
    program_places,
    weights_of,
    weights_stride,
)
from hwsim.machine.schedule import LayerSpan, Schedule, Transfer, drained_rows
from hwsim.machine.workload import LayerJob

if TYPE_CHECKING:
    from hwsim.trace import Trace


@dataclass(frozen=True)
class Requests:
    """Requests in the order in which they take their turn; all arrays have shape (requests,).

    Attributes:
        cycles: int64, since the image began.
        addresses: int64, bytes, of whole bursts.
        writes: bool.
        regions: by what lies there.
    """

    cycles: np.ndarray
    addresses: np.ndarray
    writes: np.ndarray
    regions: dict[str, Region]


def write_ramulator2(trace: Trace, arch: Arch, path: str | os.PathLike[str], image: int = 0) -> Requests:
    """Write a load-store trace for Ramulator 2; returns the requests.

    Args:
        trace: what runs.
        arch: the machine, or its ``dense()`` baseline.
        path: of the file.
        image: number of the image.

    Raises:
        ArchError: the trace does not fit the machine.
        ExportError: the file cannot be written.
        TraceError: no such image.
    """
    found = requests(schedule_of(trace, arch, image), arch)
    bursts = zip(found.writes.tolist(), found.addresses.tolist(), strict=True)
    write_lines(path, (f"{'ST' if write else 'LD'} {address:#x}" for write, address in bursts))
    return found


def write_dramsim3(trace: Trace, arch: Arch, path: str | os.PathLike[str], image: int = 0) -> Requests:
    """Write a trace for DRAMsim3; arguments, result and errors as for :func:`write_ramulator2`."""
    found = requests(schedule_of(trace, arch, image), arch)
    bursts = zip(found.addresses.tolist(), found.writes.tolist(), found.cycles.tolist(), strict=True)
    kinds = ("READ", "WRITE")
    write_lines(path, (f"{address:#x} {kinds[write]} {cycle}" for address, write, cycle in bursts))
    return found


def requests(plan: Schedule, arch: Arch) -> Requests:
    """All requests of a schedule."""
    jobs = {span.job.layer.name: span.job for span in plan.layers}
    reads = [transfer for transfer in plan.transfers if not transfer.write]
    writes = [transfer for transfer in plan.transfers if transfer.write]
    turns = [_read_turns(transfer, jobs[transfer.layer], arch) for transfer in reads]
    turns += _write_turns(plan, arch)
    placed = [place(transfer, jobs) for transfer in (*reads, *writes)]
    regions = memory_map(list(jobs.values()))
    cycles, addresses = [], []
    for turn, (region, offsets) in zip(turns, placed, strict=True):
        bursts = (regions[region].first + offsets) // BURST_BYTES * BURST_BYTES
        first = np.flatnonzero(np.diff(bursts, prepend=-1))
        cycles.append(turn[first])
        addresses.append(bursts[first])
    is_write = np.repeat(np.arange(len(placed)) >= len(reads), [len(found) for found in cycles])
    time = np.concatenate(cycles)
    order = np.argsort(time, kind="stable")
    return Requests(time[order], np.concatenate(addresses)[order], is_write[order], regions)


def _read_turns(transfer: Transfer, job: LayerJob, arch: Arch) -> np.ndarray:
    """Cycles in which the beats of a read take their turn."""
    ahead = job.weights[int(transfer.part)].scales if transfer.kind == "weights" else 0
    return transfer.begin + _turns(ahead + transfer.size, arch)[ahead // BEAT_BYTES :]


def _turns(size: int, arch: Arch) -> np.ndarray:
    """Cycles of work on the channel before every beat of a transfer."""
    moved, cycles = arch.dram_rate
    return np.arange(0, size, BEAT_BYTES) * cycles // moved


def _write_turns(plan: Schedule, arch: Arch) -> list[np.ndarray]:
    """Cycles in which the beats of every write take their turn, in the order of the writes.

    Writes are served in their order, in the cycles that reads leave (hwsim.machine.dram.Channel). In *free
    time*, the count of those cycles, cycle j of all work is served at j + the largest of (free time at which
    cycle i is ready) - i, over i <= j.
    """
    spans = {span.job.layer.name: span for span in plan.layers}
    writes = [transfer for transfer in plan.transfers if transfer.write]
    if not writes:
        return []
    work = [_work_ready(spans[write.layer], write, arch) for write in writes]
    ready = np.concatenate(work)
    reads = [read for read in plan.transfers if not read.write and read.kind != "scales"]
    free = FreeTime(*(np.array([getattr(r, side) for r in reads], np.int64) for side in ("begin", "end")))
    index = np.arange(len(ready))
    served = free.begin(np.maximum.accumulate(free.at(ready) - index) + index)
    firsts = np.cumsum([0, *map(len, work)])
    return [served[first + _turns(write.size, arch)] for first, write in zip(firsts, writes, strict=False)]


def _work_ready(span: LayerSpan, write: Transfer, arch: Arch) -> np.ndarray:
    """Cycle from which every cycle of work of a layer's write can be done, as its rows leave the cores.

    An index follows its map, whose last part waits for the last row, whenever it could be there itself.
    """
    drained = drained_rows(span.passes)
    return np.repeat(drained, equal_parts(occupancy(write.size, arch), len(drained)))


def place(transfer: Transfer, jobs: Mapping[str, LayerJob]) -> tuple[str, np.ndarray]:
    """The region of a transfer, and where in it each of its beats lies: bytes, int64 (beats,)."""
    layer, job, part = transfer.layer, jobs[transfer.layer], transfer.part
    beats = np.arange(0, transfer.size, BEAT_BYTES)
    if isinstance(part, np.ndarray):
        map_ = job.stored
        if transfer.write:
            map_ = next(made.map for made in job.traffic.made if made.name == transfer.map)
        elif transfer.kind == "residuals":
            map_ = next(added.map for added in job.traffic.adds if added.name == transfer.map)
        counts = map_.beats.ravel()[part]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        addresses = np.repeat(map_.addresses.ravel()[part], counts) + within * BEAT_BYTES
        return map_of(transfer.map, layer), addresses
    if transfer.kind == "index":
        return index_of(transfer.map, layer), part + beats
    if transfer.kind == "programs":
        return PROGRAMS, program_places(list(jobs.values()))[layer] + beats
    # Of every unit, its scales, then its weights.
    behind = job.weights[part].scales if transfer.kind == "weights" else 0
    return weights_of(layer), part * weights_stride(job) + beats + behind
