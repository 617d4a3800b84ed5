"""Programs as the bench of the sequencer drives them, and what each core is to be given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from amaranth.lib import data
from hypothesis import HealthCheck, Phase, given, seed, settings
from random_programs import networks

from hwsim.arch import LINE_WORDS, Arch
from hwsim.errors import ArchError
from hwsim.machine.chain import links
from hwsim.machine.descriptors import Code
from hwsim.machine.programs import unit_geometries
from hwsim.machine.workload import Workload
from hwsim.program import compile_network
from hwsim.trace import open_trace
from hwsim_rtl.core.payloads import RowDescriptor
from hwsim_rtl.system.payloads import SequencedPass


@dataclass
class ForCore:
    """Payloads of a core, in their order, as bits; of a map row, and of one that is made, its fields."""

    passes: list[int] = field(default_factory=list)
    map_rows: list[dict[str, int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    out_rows: list[dict[str, int]] = field(default_factory=list)


@dataclass
class NetworkCase:
    """The words of a network's programs, and what comes of them.

    Attributes:
        words: of 64 bits.
        cores: of each core.
        kinds: of its layers, for coverage: (kind, transposed, dilated, groups, units that read less,
            clamped).
        before: layers of the networks that are run before it.
    """

    words: list[int]
    cores: list[ForCore]
    kinds: list[tuple[str, bool, bool, bool, bool, bool]]
    before: int


def network_cases(arch: Arch, number: int, count: int) -> list[NetworkCase]:
    """LeNet-5, and so many random networks of those that the machine runs, from a seed."""
    with open_trace("lenet5_digits/sparse") as lenet:
        return [*_runnable([lenet, *drawn_networks(number, count)], arch)]


def drawn_networks(number: int, count: int) -> list[Any]:
    """So many random networks, from a seed."""
    drawn: list[Any] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, phases=[Phase.generate], deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(networks())
    def draw(trace: Any) -> None:
        drawn.append(trace)

    draw()
    return drawn


def _runnable(traces: list[Any], arch: Arch) -> Iterator[NetworkCase]:
    layers = 0
    for trace in traces:
        try:
            image = compile_network(trace, arch)
        except ArchError:
            continue
        programs = image.memory[: image.number("program_bytes")]
        words = [int.from_bytes(programs[at : at + 8], "little") for at in range(0, len(programs), 8)]
        case = NetworkCase(words, [ForCore() for _ in range(arch.cores)], [], layers)
        _fill(case, trace, arch)
        layers += len(trace.layers)
        yield case


def _fill(case: NetworkCase, trace: Any, arch: Arch) -> None:
    """What the model gives every core of every pass."""
    workload = Workload(trace, 0)
    jobs = workload.jobs(arch)
    configuration = data.Layout.cast(SequencedPass(arch))
    row_layout = data.Layout.cast(RowDescriptor)
    for number, (job, following, link) in enumerate(zip(jobs, [*jobs[1:], None], links(trace), strict=True)):
        layer, drain, source = job.layer, trace.requantize(job.layer), trace.maps[job.layer.input]
        order = drain.order if following is None else trace.maps[following.layer.input].order
        depthwise = layer.kind == "depthwise"
        geometries = unit_geometries(
            job,
            workload.network.blocks(arch)[layer.input] if depthwise else job.block,
            arch.columns if following is None else following.block,
            Code(source.bits, source.order, source.signed),
            Code(drain.bits, order, drain.signed),
            shift=drain.shift,
            relu=drain.relu,
            clamps=drain.clamps,
            result=following is None or bool(link.pool) or link.flatten,
        )
        places = job.stored.line_places()
        row_words = int(job.stored.room.sum()) // 8
        index_line = -(-row_words * layer.in_shape[1] // LINE_WORDS)
        for core, unit, group in (work for round_ in job.mapping.rounds for work in round_):
            geometry = replace(geometries[unit], owned=[int(row) for row in job.mapping.groups[group]])
            config = geometry.config(arch, job.block)
            config |= {"place_words": int(job.stored.room[0]) // 8, "index_line": index_line}
            first = job.mapping.parts[unit].reads.start // job.block
            mine = case.cores[core]
            y = job.rows(group).y[0]
            sent = {"config": config, "entry": int(y * places.shape[1] + first)}
            mine.passes.append(configuration.const(sent).as_value().value)
            mine.rows += [row_layout.const(row).as_value().value for row in geometry.row_descriptors(arch)]
            makes, out_block = job.mapping.parts[unit].makes, geometry.out_block
            blocks = sorted({channel // out_block for channel in makes})
            mine.out_rows += [
                {
                    "layer": (case.before + number) % 2,
                    "row": int(row),
                    "first": blocks[0],
                    "segments": len(blocks),
                }
                for row in job.mapping.groups[group]
            ]
            mine.map_rows += [
                {"place": int(places[y, first]), "entry": int(y * places.shape[1] + first)}
                for y in job.rows(group).y
            ]
        reads = {len(unit.reads) for unit in job.mapping.parts}
        case.kinds.append(
            (
                layer.kind,
                layer.transposed,
                layer.dilation != (1, 1),
                layer.groups > 1,
                len(reads) > 1,
                layer.clamped,
            )
        )
