"""The cocotb bench, run as it is emitted, passes a machine that makes what is expected, and nothing else."""

import ast
import re
import shutil

import pytest
from copying_kit import emit_copier
from tools import run

BENCH = "hwsim_system_cocotb.py"
MAKE = ("make", "-f", "cocotb.mk")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    path = tmp_path_factory.mktemp("kit")
    emit_copier(path)
    return path


def test_it_passes_and_what_stands_still_takes_longer(kit):
    cycles = []
    for stalls in ("0", "0.25", "0.7"):
        code, said = run(kit, *MAKE, f"HWSIM_STALLS={stalls}", "COCOTB_RANDOM_SEED=3")
        assert code == 0, said
        passed = re.search(r"^PASS: (\d+) cycles$", said, re.MULTILINE)
        assert passed, said
        cycles.append(int(passed[1]))
    assert cycles == sorted(set(cycles))


def test_it_needs_nothing_of_hwsim_in_python(kit):
    nodes = list(ast.walk(ast.parse((kit / BENCH).read_text())))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {"cocotb", "cocotbext.axi"} <= imported
    assert not [name for name in imported if name.startswith("hwsim")]


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        (BENCH, '"expected.hex"', '"image.hex"', "bytes are wrong, the first one 4800 bytes behind"),
        (
            BENCH,
            'beats("mask.hex")',
            'b"\\xff" * 9600',
            "FAIL: 1 bytes are wrong, the first one 4833 bytes behind",
        ),
        (
            "cocotb.mk",
            "HWSIM_PATIENCE ?= 13000",
            "HWSIM_PATIENCE = 30",
            "FAIL: the machine does not end within 40 cycles",
        ),
        ("hwsim.h", "REG_CONTROL 0x020", "REG_CONTROL 0x024", "FAIL: CONTROL was not written"),
        ("hwsim.h", "HWSIM_IDENTITY 0x4d", "HWSIM_IDENTITY 0x4c", "FAIL: this is no hwsim machine"),
        (
            "hwsim.h",
            "HWSIM_INTERFACE 1u",
            "HWSIM_INTERFACE 2u",
            "FAIL: its registers are not those of hwsim.h",
        ),
        (
            "hwsim.h",
            "INTERRUPT_PENDING 0x02c",
            "INTERRUPT_PENDING 0x028",
            "FAIL: the interrupt was not taken back",
        ),
    ],
)
def test_it_fails_what_is_wrong(kit, tmp_path, file, old, new, why):
    wrong = shutil.copytree(kit, tmp_path / "wrong")
    text = (wrong / file).read_text()
    assert old in text
    (wrong / file).write_text(text.replace(old, new))
    code, said = run(wrong, *MAKE)
    assert code != 0
    assert why in said
    assert "PASS:" not in said
