"""The table of machines for an LFE5U-85F says what this code says."""

from importlib import util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
AGAIN = "run again: python docs/pictures/fpga_machine.py"


@pytest.fixture(scope="module")
def table():
    spec = util.spec_from_file_location("fpga_machine", DOCS / "pictures" / "fpga_machine.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_machines_and_what_the_smallest_network_takes_on_them(table, monkeypatch):
    page = table.PAGE.read_text()
    made = page[page.index(table.BEGIN) : page.index(table.END)].splitlines()[1:]
    kept = len(made[0].split("|")) - len(table.TRACES)
    monkeypatch.setattr(table, "TRACES", {"LeNet-5": table.TRACES["LeNet-5"]})
    found = [[cell.strip() for cell in line.split("|")[1:kept]] for line in made[2:]]
    assert found == [table.row(arch) for arch in table.machines()], AGAIN
