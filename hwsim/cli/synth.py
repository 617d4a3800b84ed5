"""``hwsim synth``: a synthetic trace of a network's geometry."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import Quiet
from hwsim.errors import HwsimError
from hwsim.notices import SYNTHETIC

_MUCH = 1 << 28  # bytes of memory that are told beforehand


def synth(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="lenet5, mobilenet_v1, resnet18, resnet34, inception_v3, or a .csv topology of SCALE-Sim.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="TRACE", help="Folder, .zip or URL to write.")
    ],
    density: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Part of every map that is not zero, but of the first. Default: 0.5."
        ),
    ] = None,
    per_layer: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Densities by layer, before --density: a .csv of lines 'layer,density', .toml or .json.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same trace.")] = 0,
    images: Annotated[int, typer.Option(min=1, help="How many.")] = 1,
    bits: Annotated[int, typer.Option(min=1, max=16, help="Width of the values.")] = 16,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a writing that was killed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a trace that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a trace of made-up values, clustered and marked as synthetic, in a network's geometry."""
    from hwsim.report import text
    from hwsim.synthetic import find_network, peak_memory, read_densities, synthesize
    from hwsim.synthetic.densities import DEFAULT

    wanted: float | dict[str, float] = 0.5 if density is None else density
    if per_layer:
        rest = {} if density is None else {DEFAULT: density}
        wanted = rest | dict(read_densities(per_layer))
    geometry = find_network(network)
    for note in geometry.notes:
        typer.echo(f"hwsim: {network}: {text.words(note)}", err=True)
    most, memory = peak_memory(geometry)
    if memory > _MUCH:
        values = {name: prod(shape) for name, shape in geometry.maps.items()}
        typer.echo(
            f"hwsim: the maps have {text.count(sum(values.values()))} values in all; {text.label(most)}, "
            f"with {text.count(values[most])} of them, takes the most memory to make, about "
            f"{text.size(memory).strip()}",
            err=True,
        )
    try:
        with console.progress("making maps", quiet) as advance:
            synthesize(geometry, output, wanted, seed, images, bits, advance, force, resume)
    except MemoryError:
        raise HwsimError(
            f"there is not enough memory for map {most}, which takes about {text.size(memory).strip()}: "
            "run on a larger computer, or make the layer smaller"
        ) from None
    if not quiet:
        many = "1 image" if images == 1 else f"{images} images"
        console.say(f"{output}: {network}, {many}. {SYNTHETIC}")
