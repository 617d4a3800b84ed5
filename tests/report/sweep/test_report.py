"""Files of a sweep's report: the same numbers in summary, plots and page; whole, safe, and honest."""

import json
import os
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweeps import grid
from sweeps import row as run

from hwsim.report.sweep.machines import METRICS, TraceFacts
from hwsim.report.sweep.page import sweep_page
from hwsim.report.sweep.plots import SHOW, draw_sweep
from hwsim.report.sweep.summary import COSTS, TITLES, Summary
from hwsim.report.sweep.write import write_sweep_report
from hwsim.sweep.store import seal_joined

PLOTS = {"pareto_energy", "pareto_area", "pareto_sram", "pareto_dram", "heatmap", "sensitivity"}
MADE_UP = "Synthetic trace: generated values, not measured ones."


def words(svg: str) -> list[str]:
    return [
        "".join(node.itertext()) for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")
    ]


@pytest.fixture(scope="module")
def plots(summary):
    return {plot.name: plot for plot in draw_sweep(summary)}


def test_the_summary_by_hand(summary):
    document = json.loads(summary.to_json())
    assert document["counts"] == {"machines": 12, "simulated": 12, "feasible": 12}
    fastest = {"machine": 4, "dram_latency": 8, "cores": 4, "columns": 4, "cycles": 2000, "seconds": 2e-6}
    costs = {"energy_uj": 16, "dram_bytes": 640, "sram_bytes": 1000, "speedup": 2}
    costs |= {"luts": 20_000, "dsps": 30, "brams": 40}
    assert document["best"]["cycles"] == fastest | costs
    assert document["fronts"] == {"energy_uj": [0, 2, 4], "luts": [4], "sram_bytes": [4], "dram_bytes": [4]}
    assert document["ranking"][0] == "cores"
    assert document["heat_map"]["best"][0] == [8000, 4000, 2000]


def test_everything_has_a_title_and_a_form():
    assert set(TITLES) == set(SHOW) == set(METRICS)


def test_the_columns_of_the_summary_are_the_machines(summary, machines):
    columns = json.loads(summary.to_json())["machines"]
    assert columns["fields"]["cores"] == machines.fields["cores"]
    assert columns["metrics"]["all traces"]["cycles"] == machines.total["cycles"].tolist()
    level = columns["levels"]["cores"]
    assert [float(level["labels"][of]) for of in level["of"]] == machines.fields["cores"]


def test_all_plots_are_there_and_the_same_every_time(summary, plots):
    assert set(plots) == PLOTS
    assert {plot.name: plot for plot in draw_sweep(summary)} == plots


def test_plots_state_their_numbers(plots):
    assert {"8.00 k", "4.00 k", "2.00 k"} <= set(words(plots["heatmap"].svg))
    assert {"100.0 %", "0.0 %", "does not vary"} <= set(words(plots["sensitivity"].svg))
    assert "12 feasible machines; coloured by cores." in words(plots["pareto_energy"].svg)


def test_a_narrow_axis_tells_its_ticks_apart():
    nearly = grid(
        {"cores": [1, 2, 4]}, lambda cores: 100.0 / cores, energy_uj=lambda cores: 13.7 + cores / 1e4
    )
    shown = [w for w in words(draw_sweep(Summary(nearly))[0].svg) if w.endswith("µJ")]
    assert len(shown) == len(set(shown)) > 2


def test_a_logarithmic_axis_says_so_and_another_does_not(plots, machines):
    logarithmic = [w for w in words(plots["pareto_energy"].svg) if w.endswith(", logarithmic")]
    assert any(w.startswith("cycles an image") for w in logarithmic)  # 2000 to 8000
    near = grid({"cores": [1, 2]}, lambda cores: 100.0 + cores, energy_uj=lambda cores: 50.0 - cores)
    assert not any("logarithmic" in w for plot in draw_sweep(Summary(near)) for w in words(plot.svg))


