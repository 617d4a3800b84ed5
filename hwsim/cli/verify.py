"""``hwsim verify``: the RTL against the cycle model and the integer reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import (
    ArchFile,
    Formatted,
    Images,
    Json,
    Quiet,
    TraceName,
    choose_images,
    chosen_format,
    default_trace,
    read_arch,
)
from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from hwsim.report.tables import Column
    from hwsim.verify import LayerCheck
    from hwsim.verify_system import SystemCheck


def verify(
    trace: Annotated[
        str | None,
        typer.Argument(metavar="TRACE", help=f"{TraceName} Default: the shipped LeNet-5, sparse."),
    ] = None,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", metavar="L", help="Only this layer; may be repeated.")
    ] = None,
    images: Images = None,
    system: Annotated[
        bool,
        typer.Option(
            "--system", help="Run the whole machine from a memory image, not single passes of a core."
        ),
    ] = False,
    arch: ArchFile = None,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run real layers through the simulated RTL: every cycle count and every output word must be the model's.

    The first image alone, unless --images says more. The first use of a machine compiles it, a minute or so.
    With --system every byte of maps, index and result, those over the channel, and the cycles of every pass
    and layer are those of the model; for networks that hwsim compile takes.
    """
    if system and layer:
        raise HwsimError("--system runs all layers: leave out --layer")
    format_ = chosen_format(format_, json)
    machine = read_arch(arch)  # before the simulator is loaded
    from hwsim.trace import open_trace

    try:
        from hwsim.verify import verify as run
        from hwsim.verify_system import verify_system
    except ImportError as error:
        raise HwsimError(f"verify needs {error.name}: pip install 'hwsim[rtl]'") from None
    if system:
        with open_trace(trace or default_trace()) as opened:
            numbers = (0,) if images is None else choose_images(images, opened)
            _say_system(list(verify_system(opened, machine, numbers)), format_, quiet)
        return
    with open_trace(trace or default_trace()) as opened:
        numbers = (0,) if images is None else choose_images(images, opened)
        with console.progress("passes", quiet) as advance:
            checks = list(run(opened, machine, layer, numbers, advance))
    _tell(checks, _columns(), _rows(checks), format_, quiet)
    if format_ is OutputFormat.table and not quiet:
        _remark(checks)
    wrong = [check for check in checks if not check.equal]
    if wrong:
        first = wrong[0]
        raise HwsimError(
            f"the RTL differs in {len(wrong)} of {len(checks)} layers: first {first.layer}, {first.mode}, "
            f"image {first.image}: cycles of {first.wrong_cycles} passes, words of {first.wrong_words}"
        )


def _say_system(checks: list[SystemCheck], format_: OutputFormat, quiet: bool) -> None:
    from hwsim.report import text
    from hwsim.report.tables import Column

    columns = [
        Column("layer", "layer", "", text.label, 9),
        Column("what", "what", "", text.label, 9),
        Column("image", "image", "", str, 1),
        Column("rtl", "RTL", "", text.whole, 8),
        Column("model", "model", "", text.whole, 8),
        Column("verdict", "verdict", "", text.label, 9),
    ]
    rows = [{**asdict(each), "verdict": "equal" if each.equal else "differs"} for each in checks]
    _tell(checks, columns, rows, format_, quiet)
    wrong = [each for each in checks if not each.equal]
    if wrong:
        first = wrong[0]
        raise HwsimError(
            f"the machine in RTL differs in {len(wrong)} of {len(checks)} numbers: first "
            f"image {first.image}, {first.layer}, {first.what}: {first.rtl:,}, not {first.model:,}"
        )


def _tell(
    checks: Sequence[LayerCheck | SystemCheck],
    columns: list[Column],
    rows: list[dict[str, Any]],
    format_: OutputFormat,
    quiet: bool,
) -> None:
    from hwsim.report.contents import to_json

    if format_ is OutputFormat.json:
        equal = all(check.equal for check in checks)
        typer.echo(to_json({"checks": [asdict(check) for check in checks], "equal": equal}))
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, columns, rows)
    elif not quiet:
        console.show_table(columns, rows)


def _columns() -> list[Column]:
    from hwsim.report import text
    from hwsim.report.tables import Column

    return [
        Column("layer", "layer", "", text.label, 9),
        Column("mode", "mode", "", text.label, 9),
        Column("image", "image", "", str, 1),
        Column("passes", "passes", "", text.whole, 2),
        Column("cycles", "RTL cycles", "of all passes", text.whole, 8),
        Column("model_cycles", "model", "", text.whole, 8),
        Column("words", "words out", "", text.whole, 7),
        Column("verdict", "verdict", "", text.label, 9),
    ]


def _rows(checks: list[LayerCheck]) -> list[dict[str, Any]]:
    rows = []
    for check in checks:
        wrong = f"{check.wrong_cycles} cycles, {check.wrong_words} words differ"
        rows.append({**asdict(check), "verdict": "equal" if check.equal else wrong})
    return rows


def _remark(checks: list[LayerCheck]) -> None:
    if any(check.made_up for check in checks):
        console.say("The trace has no weights: random ones were used.", "yellow")
    cycles, seconds = sum(check.cycles for check in checks), sum(check.seconds for check in checks)
    console.say(f"{cycles:,} cycles of RTL in {seconds:.1f} s: {cycles / seconds:,.0f} a second.")
