"""The program: what it prints, what it writes, its exit codes, and one line for every error."""

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hwsim import Arch, Result
from hwsim.cli import application
from hwsim.errors import TraceError
from hwsim.machine import simulation
from hwsim.machine.area import fpga_machine
from hwsim.trace import shipped
from traces import Tiny

PROGRAM = (sys.executable, "-c", "from hwsim.cli import main; main()")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "tiny.zarr.zip"
    Tiny().write(path)
    return path


def start(*arguments: object, **options) -> subprocess.CompletedProcess:
    """Run the program in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **options
    )


# What a run prints and writes.


def test_run_prints_a_row_a_layer_and_the_total(hwsim, tiny):
    code, out, err = hwsim("run", tiny)
    assert (code, err) == (0, "")
    lines = [line.split()[0] for line in out.splitlines() if line.strip()]
    assert lines.index("conv") < lines.index("fc") < lines.index("all") < lines.index("Speedup")


def test_run_prints_json_and_nothing_else(hwsim, tiny):
    code, out, err = hwsim("run", tiny, "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert [row["layer"] for row in document["per_layer"]] == ["conv", "fc"]
    assert document["images"] == [0, 1]


def test_run_writes_a_report_that_agrees_with_its_json(hwsim, tiny, tmp_path):
    code, out, _ = hwsim("run", tiny, "--out", tmp_path / "new" / "folder", "--json")
    folder = tmp_path / "new" / "folder"
    assert code == 0
    assert json.loads(out) == json.loads((folder / "report.json").read_text())
    with open(folder / "layers.csv", newline="") as file:
        cycles = {row["layer"]: float(row["cycles"]) for row in csv.DictReader(file)}
    assert cycles == {row["layer"]: row["cycles"] for row in json.loads(out)["per_layer"]}
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


def test_measurements_stand_beside_the_simulation(hwsim, tmp_path):
    name = "mobilenet_v1_cifar10/l1_fatrelu"
    record = shipped.shipped_trace(name).parent / "measured_cpu.json"
    code, out, err = hwsim("run", name, "--images", 1, "--measured", record, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert "Beside real processors" in out
    assert "not measured" in out
    document = json.loads((tmp_path / "report.json").read_text())["measured"]
    kernels = json.loads(record.read_text())["layers"][0]["timings"]
    fastest = {
        kind: min(t["median_us"] for t in kernels if t["kernel"] in names)
        for kind, names in (
            ("dense", ("numpy_fp32", "torch_fp32", "torch_fp32_nhwc")),
            ("sparse", ("scipy_csr_fp32", "torch_csr_fp32")),
        )
    }
    assert document["per_layer"][0]["cpu_speedup"] == fastest["dense"] / fastest["sparse"]
    assert (tmp_path / "measured.png").exists()


def test_a_layer_in_time_is_a_plot_of_the_report(hwsim, tiny, tmp_path):
    assert hwsim("run", tiny, "--timeline", "conv", "--out", tmp_path, "-q") == (0, "", "")
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert 'id="timeline"' in (tmp_path / "report.html").read_text()


def test_quiet_prints_nothing(hwsim, tiny):
    assert hwsim("run", tiny, "--quiet") == (0, "", "")


@pytest.mark.parametrize(("asked", "numbers"), [("1", [0]), ("2", [0, 1]), ("1,", [1]), ("1,0", [1, 0])])
def test_images_are_a_number_or_a_list(hwsim, tiny, asked, numbers):
    _, out, _ = hwsim("run", tiny, "--images", asked, "--json")
    assert json.loads(out)["images"] == numbers


def test_run_takes_a_machine_from_a_file(hwsim, tiny, tmp_path):
    (tmp_path / "small.toml").write_text("cores = 2\ncolumns = 4\n")
    _, out, _ = hwsim("run", tiny, "--arch", tmp_path / "small.toml", "--json")
    assert json.loads(out)["arch"] == Arch(cores=2, columns=4).model_dump()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_tables_fit_the_terminal(tiny, width, monkeypatch, hwsim):
    monkeypatch.setenv("COLUMNS", str(width))
    _, out, _ = hwsim("run", tiny)
    table = [line for line in out.splitlines() if line.startswith(("layer", "conv", "fc", "all layers"))]
    assert len(table) == 4
    assert all(len(line.rstrip()) <= width for line in table)
    assert "…" not in "".join(table)
    assert ("speedup" in table[0]) == (width >= 40)


def test_no_color_is_respected(tiny):
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert "\x1b[1m" in start("run", tiny, env=environment).stdout
    plain = start("run", tiny, env={**environment, "NO_COLOR": "1"}).stdout
    assert "\x1b[3" not in plain


def test_a_terminal_without_unicode_gets_its_table(tiny):
    done = start("run", tiny, env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "all layers" in done.stdout


# The other commands.


def test_compare_holds_b_against_a(hwsim, tiny, tmp_path):
    (tmp_path / "small.toml").write_text("cores = 1\n")
    code, out, err = hwsim("compare", tiny, "--arch-b", tmp_path / "small.toml", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["names"] == {"a": "default", "b": "small"}
    assert (document["a"]["arch"]["cores"], document["b"]["arch"]["cores"]) == (16, 1)
    one, other = (document[side]["totals"]["cycles"] for side in "ab")
    assert document["totals"]["speedup_b_over_a"] == one / other
    for side in "ab":
        flags = [(row["skip_zeros"], row["compress"]) for row in document["halves"][side]]
        assert flags == [(False, False), (True, False), (False, True), (True, True)]
        assert document["halves"][side][3]["cycles"] == document[side]["totals"]["cycles"]


def test_compare_runs_a_machine_as_its_flags_say(hwsim, tiny, tmp_path):
    (tmp_path / "raw.toml").write_text("compress = false\n")
    document = json.loads(hwsim("compare", tiny, "--arch-b", tmp_path / "raw.toml", "--json")[1])
    assert document["b"]["arch"]["compress"] is False
    assert document["b"]["totals"]["cycles"] == document["halves"]["a"][1]["cycles"]


def test_compare_prints_and_writes(hwsim, tiny, tmp_path):
    code, out, _ = hwsim("compare", tiny, tiny, "--out", tmp_path)
    assert code == 0
    assert "B runs at 1.00" in out
    assert {"compare.json", "compare.csv", "compare.html"} < set(os.listdir(tmp_path))


def test_info_tells_what_a_trace_holds(hwsim, tiny):
    code, out, _ = hwsim("info", tiny, "--check")
    assert code == 0
    for shown in ("tiny.zarr.zip", "3×5×4", "all checksums agree"):  # noqa: RUF001
        assert shown in out
    document = json.loads(hwsim("info", tiny, "--json")[1])
    assert [layer["name"] for layer in document["layers"]] == ["conv", "fc"]
    assert [map_["bits"] for map_ in document["maps"]] == [8, 16]
    assert document["checked"] is False


def test_arch_prints_what_it_reads_back(hwsim, tmp_path):
    _, out, _ = hwsim("arch")
    (tmp_path / "machine.toml").write_text(out.replace("cores = 16", "cores = 3"))
    assert Arch.from_toml(tmp_path / "machine.toml") == Arch(cores=3)
    assert hwsim("arch", "--arch", tmp_path / "machine.toml")[1] == out.replace("cores = 16", "cores = 3")


def test_arch_prints_the_machine_of_an_fpga(hwsim, tmp_path):
    (tmp_path / "fpga.toml").write_text(hwsim("arch", "--fpga")[1])
    assert Arch.from_toml(tmp_path / "fpga.toml") == fpga_machine()
    code, out, error = hwsim("arch", "--fpga", "--arch", tmp_path / "fpga.toml")
    assert (code, out) == (2, "")
    assert "leave one out" in error


def test_synth_writes_a_trace_that_is_labelled_everywhere(hwsim, tmp_path):
    path = tmp_path / "made.zarr.zip"
    code, out, _ = hwsim("synth", "lenet5", "--density", "0.25", "--seed", "3", "-o", path)
    assert code == 0
    assert "Synthetic" in out
    assert "Synthetic" in hwsim("info", path)[1]
    assert "Synthetic" in hwsim("run", path)[1]
    assert "Synthetic" in hwsim("compare", path, path)[1]
    document = json.loads(hwsim("run", path, "--json", "--out", tmp_path / "out")[1])
    assert document["synthetic"] is True
    assert document["per_layer"][1]["density"] == pytest.approx(0.25, abs=1e-3)
    assert "Synthetic" in (tmp_path / "out" / "report.html").read_text()
    assert "Synthetic" in (tmp_path / "out" / "density.svg").read_text()


def test_synth_tells_what_of_a_topology_it_did_not_take_as_it_stands(hwsim, tmp_path):
    (tmp_path / "net.csv").write_text(
        "Layer,IFMAP Height,IFMAP Width,Filter Height,Filter Width,Channels,Num Filter,Strides,Target\n"
        "a,9,9,3,3,2,4,1,NPU\na,9,9,3,3,2,4,1,\n"
    )
    code, _, err = hwsim("synth", tmp_path / "net.csv", "-o", tmp_path / "t.zip")
    assert code == 0
    assert err.splitlines() == [
        f"hwsim: {tmp_path / 'net.csv'}: Target is not read: 'NPU'",
        f"hwsim: {tmp_path / 'net.csv'}: names that came before are numbered: a.2 (line 3)",
    ]
    notes = json.loads(hwsim("info", tmp_path / "t.zip", "--json")[1])["provenance"]["geometry_notes"]
    assert notes == [line.split(": ", 2)[2] for line in err.splitlines()]


def test_synth_tells_how_much_memory_a_large_map_takes(hwsim, tmp_path, monkeypatch):
    monkeypatch.setattr("hwsim.cli.synth._MUCH", 1000)
    (tmp_path / "net.csv").write_text("Layer,M,N,K\na,10,9,50\nb,100,9,3\n")  # 500 and 300 values
    _, _, err = hwsim("synth", tmp_path / "net.csv", "-o", tmp_path / "t.zip")
    # 20 bytes a value and 48 a row: 10,480 and 10,800, so that the smaller map takes more.
    assert "the maps have 800 values in all; b.input, with 300 of them, takes the most memory" in err
    assert "to make, about 10.8 kB" in err


def test_synth_takes_densities_by_layer(hwsim, tmp_path):
    (tmp_path / "densities.csv").write_text("layer,density\nc3,0.125\n")
    layers = ("--per-layer", tmp_path / "densities.csv", "--density", "0.25")
    hwsim("synth", "lenet5", *layers, "-o", tmp_path / "made.zarr")
    document = json.loads(hwsim("run", tmp_path / "made.zarr", "--json")[1])
    density = {row["layer"]: round(row["density"], 2) for row in document["per_layer"]}
    assert (density["c3"], density["c5"]) == (0.12, 0.25)


def test_a_sweep_writes_its_page_and_draws_it_again(hwsim, tiny, tmp_path):
    (tmp_path / "space.toml").write_text("[space]\ncores = [1, 2]\n")
    folder = tmp_path / "sweep"
    code, out, err = hwsim("sweep", tiny, "--space", tmp_path / "space.toml", "-o", folder, "--workers", 1)
    assert (code, err) == (0, "")
    assert "2 machines, 2 of them feasible; the fastest:" in out
    page = (folder / "sweep.html").read_bytes()
    (folder / "sweep.html").unlink()
    assert hwsim("sweep-report", folder, "--quiet") == (0, "", "")
    assert (folder / "sweep.html").read_bytes() == page
    summary = json.loads((folder / "summary.json").read_text())
    machine = json.loads(hwsim("run", tiny, "--json", "--arch", one_core(tmp_path))[1])
    slowest = summary["machines"]["metrics"]["all traces"]["cycles"][0]
    assert slowest == machine["totals"]["cycles"]


def one_core(folder: Path) -> Path:
    (folder / "one.toml").write_text("cores = 1\n")
    return folder / "one.toml"


def test_the_default_is_the_shipped_trace(hwsim):
    code, out, err = hwsim("run", "--images", "1", "--json")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["network"], document["variant"], document["synthetic"]) == ("lenet5", "sparse", False)


def test_the_default_comparison_is_baseline_against_sparse(hwsim):
    document = json.loads(hwsim("compare", "--images", "1", "--json")[1])
    assert document["names"] == {"a": "baseline", "b": "sparse"}
    assert document["totals"]["density_b"] < document["totals"]["density_a"]


def test_shipped_traces_are_found_in_a_wheel_too(tmp_path, monkeypatch):
    (tmp_path / "lenet5_digits").mkdir()
    (tmp_path / "lenet5_digits" / "sparse.zarr.zip").touch()
    monkeypatch.setattr(shipped, "FOLDERS", (tmp_path / "missing", tmp_path))
    assert shipped.shipped_trace() == tmp_path / "lenet5_digits" / "sparse.zarr.zip"
    with pytest.raises(TraceError, match="give the path of one"):
        shipped.shipped_trace(shipped.BASELINE)


# Help.


@pytest.mark.parametrize("command", ["run", "compare", "info", "synth", "arch"])
def test_help_explains_the_exit_codes(command):
    result = CliRunner().invoke(application(), [command, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for code in ("0 done", "1 the run failed", "2 wrong usage", "130 interrupted"):
        assert code in result.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom hwsim.cli import main\ntry:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        "print([m for m in ('numba', 'zarr', 'matplotlib', 'pydantic', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_imports_neither_linear_algebra_nor_zarr_nor_what_draws():
    code = (
        "import sys\nfrom hwsim.cli import main\n"
        "try:\n main(['run', 'lenet5_digits/sparse', '--images', '1', '-q'])\nexcept SystemExit:\n pass\n"
        "heavy = ('scipy.linalg', 'zarr', 'matplotlib', 'hwsim.codec.seg_loops')\n"
        "print([m for m in heavy if m in sys.modules])\n"
        "import scipy.linalg.cython_blas"  # can be had by what needs it
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]"]


def test_a_command_alone_has_the_options_that_it_has_among_all():
    def lines(program):
        found = CliRunner().invoke(program, ["run", "--help"], env={"COLUMNS": "200"})
        return found.output.splitlines()

    assert lines(application("run")) == lines(application())
    assert any("--timeline" in line for line in lines(application("run")))


def test_no_command_is_wrong_usage_and_shows_the_help(hwsim):
    code, out, err = hwsim()
    assert (code, err) == (2, "")
    assert "compare" in out


def test_version(hwsim):
    assert hwsim("--version") == (0, "hwsim 0.1.0\n", "")


# Errors.


def damage(trace: Path, path: Path) -> None:
    """A copy of the trace with one bit of every chunk turned over."""
    with zipfile.ZipFile(trace) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = bytearray(source.read(name))
            if "/c/" in name:
                data[-1] ^= 1
            target.writestr(name, bytes(data))


FAILURES = {  # arguments, with files of the folder below, and what the line must hold
    "missing trace": ("run nowhere", "nowhere"),
    "foreign file": ("info foreign.zip", "foreign.zip"),
    "damaged trace": ("run damaged.zarr.zip", "damaged"),
    "damage found by the check": ("info --check damaged.zarr.zip", "damaged"),
    "missing machine": ("run tiny.zarr.zip --arch no.toml", "no.toml"),
    "folder for a machine": ("arch --arch .", "directory"),
    "machine that is no TOML": ("run tiny.zarr.zip --arch not.toml", "not TOML"),
    "wrong parameter": ("arch --arch wrong.toml", "cores"),
    "unknown parameter": ("arch --arch unknown.toml", "kernels"),
    "map too wide": ("run tiny.zarr.zip --arch narrow.toml", "activation_bits"),
    "measurements of another trace": (
        "run tiny.zarr.zip --measured other.json",
        "network mobilenet_v1, not tiny",
    ),
    "no measurements": ("run tiny.zarr.zip --measured not.toml", "not JSON"),
    "no such layer": ("run tiny.zarr.zip --out new --timeline conv9", "it has conv, fc"),
    "no sweep": ("sweep-report .", "holds no sweep"),
    "output in the way": ("run tiny.zarr.zip --out in_the_way", "name another folder"),
    "missing image": ("run tiny.zarr.zip --images 3", "0 .. 1"),
    "unknown network": ("synth nonet -o x.zip", "lenet5"),
    "missing densities": ("synth lenet5 -o x.zip --per-layer no.csv", "no.csv"),
    "trace that is there": ("synth lenet5 -o tiny.zarr.zip", "exists"),
}


@pytest.fixture
def folder(tiny, tmp_path, monkeypatch) -> Path:
    """The working folder, with files that one cannot work with."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.zarr.zip").write_bytes(tiny.read_bytes())
    Path("not.toml").write_text("cores = = 3")
    Path("wrong.toml").write_text("cores = 0")
    Path("unknown.toml").write_text("kernels = 3")
    Path("narrow.toml").write_text("activation_bits = 4")
    Path("in_the_way").touch()
    record = shipped.shipped_trace("mobilenet_v1_cifar10/baseline").parent / "measured_cpu.json"
    Path("other.json").write_bytes(record.read_bytes())
    Path("foreign.zip").write_text("no zip at all")
    damage(tiny, Path("damaged.zarr.zip"))
    return tmp_path


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_is_one_line_on_stderr_and_exit_code_1(hwsim, folder, case):
    arguments, told = FAILURES[case]
    code, out, err = hwsim(*arguments.split())
    assert (code, out) == (1, "")
    assert err.startswith("hwsim: ")
    assert err.count("\n") == 1
    assert told in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["frobnicate"], "frobnicate"),
        (["run", "--frobnicate"], "--frobnicate"),
        (["run", "a", "b"], "b"),
        (["run", "TRACE", "--images", "many"], "0,3,7"),
        (["run", "TRACE", "--images", "0"], "1 image or more"),
        (["run", "TRACE", "--images", "1,1"], "each once"),
        (["run", "TRACE", "--timeline", "conv"], "add --out"),
        (["run", "TRACE", "--out", ""], "output without a name"),
        (["synth", "lenet5", "-o", ""], "output without a name"),
        (["sweep", "TRACE", "--space", "x", "--output="], "output without a name"),
        (["info"], "TRACE"),
        (["compare", "TRACE"], "--arch-b"),
        (["synth", "lenet5"], "--output"),
        (["synth", "lenet5", "-o", "x", "--density", "1.5"], "--density"),
    ],
)
def test_wrong_usage_is_one_line_on_stderr_and_exit_code_2(hwsim, tiny, arguments, told):
    code, out, err = hwsim(*(tiny if argument == "TRACE" else argument for argument in arguments))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert told in err
    assert "--help'" in err


