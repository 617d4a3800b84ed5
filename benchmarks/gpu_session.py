"""One call for a short time on a bare machine with a GPU: train at full width, and time kernels.

    python benchmarks/gpu_session.py --data CIFAR.npz --out DIR [--seconds 540] [--device cuda]
        [--train resnet18:1.0 mobilenet_v1:1.0] [--traces TRACE ...] [--epochs 50] [--tune-epochs 20]
    python benchmarks/gpu_session.py --read DIR

The kernels come first, since they are short: what ``hwsim measure --device cuda`` says of the traces goes to
DIR/measured. Then every network is a run of ``hwsim sparsify`` in DIR/NETWORK: bfloat16, pictures on the
device, its control and its trial side by side in processes of their own, the networks side by side too. What
is not done when the seconds are over is stopped; the states of the last epochs stay, and the same call goes
on from them. --read shows what a folder holds, with ``not measured`` where nothing was measured, and needs no
GPU. The machine needs ``pip install '.[train]'``.

Rehearse on the processor: --device cpu --train PACKAGE.MODULE:FACTORY with a tiny network.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwsim.errors import HwsimError
from hwsim.measure import measure
from hwsim.measure.record import Measured, read_measured
from hwsim.report.text import NOT_MEASURED
from hwsim.sparsify.datasets import open_dataset
from hwsim.sparsify.folder import open_run
from hwsim.sparsify.run import sparsify, train_alone
from hwsim.sparsify.settings import Settings
from hwsim.sparsify.stages import read_state
from hwsim.trace import open_trace
from hwsim.trace.shipped import shipped_traces

NETWORKS = ("resnet18:1.0", "mobilenet_v1:1.0")
ALPHA = 0.2  # of the one trial that there is time for; the control stands beside it
MARGIN = 15.0  # seconds that are left for the last states to be written and copied


@dataclass(frozen=True)
class Job:
    """A network to train.

    Attributes:
        settings: of its run; one alpha.
        folder: of its run.
        data: the data set, a path.
        device: where to train.
    """

    settings: Settings
    folder: Path
    data: Path
    device: str


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="CIFAR-10, as hwsim sparsify takes it")
    parser.add_argument("--out", type=Path, help="folder for all that is made")
    parser.add_argument("--read", type=Path, metavar="DIR", help="show what a folder holds, and stop")
    parser.add_argument("--seconds", type=float, default=540.0, help="of the whole call")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--train", nargs="*", default=list(NETWORKS), metavar="NETWORK:WIDTH")
    parser.add_argument("--traces", nargs="*", help="default: the shipped ones")
    parser.add_argument("--alpha", type=float, default=ALPHA)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--tune-epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=20, help="of every kernel")
    args = parser.parse_args(arguments)
    try:
        if args.read:
            print(summary(args.read))
            return
        if args.data is None or args.out is None:
            parser.error("give --data and --out, or --read")
        deadline = time.monotonic() + args.seconds - MARGIN
        session(args, deadline)
        print(summary(args.out))
    except HwsimError as error:
        sys.exit(f"error: {error}")


def session(args: argparse.Namespace, deadline: float) -> None:
    """Time the kernels, then train until all is done or the time is over."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # PyTorch's condition for determinism
    traces = args.traces if args.traces is not None else [str(path) for path in shipped_traces().values()]
    for trace in traces:
        time_kernels(trace, args.out / "measured", args.device, args.repeats)
    jobs = [job(known, args) for known in args.train]
    for stages in (("baseline",), ("control", args.alpha), ("whole",)):
        if not side_by_side([(one, stage) for one in jobs for stage in stages], deadline):
            print("the time is over: the same call goes on from the last epochs", file=sys.stderr)
            return


def job(known: str, args: argparse.Namespace) -> Job:
    """A network by ``NAME:WIDTH``, or by a factory without a width."""
    name, _, width = known.rpartition(":")
    try:
        scale = float(width)
    except ValueError:
        name, scale = known, 1.0
    settings = Settings(
        name,
        scale,
        alphas=(args.alpha,),
        epochs=args.epochs,
        tune_epochs=args.tune_epochs,
        bfloat16=True,
    )
    return Job(settings, args.out / name.replace(":", "_"), args.data, args.device)


