"""What ``hwsim reproduce`` is given -> entries: traces, runs of ``hwsim sparsify``, tables made before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.capture.pictures import RawPictures
from hwsim.capture.preprocessing import Prepared
from hwsim.capture.record import Pictures, capture
from hwsim.errors import CaptureError, ReproduceError, TraceError
from hwsim.files import plain_file, read_text
from hwsim.machine.marks import trace_marks
from hwsim.report import text
from hwsim.reproduce.accuracy import FLOATS, loop_note, measure_accuracy
from hwsim.reproduce.entry import Answers, Compared, Entry, Simulated, read_tables
from hwsim.reproduce.from_trace import IMAGES, measure_trace, stored_accuracy
from hwsim.reproduce.sizes import WIDTHS as CODED_WIDTHS
from hwsim.sparsify import digits
from hwsim.trace import StoredTrace, open_trace
from hwsim.trace.shipped import SUFFIX, locate, shipped_traces

if TYPE_CHECKING:
    from hwsim.capture.torch_network import TorchNetwork
    from hwsim.sparsify.folder import Run

DATA = Path(__file__).parent / "data"  # what was measured with pictures that are not shipped
RUN_FILES = ("run.json", "metrics.json")
RUN_MARK = '"hwsim sparsify run"'
CALIBRATION = 64  # pictures of the training part
BATCH = 50
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """How much is measured.

    Attributes:
        images: of a trace, at most.
        data: labelled pictures of the runs; None measures in the loop only what comes with a library.
        pictures: of its test part, at most.
        say: called with what is being measured.
    """

    images: int = IMAGES
    data: Path | None = None
    pictures: int = 1000
    say: Say = lambda _: None


def entries_of(place: str, wanted: Wanted) -> list[Entry]:
    """The rows of one argument: a ``tables.json``, the folder of a run, or a trace.

    Raises:
        HwsimError: it is none of these, or damaged.
    """
    place = str(locate(place))
    path = Path(place)
    if path.suffix == ".json":
        wanted.say(f"reading {place}")
        return [*read_tables(path).entries]
    if is_run(path):
        return run_entries(path, wanted)
    return [trace_entry(place, wanted)]


def shipped_entries(wanted: Wanted) -> list[Entry]:
    """The rows of all that comes with the package: its traces, and what was measured before.

    Raises:
        TraceError: no trace came with this installation.
    """
    folders = dict.fromkeys(path.parent for path in shipped_traces().values())
    if not folders:
        raise TraceError("no trace came with this installation: give the path of a trace or of a run")
    found: list[Entry] = []
    for folder in folders:
        if is_run(folder):
            found += run_entries(folder, wanted)
        else:
            found += [trace_entry(str(path), wanted) for path in sorted(folder.glob(f"*{SUFFIX}"))]
    for path in sorted(DATA.glob("*.json")):
        found += read_tables(path).entries
    return found


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run of ``hwsim sparsify``, or of a shipped one."""
    for name in RUN_FILES:
        try:
            if RUN_MARK in read_text(path / name):
                return True
        except (OSError, ValueError):
            continue
    return False


def trace_entry(place: str, wanted: Wanted) -> Entry:
    """A row of a trace; its accuracy is what the trace says.

    Raises:
        TraceError: there is no trace, or it is damaged.
    """
    wanted.say(f"measuring {place}")
    with open_trace(place) as trace:
        if trace.synthetic:
            raise TraceError(
                f"{place} is synthetic, its values were never measured: capture a network, or use hwsim run"
            )
        folder = Path(place).absolute().parent
        accuracy = stored_accuracy(trace)
        of = trace.metrics.get("accuracy_pictures", "its own test pictures")
        notes: tuple[str, ...] = (f"Accuracy as the trace says: {text.words(of)}.",) if accuracy else ()
        simulated = measure_trace(trace, wanted.images)
        name = _data_name(trace, folder)
        notes += trace_marks(trace)
    return Entry(trace.network, name, trace.variant, accuracy, simulated, notes)


def run_entries(folder: Path, wanted: Wanted) -> list[Entry]:
    """A row for each variant of a run: what the run says, its traces, and the rest if there are pictures.

    Raises:
        HwsimError: the run is unfinished or damaged, or the pictures are not those of the run.
    """
    from hwsim.sparsify.folder import open_run

    run = open_run(folder)
    if not run.about.get("finished"):
        raise ReproduceError(f"{folder} is not finished: go on with 'hwsim sparsify --resume'")
    try:
        data = wanted.data or _at_hand(run)
        labelled = None if data is None else Labelled.of_run(run, data, wanted.pictures)
        return [_run_entry(folder, run, variant, labelled, wanted) for variant in run.about["variants"]]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ReproduceError(f"{folder} is damaged ({reason}): run 'hwsim sparsify' anew") from error