def test_names_cannot_forge_lines_or_colours(hwsim, tmp_path):
    code, _, err = hwsim("run", f"{tmp_path}/a\n\x1b[31mb")
    assert code == 1
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_too_little_memory_is_one_line(hwsim, tiny, monkeypatch):
    def exhausted(*_):
        raise MemoryError

    monkeypatch.setattr(simulation, "simulate", exhausted)
    code, out, err = hwsim("run", tiny)
    assert (code, out) == (1, "")
    assert err == "hwsim: not enough memory: give fewer --images, or a smaller network\n"


@pytest.mark.parametrize("where", ["before", "behind"])
@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("a\nb\x1b[31m"), RecursionError(), AssertionError()], ids=repr
)
def test_a_fault_of_ours_is_one_line_that_says_how_to_report_it_and_a_traceback_on_demand(
    hwsim, tiny, monkeypatch, error, where
):
    def fails(*_):
        raise error

    monkeypatch.setattr(simulation, "simulate", fails)
    code, out, err = hwsim("run", tiny)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith(f"hwsim: a fault of hwsim, not of yours: {type(error).__name__}")
    assert "report it" in err
    assert "--debug" in err
    assert "\x1b" not in err
    code, out, debugged = hwsim(
        *(["--debug", "run", tiny] if where == "before" else ["run", tiny, "--debug"])
    )
    assert (code, out) == (1, "")
    assert debugged.startswith("Traceback (most recent call last)")
    assert "in fails" in debugged
    assert debugged.endswith(err)


