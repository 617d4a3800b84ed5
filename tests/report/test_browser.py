"""``report.html`` in a browser: no complaint, the numbers of report.json, tables that sort."""

import html
import json
import re

import pytest
from headless import document_after, problems

from hwsim.machine.runs import CAUSES
from hwsim.report.tables import LAYER_COLUMNS
from hwsim.report.write import write_report

PRESS = "document.querySelectorAll('table')[0].querySelectorAll('th button')[5].click();"  # cycles


@pytest.fixture(scope="module")
def folder(report, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(report, folder)
    return folder


@pytest.fixture(scope="module")
def visit(folder):
    return lambda script="", width=1200: document_after(folder / "report.html", folder, script, width)


def layers(page: str) -> list[list[str]]:
    """Raw values of the per-layer table."""
    body = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)[0]
    return [
        [html.unescape(v) for v in re.findall(r'<td[^>]*?data-value="([^"]*)"', row)]
        for row in body.split("</tr>")[:-1]
    ]


def rows(folder, key=lambda row: 0) -> list[list[str]]:
    per_layer = json.loads((folder / "report.json").read_text())["per_layer"]
    shown = [[row[column.key] for column in LAYER_COLUMNS] for row in sorted(per_layer, key=key)]
    return [["" if value is None else str(value) for value in row] for row in shown]


def test_the_page_shows_the_numbers_of_the_json(visit, folder):
    page = visit()
    assert problems(page) == []
    assert layers(page) == rows(folder)
    assert page.count("<svg") == 8


def test_a_click_on_a_title_sorts_and_another_turns_the_order(visit, folder):
    assert layers(visit(PRESS)) == rows(folder, lambda row: -row["cycles"])
    assert layers(visit(PRESS * 2)) == rows(folder, lambda row: row["cycles"])


@pytest.mark.parametrize(("words", "left"), [("SEC", ["second"]), (" ", ["first", "second"]), ("third", [])])
def test_words_in_the_filter_leave_the_layers_that_hold_them(visit, words, left):
    page = visit(
        f"""const field = document.querySelector('.filter input');
    field.value = '{words}'; field.dispatchEvent(new Event('input'));"""
    )
    assert problems(page) == []
    tables = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    for body in (tables[0], tables[1], tables[2]):  # layers, stalls, waterfall
        shown = re.findall(r'<tr(?: hidden="")?><td[^>]*data-value="([^"]*)"', body)
        hidden = re.findall(r'<tr hidden=""><td[^>]*data-value="([^"]*)"', body)
        assert [name for name in shown if name not in hidden] == left
    told = re.search(r"<output>([^<]*)</output>", page)[1]
    assert told == (f"{len(left)} of 2; totals are of all layers" if words.strip() else "")


def test_bars_of_the_waterfall_tell_the_cycles_of_the_json(visit, folder):
    document = json.loads((folder / "report.json").read_text())["waterfall"]
    told = re.findall(r"<title>(\w+|all layers): ([\w ]+), ([\d,]+) cycles</title>", visit())
    keys = {"dense": "dense_cycles", "dense stalls": "dense_stalls", "skipping": "cycles"}
    assert len(told) == 3 * (4 + len(CAUSES))  # two layers and all; dense, its stalls, zeros, skipping
    for row in (document["total"], *document["per_layer"]):
        own = {keys.get(name, name): cycles for layer, name, cycles in told if layer == row["layer"]}
        assert own == {key: f"{value:,.0f}" for key, value in row.items() if key != "layer"}


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(visit, width):
    measure = "document.body.dataset.width = `${document.documentElement.scrollWidth} ${innerWidth}`;"
    wide, window = map(int, re.search(r'data-width="(\d+) (\d+)"', visit(measure, width)).groups())
    assert wide <= window
