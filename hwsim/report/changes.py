"""Machines that differ from one in a single step, and what a trace does on them: run once each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hwsim.arch import SUB_BANKS, WEIGHT_PORT_WORDS, Arch
from hwsim.errors import ArchError
from hwsim.machine.fit import misfits
from hwsim.machine.result import Result
from hwsim.machine.simulation import simulate_machines

if TYPE_CHECKING:
    from hwsim.trace import Trace


@dataclass(frozen=True)
class Parameter:
    """A number of the machine that can be made larger or, where less is better, smaller.

    Attributes:
        field: of :class:`hwsim.arch.Arch`.
        name, unit: in words.
        step: between two values.
        sinks: whether less is better.
    """

    field: str
    name: str
    unit: str
    step: int = 1
    sinks: bool = False

    @property
    def change(self) -> str:
        """Its doubling, or halving, in words."""
        return f"{'half' if self.sinks else 'twice'} the {self.name}"

    def changed(self, arch: Arch, times: int) -> int:
        """Its value of a machine, so many times as large or as small."""
        now: int = getattr(arch, self.field)
        return now // times if self.sinks else now * times


# In the order in which they are preferred where they help as much.
PARAMETERS = (
    Parameter("dram_latency", "DRAM latency", "cycles", sinks=True),
    Parameter("run_max", "run of zeros", "values"),
    Parameter("map_buffer", "map buffer", "bytes", step=1024),
    Parameter("weight_words", "weight memory", "words", step=WEIGHT_PORT_WORDS),
    Parameter("accumulators", "accumulators", "words", step=SUB_BANKS),
    Parameter("bytes_per_cycle", "bandwidth", "bytes a cycle"),
    Parameter("cores", "cores", "cores"),
)
SHAPES: dict[str, Callable[[Arch], dict[str, Any]]] = {
    "twice the cores of half the columns": lambda a: {"cores": 2 * a.cores, "columns": a.columns // 2},
    "half the cores of twice the columns": lambda a: {"cores": a.cores // 2, "columns": 2 * a.columns},
}


def doublings(arch: Arch) -> dict[str, dict[str, Any]]:
    """The fields of every doubling, halving or turn of the shape, by its name, preferred ones first."""
    single = [(p.change, {p.field: p.changed(arch, 2)}) for p in PARAMETERS]
    shapes = [(name, shape(arch)) for name, shape in SHAPES.items()]
    return dict([*single[:-1], *shapes, single[-1]])  # more cores, which cost most, come last


@dataclass(frozen=True)
class Ran:
    """What a changed machine made of the trace."""

    result: Result

    @cached_property
    def layers(self) -> dict[str, dict[str, Any]]:
        """Rows of :meth:`Result.per_layer`, by name."""
        return {row["layer"]: row for row in self.result.per_layer()}


class Changed:
    """The images of a result on machines that differ from its own; each machine is run once.

    Args:
        trace: that the result is of.
        result: of the machine as it is.
        progress: called with (machines run, machines run or asked for so far).
    """

    def __init__(
        self, trace: Trace, result: Result, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self.as_it_is = Ran(result)
        self._trace, self._result, self._progress = trace, result, progress
        self._found: dict[tuple[tuple[str, Any], ...], Ran | None] = {}

    def run(self, changes: Iterable[dict[str, Any]]) -> list[Ran | None]:
        """What came of changes of fields; None for a machine that cannot be or does not hold the trace."""
        keys = [tuple(fields.items()) for fields in changes]
        new = {key: self._machine(dict(key)) for key in keys if key not in self._found}
        machines = [machine for machine in new.values() if machine is not None]
        results = iter(self._simulate(machines))
        self._found |= {key: None if machine is None else Ran(next(results)) for key, machine in new.items()}
        return [self._found[key] for key in keys]

    def _machine(self, fields: dict[str, Any]) -> Arch | None:
        try:
            machine = self._result.arch.replace(**fields)
        except ArchError:
            return None
        return None if misfits(self._trace.layers, machine) else machine

    def _simulate(self, machines: Sequence[Arch]) -> list[Result]:
        if not machines:
            return []
        before, count = len(self._found), len(machines)

        def advance(images: int, of: int) -> None:
            if self._progress is not None:
                self._progress(before + count * images // of, before + count)

        return simulate_machines(self._trace, machines, self._result.images, advance)
