"""A timeline in the Trace Event Format, for Perfetto (https://ui.perfetto.dev) and chrome://tracing.

One cycle is shown as one microsecond. Slices are complete events (``"ph": "X"``); what a core's decoder,
scatter unit and drain do is merged where it goes on without a gap.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.arch import Arch
from hwsim.errors import TraceError
from hwsim.export.files import schedule_of, write_lines
from hwsim.machine.activity import pass_activity
from hwsim.machine.marks import trace_marks
from hwsim.machine.runs import DRAM_KINDS
from hwsim.machine.schedule import LayerSpan, PassRun, Transfer

if TYPE_CHECKING:
    from hwsim.trace import Trace

LAYERS, DRAM, CORES = 1, 2, 3  # processes
TRACKS = ("pass", "decode", "scatter", "drain")  # of a core
INDEX_OUT = "index out"  # an index goes either way, and a write may lie across reads
DRAM_TRACKS = {name: number for number, name in enumerate((*DRAM_KINDS, INDEX_OUT), 1)}


def write_timeline(
    trace: Trace, arch: Arch, path: str | os.PathLike[str], image: int = 0, layer: str | None = None
) -> None:
    """Write the timeline of a layer, or of all layers in less detail.

    Args:
        trace: what runs.
        arch: the machine, or its ``dense()`` baseline.
        path: of the JSON file.
        image: number of the image.
        layer: name; its passes are shown with decoder, scatter unit and drain. If not given, the passes of
            all layers are shown.

    Raises:
        ArchError: the trace does not fit the machine.
        ExportError: the file cannot be written.
        TraceError: no such image or layer.
    """
    plan = schedule_of(trace, arch, image)
    spans = [span for span in plan.layers if layer in (None, span.job.layer.name)]
    if not spans:
        known = ", ".join(own.name for own in trace.layers)
        raise TraceError(f"{trace.title} has no layer {layer}; it has {known}")
    events = [*_names(arch, detail=layer is not None), *(_layer_slice(span) for span in spans)]
    events += [_transfer_slice(transfer) for transfer in plan.transfers if layer in (None, transfer.layer)]
    for span in spans:
        events += _step_slices(span)
        for run in span.passes:
            events += _pass_slices(span, run)
            if layer is not None:
                events += _detail(span, run)
    document = {
        "traceEvents": events,
        "displayTimeUnit": "ns",
        "otherData": {
            "network": trace.network,
            "variant": trace.variant,
            "image": image,
            "marks": list(trace_marks(trace)),
            "time": "1 us stands for 1 cycle",
        },
    }
    write_lines(path, [json.dumps(document, separators=(",", ":"))])


def _names(arch: Arch, detail: bool) -> Iterator[dict[str, Any]]:
    """Metadata: what the processes and threads of the viewer stand for."""
    for process, name in ((LAYERS, "layers"), (DRAM, "DRAM channel"), (CORES, "cores")):
        yield {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": name}}
    yield _thread(LAYERS, 1, "layer")
    yield _thread(LAYERS, 2, "beside passes")
    for name, thread in DRAM_TRACKS.items():
        yield _thread(DRAM, thread, name)
    for core in range(arch.cores):
        for track in TRACKS if detail else TRACKS[:1]:
            yield _thread(CORES, _thread_id(core, track), f"core {core} {track}")


def _thread(process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": "thread_name", "pid": process, "tid": thread, "args": {"name": name}}


def _thread_id(core: int, track: str) -> int:
    return core * len(TRACKS) + TRACKS.index(track) + 1


def _slice(process: int, thread: int, name: str, begin: int, end: int, **details: Any) -> dict[str, Any]:
    event = {"ph": "X", "name": name, "pid": process, "tid": thread, "ts": int(begin)}
    event["dur"] = int(end - begin)
    return {**event, "args": details} if details else event


def _layer_slice(span: LayerSpan) -> dict[str, Any]:
    core_cycles = {f"{cause}_core_cycles": cycles for cause, cycles in span.causes.items()}
    return _slice(LAYERS, 1, span.job.layer.name, span.start, span.end, **core_cycles)


def _step_slices(span: LayerSpan) -> Iterator[dict[str, Any]]:
    """What takes time beside the passes: programs, the sequencer, a pool, ..."""
    for step in span.steps:
        yield _slice(LAYERS, 2, f"{span.job.layer.name} {step.name}", step.begin, step.end)


def _transfer_slice(transfer: Transfer) -> dict[str, Any]:
    name = f"{transfer.layer} {transfer.kind}"
    thread = DRAM_TRACKS[INDEX_OUT if transfer.write and transfer.kind == "index" else transfer.kind]
    return _slice(DRAM, thread, name, transfer.begin, transfer.end, bytes=transfer.size)


def _pass_slices(span: LayerSpan, run: PassRun) -> Iterator[dict[str, Any]]:
    thread = _thread_id(run.core, "pass")
    if run.loaded > run.free:
        yield _slice(CORES, thread, "wait for weights", run.free, run.loaded)
    if run.able > run.loaded:
        yield _slice(CORES, thread, "wait for the sequencer", run.loaded, run.able)
    if run.begin > run.able:
        yield _slice(CORES, thread, "wait for a slot", run.able, run.begin)
    name = f"{span.job.layer.name} unit {run.unit} rows {run.group}"
    yield _slice(
        CORES,
        thread,
        name,
        run.begin,
        run.begin + run.timing.cycles,
        round=run.round,
        symbols=run.timing.symbols,
        words=run.timing.words,
        **{f"{cause}_cycles": cycles for cause, cycles in run.timing.causes.items()},
    )


def _detail(span: LayerSpan, run: PassRun) -> Iterator[dict[str, Any]]:
    """What decoder, scatter unit and drain do in a pass; a row that is drained is a slice of its own."""
    activity = pass_activity(span, run)
    for track, name, intervals in (
        ("decode", "decode", activity.decode),
        ("scatter", "compute", activity.compute),
        ("scatter", "no tap", activity.idle_taps),
    ):
        for begin, end in _merged(*intervals):
            yield _slice(CORES, _thread_id(run.core, track), name, begin, end)
    for begin, end in zip(*activity.drain, strict=True):
        yield _slice(CORES, _thread_id(run.core, "drain"), "drain", begin, end)


def _merged(begins: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Intervals, ascending and apart, with those joined that touch."""
    if not len(begins):
        return
    gap = np.flatnonzero(begins[1:] != ends[:-1])
    firsts, lasts = np.concatenate(([0], gap + 1)), np.concatenate((gap, [len(ends) - 1]))
    yield from zip(begins[firsts].tolist(), ends[lasts].tolist(), strict=True)
