"""A result shows itself in a few lines, comes back from its file, and goes into a table of pandas."""

import builtins
import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from random_networks import chains, machines

import hwsim
from hwsim.machine.result import Result
from hwsim.machine.runs import DRAM_KINDS
from hwsim.machine.summary import ROWS
from hwsim.report.contents import Report, to_json
from hwsim.report.write import write_report
from traces import Tiny

ARCH = hwsim.Arch(cores=2, columns=4, energy={"mac": 1.5})


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return Tiny().write(tmp_path_factory.mktemp("trace") / "tiny.zarr.zip")


@pytest.fixture(scope="module")
def result(place) -> Result:
    return hwsim.simulate(place, ARCH)


@pytest.fixture(scope="module")
def file(place, result, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(Report.of(hwsim.open_trace(place), result), folder)
    return folder / "report.json"


# In a few lines.


def test_a_result_is_a_few_lines(result):
    lines = repr(result).splitlines()
    assert lines[0] == "Result: tiny, baseline, 2 images, on 2 cores x 4 multipliers"
    assert [line.split()[0] for line in lines[1:]] == ["cycles", "DRAM", "energy"]
    assert max(map(len, lines)) <= 110
    row = result.overall()
    assert f"{row['cycles']:,.0f} of an image, dense {row['dense_cycles']:,.0f}" in lines[1]
    assert f"speedup {row['speedup']:.2f}, MAC ratio {row['mac_ratio']:.2f}" in lines[1]
    for name, key in (("bytes", "dram_bytes"), ("dense", "dense_dram_bytes")):
        assert name in lines[2]
        assert f"{row[key]:,.0f}" in lines[2]
    for name, key in (("weights", "weights"), ("maps", "maps")):
        assert f"{name} {row[f'dram_{key}']:,.0f}" in lines[2]
    assert f"scales and programs {row['dram_scales'] + row['dram_programs']:,.0f}" in lines[2]
    assert f"{row['register_energy_uj']:,.2f}" in lines[3]


def test_a_result_of_one_image_and_of_half_a_machine_says_so(place):
    result = hwsim.simulate(place, ARCH.replace(compress=False), [1])
    first = repr(result).splitlines()[0]
    assert first.endswith("image 1, on 2 cores x 4 multipliers (skip_zeros True, compress False)")


def test_a_made_up_trace_says_so_in_text_and_table(result):
    made = replace(result, synthetic=True)
    assert "Synthetic trace: generated values" in repr(made)
    assert "Synthetic trace: generated values" in made._repr_html_()
    assert "Synthetic" not in repr(result) + result._repr_html_()


def test_a_notebook_shows_a_small_table_of_all_layers(result):
    table = result._repr_html_()
    assert len(table) < 4000
    assert table.count("<tr>") == 1 + 2 + 1  # titles, layers, all layers
    for row in (*result.per_layer(), result.overall()):
        assert f"<td>{row['layer']}</td><td>{row['density']:.1%}</td>" in table
        for key in ("cycles", "dense_cycles", "dram_weights", "dram_maps_in", "dram_maps_out"):
            assert f"<td>{row[key]:,.0f}</td>" in table


def test_a_table_of_many_layers_shows_those_with_the_most_cycles(result):
    first = result.layers[0]
    layers = []
    for number in range(2 * ROWS + 9):
        run = first.skipping
        grown = {cause: cycles + 2 * number for cause, cycles in run.causes.items()}
        layers.append(
            replace(
                first,
                skipping=replace(run, name=f"l{number}", cycles=run.cycles + 7 * number, causes=grown),
                dense=replace(first.dense, name=f"l{number}"),
            )
        )
    table = replace(result, layers=tuple(layers))._repr_html_()
    assert table.count("<tr>") == 1 + ROWS + 1
    assert f"The {ROWS + 9} layers with the fewest cycles are not shown." in table
    assert f"<td>l{ROWS + 8}</td>" not in table
    assert f"<td>l{ROWS + 9}</td>" in table


def test_names_are_text_in_a_table_and_one_line_in_text(result):
    hostile = replace(result, network="<b>\n\x1b[31m", variant="</caption>")
    assert "<b>\n" not in hostile._repr_html_()
    assert "</caption>," not in hostile._repr_html_()
    assert len(repr(hostile).splitlines()) == 4


def test_no_non_zero_mac_is_a_dash(result):
    idle = tuple(
        replace(layer, skipping=replace(layer.skipping, events={**layer.skipping.events, "mac": 0}))
        for layer in result.layers
    )
    assert "MAC ratio -" in repr(replace(result, layers=idle))


# Back from its file.


def test_a_result_comes_back_from_its_report(result, file):
    loaded = Result.load(file)
    assert loaded == result
    assert loaded.arch == ARCH
    assert loaded.overall() == result.overall()
    assert to_json(loaded.to_dict()) == to_json(result.to_dict())


@settings(max_examples=25, deadline=None)
@given(chains(images=2), machines)
def test_any_result_comes_back(tmp_path_factory, trace, arch):
    result = hwsim.simulate(trace, arch)
    path = tmp_path_factory.mktemp("any") / "result.json"
    path.write_text(to_json(result.to_dict()))
    assert Result.load(path) == result


def change(document: dict, *path, to) -> dict:
    changed = copy.deepcopy(document)
    here = changed
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = to
    return changed


RUN = ("layers", 0, "skipping")


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        (("schema",), 1, "schema 1, this version reads 6"),
        (("schema",), None, "schema None"),
        (("layers",), [], "no image or no layer"),
        (("images",), [], "no image or no layer"),
        (("images",), [0, 1, 2], "not those of the images"),
        (("images",), [0, 0], "not those of the images"),
        (("network",), 7, "network"),
        (("calibration_pictures",), -1, "fewer than none"),
        (("arch", "cores"), 0, "cores"),
        (("arch", "cores"), 3, "not its cycles x 3 cores"),
        (("arch", "flux"), 3, "flux"),
        (("arch", "clock_mhz"), 900.0, "totals are not those of the layers"),
        ((*RUN, "cycles"), "7", "cycles"),
        ((*RUN, "cycles"), 7, "not its cycles x 2 cores"),
        ((*RUN, "end"), 7, "not its cycles x 2 cores"),
        ((*RUN, "macs"), 7, "totals are not those of the layers"),
        ((*RUN, "least_cycles"), 7, "totals are not those of the layers"),
        ((*RUN, "dram", "weights"), 7, "totals are not those of the layers"),
        ((*RUN, "energy_pj", "mac"), 7.5, "totals are not those of the layers"),
        ((*RUN, "causes"), {}, "causes of conv are not compute"),
        ((*RUN, "dram"), {"weights": 1}, "dram of conv are not weights"),
        ((*RUN, "events"), {}, "events of conv are not mac"),
        ((*RUN, "energy_pj"), {}, "energy_pj of conv are not mac"),
        ((*RUN, "name"), "other", "conv|other"),
        (("layers", 0, "dense", "image"), 1, "lacks its baseline"),
        (("layers", 1, "dense"), None, "layers"),
        (("totals", "speedup"), 99.0, "totals are not those of the layers"),
        (("totals",), [], "totals are not those of the layers"),
    ],
)
def test_a_changed_report_is_refused_in_one_line(file, tmp_path, path, to, words):
    document = change(json.loads(file.read_text()), *path, to=to)
    place = tmp_path / "report.json"
    place.write_text(json.dumps(document))
    with pytest.raises(hwsim.ResultError, match=words) as caught:
        Result.load(place)
    assert "\n" not in str(caught.value)
    assert str(place) in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "schema",
        "arch",
        "layers",
        "totals",
        "images",
        "network",
        "provenance",
        "calibration_pictures",
        "chain",
    ],
)
def test_a_report_that_lacks_something_is_refused(file, tmp_path, key):
    document = json.loads(file.read_text())
    del document[key]
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(hwsim.ResultError):
        Result.load(tmp_path / "report.json")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"7", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_report_is_refused_with_advice(tmp_path, content):
    (tmp_path / "report.json").write_bytes(content)
    with pytest.raises(hwsim.ResultError, match=r"give a report\.json that 'hwsim run --out' wrote"):
        Result.load(tmp_path / "report.json")


def test_no_file_is_told_in_one_line(tmp_path):
    with pytest.raises(hwsim.ResultError, match=r"No such file or directory: give a report\.json"):
        Result.load(tmp_path / "none.json")


# Into pandas.


def test_pandas_gets_a_row_a_layer_with_the_bytes_by_kind(result):
    table = result.to_pandas()
    assert list(table.index) == ["conv", "fc"]
    assert table.index.name == "layer"
    for row in result.per_layer():
        for kind in DRAM_KINDS:
            assert table.loc[row["layer"], f"dram_{kind}"] == row[f"dram_{kind}"]
            assert table.loc[row["layer"], f"dense_dram_{kind}"] == row[f"dense_dram_{kind}"]
    assert set(table.columns) == set(result.overall()) - {"layer"}


def test_without_pandas_one_line_says_what_to_install(result, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(hwsim.ResultError, match=r"pip install pandas$"):
        result.to_pandas()
