"""The results as Markdown, for docs/synthesis.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hwsim_rtl.synth.names import MEANINGS
from hwsim_rtl.synth.reports import path_words

CODEC = ("decoder", "encoder")


def markdown(runs: Sequence[Mapping[str, Any]]) -> str:
    """Two tables a machine on which something was placed: what each component takes, and its slowest path.

    Args:
        runs: of a data file.
    """
    machines: dict[tuple[int, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        machines.setdefault(tuple(run["machine"].values()), []).append(run)
    placed = [found for found in machines.values() if any(run["timing"] for run in found)]
    return "\n".join("\n".join(_machine(found)) for found in placed)


def _machine(runs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    machine = runs[0]["machine"]
    yield f"**{', '.join(f'{name} {number}' for name, number in machine.items())}**"
    yield ""
    yield "| component | what | LUTs | flip-flops | DSPs | block RAMs | distributed RAM, bits | Fmax, MHz |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for run in runs:
        cells = run["cells"]
        numbers = " | ".join(f"{cells[key]:,}" for key in ("luts", "ffs", "dsps", "brams", "ram_bits"))
        name = run["component"]
        fmax = f"{run['timing']['fmax_mhz']:.1f}" if run["timing"] else "not placed"
        seeds = run.get("seeds", {}).values()
        if len(seeds) > 1:
            fmax += f", of {len(seeds)} seeds {min(seeds):.1f} .. {max(seeds):.1f}"
        yield f"| {name} | {MEANINGS[name]} | {numbers} | {fmax} |"
    yield ""
    share = codec_share(runs)
    if share is not None:
        yield f"Decoder and encoder take {share:.1%} of the core's LUTs."
        yield ""
    yield "| component | slowest path, ns | in cells, ns | cells | through |"
    yield "|---|---:|---:|---:|---|"
    for run in runs:
        timing = run["timing"]
        if timing is None:
            continue
        numbers = f"{timing['delay_ns']:.1f} | {timing['logic_ns']:.1f} | {timing['levels']}"
        yield f"| {run['component']} | {numbers} | {path_words(timing['path'])} |"
    yield ""
    made = sorted({(run["date"], *(f"{n} {v}" for n, v in run["tools"].items())) for run in runs})
    yield "Made " + "; ".join(f"{date} with {' and '.join(tools)}" for date, *tools in made) + "."
    yield ""


def codec_share(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Part of the core's LUTs that decoder and encoder take; None if one of the three is missing."""
    luts = {run["component"]: run["cells"]["luts"] for run in runs}
    if not {*CODEC, "core"} <= luts.keys():
        return None
    return sum(luts[name] for name in CODEC) / luts["core"]
