"""The tables that a command of docs/pictures puts into a page say what this code says."""

from importlib import util
from pathlib import Path
from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"


def load(name: str) -> ModuleType:
    """A script of docs/pictures, which is no module of a package."""
    spec = util.spec_from_file_location(name, DOCS / "pictures" / f"{name}.py")
    assert spec
    assert spec.loader
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(made: ModuleType) -> list[str]:
    """Of its table, the titles first."""
    page = made.PAGE.read_text()
    return page[page.index(made.BEGIN) : page.index(made.END)].splitlines()[1:]


def test_machines_for_an_fpga_and_what_the_smallest_network_takes_on_them(monkeypatch):
    made = load("fpga_machine")
    table = lines(made)
    kept = len(table[0].split("|")) - len(made.TRACES)
    monkeypatch.setattr(made, "TRACES", {"LeNet-5": made.TRACES["LeNet-5"]})
    found = [[cell.strip() for cell in line.split("|")[1:kept]] for line in table[2:]]
    assert found == [made.row(arch) for arch in made.machines()], "python docs/pictures/fpga_machine.py"


def test_bytes_of_maps_with_the_default_map_buffer(monkeypatch):
    made = load("map_buffer")
    monkeypatch.setattr(made, "KIB", (512,))
    assert made.table(made.measure()).splitlines()[2] in lines(made), "python docs/pictures/map_buffer.py"