def time_kernels(trace: str, folder: Path, device: str, repeats: int) -> None:
    """The kernels of a device on a trace's maps, kept as ``hwsim measure`` keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_trace(trace) as opened:
        place = folder / f"{opened.network}_{opened.variant}_{opened.digest[:8]}.json"
        if not place.exists():
            measure(opened, device, repeats=repeats).to_json(place)  # type: ignore[arg-type]
            print(f"measured {trace} on {device}: {place.name}", file=sys.stderr)


def side_by_side(work: Sequence[tuple[Job, str | float]], deadline: float) -> bool:
    """Trainings in processes of their own; whether all came to their end before the deadline.

    Raises:
        HwsimError: one of them failed; it has said why.
    """
    context = multiprocessing.get_context("spawn")
    running = [context.Process(target=train, args=one, daemon=True) for one in work]
    for process in running:
        process.start()
    for process in running:
        process.join(max(0.0, deadline - time.monotonic()))
    late = [process for process in running if process.is_alive()]
    for process in late:
        process.terminate()  # its state is on disk, of the last whole epoch
        process.join()
    if failed := [
        one for one, process in zip(work, running, strict=True) if process not in late and process.exitcode
    ]:
        raise HwsimError(f"{failed[0][0].settings.network}, {failed[0][1]}: failed, see above")
    return not late


def train(job: Job, stage: str | float) -> None:
    """One stage of a run; ``whole`` is what is left, the measurements among it."""

    def tell(line: str) -> None:
        print(f"{job.settings.network} {line}", file=sys.stderr, flush=True)

    data = open_dataset(job.data, job.settings.seed)
    try:
        if stage == "whole":
            sparsify(job.settings, data, job.folder, resume=True, device=job.device, tell=tell)
        else:
            train_alone(job.settings, data, job.folder, stage, device=job.device, tell=tell)
    except HwsimError as error:
        sys.exit(f"error: {error}")


def summary(folder: Path) -> str:
    """What a folder holds, as text: kernels by trace, networks against their controls."""
    lines = ["trace: fastest dense kernel, fastest sparse kernel, whole network in ms"]
    for place in sorted((folder / "measured").glob("*.json")):
        record = read_measured(place)
        lines.append(f"  {place.stem} on {record.machine.name}: {kernels(record)}")
    lines.append(
        "network: test accuracy, and the difference to the control with its 95 % interval, in points"
    )
    for place in sorted(folder.glob("*/stages")):
        lines.append(f"  {place.parent.name}: {network(place.parent)}")
    return "\n".join(lines)


def kernels(record: Measured) -> str:
    """The sums over all layers of the fastest dense and the fastest sparse kernel."""
    names = {
        kind: [k.name for k in record.kernels if k.sparse == (kind == "sparse")]
        for kind in ("dense", "sparse")
    }
    found = []
    for kind, of in names.items():
        sums = {}
        for name in of:
            timings = [t for layer in record.layers for t in layer.timings if t.kernel == name]
            if timings and all(t.median_us is not None for t in timings):
                sums[name] = sum(t.median_us for t in timings) / 1000
        best = min(sums, key=sums.__getitem__, default=None)
        found.append(f"{kind} {NOT_MEASURED}" if best is None else f"{kind} {best} {sums[best]:.3f}")
    return ", ".join(found)


def network(folder: Path) -> str:
    """A run, as far as it is."""
    try:
        about = open_run(folder).about
    except HwsimError:
        about = {"finished": False}
    if not about["finished"]:
        done = []
        for place in sorted((folder / "stages").glob("*.safetensors")):
            state, history, score = read_state(place)
            right = f"{history[-1]['validation']:.2%}" if history else NOT_MEASURED
            done.append(
                f"{place.stem} {state.epoch} epochs{'' if score is None else ', done'}, validation {right}"
            )
        return f"test {NOT_MEASURED}; " + "; ".join(done)
    parts = []
    for name, facts in about["variants"].items():
        text = f"{name} {facts['test']['accuracy']:.2%}, MAC density {facts['mac_density']:.3f}"
        if control := about["judged"]["test"][name].get("control"):
            low, high = control["interval"]
            verdict = "no loss" if control["no_loss"] else "no loss not shown"
            text += f" ({100 * low:+.2f} .. {100 * high:+.2f}, {verdict})"
        parts.append(text)
    return "; ".join(parts)


if __name__ == "__main__":
    main()
