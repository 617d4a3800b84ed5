"""The machine's outside: AXI4 and AXI4-Lite, with cocotbext-axi as the other side."""

import pytest
from copier import Copier
from simulate import run_bench

from hwsim.arch import Arch
from hwsim_rtl.system.axi_master import AxiMaster
from hwsim_rtl.system.system import System

MACHINE = {"cores": 3, "columns": 8, "map_buffer": 32768, "skip_zeros": False}


@pytest.mark.parametrize("stalls", [0, 0.5])
def test_a_memory_port_on_axi(stalls):
    run_bench(AxiMaster(), "axi_master", stalls=stalls, aborts=5)


@pytest.mark.parametrize("stalls", [0, 0.4])
def test_a_host_runs_a_machine_by_its_registers(stalls):
    system = System(Arch(**MACHINE), Copier())
    run_bench(system, "system", stalls=stalls, aborts=8, arch=MACHINE)


def test_the_driver_runs_a_simulated_machine():
    run_bench(System(Arch(**MACHINE), Copier()), "driver")
