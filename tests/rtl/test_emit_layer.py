"""The array's bench of one layer, run as it is emitted: every word, and the cycles of every pass."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from random_networks import MemoryTrace
from tools import fusesoc, run

from hwsim.arch import Arch
from hwsim.layer import Layer
from hwsim.verify import layer_on_rtl
from hwsim_rtl.emit import NAME, emit
from hwsim_rtl.kit.layer_bench import BenchPass, layer_bench

ARCH = Arch(cores=2, columns=4, accumulators=64, weight_words=64, map_buffer=65536)
LAYERS = {
    "conv": Layer("l", "conv", "x", (2, 4, 5), (9, 4, 5), (3, 3), padding=(1, 1)),
    "depthwise": Layer("l", "depthwise", "x", (5, 3, 6), (5, 2, 3), (3, 3), (2, 2), (1, 1)),
    "linear": Layer("l", "linear", "x", (30, 1, 1), (10, 1, 1)),
}


def network(layer: Layer) -> MemoryTrace:
    """One layer, half of whose map is zero; its weights are random."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 32, (1, *layer.in_shape)) * (rng.random((1, *layer.in_shape)) < 0.5)
    return MemoryTrace((layer,), {"x": values.astype(np.uint16)}, order=2, bits=8)


def emit_layer(folder: Path, layer: Layer, arch: Arch) -> int:
    """Write the array with a bench; returns how many passes it has."""
    found = layer_on_rtl(network(layer), arch, "l")
    passes = [BenchPass(one.core, one.round, one.unit, *found.on_chip(one)) for one in found.span.passes]
    emit(arch, folder, layer_bench(NAME, "l", arch, passes))
    return len(passes)


def build(folder: Path, **parameters: int) -> None:
    """Compile the bench with these parameters, for Icarus."""
    changed = [f"-Phwsim_top_tb.{name}={value}" for name, value in parameters.items()]
    code, said = run(folder, "iverilog", "-g2005", *changed, "-o", "run", "hwsim_top_tb.v", "hwsim_top.v")
    assert code == 0, said


def simulate(folder: Path) -> tuple[int, str]:
    """Exit code of the compiled bench, and what it says."""
    return run(folder, "vvp", "-n", "run")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A bench that is compiled, and gives up soon."""
    path = tmp_path_factory.mktemp("kit")
    assert emit_layer(path, LAYERS["conv"], ARCH) > ARCH.cores
    build(path, PATIENCE=2500)
    return path


@pytest.mark.parametrize(
    ("kind", "arch"),
    [
        ("depthwise", ARCH.replace(cores=3)),
        ("conv", ARCH.replace(cores=1, columns=2, compress=False)),
        ("linear", ARCH.replace(skip_zeros=False)),
    ],
)
def test_layers_of_all_kinds_make_their_words_in_the_cycles_of_the_model(kind, arch, tmp_path):
    passes = emit_layer(tmp_path, LAYERS[kind], arch)
    build(tmp_path)
    code, said = simulate(tmp_path)
    assert code == 0, said
    assert re.search(rf"^PASS: {passes} passes, [1-9]\d* words$", said, re.MULTILINE), said


def test_words_are_the_same_where_outputs_wait_and_fusesoc_runs_it(kit, tmp_path):
    waits = shutil.copytree(kit, tmp_path / "waits")
    build(waits, STALLS=1)
    for code, said in (simulate(kit), simulate(waits), fusesoc(kit, "sim", "hwsim_top")):
        assert code == 0, said
        assert "\nPASS: " in f"\n{said}"


def changed_line(lines: list[str], number: int, bit: int) -> None:
    lines[number] = f"{int(lines[number], 16) ^ 1 << bit:0{len(lines[number])}x}"


@pytest.mark.parametrize(
    ("file", "number", "bit", "why"),
    [
        ("coded", 0, 63, "core 0: a wrong word"),
        ("coded", -1, 64, "core 1: a wrong word"),  # that its segment ends
        ("index", -1, 0, "core 1: a wrong entry of the index"),
        ("passes", 0, -32, "core 0: a pass takes other cycles"),
        ("weights", 1, 3, "a wrong word"),
        ("weights", 0, -2, "core 0: the layer does not end"),  # passes that it waits for are too many
        ("scales", 0, 20, "a wrong word"),
        ("map", 0, 63, "a wrong word"),  # the first bit of the first segment,
    ],
)
def test_what_is_wrong_is_told_with_its_core(kit, tmp_path, file, number, bit, why):
    wrong = shutil.copytree(kit, tmp_path / "wrong", ignore=shutil.ignore_patterns("build"))
    lines = (wrong / f"{file}.hex").read_text().split()
    if bit < 0:  # from the highest digit on
        bit += 4 * len(lines[number])
    changed_line(lines, number, bit)
    (wrong / f"{file}.hex").write_text("\n".join(lines) + "\n")
    code, said = simulate(wrong)
    assert code == 1
    assert re.search(rf"^FAIL: .*{why}", said, re.MULTILINE), said
    assert "PASS" not in said


@pytest.mark.slow
def test_the_command_writes_a_layer_of_lenet_whose_bench_passes(hwsim, tmp_path):
    (tmp_path / "machine.toml").write_text(
        "cores = 2\ncolumns = 4\naccumulators = 512\nweight_words = 2048\nmap_buffer = 65536\n"
    )
    given = ("--testbench", "lenet5_digits/sparse", "--layer", "conv2", "--arch", tmp_path / "machine.toml")
    code, out, err = hwsim("rtl", "emit", *given, "--image", 1, "-o", tmp_path / "kit")
    assert (code, err) == (0, "")
    assert {Path(line).name for line in out.split()} >= {"hwsim_top.v", "hwsim_top_tb.v", "passes.hex"}
    build(tmp_path / "kit")
    code, said = simulate(tmp_path / "kit")
    assert code == 0, said
    assert "PASS: 4 passes" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--layer", "conv1"), "--layer is for --testbench TRACE"),
        (("--layer", "conv1", "--testbench", "lenet5_digits/sparse", "--system"), "leave --system"),
        (("--layer", "", "--testbench", "lenet5_digits/sparse"), "has no layer ; it has conv1, "),
        (("--layer", "conv9", "--testbench", "lenet5_digits/sparse"), "has no layer conv9; it has conv1, "),
        (("--layer", "conv1", "--image", "99", "--testbench", "lenet5_digits/sparse"), "no image 99"),
    ],
)
def test_what_cannot_be_emitted_is_one_line(hwsim, tmp_path, options, why):
    code, out, err = hwsim("rtl", "emit", *options, "-o", tmp_path / "none")
    assert (code > 0, out) == (True, "")
    assert why in " ".join(err.replace("│", " ").split())
    assert not (tmp_path / "none").exists()
