"""The real machine, as it is emitted, runs the image that docs/integration.md works out by hand."""

import re
import shutil

import pytest
from image_page import FILE_BYTES, RESULT, machine, page_bytes
from power_up import powered_up
from tools import run

from hwsim_rtl.emit import SYSTEM_NAME, emit_system
from hwsim_rtl.kit.system_bench import system_bench

PASSED = re.compile(r"^PASS: (\d+) cycles$", re.MULTILINE)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kit")
    expected = bytes(page_bytes())
    mask = bytearray(b"\xff" * FILE_BYTES).ljust(len(expected), b"\0")
    for row in range(2):
        mask[RESULT + 32 * row : RESULT + 32 * row + 4] = b"\xff" * 4
    bench = system_bench(SYSTEM_NAME, expected[:FILE_BYTES], expected, bytes(mask), cycles=166)
    emit_system(machine(), folder, bench=bench)
    return folder


def run_verilog_bench(folder, language, source=f"{SYSTEM_NAME}.v"):
    """Exit code and output of the bench in plain Verilog, by Icarus."""
    code, said = run(folder, "iverilog", language, "-o", "run", f"{SYSTEM_NAME}_tb.v", source)
    assert code == 0, said
    return run(folder, "vvp", "-n", "run")


def test_every_combinational_block_of_the_machine_waits_for_a_register_that_is_set_at_time_0(kit):
    text = (kit / f"{SYSTEM_NAME}.v").read_text()
    blocks = 0
    for module in text.split("\nendmodule"):
        set_at_once = set(re.findall(r"^  initial (\S+) <= 0;$", module, re.MULTILINE))
        for block in module.split("always @*")[1:]:
            waits_for = re.match(r" begin\n    if \((\S+) \) begin end\n", block)
            assert waits_for, block[:200]
            assert waits_for[1] in set_at_once
            blocks += 1
    assert blocks > 500


@pytest.mark.parametrize("language", ["-g2005", "-g2012"])
def test_the_bench_in_verilog_passes_in_both_languages(kit, language):
    code, said = run_verilog_bench(kit, language)
    assert code == 0, said
    assert PASSED.search(said), said


def test_a_reset_of_one_cycle_is_enough_for_unknown_registers_memories_and_inputs(kit):
    text = powered_up((kit / f"{SYSTEM_NAME}.v").read_text(), SYSTEM_NAME, lambda bits: f"{bits}'bx")
    (kit / "powered_up.v").write_text(text)
    code, said = run_verilog_bench(kit, "-g2012", "powered_up.v")
    assert code == 0, said
    assert PASSED.search(said), said


def test_the_bench_for_cocotb_passes_and_what_stands_still_takes_longer(kit):
    cycles = []
    for stalls in ("0", "0.25", "0.7"):
        code, said = run(kit, "make", "-f", "cocotb.mk", f"HWSIM_STALLS={stalls}", "COCOTB_RANDOM_SEED=3")
        assert code == 0, said
        cycles.append(int(PASSED.search(said)[1]))
    assert cycles == sorted(set(cycles))


def test_the_bench_for_cocotb_fails_an_image_with_another_weight(kit, tmp_path):
    wrong = shutil.copytree(kit, tmp_path / "wrong")
    image = bytearray((wrong / "image.bin").read_bytes())
    image[0x10E6] ^= 1
    (wrong / "image.bin").write_bytes(image)
    code, said = run(wrong, "make", "-f", "cocotb.mk")
    assert code != 0
    assert "bytes are wrong" in said
    assert "PASS:" not in said