def test_a_failure_that_is_told_shows_its_traceback_on_demand_too(hwsim, folder):
    assert "Traceback" not in hwsim("run", "nowhere")[2]
    assert hwsim("run", "nowhere", "--debug")[2].startswith("Traceback")
    assert "--debug" in hwsim("run", "--", "--debug")[2]  # a file of this name


def test_a_full_disk_under_the_output_is_one_line():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "arch"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("info TRACE >&-", 0),
        ("info TRACE 2>&-", 0),
        ("info TRACE <&-", 0),
        ("info TRACE <&- >&- 2>&-", 0),
        ("run TRACE --images 1 --out OUT >&- 2>&-", 0),
        ("info nothing 2>&-", 1),
    ],
)
def test_a_closed_stream_is_one_that_takes_all_words(tiny, tmp_path, command, code):
    """No file that is opened later has its number, or words would be written into it."""
    words = {"TRACE": str(tiny), "OUT": str(tmp_path / "out")}
    program = shlex.join([*PROGRAM, *(words.get(word, word) for word in command.split() if "&" not in word)])
    closed = " ".join(word for word in command.split() if "&" in word)
    done = subprocess.run(
        ["sh", "-c", f"{program} {closed}"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (code, "")
    if "OUT" in command:
        assert Result.load(tmp_path / "out/report.json").network == "tiny"


def test_where_there_is_no_home_no_library_says_so(tiny, tmp_path):
    homeless = {name: value for name, value in os.environ.items() if name[:4] not in ("XDG_", "MPLC")}
    done = start(
        "run", tiny, "--images", 1, "-q", "--out", tmp_path / "out", env={**homeless, "HOME": os.devnull}
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["arch"], ["run", "TRACE", "--json"]])
def test_a_reader_that_goes_away_leaves_no_traceback(tiny, arguments):
    arguments = [str(tiny) if argument == "TRACE" else argument for argument in arguments]
    program = subprocess.Popen(
        [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    program.stdout.close()
    assert program.stderr.read() == ""
    assert program.wait(60) == 1


def test_an_interrupt_is_one_line_and_exit_code_130(tiny, tmp_path):
    code = (
        "import os, signal; from hwsim.machine import simulation\n"
        "simulation.simulate = lambda *_: os.kill(os.getpid(), signal.SIGINT) or signal.pause()\n"
        "from hwsim.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", tiny, "--out", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "hwsim: interrupted\n")
    assert not (tmp_path / "out").exists()
