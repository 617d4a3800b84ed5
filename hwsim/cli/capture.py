"""``hwsim capture``: a network and pictures in, a trace out."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.options import Bgr, ChannelsAt, Crop, Mean, Quiet, Size, Std, Weights, White
from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from hwsim.capture.preprocessing import Prepared, Preprocessing


def capture(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="model.onnx, torchvision:NAME, package.module:factory or mobilenet_v1.",
        ),
    ],
    images: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="Pictures: a folder, IDX, CIFAR's .bin, .npy, or .npz (FILE.npz#ARRAY)."
        ),
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="TRACE", help="Folder or .zip to write.")],
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="PATH|N", help="Pictures to choose scales and orders on; N: the last N of --images."
        ),
    ] = "8",
    count: Annotated[
        int | None, typer.Option(min=1, help="Measure the first so many pictures. Default: all.")
    ] = None,
    bits: Annotated[int, typer.Option(min=1, max=16, help="Width of the maps.")] = 16,
    percentile: Annotated[
        float,
        typer.Option(min=50, max=100, help="Of a map's magnitudes, for the largest code; 100: the maximum."),
    ] = 100.0,
    headroom: Annotated[
        float,
        typer.Option(min=1, max=1000, help="The largest code stands for so many times what calibration met."),
    ] = 1.0,
    weights: Weights = None,
    mean: Mean = None,
    std: Std = None,
    size: Size = None,
    crop: Crop = None,
    bgr: Bgr = False,
    white: White = None,
    layout: ChannelsAt = None,
    variant: Annotated[str, typer.Option(help="Name of this state of the network.")] = "baseline",
    skip_unsupported: Annotated[
        bool, typer.Option("--skip-unsupported", help="Leave out layers that cannot be captured.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a capture that was interrupted.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a trace that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Run a network on pictures and write the maps that enter its layers as a trace.

    8-bit pictures are scaled to 0 .. 1 (--white), then normalized. --mean, --std, --size and --crop default
    to what the source is known to need. SOURCE package.module:factory runs the code of that module.
    """
    from hwsim.capture.preprocessing import Preprocessing
    from hwsim.capture.record import capture as run
    from hwsim.capture.sources import open_network
    from hwsim.trace.provenance import CLAMPED, as_json, cautions

    network, known = open_network(source, weights, layout)
    preprocessing = with_options(known or Preprocessing(), mean, std, size, crop, bgr, white)
    measured, calibration = _choose(images, calibrate, count, preprocessing)
    facts: dict[str, Any] = {
        "images": Path(measured.pictures.title).name,
        "image_names": measured.names,
        "calibration": Path(calibration.pictures.title).name,
        "preprocessing": preprocessing.to_dict(),
    }
    try:
        with console.progress("capturing", quiet) as advance:
            done = run(
                network,
                measured,
                calibration,
                output,
                bits=bits,
                percentile=percentile,
                headroom=headroom,
                variant=variant,
                provenance=facts,
                skip_unsupported=skip_unsupported,
                resume=resume,
                overwrite=force,
                progress=advance,
            )
    except KeyboardInterrupt:
        typer.echo(f"hwsim: {output}.partial is kept: the same command with --resume goes on", err=True)
        raise
    plan = done.plan
    for entry in plan.left_out:
        typer.echo(f"hwsim: left out: {entry.layer}: {entry.why}", err=True)
    if plan.left_out:
        share = "an unknown share" if plan.share is None else f"{plan.share:.1%}"
        typer.echo(f"hwsim: the trace has {share} of the network's MACs", err=True)
    for words in cautions({CLAMPED: as_json(done.clamped)}):
        advice = "calibrate on more pictures, or give --headroom"
        typer.echo(f"hwsim: {words.rstrip('.')}: {advice}", err=True)
    if not quiet:
        many = "1 picture" if len(measured) == 1 else f"{len(measured)} pictures"
        console.say(
            f"{output}: {network.name}, {len(plan.layers)} layers, {len(plan.maps)} maps, {many}, "
            f"{bits} bits; calibrated on {len(calibration)} others."
        )


def _choose(
    images: str, calibrate: str, count: int | None, preprocessing: Preprocessing
) -> tuple[Prepared, Prepared]:
    """The pictures to measure, and those to calibrate on."""
    from hwsim.capture.pictures import open_pictures
    from hwsim.capture.preprocessing import Prepared

    pictures = open_pictures(images)
    if re.fullmatch("[0-9]{1,18}", calibrate):
        spare = int(calibrate)
        most = len(pictures) - spare
        if not spare or most < (count or 1):
            raise HwsimError(
                f"{images} has {len(pictures)} pictures, too few for {count or 1} to measure and {calibrate} "
                "others to calibrate on: give --calibrate PATH, or other numbers"
            )
        numbers = range(most, len(pictures))
        others = pictures
    else:
        others, most = open_pictures(calibrate), len(pictures)
        if count is not None and count > most:
            raise HwsimError(f"{images} has {most} pictures: --count {count} asks for more")
        numbers = range(len(others))
    measured = range(most if count is None else count)
    return Prepared(pictures, measured, preprocessing), Prepared(others, numbers, preprocessing)


def with_options(
    known: Preprocessing,
    mean: str | None,
    std: str | None,
    size: int | None,
    crop: int | None,
    bgr: bool,
    white: float | None = None,
) -> Preprocessing:
    """What the source is known to need, with what the options change; 0 pixels means none.

    Raises:
        typer.BadParameter: --mean or --std are no numbers.
        CaptureError: they make no sense.
    """
    changes: dict[str, Any] = {"bgr": known.bgr or bgr}
    if white is not None:
        changes["white"] = white
    for name, text in (("mean", mean), ("std", std)):
        if text is not None:
            changes[name] = _numbers(name, text)
    for name, pixels in (("size", size), ("crop", crop)):
        if pixels is not None:
            changes[name] = pixels or None
    return replace(known, **changes)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--{option} {text}: give numbers with commas between") from None
