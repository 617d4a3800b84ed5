"""Sweeps whose every number is known."""

import pytest
from sweeps import grid

from hwsim.report.sweep.machines import Machines
from hwsim.report.sweep.summary import Summary


@pytest.fixture(scope="session")
def machines() -> Machines:
    """Twelve machines: more cores are faster, more columns cost energy; the latency does nothing."""
    return grid(
        {"dram_latency": [8, 16], "cores": [1, 2, 4], "columns": [4, 8]},
        lambda cores, columns, dram_latency: 8000.0 / cores,
        energy_uj=lambda cores, columns, dram_latency: 3.0 * columns + cores,
    )


@pytest.fixture(scope="session")
def summary(machines) -> Summary:
    return Summary(machines)


@pytest.fixture(scope="session")
def nothing() -> Summary:
    """A sweep without a feasible machine."""
    impossible = {"cycles": {"max": 10}, "sram_bytes": {"min": 2000}}
    return Summary(grid({"cores": [1, 2]}, lambda cores: 100.0 / cores, impossible))
