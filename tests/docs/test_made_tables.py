"""The tables that a command puts into a page of the docs say what this code says."""

from pathlib import Path
from types import ModuleType

from docs_scripts import load

from hwsim import Arch, simulate

DOCS = Path(__file__).parents[2] / "docs"


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


def cells(page: str, columns: int) -> list[list[str]]:
    """Rows of the tables of so many columns, without their heads."""
    text = (DOCS / page).read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    return [row for row in rows if len(row) == columns and "/" in row[0]]


def cycles_by_kind(name: str, arch: Arch) -> dict[str, float]:
    """Of image 0 of a shipped trace."""
    found: dict[str, float] = {"all": 0}
    for row in simulate(name, arch, images=[0]).per_layer():
        for kind in (row["kind"], "all"):
            found[kind] = found.get(kind, 0) + row["cycles"]
    return found


def test_the_page_of_published_machines_has_the_cycles_of_this_one_as_it_is():
    rows = [row for row in cells("peers.md", 10) if row[2] == "**hwsim**" and "inception" not in row[0]]
    assert len(rows) == 12
    for trace, kind, _, cycles, *_ in rows:
        assert (trace, kind, cycles) == (trace, kind, f"{cycles_by_kind(trace, Arch())[kind]:,.0f}")


def test_the_table_of_shapes_has_the_cycles_of_each():
    rows = cells("peers.md", 7)
    assert len(rows) == 5
    shapes = [Arch(), Arch(cores=32, columns=8), Arch(cores=64, columns=4)]
    for trace, *shown in rows:
        found = [cycles_by_kind(trace, arch) for arch in shapes]
        assert shown == [f"{of[kind]:,.0f}" for kind in ("all", "conv") for of in found], trace
