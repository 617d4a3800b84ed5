"""Requests to DRAM, burst by burst, as Ramulator 2 and DRAMsim3 read them.

- Ramulator 2, front end ``LoadStoreTrace``: a line a request, ``LD 0x40`` or ``ST 0x40``, in order, without
  times.
- DRAMsim3, ``-t``: a line a request, ``0x40 READ 123`` or ``0x40 WRITE 123``; 123 is the cycle from which it
  may be issued. Cycles are the machine's: give the simulated channel the same clock, or scale them.

A request is one burst of 64 bytes. It is made when the burst's first byte takes its turn on the channel of
our model. Weights and maps have regions of their own, of whole pages; a map lies there in the order in which
it is streamed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import BURST_BYTES, Arch
from hwsim.export.files import schedule_of, write_lines
from hwsim.machine.dram import FreeTime, bursts, equal_parts, occupancy
from hwsim.machine.schedule import LayerSpan, Schedule, drained_rows

if TYPE_CHECKING:
    from hwsim.trace import Trace

PAGE_BYTES = 4096


@dataclass(frozen=True)
class Requests:
    """Bursts in the order in which they take their turn; all arrays have shape (bursts,).

    Attributes:
        cycles: int64, since the image began.
        addresses: int64, bytes.
        writes: bool.
        regions: by what lies there, first address and bytes.
    """

    cycles: np.ndarray
    addresses: np.ndarray
    writes: np.ndarray
    regions: dict[str, tuple[int, int]]


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
    """All bursts of a schedule."""
    places, regions = _place(plan)
    reads = [transfer for transfer in plan.transfers if transfer.kind != "maps_out"]
    writes = [transfer for transfer in plan.transfers if transfer.kind == "maps_out"]
    turns = [transfer.begin + _turns(transfer.size, arch) for transfer in reads] + _write_turns(plan, arch)
    cycles = np.concatenate(turns)
    addresses = np.concatenate(
        [
            place + BURST_BYTES * np.arange(bursts(transfer.size))
            for place, transfer in zip(places, [*reads, *writes], strict=True)
        ]
    )
    is_write = np.arange(len(cycles)) >= sum(bursts(transfer.size) for transfer in reads)
    order = np.argsort(cycles, kind="stable")
    return Requests(cycles[order], addresses[order], is_write[order], regions)


def _turns(size: int, arch: Arch) -> np.ndarray:
    """Cycles of work on the channel before every burst of a transfer."""
    return np.arange(bursts(size)) * BURST_BYTES // arch.bytes_per_cycle


def _write_turns(plan: Schedule, arch: Arch) -> list[np.ndarray]:
    """Cycles in which the bursts of every write take their turn, in the order of the writes.

    Writes are served in their order, in the cycles that reads leave (hwsim.machine.dram.Channel). In *free
    time*, the count of those cycles, cycle j of all work is served at j + the largest of (free time at which
    cycle i is ready) - i, over i <= j.
    """
    spans = {span.job.layer.name: span for span in plan.layers}
    writes = [transfer for transfer in plan.transfers if transfer.kind == "maps_out"]
    if not writes:
        return []
    work = [_work_ready(spans[write.layer], write.size, arch) for write in writes]
    ready = np.concatenate(work)
    reads = [transfer for transfer in plan.transfers if transfer.kind != "maps_out"]
    free = FreeTime(*(np.array([getattr(r, side) for r in reads], np.int64) for side in ("begin", "end")))
    index = np.arange(len(ready))
    served = free.begin(np.maximum.accumulate(free.at(ready) - index) + index)
    firsts = np.cumsum([0, *map(len, work)])
    return [served[first + _turns(write.size, arch)] for first, write in zip(firsts, writes, strict=False)]


def _work_ready(span: LayerSpan, size: int, arch: Arch) -> np.ndarray:
    """Cycle from which every cycle of work of a layer's write can be done, as its rows leave the cores."""
    drained = drained_rows(span.passes)
    return np.repeat(drained, equal_parts(occupancy(size, arch), len(drained)))


def _place(plan: Schedule) -> tuple[list[int], dict[str, tuple[int, int]]]:
    """First address of every transfer, reads before writes, and the regions."""
    spans = {span.job.layer.name: span for span in plan.layers}
    offsets: list[tuple[str, int]] = []  # region, and place in it
    sizes: dict[str, int] = {}
    taken: dict[tuple[str, str], int] = {}  # bytes of a map that was made, or read by a layer, so far
    units = {name: _weight_places(span) for name, span in spans.items()}
    for transfer in sorted(plan.transfers, key=lambda transfer: transfer.kind == "maps_out"):
        layer = spans[transfer.layer].job.layer
        if transfer.kind == "weights":
            region, offset = f"weights of {layer.name}", units[layer.name].pop(0)
        else:
            out = transfer.kind == "maps_out"
            region = f"map {transfer.map or f'{layer.name} (output)'}"
            piece = (region, "" if out else layer.name)
            offset, size = taken.get(piece, 0), transfer.size
            if out:
                size = bursts(size) * BURST_BYTES  # the next layer's part begins at a burst of its own
            elif layer.kind != "depthwise":
                size = 0  # every round reads all of it; a depthwise round, its channels only
            taken[piece] = offset + size
            offset = offset // BURST_BYTES * BURST_BYTES
        offsets.append((region, offset))
        end = offset + bursts(transfer.size) * BURST_BYTES
        sizes[region] = max(sizes.get(region, 0), end)
    regions, address = {}, 0
    for region, size in sizes.items():
        regions[region] = (address, size)
        address += -(-size // PAGE_BYTES) * PAGE_BYTES
    return [regions[region][0] + offset for region, offset in offsets], regions


def _weight_places(span: LayerSpan) -> list[int]:
    """Places of a layer's loads of weights, in their order: a unit's weights lie at its number."""
    job = span.job
    stride = bursts(job.weights[0][1]) * BURST_BYTES
    return [
        unit * stride for work in job.mapping.rounds for unit in dict.fromkeys(unit for _, unit, _ in work)
    ]