def _at_hand(run: Run) -> Path | None:
    """The data set of a run, if it comes with a library that is installed."""
    installed = find_spec("sklearn") is not None and find_spec("torch") is not None
    return Path(digits.NAME) if run.about["data"]["name"] == digits.NAME and installed else None


@dataclass(frozen=True)
class Labelled:
    """Pictures as a run's network takes them: of the test part with their classes, and others."""

    test: Pictures
    labels: np.ndarray
    calibration: Pictures

    @staticmethod
    def of_run(run: Run, data: Path, pictures: int) -> Labelled:
        """Pictures spread over the test part that the run was tested with, since it may be sorted by class.

        Raises:
            HwsimError: the data set cannot be read, or is another one.
        """
        parts = run.data(data)

        def prepared(images: np.ndarray) -> Pictures:
            names = [f"picture {number}" for number in range(len(images))]
            raw = RawPictures(str(data), "array", names, lambda number: images[number])
            return Prepared(raw, range(len(images)), run.preprocessing())

        chosen = slice(None, None, max(len(parts.test) // pictures, 1))
        test, labels = parts.test.images[chosen][:pictures], parts.test.labels[chosen][:pictures]
        return Labelled(prepared(test), labels, prepared(parts.train.images[:CALIBRATION]))


def _run_entry(folder: Path, run: Run, variant: str, labelled: Labelled | None, wanted: Wanted) -> Entry:
    about, known = run.about, run.about["variants"][variant]
    wanted.say(f"measuring {variant} of {folder}")
    test, epochs = known["test"], known["epochs"]
    accuracy, integers = {FLOATS: Answers(test["correct"], test["images"])}, {}
    notes = [
        f"Trained {epochs} epochs on {about['machine']}; all variants and trials of the run took "
        f"{about['training_seconds']:,.0f} s. In floats {test['correct']:,} of {test['images']:,} right. "
        f"{weights_note(run.checkpoint(variant))}"
    ]
    place, simulated = folder / f"{variant}{SUFFIX}", None
    if place.is_file():
        with open_trace(place) as trace:
            simulated = measure_trace(trace, wanted.images)
    if labelled is not None:
        from hwsim.capture.torch_network import TorchNetwork

        network = TorchNetwork(run.module(variant), about["network"])
        measure = partial(
            measure_accuracy, network, labelled.test, labelled.labels, labelled.calibration, batch=BATCH
        )
        try:
            found = measure(in_integers=CODED_WIDTHS)
        except CaptureError as refusal:  # of integers, else it comes again
            found = measure()
            notes.append(f"Not in integers: {refusal}.")
        accuracy, integers = (
            {width: Answers(right, found.pictures) for width, right in counted.items()}
            for counted in (found.correct, found.integers)
        )
        notes.append(loop_note(found))
        simulated = simulated or _captured(network, variant, labelled, wanted.images)
    width = about.get("width", 1)
    name = about["network"] if width == 1 else f"{about['network']}, width {width:g}"
    compared = tuple(
        Compared(
            reference, **{name: found[name] for name in ("pictures", "difference", "delta")}, **_ends(found)
        )
        for reference, found in about.get("judged", {}).get("test", {}).get(variant, {}).items()
    )
    data = about["data"]["name"]
    return Entry(name, data, variant, accuracy, simulated, tuple(notes), compared, integers)


def _ends(found: dict[str, Any]) -> dict[str, Any]:
    """The interval and the verdicts of a comparison in a run."""
    low, high = found["interval"]
    return {
        "low": low,
        "high": high,
        "keeps_answers": found["keeps_answers"],
        "keeps_loss": found["keeps_loss"],
    }


def weights_note(checkpoint: Path) -> str:
    """Which weights a row is of, in a sentence.

    Raises:
        ReproduceError: the file cannot be read.
    """
    try:
        return f"Weights: SHA-256 {sha256(plain_file(checkpoint).read_bytes()).hexdigest()[:12]}."
    except OSError as error:
        raise ReproduceError(f"{checkpoint}: {error.strerror}: copy the folder of the run again") from None


def _captured(network: TorchNetwork, variant: str, labelled: Labelled, images: int) -> Simulated:
    """What a trace says that is captured for this and thrown away."""
    pictures = [labelled.test[number] for number in range(min(images, len(labelled.test)))]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"{network.name}.zarr"
        capture(network, pictures, labelled.calibration, place, variant=variant)
        with open_trace(place) as trace:
            return measure_trace(trace, images)


def _data_name(trace: StoredTrace, folder: Path) -> str:
    """Of the data set: as the trace says; of a shipped folder, what its name has besides the network's."""
    said = trace.provenance.get("data_set")
    if isinstance(said, str):
        return said
    if folder.name.startswith(f"{trace.network}_"):
        return folder.name.removeprefix(f"{trace.network}_")
    images = trace.provenance.get("images")
    return images if isinstance(images, str) else "-"
