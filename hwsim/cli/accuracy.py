"""``hwsim accuracy``: how often a network is right, with quantized maps in the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hwsim.cli import console
from hwsim.cli.capture import with_options
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import (
    Bgr,
    Crop,
    Formatted,
    Json,
    Mean,
    Quiet,
    Size,
    Std,
    Weights,
    White,
    chosen_format,
)
from hwsim.errors import HwsimError


def accuracy(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="As for 'hwsim capture': model.onnx, torchvision:NAME, ..."),
    ],
    images: Annotated[
        str, typer.Option(metavar="PATH", help="Pictures, as for 'hwsim capture': their last ones calibrate.")
    ],
    labels: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="Their classes: .csv (file,class), IDX, .npy or .npz (FILE#ARRAY)."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Rows for 'hwsim reproduce': a .json to write."),
    ] = None,
    calibrate: Annotated[int, typer.Option(min=1, help="Calibrate on the last so many pictures.")] = 16,
    count: Annotated[
        int | None, typer.Option(min=1, help="Measure the first so many pictures. Default: all others.")
    ] = None,
    bits: Annotated[str, typer.Option(metavar="B,B,...", help="Widths of the maps.")] = "16,12,10,8,6,4",
    weights: Weights = None,
    mean: Mean = None,
    std: Std = None,
    size: Size = None,
    crop: Crop = None,
    bgr: Bgr = False,
    white: White = None,
    first_class: Annotated[
        int, typer.Option("--first-class", min=0, help="Output of class 0: 1 where output 0 is a background.")
    ] = 0,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at once.")] = 8,
    in_integers: Annotated[
        bool,
        typer.Option("--integers", help="Also answer every picture in integers alone: docs/integers.md."),
    ] = False,
    data: Annotated[str, typer.Option(help="Name of the data set in the tables.")] = "-",
    variant: Annotated[str, typer.Option(help="Name of this state of the network.")] = "baseline",
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Right answers of a network in floats, and with 8-bit weights and maps of fewer and fewer bits.

    Every map that a layer reads is rounded to its code as the network runs. --mean, --std, --size and --crop
    default to what the source is known to need.
    """
    format_ = chosen_format(format_, json)
    from hwsim.capture.pictures import open_pictures
    from hwsim.capture.preprocessing import Prepared, Preprocessing
    from hwsim.capture.sources import open_network
    from hwsim.report.write import write_files
    from hwsim.reproduce.accuracy import ACCURACY_COLUMNS, loop_note, measure_accuracy
    from hwsim.reproduce.entry import Answers, Entry, to_json
    from hwsim.reproduce.labels import open_labels
    from hwsim.reproduce.write import made_with

    widths = chosen_widths(bits)
    network, known = open_network(source, weights)
    preprocessing = with_options(known or Preprocessing(), mean, std, size, crop, bgr, white)
    pictures = open_pictures(images)
    classes = open_labels(labels, pictures.names)
    spare = len(pictures) - calibrate
    if spare < (count or 1):
        raise HwsimError(
            f"{images} has {len(pictures)} pictures, too few for {count or 1} to measure and {calibrate} "
            "others to calibrate on: give other numbers"
        )
    measured = range(spare if count is None else count)
    with console.progress("pictures", quiet) as advance:
        found = measure_accuracy(
            network,
            Prepared(pictures, measured, preprocessing),
            classes[list(measured)],
            Prepared(pictures, range(spare, len(pictures)), preprocessing),
            widths=widths,
            first_class=first_class,
            batch=batch,
            in_integers=widths if in_integers else (),
            progress=advance,
        )
    scores = {width: Answers(right, found.pictures) for width, right in found.correct.items()}
    exact = {width: Answers(right, found.pictures) for width, right in found.integers.items()}
    entry = Entry(network.name, data, variant, scores, None, (loop_note(found),), integers=exact)
    document = to_json([entry], made_with())
    if output is not None:
        write_files(output.parent, {output.name: document})
    if format_ is OutputFormat.json:
        typer.echo(document, nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, ACCURACY_COLUMNS, found.rows())
    elif not quiet:
        console.show_table(ACCURACY_COLUMNS if in_integers else ACCURACY_COLUMNS[:-1], found.rows())
        console.say(loop_note(found), "dim")


def chosen_widths(text: str) -> tuple[int, ...]:
    """What ``--bits`` asks for.

    Raises:
        typer.BadParameter: no numbers from 2 to 16.
    """
    try:
        widths = tuple(int(part) for part in text.split(","))
    except ValueError:
        widths = ()
    if not widths or not all(2 <= width <= 16 for width in widths):
        raise typer.BadParameter(f"--bits {text}: give numbers from 2 to 16 with commas between")
    return widths
