"""``python -m fuzz.kills``: commands that are killed at random moments, and what going on made of it.

A command is started, killed by SIGKILL after a random time, and given again with what makes it go on, which
is killed, too, every other time, until it ends. After each kill, what bears the name of a result must be a
whole one or not be there; in the end, the result must be what an undisturbed command gives. The tests have
kills at every step, one by one (`deaths.py`); here nothing is known of the steps.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from deaths import tree

RESULT = "result"
SHM = Path("/dev/shm")  # in memory, since thousands of small files are written and removed


@dataclass(frozen=True)
class Work:
    """A command, and what may be found of it.

    Attributes:
        arguments: of the program, for the place of its inputs; RESULT stands for that of its output.
        again: further ones that make it go on.
        suffix: of the result's name.
        whole: raises unless what bears the result's name, if anything does, is whole.
        seen: of a result, what must be as undisturbed.
    """

    arguments: Callable[[Path], list[str]]
    again: tuple[str, ...]
    whole: Callable[[Path], None]
    seen: Callable[[Path], object] = tree
    suffix: str = ""


def _trace_is_whole(place: Path) -> None:
    from hwsim import open_trace

    if place.exists():
        with open_trace(place) as trace:
            trace.check()


def _report_is_whole(folder: Path) -> None:
    """The page is the mark that all files are of one run."""
    from hwsim import Result

    if (folder / "report.html").exists():
        Result.load(folder / "report.json")
        assert len(list(folder.glob("*.png"))) == len(list(folder.glob("*.svg"))) > 5


def _sweep_is_whole(folder: Path) -> None:
    from hwsim.sweep.store import read_joined

    if (folder / "joined.json").exists():
        read_joined(folder)


def _run_is_whole(folder: Path) -> None:
    from hwsim.sparsify.folder import open_run

    if (folder / "run.json").exists() and open_run(folder).about["finished"]:
        for variant in open_run(folder).variants:
            open_run(folder).module(variant)


def _timeless(folder: Path) -> object:
    """A run of sparsify without its seconds, and without pictures of curves, whose files it names."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {key: strip(part) for key, part in value.items() if "seconds" not in key}
        return [strip(part) for part in value] if isinstance(value, list) else value

    about = strip(json.loads((folder / "run.json").read_text()))
    assert (folder / "curves.png").stat().st_size, "the picture is missing"
    return about, {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def _capture(inputs: Path) -> list[str]:
    pictures = ["--images", str(inputs / "pictures.npy"), "--calibrate", "3"]
    return ["capture", "small_networks:Everything", *pictures, "--quiet", "-o", RESULT]


def _synth(inputs: Path) -> list[str]:
    return ["synth", "lenet5", "--density", "0.4", "--seed", "1", "--images", "20", "-o", RESULT]


def _run(inputs: Path) -> list[str]:
    return ["run", str(inputs / "tiny.zarr.zip"), "--quiet", "--out", RESULT]


def _sweep(inputs: Path) -> list[str]:
    return ["sweep", str(inputs / "tiny.zarr.zip"), "--space", str(inputs / "space.toml"), "-q", "-o", RESULT]


def _sparsify(inputs: Path) -> list[str]:
    schedule = ["--epochs", "2", "--tune-epochs", "1", "--alpha", "0.5"]
    return ["sparsify", "lenet5", "--data", str(inputs / "bars.npz"), *schedule, "--quiet", "--out", RESULT]


WORKS = {
    "capture to a folder": Work(_capture, ("--resume",), _trace_is_whole, suffix=".zarr"),
    "capture to a zip file": Work(_capture, ("--resume",), _trace_is_whole, suffix=".zarr.zip"),
    "synth to a folder": Work(_synth, ("--resume",), _trace_is_whole, suffix=".zarr"),
    "synth to a zip file": Work(_synth, ("--resume",), _trace_is_whole, suffix=".zarr.zip"),
    "run --out": Work(_run, (), _report_is_whole),
    "sweep": Work(_sweep, ("--resume",), _sweep_is_whole),
    "sparsify": Work(_sparsify, ("--resume",), _run_is_whole, _timeless),
}


def main() -> int:
    """Runs the script; returns its exit code."""
    parser = argparse.ArgumentParser(prog="fuzz.kills", description=__doc__)
    parser.add_argument("works", nargs="*", default=list(WORKS), help=f"of {', '.join(WORKS)}; all if none")
    parser.add_argument("--kills", type=int, default=100, help="of each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    _one_thread()
    failures = 0
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as made:
        inputs = _inputs(Path(made))
        for name in options.works:
            failures += _kill(name, WORKS[name], inputs, options.kills, Random(f"{name} {options.seed}"))
    return 1 if failures else 0


def _kill(name: str, work: Work, inputs: Path, kills: int, random: Random) -> int:
    began, folder = time.monotonic(), inputs / "out"
    place = folder / f"{RESULT}{work.suffix}"
    arguments = [str(place) if word == RESULT else word for word in work.arguments(inputs)]
    said = inputs / "said"
    folder.mkdir()
    _warm(arguments, said)
    shutil.rmtree(folder)
    folder.mkdir()
    start = time.monotonic()
    assert _child(arguments, said) == 0, f"the undisturbed command failed: {said.read_text()}"
    longest, undisturbed = time.monotonic() - start, work.seen(place)
    killed = results = failures = 0
    while killed < kills:
        shutil.rmtree(folder)
        folder.mkdir()
        more: tuple[str, ...] = ()
        first = True
        try:
            while True:
                patience = random.uniform(0, longest) if first or random.random() < 0.5 else None
                code = _child([*arguments, *more], said, patience)
                work.whole(place)
                if code == 0:
                    if patience and first:  # it had ended before: the machine is less busy now
                        longest = min(longest, patience)
                    break
                assert code == -signal.SIGKILL, f"it failed with {code}: {said.read_text()}"
                killed += 1
                more, first = work.again, False
            if first:
                continue  # it was never killed
            assert work.seen(place) == undisturbed, "the result is another one"
            assert [path.name for path in folder.iterdir()] == [place.name], "something is left beside it"
            results += 1
        except Exception as error:  # whatever it is, it is counted and said
            failures += 1
            kept = Path("build/fuzz") / f"kills-{name.replace(' ', '_')}-{failures}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(folder, kept)
            print(f"{name}: {type(error).__name__}: {error}; after {killed} kills, kept in {kept}")
    shutil.rmtree(folder)
    print(
        f"{name}: {killed} kills within {longest:.1f} s, {results} results gone on with to the same, "
        f"{failures} failures; {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return failures


def _warm(arguments: list[str], said: Path) -> None:
    """Run the program here once: its children find all loaded and compiled, and their time is the work's.

    Everything has one thread, since a child of a process with more would wait for those that it has not.
    """
    outputs = os.dup(1), os.dup(2)
    try:
        code = _program(arguments, said)
    finally:
        for number, output in enumerate(outputs, 1):
            os.dup2(output, number)
            os.close(output)
    assert code == 0, f"the undisturbed command failed: {said.read_text()}"


def _child(arguments: list[str], said: Path, patience: float | None = None) -> int:
    """Run the program in a child, killed after so many seconds: its exit code, or minus the signal."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            code = _program(arguments, said)
        finally:
            os._exit(code)
    if patience is not None:
        time.sleep(patience)
        os.kill(child, signal.SIGKILL)  # a child that has ended waits to be waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _program(arguments: list[str], said: Path) -> int:
    """The program's exit code; what it says on stderr is in a file then."""
    from hwsim.cli import main as program

    for number, place in ((1, Path(os.devnull)), (2, said)):
        file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    try:
        program(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _one_thread() -> None:
    """Everything runs in one thread, tasks of sweeps where they are; pictures are drawn once."""
    import torch

    import hwsim.report.sweep.write
    import hwsim.report.write
    from hwsim.sweep import run as sweep
    from hwsim.sweep.evaluate import run_task

    torch.set_num_threads(1)

    @contextmanager
    def here(workers: int | None = None) -> Iterator[object]:
        yield lambda tasks: ((task, run_task(task)) for task in tasks)

    sweep.local_pool = here  # type: ignore[assignment]
    sweep.TASK_POINTS = 3
    hwsim.report.write.draw_report = _once(hwsim.report.write.draw_report)  # type: ignore[assignment]
    hwsim.report.sweep.write.draw_sweep = _once(hwsim.report.sweep.write.draw_sweep)  # type: ignore[assignment]


def _once(draw: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """The function, with what it returned first for ever; there is one report of each kind here."""
    drawn: list[list[Any]] = []

    def remembered(report: Any) -> list[Any]:
        if not drawn:
            drawn.append(draw(report))
        return drawn[0]

    return remembered


def _inputs(folder: Path) -> Path:
    import small_networks
    from tiny_networks import bars

    from traces import Tiny

    random = np.random.default_rng(0)
    np.save(folder / "pictures.npy", random.integers(0, 256, (12, *small_networks.SHAPE), np.uint8))
    Tiny().write(folder / "tiny.zarr.zip")
    (folder / "space.toml").write_text("[space]\ncores = [1, 2]\nbytes_per_cycle = [1, 2, 4, 8, 16, 32]\n")
    arrays: dict[str, Any] = {}
    for which, count in (("train", 120), ("test", 40)):
        part = bars(count, count)
        grown = np.kron(part.images[:, 0], np.ones((3, 3), np.uint8))
        arrays |= {f"x_{which}": np.pad(grown, ((0, 0), (2, 2), (2, 2))), f"y_{which}": part.labels}
    np.savez(folder / "bars.npz", **arrays)
    return folder


if __name__ == "__main__":
    sys.exit(main())
