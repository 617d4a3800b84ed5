"""``hwsim verify --system``: the whole machine against the model, and a difference is noticed."""

from dataclasses import replace

import numpy as np
import pytest

from hwsim import verify_system
from hwsim.arch import Arch
from hwsim.cli.main import main
from hwsim.trace import open_trace
from hwsim_rtl.cosim.machine import build_machine

# That of test_machine.py, compiled once.
ARCH = Arch(cores=2, columns=4, accumulators=512, weight_words=2048, map_buffer=65536)


@pytest.fixture(scope="module")
def lenet():
    with open_trace("lenet5_digits/sparse") as trace:
        yield trace


def test_lenet_is_equal_in_every_number(lenet):
    checks = list(verify_system.verify_system(lenet, ARCH, (3,)))
    assert [check for check in checks if not check.equal] == []
    layers = [layer.name for layer in lenet.layers]
    assert [check.layer for check in checks if check.what == "end cycle"] == layers
    assert [check.layer for check in checks if check.what == "bytes of map and index"] == layers[:-1]
    assert all(check.rtl > 0 for check in checks if check.what != "error")
    assert {check.image for check in checks} == {3}


class Wrong:
    """A machine of which a result differs in one thing."""

    def __init__(self, what: str) -> None:
        self._machine, self._what = build_machine(ARCH), what

    def run(self, *args, **options):
        found = self._machine.run(*args, **options)
        if self._what == "end":
            ends = list(found.layer_ends)
            ends[1] += 1
            return replace(found, layer_ends=ends)
        if self._what == "pass":
            found.passes["end"][1] += 1
        if self._what == "map":
            found.stores["words"][found.stores["layer"] == 2, 0] ^= 1
        if self._what == "store":  # of the raw map, which is pooled
            first = int(np.argmax(found.stores["layer"] == 1))
            found.stores["parts"][first] = 0
        if self._what == "memory":
            return replace(found, memory=found.memory[:5000] + b"?" + found.memory[5001:])
        if self._what == "beats":
            return replace(found, beats_read=found.beats_read + 1)
        return found


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("end", {("conv2", "end cycle")}),
        ("pass", {("conv1", "passes in their cycles")}),
        ("map", {("fc1", "bytes of map and index")}),
        ("store", {("conv2", "bytes into the map buffer")}),
        ("memory", {("all", "bytes of memory")}),
        ("beats", {("all", "bytes over the channel")}),
    ],
)
def test_what_differs_is_named(lenet, monkeypatch, what, names):
    monkeypatch.setattr(verify_system, "build_machine", lambda arch: Wrong(what))
    checks = verify_system.verify_system(lenet, ARCH)
    assert {(check.layer, check.what) for check in checks if not check.equal} == names


def ended(command: list[str]) -> int | str | None:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main(command)
    return end.value.code


def test_the_command_ends_with_1_and_a_line_where_anything_differs(monkeypatch, tmp_path, capsys):
    (tmp_path / "arch.toml").write_text(ARCH.to_toml())
    command = ["verify", "--system", "--arch", str(tmp_path / "arch.toml"), "--format", "csv"]
    assert ended(command) == 0
    assert "end cycle" in capsys.readouterr().out
    monkeypatch.setattr(verify_system, "build_machine", lambda arch: Wrong("end"))
    assert ended(command) == 1
    assert "differs in 1 of" in capsys.readouterr().err
    assert ended(["verify", "--system", "--layer", "conv1"]) == 1
