"""``hwsim verify --system``: the whole machine against the model, and a difference is noticed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_networks import pictures
from torch import nn
from torch.nn import functional

from hwsim import verify_system
from hwsim.arch import Arch
from hwsim.capture.record import capture
from hwsim.capture.torch_network import TorchNetwork
from hwsim.cli.main import main
from hwsim.quantize import integers
from hwsim.reference import run_network
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


class Clamped(nn.Module):
    """A chain whose layers are clamped at both ends, each in its own way, before a pool and without one."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 5, 3, 2)
        self.three, self.four = nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.Conv2d(5, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu6(12 * self.one(x)), 2)
        x = functional.hardtanh(self.two(x) / 3, -0.25, 0.5)
        return self.four(torch.clamp(self.three(x), -2, 0.125)).clamp(-0.125, 0.25)


def test_drains_clamp_as_the_network_does_and_the_machine_is_equal_in_every_number(tmp_path):
    torch.manual_seed(1)
    capture(TorchNetwork(Clamped(), "n"), pictures(2, 1), pictures(4, 2), tmp_path / "t", bits=9)
    with open_trace(tmp_path / "t") as trace:
        assert [operator.kind for operator in trace.flow.operators] == ["max_pool"]
        drains = [trace.requantize(layer) for layer in trace.layers]
        # The largest code of the first map stands for 6, of the others for the larger end; the ends of the
        # second and the last are one to two. Of the third nothing goes as low as -2.
        assert [drain.bounds for drain in drains] == [(0, 511), (-127, 255), (-255, 101), (-127, 255)]
        assert [layer.clamped for layer in trace.layers] == [False, True, True, True]
        for name, ends in (("one", (0, 511)), ("two", (-127, 255)), ("four.result", (-127, 255))):
            made = integers(run_network(trace, 0)[name], signed=name != "one")
            assert (made.min(), made.max()) == ends
        checks = list(verify_system.verify_system(trace, ARCH))
        assert [check for check in checks if not check.equal] == []
        assert len(checks) > 8


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
