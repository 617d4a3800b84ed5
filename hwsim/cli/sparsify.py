"""``hwsim sparsify``: a network and labelled pictures in; a sparser network that is as accurate out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import MOST_PIXELS, Formatted, Json, Quiet, chosen_format

if TYPE_CHECKING:
    from hwsim.report.tables import Column


def sparsify(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="lenet5, mobilenet_v1, resnet18: for small pictures; torchvision:NAME; module:factory.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="CIFAR-10 (binary), MNIST (IDX), train/ and test/ of class folders, .npz, or digits.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run; made if missing.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Checkpoint of the baseline; else it is trained.")
    ] = None,
    method: Annotated[
        str, typer.Option(help="l1; fatrelu (thresholds, no training); both: thresholds behind L1.")
    ] = "both",
    alpha: Annotated[
        str,
        typer.Option(
            metavar="auto|A[,A...]", help="Weight of the L1 term; of several, each is a trial; auto: three."
        ),
    ] = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Of the baseline's training.")] = 50,
    tune_epochs: Annotated[
        int, typer.Option(min=1, help="Of every fine-tuning, and of the control beside them.")
    ] = 20,
    delta: Annotated[float, typer.Option(help="Share of the pictures whose loss would not matter.")] = 0.005,
    width: Annotated[
        float, typer.Option(help="Factor on the filters of lenet5, mobilenet_v1, resnet18.")
    ] = 1.0,
    size: Annotated[
        int | None, typer.Option(min=8, max=MOST_PIXELS, help="Resize and crop class folders to it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the cut, the first weights, the order.")] = 0,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Train in bfloat16; a step of each is timed first.")
    ] = False,
    device: Annotated[str, typer.Option(help="Where to train: cpu, or cuda.")] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    format_: Formatted = OutputFormat.table,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network, then fine-tune it for sparse activation maps, beside a control without.

    Networks are judged by paired tests against the control. DIR holds run.json, a checkpoint for every
    variant, every picture's answer, and the training curves. The test pictures are measured once, at the end.
    NETWORK package.module:factory runs the code of that module.
    """
    format_ = chosen_format(format_, json)
    from hwsim.sparsify.datasets import open_dataset
    from hwsim.sparsify.run import sparsify as run
    from hwsim.sparsify.settings import Settings

    settings = Settings(
        network=network,
        width=width,
        method=method,
        alphas=_numbers(alpha),
        epochs=epochs,
        tune_epochs=tune_epochs,
        delta=delta,
        seed=seed,
        bfloat16=bfloat16,
    )
    pictures = open_dataset(data, seed, size=size)
    tell = (
        (lambda line: None)
        if quiet or format_ is not OutputFormat.table
        else (lambda line: typer.echo(line, err=True))
    )
    try:
        about = run(settings, pictures, out, weights=weights, resume=resume, device=device, tell=tell)
    except KeyboardInterrupt:
        typer.echo(f"hwsim: {out} is kept: the same command with --resume goes on", err=True)
        raise
    if format_ is OutputFormat.json:
        from hwsim.report.contents import jsonable, to_json

        typer.echo(to_json(jsonable(about)), nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, _columns(), _rows(about))
    elif not quiet:
        console.show_table(_columns(), _rows(about))


def _numbers(alpha: str) -> tuple[float, ...]:
    if alpha == "auto":
        return ()
    try:
        return tuple(float(one) for one in alpha.split(","))
    except ValueError:
        raise typer.BadParameter(f"--alpha {alpha}: give auto, a number, or several with commas") from None


def _columns() -> list[Column]:
    from hwsim.report import text
    from hwsim.report.tables import Column

    return [
        Column("variant", "variant", "state of the network", text.label, 9),
        Column("epochs", "epochs", "of training in all", text.whole, 3),
        Column("validation", "validation", "accuracy on the validation part", text.percent, 7),
        Column("test", "test", "accuracy on the test part", text.percent, 8),
        Column("elements", "density", "non-zero elements / elements of all maps", text.percent, 6),
        Column("macs", "by MACs", "the same, every map weighted by the MACs that read it", text.percent, 5),
        Column("against", "against", "the network that it is judged by, on the test part", text.label, 4),
        Column("low", "at least", "lower end of the difference in accuracy, in points, 95 %", _points, 4),
        Column("high", "at most", "upper end", _points, 4),
        Column("no_loss", "no loss", "non-inferior, and cross-entropy kept", text.label, 5),
    ]


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.2f}"


def _rows(about: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "variant": name,
            "epochs": facts["epochs"],
            "validation": facts["validation"]["accuracy"],
            "test": facts["test"]["accuracy"],
            "elements": facts["element_density"],
            "macs": facts["mac_density"],
            **_verdict(about["judged"]["test"][name]),
        }
        for name, facts in about["variants"].items()
    ]


def _verdict(judged: dict[str, Any]) -> dict[str, Any]:
    """Against the control, or the baseline where there is no control; blank for the baseline itself."""
    reference = next(iter(judged), None)
    if reference is None:
        return {"against": "", "low": None, "high": None, "no_loss": ""}
    found = judged[reference]
    low, high = found["interval"]
    return {
        "against": reference,
        "low": low,
        "high": high,
        "no_loss": "yes" if found["no_loss"] else "not shown",
    }
