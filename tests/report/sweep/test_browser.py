"""The page of a sweep in a browser: its numbers are the summary's, and it sorts, filters and points."""

import json
import re

import pytest
from headless import document_after, problems
from sweeps import grid

from hwsim.report.sweep.page import sweep_page
from hwsim.report.sweep.plots import draw_sweep
from hwsim.report.sweep.summary import Summary


@pytest.fixture(scope="module")
def summary() -> Summary:
    """Two traces, three fields, two machines that break a constraint."""
    return Summary(
        grid(
            {"dram_latency": [8, 16], "cores": [1, 2, 4], "columns": [4, 8]},
            lambda cores, columns, dram_latency: 8000.0 / cores + 7 / columns,
            {"energy_uj": {"max": 54.0}},
            ("a.zip", "b.zip"),
            energy_uj=lambda cores, columns, dram_latency: 3.0 * columns + cores + dram_latency / 100,
            luts=lambda cores, columns, dram_latency: cores * (2000 + 500 * columns + dram_latency),
        )
    )


@pytest.fixture(scope="module")
def document(summary) -> dict:
    return json.loads(summary.to_json())


@pytest.fixture(scope="module")
def visit(summary, tmp_path_factory):
    """The page after a script, in a window of some width."""
    folder = tmp_path_factory.mktemp("page")
    page = folder / "sweep.html"
    page.write_text(sweep_page(summary, draw_sweep(summary)), encoding="utf-8")
    return lambda script="", width=1200: document_after(page, folder, script, width)


def cells(page: str, table: str) -> list[list[str]]:
    """Raw values of a table's rows."""
    (body,) = re.findall(rf'<table[^>]*id="{table}">.*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    return [re.findall(r'<td[^>]*?data-value="([^"]*)"', line) for line in body.split("</tr>")[:-1]]


def machines(document: dict) -> list[dict]:
    """One dict a machine, from the columns of the summary."""
    columns = document["machines"]
    named = {"machine": columns["machine"], **columns["fields"], **columns["metrics"]["all traces"]}
    rows = [dict(zip(named, values, strict=True)) for values in zip(*named.values(), strict=True)]
    return [row for row, fits in zip(rows, columns["feasible"], strict=True) if fits]


def shown(page: str) -> list[list[float]]:
    return [[float(value) for value in row] for row in cells(page, "machines")]


def listed(document: dict, rows: list[dict]) -> list[list[float]]:
    columns = ["machine", *document["ranking"], *document["metrics"]]
    return [[row[column] for column in columns] for row in rows]


def test_the_page_shows_the_numbers_of_the_summary(visit, document):
    page = visit()
    assert problems(page) == []
    assert document["counts"] == {"machines": 12, "simulated": 12, "feasible": 10}
    fastest = sorted(machines(document), key=lambda row: (row["cycles"], row["machine"]))
    assert shown(page) == listed(document, fastest)
    heat = [[float(value) for value in row] for row in cells(page, "heat")]
    assert heat == document["heat_map"]["best"][::-1]
    (front,) = re.findall(r'data-machines="([^"]*)"', page)
    assert [int(number) for number in front.split()] == document["fronts"]["energy_uj"]


@pytest.mark.parametrize("metric", ["sram_bytes", "dram_bytes", "luts"])
def test_the_front_of_other_axes_is_the_summarys(visit, document, metric):
    choose = f"""const select = document.querySelector('select[data-name=x]');
    select.value = '{metric}'; select.dispatchEvent(new Event('change'));"""
    page = visit(choose)
    (front,) = re.findall(r'data-machines="([^"]*)"', page)
    assert [int(number) for number in front.split()] == document["fronts"][metric]


def test_a_click_on_a_title_sorts_and_another_turns_the_order(visit, document):
    press = "document.querySelector('#machines th[data-key=energy_uj] button').click();"
    rising = sorted(machines(document), key=lambda row: (row["energy_uj"], row["machine"]))
    assert shown(visit(press)) == listed(document, rising)
    falling = sorted(machines(document), key=lambda row: (-row["energy_uj"], row["machine"]))
    assert shown(visit(press * 2)) == listed(document, falling)


def test_a_filter_holds_for_table_heat_map_and_front(visit, document):
    page = visit("document.querySelector('#filters button[data-field=cores]:last-child').click();")
    left = [row for row in machines(document) if row["cores"] != 4]
    assert problems(page) == []
    assert {row[0] for row in shown(page)} == {row["machine"] for row in left}
    kept = {float(value) for row in cells(page, "heat") for value in row if value}
    assert kept <= {row["cycles"] for row in left}
    best = min(left, key=lambda row: (row["cycles"], row["energy_uj"]))
    (front,) = re.findall(r'data-machines="([^"]*)"', page)
    assert int(front.split()[-1]) == best["machine"]


def test_filtering_everything_away_says_so(visit):
    page = visit("document.querySelectorAll('#filters button[data-field=cores]').forEach((b) => b.click());")
    assert problems(page) == []
    assert "No machine passes the filters." in page
    assert cells(page, "machines") == []


def test_one_trace_can_be_looked_at_alone_with_what_breaks_a_constraint(visit, document):
    page = visit("""const select = document.querySelector('select[data-name=trace]');
    select.value = 'net, b.zip'; select.dispatchEvent(new Event('change'));
    document.querySelector('.check input').click();""")
    assert problems(page) == []
    own = document["machines"]["metrics"]["net, b.zip"]["cycles"]
    column = 2 + len(document["ranking"])  # behind machine and feasible
    assert sorted(float(row[column]) for row in cells(page, "machines")) == sorted(own)


def test_pointing_at_a_row_tells_the_machine(visit, document):
    page = visit("""document.querySelector('#machines tbody tr')
    .dispatchEvent(new PointerEvent('pointerenter'));""")
    fastest = min(machines(document), key=lambda row: (row["cycles"], row["machine"]))
    told = re.search(r'id="pointed">([^<]*)<', page)[1]
    assert told.startswith(f"machine {fastest['machine']}, ")
    assert 'class="ring"' in page


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(visit, width):
    page = visit(
        "document.body.dataset.width = `${document.documentElement.scrollWidth} ${innerWidth}`;", width
    )
    wide, window = map(int, re.search(r'data-width="(\d+) (\d+)"', page).groups())
    assert wide <= window
