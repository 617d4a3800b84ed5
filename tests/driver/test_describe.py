"""What is said of registers and images, to readers and to C, is what they are."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from page_parser import tables

from hwsim.arch import Arch
from hwsim.driver.describe import c_header
from hwsim.program import compile_network
from hwsim.registers import ERRORS, REGISTERS, MachineError
from hwsim.trace import open_trace

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "registers.md"
# Compiled simulation needs a C++ compiler, which brings one for C; without any the test fails, and says so.
COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), "cc")


def test_the_page_has_the_tables_of_the_definition():
    spec = importlib.util.spec_from_file_location("registers_page", ROOT / "docs/pictures/registers.py")
    assert spec is not None
    assert spec.loader is not None
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    text = PAGE.read_text(encoding="utf-8")
    assert page.filled(text) == text
    assert page.filled(text.replace("`status`", "`state`")) == text


def test_registers_lie_apart_and_fields_within_them():
    addresses = [register.address for register in REGISTERS.values()]
    assert len(set(addresses)) == len(addresses)
    assert all(address % 4 == 0 and address < 4096 for address in addresses)
    for register in REGISTERS.values():
        masks = [field.mask for field in register.fields]
        assert sum(masks) < 1 << 32
        assert all(one & other == 0 for number, one in enumerate(masks) for other in masks[:number])
    assert set(ERRORS) == set(MachineError)


PROGRAM = """
#include "hwsim.h"
#include <stdio.h>
#include <string.h>
static uint8_t file[1 << 20];
static uint64_t number(unsigned at, unsigned bytes) { return hwsim_bits(file + at, 0, 8 * bytes); }
int main(int count, char **names)
{
    FILE *image = fopen(names[1], "rb");
    size_t size = fread(file, 1, sizeof file, image);
    uint64_t program;
    if (count != 2 || memcmp(file, HWSIM_IMAGE_MAGIC_TEXT, 8) || !size) return 1;
    program = HWSIM_IMAGE_HEADER_BYTES
        + number(HWSIM_IMAGE_PROGRAM_AT_AT, HWSIM_IMAGE_PROGRAM_AT_BYTES);
%s    return 0;
}
"""


def printed(what: str, number: str) -> str:
    return f'    printf("{what} %llu\\n", (unsigned long long){number});\n'


def test_a_c_program_reads_an_image_and_the_registers_by_the_header(tmp_path):
    header, one_pass, descriptor, pool = tables()
    with open_trace("lenet5_digits/sparse") as opened:
        image = compile_network(opened, Arch(), 0)
    data = image.to_bytes()
    (tmp_path / "image").write_bytes(data)
    (tmp_path / "hwsim.h").write_text(c_header())
    lines, expected = "", {}
    for name, (at, size) in header.items():
        if size <= 8:
            lines += printed(
                f"image.{name}", f"number(HWSIM_IMAGE_{name.upper()}_AT, HWSIM_IMAGE_{name.upper()}_BYTES)"
            )
            expected[f"image.{name}"] = int.from_bytes(data[at : at + size], "little")
    program = 192 + image.number("program_at")
    kinds = (("layer", descriptor, 0, 64), ("pass", one_pass, 64, 8), ("pool", pool, 64, 8))
    for kind, fields, at, size in kinds:
        number = int.from_bytes(data[program + at : program + at + size], "little")
        for name, (low, bits) in fields.items():
            macro = f"HWSIM_{kind}_{name}".upper()
            lines += printed(
                f"{kind}.{name}", f"hwsim_bits(file + program + {at}, {macro}_LOW, {macro}_BITS)"
            )
            expected[f"{kind}.{name}"] = number >> low & (1 << bits) - 1
    rows = re.findall(r"^\| (0x\w+)? *\| (\d+)(?:-(\d+))? \| `([\w.]+)`", PAGE.read_text(), re.MULTILINE)
    assert len(rows) > 30
    for address, low, last, name in rows:
        macro = name.replace(".", "_").upper()
        if address:
            lines += printed(f"register.{name}", f"HWSIM_REG_{macro}")
            expected[f"register.{name}"] = int(address, 16)
        else:
            lines += printed(f"register.{name}", f"HWSIM_{macro}_MASK")
            expected[f"register.{name}"] = (2 << int(last or low)) - (1 << int(low))
    (tmp_path / "read.c").write_text(PROGRAM % lines)
    flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run([COMPILER, *flags, "read.c", "-o", "read"], cwd=tmp_path, check=True)
    run = subprocess.run(
        [tmp_path / "read", "image"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    found = dict(line.split() for line in run.stdout.splitlines())
    assert {name: int(value) for name, value in found.items()} == expected
    assert expected["image.cores"] == 16
