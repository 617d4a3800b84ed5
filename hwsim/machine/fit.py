"""The least machine that holds a network: what of a machine has to grow, and which layers no size helps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from hwsim.arch import MAX_WORDS, SUB_BANKS, WEIGHT_PORT_WORDS, Arch
from hwsim.errors import ArchError
from hwsim.layer import Layer
from hwsim.machine.mapping import map_blocks
from hwsim.trace import PartialTrace, Trace
from hwsim.trace.provenance import LeftOut

# Fields that a layer may exceed, and their steps.
MEMORIES = {"accumulators": SUB_BANKS, "weight_words": WEIGHT_PORT_WORDS}


@dataclass(frozen=True)
class Fit:
    """A trace and a machine that holds it.

    Attributes:
        arch: the machine asked for, no field smaller, those that had to grow at the least value that serves.
        trace: the trace, without the layers that no such machine runs.
        left_out: those layers, each with its reason.
        changes: what grew, as words: ``weight_words 9216 -> 25088``.
    """

    arch: Arch
    trace: Trace
    left_out: tuple[LeftOut, ...]
    changes: tuple[str, ...]


def misfits(layers: Sequence[Layer], arch: Arch) -> tuple[LeftOut, ...]:
    """The layers that a machine does not run, each with its reason and its MACs as published."""
    found = []
    for layer in layers:
        try:
            map_blocks([layer], arch)
        except ArchError as error:
            why = str(error).removeprefix(f"layer {layer.name}").lstrip(": ")
            found.append(LeftOut(layer.name, why, layer.published_macs))
    return tuple(found)


def fit(trace: Trace, arch: Arch) -> Fit:
    """Grow a machine until it holds a trace: its widths, accumulators and weight memory.

    Args:
        trace: of the network.
        arch: the machine to begin with.

    Raises:
        ArchError: no layer of the trace runs on any such machine; says why the first one does not.
    """
    wide = arch.replace(
        activation_bits=max(arch.activation_bits, *(info.bits for info in trace.maps.values())),
        weight_bits=max(arch.weight_bits, trace.weight_bits),
    )
    grown, never = least_machine(trace.layers, wide)
    if len(never) == len(trace.layers):
        raise ArchError(f"no layer of {trace.title} fits a machine of any size: {said(never)}")
    changes = tuple(
        f"{field} {before} -> {getattr(grown, field)}"
        for field, before in arch.model_dump().items()
        if before != getattr(grown, field)
    )
    return Fit(grown, PartialTrace(trace, never) if never else trace, never, changes)


def least_machine(layers: Sequence[Layer], arch: Arch) -> tuple[Arch, tuple[LeftOut, ...]]:
    """The machine with the least memories, none below those of ``arch``, that runs all layers but some.

    Returns:
        The machine, and the layers that none runs.
    """
    grown = arch.replace(**dict.fromkeys(MEMORIES, MAX_WORDS))
    never = misfits(layers, grown)
    lost = {entry.layer for entry in never}
    rest = [layer for layer in layers if layer.name not in lost]
    for field, step in MEMORIES.items():  # channels of a group, and so its weights, depend on accumulators

        def serves(steps: int, machine: Arch = grown, field: str = field, step: int = step) -> bool:
            return not misfits(rest, machine.replace(**{field: steps * step}))

        sizes = range(MAX_WORDS // step)  # the one behind them serves, and so do all above one that serves
        grown = grown.replace(
            **{field: step * bisect_left(sizes, True, getattr(arch, field) // step, key=serves)}
        )
    return grown, never


def said(lost: Sequence[LeftOut]) -> str:
    """The first of some layers with its reason, and how many others there are."""
    others = f" ({len(lost) - 1} more do not run)" if len(lost) > 1 else ""
    return f"layer {lost[0].layer}: {lost[0].why}{others}"
