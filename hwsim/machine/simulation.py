"""Trace + machine -> result: the one entry that everything else calls."""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from hwsim.arch import LINE_WORDS, WORD_BITS, Arch
from hwsim.errors import ArchError, TraceError
from hwsim.machine.compiled import CompiledNetwork
from hwsim.machine.descriptors import check_arch
from hwsim.machine.energy import energy_pj, event_table
from hwsim.machine.result import Result
from hwsim.machine.runs import MAP_KINDS, LayerResult, LayerRun
from hwsim.machine.schedule import LayerSpan, schedule
from hwsim.machine.totals import least_cycles
from hwsim.machine.workload import Workload

if TYPE_CHECKING:
    from hwsim.trace import Trace


def simulate(
    trace: Trace | str | os.PathLike[str],
    arch: Arch | None = None,
    images: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Run a trace through the machine and through its dense baseline.

    The result's "skipping" is the machine as it is, whatever its ``skip_zeros`` and ``compress``.

    Args:
        trace: from :func:`hwsim.open_trace`, or its path or URL, or the name of a shipped one such as
            ``lenet5_digits/sparse``.
        arch: the machine; the default one if not given.
        images: numbers of the images to run, each from an idle machine; all if not given.
        progress: called with (images done, images in all).

    Raises:
        ArchError: a layer does not fit the machine.
        TraceError: a trace that cannot be read, no image, one twice, or one that the trace does not have.
    """
    (result,) = simulate_machines(trace, (arch or Arch(),), images, progress)
    return result


def simulate_machines(
    trace: Trace | str | os.PathLike[str],
    machines: Sequence[Arch],
    images: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """As :func:`simulate`, for several machines: what they have in common is computed once."""
    if isinstance(trace, str | os.PathLike):
        from hwsim.trace import open_trace

        with open_trace(trace) as opened:
            return simulate_machines(opened, machines, images, progress)
    numbers = _numbers(trace, images)
    for arch in machines:
        check_widths(trace, arch)
    layers: list[list[LayerResult]] = [[] for _ in machines]
    pairs, network = [Pair(arch) for arch in machines], CompiledNetwork(trace)
    for done, number in enumerate(numbers, 1):
        workload = Workload(trace, number, network)
        for found, pair in zip(layers, pairs, strict=True):
            found += pair.run(workload)
        if progress is not None:
            progress(done, len(numbers))
    return [
        Result(
            title=trace.title,
            network=trace.network,
            variant=trace.variant,
            synthetic=trace.synthetic,
            provenance=dict(trace.provenance),
            calibration_pictures=trace.calibration_pictures,
            chain=network.links() is not None,
            images=numbers,
            arch=arch,
            layers=tuple(found),
        )
        for found, arch in zip(layers, machines, strict=True)
    ]


def halves(arch: Arch) -> tuple[Arch, ...]:
    """The machine with both its flags off, the dense baseline; with one of them on alone; with both on."""
    flags = ((False, False), (True, False), (False, True), (True, True))
    return tuple(arch.replace(skip_zeros=skip, compress=compress) for skip, compress in flags)


def _numbers(trace: Trace, images: Sequence[int] | None) -> tuple[int, ...]:
    """The images to run, each once."""
    try:
        numbers = tuple(range(trace.images) if images is None else map(operator.index, images))
    except TypeError:
        raise TraceError(f"images: give a list of whole numbers, not {images!r:.80}") from None
    if not numbers:
        raise TraceError("images: the list is empty: give the number of 1 image or more, or no list for all")
    twice = [number for number, times in Counter(numbers).items() if times > 1]
    if twice:
        raise TraceError(f"images: {twice[0]} is there twice: give each once")
    return numbers


class Pair:
    """A machine and its dense baseline, which run images of one trace, each from an idle start.

    A machine that neither skips zeros nor compresses takes the same time for every image: it is timed once.
    """

    def __init__(self, arch: Arch) -> None:
        self._machines = (arch, arch.dense())
        self._table = event_table(arch)
        self._alike: tuple[LayerSpan, ...] | None = None  # of the baseline, from the first image

    def run(self, workload: Workload) -> list[LayerResult]:
        """One image through both.

        Raises:
            ArchError: a layer does not fit the machine.
        """
        skipping, dense = (
            [_account(workload, machine, self._table, span) for span in self._spans(workload, machine)]
            for machine in self._machines
        )
        return [LayerResult(*pair) for pair in zip(skipping, dense, strict=True)]

    def _spans(self, workload: Workload, arch: Arch) -> tuple[LayerSpan, ...]:
        if arch.skip_zeros or arch.compress:
            return schedule(workload.jobs(arch), arch).layers
        if self._alike is None:
            self._alike = schedule(workload.jobs(arch), arch).layers
        return self._alike


def check_widths(trace: Trace, arch: Arch) -> None:
    """Refuse a machine that the RTL cannot be, and a trace whose values or weights are wider than it.

    Raises:
        ArchError: names the width to raise.
    """
    check_arch(arch)
    for info in trace.maps.values():
        if info.bits > arch.activation_bits:
            raise ArchError(
                f"map {info.name} has {info.bits} bits, the machine takes {arch.activation_bits}: "
                "raise activation_bits"
            )
    if trace.weight_bits > arch.weight_bits:
        raise ArchError(
            f"the trace has {trace.weight_bits}-bit weights, the machine takes {arch.weight_bits}: "
            "raise weight_bits"
        )


def _account(workload: Workload, arch: Arch, table: dict[str, float], span: LayerSpan) -> LayerRun:
    """What a layer did, counted."""
    job, layer = span.job, span.job.layer
    nonzero_macs = workload.nonzero_macs(layer)
    macs = nonzero_macs if arch.skip_zeros else layer.macs
    outputs = prod(layer.out_shape)
    performed = macs
    if layer.groups > 1 and layer.kind != "depthwise":  # columns of other groups multiply by 0
        parts = job.mapping.parts
        performed = sum(run.timing.tap_cycles * len(parts[run.unit].makes) for run in span.passes)
    timings = Counter(run.timing for run in span.passes)
    units = Counter(run.unit for run in span.passes)
    # Fetched words are written into the buffer, made ones too, and those that leave are read from it.
    moved = [span.dram[kind] for kind in MAP_KINDS] + job.written
    added = job.traffic.adds  # read from the buffer, decoded, scaled
    remade = job.remade
    # Lines that no pass counts: those of windows, and of the index the first one of each pass.
    beside = (remade.cycles if remade else 0) + (len(span.passes) if job.whole else 0)
    events = {
        "mac": performed,
        "accumulator": performed,
        "drain": outputs * (arch.columns if layer.kind == "depthwise" else 1),  # the banks of a pixel
        "requantize": outputs * (1 + len(added)) + (remade.values if remade and remade.averaged else 0),
        "weight_word": sum(n * timing.tap_cycles for timing, n in timings.items()),
        "weight_load": sum(n * job.weights[unit].words for unit, n in units.items()),
        "map_word": sum(n * timing.words for timing, n in timings.items())
        + sum(-(-size * 8 // WORD_BITS) for size in moved)
        + sum(int(each.map.words.sum()) for each in added)
        + LINE_WORDS * beside,
        "symbol": sum(n * timing.symbols for timing, n in timings.items())
        + sum(map(job.symbols_added, added)),
        "encoded": outputs + (remade.values if remade else 0),
        "compared": remade.joined if remade else 0,
        "dram_byte": sum(span.dram.values()),
    }
    return LayerRun(
        name=layer.name,
        kind=layer.kind,
        image=workload.image,
        start=span.start,
        end=span.end,
        cycles=span.end - span.start,
        least_cycles=least_cycles(layer, macs, arch),
        macs=layer.macs,
        nonzero_macs=nonzero_macs,
        elements=prod(layer.in_shape),
        nonzeros=int(np.count_nonzero(workload.values(layer.input))),  # the job may be of another image
        causes=span.causes,
        dram=span.dram,
        map_bytes=job.stored.bytes,
        events=events,
        energy_pj=energy_pj(events, table),
        rounds=len(job.mapping.rounds),
        row_groups=len(job.mapping.groups),
        block=job.block,
    )
