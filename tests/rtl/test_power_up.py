"""After a reset of one cycle the emitted machine runs an image, whatever registers and memories held."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
from power_up import powered_up
from random_chains import ChainTrace
from random_programs import WholeTrace
from reference_work import Between, Pool
from tools import run

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.machine.schedule import schedule
from hwsim.machine.workload import Workload
from hwsim.program import compile_network
from hwsim.program.expected import expected_memory
from hwsim.quantize import Requantize
from hwsim_rtl.emit import SYSTEM_NAME, emit_system
from hwsim_rtl.kit.system_bench import system_bench

ARCH = Arch(cores=2, columns=4, accumulators=64, weight_words=128, map_buffer=8192, activation_bits=8)
SOURCE = f"{SYSTEM_NAME}.v"


@dataclass
class Network(ChainTrace, WholeTrace):
    """A chain whose values are neither all the same nor all small."""

    def requantize(self, layer: Layer) -> Requantize:
        made = layer.out_shape[0]
        bias, multiplier = np.arange(made) * 37 - 50, np.full(made, 3000)
        shift = 20 if layer.output is None else 18
        return Requantize(bias, multiplier, shift, layer.relu, self.bits, False, self.order)


def network() -> Network:
    """Each kind of layer, a pool, and a map that is laid out anew; the units of one layer are two rounds'."""
    layers = (
        Layer("conv", "conv", "x", (2, 7, 6), (11, 7, 6), (3, 3), (1, 1), (1, 1), output="a"),
        Layer("deep", "depthwise", "a", (11, 3, 3), (11, 3, 3), (3, 3), (1, 1), (1, 1), output="b"),
        Layer("full", "conv", "b", (99, 1, 1), (5, 1, 1), (1, 1)),
    )
    rng = np.random.default_rng(3)
    values = {"x": rng.integers(0, 200, (1, 2, 7, 6)) * (rng.random((1, 2, 7, 6)) < 0.6)}
    values |= {"a": np.zeros((1, 11, 3, 3), np.int64), "b": np.zeros((1, 99, 1, 1), np.int64)}
    values = {name: map_.astype(np.uint16) for name, map_ in values.items()}
    between = (Between(Pool((2, 2), (2, 2), (0, 0))), Between(None, True), Between())
    return Network(layers, values, 4, 8, between=between)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    trace = network()
    image = compile_network(trace, ARCH)
    expected, mask = expected_memory(trace, image, 0)
    cycles = schedule(Workload(trace, 0).jobs(ARCH), ARCH).layers[-1].end
    emit_system(ARCH, folder, bench=system_bench(SYSTEM_NAME, image.to_bytes(), expected, mask, cycles))
    return folder


def assert_passes(kit, unknown) -> None:
    """Every byte of the result is right, by Icarus."""
    (kit / "powered_up.v").write_text(powered_up((kit / SOURCE).read_text(), SYSTEM_NAME, unknown))
    code, said = run(kit, "iverilog", "-g2012", "-o", "run", f"{SYSTEM_NAME}_tb.v", "powered_up.v")
    assert code == 0, said
    code, said = run(kit, "vvp", "-n", "run")
    assert (code, said[:5]) == (0, "PASS:"), said


def test_a_reset_of_one_cycle_is_enough_if_all_bits_are_unknown(kit):
    assert_passes(kit, lambda bits: f"{bits}'bx")


@pytest.mark.parametrize("seed", range(2))
def test_a_reset_of_one_cycle_is_enough_if_all_bits_are_random(kit, seed):
    draw = random.Random(seed)
    assert_passes(kit, lambda bits: f"{bits}'h{draw.getrandbits(bits):x}")
