"""Accelergy: the machine's components, the energy of their actions, and how often each action happened.

The format is that of Accelergy 0.3, which 0.4 reads too (https://github.com/Accelergy-Project/accelergy,
``raw_inputs_2_dicts.py``, ``ERT_generator.py``): ``accelergy ERT.yaml action_counts.yaml`` gives the energy
of every component and the total. Energies are ours (hwsim.machine.energy), pJ; ``architecture.yaml`` names
the sizes that they follow from. The component names have no list ranges: an action is counted over all
instances together. What must stand wherever totals stand (hwsim.machine.marks) is a comment on top.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.arch import Arch
from hwsim.errors import ExportError, TraceError
from hwsim.export.files import workload_of, write_lines
from hwsim.export.yaml_text import yaml_lines
from hwsim.machine.energy import ACCUMULATOR_BITS, COMPONENTS, MARK_BITS, READERS, event_table
from hwsim.machine.marks import trace_marks
from hwsim.machine.simulation import Pair
from hwsim.machine.totals import Totals

if TYPE_CHECKING:
    from hwsim.trace import Trace

VERSION = 0.3
ROOT = "hwsim"


def write_accelergy(
    trace: Trace, arch: Arch, folder: str | os.PathLike[str], image: int = 0, layer: str | None = None
) -> tuple[Path, ...]:
    """Write ``architecture.yaml``, ``ERT.yaml`` and ``action_counts.yaml`` into a folder.

    Args:
        trace: what runs.
        arch: the machine, or its ``dense()`` baseline.
        folder: made if it is not there.
        image: number of the image whose actions are counted.
        layer: name of the one layer that is counted; all if not given.

    Returns:
        The three paths.

    Raises:
        ArchError: the trace does not fit the machine, or its energy table names an unknown event.
        ExportError: a file cannot be written.
        TraceError: no such image or layer.
    """
    counts = action_counts(trace, arch, image, layer)
    documents = {
        "architecture": {"architecture": {"version": VERSION, **_architecture(arch)}},
        "ERT": {"ERT": {"version": VERSION, "tables": _table(arch)}},
        "action_counts": {"action_counts": {"version": VERSION, "local": _counts(counts)}},
    }
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{folder}: {error.strerror}: give a folder that can be made") from None
    comments = [f"# {mark}" for mark in trace_marks(trace)]
    paths = []
    for name, document in documents.items():
        paths.append(folder / f"{name}.yaml")
        write_lines(paths[-1], [*comments, *yaml_lines(document)])
    return tuple(paths)


def action_counts(trace: Trace, arch: Arch, image: int, layer: str | None = None) -> dict[str, int]:
    """How often every event of hwsim.machine.energy happened, over all layers or in one."""
    if layer is not None and layer not in [known.name for known in trace.layers]:
        raise TraceError(f"{trace.title} has no layer {layer}")
    results = Pair(arch).run(workload_of(trace, arch, image))
    return Totals.of(result.skipping for result in results if layer in (None, result.name)).events


def _architecture(arch: Arch) -> dict[str, Any]:
    """Components as one level below the root; classes are those of Accelergy's own library."""
    word = arch.columns * arch.weight_bits
    parts: dict[str, tuple[str, dict[str, int]]] = {
        "mac": ("intmac", {"datawidth": arch.activation_bits, "instances": arch.peak_macs}),
        "accumulators": (
            "SRAM",
            {
                "width": ACCUMULATOR_BITS + MARK_BITS,
                "depth": arch.accumulators,
                "instances": READERS * arch.peak_macs,
            },
        ),
        "weights": ("SRAM", {"width": word, "depth": arch.weight_words, "instances": arch.cores}),
        "decode": ("bitwise", {"datawidth": arch.activation_bits, "instances": arch.cores}),
        "encode": ("bitwise", {"datawidth": arch.activation_bits, "instances": arch.cores}),
        "map_buffer": ("SRAM", {"width": 64, "depth": arch.map_buffer // 8, "instances": 1}),
        "dram": ("DRAM", {"width": 8 * arch.bytes_per_cycle, "instances": 1}),
    }
    local = [
        {"name": name, "class": kind, "attributes": attributes} for name, (kind, attributes) in parts.items()
    ]
    root = {"name": ROOT, "attributes": {"technology": "45nm", "clock_mhz": arch.clock_mhz}, "local": local}
    return {"subtree": [root]}


def _table(arch: Arch) -> list[dict[str, Any]]:
    energies = event_table(arch)
    return [
        {
            "name": f"{ROOT}.{part}",
            "actions": [{"name": name, "arguments": None, "energy": energies[name]} for name in names],
        }
        for part, names in COMPONENTS.items()
    ]


def _counts(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{ROOT}.{part}",
            "action_counts": [{"name": name, "counts": counts[name]} for name in names],
        }
        for part, names in COMPONENTS.items()
    ]
