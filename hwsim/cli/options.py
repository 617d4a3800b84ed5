"""Options that several commands have, and what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hwsim.cli.console import OutputFormat
from hwsim.errors import TraceError, one_line

if TYPE_CHECKING:
    from hwsim.arch import Arch
    from hwsim.trace import Trace

MOST_PIXELS = 1 << 15  # of a side of a picture

ArchFile = Annotated[
    Path | None,
    typer.Option("--arch", metavar="FILE", help="Machine, a TOML file as 'hwsim arch' prints it."),
]
OutFolder = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for report, tables and plots; made if missing."),
]
Images = Annotated[
    str | None,
    typer.Option(
        "--images", metavar="N|LIST", help="The first N images, or their numbers: 0,3,7. Default: all."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else, to stdout.")]
Formatted = Annotated[
    OutputFormat,
    typer.Option(
        "--format", help="table: for people; csv, md: the first table alone; json: the whole, as --json."
    ),
]
TraceName = "Folder, .zip, URL, or a shipped one by the name that 'hwsim traces' lists."
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Checkpoint: .safetensors, .pth or .npz.")]
Mean = Annotated[
    str | None, typer.Option(metavar="M,M,M", help="To subtract, a number for each channel or for all.")
]
Std = Annotated[str | None, typer.Option(metavar="S,S,S", help="To divide by.")]
Size = Annotated[
    int | None, typer.Option(min=0, max=MOST_PIXELS, help="Resize the shorter side to it; 0: do not.")
]
Crop = Annotated[
    int | None, typer.Option(min=0, max=MOST_PIXELS, help="Cut a square from the centre; 0: do not.")
]
Bgr = Annotated[bool, typer.Option("--bgr", help="Turn the channels round, for networks of Caffe.")]
White = Annotated[
    float | None,
    typer.Option(metavar="X", help="What white of an 8-bit picture becomes, before --mean: 1 or 255."),
]
ChannelsAt = Annotated[
    str | None,
    typer.Option("--layout", metavar="nchw|nhwc", help="Of an ONNX model's input, where it does not tell."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no table.")]


def chosen_format(format_: OutputFormat, json: bool) -> OutputFormat:
    """What ``--format`` and ``--json`` ask for together.

    Raises:
        typer.BadParameter: they ask for two formats.
    """
    if json and format_ not in (OutputFormat.table, OutputFormat.json):
        raise typer.BadParameter(f"--json and --format {format_}: give one of them")
    return OutputFormat.json if json else format_


def default_trace() -> str:
    """Where the shipped trace lies.

    Raises:
        TraceError: it did not come with this installation.
    """
    from hwsim.trace.shipped import shipped_trace

    return str(shipped_trace())


def read_arch(path: Path | None) -> Arch:
    """The machine of a file, or the default one.

    Raises:
        ArchError: the file is missing or wrong.
    """
    from hwsim.arch import Arch

    return Arch() if path is None else Arch.from_toml(path)


def choose_images(wanted: str | None, trace: Trace) -> tuple[int, ...]:
    """Numbers of the images that ``--images`` means.

    Raises:
        typer.BadParameter: it is neither a number nor a list of different numbers.
        TraceError: the trace has no such image.
    """
    if wanted is None:
        return tuple(range(trace.images))
    asked = one_line(wanted, 40)
    try:
        numbers = [int(part) for part in wanted.split(",") if part.strip()]
    except ValueError:
        raise typer.BadParameter(f"--images {asked}: give a number N, or a list such as 0,3,7") from None
    first = len(numbers) == 1 and "," not in wanted
    if not numbers or min(numbers) < int(first) or len(set(numbers)) < len(numbers):
        raise typer.BadParameter(f"--images {asked}: give 1 image or more, none below 0, each once")
    if max(numbers) >= trace.images + int(first):
        raise TraceError(f"{trace.title} has images 0 .. {trace.images - 1}: --images {asked} asks for more")
    return tuple(range(numbers[0])) if first else tuple(numbers)
