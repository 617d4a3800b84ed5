"""A pipe or a device where a file is asked for: one line that names it, and nobody waits."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import typer

from hwsim.cli import application

TRACE = "lenet5_digits/sparse"
RUN = str(Path(__file__).parents[2] / "training" / "lenet5_mnist_seed0")
PICTURES = "pictures.npy"
GIVEN = {
    "run": {"trace": TRACE},
    "compare": {"a": TRACE, "b": TRACE},
    "info": {"trace": TRACE},
    "capture": {"source": "mobilenet_v1", "images": PICTURES, "output": "out.zarr.zip"},
    "sparsify": {"network": "lenet5", "data": "digits", "out": "out"},
    "synth": {"network": "lenet5", "output": "out.zarr.zip"},
    "sweep": {"traces": TRACE, "space": "space.toml", "output": "out"},
    "sweep-report": {"folder": "out"},
    "measure": {"trace": TRACE, "output": "out.json"},
    "accuracy": {"source": "mobilenet_v1", "images": PICTURES, "labels": "labels.npy", "output": "out.json"},
    "widths": {"trace": TRACE},
    "reproduce": {"places": RUN, "output": "out"},
    "export": {"trace": TRACE, "format": "scalesim", "output": "out"},
    "compile": {"trace": TRACE, "output": "out.bin"},
    "verify": {"trace": TRACE},
    "arch": {},
    "rtl emit": {"output": "out"},
    "rtl synth": {},
    "rtl results": {"file": "results.json"},
}
"""What a command is given; the parameter that is tried takes the place of its own."""

WRITTEN = {"out", "output", "json"}
METAVARS = {
    "TRACE",
    "TRACE...",
    "[RUN_OR_TRACE]...",
    "A",
    "B",
    "NETWORK",
    "SOURCE",
    "FILE",
    "PATH",
    "PATH|N",
    "DIR",
}
TRACES = ("", ".zarr.zip")
IMAGES = ("", ".npy", ".npz", ".bin", ".png", ".gz")
SUFFIXES = {
    **dict.fromkeys(("trace", "traces", "a", "b", "places"), TRACES),
    **dict.fromkeys(("arch", "arch_b", "space"), (".toml",)),
    **dict.fromkeys(("images", "calibrate"), IMAGES),
    **dict.fromkeys(("measured", "accuracy", "file"), (".json",)),
    "network": (".csv",),
    "testbench": TRACES,
    "source": (".onnx",),
    "per_layer": (".csv", ".toml", ".json"),
    "labels": ("", ".csv", ".npy", ".npz", ".gz"),
    "weights": (".safetensors", ".npz", ".pth"),
    "data": ("", ".npz"),
    "folder": ("",),
}


def _commands(command, words=()):
    inner = getattr(command, "commands", {})
    if not inner:
        yield " ".join(words), command.params
    for name, one in inner.items():
        yield from _commands(one, (*words, name))


COMMANDS = dict(_commands(typer.main.get_command(application())))
READ = [
    (command, parameter, suffix)
    for command, parameters in COMMANDS.items()
    for parameter in parameters
    if parameter.metavar in METAVARS and parameter.name not in WRITTEN
    for suffix in SUFFIXES[parameter.name]
]


def line(command, tried, place):
    """The command line with the place for the parameter that is tried."""
    given = {**GIVEN[command], tried.name: place}
    words = command.split()
    for parameter in COMMANDS[command]:
        if parameter.name in given:
            option = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
            words += [*option, given[parameter.name]]
    return words


@pytest.fixture
def nobody_waits(tmp_path, monkeypatch):
    """A folder with what the lines need, and an end for a command that waits."""
    monkeypatch.chdir(tmp_path)
    np.save(PICTURES, np.zeros((2, 3, 96, 96), np.uint8))
    np.save("labels.npy", np.zeros(2, np.int64))
    (tmp_path / "space.toml").write_text("[space]\ncores = [1, 2]\n")

    def late(*_):
        raise RuntimeError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("nobody_waits")
@pytest.mark.parametrize("kind", ["pipe", "device"])
@pytest.mark.parametrize(
    ("command", "parameter", "suffix"),
    [pytest.param(*one, id=f"{one[0]}-{one[1].name}{one[2]}") for one in READ],
)
def test_what_is_no_file_is_named_and_not_waited_for(hwsim, command, parameter, suffix, kind):
    place = f"place{suffix}"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        os.symlink("/dev/zero", place)
    code, out, error = hwsim(*line(command, parameter, place))
    assert code == 1, error
    assert out == ""
    last = error.rstrip("\n").rpartition("\n")[2]
    assert place in last
    assert "this is a fault" not in last


def test_every_command_that_reads_a_file_is_tried():
    assert {command for command, _, _ in READ} <= set(GIVEN)
    assert set(COMMANDS) - {command for command, _, _ in READ} == {"traces", "doctor"}
