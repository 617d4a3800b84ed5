"""``hwsim synth``: a synthetic trace of a network's geometry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.options import Quiet


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
    force: Annotated[bool, typer.Option("--force", help="Replace a trace that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a trace of made-up values, clustered and marked as synthetic, in a network's geometry."""
    from hwsim.synthetic import read_densities, synthesize
    from hwsim.synthetic.densities import DEFAULT

    wanted: float | dict[str, float] = 0.5 if density is None else density
    if per_layer:
        rest = {} if density is None else {DEFAULT: density}
        wanted = rest | dict(read_densities(per_layer))
    with console.progress("making maps", quiet) as advance:
        synthesize(network, output, wanted, seed, images, bits, advance, force)
    if not quiet:
        many = "1 image" if images == 1 else f"{images} images"
        console.say(f"{output}: {network}, {many}. {console.SYNTHETIC}")
