"""Run a cocotb bench on a component, under Icarus."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import Const, ValueCastable
from amaranth.lib import wiring
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

BUILD = Path(__file__).parents[2] / "build" / "rtl"
DEFAULT_SEED = 2019


def ports(component: wiring.Component) -> dict:
    """The ports of a component by their Verilog names, without the constant ones (``always_ready``)."""
    found = {}
    for path, _, value in component.signature.flatten(component):
        value = value.as_value() if isinstance(value, ValueCastable) else value
        if not isinstance(value, Const):
            found["__".join(map(str, path))] = (value, None)
    return found


def to_verilog(component: wiring.Component, name: str) -> str:
    """The component as a Verilog module called ``name``."""
    os.environ["AMARANTH_USE_YOSYS"] = "builtin"
    return verilog.convert(component, name=name, ports=ports(component), emit_src=False)


def run_bench(component: wiring.Component, bench: str, **case: object) -> None:
    """Compile ``component`` and run the module ``benches.<bench>`` on it.

    The bench gets ``case`` from :func:`bench_case` and a seed from cocotb; HWSIM_SEED replaces the seed.
    A failing bench is run again with a waveform, and the command that repeats it is printed.

    Args:
        component: the device under test; compiled once for the same Verilog.
        bench: name of the module with the ``@cocotb.test()`` functions.
        case: parameters, as JSON can hold them.
    """
    name = type(component).__name__
    text = to_verilog(component, name)
    folder = BUILD / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.v"
    if not source.exists():
        source.write_text(text)
    runner = get_runner("icarus")
    runner.build(
        sources=[source],
        hdl_toplevel=name,
        build_dir=folder,
        waves=True,  # compiled in; recorded only when a bench failed
        timescale=("1ns", "1ps"),
        log_file=folder / "build.log",
    )
    seed = int(os.environ.get("HWSIM_SEED", DEFAULT_SEED))
    print(f"{name}: bench {bench}, seed {seed}, case {case}")

    def passes(waves: bool) -> bool:
        results = runner.test(
            test_module=f"benches.{bench}",
            hdl_toplevel=name,
            build_dir=folder,
            seed=seed,
            extra_env={"BENCH_CASE": json.dumps(case), "COCOTB_LOG_LEVEL": "WARNING"},
            results_xml=str(folder / f"{bench}.xml"),
            log_file=folder / f"{bench}.log",
            waves=waves,
            timescale=("1ns", "1ps"),
        )
        tests, failed = get_results(results)
        return tests > 0 and failed == 0

    if _quietly(passes, waves=False):
        return
    _quietly(passes, waves=True)
    test = os.environ["PYTEST_CURRENT_TEST"].rsplit(" ", 1)[0]
    log = (folder / f"{bench}.log").read_text()
    pytest.fail(
        f"{log[-3000:]}\nwaveform: {folder / name}.fst\n"
        f"repeat with: HWSIM_SEED={seed} python -m pytest -s '{test}'",
        pytrace=False,
    )


def _quietly(passes, waves: bool) -> bool:
    """False too if the simulator itself stopped with an error."""
    try:
        return passes(waves)
    except (RuntimeError, SystemExit):
        return False
