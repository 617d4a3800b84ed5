"""The RTL against the cycle model and the integer reference, pass by pass, on real layers.

This module and :mod:`hwsim.verify_layers` are the only ones of the package that import ``rtl`` (extra
``rtl``); nothing imports them but the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hwsim.arch import Arch
from hwsim.errors import TraceError
from hwsim.machine.mapping import map_blocks, segment_blocks
from hwsim.machine.schedule import LayerSpan, schedule
from hwsim.machine.simulation import check_widths
from hwsim.machine.workload import Workload
from hwsim.trace import Trace
from hwsim.verify_layers import LayerCheck, LayerOnRtl
from hwsim_rtl.cosim import build

__all__ = ["MODES", "LayerCheck", "verify"]

# What the machine's two flags make of it: skip_zeros, compress.
MODES = {
    "skipping": (True, True),
    "skipping raw": (True, False),
    "dense coded": (False, True),
    "dense": (False, False),
}


def verify(
    trace: Trace,
    arch: Arch,
    layers: Sequence[str] | None = None,
    images: Sequence[int] = (0,),
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[LayerCheck]:
    """Run layers through the RTL, as the schedule of the machine has them, in all of :data:`MODES`.

    What is simulated is a core, pass by pass.

    Args:
        trace: real or synthetic; one without weights gets random ones, seeded by the layer's name.
        arch: the machine; its own two flags do not matter.
        layers: names; all if not given.
        images: numbers.
        progress: called with (passes done, passes in all).

    Raises:
        ArchError: a layer or a width does not fit the machine, or the RTL.
        TraceError: no such layer or image.
        CosimError: the simulation cannot be built, or a pass does not end.
    """
    _check(trace, arch, layers or ())
    simulator = build(arch)
    spans = []
    for image in images:
        workload = Workload(trace, image)
        for mode, (skip_zeros, compress) in MODES.items():
            machine = arch.replace(skip_zeros=skip_zeros, compress=compress)
            spans += [
                (image, mode, span)
                for span in schedule(workload.jobs(machine), machine).layers
                if layers is None or span.job.layer.name in layers
            ]
    total, done = sum(len(span.passes) for _, _, span in spans), 0
    for image, mode, span in spans:
        yield _on_rtl(trace, arch, span).run(simulator, image, mode)
        done += len(span.passes)
        if progress is not None:
            progress(done, total)


def layer_on_rtl(trace: Trace, arch: Arch, name: str, image: int = 0) -> LayerOnRtl:
    """A layer of an image, as the schedule of the machine has it.

    Raises:
        ArchError: a layer or a width does not fit the machine, or the RTL.
        TraceError: no such layer or image.
    """
    _check(trace, arch, [name])
    spans = schedule(Workload(trace, image).jobs(arch), arch).layers
    return _on_rtl(trace, arch, next(span for span in spans if span.job.layer.name == name))


def _check(trace: Trace, arch: Arch, layers: Sequence[str]) -> None:
    """Refuse layers that a trace has not, and widths that a machine has not."""
    known = [layer.name for layer in trace.layers]
    for name in layers:
        if name not in known:
            raise TraceError(f"{trace.title} has no layer {name}; it has {', '.join(known)}")
    check_widths(trace, arch)


def _on_rtl(trace: Trace, arch: Arch, span: LayerSpan) -> LayerOnRtl:
    """A layer with the channels of its segments."""
    layer, blocks = span.job.layer, map_blocks(trace.layers, arch)
    block = blocks[layer.input] if layer.kind == "depthwise" else span.job.block
    of_segments = segment_blocks(trace.layers, blocks)
    return LayerOnRtl(trace, span, block, of_segments.get(layer.output or "", arch.columns))
