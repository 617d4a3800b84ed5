"""What commands print besides a table on a terminal: formats, pipes, progress; shipped traces; the doctor."""

import csv
import io
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from hwsim.arch import Arch
from hwsim.cli import application, console, doctor
from hwsim.machine.area import RESULTS, area
from hwsim.trace.shipped import shipped_traces
from traces import Tiny

PROGRAM = (sys.executable, "-c", "from hwsim.cli import main; main()")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "tiny.zarr.zip"
    Tiny().write(path)
    return path


@pytest.mark.parametrize("command", ["run", "compare", "info"])
def test_csv_has_every_value_of_the_document_and_no_more(hwsim, tiny, command):
    places = (tiny, tiny) if command == "compare" else (tiny,)
    code, out, err = hwsim(command, *places, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err) == (0, "")
    assert [row["layer"] for row in rows] == ["conv", "fc"]
    assert not any("{" in cell or "(" in cell for row in rows for cell in row.values())
    if command == "run":
        document = json.loads(hwsim(command, tiny, "--format", "json")[1])
        assert [float(row["cycles"]) for row in rows] == [row["cycles"] for row in document["per_layer"]]


def test_markdown_is_one_table_of_what_the_terminal_shows(hwsim, tiny):
    code, out, _ = hwsim("run", tiny, "--format", "md")
    lines = out.splitlines()
    assert code == 0
    assert all(line.startswith("| ") and line.endswith(" |") for line in lines)
    assert len({line.count("|") for line in lines}) == 1
    assert [line.split()[1] for line in lines] == ["layer", "---", "conv", "fc", "all"]


# What these make is a file for another program; they print where it lies.
WRITERS = {"capture", "synth", "export", "compile", "rtl emit"}


def commands() -> dict[str, set[str]]:
    """By command of the program, its options."""
    found = {}
    program: Any = get_command(application())
    for name, command in program.commands.items():
        parts = {f"{name} {sub}": part for sub, part in getattr(command, "commands", {}).items()}
        for whole, part in (parts or {name: command}).items():
            found[whole] = {option for known in part.params for option in known.opts}
    return found


def test_every_command_that_prints_a_table_has_formats():
    assert {name for name, options in commands().items() if "--format" not in options} == WRITERS


def test_a_machine_in_other_formats_has_every_field_and_what_it_takes(hwsim):
    rows = {row["name"]: row for row in json.loads(hwsim("arch", "--format", "json")[1])["machine"]}
    fields = Arch().model_dump(exclude={"energy"})
    assert {name: rows[name]["value"] for name in fields} == fields
    assert all(row["meaning"] for row in rows.values())
    assert rows["luts"]["value"] == area(Arch()).luts
    assert rows["peak_macs"]["value"] == 256
    table = list(csv.DictReader(io.StringIO(hwsim("arch", "--format", "csv")[1])))
    assert [row["name"] for row in table] == list(rows)
    assert "| cores | 16 |" in hwsim("arch", "--format", "md")[1]
    assert "32-bit words of an accumulator bank" in hwsim("arch", "--format", "table")[1]


def test_results_of_synthesis_have_a_row_a_run(hwsim):
    runs = json.loads(RESULTS.read_text())["runs"]
    table = list(csv.DictReader(io.StringIO(hwsim("rtl", "results", "--format", "csv")[1])))
    assert [(row["component"], int(row["luts"])) for row in table] == [
        (run["component"], run["cells"]["luts"]) for run in runs
    ]
    assert [float(row["fmax_mhz"]) if row["fmax_mhz"] else None for row in table] == [
        run["timing"] and run["timing"]["fmax_mhz"] for run in runs
    ]
    document = json.loads(hwsim("rtl", "results", "--format", "json")[1])
    assert [row["component"] for row in document["runs"]] == [row["component"] for row in table]
    assert "not placed" in hwsim("rtl", "results", "--format", "table")[1]


def test_json_by_its_old_name_is_the_same(hwsim, tiny):
    assert hwsim("info", tiny, "--json") == hwsim("info", tiny, "--format", "json")
    code, out, err = hwsim("info", tiny, "--json", "--format", "csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "give one of them" in err


def test_a_table_has_all_its_columns_when_piped(tiny):
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [*PROGRAM, "run", tiny], capture_output=True, text=True, check=True, env=environment, timeout=120
    )
    header = next(line for line in done.stdout.splitlines() if line.startswith("layer"))
    assert all(title in header for title in ("dense DRAM", "maps saved", "in registers", "largest stall"))


