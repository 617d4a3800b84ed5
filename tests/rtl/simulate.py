"""Run a cocotb bench on a component, under Icarus."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from amaranth.lib import wiring
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hwsim_rtl.verilog import to_verilog

BUILD = Path(__file__).parents[2] / "build" / "rtl"
DEFAULT_SEED = 2019
ENVIRONMENT = {
    "COCOTB_LOG_LEVEL": "WARNING",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # of no use to cocotb, and slow
    # Rewriting the assertions of all that a bench imports takes longer than most simulations.
    "COCOTB_REWRITE_ASSERTION_FILES": "tests/rtl/*.py",
}


def run_bench(component: wiring.Component, bench: str, **case: object) -> None:
    """Run the module ``benches.<bench>`` on a component, as :func:`run_verilog` does."""
    name = type(component).__name__
    run_verilog(to_verilog((component, name)), name, bench, **case)


def run_verilog(text: str, name: str, bench: str, **case: object) -> None:
    """Compile the Verilog ``text`` and run the module ``benches.<bench>`` on its module ``name``.

    The bench gets ``case`` from :func:`bench_case` and a seed from cocotb; HWSIM_SEED replaces the seed.
    A failing bench is run again with a waveform, and the command that repeats it is printed.

    Args:
        text: with the device under test; compiled once for the same Verilog.
        name: of the device.
        bench: name of the module with the ``@cocotb.test()`` functions.
        case: parameters, as JSON can hold them.
    """
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
            extra_env={**ENVIRONMENT, "BENCH_CASE": json.dumps(case)},
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
