"""``hwsim doctor``: what this installation can do, and what it lacks."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from hwsim.cli import console
from hwsim.cli.console import OutputFormat
from hwsim.cli.options import Formatted

TOOLS = {
    "iverilog": "the benches of the RTL in 'make test'",
    "g++": "'hwsim verify', which compiles the RTL",
    "chromium": "the tests that open pages",
}
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimd", "asimddp")
_REQUIREMENT = re.compile(r"""([\w.-]+)[^;]*(?:;.*extra == ['"](\w+)['"])?""")  # a package, and whose it is


def doctor(format_: Formatted = OutputFormat.table) -> None:
    """Say what is installed, what extras lack, which tools there are, and what the processor has."""
    from hwsim.report import text
    from hwsim.report.tables import Column

    facts = [*_basics(), *_extras(), *_tools()]
    columns = [
        Column("what", "what", "", text.label, 9),
        Column("state", "state", "", text.label, 8),
        Column("found", "found", "", text.words, 5),
        Column("advice", "advice", "", text.words, 6),
    ]
    if format_ is OutputFormat.json:
        from hwsim.report.contents import to_json

        typer.echo(to_json({"findings": facts}), nl=False)
    elif format_ is not OutputFormat.table:
        console.print_rows(format_, columns, facts)
    else:
        for fact in facts:
            advice = f": {fact['advice']}" if fact["advice"] else ""
            console.say(f"{fact['what']:11} {fact['state']:8} {fact['found']}{advice}")


def _fact(what: str, good: bool, found: str, advice: str = "") -> dict[str, Any]:
    return {
        "what": what,
        "state": "ok" if good else "lacking",
        "found": found,
        "advice": "" if good else advice,
    }


def _basics() -> list[dict[str, Any]]:
    import hwsim
    from hwsim.trace.shipped import shipped_traces

    many = len(shipped_traces())
    cache = _cache()
    return [
        _fact("hwsim", True, f"{hwsim.__version__} in {Path(hwsim.__file__).parent}"),
        _fact("python", True, f"{platform.python_version()}, {sys.executable}"),
        _fact("system", True, f"{platform.platform()}, {os.cpu_count()} processors"),
        _fact("processor", True, _processor()),
        _fact("traces", many > 0, f"{many} shipped", "give commands the path of a trace of your own"),
        _fact(
            "cache",
            os.access(cache, os.W_OK),
            f"compiled loops are kept beside the code in {cache}",
            "it cannot be written: set NUMBA_CACHE_DIR to a folder that can, or loops compile in every run",
        ),
    ]


def _cache() -> Path:
    import hwsim

    return Path(os.environ.get("NUMBA_CACHE_DIR") or Path(hwsim.__file__).parent)


def _processor() -> str:
    """Name, and which of the instructions it has that kernels of 8 bits use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    parts = (line.partition(":") for line in lines)
    fields = {key.strip(): value.strip() for key, found, value in parts if found}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    has = [flag for flag in FLAGS if flag in flags]
    return (
        f"{fields.get('model name', platform.machine())}, {' '.join(has) or 'no vector instructions known'}"
    )


def _extras() -> list[dict[str, Any]]:
    """A line for the base and for each extra, as the installed package names them."""
    from importlib.metadata import PackageNotFoundError, requires, version

    wanted: dict[str, list[str]] = {}
    try:
        requirements = requires("hwsim") or []
    except PackageNotFoundError:
        return [_fact("packages", False, "hwsim is not installed here", "pip install hwsim, or 'make setup'")]
    for requirement in requirements:
        if match := _REQUIREMENT.match(requirement):
            wanted.setdefault(match[2] or "", []).append(match[1])
    facts = []
    for extra, packages in wanted.items():
        found, lacking = [], []
        for name in packages:
            try:
                found.append(f"{name} {version(name)}")
            except PackageNotFoundError:
                lacking.append(name)
        what = f"[{extra}]" if extra else "base"
        advice = f"without {', '.join(lacking)}; pip install 'hwsim{f'[{extra}]' if extra else ''}'"
        facts.append(_fact(what, not lacking, ", ".join(found) or "nothing", advice))
    return facts


def _tools() -> list[dict[str, Any]]:
    return [
        _fact(tool, place is not None, place or "not found", f"needed by {purpose}")
        for tool, purpose in TOOLS.items()
        for place in [shutil.which(tool)]
    ]