def test_progress_is_a_line_now_and_then_where_no_bar_can_be(monkeypatch, capsys):
    """The first of five takes 11 s, since loops are compiled in it, the others 3 s each but for one."""
    times = iter([0.0, 11.0, 14.0, 22.0, 25.0, 30.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(times))
    with console.progress("simulating") as advance:
        for done in range(1, 6):
            advance(done, 5)
    assert capsys.readouterr().err.splitlines() == [
        "hwsim: simulating: 1 of 5",
        "hwsim: simulating: 3 of 5, 11 s left",
    ]


def test_quiet_progress_is_none():
    with console.progress("simulating", quiet=True) as advance:
        assert advance is None


# Shipped traces.


def test_shipped_traces_are_listed_with_what_they_hold(hwsim):
    code, out, _ = hwsim("traces", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)["traces"]}
    assert code == 0
    assert set(rows) == set(shipped_traces())
    assert (rows["lenet5_digits/sparse"]["images"], rows["lenet5_digits/sparse"]["layers"]) == (32, 5)
    assert rows["lenet5_digits/sparse"]["bytes"] == shipped_traces()["lenet5_digits/sparse"].stat().st_size
    for format_ in ("table", "csv", "md"):
        assert all(name in hwsim("traces", "--format", format_)[1] for name in rows)


@pytest.mark.parametrize(
    "command",
    [
        ("info", "{}"),
        ("run", "{}", "--images", "1"),
        ("compare", "{}", "lenet5_digits/baseline", "--images", "1"),
        ("export", "{}", "scalesim", "-o", "layers.csv"),
        ("reproduce", "{}", "--images", "1", "-o", "tables"),
        ("measure", "{}", "--images", "1", "--repeats", "3"),
        ("sweep", "{}", "--space", "space.toml", "--images", "1", "--workers", "1", "-o", "sweep"),
    ],
    ids=lambda command: command[0],
)
def test_every_command_takes_a_shipped_trace_by_its_name(hwsim, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where nothing lies under that name
    Path("space.toml").write_text("[space]\ncores = [4]\n")
    code, _, err = hwsim(*(part.format("lenet5_digits/sparse") for part in command))
    assert code == 0, err


def test_a_name_that_is_none_leads_to_the_list(hwsim):
    code, out, err = hwsim("info", "lenet5_digits/spars")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "'hwsim traces' lists the shipped ones" in err


# The doctor.


def findings(hwsim) -> dict[str, dict[str, str]]:
    code, out, err = hwsim("doctor", "--format", "json")
    assert (code, err) == (0, "")
    return {fact["what"]: fact for fact in json.loads(out)["findings"]}


def test_the_doctor_says_what_there_is(hwsim):
    facts = findings(hwsim)
    assert {"hwsim", "python", "processor", "traces", "cache", "base", "[train]", "[rtl]", "g++"} <= set(
        facts
    )
    assert (facts["base"]["state"], facts["traces"]["state"]) == ("ok", "ok")
    assert "numpy" in facts["base"]["found"]
    assert hwsim("doctor")[1].count("\n") == len(facts)


def test_the_doctor_names_what_lacks_and_how_to_get_it(hwsim, monkeypatch):
    real = metadata.version

    def version(name: str) -> str:
        if name in ("numba", "torch"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(doctor.shutil, "which", lambda tool: None)
    facts = findings(hwsim)
    assert facts["base"]["state"] == facts["[train]"]["state"] == facts["g++"]["state"] == "lacking"
    assert facts["base"]["advice"] == "without numba; pip install 'hwsim'"
    assert facts["[train]"]["advice"] == "without torch; pip install 'hwsim[train]'"
    assert "torchvision" in facts["[train]"]["found"]
    assert "hwsim verify" in facts["g++"]["advice"]


def test_the_doctor_works_on_a_package_that_is_not_installed(hwsim, monkeypatch):
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    assert findings(hwsim)["packages"]["state"] == "lacking"


def test_results_of_synthesis_are_read_without_amaranth(tmp_path):
    (tmp_path / "amaranth.py").write_text("raise ModuleNotFoundError('amaranth')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*PROGRAM, "rtl", "results"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("**")
