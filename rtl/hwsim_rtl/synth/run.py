"""Synthesis of components, kept as data."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hwsim.arch import Arch
from hwsim.errors import SynthesisError
from hwsim.files import whole_file
from hwsim.machine.descriptors import CORE_FIELDS, check_arch
from hwsim_rtl.synth import flow
from hwsim_rtl.synth.components import COMPONENTS, WHOLE, netlist
from hwsim_rtl.synth.names import MEANINGS
from hwsim_rtl.synth.reports import read_cells, read_timing

__all__ = ["add_run", "model_points", "synthesize"]

Run = dict[str, Any]


def synthesize(component: str, arch: Arch, seeds: Sequence[int] = (1,)) -> Run:
    """Synthesise one component of a machine.

    It stands between registers at all its ports, so that paths from and to ports are timed; these registers
    are not counted.

    Args:
        component: one of COMPONENTS.
        arch: the machine.
        seeds: place and route it with each of these, the timing is that of the median (of an even number, the
            slower one of the two); without any, there is no timing.

    Returns:
        A run, see docs/synthesis.md.

    Raises:
        SynthesisError: no such component, a tool is missing, or it gave up.
        ArchError: a machine that the RTL cannot be.
    """
    if component not in COMPONENTS:
        raise SynthesisError(f"no component {component!r}; there are {', '.join(COMPONENTS)}")
    tools = flow.versions()
    check_arch(arch)
    design = netlist(component, arch)
    with tempfile.TemporaryDirectory() as folder:
        cells = read_cells(flow.map_cells(Path(folder), design))
        options = flow.PLACE_CORE if component == WHOLE else ()
        placed = {seed: read_timing(flow.place(Path(folder), seed, *options)) for seed in seeds}
    timings = sorted(placed.values(), key=lambda timing: timing.fmax_mhz)
    return {
        "component": component,
        "machine": {name: getattr(arch, name) for name in CORE_FIELDS},
        "cells": asdict(cells),
        "timing": asdict(timings[(len(timings) - 1) // 2]) if timings else None,
        "seeds": {str(seed): timing.fmax_mhz for seed, timing in placed.items()},
        "design": hashlib.sha256(design.encode()).hexdigest(),
        "tools": tools,
        "date": datetime.now(UTC).date().isoformat(),
    }


def add_run(file: Path, run: Run) -> None:
    """Put a run into a data file, in the place of one of the same component and machine.

    A run without timing keeps the timing of the one before if the design is the same.

    Raises:
        SynthesisError: the file is there, but is none of ours.
    """
    runs: list[Run] = []
    if file.exists():
        try:
            runs = json.loads(file.read_text(encoding="utf-8"))["runs"]
        except (ValueError, KeyError, TypeError):
            raise SynthesisError(f"{file}: not a file of synthesis results; give another name") from None
    for old in runs:
        if _key(old) == _key(run):
            runs.remove(old)
            if run["timing"] is None and old["design"] == run["design"]:
                run = {**run, "timing": old["timing"], "seeds": old.get("seeds", {})}
            break
    order = list(MEANINGS)
    runs = sorted([*runs, run], key=lambda r: (order.index(r["component"]), list(r["machine"].values())))
    lines = ",\n  ".join(json.dumps(each) for each in runs)
    options = {"yosys": flow.SYNTH, "nextpnr": " ".join(flow.PLACE), "of a core": " ".join(flow.PLACE_CORE)}
    head = f'"device": {json.dumps(flow.DEVICE)},\n "options": {json.dumps(options)}'
    with whole_file(file) as partial:
        partial.write_text(f'{{\n {head},\n "runs": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


def _key(run: Run) -> tuple[object, ...]:
    return run["component"], *run["machine"].values()


def model_points() -> Iterable[tuple[str, Arch]]:
    """The component runs, without placing, from which ``hwsim.machine.area`` is fitted.

    Some machines are left out because yosys' WebAssembly crashes on them: scatter units of 8 columns,
    ``weights`` of other columns or depths, every ``reader`` alone. Columns are alike, so that few of them are
    enough for ``columns``.
    """
    base = Arch(columns=16, activation_bits=16, weight_bits=8)
    bits = [{"activation_bits": b} for b in (8, 16)]
    columns = [{"columns": n} for n in (8, 32)]
    weights = [{"weight_bits": b} for b in (4, 16)]
    sweeps: dict[str, Sequence[dict[str, int]]] = {
        "encoder": [*bits, {"activation_bits": 12}],
        "decoder": [*bits, {"activation_bits": 12}, {"run_max": 8}],
        "position": [*bits, *columns],
        "items": bits,
        "choice": bits,
        "scatter": [*bits, {"columns": 4}, {"columns": 32}],
        "weights": [{}, *weights],
        "columns": [
            *bits,
            {"columns": 8},
            *({"columns": 4, "weight_bits": b} for b in (4, 8, 16)),
        ],
        "drain": [*bits, *columns],
        "core": [{}, {"columns": 8}],
    }
    for component, changes in sweeps.items():
        for change in changes:
            yield component, base.replace(**change)