def test_fields_that_a_constraint_ties_are_named(summary):
    both = {"cores": [1, 2, 4], "columns": [4, 8, 16], "dram_latency": [8, 16]}
    made = grid(
        both,
        lambda cores, columns, dram_latency: 8000.0 / cores,
        {"luts": {"min": 16, "max": 16}},
        luts=lambda cores, columns, dram_latency: cores * columns,
    )
    tied = Summary(made)
    assert tied.tied == [("cores", "columns")]
    assert tied.to_dict()["tied"] == [["cores", "columns"]]
    (plot,) = (plot for plot in draw_sweep(tied) if plot.name == "sensitivity")
    assert "cores and columns are tied: each shows the share of both." in words(plot.svg)
    assert summary.tied == []


@pytest.mark.parametrize("count", [1, 2, 10_000])
def test_any_number_of_machines_can_be_drawn(count):
    many = grid({"dram_latency": list(range(count))}, lambda dram_latency: 100.0 + dram_latency)
    plots = draw_sweep(Summary(many))
    assert {plot.name for plot in plots} == PLOTS
    assert sum(len(plot.svg) for plot in plots) < 600_000


def test_a_synthetic_trace_is_labelled_in_every_plot_and_on_the_page(machines, plots, summary):
    made_up = Summary(replace(machines, traces=(replace(machines.traces[0], synthetic=True),)))
    assert all(MADE_UP in words(plot.svg) for plot in draw_sweep(made_up))
    assert not any(MADE_UP in words(plot.svg) for plot in plots.values())
    assert MADE_UP in sweep_page(made_up, [])
    assert MADE_UP not in sweep_page(summary, [])


def test_nothing_feasible_is_said_with_its_reasons(nothing):
    page = sweep_page(nothing, draw_sweep(nothing))
    assert draw_sweep(nothing) == []
    assert "none is feasible" in page
    assert "cycles above 10" in page
    assert 'id="explorer"' not in page


def test_the_page_holds_the_summary_and_loads_nothing(summary, plots):
    page = sweep_page(summary, list(plots.values()))
    (held,) = re.findall(r'<script type="application/json" id="summary">(.*?)</script>', page, re.DOTALL)
    assert json.loads(held) == json.loads(summary.to_json())
    assert not re.search(r'\b(src|href)="(?!#)|@import|url\((?!#)|fetch\(|XMLHttpRequest', page)


def test_a_name_cannot_leave_its_element(machines):
    evil = '</script><script>alert(1)</script><!--"'
    named = replace(machines, title=evil, traces=(TraceFacts(evil, evil, evil, False, 1),), refused={evil: 1})
    page = sweep_page(Summary(named), [])
    assert page.count("<script") == 2
    assert "<!--" not in page


def test_a_folder_gets_all_files_from_its_parquet_alone(tmp_path):
    rows = [run(at, "a", {"cores": cores}, cycles=100.0 / cores) for at, cores in enumerate((1, 2, 4))]
    rows.append(run(3, "a", {"cores": 8}, feasible=False, problem="does not fit"))
    names = rows[0].keys() | rows[3].keys()
    pq.write_table(
        pa.Table.from_pylist([{n: r.get(n) for n in names} for r in rows]), tmp_path / "points.parquet"
    )
    manifest = {"space": {"space": {"cores": [1, 2, 4, 8]}}, "traces": [{"path": "a"}]}
    (tmp_path / "sweep.json").write_text(json.dumps(manifest))
    seal_joined(tmp_path)
    summary, files = write_sweep_report(tmp_path)
    pictures = {f"{name}.{kind}" for name in PLOTS for kind in ("png", "svg")}
    written = {"points.parquet", "joined.json", "sweep.json", "summary.json", "sweep.html"}
    assert set(os.listdir(tmp_path)) == written | pictures
    assert files[-1] == tmp_path / "sweep.html"
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["counts"] == {"machines": 4, "simulated": 3, "feasible": 3}
    assert document["refused"] == {"does not fit": 1}
    assert document["best"]["cycles"]["cores"] == 4
    assert set(document["fronts"]) == set(COSTS)
    assert np.isfinite(summary.machines.total["cycles"]).sum() == 3
