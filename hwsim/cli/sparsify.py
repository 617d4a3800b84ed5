"""``hwsim sparsify``: a network and labelled pictures in; a sparser network that is as accurate out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsim.cli import console
from hwsim.cli.options import Json, Quiet

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
            metavar="PATH", help="CIFAR-10 (binary), MNIST (IDX), train/ and test/ of class folders, or .npz."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the run; made if missing.")],
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Checkpoint of the baseline; else it is trained.")
    ] = None,
    method: Annotated[str, typer.Option(help="l1, fatrelu (thresholds, no training), or both.")] = "l1",
    alpha: Annotated[
        str, typer.Option(metavar="auto|NUMBER", help="Weight of the L1 term; auto: search it.")
    ] = "auto",
    epochs: Annotated[int, typer.Option(min=1, help="Of the baseline's training.")] = 15,
    trial_epochs: Annotated[int, typer.Option(min=1, help="Of every fine-tuning.")] = 2,
    trials: Annotated[int, typer.Option(min=1, help="Of the search, at most.")] = 8,
    width: Annotated[
        float, typer.Option(help="Factor on the filters of lenet5, mobilenet_v1, resnet18.")
    ] = 1.0,
    size: Annotated[
        int | None, typer.Option(min=8, help="Resize and crop pictures of class folders to it.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the cut, the first weights, the order.")] = 0,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Train in bfloat16, if that is faster.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was interrupted.")] = False,
    json_: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network, then fine-tune it for sparse activation maps at no loss of validation accuracy.

    DIR holds run.json, a checkpoint for every variant, and the training curves. The test pictures are
    measured once, at the end. NETWORK package.module:factory runs the code of that module.
    """
    from hwsim.sparsify.datasets import open_dataset
    from hwsim.sparsify.run import Settings
    from hwsim.sparsify.run import sparsify as run

    settings = Settings(
        network=network,
        width=width,
        method=method,
        alpha=_number(alpha),
        epochs=epochs,
        trial_epochs=trial_epochs,
        trials=trials,
        seed=seed,
        bfloat16=bfloat16,
    )
    pictures = open_dataset(data, seed, size=size)
    tell = (lambda line: None) if quiet or json_ else (lambda line: typer.echo(line, err=True))
    try:
        about = run(settings, pictures, out, weights=weights, resume=resume, tell=tell)
    except KeyboardInterrupt:
        typer.echo(f"hwsim: {out} is kept: the same command with --resume goes on", err=True)
        raise
    if json_:
        import json

        typer.echo(json.dumps(about, indent=1))
    elif not quiet:
        console.show_table(_columns(), _rows(about))


def _number(alpha: str) -> float | None:
    if alpha == "auto":
        return None
    try:
        return float(alpha)
    except ValueError:
        raise typer.BadParameter(f"--alpha {alpha}: give auto or a number") from None


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
    ]


def _rows(about: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "variant": name,
            "epochs": facts["epochs"],
            "validation": facts["validation"]["accuracy"],
            "test": facts["test"]["accuracy"],
            "elements": facts["element_density"],
            "macs": facts["mac_density"],
        }
        for name, facts in about["variants"].items()
    ]
